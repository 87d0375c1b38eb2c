"""The table that is moved, the same in a MariaDB and a PostgreSQL source, and what must have arrived."""

from datetime import datetime, timezone

from harness.databases import MariadbDatabase, PostgresDatabase

from bench.programs import run_pipeline

SOURCE, TARGET, TABLE = "app_bench_source", "app_bench_target", "items"
COLUMNS = ("id", "customer_id", "name", "email", "amount", "updated_at")
CHANGED_ONE_IN = 100

POSTGRES_COLUMNS = """id bigint NOT NULL, customer_id integer NOT NULL, name varchar(60) NOT NULL,
    email varchar(80), amount numeric(12,2) NOT NULL, updated_at timestamp NOT NULL"""
MARIADB_COLUMNS = """id bigint NOT NULL PRIMARY KEY, customer_id int NOT NULL, name varchar(60) NOT NULL,
    email varchar(80), amount decimal(12,2) NOT NULL, updated_at datetime(6) NOT NULL"""

# About 104 bytes a row as COPY text; no two rows alike; some NULLs, some letters beyond ASCII.
ROWS = """SELECT n, n * 7919 %% 100003,
    CASE WHEN n %% 10 = 0 THEN 'Zoë ' ELSE 'Anna ' END || substr(md5(n::text), 1, 20),
    CASE WHEN n %% 20 <> 0 THEN substr(md5((n * 3)::text), 1, 18) || '@example.com' END,
    (n * 104729 %% 1000000)::numeric / 100,
    timestamp '2024-01-01' + n * interval '2.500137 seconds'
    FROM generate_series(1::bigint, %s) AS n"""

SUMS = """SELECT count(*), sum(id), sum(customer_id), sum(char_length(name)), sum(char_length(email)),
    count(email), sum(amount), min(updated_at), max(updated_at) FROM {}"""


def _plain(value):
    """Both drivers' and all targets' forms of one value alike."""
    if isinstance(value, datetime):
        return (value.astimezone(timezone.utc).replace(tzinfo=None) if value.tzinfo else value).isoformat()
    return f"{value:.2f}" if value is not None else None


def sums(database, table=TABLE):
    return [_plain(value) for value in database.query(SUMS.format(table))[0]]


def check_arrived(source, target, table=TABLE):
    """Counts and sums of every column: a RuntimeError when the target has not what the source has."""
    want, found = sums(source), sums(target, table)
    if want != found:
        raise RuntimeError(f"{table}: the target has {found}, the source {want}")


class Bench:
    """The databases of a run: two sources, one target; each fresh, or as a run with --servers left it."""

    def __init__(self, servers, folder):
        self.servers = servers
        self.folder = folder
        postgres = {row[0] for row in self._ask(servers.connect_postgres, "SELECT datname FROM pg_database")}
        mariadb = {row[0] for row in self._ask(servers.connect_mariadb, "SHOW DATABASES")}
        self.postgres = PostgresDatabase(servers, SOURCE, create=SOURCE not in postgres)
        self.mariadb = MariadbDatabase(servers, SOURCE, create=SOURCE not in mariadb)
        self.target = PostgresDatabase(servers, TARGET, create=TARGET not in postgres)
        self.rows = 0

    @staticmethod
    def _ask(connect, statement):
        connection = connect(admin=True)
        try:
            cursor = connection.cursor()
            cursor.execute(statement)
            return cursor.fetchall()
        finally:
            connection.close()

    def source(self, name):
        return {"mariadb": self.mariadb, "postgres": self.postgres}[name]

    # --- clients ---------------------------------------------------------------------------------

    def psql(self, database, *statements):
        words = [self.servers.postgres.psql, "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-d", database.url]
        for statement in statements:
            words += ["-c", statement]
        return words

    def mariadb_client(self, statement):
        own = self.mariadb
        return ["mariadb", "--no-defaults", "--quick", "-N", "-B", "--local-infile=1", "--default-character-set=utf8mb4",
                "-h", own.host, "-P", str(own.port), "-u", own.user, f"-p{own.password}", own.name, "-e", statement]

    # --- the sources -----------------------------------------------------------------------------

    def load(self, rows):
        """Fresh sources of so many rows, unless they are there."""
        self.rows = rows
        if self._is_loaded(rows):
            return
        self.postgres.query(f"DROP TABLE IF EXISTS {TABLE}")
        self.postgres.query(f"CREATE TABLE {TABLE} ({POSTGRES_COLUMNS})")
        self.postgres.query(f"INSERT INTO {TABLE} " + ROWS, rows)
        self.postgres.query(f"ALTER TABLE {TABLE} ADD PRIMARY KEY (id)")
        self.postgres.query(f"VACUUM ANALYZE {TABLE}")
        self.mariadb.query(f"DROP TABLE IF EXISTS {TABLE}")
        self.mariadb.query(f"CREATE TABLE {TABLE} ({MARIADB_COLUMNS})")
        run_pipeline([self.psql(self.postgres, f"COPY {TABLE} TO STDOUT"),
                      self.mariadb_client(f"LOAD DATA LOCAL INFILE '/dev/stdin' INTO TABLE {TABLE}")], self.folder)
        self.mariadb.query(f"ANALYZE TABLE {TABLE}")
        check_arrived(self.postgres, self.mariadb)

    def _is_loaded(self, rows):
        try:
            return self.mariadb.query(f"SELECT count(*) FROM {TABLE}") == [(rows,)] == \
                self.postgres.query(f"SELECT count(*) FROM {TABLE}") and sums(self.postgres) == sums(self.mariadb)
        except Exception as error:
            if "exist" not in str(error):
                raise
            return False

    def text_bytes(self):
        """The table's size as COPY text."""
        columns = ", ".join(COLUMNS).replace("email", "coalesce(email, '..')")
        return int(self.postgres.query(f"SELECT sum(octet_length(concat_ws(' ', {columns})) + 1) FROM {TABLE}")[0][0])

    def index_cursor(self):
        """Behind the full loads: pgloader would build it in the target too, the others would not."""
        for source in (self.postgres, self.mariadb):
            source.query(f"CREATE INDEX IF NOT EXISTS items_updated_at ON {TABLE} (updated_at)")

    def change(self, source, number):
        """Changes one row in a hundred; gives how many, and the greatest updated_at before."""
        before = source.query(f"SELECT max(updated_at) FROM {TABLE}")[0][0]
        now = datetime.now(timezone.utc).replace(tzinfo=None)
        later = "make_interval(secs => id / 1e6)" if source is self.postgres else "interval id microsecond"
        source.query(f"UPDATE {TABLE} SET amount = amount + 1, updated_at = %s + {later} "
                     f"WHERE id %% {CHANGED_ONE_IN} = %s", now, number % CHANGED_ONE_IN)
        changed = source.query(f"SELECT count(*), sum(amount) FROM {TABLE} WHERE updated_at > %s", before)[0][0]
        return changed, before

    # --- between two contenders ------------------------------------------------------------------

    def settle(self):
        """What one contender left to be written is not the next one's load."""
        connection = self.servers.connect_postgres(admin=True)
        connection.cursor().execute("CHECKPOINT")
        connection.close()

    def drop_target(self, table=TABLE):
        self.target.query(f"DROP TABLE IF EXISTS {table}")
