"""Everything over protected transport: Kafka by SASL_SSL and by mutual TLS, the databases and the hub
by verified TLS with users that may come in no other way, Redis by an ACL user."""

import json

import pytest


def fill(database):
    database.query("CREATE TABLE t (id int PRIMARY KEY, name varchar(40))")
    database.query("INSERT INTO t VALUES (1, 'one'), (2, 'two')")


def tls_config(database, servers, **more):
    """A connection's configuration for the user that may come in over TLS alone."""
    if database.url.startswith("postgres"):
        verified = {"sslmode": "verify-full", "sslrootcert": servers.tls.ca}
    else:
        verified = {"tls": "verify_identity", "tls_ca": servers.tls.ca}
    return {"user": "app_tls", **verified, **more}


def redis_env(haul, servers):
    """By TLS when this build's Redis client has it (hiredis 1.0), which its help tells."""
    if "rediss://" not in haul.run("--help").out:
        return {"HAUL_REDIS_URL": haul.redis_url}
    return {"HAUL_REDIS_URL": servers.redis.tls_url, "HAUL_REDIS_CA_FILE": servers.tls.ca}


def secure_env(haul, servers, way, hub_url):
    return {**haul.kafka_env(way), **redis_env(haul, servers), "HAUL_HUB_URL": hub_url}


def job_words(source, target):
    return ["sync_id=s", f"source.connection_id={source}", "source.table=t",
            f"target.connection_id={target}", "target.table=t"]


@pytest.mark.parametrize("way", ["sasl", "mtls"])
@pytest.mark.parametrize("source", ["mariadb", "postgres"])
def test_a_job_wholly_over_tls(haul, servers, request, postgres_database, unique, way, source):
    if source == "mariadb":
        origin = request.getfixturevalue("mariadb_database")
    else:
        origin = type(postgres_database)(servers, f"app_{unique}_origin")
        request.addfinalizer(origin.drop)
    fill(origin)
    cli = secure_env(haul, servers, way, haul.hub.operator_tls_url)
    for name, database in (("from", origin), ("to", postgres_database)):
        connector = "mysql" if database.url.startswith("mysql") else "postgres"
        config = {"host": database.host, "port": database.port, "password": database.password,
                  "database": database.name, **tls_config(database, servers)}
        haul.run("connection", "add", name, connector, "-w", haul.workspace, "--config", "-",
                 stdin=json.dumps(config), env=cli)
        assert "TLSv1." in haul.run("connection", "test", name, "-w", haul.workspace, env=cli).out
    haul.start_worker(**secure_env(haul, servers, way, haul.hub.worker_tls_url))
    job = haul.run("enqueue", "sql_sync", *job_words("from", "to"), "-w", haul.workspace, env=cli).out.split()[0]
    haul.wait_succeeded(job)
    reader = servers.connect_postgres(postgres_database.name, admin=True)  # t is app_tls's own
    cursor = reader.cursor()
    cursor.execute("SELECT * FROM t ORDER BY id")
    assert cursor.fetchall() == [(1, "one"), (2, "two")]
    reader.close()
    assert haul.run("show", job, "--json", env=cli).json["state"] == "succeeded"


@pytest.mark.parametrize("way, wrong", [
    ("sasl", {"HAUL_KAFKA_PASSWORD": "wrong-secret"}),
    ("sasl", {"HAUL_KAFKA_SECURITY": "sasl_plaintext"}),
    ("mtls", {"HAUL_KAFKA_CERT_FILE": "", "HAUL_KAFKA_KEY_FILE": ""}),
])
def test_kafka_without_the_right_credentials_takes_no_job(haul, servers, way, wrong):
    env = {**haul.kafka_env(way), **wrong}
    done = haul.run("enqueue", "sql_sync", *job_words("a", "b"), "-w", "w1", "--timeout-ms", "2000",
                    env=env, status=None)
    assert done.status != 0 and done.out == "" and done.err.strip(), done
    assert "wrong-secret" not in done.err
    assert haul.topics.read(f"{haul.prefix}jobs.sql-sync") == []


def test_a_hub_that_wants_tls_refuses_plain(haul):
    plain = haul.hub.operator_tls_url.replace("verify-full", "disable")
    done = haul.run("jobs", env={"HAUL_HUB_URL": plain}, status=None)
    assert done.status != 0 and "no encryption" in done.err, done


@pytest.mark.parametrize("kind", ["mariadb", "postgres"])
@pytest.mark.parametrize("wrong", ["plain", "other authority"])
def test_a_database_connection_is_not_made_on_bad_terms(haul, servers, request, kind, wrong, tmp_path):
    database = request.getfixturevalue(f"{kind}_database")
    mode = "sslmode" if kind == "postgres" else "tls"
    off = "disable" if kind == "postgres" else "disabled"
    authority = "sslrootcert" if kind == "postgres" else "tls_ca"
    change = {mode: off} if wrong == "plain" else {authority: "/etc/ssl/certs/ca-certificates.crt"}
    haul.add_database("c", database, **tls_config(database, servers, **change))
    done = haul.run("connection", "test", "c", "-w", haul.workspace, status=None)
    assert done.status != 0 and done.err.strip() and database.password not in done.err, done
