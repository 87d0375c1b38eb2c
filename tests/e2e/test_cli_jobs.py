"""Jobs through the command line: enqueue, watch, jobs, show, cancel, quarantine."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

import pytest

from harness.programs import clean_environment, program_path
from harness.waiting import wait_for

ULID = re.compile(r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")


@pytest.fixture
def shop(haul, mariadb_database, postgres_database):
    """Haul with a source and a target."""
    mariadb_database.query("CREATE TABLE t (id int PRIMARY KEY, word varchar(20))")
    mariadb_database.query("INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, NULL)")
    haul.add_database("from", mariadb_database)
    haul.add_database("to", postgres_database)
    haul.source, haul.target = mariadb_database, postgres_database
    return haul


WORDS = ["sync_id=s", "source.connection_id=from", "source.table=t", "target.connection_id=to", "target.table=t"]


def enqueue(haul, *words, **how):
    return haul.run("enqueue", "sql_sync", "-w", haul.workspace, *words, **how)


# --- enqueue -------------------------------------------------------------------------------------

def test_enqueue_writes_a_cloudevent(haul):
    sent = enqueue(haul, *WORDS, "mode=upsert", "key=a,b", "max_bad_rows=5", "priority=bulk", "--json").json
    assert ULID.match(sent["job_id"]) and sent["kind"] == "sql_sync" and sent["subject"] == "w1/s"
    [message] = haul.topics.read(sent["topic"])
    assert message.key() == b"w1/s" and sent["topic"] == f"{haul.prefix}jobs.sql-sync.bulk"
    job = json.loads(message.value())
    assert abs(time.time() - time.mktime(time.strptime(job["time"][:19], "%Y-%m-%dT%H:%M:%S")) + time.timezone) < 60
    del job["time"]
    assert job == {
        "specversion": "1.0", "id": sent["job_id"], "type": "haul.job.sql_sync.v1", "source": "/haul/cli",
        "subject": "w1/s", "datacontenttype": "application/json",
        "data": {"workspace_id": "w1", "sync_id": "s", "source": {"connection_id": "from", "table": "t"},
                 "target": {"connection_id": "to", "table": "t"}, "mode": "upsert", "key": ["a", "b"],
                 "max_bad_rows": 5, "priority": "bulk"}}
    assert enqueue(haul, *WORDS).out.strip() != sent["job_id"]


def test_enqueue_from_files(haul, tmp_path):
    data = {"workspace_id": "w9", "sync_id": "f", "source": {"connection_id": "from", "table": "t"},
            "target": {"connection_id": "to", "table": "t"}, "columns": [{"from": "id"}]}
    path = tmp_path / "job.json"
    path.write_text(json.dumps(data))

    def dry(*words, stdin=""):
        return enqueue(haul, *words, "--dry-run", stdin=stdin).json

    assert dry("-f", path)["data"] == data  # its own workspace wins over --workspace
    changed = dry("-f", path, "source.table=u", "mode=upsert", 'columns=[{"from": "x", "to": "y"}]')["data"]
    assert changed == {**data, "source": {"connection_id": "from", "table": "u"}, "mode": "upsert",
                       "columns": [{"from": "x", "to": "y"}]}
    event = {"specversion": "1.0", "id": "mine-1", "type": "haul.job.sql_sync.v1", "source": "/app/7", "subject": "k",
             "time": "2026-01-02T03:04:05Z", "data": data}
    assert dry("-f", "-", stdin=json.dumps(event)) == {**event, "datacontenttype": "application/json"}
    assert dry("-f", "-", "--id", "other", "--subject", "q", stdin=json.dumps(event))["id"] == "other"
    assert haul.topics.read(f"{haul.prefix}jobs.sql-sync") == []


def test_bad_jobs_are_refused_before_they_are_sent(haul, tmp_path):
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "other.json").write_text(json.dumps({"specversion": "1.0", "id": "1", "type": "haul.job.other.v1",
                                                     "source": "x", "data": {}}))
    cases = [
        (["kind_of"], 2, "sql_sync", None),
        (WORDS[1:], 2, "sync_id", "sql_sync"),
        ([*WORDS, "modus=upsert"], 2, '"mode"', "sql_sync"),
        ([*WORDS, "source.tabel=t"], 2, '"table"', "sql_sync"),
        ([*WORDS, "mode=upsrt"], 2, '"upsert"', "sql_sync"),
        ([*WORDS, "parallel=many"], 2, "parallel", "sql_sync"),
        ([*WORDS, "parallel=33"], 2, "from 1 to 32", "sql_sync"),
        ([*WORDS, "mode=append"], 4, "cursor", "sql_sync"),
        ([*WORDS, "target.table=_haul_x"], 4, "_haul_", "sql_sync"),
        ([*WORDS, "-f", tmp_path / "bad.json"], 2, "byte", "sql_sync"),
        ([*WORDS, "-f", tmp_path / "other.json"], 2, "other", "sql_sync"),
        ([*WORDS, "-f", "/nowhere.json"], 2, "/nowhere.json", "sql_sync"),
        ([*WORDS, "--id", "a b"], 4, "ASCII", "sql_sync"),
        ([*WORDS, "--subjekt", "x"], 2, "--subject", "sql_sync"),
    ]
    for words, status, said, kind in cases:
        kinds = [] if kind is None else [kind]
        done = haul.run("enqueue", *kinds, *words, "-w", "w1", status=status)
        assert said in done.err, done
    assert haul.topics.read(f"{haul.prefix}jobs.sql-sync") == []


def test_enqueue_waits_for_a_broker(haul):
    done = enqueue(haul, *WORDS, "--timeout-ms", "1000", env={"HAUL_KAFKA_BROKERS": "127.0.0.1:1"}, status=5)
    assert done.out == ""


# --- watch, show, jobs ---------------------------------------------------------------------------

def test_from_enqueue_to_receipt(shop):
    shop.start_worker()
    done = enqueue(shop, *WORDS, "--watch", "--watch-timeout-ms", "60000")
    job = done.out.splitlines()[0]
    assert ULID.match(job) and "succeeded" in done.out and "3 read" in done.out
    assert shop.target.query("SELECT * FROM t ORDER BY id") == [(1, "one"), (2, "two"), (3, None)]
    shown = shop.run("show", job, "--json").json
    assert shown["state"] == "succeeded" and shown["kind"] == "sql_sync" and shown["error"] is None
    assert shown["receipt"]["rows_read"] == shown["receipt"]["rows_written"] == 3
    assert [run["outcome"] for run in shown["runs"]] == ["ok"]
    assert shown["runs"][0]["receipt"]["source_hash"] == shown["receipt"]["source_hash"]
    text = shop.run("show", job).out
    assert "state        succeeded" in text and "hashes agree" in text
    [row] = shop.run("jobs", "--json").json
    assert (row["job_id"], row["state"], row["workspace_id"], row["subject"]) == (job, "succeeded", "w1", "w1/s")
    assert shop.run("jobs", "--state", "dead_lettered", "--json").json == []
    assert shop.run("jobs", "-w", "other", "--json").json == []
    assert job in shop.run("jobs").out
    # Long over: watch answers from the ledger, and from the events alone.
    assert shop.run("watch", job, "--json").lines[-1]["data"]["state"] == "succeeded"
    events = shop.run("watch", job, "--json", env={"HAUL_HUB_URL": ""}).lines
    states = [event["data"]["state"] for event in events]
    assert states[0] == "accepted" and states[-1] == "succeeded" and "started" in states
    assert events[-1]["data"]["receipt"]["rows_written"] == 3


def test_a_failed_job(shop):
    shop.start_worker()
    done = enqueue(shop, *WORDS, "source.table=nothing", "--watch", status=1)
    job = done.out.splitlines()[0]
    assert "dead_lettered" in done.out and "stream.missing" in done.out and "hint" in done.out
    shown = shop.run("show", job, "--json").json
    assert shown["state"] == "dead_lettered" and shown["error"]["code"] == "stream.missing"
    assert shown["error"]["hint"] and shown["receipt"] is not None or shown["runs"]
    assert "stream.missing" in shop.run("show", job).out
    [row] = shop.run("jobs", "--state", "dead_lettered", "--json").json
    assert row["error_code"] == "stream.missing"
    shop.run("watch", job, status=1)


def test_a_job_that_nobody_takes(haul):
    job = enqueue(haul, *WORDS).out.strip()
    done = haul.run("watch", job, "--for-ms", "1500", "--json", status=5)
    assert json.loads(done.out)["error"]["code"] == "watch.timeout"
    assert haul.run("show", job, "--json", status=3).json["error"]["code"] == "ledger.missing"
    haul.run("jobs", "--state", "lost", status=2)


def test_watch_draws_a_bar_on_a_terminal(shop):
    """Progress by hand: a real sync is too quick to be sure of one."""
    job = "bar-1"
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    env = clean_environment({**shop.env(), "TERM": "xterm"})
    process = subprocess.Popen([program_path("haul"), "watch", job, "--for-ms", "30000"], env=env, stdout=slave,
                               stderr=slave, stdin=subprocess.DEVNULL)
    os.close(slave)

    def tell(state, **data):
        event = {"specversion": "1.0", "id": f"{job}:{state}", "type": f"haul.event.{state}.v1", "source": "/x",
                 "subject": job, "data": {"job_id": job, "state": state, "attempt": 1, **data}}
        shop.topics.produce(f"{shop.prefix}events", json.dumps(event), job)

    tell("started")
    tell("progress", phase="load", rows_done=250000, rows_total=1000000, rows_per_second=100000, eta_ms=7500,
         bottleneck="target")
    tell("succeeded", receipt={"mode": "append", "rows_read": 1000000, "rows_written": 1000000})
    seen = b""
    while select.select([master], [], [], 30)[0]:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        seen += piece
    os.close(master)
    assert process.wait(30) == 0
    text = seen.decode()
    bar = text[text.index("load"):text.index("\r\x1b[K")]
    assert re.fullmatch(r"load \[#+\.+\]  25% 250,000 of 1,000,000 rows, 7.5 s left, 100,000/s", bar)
    assert len(bar) < 80
    assert text.index("\r\x1b[K") < text.index("succeeded") and "1,000,000 read" in text


# --- cancel --------------------------------------------------------------------------------------

def test_cancel_before_a_worker_comes(shop):
    job = enqueue(shop, *WORDS).out.strip()
    assert shop.run("cancel", job, "--reason", "wrong table", "--json").json == {"job_id": job, "verdict": "asked"}
    shop.start_worker()
    done = shop.run("watch", job, "--for-ms", "30000", status=6)
    assert "cancelled" in done.out
    shown = shop.run("show", job, "--json").json
    assert shown["state"] == "cancelled" and "wrong table" in shown["error"]["message"]
    assert shop.run("cancel", job, "--json", status=1).json["verdict"] == "too_late"
    assert shop.hub.query("SELECT count(*) FROM haul.audit_log WHERE action = 'job.cancel' AND object = %s", job) == [(2,)]
    assert shop.target.query("SELECT to_regclass('t')") == [(None,)]


# --- quarantine ----------------------------------------------------------------------------------

def test_quarantine_is_listed_and_opened(shop):
    shop.source.query("CREATE TABLE bad (id int PRIMARY KEY, born date)")
    connection = shop.source.connect()
    cursor = connection.cursor()
    cursor.execute("SET SESSION sql_mode = ''")
    cursor.execute("INSERT INTO bad VALUES (1, '2020-01-01'), (2, '0000-00-00'), (3, '2020-02-00')")
    connection.close()
    shop.start_worker()
    done = enqueue(shop, *WORDS, "source.table=bad", "target.table=bad", "max_bad_rows=5", "--watch")
    job = done.out.splitlines()[0]
    assert "2 rejected" in done.out
    rows = shop.run("quarantine", "list", "--sync", "s", "--json").json
    assert {(row["job_id"], row["column"], row["code"]) for row in rows} == {(job, "born", rows[0]["code"])}
    assert len(rows) == 2 and "zero_date" in rows[0]["code"]
    assert "0000" not in json.dumps([row["message"] for row in rows])
    assert shop.run("quarantine", "list", "--sync", "other", "--json").json == []
    assert len(shop.run("quarantine", "list", "-n", "1", "--json").json) == 1
    opened = shop.run("quarantine", "export", "--job", job).lines
    assert sorted((line["row"]["id"], line["row"]["born"]) for line in opened) == [
        ("2", "0000-00-00"), ("3", "2020-02-00")]
    assert "2020-02-00" not in shop.hub.dump()
    # Rotation seals the rows again.
    shop.keyring.write_text(shop.run("vault", "keygen", "k2").out + shop.keyring.read_text())
    assert shop.run("vault", "rotate", "--json").json["rows_resealed"] == 2
    shop.keyring.write_text(shop.keyring.read_text().splitlines()[0] + "\n")
    assert shop.run("quarantine", "export", "--job", job).lines == opened
    audit = shop.hub.query("SELECT count(*) FROM haul.audit_log WHERE action = 'quarantine.export'")
    assert audit == [(2,)]


def test_rows_that_the_target_refuses(shop):
    """The reason is the target's own; the row's data stands nowhere in plain."""
    shop.target.query("CREATE TABLE t (id int PRIMARY KEY, word text CHECK (word <> 'two'))")
    shop.start_worker()
    done = enqueue(shop, *WORDS, "mode=upsert", "cursor=id", "max_bad_rows=1", "--watch")
    job = done.out.splitlines()[0]
    [row] = shop.run("quarantine", "list", "--json").json
    assert (row["code"], row["sqlstate"]) == ("row.refused", "23514")
    [line] = shop.run("quarantine", "export", "--job", job).lines
    assert line["row"] == {"id": "2", "word": "two"}
    assert shop.target.query("SELECT id FROM t ORDER BY id") == [(1,), (3,)]
    plain = shop.hub.query("SELECT row_to_json(q)::text FROM haul.quarantine q")[0][0]
    assert "two" not in plain


def test_quarantined_rows_need_the_keyring(shop):
    shop.run("quarantine", "list", env={"HAUL_KEYRING_FILE": ""})
    shop.run("quarantine", "export", env={"HAUL_KEYRING_FILE": ""}, status=2)


# --- the environment -----------------------------------------------------------------------------

def test_variables_of_workers_are_no_typing_errors(haul):
    haul.run("jobs", env={"HAUL_HTTP_PORT": "1", "HAUL_JOB_THREADS": "4"})
    done = haul.run("jobs", env={"HAUL_HUB_URI": "x"}, status=2)
    assert "HAUL_HUB_URL" in done.err


def test_topics_are_made_once(haul):
    again = haul.run("topics", "create", "--json").json
    assert len(again) > 5 and not any(row["created"] for row in again)
    wait_for(lambda: f"{haul.prefix}events" in haul.topics.names(), "the events topic")
    haul.topics.delete(f"{haul.prefix}events")
    planned = haul.run("topics", "create", "sql-sync", "--dry-run", "--json").json
    assert [row["topic"] for row in planned if row["created"]] == [f"{haul.prefix}events"]
    assert f"{haul.prefix}events" not in haul.topics.names()
    haul.run("topics", "create")
    assert f"{haul.prefix}events" in haul.topics.names()
    haul.run("topics", "create", "nobody", status=2)
