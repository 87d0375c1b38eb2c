"""What cannot work ends in an error that says what, where and what to do, in the event, in the dead letter and
in `haul show`; the target stays as it was."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile

import pytest

from e2e.syncing import Sync
from harness.haul import make_job
from harness.waiting import wait_for

NOBODY = "test_nobody"


def headers_of(message):
    return {name: value.decode() for name, value in message.headers() or []}


@pytest.fixture
def sync(haul, mariadb_database, postgres_database):
    sync = Sync(haul, mariadb_database, postgres_database)
    yield sync
    haul.kill_workers()


@pytest.fixture
def nobody(servers, sync):
    """A user without any right, in both systems: connections from_nobody and to_nobody."""
    password = sync.source.password
    mariadb, postgres = servers.connect_mariadb(admin=True), servers.connect_postgres(admin=True)
    mariadb.cursor().execute(f"CREATE OR REPLACE USER {NOBODY} IDENTIFIED BY '{password}'")
    cursor = postgres.cursor()
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (NOBODY,))
    if not cursor.fetchall():
        cursor.execute(f"CREATE ROLE {NOBODY} LOGIN PASSWORD %s", (sync.target.password,))
    sync.haul.add_connection("from_nobody", "mysql", host=sync.source.host, port=sync.source.port, user=NOBODY,
                             password=password)
    sync.haul.add_connection("to_nobody", "postgres", host=sync.target.host, port=sync.target.port, user=NOBODY,
                             password=sync.target.password, database=sync.target.name)
    yield
    mariadb.cursor().execute(f"DROP USER {NOBODY}")
    mariadb.close()
    postgres.close()


def add_wrong_connections(sync):
    """Connections that fail each in their own way."""
    for name, database in (("from", sync.source), ("to", sync.target)):
        connector = "mysql" if name == "from" else "postgres"
        right = {"host": database.host, "port": database.port, "user": database.user, "password": database.password,
                 "database": database.name}
        for wrong, change in {"password": {"password": "not this one"}, "port": {"port": 1},
                              "database": {"database": "app_nowhere"}, "host": {"host": "nowhere.invalid"}}.items():
            sync.haul.add_connection(f"{name}_wrong_{wrong}", connector, **{**right, **change})


def stream(connection_id, table="t", **more):
    return {"connection_id": connection_id, "table": table, **more}


# what is wrong: (members of data, code, words of the message, words of the hint)
BAD_JOBS = {
    "wrong type": ({"sync_id": 7}, "fields.type", "sync_id", ""),
    "wrong type inside": ({"source": {"connection_id": "from", "table": ["t"]}}, "fields.type", "source.table", ""),
    "out of range": ({"parallel": 1000}, "fields.range", "parallel", ""),
    "no such choice": ({"mode": "upsrt"}, "fields.range", "mode", "upsert"),
    "unknown field": ({"tabel": "t"}, "fields.unknown", "tabel", ""),
    "unknown field inside": ({"source": stream("from", tabel="t")}, "fields.unknown", "source.tabel", "table"),
    "missing field": ({"target": {"connection_id": "to"}}, "fields.missing", "target.table", ""),
    "no workspace": ({"workspace_id": None}, "fields", "workspace_id", ""),
    "append without a cursor": ({"mode": "append"}, "sync.spec", "cursor", "full_refresh"),
    "missing source connection": ({"source": stream("form")}, "connection.missing", 'source: no connection "form"', '"from"'),
    "missing target connection": ({"target": stream("too")}, "connection.missing", 'target: no connection "too"', '"to"'),
    "wrong source password": ({"source": stream("from_wrong_password")}, "connect.auth", "source", "password"),
    "wrong target password": ({"target": stream("to_wrong_password")}, "connect.auth", "target", "password"),
    "no such source database": ({"source": stream("from_wrong_database")}, "", "source", "database"),
    "no such target database": ({"target": stream("to_wrong_database")}, "connect.database", "target", "database"),
    "nobody listens at the source": ({"source": stream("from_wrong_port"), "max_attempts": 1}, "connect.refused", "source", "port"),
    "nobody listens at the target": ({"target": stream("to_wrong_port"), "max_attempts": 1}, "connect.refused", "target", "port"),
    "no such host": ({"target": stream("to_wrong_host"), "max_attempts": 1}, "connect.refused", "nowhere.invalid", "host"),
    "no such table": ({"source": stream("from", "tt")}, "stream.missing", "tt", "name"),
    "no such schema": ({"target": stream("to", schema="nowhere")}, "target.missing", "nowhere", "schema"),
    "a query that is none": ({"source": stream("from", "q", query="SELEKT 1")}, "stream.query", "syntax", "query"),
    "a key that is not unique": ({"key": ["name"], "target": stream("to", "u")}, "target.key_not_unique", "u", "unique"),
    "a key that is no column": ({"key": ["nothing"], "target": stream("to", "u")}, "sync.key", "nothing", "columns"),
    "a cursor that is no column": ({"mode": "upsert", "cursor": "nothing"}, "sync.cursor", "nothing", ""),
    "a target with other columns": ({"target": stream("to", "other")}, "rows.rejected", "NULL in a column that refuses it (row.refused, column \"a\")", "quarantine"),
    "a target that is a view": ({"target": stream("to", "v")}, "target.is_view", "v", "table"),
    "drift": ({"drift": "fail", "target": stream("to", "narrow")}, "drift.changed", "updated_at", "evolve"),
    "may not read": ({"source": stream("from_nobody", schema="%SOURCE%")}, "stream.forbidden", "t", "grant"),
    "may not create": ({"target": stream("to_nobody", "mine")}, "target.forbidden", "permission denied", "grant"),
}


def assert_told(sync, job, letters, expected):
    """The same error in the event, the dead letter, the ledger's view; gives what is wrong with it."""
    _, code, said, hint = expected
    error = sync.haul.wait_dead(job)["error"]
    problems = []
    if not error["code"].startswith(code):
        problems.append(f"code {error['code']}, not {code}")
    if said not in error["message"]:
        problems.append(f"{said!r} is not said")
    if hint and hint not in error.get("hint", ""):
        problems.append(f"hint {error.get('hint')!r} says nothing of {hint!r}")
    headers = headers_of(wait_for(lambda: letters(job), f"the dead letter of {job}"))
    if (headers["haul-error-code"], headers["haul-error-message"]) != (error["code"], error["message"]):
        problems.append(f"the dead letter says {headers}")
    shown = sync.haul.run("show", job, "--json").json["error"]
    if {**shown, "native": None, "hint": shown["hint"] or None} != {**error, "native": None, "hint": error.get("hint")}:
        problems.append(f"show says {shown}")
    return [f"{problem}: {json.dumps(error)}" for problem in problems]


def test_each_is_told_clearly(sync, nobody):
    sync.fill(50)
    sync.source.query("UPDATE t SET name = 'the same' WHERE id < 10")
    add_wrong_connections(sync)
    sync.target.query("CREATE TABLE other (a int PRIMARY KEY, b text NOT NULL)")
    sync.target.query("CREATE TABLE narrow (id int PRIMARY KEY, name varchar(40))")
    sync.target.query("CREATE VIEW v AS SELECT 1 AS id")
    sync.start()
    jobs = {}
    for number, (what, (change, *_)) in enumerate(BAD_JOBS.items()):
        data = json.loads(json.dumps({**sync.spec(), "sync_id": f"bad-{number}", **change})
                          .replace("%SOURCE%", sync.source.name))
        jobs[what] = sync.haul.send({"workspace_id": "w1", **data}, subject=f"bad-{number}")

    known = {}

    def letters(job):
        if job not in known:
            known.update({json.loads(message.value())["id"]: message for message in sync.haul.dead_letters()})
        return known.get(job)

    problems = [f"{what}: {problem}" for what, job in jobs.items()
                for problem in assert_told(sync, job, letters, BAD_JOBS[what])]
    assert not problems, "\n".join(problems)
    assert sync.target.query("SELECT to_regclass('t'), to_regclass('u'), (SELECT count(*) FROM other)") == [(None, None, 0)]
    assert [row[0] for row in sync.target.query(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'narrow'")] == ["id", "name"]


def test_what_is_no_job_at_all(sync):
    raws = [b"\x00\xff not json", b"{\"specversion\":", b"[]", b"{}", b"", json.dumps(make_job("sql_snyc", sync.spec(), "j1")).encode()]
    sync.start()
    for raw in raws:
        sync.haul.send_raw(raw)
    wait_for(lambda: len(sync.haul.dead_letters()) == len(raws), "the dead letters")
    letters = sync.haul.dead_letters()
    assert sorted(letter.value() or b"" for letter in letters) == sorted(raws), "raw bytes are kept"
    for letter in letters:
        headers = headers_of(letter)
        assert headers["haul-error-class"] == "poison" and headers["haul-error-code"], headers
        assert headers["haul-error-message"], headers
    shown = sync.haul.run("dlq", "list", "--json").json
    assert len(shown) == len(raws) and all(row["class"] == "poison" for row in shown)


def test_a_lock_that_is_not_given_back(sync):
    """Another session keeps the target locked: a retry, not a hang, and then it works."""
    sync.fill(100)
    sync.haul.add_database("impatient", sync.target, lock_timeout_ms=200)
    sync.start()
    sync.run(target=stream("impatient"))
    sync.rename("new")
    locker = sync.target.connect()
    locker.autocommit = False
    locker.cursor().execute("LOCK TABLE t IN ACCESS SHARE MODE")
    job = sync.send(target=stream("impatient"))
    error = sync.haul.wait_event(job, "retrying")["data"]["error"]
    assert error["code"] == "write.locked" and "lock" in error["hint"], error
    locker.close()
    sync.haul.wait_succeeded(job)
    sync.assert_same()


# --- a disk that is full --------------------------------------------------------------------------

@contextlib.contextmanager
def small_disk(mib):
    """A tmpfs of so many MiB; gives its folder and a function that makes it larger."""
    folder = tempfile.mkdtemp(prefix="haul-disk-", dir="/tmp")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode != 0:
        os.rmdir(folder)
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    os.chmod(folder, 0o755)
    try:
        yield folder, lambda larger: subprocess.run(["mount", "-o", f"remount,size={larger}m", folder], check=True)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        os.rmdir(folder)


def test_a_full_disk(sync, servers, unique):
    """The target's disk is full: told at once, nothing is half-applied; with more room a replay goes on."""
    sync.target.query("CREATE TABLE t (id int PRIMARY KEY, name text, updated_at timestamp(6) NOT NULL)")
    sync.target.query("INSERT INTO t VALUES (1, 'before', '2026-01-01')")
    sync.source.query("CREATE TABLE t (id int PRIMARY KEY, name text, updated_at datetime(6) NOT NULL)")
    sync.source.query("INSERT INTO t SELECT seq, repeat(sha2(seq, 512), 8), '2026-01-01' FROM seq_1_to_20000")
    sync.source.query("ANALYZE TABLE t")
    space, database = f"small_{unique}", sync.target.name
    admin = servers.connect_postgres(admin=True)
    with small_disk(8) as (folder, enlarge):
        inner = os.path.join(folder, "space")
        os.mkdir(inner)
        if os.geteuid() == 0:
            shutil.chown(inner, "postgres", "postgres")
        admin.cursor().execute(f"CREATE TABLESPACE {space} OWNER \"{sync.target.user}\" LOCATION '{inner}'")
        try:
            admin.cursor().execute(f"ALTER ROLE \"{sync.target.user}\" IN DATABASE \"{database}\" SET default_tablespace = {space}")
            sync.start()
            job = sync.send(chunk_rows=1000)
            error = sync.haul.wait_dead(job)["error"]
            assert error["code"] == "target.full" and error["native"] == "53100", error
            assert "disk is full" in error["message"] and "replay" in error["hint"], error
            assert sync.target.query("SELECT id, name FROM t") == [(1, "before")]
            enlarge(64)
            sync.haul.run("dlq", "replay", "--job", job)
            wait_for(lambda: sync.ledger(job) == "succeeded", "the replay", timeout_s=60)
            assert sync.ledger(job, "(result->>'resumed_chunks')::int > 0")
            assert sync.target.query("SELECT count(*), min(length(name)) FROM t") == [(20000, 1024)]
        finally:
            sync.haul.kill_workers()
            sync.target.drop()
            wait_for(lambda: not admin.cursor().execute(f"DROP TABLESPACE {space}"), "the tablespace to be gone")
            admin.close()
