"""docs/enqueue.md's programs are run as they stand, against a real Kafka and a real worker.

Modules of other languages go into HAUL_DOCS_CACHE (~/.cache/haul/docs-tests); a missing tool chain or registry skips
the test by name (tools/install docs-tests installs Debian's).
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.programs import clean_environment
from harness.servers import ROOT

PAGE = (ROOT / "docs" / "enqueue.md").read_text()
PROGRAMS = dict(re.findall(r"<!-- run: (\S+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL))
CACHE = Path(os.environ.get("HAUL_DOCS_CACHE", Path.home() / ".cache" / "haul" / "docs-tests"))
FRANZ_GO = "v1.16.1"  # builds with Debian 12's Go
KAFKAJS = "2.2.4"


def tool(name):
    path = shutil.which(name) or (f"/usr/local/go/bin/{name}" if Path(f"/usr/local/go/bin/{name}").exists() else None)
    if path is None:
        pytest.skip(f"no {name}: tools/install docs-tests")
    return path


def fetch(what, command, folder, **env):
    done = subprocess.run(command, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, timeout=240)
    if done.returncode != 0:
        pytest.skip(f"{what} cannot be fetched: {done.stderr[-300:]}")


def python_command(folder):
    return ["/usr/bin/python3", folder / "follow.py"]


def node_command(folder):
    node, npm = tool("node"), tool("npm")
    modules = CACHE / "node"
    modules.mkdir(parents=True, exist_ok=True)
    if not (modules / "node_modules" / "kafkajs").exists():
        fetch("kafkajs", [npm, "install", "--silent", "--no-audit", "--no-fund", f"kafkajs@{KAFKAJS}"], modules)
    (folder / "node_modules").symlink_to(modules / "node_modules")
    return [node, folder / "follow.mjs"]


def go_command(folder):
    go = tool("go")
    env = {"GOPATH": str(CACHE / "go"), "GOCACHE": str(CACHE / "go-build"), "GOFLAGS": "-mod=mod -modcacherw",
           "GOTOOLCHAIN": "local"}
    (folder / "go.mod").write_text(f"module follow\n\ngo 1.18\n\nrequire github.com/twmb/franz-go {FRANZ_GO}\n")
    fetch("franz-go", [go, "mod", "download", "github.com/twmb/franz-go"], folder, **env)
    done = subprocess.run([go, "build", "-o", "follow", "follow.go"], cwd=folder, env={**os.environ, **env},
                          capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return [folder / "follow"]


def shell_command(folder):
    tool("kcat")
    return ["/bin/sh", "-eu", folder / "follow.sh"]


COMMANDS = {"follow.py": python_command, "follow.mjs": node_command, "follow.go": go_command,
            "follow.sh": shell_command}


def test_the_page_has_a_program_for_each_language():
    assert PROGRAMS.keys() == COMMANDS.keys()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", COMMANDS)
def test_program(name, haul, mariadb_database, postgres_database, tmp_path):
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / name).write_text(PROGRAMS[name])
    command = COMMANDS[name](folder)
    mariadb_database.query("CREATE TABLE orders (id int PRIMARY KEY, total decimal(10,2))")
    mariadb_database.query("INSERT INTO orders SELECT seq, seq FROM seq_1_to_1234")
    haul.workspace = "acme"
    haul.add_database("shop", mariadb_database)
    haul.add_database("warehouse", postgres_database)
    haul.start_worker()
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=90,
                          env=clean_environment({**haul.kafka_env(), "HAUL_TOPIC_PREFIX": haul.prefix}))
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "succeeded" in done.stdout
    assert name == "follow.sh" or "1234" in done.stdout
    assert postgres_database.query("SELECT count(*), sum(total) FROM orders") == [(1234, 1234 * 1235 // 2)]
