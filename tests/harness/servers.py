"""The real servers of a test session, started by tools/servers.

servers.postgres, .mariadb, .redis, .kafka, .tls hold what `tools/servers env` prints: host, port,
user, password, database, url, admin_user, ... (servers.postgres.admin_url).
"""

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import confluent_kafka
import psycopg2
import pymysql
import redis

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "servers"


class Servers:
    """One folder of servers; all four unless told otherwise."""

    def __init__(self, folder, names=(), options=("--tls",)):
        self.folder = Path(folder)
        self.disturbed = set()
        self.is_alone = False
        self._call("start", *names, *options)
        text = self._call("env", "--json")
        for name, values in json.loads(text).items():
            setattr(self, name, SimpleNamespace(**values))

    @classmethod
    def temporary(cls, names=(), options=("--tls",)):
        """Servers in a folder of their own, that end when this process does, however it ends."""
        folder = tempfile.mkdtemp(prefix="haul-servers-", dir="/tmp")
        try:
            return cls(folder, names, (*options, "--with-parent", str(os.getpid())))
        except Exception:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _call(self, verb, *args):
        done = subprocess.run([TOOL, verb, self.folder, *args], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            raise RuntimeError(f"tools/servers {verb} {' '.join(args)}: {done.stderr or done.stdout}")
        return done.stdout

    def environment(self):
        """The same facts as variables, POSTGRES_PORT and so on, for programs in other languages."""
        lines = self._call("env").splitlines()
        return {key: value.strip("'") for key, value in (line.split("=", 1) for line in lines)}

    @contextmanager
    def held(self, alone):
        """For the length of a test: with other processes' tests, or alone when it does harm.

        The turn is taken first, so that whoever wants to be alone is not overtaken for ever.
        """
        with open(self.folder / "turn", "w") as turn, open(self.folder / "users", "w") as users:
            fcntl.flock(turn, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            fcntl.flock(turn, fcntl.LOCK_UN)
            self.is_alone = alone
            try:
                yield self
            finally:
                self.heal()
                self.is_alone = False

    # --- faults: whatever is down or hangs after a test is put right before the next one ---------

    def _disturb(self, verb, name):
        assert self.is_alone, "a test that harms a server needs the mark: @pytest.mark.faults"
        self.disturbed.add(name)
        self._call(verb, name)

    def kill(self, name):
        """kill -9."""
        self._disturb("kill9", name)

    def stop(self, name):
        self._disturb("stop", name)

    def pause(self, name):
        """It hangs: connections stay, nothing is answered."""
        self._disturb("pause", name)

    def resume(self, name):
        self._call("resume", name)

    def start(self, name):
        """After kill or stop; a no-op for one that runs."""
        self._call("start", name)

    def restart(self, name):
        self._disturb("restart", name)

    def heal(self):
        for name in sorted(self.disturbed):
            self._call("start", name)
            self._call("resume", name)
        self.disturbed.clear()

    def log(self, name):
        return (self.folder / name / "log").read_text(errors="replace")

    def delete(self):
        self._call("stop", "--delete")

    # --- clients independent of Haul's own -------------------------------------------------------

    def connect_postgres(self, database=None, admin=False, **more):
        """psycopg2, autocommit."""
        own = self.postgres
        given = dict(host=own.host, port=own.port, connect_timeout=10,
                     user=own.admin_user if admin else own.user,
                     password=own.admin_password if admin else own.password,
                     dbname=database or ("postgres" if admin else own.database))
        connection = psycopg2.connect(**{**given, **more})
        connection.autocommit = True
        return connection

    def connect_mariadb(self, database=None, admin=False, **more):
        """pymysql, autocommit."""
        own = self.mariadb
        given = dict(host=own.host, port=own.port, connect_timeout=10, autocommit=True,
                     user=own.admin_user if admin else own.user, charset="utf8mb4",
                     password=own.admin_password if admin else own.password,
                     database=database or (None if admin else own.database))
        return pymysql.connect(**{**given, **more})

    def connect_redis(self, admin=False, **more):
        own = self.redis
        given = dict(host=own.host, port=own.port, decode_responses=True, socket_timeout=10,
                     username=own.admin_user if admin else own.user,
                     password=own.admin_password if admin else own.password)
        return redis.Redis(**{**given, **more})

    def kafka_options(self, way="plain"):
        """librdkafka's settings for the plain, sasl (SASL_SSL) or mtls listener."""
        kafka = self.kafka
        if way == "plain":
            return {"bootstrap.servers": kafka.brokers}
        if way == "sasl":
            return {"bootstrap.servers": kafka.sasl_brokers, "security.protocol": "SASL_SSL",
                    "sasl.mechanism": kafka.sasl_mechanism, "sasl.username": kafka.sasl_user,
                    "sasl.password": kafka.sasl_password, "ssl.ca.location": self.tls.ca}
        assert way == "mtls", way
        return {"bootstrap.servers": kafka.mtls_brokers, "security.protocol": "SSL",
                "ssl.ca.location": self.tls.ca, "ssl.certificate.location": self.tls.client,
                "ssl.key.location": self.tls.client_key}

    def producer(self, way="plain", **more):
        return confluent_kafka.Producer({**self.kafka_options(way), "linger.ms": 0,
                                         "message.timeout.ms": 20000, **more})
