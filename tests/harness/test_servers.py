"""tools/servers and the fixtures on it: each server answers, survives kill -9, and speaks TLS."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg2
import pymysql
import pytest
import redis
from confluent_kafka import KafkaException

from harness.servers import ROOT, TOOL
from harness.topics import Tail, Topics
from harness.waiting import wait_for


def postgres_answers(servers):
    connection = servers.connect_postgres()
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT current_user, current_setting('fsync'), "
                       "current_setting('server_version_num')::int / 10000")
        assert cursor.fetchone() == ("app", "on", 15)
    finally:
        connection.close()


def mariadb_answers(servers):
    connection = servers.connect_mariadb()
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT current_user(), @@local_infile, @@log_bin, @@character_set_server")
        assert cursor.fetchone() == ("app@%", 0, 0, "utf8mb4")
    finally:
        connection.close()


def redis_answers(servers):
    client = servers.connect_redis()
    client.set("k", "v")
    assert client.get("k") == "v"
    with pytest.raises(redis.exceptions.NoPermissionError):
        client.config_get("*")


def kafka_answers(servers, way="plain"):
    topic = f"answers-{time.monotonic_ns()}"
    topics = Topics(servers, way)
    topics.create(topic, partitions=2)
    topics.produce(topic, b"value", b"key", {"haul-attempt": b"1"})
    [message] = topics.read(topic)
    assert (message.key(), message.value(), message.headers()) == \
        (b"key", b"value", [("haul-attempt", b"1")])
    topics.delete(topic)


ANSWERS = {"postgres": postgres_answers, "mariadb": mariadb_answers,
           "redis": redis_answers, "kafka": kafka_answers}


@pytest.mark.faults
@pytest.mark.parametrize("name", ANSWERS)
def test_server_answers_and_comes_back(servers, name):
    ANSWERS[name](servers)
    servers.kill(name)
    with pytest.raises(Exception):
        ANSWERS[name](servers) if name != "kafka" else Topics(servers).admin.list_topics(timeout=1)
    servers.start(name)
    ANSWERS[name](servers)
    servers.restart(name)
    ANSWERS[name](servers)


@pytest.mark.faults
@pytest.mark.parametrize("name", ["postgres", "mariadb"])
def test_committed_rows_survive_kill(servers, name, request):
    database = request.getfixturevalue(f"{name}_database")
    database.query("CREATE TABLE t (id int PRIMARY KEY)")
    connection = database.connect()
    connection.cursor().execute("INSERT INTO t VALUES (1), (2)")
    servers.kill(name)
    servers.start(name)
    assert database.query("SELECT count(*) FROM t") == [(2,)]


@pytest.mark.faults
def test_kafka_messages_survive_kill(servers, topics, unique):
    topics.create(unique)
    topics.produce(unique, b"before")
    servers.kill("kafka")
    servers.start("kafka")
    topics.produce(unique, b"after")
    assert [message.value() for message in topics.read(unique)] == [b"before", b"after"]


@pytest.mark.faults
def test_paused_server_hangs_and_is_healed(servers):
    servers.pause("redis")
    with pytest.raises(redis.exceptions.TimeoutError):
        servers.connect_redis(socket_timeout=0.3).ping()
    servers.heal()
    assert servers.connect_redis().ping()


def test_tail_sees_old_and_new_messages(servers, topics, unique):
    topics.create(unique)
    topics.produce(unique, b"old")
    tail = Tail(servers, unique)
    assert tail.wait(lambda message: message.value() == b"old", "old").offset() == 0
    topics.produce(unique, b"new")
    assert tail.wait(lambda message: message.value() == b"new", "new").offset() == 1
    with pytest.raises(AssertionError, match="no such thing within"):
        tail.wait(lambda message: False, "such thing", timeout_s=0.2)
    tail.close()


def test_wait_for_tells_what_it_saw():
    with pytest.raises(AssertionError, match="waited 0.1 s for ten; last seen: 0"):
        wait_for(lambda: 0, "ten", timeout_s=0.1)


# --- TLS -----------------------------------------------------------------------------------------


def test_postgres_over_tls(servers):
    connection = psycopg2.connect(servers.postgres.tls_url)
    cursor = connection.cursor()
    cursor.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    assert cursor.fetchone() == (True,)
    connection.close()
    with pytest.raises(psycopg2.OperationalError, match="rejects connection"):
        servers.connect_postgres(user="app_tls", sslmode="disable")


def test_mariadb_over_tls(servers):
    secure = dict(user=servers.mariadb.tls_user, ssl_ca=servers.tls.ca, ssl_verify_cert=True,
                  ssl_verify_identity=True)
    cursor = servers.connect_mariadb(**secure).cursor()
    cursor.execute("SHOW STATUS LIKE 'Ssl_version'")
    assert cursor.fetchone()[1].startswith("TLSv1.")
    with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
        servers.connect_mariadb(user=servers.mariadb.tls_user)


def test_redis_over_tls(servers):
    secure = dict(port=servers.redis.tls_port, ssl=True, ssl_ca_certs=servers.tls.ca)
    assert servers.connect_redis(**secure).ping()


@pytest.mark.parametrize("way", ["sasl", "mtls"])
def test_kafka_over_tls(servers, way):
    kafka_answers(servers, way)


@pytest.mark.parametrize("way, wrong", [
    ("sasl", {"sasl.password": "wrong"}),
    ("sasl", {"ssl.ca.location": "/etc/ssl/certs/ca-certificates.crt"}),
    ("mtls", {"ssl.certificate.location": "", "ssl.key.location": ""}),
])
def test_kafka_refuses(servers, way, wrong):
    with pytest.raises(KafkaException):
        servers.producer(way, **wrong, log_level=0).list_topics(timeout=3)


# --- the script itself ---------------------------------------------------------------------------


def call(*args, **more):
    return subprocess.run([TOOL, *args], capture_output=True, text=True, timeout=60, **more)


def test_two_sets_at_a_time_and_settings(servers):
    folder = Path(f"/tmp/haul-two-{os.getpid()}")
    done = call("start", folder, "postgres", "redis", "--set", "postgres.work_mem=7MB",
                "--set", "redis.maxmemory=64mb")
    try:
        assert done.returncode == 0, done.stderr
        env = dict(line.split("=", 1) for line in call("env", folder).stdout.splitlines())
        other = psycopg2.connect(env["POSTGRES_URL"].strip("'"))
        cursor = other.cursor()
        cursor.execute("SHOW work_mem")
        assert cursor.fetchone() == ("7MB",)
        assert int(env["POSTGRES_PORT"].strip("'")) != servers.postgres.port
        assert call("status", folder).stdout.count(" running ") == 2
        other.close()
    finally:
        call("stop", folder, "--delete")
    assert not folder.exists()
    postgres_answers(servers)


def test_servers_end_with_their_parent():
    """Nothing leaks when the caller is killed."""
    folder = Path(f"/tmp/haul-orphan-{os.getpid()}")
    parent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    done = call("start", folder, "postgres", "redis", "--with-parent", str(parent.pid))
    assert done.returncode == 0, done.stderr
    pids = [int((folder / name / "pid").read_text().split()[0]) for name in ("postgres", "redis")]
    parent.kill()
    parent.wait()
    wait_for(lambda: not folder.exists(), "the folder to go", timeout_s=15)
    for pid in pids:
        wait_for(lambda pid=pid: is_dead(pid), f"process {pid} to end")


def is_dead(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_start_keeps_no_descriptor_of_the_caller():
    """A daemon that keeps the caller's pipe makes the caller's reader wait for ever."""
    folder = Path(f"/tmp/haul-pipe-{os.getpid()}")
    reader, writer = os.pipe()
    try:
        done = call("start", folder, "redis", pass_fds=[writer])
        assert done.returncode == 0, done.stderr
        os.close(writer)
        os.set_blocking(reader, False)
        assert os.read(reader, 1) == b""  # the end of file, not "try again"
    finally:
        call("stop", folder, "--delete")


@pytest.mark.parametrize("args, says", [
    (["start"], "needs a folder"),
    (["start", "/tmp/x", "oracle"], "'oracle' is no server"),
    (["start", "/tmp/a b"], "letters, digits"),
    (["start", "/tmp/x", "--set", "redis=1"], "NAME.KEY=VALUE"),
    (["stop", "/tmp/haul-not-there"], "no folder /tmp/haul-not-there"),
    (["fly", "/tmp/x"], "no command 'fly'"),
])
def test_wrong_use_is_explained(args, says):
    done = call(*args)
    assert done.returncode != 0
    assert says in done.stderr


def test_a_server_that_cannot_start_shows_its_log():
    folder = Path(f"/tmp/haul-bad-{os.getpid()}")
    done = call("start", folder, "postgres", "--set", "postgres.work_mem=lots")
    call("stop", folder, "--delete")
    assert done.returncode == 1
    assert "postgres ended at its start" in done.stderr and 'work_mem' in done.stderr


def test_scripts_are_executable():
    for script in ("install", "servers"):
        assert os.access(ROOT / "tools" / script, os.X_OK)
