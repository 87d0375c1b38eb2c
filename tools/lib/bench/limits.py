"""What is physically possible: the databases' own clients, piped, doing the same work by hand."""

from bench.programs import run_pipeline
from bench.tables import COLUMNS, POSTGRES_COLUMNS, TABLE

LIST = ", ".join(COLUMNS)
ADD_KEY = f"ALTER TABLE {TABLE} ADD PRIMARY KEY (id)"
CREATE = f"CREATE TABLE {TABLE} ({POSTGRES_COLUMNS})"


def full(bench, source, options=""):
    """Into a fresh table, its primary key built behind the rows."""
    if source is bench.mariadb:
        read, options = bench.mariadb_client(f"SELECT {LIST} FROM {TABLE}"), "(NULL 'NULL')"
    else:
        read = bench.psql(source, f"COPY {TABLE} TO STDOUT {options}")
    write = bench.psql(bench.target, CREATE, f"COPY {TABLE} FROM STDIN {options}", ADD_KEY)
    return run_pipeline([read, write], bench.folder)


def full_binary(bench, source):
    """PostgreSQL only, and only when all column types agree: for information."""
    return full(bench, source, "(FORMAT binary)")


def upsert(bench, source, table, before):
    """The rows behind the cursor, by the source's index; staged and merged in one transaction."""
    select = f"SELECT {LIST} FROM {TABLE} WHERE updated_at >= '{before}'"
    if source is bench.mariadb:
        read, options = bench.mariadb_client(select), "(NULL 'NULL')"
    else:
        read, options = bench.psql(source, f"COPY ({select}) TO STDOUT"), ""
    others = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])
    write = bench.psql(
        bench.target, "BEGIN", f"CREATE TEMP TABLE stage (LIKE {table}) ON COMMIT DROP",
        f"COPY stage FROM STDIN {options}",
        f"INSERT INTO {table} SELECT * FROM stage ON CONFLICT (id) DO UPDATE SET {others}", "COMMIT")
    return run_pipeline([read, write], bench.folder)
