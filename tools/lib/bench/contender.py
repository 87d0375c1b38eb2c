"""Haul as an application meets it: a job enqueued by the command line, done by a worker on real Kafka,
over when its `succeeded` event says so."""

import json
import shutil
import subprocess
import time
from datetime import datetime
from pathlib import Path

from harness.haul import Haul
from harness.hub import Hub
from harness.programs import build_folder, program_path

from bench.programs import Measured, mb_of_kib
from bench.tables import TABLE

JOB_TIMEOUT_S = 1200
RESET_PEAK = "5"  # /proc/PID/clear_refs


def build():
    """The release build, of what stands in the source tree now."""
    for command in (["cmake", "--preset", "release"], ["cmake", "--build", "--preset", "release"]):
        done = subprocess.run(command, cwd=build_folder().parents[1], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}:\n{(done.stdout + done.stderr)[-3000:]}")


def stripped_mb(folder):
    stripped = Path(folder) / "stripped"
    subprocess.run(["strip", "-o", stripped, program_path("sql-sync")], check=True)
    return stripped.stat().st_size / 1e6


class Contender:
    """A hub, topics, connections to the sources and the target, and one worker."""

    def __init__(self, bench, partitions=3):
        self.bench = bench
        self.unique = f"b{int(time.time())}"
        self.folder = Path(bench.folder) / "haul"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.hub = Hub(bench.servers, f"hub_{self.unique}")
        bench.servers.connect_redis(admin=True, db=1).flushdb()
        self.haul = Haul(bench.servers, self.hub, self.folder, self.unique, 1)
        self.haul.migrate()
        self.haul.create_topics(partitions)
        for name in ("mariadb", "postgres"):
            self.haul.add_database(name, bench.source(name))
        self.haul.add_database("target", bench.target)
        self.worker = None
        self.jobs = 0
        self.last_job = None
        self.receipts = []

    def version(self):
        return self.haul.run("--version").out.strip()

    def start(self):
        self.worker = self.haul.start_worker()

    def stop(self):
        if self.worker is not None:
            self.worker.stop()
            self.worker = None

    def log_end(self):
        return "\n".join(text[-3000:] for text in self.haul.logs().values())

    def close(self):
        self.haul.close()
        self.haul = None  # its Kafka clients end with it, before the servers do
        self.hub.drop()

    # --- jobs ------------------------------------------------------------------------------------

    def _enqueue(self, source_name, table, **spec):
        self.jobs += 1
        self.last_job = job_id = f"{self.unique}-{self.jobs}"
        data = {"sync_id": job_id, "source": {"connection_id": source_name, "table": TABLE},
                "target": {"connection_id": "target", "table": table}, **spec}
        file = self.folder / "job.json"
        file.write_text(json.dumps(data))
        self.haul.run("enqueue", "sql_sync", "-w", self.haul.workspace, "-f", file, "--id", job_id)
        return job_id

    def run(self, source_name, table=TABLE, **spec):
        """From just before `haul enqueue` is started to the time that the event `succeeded` has."""
        Path(f"/proc/{self.worker.pid}/clear_refs").write_text(RESET_PEAK)
        began = time.time()
        job_id = self._enqueue(source_name, table, **spec)
        event = self.haul.wait_event(job_id, "succeeded", timeout_s=JOB_TIMEOUT_S)
        self.receipts.append({"job": job_id, "source": source_name, "receipt": event["data"].get("receipt")})
        return Measured(_time_of(event) - began, mb_of_kib(self.worker.memory_kib()))

    def start_to_first_job(self, source_name):
        """From the exec of a worker to the `started` event of a job that already waits."""
        self.stop()
        job_id = self._enqueue(source_name, "first_job",
                               source={"connection_id": source_name, "table": TABLE,
                                       "query": f"SELECT * FROM {TABLE} WHERE id <= 10"})
        began = time.time()
        self.worker = self.haul.start_worker(ready=False)
        started = self.haul.wait_event(job_id, "started", timeout_s=60)
        self.haul.wait_succeeded(job_id)
        return _time_of(started) - began


def _time_of(event):
    return datetime.fromisoformat(event["time"]).timestamp()
