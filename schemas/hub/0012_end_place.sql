-- Who has ended has no place any more, however it ended: else whoever asks for its turn would look
-- past all that were ever cancelled of its subject.
SET LOCAL ROLE haul_owner;

UPDATE haul.ledger SET place = NULL WHERE place IS NOT NULL AND finished_at IS NOT NULL;

-- As 0003 says.
CREATE OR REPLACE FUNCTION haul.ledger_end_by_claim(p_job_id text, p_code text, p_message text)
RETURNS haul.ledger LANGUAGE sql SET search_path = pg_catalog AS $$
    UPDATE haul.ledger l
       SET state = 'cancelled', starts = 0, due_us = 0, fence = nextval('haul.fence'), place = NULL,
           sequence = l.sequence + 1000000, error_class = 'cancelled', error_code = p_code,
           error_native = NULL, error_hint = NULL, error_message = p_message,
           updated_at = clock_timestamp(), finished_at = clock_timestamp()
     WHERE l.job_id = p_job_id
    RETURNING l.*
$$;

-- As 0010 says.
CREATE OR REPLACE FUNCTION haul.ledger_end_cancelled(p_job_id text) RETURNS haul.ledger LANGUAGE sql
SET search_path = pg_catalog AS $$
    WITH freed AS (
        DELETE FROM haul.dedupes d USING haul.ledger l
         WHERE l.job_id = p_job_id AND l.dedupe_key IS NOT NULL
           AND d.workspace_id = l.workspace_id AND d.dedupe_key = l.dedupe_key
           AND d.job_id = l.job_id)
    UPDATE haul.ledger l
       SET state = 'cancelled', starts = 0, due_us = 0, fence = nextval('haul.fence'), place = NULL,
           sequence = l.sequence + 1000000, error_class = 'cancelled',
           error_code = 'job.cancelled', error_native = NULL, error_hint = NULL,
           error_message = 'cancelled on request'
               || coalesce(': ' || (SELECT c.reason FROM haul.cancels c
                                     WHERE c.job_id = p_job_id), ''),
           updated_at = clock_timestamp(), finished_at = clock_timestamp()
     WHERE l.job_id = p_job_id
    RETURNING l.*
$$;
