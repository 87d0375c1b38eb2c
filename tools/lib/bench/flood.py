"""Very many jobs of one workspace, then lone jobs of others: how long these wait."""

import time
from typing import NamedTuple

from confluent_kafka import Producer

from bench.jobs import Topic, job_ids, job_text
from bench.noops import STATES, Noops, started_at
from bench.process import cpu_of, memory_mb

JOBS, LONE_JOBS = 100_000, 24
LONE_KIND = "noop"
# 100,000 of them are minutes of work for one worker. Those in order, each of a subject of its own, as syncs are.
KINDS = {"flood": ("depend", ',"on":"x","sleep_ms":5'), "ordered_flood": ("effect", ',"sleep_ms":5')}
WAIT_S = 60


class Flooded(NamedTuple):
    sent_s: float          # what it took to send the flood
    waits_ms: list         # from just before a lone job is sent to its `started` event's time, sorted
    moved: int             # of the flood, to the bulk topic, when the last lone job had begun
    cpu_s: float           # of the worker, until then
    peak_mb: float

    def as_json(self):
        return {"sent_ms": round(self.sent_s * 1000), "longest_wait_ms": round(self.waits_ms[-1], 1),
                "median_wait_ms": round(self.waits_ms[len(self.waits_ms) // 2], 1), "moved": self.moved,
                "cpu_s": round(self.cpu_s, 2), "peak_mb": round(self.peak_mb, 1)}


class Flood(Noops):
    """A worker that has nothing to do until the flood comes."""

    def __init__(self, bench, name, redis_database):
        super().__init__(bench, KINDS[name][0], redis_database=redis_database)
        self.data = KINDS[name][1]
        self.hub.query("CREATE TABLE effects (job_id text, attempt int, fence bigint, done bool DEFAULT false)")
        self.hub.query("GRANT SELECT, INSERT, UPDATE ON effects TO haul_worker")
        self.producer = Producer({**bench.servers.kafka_options(), "linger.ms": 5, "queue.buffering.max.messages": 2 * JOBS})

    def round(self):
        group = f"{self.unique}-flood-{time.time_ns()}"
        self._forget()
        self._begin_at_the_end(group)
        events = Topic(self.bench.servers, self.events_topic)
        jobs = [(job_text(self.kind, job_id, "greedy", self.data), job_id) for job_id in job_ids(JOBS)]
        lone = [(job_text(LONE_KIND, job_id, f"of-{job_id}"), job_id) for job_id in job_ids(LONE_JOBS, "01JL")]
        worker = self._start(group)
        try:
            return self._measure(worker, events, jobs, lone)
        finally:
            worker.stop()
            events.close()

    def _send(self, jobs):
        for text, key in jobs:
            self.producer.produce(self.jobs_topic, text, key)
        if self.producer.flush(60) != 0:
            raise RuntimeError("jobs were not delivered")

    def _measure(self, worker, events, jobs, lone):
        begins, cpu_s, began = events.ends(), cpu_of(worker.pid), time.time()
        self._send(jobs)
        sent = time.time()
        self._send(lone)
        started = self._wait_started(events, begins, {job_id for _, job_id in lone})
        waits = sorted((at - sent) * 1000 for at in started.values())
        return Flooded(sent - began, waits, int(worker.metric("haul_jobs_demoted_total")),
                       cpu_of(worker.pid) - cpu_s, memory_mb(worker.pid))

    @staticmethod
    def _wait_started(events, begins, wanted):
        """Looks on as the events come, without a load of its own."""
        found, deadline = {}, time.monotonic() + WAIT_S
        while len(found) < len(wanted):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{len(found)} of {len(wanted)} lone jobs have begun after {WAIT_S} s")
            time.sleep(0.2)
            ends = events.ends()
            if ends != begins:
                found.update((job_id, at) for job_id, at in started_at(events, begins, ends) if job_id in wanted)
            begins = ends
        return found
