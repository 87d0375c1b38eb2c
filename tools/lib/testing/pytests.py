"""A folder of pytest tests: run, and its JUnit report counted."""

import importlib.util
import re
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from testing import ROOT
from testing.programs import run

NOTHING_COLLECTED = 5


def run_pytest(folder, results, chosen=("", ""), env=None, timeout_s=2400, processes=1):
    """chosen: words of their names, marks; processes: that many at a time, where the tests keep apart (fixture `servers`)."""
    with tempfile.TemporaryDirectory(prefix="haul-test-") as scratch:
        report = Path(scratch) / "report.xml"
        command = ["/usr/bin/python3", "-m", "pytest", "-q", "--no-header", "--tb=short",
                   "--continue-on-collection-errors", "-o", "junit_logging=all", f"--junitxml={report}", folder]
        if processes > 1 and importlib.util.find_spec("xdist") is not None:
            command += ["-n", str(processes)]
        words, marked = chosen
        command += [*(("-k", words) if words else ()), *(("-m", marked) if marked else ())]
        ran = run(command, timeout_s, env, ROOT / "tests")
        if ran.status == NOTHING_COLLECTED:
            if not words:
                results.fail(str(folder), f"no test in it\n{ran.output}")
            return
        failed = count_report(report, results) if report.exists() else 0
        if not report.exists() or (ran.status != 0 and not failed):
            results.fail(str(folder), f"{ran.output}\npytest {ran.ended}")


def count_report(report, results):
    failed = 0
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname').rpartition('.')[2]}::{case.get('name')}"
        problems = case.findall("failure") + case.findall("error")
        skip = case.find("skipped")
        if problems:
            failed += 1
            results.fail(name, told_by_all(problems), told_by_all(outputs(case)))
        elif skip is not None:
            results.skip(name, skip.get("message", ""))
        else:
            results.ok()
    return failed


def outputs(case):
    """What the test printed; pytest writes a heading even over nothing."""
    parts = (*case.findall("system-out"), *case.findall("system-err"))
    return [part for part in parts if re.sub(r"-+ Captured \w+ -+", "", part.text or "").strip()]


def told_by_all(parts):
    return "\n".join((part.text or part.get("message") or "").strip() for part in parts)
