"""A hub of a test's own: a fresh PostgreSQL database, migrated, seen by roles as in production."""

import fcntl
import subprocess
from pathlib import Path

from harness.databases import PostgresDatabase

ROLES = {"test_worker": ["haul_worker"], "test_operator": ["haul_operator"],
         "test_worker_tls": ["haul_worker", "tls_only"], "test_operator_tls": ["haul_operator", "tls_only"]}


class Hub(PostgresDatabase):
    """admin_url is for `haul migrate`, operator_url for the command line, worker_url for workers.

    worker_tls_url and operator_tls_url are of roles that may come in over TLS only.
    """

    def __init__(self, servers, name):
        super().__init__(servers, name)
        self.worker_url = self._url("test_worker")
        self.operator_url = self._url("test_operator")
        if hasattr(servers, "tls"):
            verified = f"?sslmode=verify-full&sslrootcert={servers.tls.ca}"
            self.worker_tls_url = self._url("test_worker_tls") + verified
            self.operator_tls_url = self._url("test_operator_tls") + verified

    def _url(self, role):
        return f"postgresql://{role}:{self.password}@{self.host}:{self.port}/{self.name}"

    def connect(self, **more):
        return super().connect(admin=True, **more)

    def make_roles(self):
        """Login roles with no right but that of the migration's group roles. After the migration."""
        with open(Path(self.servers.folder) / "roles.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # roles are of all databases: other tests make theirs
            for role, groups in ROLES.items():
                if not self.query("SELECT 1 FROM pg_roles WHERE rolname = %s", role):
                    self.query(f"CREATE ROLE {role} LOGIN PASSWORD %s", self.password)
                self.query(f"GRANT {', '.join(groups)} TO {role}")

    def dump(self):
        """All of it as SQL text."""
        return subprocess.run([Path(self.servers.postgres.psql).with_name("pg_dump"), self.admin_url],
                              capture_output=True, text=True, timeout=60, check=True).stdout
