-- Retention: what has ended long ago is deleted, in batches, by `haul prune` alone.
SET LOCAL ROLE haul_owner;

-- Receipts and the audit log still take new rows only, but for what the functions below delete.
CREATE OR REPLACE FUNCTION haul.refuse_change() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_user = 'haul_owner'
       AND current_setting('haul.prune', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'haul.% takes new rows only', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE INDEX runs_by_time ON haul.runs (started_at);

-- A job that may go. Its parent, if it has one, must have ended: it counts its children's rows.
CREATE FUNCTION haul.is_job_old(job haul.ledger, p_before timestamptz) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT job.created_at < p_before AND job.finished_at < p_before
       AND NOT EXISTS (SELECT FROM haul.children c WHERE c.child_id = job.job_id)
$$;

-- Jobs that ended before, with their cancels; how many. A job whose row is gone is a new one to the
-- ledger: rows must outlive every record that may still bring the job back.
CREATE FUNCTION haul.prune_jobs(p_before timestamptz, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    ids text[];
BEGIN
    ids := ARRAY(SELECT l.job_id FROM haul.ledger l
                  WHERE l.created_at < p_before AND haul.is_job_old(l, p_before)
                  ORDER BY l.created_at LIMIT p_limit FOR UPDATE SKIP LOCKED);
    DELETE FROM haul.cancels c WHERE c.job_id = ANY (ids);
    DELETE FROM haul.ledger l WHERE l.job_id = ANY (ids);
    RETURN cardinality(ids);
END
$$;

-- Cancels that were asked for before, of jobs that never came.
CREATE FUNCTION haul.prune_cancels(p_before timestamptz, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    ids text[];
BEGIN
    ids := ARRAY(SELECT c.job_id FROM haul.cancels c
                  WHERE c.asked_at < p_before
                    AND NOT EXISTS (SELECT FROM haul.ledger l WHERE l.job_id = c.job_id)
                  LIMIT p_limit);
    DELETE FROM haul.cancels c WHERE c.job_id = ANY (ids);
    RETURN cardinality(ids);
END
$$;

-- Dedupe keys whose window was over before.
CREATE INDEX dedupes_by_time ON haul.dedupes (until_us);
CREATE FUNCTION haul.prune_dedupes(p_before timestamptz, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    count bigint;
BEGIN
    DELETE FROM haul.dedupes d USING (
        SELECT o.workspace_id, o.dedupe_key FROM haul.dedupes o
         WHERE o.until_us < extract(epoch FROM p_before) * 1000000
         ORDER BY o.until_us LIMIT p_limit FOR UPDATE SKIP LOCKED) old
     WHERE d.workspace_id = old.workspace_id AND d.dedupe_key = old.dedupe_key;
    GET DIAGNOSTICS count = ROW_COUNT;
    RETURN count;
END
$$;

-- A run that may go: not the last one of its sync, and not of a job that is not ended.
CREATE FUNCTION haul.is_run_old(run haul.runs, p_before timestamptz) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT run.started_at < p_before AND coalesce(run.finished_at, run.started_at) < p_before
       AND EXISTS (SELECT FROM haul.runs n
                    WHERE n.workspace_id = run.workspace_id AND n.sync_id = run.sync_id
                      AND n.started_at > run.started_at)
       AND NOT EXISTS (SELECT FROM haul.ledger l
                        WHERE l.job_id = run.job_id AND l.finished_at IS NULL)
$$;

-- Runs of before, with their receipts and the rows that they left out.
CREATE FUNCTION haul.prune_runs(p_before timestamptz, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    ids text[];
BEGIN
    ids := ARRAY(SELECT r.run_id FROM haul.runs r
                  WHERE r.started_at < p_before AND haul.is_run_old(r, p_before)
                  ORDER BY r.started_at LIMIT p_limit FOR UPDATE SKIP LOCKED);
    PERFORM set_config('haul.prune', 'on', true);
    DELETE FROM haul.quarantine q WHERE q.run_id = ANY (ids);
    DELETE FROM haul.receipts r WHERE r.run_id = ANY (ids);
    DELETE FROM haul.runs r WHERE r.run_id = ANY (ids);
    PERFORM set_config('haul.prune', 'off', true);
    RETURN cardinality(ids);
END
$$;

-- The audit log's lines of before: for the schema's owner alone.
CREATE FUNCTION haul.prune_audit(p_before timestamptz, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    ids bigint[];
BEGIN
    ids := ARRAY(SELECT a.id FROM haul.audit_log a
                  WHERE a.at < p_before ORDER BY a.id LIMIT p_limit);
    PERFORM set_config('haul.prune', 'on', true);
    DELETE FROM haul.audit_log a WHERE a.id = ANY (ids);
    PERFORM set_config('haul.prune', 'off', true);
    RETURN cardinality(ids);
END
$$;

REVOKE ALL ON FUNCTION
    haul.prune_jobs(timestamptz, integer), haul.prune_cancels(timestamptz, integer),
    haul.prune_runs(timestamptz, integer), haul.prune_audit(timestamptz, integer),
    haul.prune_dedupes(timestamptz, integer), haul.is_run_old(haul.runs, timestamptz),
    haul.is_job_old(haul.ledger, timestamptz)
    FROM PUBLIC;
GRANT SELECT ON haul.dedupes TO haul_operator;
GRANT EXECUTE ON FUNCTION
    haul.prune_jobs(timestamptz, integer), haul.prune_cancels(timestamptz, integer),
    haul.prune_runs(timestamptz, integer), haul.prune_dedupes(timestamptz, integer),
    haul.is_run_old(haul.runs, timestamptz), haul.is_job_old(haul.ledger, timestamptz)
    TO haul_operator;
