"""The pipeline on real servers, every mode between every pair of systems, without Kafka and hub."""

import datetime
import decimal
import signal
import time

import pytest

from contract.sync_once import Outcome, Side, SyncOnce

PAIRS = [("mysql", "postgres"), ("postgres", "postgres"), ("postgres", "mysql"), ("mysql", "mysql")]


@pytest.fixture
def make_side(servers, unique):
    from harness.databases import MariadbDatabase, PostgresDatabase
    made = []

    def make(kind, label):
        cls = PostgresDatabase if kind == "postgres" else MariadbDatabase
        made.append(cls(servers, f"app_{unique}_{label}"))
        return Side(made[-1])

    yield make
    servers.heal()
    for database in made:
        database.drop()


@pytest.fixture(params=PAIRS, ids=lambda pair: "-to-".join(pair))
def sync(request, make_side):
    source, target = request.param
    return SyncOnce(make_side(source, "from"), make_side(target, "to"))


@pytest.fixture(params=PAIRS[:2] + PAIRS[2:3], ids=lambda pair: "-to-".join(pair))
def sync_few(request, make_side):
    source, target = request.param
    return SyncOnce(make_side(source, "from"), make_side(target, "to"))


def shop(source, rows=1000):
    source.query("CREATE TABLE t (id int PRIMARY KEY, name varchar(60) NOT NULL, price decimal(12,2),"
                 " updated_at timestamp(6) NOT NULL DEFAULT '2026-01-01 00:00:00')")
    start = datetime.datetime(2026, 1, 1)
    source.many("INSERT INTO t VALUES (%s, %s, %s, %s)",
                [(i, f"näme {i} \t\\N", decimal.Decimal(i) / 4 if i % 7 else None,
                  start + datetime.timedelta(seconds=i // 10)) for i in range(1, rows + 1)])
    source.query("ANALYZE t" if source.kind == "postgres" else "ANALYZE TABLE t")


def moment(sync):
    """The type that updated_at has in the target: MySQL's TIMESTAMP is zoned, PostgreSQL's is not."""
    zoned = sync.source.kind == "mysql"
    if sync.target.kind == "postgres":
        return "timestamptz(6)" if zoned else "timestamp(6)"
    return "timestamp(6) NULL" if zoned else "datetime(6)"


def rows_of(side, columns="id, name, price", table="t", order="id"):
    return side.query(f"SELECT {columns} FROM {table} ORDER BY {order}")


def same(sync, columns="id, name, price", **how):
    assert rows_of(sync.target, columns, **how) == rows_of(sync.source, columns, **how)


# --- full_refresh ---------------------------------------------------------------------------------

def test_full_refresh_proves_what_it_copied(sync):
    shop(sync.source, 3000)
    receipt = sync.ok()
    assert (receipt["rows_read"], receipt["rows_written"], receipt["rows_rejected"]) == (3000, 3000, 0)
    assert receipt["target_rows"] == receipt["verification"]["rows"] == 3000
    assert receipt["verification"]["source_hash"] == receipt["verification"]["target_hash"] == receipt["source_hash"]
    same(sync)
    assert not [name for name in sync.target.tables() if name.startswith("_haul_stage")]


def test_full_refresh_replaces_and_keeps_the_targets_indexes(sync):
    shop(sync.source)
    sync.ok()
    sync.target.query("CREATE INDEX by_name ON t (name)")
    sync.source.query("DELETE FROM t WHERE id > 500")
    assert sync.ok()["rows_written"] == 500
    same(sync)
    if sync.target.kind == "postgres":
        names = sync.target.query("SELECT indexname FROM pg_indexes WHERE tablename = 't' ORDER BY 1")
        assert [name for (name,) in names] == ["by_name", "t_pkey"]
    else:
        assert "by_name" in {row[2] for row in sync.target.query("SHOW INDEX FROM t")}


def test_an_empty_table_arrives_empty(sync):
    shop(sync.source, 0)
    receipt = sync.ok()
    assert (receipt["rows_written"], receipt["target_rows"]) == (0, 0)
    assert rows_of(sync.target) == []


def test_many_chunks_and_lanes(sync):
    shop(sync.source, 20000)
    receipt = sync.ok({"chunk_rows": 1000, "parallel": 3, "verify": "full"})
    assert receipt["chunk_count"] > 5
    assert receipt["verification"]["chunks"] == receipt["chunk_count"]
    assert sum(chunk["rows_written"] for chunk in receipt["chunks"]) == 20000
    same(sync)


def test_count_level_reads_nothing_back(sync):
    shop(sync.source)
    receipt = sync.ok({"verify": "count"})
    assert receipt["verification"]["rows"] == 0 and receipt["target_rows"] == 1000


def test_composite_keys_mixed_case_and_quotes(sync):
    s = sync.source
    name = s.q("Odd 'Näme'")
    s.query(f"CREATE TABLE {name} ({s.q('Key A')} int, {s.q('key')} varchar(20), {s.q('select')} varchar(20),"
            f" PRIMARY KEY ({s.q('Key A')}, {s.q('key')}))")
    s.query(f"INSERT INTO {name} VALUES (1, 'a', 'x'), (1, 'b', NULL), (2, 'a', '')")
    sync.ok({"source": {"connection_id": "a", "table": "Odd 'Näme'"}, "target": {"connection_id": "b", "table": "Ödd t"}})
    t = sync.target
    assert t.query(f"SELECT * FROM {t.q('Ödd t')} ORDER BY 1, 2") == [(1, "a", "x"), (1, "b", None), (2, "a", "")]


def test_a_table_without_a_key_is_loaded_whole(sync):
    sync.source.query("CREATE TABLE t (a int, b varchar(10))")
    sync.source.query("INSERT INTO t VALUES (1, 'x'), (1, 'x'), (2, NULL)")
    receipt = sync.ok()
    assert receipt["verification"]["rows"] == 3
    assert sync.target.query("SELECT a, b FROM t ORDER BY a") == [(1, "x"), (1, "x"), (2, None)]
    outcome = sync.fails("sync.key_missing", {"mode": "upsert"})
    assert "primary key" in outcome.message


def test_views_and_queries_are_streams(sync):
    shop(sync.source, 50)
    sync.source.query("CREATE VIEW v AS SELECT id, name FROM t WHERE id <= 10")
    sync.ok({"sync_id": "v", "source": {"connection_id": "a", "table": "v"}, "target": {"connection_id": "b", "table": "v"}})
    assert len(rows_of(sync.target, "id, name", "v")) == 10
    query = "SELECT id, name AS label FROM t WHERE id > 40"
    sync.ok({"sync_id": "q", "key": ["id"], "source": {"connection_id": "a", "table": "q", "query": query},
             "target": {"connection_id": "b", "table": "q"}})
    assert [row[0] for row in rows_of(sync.target, "id, label", "q")] == list(range(41, 51))


# --- upsert ---------------------------------------------------------------------------------------

def test_upsert_moves_only_what_changed(sync):
    shop(sync.source, 2000)
    spec = {"mode": "upsert", "cursor": "updated_at"}
    assert sync.ok(spec)["path"] == "load"
    sync.source.query("UPDATE t SET name = 'changed', updated_at = '2026-06-01 00:00:00' WHERE id <= 30")
    sync.source.query("INSERT INTO t VALUES (5001, 'new', 1, '2026-06-01 00:00:00')")
    receipt = sync.ok(spec)
    assert receipt["path"] == "merge"
    # the rows at the old cursor value are read again: a bare > would lose ties
    assert receipt["rows_read"] <= 31 + 10 and receipt["rows_inserted"] == 1 and receipt["rows_updated"] == 30
    assert receipt["verification"]["rows"] == receipt["rows_read"]
    same(sync)
    receipt = sync.ok(spec)
    assert receipt["rows_inserted"] == receipt["rows_updated"] == 0
    same(sync)


def test_upsert_without_a_cursor_merges_everything(sync):
    shop(sync.source, 100)
    spec = {"mode": "upsert"}
    sync.ok(spec)
    sync.source.query("UPDATE t SET price = 99 WHERE id = 5")
    receipt = sync.ok(spec)
    assert (receipt["rows_read"], receipt["rows_updated"], receipt["rows_unchanged"]) == (100, 1, 99)
    same(sync)


def test_upsert_into_a_table_that_stands_already(sync):
    shop(sync.source, 100)
    sync.target.query("CREATE TABLE t (id int PRIMARY KEY, name varchar(60), price decimal(12,2),"
                      f" updated_at {moment(sync)}, mine varchar(10))")
    sync.target.query("INSERT INTO t (id, name, mine) VALUES (7, 'old', 'keep'), (900, 'only here', 'keep')")
    sync.ok({"mode": "upsert", "cursor": "updated_at"})
    assert sync.target.query("SELECT id, mine FROM t WHERE mine IS NOT NULL ORDER BY id") == [(7, "keep"), (900, "keep")]
    assert sync.target.query("SELECT count(*) FROM t") == [(101,)]


def test_two_workspaces_may_use_one_sync_id(sync_few):
    sync = sync_few
    shop(sync.source, 50)
    spec = {"mode": "upsert", "cursor": "updated_at", "sync_id": "s" * 128}
    assert sync.ok(spec, workspace_id="a" * 128)["path"] == "load"
    other = {**spec, "target": {"connection_id": "b", "table": "u"}}
    assert sync.ok(other, workspace_id="b" * 128)["path"] == "load"
    assert sync.ok(spec, workspace_id="a" * 128)["path"] == "merge"
    assert sync.ok(other, workspace_id="b" * 128)["path"] == "merge"


# --- append ---------------------------------------------------------------------------------------

def test_append_takes_each_row_once_also_at_ties(sync):
    sync.source.query("CREATE TABLE t (id int PRIMARY KEY, at timestamp(6) NOT NULL, v varchar(10))")
    add = "INSERT INTO t VALUES (%s, %s, %s)"
    sync.source.many(add, [(i, "2026-01-01 00:00:00", "a") for i in range(1, 6)])
    spec = {"mode": "append", "cursor": "at"}
    assert sync.ok(spec)["rows_written"] == 5
    assert sync.ok(spec)["rows_written"] == 0
    sync.source.many(add, [(i, "2026-01-01 00:00:00", "late") for i in range(6, 9)])
    assert sync.ok(spec)["rows_written"] == 3
    sync.source.many(add, [(i, "2026-01-02 00:00:00", "next") for i in range(9, 11)])
    assert sync.ok(spec)["rows_written"] == 2
    assert sync.ok(spec)["rows_written"] == 0
    assert [row[0] for row in rows_of(sync.target, "id")] == list(range(1, 11))


# --- mirror ---------------------------------------------------------------------------------------

def test_mirror_marks_what_vanished_and_takes_it_back(sync):
    shop(sync.source, 200)
    spec = {"mode": "mirror", "cursor": "updated_at"}
    sync.ok(spec)
    gone = sync.source.query("SELECT id, name, price, updated_at FROM t WHERE id = 20")
    sync.source.query("DELETE FROM t WHERE id IN (10, 20)")
    assert sync.ok(spec)["rows_deleted"] == 2
    assert sync.target.query("SELECT id FROM t WHERE _haul_deleted_at IS NOT NULL ORDER BY id") == [(10,), (20,)]
    assert sync.ok(spec)["rows_deleted"] == 0
    sync.source.many("INSERT INTO t VALUES (%s, %s, %s, %s)", gone)  # an old cursor value
    sync.ok(spec)
    assert sync.target.query("SELECT id FROM t WHERE _haul_deleted_at IS NOT NULL") == [(10,)]


def test_mirror_deletes_for_good_when_told(sync):
    shop(sync.source, 200)
    spec = {"mode": "mirror", "delete_mode": "hard"}
    sync.ok(spec)
    sync.source.query("DELETE FROM t WHERE id IN (10, 20)")
    assert sync.ok(spec)["rows_deleted"] == 2
    same(sync)


def test_mirror_refuses_to_empty_its_target(sync):
    shop(sync.source, 200)
    spec = {"mode": "mirror", "delete_mode": "hard"}
    sync.ok(spec)
    sync.source.query("DELETE FROM t")
    sync.fails("mirror.too_many_deletes", spec)
    assert sync.target.query("SELECT count(*) FROM t") == [(200,)]
    assert sync.ok({**spec, "max_delete_percent": 100})["rows_deleted"] == 200


# --- snapshot_history -----------------------------------------------------------------------------

def test_history_keeps_every_version(sync):
    shop(sync.source, 100)
    spec = {"mode": "snapshot_history", "max_delete_percent": 50}
    assert sync.ok(spec)["rows_inserted"] == 100
    assert sync.ok(spec)["rows_inserted"] == 0
    sync.source.query("UPDATE t SET name = 'second' WHERE id = 5")
    sync.source.query("DELETE FROM t WHERE id = 6")
    sync.ok(spec)
    versions = sync.target.query("SELECT name, _haul_is_current, _haul_valid_to IS NULL FROM t"
                                 " WHERE id = 5 ORDER BY _haul_valid_from")
    assert [(n[:6], bool(c), bool(v)) for n, c, v in versions] == [("näme 5", False, False), ("second", True, True)]
    assert [bool(row[0]) for row in sync.target.query("SELECT _haul_is_current FROM t WHERE id = 6")] == [False]
    assert sync.target.query("SELECT count(*) FROM t WHERE _haul_is_current") == [(99,)]


# --- bad rows -------------------------------------------------------------------------------------

def refuse_some(sync):
    shop(sync.source, 3000)
    sync.target.query("CREATE TABLE t (id int PRIMARY KEY, name varchar(60) NOT NULL, price decimal(12,2),"
                      f" updated_at {moment(sync)}, CONSTRAINT small CHECK (id NOT IN (17, 1500, 2999)))")


@pytest.mark.parametrize("mode", ["full_refresh", "upsert"])
def test_bad_rows_are_narrowed_down(sync_few, mode):
    sync = sync_few
    refuse_some(sync)
    outcome = sync.run({"mode": mode, "max_bad_rows": 3})
    assert outcome.outcome == "ok", outcome
    assert sorted(int(bad["bad_row"]["id"]) for bad in outcome.bad) == [17, 1500, 2999]
    assert all(bad["sqlstate"] for bad in outcome.bad)
    assert outcome.receipt["rows_rejected"] == 3 and outcome.receipt["rows_written"] == 2997
    assert sync.target.query("SELECT count(*) FROM t") == [(2997,)]


def test_one_bad_row_too_many_leaves_the_target_as_it_was(sync_few):
    sync = sync_few
    refuse_some(sync)
    sync.target.query("INSERT INTO t (id, name) VALUES (1, 'before')")
    outcome = sync.fails("rows.rejected", {"max_bad_rows": 2})
    assert len(outcome.bad) == 3
    assert sync.target.query("SELECT id, name FROM t") == [(1, "before")]


def test_no_row_data_in_an_error(sync_few):
    sync = sync_few
    shop(sync.source, 10)
    sync.source.query("UPDATE t SET name = 'SECRETVALUE' WHERE id = 3")
    sync.target.query("CREATE TABLE t (id int PRIMARY KEY, name varchar(60) CHECK (name <> 'SECRETVALUE'),"
                      f" price decimal(12,2), updated_at {moment(sync)})")
    outcome = sync.fails("rows.rejected")
    assert "SECRETVALUE" not in (outcome.message + outcome.end["hint"])
    assert "SECRETVALUE" not in outcome.bad[0]["message"]


# --- mapping and drift ----------------------------------------------------------------------------

def test_columns_are_chosen_renamed_cast_and_added(sync):
    shop(sync.source, 20)
    sync.ok({"columns": [{"from": "id", "to": "number"}, {"from": "price", "cast": "text"},
                         {"from": "name", "to": "label"},
                         {"constant": "7", "to": "tenant", "cast": "int64(32)"},
                         {"from": "price", "to": "price2", "on_null": "default", "default": "0.5"}]})
    rows = sync.target.query("SELECT number, price, tenant, price2 FROM t ORDER BY number")
    assert rows[0] == (1, "0.25", 7, decimal.Decimal("0.25"))
    assert rows[6] == (7, None, 7, decimal.Decimal("0.50"))


def test_drift_evolves_freezes_or_fails(sync):
    shop(sync.source, 20)
    spec = {"mode": "upsert"}
    sync.ok(spec)
    sync.source.query("ALTER TABLE t ADD COLUMN extra varchar(10)")
    sync.source.query("UPDATE t SET extra = 'x'")
    sync.fails("drift.changed", {**spec, "drift": "fail"})
    notes = sync.ok({**spec, "drift": "freeze"})["notes"]
    assert any("extra" in note for note in notes), notes
    sync.ok({**spec, "drift": "evolve"})
    same(sync, "id, extra")


def test_a_wider_source_column_widens_the_target(sync):
    sync.source.query("CREATE TABLE t (id int PRIMARY KEY, v varchar(5), n smallint)")
    sync.source.query("INSERT INTO t VALUES (1, 'abc', 3)")
    sync.ok({"mode": "upsert"})
    if sync.source.kind == "postgres":
        sync.source.query("ALTER TABLE t ALTER v TYPE varchar(50), ALTER n TYPE bigint")
    else:
        sync.source.query("ALTER TABLE t MODIFY v varchar(50), MODIFY n bigint")
    sync.source.query("INSERT INTO t VALUES (2, 'a much longer text', 99999999999)")
    sync.ok({"mode": "upsert"})
    same(sync, "id, v, n")


# --- failures -------------------------------------------------------------------------------------

def test_a_killed_load_goes_on_from_its_last_chunk(sync_few):
    sync = sync_few
    shop(sync.source, 60000)
    spec = {"chunk_rows": 1000, "verify": "full"}
    process = sync.start(spec)
    for line in process.stdout:
        if '"load"' in line and Outcome([line]).phases and '"rows_done":0' not in line:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert "t" not in sync.target.tables()
    receipt = sync.ok(spec)
    assert receipt["resumed_chunks"] > 0 and receipt["rows_written"] == 60000
    assert receipt["verification"]["rows"] == 60000
    same(sync)


@pytest.mark.parametrize("phase", ["finish", "verify"])
def test_killed_behind_the_rows(sync_few, phase):
    sync = sync_few
    shop(sync.source, 20000)
    sync.ok()
    sync.target.query("CREATE INDEX by_name ON t (name)")
    sync.source.query("UPDATE t SET name = 'again'")
    process = sync.start({"chunk_rows": 1000, "verify": "full"})
    for line in process.stdout:
        if f'"{phase}"' in line:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    sync.ok({"chunk_rows": 1000, "verify": "full"})
    same(sync)


def test_a_stale_worker_is_fenced_off(sync):
    shop(sync.source, 100)
    sync.ok({"mode": "upsert"}, fence=100)
    sync.source.query("UPDATE t SET name = 'stale'")
    assert sync.run({"mode": "upsert"}, fence=99).code == "fenced"
    assert sync.target.query("SELECT count(*) FROM t WHERE name = 'stale'") == [(0,)]


def test_two_workers_at_once_one_wins(sync_few):
    sync = sync_few
    shop(sync.source, 40000)
    first = sync.start({"chunk_rows": 1000}, fence=1)
    for line in first.stdout:
        if '"load"' in line:
            break
    second = sync.run({"chunk_rows": 1000}, fence=2)
    rest = Outcome(first.stdout.read().splitlines())
    first.wait()
    assert second.outcome == "ok", second
    assert rest.outcome != "ok", "the older fence must lose"
    same(sync)


def test_stopped_when_told(sync_few):
    sync = sync_few
    shop(sync.source, 40000)
    process = sync.start({"chunk_rows": 1000})
    for line in process.stdout:
        if '"load"' in line:
            break
    process.send_signal(signal.SIGTERM)
    started = time.monotonic()
    outcome = Outcome(process.stdout.read().splitlines())
    process.wait()
    assert outcome.outcome in ("cancelled", "ok"), outcome
    assert time.monotonic() - started < 20
    if outcome.outcome == "cancelled":
        assert "t" not in sync.target.tables()


def test_a_target_that_changes_values_is_found_out(make_side):
    sync = SyncOnce(make_side("mysql", "from"), make_side("postgres", "to"))
    shop(sync.source, 100)
    sync.ok({"mode": "upsert"})
    sync.target.query("CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS"
                      " 'BEGIN NEW.name := upper(NEW.name); RETURN NEW; END'")
    sync.target.query("CREATE TRIGGER m BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION meddle()")
    before = rows_of(sync.target)
    sync.source.query("UPDATE t SET name = 'lower'")
    sync.fails("verify.mismatch", {"mode": "upsert"})
    assert rows_of(sync.target) == before


@pytest.mark.parametrize("spec, code", [
    ({"source": {"connection_id": "a", "table": "nowhere"}}, "stream.missing"),
    ({"mode": "upsert", "cursor": "nothing"}, "sync.cursor"),
    ({"mode": "upsert", "cursor": "name"}, "sync.cursor"),
    ({"columns": [{"from": "nmae"}]}, "mapping.column"),
    ({"columns": [{"from": "name", "cast": "decimel(1)"}]}, "mapping.cast"),
    ({"key": ["nothing"]}, "sync.key"),
    ({"key": ["updated_at"]}, "target.key_not_unique"),
])
def test_what_cannot_be_done_is_told(sync_few, spec, code):
    shop(sync_few.source, 30)
    outcome = sync_few.fails(code, spec)
    assert outcome.message and "t" not in sync_few.target.tables()


# --- verify ---------------------------------------------------------------------------------------

def test_verify_names_what_differs_and_repairs_it(sync):
    shop(sync.source, 5000)
    sync.ok({"chunk_rows": 1000})
    clean = sync.run({"chunk_rows": 1000}, verify=True)
    assert clean.end["agrees"] is True, clean
    sync.target.query("UPDATE t SET name = 'bent' WHERE id = 1234")
    sync.target.query("DELETE FROM t WHERE id = 4000")
    sync.target.query("INSERT INTO t (id, name, updated_at) VALUES (99999, 'stranger', '2026-01-01 00:00:00')")
    found = sync.run({"chunk_rows": 1000}, verify=True)
    assert found.end["agrees"] is False, found
    assert (found.end["different"], found.end["missing"], found.end["extra"]) == (1, 1, 1)
    assert {key["id"] for _, key in found.end["keys"]} == {"1234", "4000", "99999"}
    assert 0 < found.end["chunks_differing"] < found.end["chunks"]
    mended = sync.run({"chunk_rows": 1000}, verify=True, repair=True)
    assert (mended.end["rows_merged"], mended.end["rows_deleted"]) == (2, 1), mended
    assert sync.run({"chunk_rows": 1000}, verify=True).end["agrees"] is True
    same(sync)


def test_estimate_writes_nothing(sync):
    shop(sync.source, 100)
    said = sync.run({}, estimate=True)
    assert said.outcome == "ok" and said.end["path"] == "load", said
    assert sync.target.tables() == set()
