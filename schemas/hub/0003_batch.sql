-- The ledger in batches: many claims or settlements a call, order by key, one job a dedupe key.
SET LOCAL ROLE haul_owner;

-- Jobs of one subject run in the order of their places; NULL where order does not matter, and when
-- they are over: the index holds what is not, and no column that every settlement changes (one in
-- its WHERE counts as held), so that settlements stay within their row's page.
CREATE SEQUENCE haul.place AS bigint;
ALTER TABLE haul.ledger ADD COLUMN place bigint, ADD COLUMN dedupe_key text;
CREATE INDEX ledger_by_place ON haul.ledger (workspace_id, subject, worker, place)
    WHERE place IS NOT NULL;

-- A settlement is a second version of its row: it fits the first one's page when half is left free.
ALTER TABLE haul.ledger SET (fillfactor = 50);
-- Ascending: new rows go to the right end of the tree; it is read backwards.
DROP INDEX haul.ledger_by_workspace;
DROP INDEX haul.ledger_by_time;
CREATE INDEX ledger_by_workspace ON haul.ledger (workspace_id, created_at);
CREATE INDEX ledger_by_time ON haul.ledger (created_at);

-- Who holds a dedupe key, and until when another job with it is a duplicate.
CREATE TABLE haul.dedupes (
    workspace_id text NOT NULL,
    dedupe_key   text NOT NULL CHECK (length(dedupe_key) BETWEEN 1 AND 256),
    job_id       text NOT NULL,
    until_us     bigint NOT NULL,
    PRIMARY KEY (workspace_id, dedupe_key)
);

-- A batch of claims takes as many fences as this at once, one for each of its jobs.
ALTER SEQUENCE haul.fence INCREMENT BY 1024;

/*
 * Claims are committed without waiting for the disk, so the hub may forget the last of them when it
 * crashes, and with them which fences it gave out. All connections end with the hub: each new one
 * that will claim calls this first, and waits for the disk, so that no fence is ever given twice.
 */
CREATE FUNCTION haul.fence_skip() RETURNS bigint LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog AS $$
    SELECT max(nextval('haul.fence')) FROM generate_series(1, 65536)
$$;

-- Ends a job that its caller has locked.
CREATE FUNCTION haul.ledger_end_by_claim(p_job_id text, p_code text, p_message text)
RETURNS haul.ledger LANGUAGE sql SET search_path = pg_catalog AS $$
    UPDATE haul.ledger l
       SET state = 'cancelled', starts = 0, due_us = 0, fence = nextval('haul.fence'),
           sequence = l.sequence + 1000000, error_class = 'cancelled', error_code = p_code,
           error_native = NULL, error_hint = NULL, error_message = p_message,
           updated_at = clock_timestamp(), finished_at = clock_timestamp()
     WHERE l.job_id = p_job_id
    RETURNING l.*
$$;

-- The job that the key belongs to: the asker itself, or the one that it is a duplicate of.
CREATE FUNCTION haul.dedupe_take(p_workspace_id text, p_dedupe_key text, p_job_id text,
                                 p_now_us bigint, p_window_us bigint)
RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    holder text;
BEGIN
    INSERT INTO haul.dedupes AS d (workspace_id, dedupe_key, job_id, until_us)
    VALUES (p_workspace_id, p_dedupe_key, p_job_id, p_now_us + p_window_us)
    ON CONFLICT (workspace_id, dedupe_key) DO UPDATE
       SET job_id = excluded.job_id, until_us = excluded.until_us
     WHERE d.until_us <= p_now_us AND d.job_id <> p_job_id;
    SELECT d.job_id INTO holder FROM haul.dedupes d
     WHERE d.workspace_id = p_workspace_id AND d.dedupe_key = p_dedupe_key;
    RETURN holder;
END
$$;

CREATE TYPE haul.claim AS (
    job_id text, workspace_id text, kind text, subject text, attempt integer,
    redrive_count integer, not_before_us bigint, first_topic text, first_partition integer,
    first_offset bigint, is_ordered boolean, dedupe_key text, dedupe_window_us bigint,
    is_alone boolean
);

/*
 * One job that is in the ledger already, or that needs more than a new row.
 *   done       terminal already          cancelled  ended by this call: a cancel, a duplicate
 *   wait       this delivery is an old one: a later one is due at due_us
 *   behind     an earlier job of its subject is not finished: not before due_us
 *   suspect    its last start would be the one too many: claim it when no other such job runs
 *   run        claimed                   poison     claimed, but it was started too often
 */
CREATE FUNCTION haul.ledger_claim_one(c haul.claim, p_worker text, p_owner text,
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

/*
 * Deliveries claim their jobs, each of which they hold the lease of: 'running' is taken for a dead
 * worker's. New jobs are one INSERT together, and the others go one by one. The answer of all new jobs
 * is the first row, of number 0: each has its own fence, which is that of the row plus its place in
 * p_job_id, from 0. The others have a row each, in any order, `number` from 1. Only claims that put their job in an order, or end it, wait for the disk.
 */
CREATE FUNCTION haul.ledger_claim_many(
    p_job_id text[], p_workspace_id text[], p_kind text[], p_subject text[], p_attempt integer[],
    p_redrive_count integer[], p_not_before_us bigint[], p_first_topic text[],
    p_first_partition integer[], p_first_offset bigint[], p_is_ordered boolean[],
    p_dedupe_key text[], p_dedupe_window_us bigint[], p_is_alone boolean[],
    p_worker text, p_owner text, p_max_starts integer, p_now_us bigint)
RETURNS TABLE (number integer, verdict text, fence bigint, sequence bigint, attempt integer,
               starts integer, redrive_count integer, due_us bigint, state text,
               error_class text, error_code text, error_native text, error_message text,
               error_hint text, result json)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
-- A plan that was made while the table was small would read all of it for ever.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    first_fence bigint := nextval('haul.fence'); -- the next ones up to the sequence's step are ours
    fresh integer[]; -- of p_job_id: those that are new
    made integer;
    one record;
    i integer;
    waits_for_disk text := current_setting('synchronous_commit');
BEGIN
    IF NOT (true = ANY (p_is_ordered)) THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    IF cardinality(p_job_id) > 1024 THEN
        RAISE EXCEPTION 'claims of more than 1024 jobs in one call';
    END IF;
    -- Which rows are new is told by their number alone when all are, else by the fences in them.
    INSERT INTO haul.ledger AS l
           (job_id, workspace_id, kind, subject, worker, owner, state, attempt, starts,
            redrive_count, fence, sequence, first_topic, first_partition, first_offset, started_at)
    SELECT a.job_id, a.workspace_id, a.kind, a.subject, p_worker, p_owner, 'running', a.attempt, 1,
           a.redrive_count, first_fence + a.number - 1, 1000000, a.first_topic, a.first_partition, a.first_offset,
           clock_timestamp()
      FROM unnest(p_job_id, p_workspace_id, p_kind, p_subject, p_attempt, p_redrive_count,
                  p_first_topic, p_first_partition, p_first_offset, p_is_ordered, p_dedupe_key)
           WITH ORDINALITY
           AS a(job_id, workspace_id, kind, subject, attempt, redrive_count, first_topic,
                first_partition, first_offset, is_ordered, dedupe_key, number)
     WHERE NOT a.is_ordered AND a.dedupe_key IS NULL
       AND a.job_id <> ALL (ARRAY(SELECT c.job_id FROM haul.cancels c
                                   WHERE c.job_id = ANY (p_job_id)))
     ORDER BY a.job_id COLLATE "C"
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS made = ROW_COUNT;
    IF made > 0 THEN
        RETURN QUERY
            SELECT 0, 'run', first_fence, 1000000::bigint, 0, 1, 0, 0::bigint, 'running',
                   NULL::text, NULL::text, NULL::text, NULL::text, NULL::text, NULL::json;
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
                p_redrive_count[i], p_not_before_us[i], p_first_topic[i], p_first_partition[i],
                p_first_offset[i], p_is_ordered[i], p_dedupe_key[i], p_dedupe_window_us[i],
                p_is_alone[i])::haul.claim, p_worker, p_owner, p_max_starts, p_now_us);
        IF one.verdict = 'cancelled' THEN -- an end is told and never asked for again
            PERFORM set_config('synchronous_commit', waits_for_disk, true);
        END IF;
        RETURN QUERY
            SELECT i, one.verdict, (one.job).fence, (one.job).sequence, (one.job).attempt,
                   (one.job).starts, (one.job).redrive_count, (one.job).due_us, (one.job).state,
                   (one.job).error_class, (one.job).error_code, (one.job).error_native,
                   (one.job).error_message, (one.job).error_hint, (one.job).result;
    END LOOP;
END
$$;

/*
 * How starts ended: 'finish' (p_state is terminal) or 'release' (it waits until p_due_us for its
 * p_next_attempt). Verdicts: 'ours', 'fenced' (another start owns the job: nothing was changed),
 * 'cancelled' (a release found that a cancel was asked for, and ended the job).
 */
CREATE FUNCTION haul.ledger_settle_many(
    p_job_id text[], p_fence bigint[], p_sequence bigint[], p_state text[],
    p_next_attempt integer[], p_due_us bigint[], p_error_class text[], p_error_code text[],
    p_error_native text[], p_error_message text[], p_error_hint text[], p_result text[])
RETURNS TABLE (number integer, verdict text, fence bigint, sequence bigint, attempt integer,
               starts integer, redrive_count integer, due_us bigint, state text,
               error_class text, error_code text, error_native text, error_message text,
               error_hint text, result json)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
-- A plan that was made while the table was small would read all of it for ever.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    one record;
    i integer;
    ended integer[]; -- of p_job_id: those that were ours
    changed integer;
BEGIN
    UPDATE haul.ledger l
       SET state = u.state, starts = 0, due_us = 0, sequence = u.sequence, place = NULL,
           error_class = u.error_class, error_code = u.error_code, error_native = u.error_native,
           error_message = u.error_message, error_hint = u.error_hint, result = u.result::json,
           updated_at = clock_timestamp(), finished_at = clock_timestamp()
      FROM unnest(p_job_id, p_fence, p_sequence, p_state, p_error_class, p_error_code,
                  p_error_native, p_error_message, p_error_hint, p_result)
           AS u(job_id, fence, sequence, state, error_class, error_code, error_native,
                error_message, error_hint, result)
     WHERE l.job_id = u.job_id AND l.fence = u.fence AND l.state IN ('running', u.state)
       AND u.state IN ('succeeded', 'dead_lettered', 'cancelled');
    GET DIAGNOSTICS changed = ROW_COUNT;
    IF changed > 0 THEN
        RETURN QUERY
            SELECT 0, 'ours', 0::bigint, 0::bigint, 0, 0, 0, 0::bigint, NULL::text, NULL::text,
                   NULL::text, NULL::text, NULL::text, NULL::text, NULL::json;
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
        SELECT g.number, 'fenced', p_fence[g.number], p_sequence[g.number], 0, 0, 0, 0::bigint,
               p_state[g.number], NULL::text, NULL::text, NULL::text, NULL::text, NULL::text,
               NULL::json
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
            p_job_id[i], p_fence[i], p_next_attempt[i], p_due_us[i], p_error_class[i],
            p_error_code[i], p_error_native[i], p_error_message[i], p_error_hint[i]);
        RETURN QUERY
            SELECT i, CASE one.verdict WHEN 'released' THEN 'ours' ELSE one.verdict END,
                   (one.job).fence, (one.job).sequence, (one.job).attempt, (one.job).starts,
                   (one.job).redrive_count, (one.job).due_us, (one.job).state,
                   (one.job).error_class, (one.job).error_code, (one.job).error_native,
                   (one.job).error_message, (one.job).error_hint, (one.job).result;
    END LOOP;
END
$$;

-- ---- what the batches replace ----
DROP FUNCTION haul.ledger_claim(text, text, text, text, text, text, integer, integer, integer,
                                bigint, bigint, text, integer, bigint);
DROP FUNCTION haul.ledger_finish(text, bigint, bigint, text, text, text, text, text, text, json);

-- ---- rights ----
REVOKE ALL ON FUNCTION
    haul.fence_skip(), haul.ledger_end_by_claim(text, text, text),
    haul.dedupe_take(text, text, text, bigint, bigint),
    haul.ledger_claim_one(haul.claim, text, text, integer, bigint),
    haul.ledger_claim_many(text[], text[], text[], text[], integer[], integer[], bigint[], text[],
                           integer[], bigint[], boolean[], text[], bigint[], boolean[], text, text,
                           integer, bigint),
    haul.ledger_settle_many(text[], bigint[], bigint[], text[], integer[], bigint[], text[],
                            text[], text[], text[], text[], text[])
    FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION
    haul.ledger_release(text, bigint, integer, bigint, text, text, text, text, text)
    FROM haul_worker;
GRANT EXECUTE ON FUNCTION
    haul.fence_skip(),
    haul.ledger_claim_many(text[], text[], text[], text[], integer[], integer[], bigint[], text[],
                           integer[], bigint[], boolean[], text[], bigint[], boolean[], text, text,
                           integer, bigint),
    haul.ledger_settle_many(text[], bigint[], bigint[], text[], integer[], bigint[], text[],
                            text[], text[], text[], text[], text[])
    TO haul_worker;
GRANT SELECT ON haul.dedupes TO haul_operator;
