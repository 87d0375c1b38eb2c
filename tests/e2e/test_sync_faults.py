"""What a sync survives: its worker killed at each stage or asleep, servers that go, a job told twice.

The target holds an older generation of the rows ("old"); the job brings "new". Whatever happens, a reader of
the target sees one or the other, the result is the whole new table, and there is one end.
"""

import contextlib
import json

import pytest

from e2e.syncing import CHECKPOINTS, Sync
from harness.databases import MariadbDatabase
from harness.gates import DdlGate, Gate, LockBehind, MariadbGate, MariadbRenameGate
from harness.waiting import wait_for

ROWS = 6000
SPEC = {"chunk_rows": 1000, "verify": "full"}  # six chunks


@pytest.fixture
def sync(haul, mariadb_database, postgres_database):
    sync = Sync(haul, mariadb_database, postgres_database)
    yield sync
    haul.kill_workers()


@pytest.fixture
def sync_to_mariadb(haul, mariadb_database, postgres_database):
    sync = Sync(haul, postgres_database, mariadb_database)
    yield sync
    haul.kill_workers()


def with_old_rows(sync):
    """The target as an earlier job left it; the source has moved on. Gives the worker."""
    sync.fill(sync.row_count, "old")
    worker = sync.start()
    sync.run(**SPEC)
    sync.target.query("ALTER TABLE t COMMENT = 'a shop'" if sync.target.url.startswith("mysql")
                      else "COMMENT ON TABLE t IS 'a shop'")
    sync.rename("new")
    return worker


def chunks_done(count):
    """Of a checkpoint's new state: the commit of the count-th chunk."""
    return ("NEW.state::text IS DISTINCT FROM OLD.state::text AND (SELECT count(*) FROM"
            f" json_array_elements(NEW.state->'chunks') c WHERE c->>'done' = 'true') = {count}")


def stage_table(sync):
    [name] = sync.leftovers()
    return f'"{name}"'


STAGES = {
    "claim": lambda s: Gate(s.haul.hub, "haul.ledger", "UPDATE", "NEW.state = 'running'"),
    "run": lambda s: Gate(s.haul.hub, "haul.runs", "INSERT"),
    "checkpoint": lambda s: Gate(s.target, CHECKPOINTS, "UPDATE", "NEW.fence > OLD.fence"),
    "first-chunk": lambda s: Gate(s.target, CHECKPOINTS, "UPDATE", chunks_done(1)),
    "third-chunk": lambda s: Gate(s.target, CHECKPOINTS, "UPDATE", chunks_done(3)),
    "finish": lambda s: DdlGate(s.target, "ALTER TABLE%ADD CONSTRAINT%", "ALTER TABLE"),
    "verify": lambda s: LockBehind(DdlGate(s.target, "COMMENT ON%", "COMMENT"), lambda: stage_table(s)),
    "swap": lambda s: DdlGate(s.target, "ALTER TABLE%RENAME TO%", "ALTER TABLE"),
    "receipt": lambda s: Gate(s.haul.hub, "haul.runs", "UPDATE"),
    "ledger": lambda s: Gate(s.haul.hub, "haul.ledger", "UPDATE", "NEW.state = 'succeeded'"),
}
SWAPPED = {"receipt", "ledger"}
RESUMED = {"third-chunk": 2, "finish": 6, "verify": 6, "swap": 6}


def assert_one_end(sync, job):
    assert set(sync.ends(job)) == {f"{job}:succeeded"}
    assert sync.ledger(job) == "succeeded"
    assert sync.leftovers() == []
    sync.assert_same()


@pytest.mark.parametrize("stage", STAGES)
def test_killed_at(sync, stage):
    worker = with_old_rows(sync)
    with STAGES[stage](sync) as gate:
        job = sync.send(**SPEC)
        gate.wait_reached()
        worker.kill()
        gate.break_off()
        assert sync.names() == ({"new"} if stage in SWAPPED else {"old"})
        sync.start()
        data = sync.haul.wait_succeeded(job)
    receipt = data["receipt"]
    assert receipt["resumed_chunks"] == RESUMED.get(stage, 0), receipt
    assert receipt["rows_written"] == receipt["verification"]["rows"] == ROWS
    assert data["attempt"] == 1, "a crash counts as no attempt"
    assert_one_end(sync, job)


def test_killed_between_the_ledger_and_the_event(sync):
    worker = with_old_rows(sync)
    with STAGES["ledger"](sync) as gate:
        job = sync.send(**SPEC)
        gate.wait_reached()
        worker.kill()
        gate.open()  # the server does what it was asked for, though nobody hears of it
        wait_for(lambda: sync.ledger(job) == "succeeded", "the ledger")
        assert sync.ends(job) == []
    runs = sync.haul.hub.query("SELECT run_id FROM haul.runs")
    sync.start()
    data = sync.haul.wait_succeeded(job)
    assert data["receipt"]["rows_written"] == ROWS, "the receipt comes from the ledger"
    assert sync.haul.hub.query("SELECT run_id FROM haul.runs") == runs, "it did not run again"
    assert_one_end(sync, job)


def test_killed_between_the_event_and_the_offset(sync):
    sync.fill(ROWS, "new")
    worker = sync.start(HAUL_COMMIT_INTERVAL_MS=60000)
    job = sync.send(**SPEC)
    sync.haul.wait_succeeded(job)
    worker.kill()
    sync.start()
    wait_for(lambda: len(sync.ends(job)) == 2, "the end to be told again")
    assert sync.haul.hub.query("SELECT count(*) FROM haul.runs") == [(1,)]
    assert_one_end(sync, job)


def test_killed_in_an_incremental_merge(sync):
    """Between two commits of the live target: the cursor and the rows go together."""
    sync.fill(1000, "old")
    worker = sync.start()
    sync.run(mode="upsert", cursor="updated_at")
    sync.source.query("UPDATE t SET name = concat('new ', id), updated_at = '2026-03-01'")
    with Gate(sync.target, CHECKPOINTS, "UPDATE", "NEW.state::text IS DISTINCT FROM OLD.state::text") as gate:
        job = sync.send(mode="upsert", cursor="updated_at")
        gate.wait_reached()
        worker.kill()
        assert sync.names() == {"old"}
        gate.open()  # the update is done, and rolled back with its transaction
        sync.start()
        receipt = sync.haul.wait_succeeded(job)["receipt"]
    assert receipt["rows_updated"] == 1000
    assert_one_end(sync, job)


MARIADB_STAGES = {
    "third-chunk": lambda s: MariadbGate(
        s.target, CHECKPOINTS, "UPDATE", "NOT (NEW.state <=> OLD.state) AND"
        " LENGTH(NEW.state) - LENGTH(REPLACE(NEW.state, '\"done\":true', '')) = 3 * LENGTH('\"done\":true')"),
    "swap": lambda s: MariadbRenameGate(s.target, "t"),
}


@pytest.mark.parametrize("late", [False, True], ids=["broken-off", "done-late"])
@pytest.mark.parametrize("stage", MARIADB_STAGES)
def test_killed_with_mariadb_as_target(sync_to_mariadb, stage, late):
    """done-late: the server finishes the dead worker's statement after another one has come."""
    sync = sync_to_mariadb
    worker = with_old_rows(sync)
    with MARIADB_STAGES[stage](sync) as gate:
        job = sync.send(**SPEC)
        gate.wait_reached()
        worker.kill()
        if not late:
            gate.break_off()
        assert sync.names() == {"old"}
        sync.start()
        if late:
            sync.haul.wait_event(job, "started")
            gate.open()
        receipt = sync.haul.wait_succeeded(job)["receipt"]
    if not (late and stage == "swap"):
        assert receipt["resumed_chunks"] == (2 if stage == "third-chunk" else 6)
    assert receipt["rows_written"] == receipt["verification"]["rows"] == ROWS
    assert_one_end(sync, job)


# --- a worker that sleeps -------------------------------------------------------------------------

def sleep_through(sync, stages, stage):
    """Stopped for longer than its lease while others do the job and a later one; what it left open in the target
    keeps nobody waiting, and it wakes up and does no harm."""
    sleeper = with_old_rows(sync)
    with stages[stage](sync) as gate:
        job = sync.send(**SPEC)
        gate.wait_reached()
        sleeper.pause()
        gate.open()
        sync.start()
        data = sync.haul.wait_succeeded(job)
        assert data["attempt"] == 1, "waiting for the sleeper burnt an attempt"
        sync.assert_same()
        sync.rename("third")
        later = sync.send(**SPEC)
        sync.haul.wait_succeeded(later)
        sleeper.resume()
        wait_for(lambda: f'"job_id":"{job}"' in sleeper.log(), "the sleeper to be through with it")
        sleeper.stop()
    assert sync.names() == {"third"}
    assert_one_end(sync, job)


@pytest.mark.parametrize("stage", ["checkpoint", "third-chunk", "verify", "swap", "receipt", "ledger"])
def test_asleep_at(sync, stage):
    sleep_through(sync, STAGES, stage)


@pytest.mark.parametrize("stage", MARIADB_STAGES)
def test_asleep_with_mariadb_as_target(sync_to_mariadb, stage):
    sleep_through(sync_to_mariadb, MARIADB_STAGES, stage)


# --- servers that go ------------------------------------------------------------------------------

@contextlib.contextmanager
def in_the_middle(sync, stages=STAGES, stage="third-chunk"):
    """A job in the middle of its load: two chunks are durable. Gives (worker, job, gate)."""
    worker = with_old_rows(sync)
    with stages[stage](sync) as gate:
        job = sync.send(**SPEC)
        gate.wait_reached()
        yield worker, job, gate


def retries_of(sync, job):
    return [event["data"]["error"] for event in sync.haul.events_of(job) if event["state"] == "retrying"]


@pytest.mark.faults
def test_the_source_dies_in_the_middle(sync):
    sync.row_count = 20000  # more than is read ahead
    with in_the_middle(sync) as (_, job, gate):
        sync.haul.servers.kill("mariadb")
        gate.open()
        error = sync.haul.wait_event(job, "retrying")["data"]["error"]
        assert sync.names() == {"old"}
        sync.haul.servers.start("mariadb")
        data = sync.haul.wait_succeeded(job)
    assert error["class"] == "retry" and error["code"] in ("read.lost", "connect.refused"), error
    assert "mysql" in error["message"], error
    assert data["receipt"]["resumed_chunks"] >= 2 and data["attempt"] > 1
    assert_one_end(sync, job)


@pytest.mark.faults
def test_the_target_dies_in_the_middle(sync_to_mariadb):
    sync = sync_to_mariadb
    with in_the_middle(sync, MARIADB_STAGES) as (_, job, gate):
        sync.haul.servers.kill("mariadb")
        error = sync.haul.wait_event(job, "retrying")["data"]["error"]
        sync.haul.servers.start("mariadb")
        gate.forget()
        assert sync.names() == {"old"}
        data = sync.haul.wait_succeeded(job)
    assert error["class"] == "retry" and error["code"] in ("write.lost", "connect.refused"), error
    assert data["receipt"]["resumed_chunks"] == 2
    assert_one_end(sync, job)


@pytest.mark.faults
def test_redis_forgets_and_goes_in_the_middle(sync):
    with in_the_middle(sync) as (_, job, gate):
        sync.haul.servers.kill("redis")
        gate.open()
        sync.haul.servers.start("redis")
        data = sync.haul.wait_succeeded(job)
    assert data["attempt"] == 1
    assert_one_end(sync, job)


@pytest.mark.faults
def test_kafka_goes_in_the_middle(sync):
    with in_the_middle(sync) as (_, job, gate):
        sync.haul.servers.kill("kafka")
        gate.open()
        wait_for(lambda: sync.ledger(job) == "succeeded", "the ledger")
        assert sync.names() == {"new"}, "the work goes on without Kafka"
        sync.haul.servers.start("kafka")
        sync.haul.wait_succeeded(job)
    assert sync.haul.hub.query("SELECT count(*) FROM haul.runs WHERE job_id = %s", job) == [(1,)]
    assert_one_end(sync, job)


@pytest.mark.faults
def test_the_hub_goes_in_the_middle(haul, mariadb_database, servers, unique):
    """The hub only: from MariaDB to MariaDB. No attempt is counted, and what was durable is not read again."""
    other = MariadbDatabase(servers, f"app_{unique}_to")
    try:
        sync = Sync(haul, mariadb_database, other)
        with in_the_middle(sync, MARIADB_STAGES) as (_, job, gate):
            servers.kill("postgres")
            gate.open()
            wait_for(lambda: sync.names() == {"new"}, "the load to go on without a hub")
            servers.start("postgres")
            data = haul.wait_succeeded(job)
        assert data["attempt"] == 1, retries_of(sync, job)
        assert_one_end(sync, job)
    finally:
        haul.kill_workers()
        other.drop()


# --- told twice, tried again, given up, put back, called off --------------------------------------

def test_one_job_delivered_twice_at_once(sync):
    """Two workers, two records, one run."""
    sync.start()
    with in_the_middle(sync) as (_, job, gate):
        for number in range(3):
            sync.send(job_id=job, members={"subject": f"elsewhere-{number}"}, **SPEC)
        wait_for(lambda: sum(worker.metric("haul_leases_busy_total") or 0 for worker in sync.haul.workers) > 0,
                 "a delivery that finds it running")
        gate.open()
        wait_for(lambda: len(sync.ends(job)) == 4, "each delivery to be answered")
    assert sync.haul.hub.query("SELECT count(*) FROM haul.runs WHERE job_id = %s", job) == [(1,)]
    assert_one_end(sync, job)


def break_connection(sync, port):
    database = sync.source
    sync.haul.run("connection", "add", "from", "mysql", "--replace", "--workspace", sync.haul.workspace,
                  "--config", "-", stdin=json.dumps({"host": database.host, "port": port, "user": database.user,
                                                     "password": database.password, "database": database.name}))


def test_tried_again_until_it_works(sync):
    sync.fill(1000)
    break_connection(sync, 1)
    sync.start()
    job = sync.send()
    error = sync.haul.wait_event(job, "retrying")["data"]["error"]
    assert error["code"] == "connect.refused" and error["hint"], error
    break_connection(sync, sync.source.port)
    data = sync.haul.wait_succeeded(job)
    assert data["attempt"] > 1
    outcomes = [outcome for (outcome,) in sync.haul.hub.query("SELECT outcome FROM haul.runs ORDER BY started_at")]
    assert outcomes == ["retry"] * (data["attempt"] - 1) + ["ok"]
    assert_one_end(sync, job)


def test_given_up_mended_and_replayed(sync):
    sync.fill(1000)
    break_connection(sync, 1)
    sync.start()
    job = sync.send(max_attempts=2)
    data = sync.haul.wait_dead(job)
    assert data["attempt"] == 2 and data["error"]["code"] == "connect.refused", data
    [letter] = wait_for(lambda: sync.haul.run("dlq", "list", "--json").json, "the dead letter")
    assert (letter["job_id"], letter["class"], letter["code"], letter["attempt"]) == (job, "retry", "connect.refused", 2)
    break_connection(sync, sync.source.port)
    assert sync.haul.run("dlq", "replay", "--dry-run", "--json").json["replayed"] == 1
    assert sync.haul.run("dlq", "replay", "--json").json["replayed"] == 1
    wait_for(lambda: sync.ledger(job) == "succeeded", "the second life")
    wait_for(lambda: len(sync.ends(job)) == 2, "its end")
    assert sync.ends(job) == [f"{job}:dead_lettered", f"{job}:succeeded:r1"]
    assert sync.haul.run("dlq", "replay", "--json", "--from-start").json["replayed"] == 0
    sync.assert_same()
    assert sync.haul.run("show", job, "--json").json["state"] == "succeeded"


def test_called_off_before_it_began(sync):
    sync.fill(1000)
    job = sync.send()
    assert sync.haul.run("cancel", job, "--json").json["verdict"] == "asked"
    sync.start()
    sync.haul.wait_event(job, "cancelled")
    assert sync.target.query("SELECT to_regclass('t')") == [(None,)]
    assert sync.haul.hub.query("SELECT 1 FROM haul.runs") == []


@pytest.mark.parametrize("stage", ["third-chunk", "verify"])
def test_called_off_in_the_middle(sync, stage):
    """While the target keeps its statement waiting; the next job goes on from there."""
    with in_the_middle(sync, stage=stage) as (worker, job, gate):
        assert sync.haul.run("cancel", job, "--reason", "enough", "--json").json["verdict"] == "asked"
        event = sync.haul.wait_event(job, "cancelled", timeout_s=20)
        assert "enough" in event["data"]["error"]["message"] or event["data"]["error"]["code"] == "job.cancelled"
        assert sync.names() == {"old"}
        gate.open()
    assert sync.ends(job) == [f"{job}:cancelled"]
    receipt = sync.run(**SPEC)
    assert receipt["resumed_chunks"] == (2 if stage == "third-chunk" else 6)
    sync.assert_same()
    assert sync.leftovers() == []
    assert worker.is_running()
