"""tools/bench fan-out: one big table by one job, and by chunk jobs that worker processes share.

Each worker has one job thread, so that what differs is the number of processes. What came out is the time from
`haul enqueue` to the `succeeded` event, and which process (which member of the group) did how many chunks.
"""

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from confluent_kafka.admin import AdminClient
from harness.servers import Servers

from bench import RESULTS, contender
from bench.bars import Bars, Times
from bench.machine import machine, versions
from bench.sql import SERVER_OPTIONS, in_turns
from bench.tables import POSTGRES_COLUMNS, ROWS, TABLE, Bench, check_arrived

CHUNKS = 16
PARTITIONS = 48
WORKERS = (("one job", 1, False), ("chunks, 1 process", 1, True), ("chunks, 2 processes", 2, True))
SHARE_LEAST = 0.25  # of the chunks, of either process
SPEED_LIMIT = 1     # a second process must not make it slower, even where cores and disk are one machine's


def members_of(haul):
    """The member ids of the workers' group, as the broker has them."""
    admin = AdminClient({"bootstrap.servers": haul.servers.kafka.brokers})
    [group] = admin.list_groups(group=f"{haul.prefix}jobs.sql-sync", timeout=10)
    return sorted(member.id for member in group.members)


def chunks_of(haul, job, workers):
    """process id -> how many of the job's chunk jobs it has done."""
    done = dict(haul.hub.query("SELECT split_part(split_part(owner, ':', 2), '.', 1), count(*) FROM haul.ledger"
                               " WHERE kind = 'sql_sync_chunk' AND starts_with(job_id, %s) AND state = 'succeeded'"
                               " GROUP BY 1", f"{job}."))
    return {str(worker.pid): done.get(str(worker.pid), 0) for worker in workers}


class FanOut:
    def __init__(self, options, bench):
        self.options = options
        self.bench = bench
        self.times = Times()
        self.bars = Bars()
        self.haul = contender.Contender(bench, PARTITIONS)
        self.shared = []

    def load(self, rows):
        if self.options.only != "postgres":
            self.bench.load(rows)
            return
        source = self.bench.postgres
        self.bench.rows = rows
        source.query(f"DROP TABLE IF EXISTS {TABLE}")
        source.query(f"CREATE TABLE {TABLE} ({POSTGRES_COLUMNS})")
        source.query(f"INSERT INTO {TABLE} " + ROWS, rows)
        source.query(f"ALTER TABLE {TABLE} ADD PRIMARY KEY (id)")
        source.query(f"VACUUM ANALYZE {TABLE}")

    def measure(self, name, who, processes, is_shared):
        haul = self.haul.haul
        workers = [haul.start_worker(HAUL_JOB_THREADS=1) for _ in range(processes)]
        self.haul.worker = workers[0]
        time.sleep(5)  # the group has settled
        spec = {"fan_out_rows": self.bench.rows // CHUNKS} if is_shared else {}
        self.bench.drop_target()
        self.bench.settle()
        measured = self.haul.run(name, **spec)
        check_arrived(self.bench.source(name), self.bench.target)
        self.times.add("load", name, who, measured)
        if is_shared:
            done, members = chunks_of(haul, self.haul.last_job, workers), members_of(haul)
            self.shared.append({"source": name, "contender": who, "seconds": round(measured.seconds, 3),
                                "members": members, "chunks_by_process": done})
            print(f"         {name:9} {who}: {' + '.join(str(count) for count in done.values())} chunks by "
                  f"{', '.join(members)}", flush=True)
            if min(done.values()) == 0:
                raise RuntimeError("a process has done none of the chunks")
        for worker in workers:
            worker.stop()
        self.haul.worker = None

    def run(self):
        self.load(self.options.rows)
        sources = [self.options.only] if self.options.only else ["mariadb", "postgres"]
        for number in range(self.options.runs):
            for name in sources:
                for who, processes, is_shared in in_turns(WORKERS, number):
                    self.measure(name, who, processes, is_shared)
        for name in sources:
            least = min(min(counts) / sum(counts) for counts in
                        [list(it["chunks_by_process"].values()) for it in self.shared if it["source"] == name]
                        if len(counts) > 1)
            self.bars.at_least(f"{name}_share_of_the_second_process", least, SHARE_LEAST)
            self.bars.at_most(f"{name}_2_processes_vs_1",
                              self.times.ratio("load", name, "chunks, 2 processes", "chunks, 1 process"), SPEED_LIMIT)
            alone = self.times.ratio("load", name, "chunks, 2 processes", "one job")
            print(f"{name}: 2 processes take {alone:.2f} times as long as one job that shares with nobody", flush=True)

    def write(self, machine_before):
        result = {"bench": "fan-out", "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                  "rows": self.bench.rows, "chunk_jobs_about": CHUNKS, "partitions": PARTITIONS,
                  "runs": self.options.runs, "machine": machine_before,
                  "versions": {"haul": self.haul.version(), **versions(self.bench.target, self.bench.mariadb)},
                  "server_settings": list(SERVER_OPTIONS[1::2]), "times": self.times.as_json(),
                  "shared": self.shared, "bars": self.bars.items}
        RESULTS.mkdir(parents=True, exist_ok=True)
        path = RESULTS / time.strftime("fan-out-%Y-%m-%dT%H%M%S.json")
        path.write_text(json.dumps(result, indent=1) + "\n")
        print(f"results: {path}")


def main(options):
    machine_before = machine()
    contender.build()
    keep = options.keep or options.servers
    servers = Servers(options.servers or tempfile.mkdtemp(prefix="haul-bench-", dir="/tmp"), options=SERVER_OPTIONS) \
        if keep else Servers.temporary(options=SERVER_OPTIONS)
    folder = Path(tempfile.mkdtemp(prefix="haul-bench-work-", dir="/tmp"))
    try:
        fan_out = FanOut(options, Bench(servers, folder))
        try:
            fan_out.run()
            fan_out.write(machine_before)
        except Exception:
            print(fan_out.haul.log_end(), file=sys.stderr)
            raise
        finally:
            fan_out.haul.close()
    finally:
        if keep:
            print(f"servers: {servers.folder} (tools/servers stop {servers.folder} --delete)")
        else:
            servers.delete()
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if fan_out.bars.all_met() else 1
