"""A hub of a test's own: a fresh PostgreSQL database, migrated, seen by roles as in production."""

import subprocess
from pathlib import Path

from harness.databases import PostgresDatabase

WORKER_ROLE = "test_worker"
OPERATOR_ROLE = "test_operator"


class Hub(PostgresDatabase):
    """admin_url is for `haul migrate`, operator_url for the command line, worker_url for workers."""

    def __init__(self, servers, name):
        super().__init__(servers, name)
        self.worker_url = self._url(WORKER_ROLE)
        self.operator_url = self._url(OPERATOR_ROLE)

    def _url(self, role):
        return f"postgresql://{role}:{self.password}@{self.host}:{self.port}/{self.name}"

    def connect(self, **more):
        return super().connect(admin=True, **more)

    def make_roles(self):
        """Login roles with no right but that of the migration's group roles. After the migration."""
        for role, group in ((WORKER_ROLE, "haul_worker"), (OPERATOR_ROLE, "haul_operator")):
            if not self.query("SELECT 1 FROM pg_roles WHERE rolname = %s", role):
                self.query(f"CREATE ROLE {role} LOGIN PASSWORD %s", self.password)
            self.query(f"GRANT {group} TO {role}")

    def dump(self):
        """All of it as SQL text."""
        return subprocess.run([Path(self.servers.postgres.psql).with_name("pg_dump"), self.admin_url],
                              capture_output=True, text=True, timeout=60, check=True).stdout
