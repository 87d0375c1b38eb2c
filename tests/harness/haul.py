"""Haul as its users have it: a hub, topics, the command line, workers, jobs and their events."""

import base64
import json
import os
import time

from harness.programs import Worker, run_program
from harness.topics import Tail, Topics

TERMINAL = {"succeeded", "dead_lettered", "cancelled"}


def job_id_of(message):
    return (message.key() or b"").decode(errors="replace")


def event_of(message):
    """An event as a dict, its state beside the envelope's members."""
    event = json.loads(message.value())
    event["state"] = event["type"].removeprefix("haul.event.").removesuffix(".v1")
    event["job_id"] = job_id_of(message)
    return event


def make_job(kind, data, job_id, **members):
    """A job's envelope, as an application would write it; members overwrite (None removes)."""
    job = {"specversion": "1.0", "id": job_id, "type": f"haul.job.{kind}.v1", "source": "/tests",
           "subject": data.get("sync_id", job_id), "datacontenttype": "application/json",
           "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "data": data, **members}
    return {key: value for key, value in job.items() if value is not None}


class Haul:
    """One test's Haul. Everything it starts ends with the test."""

    def __init__(self, servers, hub, folder, unique, redis_database):
        self.servers = servers
        self.hub = hub
        self.folder = folder
        self.prefix = f"{unique}."
        self.workspace = "w1"
        self.workers = []
        self.topics = Topics(servers)
        self.keyring = folder / "keyring"
        self.keyring.write_text(f"k1:{base64.b64encode(os.urandom(32)).decode()}\n")
        self.keyring.chmod(0o600)
        self.redis_url = servers.redis.url.rsplit("/", 1)[0] + f"/{redis_database}"
        self._events = None
        self._jobs = 0

    # --- configuration ---------------------------------------------------------------------------

    def kafka_env(self, way="plain"):
        """The variables that make Haul use the plain, sasl or mtls listener."""
        kafka = self.servers.kafka
        if way == "plain":
            return {"HAUL_KAFKA_BROKERS": kafka.brokers}
        tls = self.servers.tls
        if way == "sasl":
            return {"HAUL_KAFKA_BROKERS": kafka.sasl_brokers, "HAUL_KAFKA_SECURITY": "sasl_ssl",
                    "HAUL_KAFKA_SASL_MECHANISM": "plain", "HAUL_KAFKA_USER": kafka.sasl_user,
                    "HAUL_KAFKA_PASSWORD": kafka.sasl_password, "HAUL_KAFKA_CA_FILE": tls.ca}
        assert way == "mtls", way
        return {"HAUL_KAFKA_BROKERS": kafka.mtls_brokers, "HAUL_KAFKA_SECURITY": "ssl",
                "HAUL_KAFKA_CA_FILE": tls.ca, "HAUL_KAFKA_CERT_FILE": tls.client,
                "HAUL_KAFKA_KEY_FILE": tls.client_key}

    def env(self, hub_url=None):
        return {**self.kafka_env(), "HAUL_REDIS_URL": self.redis_url, "HAUL_TOPIC_PREFIX": self.prefix,
                "HAUL_HUB_URL": hub_url or self.hub.operator_url, "HAUL_KEYRING_FILE": self.keyring}

    # --- the command line ------------------------------------------------------------------------

    def run(self, *args, env=None, **how):
        """`haul ARGS`; env is added; see run_program for stdin, timeout_s, status."""
        return run_program("haul", *args, env={**self.env(), **(env or {})}, **how)

    def migrate(self):
        self.run("migrate", env={"HAUL_HUB_URL": self.hub.admin_url})
        self.hub.make_roles()

    def create_topics(self, partitions=3):
        self.run("topics", "create", "--partitions", partitions)

    def add_connection(self, connection_id, connector, **config):
        """The configuration's fields as the connector names them, secrets included."""
        self.run("connection", "add", connection_id, connector, "--workspace", self.workspace,
                 "--config", "-", stdin=json.dumps(config))

    def add_database(self, connection_id, database, **config):
        """A connection to a database of harness/databases.py."""
        connector = "postgres" if database.url.startswith("postgres") else "mysql"
        self.add_connection(connection_id, connector,
                            **{"host": database.host, "port": database.port, "user": database.user,
                               "password": database.password, "database": database.name, **config})

    # --- workers ---------------------------------------------------------------------------------

    def start_worker(self, name="sql-sync", ready=True, **env):
        """A worker process, ready unless told otherwise. env: HAUL_... variables of its own."""
        label = f"{name}-{len(self.workers) + 1}"
        worker = Worker(name, {**self.env(self.hub.worker_url), **env}, self.folder, label)
        self.workers.append(worker)
        return worker.wait_ready() if ready else worker

    # --- jobs and events -------------------------------------------------------------------------

    def send(self, data, kind="sql_sync", worker="sql-sync", job_id=None, **members):
        """Puts a job on its topic with no code of Haul's. Gives the job's id."""
        self._jobs += 1
        job_id = job_id or f"{self.prefix}{self._jobs}"
        job = make_job(kind, {"workspace_id": self.workspace, **data}, job_id, **members)
        self.send_raw(json.dumps(job), key=job.get("subject", job_id), worker=worker)
        return job_id

    def send_raw(self, value, key=None, worker="sql-sync", headers=None):
        """Any bytes on a worker's topic."""
        self.topics.produce(f"{self.prefix}jobs.{worker}", value, key, headers)

    @property
    def events(self):
        """Follows the events topic from its start."""
        if self._events is None:
            self._events = Tail(self.servers, f"{self.prefix}events")
        return self._events

    def events_of(self, job_id):
        return [event_of(message) for message in list(self.events.messages)
                if job_id_of(message) == job_id]

    def wait_event(self, job_id, *states, timeout_s=60):
        """The job's first event of one of the states. Another end of the job is an error at once."""
        def wanted(message):
            if job_id_of(message) != job_id:
                return False
            state = event_of(message)["state"]
            return state in states or state in TERMINAL

        event = event_of(self.events.wait(wanted, f"{'/'.join(states)} of {job_id}", timeout_s))
        assert event["state"] in states, json.dumps(event, indent=2)
        return event

    def wait_succeeded(self, job_id, timeout_s=60):
        """The event's data; the receipt stands in it."""
        return self.wait_event(job_id, "succeeded", timeout_s=timeout_s)["data"]

    def wait_dead(self, job_id, timeout_s=60):
        return self.wait_event(job_id, "dead_lettered", timeout_s=timeout_s)["data"]

    def dead_letters(self, worker="sql-sync"):
        return self.topics.read(f"{self.prefix}jobs.{worker}.dlq")

    # --- the end ---------------------------------------------------------------------------------

    def logs(self):
        """label -> all that the worker wrote; also after its end."""
        return {worker.label: worker.log() for worker in self.workers}

    def kill_workers(self):
        for worker in self.workers:
            if worker.is_running():
                worker.kill()

    def close(self):
        self.kill_workers()
        if self._events is not None:
            self._events.close()
        self.topics.delete(*[name for name in self.topics.names() if name.startswith(self.prefix)])
