"""haul doctor: what it finds, and what it says to do."""

import json


def check(haul, *words, status=0, **how):
    """{check: row}"""
    return {row["check"]: row for row in haul.run("doctor", "--json", *words, status=status, **how).json}


def test_all_is_well(haul, mariadb_database):
    haul.add_database("m", mariadb_database)
    found = check(haul, "--connections")
    assert {row["status"] for row in found.values()} <= {"ok", "warn"}
    assert found["hub"]["detail"].startswith("PostgreSQL 15") and "test_operator" in found["hub"]["detail"]
    assert {found[name]["status"] for name in ("hub schema", "kafka", "redis", "redis leases")} == {"ok"}
    assert "MariaDB" in found["connection w1/m"]["detail"]
    assert all("+0.0" in found[name]["detail"] or "-0.0" in found[name]["detail"] for name in ("hub clock", "redis clock"))
    text = haul.run("doctor").out
    assert "0 failed" in text


def test_nothing_is_configured(bare_haul):
    found = check(bare_haul, status=1, env={"HAUL_HUB_URL": "", "HAUL_KAFKA_BROKERS": "", "HAUL_REDIS_URL": "",
                                            "HAUL_KEYRING_FILE": ""})
    assert found["hub"]["status"] == found["kafka"]["status"] == "fail" and found["redis"]["status"] == "warn"
    assert "HAUL_HUB_URL" in found["hub"]["hint"] and "HAUL_KAFKA_BROKERS" in found["kafka"]["hint"]


def test_nothing_is_prepared(bare_haul):
    found = check(bare_haul, status=1, env={"HAUL_HUB_URL": bare_haul.hub.admin_url})
    assert found["hub schema"]["status"] == "fail" and "haul migrate" in found["hub schema"]["hint"]
    missing = found[f"{bare_haul.prefix}jobs.sql-sync"]
    assert missing["status"] == "fail" and "haul topics create" in missing["hint"]
    assert found["hub rights"]["status"] == "warn" and "haul_operator" in found["hub rights"]["hint"]
    assert "what to do" in bare_haul.run("doctor", env={"HAUL_HUB_URL": bare_haul.hub.admin_url}, status=1).out


def test_nothing_answers(haul):
    nowhere = {"HAUL_HUB_URL": "postgresql://u@127.0.0.1:1/d", "HAUL_KAFKA_BROKERS": "127.0.0.1:1",
               "HAUL_REDIS_URL": "redis://127.0.0.1:1/0"}
    found = check(haul, "--timeout-ms", "1500", status=1, env=nowhere)
    assert {found[name]["status"] for name in ("hub", "kafka", "redis")} == {"fail"}


def test_secrets_that_do_not_open(haul):
    haul.add_connection("c", "postgres", host="h", user="u", database="d", password="x")
    old = haul.keyring.read_text()
    haul.keyring.write_text(haul.run("vault", "keygen", "k2").out + old)
    assert "haul vault rotate" in check(haul)["vault"]["hint"]
    haul.keyring.write_text(haul.run("vault", "keygen", "k3").out)
    assert check(haul, status=1)["connection w1/c"]["status"] == "fail"


def test_a_connection_that_cannot_be_reached(haul):
    haul.add_connection("c", "postgres", host="127.0.0.1", port=1, user="u", database="d", password="x")
    assert check(haul)["connections"]["status"] == "ok"
    assert check(haul, "--connections", status=1)["connection w1/c"]["status"] == "fail"


def test_what_waits_and_what_died(haul):
    topic = f"{haul.prefix}jobs.sql-sync"
    haul.topics.produce(topic, json.dumps({"any": "bytes"}), "k")
    haul.topics.produce(f"{topic}.dlq", "given up", "k")
    found = check(haul)
    assert found[topic]["status"] == "warn" and "1 jobs wait" in found[topic]["detail"]
    assert found[f"{topic}.dlq"]["status"] == "warn" and "1 dead" in found[f"{topic}.dlq"]["detail"]
