"""tools/bench runtime: jobs that do nothing, from their topic to their last event, beside loops, libraries and queues;
and how long lone jobs wait behind very many of one workspace."""

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from harness.hub import Hub
from harness.servers import Servers

from bench import RESULTS, contender, flood, queues
from bench.bars import Bars
from bench.jobs import PARTITIONS
from bench.machine import machine, versions
from bench.noops import SETTINGS, STATES, Noops
from bench.sql import in_turns

SERVER_OPTIONS = ("--set", "postgres.autovacuum=off")
# As Kafka's own script starts it: in the small heap of the tests it stops for 150 ms now and then, and all wait.
KAFKA_HEAP_OPTS = "-Xms1g -Xmx1g"
SERVERS = ("postgres", "redis", "kafka")
QUEUE_SHARE = 5  # queues of their own get one job for so many of Kafka's: they take longer

LOOP_LEAST, PARALLEL_LEAST, HUB_LOOP_LEAST, QUEUE_LEAST = 0.5, 1.4, 0.75, 1.8
P50_LIMIT_MS, P99_LIMIT_MS = 3, 10
IDLE_LIMIT_MB, PEAK_LIMIT_MB, PARTITION_LIMIT_KB = 15, 64, 32
FLOOD_WAIT_LIMIT_MS = 1000
MANY_PARTITIONS = 120
# The machine's pace changes within minutes: whoever is compared comes right behind the other.
TURNS = ("bare loop", "haul idle", "parallel-consumer", "parallel-consumer x64", "asynq", "bullmq", "river",
         "haul noop", "hub loop")
CALM_REDIS_DATABASE, FLOOD_REDIS_DATABASE = 4, 5


def spread(rounds):
    """Of lists of milliseconds: the medians over the rounds, and each round's."""
    p50s = [round(statistics.median(found), 3) for found in rounds]
    p99s = [round(sorted(found)[len(found) * 99 // 100], 3) for found in rounds]
    return {"p50_ms": round(statistics.median(p50s), 3), "p99_ms": round(statistics.median(p99s), 3),
            "max_ms": round(max(map(max, rounds)), 3), "p50s_ms": p50s, "p99s_ms": p99s}


class Speeds:
    """Every single measurement by contender."""

    def __init__(self):
        self.items = {}

    def add(self, name, speed):
        self.items.setdefault(name, []).append(speed)
        print(f"{name:24} {speed.rate:9.0f} jobs/s {1e6 * speed.cpu_s / speed.jobs:8.2f} us CPU a job"
              f" {speed.peak_mb:7.1f} MB", flush=True)

    def rate(self, name):
        """The median; None when it was not measured."""
        found = self.items.get(name)
        return statistics.median(speed.rate for speed in found) if found else None

    def peak_mb(self, *names):
        return max(speed.peak_mb for name in names for speed in self.items.get(name, ()))

    def as_json(self):
        return [{"contender": name, "jobs": found[0].jobs, "median_rate": round(self.rate(name)),
                 "rates": [round(speed.rate) for speed in found],
                 "cpu_us_a_job": [round(1e6 * speed.cpu_s / speed.jobs, 2) for speed in found],
                 "peak_mb": [round(speed.peak_mb, 1) for speed in found]} for name, found in self.items.items()]


class Bench:
    """What all contenders share: servers, a folder, a hub for those that have none of their own."""

    REDIS_DATABASE = 1

    def __init__(self, servers, folder, jobs):
        self.servers = servers
        self.folder = folder
        self.jobs = jobs
        self.queue_jobs = jobs // QUEUE_SHARE
        self.hub = Hub(servers, f"bench_{int(time.time())}")
        self.redis = servers.connect_redis(admin=True, db=self.REDIS_DATABASE)
        self.topic = self.events = ""

    def settle(self):
        """What one contender left to be written is not the next one's load."""
        self.hub.query("CHECKPOINT")
        os.sync()  # the broker's logs too


def make_contenders(options, missing):
    """Those that can be built here; missing gets the others, and why."""
    makers = [("bare loop", lambda: queues.Loop("bare loop")),
              ("hub loop", lambda: queues.Loop("hub loop", has_hub=True))]
    if not options.no_peers:
        makers += [("parallel-consumer", lambda: queues.ParallelConsumer("parallel-consumer", 16)),
                   ("parallel-consumer x64", lambda: queues.ParallelConsumer("parallel-consumer x64", 64)),
                   ("river", queues.River), ("bullmq", queues.BullMq), ("asynq", queues.Asynq)]
    found = {}
    for name, make in makers:
        if options.only != [""] and name not in options.only:
            continue
        try:
            found[name] = make()
        except queues.Unavailable as error:
            missing[name] = str(error)
            print(f"left out: {name}: {error}", flush=True)
    return found


class Runtime:
    def __init__(self, options, bench):
        self.options = options
        self.bench = bench
        self.speeds = Speeds()
        self.bars = Bars()
        self.missing = {}
        self.others = make_contenders(options, self.missing)
        self.kinds = {}
        for database, kind in enumerate(("idle", "noop"), 2):
            self.kinds[kind] = Noops(bench, kind, redis_database=database)
            if options.only != ["flood"]:
                self.kinds[kind].fill(bench.jobs)
        self.bench.topic = self.kinds["idle"].jobs_topic
        self.bench.events = self.kinds["idle"].haul.prefix + "loop"
        self.kinds["idle"].haul.topics.create(self.bench.events, partitions=PARTITIONS)
        self.latencies, self.memory, self.floods = {}, {}, {}

    def contenders(self):
        found = {name: peer.run for name, peer in self.others.items()}
        found |= {f"haul {kind}": noops.run for kind, noops in self.kinds.items()
                  if self.options.only == [""] or f"haul {kind}" in self.options.only}
        return sorted(found.items(), key=lambda one: TURNS.index(one[0]))

    def round(self, number):
        for name, run in in_turns(self.contenders(), number):
            self.bench.settle()
            group = f"bench-{name.replace(' ', '-')}-{time.time_ns()}"
            self.speeds.add(name, run(self.bench, group))

    def _calm(self, kind, partitions=PARTITIONS):
        """A worker's surroundings with no job waiting."""
        return closing(Noops(self.bench, kind, partitions, CALM_REDIS_DATABASE))

    def _calm_latencies(self, noops):
        self.bench.settle()
        return noops.latencies_ms()

    def measure_latencies(self):
        for kind in self.kinds:
            with self._calm(kind) as noops:
                rounds = [self._calm_latencies(noops) for _ in range(self.options.runs)]
            ours, readers = zip(*rounds, strict=True)
            self.latencies[kind] = {"jobs": len(ours[0]), **spread(ours), "bare_reader": spread(readers)}
            print(f"latency of {kind}: {self.latencies[kind]}", flush=True)

    def measure_memory(self):
        held = []
        for partitions in (PARTITIONS, MANY_PARTITIONS):
            with self._calm("noop", partitions) as noops:
                held.append(statistics.median(noops.idle_mb() for _ in range(self.options.runs)))
        grown_kb = max(0, held[1] - held[0]) * 1000 / (MANY_PARTITIONS - PARTITIONS)
        self.memory = {"idle_mb": round(held[0], 2), f"idle_{MANY_PARTITIONS}_mb": round(held[1], 2),
                       "partition_kb": round(grown_kb, 2)}
        print(f"memory: {self.memory}", flush=True)

    def measure_flood(self):
        for name in flood.KINDS:
            rounds = self.floods[name] = []
            with closing(flood.Flood(self.bench, name, FLOOD_REDIS_DATABASE)) as flooded:
                for _ in range(self.options.runs):
                    self.bench.settle()
                    rounds.append(flooded.round().as_json())
                    print(f"{name} of {flood.JOBS}: {rounds[-1]}", flush=True)

    def run(self):
        print(f"haul: {' '.join(f'{name}={value}' for name, value in SETTINGS.items())}", flush=True)
        for peer in self.others.values():
            print(f"{peer.name}: {peer.version()} {peer.settings() or ''}", flush=True)
        for number in range(self.options.runs):
            self.round(number)
        if not self.options.no_latency:
            self.measure_latencies()
            self.measure_memory()
        if "flood" in self.options.only or (self.options.only == [""] and not self.options.no_latency):
            self.measure_flood()

    # --- what came out ---------------------------------------------------------------------------

    def judge_ratio(self, name, above, below, least):
        a, b = self.speeds.rate(above), self.speeds.rate(below)
        if a is not None and b is not None:
            self.bars.at_least(name, a / b, least)
        elif self.options.only == [""]:
            print(f"bar {name} not measured: {self.missing.get(below, below + ' was left out')}", flush=True)

    def judge(self):
        self.judge_ratio("idle_vs_bare_loop", "haul idle", "bare loop", LOOP_LEAST)
        self.judge_ratio("idle_vs_parallel_consumer", "haul idle", "parallel-consumer", PARALLEL_LEAST)
        self.judge_ratio("noop_vs_hub_loop", "haul noop", "hub loop", HUB_LOOP_LEAST)
        rates = {name: self.speeds.rate(name) for name in ("river", "bullmq", "asynq") if self.speeds.rate(name)}
        best = max(rates, key=rates.get, default="river")
        self.judge_ratio("noop_vs_best_queue", "haul noop", best, QUEUE_LEAST)
        for kind, found in self.latencies.items():
            self.bars.at_most(f"{kind}_start_p50_ms", found["p50_ms"], P50_LIMIT_MS)
            self.bars.at_most(f"{kind}_start_p99_ms", found["p99_ms"], P99_LIMIT_MS)
        if self.memory:
            self.bars.at_most("worker_idle_mb", self.memory["idle_mb"], IDLE_LIMIT_MB)
            self.bars.at_most("worker_partition_kb", self.memory["partition_kb"], PARTITION_LIMIT_KB)
        for name, rounds in self.floods.items():
            longest = statistics.median(found["longest_wait_ms"] for found in rounds)
            self.bars.at_most(f"{name}_longest_wait_ms", longest, FLOOD_WAIT_LIMIT_MS)
            self.bars.at_most(f"{name}_peak_mb", max(found["peak_mb"] for found in rounds), PEAK_LIMIT_MB)
        self.bars.at_most("events_untold", sum(noops.untold for noops in self.kinds.values()), 0)
        if any(name.startswith("haul") for name in self.speeds.items):
            self.bars.at_most("worker_peak_mb", self.speeds.peak_mb("haul idle", "haul noop"), PEAK_LIMIT_MB)

    def write(self, machine_before):
        own = {"haul": self.kinds["idle"].haul.run("--version").out.strip(),
               **{name: peer.version() for name, peer in self.others.items()}}
        settings = {"haul": SETTINGS, **{name: peer.settings() for name, peer in self.others.items()}}
        result = {"bench": "runtime", "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                  "runs": self.options.runs, "jobs": self.bench.jobs, "queue_jobs": self.bench.queue_jobs,
                  "partitions": PARTITIONS, "events_of_a_job": list(STATES),
                  "machine": machine_before, "versions": {**own, **versions(self.bench.hub)}, "settings": settings,
                  "server_settings": [*SERVER_OPTIONS[1::2], f"KAFKA_HEAP_OPTS={os.environ['KAFKA_HEAP_OPTS']}"],
                  "left_out": self.missing,
                  "speeds": self.speeds.as_json(), "latency": self.latencies, "memory": self.memory,
                  **{name: {"jobs": flood.JOBS, "lone_jobs": flood.LONE_JOBS, "rounds": rounds}
                     for name, rounds in self.floods.items()},
                  "bars": self.bars.items}
        RESULTS.mkdir(parents=True, exist_ok=True)
        path = RESULTS / time.strftime("runtime-%Y-%m-%dT%H%M%S.json")
        path.write_text(json.dumps(result, indent=1) + "\n")
        print(f"results: {path}")

    def log_end(self):
        return "\n".join(noops.log_end() for noops in self.kinds.values())

    def close(self):
        for noops in self.kinds.values():
            noops.close()
        self.bench.hub.drop()


def main(options):
    machine_before = machine()
    os.environ.setdefault("KAFKA_HEAP_OPTS", KAFKA_HEAP_OPTS)
    contender.build()
    keep = options.keep or options.servers
    servers = Servers(options.servers or tempfile.mkdtemp(prefix="haul-bench-", dir="/tmp"), SERVERS, SERVER_OPTIONS) \
        if keep else Servers.temporary(SERVERS, SERVER_OPTIONS)
    folder = Path(tempfile.mkdtemp(prefix="haul-bench-work-", dir="/tmp"))
    runtime = None
    try:
        runtime = Runtime(options, Bench(servers, folder, options.jobs))
        runtime.run()
        runtime.judge()
        runtime.write(machine_before)
    except Exception:
        print(runtime.log_end() if runtime else "", file=sys.stderr)
        raise
    finally:
        if runtime is not None:
            runtime.close()
        if keep:
            print(f"servers: {servers.folder} (tools/servers stop {servers.folder} --delete)")
        else:
            servers.delete()
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if runtime.bars.all_met() else 1
