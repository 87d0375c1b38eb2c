"""What the end-to-end tests of sql-sync have in common: a shop, its sync, its proof."""

from harness.haul import TERMINAL, Haul

# Faults are noticed within seconds, not half a minute.
QUICK = {"HAUL_RETRY_SCALE_PERCENT": 5, "HAUL_SESSION_TIMEOUT_MS": 3000, "HAUL_LEASE_TTL_MS": 3000}
CHECKPOINTS = "_haul_checkpoint"
COLUMNS = "id, name, updated_at"


class Sync:
    """One sync of table t, from a source database to a target database."""

    def __init__(self, haul: Haul, source, target):
        self.haul, self.source, self.target = haul, source, target
        self.row_count = 6000
        haul.add_database("from", source)
        haul.add_database("to", target)

    def fill(self, rows=6000, name="row"):
        """Rows 1..rows, 10 of each second."""
        if self.source.url.startswith("mysql"):
            self.source.query("CREATE TABLE t (id int PRIMARY KEY, name varchar(40), updated_at datetime(6) NOT NULL)")
            self.source.query("INSERT INTO t SELECT seq, concat(%s, ' ', seq), '2026-01-01' + INTERVAL seq DIV 10 SECOND"
                              f" FROM seq_1_to_{rows}", name)
            self.source.query("ANALYZE TABLE t")
        else:
            self.source.query("CREATE TABLE t (id int PRIMARY KEY, name varchar(40), updated_at timestamp NOT NULL)")
            self.source.query("INSERT INTO t SELECT i, concat(%s, ' ', i), timestamp '2026-01-01' + i / 10 *"
                              f" interval '1 s' FROM generate_series(1, {rows}) i", name)
            self.source.query("ANALYZE t")

    def rename(self, name):
        """The source's next generation of rows."""
        self.source.query("UPDATE t SET name = concat(%s, ' ', id)", name)
        if self.source.url.startswith("postgres"):
            self.source.query("VACUUM ANALYZE t")  # its size decides how it is split

    def spec(self, **more):
        return {"sync_id": "s1", "source": {"connection_id": "from", "table": "t"},
                "target": {"connection_id": "to", "table": "t"}, **more}

    def start(self, **env):
        return self.haul.start_worker(**{**QUICK, **env})

    def send(self, job_id=None, members=None, **more):
        return self.haul.send(self.spec(**more), job_id=job_id, **(members or {}))

    def run(self, **more):
        """One job from its production to its receipt, with whatever worker there is."""
        return self.haul.wait_succeeded(self.send(**more))["receipt"]

    def rows(self, database):
        return database.query(f"SELECT {COLUMNS} FROM t ORDER BY id")

    def assert_same(self):
        assert self.rows(self.target) == self.rows(self.source)

    def names(self):
        """The first words of the names in the target: which generation of rows stands there."""
        return {name.split()[0] for (name,) in self.target.query("SELECT DISTINCT name FROM t")}

    def ends(self, job):
        """The ids of the job's terminal events, as often as they were told."""
        return [event["id"] for event in self.haul.events_of(job) if event["state"] in TERMINAL]

    def leftovers(self):
        """Haul's own tables in the target, but the checkpoints."""
        where = (f"table_schema = '{self.target.name}'" if self.target.url.startswith("mysql")
                 else "table_schema NOT IN ('pg_catalog', 'information_schema')")
        found = self.target.query(f"SELECT table_name FROM information_schema.tables WHERE {where}")
        return [name for (name,) in found if name.startswith("_haul") and name != CHECKPOINTS]

    def ledger(self, job, column="state"):
        [(value,)] = self.haul.hub.query(f"SELECT {column} FROM haul.ledger WHERE job_id = %s", job)
        return value
