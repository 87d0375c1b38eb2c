"""Help, completion, manual, schemas: whatever is printed from the command line's tables."""

import json
import os
import re
import shutil
import signal
import subprocess

import jsonschema
import pytest

from harness.programs import clean_environment, program_path, run_program
from harness.servers import ROOT

CORPUS = json.loads((ROOT / "tests" / "corpus" / "job.sql_sync.json").read_text())


def haul(*words, **how):
    return run_program("haul", *words, env=how.pop("env", {}), **how)


def command_names():
    text = haul("--help").out
    part = text[text.index("Commands"):text.index("haul COMMAND --help")]
    return re.findall(r"^  (\S+(?: \S+)?)  +\S", part, re.MULTILINE)


# --- help ----------------------------------------------------------------------------------------

def test_every_command_has_help_with_examples():
    names = command_names()
    assert {"migrate", "topics create", "connection add", "connection list", "connection test", "connection remove",
            "vault rotate", "vault keygen", "discover", "preview", "types", "estimate", "enqueue", "watch", "jobs",
            "show", "cancel", "verify", "quarantine list", "quarantine export", "dlq list", "dlq show", "dlq replay",
            "broker", "schema", "doctor"} <= set(names)
    for name in names:
        text = haul(*name.split(), "--help").out
        assert text == haul("help", *name.split()).out
        assert text.startswith(f"haul {name}: ") and f"usage: haul {name}" in text
        assert "Examples:" in text or name == "reference", name
        for line in re.findall(r"^  (haul .*)$", text, re.MULTILINE):
            assert any(line.startswith(f"haul {known}") for known in names), line
        assert all(len(line) <= 100 for line in text.splitlines() if not line.startswith("  "))


def test_groups_and_settings():
    assert haul("connection", status=2).out == haul("help", "connection").out
    assert "connection add" in haul("help", "connection").out and "dlq list" not in haul("help", "connection").out
    settings = haul("help", "settings").out
    assert "--hub-url" in settings and "HAUL_HUB_URL" in settings
    for connector in ("mysql", "postgres"):
        text = haul("help", "connector", connector).out
        assert "user (required)" in text and "password (secret" in text
    assert haul("--version").out.startswith("haul 0.")
    assert haul(status=2).out == haul("--help").out


@pytest.mark.parametrize("words, said", [
    (["connektion", "add"], "haul --help"), (["jbos"], "haul jobs"), (["jobs", "extra"], "too many"),
    (["show"], "usage: haul show JOB"), (["jobs", "--limt", "3"], "--limit"), (["jobs", "--limit"], "needs a value"),
    (["jobs", "--limit", "x"], "limit"), (["jobs", "--hub-uri", "x"], "--hub-url"), (["jobs", "-x"], "-x"),
    (["jobs"], "HAUL_HUB_URL"), (["discover", "c"], "--workspace"), (["completion", "fish"], "bash or zsh"),
])
def test_wrong_command_lines(words, said):
    done = haul(*words, status=2)
    assert said in done.err and done.out == ""
    error = haul(*words, "--json", status=2)
    if words[-1] != "--limit":
        assert error.err == "" and said in json.dumps(error.json["error"], ensure_ascii=False)


def test_an_unreachable_hub_is_exit_status_5():
    done = haul("jobs", "--json", env={"HAUL_HUB_URL": "postgresql://u@127.0.0.1:1/d"}, status=5)
    assert done.json["error"]["code"] == "hub.unreachable"


def test_secrets_in_urls_are_not_shown():
    done = haul("jobs", env={"HAUL_HUB_URL": "postgresql://u:s3cret@127.0.0.1:1/d?colour=red"}, status=None)
    assert done.status != 0 and "s3cret" not in done.err


# --- completion, manual, reference ---------------------------------------------------------------

def complete(line):
    script = haul("completion", "bash").out + f"""
COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
[[ "{line}" == *" " ]] && COMP_WORDS+=("") && COMP_CWORD=$((COMP_CWORD + 1))
_haul; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and done.stderr == "", done
    return set(done.stdout.split())


def test_completion_in_bash():
    assert {"connection", "enqueue", "dlq"} <= complete("haul ")
    assert complete("haul conn") == {"connection"}
    assert complete("haul connection ") == {"add", "list", "test", "remove"}
    assert complete("haul dlq re") == {"replay"}
    assert {"--dry-run", "--rate", "--json", "--hub-url"} <= complete("haul dlq replay --")
    assert "--rate" not in complete("haul jobs --")


def test_completion_for_zsh_is_accepted():
    text = haul("completion", "zsh").out
    assert text.startswith("#compdef haul")
    if shutil.which("zsh"):
        done = subprocess.run(["zsh", "-n", "-c", text], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr


def test_manual_page():
    text = haul("man").out
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=text.encode(), capture_output=True, timeout=60)
    assert done.returncode == 0 and done.stderr == b"", done.stderr.decode()[:2000]
    for name in command_names():
        assert f".SS haul {name}".replace("-", r"\-") in text


def test_reference_names_everything():
    text = haul("reference").out
    for name in command_names():
        assert f"\n### haul {name}\n" in text
    assert "hub_url" in text and "| 5 |" in text


# --- schemas -------------------------------------------------------------------------------------

def test_schemas_in_the_repository_are_those_of_the_tables(tmp_path):
    haul("schema", "--write", tmp_path / "made")
    made = {path.name: path.read_text() for path in (tmp_path / "made").iterdir()}
    kept = {path.name: path.read_text() for path in (ROOT / "schemas").glob("*.json")}
    assert made.keys() == kept.keys(), "run: haul schema --write schemas"
    for name in made:
        assert made[name] == kept[name], f"{name} has drifted; run: haul schema --write schemas"


@pytest.mark.parametrize("name", ["job.sql_sync", "connection.mysql", "connection.postgres"])
def test_schemas_are_valid(name):
    schema = haul("schema", name).json
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert name in [row["schema"] for row in haul("schema", "--json").json]
    haul("schema", "job.nothing", status=3)


def taken_by_haul(job):
    done = haul("enqueue", "sql_sync", "-f", "-", "--dry-run", stdin=json.dumps(job), status=None)
    assert done.status in (0, 2, 4), done
    return done.status == 0


def test_an_independent_validator_agrees():
    """Over a corpus of good and bad jobs: the schema and the decoder, made from one table, say the same."""
    validator = jsonschema.Draft202012Validator(haul("schema", "job.sql_sync").json)
    wrong = []
    for group, by_schema, by_haul in (("good", True, True), ("bad", False, False), ("against_rules", True, False)):
        for name, job in CORPUS[group].items():
            if validator.is_valid(job) != by_schema:
                wrong.append(f"{group}: {name}: the schema says otherwise")
            if taken_by_haul(job) != by_haul:
                wrong.append(f"{group}: {name}: haul says otherwise")
    assert wrong == []


def test_connections_agree_with_their_schema():
    """A field that the schema requires is required by haul, too."""
    for connector in ("mysql", "postgres"):
        schema = haul("schema", f"connection.{connector}").json
        assert "user" in schema["required"] and schema["additionalProperties"] is False
        assert schema["properties"]["port"]["type"] == "integer"


# --- the broker ----------------------------------------------------------------------------------

def test_broker_serves_and_ends():
    process = subprocess.Popen([program_path("haul"), "broker", "--json"], env=clean_environment({}),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        said = json.loads(process.stdout.readline())
        assert "development" in said["limits"] and "5 MiB" in said["limits"] and said["pid"] == process.pid
        env = {"HAUL_KAFKA_BROKERS": said["brokers"]}
        sent = haul("enqueue", "sql_sync", "-f", "-", "--json", stdin=json.dumps(CORPUS["good"]["usual"]), env=env).json
        assert sent["job_id"] == CORPUS["good"]["usual"]["id"]
        assert not any(row["created"] for row in haul("topics", "create", "--json", env=env).json)
    finally:
        os.kill(process.pid, signal.SIGTERM)
    assert process.wait(20) == 0
