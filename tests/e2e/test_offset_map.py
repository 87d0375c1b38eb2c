"""Jobs of one partition end in any order: what the commits' metadata tells the next reader, on real Kafka."""

import json

from confluent_kafka import Consumer, TopicPartition

from chaos.check import read_commits
from e2e.test_runtime import TIERS, WORKER, cancel, runtime  # noqa: F401
from harness.haul import make_job
from harness.waiting import wait_for

NOTHING_MOVES = {"HAUL_WORKSPACE_BACKLOG_MS": 86400000}  # to the bulk topic, however slow the machine is
FIRST = 0  # every job of these tests is in this partition


def send_many(runtime, kind, numbers, workspaces=("w1",), **data):
    """Jobs in one partition, in order, by turns of the workspaces; delivered when this returns. Gives their ids."""
    producer = runtime.haul.servers.producer()
    ids = [f"{kind}-{number}" for number in numbers]
    for number, job_id in enumerate(ids):
        job = make_job(kind, {"workspace_id": workspaces[number % len(workspaces)], **data}, job_id)
        while True:
            try:
                producer.produce(runtime.topic, json.dumps(job), job_id, partition=FIRST)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    assert producer.flush(60) == 0
    return ids


def committed(runtime):
    """The partition's committed offset."""
    consumer = Consumer({**runtime.haul.servers.kafka_options(), "group.id": runtime.group})
    try:
        [at] = consumer.committed([TopicPartition(runtime.topic, FIRST)], timeout=20)
        return at.offset
    finally:
        consumer.close()


def test_what_was_done_beyond_is_left_out_after_a_kill(runtime):
    """The jobs behind a long one are done; the worker is killed; only the long one is done again."""
    worker = runtime.start(HAUL_JOB_THREADS=4, HAUL_COMMIT_INTERVAL_MS=100)
    [head] = send_many(runtime, "effect", [0], sleep_ms=4000)
    quick = send_many(runtime, "effect", range(1, 41))
    for job in quick:
        runtime.haul.wait_succeeded(job)
    wait_for(lambda: worker.metric("haul_offsets_complete_beyond") == 40, "the jobs beyond")
    wait_for(lambda: committed(runtime) == 0, "the commit that holds only a map")
    assert worker.metric("haul_offsets_uncommitted") == 41 and worker.metric("haul_offsets_incomplete") == 1
    worker.kill()
    second = runtime.start(HAUL_JOB_THREADS=4)
    runtime.haul.wait_succeeded(head)
    runtime.wait_committed()
    assert second.metric("haul_records_known_total") == 40
    assert second.metric("haul_redelivered_total") == 0  # not even the ledger was asked
    assert [runtime.effects(job) for job in quick] == [[(1, True)]] * 40
    assert len(runtime.effects(head)) == 2
    assert committed(runtime) == 41
    assert all(len(runtime.ends(job)) == 1 for job in quick)


def test_at_rest_a_commit_comes_before_its_interval_is_over(runtime):
    worker = runtime.start(HAUL_COMMIT_INTERVAL_MS=30000)
    [job] = send_many(runtime, "effect", [0])
    runtime.haul.wait_succeeded(job)
    wait_for(lambda: committed(runtime) == 1, "the commit", 15)
    assert worker.stop() == 0


def test_a_commit_beyond_the_log_is_begun_anew(runtime):
    """The log was lost and made anew, the group's commit was not: nothing is left out."""
    stranger = Consumer({**runtime.haul.servers.kafka_options(), "group.id": runtime.group})
    stranger.commit(offsets=[TopicPartition(runtime.topic, FIRST, 5000)], asynchronous=False)
    stranger.close()
    ids = send_many(runtime, "effect", range(5))
    runtime.start()
    for job in ids:
        runtime.haul.wait_succeeded(job)
    wait_for(lambda: committed(runtime) == 5, "the commit to stand in the log again")


def test_a_stuck_head_is_given_up(runtime):
    """One job holds back a partition of tens of thousands that are done: it is stopped, and told why."""
    worker = runtime.start(HAUL_JOB_THREADS=4, HAUL_HEAD_OF_LINE_MS=500, HAUL_BUFFERED_JOBS_MAX=5000, **NOTHING_MOVES)
    [head] = send_many(runtime, "effect", [0], sleep_ms=300000)
    wait_for(lambda: runtime.effects(head) == [(1, False)], "the head to run")
    send_many(runtime, "idle", range(31000))
    data = runtime.haul.wait_dead(head, 90)
    assert data["error"]["code"] == "job.head_of_line"
    assert worker.metric("haul_heads_stopped_total") == 1
    wait_for(lambda: committed(runtime) == 31001, "all offsets to be committed", 60)
    [letter] = runtime.dead_letters()
    assert dict(letter.headers())["haul-error-code"] == b"job.head_of_line"
    assert runtime.effects(head) == [(1, False)]
    assert worker.stop() == 0


def test_the_window_is_a_bound(runtime):
    """Behind a head that may go on, reading stops when the window is full, and goes on after it."""
    worker = runtime.start(HAUL_JOB_THREADS=4, HAUL_HEAD_OF_LINE_MS=600000, HAUL_BUFFERED_JOBS_MAX=5000, **NOTHING_MOVES)
    [head] = send_many(runtime, "effect", [0], sleep_ms=300000)
    wait_for(lambda: runtime.effects(head) == [(1, False)], "the head to run")
    send_many(runtime, "idle", range(264000))
    wait_for(lambda: worker.metric("haul_partitions_paused") >= 1 and worker.metric("haul_offsets_incomplete") == 1, "the full window", 60)
    read = worker.metric("haul_records_read_total")
    assert 230000 <= read <= 262144
    assert committed(runtime) in (0, -1001)
    assert cancel(runtime, head) == "asked"
    runtime.haul.wait_event(head, "cancelled")
    wait_for(lambda: committed(runtime) == 264001, "all offsets to be committed", 60)
    assert WORKER and worker.stop() == 0


def maps_of(runtime):
    """The texts of the group's commits so far."""
    return [text for _, (_, text) in read_commits(runtime.haul.topics, runtime.group) if text]


def leave_every_second(runtime, pairs):
    """All are read, then one of each two is done: the others are of a workspace that has a cap, and its one job runs."""
    worker = runtime.start(HAUL_JOB_THREADS=2, HAUL_WORKSPACE_JOBS_MAX=1, HAUL_BUFFERED_JOBS_MAX=100000, **NOTHING_MOVES)
    head, first = [runtime.send(sleep_ms=300000, workspace_id=name) for name in ("capped", "free0")]
    for job in (head, first):
        wait_for(lambda job=job: runtime.effects(job) == [(1, False)], f"{job} to run")
    turns = [name for number in range(200) for name in (f"free{number}", "capped")]  # so that few of the latter are tried
    send_many(runtime, "noop", range(2 * pairs), workspaces=turns)
    wait_for(lambda: worker.metric("haul_records_read_total") == 2 * pairs + 2, "all to be read", 60)
    assert cancel(runtime, first) == "asked"
    return worker, head, first


def done(runtime):
    """How many of those that were sent."""
    [(count,)] = runtime.hub.query("SELECT count(*) FROM haul.ledger WHERE kind = 'noop' AND state = 'succeeded'")
    return count


def finish_elsewhere(runtime, worker, head, pairs):
    """It dies, and another one does what is left, and nothing else."""
    worker.kill()
    assert cancel(runtime, head) == "asked"
    second = runtime.start(HAUL_JOB_THREADS=4)
    wait_for(lambda: committed(runtime) == 2 * pairs + 2, "all offsets to be committed", 120)
    assert done(runtime) == 2 * pairs
    assert second.metric("haul_job_attempts_total", kind="noop", outcome="succeeded") == pairs, "nothing was done twice"
    return second


def test_a_map_of_all_that_a_commit_holds(runtime):
    """Kafka takes 4096 characters: of 24,000 jobs each second one is done."""
    pairs = 12000
    worker, head, _ = leave_every_second(runtime, pairs)
    wait_for(lambda: done(runtime) == pairs, "one of each two", 120)
    wait_for(lambda: max(map(len, maps_of(runtime)), default=0) > 3900, "the map to be that large", every_s=0.5)
    second = finish_elsewhere(runtime, worker, head, pairs)
    assert max(map(len, maps_of(runtime))) <= 4096
    assert second.metric("haul_records_known_total") > 0.95 * pairs and second.metric("haul_redelivered_total") < 0.05 * pairs


def test_a_map_that_no_commit_holds_is_left_out(runtime):
    """Then the ledger alone knows what is done."""
    pairs = 14000
    worker, head, _ = leave_every_second(runtime, pairs)
    wait_for(lambda: done(runtime) == pairs, "one of each two", 120)
    wait_for(lambda: any(line["event"] == "kafka.map_too_large" for line in worker.log_lines()), "the map to be too large")
    second = finish_elsewhere(runtime, worker, head, pairs)
    assert max(map(len, maps_of(runtime))) <= 4096
    assert second.metric("haul_records_known_total") + second.metric("haul_redelivered_total") >= pairs


def test_how_much_waits_is_told(runtime):
    """By retry tier and by class of priority, what was not read yet too."""
    worker = runtime.start(HAUL_RETRY_SCALE_PERCENT=100, HAUL_JOB_THREADS=1, HAUL_BUFFERED_JOBS_MAX=1, HAUL_COMMIT_INTERVAL_MS=20)
    [failing] = send_many(runtime, "effect", ["failing"], fail="retry")
    runtime.haul.wait_event(failing, "retrying")
    wait_for(lambda: sum(worker.metric("haul_retry_waiting", tier=tier) for tier in TIERS) == 1, "the job that waits")
    send_many(runtime, "effect", range(20), sleep_ms=60000)
    wait_for(lambda: worker.metric("haul_jobs_waiting", **{"class": "default"}) == 20, "the jobs that wait")
    assert worker.metric("haul_jobs_waiting", **{"class": "bulk"}) == 0


def test_the_trace_goes_through_retries_to_the_dead_letter(runtime):
    trace = "0af7651916cd43dd8448eb211c80319c"
    runtime.start()
    job = runtime.send(fail="retry", members={"traceparent": f"00-{trace}-b7ad6b7169203331-01"}, max_attempts=2)
    runtime.haul.wait_dead(job)
    traces = {(event["state"], event["traceparent"].split("-")[1]) for event in runtime.haul.events_of(job)}
    assert {state for state, _ in traces} >= {"accepted", "started", "retrying", "dead_lettered"}
    assert {found for _, found in traces} == {trace}
    [letter] = runtime.wait_dead_letters(1)
    retried = [message for tier in TIERS for message in runtime.haul.topics.read(f"{runtime.topic}.retry.{tier}")]
    assert [dict(message.headers())["traceparent"].decode().split("-")[1] for message in [letter, *retried]] == [trace, trace]
