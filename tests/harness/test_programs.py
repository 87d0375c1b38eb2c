"""The harness's own tests of running programs: with shell scripts in place of Haul's programs."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness import programs
from harness.haul import event_of, make_job
from harness.programs import Worker, run_program
from harness.waiting import wait_for


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """stand_in(name, body): a Python script as build/bin/name."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("HAUL_BUILD", str(tmp_path))

    def make(name, body):
        path = tmp_path / "bin" / name
        path.write_text(f"#!/usr/bin/python3\n{body}\n")
        path.chmod(0o755)

    return make


SERVE = '''
import http.server, os, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = {"/readyz": "ready", "/metrics": 'jobs_total{kind="a"} 2\\njobs_total{kind="b"} 3\\n'}.get(self.path)
        self.send_response(200 if text else 404)
        self.end_headers()
        self.wfile.write((text or "").encode())
    def log_message(self, *args):
        pass
signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
print('{"msg": "started"}', flush=True)
http.server.HTTPServer(("127.0.0.1", int(os.environ["HAUL_HTTP_PORT"])), Handler).serve_forever()
'''


def test_worker_is_started_read_and_stopped(stand_in, tmp_path):
    stand_in("serve", SERVE)
    worker = Worker("serve", {}, tmp_path, "serve-1").wait_ready()
    assert worker.metric("jobs_total") == 5 and worker.metric("jobs_total", kind="b") == 3
    assert worker.metric("no_such_metric") is None
    assert worker.get("/nowhere")[0] == 404
    assert worker.log_lines() == [{"msg": "started"}]
    assert worker.memory_kib() > 1000
    assert worker.stop() == 75
    assert worker.get("/readyz") == (0, "")


def test_worker_is_killed(stand_in, tmp_path):
    stand_in("serve", SERVE)
    worker = Worker("serve", {}, tmp_path, "serve-1").wait_ready()
    worker.kill()
    assert worker.wait_ended() == -signal.SIGKILL


def test_worker_that_ends_early_shows_its_log(stand_in, tmp_path):
    stand_in("broken", "print('no such broker'); raise SystemExit(2)")
    with pytest.raises(RuntimeError, match="ended with 2:\nno such broker"):
        Worker("broken", {}, tmp_path, "broken-1").wait_ready()


def test_worker_ends_with_the_test_process(stand_in, tmp_path):
    """However the tests end, no worker goes on taking jobs."""
    stand_in("sleeper", "import time; time.sleep(60)")
    code = ("import sys, os, pathlib; from harness.programs import Worker;"
            f"print(Worker('sleeper', {{}}, pathlib.Path('{tmp_path}'), 's').pid, flush=True);"
            "os.kill(os.getpid(), 9)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20,
                          cwd=Path(__file__).parents[1])
    pid = int(done.stdout)
    wait_for(lambda: is_gone(pid), f"process {pid} to end", timeout_s=5)


def is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_run_program_gives_output_and_checks_the_status(stand_in, monkeypatch):
    stand_in("echo", "import os, sys; print('{\"in\": \"%s\"}' % sys.stdin.read());"
                     "print(sorted(k for k in os.environ if k.startswith('HAUL_')), file=sys.stderr);"
                     "sys.exit(int(sys.argv[1]))")
    done = run_program("echo", 0, env={"HAUL_B": 1}, stdin="x")
    assert done.json == {"in": "x"} and done.lines == [{"in": "x"}]
    assert done.err == "['HAUL_B']\n"
    assert run_program("echo", 3, env={}, status=3).status == 3
    assert run_program("echo", 4, env={}, status=None).status == 4
    with pytest.raises(AssertionError, match="status 5"):
        run_program("echo", 5, env={})


def test_a_program_that_is_not_built_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HAUL_BUILD", str(tmp_path))
    with pytest.raises(AssertionError, match="bin/haul is not built"):
        programs.program_path("haul")


def test_hub_roles_have_no_rights_of_their_own(servers, hub):
    hub.query("DO $$ BEGIN CREATE ROLE haul_worker; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    hub.query("DO $$ BEGIN CREATE ROLE haul_operator; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    hub.make_roles()
    hub.make_roles()
    hub.query("CREATE TABLE secret_table (v text)")
    hub.query("INSERT INTO secret_table VALUES ('found in the dump')")
    worker = servers.connect_postgres(hub.name, user="test_worker")
    with pytest.raises(Exception, match="permission denied"):
        worker.cursor().execute("SELECT * FROM secret_table")
    worker.close()
    assert "found in the dump" in hub.dump()


def test_databases_are_fresh_and_utf8(postgres_database, mariadb_database):
    assert postgres_database.query("SHOW server_encoding") == [("UTF8",)]
    for database in (postgres_database, mariadb_database):
        database.query("CREATE TABLE t (v varchar(9))")
        database.query("INSERT INTO t VALUES ('\U0001f600')")
        assert database.query("SELECT v FROM t") == [("\U0001f600",)]


def test_job_envelope():
    job = make_job("sql_sync", {"sync_id": "s"}, "j1", time=None, subject="other")
    assert job["type"] == "haul.job.sql_sync.v1" and job["subject"] == "other" and "time" not in job
    assert (job["id"], job["specversion"]) == ("j1", "1.0")


def test_event_of():
    class Message:
        key = staticmethod(lambda: b"j1")
        value = staticmethod(lambda: b'{"type": "haul.event.dead_lettered.v1", "data": {}}')

    event = event_of(Message)
    assert (event["state"], event["job_id"]) == ("dead_lettered", "j1")
