"""tools/bench sql: rounds in which the contenders take turns, then the bars."""

import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from harness.servers import Servers

from bench import RESULTS, contender, limits, peers
from bench.bars import Bars, Times
from bench.machine import machine, versions
from bench.tables import CHANGED_ONE_IN, TABLE, Bench, check_arrived

# All that may hold one contender back and not the other is off for all of them alike.
SERVER_OPTIONS = ("--set", "postgres.autovacuum=off", "--set", "mariadb.local_infile=ON")
STARTS = 5
BIG = 10

FULL_LIMIT, VERIFIED_LIMIT, PEER_LEAST = 1.1, 1.8, 2.5
UPSERT_LIMIT, UPSERT_PEER_LEAST = 2, 1
PEAK_LIMIT_MB, START_LIMIT_S, BINARY_LIMIT_MB = 64, 0.5, 3


def in_turns(contenders, number):
    """Each round begins with another one: what the first pays for is shared."""
    shift = number % max(len(contenders), 1)
    return contenders[shift:] + contenders[:shift]


class Sql:
    def __init__(self, options, bench):
        self.options = options
        self.bench = bench
        self.times = Times()
        self.bars = Bars()
        self.sources = [options.only] if options.only else ["mariadb", "postgres"]
        self.peers = [] if options.no_peers else [peers.Pgloader(), peers.Sling()]
        self.haul = contender.Contender(bench)
        self.starts = []

    # --- full loads ------------------------------------------------------------------------------

    def full_contenders(self, name):
        """(name, function that does it) of all that load a whole table."""
        source = self.bench.source(name)
        found = [("limit", lambda: limits.full(self.bench, source)),
                 ("haul", lambda: self.haul.run(name)),
                 ("haul_verified", lambda: self.haul.run(name, verify="full"))]
        found += [(peer.name, lambda peer=peer: peer.full(self.bench, name)) for peer in self.peers]
        if name == "postgres":
            found.append(("limit_binary", lambda: limits.full_binary(self.bench, source)))
        return found

    def full_round(self, name, number):
        for who, load in in_turns(self.full_contenders(name), number):
            self.bench.drop_target()
            self.bench.settle()
            measured = load()
            check_arrived(self.bench.source(name), self.bench.target)
            self.times.add("full", name, who, measured)
        self.bench.drop_target()

    # --- changes ---------------------------------------------------------------------------------

    def upsert_begin(self, name):
        """Every contender has the whole table in a target of its own, and Haul its cursor."""
        self.bench.index_cursor()
        self.by_hand, self.by_haul, self.by_sling = (f"{TABLE}_{who}" for who in ("hand", "haul", "sling"))
        for table in (self.by_hand, self.by_haul, self.by_sling):
            self.bench.drop_target(table)
        self.upsert_spec = {"mode": "upsert", "cursor": "updated_at", "sync_id": f"upsert-{name}-{time.time_ns()}"}
        self.haul.run(name, self.by_haul, **self.upsert_spec)
        self.bench.target.query(f"CREATE TABLE {self.by_hand} (LIKE {self.by_haul} INCLUDING ALL)")
        self.bench.target.query(f"INSERT INTO {self.by_hand} SELECT * FROM {self.by_haul}")
        for peer in self.peers:
            if isinstance(peer, peers.Sling):
                peer.full(self.bench, name, self.by_sling)
        self.bench.target.query("VACUUM ANALYZE")

    def upsert_contenders(self, name, before):
        source = self.bench.source(name)
        found = [("hand", self.by_hand, lambda: limits.upsert(self.bench, source, self.by_hand, before)),
                 ("haul", self.by_haul, lambda: self.haul.run(name, self.by_haul, **self.upsert_spec))]
        return found + [("sling", self.by_sling, lambda peer=peer: peer.upsert(self.bench, name, self.by_sling))
                        for peer in self.peers if isinstance(peer, peers.Sling)]

    def upsert_round(self, name, number):
        changed, before = self.bench.change(self.bench.source(name), number)
        if changed != self.bench.rows // CHANGED_ONE_IN:
            raise RuntimeError(f"{changed} rows changed")
        for who, table, merge in in_turns(self.upsert_contenders(name, before), number):
            self.bench.settle()
            measured = merge()
            check_arrived(self.bench.source(name), self.bench.target, table)
            self.times.add("upsert", name, who, measured)

    # --- the rest --------------------------------------------------------------------------------

    def big_round(self):
        """Once over ten times the rows: memory must not depend on them."""
        self.bench.load(self.bench.rows * BIG)
        for name in self.sources:
            self.bench.drop_target()
            self.bench.settle()
            self.times.add("big", name, "haul", self.haul.run(name))
            check_arrived(self.bench.source(name), self.bench.target)
        self.bench.drop_target()

    def measure_starts(self):
        self.starts = [self.haul.start_to_first_job(self.sources[0]) for _ in range(STARTS)]
        print("start to first job: " + " ".join(f"{seconds:.3f}" for seconds in self.starts) + " s", flush=True)

    def run(self):
        self.bench.load(self.options.rows)
        self.measure_starts()
        self.text_bytes = self.bench.text_bytes()
        print(f"{self.options.rows} rows, {self.text_bytes / 1e6:.1f} MB as COPY text", flush=True)
        for number in range(self.options.runs):
            for name in self.sources:
                self.full_round(name, number)
        for name in self.sources:
            self.upsert_begin(name)
            for number in range(self.options.runs):
                self.upsert_round(name, number)
        if not self.options.no_big:
            self.big_round()

    # --- what came out ---------------------------------------------------------------------------

    def judge_source(self, name):
        times, bars = self.times, self.bars
        bars.at_most(f"{name}_full_vs_limit", times.ratio("full", name, "haul", "limit"), FULL_LIMIT)
        bars.at_most(f"{name}_full_verified_vs_limit",
                     times.ratio("full", name, "haul_verified", "limit"), VERIFIED_LIMIT)
        for peer in self.peers:
            bars.at_least(f"{name}_{peer.name}_vs_haul", times.ratio("full", name, peer.name, "haul"), PEER_LEAST)
        bars.at_most(f"{name}_upsert_vs_hand", times.ratio("upsert", name, "haul", "hand"), UPSERT_LIMIT)
        if self.peers:
            bars.at_least(f"{name}_upsert_sling_vs_haul", times.ratio("upsert", name, "sling", "haul"),
                          UPSERT_PEER_LEAST)

    def judge(self):
        for name in self.sources:
            self.judge_source(name)
        peak = max(self.times.peak_mb("full", who) for who in ("haul", "haul_verified"))
        self.bars.at_most("worker_peak_mb", max(peak, self.times.peak_mb("upsert", "haul")), PEAK_LIMIT_MB)
        if not self.options.no_big:
            self.bars.at_most(f"worker_peak_{BIG}x_mb", self.times.peak_mb("big", "haul"), PEAK_LIMIT_MB)
        self.bars.at_most("start_to_first_job_s", statistics.median(self.starts), START_LIMIT_S)
        self.bars.at_most("binary_stripped_mb", contender.stripped_mb(self.bench.folder), BINARY_LIMIT_MB)

    def write(self, machine_before):
        own = {"haul": self.haul.version(), **{peer.name: peer.version() for peer in self.peers}}
        result = {"bench": "sql", "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                  "rows": self.options.rows, "runs": self.options.runs, "columns": 6,
                  "text_bytes": self.text_bytes, "changed_rows": self.options.rows // CHANGED_ONE_IN,
                  "big_rows": 0 if self.options.no_big else self.options.rows * BIG,
                  "machine": machine_before, "versions": {**own, **versions(self.bench.target, self.bench.mariadb)},
                  "server_settings": list(SERVER_OPTIONS[1::2]), "times": self.times.as_json(),
                  "start_to_first_job_s": [round(seconds, 4) for seconds in self.starts],
                  "bars": self.bars.items}
        RESULTS.mkdir(parents=True, exist_ok=True)
        path = RESULTS / time.strftime("sql-%Y-%m-%dT%H%M%S.json")
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
        sql = Sql(options, Bench(servers, folder))
        try:
            sql.run()
            sql.judge()
            sql.write(machine_before)
        except Exception:
            print(sql.haul.log_end(), file=sys.stderr)
            raise
        finally:
            sql.haul.close()
    finally:
        if keep:
            print(f"servers: {servers.folder} (tools/servers stop {servers.folder} --delete)")
        else:
            servers.delete()
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if sql.bars.all_met() else 1
