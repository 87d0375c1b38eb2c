-- Who waits behind others of its subject knows its place and the first one's: when to ask again is
-- the worker's to say.
SET LOCAL ROLE haul_owner;

-- As 0006 says, but for those that are behind.
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
            job.due_us := earlier.due_us;
            job.fence := job.place; -- it has no start that these would be of
            job.sequence := earlier.place;
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
