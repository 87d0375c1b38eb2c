"""The hub through the command line: migrations, roles, connections, the vault."""

import base64
import concurrent.futures
import json
import os
import stat

import psycopg2
import pytest

SECRET = "s3cret-Zx9-äö"


@pytest.fixture
def haul(bare_haul):
    """A migrated hub; no topics: nothing here needs Kafka."""
    bare_haul.migrate()
    return bare_haul


# --- migrate -------------------------------------------------------------------------------------

def migrate(haul, *args, **how):
    return haul.run("migrate", "--json", *args, env={"HAUL_HUB_URL": haul.hub.admin_url}, **how)


def test_migrate_applies_once(bare_haul):
    first = migrate(bare_haul).json
    assert first["version"] == first["version_wanted"] > 0
    second = migrate(bare_haul).json
    assert second["applied"] == 0 and second["version"] == first["version"]
    rows = bare_haul.hub.query("SELECT version, name, length(checksum) FROM haul.migrations ORDER BY 1")
    assert len(rows) == first["applied"] and rows[-1][0] == first["version"]
    assert rows[0][1] == "0001_core" and all(row[2] == 64 for row in rows)


def test_migrate_check_changes_nothing(bare_haul):
    assert migrate(bare_haul, "--check", status=1).json["version"] == 0
    assert bare_haul.hub.query("SELECT to_regclass('haul.migrations')") == [(None,)]
    migrate(bare_haul)
    migrate(bare_haul, "--check")


def test_many_migrate_at_once(bare_haul):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: migrate(bare_haul).json, range(4)))
    assert sum(report["applied"] for report in reports) == bare_haul.hub.query("SELECT count(*) FROM haul.migrations")[0][0]


def test_migrate_applies_one_that_landed_below_the_newest(bare_haul):
    """Of two branches the one with the greater number came first."""
    migrate(bare_haul)
    query = bare_haul.hub.query
    for [function] in query("SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'haul'::regnamespace "
                            "AND proname ~ '^(prune_|is_job_old|is_run_old)'"):
        query(f"DROP FUNCTION {function}")
    query("DROP INDEX haul.runs_by_time, haul.dedupes_by_time")
    query("DELETE FROM haul.migrations WHERE version = 5")
    assert "1 migration(s) to apply" in bare_haul.run("migrate", "--check", env={"HAUL_HUB_URL": bare_haul.hub.admin_url}, status=1).out
    report = migrate(bare_haul).json
    assert report["applied"] == 1 and report["version"] == report["version_wanted"]
    migrate(bare_haul, "--check")

def test_a_changed_migration_is_refused(bare_haul):
    migrate(bare_haul)
    bare_haul.hub.query("UPDATE haul.migrations SET checksum = 'other' WHERE version = 1")
    error = migrate(bare_haul, status=4).json["error"]
    assert error["code"] == "migrate.changed" and "0001_core" in error["message"]


def test_a_newer_hub_is_refused(bare_haul):
    migrate(bare_haul)
    bare_haul.hub.query("INSERT INTO haul.migrations (version, name, checksum) VALUES (999, '0999_later', 'x')")
    assert migrate(bare_haul, status=4).json["error"]["code"] == "migrate.newer"


def test_commands_before_migrate_say_so(bare_haul):
    done = bare_haul.run("jobs", "--json", env={"HAUL_HUB_URL": bare_haul.hub.admin_url}, status=4)
    assert done.json["error"]["code"] == "hub.not_migrated"
    assert "haul migrate" in done.json["error"]["hint"]


# --- roles ---------------------------------------------------------------------------------------

WORKER_MAY_NOT = [
    "ALTER TABLE haul.runs ADD COLUMN x int",
    "DROP TABLE haul.runs",
    "CREATE TABLE haul.mine (x int)",
    "TRUNCATE haul.runs",
    "DELETE FROM haul.runs",
    "UPDATE haul.runs SET job_id = 'x'",
    "UPDATE haul.receipts SET receipt = '{}'",
    "DELETE FROM haul.receipts",
    "SELECT * FROM haul.receipts",
    "SELECT * FROM haul.quarantine",
    "DELETE FROM haul.quarantine",
    "SELECT * FROM haul.audit_log",
    "INSERT INTO haul.audit_log (actor, action) VALUES ('x', 'x')",
    "DELETE FROM haul.audit_log",
    "INSERT INTO haul.workspaces (workspace_id) VALUES ('x')",
    "UPDATE haul.connections SET title = 'x'",
    "DELETE FROM haul.connections",
    "INSERT INTO haul.connections (workspace_id, connection_id, connector, config) VALUES ('w', 'c', 'x', '{}')",
    "DELETE FROM haul.syncs",
    "DELETE FROM haul.checkpoints",
    "UPDATE haul.migrations SET version = 1",
    "SELECT * FROM haul.ledger",
    "UPDATE haul.ledger SET state = 'succeeded'",
    "DELETE FROM haul.ledger",
    "INSERT INTO haul.cancels (job_id, actor) VALUES ('x', 'x')",
    "SELECT haul.ledger_cancel('x', 'x', 'x')",
    "SET ROLE haul_owner",
]
OPERATOR_MAY_NOT = [
    "ALTER TABLE haul.audit_log ADD COLUMN x int",
    "UPDATE haul.audit_log SET actor = 'x'",
    "DELETE FROM haul.audit_log",
    "TRUNCATE haul.audit_log",
    "INSERT INTO haul.audit_log (actor, action, at) VALUES ('x', 'x', 'epoch')",
    "INSERT INTO haul.audit_log (actor, action, db_user) VALUES ('x', 'x', 'y')",
    "UPDATE haul.receipts SET receipt = '{}'",
    "INSERT INTO haul.runs (run_id) VALUES ('x')",
    "UPDATE haul.quarantine SET code = 'x'",
    "DELETE FROM haul.quarantine",
    "UPDATE haul.ledger SET state = 'succeeded'",
    "SET ROLE haul_owner",
]


def allowed(url, statements):
    """Those of the statements that the database does not refuse for want of rights."""
    connection = psycopg2.connect(url)
    passed = []
    for statement in statements:
        try:
            connection.cursor().execute(statement)
        except psycopg2.errors.InsufficientPrivilege:
            pass
        except psycopg2.Error as error:
            passed.append(f"{statement}: {error}")
        else:
            passed.append(statement)
        connection.rollback()
    connection.close()
    return passed


def test_roles_can_do_no_more_than_they_need(haul):
    assert allowed(haul.hub.worker_url, WORKER_MAY_NOT) == []
    assert allowed(haul.hub.operator_url, OPERATOR_MAY_NOT) == []
    # The same check sees what is allowed.
    assert allowed(haul.hub.worker_url, ["SELECT * FROM haul.connections"]) != []


def test_not_even_the_owner_changes_the_audit_log(haul):
    haul.add_connection("c", "postgres", host="h", user="u", database="d")
    for statement in ("DELETE FROM haul.audit_log", "UPDATE haul.audit_log SET actor = 'x'",
                      "TRUNCATE haul.audit_log"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            haul.hub.query(statement)
    assert haul.hub.query("SELECT action, object FROM haul.audit_log") == [("connection.add", "c")]


# --- connections ---------------------------------------------------------------------------------

def add(haul, *words, **how):
    return haul.run("connection", "add", *words, "-w", "acme", **how)


def test_connection_life(haul, mariadb_database):
    m = mariadb_database
    haul.run("connection", "add", "shop", "mysql", f"host={m.host}", f"port={m.port}", f"user={m.user}",
             "password=-", f"database={m.name}", "--title", "The shop", "-w", "acme", stdin=m.password + "\n")
    listed = haul.run("connection", "list", "--json").json
    assert [(row["workspace_id"], row["connection_id"], row["connector"], row["title"], row["secrets"],
             row["key_ids"]) for row in listed] == [("acme", "shop", "mysql", "The shop", "password", "k1")]
    assert listed[0]["config"] == {"host": m.host, "port": m.port, "user": m.user, "database": m.name}
    tested = haul.run("connection", "test", "shop", "-w", "acme", "--json").json
    assert tested["server_version"].startswith("MariaDB 10.") and abs(tested["clock_skew_us"]) < 5_000_000
    assert haul.run("connection", "list", "-w", "other", "--json").json == []
    haul.run("connection", "remove", "shop", "-w", "acme")
    assert haul.run("connection", "list", "--json").json == []
    actions = haul.hub.query("SELECT action, workspace_id, object, db_user FROM haul.audit_log ORDER BY id")
    assert [row[:3] for row in actions] == [("connection.add", "acme", "shop"),
                                            ("connection.remove", "acme", "shop")]
    assert all(row[3] == "test_operator" for row in actions)


def test_secrets_come_from_files_variables_and_standard_input(haul, tmp_path):
    path = tmp_path / "password"
    path.write_text(SECRET + "\n")
    ways = {"a": (["password_file=" + str(path)], {}, ""), "b": (["password_env=DB_WORD"], {"DB_WORD": SECRET}, ""),
            "c": (["password=-"], {}, SECRET + "\nmore\n")}
    for name, (words, env, stdin) in ways.items():
        done = add(haul, name, "postgres", "host=h", "user=u", "database=d", *words, env=env, stdin=stdin)
        assert "warning" not in done.err
    done = add(haul, "d", "postgres", "host=h", "user=u", "database=d", f"password={SECRET}")
    assert "warning" in done.err and "password_file" not in done.out
    done = add(haul, "e", "postgres", "--config", "-",
               stdin=json.dumps({"host": "h", "user": "u", "database": "d", "password": SECRET}))
    sealed = haul.hub.query("SELECT connection_id, secrets->>'password' FROM haul.connections ORDER BY 1")
    assert [row[0] for row in sealed] == list("abcde")
    assert len({row[1] for row in sealed}) == 5  # a nonce of its own each


def test_a_dump_of_the_hub_holds_no_secret(haul):
    haul.add_connection("c", "postgres", host="h", user="u", database="d", password=SECRET)
    dump = haul.hub.dump()
    assert "'c'" in dump or "\tc\t" in dump
    key = haul.keyring.read_text().split(":")[1].strip()
    for plain in (SECRET, SECRET.encode().hex(), key):
        assert plain not in dump
    assert base64.b64encode(SECRET.encode()).decode().rstrip("=") not in dump


def test_a_sealed_secret_opens_nowhere_else(haul):
    """Moved to another connection, workspace or field it is refused."""
    for name in ("one", "two"):
        haul.add_connection(name, "postgres", host="127.0.0.1", port=1, user="u", database="d", password=SECRET)
    haul.hub.query("UPDATE haul.connections SET secrets = (SELECT secrets FROM haul.connections "
                   "WHERE connection_id = 'two') WHERE connection_id = 'one'")
    error = haul.run("connection", "test", "one", "-w", haul.workspace, "--json", status=4).json["error"]
    assert error["code"] == "seal.broken"
    haul.run("connection", "test", "two", "-w", haul.workspace, status=5)  # nobody listens on port 1


BAD_CONNECTIONS = [
    (["bad id", "postgres", "host=h", "user=u", "database=d"], 4, "an id is"),
    (["x", "oracle"], 2, "postgres"),
    (["x", "postgres", "hots=h"], 2, '"host"'),
    (["x", "postgres", "host=h", "user=u", "database=d", "port=many"], 2, "port"),
    (["x", "postgres", "host=h", "user=u", "database=d", "port=0"], 2, "port"),
    (["x", "postgres", "user=u"], 2, ""),
    (["x", "postgres", "host"], 2, "FIELD=VALUE"),
    (["x", "postgres", "password_file=/nowhere"], 2, "/nowhere"),
    (["x", "postgres", "password_env=NOT_SET_HERE"], 2, "NOT_SET_HERE"),
    (["x", "postgres", "--config", "-"], 2, "standard input"),
]


def test_bad_connections_are_refused(haul):
    for words, status, said in BAD_CONNECTIONS:
        done = add(haul, *words, status=status)
        assert said in done.err, done
    assert haul.hub.query("SELECT 1 FROM haul.connections") == []


def test_an_id_is_taken_once(haul):
    words = ["c", "postgres", "host=h", "user=u", "database=d"]
    add(haul, *words)
    assert "--replace" in add(haul, *words, status=4).err
    add(haul, "c", "postgres", "host=h2", "user=u", "database=d", "--replace")
    assert haul.hub.query("SELECT config->>'host' FROM haul.connections") == [("h2",)]


def test_a_connection_in_use_is_kept(haul):
    haul.add_connection("c", "postgres", host="h", user="u", database="d")
    haul.hub.query("INSERT INTO haul.syncs (workspace_id, sync_id, kind, definition) VALUES (%s, 'nightly', 'sql_sync', "
                   "'{\"source\": {\"connection_id\": \"a\"}, \"target\": {\"connection_id\": \"c\"}}')", haul.workspace)
    done = haul.run("connection", "remove", "c", "-w", haul.workspace, status=4)
    assert "nightly" in done.err and "--force" in done.err
    haul.run("connection", "remove", "c", "-w", haul.workspace, "--force")


def test_a_missing_connection_names_the_nearest(haul):
    haul.add_connection("warehouse", "postgres", host="h", user="u", database="d")
    for verb in (["connection", "test"], ["connection", "remove"], ["discover"]):
        error = haul.run(*verb, "warehose", "-w", haul.workspace, "--json", status=3).json["error"]
        assert error["code"] == "connection.missing" and "warehouse" in error["hint"]


def test_the_keyring_is_needed_and_named(haul, tmp_path):
    add(haul, "open", "postgres", "host=h", "user=u", "database=d", env={"HAUL_KEYRING_FILE": ""})
    done = add(haul, "c", "postgres", "host=h", "user=u", "database=d", "password=-", stdin="x",
               env={"HAUL_KEYRING_FILE": ""}, status=4)
    assert "HAUL_KEYRING_FILE" in done.err
    haul.add_connection("c", "postgres", host="h", user="u", database="d", password=SECRET)
    other = tmp_path / "other"
    other.write_text(haul.run("vault", "keygen", "k2").out)
    error = haul.run("connection", "test", "c", "-w", haul.workspace, "--json",
                     env={"HAUL_KEYRING_FILE": other}, status=4).json["error"]
    assert error["code"] == "seal.key_missing" and "k1" in error["message"]
    (tmp_path / "broken").write_text("k1:short\n")
    haul.run("connection", "list", env={"HAUL_KEYRING_FILE": tmp_path / "broken"}, status=2)


# --- the vault -----------------------------------------------------------------------------------

def test_keygen_makes_a_keyring(haul, tmp_path):
    lines = [haul.run("vault", "keygen", "k9").out, haul.run("vault", "keygen").out]
    assert lines[0].startswith("k9:") and lines[0] != lines[1]
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines)


def test_rotation(haul, postgres_database):
    """New key in front, rotate, old key gone: everything still opens."""
    haul.add_database("db", postgres_database)
    haul.add_connection("plain", "postgres", host="h", user="u", database="d")
    old = haul.keyring.read_text()
    new = haul.run("vault", "keygen", "k2").out
    haul.keyring.write_text(new + old)
    assert haul.run("connection", "test", "db", "-w", haul.workspace).status == 0
    before = haul.hub.query("SELECT secrets::text FROM haul.connections WHERE connection_id = 'db'")
    report = haul.run("vault", "rotate", "--json").json
    assert report == {"key_id": "k2", "connections": 1, "connections_resealed": 1, "rows": 0, "rows_resealed": 0}
    assert haul.run("vault", "rotate", "--json").json["connections_resealed"] == 0
    after = haul.hub.query("SELECT secrets::text, key_ids FROM haul.connections WHERE connection_id = 'db'")
    assert after[0][0] != before[0][0] and after[0][1] == ["k2"]
    haul.keyring.write_text(new)
    haul.run("connection", "test", "db", "-w", haul.workspace)
    assert haul.hub.query("SELECT object FROM haul.audit_log WHERE action = 'vault.rotate'") == [(None,), (None,)]


def test_rotation_without_the_old_key_changes_nothing(haul, tmp_path):
    haul.add_connection("c", "postgres", host="h", user="u", database="d", password=SECRET)
    before = haul.hub.query("SELECT secrets::text FROM haul.connections")
    haul.keyring.write_text(haul.run("vault", "keygen", "k2").out)
    error = haul.run("vault", "rotate", "--json", status=4).json["error"]
    assert error["code"] == "seal.key_missing" and '"c"' in error["message"]
    assert haul.hub.query("SELECT secrets::text FROM haul.connections") == before


# --- a look into systems -------------------------------------------------------------------------

def test_discover_and_preview(haul, mariadb_database, postgres_database):
    mariadb_database.query("CREATE TABLE orders (id int unsigned PRIMARY KEY, name varchar(20) NOT NULL, "
                           "total decimal(12,2), at datetime(6)) COMMENT 'what was bought'")
    mariadb_database.query("INSERT INTO orders VALUES (1, 'Grüße', 12.50, '2026-01-02 03:04:05'), (2, '', NULL, NULL)")
    postgres_database.query('CREATE TABLE "Mixed Case" (id bigint PRIMARY KEY, tags text[])')
    postgres_database.query("CREATE VIEW v AS SELECT 1 AS one")
    haul.add_database("m", mariadb_database)
    haul.add_database("p", postgres_database)

    def look(*words):
        return haul.run(*words, "-w", haul.workspace, "--json").json

    found = look("discover", "m")
    assert [(row["name"], row["kind"], row["comment"]) for row in found] == [("orders", "table", "what was bought")]
    assert [row["name"] for row in look("discover", "p")] == ["Mixed Case", "v"]
    assert [row["name"] for row in look("discover", "p", "v")] == ["v"]
    columns = look("discover", "m", "orders", "--columns")
    assert [(row["column"], row["type"], row["nullable"], row["key"]) for row in columns] == [
        ("id", "int64(64)", False, True), ("name", "text(20)", False, False),
        ("total", "decimal(12,2)", True, False), ("at", "timestamp(6)", True, False)]
    rows = look("preview", "m", "orders")
    assert sorted(rows, key=lambda row: row["id"]) == [
        {"id": "1", "name": "Grüße", "total": "12.5", "at": "2026-01-02 03:04:05"},
        {"id": "2", "name": "", "total": None, "at": None}]
    assert len(look("preview", "m", "orders", "-n", "1")) == 1
    assert look("preview", "m", "label", "--query", "SELECT id FROM orders WHERE id > 1") == [{"id": "2"}]
    haul.run("preview", "m", "orderz", "-w", haul.workspace, status=3)


@pytest.mark.parametrize("connector", ["mysql", "postgres"])
def test_types_are_printed_both_ways(haul, connector):
    rows = haul.run("types", connector, "--json", env={}).json
    assert {row["direction"] for row in rows} == {"read", "write"}
    assert all(row["from"] and row["to"] and row["loss"] for row in rows)


def test_files_of_the_keyring_are_warned_about(haul):
    os.chmod(haul.keyring, 0o644)
    checks = {row["check"]: row for row in haul.run("doctor", "--json", status=None).json}
    assert checks["keyring"]["status"] == "warn"
    os.chmod(haul.keyring, stat.S_IRUSR)
    checks = {row["check"]: row for row in haul.run("doctor", "--json", status=None).json}
    assert checks["keyring"]["status"] == "ok"
