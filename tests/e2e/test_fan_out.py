"""A big load as chunk jobs that two worker processes share: killed, asleep, cancelled, told twice.

The table is small and its chunks are smaller: what counts is who does what, when, and what is left.
"""

import json
import time

import pytest

from e2e.syncing import CHECKPOINTS, Sync
from harness.gates import DdlGate, Gate, MariadbGate
from harness.waiting import wait_for

ROWS = 6000
# Six chunks of 1000 rows, each a job.
SPEC = {"chunk_rows": 1000, "fan_out_rows": 1000, "verify": "full"}
ONE_AT_A_TIME = {"HAUL_JOB_THREADS": 1}


@pytest.fixture
def sync(haul, mariadb_database, postgres_database):
    sync = Sync(haul, mariadb_database, postgres_database)
    yield sync
    haul.kill_workers()


def children(sync, job, columns="child_id"):
    return sync.haul.hub.query(f"SELECT {columns} FROM haul.children WHERE parent_id = %s ORDER BY number", job)


def chunk_jobs(sync, columns="job_id"):
    """Of the ledger, where they stay."""
    return sync.haul.hub.query(f"SELECT {columns} FROM haul.ledger WHERE kind = 'sql_sync_chunk' ORDER BY job_id")


def pids(sync):
    """The processes that did the chunk jobs."""
    return {owner.split(":")[1].split(".")[0] for (owner,) in chunk_jobs(sync, "owner")}


def parts_left(sync):
    return sync.target.query(f"SELECT sync_id FROM {CHECKPOINTS} WHERE sync_id LIKE 'part:%%'")


def assert_one_end(sync, job, end="succeeded"):
    assert set(sync.ends(job)) == {f"{job}:{end}"}
    assert sync.ledger(job) == end
    assert children(sync, job) == []


def assert_loaded(sync, job, receipt):
    rows = sync.row_count
    assert receipt["rows_written"] == receipt["verification"]["rows"] == rows, receipt
    assert receipt["path"] == "load" and receipt["chunk_jobs"] == receipt["chunk_count"], receipt
    assert abs(receipt["chunk_jobs"] - rows // 1000) <= 2, "by the source's estimate of its rows"
    assert receipt["source_hash"] == receipt["verification"]["target_hash"]
    assert receipt["rows_inserted"] == rows and receipt["bytes_written"] > 0
    assert sync.leftovers() == [] and parts_left(sync) == []
    assert_one_end(sync, job)
    sync.assert_same()


def part_commit(number):
    """Of a part's checkpoint: the commit that makes its rows durable."""
    return f"NEW.sync_id LIKE 'part:%.{number}' AND NEW.state::text IS DISTINCT FROM OLD.state::text"


def start(sync, count=1, rows=ROWS, **env):
    """The table, workers, and the target's table of checkpoints, where the gates stand."""
    sync.row_count = rows
    sync.fill(rows)
    workers = [sync.start(**env) for _ in range(count)]
    sync.run(sync_id="s0", target={"connection_id": "to", "table": "other"})
    return workers


def test_two_processes_share_a_table(sync):
    workers = start(sync, 2, rows=24000, **ONE_AT_A_TIME)
    with Gate(sync.target, CHECKPOINTS, "UPDATE", part_commit("%")) as gate:
        job = sync.send(**SPEC)
        wait_for(lambda: len(gate.waiting()) == 2, "both processes to be at a chunk")
        assert sync.ledger(job) == "waiting" and sync.ledger(job, "attempt") == 1
        count = len(children(sync, job))
    receipt = sync.haul.wait_succeeded(job)["receipt"]
    assert_loaded(sync, job, receipt)
    assert pids(sync) == {str(worker.pid) for worker in workers}
    assert {state for (state,) in chunk_jobs(sync, "state")} == {"succeeded"} and len(chunk_jobs(sync)) == count
    assert any("2 worker processes" in note for note in receipt["notes"]), receipt["notes"]
    assert any("different moments" in note for note in receipt["notes"]), receipt["notes"]
    retrying = [event for event in sync.haul.events_of(job) if event["state"] == "retrying"]
    assert retrying == [], "waiting is no failure"

    alone = sync.run(chunk_rows=1000, verify="full")
    assert alone["source_hash"] == receipt["source_hash"] and alone["chunk_jobs"] == 0
    assert alone["chunk_count"] == receipt["chunk_count"]


def test_to_mariadb(haul, mariadb_database, postgres_database):
    sync = Sync(haul, postgres_database, mariadb_database)
    sync.fill(ROWS)
    sync.start()
    sync.start()
    job = sync.send(**SPEC)
    assert_loaded(sync, job, haul.wait_succeeded(job)["receipt"])


def test_the_first_load_of_an_upsert_then_what_changed(sync):
    sync.fill(ROWS)
    sync.start()
    job = sync.send(mode="upsert", cursor="updated_at", **SPEC)
    assert_loaded(sync, job, sync.haul.wait_succeeded(job)["receipt"])
    sync.source.query("UPDATE t SET name = 'changed', updated_at = '2026-06-01' WHERE id <= 10")
    receipt = sync.run(mode="upsert", cursor="updated_at", **SPEC)
    assert receipt["path"] == "merge" and receipt["rows_updated"] == 10 and receipt["chunk_jobs"] == 0
    sync.assert_same()


def test_a_killed_worker_costs_one_chunk(sync):
    [first] = start(sync, rows=12000, **ONE_AT_A_TIME)
    with Gate(sync.target, CHECKPOINTS, "UPDATE", part_commit(2)) as gate:
        job = sync.send(**SPEC)
        gate.wait_reached()
        doing = [child for child, number in children(sync, job, "child_id, number") if number == 2][0]
        second = sync.start(**ONE_AT_A_TIME)
        wait_for(lambda: sum(state == "done" for (state,) in children(sync, job, "state")) >= 1,
                 "a chunk of the other process")
        first.kill()
        gate.break_off()
        receipt = sync.haul.wait_succeeded(job)["receipt"]
    assert_loaded(sync, job, receipt)
    # Each part was written once; only the chunk that died with its worker was started again.
    starts = dict(chunk_jobs(sync, "job_id, fence"))
    runs = sync.haul.hub.query("SELECT fence FROM haul.runs WHERE job_id = %s AND finished_at IS NULL", job)
    assert len(runs) == 1, "one run has no end: that of the killed worker"
    assert runs[0][0] < starts[doing]
    assert sync.ledger(job, "attempt") == 1
    assert second.is_running()


def test_killed_with_mariadb_as_target(haul, mariadb_database, postgres_database):
    """In a chunk, then with all of them done: what is durable is not done again."""
    sync = Sync(haul, postgres_database, mariadb_database)
    [first] = start(sync, **ONE_AT_A_TIME)
    with MariadbGate(sync.target, CHECKPOINTS, "UPDATE",
                     "NEW.sync_id LIKE 'part:%%.2' AND NOT (NEW.state <=> OLD.state)") as gate:
        job = sync.send(**SPEC)
        gate.wait_reached()
        done = {number for number, state in children(sync, job, "number, state") if state == "done"}
        first.kill()
        gate.break_off()
    with MariadbGate(sync.target, CHECKPOINTS, "UPDATE", "NEW.swap_stage IS NOT NULL AND OLD.swap_stage IS NULL") as gate:
        second = sync.start(**ONE_AT_A_TIME)
        gate.wait_reached(60)
        second.kill()
        gate.break_off()
    sync.start()
    assert_loaded(sync, job, haul.wait_succeeded(job)["receipt"])
    runs = haul.hub.query("SELECT count(*) FROM haul.runs WHERE job_id = %s", job)[0][0]
    # The plan, six parts and the one that was killed, the join that was killed, the join.
    assert runs <= 10 and 2 not in done, runs


def test_a_later_job_of_the_sync_waits_for_the_parent(sync):
    start(sync)
    with Gate(sync.target, CHECKPOINTS, "UPDATE", part_commit("_")) as gate:
        job = sync.send(**SPEC)
        gate.wait_reached()
        later = sync.send()
        time.sleep(3)
        assert sync.ledger(job) == "waiting" and sync.ends(later) == []
        assert not any(event["state"] == "started" for event in sync.haul.events_of(later))
    assert_loaded(sync, job, sync.haul.wait_succeeded(job)["receipt"])
    assert sync.haul.wait_succeeded(later)["receipt"]["chunk_jobs"] == 0
    sync.assert_same()


PARENT_STAGES = {
    "plan": lambda s: Gate(s.target, CHECKPOINTS, "UPDATE", "NEW.state::text LIKE '%\"plan\"%'"),
    "spawn": lambda s: Gate(s.haul.hub, "haul.children", "INSERT"),
    "told": lambda s: Gate(s.haul.hub, "haul.families", "UPDATE", "NEW.is_told AND NOT OLD.is_told"),
    "finish": lambda s: DdlGate(s.target, "ALTER TABLE%PRIMARY KEY%", "ALTER TABLE"),
    "swap": lambda s: DdlGate(s.target, "ALTER TABLE%RENAME TO%", "ALTER TABLE"),
    "receipt": lambda s: Gate(s.haul.hub, "haul.runs", "UPDATE", f"NEW.outcome = 'ok' AND NEW.rows_written = {ROWS}"),
}


@pytest.mark.parametrize("stage", PARENT_STAGES)
def test_the_parent_s_worker_is_killed_at(sync, stage):
    [worker] = start(sync)
    with PARENT_STAGES[stage](sync) as gate:
        job = sync.send(**SPEC)
        gate.wait_reached()
        worker.kill()
        gate.break_off()
        sync.start()
        receipt = sync.haul.wait_succeeded(job)["receipt"]
    assert_loaded(sync, job, receipt)
    assert sync.ledger(job, "attempt") == 1


def last_end():
    """Of a child: the end that is counted last."""
    return ("NEW.state = 'done' AND OLD.state = 'open' AND 1 = (SELECT count(*) FROM haul.children c"
            " WHERE c.parent_id = NEW.parent_id AND c.state = 'open')")


def test_killed_between_the_count_and_the_wake(sync):
    [worker] = start(sync, **ONE_AT_A_TIME)
    with Gate(sync.haul.hub, "haul.children", "UPDATE", last_end()) as gate:
        job = sync.send(**SPEC)
        gate.wait_reached()
        worker.kill()
        gate.open()  # the server counts the end, though nobody hears of it
        wait_for(lambda: {state for (state,) in children(sync, job, "state")} == {"done"}, "the last end")
        runs = sync.haul.hub.query("SELECT count(*) FROM haul.runs WHERE job_id = %s", job)
        sync.start()
        receipt = sync.haul.wait_succeeded(job)["receipt"]
    assert_loaded(sync, job, receipt)
    after = sync.haul.hub.query("SELECT count(*) FROM haul.runs WHERE job_id = %s", job)
    assert after[0][0] == runs[0][0] + 1, "nothing was run again but the parent"


def test_the_net_finds_what_nobody_told(sync):
    """A chunk job is cancelled by itself: it says nothing to its parent, and the last of the others sees it failed."""
    start(sync, **ONE_AT_A_TIME)
    with Gate(sync.target, CHECKPOINTS, "UPDATE", part_commit("_")) as gate:
        job = sync.send(**SPEC)
        gate.wait_reached()
        running = {job_id for job_id, state in chunk_jobs(sync, "job_id, state") if state == "running"}
        victim = [child for (child,) in children(sync, job) if child not in running][-1]
        sync.haul.run("cancel", victim)
    dead = sync.haul.wait_dead(job)
    assert dead["error"]["code"] == "job.cancelled" and "chunk job" in dead["error"]["message"], dead
    assert_one_end(sync, job, "dead_lettered")
    assert any(line["event"] == "job.woken_by_net" for worker in sync.haul.workers for line in worker.log_lines())
    assert sync.target.query("SELECT to_regclass('t')") == [(None,)]


def test_an_old_delivery_of_the_parent_ends_nothing(sync):
    """It finds that a chunk job has failed, and wakes the parent: the wake is delivered until the end is told."""
    start(sync, **ONE_AT_A_TIME)
    with Gate(sync.target, CHECKPOINTS, "UPDATE", part_commit("_")) as gate:
        job = sync.send(**SPEC)
        gate.wait_reached()
        wait_for(lambda: sync.ledger(job) == "waiting", "the parent to wait")
        wait_fence = sync.ledger(job, "wait_fence")
        running = {job_id for job_id, state in chunk_jobs(sync, "job_id, state") if state == "running"}
        victim = [child for (child,) in children(sync, job) if child not in running][-1]
        sync.haul.run("cancel", victim)

    def records():
        return [message for message in sync.haul.topics.read(f"{sync.haul.prefix}jobs.sql-sync")
                if json.loads(message.value())["id"] == job]

    wait_for(lambda: (victim, "cancelled") in chunk_jobs(sync, "job_id, state"), "the chunk job's end")
    assert sync.ledger(job) == "waiting", "the net has not come yet"
    sync.haul.send_raw(records()[0].value(), records()[0].key())
    dead = sync.haul.wait_dead(job)
    assert dead["error"]["code"] == "job.cancelled", dead
    waits = [dict(record.headers() or []).get("haul-wait-fence", b"none") for record in records()]
    assert sorted(waits) == [str(wait_fence).encode(), b"none", b"none"]
    assert_one_end(sync, job, "dead_lettered")


def test_a_net_behind_the_end_tells_nothing(sync):
    start(sync)
    job = sync.send(**SPEC)
    sync.haul.wait_succeeded(job)
    nets = [message for message in sync.haul.topics.read(f"{sync.haul.prefix}jobs.sql-sync.retry.2m")
            if json.loads(message.value())["id"] == job]
    assert nets, "a parent that waits has a net"
    time.sleep(8)  # 5 % of two minutes, and a little
    assert len(sync.ends(job)) == 1


def test_the_parent_s_deadline_ends_all(sync):
    start(sync, **ONE_AT_A_TIME)
    deadline = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 8))
    with Gate(sync.target, CHECKPOINTS, "UPDATE", part_commit("_")) as gate:
        job = sync.send(deadline=deadline, **SPEC)
        gate.wait_reached()
        dead = sync.haul.wait_dead(job)
        assert dead["error"]["code"] == "job.deadline", dead
        wait_for(lambda: {state for (state,) in chunk_jobs(sync, "state")} == {"dead_lettered"}, "all chunk jobs", 60)
    assert set(sync.ends(job)) == {f"{job}:dead_lettered"}
    job = sync.send(**SPEC)
    assert_loaded(sync, job, sync.haul.wait_succeeded(job)["receipt"])
    assert sync.haul.hub.query("SELECT parent_id FROM haul.families") == [], "the next fan-out clears up"


def test_a_sleeping_worker_s_chunk_is_done_by_another(sync):
    [first] = start(sync, **ONE_AT_A_TIME)
    with Gate(sync.target, CHECKPOINTS, "UPDATE", part_commit(1)) as gate:
        job = sync.send(**SPEC)
        gate.wait_reached()
        first.pause()
        sync.start()
        gate.open()  # the server does the sleeper's statement, but its transaction stays open
        receipt = sync.haul.wait_succeeded(job, timeout_s=90)["receipt"]
    first.resume()
    assert_loaded(sync, job, receipt)
    wait_for(lambda: first.get("/readyz")[0] == 200, "the sleeper to be back")
    time.sleep(2)
    assert_loaded(sync, job, receipt)


def test_an_open_breaker_holds_the_chunks(sync):
    """They need what their parent needs; to be held is no attempt."""
    [worker] = start(sync, **ONE_AT_A_TIME)
    with Gate(sync.target, CHECKPOINTS, "UPDATE", part_commit("_")) as gate:
        job = sync.send(**SPEC)
        gate.wait_reached()
        sync.haul.run("breakers", "open", "connection:w1/to", "--reason", "it moves house")
        wait_for(lambda: worker.metric("haul_breakers", state="forced_open") == 1, "the worker to know")
    count = len(children(sync, job))
    wait_for(lambda: worker.metric("haul_breaker_held_total") >= count - 1, "all but the one under way to be held")
    assert len(children(sync, job, "number")) == count and sync.ledger(job) == "waiting"
    sync.haul.run("breakers", "close", "connection:w1/to", "--reason", "it has moved")
    assert_loaded(sync, job, sync.haul.wait_succeeded(job, timeout_s=90)["receipt"])
    assert {attempt for (attempt,) in chunk_jobs(sync, "attempt")} == {1}


def test_cancel_stops_the_chunks(sync):
    [worker] = start(sync, **ONE_AT_A_TIME)
    with Gate(sync.target, CHECKPOINTS, "UPDATE", part_commit("_")) as gate:
        job = sync.send(**SPEC)
        gate.wait_reached()
        ids = [child for (child,) in children(sync, job)]
        sync.haul.run("cancel", job)
        assert sync.haul.wait_event(job, "cancelled")["state"] == "cancelled"
        # The one that runs is stopped at its next look, the others when they are claimed.
        wait_for(lambda: dict(chunk_jobs(sync, "job_id, state")) == dict.fromkeys(ids, "cancelled"),
                 "the chunk jobs to be cancelled", 60)
    assert_one_end(sync, job, "cancelled")
    assert worker.is_running()
    assert sync.target.query("SELECT to_regclass('t')") == [(None,)]
    receipt = sync.run(**SPEC)  # a later job goes on from whatever is durable
    assert receipt["rows_written"] == ROWS
    assert sync.leftovers() == [] and parts_left(sync) == []
    sync.assert_same()


def test_a_chunk_that_fails_for_good_fails_the_job(sync):
    """A row that the target refuses in one chunk: the table stays as it was; mended, it goes on from there."""
    sync.fill(ROWS)
    sync.target.query("CREATE TABLE t (id int PRIMARY KEY, name varchar(40) CHECK (name <> 'bad'),"
                      " updated_at timestamp NOT NULL)")
    sync.source.query("UPDATE t SET name = 'bad' WHERE id = 2500")
    sync.start(**ONE_AT_A_TIME)
    job = sync.send(**SPEC)
    dead = sync.haul.wait_dead(job)
    assert dead["error"]["code"] == "rows.rejected" and "chunk job 2" in dead["error"]["message"], dead
    assert_one_end(sync, job, "dead_lettered")
    wait_for(lambda: all(state not in ("running", "waiting") for (state,) in chunk_jobs(sync, "state")),
             "the other chunk jobs to end")
    assert sync.target.query("SELECT count(*) FROM t") == [(0,)]
    sync.source.query("UPDATE t SET name = 'good' WHERE id = 2500")
    sync.haul.run("dlq", "replay", "--job", job)
    receipt = wait_for(lambda: [event["data"]["receipt"] for event in sync.haul.events_of(job)
                                if event["state"] == "succeeded"], "the redriven job")[0]
    assert receipt["rows_written"] == ROWS
    assert sync.leftovers() == [] and parts_left(sync) == []
    sync.assert_same()


def test_a_chunk_told_twice_is_written_once(sync):
    start(sync)
    with Gate(sync.target, CHECKPOINTS, "UPDATE", part_commit(5)) as gate:
        job = sync.send(**SPEC)
        gate.wait_reached()
        for message in sync.haul.topics.read(f"{sync.haul.prefix}jobs.sql-sync"):
            if json.loads(message.value())["type"] == "haul.job.sql_sync_chunk.v1":
                sync.haul.send_raw(message.value(), message.key())
    receipt = sync.haul.wait_succeeded(job)["receipt"]
    assert_loaded(sync, job, receipt)
    assert len(chunk_jobs(sync)) == receipt["chunk_jobs"]
    assert {state for (state,) in chunk_jobs(sync, "state")} == {"succeeded"}


def test_bad_rows_of_chunks_stand_under_the_parent(sync):
    sync.fill(ROWS)
    sync.target.query("CREATE TABLE t (id int PRIMARY KEY, name varchar(40) CHECK (name <> 'bad'),"
                      " updated_at timestamp NOT NULL)")
    sync.source.query("UPDATE t SET name = 'bad' WHERE id IN (500, 2500, 5999)")
    sync.start()
    job = sync.send(max_bad_rows=3, **SPEC)
    receipt = sync.haul.wait_succeeded(job)["receipt"]
    assert receipt["rows_rejected"] == 3 and receipt["rows_written"] == ROWS - 3
    found = sync.haul.hub.query("SELECT DISTINCT job_id, chunk FROM haul.quarantine ORDER BY chunk")
    assert found == [(job, 0), (job, 2), (job, 5)]


def test_progress_of_the_parent_is_the_sum(sync):
    sync.fill(ROWS)
    sync.start(**ONE_AT_A_TIME)
    job = sync.send(**SPEC)
    sync.haul.wait_succeeded(job)
    events = [event["data"] for event in sync.haul.events_of(job) if event["state"] == "progress"]
    told = [data["rows_done"] for data in events if data["phase"] == "load"]
    assert told and max(told) <= ROWS, events
    numbers = [event["data"]["sequence"] for event in sync.haul.events_of(job)]
    assert len(numbers) == len(set(numbers)), "each event of the parent has a number of its own"


def test_the_trace_goes_through_the_chunks(sync):
    """Job, its events, the chunk jobs on the topic, and their events: one trace."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    start(sync)
    haul = sync.haul
    job = sync.send(members={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}, **SPEC)
    assert_loaded(sync, job, haul.wait_succeeded(job)["receipt"])
    chunks = [json.loads(message.value()) for message in haul.topics.read(f"{haul.prefix}jobs.sql-sync")
              + haul.topics.read(f"{haul.prefix}jobs.sql-sync.bulk")]
    chunks = [chunk for chunk in chunks if chunk["type"] == "haul.job.sql_sync_chunk.v1"]
    assert chunks and {chunk["traceparent"].split("-")[1] for chunk in chunks} == {trace}
    for told_of in [job, *[chunk["id"] for chunk in chunks]]:
        wait_for(lambda told_of=told_of: any(event["state"] == "succeeded" for event in haul.events_of(told_of)), f"the end of {told_of}")
        assert {event["traceparent"].split("-")[1] for event in haul.events_of(told_of)} == {trace}
