-- Jobs of an ordered kind get their place when they are read, not when they are claimed: whatever way
-- their record goes on, those of their subject that are read later wait for them.
SET LOCAL ROLE haul_owner;

-- In the order of the arrays; of a job that is known nothing changes. Waited for on the disk: behind
-- it records are passed on.
CREATE FUNCTION haul.ledger_place_many(
    p_job_id text[], p_workspace_id text[], p_kind text[], p_subject text[], p_first_topic text[],
    p_first_partition integer[], p_first_offset bigint[], p_dedupe_key text[], p_worker text)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    INSERT INTO haul.ledger AS l
           (job_id, workspace_id, kind, subject, worker, state, attempt, redrive_count,
            first_topic, first_partition, first_offset, place, dedupe_key)
    SELECT a.job_id, a.workspace_id, a.kind, a.subject, p_worker, 'waiting', 1, 0, a.first_topic,
           coalesce(a.first_partition, 0), coalesce(a.first_offset, 0), nextval('haul.place'),
           a.dedupe_key
      FROM (SELECT unnest(p_job_id) AS job_id, unnest(p_workspace_id) AS workspace_id,
                   unnest(p_kind) AS kind, unnest(p_subject) AS subject,
                   unnest(p_first_topic) AS first_topic,
                   unnest(p_first_partition) AS first_partition,
                   unnest(p_first_offset) AS first_offset,
                   unnest(p_dedupe_key) AS dedupe_key) AS a
    ON CONFLICT DO NOTHING
$$;

REVOKE ALL ON FUNCTION haul.ledger_place_many(text[], text[], text[], text[], text[], integer[],
                                              bigint[], text[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION haul.ledger_place_many(text[], text[], text[], text[], text[], integer[],
                                                 bigint[], text[], text) TO haul_worker;
