"""The plan of tools/test: which builds, which groups of tests on which build.

Builds run beside the tests, one after the other in the order in which they are needed: hence the
harness first, which mostly waits. Programs of a group run as many at a time as there are processors;
groups with servers run alone.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from testing import ROOT
from testing.programs import build, count_tap, end_all, programs_of, run, run_program
from testing.pytests import run_pytest
from testing.results import Results

GROUPS = ("harness", "unit", "house", "sim", "contract", "e2e", "chaos", "tsan", "fuzz", "clang")
NOT_FAST = {"harness", "chaos", "tsan", "fuzz", "clang"}
NEED_SERVERS = {"harness", "contract", "e2e"}
MOSTLY_WAIT = NEED_SERVERS | {"chaos"}  # which has servers of its own
TSAN_FLOORS = ("run_", "sync_")  # those with threads, on the in-memory bus
TOOL = ROOT / "tools" / "servers"
FUZZ_SECONDS = 5
TIDY_MOST_S = 900  # it takes one minute of a processor for all sources
PROCESSES = min(max(os.cpu_count(), 2), 4)  # end-to-end tests mostly wait


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tools/test", add_help=False, allow_abbrev=False)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("-k", dest="words", default="")
    parser.add_argument("--servers", default=os.environ.get("TESTS_SERVERS", ""))
    parser.add_argument("--no-install", action="store_true")
    options = parser.parse_args()
    asked = [group for group in options.only.split(",") if group]
    for group in asked:
        if group not in GROUPS:
            parser.error(f"no group '{group}': {' '.join(GROUPS)}")
    options.groups = asked or [group for group in GROUPS if not (options.fast and group in NOT_FAST)]
    return options


def presets_of(group, fast):
    """The builds that a group runs on."""
    tested = ["ci"] if fast else ["asan"]
    return {"unit": ["ci"] if fast else ["ci", "asan"], "house": ["ci"], "harness": [],
            "sim": ["ci"], "contract": tested, "e2e": ["ci"] if fast else ["asan", "ci"],
            "chaos": tested}.get(group, [group])


class Builds:
    """Started at once, in order, on a thread of their own."""

    def __init__(self, groups, fast, results):
        self.results = results
        self.pool = ThreadPoolExecutor(1)
        presets = dict.fromkeys(preset for group in groups for preset in presets_of(group, fast))
        self.futures = {preset: self.pool.submit(build, preset) for preset in presets}
        self.told = {}

    def ready(self, preset):
        """Waits for it. False, and a failure told once, when it can't be built."""
        if preset not in self.told:
            self.results.begin(f"build {preset}")
            built = self.futures[preset].result()
            if built.status == 0:
                self.results.ok()
            else:
                self.results.fail(built.ended, built.output)
            self.results.end()
            self.told[preset] = built.status == 0
        return self.told[preset]


class Servers:
    """Started when the first group needs them; they end with this process, however it ends."""

    def __init__(self, folder, results):
        self.results = results
        self.given = self.folder = folder
        self.facts = None

    def ready(self):
        """False, and a failure told once, when they can't be had."""
        if self.facts is None:
            self.results.begin("servers")
            self.facts = self.start()
        return bool(self.facts)

    def start(self):
        if not self.folder:
            self.folder = tempfile.mkdtemp(prefix="haul-test-", dir="/tmp")
            started = run([TOOL, "start", self.folder, "--tls", "--with-parent", str(os.getpid())], 400)
            if started.status != 0:
                self.results.fail("start", started.output)
                return {}
        told = run([TOOL, "env", self.folder], 30)
        if told.status != 0:
            self.results.fail("env", told.output)
            return {}
        facts = dict(line.split("=", 1) for line in told.output.splitlines())
        return {"TESTS_SERVERS": self.folder, **{key: value.strip("'") for key, value in facts.items()}}

    def close(self):
        if self.folder and not self.given:
            subprocess.run([TOOL, "stop", self.folder, "--delete"], stdin=subprocess.DEVNULL, check=False)
            shutil.rmtree(self.folder, ignore_errors=True)


class Plan:
    def __init__(self, options):
        self.options = options
        self.results = Results()
        self.servers = Servers(options.servers, self.results)
        self.builds = Builds(options.groups, options.fast, self.results)

    def programs(self, group, preset, floors=("",), at_a_time=None):
        """All TAP programs of a folder of tests/; floors: only those whose names begin so."""
        programs = [program for program in programs_of(group, ROOT / "build" / preset, self.options.words)
                    if program.name.startswith(floors)]
        if not self.builds.ready(preset) or not programs:
            return
        self.results.begin(f"{group} ({preset})")
        with ThreadPoolExecutor(at_a_time or os.cpu_count()) as pool:
            runs = pool.map(lambda program: run_program(program, self.servers.facts), programs)
            for program, ran in zip(programs, runs):
                count_tap(program.name, ran, self.results)
        self.results.end()

    def scripts(self, group, preset="", env=None, marked=""):
        """All pytest tests of a folder of tests/; marked: those of them alone, see tests/pytest.ini."""
        if not any((ROOT / "tests" / group).glob("test_*.py")):
            return
        if preset and not self.builds.ready(preset):
            return
        self.results.begin(f"{group} ({preset})" if preset else group)
        build_env = {"HAUL_BUILD": str(ROOT / "build" / preset)} if preset else {}
        run_pytest(group, self.results, (self.options.words, marked), {**build_env, **(env or {})},
                   processes=PROCESSES if group in MOSTLY_WAIT else 1)
        self.results.end()

    # --- the groups, by name ---------------------------------------------------------------------

    def unit(self):
        for preset in presets_of("unit", self.options.fast):
            self.programs("unit", preset)

    def house(self):
        self.scripts("house", "ci")

    def sim(self):
        self.scripts("sim", "ci")

    def harness(self):
        self.scripts("harness", env=self.servers.facts)

    def contract(self):
        [preset] = presets_of("contract", self.options.fast)
        self.programs("contract", preset, at_a_time=1)
        self.scripts("contract", preset, self.servers.facts)

    def e2e(self):
        presets = presets_of("e2e", self.options.fast)
        marked = {"asan": "not memory", "ci": "memory"} if len(presets) > 1 else {}
        for preset in presets:
            self.scripts("e2e", preset, self.servers.facts, marked.get(preset, ""))

    def chaos(self):
        [preset] = presets_of("chaos", self.options.fast)
        self.scripts("chaos", preset)

    def tsan(self):
        self.programs("unit", "tsan", floors=TSAN_FLOORS)

    def clang(self):
        if not self.builds.ready("clang") or self.options.words not in "tidy":
            return
        self.results.begin("tidy")
        ran = run([ROOT / "tools" / "tidy"], TIDY_MOST_S)
        if ran.status == 0:
            self.results.ok()
        else:
            self.results.fail("tools/tidy", f"{ran.output}\n{ran.ended}")
        self.results.end()

    def fuzz(self):
        names = sorted(source.stem.removeprefix("fuzz_")
                       for source in (ROOT / "tests" / "fuzz").glob("fuzz_*.c"))
        names = [name for name in names if self.options.words in name]
        if not self.builds.ready("fuzz") or not names:
            return
        self.results.begin("fuzz")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for name, ran in zip(names, pool.map(self.fuzz_one, names)):
                if ran.status == 0:
                    self.results.ok()
                else:
                    self.results.fail(name, f"{ran.output}\n{ran.ended}")
        self.results.end()

    def fuzz_one(self, name):
        corpus = ROOT / "tests" / "fuzz" / "corpus" / name
        with tempfile.TemporaryDirectory(prefix="haul-fuzz-") as scratch:
            command = [ROOT / "build" / "fuzz" / "fuzz" / name, f"-max_total_time={FUZZ_SECONDS}",
                       "-timeout=10", "-rss_limit_mb=1024", f"-artifact_prefix={scratch}/", scratch]
            return run(command + ([corpus] if corpus.is_dir() else []), 120)

    def run(self):
        began = time.monotonic()
        try:
            for group in self.options.groups:
                if group not in NEED_SERVERS or self.servers.ready():
                    getattr(self, group)()
        finally:
            self.builds.pool.shutdown(cancel_futures=True)
            self.servers.close()
        self.results.say(f"{time.monotonic() - began:.0f} s")
        return self.results.finish()


def stop(number, _):
    end_all()
    print(f"stopped by {signal.Signals(number).name}", flush=True)
    sys.exit(128 + number)


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    sys.exit(Plan(parse_arguments()).run())
