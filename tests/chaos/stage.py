"""What chaos happens on: servers of its own, a proxy before each of them for each worker, workers, clocks."""

import errno
import os
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import redis

from chaos.proxy import Proxy, listening_socket
from harness.databases import PostgresDatabase
from harness.haul import Haul
from harness.hub import Hub
from harness.programs import Worker, build_folder
from harness.servers import Servers
from harness.waiting import wait_for

WORKER = "testkind"
TIERS = ("5s", "30s", "2m", "10m", "1h")
CLASSES = ("", ".interactive", ".bulk")
SERVERS = ("kafka", "redis", "postgres")
QUICK = {"HAUL_RETRY_SCALE_PERCENT": 2, "HAUL_SESSION_TIMEOUT_MS": 3000, "HAUL_LEASE_TTL_MS": 3000,
         "HAUL_DRAIN_TIMEOUT_MS": 1500, "HAUL_REVOKE_DRAIN_MS": 1000, "HAUL_COMMIT_INTERVAL_MS": 200}
HOUR_US = 3_600_000_000


class Clock:
    """What the clock of one worker is off by; see clockshift.c."""

    def __init__(self, path):
        self.path = path
        self.shift(0)

    def shift(self, us):
        with open(self.path, "r+b" if self.path.exists() else "wb") as file:
            file.write(struct.pack("q", us))

    def env(self):
        library = build_folder() / "chaos" / "libclockshift.so"
        assert library.exists(), f"{library} is not built"
        return {"LD_PRELOAD": library, "CHAOS_CLOCK": self.path,
                "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "detect_leaks=1") + ":verify_asan_link_order=0"}


class Slot:
    """A place for one worker process at a time, with ways of its own to the servers and a clock of its own."""

    def __init__(self, stage, name):
        self.stage = stage
        self.name = name
        self.links = {}
        self.clock = Clock(stage.folder / f"{name}.clock")
        self.worker = None
        self.wanted = False  # the supervisor keeps it running
        self.lock = threading.Lock()
        self.starts = 0

    def env(self):
        stage = self.stage
        ports = {server: self.links[server].port for server in SERVERS}
        return {**stage.haul.env(), **QUICK, **self.clock.env(), **stage.options,
                "HAUL_KAFKA_BROKERS": f"127.0.0.1:{ports['kafka']}",
                "HAUL_REDIS_URL": with_port(stage.haul.redis_url, ports["redis"]),
                "HAUL_HUB_URL": with_port(stage.hub.worker_url, ports["postgres"])}

    def start(self, **more):
        """Starts it if it does not run; a service that is away does not keep it from starting."""
        with self.lock:
            self.wanted = True
            self._run(more)
        return self.worker

    def revive(self):
        """Starts it again if it ended by itself."""
        with self.lock:
            if self.wanted:
                self._run({})

    def _run(self, more):
        if not self.is_running():
            self.starts += 1
            self.worker = Worker(WORKER, {**self.env(), **more}, self.stage.folder, f"{self.name}.{self.starts}")
            self.stage.haul.workers.append(self.worker)

    def is_running(self):
        return self.worker is not None and self.worker.is_running()

    def signal(self, number):
        with self.lock:
            if self.is_running():
                self.worker.process.send_signal(number)

    def stop(self, timeout_s=30):
        """SIGTERM, and its exit status."""
        self.wanted = False
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        return self.worker.wait_ended(timeout_s) if self.worker else 0

    def kill(self):
        self.wanted = False
        if self.is_running():
            self.worker.kill()

    def heal(self):
        for link in self.links.values():
            link.heal()
        self.clock.shift(0)


def with_port(url, port):
    return re.sub(r"@([^:/]+):\d+/", rf"@\1:{port}/", url)


class RedisPair:
    """The servers' Redis and a replica of it; the proxy leads to one of them, the master."""

    def __init__(self, servers, folder):
        self.servers = servers
        self.folder = folder
        self.folder.mkdir()
        self.ports = [servers.redis.port, None]
        self.process = None
        self.master = 0

    @property
    def port(self):
        return self.ports[self.master]

    def connect(self, which, **more):
        own = self.servers.redis
        return redis.Redis(host=own.host, port=self.ports[which], username=own.admin_user,
                           password=own.admin_password, socket_timeout=10, **more)

    def start_second(self):
        own = self.servers.redis
        if self.ports[1] is None:
            with listening_socket() as probe:
                self.ports[1] = probe.getsockname()[1]
        conf = self.folder / "redis.conf"
        conf.write_text(f"bind 127.0.0.1\nport {self.ports[1]}\ndir {self.folder}\nsave \"\"\nappendonly no\n"
                        f"masteruser {own.admin_user}\nmasterauth {own.admin_password}\n"
                        f"user default on >{own.admin_password} ~* &* +@all\n"
                        f"user app on >{own.password} ~* &* +@all -@admin\n")
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(["redis-server", conf], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_for(lambda: self._answers(1), "the second Redis")

    def _answers(self, which):
        try:
            return self.connect(which).ping()
        except redis.RedisError:
            return False

    def follow(self, timeout_s=10):
        """The other one becomes the master's replica, and is as it is."""
        own, other = self.servers.redis, 1 - self.master
        if other == 1 and self.process is None:
            self.start_second()
        follower = self.connect(other)
        follower.config_set("masteruser", own.admin_user)
        follower.config_set("masterauth", own.admin_password)
        follower.replicaof("127.0.0.1", self.port)
        wait_for(lambda: follower.info("replication").get("master_link_status") == "up", "the replica", timeout_s)

    def fail_over(self):
        """The replica is the master now; what the old one had not told it is lost."""
        self.master = 1 - self.master
        self.connect(self.master).replicaof("NO", "ONE")

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class SmallDisk:
    """A tmpfs that the hub's ledger and the effects lie on, and a file that fills it."""

    def __init__(self, mib):
        self.folder = Path(tempfile.mkdtemp(prefix="haul-disk-", dir="/tmp"))
        self.filler = self.folder / "filler"
        self.mib = mib
        self.is_there = False

    def mount(self):
        """False where nothing can be mounted: then no disk gets full."""
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.mib}m", "tmpfs", self.folder],
                              capture_output=True, text=True)
        self.is_there = done.returncode == 0
        if self.is_there:
            self.folder.chmod(0o755)
            (self.folder / "space").mkdir()
            if os.geteuid() == 0:
                shutil.chown(self.folder / "space", "postgres", "postgres")
        return self.is_there

    def fill(self):
        with open(self.filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def heal(self):
        self.filler.unlink(missing_ok=True)

    def unmount(self):
        if self.is_there:
            subprocess.run(["umount", "-l", self.folder], check=False)
            self.is_there = False
        shutil.rmtree(self.folder, ignore_errors=True)


class Stage:
    """Real servers, a hub with the effects' tables, topics, slots for workers."""

    def __init__(self, folder, slots=4, partitions=4, options=None, disk=False, disk_mib=128):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.options = options or {}
        self.proxy = Proxy()
        self.servers = Servers.temporary(SERVERS, ())
        self.servers.is_alone = True
        self.redis = RedisPair(self.servers, self.folder / "redis2")
        self.disk = SmallDisk(disk_mib)
        self.slots = [Slot(self, f"w{number + 1}") for number in range(slots)]
        try:
            self._make(partitions, disk)
        except BaseException:
            self.close()
            raise

    # --- made once -------------------------------------------------------------------------------

    def _make(self, partitions, disk):
        self._make_links()
        self.hub = Hub(self.servers, "hub_chaos")
        self.haul = Haul(self.servers, self.hub, self.folder, "chaos", 1)
        if disk and self.disk.mount():
            self._use_disk()
        self.haul.migrate()
        self.hub.query((Path(__file__).parent / "effects.sql").read_text())
        self.make_topics(partitions)

    def _make_links(self):
        """Kafka tells its clients where to go, so each slot gets a listener of the broker's own, told of as
        the slot's proxy."""
        kafka = self.servers.folder / "kafka"
        conf = dict(line.split("=", 1) for line in (kafka / "conf").read_text().splitlines() if "=" in line)
        extra = {key: [conf[key]] for key in ("listeners", "advertised.listeners", "listener.security.protocol.map")}
        for number, slot in enumerate(self.slots):
            with listening_socket() as probe:
                port = probe.getsockname()[1]
            slot.links = {"kafka": self.proxy.link(port), "redis": self.proxy.link(self.servers.redis.port),
                          "postgres": self.proxy.link(self.servers.postgres.port)}
            extra["listeners"].append(f"SLOT{number}://127.0.0.1:{port}")
            extra["advertised.listeners"].append(f"SLOT{number}://127.0.0.1:{slot.links['kafka'].port}")
            extra["listener.security.protocol.map"].append(f"SLOT{number}:PLAINTEXT")
        with open(kafka / "extra", "a") as file:
            file.writelines(f"{key}={','.join(values)}\n" for key, values in extra.items())
        self.servers.kill("kafka")  # it holds nothing yet
        self.servers.start("kafka")

    def _use_disk(self):
        admin = self.servers.connect_postgres(admin=True)
        admin.cursor().execute(f"CREATE TABLESPACE small LOCATION '{self.disk.folder / 'space'}'")
        admin.cursor().execute("GRANT CREATE ON TABLESPACE small TO PUBLIC")
        admin.cursor().execute(f"ALTER DATABASE \"{self.hub.name}\" SET default_tablespace = small")
        admin.close()

    def make_topics(self, partitions):
        jobs = f"{self.haul.prefix}jobs.{WORKER}"
        self.jobs_topics = [jobs + ending for ending in CLASSES]
        self.dlq_topic, self.events_topic, self.group = f"{jobs}.dlq", f"{self.haul.prefix}events", jobs
        self.read_topics = self.jobs_topics + [f"{jobs}.retry.{tier}" for tier in TIERS]
        self.haul.topics.create(*self.read_topics, self.events_topic, partitions=partitions)
        self.haul.topics.create(self.dlq_topic, f"{jobs}.quarantine")

    # --- while it runs ---------------------------------------------------------------------------

    def lead_redis(self):
        for slot in self.slots:
            slot.links["redis"].lead_to(self.redis.port)

    def heal(self):
        """Every server, link and clock as it should be. Workers are left as they are."""
        self.disk.heal()
        self.servers.heal()
        for slot in self.slots:
            slot.heal()
            slot.signal(signal.SIGCONT)

    def lag(self):
        """Records of the topics that workers read whose offset is not committed."""
        return sum(lag for lag in self.lags().values())

    def committed(self, topic, partition):
        from confluent_kafka import Consumer, TopicPartition

        consumer = Consumer({**self.servers.kafka_options(), "group.id": self.group})
        try:
            return max(consumer.committed([TopicPartition(topic, partition)], timeout=20)[0].offset, 0)
        finally:
            consumer.close()

    def lags(self):
        from confluent_kafka import Consumer, TopicPartition

        consumer = Consumer({**self.servers.kafka_options(), "group.id": self.group})
        try:
            found = {}
            for topic in self.read_topics:
                partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
                for at in consumer.committed([TopicPartition(topic, p) for p in partitions], timeout=20):
                    low, high = consumer.get_watermark_offsets(at, timeout=20)
                    left = high - (at.offset if at.offset >= 0 else low)
                    if left:
                        found[(at.topic, at.partition)] = left
            return found
        finally:
            consumer.close()

    def close(self):
        for slot in self.slots:
            slot.signal(signal.SIGCONT)
            slot.kill()
        self.proxy.close()
        self.redis.close()
        self.servers.delete()
        self.disk.unmount()
