"""Circuit breakers over two worker processes: what is open holds the jobs that need it, and nothing else.

The kind depend (tests/e2e/testkind/depend.c) needs "on", which is down while down_file exists; each run is a
row of effects.
"""

import time

import pytest
from e2e.test_runtime import make_runtime

from harness.waiting import wait_for

OPEN_S = 1.5
BREAKERS = {"HAUL_BREAKER_OPEN_MS": int(OPEN_S * 1000), "HAUL_BREAKER_MINIMUM_CALLS": 4}


@pytest.fixture
def runtime(bare_haul):
    """With partitions enough for two workers."""
    return make_runtime(bare_haul, partitions=4)


@pytest.fixture
def down(tmp_path):
    """The file whose being there is the dependency's being down."""
    path = tmp_path / "down"
    path.write_text("")
    return path


def depend(runtime, down, on="shop", kind="depend", **data):
    return runtime.send(kind=kind, on=on, down_file=str(down), **data)


def listed(runtime):
    return {row["dependency"]: row for row in runtime.haul.run("breakers", "list", "--json").json}


def runs(runtime, jobs):
    return sum(len(runtime.effects(job)) for job in jobs)


def codes_of(runtime, job):
    return [event["data"]["error"]["code"] for event in runtime.haul.events_of(job) if event["state"] == "retrying"]


def start_two(runtime, **env):
    return [runtime.start(**{**BREAKERS, **env}) for _ in range(2)]


def open_it(runtime, down, **data):
    """Jobs that fail until the breaker is open. Their ids."""
    jobs = [depend(runtime, down, max_attempts=50, **data) for _ in range(6)]
    wait_for(lambda: "thing:w1/shop" in listed(runtime), "the breaker to open")
    return jobs


def test_an_open_breaker_holds_what_needs_it_and_nothing_else(runtime, down):
    open_s = 5  # all that is held is looked at before the first probe, also on a slow machine
    workers = start_two(runtime, HAUL_BREAKER_OPEN_MS=open_s * 1000)
    failed = open_it(runtime, down)
    opened = time.monotonic()
    time.sleep(0.7)  # both have looked, and what was under way is over
    begun = runs(runtime, failed)

    held = [depend(runtime, down, max_attempts=50) for _ in range(6)]
    others = [depend(runtime, down.with_name("up"), on="mill"),
              depend(runtime, down.with_name("up"), workspace_id="w2")]
    for job in others:
        runtime.haul.wait_succeeded(job)
    for job in held:
        event = runtime.haul.wait_event(job, "retrying")
        assert event["data"]["error"]["code"] == "breaker.open"
        assert event["data"]["error"]["class"] == "throttled"
        assert [e["state"] for e in runtime.haul.events_of(job)][0] == "accepted"
    assert runs(runtime, held) == 0 and runtime.ledger(held[0]).error_code == "breaker.open"
    assert listed(runtime)["thing:w1/shop"]["state"] in ("open", "half_open")
    assert sum(worker.metric("haul_breaker_held_total") for worker in workers) >= 6
    assert any(worker.metric("haul_breakers", state="open") == 1 for worker in workers) \
        or listed(runtime)["thing:w1/shop"]["state"] == "half_open"

    # One probe when its time is over; that fails, so that the next one comes twice as late.
    wait_for(lambda: runs(runtime, failed + held) > begun, "a probe", 20)
    assert time.monotonic() - opened >= open_s - 0.5, "a probe came early"
    time.sleep(open_s + 1)
    assert runs(runtime, failed + held) == begun + 1, "more than one probe"

    down.unlink()
    for job in held + failed:
        # Each run was an attempt; to be held was none.
        assert runtime.haul.wait_succeeded(job)["attempt"] == len(runtime.effects(job))
    assert listed(runtime) == {}
    for job in held + failed:
        assert [e["state"] for e in runtime.haul.events_of(job)].count("accepted") == 1
    runtime.wait_committed()


def spans(runtime, jobs):
    """(begin, end, succeeded) of each run, by its events' times, in order."""
    found = []
    for job in jobs:
        begin = None
        for event in runtime.haul.events_of(job):
            if event["state"] == "started":
                begin = event["time"]
            elif begin and event["state"] in ("retrying", "succeeded"):
                found.append((begin, event["time"], event["state"] == "succeeded"))
                begin = None
    return sorted(found)


def test_probes_come_one_at_a_time(runtime, down):
    """Slow probes that fail: while one runs in one process, none does in either."""
    start_two(runtime, HAUL_JOB_THREADS=4)
    for job in [depend(runtime, down, max_attempts=1) for _ in range(4)]:
        runtime.haul.wait_dead(job)
    wait_for(lambda: "thing:w1/shop" in listed(runtime), "the breaker to open")
    time.sleep(0.7)  # both have looked
    jobs = [depend(runtime, down, sleep_ms=1500, tells_early=True) for _ in range(8)]
    wait_for(lambda: runs(runtime, jobs) >= 2, "the second probe", 30)
    down.unlink()
    for job in jobs:
        runtime.haul.wait_succeeded(job)
    found = spans(runtime, jobs)
    failed = [span for span in found if not span[2]]
    first = next(span for span in found if span[2])
    assert 1 <= len(failed) <= 2, found
    for probe in failed:
        assert not [other for other in found if probe[0] < other[0] < probe[1]], found
    # A good probe says at once that its dependency is there: nobody waits for its end.
    assert [other for other in found if first[0] < other[0] < first[1]], found


def test_an_operator_opens_and_closes(runtime, down):
    start_two(runtime)
    down.unlink()
    first = depend(runtime, down)
    runtime.haul.wait_succeeded(first)
    assert listed(runtime) == {}
    runtime.haul.run("breakers", "open", "thing:w1/shop", "--reason", "it moves house")
    row = listed(runtime)["thing:w1/shop"]
    assert row["state"] == "forced_open" and row["reason"] == "it moves house"
    assert row["by"].startswith("cli ") and row["since"].startswith("20")
    time.sleep(1.2)  # both look twice a second
    job = depend(runtime, down)
    runtime.haul.wait_event(job, "retrying")
    time.sleep(2 * OPEN_S)
    assert runtime.effects(job) == [] and set(codes_of(runtime, job)) == {"breaker.open"}
    runtime.haul.run("breakers", "close", "thing:w1/shop", "--reason", "it has moved")
    assert runtime.haul.wait_succeeded(job)["attempt"] == 1
    assert listed(runtime) == {}
    rows = runtime.hub.query("SELECT action, object, detail->>'reason' FROM haul.audit_log WHERE action LIKE 'breaker%' ORDER BY at")
    assert [tuple(row) for row in rows] == [("breaker.open", "thing:w1/shop", "it moves house"),
                                            ("breaker.close", "thing:w1/shop", "it has moved")]
    runtime.haul.run("breakers", "open", "thing:w1/shop", status=2)
    runtime.haul.run("breakers", "close", "shop", "--reason", "x", status=2)


def test_what_was_let_through_before_it_opened_does_not_begin(runtime, down):
    """Quick jobs are claimed ahead; what opens meanwhile holds them too, and no attempt is counted."""
    worker = runtime.start(**BREAKERS, HAUL_JOB_THREADS=1)
    down.unlink()
    for job in [runtime.send(kind="noop") for _ in range(60)]:  # jobs are quick here
        runtime.haul.wait_succeeded(job)
    first = depend(runtime, down, on="mill", sleep_ms=4000)
    wait_for(lambda: runtime.effects(first), "the slow one to run")
    ahead = [depend(runtime, down) for _ in range(20)]
    wait_for(lambda: sum(row is not None and row.state == "running" for row in map(runtime.ledger, ahead)) == 20,
             "all to be claimed", 3)
    runtime.haul.run("breakers", "open", "thing:w1/shop", "--reason", "it moves house")
    wait_for(lambda: worker.metric("haul_breakers", state="forced_open") == 1, "the worker to know", 2)
    runtime.haul.wait_succeeded(first)
    for job in ahead:
        assert runtime.haul.wait_event(job, "retrying")["data"]["error"]["code"] == "breaker.open"
    assert runs(runtime, ahead) == 0
    assert all(event["state"] != "started" for job in ahead for event in runtime.haul.events_of(job))
    runtime.haul.run("breakers", "close", "thing:w1/shop", "--reason", "it has moved")
    for job in ahead:
        assert runtime.haul.wait_succeeded(job)["attempt"] == 1 and len(runtime.effects(job)) == 1


def redis_of(runtime):
    return runtime.haul.servers.connect_redis(admin=True, db=int(runtime.haul.redis_url.rsplit("/", 1)[1]))


def is_forced(runtime):
    """In Redis, whatever the hub says."""
    return any(value.startswith("forced_open") for value in
               redis_of(runtime).hgetall(f"{runtime.haul.prefix}breakers").values())


@pytest.mark.faults
def test_what_an_operator_opened_outlives_redis(runtime, down):
    """FLUSHALL, again and again, and a worker that starts behind it: nothing is let through."""
    workers = start_two(runtime)
    down.unlink()
    runtime.haul.run("breakers", "open", "thing:w1/shop", "--reason", "it moves house")
    wait_for(lambda: all(worker.metric("haul_breakers", state="forced_open") == 1 for worker in workers), "both to look")
    before = listed(runtime)["thing:w1/shop"]
    jobs = [depend(runtime, down) for _ in range(4)]
    for number in range(3):
        redis_of(runtime).flushall()
        jobs.append(depend(runtime, down))
        if number == 1:
            start_two(runtime)
        wait_for(lambda: is_forced(runtime), "Redis to be told again", 3)
        row = listed(runtime)["thing:w1/shop"]
        assert (row["reason"], row["since"], row["by"]) == ("it moves house", before["since"], before["by"])
    for job in jobs:
        runtime.haul.wait_event(job, "retrying")
    time.sleep(2 * OPEN_S)
    for job in jobs:
        assert runtime.effects(job) == [] and set(codes_of(runtime, job)) == {"breaker.open"}
    runtime.haul.run("breakers", "close", "thing:w1/shop", "--reason", "it has moved")
    for job in jobs:
        assert runtime.haul.wait_succeeded(job)["attempt"] == 1
    redis_of(runtime).flushall()
    time.sleep(1.2)
    assert listed(runtime) == {} and not is_forced(runtime)


def test_a_replica_of_redis_that_was_behind_is_set_right(runtime, down):
    """What a fail-over brings back is an older order: the later one stands, both ways."""
    start_two(runtime)
    down.unlink()
    redis, key, index = redis_of(runtime), f"{runtime.haul.prefix}breaker:thing:w1/shop", f"{runtime.haul.prefix}breakers"
    runtime.haul.run("breakers", "open", "thing:w1/shop", "--reason", "it moves house")
    opened = redis.hgetall(key), redis.hgetall(index)
    runtime.haul.run("breakers", "close", "thing:w1/shop", "--reason", "it has moved")
    closed = redis.hgetall(key)
    redis.hset(key, mapping=opened[0])
    redis.hset(index, mapping=opened[1])
    wait_for(lambda: not is_forced(runtime), "the older order to be lifted", 10)
    runtime.haul.wait_succeeded(depend(runtime, down))
    runtime.haul.run("breakers", "open", "thing:w1/shop", "--reason", "it moves again")
    time.sleep(1.2)
    redis.delete(index)
    redis.hset(key, mapping=closed)
    held = depend(runtime, down)
    assert runtime.haul.wait_event(held, "retrying")["data"]["error"]["code"] == "breaker.open"
    wait_for(lambda: is_forced(runtime), "the later order to be told", 3)
    assert runtime.effects(held) == []


def test_an_order_that_reached_the_hub_alone(runtime, down):
    """The command died between its two writes, or Redis was away: workers tell Redis."""
    start_two(runtime)
    down.unlink()
    nowhere = {"HAUL_REDIS_URL": "redis://127.0.0.1:1"}
    said = runtime.haul.run("breakers", "open", "thing:w1/shop", "--reason", "it moves house", env=nowhere, status=5)
    assert "stands in the hub" in said.err
    assert listed(runtime)["thing:w1/shop"]["reason"] == "it moves house"  # before any worker has looked
    wait_for(lambda: is_forced(runtime), "a worker to tell Redis", 10)
    time.sleep(1.2)
    held = depend(runtime, down)
    assert runtime.haul.wait_event(held, "retrying")["data"]["error"]["code"] == "breaker.open"
    runtime.haul.run("breakers", "close", "thing:w1/shop", "--reason", "it has moved", env=nowhere, status=5)
    assert runtime.haul.wait_succeeded(held)["attempt"] == 1
    assert not is_forced(runtime)


@pytest.mark.faults
def test_without_the_hub_what_is_known_is_held(runtime, down):
    worker = runtime.start(**BREAKERS)
    down.unlink()
    runtime.haul.run("breakers", "open", "thing:w1/shop", "--reason", "it moves house")
    wait_for(lambda: worker.metric("haul_breakers", state="forced_open") == 1, "it to look")
    time.sleep(5)  # it asks the hub every 5 seconds
    runtime.haul.servers.pause("postgres")
    redis_of(runtime).flushall()
    wait_for(lambda: is_forced(runtime), "Redis to be told from memory", 20)
    rows = runtime.haul.run("breakers", "list", "--json", env={"HAUL_HUB_CONNECT_TIMEOUT_MS": "500"})
    assert rows.json[0]["state"] == "forced_open" and "without who ordered it" in rows.err
    runtime.haul.servers.resume("postgres")
    held = depend(runtime, down)
    assert runtime.haul.wait_event(held, "retrying")["data"]["error"]["code"] == "breaker.open"


def test_what_everybody_needs_is_one_breaker_for_all(runtime, down):
    start_two(runtime)
    runtime.haul.run("breakers", "open", "shared:mail", "--reason", "its owner asked")
    time.sleep(1.2)
    down.unlink()
    jobs = [depend(runtime, down, also_on="mail", workspace_id=workspace) for workspace in ("w1", "w2")]
    free = depend(runtime, down)
    for job in jobs:
        assert runtime.haul.wait_event(job, "retrying")["data"]["error"]["code"] == "breaker.open"
    runtime.haul.wait_succeeded(free)
    runtime.haul.run("breakers", "close", "shared:mail", "--reason", "it is back")
    for job in jobs:
        runtime.haul.wait_succeeded(job)


@pytest.mark.faults
def test_without_redis_each_worker_decides(runtime, down):
    worker = runtime.start(**BREAKERS, HAUL_REDIS_COMMAND_TIMEOUT_MS=300)
    runtime.haul.servers.pause("redis")
    wait_for(lambda: worker.metric("haul_breakers_local") == 1, "it to notice")
    failed = [depend(runtime, down, kind="depend_idle", max_attempts=50) for _ in range(6)]
    wait_for(lambda: worker.metric("haul_breakers", state="open") == 1, "the local breaker to open")
    time.sleep(0.3)
    held = depend(runtime, down, kind="depend_idle", max_attempts=1)
    assert runtime.haul.wait_event(held, "retrying")["data"]["error"]["code"] == "breaker.open"
    down.unlink()
    for job in [*failed, held]:
        runtime.haul.wait_succeeded(job)
    runtime.haul.servers.resume("redis")
    wait_for(lambda: worker.metric("haul_breakers_local") == 0, "the fleet to be asked again")
    assert listed(runtime) == {}


def test_a_source_that_is_down_opens_its_connection(haul, postgres_database):
    haul.start_worker(HAUL_BREAKER_OPEN_MS=3000, HAUL_BREAKER_MINIMUM_CALLS=2, HAUL_RETRY_SCALE_PERCENT=5)
    postgres_database.query("CREATE TABLE t (id int PRIMARY KEY)")
    haul.add_database("to", postgres_database)
    haul.add_connection("from", "postgres", host="127.0.0.1", port=1, user="u", password="p", database="d")
    sync = {"sync_id": "s", "source": {"connection_id": "from", "table": "t"},
            "target": {"connection_id": "to", "table": "copy"}}
    job = haul.send(sync)
    wait_for(lambda: [row["dependency"] for row in haul.run("breakers", "list", "--json").json]
             == ["connection:w1/from"], "the source's breaker to open")
    wait_for(lambda: "breaker.open" in [event["data"]["error"]["code"] for event in haul.events_of(job)
                                        if event["state"] == "retrying"], "the job to be held")
    haul.run("connection", "remove", "from", "--workspace", "w1", "--force")
    haul.add_database("from", postgres_database)
    haul.wait_succeeded(job)
    assert haul.run("breakers", "list", "--json").json == []
