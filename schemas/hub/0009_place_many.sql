-- Places cost less.
SET LOCAL ROLE haul_owner;

-- A batch takes as many places as this at once, one for each of its jobs.
ALTER SEQUENCE haul.place INCREMENT BY 1024;

-- As 0008 says. Most jobs have no row yet, and ON CONFLICT would look for each one's first.
CREATE OR REPLACE FUNCTION haul.ledger_place_many(
    p_job_id text[], p_workspace_id text[], p_kind text[], p_subject text[], p_first_topic text[],
    p_first_partition integer[], p_first_offset bigint[], p_dedupe_key text[], p_worker text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
-- A plan that was made while the table was small would read all of it for ever.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    first_place bigint := nextval('haul.place'); -- the next ones up to the sequence's step are ours
    known text[]; -- NULL: nothing is thought to be
    call_at timestamptz := clock_timestamp();
BEGIN
    IF cardinality(p_job_id) > 1024 THEN
        RAISE EXCEPTION 'places for more than 1024 jobs in one call';
    END IF;
    LOOP
        BEGIN
            INSERT INTO haul.ledger AS l
                   (job_id, workspace_id, kind, subject, worker, state, attempt, redrive_count,
                    first_topic, first_partition, first_offset, place, dedupe_key,
                    created_at, updated_at)
            SELECT a.job_id, a.workspace_id, a.kind, a.subject, p_worker, 'waiting', 1, 0,
                   a.first_topic, coalesce(a.first_partition, 0), coalesce(a.first_offset, 0),
                   first_place + a.number - 1, a.dedupe_key, call_at, call_at
              FROM (SELECT generate_subscripts(p_job_id, 1) AS number, unnest(p_job_id) AS job_id,
                           unnest(p_workspace_id) AS workspace_id, unnest(p_kind) AS kind,
                           unnest(p_subject) AS subject, unnest(p_first_topic) AS first_topic,
                           unnest(p_first_partition) AS first_partition,
                           unnest(p_first_offset) AS first_offset,
                           unnest(p_dedupe_key) AS dedupe_key) AS a
             WHERE known IS NULL OR a.job_id <> ALL (known)
                                    AND a.number = array_position(p_job_id, a.job_id)
             ORDER BY a.job_id COLLATE "C"; -- the order of its index; against deadlocks
            RETURN;
        EXCEPTION WHEN unique_violation THEN
            known := ARRAY(SELECT l.job_id FROM haul.ledger l WHERE l.job_id = ANY (p_job_id));
        END;
    END LOOP;
END
$$;
