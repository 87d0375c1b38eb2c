"""Drives build/<preset>/contract/sync_once: one sync between two real databases, without Kafka and hub."""

import json
import subprocess

from psycopg2.extras import execute_values

from harness.programs import _end_with_parent, build_folder, clean_environment


class Outcome:
    """What one sync said: .outcome, .code, .message, .receipt, .bad (rows), .phases."""

    def __init__(self, lines):
        said = [json.loads(line) for line in lines if line.strip()]
        self.bad = [line for line in said if "bad_row" in line]
        self.phases = [line["phase"] for line in said if "phase" in line]
        self.end = said[-1] if said and "outcome" in said[-1] else {}
        self.outcome = self.end.get("outcome")
        self.code = self.end.get("code")
        self.message = self.end.get("message")
        self.receipt = self.end.get("receipt")

    def __repr__(self):
        return json.dumps(self.end, indent=1)[:4000]


class Side:
    """A database of either kind, with what a test needs to be written once for both."""

    def __init__(self, database):
        self.database = database
        self.kind = "postgres" if database.url.startswith("postgres") else "mysql"
        self.query = database.query
        self.connect = database.connect

    def q(self, name):
        return f'"{name}"' if self.kind == "postgres" else f"`{name}`"

    def endpoint(self, **more):
        database = self.database
        return {"connector": self.kind,
                "config": {"host": database.host, "port": database.port, "user": database.user,
                           "password": database.password, "database": database.name, **more}}

    def many(self, statement, rows):
        connection = self.connect()
        try:
            cursor = connection.cursor()
            if self.kind == "postgres":  # executemany sends a statement a row
                execute_values(cursor, statement[:statement.index("(%s")] + "%s", rows, page_size=1000)
            else:
                cursor.executemany(statement, rows)
            connection.commit()
        finally:
            connection.close()

    def tables(self):
        where = "table_schema = 'public'" if self.kind == "postgres" else f"table_schema = '{self.database.name}'"
        return {row[0] for row in self.query(f"SELECT table_name FROM information_schema.tables WHERE {where}")}


class SyncOnce:
    """source and target are Sides; every run takes a greater fence unless one is given."""

    def __init__(self, source, target):
        self.source, self.target = source, target
        self.fence = 0

    def request(self, spec, **more):
        self.fence += 1
        whole = {"sync_id": "s1", "source": {"connection_id": "a", "table": "t"},
                 "target": {"connection_id": "b", "table": "t"}, **spec}
        return json.dumps({"fence": self.fence, "source": self.source.endpoint(),
                           "target": self.target.endpoint(), "spec": whole, **more})

    def start(self, spec, **more):
        return subprocess.Popen([build_folder() / "contract" / "sync_once", self.request(spec, **more)],
                                env=clean_environment({}), stdout=subprocess.PIPE, text=True,
                                preexec_fn=_end_with_parent)

    def run(self, spec=None, timeout_s=120, **more):
        process = self.start(spec or {}, **more)
        out, _ = process.communicate(timeout=timeout_s)
        outcome = Outcome(out.splitlines())
        assert process.returncode in (0, 1), f"ended with {process.returncode}: {out[-2000:]}"
        return outcome

    def ok(self, spec=None, **more):
        outcome = self.run(spec, **more)
        assert outcome.outcome == "ok", outcome
        return outcome.receipt

    def fails(self, code, spec=None, **more):
        outcome = self.run(spec, **more)
        assert outcome.outcome != "ok" and outcome.code == code, outcome
        return outcome
