"""What a workspace may take of the fleet, over two worker processes, and what its bursts leave."""

import json
import os
import time
from datetime import datetime

import pytest
from chaos.check import read_commits
from e2e.test_runtime import make_runtime

from harness.haul import event_of, make_job
from harness.waiting import wait_for


@pytest.fixture
def runtime(bare_haul):
    """With partitions enough for two workers."""
    return make_runtime(bare_haul, partitions=4)


def spans(runtime, jobs):
    """(begin, end) of each job's run, by its events' times."""
    found = []
    for job in jobs:
        times = {event["state"]: event["time"] for event in runtime.haul.events_of(job)}
        found.append((times["started"], times["succeeded"]))
    return found


def most_at_once(spans):
    steps = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def test_a_workspace_has_a_cap_over_all_workers(runtime):
    workers = [runtime.start(HAUL_JOB_THREADS=6, HAUL_WORKSPACE_JOBS_MAX=3) for _ in range(2)]
    greedy = [runtime.send(sleep_ms=1200, workspace_id="greedy", members={"subject": f"s{i}"}) for i in range(14)]
    small = [runtime.send(sleep_ms=1200, workspace_id=f"small{i}", members={"subject": f"s{i}"}) for i in range(4)]
    for job in [*small, *greedy]:
        runtime.haul.wait_succeeded(job)
    assert most_at_once(spans(runtime, greedy)) == 3
    assert most_at_once(spans(runtime, small)) == 4
    assert all(worker.metric("haul_job_attempts_total", kind="effect", outcome="succeeded") > 0 for worker in workers)
    runtime.wait_committed()


def produce(producer, topic, text, key, headers=None):
    producer.poll(0)
    while True:
        try:
            producer.produce(topic, text, key, headers=headers)
            return
        except BufferError:
            producer.poll(0.1)


def flood(runtime, kind, count, headers=None, subjects=None, broken=(), how=None, between=None, by="", **data):
    """Very many jobs of one workspace, at once; what was sent last, by its key. Those that are broken have `how` in them.
    Behind each comes one of the kind and data that are `between`, of the same subject. They come by the topic of the class that is `by`."""
    sent = {}
    producer = runtime.haul.servers.producer("plain")
    for i in range(count):
        subject = f"s{i % (subjects or count)}"
        text = json.dumps(make_job(kind, {"workspace_id": "greedy", **data}, f"{runtime.haul.prefix}flood{i}", subject=subject))
        if i in broken:
            text = text.replace('"data":', f'"n": {how}, "data":')
        produce(producer, runtime.topic + by, text, subject, headers)
        sent[subject] = text
        if between is not None:
            what, data_between = between
            data_between = {**data_between, "workspace_id": data_between["workspace_id"].format(i)}
            other = make_job(what, data_between, f"{runtime.haul.prefix}between{i}", subject=subject)
            produce(producer, runtime.topic + by, json.dumps(other), subject)
    assert producer.flush(30) == 0
    return sent


def begun_before(runtime, job):
    """Jobs of the flood that had begun when this one did."""
    began = next(event["time"] for event in runtime.haul.events_of(job) if event["state"] == "started")
    events = [event_of(message) for message in list(runtime.haul.events.messages) if b"flood" in message.key()]
    return sum(event["state"] == "started" and event["time"] < began for event in events)


def passed_by(worker):
    """Records that are to be read later, or have moved."""
    return worker.metric("haul_records_left") + worker.metric("haul_jobs_demoted_total")


DEPEND, ORDERED = {"kind": "depend", "on": "x"}, {"kind": "effect"}


@pytest.mark.parametrize("workers, threads, count, what", [(2, 2, 10000, DEPEND), (1, 64, 20000, DEPEND), (2, 2, 10000, ORDERED)])
def test_a_lone_job_does_not_wait_behind_a_workspace_with_very_many(runtime, workers, threads, count, what):
    """HAUL_TEST_FLOOD=100000 is the size that is promised; the tests run a tenth or a fifth of it.

    By 64 threads the buffer alone is soon worked off: it is what stands unread that takes long.
    """
    count = int(os.environ.get("HAUL_TEST_FLOOD", count))
    flood(runtime, count=count, sleep_ms=5, **what)  # before: how fast that goes is the machine's
    for _ in range(workers):
        runtime.start(HAUL_JOB_THREADS=threads)
    lone = [runtime.send("noop", workspace_id="lone", job_id=f"{runtime.haul.prefix}lone{i}") for i in range(10)]
    for job in lone:
        runtime.haul.wait_event(job, "started")
    wait_for(lambda: sum(passed_by(worker) for worker in runtime.haul.workers) > count / 2, "most of it to be passed by")
    # How soon is measured by `tools/bench runtime`.
    assert max(begun_before(runtime, job) for job in lone) < count / 2


def send_lone(runtime, by):
    """Ten jobs of another workspace, that come by a class's topic; that they end is waited for."""
    lone = [f"{runtime.haul.prefix}lone{i}" for i in range(10)]
    for job in lone:
        text = json.dumps(make_job("noop", {"workspace_id": "lone"}, job))
        runtime.haul.topics.produce(runtime.topic + by, text, job)
    for job in lone:
        runtime.haul.wait_succeeded(job)
    return lone


@pytest.mark.parametrize("what", [DEPEND, ORDERED], ids=["no order", "ordered"])
def test_a_lone_bulk_job_does_not_wait_behind_a_workspace_with_very_many(runtime, what):
    count = 6000
    flood(runtime, count=count, by=".bulk", sleep_ms=5, **what)
    workers = [runtime.start(HAUL_JOB_THREADS=2) for _ in range(2)]
    lone = send_lone(runtime, ".bulk")
    assert max(begun_before(runtime, job) for job in lone) < count / 4
    assert moved(workers) == 0


def test_a_lone_bulk_job_does_not_wait_behind_what_has_moved(bare_haul):
    """Long jobs, of which the half of the buffer that is for bulk jobs would be full for minutes."""
    count = 600
    runtime = make_runtime(bare_haul)
    worker = runtime.start(HAUL_BUFFERED_JOBS_MAX=64, HAUL_JOB_THREADS=2)
    flood(runtime, "depend", count, sleep_ms=400, on="x")
    wait_for(lambda: worker.metric("haul_jobs_demoted_total") > count * 0.9, "most of it to move")
    assert max(begun_before(runtime, job) for job in send_lone(runtime, ".bulk")) < count / 4


def succeeded(runtime, count, name="flood"):
    """All of them, as they were sent."""
    jobs = [f"{runtime.haul.prefix}{name}{i}" for i in range(count)]
    for job in jobs:
        runtime.haul.wait_succeeded(job)
    return jobs


def assert_in_order(runtime, jobs, subjects):
    """Jobs of one subject run one after the other, as they were sent, by whatever way they came."""
    runs = spans(runtime, jobs)
    for i in range(subjects, len(jobs)):
        assert runs[i - subjects][1] <= runs[i][0], i


def fences_of(runtime, jobs):
    """Those of each job's runs, of which most have one."""
    fences = {job: [] for job in jobs}
    for job, fence in runtime.hub.query("SELECT job_id, fence FROM effects"):
        fences.get(job, []).append(fence)
    return fences


def moved(workers):
    return sum(worker.metric("haul_jobs_demoted_total") for worker in workers)


# Of two workspaces the one runs one job at a time, and the other waits behind it in each partition: there is room for
# the other alone, and what is in its way moves.
IN_THE_WAY = {"HAUL_BUFFERED_JOBS_MAX": 64, "HAUL_JOB_THREADS": 2, "HAUL_WORKSPACE_JOBS_MAX": 1}
BETWEEN = "effect", {"workspace_id": "quick", "sleep_ms": 0}


@pytest.mark.parametrize("by", ["", ".bulk"], ids=["default", "bulk"])
def test_what_is_left_keeps_its_order(runtime, by):
    """It is read past, and hardly any of it moves."""
    count = 900
    workers = [runtime.start(HAUL_BUFFERED_JOBS_MAX=64, HAUL_JOB_THREADS=2) for _ in range(2)]
    flood(runtime, "effect", count, subjects=90, by=by, sleep_ms=20)
    wait_for(lambda: sum(worker.metric("haul_records_left") for worker in workers) > count / 4, "much of it to be left")
    assert_in_order(runtime, succeeded(runtime, count), 90)
    assert moved(workers) < count / 4
    runtime.wait_committed()
    wait_for(lambda: all(worker.metric("haul_records_left") == 0 for worker in workers), "nothing to be left")


@pytest.mark.parametrize("by", ["", ".bulk"], ids=["default", "bulk"])
def test_what_is_left_outlives_its_worker(runtime, by):
    """It is read again by whoever gets the partition."""
    count = 600
    first = runtime.start(HAUL_BUFFERED_JOBS_MAX=64, HAUL_JOB_THREADS=2)
    flood(runtime, "effect", count, subjects=60, by=by, sleep_ms=10)
    wait_for(lambda: first.metric("haul_records_left") > count / 4, "much of it to be left")
    second = runtime.start(HAUL_BUFFERED_JOBS_MAX=64, HAUL_JOB_THREADS=2)
    wait_for(lambda: second.metric("haul_partitions_assigned") > 0, "a share of the partitions")
    first.kill()
    jobs = succeeded(runtime, count)
    fences = fences_of(runtime, jobs)  # a started event may have died with its worker
    assert all(max(fences[jobs[i - 60]]) < min(fences[jobs[i]]) for i in range(60, count))
    runtime.wait_committed()


def test_what_moves_keeps_its_order(runtime):
    count = 600
    workers = [runtime.start(**IN_THE_WAY) for _ in range(2)]
    flood(runtime, "effect", count, subjects=60, sleep_ms=15, between=BETWEEN)
    assert_in_order(runtime, succeeded(runtime, count, "between"), 60)
    assert_in_order(runtime, succeeded(runtime, count), 60)
    assert moved(workers) > count / 4


def test_what_moves_in_some_batches_of_places_keeps_its_order(runtime):
    """All that is in a large buffer, when it is known how long that takes."""
    count = 3000
    workers = [runtime.start(HAUL_BUFFERED_JOBS_MAX=1400, HAUL_JOB_THREADS=2) for _ in range(2)]
    flood(runtime, "effect", count, subjects=300, sleep_ms=10)
    assert_in_order(runtime, succeeded(runtime, count), 300)
    assert moved(workers) > count / 4


@pytest.mark.parametrize("what", [DEPEND, ORDERED], ids=["no order", "ordered"])
def test_a_partition_of_one_workspace_is_read_past(bare_haul, what):
    """Its first jobs hold back the commits, and what comes after tens of thousands of them begins all the same."""
    count = int(os.environ.get("HAUL_TEST_FLOOD", 40000))
    runtime = make_runtime(bare_haul, partitions=1)
    worker = runtime.start(HAUL_JOB_THREADS=4, HAUL_WORKSPACE_JOBS_MAX=2)
    flood(runtime, count=count, subjects=100, sleep_ms=300000, **what)
    wait_for(lambda: passed_by(worker) > count - 1100, "all but what is buffered to be passed by")
    runtime.haul.wait_succeeded(runtime.send("noop", workspace_id="lone"))
    wait_for(lambda: worker.metric("haul_offsets_uncommitted") > count, "the gauge, set once a commit interval")


def test_a_map_that_is_full_makes_room(bare_haul):
    """Every second job is done at once: where the commit can hold no more of that, what was left moves."""
    count = 24000
    runtime = make_runtime(bare_haul, partitions=1)
    worker = runtime.start(HAUL_JOB_THREADS=2, HAUL_WORKSPACE_JOBS_MAX=1)
    flood(runtime, "effect", count, subjects=100, sleep_ms=20, between=("idle", {"workspace_id": "w{}"}))
    wait_for(lambda: worker.metric("haul_job_attempts_total", kind="idle", outcome="succeeded") == count, "the others",
             timeout_s=60)
    assert worker.metric("haul_jobs_demoted_total") > 1000
    worker.stop()
    longest = max(len(text) for _, (_, text) in read_commits(runtime.haul.topics, runtime.group))
    assert 2048 < longest <= 4096, f"the longest map has {longest} characters"


@pytest.mark.parametrize("how, code", [("tru", "json.syntax"), (str([0] * 20000), "job.too_large")], ids=["no JSON", "too large"])
@pytest.mark.parametrize("way", ["left", "moved"])
def test_what_does_not_stay_and_is_no_job_holds_nobody(runtime, way, how, code):
    """It ends in its turn, like the others: those behind it run."""
    count, subjects, broken = 600, 60, range(120, 420, 7)
    between = BETWEEN if way == "moved" else None
    flood(runtime, "effect", count, subjects=subjects, broken=broken, how=how, between=between, sleep_ms=10)
    workers = [runtime.start(**IN_THE_WAY, HAUL_JOB_MEMORY_BYTES=65536) for _ in range(2)]
    for i in range(count):
        job = f"{runtime.haul.prefix}flood{i}"
        if i in broken:
            assert runtime.haul.wait_event(job, "dead_lettered")["data"]["error"]["code"] == code
        else:
            runtime.haul.wait_succeeded(job)
    if between is not None:
        succeeded(runtime, count, "between")
    assert (moved(workers) > count / 4) == (way == "moved")
    assert runtime.hub.query("SELECT count(*) FROM haul.ledger WHERE finished_at IS NULL OR place IS NOT NULL") == [(0,)]


def test_what_moves_stays_as_it_was(bare_haul):
    """Bytes, key and headers; and where it was first is told."""
    runtime = make_runtime(bare_haul)
    worker = runtime.start(HAUL_BUFFERED_JOBS_MAX=64, HAUL_JOB_THREADS=2)
    sent = flood(runtime, "depend", 400, headers={"tenant": "blue"}, sleep_ms=100, on="x")
    wait_for(lambda: worker.metric("haul_jobs_demoted_total") > 200, "most of it to move")
    there = runtime.haul.topics.read(f"{runtime.topic}.bulk")
    assert len(there) > 100
    for message in there:
        headers = dict(message.headers())
        assert sent[message.key().decode()] == message.value().decode()
        assert headers["tenant"] == b"blue" and headers["haul-first-topic"].decode() == runtime.topic
        assert {"haul-first-partition", "haul-first-offset"} <= set(headers)


def test_short_jobs_that_nobody_waits_behind_stay_where_they_are(runtime):
    worker = runtime.start(HAUL_BUFFERED_JOBS_MAX=256)
    flood(runtime, "idle", 5000)
    wait_for(lambda: worker.metric("haul_job_attempts_total", kind="idle", outcome="succeeded") == 5000, "the flood's end")
    assert worker.metric("haul_jobs_demoted_total") == 0


def test_a_burst_of_long_jobs_makes_room(bare_haul):
    """It fills the buffer before anybody knows how long its jobs take."""
    runtime = make_runtime(bare_haul)
    worker = runtime.start(HAUL_BUFFERED_JOBS_MAX=64, HAUL_JOB_THREADS=2)
    flood(runtime, "depend", 300, sleep_ms=400, on="x")
    began = time.monotonic()
    runtime.haul.wait_event(runtime.send("noop", workspace_id="lone"), "started")
    # A minute's work is before it.
    assert time.monotonic() - began < 10
    assert worker.metric("haul_jobs_demoted_total") > 200


@pytest.mark.memory
def test_the_memory_of_a_burst_is_given_back(runtime):
    count = 8000
    worker = runtime.start(HAUL_BUFFERED_JOBS_MAX=4096)
    runtime.haul.wait_succeeded(runtime.send())
    before = worker.memory_kib("VmRSS")
    flood(runtime, "noop", count)
    wait_for(lambda: worker.metric("haul_job_attempts_total", kind="noop", outcome="succeeded") == count, "the burst's end")
    peak = worker.memory_kib()
    wait_for(lambda: worker.memory_kib("VmRSS") - before < (peak - before) / 2, "what it took to be given back")


def ends(runtime, jobs):
    """When each succeeded, in seconds, in order."""
    return sorted(datetime.fromisoformat(event["time"]).timestamp()
                  for job in jobs for event in runtime.haul.events_of(job) if event["state"] == "succeeded")


def test_a_rate_limit_holds_over_all_workers(runtime):
    for _ in range(2):
        runtime.start(HAUL_JOB_THREADS=4)
    jobs = [runtime.send("rated", per_second=10, burst=2, wait_max_ms=300, workspace_id=f"w{i % 2}") for i in range(40)]
    for job in jobs:
        assert runtime.haul.wait_succeeded(job)["attempt"] == 1
    times = ends(runtime, jobs)
    for first in times:
        # 10 a second and 2 at once; two more for what an event's own time may differ.
        assert len([at for at in times if first <= at < first + 1]) <= 14, times
    assert {event["data"]["error"]["code"] for job in jobs for event in runtime.haul.events_of(job)
            if event["state"] == "retrying"} <= {"rate.limited"}


def test_a_provider_that_asks_for_a_pause_gets_it(runtime):
    for _ in range(2):
        runtime.start()
    first = runtime.send("rated", per_second=1000, burst=100, retry_after="3")
    runtime.haul.wait_succeeded(first)
    job = runtime.send("rated", per_second=1000, burst=100)
    assert runtime.haul.wait_event(job, "retrying")["data"]["error"]["code"] == "rate.limited"
    assert runtime.haul.wait_succeeded(job)["attempt"] == 1
    told, went_on = ends(runtime, [first, job])
    assert went_on - told >= 2.9
