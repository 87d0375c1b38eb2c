"""Passwords, sealed secrets and row data stand in no log, topic, Redis key, metric, message or dump of the hub.

One Haul sees them all: good rows, rows that the source cannot give, rows that the target refuses, a failure at
each side, a wrong password, a secret in the wrong place of a job. Then everything that it left is searched.
"""

import base64
import json
import time

from e2e.syncing import QUICK, Sync
from harness.haul import TERMINAL
from harness.waiting import wait_for

GOOD, REFUSED, UNREADABLE, TWICE, LONG = (f"r0wd4ta{word}" for word in ("good", "refused", "unreadable", "twice", "long"))
WRONG_PASSWORD = "p4ssw0rd-that-is-wrong"
ROWS = (GOOD, REFUSED, UNREADABLE, TWICE, LONG)
NUMBER = 77345678901234567  # a key whose digits are to be found nowhere but in the tables


def fill(sync):
    source = sync.source.connect()
    cursor = source.cursor()
    cursor.execute("SET SESSION sql_mode = ''")
    cursor.execute("CREATE TABLE t (id bigint PRIMARY KEY, word varchar(60), born date, updated_at datetime NOT NULL)")
    rows = [(1, GOOD, "2020-01-01"), (2, REFUSED, "2020-01-01"), (3, UNREADABLE, "0000-00-00"),
            (NUMBER, GOOD, "2020-01-01"), (5, LONG + "x" * 40, "2020-01-01")]
    cursor.executemany("INSERT INTO t VALUES (%s, %s, %s, '2026-01-01')", rows)
    cursor.execute("CREATE TABLE twice (word varchar(60) NOT NULL)")
    cursor.execute("INSERT INTO twice VALUES (%s), (%s)", (TWICE, TWICE))
    source.close()
    sync.target.query(f"CREATE TABLE t (id bigint PRIMARY KEY, word varchar(40) CHECK (word <> '{REFUSED}'), born date,"
                      " updated_at timestamp)")
    sync.target.query("CREATE TABLE loud (id bigint PRIMARY KEY, word text, born date, updated_at timestamp)")
    sync.target.query("CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS"
                      " $$ BEGIN RAISE EXCEPTION 'no % here', NEW.word USING DETAIL = NEW.word, HINT = NEW.word; END $$")
    sync.target.query("CREATE TRIGGER shout BEFORE INSERT ON loud FOR EACH ROW EXECUTE FUNCTION shout()")


def to(table, **more):
    return {"target": {"connection_id": "to", "table": table}, "mode": "upsert", **more}


def of(query, table="q", **more):
    return {"source": {"connection_id": "from", "table": table, "query": query}, **to(table, **more)}


def jobs_that_meet_rows(sync):
    """Each with what it must come to."""
    wrong = {"connection_id": "wrong", "table": "t"}
    return [(to("t", max_bad_rows=10), "succeeded"),
            (to("t", sync_id="strict"), "rows.rejected"),
            (to("loud", sync_id="loud", source={"connection_id": "from", "table": "t"}, max_bad_rows=10), None),
            ({"sync_id": "twice", "source": {"connection_id": "from", "table": "twice"},
              "target": {"connection_id": "to", "table": "twice"}, "key": ["word"]}, "target.key_not_unique"),
            (of("SELECT id, word, born, updated_at FROM t WHERE id < 3", "cast", sync_id="cast", key=["id"],
                columns=[{"from": "id"}, {"from": "word", "cast": "int64"}], max_bad_rows=10), "succeeded"),
            (to("short", sync_id="short", source={"connection_id": "from", "table": "t"},
                columns=[{"from": "id"}, {"from": "word", "cast": "text(12)"}], max_bad_rows=10), "succeeded"),
            (of("SELECT 1 AS id, CAST(word AS DECIMAL(10,2)) / 0 AS x FROM t", "division", sync_id="div", key=["id"]), None),
            ({"sync_id": "wrong-1", "source": wrong}, "connect.auth"),
            ({"sync_id": "wrong-2", "target": wrong}, None),
            ({"sync_id": "field", "parallel": GOOD}, "fields.type"),
            ({"sync_id": "field-2", "source": GOOD}, "fields.type"),
            ({"sync_id": "field-3", "key": {"word": GOOD}}, "fields.type")]


def everything_left(haul, workers):
    """what it is -> all of its text."""
    left = {f"log of {label}": text for label, text in haul.logs().items()}
    left["hub"] = haul.hub.dump()
    for worker in workers:
        left[f"metrics of {worker.label}"] = worker.get("/metrics")[1] + worker.get("/readyz")[1]
    redis = haul.servers.connect_redis(admin=True, db=int(haul.redis_url.rsplit("/", 1)[1]))
    keys = redis.keys("*")
    left["redis"] = json.dumps({key: str(redis.dump(key)) for key in keys}) + " ".join(
        redis.get(key) or "" for key in keys if redis.type(key) == "string")
    for topic in haul.topics.names():
        if not topic.startswith(haul.prefix):
            continue
        for message in haul.topics.read(topic):
            where = f"{topic} {message.partition()}:{message.offset()}"
            left[f"headers of {where}"] = repr(message.headers())
            if topic == f"{haul.prefix}events":
                left[f"value of {where}"] = (message.value() or b"").decode(errors="replace")
    for words in (("jobs", "--json"), ("dlq", "list", "--json"), ("quarantine", "list", "--json"), ("connection", "list", "--json")):
        done = haul.run(*words)
        left[f"haul {' '.join(words)}"] = done.out + done.err
    return left


def forms_of(secret):
    """As it stands, and as careless code might write it."""
    raw = secret.encode()
    return [secret, raw.hex(), base64.b64encode(raw).decode().rstrip("=")]


def test_nothing_leaks(haul, mariadb_database, postgres_database):
    sync = Sync(haul, mariadb_database, postgres_database)
    fill(sync)
    haul.add_connection("wrong", "mysql", host=sync.source.host, port=sync.source.port, user=sync.source.user,
                        password=WRONG_PASSWORD, database=sync.source.name)
    workers = [sync.start(HAUL_LOG_LEVEL="debug")]
    jobs = [(haul.send({**sync.spec(), **data, "max_attempts": 1}), wanted) for data, wanted in jobs_that_meet_rows(sync)]
    for job, wanted in jobs:
        data = haul.wait_event(job, *TERMINAL)["data"]
        came = "succeeded" if data["state"] == "succeeded" else data["error"]["code"]
        assert wanted is None or came.startswith(wanted), (wanted, data)
    rejected = haul.run("quarantine", "list", "--json").json
    assert {row["code"] for row in rejected} >= {"row.refused"} and len(rejected) >= 5, rejected
    exported = haul.run("quarantine", "export").out
    for word in (REFUSED, UNREADABLE, LONG):
        assert word in exported, "the rows themselves are kept"

    left = everything_left(haul, workers)
    key = haul.keyring.read_text().split(":")[1].strip()
    secrets = {"a source's password": sync.source.password, "a target's password": sync.target.password,
               "a wrong password": WRONG_PASSWORD, "the keyring's key": key,
               "the hub's password": haul.hub.password, "redis's password": haul.servers.redis.password,
               "a row's number": str(NUMBER), **{f"row data {word}": word for word in ROWS}}
    leaks = [f"{what} ({form[:12]}...) in {place}: ...{text[max(0, text.index(form) - 150):text.index(form) + 150]}"
             for place, text in left.items() for what, secret in secrets.items() for form in forms_of(secret)
             if form in text]
    assert not leaks, "\n".join(leaks)
    assert "sync_id" in left["hub"] and len(left) > 20, "it did look"


def test_a_secret_in_the_environment_of_a_worker_is_not_told(haul):
    """Neither by --check-config nor by a worker that cannot start."""
    from harness.programs import run_program
    env = {**haul.env(haul.hub.worker_url), "HAUL_KAFKA_PASSWORD": WRONG_PASSWORD, **QUICK}
    password = haul.hub.password
    for words, more in ((["--check-config"], {}), ([], {"HAUL_JOB_THREADS": "none"}), ([], {"HAUL_KAFKA_SECURITY": "sasl"}),
                        ([], {"HAUL_HUB_URL": f"postgresql://x:{password}@:::/x"})):
        done = run_program("sql-sync", *words, env={**env, **more}, status=None, timeout_s=20)
        assert done.out or done.err
        for secret in (WRONG_PASSWORD, password, haul.servers.redis.password):
            assert secret not in done.out + done.err, done
