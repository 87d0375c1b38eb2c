"""Who else does jobs, and the loops that any worker over Kafka stands on. Their programs are in bench/peers; what they
need is fetched and built in the cache, in a folder that is named by the sources."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from bench import ROOT
from bench.jobs import write_file
from bench.process import run_between
from bench.programs import output_of

SOURCES = ROOT / "bench" / "peers"
BUILD_TIMEOUT_S = 900
LEDGER = """CREATE TABLE IF NOT EXISTS loop_ledger (job_id text PRIMARY KEY, state text NOT NULL,
                                                    created_at timestamptz NOT NULL DEFAULT clock_timestamp())"""


class Unavailable(Exception):
    """A peer that can't be built here, and why."""


def _call(words, folder):
    try:
        done = subprocess.run([*map(str, words)], cwd=folder, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S,
                              stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{words[0]}: {error}") from error
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        raise Unavailable(f"{words[0]} {words[1]} failed: {' / '.join(lines[-3:])}")
    return done.stdout


def built(name, build):
    """The folder of a peer's copy, built by build(folder) when it is not there."""
    sources = sorted(path for path in (SOURCES / name).iterdir() if path.is_file())
    digest = hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in sources)).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "haul"
    folder = cache / f"bench-{name}-{digest}"
    if not folder.exists():
        part = cache / f"bench-{name}-{digest}.part-{os.getpid()}"
        shutil.copytree(SOURCES / name, part)
        try:
            build(part)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


# --- over Kafka --------------------------------------------------------------------------------------


class Loop:
    """The least that a worker does, in C, one thread."""

    def __init__(self, name, has_hub=False):
        self.name = name
        self.has_hub = has_hub
        self.folder = built("loop", self._build)

    @staticmethod
    def _build(folder):
        flags = _call(["pkg-config", "--cflags", "--libs", "rdkafka", "hiredis", "libpq", "jansson"], folder).split()
        _call(["gcc", "-O2", "-Wall", "-Werror", "-o", "loop", *sorted(folder.glob("*.c")), *flags], folder)

    def version(self):
        return "gcc -O2, librdkafka, jansson" + (", hiredis, libpq" if self.has_hub else "")

    def settings(self):
        return {"batch": 100} if self.has_hub else {}

    def run(self, bench, group):
        words = [self.folder / "loop", bench.servers.kafka.brokers, bench.topic, bench.events, group, bench.jobs]
        if self.has_hub:
            bench.hub.query(LEDGER)
            bench.hub.query("TRUNCATE loop_ledger")
            bench.redis.flushdb()
            own = bench.servers.redis
            words += [own.socket, own.admin_user, own.admin_password, bench.hub.admin_url]
        return run_between(words, bench.jobs, bench.folder)


class ParallelConsumer:
    """Confluent's, unordered, with a producer of its own that is not waited for."""

    def __init__(self, name, concurrency):
        self.name = name
        self.concurrency = concurrency
        self.folder = built("parallel-consumer", self._build)

    @staticmethod
    def _build(folder):
        _call(["mvn", "-q", "-B", "-Dstyle.color=never",
               "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies", "-DincludeScope=runtime",
               f"-DoutputDirectory={folder}/jars"], folder)
        _call(["javac", "-cp", "jars/*", "-d", "classes", "ParallelConsumer.java"], folder)

    def version(self):
        return next((self.folder / "jars").glob("parallel-consumer-core-*.jar")).stem.rsplit("-", 1)[1]

    def settings(self):
        return {"maxConcurrency": self.concurrency}

    def run(self, bench, group):
        return run_between(["java", f"-Dconcurrency={self.concurrency}", "-cp",
                            f"{self.folder}/classes:{self.folder}/jars/*", "ParallelConsumer",
                            bench.servers.kafka.brokers, bench.topic, bench.events, group, bench.jobs],
                           bench.jobs, bench.folder)


# --- queues of their own ---------------------------------------------------------------------------


class Queue:
    """Filled beforehand with the same bytes, then worked by one process."""

    env = {}

    def __init__(self):
        self.folder = built(self.name, self._build)

    @staticmethod
    def _build(folder):
        _call(["go", "build", "-trimpath", "-o", folder.name.split("-")[1], "."], folder)

    def words(self):
        return [self.folder / self.name]

    def settings(self):
        return self.env

    def run(self, bench, group):
        count = bench.queue_jobs
        jobs = Path(bench.folder) / "jobs.jsonl"
        if not jobs.exists():
            write_file(jobs, "noop", count)
        bench.redis.flushdb()
        _call([*self.words(), "fill", *self.place(bench), jobs], bench.folder)
        return run_between([*self.words(), "work", *self.place(bench), count], count, bench.folder, self.env)


class River(Queue):
    name = "river"
    env = {"WORKERS": "2000", "CONNECTIONS": "20", "COOLDOWN_MS": "2"}

    def version(self):
        return _version_in(self.folder / "go.mod", "github.com/riverqueue/river ")

    def place(self, bench):
        return [bench.hub.admin_url]


class Asynq(Queue):
    name = "asynq"
    env = {"WORKERS": "50"}

    def version(self):
        return _version_in(self.folder / "go.mod", "github.com/hibiken/asynq ")

    def place(self, bench):
        own = bench.servers.redis
        return [f"redis://{own.admin_user}:{own.admin_password}@{own.host}:{own.port}/{bench.REDIS_DATABASE}"]


class BullMq(Queue):
    name = "bullmq"
    env = {"WORKERS": "200"}

    @staticmethod
    def _build(folder):
        _call(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"], folder)

    def words(self):
        return ["node", self.folder / "main.js"]

    def version(self):
        return _version_in(self.folder / "package.json", '"bullmq": ').strip('",') + ", node " + \
            output_of("node", "--version")

    def place(self, bench):
        own = bench.servers.redis
        return [own.socket, own.admin_user, own.admin_password, bench.REDIS_DATABASE]


def _version_in(path, before):
    line = next(line for line in path.read_text().splitlines() if before in line)
    return line.split(before)[1].split()[0]
