"""Places in a server where a statement of Haul's waits until the test lets it go on.

A gate is a trigger of the test's own: no code of Haul knows of it. While a worker stands at one, the test
knows exactly how far it has come, and may kill it there.

    with Gate(haul.hub, "haul.runs", "UPDATE") as gate:
        job = haul.send(...)
        gate.wait_reached()
        worker.kill()
        gate.break_off()   # the server rolls back what stood there; open() lets it be done after all
"""

import itertools
import threading

from harness.waiting import wait_for

_numbers = itertools.count(770001)


class _PostgresStop:
    """What all have in common: a connection of an administrator's, and the sessions that wait."""

    def __init__(self, database):
        self.database = database
        self.number = next(_numbers)
        self.connection = database.servers.connect_postgres(database.name, admin=True)

    def query(self, statement, *args):
        cursor = self.connection.cursor()
        cursor.execute(statement, args or None)
        return cursor.fetchall() if cursor.description else []

    def waiting(self):
        """Process ids of the sessions that stand here."""
        return [pid for (pid,) in self.query(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = %s"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())", self.number)]

    def wait_reached(self, timeout_s=30):
        wait_for(self.waiting, f"{self} to be reached", timeout_s)

    def break_off(self):
        """Ends the sessions that wait here, and lets later ones pass."""
        for pid in self.waiting():
            self.query("SELECT pg_terminate_backend(%s)", pid)
        wait_for(lambda: not self.waiting(), f"{self} to be empty")
        self.open()

    def open(self):
        self.query("SELECT pg_advisory_unlock_all()")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open()
        self.connection.close()


class Gate(_PostgresStop):
    """Rows of a table (event: INSERT, UPDATE, DELETE) for which the condition on NEW and OLD holds."""

    def __init__(self, database, table, event, condition="true"):
        super().__init__(database)
        self.what = f"{event} of {table} where {condition}"
        self.query("SELECT pg_advisory_lock(%s)", self.number)
        self.query(f"CREATE FUNCTION gate_{self.number}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                   f" IF {condition} THEN PERFORM pg_advisory_xact_lock_shared({self.number}); END IF;"
                   f" RETURN NEW; END $$")
        self.query(f"CREATE TRIGGER gate_{self.number} BEFORE {event} ON {table} FOR EACH ROW"
                   f" EXECUTE FUNCTION gate_{self.number}()")

    def __str__(self):
        return f"the gate at {self.what}"


class DdlGate(_PostgresStop):
    """Statements with one of the tags ('ALTER TABLE') whose text is LIKE the pattern."""

    def __init__(self, database, pattern, *tags):
        super().__init__(database)
        self.pattern = pattern
        tag_list = ", ".join(f"'{tag}'" for tag in tags)
        self.query("SELECT pg_advisory_lock(%s)", self.number)
        self.query(f"CREATE FUNCTION gate_{self.number}() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN"
                   f" IF current_query() LIKE '{pattern}' THEN"
                   f" PERFORM pg_advisory_xact_lock_shared({self.number}); END IF; END $$")
        self.query(f"CREATE EVENT TRIGGER gate_{self.number} ON ddl_command_start WHEN TAG IN ({tag_list})"
                   f" EXECUTE FUNCTION gate_{self.number}()")

    def __str__(self):
        return f"the gate at {self.pattern}"


class LockBehind(_PostgresStop):
    """Locks a table as soon as the transaction that stands at another gate ends: its next one waits."""

    def __init__(self, gate, find_table):
        super().__init__(gate.database)
        self.gate = gate
        self.find_table = find_table
        self.locker = gate.database.servers.connect_postgres(gate.database.name, admin=True)
        self.locker.autocommit = False

    def waiting(self):
        return [pid for (pid,) in self.query(
            "SELECT pid FROM pg_locks WHERE locktype = 'relation' AND NOT granted AND pid <> %s"
            " AND relation = to_regclass(%s)", self.locker.info.backend_pid, self.table)]

    def wait_reached(self, timeout_s=30):
        self.gate.wait_reached(timeout_s)
        self.table = self.find_table()
        lock = threading.Thread(target=lambda: self.locker.cursor().execute(
            f"LOCK TABLE {self.table} IN ACCESS EXCLUSIVE MODE"))
        lock.start()
        wait_for(lambda: self.query("SELECT 1 FROM pg_locks WHERE NOT granted AND pid = %s",
                                    self.locker.info.backend_pid), "the lock to be queued")
        self.gate.open()
        lock.join(timeout_s)
        super().wait_reached(timeout_s)

    def open(self):
        self.locker.rollback()
        self.gate.open()

    def __exit__(self, *_):
        super().__exit__()
        self.locker.close()
        self.gate.__exit__()

    def __str__(self):
        return f"the lock behind {self.gate}"


class _MariadbStop:
    def __init__(self, database):
        self.database = database
        self.connection = database.servers.connect_mariadb(database.name, admin=True)

    def query(self, statement, *args):
        cursor = self.connection.cursor()
        cursor.execute(statement, args or None)
        return list(cursor.fetchall())

    def waiting(self):
        return [pid for (pid,) in self.query(
            "SELECT id FROM information_schema.processlist WHERE state = %s AND db = %s", self.state,
            self.database.name)]

    def wait_reached(self, timeout_s=30):
        wait_for(self.waiting, f"{self} to be reached", timeout_s)

    def break_off(self):
        for pid in self.waiting():
            self.query("KILL %s", pid)
        wait_for(lambda: not self.waiting(), f"{self} to be empty")
        self.open()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open()
        self.connection.close()


class MariadbGate(_MariadbStop):
    """Rows of a table (event: INSERT, UPDATE, DELETE) for which the condition on NEW and OLD holds."""

    state = "User lock"

    def __init__(self, database, table, event, condition="true"):
        super().__init__(database)
        self.what = f"{event} of {table} where {condition}"
        name = f"gate_{next(_numbers)}"
        self.query("SELECT GET_LOCK(%s, 0)", name)
        self.query(f"CREATE TRIGGER {name} BEFORE {event} ON `{table}` FOR EACH ROW BEGIN"
                   f" IF {condition} THEN SET @gate = GET_LOCK('{name}', 60); SET @gate = RELEASE_LOCK('{name}');"
                   f" END IF; END")

    def open(self):
        self.query("DO RELEASE_ALL_LOCKS()")

    def forget(self):
        """The server was restarted: nobody holds anything any more."""
        self.connection.close()
        self.connection = self.database.servers.connect_mariadb(self.database.name, admin=True)

    def __str__(self):
        return f"the gate at {self.what}"


class MariadbRenameGate(_MariadbStop):
    """A table that somebody reads: what would rename, drop or alter it waits."""

    state = "Waiting for table metadata lock"

    def __init__(self, database, table):
        super().__init__(database)
        self.table = table
        self.reader = database.servers.connect_mariadb(database.name, autocommit=False)
        self.reader.cursor().execute(f"SELECT * FROM `{table}` LIMIT 1")

    def open(self):
        self.reader.rollback()

    def __exit__(self, *_):
        super().__exit__()
        self.reader.close()

    def __str__(self):
        return f"a change of {self.table}"
