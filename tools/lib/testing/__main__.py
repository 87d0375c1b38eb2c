"""The plan of tools/test: which builds, which groups of tests on which build."""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from testing import ROOT
from testing.programs import build, programs_of, run, run_tap
from testing.pytests import run_pytest
from testing.results import Results

GROUPS = ("unit", "house", "harness", "contract", "e2e", "tsan", "fuzz")
NEED_SERVERS = {"harness", "contract", "e2e"}
TOOL = ROOT / "tools" / "servers"
FUZZ_SECONDS = 5


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
    options.groups = asked or [group for group in GROUPS
                               if not (options.fast and group in ("harness", "tsan", "fuzz"))]
    return options


class Servers:
    """Started when the first group needs them; they end with this process, however it ends."""

    def __init__(self, folder):
        self.given = folder
        self.folder = folder
        self.facts = None

    def env(self, results):
        """What tests find them by; None, and a failure told once, when they can't be had."""
        if self.facts is None:
            self.facts = self.start(results)
        return self.facts or None

    def start(self, results):
        results.begin("servers")
        if not self.folder:
            self.folder = tempfile.mkdtemp(prefix="haul-test-", dir="/tmp")
            status, output = run([TOOL, "start", self.folder, "--tls", "--with-parent", str(os.getpid())], 400)
            if status != 0:
                results.fail("start", output)
                return {}
        status, text = run([TOOL, "env", self.folder], 30)
        if status != 0:
            results.fail("env", text)
            return {}
        facts = dict(line.split("=", 1) for line in text.splitlines())
        return {"TESTS_SERVERS": self.folder, **{key: value.strip("'") for key, value in facts.items()}}

    def close(self):
        if self.folder and not self.given:
            run([TOOL, "stop", self.folder, "--delete"], 120)
            shutil.rmtree(self.folder, ignore_errors=True)


class Plan:
    def __init__(self, options):
        self.options = options
        self.results = Results()
        self.servers = Servers(options.servers)
        self.built = {}

    def is_built(self, preset):
        if preset not in self.built:
            self.built[preset] = build(preset, self.results)
        return self.built[preset]

    def programs(self, group, preset, env=None, floors=("",)):
        """All TAP programs of a folder of tests/; floors: only those whose names begin so."""
        programs = [program for program in programs_of(group, ROOT / "build" / preset, self.options.words)
                    if program.name.startswith(floors)]
        if not programs or not self.is_built(preset):
            return
        self.results.begin(f"{group} ({preset})")
        for program in programs:
            run_tap(program, self.results, env)
        self.results.end()

    def scripts(self, group, preset="", env=None):
        """All pytest tests of a folder of tests/."""
        if not any((ROOT / "tests" / group).glob("test_*.py")):
            return
        if preset and not self.is_built(preset):
            return
        self.results.begin(f"{group} ({preset})" if preset else group)
        build_env = {"HAUL_BUILD": str(ROOT / "build" / preset)} if preset else {}
        run_pytest(group, self.results, self.options.words, {**build_env, **(env or {})})
        self.results.end()

    # --- the groups, by name ---------------------------------------------------------------------

    def unit(self):
        for preset in ("ci",) if self.options.fast else ("ci", "asan"):
            self.programs("unit", preset)

    def house(self):
        self.scripts("house", "ci")

    def harness(self):
        self.scripts("harness", env=self.servers.facts)

    def contract(self):
        preset = "ci" if self.options.fast else "asan"
        self.programs("contract", preset, self.servers.facts)
        self.scripts("contract", preset, self.servers.facts)

    def e2e(self):
        self.scripts("e2e", "ci" if self.options.fast else "asan", self.servers.facts)

    def tsan(self):
        """The floors with threads, on the in-memory bus."""
        self.programs("unit", "tsan", floors=("run_", "sync_"))

    def fuzz(self):
        sources = sorted((ROOT / "tests" / "fuzz").glob("fuzz_*.c"))
        names = [source.stem.removeprefix("fuzz_") for source in sources]
        if not names or not self.is_built("fuzz"):
            return
        self.results.begin("fuzz")
        for name in names:
            if self.options.words in name:
                self.fuzz_one(ROOT / "build" / "fuzz" / "fuzz" / name)
        self.results.end()

    def fuzz_one(self, program):
        corpus = Path(ROOT) / "tests" / "fuzz" / "corpus" / program.name
        with tempfile.TemporaryDirectory(prefix="haul-fuzz-") as scratch:
            command = [program, f"-max_total_time={FUZZ_SECONDS}", "-timeout=10", "-rss_limit_mb=1024",
                       f"-artifact_prefix={scratch}/", scratch]
            status, output = run(command + ([corpus] if corpus.is_dir() else []), 120)
        if status == 0:
            self.results.ok()
        else:
            self.results.fail(program.name, output)

    def run(self):
        began = time.monotonic()
        try:
            for group in self.options.groups:
                if group not in NEED_SERVERS or self.servers.env(self.results):
                    getattr(self, group)()
            if not self.options.fast and not self.options.only:
                self.is_built("clang")
        finally:
            self.servers.close()
        self.results.say(f"{time.monotonic() - began:.0f} s")
        return self.results.finish()


if __name__ == "__main__":
    sys.exit(Plan(parse_arguments()).run())
