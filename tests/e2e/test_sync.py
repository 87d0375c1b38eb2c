"""A table from one database to another: job on the topic, receipt in the succeeded event and the hub."""

import json


def shop(database, rows=2000):
    database.query("CREATE TABLE t (id int PRIMARY KEY, name varchar(40), updated_at datetime(6) NOT NULL)"
                   if database.url.startswith("mysql") else
                   "CREATE TABLE t (id int PRIMARY KEY, name varchar(40), updated_at timestamp NOT NULL)")
    connection = database.connect()
    connection.cursor().executemany(
        "INSERT INTO t VALUES (%s, %s, '2026-01-01 00:00:00')", [(i, f"row {i}") for i in range(1, rows + 1)])
    connection.commit()
    connection.close()


def spec(mode="full_refresh", **more):
    return {"sync_id": "s1", "mode": mode, "source": {"connection_id": "from", "table": "t"},
            "target": {"connection_id": "to", "table": "t"}, **more}


def connect(haul, source, target):
    haul.add_database("from", source)
    haul.add_database("to", target)


def test_mariadb_to_postgres_with_a_receipt(haul, mariadb_database, postgres_database):
    shop(mariadb_database)
    connect(haul, mariadb_database, postgres_database)
    haul.start_worker()
    job = haul.send(spec())
    data = haul.wait_succeeded(job)
    assert postgres_database.query("SELECT count(*), min(name) FROM t") == [(2000, "row 1")]
    receipt = data["receipt"]
    assert receipt["rows_written"] == 2000 and receipt["verification"]["rows"] == 2000
    states = [event["state"] for event in haul.events_of(job)]
    assert states[0] == "accepted" and states[1] == "started" and states[-1] == "succeeded", states
    shown = haul.run("show", job, "--json").json
    assert "2000" in json.dumps(shown)


def test_incremental_moves_only_the_changed_rows(haul, mariadb_database, postgres_database):
    shop(mariadb_database)
    connect(haul, mariadb_database, postgres_database)
    haul.start_worker()
    haul.wait_succeeded(haul.send(spec("upsert", cursor="updated_at")))
    mariadb_database.query("UPDATE t SET name = 'new', updated_at = '2026-02-01 00:00:00' WHERE id <= 5")
    data = haul.wait_succeeded(haul.send(spec("upsert", cursor="updated_at")))
    receipt = data["receipt"]
    assert receipt["rows_updated"] == 5
    assert postgres_database.query("SELECT count(*) FROM t WHERE name = 'new'") == [(5,)]
