"""Haul's worker with jobs that do nothing: how many a second, how soon, in how much memory."""

import shutil
import time
from datetime import datetime
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition

from harness.haul import Haul
from harness.hub import Hub

from bench.jobs import PARTITIONS, Topic, fill_topic, job_ids, job_text
from bench.process import Speed, cpu_of, memory_mb
from bench.reader import Reader

WORKER = "testkind"
STATES = ("accepted", "started", "succeeded")  # what is told of every job
TIMEOUT_S = 240
WATCH_S, EVENTS_WAIT_S = 0.02, 10
# For throughput: work in large batches, so many jobs taken that no batch waits for the next one.
SETTINGS = {"HAUL_JOB_THREADS": 2, "HAUL_BUFFERED_JOBS_MAX": 3072, "HAUL_COMMIT_INTERVAL_MS": 500,
            "HAUL_LOG_LEVEL": "warn"}
LATENCY_JOBS, LATENCY_WARM, LATENCY_GAP_S = 1500, 200, 0.01
IDLE_S = 3


def _state_of(message):
    return message.value()[:400].split(b'"haul.event.', 1)[1].split(b".", 1)[0].decode()


def _time_of(message):
    text = message.value().split(b'"time":"', 1)[1].split(b'"', 1)[0].decode()
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def started_at(events, begins, ends):
    """(job id, time) of each `started` event there."""
    for messages in events.read(begins, ends):
        for message in messages:
            if _state_of(message) == "started":
                yield message.key().decode(), _time_of(message)


class Noops:
    """A hub, topics with jobs of one kind, and a worker that does them."""

    def __init__(self, bench, kind, partitions=PARTITIONS, redis_database=2):
        self.bench = bench
        self.kind = kind
        self.untold = 0  # events that were left out, of all runs
        self.unique = f"{kind}{partitions}x{time.time_ns() // 1000000}"
        self.folder = Path(bench.folder) / self.unique
        self.folder.mkdir()
        self.hub = Hub(bench.servers, f"hub_{self.unique}")
        self.redis = bench.servers.connect_redis(admin=True, db=redis_database)
        self.haul = Haul(bench.servers, self.hub, self.folder, self.unique, redis_database)
        self.haul.migrate()
        self._create_topics(partitions)
        self.jobs_topic = f"{self.haul.prefix}jobs.{WORKER}"
        self.events_topic = f"{self.haul.prefix}events"

    def _create_topics(self, partitions):
        """The same that `haul topics create` makes for a worker that it knows."""
        self.haul.run("topics", "create", "sql-sync", "--partitions", partitions)
        made = self.haul.topics.admin.list_topics(timeout=20).topics
        self.topics = {name.replace("sql-sync", WORKER): len(made[name].partitions)
                       for name in made if name.startswith(f"{self.haul.prefix}jobs.sql-sync")}
        for name, count in self.topics.items():
            self.haul.topics.create(name, partitions=count)

    def fill(self, count):
        fill_topic(self.bench.servers, self.jobs_topic, self.kind, count)

    def close(self):
        self.haul.close()
        self.hub.drop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log_end(self):
        return "\n".join(text[-3000:] for text in self.haul.logs().values())

    def _forget(self):
        """As if no job had been seen."""
        self.hub.query("TRUNCATE haul.ledger, haul.cancels")
        self.redis.flushdb()

    def _begin_at_the_end(self, group, *but):
        """What earlier runs have left in the topics (a retry, a job that moved) is not this group's: nothing of it is
        read, as if the topics were fresh."""
        consumer = Consumer({**self.bench.servers.kafka_options(), "group.id": group, "enable.auto.commit": False})
        try:
            places = [TopicPartition(name, number) for name, count in self.topics.items() if name not in but
                      for number in range(count)]
            for place in places:
                place.offset = consumer.get_watermark_offsets(place, timeout=20)[1]
            consumer.commit(offsets=places, asynchronous=False)
        finally:
            consumer.close()

    def _start(self, group, ready=True):
        return self.haul.start_worker(WORKER, ready=ready, HAUL_GROUP=group, **SETTINGS)

    # --- speed -----------------------------------------------------------------------------------

    def run(self, bench, group):
        """From the first `accepted` to the commit of the last offset; every event is counted."""
        self._forget()
        self._begin_at_the_end(group, self.jobs_topic)
        jobs, events = Topic(bench.servers, self.jobs_topic, group), Topic(bench.servers, self.events_topic)
        try:
            begins = events.ends()
            worker = self._start(group, ready=False)
            deadline = time.monotonic() + TIMEOUT_S
            while jobs.committed() < bench.jobs:
                if not worker.is_running() or time.monotonic() > deadline:
                    raise RuntimeError(f"{self.kind}: {jobs.committed()} of {bench.jobs} offsets committed\n"
                                       + self.log_end())
                time.sleep(WATCH_S)
            committed, cpu_s, peak_mb = time.time(), cpu_of(worker.pid), memory_mb(worker.pid)
            first, last = self._count_events(events, begins, bench.jobs)
            worker.stop()
            return Speed(bench.jobs, max(committed, last) - first, cpu_s, peak_mb)
        finally:
            jobs.close()
            events.close()

    @staticmethod
    def _wait_events(events, begins, count):
        """The topic's ends once so many stand in it, or, when they don't come, after a while."""
        deadline = time.monotonic() + EVENTS_WAIT_S
        while sum(ends := events.ends()) - sum(begins) < count and time.monotonic() < deadline:
            time.sleep(WATCH_S)
        return ends

    def _count_events(self, events, begins, count):
        ends = self._wait_events(events, begins, len(STATES) * count)
        counts, first, last = dict.fromkeys(STATES, 0), float("inf"), 0
        for messages in events.read(begins, ends):
            for message in messages:
                state = _state_of(message)
                counts[state] = counts.get(state, 0) + 1
            if first > message.timestamp()[1] / 1000 - 1:
                first = min(first, *(_time_of(one) for one in messages if _state_of(one) == STATES[0]), first)
            last = max(last, messages[-1].timestamp()[1] / 1000)
        if counts[STATES[-1]] != count or max(counts.values()) > count or len(counts) != len(STATES):
            raise RuntimeError(f"{self.kind}: events {counts} of {count} jobs")
        self.untold += len(STATES) * count - sum(counts.values())
        return first, last

    # --- latency ---------------------------------------------------------------------------------

    def latencies_ms(self):
        """At 100 jobs a second: from just before a job is sent to its `started` event's time; and to a bare reader."""
        group = f"{self.unique}-latency-{time.time_ns()}"
        self._forget()
        self._begin_at_the_end(group)
        events = Topic(self.bench.servers, self.events_topic)
        worker = self._start(group)
        reader = Reader(self.bench.servers, self.jobs_topic, self.topics[self.jobs_topic])
        try:
            sent = {}
            begins = events.ends()
            self._send_slowly(sent)
            ends = self._wait_events(events, begins, len(STATES) * len(sent))
            found = {job_id: (at - sent[job_id]) * 1000 for job_id, at in started_at(events, begins, ends)}
            if len(found) != len(sent):
                raise RuntimeError(f"{self.kind}: {len(found)} of {len(sent)} jobs were started")
            warm = list(sent)[LATENCY_WARM:]
            read = [(reader.came[job_id] - sent[job_id]) * 1000 for job_id in warm if job_id in reader.came]
            if len(read) != len(warm):
                raise RuntimeError(f"{self.kind}: the bare reader saw {len(read)} of {len(warm)} jobs")
            return [found[job_id] for job_id in warm], read
        finally:
            reader.close()
            worker.stop()
            events.close()

    def _send_slowly(self, sent):
        producer = Producer({**self.bench.servers.kafka_options(), "linger.ms": 0, "socket.nagle.disable": True})
        begin = time.monotonic()
        for number, job_id in enumerate(job_ids(LATENCY_JOBS)):
            text = job_text(self.kind, job_id)
            while (left := begin + number * LATENCY_GAP_S - time.monotonic()) > 0:
                producer.poll(left)
            sent[job_id] = time.time()
            producer.produce(self.jobs_topic, text, job_id)
            producer.poll(0)
        if producer.flush(30) != 0:
            raise RuntimeError("jobs were not delivered")

    # --- memory ----------------------------------------------------------------------------------

    def idle_mb(self):
        """What a worker holds that has had nothing to do since its start."""
        worker = self._start(f"{self.unique}-idle-{time.time_ns()}")
        time.sleep(IDLE_S)
        held = memory_mb(worker.pid, "VmRSS")
        worker.stop()
        return held
