"""What `haul prune` deletes from the hub, and what it leaves."""

import json

import psycopg2
import pytest


def add_job(hub, job_id, age_days, state="succeeded"):
    hub.query("INSERT INTO haul.ledger (job_id, workspace_id, kind, worker, state, attempt, created_at, finished_at)"
              " VALUES (%s, 'w1', 'k', 'w', %s, 1, now() - %s * interval '1 day',"
              " CASE WHEN %s IN ('running', 'waiting') THEN NULL ELSE now() - %s * interval '1 day' END)",
              job_id, state, age_days + 1, state, age_days)


def add_run(hub, run_id, age_days, job_id="gone", sync_id="s1", finished=True):
    hub.query("INSERT INTO haul.runs (run_id, workspace_id, sync_id, job_id, attempt, fence, mode, worker, started_at, finished_at, outcome)"
              " VALUES (%s, 'w1', %s, %s, 1, 1, 'append', 'w', now() - %s * interval '1 day',"
              " CASE WHEN %s THEN now() - %s * interval '1 day' END, CASE WHEN %s THEN 'ok' END)",
              run_id, sync_id, job_id, age_days, finished, age_days, finished)
    hub.query("INSERT INTO haul.receipts (run_id, receipt) VALUES (%s, '{}')", run_id)
    hub.query("INSERT INTO haul.quarantine (run_id, chunk, row_number, workspace_id, sync_id, job_id, fence, code, message, row_sealed, key_id)"
              " VALUES (%s, 1, 1, 'w1', %s, %s, 1, 'c', 'm', 'x', 'k')", run_id, sync_id, job_id)


def column(hub, sql):
    return {row[0] for row in hub.query(sql)}


def test_jobs(haul):
    hub = haul.hub
    for number in range(25):
        add_job(hub, f"old{number}", 100, ("succeeded", "dead_lettered", "cancelled")[number % 3])
    add_job(hub, "young", 10)
    add_job(hub, "long", 89)  # begun 90 days ago, ended later
    add_job(hub, "running", 200, "running")
    add_job(hub, "waiting", 200, "waiting")
    for job_id, age in (("old3", 100), ("young", 10), ("running", 200), ("never_came", 95), ("comes_yet", 2)):
        hub.query("INSERT INTO haul.cancels (job_id, actor, asked_at) VALUES (%s, 'me', now() - %s * interval '1 day')", job_id, age)
    dry = haul.run("prune", "--jobs-days", "90", "--dry-run", "--json").json
    assert (dry["jobs"]["count"], dry["cancels"]["count"], dry["dry_run"]) == (25, 1, True) and "runs" not in dry
    assert "25  jobs that ended" in haul.run("prune", "--jobs-days", "90", "--dry-run").out
    assert hub.query("SELECT 1 FROM haul.audit_log") == [] and len(column(hub, "SELECT job_id FROM haul.ledger")) == 29
    done = haul.run("prune", "--jobs-days", "90", "--batch", "10", "--json").json
    assert (done["jobs"]["count"], done["cancels"]["count"]) == (25, 1)
    assert column(hub, "SELECT job_id FROM haul.ledger") == {"young", "long", "running", "waiting"}
    assert column(hub, "SELECT job_id FROM haul.cancels") == {"young", "running", "comes_yet"}
    [(action, detail)] = hub.query("SELECT action, detail FROM haul.audit_log")
    assert action == "prune" and detail["jobs"]["count"] == 25


def test_dedupe_keys_and_children(haul):
    """Keys go when their window was over before; children of a parent that has not ended stay."""
    hub = haul.hub
    for key, days in (("old", 100), ("young", 3), ("open", -3)):
        hub.query("INSERT INTO haul.dedupes (workspace_id, dedupe_key, job_id, until_us) VALUES ('w1', %s, 'j',"
                  " extract(epoch FROM now() - %s * interval '1 day') * 1000000)", key, days)
    add_job(hub, "child", 100)
    add_job(hub, "orphan", 100)
    hub.query("INSERT INTO haul.families (parent_id, plan, generation, record_value, record_headers) VALUES ('parent', 'p', 1, '', '[]')")
    hub.query("INSERT INTO haul.children (child_id, parent_id, number, payload) VALUES ('child', 'parent', 1, '{}')")
    dry = haul.run("prune", "--jobs-days", "90", "--dry-run", "--json").json
    done = haul.run("prune", "--jobs-days", "90", "--json").json
    assert {name: dry[name]["count"] for name in ("jobs", "dedupes")} == {name: done[name]["count"] for name in ("jobs", "dedupes")} \
        == {"jobs": 1, "dedupes": 1}
    assert column(hub, "SELECT job_id FROM haul.ledger") == {"child"}
    assert column(hub, "SELECT dedupe_key FROM haul.dedupes") == {"young", "open"}


def test_runs(haul):
    hub = haul.hub
    add_job(hub, "open", 400, "running")
    for number in range(5):
        add_run(hub, f"old{number}", 400 - number)
    add_run(hub, "last of s1", 380)
    add_run(hub, "killed", 500, sync_id="s2", finished=False)
    add_run(hub, "of an open job", 490, "open", sync_id="s2")
    add_run(hub, "young", 2, sync_id="s2")
    assert haul.run("prune", "--runs-days", "365", "--dry-run", "--json").json["runs"]["count"] == 6
    assert haul.run("prune", "--runs-days", "365", "--batch", "2", "--json").json["runs"]["count"] == 6
    left = {"last of s1", "of an open job", "young"}
    for table in ("runs", "receipts", "quarantine"):
        assert column(hub, f"SELECT run_id FROM haul.{table}") == left, table
    assert column(hub, "SELECT job_id FROM haul.ledger") == {"open"}


def test_the_audit_log_is_the_owners(haul):
    hub = haul.hub
    admin = {"HAUL_HUB_URL": hub.admin_url}
    hub.query("INSERT INTO haul.audit_log (at, actor, action) VALUES (now() - interval '800 days', 'a', 'old'), (now(), 'a', 'new')")
    refused = haul.run("prune", "--audit-days", "730", "--json", status=4).json["error"]
    assert refused["code"] == "hub.denied"
    assert haul.run("prune", "--audit-days", "730", "--json", env=admin).json["audit"]["count"] == 1
    assert "old" not in column(hub, "SELECT action FROM haul.audit_log") and "new" in column(hub, "SELECT action FROM haul.audit_log")


def test_nobody_deletes_by_hand(haul):
    """The functions' door is theirs alone: not the operator's, nor that of an owner who did not mean it."""
    hub = haul.hub
    add_run(hub, "r", 1)
    for url in (hub.operator_url, hub.worker_url, hub.admin_url):
        for table in ("audit_log", "receipts"):
            connection = psycopg2.connect(url)
            with pytest.raises(psycopg2.Error, match="denied|new rows only"):
                connection.cursor().execute(f"SET haul.prune = 'on'; DELETE FROM haul.{table}")
            connection.close()
    assert column(hub, "SELECT run_id FROM haul.receipts") == {"r"}


def test_what_kafka_may_still_deliver_is_kept(haul):
    add_job(haul.hub, "j", 20)
    refused = haul.run("prune", "--jobs-days", "14", "--json", status=2).json["error"]
    assert "30 days" in refused["message"] and "--jobs-days 31" in refused["hint"]
    haul.run("prune", "--jobs-days", "30", status=2)
    assert haul.run("prune", "--jobs-days", "31", "--json").json["jobs"]["count"] == 0
    assert haul.run("prune", "--jobs-days", "14", "--force", "--json").json["jobs"]["count"] == 1
    assert "nothing to prune" in haul.run("prune", status=2).err


def test_a_prune_that_breaks_off_has_done_a_part(haul):
    """Batches are transactions of their own."""
    for number in range(6):
        add_job(haul.hub, f"j{number}", 100)
    with haul.hub.connect() as connection:
        connection.autocommit = False
        connection.cursor().execute("LOCK TABLE haul.cancels IN EXCLUSIVE MODE")  # holds up the first batch
        done = haul.run("prune", "--jobs-days", "90", "--batch", "3", "--json", status=5,
                        env={"HAUL_HUB_STATEMENT_TIMEOUT_MS": 500})
        assert json.loads(done.out)["error"]["code"]
        connection.rollback()
    assert haul.run("prune", "--jobs-days", "90", "--batch", "3", "--json").json["jobs"]["count"] == 6
