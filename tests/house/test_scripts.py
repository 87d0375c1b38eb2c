"""The project's own scripts: clean shell, help that says what they do, a runner that can't be fooled."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "lib"))

from testing.programs import count_tap, programs_of, run_program  # noqa: E402
from testing.pytests import run_pytest  # noqa: E402
from testing.results import Results  # noqa: E402


def shell_scripts():
    places = [ROOT / ".ci", ROOT / "tools", *(ROOT / "tools" / "lib").rglob("*")]
    files = [path for place in places if place.is_dir() for path in place.iterdir() if path.is_file()]
    files += [path for path in (ROOT / "tools" / "lib").rglob("*.sh")]
    return sorted({path for path in files if path.suffix == ".sh" or path.read_bytes()[:11] == b"#!/bin/bash"})


@pytest.mark.parametrize("script", shell_scripts(), ids=lambda path: str(path.relative_to(ROOT)))
def test_shellcheck(script):
    done = subprocess.run(["shellcheck", "-x", script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["install", "servers", "test", "bench", "demo", "chaos"])
def test_help_names_the_script_and_its_uses(name):
    done = subprocess.run([ROOT / "tools" / name, "--help"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0
    assert f"tools/{name}" in done.stdout and "set -" not in done.stdout


def test_install_lists_every_group():
    text = subprocess.run([ROOT / "tools" / "install", "--list"], capture_output=True, text=True).stdout
    assert {line.split()[0] for line in text.splitlines()} == {"build", "servers", "kafka", "test", "docs-tests",
                                                            "bench"}
    assert "librdkafka-dev" in text and "pgloader" in text


def test_install_refuses_an_unknown_group():
    done = subprocess.run([ROOT / "tools" / "install", "everything"], capture_output=True, text=True)
    assert done.returncode == 1 and "no group 'everything'" in done.stderr


# --- the runner behind tools/test: (what the program prints and gives) -> (passed, failed, skipped)

TAP_CASES = {
    "all well": ("echo 'ok 1 - a'; echo 'ok 2 - b'; echo 1..2", (2, 0, 0)),
    "one fails": ("echo '# why'; echo 'not ok 1 - a'; echo 'ok 2 - b'; echo 1..2; exit 1", (1, 1, 0)),
    "skipped": ("echo 'ok 1 - a # SKIP no such server'; echo 1..1", (0, 0, 1)),
    "crash": ("echo 'ok 1 - a'; kill -SEGV $$", (1, 1, 0)),
    "no plan": ("echo 'ok 1 - a'", (1, 1, 0)),
    "short of the plan": ("echo 'ok 1 - a'; echo 1..2", (1, 1, 0)),
    "no test": ("echo 1..0", (0, 1, 0)),
    "nothing": ("true", (0, 1, 0)),
    "bad status": ("echo 'ok 1 - a'; echo 1..1; exit 3", (1, 1, 0)),
    "hangs": ("echo 'ok 1 - a'; sleep 60", (1, 1, 0)),
}


@pytest.mark.parametrize("name", TAP_CASES)
def test_tap(name, tmp_path, capsys):
    body, want = TAP_CASES[name]
    program = tmp_path / "program"
    program.write_text(f"#!/bin/bash\n{body}\n")
    program.chmod(0o755)
    results = Results()
    results.begin("group")
    count_tap(program.name, run_program(program, timeout_s=1), results)
    assert (results.passed, len(results.failed), len(results.skipped)) == want
    assert results.finish() == (0 if want[1] == 0 and want[0] > 0 else 1)
    assert capsys.readouterr().out.splitlines()[-1] == f"{want[0]} passed, {want[1]} failed"


PYTEST_CASES = {
    "all well": ("def test_a(): pass", (1, 0, 0)),
    "fails": ("def test_a(): pass\ndef test_b(): print('said', 'before'); assert 0, 'the reason'",
              (1, 1, 0)),
    "error in a fixture": ("import pytest\n@pytest.fixture\ndef f(): 1 / 0\ndef test_a(f): pass", (0, 1, 0)),
    "skipped": ("import pytest\ndef test_a(): pytest.skip('no such server')", (0, 0, 1)),
    "does not compile": ("def", (0, 1, 0)),
    "no test": ("", (0, 1, 0)),
    "crash": ("import os\ndef test_a(): os._exit(9)", (0, 1, 0)),
}


@pytest.mark.parametrize("name", PYTEST_CASES)
def test_pytest_counts(name, tmp_path, capsys):
    body, want = PYTEST_CASES[name]
    (tmp_path / "test_inner.py").write_text(body)
    results = Results()
    results.begin("group")
    run_pytest(tmp_path, results)
    assert (results.passed, len(results.failed), len(results.skipped)) == want
    if name == "fails":
        out = capsys.readouterr().out
        assert 0 < out.find("the reason") < out.find("said before")  # what is cut off is the lesser loss


def test_a_failing_test_is_shown_with_its_output(tmp_path, capsys):
    program = tmp_path / "program"
    program.write_text("#!/bin/bash\necho '# 3 is not 4'\necho 'not ok 1 - sums'\necho 1..1\nexit 1\n")
    program.chmod(0o755)
    results = Results()
    results.begin("group")
    count_tap(program.name, run_program(program), results)
    out = capsys.readouterr().out
    assert "FAILED group program sums" in out and "# 3 is not 4" in out


def test_programs_follow_from_the_sources(tmp_path):
    names = {path.name for path in programs_of("unit", tmp_path)}
    assert "base_arena" in names
    assert {path.name for path in programs_of("unit", tmp_path, "base_aren")} == {"base_arena"}


def test_a_program_that_was_not_built_is_a_failure(tmp_path, capsys):
    results = Results()
    results.begin("group")
    count_tap("missing", run_program(tmp_path / "missing"), results)
    assert len(results.failed) == 1 and "was not built" in capsys.readouterr().out
