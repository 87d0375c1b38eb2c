-- Which wait a parent is in: an old delivery of its record may look, but not end it (run/fan_out).
-- And a parent that is put back hands out anew. And claims and settlements cost less.
SET LOCAL ROLE haul_owner;

-- Jobs are compared as bytes, whatever the database's language.
ALTER TABLE haul.ledger ALTER COLUMN job_id TYPE text COLLATE "C",
    ALTER COLUMN workspace_id TYPE text COLLATE "C";
ALTER TABLE haul.cancels ALTER COLUMN job_id TYPE text COLLATE "C";

-- Listed by time, those of one workspace too: it costs a workspace without jobs 0.1 s a million rows,
-- and saves a tenth of the hub's time a job.
DROP INDEX haul.ledger_by_workspace;
DROP INDEX haul.ledger_by_time;
CREATE INDEX ledger_by_time ON haul.ledger (created_at, workspace_id);
-- Looked at whenever a row changes: as many bytes as 128 characters may have.
ALTER TABLE haul.ledger DROP CONSTRAINT ledger_job_id_check,
    ADD CONSTRAINT ledger_job_id_check CHECK (octet_length(job_id) BETWEEN 1 AND 512);

-- The start that put it to wait for its children; NULL: it waits for none. It stays while that is
-- looked at; its wakes carry it, and no other record ends the job.
ALTER TABLE haul.ledger ADD COLUMN wait_fence bigint;

-- ---- 0003's and 0002's, with wait_fence ----
DROP FUNCTION haul.ledger_claim_many(text[], text[], text[], text[], integer[], integer[], bigint[], text[],
                           integer[], bigint[], boolean[], text[], bigint[], boolean[], text, text,
                           integer, bigint);
DROP FUNCTION haul.ledger_settle_many(text[], bigint[], bigint[], text[], integer[], bigint[], text[],
                            text[], text[], text[], text[], text[]);
DROP FUNCTION haul.ledger_release(text, bigint, integer, bigint, text, text, text, text, text);

-- As 0003 says; what a job has handed out in an earlier life is not its own any more.
CREATE OR REPLACE FUNCTION haul.ledger_claim_one(c haul.claim, p_worker text, p_owner text,
                                      p_max_starts integer, p_now_us bigint,
                                      OUT verdict text, OUT job haul.ledger)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    earlier haul.ledger;
    holder text;
    is_counted boolean; -- claimed by this process before, whose answer was lost on its way
    others integer; -- starts before this one
BEGIN
    INSERT INTO haul.ledger AS l
           (job_id, workspace_id, kind, subject, worker, state, attempt, redrive_count,
            first_topic, first_partition, first_offset, place, dedupe_key)
    VALUES (c.job_id, c.workspace_id, c.kind, c.subject, p_worker, 'waiting', c.attempt,
            c.redrive_count, c.first_topic, c.first_partition, c.first_offset,
            CASE WHEN c.is_ordered THEN nextval('haul.place') END, c.dedupe_key)
    ON CONFLICT DO NOTHING;
    SELECT l.* INTO STRICT job FROM haul.ledger l WHERE l.job_id = c.job_id FOR UPDATE;
    IF job.state = 'dead_lettered' AND c.redrive_count > job.redrive_count THEN
        UPDATE haul.ledger l
           SET state = 'waiting', attempt = c.attempt, redrive_count = c.redrive_count,
               starts = 0, due_us = 0, result = NULL, finished_at = NULL,
               place = CASE WHEN c.is_ordered THEN nextval('haul.place') END,
               reopened_at = clock_timestamp()
         WHERE l.job_id = c.job_id RETURNING l.* INTO job;
        PERFORM haul.family_end(c.job_id, 'its parent was put back');
    END IF;
    IF job.finished_at IS NOT NULL THEN
        verdict := 'done';
        RETURN;
    ELSIF haul.ledger_is_cancelled(job) THEN
        job := haul.ledger_end_cancelled(c.job_id);
        verdict := 'cancelled';
        RETURN;
    ELSIF job.state = 'waiting' AND job.due_us > p_now_us AND c.not_before_us < job.due_us THEN
        verdict := 'wait';
        RETURN;
    END IF;
    IF job.place IS NOT NULL THEN
        -- All wait for the first of them: until its next attempt, if that is what it waits for.
        SELECT l.* INTO earlier FROM haul.ledger l
         WHERE l.workspace_id = job.workspace_id AND l.subject = job.subject
           AND l.worker = job.worker AND l.place < job.place AND l.finished_at IS NULL
         ORDER BY l.place LIMIT 1;
        IF FOUND THEN
            verdict := 'behind';
            -- The longer that one runs already, the less often it is looked at: an eighth of it.
            job.due_us := greatest(earlier.due_us, p_now_us + least(10000000,
                (extract(epoch FROM clock_timestamp()
                         - coalesce(earlier.started_at, earlier.created_at)) * 125000)::bigint));
            RETURN;
        END IF;
    END IF;
    IF job.dedupe_key IS NOT NULL AND job.starts = 0 AND job.redrive_count = 0 THEN
        holder := haul.dedupe_take(job.workspace_id, job.dedupe_key, c.job_id, p_now_us,
                                   c.dedupe_window_us);
        IF holder <> c.job_id THEN
            job := haul.ledger_end_by_claim(c.job_id, 'job.duplicate',
                                            'a duplicate of job ' || holder);
            verdict := 'cancelled';
            RETURN;
        END IF;
    END IF;
    is_counted := job.state = 'running' AND job.owner = p_owner;
    others := job.starts - CASE WHEN is_counted THEN 1 ELSE 0 END;
    IF others > 0 AND others = p_max_starts - 1 AND NOT c.is_alone THEN
        verdict := 'suspect';
        RETURN;
    END IF;
    verdict := CASE WHEN others >= p_max_starts THEN 'poison' ELSE 'run' END;
    UPDATE haul.ledger l
       SET state = 'running', owner = p_owner,
           starts = others + 1, due_us = 0,
           attempt = greatest(l.attempt, c.attempt), fence = nextval('haul.fence'),
           sequence = l.sequence + 1000000,
           started_at = clock_timestamp(), updated_at = clock_timestamp()
     WHERE l.job_id = c.job_id RETURNING l.* INTO job;
END
$$;

-- As 0003 says. An array of zeros (false, NULL) may be NULL.
CREATE FUNCTION haul.ledger_claim_many(
    p_job_id text[], p_workspace_id text[], p_kind text[], p_subject text[], p_attempt integer[],
    p_redrive_count integer[], p_not_before_us bigint[], p_first_topic text[],
    p_first_partition integer[], p_first_offset bigint[], p_is_ordered boolean[],
    p_dedupe_key text[], p_dedupe_window_us bigint[], p_is_alone boolean[],
    p_worker text, p_owner text, p_max_starts integer, p_now_us bigint)
RETURNS TABLE (number integer, verdict text, fence bigint, sequence bigint, attempt integer,
               starts integer, redrive_count integer, due_us bigint, state text,
               error_class text, error_code text, error_native text, error_message text,
               error_hint text, result json, wait_fence bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
-- A plan that was made while the table was small would read all of it for ever.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    first_fence bigint := nextval('haul.fence'); -- the next ones up to the sequence's step are ours
    fresh integer[]; -- of p_job_id: those that are new
    made integer := 0;
    others text[] := '{}'; -- these go one by one: those to be cancelled, those that are known
    call_at timestamptz := clock_timestamp();
    one record;
    i integer;
    waits_for_disk text := current_setting('synchronous_commit');
BEGIN
    IF (true = ANY (p_is_ordered)) IS NOT TRUE THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    IF cardinality(p_job_id) > 1024 THEN
        RAISE EXCEPTION 'claims of more than 1024 jobs in one call';
    END IF;
    IF EXISTS (SELECT FROM haul.cancels) THEN
        others := ARRAY(SELECT c.job_id FROM haul.cancels c WHERE c.job_id = ANY (p_job_id));
    END IF;
    -- Most have no row yet, and ON CONFLICT would look for each one's first. Arrays side by side in
    -- a select list are taken apart in step, those of FROM are each copied to a store before.
    -- Which rows are new is told by their number alone when all are, else by the fences in them.
    FOR try IN 1..2 LOOP
        BEGIN
            INSERT INTO haul.ledger AS l
                   (job_id, workspace_id, kind, subject, worker, owner, state, attempt, starts,
                    redrive_count, fence, sequence, first_topic, first_partition, first_offset,
                    started_at, updated_at)
            SELECT a.job_id, a.workspace_id, a.kind, a.subject, p_worker, p_owner, 'running', 1, 1,
                   0, first_fence + a.number - 1, 1000000, a.first_topic,
                   coalesce(a.first_partition, 0), coalesce(a.first_offset, 0), call_at, call_at
              FROM (SELECT generate_subscripts(p_job_id, 1) AS number, unnest(p_job_id) AS job_id,
                           unnest(p_workspace_id) AS workspace_id, unnest(p_kind) AS kind,
                           unnest(p_subject) AS subject, unnest(p_attempt) AS attempt,
                           unnest(p_redrive_count) AS redrive_count,
                           unnest(p_first_topic) AS first_topic,
                           unnest(p_first_partition) AS first_partition,
                           unnest(p_first_offset) AS first_offset,
                           unnest(p_is_ordered) AS is_ordered,
                           unnest(p_dedupe_key) AS dedupe_key) AS a
             WHERE a.attempt = 1 AND coalesce(a.redrive_count, 0) = 0
               AND a.is_ordered IS NOT TRUE AND a.dedupe_key IS NULL AND a.job_id <> ALL (others)
             ORDER BY a.job_id COLLATE "C"; -- the order of its index
            GET DIAGNOSTICS made = ROW_COUNT;
            EXIT;
        EXCEPTION WHEN unique_violation THEN
            others := others || ARRAY(SELECT l.job_id FROM haul.ledger l
                                       WHERE l.job_id = ANY (p_job_id));
        END;
    END LOOP;
    IF made > 0 THEN
        RETURN QUERY
            SELECT 0, 'run', first_fence, 1000000::bigint, 0, 1, 0, 0::bigint, 'running',
                   NULL::text, NULL::text, NULL::text, NULL::text, NULL::text, NULL::json,
                   NULL::bigint;
        IF made = cardinality(p_job_id) THEN
            RETURN;
        END IF;
        SELECT array_agg(a.number::integer) INTO fresh
          FROM unnest(p_job_id) WITH ORDINALITY AS a(job_id, number)
          JOIN haul.ledger l ON l.job_id = a.job_id AND l.fence = first_fence + a.number - 1;
    END IF;
    FOR i IN SELECT g FROM generate_subscripts(p_job_id, 1) g
              WHERE g <> ALL (coalesce(fresh, '{}'))
              -- in the order of places for those that have one, else by id against deadlocks
              ORDER BY CASE WHEN p_is_ordered[g] THEN '' ELSE p_job_id[g] END, g
    LOOP
        SELECT * INTO one FROM haul.ledger_claim_one(
            ROW(p_job_id[i], p_workspace_id[i], p_kind[i], p_subject[i], p_attempt[i],
                coalesce(p_redrive_count[i], 0), coalesce(p_not_before_us[i], 0),
                p_first_topic[i], coalesce(p_first_partition[i], 0),
                coalesce(p_first_offset[i], 0), coalesce(p_is_ordered[i], false),
                p_dedupe_key[i], coalesce(p_dedupe_window_us[i], 0),
                coalesce(p_is_alone[i], false))::haul.claim, p_worker, p_owner, p_max_starts, p_now_us);
        IF one.verdict = 'cancelled' THEN -- an end is told and never asked for again
            PERFORM set_config('synchronous_commit', waits_for_disk, true);
        END IF;
        RETURN QUERY
            SELECT i, one.verdict, (one.job).fence, (one.job).sequence, (one.job).attempt,
                   (one.job).starts, (one.job).redrive_count, (one.job).due_us, (one.job).state,
                   (one.job).error_class, (one.job).error_code, (one.job).error_native,
                   (one.job).error_message, (one.job).error_hint, (one.job).result,
                   (one.job).wait_fence;
    END LOOP;
END
$$;

-- As 0002 says; a program of before gives no p_wait_fence, and its parents may be ended by any.
CREATE FUNCTION haul.ledger_release(
    p_job_id text, p_fence bigint, p_next_attempt integer, p_due_us bigint, p_error_class text,
    p_error_code text, p_error_native text, p_error_message text, p_error_hint text,
    p_wait_fence bigint, p_is_unbegun boolean)
RETURNS TABLE (verdict text, job haul.ledger) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog AS $$
BEGIN
    SELECT l.* INTO job FROM haul.ledger l WHERE l.job_id = p_job_id FOR UPDATE;
    IF NOT FOUND OR job.fence <> p_fence OR job.state NOT IN ('running', 'waiting') THEN
        verdict := 'fenced';
    ELSIF haul.ledger_is_cancelled(job) THEN
        job := haul.ledger_end_cancelled(p_job_id);
        verdict := 'cancelled';
    ELSE
        UPDATE haul.ledger l
           SET state = 'waiting', attempt = p_next_attempt, due_us = p_due_us,
               -- Who leaves a wait as it was, or has not begun, proves nothing of the starts
               -- before: only its own is taken back.
               starts = CASE WHEN p_is_unbegun IS NOT TRUE
                              AND coalesce(p_wait_fence, 0) IN (0, p_fence) THEN 0
                             WHEN l.state = 'waiting' THEN l.starts
                             ELSE greatest(l.starts - 1, 0) END,
               wait_fence = nullif(p_wait_fence, 0),
               error_class = coalesce(p_error_class, l.error_class),
               error_code = coalesce(p_error_code, l.error_code),
               error_native = CASE WHEN p_error_code IS NULL THEN l.error_native
                                   ELSE p_error_native END,
               error_message = coalesce(p_error_message, l.error_message),
               error_hint = CASE WHEN p_error_code IS NULL THEN l.error_hint
                                 ELSE p_error_hint END,
               updated_at = clock_timestamp()
         WHERE l.job_id = p_job_id RETURNING l.* INTO job;
        verdict := 'released';
    END IF;
    RETURN NEXT;
END
$$;

-- As 0003 says. An array of zeros (NULL) may be NULL.
CREATE FUNCTION haul.ledger_settle_many(
    p_job_id text[], p_fence bigint[], p_sequence bigint[], p_state text[],
    p_next_attempt integer[], p_due_us bigint[], p_error_class text[], p_error_code text[],
    p_error_native text[], p_error_message text[], p_error_hint text[], p_result text[],
    p_wait_fence bigint[] DEFAULT NULL, p_is_unbegun boolean[] DEFAULT NULL)
RETURNS TABLE (number integer, verdict text, fence bigint, sequence bigint, attempt integer,
               starts integer, redrive_count integer, due_us bigint, state text,
               error_class text, error_code text, error_native text, error_message text,
               error_hint text, result json, wait_fence bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
-- A plan that was made while the table was small would read all of it for ever.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    one record;
    i integer;
    ended integer[]; -- of p_job_id: those that were ours
    changed integer;
    call_at timestamptz := clock_timestamp();
BEGIN
    UPDATE haul.ledger l
       SET state = u.state, starts = 0, due_us = 0, sequence = coalesce(u.sequence, 0),
           place = NULL, wait_fence = NULL,
           error_class = u.error_class, error_code = u.error_code, error_native = u.error_native,
           error_message = u.error_message, error_hint = u.error_hint, result = u.result::json,
           updated_at = call_at, finished_at = call_at
      FROM (SELECT unnest(p_job_id) AS job_id, unnest(p_fence) AS fence,
                   unnest(p_sequence) AS sequence, unnest(p_state) AS state,
                   unnest(p_error_class) AS error_class, unnest(p_error_code) AS error_code,
                   unnest(p_error_native) AS error_native,
                   unnest(p_error_message) AS error_message,
                   unnest(p_error_hint) AS error_hint, unnest(p_result) AS result) AS u
     WHERE l.job_id = u.job_id AND l.fence = u.fence AND l.state IN ('running', u.state)
       AND u.state IN ('succeeded', 'dead_lettered', 'cancelled');
    GET DIAGNOSTICS changed = ROW_COUNT;
    IF changed > 0 THEN
        RETURN QUERY
            SELECT 0, 'ours', 0::bigint, 0::bigint, 0, 0, 0, 0::bigint, NULL::text, NULL::text,
                   NULL::text, NULL::text, NULL::text, NULL::text, NULL::json, NULL::bigint;
    END IF;
    IF changed > 0 AND changed < cardinality(p_job_id) THEN
        SELECT array_agg(u.number::integer) INTO ended
          FROM unnest(p_job_id, p_fence, p_state) WITH ORDINALITY
               AS u(job_id, fence, state, number)
          JOIN haul.ledger l ON l.job_id = u.job_id AND l.fence = u.fence AND l.state = u.state
         WHERE u.state IN ('succeeded', 'dead_lettered', 'cancelled');
    END IF;
    IF changed < cardinality(p_job_id) THEN
        RETURN QUERY
        SELECT g.number, 'fenced', coalesce(p_fence[g.number], 0),
               coalesce(p_sequence[g.number], 0), 0, 0, 0, 0::bigint,
               p_state[g.number], NULL::text, NULL::text, NULL::text, NULL::text, NULL::text,
               NULL::json, NULL::bigint
          FROM generate_subscripts(p_job_id, 1) AS g(number)
         WHERE p_state[g.number] IS NOT NULL AND g.number <> ALL (coalesce(ended, '{}'));
    END IF;
    -- The key of a job that came to nothing is free again.
    IF EXISTS (SELECT FROM haul.dedupes) THEN
        DELETE FROM haul.dedupes d USING haul.ledger l
         WHERE l.job_id = ANY (p_job_id) AND l.dedupe_key IS NOT NULL
           AND l.state IN ('dead_lettered', 'cancelled') AND d.workspace_id = l.workspace_id
           AND d.dedupe_key = l.dedupe_key AND d.job_id = l.job_id;
    END IF;
    FOR i IN SELECT g FROM generate_subscripts(p_job_id, 1) g WHERE p_state[g] IS NULL
              ORDER BY p_job_id[g]
    LOOP
        SELECT * INTO one FROM haul.ledger_release(
            p_job_id[i], coalesce(p_fence[i], 0), p_next_attempt[i], coalesce(p_due_us[i], 0),
            p_error_class[i], p_error_code[i], p_error_native[i], p_error_message[i],
            p_error_hint[i], p_wait_fence[i], p_is_unbegun[i]);
        RETURN QUERY
            SELECT i, CASE one.verdict WHEN 'released' THEN 'ours' ELSE one.verdict END,
                   (one.job).fence, (one.job).sequence, (one.job).attempt, (one.job).starts,
                   (one.job).redrive_count, (one.job).due_us, (one.job).state,
                   (one.job).error_class, (one.job).error_code, (one.job).error_native,
                   (one.job).error_message, (one.job).error_hint, (one.job).result,
                   (one.job).wait_fence;
    END LOOP;
END
$$;

-- ---- rights ----
REVOKE ALL ON FUNCTION
    haul.ledger_claim_many(text[], text[], text[], text[], integer[], integer[], bigint[], text[],
                           integer[], bigint[], boolean[], text[], bigint[], boolean[], text, text,
                           integer, bigint),
    haul.ledger_release(text, bigint, integer, bigint, text, text, text, text, text, bigint,
                        boolean),
    haul.ledger_settle_many(text[], bigint[], bigint[], text[], integer[], bigint[], text[],
                            text[], text[], text[], text[], text[],
                            bigint[], boolean[])
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    haul.ledger_claim_many(text[], text[], text[], text[], integer[], integer[], bigint[], text[],
                           integer[], bigint[], boolean[], text[], bigint[], boolean[], text, text,
                           integer, bigint),
    haul.ledger_settle_many(text[], bigint[], bigint[], text[], integer[], bigint[], text[],
                            text[], text[], text[], text[], text[],
                            bigint[], boolean[])
    TO haul_worker;
