-- What the kinds `apply`, `chain`, `split` and `part` of tests/e2e/testkind write, and every change of the ledger, as the
-- checker wants it: without a constraint that would hide a fault.

-- A target's own checkpoint: the newest fence that took it, and how often it was written.
CREATE TABLE targets (job_id text PRIMARY KEY, fence bigint NOT NULL, applied integer NOT NULL DEFAULT 0);
CREATE TABLE starts (at timestamptz NOT NULL DEFAULT clock_timestamp(), job_id text NOT NULL, subject text,
                     attempt integer NOT NULL, fence bigint NOT NULL, pid integer NOT NULL);
CREATE INDEX ON starts (job_id);
CREATE TABLE applied (number bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
                      job_id text NOT NULL, subject text, attempt integer NOT NULL, fence bigint NOT NULL,
                      parts json); -- of a split: what it put together
GRANT SELECT, INSERT, UPDATE ON targets, starts, applied TO haul_worker;

CREATE TABLE history (number bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
                      job_id text NOT NULL, state text NOT NULL, attempt integer NOT NULL, starts integer NOT NULL,
                      redrive_count integer NOT NULL, fence bigint NOT NULL, due_us bigint NOT NULL,
                      error_code text, owner text);
CREATE INDEX ON history (job_id);
CREATE FUNCTION keep_history() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO public.history (job_id, state, attempt, starts, redrive_count, fence, due_us, error_code, owner)
    VALUES (NEW.job_id, NEW.state, NEW.attempt, NEW.starts, NEW.redrive_count, NEW.fence, NEW.due_us,
            NEW.error_code, NEW.owner);
    RETURN NULL;
END
$$;
CREATE TRIGGER keeps_history AFTER INSERT OR UPDATE ON haul.ledger FOR EACH ROW EXECUTE FUNCTION keep_history();
