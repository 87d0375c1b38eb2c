"""Dead letters through the command line: list, show, replay."""

import json
import os
import subprocess
import time

import pytest

from harness.haul import make_job
from harness.programs import clean_environment, program_path
from harness.waiting import wait_for
from e2e.test_runtime import TIERS, Runtime

KINDS = {"connect.refused": "retry", "stream.missing": "permanent", "row.refused": "permanent"}


def put_letter(haul, job_id, code="stream.missing", redrives=0, workspace="w1", partition_key=None, value=None, first_topic=""):
    """A record as a worker writes it."""
    data = {"workspace_id": workspace, "sync_id": job_id, "source": {"connection_id": "a", "table": "t"},
            "target": {"connection_id": "b", "table": "t"}}
    headers = {"haul-attempt": "3", "haul-error-class": KINDS.get(code, "poison"), "haul-error-code": code,
               "haul-error-message": f"what {code} says", "haul-first-topic": first_topic or f"{haul.prefix}jobs.sql-sync",
               "haul-first-partition": "0", "haul-first-offset": "7", "mine": "kept"}
    if first_topic is None:
        headers = {name: value for name, value in headers.items() if "first" not in name}
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
    shown = haul.run("dlq", "show", "j1", "--raw", "--json").json
    assert shown["value"] == json.loads(body) and shown["key"] == "j1" and shown["headers"]["mine"] == "kept"
    place = f"{shown['partition']}:{shown['offset']}"
    assert haul.run("dlq", "show", place, "--raw", "--json").json == shown
    assert body in haul.run("dlq", "show", "j1", "--raw").out
    junk = [row["place"] for row in haul.run("dlq", "list", "--json").json if row["job_id"] is None]
    assert haul.run("dlq", "show", junk[0], "--raw", "--json").json["value"] == "not a job"
    assert haul.run("dlq", "show", "j9", "--json", status=3).json["error"]["code"] == "dlq.missing"
    haul.run("dlq", "list", "--worker", "nobody", status=3)


def test_show_tells_what_is_needed_to_decide(haul):
    """Reason, hint, history, shape of the payload without its values, and what a replay would do."""
    data = {"workspace_id": "w1", "sync_id": "s7", "source": {"connection_id": "a", "table": "people"},
            "target": {"connection_id": "b", "table": "t"}, "filter": "ssn = 'secret-of-a-row'", "numbers": [4711, 2]}
    put_letter(haul, "j1", redrives=1, value=json.dumps(make_job("sql_sync", data, "j1")))
    put_letter(haul, "j1", redrives=2, value=json.dumps(make_job("sql_sync", data, "j1")))
    end_in_ledger(haul, "j1", redrives=2)
    haul.hub.query("UPDATE haul.ledger SET error_code = 'stream.missing', error_hint = 'make the table', error_class = 'permanent'")
    haul.hub.query("INSERT INTO haul.runs (run_id, workspace_id, sync_id, job_id, attempt, fence, mode, worker, outcome, finished_at, "
                   "error_code) VALUES ('r1', 'w1', 's7', 'j1', 3, 5, 'upsert', 'host:1', 'permanent', now(), 'stream.missing')")
    shown = haul.run("dlq", "show", "j1", "--json").json
    assert shown["error"] == {"class": "permanent", "code": "stream.missing", "message": "what stream.missing says", "hint": "make the table"}
    assert (shown["attempt"], shown["redrive_count"], shown["letters_of_job"]) == (3, 2, 2)
    assert (shown["first_topic"], shown["first_partition"], shown["first_offset"]) == (f"{haul.prefix}jobs.sql-sync", 0, 7)
    assert shown["ledger"]["state"] == "dead_lettered" and shown["ledger"]["redrive_count"] == 2
    assert [(run["attempt"], run["error_code"]) for run in shown["runs"]] == [(3, "stream.missing")]
    shape = {line["path"]: line.get("text", line["type"]) for line in shown["shape"]}
    assert shape["data.source.table"] == "people" and shape["data.sync_id"] == "s7" and shape["data.numbers[0]"] == "integer"
    assert shape["data.filter"] == "string of 23 bytes"
    text = haul.run("dlq", "show", "j1").out
    for said in (json.dumps(shown), text):
        assert "secret-of-a-row" not in said and "4711" not in said
    assert "make the table" in text and "3. time of at most 3" in text and shown["replay"] == "put_back"
    assert haul.run("dlq", "show", "j1", "--redrive-max", "2", "--json").json["replay"] == "quarantine"
    haul.hub.query("UPDATE haul.ledger SET state = 'succeeded'")
    assert haul.run("dlq", "show", "j1", "--json").json["replay"] == "pass_over"


def test_list_of_those_that_are_open(haul):
    for job_id, state in (("j1", "dead_lettered"), ("j2", "succeeded"), ("j3", None)):
        put_letter(haul, job_id)
        if state:
            end_in_ledger(haul, job_id, state=state)
    put_letter(haul, "junk", code="job.envelope", value="not a job")
    assert sorted(row["job_id"] for row in haul.run("dlq", "list", "--open", "--json").json) == ["j1", "j3"]


def test_a_job_past_its_deadline_is_passed_over(haul):
    """It would be given up at once, and end in the quarantine."""
    for job_id, year in (("late", 2020), ("early", 2099)):
        data = {"workspace_id": "w1", "deadline": f"{year}-01-01T00:00:00Z"}
        put_letter(haul, job_id, value=json.dumps(make_job("sql_sync", data, job_id)))
    assert sorted(row["job_id"] for row in haul.run("dlq", "list", "--open", "--json").json) == ["early", "late"]
    assert "its deadline has passed" in haul.run("dlq", "show", "late").out
    report = replay(haul).json
    assert (report["replayed"], report["late"]) == (1, 1) and set(replayed(haul)) == {"early"}


def test_a_dry_run_is_a_histogram_and_sends_nothing(haul):
    for job_id in ("j1", "j2"):
        put_letter(haul, job_id)
    put_letter(haul, "j3", code="connect.refused")
    put_letter(haul, "j5", workspace="w2")
    put_letter(haul, "j4", redrives=3)
    put_letter(haul, "junk", code="job.envelope", value="not a job")
    report = replay(haul, "--dry-run").json
    assert (report["replayed"], report["quarantined"], report["not_a_job"]) == (4, 1, 1)
    groups = {(group["class"], group["code"], group["kind"], group["workspace_id"]): (group["replayed"], group["quarantined"])
              for group in report["by"]}
    assert groups == {("permanent", "stream.missing", "sql_sync", "w1"): (2, 1), ("permanent", "stream.missing", "sql_sync", "w2"): (1, 0),
                      ("retry", "connect.refused", "sql_sync", "w1"): (1, 0), ("poison", "job.envelope", None, None): (0, 0)}
    assert report["by"][0]["replayed"] == 2 and report["by"][0]["oldest"] <= report["by"][0]["newest"]  # the largest first
    assert replayed(haul) == {} and haul.hub.query("SELECT 1 FROM haul.audit_log") == []
    assert haul.topics.read(f"{haul.prefix}jobs.sql-sync.quarantine") == []
    text = haul.run("dlq", "replay", "--dry-run").out
    assert "nothing was sent" in text and "####################" in text


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
    assert haul.hub.query("SELECT 1 FROM haul.audit_log WHERE detail->>'failed_with' IS NOT NULL") == []
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


FILTERS = {"code": ["--code", "connect.*"], "class": ["--class", "permanent"], "workspace": ["-w", "w2"], "job": ["--job", "j5"],
           "nothing": ["--kind", "other"], "since": ["--since", "2100-01-01T00:00:00Z"], "until": ["--until", "2001-01-01T00:00:00Z"],
           "limit": ["--limit", "1"], "dry": ["--dry-run"]}


@pytest.mark.parametrize("filters", [["code", "workspace"], ["job", "nothing", "class"], ["limit", "limit", "code"],
                                     ["since", "dry", "until", "job"]])
def test_what_a_filter_left_is_there_for_every_later_replay(haul, filters):
    """Over all partitions, without --from-start; and nothing is put back twice."""
    ids = [f"j{number}" for number in range(9)]
    for number, job_id in enumerate(ids):
        put_letter(haul, job_id, code=["stream.missing", "connect.refused"][number % 2], workspace=["w1", "w2", "w3"][number % 3])
        end_in_ledger(haul, job_id)

    def workers_take_them():
        taken = sorted(replayed(haul))
        haul.hub.query("UPDATE haul.ledger SET redrive_count = 1, state = 'running', finished_at = NULL WHERE job_id = ANY(%s)", taken)
        return len(taken)

    total = 0
    for name in filters:
        total += replay(haul, *FILTERS[name]).json["replayed"] if name != "dry" else replay(haul, "--dry-run").json["replayed"] * 0
        assert workers_take_them() == total < len(ids)
    last = replay(haul).json
    assert last["replayed"] == len(ids) - total and last["filtered"] == 0
    assert set(replayed(haul)) == set(ids) and workers_take_them() == len(ids)
    assert len(haul.topics.read(f"{haul.prefix}jobs.sql-sync")) == len(ids)
    last = replay(haul).json
    assert (last["replayed"], last["settled_before"]) == (0, len(ids))
    assert "9 before these" in haul.run("dlq", "replay").out
    assert replay(haul, "--from-start").json["replayed_before"] == len(ids)


def test_a_topic_that_was_made_anew_is_read_from_its_begin(haul):
    topic = f"{haul.prefix}jobs.sql-sync.dlq"
    for number in range(3):
        put_letter(haul, f"j{number}", partition_key="k")
    assert replay(haul).json["replayed"] == 3
    haul.topics.delete(topic)
    haul.run("topics", "create", "sql-sync")
    put_letter(haul, "new", partition_key="k")
    wait_for(lambda: replay(haul).json["replayed"] == 1, "the letter of the new topic")


def test_a_job_goes_back_to_the_class_that_it_came_by(haul):
    jobs = f"{haul.prefix}jobs.sql-sync"
    came_by = {"d": jobs, "i": f"{jobs}.interactive", "b": f"{jobs}.bulk", "r": f"{jobs}.retry.5s", "old": None, "x": "someones.bulk"}
    for job_id, first in came_by.items():
        put_letter(haul, job_id, first_topic=first)
    assert replay(haul).json["replayed"] == len(came_by)
    found = {name: sorted(json.loads(m.value())["id"] for m in haul.topics.read(name)) for name in (jobs, f"{jobs}.interactive", f"{jobs}.bulk")}
    assert found == {jobs: ["d", "old", "r", "x"], f"{jobs}.interactive": ["i"], f"{jobs}.bulk": ["b"]}
    [back] = haul.topics.read(f"{jobs}.bulk")
    assert dict(back.headers())["haul-first-topic"] == f"{jobs}.bulk".encode() and dict(back.headers())["haul-redrive-count"] == b"1"
    # Without such a topic it is a job as any other.
    haul.topics.delete(f"{jobs}.bulk")
    wait_for(lambda: f"{jobs}.bulk" not in haul.topics.names(), "the topic to be gone")
    assert replay(haul, "--from-start", "--job", "b").json["replayed"] == 1
    assert "b" in replayed(haul)


def test_a_job_that_was_named_and_not_found_is_told(haul):
    put_letter(haul, "j1")
    put_letter(haul, "j2")
    for more in ([], ["--dry-run"], ["--from-start"], ["--quarantined"]):
        error = replay(haul, "--job", "j9", *more, status=3).json["error"]
        assert error["code"] == "dlq.missing" and "j9" in error["message"], error
    assert "haul show j9" in error["hint"]
    assert "no dead letter of job j9" in haul.run("dlq", "replay", "--job", "j9", status=3).err
    assert replayed(haul) == {}
    assert haul.hub.query("SELECT DISTINCT detail->>'failed_with' FROM haul.audit_log WHERE action = 'dlq.replay.end'") == [("dlq.missing",)]
    assert replay(haul, "--job", "j1").json["replayed"] == 1
    assert replay(haul, "--job", "j2").json["replayed"] == 1
    # Put back already: behind the last replay's end there is none, from the start there is.
    replay(haul, "--job", "j2", status=3)
    assert replay(haul, "--job", "j2", "--from-start").json["replayed"] == 1


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
    assert haul.dead_letters()  # it is there before the event
    mariadb_database.query("CREATE TABLE t (id int PRIMARY KEY)")
    mariadb_database.query("INSERT INTO t VALUES (1)")
    assert replay(haul).json["replayed"] == 1
    done = haul.run("watch", job, "--for-ms", "60000")
    assert done.out.rstrip().splitlines()[-1] and "succeeded" in done.out
    shown = haul.run("show", job, "--json").json
    assert shown["state"] == "succeeded" and shown["redrive_count"] == 1 and len(shown["runs"]) == 2
    assert postgres_database.query("SELECT id FROM t") == [(1,)]
    assert replay(haul, "--from-start").json["replayed_before"] == 1


def quarantined(haul):
    return [row["job_id"] for row in haul.run("dlq", "list", "--quarantined", "--json").json]


def test_a_job_that_was_put_back_too_often_is_set_aside(haul):
    body = put_letter(haul, "j1", redrives=3, partition_key="k")
    put_letter(haul, "j2", redrives=2, partition_key="k")
    for job_id, redrives in (("j1", 3), ("j2", 2)):
        end_in_ledger(haul, job_id, redrives)
    report = replay(haul).json
    assert (report["replayed"], report["quarantined"]) == (1, 1)
    assert set(replayed(haul)) == {"j2"} and quarantined(haul) == ["j1"]
    [aside] = haul.topics.read(f"{haul.prefix}jobs.sql-sync.quarantine")
    headers = dict(aside.headers())
    assert aside.value().decode() == body and aside.key() == b"k"
    assert headers["haul-redrive-count"] == b"3" and headers["haul-error-code"] == b"stream.missing" and headers["mine"] == b"kept"
    assert haul.run("dlq", "show", "j1", "--quarantined", "--json").json["replay"] == "quarantine"
    # No later replay touches it, neither of the dead letters nor of the quarantine.
    assert replay(haul).json["quarantined"] == 0
    assert replay(haul, "--quarantined").json["quarantined"] == 1 and quarantined(haul) == ["j1"]
    # Until someone says so.
    assert replay(haul, "--quarantined", "--job", "j1", "--redrive-max", "4").json["replayed"] == 1
    assert dict(replayed(haul)["j1"].headers())["haul-redrive-count"] == b"4"


def test_the_audit_log_has_who_what_and_how_much(haul):
    put_letter(haul, "j1", code="connect.refused")
    put_letter(haul, "j2")
    replay(haul, "-w", "w1", "--code", "connect.*", "--class", "retry", "--kind", "sql_sync", "--since", "2001-01-01T00:00:00Z",
           "--limit", "7")
    begin, end = haul.hub.query("SELECT action, workspace_id, object, detail, actor FROM haul.audit_log ORDER BY id")
    assert begin[:3] == ("dlq.replay", "w1", f"{haul.prefix}jobs.sql-sync.dlq") and end[0] == "dlq.replay.end"
    asked = {name: end[3][name] for name in ("worker", "class", "code", "kind", "job", "since", "until", "limit", "rate", "redrive_max")}
    assert asked == {"worker": "sql-sync", "class": "retry", "code": "connect.*", "kind": "sql_sync", "job": None,
                     "since": "2001-01-01T00:00:00.000000Z", "until": None, "limit": 7, "rate": 0, "redrive_max": 3}
    assert (end[3]["report"]["replayed"], end[3]["report"]["filtered"]) == (1, 1) and end[4]


def test_progress_stands_on_a_terminal(haul):
    for number in range(12):
        put_letter(haul, f"j{number}")
    ours, theirs = os.openpty()
    done = subprocess.run([program_path("haul"), "dlq", "replay", "--rate", "8"], env=clean_environment(haul.env()),
                          stdout=subprocess.PIPE, stderr=theirs, timeout=30)
    os.close(theirs)
    line = os.read(ours, 65536).decode()
    os.close(ours)
    assert done.returncode == 0 and "of 12, " in line and "put back" in line and "left" in line
    assert b"put back" not in done.stdout


def test_many_letters_are_on_their_way_at_a_time(haul):
    topic, count = f"{haul.prefix}jobs.sql-sync.dlq", 3000
    value = json.dumps(make_job("sql_sync", {"workspace_id": "w1"}, "many-%d", subject=None))
    producer = haul.servers.producer()
    for number in range(count):
        producer.produce(topic, value % number, headers={"haul-error-code": "x"})
    assert producer.flush(20) == 0
    begun = time.monotonic()
    assert replay(haul).json["replayed"] == count
    assert time.monotonic() - begun < 10  # one by one they take over a millisecond each, and so does each commit
    assert len(replayed(haul)) == count
    assert replay(haul).json["replayed"] == 0


def test_a_replay_that_is_killed_is_begun_again(haul):
    """No letter is passed over, and the ledger lets each job live once more only."""
    ids = [f"j{number}" for number in range(40)]
    for job_id in ids:
        put_letter(haul, job_id)
        end_in_ledger(haul, job_id)
    process = subprocess.Popen([program_path("haul"), "dlq", "replay", "--rate", "4"], env=clean_environment(haul.env()),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(replayed(haul)) >= 2, "two replayed letters")
    process.kill()
    process.wait()
    assert len(replayed(haul)) < 40
    replay(haul)
    messages = haul.topics.read(f"{haul.prefix}jobs.sql-sync")
    sent = [json.loads(message.value())["id"] for message in messages]
    assert set(sent) == set(ids) and len(sent) <= 50  # some were sent and not yet committed
    assert {dict(message.headers())["haul-redrive-count"] for message in messages} == {b"1"}


def test_a_replay_that_is_killed_twice_redrives_each_job_once(haul):
    """With a worker that takes them: whatever was sent twice, each job had two lives, the first and one more."""
    count = 40
    topic = f"{haul.prefix}jobs.testkind"
    haul.topics.create(topic, f"{topic}.dlq", *[f"{topic}.retry.{tier}" for tier in TIERS], partitions=3)
    haul.hub.query("CREATE TABLE effects (job_id text, attempt int, fence bigint, done bool DEFAULT false)")
    haul.hub.query("GRANT SELECT, INSERT, UPDATE ON effects TO haul_worker")
    runtime = Runtime(haul)
    runtime.start(HAUL_JOB_THREADS=4)
    jobs = [runtime.send(fail="permanent") for _ in range(count)]
    runtime.wait_dead_letters(count)
    first_lives = [row["given_up_at"] for row in haul.run("dlq", "list", "--worker", "testkind", "--json").json]
    asked = ["dlq", "replay", "--worker", "testkind", "--until", f"{max(first_lives)[:19]}.999999Z"]
    wait_for(lambda: time.gmtime()[:6] > time.strptime(max(first_lives)[:19], "%Y-%m-%dT%H:%M:%S")[:6], "the next second")

    def alive_again():
        return haul.hub.query("SELECT count(*) FROM haul.ledger WHERE redrive_count > 0")[0][0]

    for goal in (8, 20):
        process = subprocess.Popen([program_path("haul"), *asked, "--rate", "10"], env=clean_environment(haul.env()),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda goal=goal: alive_again() >= goal, f"{goal} redriven jobs")
        process.kill()
        assert process.wait() == -9
        assert alive_again() < count
    haul.run(*asked, "--rate", "0")
    wait_for(lambda: haul.hub.query("SELECT count(*) FROM haul.ledger WHERE redrive_count = 1 AND state = 'dead_lettered'")[0][0]
             == count, "the second end of every job", 60)
    runtime.wait_committed()
    assert sorted(haul.hub.query("SELECT job_id, count(*) FROM effects GROUP BY job_id")) == sorted((job, 2) for job in jobs)
    assert len(runtime.dead_letters()) == 2 * count
    assert {dict(letter.headers()).get("haul-redrive-count", b"0") for letter in runtime.dead_letters()} == {b"0", b"1"}
