"""Ugly values from end to end: what arrives is what stood there, or a policy says by name what became of it."""

import decimal

import pytest

from contract.sync_once import Side, SyncOnce
from contract.test_sync_modes import make_side  # noqa: F401  (a fixture)

ALL = {"verify": "full"}


@pytest.fixture
def mysql_to_postgres(make_side):  # noqa: F811
    return SyncOnce(make_side("mysql", "from"), make_side("postgres", "to"))


@pytest.fixture
def postgres_to_postgres(make_side):  # noqa: F811
    return SyncOnce(make_side("postgres", "from"), make_side("postgres", "to"))


@pytest.fixture
def postgres_to_mysql(make_side):  # noqa: F811
    return SyncOnce(make_side("postgres", "from"), make_side("mysql", "to"))


def test_mariadbs_ugly_values_in_postgres(mysql_to_postgres):
    sync = mysql_to_postgres
    sync.source.query("""CREATE TABLE t (id int PRIMARY KEY, tiny tinyint(1), bit1 bit(1), bit9 bit(9), big bigint unsigned,
        exact decimal(65,30), moment datetime(6), stamp timestamp(3) NULL, clock time(6), y year, doc json, raw blob,
        smile varchar(20) CHARACTER SET utf8mb4, west varchar(20) CHARACTER SET latin1, pick enum('a','b c'),
        few set('x','y','z'), f float, d double, gone varchar(5), empty varchar(5) NOT NULL, shape point)""")
    sync.source.query("SET @a = 1")
    sync.source.many(
        "INSERT INTO t VALUES (%s, 2, b'1', b'101010101', 18446744073709551615,"
        " -12345678901234567890123456789012345.123456789012345678901234567891, '2026-01-02 03:04:05.678901',"
        " '2026-01-02 03:04:05.678', '23:59:59.999999', 2026, '{\"b\": [1, 2.50], \"a\": null}', x'00ff00', 'tab\\t😀\\\\N',"
        " 'Zürich', 'b c', 'x,z', 0.1, 1.7976931348623157e308, NULL, '', ST_GeomFromText('POINT(1 2)'))", [(1,)])
    receipt = sync.ok(ALL)
    assert receipt["verification"]["rows"] == 1
    row = sync.target.query("SELECT tiny, bit1, encode(bit9, 'hex'), big::text, exact::text, moment::text,"
                            " extract(epoch from stamp)::numeric(20,3)::text, clock::text, y, doc::text, encode(raw, 'hex'),"
                            " smile, west, pick, few, f, d, gone, empty, shape FROM t")[0]
    assert row[:5] == (2, True, "0155", "18446744073709551615",
                       "-12345678901234567890123456789012345.123456789012345678901234567891")
    assert row[5] == "2026-01-02 03:04:05.678901" and row[7] == "23:59:59.999999" and row[8] == 2026
    assert row[9:15] == ('{"b": [1, 2.50], "a": null}', "00ff00", "tab\t😀\\N", "Zürich", "b c", "x,z")
    assert abs(row[15] - 0.1) < 1e-7 and row[16] == 1.7976931348623157e308
    assert row[17:19] == (None, "") and row[19].upper().replace(" ", "") == "POINT(12)"


@pytest.mark.parametrize("column, value, fault", [
    ("d date", "0000-00-00", "zero_date"),
    ("d datetime", "2024-00-10 00:00:00", "zero_date"),
    ("d time", "-838:59:59", "time_range"),
    ("d time", "25:00:00", "time_range"),
    ("d varchar(10)", "a\0b", "nul_byte"),
])
def test_values_that_postgres_cannot_hold(mysql_to_postgres, column, value, fault):
    sync = mysql_to_postgres
    connection = sync.source.connect()
    cursor = connection.cursor()
    cursor.execute("SET sql_mode = ''")
    cursor.execute(f"CREATE TABLE t (id int PRIMARY KEY, {column})")
    cursor.execute("INSERT INTO t VALUES (1, NULL), (2, %s)", (value,))
    connection.commit()
    connection.close()
    refused = sync.fails("rows.rejected")
    assert refused.bad[0]["reason"] == fault and "t" not in sync.target.tables()
    kept = sync.run({"max_bad_rows": 1})
    assert kept.outcome == "ok" and kept.receipt["values"][fault]["quarantined"] == 1, kept
    nulled = sync.ok({**ALL, "values": {fault: "null"}})
    assert nulled["values"][fault]["nulled"] == 1
    assert sync.target.query("SELECT d FROM t WHERE id = 2") == [(None,)]
    converted = sync.ok({**ALL, "values": {fault: "convert"}})
    assert converted["values"][fault]["converted"] + converted["values"][fault]["nulled"] == 1
    assert sync.run({"values": {fault: "fail"}}).code == f"value.{fault}"


def test_postgres_ugly_values_in_postgres(postgres_to_postgres):
    sync = postgres_to_postgres
    sync.source.query("CREATE TYPE mood AS ENUM ('sad', 'so so')")
    sync.source.query("CREATE DOMAIN positive AS int CHECK (VALUE > 0)")
    sync.source.query("""CREATE TABLE t (id int PRIMARY KEY, n numeric, big numeric(60,20), r real, d double precision,
        day date, moment timestamp, zoned timestamptz, span interval, list int[], words text[], u uuid, raw bytea,
        cash money, feeling mood, plus positive, doc json, docb jsonb, net inet, c char(5),
        twice int GENERATED ALWAYS AS (id * 2) STORED)""")
    sync.source.query("""INSERT INTO t VALUES (1, 'NaN', 1234567890123456789012345678901234567890.12345678901234567890, 0.1,
        'Infinity', 'infinity', '-infinity', '2026-03-29 02:30:00+02', '1 year 2 mons 3 days 04:05:06.789', '{1,NULL,3}',
        '{"a,b","\\"q\\""}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '\\x00ff', 12.34, 'so so', 7, '{"z":1, "a":2}',
        '{"z":1, "a":2}', '10.0.0.1/8', 'ab')""")
    receipt = sync.ok(ALL)
    assert receipt["verification"]["rows"] == 1
    same = "n::text, big::text, r, d, day::text, moment::text, zoned, u::text, raw, doc::text, docb::text, plus, twice, feeling::text"
    assert sync.target.query(f"SELECT {same} FROM t") == sync.source.query(f"SELECT {same} FROM t")
    span, items, cash = sync.target.query("SELECT span::interval, list::text, cash FROM t")[0]
    assert str(span) == str(sync.source.query("SELECT span FROM t")[0][0])
    assert items.replace(" ", "") == "[1,null,3]" and cash == decimal.Decimal("12.34")


def test_postgres_values_that_mysql_cannot_hold(postgres_to_mysql):
    sync = postgres_to_mysql
    sync.source.query("CREATE TABLE t (id int PRIMARY KEY, n numeric(10,2), day date, d double precision)")
    sync.source.query("INSERT INTO t VALUES (1, 1.5, '2026-01-01', 1), (2, 'NaN', '2026-01-01', 1),"
                      " (3, 1, 'infinity', 1), (4, 1, '2026-01-01', 'NaN')")
    outcome = sync.run({**ALL, "max_bad_rows": 3})
    assert outcome.outcome == "ok", outcome
    assert {(int(bad["bad_row"]["id"]), bad["reason"]) for bad in outcome.bad} == {(2, "nan"), (3, "infinity"), (4, "nan")}
    assert sync.target.query("SELECT id FROM t") == [(1,)]


def test_uuid_bool_and_bytes_in_mysql_and_back(make_side):  # noqa: F811
    first = SyncOnce(make_side("postgres", "from"), make_side("mysql", "between"))
    first.source.query("CREATE TABLE t (id uuid PRIMARY KEY, yes boolean, raw bytea, doc jsonb, zoned timestamptz)")
    first.source.query("INSERT INTO t VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', true, '\\x00ff27', '{\"a\": 1}',"
                       " '2026-01-02 03:04:05.678901+00'), ('00000000-0000-0000-0000-000000000000', false, '', NULL, NULL)")
    first.ok(ALL)
    back = SyncOnce(first.target, make_side("postgres", "to"))
    back.ok({**ALL, "columns": [{"from": "id", "cast": "uuid"}, {"from": "yes", "cast": "bool"}, {"from": "raw"},
                                {"from": "doc"}, {"from": "zoned"}]})
    same = "id, yes, raw, doc::text, zoned"
    assert [tuple(map(bytes, row[2:3])) + row[:2] + row[3:] for row in back.target.query(f"SELECT {same} FROM t ORDER BY id")] == \
        [tuple(map(bytes, row[2:3])) + row[:2] + row[3:] for row in first.source.query(f"SELECT {same} FROM t ORDER BY id")]
