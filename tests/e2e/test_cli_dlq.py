"""Dead letters through the command line: list, show, replay."""

import json
import subprocess
import time

import pytest

from harness.haul import make_job
from harness.programs import clean_environment, program_path
from harness.waiting import wait_for

KINDS = {"connect.refused": "retry", "stream.missing": "permanent", "row.refused": "permanent"}


def put_letter(haul, job_id, code="stream.missing", redrives=0, workspace="w1", partition_key=None, value=None):
    """A record as a worker writes it."""
    data = {"workspace_id": workspace, "sync_id": job_id, "source": {"connection_id": "a", "table": "t"},
            "target": {"connection_id": "b", "table": "t"}}
    headers = {"haul-attempt": "3", "haul-error-class": KINDS.get(code, "poison"), "haul-error-code": code,
               "haul-error-message": f"what {code} says", "haul-first-topic": f"{haul.prefix}jobs.sql-sync",
               "haul-first-partition": "0", "haul-first-offset": "7", "mine": "kept"}
    if redrives:
        headers["haul-redrive-count"] = str(redrives)
    body = value if value is not None else json.dumps(make_job("sql_sync", data, job_id))
    haul.topics.produce(f"{haul.prefix}jobs.sql-sync.dlq", body, partition_key or job_id, headers)
    return body


def end_in_ledger(haul, job_id, redrives=0, state="dead_lettered"):
    haul.hub.query("INSERT INTO haul.ledger (job_id, workspace_id, kind, worker, state, attempt, redrive_count, finished_at) "
                   "VALUES (%s, 'w1', 'sql_sync', 'sql-sync', %s, 3, %s, CASE WHEN %s = 'running' THEN NULL ELSE now() END)",
                   job_id, state, redrives, state)


def replay(haul, *words, **how):
    return haul.run("dlq", "replay", "--rate", "0", "--json", *words, **how)


def replayed(haul):
    return {json.loads(m.value())["id"]: m for m in haul.topics.read(f"{haul.prefix}jobs.sql-sync")}


def test_list_and_filters(haul):
    assert haul.run("dlq", "list", "--json").json == []
    put_letter(haul, "j1")
    put_letter(haul, "j2", code="connect.refused", workspace="w2")
    put_letter(haul, "j3", code="row.refused", redrives=2)
    put_letter(haul, "junk", code="job.envelope", value=b"\xff not a job")

    def listed(*words):
        return sorted(str(row["job_id"]) for row in haul.run("dlq", "list", "--json", *words).json)

    assert listed() == ["None", "j1", "j2", "j3"]
    assert listed("--class", "permanent") == ["j1", "j3"]
    assert listed("--code", "connect.*") == listed("--code", "connect.refused") == listed("-w", "w2") == ["j2"]
    assert listed("--job", "j3") == ["j3"] and listed("--kind", "sql_sync") == ["j1", "j2", "j3"]
    assert listed("--since", "2100-01-01T00:00:00Z") == listed("--until", "2001-01-01T00:00:00Z") == []
    assert listed("--since", "2001-01-01T00:00:00Z") == ["None", "j1", "j2", "j3"]
    assert len(listed("-n", "2")) == 2
    [row] = haul.run("dlq", "list", "--job", "j3", "--json").json
    assert (row["class"], row["code"], row["redrive_count"], row["attempt"], row["workspace_id"], row["message"]) == (
        "permanent", "row.refused", 2, 3, "w1", "what row.refused says")
    assert "row.refused" in haul.run("dlq", "list").out


def test_show(haul):
    body = put_letter(haul, "j1")
    put_letter(haul, "junk", code="job.envelope", value="not a job")
    shown = haul.run("dlq", "show", "j1", "--json").json
    assert shown["value"] == json.loads(body) and shown["key"] == "j1" and shown["headers"]["mine"] == "kept"
    place = f"{shown['partition']}:{shown['offset']}"
    assert haul.run("dlq", "show", place, "--json").json == shown
    assert body in haul.run("dlq", "show", "j1").out
    junk = [row["place"] for row in haul.run("dlq", "list", "--json").json if row["job_id"] is None]
    assert haul.run("dlq", "show", junk[0], "--json").json["value"] == "not a job"
    assert haul.run("dlq", "show", "j9", "--json", status=3).json["error"]["code"] == "dlq.missing"
    haul.run("dlq", "list", "--worker", "nobody", status=3)


def test_a_dry_run_sends_nothing(haul):
    for job_id in ("j1", "j2"):
        put_letter(haul, job_id)
    put_letter(haul, "j3", code="connect.refused")
    put_letter(haul, "j4", redrives=3)
    put_letter(haul, "junk", code="job.envelope", value="not a job")
    report = replay(haul, "--dry-run").json
    assert (report["replayed"], report["too_often"], report["not_a_job"]) == (3, 1, 1)
    groups = {(group["class"], group["code"]): group["replayed"] for group in report["by"]}
    assert groups == {("permanent", "stream.missing"): 2, ("retry", "connect.refused"): 1, ("poison", "job.envelope"): 0}
    assert replayed(haul) == {} and haul.hub.query("SELECT 1 FROM haul.audit_log") == []
    assert "nothing was sent" in haul.run("dlq", "replay", "--dry-run").out


def test_replay_keeps_the_job_and_counts(haul):
    body = put_letter(haul, "j1", redrives=1, partition_key="the-key")
    assert replay(haul).json["replayed"] == 1
    message = replayed(haul)["j1"]
    assert message.value().decode() == body and message.key() == b"the-key"
    headers = {name: value.decode() for name, value in message.headers()}
    assert headers["haul-redrive-count"] == "2" and headers["mine"] == "kept"
    assert headers.get("haul-attempt", "1") == "1" and headers["haul-error-code"] == "stream.missing"
    assert len(message.headers()) == len(headers)  # each once
    actions = haul.hub.query("SELECT action, db_user, detail->'report'->>'replayed' FROM haul.audit_log ORDER BY id")
    assert actions == [("dlq.replay", "test_operator", "0"), ("dlq.replay.end", "test_operator", "1")]
    # The next one begins behind it; from the start, nothing says that it was replayed: no ledger.
    assert replay(haul).json["replayed"] == 0
    assert replay(haul, "--from-start").json["replayed"] == 1


def test_what_was_not_asked_for_is_looked_at_again(haul):
    put_letter(haul, "j1", partition_key="k")
    put_letter(haul, "j2", code="connect.refused", partition_key="k")
    put_letter(haul, "j3", partition_key="k")
    for job_id in ("j1", "j2", "j3"):
        end_in_ledger(haul, job_id)
    report = replay(haul, "--code", "connect.*").json
    assert (report["replayed"], report["filtered"]) == (1, 2)
    assert set(replayed(haul)) == {"j2"}
    haul.hub.query("UPDATE haul.ledger SET redrive_count = 1 WHERE job_id = 'j2'")  # its worker has taken it
    report = replay(haul).json
    assert (report["replayed"], report["replayed_before"]) == (2, 1)
    assert set(replayed(haul)) == {"j1", "j2", "j3"}


@pytest.mark.parametrize("state", ["succeeded", "cancelled", "running"])
def test_a_job_that_is_no_dead_letter_any_more_is_left(haul, state):
    put_letter(haul, "j1")
    end_in_ledger(haul, "j1", state=state)
    assert replay(haul).json["replayed_before"] == 1
    assert replayed(haul) == {}


def test_limits(haul):
    for number in range(5):
        put_letter(haul, f"j{number}")
    assert replay(haul, "--limit", "2").json["replayed"] == 2
    put_letter(haul, "old", redrives=3)
    begun = time.monotonic()
    report = replay(haul, "--rate", "4", "--redrive-max", "4").json
    assert report["replayed"] == 4 and time.monotonic() - begun > 0.7
    assert len(replayed(haul)) == 6


def test_one_replay_at_a_time(haul):
    put_letter(haul, "j1")
    connection = haul.hub.connect()
    connection.cursor().execute("SELECT pg_advisory_lock(%s)", [0x6861756c02])
    done = replay(haul, status=5)
    connection.close()
    assert "one at a time" in done.json["error"]["hint"] and replayed(haul) == {}


def test_a_dead_job_comes_back_to_life(haul, mariadb_database, postgres_database):
    """A table is missing, the job is given up; the table is made, the replay succeeds."""
    haul.add_database("a", mariadb_database)
    haul.add_database("b", postgres_database)
    haul.start_worker()
    job = haul.send({"sync_id": "s", "source": {"connection_id": "a", "table": "t"},
                     "target": {"connection_id": "b", "table": "t"}})
    assert haul.wait_dead(job)["error"]["code"] == "stream.missing"
    haul.run("watch", job, status=1)
    wait_for(haul.dead_letters, "the dead letter")
    mariadb_database.query("CREATE TABLE t (id int PRIMARY KEY)")
    mariadb_database.query("INSERT INTO t VALUES (1)")
    assert replay(haul).json["replayed"] == 1
    done = haul.run("watch", job, "--for-ms", "60000")
    assert done.out.rstrip().splitlines()[-1] and "succeeded" in done.out
    shown = haul.run("show", job, "--json").json
    assert shown["state"] == "succeeded" and shown["redrive_count"] == 1 and len(shown["runs"]) == 2
    assert postgres_database.query("SELECT id FROM t") == [(1,)]
    assert replay(haul, "--from-start").json["replayed_before"] == 1


def test_a_replay_that_is_killed_is_begun_again(haul):
    """No letter is passed over, and the ledger lets each job live once more only."""
    ids = [f"j{number}" for number in range(8)]
    for job_id in ids:
        put_letter(haul, job_id)
        end_in_ledger(haul, job_id)
    process = subprocess.Popen([program_path("haul"), "dlq", "replay", "--rate", "4"], env=clean_environment(haul.env()),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(replayed(haul)) >= 2, "two replayed letters")
    process.kill()
    process.wait()
    assert len(replayed(haul)) < 8
    replay(haul)
    messages = haul.topics.read(f"{haul.prefix}jobs.sql-sync")
    sent = [json.loads(message.value())["id"] for message in messages]
    assert set(sent) == set(ids) and len(sent) <= 9  # one may have been sent and not committed
    assert {dict(message.headers())["haul-redrive-count"] for message in messages} == {b"1"}
