"""The jobs of a run, drawn from a seed: what each is asked to do, and how it may end."""

import json
import time
from dataclasses import dataclass, field

from harness.haul import make_job

SUBJECTS = 40  # of chains
DEDUPE_SPAN = 200  # jobs, of which those with a dedupe key have the same
WORKSPACES = ("w1", "w1", "w1", "w1", "w2", "w2", "w3")


@dataclass
class Planned:
    job_id: str
    what: str
    kind: str
    data: dict
    ends: set  # that are right
    subject: str = ""
    members: dict = field(default_factory=dict)
    again_after_s: list = field(default_factory=list)  # the same record once more
    cancel_after_s: float = None
    not_before_s: int = 0
    dedupe_key: str = None
    is_keyless: bool = False
    number: int = 0  # its place among those that were sent
    priority: int = 0  # of the stage's jobs topics
    raw: str = None  # sent as it is: no job
    sent: str = None

    @property
    def key(self):
        return None if self.is_keyless else self.subject or self.job_id

    def value(self):
        """The same bytes each time."""
        if self.sent is None:
            self.sent = self.raw or json.dumps(make_job(self.kind, self.data, self.job_id, subject=self.key, **self.members))
        return self.sent


DONE, DEAD = {"succeeded"}, {"dead_lettered"}


def quick(rng, job):
    job.data["sleep_ms"] = rng.choice((0, 0, 0, 5, 20))
    job.data["max_attempts"] = 1  # an outage burns no attempt


def chain(rng, job):
    quick(rng, job)
    number = rng.randrange(SUBJECTS)
    job.kind, job.subject = "chain", f"chain{number}"
    job.data["workspace_id"] = WORKSPACES[number % len(WORKSPACES)]  # a subject is a workspace's own


def long(rng, job):
    job.data.update(sleep_ms=rng.randrange(1000, 5000), max_attempts=1)


def deaf(rng, job):
    job.data.update(sleep_ms=rng.randrange(500, 3000), deaf=True, max_attempts=1)


def retry(rng, job):
    fails = rng.randrange(1, 4)
    job.data.update(fail="retry", fail_attempts=fails, max_attempts=fails + 1)


def chain_retry(rng, job):
    chain(rng, job)
    retry(rng, job)


def throttled(rng, job):
    job.data.update(fail="throttled", fail_starts=2, retry_after_ms=rng.randrange(50, 500), max_attempts=1)


def permanent(rng, job):
    job.data.update(fail="permanent", fail_starts=rng.choice((1, 1000000)))
    job.ends = DEAD | (DONE if job.data["fail_starts"] == 1 else set())  # done, once it was put back or handed back


def exhausted(rng, job):
    job.data.update(fail="retry", fail_attempts=1000, max_attempts=2)
    job.ends = DEAD


def crash(rng, job):
    job.data.update(crash_starts=1, crash_late=rng.random() < 0.5, sleep_ms=100, max_attempts=1)


def poison(rng, job):
    job.data.update(crash_starts=1000000, sleep_ms=50)
    job.ends = DEAD


def deadline(rng, job):
    job.data.update(sleep_ms=8000, max_attempts=1)
    job.data["deadline"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    job.ends = DEAD | DONE  # a clock may be an hour off


def later(rng, job):
    quick(rng, job)
    job.not_before_s = int(time.time()) + rng.randrange(1, 5)
    job.data["not_before"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(job.not_before_s))


def dedupe(rng, job):
    """A few of a key: one is done, the others end as its duplicates."""
    quick(rng, job)
    job.data["workspace_id"] = WORKSPACES[0]
    job.dedupe_key = job.data["dedupe_key"] = f"d{job.number // DEDUPE_SPAN}"
    job.ends = DONE | {"cancelled"}


def keyless(rng, job):
    quick(rng, job)
    job.is_keyless = True


def split(rng, job):
    """Its work is handed out to parts."""
    fails = rng.choice((0, 0, 0, 1, 2))
    part = {"sleep_ms": rng.choice((0, 0, 5, 50, 500)), "fail": "retry", "fail_attempts": fails}
    job.kind = "split"
    job.data.update(parts=rng.randrange(1, 9), part=part, max_attempts=fails + 1)


def broken_split(rng, job):
    split(rng, job)
    job.data["part"].update(fail="permanent", fail_starts=1000000)
    job.ends = DEAD


def idle(_, job):
    job.kind = "idle"


def garbage(rng, job):
    job.raw = rng.choice(('{"id": "%s"', "%s", '{"specversion": "1.0", "id": 5, "x": "%s"}')) % job.job_id


WHATS = {quick: 55, chain: 22, long: 2, deaf: 1, retry: 5, chain_retry: 4, throttled: 3, permanent: 2, exhausted: 1,
         crash: 0.08, poison: 0.015, deadline: 1, idle: 5, garbage: 0.5, later: 2, dedupe: 3, keyless: 3,
         split: 3, broken_split: 0.5}
NO_LEDGER = {"idle", "garbage"}
PART = "part"  # the kind of the jobs that a split makes, which nobody sends


def part_of(job_id):
    """(the split, the time that it was handed out, the part's number) of a part."""
    split_id, time_of, number = job_id.rsplit(".", 2) if job_id.count(".") >= 2 else (None, None, None)
    return split_id, time_of, number and int(number)


def make_part(job_id):
    """It may be called off with what it is a part of, or because nobody waits for it any more."""
    return Planned(job_id, PART, PART, {}, DONE | DEAD | {"cancelled"})


BURST_WORKSPACE = "w1"


def burst_chain(rng, job):
    number = rng.choice([n for n in range(SUBJECTS) if WORKSPACES[n % len(WORKSPACES)] == BURST_WORKSPACE])
    job.kind, job.subject = "chain", f"chain{number}"
    burst_quick(rng, job)


def burst_quick(rng, job):
    job.data.update(workspace_id=BURST_WORKSPACE, sleep_ms=20, max_attempts=1)


BURST_WEIGHTS = {burst_chain: 2, burst_quick: 1}  # more than the share of one workspace


class Generator:
    def __init__(self, rng, prefix="j", weights=None):
        self.rng = rng
        self.prefix = prefix
        self.weights = weights or WHATS
        self.jobs = {}

    def next(self, weights=None):
        rng, number = self.rng, len(self.jobs) + 1
        weights = weights or self.weights
        [what] = rng.choices(list(weights), weights.values())
        job = Planned(f"{self.prefix}{number}", what.__name__, "apply", {"workspace_id": rng.choice(WORKSPACES)}, DONE,
                      number=number)
        what(rng, job)
        if rng.random() < 0.04:
            job.again_after_s = [rng.choice((0, 0, 0.05, 1, 4)) for _ in range(rng.choice((1, 1, 2)))]
        if rng.random() < 0.03 and job.what not in NO_LEDGER:
            job.cancel_after_s = rng.choice((-0.5, 0, 0.05, 0.5, 2))
        if job.kind != "chain":  # a class of its own is an order of its own
            job.priority = rng.choices((0, 1, 2), (8, 1, 1))[0]
        self.jobs[job.job_id] = job
        return job
