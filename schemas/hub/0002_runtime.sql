-- The job runtime: the ledger (one row a job, one terminal state), fences, cancels.
-- Workers and operators change these tables through the functions below alone.
SET LOCAL ROLE haul_owner;

-- Each start of a job takes one: a greater fence is a later start, of whatever job.
CREATE SEQUENCE haul.fence AS bigint;

CREATE TABLE haul.ledger (
    job_id          text PRIMARY KEY CHECK (length(job_id) BETWEEN 1 AND 128),
    workspace_id    text NOT NULL, -- '' when the job did not say
    kind            text NOT NULL,
    subject         text,
    worker          text NOT NULL, -- the program
    owner           text,          -- host, process and thread of the last start
    state           text NOT NULL CHECK (state IN ('running', 'waiting', 'succeeded',
                                                   'dead_lettered', 'cancelled')),
    attempt         integer NOT NULL CHECK (attempt >= 1),
    starts          integer NOT NULL DEFAULT 0, -- without an outcome since
    redrive_count   integer NOT NULL DEFAULT 0,
    fence           bigint NOT NULL DEFAULT 0,
    sequence        bigint NOT NULL DEFAULT 0,  -- of the job's events; a million a start
    due_us          bigint NOT NULL DEFAULT 0,  -- waiting: not before; microseconds since the epoch
    error_class     text,
    error_code      text,
    error_native    text,
    error_message   text,
    error_hint      text,
    result          json,
    first_topic     text,
    first_partition integer,
    first_offset    bigint,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at      timestamptz,
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    reopened_at     timestamptz, -- by a redrive; cancels asked for before it are void
    finished_at     timestamptz,
    CHECK ((finished_at IS NULL) = (state IN ('running', 'waiting')))
) WITH (fillfactor = 70); -- room for updates in place: no index holds what changes
CREATE INDEX ledger_by_workspace ON haul.ledger (workspace_id, created_at DESC);
CREATE INDEX ledger_by_time ON haul.ledger (created_at DESC);

CREATE TABLE haul.cancels (
    job_id   text PRIMARY KEY CHECK (length(job_id) BETWEEN 1 AND 128),
    reason   text,
    actor    text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE FUNCTION haul.ledger_is_cancelled(job haul.ledger) RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog AS $$
    SELECT EXISTS (SELECT FROM haul.cancels c WHERE c.job_id = job.job_id
                      AND c.asked_at > coalesce(job.reopened_at, '-infinity'))
$$;

-- Ends a job that its caller has locked; used when a cancel is found.
CREATE FUNCTION haul.ledger_end_cancelled(p_job_id text) RETURNS haul.ledger LANGUAGE sql
SET search_path = pg_catalog AS $$
    UPDATE haul.ledger l
       SET state = 'cancelled', starts = 0, due_us = 0, fence = nextval('haul.fence'),
           sequence = l.sequence + 1000000, error_class = 'cancelled',
           error_code = 'job.cancelled', error_native = NULL, error_hint = NULL,
           error_message = 'cancelled on request'
               || coalesce(': ' || (SELECT c.reason FROM haul.cancels c
                                     WHERE c.job_id = p_job_id), ''),
           updated_at = clock_timestamp(), finished_at = clock_timestamp()
     WHERE l.job_id = p_job_id
    RETURNING l.*
$$;

/*
 * A delivery claims its job. Needs the job's lease: 'running' is taken for a dead worker's.
 *   done       terminal already          cancelled  ended by this call, a cancel was asked for
 *   wait       this delivery is an old one: a later one is due at due_us
 *   run        claimed                   poison     claimed, but it was started too often
 */
CREATE FUNCTION haul.ledger_claim(
    p_job_id text, p_workspace_id text, p_kind text, p_subject text, p_worker text, p_owner text,
    p_attempt integer, p_redrive_count integer, p_max_starts integer,
    p_not_before_us bigint, p_now_us bigint,
    p_first_topic text, p_first_partition integer, p_first_offset bigint)
RETURNS TABLE (verdict text, job haul.ledger) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog AS $$
BEGIN
    SELECT l.* INTO job FROM haul.ledger l WHERE l.job_id = p_job_id FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO haul.ledger AS l
               (job_id, workspace_id, kind, subject, worker, state, attempt, redrive_count,
                first_topic, first_partition, first_offset)
        VALUES (p_job_id, p_workspace_id, p_kind, p_subject, p_worker, 'waiting', p_attempt,
                p_redrive_count, p_first_topic, p_first_partition, p_first_offset)
        ON CONFLICT DO NOTHING;
        SELECT l.* INTO STRICT job FROM haul.ledger l WHERE l.job_id = p_job_id FOR UPDATE;
    END IF;
    IF job.state = 'dead_lettered' AND p_redrive_count > job.redrive_count THEN
        UPDATE haul.ledger l
           SET state = 'waiting', attempt = p_attempt, redrive_count = p_redrive_count,
               starts = 0, due_us = 0, result = NULL, finished_at = NULL,
               reopened_at = clock_timestamp()
         WHERE l.job_id = p_job_id RETURNING l.* INTO job;
    END IF;
    IF job.finished_at IS NOT NULL THEN
        verdict := 'done';
    ELSIF haul.ledger_is_cancelled(job) THEN
        job := haul.ledger_end_cancelled(p_job_id);
        verdict := 'cancelled';
    ELSIF job.state = 'waiting' AND job.due_us > p_now_us AND p_not_before_us < job.due_us THEN
        verdict := 'wait';
    ELSE
        verdict := CASE WHEN job.starts >= p_max_starts THEN 'poison' ELSE 'run' END;
        UPDATE haul.ledger l
           SET state = 'running', owner = p_owner, starts = l.starts + 1, due_us = 0,
               attempt = greatest(l.attempt, p_attempt), fence = nextval('haul.fence'),
               sequence = l.sequence + 1000000,
               started_at = clock_timestamp(), updated_at = clock_timestamp()
         WHERE l.job_id = p_job_id RETURNING l.* INTO job;
    END IF;
    RETURN NEXT;
END
$$;

-- True when the start with that fence still owns the job; the same call again is true again.
CREATE FUNCTION haul.ledger_finish(
    p_job_id text, p_fence bigint, p_sequence bigint, p_state text, p_error_class text,
    p_error_code text, p_error_native text, p_error_message text, p_error_hint text, p_result json)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    UPDATE haul.ledger l
       SET state = p_state, starts = 0, due_us = 0, sequence = p_sequence,
           error_class = p_error_class, error_code = p_error_code, error_native = p_error_native,
           error_message = p_error_message, error_hint = p_error_hint, result = p_result,
           updated_at = clock_timestamp(), finished_at = clock_timestamp()
     WHERE l.job_id = p_job_id AND l.fence = p_fence AND l.state IN ('running', p_state)
       AND p_state IN ('succeeded', 'dead_lettered', 'cancelled');
    RETURN FOUND;
END
$$;

-- The start ended without a terminal state: 'released', 'fenced', or 'cancelled' (ended now).
CREATE FUNCTION haul.ledger_release(
    p_job_id text, p_fence bigint, p_next_attempt integer, p_due_us bigint, p_error_class text,
    p_error_code text, p_error_native text, p_error_message text, p_error_hint text)
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
           SET state = 'waiting', starts = 0, attempt = p_next_attempt, due_us = p_due_us,
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

-- Of these running jobs, those that are asked to be cancelled.
CREATE FUNCTION haul.ledger_cancels(p_job_ids text[]) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT l.job_id FROM haul.ledger l JOIN haul.cancels c USING (job_id)
     WHERE l.job_id = ANY (p_job_ids) AND c.asked_at > coalesce(l.reopened_at, '-infinity')
$$;

-- An operator asks: 'ended' (it was waiting), 'asked' (it runs, or was never seen), 'too_late'.
CREATE FUNCTION haul.ledger_cancel(p_job_id text, p_reason text, p_actor text)
RETURNS TABLE (verdict text, job haul.ledger) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog AS $$
BEGIN
    SELECT l.* INTO job FROM haul.ledger l WHERE l.job_id = p_job_id FOR UPDATE;
    IF FOUND AND job.finished_at IS NOT NULL THEN
        verdict := 'too_late';
        RETURN NEXT;
        RETURN;
    END IF;
    INSERT INTO haul.cancels (job_id, reason, actor) VALUES (p_job_id, p_reason, p_actor)
    ON CONFLICT (job_id) DO UPDATE
       SET reason = excluded.reason, actor = excluded.actor, asked_at = clock_timestamp();
    verdict := 'asked';
    IF job.state = 'waiting' THEN
        job := haul.ledger_end_cancelled(p_job_id);
        verdict := 'ended';
    END IF;
    RETURN NEXT;
END
$$;

-- ---- rights ----
REVOKE ALL ON FUNCTION
    haul.ledger_is_cancelled(haul.ledger), haul.ledger_end_cancelled(text),
    haul.ledger_claim(text, text, text, text, text, text, integer, integer, integer, bigint,
                      bigint, text, integer, bigint),
    haul.ledger_finish(text, bigint, bigint, text, text, text, text, text, text, json),
    haul.ledger_release(text, bigint, integer, bigint, text, text, text, text, text),
    haul.ledger_cancels(text[]), haul.ledger_cancel(text, text, text)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    haul.ledger_claim(text, text, text, text, text, text, integer, integer, integer, bigint,
                      bigint, text, integer, bigint),
    haul.ledger_finish(text, bigint, bigint, text, text, text, text, text, text, json),
    haul.ledger_release(text, bigint, integer, bigint, text, text, text, text, text),
    haul.ledger_cancels(text[])
    TO haul_worker;
GRANT EXECUTE ON FUNCTION haul.ledger_cancel(text, text, text) TO haul_operator;
GRANT SELECT ON haul.ledger, haul.cancels TO haul_operator;
GRANT USAGE ON SEQUENCE haul.fence TO haul_operator; -- haul verify --repair writes under a fence
