"""The fault table of ARCHITECTURE.md, "Faults of the runtime": a test a row, with real servers and processes.

Not at random as tools/chaos is: each test brings about one thing, at the moment where it would hurt.
"""

import itertools
import json
import signal
import subprocess
import time
from collections import Counter
from datetime import datetime

import pytest

from chaos.check import headers_of, job_id_in, parse_commit, read_commits
from chaos.stage import HOUR_US, WORKER, Stage
from harness.gates import Gate
from harness.haul import TERMINAL, event_of, job_id_of, make_job
from harness.programs import clean_environment, program_path
from harness.waiting import wait_for

_numbers = itertools.count(1)
RESUMES_WITHIN_S = 30


class Scene:
    """The stage, as a test sees it."""

    def __init__(self, stage):
        self.stage = stage
        self.hub, self.haul, self.slots = stage.hub, stage.haul, stage.slots
        self.haul.events.wait  # noqa: B018 - follows from here on

    def start(self, *numbers, **env):
        for number in numbers:
            self.slots[number].start(**env)
        for number in numbers:
            self.slots[number].worker.wait_ready(60)
        return self.slots[numbers[0]]

    def send(self, kind="apply", job_id=None, subject=None, **data):
        job_id = job_id or f"f{next(_numbers)}"
        self.haul.send(data, kind=kind, worker=WORKER, job_id=job_id, subject=subject or job_id)
        return job_id

    def send_many(self, count, subject, **data):
        """Jobs of one partition, as fast as the broker takes them."""
        producer = self.stage.servers.producer(**{"linger.ms": 5})
        jobs = [f"f{next(_numbers)}" for _ in range(count)]
        for job_id in jobs:
            job = make_job("apply", {"workspace_id": "w1", **data}, job_id, subject=subject)
            producer.produce(self.stage.jobs_topics[0], json.dumps(job), subject)
        assert producer.flush(30) == 0
        return jobs

    def ledger(self, job_id, what="state"):
        rows = self.hub.query(f"SELECT {what} FROM haul.ledger WHERE job_id = %s", job_id)
        return rows[0][0] if rows else None

    def starts(self, job_id):
        """(seconds since the epoch, fence, pid) of each, in order."""
        return self.hub.query("SELECT extract(epoch FROM at)::float8, fence, pid FROM starts WHERE job_id = %s"
                              " ORDER BY at", job_id)

    def applied(self, job_id):
        """The fences it was applied under."""
        return [fence for (fence,) in self.hub.query("SELECT fence FROM applied WHERE job_id = %s ORDER BY number", job_id)]

    def wait_started(self, job_id, times=1):
        wait_for(lambda: len(self.starts(job_id)) >= times, f"start {times} of {job_id}", 60)

    def wait_state(self, state, *job_ids, timeout_s=60):
        def all_there():
            found = dict(self.hub.query("SELECT job_id, state FROM haul.ledger WHERE job_id = ANY(%s)", list(job_ids)))
            missing = {job: found.get(job) for job in job_ids if found.get(job) != state}
            assert not missing, f"{len(missing)} of {len(job_ids)} are not: {dict(list(missing.items())[:10])}"
            return True

        wait_for(all_there, state, timeout_s)

    def wait_idle(self):
        """Nobody works: a start that is stale has made its late write, too."""
        wait_for(lambda: not any(slot.worker.metric("haul_jobs_running") for slot in self.slots if slot.is_running()),
                 "nobody to work")

    def wait_committed(self, timeout_s=60):
        wait_for(lambda: not self.stage.lags(), "all offsets to be committed", timeout_s, every_s=0.3)

    def ends(self, job_id):
        """The ids of its terminal events, as often as they were told."""
        return [event["id"] for event in self.haul.events_of(job_id) if event["state"] in TERMINAL]

    def letters(self, job_id):
        """The redrive counts of its dead letters."""
        return sorted(int(headers_of(letter).get("haul-redrive-count", "0"))
                      for letter in self.haul.topics.read(self.stage.dlq_topic) if job_id_in(letter.value()) == job_id)

    def commits(self):
        return read_commits(self.haul.topics, self.stage.group)

    def commit_time(self, commit):
        """When the broker took the first like it, in ms since the epoch."""
        return next(message.timestamp()[1] for message in self.haul.topics.read("__consumer_offsets")
                    if parse_commit(message.key(), message.value()) == (self.stage.group, *commit))

    def end_times(self, job_id):
        """When each of its terminal events was told, in ms since the epoch."""
        return [message.timestamp()[1] for message in list(self.haul.events.messages)
                if job_id_of(message) == job_id and event_of(message)["state"] in TERMINAL]

    def assert_never_back(self):
        last = {}
        for place, (offset, _) in self.commits():
            assert offset >= last.get(place, 0), f"the commit of {place} went back from {last[place]} to {offset}"
            last[place] = offset

    def assert_applied_once(self, *job_ids):
        for job_id in job_ids:
            assert len(self.applied(job_id)) == 1, f"{job_id}: {self.applied(job_id)} of {self.starts(job_id)}"
            assert set(self.ends(job_id)) == {f"{job_id}:succeeded"}, self.ends(job_id)

    def wait_done(self, *job_ids, timeout_s=60):
        """Succeeded, applied once, told, and nothing left behind."""
        self.wait_state("succeeded", *job_ids, timeout_s=timeout_s)
        for job_id in job_ids:
            wait_for(lambda job_id=job_id: self.ends(job_id), f"the end of {job_id} to be told", timeout_s)
        self.wait_committed(timeout_s)
        self.wait_idle()
        self.assert_applied_once(*job_ids)
        self.assert_never_back()

    def replay(self, *options):
        command = [program_path("haul"), "dlq", "replay", "--worker", WORKER, *options]
        return subprocess.Popen(command, env=clean_environment(self.haul.env()), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def end(self):
        self.stage.heal()
        for slot in self.slots:
            if slot.is_running():
                slot.stop()


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    stage = Stage(tmp_path_factory.mktemp("faults"), slots=2, options={"HAUL_JOB_THREADS": 4}, disk=True)
    yield stage
    stage.close()


@pytest.fixture
def scene(stage):
    scene = Scene(stage)
    yield scene
    scene.end()


# --- SIGKILL between effect and commit: redelivered; one ledger row -------------------------------------

def test_killed_between_the_effect_and_the_commit(scene):
    first = scene.start(0)
    job = scene.send(crash_starts=1, crash_late=True)
    assert first.worker.wait_ended(30) == 99
    assert len(scene.applied(job)) == 1 and scene.ledger(job) == "running"
    scene.start(1)
    scene.wait_done(job)
    assert len(scene.starts(job)) == 2, "it was delivered again"
    assert scene.hub.query("SELECT count(*) FROM haul.ledger WHERE job_id = %s", job) == [(1,)]


# --- SIGSTOP longer than the lock's TTL: the stale fence is rejected, its commit dropped ----------------

def test_a_frozen_worker_s_fence_is_stale_when_it_wakes(scene):
    first = scene.start(0)
    job = scene.send(sleep_ms=3000, deaf=True)
    scene.wait_started(job)
    first.signal(signal.SIGSTOP)
    scene.start(1)
    scene.wait_started(job, 2)
    scene.wait_state("succeeded", job)
    first.signal(signal.SIGCONT)
    # The sleeper is deaf: its outcome comes behind its late write.
    wait_for(lambda: first.worker.metric("haul_fenced_total") == 1, "the sleeper's outcome to be refused")
    scene.wait_done(job)
    (_, stale, stale_pid), (_, newest, _) = scene.starts(job)
    assert stale < newest and stale_pid == first.worker.pid
    assert scene.applied(job) == [newest], "the stale fence was refused"


# --- members join and leave once a second: committed never goes back; no gap ----------------------------

def test_members_that_come_and_go_each_second_rewind_nothing(scene):
    scene.start(0)
    jobs, joined, began = [], 0, time.monotonic()
    while joined < 5:
        assert time.monotonic() - began < 60, f"the second member joined {joined} times only"
        scene.slots[1].start()
        jobs += [scene.send(sleep_ms=30) for _ in range(15)]
        time.sleep(1)
        scene.slots[1].stop()
        joined += any(line["event"] == "kafka.assigned" and line["partitions"] > 0
                      for line in scene.slots[1].worker.log_lines())
        jobs += [scene.send(sleep_ms=30) for _ in range(15)]
        time.sleep(1)
    assert scene.slots[0].worker.metric("haul_rebalances_total") > joined
    scene.wait_done(*jobs, timeout_s=90)


# --- partitions lost mid-job: nothing committed from the old epoch --------------------------------------

def lose_partitions(scene, worker):
    """It is cut off from the broker for longer than its session, and gets its partitions again."""
    link = scene.slots[0].links["kafka"]
    link.hold()
    wait_for(lambda: "kafka.lost" in events_in(worker), "the partitions to be lost", 30)
    link.reset()
    link.heal()
    wait_for(lambda: (worker.metric("haul_rebalances_total") or 0) >= 2, "the partitions to be given again", 30)
    assert "kafka.revoked" not in events_in(worker), "they were given back, not lost"


def events_in(worker):
    return [line["event"] for line in worker.log_lines()]


def test_partitions_lost_in_the_middle_of_a_job(scene):
    """The job outlives its epoch: the end of the old delivery completes nothing, the new one's does."""
    worker = scene.start(0, HAUL_COMMIT_INTERVAL_MS=20).worker
    job = scene.send(sleep_ms=14000, deaf=True)
    scene.wait_started(job)
    lose_partitions(scene, worker)
    assert scene.ledger(job) == "running", "the job has outlived its epoch"
    assert sum(scene.stage.lags().values()) == 1, "nothing is committed of it"
    scene.wait_done(job)
    assert len(scene.starts(job)) == 1, "its lease was kept all the time"
    [_, told_anew] = scene.end_times(job)
    assert scene.commit_time(scene.commits()[-1]) >= told_anew, "the old delivery's end was committed"


def test_what_was_complete_when_partitions_were_lost_is_not_committed(scene):
    """Jobs are done behind a long one, and no commit was due: the old epoch tells nothing of them any more."""
    worker = scene.start(0, HAUL_COMMIT_INTERVAL_MS=60000).worker
    before = len(scene.commits())
    long = scene.send(sleep_ms=14000, deaf=True)
    scene.wait_started(long)
    jobs = [scene.send() for _ in range(10)]
    wait_for(lambda: all(scene.ends(job) for job in jobs), "what the old epoch has complete")
    lose_partitions(scene, worker)
    wait_for(lambda: worker.metric("haul_redelivered_total") == len(jobs), "all of it to be delivered again")
    assert scene.ledger(long) == "running"
    assert scene.commits()[before:] == [] and "kafka.not_committed" not in events_in(worker), "it tried to commit"
    wait_for(lambda: len(scene.ends(long)) == 2, "the end of the long one, told by both deliveries")
    assert scene.slots[0].stop() == 0
    scene.wait_done(long, *jobs)
    assert all(len(scene.starts(job)) == 1 for job in [long, *jobs])


# --- Redis FLUSHALL, restart, fail-over: duplicates attempted, none applied -----------------------------

def running_jobs(scene, count=6, sleep_ms=2500, **data):
    jobs = [scene.send(sleep_ms=sleep_ms, **data) for _ in range(count)]
    for job in jobs:
        scene.wait_started(job)
    return jobs


def copies_of(scene, jobs, **data):
    """By all ways: of each job some come to the other worker."""
    return [scene.send(job_id=job, subject=f"copy {number} of {job}", **data) for job in jobs for number in range(4)]


def started_twice(scene, jobs):
    return [job for job in jobs if len(scene.starts(job)) > 1]


def freeze_first_of(scene, jobs):
    """Who runs the first of them sleeps: he can't take its lease again when Redis has forgotten it."""
    [(_, _, pid)] = scene.starts(jobs[0])
    slot = next(slot for slot in scene.slots if slot.worker.pid == pid)
    slot.signal(signal.SIGSTOP)
    return slot


def assert_copies_do_no_harm(scene, jobs, slot):
    """They are tried while the sleeper has them still, and what it does when it wakes is refused."""
    wait_for(lambda: jobs[0] in started_twice(scene, jobs), "the sleeper's job to be started beside itself", 30)
    slot.signal(signal.SIGCONT)
    wait_for(lambda: slot.worker.metric("haul_fenced_total"), "a stale outcome to be refused")
    scene.wait_done(*jobs)


def test_flushall_doubles_nothing(scene):
    scene.start(0, 1)
    jobs = running_jobs(scene, sleep_ms=4000, deaf=True)
    copies_of(scene, jobs, sleep_ms=500)
    redis = scene.stage.redis.connect(scene.stage.redis.master)
    wait_for(lambda: redis.flushall() and started_twice(scene, jobs), "a job to be started beside itself")
    scene.wait_done(*jobs)


def test_a_redis_that_restarts_empty_doubles_nothing(scene):
    scene.start(0, 1)
    jobs = running_jobs(scene, deaf=True)
    copies_of(scene, jobs, sleep_ms=500)
    slot = freeze_first_of(scene, jobs)
    scene.stage.servers.kill("redis")
    scene.stage.servers.start("redis")
    assert_copies_do_no_harm(scene, jobs, slot)


def test_a_fail_over_to_a_replica_that_is_behind_doubles_nothing(scene):
    redis = scene.stage.redis
    redis.follow()
    redis.connect(1 - redis.master).replicaof("NO", "ONE")  # it hears of nothing any more
    scene.start(0, 1)
    jobs = running_jobs(scene, deaf=True)
    copies_of(scene, jobs, sleep_ms=500)
    slot = freeze_first_of(scene, jobs)
    redis.fail_over()
    scene.stage.lead_redis()
    assert_copies_do_no_harm(scene, jobs, slot)


# --- Redis or broker connection reset: consumption resumes within 30 s ----------------------------------

def assert_resumes(scene):
    began = time.monotonic()
    jobs = [scene.send() for _ in range(8)]
    scene.wait_state("succeeded", *jobs, timeout_s=RESUMES_WITHIN_S)
    assert time.monotonic() - began < RESUMES_WITHIN_S
    scene.wait_done(*jobs)


@pytest.mark.parametrize("server", ["kafka", "redis", "postgres"])
def test_work_goes_on_after_connections_are_reset(scene, server):
    scene.start(0)
    link = scene.slots[0].links[server]
    for _ in range(5):
        link.reset()
        time.sleep(0.2)
    assert_resumes(scene)


@pytest.mark.parametrize("server", ["kafka", "redis", "postgres"])
def test_work_goes_on_after_a_cut(scene, server):
    """Nobody hears of a cut: packets are lost for longer than session and lease, then all is well."""
    scene.start(0)
    assert_resumes(scene)
    link = scene.slots[0].links[server]
    link.hold()
    time.sleep(5)
    link.heal()
    assert_resumes(scene)


@pytest.mark.parametrize("server", ["kafka", "redis", "postgres"])
def test_work_goes_on_after_a_server_was_killed(scene, server):
    scene.start(0)
    if server == "redis" and scene.stage.redis.master == 1:
        scene.stage.redis.process.kill()
        scene.stage.redis.process.wait()
        time.sleep(3)
        scene.stage.redis.start_second()
    else:
        scene.stage.servers.kill(server)
        time.sleep(3)
        scene.stage.servers.start(server)
    assert_resumes(scene)


STOPS_WITHIN_S = 30  # grace, one wait for all answers of the broker, the goodbye to the group


@pytest.mark.parametrize("way", ["killed", "cut"])
def test_a_worker_stops_while_its_broker_is_away(scene, way):
    """Its poll loop goes on meanwhile, and SIGTERM ends it."""
    worker = scene.start(0).worker
    jobs = [scene.send(sleep_ms=50) for _ in range(10)]
    scene.wait_started(jobs[0])
    if way == "killed":
        scene.stage.servers.kill("kafka")
    else:
        scene.slots[0].links["kafka"].hold()
    time.sleep(3)
    assert worker.get("/healthz")[0] == 200
    assert scene.slots[0].stop(STOPS_WITHIN_S) in (0, 75)
    scene.stage.heal()
    scene.start(1)
    scene.wait_done(*jobs)


# --- broker down while a dead letter is produced: source offset not committed ---------------------------

def test_no_offset_is_committed_before_its_dead_letter_is_there(scene):
    """The dead-letter topic alone is away: commits would go through."""
    scene.start(0)
    scene.haul.topics.delete(scene.stage.dlq_topic)
    job = scene.send(fail="permanent", fail_starts=1000000)
    others = [scene.send() for _ in range(20)]
    scene.wait_state("dead_lettered", job)
    scene.wait_state("succeeded", *others)
    time.sleep(3)
    assert sum(scene.stage.lags().values()) >= 1, "its offset was committed without a dead letter"
    scene.haul.topics.create(scene.stage.dlq_topic)
    wait_for(lambda: scene.letters(job), "the dead letter", 60)
    scene.wait_committed()
    wait_for(lambda: set(scene.ends(job)) == {f"{job}:dead_lettered"}, "its end")


def test_the_broker_dies_while_a_dead_letter_is_produced(scene):
    scene.start(0)
    job = scene.send(fail="permanent", fail_starts=1000000, sleep_ms=1500)
    scene.wait_started(job)
    scene.stage.servers.kill("kafka")
    scene.wait_state("dead_lettered", job)
    scene.slots[0].kill()
    scene.stage.servers.start("kafka")
    assert scene.letters(job) == [] and sum(scene.stage.lags().values()) >= 1
    scene.start(1)
    wait_for(lambda: scene.letters(job), "the dead letter", 60)
    scene.wait_committed()
    assert len(scene.starts(job)) == 1, "it was given up once, and told by whoever came after"


# --- a job that crashes the process: dead letter after N starts; others go on ---------------------------

def test_poison_is_given_up_and_others_go_on(scene):
    env = {"HAUL_MAX_STARTS": 3}
    scene.start(0, 1, **env)
    poison = scene.send(crash_starts=1000000, sleep_ms=300)
    others = [scene.send(sleep_ms=50) for _ in range(20)]
    until = time.monotonic() + 60
    while scene.ledger(poison) != "dead_lettered":
        assert time.monotonic() < until, f"still {scene.ledger(poison)} after {len(scene.starts(poison))} starts"
        for slot in scene.slots:
            slot.start(**env)  # what runs it in production starts it again
        time.sleep(0.1)
    for slot in scene.slots:
        slot.start(**env)
    assert len(scene.starts(poison)) == 3 and scene.ledger(poison, "error_code") == "job.poison"
    scene.wait_done(*others)
    assert scene.letters(poison)


# --- offset map over 4 KB: back-pressure, nothing lost --------------------------------------------------

def test_a_stuck_job_holds_others_back_and_loses_none(scene):
    """One job at the head of a partition runs long; thousands behind it are done. The worker is killed; what was
    committed as complete beyond the head is not done again, and nothing is lost."""
    metadata_max = 4096
    scene.start(0)
    before = len(scene.commits())
    stuck = scene.send(subject="one partition", sleep_ms=120_000, sleep_starts=1, deaf=True)
    scene.wait_started(stuck)
    jobs = scene.send_many(3000, "one partition")

    def done():
        return scene.hub.query("SELECT count(*) FROM haul.ledger WHERE job_id = ANY(%s) AND state = 'succeeded'", jobs)[0][0]

    wait_for(lambda: done() >= 2000, "most of them to be done behind the head", 60)
    time.sleep(1)  # more than a commit's interval
    assert scene.ledger(stuck) == "running"
    scene.slots[0].kill()
    assert max(scene.stage.lags().values()) >= 3001, "the head was committed"
    scene.start(1)
    wait_for(lambda: done() == len(jobs), "all of them", 120)
    scene.wait_state("succeeded", stuck)
    scene.wait_committed()
    scene.assert_never_back()
    assert scene.hub.query("SELECT count(*), count(DISTINCT job_id) FROM applied WHERE job_id = ANY(%s)", jobs) == \
        [(len(jobs), len(jobs))]
    told = Counter(job_id_of(message) for message in list(scene.haul.events.messages)
                   if b"haul.event.succeeded" in message.value())
    assert all(told[job] for job in jobs)
    again = sum(told[job] > 1 for job in jobs)
    assert again < 1000, f"{again} that were committed as complete were delivered again"
    longest = max(len(metadata) for _, (_, metadata) in scene.commits()[before:])
    assert longest <= metadata_max


# --- the hub's disk is full, a commit's answer is lost: no attempt is counted ----------------------------

def test_a_full_disk_of_the_hub_is_nobody_s_fault(scene):
    """It fills up while jobs run: their own writes find no room, and the hub's do not."""
    if not scene.stage.disk.is_there:
        pytest.skip("a small disk cannot be mounted here")
    worker = scene.start(0, HAUL_JOB_THREADS=48).worker
    room = "x" * 100  # more rows than the tables' pages have place for
    jobs = [scene.send(job_id=f"f{next(_numbers)}{room}", max_attempts=1, sleep_ms=3000) for _ in range(48)]
    for job in jobs:
        scene.wait_started(job)
    scene.stage.disk.fill()
    jobs += [scene.send(max_attempts=1, sleep_ms=100) for _ in range(20)]
    wait_for(lambda: refused(worker, "service.waiting") and worker.metric("haul_jobs_running") == 0, "writes without room")
    scene.stage.disk.heal()
    scene.wait_done(*jobs)
    assert refused(worker, "job.retrying"), "no job's own write was refused"
    assert set(scene.ledger(job, "attempt") for job in jobs) == {1}


def refused(worker, event):
    """Lines of the log that tell of it."""
    return [line for line in worker.log_lines() if line["event"] == event and line.get("error_native") == "53100"]


def test_a_hub_that_ends_sessions_in_the_middle_is_nobody_s_fault(scene):
    """Some of them in the middle of a commit, whose answer is lost."""
    scene.start(0)
    jobs = [scene.send(max_attempts=1) for _ in range(100)]
    until = time.monotonic() + 5
    while time.monotonic() < until:
        scene.hub.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'test_worker'")
        jobs += [scene.send(max_attempts=1) for _ in range(5)]
    scene.wait_done(*jobs)


# --- redrive twice, with a crash: applied once; loop count holds ----------------------------------------

def test_a_replay_that_dies_and_is_begun_again(scene):
    """The operator's replay is killed between two letters; the next one puts nothing back twice."""
    scene.start(0)
    jobs = [scene.send("chain", fail="permanent", fail_starts=1) for _ in range(6)]
    scene.wait_state("dead_lettered", *jobs)
    for job in jobs:
        wait_for(lambda job=job: scene.letters(job), "the dead letter")
    before = {job: len(scene.starts(job)) for job in jobs}
    replay = scene.replay("--kind", "chain", "--rate", "2")
    wait_for(lambda: sum(scene.ledger(job) == "succeeded" for job in jobs) >= 2, "two to be put back")
    replay.kill()
    replay.wait()
    for _ in range(2):
        replay = scene.replay("--kind", "chain", "--rate", "0", "--from-start")
        output, _ = replay.communicate(timeout=60)
        assert replay.returncode == 0, output
    scene.wait_state("succeeded", *jobs)
    scene.wait_committed()
    for job in jobs:
        assert scene.ledger(job, "redrive_count") == 1, f"{job} was put back {scene.ledger(job, 'redrive_count')} times"
        assert len(scene.applied(job)) == 1 and len(scene.starts(job)) == before[job] + 1
        wait_for(lambda job=job: f"{job}:succeeded:r1" in scene.ends(job), f"the end of {job}")


def test_a_job_is_put_back_only_so_often(scene):
    scene.start(0)
    job = scene.send(fail="permanent", fail_starts=1000000)
    for times in range(3):
        scene.wait_state("dead_lettered", job)
        wait_for(lambda times=times: times in scene.letters(job), f"letter {times}")
        replay = scene.replay("--job", job, "--redrive-max", "2", "--from-start")
        replay.communicate(timeout=60)
        if times < 2:
            wait_for(lambda times=times: scene.ledger(job, "redrive_count") == times + 1, f"redrive {times + 1}")
    scene.wait_committed()
    assert scene.ledger(job, "redrive_count") == 2 and len(scene.starts(job)) == 3
    assert scene.ledger(job) == "dead_lettered"


# --- cancel against complete: one terminal state --------------------------------------------------------

def cancel(scene, job):
    [(verdict,)] = scene.hub.query("SELECT verdict FROM haul.ledger_cancel(%s, 'enough', 'test')", job)
    return verdict


def test_a_cancel_that_comes_while_the_success_is_written(scene):
    """The outcome's statement stands in the hub when the cancel is asked for: it comes too late."""
    scene.start(0)
    job = f"f{next(_numbers)}"
    with Gate(scene.hub, "haul.ledger", "UPDATE", f"NEW.job_id = '{job}' AND NEW.state = 'succeeded'") as gate:
        scene.send(job_id=job)
        gate.wait_reached()
        canceller = subprocess.Popen([program_path("haul"), "cancel", job], env=clean_environment(scene.haul.env()),
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wait_for(lambda: scene.hub.query("SELECT 1 FROM pg_stat_activity WHERE query LIKE '%%ledger_cancel%%'"
                                         " AND wait_event_type = 'Lock'"), "the cancel to wait behind it")
        gate.open()
        output, _ = canceller.communicate(timeout=30)
    assert canceller.returncode == 1 and "too late" in output
    scene.wait_done(job)


def test_a_success_that_comes_while_the_cancel_is_written(scene):
    """The job is over when its end by a cancel stands written, and not yet told to its worker."""
    scene.start(0)
    jobs, verdicts = [], []
    while verdicts.count("asked") < 4:  # a slow machine is through with some before it asks
        assert len(jobs) < 40, "they were through before they could be cancelled"
        some = [scene.send(sleep_ms=600, deaf=True) for _ in range(4)]
        for job in some:
            scene.wait_started(job)
        for job in some:
            verdicts.append(cancel(scene, job))
            assert verdicts[-1] == "asked" or (verdicts[-1], scene.ledger(job)) == ("too_late", "succeeded")
        jobs += some
    wait_for(lambda: all(scene.ends(job) for job in jobs), "their ends")
    scene.wait_committed()
    for job in jobs:
        [end] = set(scene.ends(job))
        assert end == f"{job}:{scene.ledger(job)}", f"told {end}, and it is {scene.ledger(job)}"


def test_cancels_at_any_moment_leave_one_end(scene):
    """A sweep over what the moments above leave out: it goes on until the cancel has come too late, while the job waits,
    and while it runs or is not yet known."""
    scene.start(0, 1)
    jobs, verdicts = [], {"ended": set(), "asked": set(), "too_late": set()}
    while len(jobs) < 40 or not all(verdicts.values()):
        number = len(jobs)
        assert number < 400, f"the cancels were only ever {[verdict for verdict in verdicts if verdicts[verdict]]}"
        job = scene.send(sleep_ms=number % 40 * 3, **({"fail": "retry", "fail_attempts": 1} if number % 3 == 0 else {}))
        jobs.append(job)
        if number % 2:
            time.sleep(0.01)
        asked_of = jobs[max(number - 2, 0)]
        verdicts[cancel(scene, asked_of)].add(asked_of)
    wait_for(lambda: all(scene.ledger(job) in ("succeeded", "cancelled") for job in jobs), "all to end", 60)
    wait_for(lambda: all(scene.ends(job) for job in jobs), "all to be told", 60)
    scene.wait_committed()
    assert {scene.ledger(job) for job in jobs} == {"succeeded", "cancelled"}
    assert {scene.ledger(job) for job in verdicts["ended"]} == {"cancelled"}
    for job in jobs:
        [end] = set(scene.ends(job))
        assert end == f"{job}:{scene.ledger(job)}"
        assert len(scene.applied(job)) <= 1 and (scene.ledger(job) == "cancelled" or scene.applied(job))


# --- clock +/- 1 h: no early retry, no double lock ------------------------------------------------------

RETRY = {"HAUL_RETRY_SCALE_PERCENT": 40}  # what is asked for below is the second tier's then
ASKED_S = 8  # time enough for the second worker to wait for it


def assert_clock_off(slot, shift_us):
    """Its log's last line has the worker's time, the file itself the kernel's."""
    worker = slot.worker
    told = datetime.fromisoformat(worker.log_lines()[-1]["time"]).timestamp()
    off_s = told - worker.log_path.stat().st_mtime
    assert abs(off_s - shift_us / 1e6) < 60, f"the clock of {worker.label} is {off_s:.0f} s off"


def assert_retry_in_time(scene, fails_shift_us, takes_shift_us):
    """One worker fails the job and leaves, another one has its partitions long before it is due."""
    fails, takes = scene.slots
    fails.clock.shift(fails_shift_us)
    takes.clock.shift(takes_shift_us)
    scene.start(0, **RETRY)
    job = scene.send(fail="throttled", fail_starts=1, retry_after_ms=ASKED_S * 1000)
    due_s = scene.haul.wait_event(job, "retrying")["data"]["not_before"]
    due_s = datetime.fromisoformat(due_s).timestamp()
    assert fails.stop() == 0
    scene.start(1, **RETRY)
    ready_s = scene.hub.query("SELECT extract(epoch FROM clock_timestamp())::float8")[0][0]
    scene.wait_done(job, timeout_s=RESUMES_WITHIN_S)
    (first_s, *_), (second_s, *_) = scene.starts(job)
    assert_clock_off(fails, fails_shift_us)
    assert_clock_off(takes, takes_shift_us)
    assert ASKED_S - 0.5 < due_s - first_s < ASKED_S + 5, "told by the hub's time"
    assert ready_s < due_s <= second_s, f"ready at {ready_s}, due at {due_s}, started at {second_s}"


@pytest.mark.parametrize("shift_us", [HOUR_US, -HOUR_US], ids=["ahead", "behind"])
def test_a_retry_told_by_a_wrong_clock_is_neither_early_nor_an_hour_late(scene, shift_us):
    assert_retry_in_time(scene, shift_us, 0)


@pytest.mark.parametrize("shift_us", [HOUR_US, -HOUR_US], ids=["ahead", "behind"])
def test_a_retry_taken_by_a_wrong_clock_is_neither_early_nor_an_hour_late(scene, shift_us):
    assert_retry_in_time(scene, 0, shift_us)


@pytest.mark.parametrize("shift_us", [HOUR_US, -HOUR_US], ids=["ahead", "behind"])
def test_a_clock_that_jumps_gives_no_lease_away(scene, shift_us):
    """While jobs run and copies of them wait with another worker."""
    scene.start(0, 1)
    jobs = running_jobs(scene, count=4, sleep_ms=4000)
    copies = [scene.send(job_id=job, subject=f"copy of {job}", sleep_ms=4000) for job in jobs]
    for slot in scene.slots:
        slot.clock.shift(shift_us)
    scene.wait_done(*copies)
    for job in jobs:
        assert len(scene.starts(job)) == 1, f"{job} was started beside itself: {scene.starts(job)}"
    for slot in scene.slots:
        assert slot.stop() == 0
        assert_clock_off(slot, shift_us)
