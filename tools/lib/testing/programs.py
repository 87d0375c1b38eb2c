"""Programs: run with a deadline, in a process group that is ended whole; TAP."""

import os
import re
import signal
import subprocess
from dataclasses import dataclass

from testing import ROOT

SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=0:exitcode=66:second_deadlock_stack=1",
}

_groups = set()  # of processes that run, by any thread
_ending = []  # not empty: we were told to end


@dataclass
class Ran:
    status: int  # below 0: killed by a signal, ours when the time was up
    output: str  # standard output and error together

    @property
    def ended(self):
        return f"ended with {self.status}" if self.status >= 0 else f"killed by signal {-self.status}"


def run(command, timeout_s, env=None, cwd=ROOT):
    with subprocess.Popen(command, cwd=cwd, env={**os.environ, **SANITIZERS, **(env or {})},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", start_new_session=True) as process:
        _groups.add(process.pid)
        if _ending:
            end_group(process.pid)
        try:
            output, _ = process.communicate(timeout=timeout_s)
            return Ran(process.returncode, output)
        except subprocess.TimeoutExpired:
            end_group(process.pid)
            output, _ = process.communicate()
            return Ran(-signal.SIGKILL, f"{output}\ntime was up after {timeout_s} s")
        finally:
            _groups.discard(process.pid)


def end_group(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def end_all():
    """Whatever runs for us, in any thread, now or from now on."""
    _ending.append(True)
    for group in list(_groups):
        end_group(group)


def build(preset):
    return run(["sh", "-c", f"cmake --preset {preset} && cmake --build --preset {preset}"], 900)


def run_program(program, env=None, timeout_s=300):
    if not program.exists():
        return Ran(127, f"{program} was not built")
    return run([program], timeout_s, env)


def count_tap(name, ran, results):
    """What a program's TAP says. A crash, a wrong plan or no test at all is a failure too."""
    notes, plan, seen, failed = [], None, 0, 0
    for line in ran.output.splitlines():
        verdict = re.match(r"(not )?ok \d+ - (.*?)(?: # SKIP (.*))?$", line)
        if verdict is None:
            planned = re.fullmatch(r"1\.\.(\d+)", line)
            plan = int(planned[1]) if planned else plan
            notes.append(line)
            continue
        seen += 1
        is_bad, test, skip = verdict.groups()
        if skip is not None:
            results.skip(f"{name} {test}", skip)
        elif is_bad:
            failed += 1
            results.fail(f"{name} {test}", "\n".join(notes))
        else:
            results.ok()
        notes = []
    if seen == 0 or plan != seen or (ran.status != 0 and failed == 0):
        results.fail(name, f"{ran.output}\n{name} {ran.ended} after {seen} tests, plan {plan}")


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
