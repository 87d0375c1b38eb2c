"""Rows that are held back: which, why, up to which limit, told once whatever dies in between."""

import pytest

from e2e.syncing import CHECKPOINTS, Sync
from harness.gates import Gate

BAD = (17, 1500, 2999, 5000)
SPEC = {"chunk_rows": 1000, "verify": "full"}


@pytest.fixture
def sync(haul, mariadb_database, postgres_database):
    """6000 rows, four of which the target refuses."""
    sync = Sync(haul, mariadb_database, postgres_database)
    sync.fill()
    bad = ", ".join(str(number) for number in BAD)
    sync.target.query("CREATE TABLE t (id int PRIMARY KEY, name varchar(40) NOT NULL, updated_at timestamp(6) NOT NULL,"
                      f" CONSTRAINT no_such_id CHECK (id NOT IN ({bad})))")
    sync.target.query("INSERT INTO t VALUES (1, 'before', '2026-01-01')")
    yield sync
    haul.kill_workers()


def listed(sync, *words):
    return sync.haul.run("quarantine", "list", "--json", *words).json


def exported(sync, *words):
    """The ids of the rows, in order."""
    return sorted(int(line["row"]["id"]) for line in sync.haul.run("quarantine", "export", *words).lines)


def ids(sync):
    return {number for (number,) in sync.target.query("SELECT id FROM t")}


def test_up_to_the_limit_they_are_held_back(sync):
    sync.start()
    job = sync.send(max_bad_rows=len(BAD), **SPEC)
    receipt = sync.haul.wait_succeeded(job)["receipt"]
    assert (receipt["rows_read"], receipt["rows_written"], receipt["rows_rejected"]) == (6000, 5996, 4)
    assert receipt["verification"]["rows"] == 5996
    assert ids(sync) == set(range(1, 6001)) - set(BAD)
    rows = listed(sync, "--job", job)
    assert len(rows) == 4 and {(row["code"], row["sqlstate"]) for row in rows} == {("row.refused", "23514")}
    assert all("no_such_id" in row["message"] and row["sync_id"] == "s1" for row in rows), rows
    assert len({row["chunk"] for row in rows}) > 1
    assert exported(sync, "--job", job) == sorted(BAD)
    assert "4" in sync.haul.run("show", job).out


def test_one_more_and_the_target_stays_as_it_was(sync):
    sync.start()
    job = sync.send(max_bad_rows=len(BAD) - 1, **SPEC)
    error = sync.haul.wait_dead(job)["error"]
    assert error["code"] == "rows.rejected" and error["native"] == "23514", error
    assert "more than 3 rows" in error["message"] and "no_such_id" in error["message"], error
    assert "quarantine" in error["hint"] and "max_bad_rows" in error["hint"]
    assert sync.target.query("SELECT id, name FROM t") == [(1, "before")]
    assert exported(sync, "--job", job) == sorted(BAD), "those that were seen are kept"
    # With a greater limit it goes on from there, and its own rows are told under it.
    later = sync.send(max_bad_rows=10, **SPEC)
    receipt = sync.haul.wait_succeeded(later)["receipt"]
    assert receipt["rows_rejected"] == 4 and receipt["rows_written"] == 5996, receipt
    assert ids(sync) == set(range(1, 6001)) - set(BAD)


def test_filters_and_limits_of_the_lists(sync):
    sync.start()
    job = sync.send(max_bad_rows=10, **SPEC)
    sync.haul.wait_succeeded(job)
    assert len(listed(sync, "-n", "2")) == len(exported(sync, "-n", "2")) == 2
    assert len(listed(sync, "--code", "row.refused")) == 4
    for nothing in (("--code", "zero_date"), ("--sync", "s2"), ("--job", "j2"), ("-w", "w2")):
        assert listed(sync, *nothing) == [] and exported(sync, *nothing) == []
    assert "no rows in quarantine" in sync.haul.run("quarantine", "list", "--sync", "s2").err


def test_none_is_told_twice_when_a_worker_dies(sync):
    """Killed with the bad rows of a chunk in the quarantine and the chunk not durable."""
    worker = sync.start()
    sync.run(max_bad_rows=10, **SPEC)  # makes the checkpoint's table
    second = ("NEW.state::text IS DISTINCT FROM OLD.state::text AND (SELECT count(*) FROM"
              " json_array_elements(NEW.state->'chunks') c WHERE (c->>'rejected')::int > 0) = 2")
    with Gate(sync.target, CHECKPOINTS, "UPDATE", second) as gate:
        job = sync.send(max_bad_rows=10, **SPEC)
        gate.wait_reached()
        worker.kill()
        gate.break_off()
        sync.start()
        receipt = sync.haul.wait_succeeded(job)["receipt"]
    assert receipt["rows_rejected"] == 4 and receipt["resumed_chunks"] > 0
    assert exported(sync, "--job", job) == sorted(BAD)
    [(kept,)] = sync.haul.hub.query("SELECT count(*) FROM haul.quarantine WHERE job_id = %s", job)
    assert kept > 4, "both runs told of the chunk; the later one counts"


def test_those_of_a_merge(sync):
    """Into the live target, in the cursor's order: the good rows arrive, the cursor moves on."""
    sync.start()
    more = {"mode": "upsert", "cursor": "updated_at", "max_bad_rows": 10}
    receipt = sync.run(**more)
    assert receipt["path"] == "merge" and receipt["rows_rejected"] == 4, receipt
    assert ids(sync) == set(range(1, 6001)) - set(BAD)
    again = sync.run(**more)
    assert again["rows_rejected"] == 0 and again["rows_inserted"] == 0, "they are behind the cursor"


def test_a_mariadb_target_tells_why(haul, mariadb_database, postgres_database):
    sync = Sync(haul, postgres_database, mariadb_database)
    sync.fill(2000)
    sync.target.query("CREATE TABLE t (id int PRIMARY KEY, name varchar(40) NOT NULL, updated_at datetime(6) NOT NULL,"
                      " CONSTRAINT no_such_id CHECK (id <> 1234))")
    sync.start()
    job = sync.send(max_bad_rows=1, **SPEC)
    assert haul.wait_succeeded(job)["receipt"]["rows_rejected"] == 1
    [row] = listed(sync, "--job", job)
    assert row["code"] == "row.refused" and row["sqlstate"] and "no_such_id" in row["message"], row
    assert exported(sync, "--job", job) == [1234]
    haul.kill_workers()
