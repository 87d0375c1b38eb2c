"""The checker: what must be true of a run, whatever was done to it. Reads the topics, the hub and the effects
as they stand at the end, and the whole history of the ledger and of the group's commits."""

import json
import struct
from collections import Counter, defaultdict
from dataclasses import dataclass

from chaos.jobs import NO_LEDGER, PART, make_part, part_of
from harness.haul import TERMINAL, event_of

DUPLICATE = "job.duplicate"
ALLOWED_EXITS = {0, 75, 99, -9, -15}  # drained, stopped with jobs under way, a job's own crash, killed by us (before it began)


@dataclass
class Violation:
    rule: str
    job_id: str
    text: str

    def __str__(self):
        return f"{self.rule}: {self.job_id}: {self.text}" if self.job_id else f"{self.rule}: {self.text}"


def headers_of(message):
    return {name: value.decode(errors="replace") for name, value in message.headers() or []}


def job_id_in(value):
    try:
        found = json.loads(value)
        return found["id"] if isinstance(found, dict) and isinstance(found["id"], str) else None
    except (ValueError, KeyError, TypeError):
        return None


def redrive_of(event_id):
    """'j1:succeeded:r2' -> 2: which of the job's ends it is."""
    last = event_id.rpartition(":")[2]
    return int(last[1:]) if last[:1] == "r" and last[1:].isdigit() else 0


class Checker:
    def __init__(self, stage, jobs, cancelled, exits=()):
        """jobs: id -> Planned, all that were delivered to the broker; cancelled: id -> what the hub answered."""
        self.stage = stage
        self.jobs = dict(jobs)
        self.cancelled = cancelled
        self.exits = exits
        self.violations = []
        self.counts = Counter()

    def violate(self, rule, job_id, text):
        self.violations.append(Violation(rule, job_id, text))

    def read(self):
        query, topics = self.stage.hub.query, self.stage.haul.topics
        self.ledger = {row[0]: row[1:] for row in query(
            "SELECT job_id, state, redrive_count, error_code, attempt, fence, finished_at FROM haul.ledger")}
        self.history = defaultdict(list)
        for job_id, *row in query("SELECT job_id, at, state, attempt, starts, redrive_count, fence, due_us, error_code,"
                                  " owner FROM history ORDER BY number"):
            self.history[job_id].append(row)
        self.starts = defaultdict(list)
        for job_id, *row in query("SELECT job_id, at, attempt, fence, pid FROM starts ORDER BY at"):
            self.starts[job_id].append(row)
        self.applied = defaultdict(list)
        for job_id, *row in query("SELECT job_id, number, at, attempt, fence FROM applied ORDER BY number"):
            self.applied[job_id].append(row)
        self.joined = dict(query("SELECT job_id, parts FROM applied WHERE parts IS NOT NULL"))
        self.families = {row[0] for row in query("SELECT parent_id FROM haul.families")}
        self.jobs |= {job_id: make_part(job_id) for job_id in self.ledger if part_of(job_id)[0] in self.jobs}
        self.targets = dict(query("SELECT job_id, applied FROM targets"))
        self.ends = defaultdict(Counter)  # job -> (redrive, state, event id) -> how often
        self.states = Counter()
        for message in topics.read(self.stage.events_topic):
            event = event_of(message)
            self.states[event["state"]] += 1
            if event["state"] in TERMINAL:
                self.ends[event["job_id"]][(redrive_of(event["id"]), event["state"], event["id"])] += 1
        self.letters = defaultdict(list)
        self.raw_letters = Counter()
        for message in topics.read(self.stage.dlq_topic):
            value = (message.value() or b"").decode(errors="replace")
            self.letters[job_id_in(value)].append(int(headers_of(message).get("haul-redrive-count", "0")))
            self.raw_letters[value] += 1

    def check(self):
        self.read()
        for rule in (self.check_ends, self.check_times, self.check_duplicates, self.check_effects, self.check_told,
                     self.check_letters, self.check_fences, self.check_order, self.check_places, self.check_parts,
                     self.check_commits, self.check_lag, self.check_exits):
            rule()
        return self.violations

    # --- the rules -------------------------------------------------------------------------------

    def check_ends(self):
        """Every id ends in exactly one of succeeded, dead letter, cancelled; and as it should."""
        for job_id, job in self.jobs.items():
            if job.what in NO_LEDGER:
                continue
            row = self.ledger.get(job_id)
            if row is None:
                self.violate("lost", job_id, f"a {job.what} that no worker ever took")
                continue
            state, _, code = row[:3]
            self.counts[state] += 1
            if state not in TERMINAL:
                self.violate("unfinished", job_id, f"a {job.what} is {state}")
            elif state == "cancelled":
                if job_id not in self.cancelled and code != DUPLICATE and job.what != PART:
                    self.violate("wrong end", job_id, f"a {job.what} was cancelled, and nobody asked")
            elif state not in job.ends and code != "job.poison":
                self.violate("wrong end", job_id, f"a {job.what} is {state} ({code}), not {'/'.join(job.ends)}")
            elif state not in job.ends:
                self.counts["innocents taken for poison"] += 1
            if self.cancelled.get(job_id) == "ended" and state != "cancelled":
                self.violate("cancel", job_id, f"the cancel ended it, and it is {state}")
        for job_id in set(self.ledger) - set(self.jobs):
            self.violate("invented", job_id, "nobody sent it")

    def check_times(self):
        """None is started before its time, by the hub's clock."""
        for job_id, job in self.jobs.items():
            for at, *_ in self.starts.get(job_id, ())[:1]:
                if at.timestamp() < job.not_before_s:
                    self.violate("too early", job_id, f"started at {at.time()}")

    def check_duplicates(self):
        """Of a dedupe key one job is done, unless who had the key came to nothing; a duplicate is never started. One that
        was put back asks for no key."""
        keys = defaultdict(list)
        for job_id, job in self.jobs.items():
            state, redrives, code = self.ledger.get(job_id, (None, 0, None))[:3]
            if job.dedupe_key is not None:
                keys[job.dedupe_key].append((state, redrives, code))
            if code == DUPLICATE and (job.dedupe_key is None or self.starts.get(job_id)):
                self.violate("duplicate", job_id, f"a {job.what} that is none, or was started")
        for key, rows in keys.items():
            done = sum(state == "succeeded" and not redrives for state, redrives, _ in rows)
            self.counts["duplicates"] += sum(code == DUPLICATE for *_, code in rows)
            if done > 1 or all(code == DUPLICATE for *_, code in rows):
                self.violate("duplicate", "", f"of {key}, {done} are done: {rows}")

    def check_effects(self):
        """Applied once at the most; once if it succeeded."""
        for job_id, rows in self.applied.items():
            self.counts["applied"] += len(rows)
            if len(rows) > 1 or self.targets.get(job_id) != len(rows):
                self.violate("applied twice", job_id, f"{len(rows)} rows, {self.targets.get(job_id)} in the target")
        for job_id, (state, *_) in self.ledger.items():
            if state == "succeeded" and not self.applied.get(job_id):
                self.violate("not applied", job_id, "succeeded without its effect")

    def check_told(self):
        """One end is told for each time that a job was put on its way, and it is the ledger's."""
        for job_id, job in self.jobs.items():
            told = self.ends.get(job_id, {})
            for redrive in {redrive for redrive, _, _ in told}:
                ids = {event_id for number, _, event_id in told if number == redrive}
                if len(ids) > 1 and job.what not in NO_LEDGER:
                    self.violate("two ends", job_id, f"told: {sorted(ids)}")
            if job.what == "idle" and not any(state == "succeeded" for _, state, _ in told):
                self.violate("not told", job_id, f"an {job.what} job's end: {sorted(told)}")
            row = self.ledger.get(job_id)
            if row is not None and row[0] in TERMINAL:
                if not any(redrive == row[1] and state == row[0] for redrive, state, _ in told):
                    self.violate("not told", job_id, f"it is {row[0]} (redriven {row[1]}), told: {sorted(told)}")

    def check_letters(self):
        """A dead letter for each time that a job was given up, and for nothing else."""
        for job_id, rows in self.history.items():
            given_up = {row[4] for row in rows if row[1] == "dead_lettered"}
            there = set(self.letters.get(job_id, ()))
            if given_up - there:
                self.violate("no dead letter", job_id, f"given up at redrive {sorted(given_up)}, letters {sorted(there)}")
            if there - given_up:
                self.violate("wrong dead letter", job_id, f"letters {sorted(there)}, given up at {sorted(given_up)}")
        for job_id, job in self.jobs.items():
            if job.raw is not None and not self.raw_letters[job.raw]:
                self.violate("no dead letter", job_id, f"what is no job is gone: {job.raw}")
            if job.what == "idle" and job_id in self.letters:
                self.violate("wrong dead letter", job_id, "of a job that does nothing")

    def check_fences(self):
        """Fences of a job grow, no fence is given twice, and an end is left by a redrive alone."""
        owners = {}
        for job_id, rows in self.history.items():
            for before, after in zip(rows, rows[1:]):
                if after[5] < before[5]:
                    self.violate("fence", job_id, f"fence {after[5]} behind {before[5]}")
                if before[1] in TERMINAL and after[1] != before[1] and after[4] <= before[4]:
                    self.violate("two ends", job_id, f"{before[1]} became {after[1]}")
        for job_id, rows in self.starts.items():
            for row in rows:
                if owners.setdefault(row[2], (job_id, row[3])) != (job_id, row[3]):
                    self.violate("fence", job_id, f"{row[2]} was given to {owners[row[2]]} too")
            self.counts["starts"] += len(rows)

    def check_order(self):
        """Jobs of one chain are applied in the order they were sent, and none starts before the one before it has
        ended. A job that was put back has lost its place."""
        chains = defaultdict(list)
        for job in self.jobs.values():
            if job.kind == "chain" and self.ledger.get(job.job_id, (None, 1))[1] == 0:
                chains[job.subject].append(job)
        for jobs in chains.values():
            jobs.sort(key=lambda job: job.number)
            for before, after in zip(jobs, jobs[1:]):
                first, second = self.applied.get(before.job_id), self.applied.get(after.job_id)
                if first and second and first[0][0] > second[0][0]:
                    self.violate("order", after.job_id, f"applied before {before.job_id} of {before.subject}")
                ended, begun = self.ledger[before.job_id][5], self.starts.get(after.job_id)
                if ended and begun and begun[0][0] < ended and self.starts.get(before.job_id):
                    self.violate("order", after.job_id, f"started at {begun[0][0].time()}, and {before.job_id} of"
                                 f" {before.subject} ended at {ended.time()}")

    def check_places(self):
        """Who has ended is in nobody's way."""
        for job_id, in self.stage.hub.query("SELECT job_id FROM haul.ledger WHERE finished_at IS NOT NULL AND place IS NOT NULL"):
            self.violate("places", job_id, "it has ended, and has a place still")

    def check_parts(self):
        """What succeeded was put together from all its parts, of one time that they were handed out, each of them applied."""
        for job_id, job in self.jobs.items():
            if job.kind != "split" or self.ledger.get(job_id, (None,))[0] != "succeeded":
                continue
            there = [part_of(part_id) for part_id in self.joined.get(job_id) or ()]
            wanted = [(job_id, there[0][1] if there else None, number) for number in range(job.data["parts"])]
            missing = [part_id for part_id in self.joined.get(job_id) or () if not self.applied.get(part_id)]
            self.counts["parts joined"] += len(there)
            if sorted(there) != wanted or missing:
                self.violate("parts", job_id, f"{job.data['parts']} were asked for, {there} joined, {missing} not applied")
            if job_id in self.families:
                self.violate("parts", job_id, "it has succeeded, and its parts are still waited for")

    def check_commits(self):
        """Every commit that the group ever made, from Kafka's own topic: none goes back."""
        last = {}
        for key, value in read_commits(self.stage.haul.topics, self.stage.group):
            self.counts["commits"] += 1
            self.counts["longest map"] = max(self.counts["longest map"], len(value[1]))
            if value[0] < last.get(key, 0):
                self.violate("commit went back", "", f"{key}: {last[key]} -> {value[0]}")
            last[key] = value[0]

    def check_lag(self):
        for (topic, partition), lag in self.stage.lags().items():
            self.violate("lag", "", f"{topic}[{partition}] is {lag} behind at the end")

    def check_exits(self):
        for label, status in self.exits:
            if status not in ALLOWED_EXITS:
                log = (self.stage.folder / f"{label}.log").read_text(errors="replace")
                self.violate("bad exit", "", f"{label} ended with {status}:\n{log[-3000:]}")

    # --- what is told --------------------------------------------------------------------------

    def history_of(self, job_id):
        """All that is known of a job, in the hub's order of time."""
        lines = [(row[0], f"ledger {row[1]} attempt {row[2]} starts {row[3]} redrive {row[4]} fence {row[5]}"
                  f" due {row[6]} {row[7] or ''} {row[8] or ''}") for row in self.history.get(job_id, ())]
        lines += [(row[0], f"start attempt {row[1]} fence {row[2]} pid {row[3]}") for row in self.starts.get(job_id, ())]
        lines += [(row[1], f"applied as {row[0]} attempt {row[2]} fence {row[3]}") for row in self.applied.get(job_id, ())]
        job = self.jobs.get(job_id)
        head = [f"{job.what}, number {job.number}, key {job.key}: {job.value()}"] if job else []
        told = [f"told {state} x{count} ({event_id})" for (_, state, event_id), count in self.ends.get(job_id, {}).items()]
        return head + [f"{at.time()} {text}" for at, text in sorted(lines)] + told + \
            ([f"asked to cancel: {self.cancelled[job_id]}"] if job_id in self.cancelled else [])


def read_commits(topics, group):
    """((topic, partition), (offset, metadata)) of each commit, in the order they were made."""
    found = []
    for message in topics.read("__consumer_offsets"):
        commit = parse_commit(message.key(), message.value())
        if commit is not None and commit[0] == group:
            found.append(commit[1:])
    return found


def parse_commit(key, value):
    """A record of Kafka's offsets topic: key (version 1: group, topic, partition), value (version 3 and 4: offset,
    leader epoch, metadata). None for anything else."""
    if not key or value is None or struct.unpack_from(">h", key)[0] not in (0, 1):
        return None
    at = 2
    texts = []
    for _ in range(2):
        [length] = struct.unpack_from(">h", key, at)
        texts.append(key[at + 2:at + 2 + length].decode())
        at += 2 + length
    [partition] = struct.unpack_from(">i", key, at)
    [version, offset] = struct.unpack_from(">hq", value)
    assert version <= 4, f"a commit's version {version} is not known here"
    length, at = read_length(value, 10 + (4 if version >= 3 else 0), is_compact=version >= 4)
    return texts[0], (texts[1], partition), (offset, value[at:at + length].decode("ascii"))


def read_length(value, at, is_compact):
    """Of a text, and where it begins: two bytes, or one more than it as a varint."""
    if not is_compact:
        return struct.unpack_from(">h", value, at)[0], at + 2
    length = shift = 0
    while True:
        length |= (value[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if value[at - 1] < 128:
            return length - 1, at
