"""Syncs through the command line: estimate before the first run, verify and repair after it."""

import pytest

from harness.waiting import wait_for


@pytest.fixture
def shop(haul, mariadb_database, postgres_database):
    mariadb_database.query("CREATE TABLE t (id int PRIMARY KEY, total decimal(12,2), flags set('a','b'))")
    mariadb_database.query("INSERT INTO t SELECT seq, seq / 10, 'a' FROM seq_1_to_5000")
    haul.add_database("from", mariadb_database)
    haul.add_database("to", postgres_database)
    haul.source, haul.target = mariadb_database, postgres_database
    return haul


WORDS = ["sync_id=s", "source.connection_id=from", "source.table=t", "target.connection_id=to", "target.table=t"]


def test_estimate_writes_nothing(shop):
    report = shop.run("estimate", "sql_sync", "-w", "w1", *WORDS, "--json").json
    assert report["target_exists"] is False and report["path"] == "load" and report["key"] == ["id"]
    assert 2500 < report["rows"] < 10000 and report["differences"] is not None
    assert [(c["from"], c["to"], c["type"]) for c in report["columns"][:2]] == [
        ("id", "id", "int64(32)"), ("total", "total", "decimal(12,2)")]
    assert report["columns"][2]["loss"]  # a set becomes text
    assert shop.target.query("SELECT to_regclass('t')") == [(None,)]
    text = shop.run("estimate", "sql_sync", "-w", "w1", *WORDS).out
    assert "will be created" in text and "decimal(12,2)" in text
    assert shop.run("estimate", "sql_sync", "-w", "w1", *WORDS, "source.table=nothing", status=3).err
    assert shop.run("estimate", "sql_sync", "-w", "w1", *WORDS, "source.connection_id=form", status=3).err.count("from")


def test_verify_names_what_differs_and_repairs_it(shop):
    shop.start_worker()
    shop.run("enqueue", "sql_sync", "-w", "w1", *WORDS, "--watch")
    [row] = shop.run("syncs", "--json").json
    assert (row["workspace_id"], row["sync_id"], row["kind"]) == ("w1", "s", "sql_sync") and row["last_run_at"]
    assert row["definition"]["source"] == {"connection_id": "from", "table": "t"}

    def verify(*words, status=0):
        return shop.run("verify", "s", "-w", "w1", "--json", *words, status=status).json

    report = verify()
    assert report["agrees"] and report["source_rows"] == report["target_rows"] == 5000 and report["chunks"] == []
    assert report["source_hash"] == report["target_hash"]
    shop.target.query("UPDATE t SET total = 1 WHERE id = 17")
    shop.target.query("DELETE FROM t WHERE id IN (18, 4000)")
    shop.target.query("INSERT INTO t VALUES (999999, 1, 'b')")
    report = verify(status=1)
    assert not report["agrees"]
    assert (report["missing"], report["different"], report["extra"]) == (2, 1, 1)
    kinds = {key["key"]["id"]: key["kind"] for key in report["keys"]}
    assert kinds.pop("999999") == "extra" and kinds.pop("17") == "different"
    assert set(kinds) == {"18", "4000"} and set(kinds.values()) <= {"missing", "different"}  # see verify.h
    text = shop.run("verify", "s", "-w", "w1", status=1).out
    assert "they differ" in text and '{"id":"4000"}' in text
    repaired = verify("--repair")
    assert repaired["rows_merged"] == 3 and repaired["rows_deleted"] == 1
    assert verify()["agrees"]
    assert shop.hub.query("SELECT object FROM haul.audit_log WHERE action = 'sync.repair'") == [("s",)]
    # The sync goes on after it: its next fence is greater.
    shop.run("enqueue", "sql_sync", "-w", "w1", *WORDS, "--watch")
    wait_for(lambda: verify()["agrees"], "both sides to agree")


def test_a_missing_sync_names_the_nearest(shop):
    shop.hub.query("INSERT INTO haul.syncs (workspace_id, sync_id, kind, definition) "
                   "VALUES ('w1', 'nightly', 'sql_sync', '{}')")
    error = shop.run("verify", "nigthly", "-w", "w1", "--json", status=3).json["error"]
    assert error["code"] == "sync.missing" and "nightly" in error["hint"]
