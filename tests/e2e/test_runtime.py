"""The worker skeleton on real Kafka, Redis and PostgreSQL, by a worker that does what a job asks for.

Its kinds (tests/e2e/testkind/main.c): effect writes a row in the hub's table effects at each run and marks
it done at the end; noop does nothing; idle does nothing and has no ledger.
"""

import json
import random
import time
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import psycopg2
import pytest
from confluent_kafka import Consumer, TopicPartition

from harness.haul import TERMINAL, event_of, make_job
from harness.servers import ROOT
from harness.topics import LONGEST
from harness.waiting import wait_for

WORKER = "testkind"
TIERS = ("5s", "30s", "2m", "10m", "1h")


def classes_of(topic):
    return [f"{topic}.interactive", f"{topic}.bulk"]


QUICK = {"HAUL_RETRY_SCALE_PERCENT": 5, "HAUL_SESSION_TIMEOUT_MS": 3000, "HAUL_LEASE_TTL_MS": 3000}


class Runtime:
    """A Haul whose only worker is testkind."""

    def __init__(self, haul):
        self.haul = haul
        self.hub = haul.hub
        self.topic = f"{haul.prefix}jobs.{WORKER}"
        self.group = self.topic

    def start(self, **env):
        return self.haul.start_worker(WORKER, **{**QUICK, **env})

    def send(self, kind="effect", job_id=None, members=None, **data):
        return self.haul.send(data, kind=kind, worker=WORKER, job_id=job_id, **(members or {}))

    def ledger(self, job_id):
        rows = self.hub.query(
            "SELECT state, attempt, starts, redrive_count, error_class, error_code, error_message, error_hint,"
            " result::text, finished_at IS NOT NULL FROM haul.ledger WHERE job_id = %s", job_id)
        names = "state attempt starts redrive_count error_class error_code error_message error_hint result finished"
        return SimpleNamespace(**dict(zip(names.split(), rows[0]))) if rows else None

    def effects(self, job_id):
        """(attempt, done) of each run, in order."""
        return [tuple(row) for row in self.hub.query(
            "SELECT attempt, done FROM effects WHERE job_id = %s ORDER BY fence", job_id)]

    def ends(self, job_id):
        """The ids of the job's terminal events, as often as they were told."""
        return [event["id"] for event in self.haul.events_of(job_id) if event["state"] in TERMINAL]

    def dead_letters(self):
        return self.haul.dead_letters(WORKER)

    def wait_dead_letters(self, count):
        wait_for(lambda: len(self.dead_letters()) == count, f"{count} dead letters")
        return self.dead_letters()

    def lag(self):
        """Records of the jobs and retry topics whose offset is not committed."""
        consumer = Consumer({**self.haul.servers.kafka_options(), "group.id": self.group})
        try:
            lag = 0
            for topic in [self.topic, *classes_of(self.topic)] + [f"{self.topic}.retry.{tier}" for tier in TIERS]:
                partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
                for at in consumer.committed([TopicPartition(topic, p) for p in partitions], timeout=20):
                    low, high = consumer.get_watermark_offsets(at, timeout=20)
                    lag += high - (at.offset if at.offset >= 0 else low)
            return lag
        finally:
            consumer.close()

    def wait_committed(self, timeout_s=30):
        wait_for(lambda: self.lag() == 0, "all offsets to be committed", timeout_s)


def headers_of(message):
    return {name: value.decode() for name, value in message.headers() or []}


@pytest.fixture
def runtime(bare_haul):
    return make_runtime(bare_haul)


def make_runtime(haul, partitions=1):
    """The hub's tables and the worker's topics, made without the command line."""
    for path in sorted((ROOT / "schemas" / "hub").glob("*.sql")):
        with haul.hub.connect() as connection:
            connection.autocommit = False
            connection.cursor().execute(path.read_text())
            connection.commit()
        version = int(path.name[:4])
        haul.hub.query(f"INSERT INTO haul.migrations (version, name, checksum) VALUES ({version}, %s, 'x')"
                       " ON CONFLICT DO NOTHING", path.name)
    haul.hub.make_roles()
    haul.hub.query("CREATE TABLE effects (job_id text, attempt int, fence bigint, done bool DEFAULT false)")
    haul.hub.query("GRANT SELECT, INSERT, UPDATE ON effects TO haul_worker")
    jobs = f"{haul.prefix}jobs.{WORKER}"
    haul.topics.create(jobs, *classes_of(jobs), f"{jobs}.dlq", f"{haul.prefix}events", *[f"{jobs}.retry.{t}" for t in TIERS],
                       partitions=partitions)
    return Runtime(haul)


def test_a_job_is_done_and_told(runtime):
    worker = runtime.start()
    job = runtime.send(rows=100, sleep_ms=1300)
    data = runtime.haul.wait_succeeded(job)
    assert data["receipt"] == {"effect": 1}
    states = [event["state"] for event in runtime.haul.events_of(job)]
    assert states[:2] == ["accepted", "started"] and states[-1] == "succeeded"
    progress = [event["data"] for event in runtime.haul.events_of(job) if event["state"] == "progress"]
    assert 2 <= len(progress) <= 4, progress
    assert progress[-1]["rows_total"] == 100 and progress[-1]["eta_ms"] is not None
    numbers = [event["data"]["sequence"] for event in runtime.haul.events_of(job)]
    assert numbers == sorted(set(numbers))
    assert runtime.effects(job) == [(1, True)]
    assert runtime.ledger(job).state == "succeeded" and runtime.ledger(job).finished
    runtime.wait_committed()
    assert worker.metric("haul_job_attempts_total", kind="effect", outcome="succeeded") == 1
    assert worker.get("/healthz")[0] == 200
    assert worker.stop() == 0


def test_the_trace_goes_through(runtime):
    trace = "0af7651916cd43dd8448eb211c80319c"
    runtime.start()
    job = runtime.send(members={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    event = runtime.haul.wait_event(job, "succeeded")
    assert event["traceparent"].split("-")[1] == trace


def test_a_job_delivered_twice_is_done_once(runtime):
    runtime.start()
    job = runtime.send(job_id=f"{runtime.haul.prefix}twice")
    runtime.haul.wait_succeeded(job)
    runtime.send(job_id=job)
    wait_for(lambda: len(runtime.ends(job)) == 2, "the end to be told again")
    assert set(runtime.ends(job)) == {f"{job}:succeeded"}
    assert runtime.effects(job) == [(1, True)]
    runtime.wait_committed()


def test_two_deliveries_at_once_run_one_after_the_other(runtime):
    runtime.start()
    job = runtime.send(job_id=f"{runtime.haul.prefix}both", sleep_ms=1500)
    runtime.send(job_id=job, members={"subject": "elsewhere"}, sleep_ms=1500)
    wait_for(lambda: len(runtime.ends(job)) == 2, "both to be told")
    assert runtime.effects(job) == [(1, True)]


def test_a_failed_attempt_is_tried_again(runtime):
    runtime.start()
    job = runtime.send(fail="retry", fail_attempts=2)
    began = time.monotonic()
    data = runtime.haul.wait_succeeded(job)
    assert time.monotonic() - began >= 2 * 0.25, "a retry came early"
    assert data["attempt"] == 3
    assert runtime.effects(job) == [(1, False), (2, False), (3, True)]
    retrying = [event["data"] for event in runtime.haul.events_of(job) if event["state"] == "retrying"]
    assert [data["error"]["code"] for data in retrying] == ["test.retry"] * 2
    assert runtime.dead_letters() == []
    runtime.wait_committed()


def test_throttling_counts_no_attempt(runtime):
    runtime.start()
    job = runtime.send(fail="throttled", fail_attempts=1, retry_after_ms=400, max_attempts=1)
    event = runtime.haul.wait_event(job, "retrying")
    assert event["data"]["error"]["class"] == "throttled"
    wait_for(lambda: len(runtime.effects(job)) >= 3, "it to be tried on")
    assert {attempt for attempt, _ in runtime.effects(job)} == {1}


def test_attempts_run_out_into_the_dead_letters(runtime):
    worker = runtime.start()
    job = runtime.send(fail="retry", max_attempts=2)
    data = runtime.haul.wait_dead(job)
    assert data["error"]["code"] == "test.retry" and "attempt 2 of 2" in data["error"]["message"]
    [letter] = runtime.wait_dead_letters(1)
    headers = headers_of(letter)
    assert headers["haul-error-class"] == "retry" and headers["haul-error-code"] == "test.retry"
    assert headers["haul-attempt"] == "2" and headers["haul-first-topic"] == runtime.topic
    assert json.loads(letter.value())["id"] == job
    assert runtime.ledger(job).state == "dead_lettered"
    runtime.wait_committed()
    assert worker.metric("haul_dead_letters_total", **{"class": "retry"}) == 1


def test_a_permanent_failure_is_a_dead_letter_at_once(runtime):
    runtime.start()
    job = runtime.send(fail="permanent")
    data = runtime.haul.wait_dead(job)
    assert data["error"]["code"] == "test.permanent" and data["error"]["hint"] == "ask for something else"
    assert runtime.effects(job) == [(1, False)]
    assert runtime.ledger(job).error_hint == "ask for something else"


@pytest.mark.parametrize("data, code, word", [
    ({"fial": "ok"}, "fields.unknown", "fail"),
    ({"sleep_ms": "long"}, "fields.type", "sleep_ms"),
    ({"deadline": "2020-01-01T00:00:00Z"}, "job.deadline", "deadline"),
    ({"workspace_id": "w" * 4000}, "fields.range", "workspace_id"),
    ({"workspace_id": 7}, "fields.type", "workspace_id"),
])
def test_bad_data_is_told_to_the_asker(runtime, data, code, word):
    runtime.start()
    job = runtime.send(**data)
    error = runtime.haul.wait_dead(job)["error"]
    assert error["code"] == code and word in error["message"] + error.get("hint", "")
    assert runtime.ledger(job).error_code == code
    assert runtime.effects(job) == []


def test_poison_does_not_stop_the_others(runtime):
    worker = runtime.start()
    raws = [b"\x00\xff not json", b"[1,2]", b"{}", b'{"specversion":"1.0"}', b"", None]
    for raw in raws:
        runtime.haul.send_raw(raw, worker=WORKER, key="same")
    unknown = runtime.send(kind="no_such_kind")
    job = runtime.send(members={"subject": "same"})
    runtime.haul.wait_succeeded(job)
    assert runtime.haul.wait_dead(unknown)["error"]["code"] == "job.unknown_kind"
    letters = runtime.wait_dead_letters(len(raws) + 1)
    assert set(raws) <= {letter.value() for letter in letters}, "raw bytes are kept"
    assert {headers_of(letter)["haul-error-class"] for letter in letters} == {"poison"}
    runtime.wait_committed()
    assert worker.is_running()


def test_a_job_without_a_key_is_as_good(runtime):
    """Its first record, the one that waits for the next attempt, its dead letter."""
    runtime.start()
    jobs = {job: make_job("effect", {"workspace_id": "w1", **data}, f"{runtime.haul.prefix}{job}", subject=None)
            for job, data in {"good": {}, "again": {"fail": "retry", "fail_attempts": 1}, "bad": {"fail": "permanent"}}.items()}
    for job in jobs.values():
        runtime.haul.send_raw(json.dumps(job), key=None, worker=WORKER)
    runtime.haul.wait_succeeded(jobs["good"]["id"])
    assert runtime.haul.wait_succeeded(jobs["again"]["id"])["attempt"] == 2
    runtime.haul.wait_dead(jobs["bad"]["id"])
    [letter] = runtime.wait_dead_letters(1)
    assert letter.key() is None and json.loads(letter.value()) == jobs["bad"]
    assert [runtime.effects(job["id"]) for job in jobs.values()] == [[(1, True)], [(1, False), (2, True)], [(1, False)]]
    runtime.wait_committed()


def test_the_poll_thread_waits_for_no_job(runtime):
    """Who does not poll for five minutes is thrown out of the group: how long a job runs, and whether there is room
    for more, is nothing to it."""
    worker = runtime.start(HAUL_JOB_THREADS=1, HAUL_BUFFERED_JOBS_MAX=1)
    jobs = [runtime.send(sleep_ms=8000, deaf=True), runtime.send()]
    wait_for(lambda: worker.metric("haul_jobs_running") == 1 and worker.metric("haul_partitions_paused") > 0, "no room for more")
    ages = []
    while runtime.ledger(jobs[0]).state == "running":
        ages.append(worker.metric("haul_poll_age_seconds"))
        time.sleep(0.1)
    assert max(ages) < 4, "it stood still while the job ran"
    for job in jobs:
        runtime.haul.wait_succeeded(job)
    assert worker.metric("haul_rebalances_total") == 1


def test_a_record_that_needs_too_much_memory_is_given_up(runtime):
    """It is not read again and again, and the others go on."""
    runtime.start(HAUL_JOB_MEMORY_BYTES=65536)
    runtime.haul.send_raw(json.dumps({"id": "large", "data": list(range(20000))}), worker=WORKER)
    runtime.haul.wait_succeeded(runtime.send())
    [letter] = runtime.wait_dead_letters(1)
    assert headers_of(letter)["haul-error-code"] == "job.too_large"
    runtime.wait_committed()


def test_a_job_that_kills_its_process_is_poison_after_three_starts(runtime):
    job = runtime.send(fail="crash")
    for start in range(1, 4):
        worker = runtime.start(ready=False)
        assert worker.wait_ended() == 99
        assert runtime.ledger(job).starts == start
    runtime.start(ready=False)
    assert runtime.haul.wait_dead(job)["error"]["code"] == "job.poison"
    assert len(runtime.effects(job)) == 3
    other = runtime.send()
    runtime.haul.wait_succeeded(other)
    runtime.wait_committed()


def test_a_bug_ends_the_process_after_the_dead_letter(runtime):
    worker = runtime.start()
    slow = runtime.send(sleep_ms=1000)
    runtime.haul.wait_event(slow, "started")
    job = runtime.send(fail="bug")
    assert worker.wait_ended() == 70
    assert runtime.haul.wait_dead(job)["error"]["class"] == "bug"
    assert runtime.ledger(slow).state == "succeeded", "the others were drained"


def cancel(runtime, job):
    [(verdict,)] = runtime.hub.query("SELECT verdict FROM haul.ledger_cancel(%s, 'enough', 'test')", job)
    return verdict


@pytest.mark.faults
@pytest.mark.parametrize("server, service", [("redis", "redis"), ("postgres", "hub")])
def test_an_outage_has_no_more_claimed_than_can_run(runtime, server, service):
    """What was tried in vain is tried again by as many as there are threads: the others are other workers' to take."""
    servers = runtime.haul.servers
    worker = runtime.start(HAUL_JOB_THREADS=2, HAUL_HUB_STATEMENT_TIMEOUT_MS=500, HAUL_HUB_CONNECT_TIMEOUT_MS=500)
    runtime.haul.wait_succeeded(runtime.send(sleep_ms=200))
    servers.pause(server)
    jobs = [runtime.send(sleep_ms=300) for _ in range(40)]
    wait_for(lambda: worker.metric("haul_threads_waiting", service=service) >= 1, "the outage to be noticed", 60)
    time.sleep(15)  # some tries more
    servers.resume(server)
    most = 0
    while sum(runtime.ledger(job) is not None and runtime.ledger(job).finished for job in jobs) < len(jobs):
        [(claimed,)] = runtime.hub.query("SELECT count(*) FROM haul.ledger WHERE state = 'running'")
        most = max(most, claimed)
    assert 1 <= most <= 4, most  # two run, and what ends is settled meanwhile
    runtime.wait_committed()


@pytest.mark.faults
def test_a_hub_that_does_not_answer_costs_no_lease(runtime):
    """The leases stand in Redis, which is well."""
    worker = runtime.start(HAUL_LEASE_TTL_MS=3000)
    job = runtime.send(sleep_ms=16000)
    runtime.haul.wait_event(job, "started")
    time.sleep(1.5)  # it has run for a while: the hub is asked whether it is to be cancelled
    runtime.haul.servers.pause("postgres")
    time.sleep(11)
    runtime.haul.servers.resume("postgres")
    assert runtime.haul.wait_succeeded(job)["attempt"] == 1
    assert worker.metric("haul_leases_lost_total") == 0 and len(runtime.effects(job)) == 1


@pytest.mark.parametrize("more, code, whole", [(-2000, "test.permanent", True), (2000, "job.too_large", True),
                                               (66000, "job.too_large", False)],
                         ids=["just fits", "too long", "too long for any topic"])
def test_a_long_record_ends_and_holds_nobody(runtime, more, code, whole):
    """What a topic takes, but no copy of it could be sent: it is a dead letter, if need be without its bytes."""
    haul = runtime.haul
    haul.topics.set(f"{haul.prefix}jobs.{WORKER}", max_message_bytes=LONGEST)
    haul.topics.set(f"{haul.prefix}jobs.{WORKER}.dlq", max_message_bytes=1114112)  # as `haul topics create` does
    runtime.start()
    job = make_job("effect", {"workspace_id": "w1", "fail": "permanent"}, f"{haul.prefix}long")
    value = json.dumps(job).ljust((1 << 20) + more)
    # The broker may apply what was set a moment after it said so.
    wait_for(lambda: haul.topics.produce(f"{haul.prefix}jobs.{WORKER}", value, "k") is None, "the topic to take it")
    haul.wait_succeeded(runtime.send(members={"subject": "k"}))
    assert haul.wait_dead(job["id"])["error"]["code"] == code
    [letter] = runtime.wait_dead_letters(1)
    assert letter.value() == (value.encode() if whole else None)
    headers = headers_of(letter)
    assert headers["haul-error-code"] == code and headers["haul-first-offset"] == "0"
    runtime.wait_committed()


def test_cancel_before_it_was_seen(runtime):
    job = f"{runtime.haul.prefix}unseen"
    assert cancel(runtime, job) == "asked"
    runtime.send(job_id=job)
    runtime.start()
    data = runtime.haul.wait_event(job, "cancelled")["data"]
    assert "enough" in data["error"]["message"]
    assert runtime.effects(job) == []
    runtime.wait_committed()


@pytest.mark.parametrize("way", ["redis", "hub"])
def test_cancel_while_it_runs(runtime, way):
    runtime.start()
    job = runtime.send(sleep_ms=60000)
    runtime.haul.wait_event(job, "started")
    assert cancel(runtime, job) == "asked"
    if way == "redis":
        redis = runtime.haul.servers.connect_redis(admin=True, db=int(runtime.haul.redis_url.rsplit("/", 1)[1]))
        redis.set(f"{runtime.haul.prefix}cancel:{job}", "1")
    runtime.haul.wait_event(job, "cancelled", timeout_s=15)
    assert runtime.ledger(job).state == "cancelled"
    assert runtime.effects(job) == [(1, False)]
    assert cancel(runtime, job) == "too_late"
    runtime.wait_committed()


def test_cancel_while_it_waits(runtime):
    runtime.start(HAUL_RETRY_SCALE_PERCENT=40)
    job = runtime.send(fail="retry")
    runtime.haul.wait_event(job, "retrying")
    wait_for(lambda: cancel(runtime, job) in ("ended", "too_late"), "the cancel")
    runtime.haul.wait_event(job, "cancelled", timeout_s=15)
    assert len(runtime.effects(job)) == 1
    runtime.wait_committed()


def test_a_deadline_ends_a_running_job(runtime):
    runtime.start()
    in_two_seconds = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
    job = runtime.send(sleep_ms=60000, deadline=in_two_seconds,
                       members={"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
    assert runtime.haul.wait_dead(job, timeout_s=15)["error"]["code"] == "job.deadline"


def test_a_job_that_waited_beyond_its_deadline_is_not_begun(runtime):
    runtime.start(HAUL_JOB_THREADS=1)
    before = runtime.send(sleep_ms=4000)
    runtime.haul.wait_event(before, "started")
    in_two_seconds = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
    job = runtime.send(deadline=in_two_seconds)
    assert runtime.haul.wait_dead(job, timeout_s=15)["error"]["code"] == "job.deadline"
    assert runtime.effects(job) == []
    runtime.haul.wait_succeeded(before)


def test_a_killed_worker_s_job_is_done_by_another(runtime):
    first = runtime.start()
    job = runtime.send(sleep_ms=4000)
    runtime.haul.wait_event(job, "started")
    first.kill()
    runtime.start()
    runtime.haul.wait_succeeded(job)
    assert runtime.effects(job) == [(1, False), (1, True)], "a crash counts as no attempt"
    assert runtime.ends(job) == [f"{job}:succeeded"]
    runtime.wait_committed()


def test_a_worker_that_slept_does_no_harm(runtime):
    """SIGSTOP for longer than its lease: another one takes the job; the sleeper's outcome is refused."""
    first = runtime.start()
    job = runtime.send(sleep_ms=3000, deaf=True)
    runtime.haul.wait_event(job, "started")
    first.pause()
    runtime.start()
    runtime.haul.wait_succeeded(job)
    first.resume()
    wait_for(lambda: (first.metric("haul_fenced_total") or 0) + (first.metric("haul_leases_lost_total") or 0) >= 1,
             "the sleeper to learn of it")
    runtime.wait_committed()
    assert set(runtime.ends(job)) == {f"{job}:succeeded"}
    assert runtime.ledger(job).state == "succeeded"


def test_sigterm_waits_for_what_runs(runtime):
    worker = runtime.start()
    running = runtime.send(sleep_ms=1500)
    runtime.haul.wait_event(running, "started")
    assert worker.stop() == 0
    assert runtime.ledger(running).state == "succeeded"
    runtime.wait_committed(timeout_s=5)


def test_sigterm_hands_back_what_takes_too_long(runtime):
    worker = runtime.start(HAUL_DRAIN_TIMEOUT_MS=300)
    job = runtime.send(sleep_ms=5000)
    runtime.haul.wait_event(job, "started")
    assert worker.stop() == 0
    row = runtime.ledger(job)
    assert (row.state, row.attempt, row.starts) == ("waiting", 1, 0)
    runtime.start()
    runtime.haul.wait_succeeded(job)
    assert runtime.effects(job) == [(1, False), (1, True)]


def test_a_second_sigterm_ends_it_at_once(runtime):
    worker = runtime.start()
    job = runtime.send(sleep_ms=30000, deaf=True)
    runtime.haul.wait_event(job, "started")
    worker.process.terminate()
    wait_for(lambda: "worker.draining" in worker.log(), "the drain")
    began = time.monotonic()
    worker.process.terminate()
    assert worker.wait_ended(5) == 75
    assert time.monotonic() - began < 2


@pytest.mark.faults
def test_the_broker_may_go_and_come_back(runtime):
    runtime.start()
    jobs = [runtime.send(sleep_ms=200) for _ in range(10)]
    runtime.haul.wait_succeeded(jobs[0])
    runtime.haul.servers.kill("kafka")
    runtime.haul.servers.start("kafka")
    jobs += [runtime.send() for _ in range(3)]
    for job in jobs:
        runtime.haul.wait_succeeded(job, timeout_s=60)
        assert [done for _, done in runtime.effects(job)].count(True) == 1
    runtime.wait_committed()


@pytest.mark.faults
def test_redis_may_go_and_come_back(runtime):
    worker = runtime.start()
    runtime.haul.servers.kill("redis")
    job = runtime.send()
    wait_for(lambda: worker.metric("haul_threads_waiting", service="redis") == 1, "the wait for Redis")
    wait_for(lambda: worker.metric("haul_oldest_job_age_seconds") > 0.2, "its age to be told")
    assert worker.get("/healthz")[0] == 200
    runtime.haul.servers.start("redis")
    runtime.haul.wait_succeeded(job)
    assert runtime.effects(job) == [(1, True)], "an outage counts as no attempt"


@pytest.mark.faults
def test_the_hub_may_go_and_come_back(runtime):
    worker = runtime.start()
    running = runtime.send(kind="noop", sleep_ms=0)
    runtime.haul.wait_succeeded(running)
    runtime.haul.servers.kill("postgres")
    job = runtime.send(kind="noop")
    wait_for(lambda: worker.metric("haul_threads_waiting", service="hub") == 1, "the wait for the hub")
    runtime.haul.servers.start("postgres")
    data = runtime.haul.wait_succeeded(job)
    assert data["attempt"] == 1


def test_leases_forgotten_by_redis_harm_nobody(runtime):
    runtime.start()
    runtime.start()
    jobs = [runtime.send(sleep_ms=2500) for _ in range(4)]
    for job in jobs:
        runtime.haul.wait_event(job, "started")
    runtime.haul.servers.connect_redis(admin=True, db=int(runtime.haul.redis_url.rsplit("/", 1)[1])).flushdb()
    for job in jobs:
        runtime.haul.wait_succeeded(job)
        assert [done for _, done in runtime.effects(job)].count(True) == 1


def test_members_come_and_go(runtime):
    """Jobs flow while workers join and leave; each is done once, and no offset is left behind."""
    runtime.start()
    jobs = [runtime.send(sleep_ms=100, members={"subject": f"s{number}"}) for number in range(60)]
    second = runtime.start(ready=False)
    wait_for(lambda: len(runtime.hub.query("SELECT 1 FROM haul.ledger WHERE state = 'succeeded'")) > 20, "some")
    second.stop()
    third = runtime.start()
    for job in jobs:
        runtime.haul.wait_succeeded(job)
        assert [done for _, done in runtime.effects(job)].count(True) == 1
    runtime.wait_committed()
    assert third.stop() == 0


def test_a_redriven_job_runs_once_more(runtime):
    runtime.start()
    job = runtime.send(fail="permanent", fail_attempts=0, deadline="2020-01-01T00:00:00Z")
    runtime.haul.wait_dead(job)
    [letter] = runtime.wait_dead_letters(1)
    again = json.loads(letter.value())
    del again["data"]["deadline"]
    for _ in range(2):  # the redriver crashed in between and did it twice
        runtime.haul.send_raw(json.dumps(again), key=job, worker=WORKER,
                              headers={**headers_of(letter), "haul-redrive-count": "1", "haul-attempt": "1"})
    event = wait_for(lambda: [e for e in runtime.haul.events_of(job) if e["state"] == "succeeded"], "its success")[0]
    assert event["id"] == f"{job}:succeeded:r1"
    runtime.wait_committed()
    assert runtime.effects(job) == [(1, True)]
    row = runtime.ledger(job)
    assert (row.state, row.redrive_count) == ("succeeded", 1)


def test_what_is_tried_again_keeps_its_class(runtime):
    """That of the topic that it first came by: it is before the others, but for those that are claimed already."""
    haul = runtime.haul
    again = [haul.send({"fail": "retry", "fail_attempts": 1}, kind="effect", worker=f"{WORKER}.interactive") for _ in range(2)]
    worker = runtime.start(HAUL_JOB_THREADS=1, HAUL_RETRY_SCALE_PERCENT=100)
    wait_for(lambda: all((row := runtime.ledger(job)) and row.state == "waiting" for job in again), "both to fail")
    hold = runtime.send(sleep_ms=8000)  # longer than they wait
    wait_for(lambda: runtime.effects(hold), "the thread to be held")
    default = [runtime.send() for _ in range(40)]
    wait_for(lambda: worker.metric("haul_jobs_buffered") >= 41, "the others to be read")
    for job in [*again, *default]:
        haul.wait_succeeded(job)
    assert set(again) <= set(done_in_order(runtime, *again, *default)[:20])


def test_a_job_is_put_back_where_it_came_from(runtime):
    """By the topic of interactive jobs; also when it was tried again in between."""
    runtime.start()
    topic = f"{WORKER}.interactive"
    jobs = [runtime.haul.send({"fail": "permanent"}, kind="effect", worker=topic),
            runtime.haul.send({"fail": "retry", "max_attempts": 2}, kind="effect", worker=topic)]
    runtime.wait_dead_letters(2)
    assert runtime.haul.run("dlq", "replay", "--worker", WORKER, "--json").json["replayed"] == 2
    runtime.wait_dead_letters(4)
    came = [json.loads(m.value())["id"] for m in runtime.haul.topics.read(f"{runtime.haul.prefix}jobs.{topic}")]
    assert sorted(came) == sorted(jobs * 2)


def test_more_jobs_than_the_buffer_holds(runtime):
    worker = runtime.start(HAUL_BUFFERED_JOBS_MAX=4, HAUL_JOB_THREADS=2)
    jobs = [runtime.send(kind="noop", members={"subject": f"s{n}"}) for n in range(100)]
    slow = [runtime.send(sleep_ms=800) for n in range(6)]
    for job in jobs + slow:
        runtime.haul.wait_succeeded(job)
    runtime.wait_committed()
    assert worker.metric("haul_partitions_paused") == 0


def test_jobs_of_one_subject_run_one_after_the_other(runtime):
    jobs = [runtime.send(sleep_ms=150, members={"subject": "one"}) for _ in range(5)]
    other = runtime.send(members={"subject": "two"})
    runtime.start(HAUL_JOB_THREADS=4)
    for job in jobs + [other]:
        runtime.haul.wait_succeeded(job)
    told = [event for event in (event_of(m) for m in list(runtime.haul.events.messages))
            if event["job_id"] in jobs and event["state"] in ("started", "succeeded")]
    told.sort(key=lambda event: event["time"])
    assert [event["job_id"] for event in told[::2]] == jobs, "in the order of their topic"
    for started, ended in zip(told[::2], told[1::2]):
        assert (started["state"], ended["state"]) == ("started", "succeeded")
        assert started["job_id"] == ended["job_id"], "one at a time"


def done_in_order(runtime, *jobs):
    """The jobs by the time of their last effect."""
    rows = runtime.hub.query("SELECT job_id FROM effects WHERE done GROUP BY job_id ORDER BY max(fence)")
    return [row[0] for row in rows if row[0] in jobs]


def test_a_later_job_of_a_subject_waits_behind_one_in_retry(runtime):
    """Also when the worker that saw both is killed in between."""
    first = runtime.send(members={"subject": "s"}, fail="retry", fail_attempts=2)
    worker = runtime.start()
    wait_for(lambda: runtime.ledger(first) and runtime.ledger(first).state == "waiting", "the first job's retry")
    second, other = runtime.send(members={"subject": "s"}), runtime.send(members={"subject": "t"})
    runtime.haul.wait_succeeded(other)
    wait_for(lambda: runtime.ledger(second) is not None, "the second job to be seen")
    worker.kill()
    runtime.start()
    runtime.haul.wait_succeeded(first)
    runtime.haul.wait_succeeded(second)
    assert done_in_order(runtime, first, second) == [first, second]
    assert runtime.ledger(second).attempt == 1 and len(runtime.effects(second)) == 1


@pytest.mark.parametrize("partitions, workers, subjects, each", [(1, 1, 4, 250), (4, 2, 4, 250), (1, 1, 8, 400)])
def test_many_that_come_in_any_order_find_theirs(bare_haul, partitions, workers, subjects, each):
    """What waits for its turn neither asks all the time nor waits long for it: it begins when the one before it ends."""
    runtime = make_runtime(bare_haul, partitions)
    rng = random.Random(1)
    jobs = {f"s{n}": [f"{bare_haul.prefix}{n}.{i:03}" for i in range(each)] for n in range(subjects)}
    for subject, ids in jobs.items():
        place_many(runtime, *ids, subject=subject, workspace="w1")
    records = [(job, subject) for subject, ids in jobs.items() for job in ids]
    rng.shuffle(records)
    for job, subject in records:
        runtime.send(job_id=job, members={"subject": subject}, workspace_id="w1")
    began = [runtime.start(HAUL_JOB_THREADS=4, HAUL_BUFFERED_JOBS_MAX=400) for _ in range(workers)]
    wait_for(lambda: runtime.hub.query("SELECT count(*) FROM haul.ledger WHERE state = 'succeeded'") == [(subjects * each,)],
             "all to succeed", timeout_s=120)
    for ids in jobs.values():
        assert done_in_order(runtime, *ids) == ids
    runtime.wait_committed()
    behind = sum(worker.metric("haul_jobs_behind_total") for worker in began)
    assert behind < 5 * subjects * each, "each asked some few times, however many there are"


def test_a_place_that_is_wrong_holds_nobody_for_long(runtime):
    """The first of a subject says of itself that it is its last: it waits behind the others, and they for it."""
    first, second = f"{runtime.haul.prefix}first", f"{runtime.haul.prefix}second"
    place_many(runtime, first, second, subject="s", workspace="w1")
    worker = runtime.start()
    runtime.send(job_id=second, members={"subject": "s"}, workspace_id="w1")
    wait_for(lambda: worker.metric("haul_jobs_in_line") == 1, "the second to wait")
    job = make_job("effect", {"workspace_id": "w1"}, first, subject="s")
    runtime.haul.send_raw(json.dumps(job), key="s", worker=WORKER, headers={"haul-place": str(10**18)})
    for job in (first, second):
        runtime.haul.wait_event(job, "succeeded", timeout_s=60)
    assert done_in_order(runtime, first, second) == [first, second]


def test_the_next_of_a_subject_goes_on_when_the_first_is_given_up(runtime):
    first = runtime.send(members={"subject": "s"}, fail="permanent")
    second = runtime.send(members={"subject": "s"})
    runtime.start()
    runtime.haul.wait_succeeded(second)
    assert runtime.ledger(first).state == "dead_lettered"


def test_of_one_dedupe_key_one_job_runs(runtime):
    runtime.start()
    jobs = [runtime.send(dedupe_key="k", sleep_ms=300) for _ in range(3)]
    other = runtime.send(dedupe_key="another")
    runtime.haul.wait_succeeded(other)
    for job in jobs:
        wait_for(lambda: runtime.ledger(job) and runtime.ledger(job).finished, f"{job} to end")
    states = [runtime.ledger(job) for job in jobs]
    assert sorted(row.state for row in states) == ["cancelled", "cancelled", "succeeded"]
    winner = next(job for job, row in zip(jobs, states) if row.state == "succeeded")
    for job, row in zip(jobs, states):
        if row.state == "cancelled":
            assert row.error_code == "job.duplicate" and winner in row.error_message
            assert runtime.effects(job) == []
            wait_for(lambda: len(runtime.ends(job)) == 1, "its one terminal event")


@pytest.mark.parametrize("when", ["runs", "waits"])
def test_a_dedupe_key_is_free_again_after_a_cancel(runtime, when):
    runtime.start(HAUL_RETRY_SCALE_PERCENT=100)
    job = runtime.send(dedupe_key="k", **({"sleep_ms": 60000} if when == "runs" else {"fail": "retry"}))
    runtime.haul.wait_event(job, "started" if when == "runs" else "retrying")
    runtime.haul.run("cancel", job)
    runtime.haul.wait_event(job, "cancelled", timeout_s=20)
    runtime.haul.wait_succeeded(runtime.send(dedupe_key="k"))


def test_a_dedupe_key_is_free_again_after_a_failure_or_its_window(runtime):
    runtime.start()
    failed = runtime.send(dedupe_key="k", fail="permanent")
    wait_for(lambda: runtime.ledger(failed) and runtime.ledger(failed).finished, "the failure")
    runtime.haul.wait_succeeded(runtime.send(dedupe_key="k", dedupe_window_s=1))
    time.sleep(1.1)
    runtime.haul.wait_succeeded(runtime.send(dedupe_key="k"))


def test_a_job_is_not_begun_before_its_time(runtime):
    runtime.start()
    begin = datetime.now(timezone.utc) + timedelta(seconds=3)
    job = runtime.send(not_before=begin.isoformat().replace("+00:00", "Z"))
    done = runtime.haul.wait_succeeded(job)
    started = next(event for event in runtime.haul.events_of(job) if event["state"] == "started")
    # The hub's clock rules, which this machine's may differ from by the time of a question.
    assert datetime.fromisoformat(started["time"].replace("Z", "+00:00")) >= begin - timedelta(milliseconds=50)
    assert done is not None and runtime.ledger(job).attempt == 1


def test_interactive_before_default_before_bulk(runtime):
    """Behind one job that holds the only thread."""
    haul = runtime.haul
    hold = runtime.send(sleep_ms=3000)
    worker = runtime.start(HAUL_JOB_THREADS=1)
    wait_for(lambda: runtime.effects(hold), "the first job to begin")
    bulk = [runtime.send(priority="bulk") for _ in range(3)]
    default = [runtime.send() for _ in range(3)]
    interactive = [runtime.send(priority="interactive") for _ in range(3)]
    by_topic = haul.send({}, kind="effect", worker=f"{WORKER}.interactive")
    wait_for(lambda: worker.metric("haul_jobs_buffered") >= 11, "all of them to be read")
    for job in bulk + default + interactive + [by_topic]:
        haul.wait_succeeded(job)
    order = done_in_order(runtime, *bulk, *default, *interactive, by_topic)
    assert set(order[:4]) == {*interactive, by_topic} and set(order[4:7]) == set(default)


def test_the_last_start_of_a_job_that_may_be_poison_is_made_alone(runtime):
    """Two jobs that were under way when a third killed the process twice are not given up for it."""
    killer = runtime.send(members={"subject": "k"}, fail="crash", sleep_ms=400)
    innocent = [runtime.send(members={"subject": f"i{n}"}, sleep_ms=1500) for n in range(2)]
    for _ in range(6):
        worker = runtime.start(ready=False, HAUL_JOB_THREADS=3)
        wait_for(lambda: not worker.is_running() or (runtime.ledger(killer) and runtime.ledger(killer).finished),
                 "the crash", 60)
        if worker.is_running():
            break
    for job in innocent:
        runtime.haul.wait_succeeded(job)
    assert runtime.ledger(killer).state == "dead_lettered" and runtime.ledger(killer).error_code == "job.poison"


def test_idempotent_kinds_need_no_ledger(runtime):
    runtime.start()
    job = runtime.send(kind="idle")
    runtime.haul.wait_succeeded(job)
    assert runtime.ledger(job) is None
    runtime.wait_committed()


def test_a_claim_whose_answer_was_lost_is_one_start(runtime):
    def claim(owner):
        [row] = runtime.hub.query(
            "SELECT verdict, starts, fence FROM haul.ledger_claim_many(ARRAY['j'], ARRAY['w'], ARRAY['effect'],"
            " ARRAY[NULL]::text[], ARRAY[1], ARRAY[0], ARRAY[0]::bigint[], ARRAY['t'], ARRAY[0], ARRAY[0]::bigint[],"
            " ARRAY[false], ARRAY[NULL]::text[], ARRAY[0]::bigint[], ARRAY[false], 'testkind', %s, 3, 0)", owner)
        return row

    first, again, other = claim("a"), claim("a"), claim("b")
    assert (first[:2], again[:2], other[:2]) == (("run", 1), ("run", 1), ("run", 2))
    assert first[2] < again[2] < other[2]


def claim_many(runtime, *jobs, redrives=0, subject=None):
    """The answers by number, of claims of a process of its own; with a subject they are ordered."""
    count = len(jobs)
    return {row[0]: row[1:] for row in runtime.hub.query(
        "SELECT number, verdict, fence FROM haul.ledger_claim_many(%s, %s, %s, %s::text[], %s, %s, %s::bigint[], %s, %s,"
        " %s::bigint[], %s, %s::text[], %s::bigint[], %s, 'testkind', 'a', 3, 0)",
        list(jobs), ["w"] * count, ["effect"] * count, [subject] * count, [1] * count, [redrives] * count, [0] * count,
        ["t"] * count, [0] * count, [0] * count, [subject is not None] * count, [None] * count, [0] * count,
        [False] * count)}


def settle_many(runtime, fences, state="succeeded"):
    """The answers by number; fences: of jobs, all of which end so."""
    count, none = len(fences), [None] * len(fences)
    return dict(runtime.hub.query(
        "SELECT number, verdict FROM haul.ledger_settle_many(%s, %s::bigint[], %s::bigint[], %s, %s, %s::bigint[],"
        " %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])",
        list(fences), list(fences.values()), [1000002] * count, [state] * count, [0] * count, [0] * count, *[none] * 6))


def test_a_batch_of_new_jobs_and_others(runtime):
    """What all new ones are told is one row; the others have theirs. No two jobs of a batch have the same fence."""
    def fence(job):
        return runtime.hub.query("SELECT fence FROM haul.ledger WHERE job_id = %s", job)[0][0]

    all_new = claim_many(runtime, "b", "a")
    assert list(all_new) == [0] and all_new[0][0] == "run"
    assert (fence("b"), fence("a")) == (all_new[0][1], all_new[0][1] + 1)
    assert settle_many(runtime, {"a": fence("a"), "b": fence("b")}) == {0: "ours"}

    mixed = claim_many(runtime, "c", "a", "e")
    assert set(mixed) == {0, 2} and (mixed[0][0], mixed[2][0]) == ("run", "done")
    assert (fence("c"), fence("e")) == (mixed[0][1], mixed[0][1] + 2) and fence("a") == all_new[0][1] + 1
    # Twice in a batch, which its lease forbids: all go one by one, and the second is the later start.
    twice = claim_many(runtime, "d", "f", "d")
    assert set(twice) == {1, 2, 3} and {answer[0] for answer in twice.values()} == {"run"}
    assert len({answer[1] for answer in twice.values()}) == 3
    assert fence("d") == twice[3][1] > twice[1][1] > mixed[0][1] + 2 > all_new[0][1] + 1

    assert settle_many(runtime, {"e": fence("e"), "d": twice[1][1]}) == {0: "ours", 2: "fenced"}
    assert settle_many(runtime, {"d": twice[1][1]}) == {1: "fenced"}
    assert claim_many(runtime, "a", "e") == {1: ("done", all_new[0][1] + 1), 2: ("done", mixed[0][1] + 2)}


def place_many(runtime, *jobs, subject="s", workspace="w"):
    """As they are read."""
    count = len(jobs)
    runtime.hub.query("SELECT haul.ledger_place_many(%s, %s, %s, %s, %s, %s, %s::bigint[], %s::text[], 'testkind')",
                      list(jobs), [workspace] * count, ["effect"] * count, [subject] * count, ["t"] * count, [0] * count,
                      [0] * count, [None] * count)


def verdict(runtime, job):
    return claim_many(runtime, job, subject="s")[1]


def test_places_are_those_of_reading(runtime):
    """Who was read earlier goes first, whoever claims first; a place that is given again is the one it has."""
    place_many(runtime, *"bdac")
    place_many(runtime, "other", subject="another")
    place_many(runtime, "c", "e", "d")
    assert {runtime.ledger(job).state for job in "abcde"} == {"waiting"}
    for number, job in enumerate("bdace"):
        for later in "bdace"[number + 1:]:
            assert verdict(runtime, later)[0] == "behind", (job, later)
        places = [verdict(runtime, later)[1] for later in "bdace"[number + 1:]]
        assert places == sorted(set(places)), "what a worker is told of who is behind"
        run, fence = verdict(runtime, job)
        assert run == "run"
        place_many(runtime, job)  # it is delivered again
        assert runtime.ledger(job).state == "running"
        assert settle_many(runtime, {job: fence}) == {0: "ours"}
        place_many(runtime, job)
        assert verdict(runtime, job)[0] == "done"
    assert claim_many(runtime, "other", subject="another")[1][0] == "run"


def test_places_of_a_batch_that_is_partly_known(runtime):
    """Or has a job twice: the first one counts, and all the others get theirs in the batch's order."""
    place_many(runtime, "b", "d")
    place_many(runtime, *"edbcacz")
    order = [job for job, in runtime.hub.query("SELECT job_id FROM haul.ledger ORDER BY place")]
    assert order == [*"bdecaz"]
    place_many(runtime, *"zyzy")
    assert [job for job, in runtime.hub.query("SELECT job_id FROM haul.ledger ORDER BY place")] == [*order, "y"]


def test_as_many_places_as_the_sequence_has_for_a_batch(runtime):
    place_many(runtime, *(f"j{i:04}" for i in range(1024)))
    place_many(runtime, "next")
    order = [job for job, in runtime.hub.query("SELECT job_id FROM haul.ledger ORDER BY place")]
    assert order == [*(f"j{i:04}" for i in range(1024)), "next"]
    with pytest.raises(psycopg2.errors.RaiseException):
        place_many(runtime, *(f"k{i}" for i in range(1025)))


def test_a_place_is_the_job_s_to_cancel(runtime):
    place_many(runtime, "a", "b")
    assert runtime.haul.run("cancel", "a", "--json").json["verdict"] == "cancelled"
    assert verdict(runtime, "b")[0] == "run" and verdict(runtime, "a")[0] == "done"
    assert runtime.hub.query("SELECT job_id FROM haul.ledger WHERE place IS NOT NULL") == [("b",)]


def test_one_that_was_cancelled_before_it_came_is_among_new_ones(runtime):
    runtime.hub.query("INSERT INTO haul.cancels (job_id, actor) VALUES ('b', 'x') RETURNING job_id")
    answers = claim_many(runtime, "a", "b", "c")
    assert set(answers) == {0, 2} and answers[0][0] == "run" and answers[2][0] == "cancelled"
    assert {(job, runtime.ledger(job).state) for job in "abc"} == {("a", "running"), ("b", "cancelled"), ("c", "running")}


def test_who_has_ended_has_no_place(runtime):
    """Else who asks for its turn looks past all that ever ended so of its subject."""
    runtime.hub.query("INSERT INTO haul.cancels (job_id, actor) VALUES ('b', 'x') RETURNING job_id")
    claim_many(runtime, "a", "b", subject="s")
    assert [runtime.ledger(job).state for job in "ab"] == ["running", "cancelled"]
    runtime.start()
    for _ in range(2):
        first = runtime.send(dedupe_key="k", members={"subject": "t"})
    runtime.haul.wait_event(first, "cancelled")
    assert runtime.hub.query("SELECT job_id FROM haul.ledger WHERE place IS NOT NULL") == [("a",)]


def test_a_wait_lasts_while_it_is_looked_at(runtime):
    """Of a parent: who claims it hears which wait it is in, from the release that began it to one that names no wait."""
    def claim(owner="a", redrives=0):
        return runtime.hub.query(
            "SELECT fence, wait_fence FROM haul.ledger_claim_many(ARRAY['j'], ARRAY['w'], ARRAY['effect'],"
            " ARRAY[NULL]::text[], ARRAY[1], ARRAY[%s], ARRAY[0]::bigint[], ARRAY['t'], ARRAY[0], ARRAY[0]::bigint[],"
            " ARRAY[false], ARRAY[NULL]::text[], ARRAY[0]::bigint[], ARRAY[false], 'testkind', %s, 3, 0)", redrives, owner)[0]

    def settle(fence, state=None, wait_fence=0):
        [(verdict,)] = runtime.hub.query(
            "SELECT verdict FROM haul.ledger_settle_many(ARRAY['j'], ARRAY[%s]::bigint[], ARRAY[2]::bigint[], ARRAY[%s]::text[],"
            " ARRAY[1], ARRAY[0]::bigint[], ARRAY[NULL]::text[], ARRAY[NULL]::text[], ARRAY[NULL]::text[],"
            " ARRAY[NULL]::text[], ARRAY[NULL]::text[], ARRAY[NULL]::text[], ARRAY[%s]::bigint[])", fence, state, wait_fence)
        assert verdict == "ours"

    def starts():
        return runtime.hub.query("SELECT starts FROM haul.ledger")[0][0]

    first, wait = claim()
    assert wait is None
    settle(first, wait_fence=first)
    assert starts() == 0
    claim("b")  # its process dies
    fence, wait = claim()
    assert wait == first
    for _ in range(2):  # the same again, as after a lost answer
        settle(fence, wait_fence=first)
        assert starts() == 1, "a look takes back its own start alone"
    fence, wait = claim()
    assert wait == first
    settle(fence)
    assert starts() == 0
    fence, wait = claim()
    assert wait is None
    settle(fence, wait_fence=fence)
    fence, wait = claim()
    assert wait is not None
    settle(fence, "dead_lettered")
    assert claim(redrives=1)[1] is None, "its next life waits for nothing yet"


def test_starts_are_forgotten_by_a_run_alone(runtime):
    """What is claimed and handed back, or held by a breaker, has proved nothing of the starts before."""
    def claim(owner):
        return runtime.hub.query(
            "SELECT fence FROM haul.ledger_claim_many(ARRAY['j'], ARRAY['w'], ARRAY['effect'], NULL, ARRAY[1], NULL, NULL,"
            " ARRAY['t'], NULL, NULL, NULL, NULL, NULL, NULL, 'testkind', %s, 3, 0)", owner)[0][0]

    def release(fence, is_unbegun):
        [(verdict,)] = runtime.hub.query(
            "SELECT verdict FROM haul.ledger_settle_many(ARRAY['j'], ARRAY[%s]::bigint[], NULL, NULL, ARRAY[1], NULL,"
            " NULL, NULL, NULL, NULL, NULL, NULL, NULL, ARRAY[%s])", fence, is_unbegun)
        assert verdict == "ours"
        return runtime.hub.query("SELECT starts FROM haul.ledger")[0][0]

    claim("a")  # its process dies
    fence = claim("b")
    for _ in range(2):  # the same again, as after a lost answer
        assert release(fence, True) == 1
    assert release(claim("c"), False) == 0


def test_a_parent_that_is_put_back_hands_out_anew(runtime):
    """The chunk jobs of its earlier life, ended or not, do not count in this one."""
    [fence] = [row[1] for row in claim_many(runtime, "p").values()]

    def spawn(fence):
        return [child for (child,) in runtime.hub.query(
            "SELECT child_id FROM haul.children_spawn('p', %s, 'plan', NULL, NULL, '{}', '[]', ARRAY[1, 2], ARRAY['{}', '{}'])",
            fence)]

    def end(child):
        return runtime.hub.query("SELECT total, done FROM haul.child_end(%s, 1, NULL, NULL, NULL, NULL, NULL, NULL)", child)

    def look():
        return runtime.hub.query("SELECT total, done, failed FROM haul.children_look('p')")

    first, second = spawn(fence)
    runtime.hub.query("SELECT haul.children_told('p', 'plan')")
    assert end(first) == [(2, 1)] and look() == [(2, 1, 0)]
    assert settle_many(runtime, {"p": fence}, "dead_lettered") == {0: "ours"}
    [(fence,)] = [row[1:] for row in claim_many(runtime, "p", redrives=1).values()]
    assert look() == []
    assert runtime.hub.query("SELECT job_id, reason FROM haul.cancels") == [(second, "its parent was put back")]
    assert end(second) == []
    assert set(spawn(fence)).isdisjoint({first, second})


def test_the_worker_s_role_cannot_touch_the_ledger_itself(runtime):
    for statement in ("UPDATE haul.ledger SET state = 'succeeded'", "DELETE FROM haul.ledger",
                      "INSERT INTO haul.cancels (job_id, actor) VALUES ('x', 'y')",
                      "SELECT * FROM haul.ledger_cancel('x', NULL, 'y')"):
        import psycopg2
        with psycopg2.connect(runtime.hub.worker_url) as connection:
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                connection.cursor().execute(statement)


def test_configuration_is_checked(runtime):
    from harness.programs import run_program
    env = {**runtime.haul.env(), "HAUL_JOB_THREADS": "none"}
    done = run_program(WORKER, env=env, status=2)
    assert "job_threads" in done.err.lower()
    done = run_program(WORKER, env={**runtime.haul.env(), "HAUL_JOB_THREAD": "2"}, status=2)
    assert "job_threads" in (done.err).lower()
    assert "good" in run_program(WORKER, "--check-config", env=runtime.haul.env()).out
    assert "HAUL_LEASE_TTL_MS" in run_program(WORKER, "--help", env={}).out
