"""Programs: run with a deadline, in a process group that is ended whole; builds; TAP."""

import os
import re
import signal
import subprocess

from testing import ROOT

SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=0:exitcode=66:second_deadlock_stack=1",
}


def run(command, timeout_s, env=None, cwd=ROOT):
    """(exit status, output); -1 when the time was up. Output is standard output and error together."""
    with subprocess.Popen(command, cwd=cwd, env={**os.environ, **SANITIZERS, **(env or {})},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", start_new_session=True) as process:
        try:
            output, _ = process.communicate(timeout=timeout_s)
            return process.returncode, output
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            return -1, f"{output}\ntime was up after {timeout_s} s"


def build(preset, results, targets=()):
    """Configures and builds a preset; False, and a failure told, when it can't be."""
    results.begin(f"build {preset}")
    command = f"cmake --preset {preset} && cmake --build --preset {preset} -j{os.cpu_count()}"
    for target in targets:
        command += f" --target {target}"
    status, output = run(["sh", "-c", command], 900)
    if status == 0:
        results.ok()
    else:
        results.fail("", output)
    results.end()
    return status == 0


def run_tap(program, results, env=None, timeout_s=300):
    """One program that prints TAP. A crash, a wrong plan or no test at all is a failure too."""
    if not program.exists():
        results.fail(program.name, f"{program} was not built")
        return
    status, output = run([program], timeout_s, env)
    notes, plan, seen, failed = [], None, 0, 0
    for line in output.splitlines():
        verdict = re.match(r"(not )?ok \d+ - (.*?)(?: # SKIP (.*))?$", line)
        if verdict is None:
            planned = re.fullmatch(r"1\.\.(\d+)", line)
            plan = int(planned[1]) if planned else plan
            notes.append(line)
            continue
        seen += 1
        is_bad, name, skip = verdict.groups()
        if skip is not None:
            results.skip(f"{program.name} {name}", skip)
        elif is_bad:
            failed += 1
            results.fail(f"{program.name} {name}", "\n".join(notes))
        else:
            results.ok()
        notes = []
    if seen == 0 or plan != seen or (status != 0 and failed == 0):
        ended = f"ended with {status}" if status >= 0 else f"killed by signal {-status}"
        results.fail(program.name, f"{output}\n{program.name} {ended} after {seen} tests, plan {plan}")


def programs_of(group, build_folder, words=""):
    """(where they must be) of a group's programs, from the sources: a stale one isn't run, a missing
    one is noticed. unit/io/test_json.c -> unit/io_json, contract/test_hub.c -> contract/hub."""
    found = []
    for source in sorted((ROOT / "tests" / group).rglob("test_*.c")):
        floor = [source.parent.name] if source.parent.name != group else []
        name = "_".join([*floor, source.stem.removeprefix("test_")])
        if words in name:
            found.append(build_folder / group / name)
    return found
