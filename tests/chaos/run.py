"""One run: jobs are sent while things are broken; then all is mended, and the checker looks."""

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from chaos.check import Checker, headers_of
from chaos.faults import plan
from chaos.harm import Harm
from chaos.jobs import BURST_WEIGHTS, NO_LEDGER, PART, Generator
from chaos.stage import Stage
from harness.haul import TERMINAL

CANCELS_AT_A_TIME = 8
SHOWN_OF_A_RULE = 4
STANDSTILL_S = 45  # not one job more has ended
SETTLE_MAX_S = 900
BURST = (160, 10)  # so many jobs of one workspace, every so many seconds
SHARES = {"HAUL_BUFFERED_JOBS_MAX": 64, "HAUL_WORKSPACE_BACKLOG_MS": 200}  # that a burst is more than
HUB_KIB_A_JOB = 3  # with room to spare: only a fault fills the hub's disk


class Run:
    def __init__(self, folder, seed, length_s, workers=4, rate=60, every_s=1.5, faults=None, weights=None,
                 options=None, burst=BURST, say=print):
        self.seed, self.length_s, self.rate = seed, length_s, rate
        self.say = say
        self.rng = random.Random(seed)
        self.generator = Generator(random.Random(self.rng.random()), weights=weights)
        faults = plan(random.Random(self.rng.random()), length_s, every_s, workers, faults)
        self.burst_size, self.burst_every_s = burst
        jobs = length_s * (rate + self.burst_size / self.burst_every_s)
        disk_mib = 128 + int(jobs * HUB_KIB_A_JOB / 1024)
        self.stage = Stage(folder, slots=workers, disk=True, disk_mib=disk_mib, options=options or SHARES)
        self.most_left = 0
        self.harm = Harm(faults, self.stage, say)
        self.ending = threading.Event()
        self.failures = []
        self.delivered, self.cancelled, self.exits = {}, {}, []

    # --- the threads -----------------------------------------------------------------------------

    def supervise(self):
        """Starts workers again that ended by themselves, as whatever runs them in production would."""
        seen = set()
        while not self.ending.is_set():
            for slot in self.stage.slots:
                worker = slot.worker
                if worker is None or worker.is_running():
                    continue
                if worker.label not in seen:
                    seen.add(worker.label)
                    self.exits.append((worker.label, worker.process.returncode))
                slot.revive()
            self.ending.wait(0.2)

    def send(self):
        """Jobs at a steady rate; what must come again or be called off has its time."""
        producer = self.stage.servers.producer(**{"max.in.flight": 1, "message.timeout.ms": 300000,
                                                  "reconnect.backoff.max.ms": 500})
        later, steady, began, burst_due = [], 0, time.monotonic(), self.burst_every_s / 2

        def put(job):
            def delivered(error, _):
                if error is None:
                    self.delivered[job.job_id] = job
                else:
                    self.failures.append(f"{job.job_id} was not delivered: {error}")
            producer.produce(self.stage.jobs_topics[job.priority], job.value(), job.key, on_delivery=delivered)

        while (now := time.monotonic() - began) < self.length_s or later:
            planned = []
            while now < self.length_s and steady < now * self.rate:
                planned.append(self.generator.next())
                steady += 1
            if now < self.length_s and now >= burst_due:
                burst_due += self.burst_every_s
                planned += [self.generator.next(BURST_WEIGHTS) for _ in range(self.burst_size)]
            for job in planned:
                put(job)
                later += [(now + after, put, job) for after in job.again_after_s]
                if job.cancel_after_s is not None:
                    later.append((now + job.cancel_after_s, self.cancel, job))
            due = [item for item in later if item[0] <= now]
            later = [item for item in later if item[0] > now]
            for _, act, job in due:
                act(job)
            producer.poll(0.02)
        left = producer.flush(120)
        if left:
            self.failures.append(f"{left} jobs could not be delivered")

    def cancel(self, job):
        """Asked of the hub as `haul cancel` does, on a thread of its own: it may hang."""
        self.cancelled[job.job_id] = "tried"
        self.pool.submit(self._cancel, job.job_id)

    def _cancel(self, job_id):
        done = self.stage.haul.run("cancel", job_id, status=None)
        if done.status == 0:
            self.cancelled[job_id] = "ended" if ": cancelled" in done.out else "asked"

    def watch(self):
        """How much was left to be read again, at a time."""
        while not self.ending.is_set():
            for slot in self.stage.slots:
                try:
                    self.most_left = max(self.most_left, slot.worker.metric("haul_records_left"))
                except Exception:  # noqa: BLE001, S110: it has ended, or stands still
                    pass
            self.ending.wait(0.3)

    def meanwhile(self):
        """While jobs are sent; a soak does something else."""
        self.harm.run()

    def surely(self, function):
        """A thread that breaks is a failed run."""
        try:
            function()
        except Exception as error:  # noqa: BLE001
            self.failures.append(f"{function.__name__}: {type(error).__name__} {error}")

    # --- the run ---------------------------------------------------------------------------------

    def go(self):
        """The violations; close() afterwards."""
        stage = self.stage
        for slot in stage.slots:
            slot.start()
        for slot in stage.slots:
            slot.worker.wait_ready()
        self.pool = ThreadPoolExecutor(CANCELS_AT_A_TIME)
        threads = [threading.Thread(target=self.surely, args=[function], daemon=True)
                   for function in (self.supervise, self.watch, self.send, self.meanwhile)]
        for thread in threads:
            thread.start()
        for thread in threads[2:]:
            thread.join()
        self.mend()
        self.settle()
        for slot in stage.slots:
            status = slot.stop()
            if status != 0:
                self.failures.append(f"{slot.worker.label} ended with {status} when nothing was left to do")
        self.ending.set()
        for thread in threads[:2]:
            thread.join()
        self.pool.shutdown(cancel_futures=True)
        self.checker = Checker(stage, self.delivered, self.cancelled, self.exits)
        violations = self.checker.check()
        for failure in self.failures + self.harm.failures:
            self.checker.violate("run", "", failure)
        return violations

    def mend(self):
        self.stage.heal()
        for slot in self.stage.slots:
            slot.start()

    def settle(self):
        """Until nothing is left to do, or nothing more gets done; what is left then, the checker tells."""
        self.mended = moved = time.monotonic()
        before = None
        while (left := self.left()) != (0, 0):
            now = time.monotonic()
            if left[0] != before:
                before, moved = left[0], now
            if now - moved > STANDSTILL_S or now - self.mended > SETTLE_MAX_S:
                self.say(f"  {left[0]} jobs do not end, {left[1]} records are not committed")
                self.look_closer()
                break
            time.sleep(0.5)
        self.settled_s = time.monotonic() - self.mended

    def left(self):
        """(jobs that have not ended, records that are not committed)"""
        [(ended,)] = self.stage.hub.query("SELECT count(*) FROM haul.ledger WHERE state IN %s AND kind <> %s",
                                          tuple(TERMINAL), PART)
        with_ledger = sum(job.what not in NO_LEDGER for job in self.delivered.values())
        return max(with_ledger - ended, 0), self.stage.lag()

    def look_closer(self):
        """What the stage holds when work does not end, for whoever wants to know why: into the folder."""
        stage, lines = self.stage, []
        for slot in stage.slots:
            (stage.folder / f"{slot.name}.metrics").write_text(slot.worker.get("/metrics")[1])
        master = stage.redis.connect(stage.redis.master, db=1, decode_responses=True)
        for key in sorted(master.keys("*lease:*")):
            lines.append(f"{key} {master.get(key)} for {master.pttl(key)} ms")
        for topic, partition in stage.lags():
            committed = stage.committed(topic, partition)
            for message in stage.haul.topics.read(topic):
                if message.partition() == partition and message.offset() >= committed:
                    lines.append(f"{topic}[{partition}] {message.offset()} {message.key()} {headers_of(message)}")
        (stage.folder / "unfinished.txt").write_text("\n".join(lines) + "\n")

    def close(self):
        self.ending.set()
        self.stage.close()

    # --- what is told ------------------------------------------------------------------------------

    def summary(self):
        counts, lines = self.checker.counts, []
        copies = sum(len(job.again_after_s) for job in self.delivered.values())
        lines.append(f"seed {self.seed}: {len(self.delivered)} jobs and {copies} copies in {self.length_s:.0f} s"
                     f" ({len(self.delivered) / self.length_s:.0f}/s), {len(self.cancelled)} cancels asked for,"
                     f" all ended {self.settled_s:.0f} s after the last fault was mended")
        lines.append("kinds: " + told(Counter(job.what for job in self.delivered.values())))
        lines.append("ends: " + told(counts))
        lines.append(f"left to be read again, at most: {self.most_left:.0f}")
        lines.append("events: " + told(self.checker.states))
        lines.append(f"faults: {self.harm.counts.total()}: " + told(self.harm.counts))
        lines.append("exits: " + told(Counter(str(status) for _, status in self.exits)))
        lines.append(f"violations: {len(self.checker.violations)} "
                     + told(Counter(violation.rule for violation in self.checker.violations)))
        everything = "\n".join(f"- {violation}\n" + "\n".join(self.checker.history_of(violation.job_id))
                               for violation in self.checker.violations)
        (self.stage.folder / "violations.txt").write_text(everything)
        shown = Counter()
        for violation in self.checker.violations:
            shown[violation.rule] += 1
            if shown[violation.rule] <= SHOWN_OF_A_RULE:
                lines.append(f"- {violation}")
                lines += [f"    {line}" for line in self.checker.history_of(violation.job_id)]
        return "\n".join(lines)


def told(counter):
    return ", ".join(f"{name} {count}" for name, count in counter.most_common())
