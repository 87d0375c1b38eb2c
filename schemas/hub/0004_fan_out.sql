-- Fan-out: a job that hands its work to others (its children) and waits for them without a thread.
SET LOCAL ROLE haul_owner;

-- A parent whose children are under way, and its own record, to put it on its topic again.
CREATE TABLE haul.families (
    parent_id      text PRIMARY KEY CHECK (length(parent_id) BETWEEN 1 AND 128),
    plan           text NOT NULL,   -- the parent's name for what it has handed out
    generation     bigint NOT NULL, -- the fence of the start that handed it out
    is_told        boolean NOT NULL DEFAULT false, -- the children's records are in Kafka
    rows_total     bigint,          -- NULL = not known
    record_key     text,            -- hexadecimal; NULL = none
    record_value   text NOT NULL,
    record_headers json NOT NULL,   -- [[name, hexadecimal or null], ...]
    told_at        timestamptz NOT NULL DEFAULT '-infinity', -- the last progress of the parent
    told_count     bigint NOT NULL DEFAULT 0,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE haul.children (
    child_id      text PRIMARY KEY CHECK (length(child_id) BETWEEN 1 AND 128),
    parent_id     text NOT NULL REFERENCES haul.families ON DELETE CASCADE,
    number        bigint NOT NULL,
    payload       json NOT NULL,
    state         text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'failed')),
    rows_done     bigint NOT NULL DEFAULT 0,
    result        json,
    error_class   text,
    error_code    text,
    error_native  text,
    error_message text,
    error_hint    text,
    ended_at      timestamptz,
    UNIQUE (parent_id, number)
);

-- Of a parent's children: total, done, failed. A child that the runtime ended by itself (poison,
-- its deadline, cancelled) has failed, though it could not say so.
CREATE FUNCTION haul.children_count(p_parent_id text, OUT total bigint, OUT done bigint,
                                    OUT failed bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT count(*), count(*) FILTER (WHERE c.state = 'done'),
           count(*) FILTER (WHERE c.state = 'failed' OR c.state = 'open'
                                  AND l.state IN ('dead_lettered', 'cancelled'))
      FROM haul.children c LEFT JOIN haul.ledger l ON l.job_id = c.child_id
     WHERE c.parent_id = p_parent_id
$$;

-- Asks for the end of the children that have none yet, and forgets the family.
CREATE FUNCTION haul.family_end(p_parent_id text, p_reason text) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO haul.cancels (job_id, reason, actor)
    SELECT c.child_id, p_reason, 'haul' FROM haul.children c
     WHERE c.parent_id = p_parent_id AND c.state = 'open'
    ON CONFLICT (job_id) DO NOTHING;
    DELETE FROM haul.families f WHERE f.parent_id = p_parent_id;
END
$$;

-- What is asked of a parent is asked of its children.
CREATE FUNCTION haul.cancel_family() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog AS $$
BEGIN
    PERFORM haul.family_end(NEW.job_id, 'its parent was cancelled')
       FROM haul.families f WHERE f.parent_id = NEW.job_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER cancels_reach_children AFTER INSERT OR UPDATE ON haul.cancels
    FOR EACH ROW EXECUTE FUNCTION haul.cancel_family();

-- A parent looks: counts of zero when it has handed nothing out, or a worker died before all
-- children were told. The error is one failed child's.
CREATE FUNCTION haul.children_look(p_parent_id text)
RETURNS TABLE (total bigint, done bigint, failed bigint, failed_number bigint, error_class text,
               error_code text, error_native text, error_message text, error_hint text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT n.total, n.done, n.failed, e.number, e.error_class, e.error_code, e.error_native,
           e.error_message, e.error_hint
      FROM haul.children_count(p_parent_id) n LEFT JOIN LATERAL (
           SELECT c.number, coalesce(c.error_class, l.error_class) AS error_class,
                  coalesce(c.error_code, l.error_code) AS error_code,
                  coalesce(c.error_native, l.error_native) AS error_native,
                  coalesce(c.error_message, l.error_message) AS error_message,
                  coalesce(c.error_hint, l.error_hint) AS error_hint
             FROM haul.children c LEFT JOIN haul.ledger l ON l.job_id = c.child_id
            WHERE c.parent_id = p_parent_id
              AND (c.state = 'failed' OR c.state = 'open'
                                         AND l.state IN ('dead_lettered', 'cancelled'))
            ORDER BY c.state = 'failed' DESC, c.ended_at, c.number LIMIT 1) e ON true
     WHERE EXISTS (SELECT FROM haul.families f WHERE f.parent_id = p_parent_id AND f.is_told)
$$;

/*
 * The start of a parent that owns the job hands its work out. The same plan again hands out again
 * what has no end yet; any other ends the older one. Gives the children that are to be told: none
 * when another start owns the parent, or it is to be cancelled.
 */
CREATE FUNCTION haul.children_spawn(
    p_parent_id text, p_fence bigint, p_plan text, p_rows_total bigint, p_record_key text,
    p_record_value text, p_record_headers json, p_numbers bigint[], p_payloads text[])
RETURNS TABLE (child_id text, number bigint) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
    known haul.families;
BEGIN
    PERFORM FROM haul.ledger l WHERE l.job_id = p_parent_id AND l.fence = p_fence
        AND l.state = 'running' AND NOT haul.ledger_is_cancelled(l) FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    -- Families of parents that ended without a word: at their deadline, as poison.
    PERFORM haul.family_end(f.parent_id, 'its parent has ended')
       FROM haul.families f JOIN haul.ledger l ON l.job_id = f.parent_id
      WHERE l.finished_at IS NOT NULL;
    SELECT f.* INTO known FROM haul.families f WHERE f.parent_id = p_parent_id FOR UPDATE;
    IF NOT FOUND OR known.plan <> p_plan OR NOT EXISTS (
           SELECT FROM haul.children_count(p_parent_id) n
            WHERE n.failed = 0 AND n.done < n.total) THEN
        PERFORM haul.family_end(p_parent_id, 'its parent has planned anew');
        INSERT INTO haul.families (parent_id, plan, generation, rows_total, record_key,
                                   record_value, record_headers)
        VALUES (p_parent_id, p_plan, p_fence, p_rows_total, p_record_key, p_record_value,
                p_record_headers);
        INSERT INTO haul.children (child_id, parent_id, number, payload)
        SELECT CASE WHEN length(p_parent_id) <= 88 THEN p_parent_id ELSE md5(p_parent_id) END
                   || '.' || p_fence || '.' || u.number,
               p_parent_id, u.number, u.payload::json
          FROM unnest(p_numbers, p_payloads) AS u(number, payload);
    END IF;
    RETURN QUERY SELECT c.child_id, c.number FROM haul.children c
                  WHERE c.parent_id = p_parent_id AND c.state = 'open' ORDER BY c.number;
END
$$;

-- All children that children_spawn gave are in Kafka.
CREATE FUNCTION haul.children_told(p_parent_id text, p_plan text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    UPDATE haul.families f SET is_told = true
     WHERE f.parent_id = p_parent_id AND f.plan = p_plan
$$;

/*
 * A child begins: 'run', 'done' (an earlier start of it has ended, this one only tells it again),
 * or 'stale': nobody waits for it any more, and its end is asked for.
 */
CREATE FUNCTION haul.child_begin(p_child_id text)
RETURNS TABLE (verdict text, number bigint, payload json, parent_id text, record_value text,
               result json)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT CASE c.state WHEN 'done' THEN 'done' ELSE 'run' END, c.number, c.payload,
               c.parent_id, f.record_value, c.result
          FROM haul.children c JOIN haul.families f USING (parent_id)
          LEFT JOIN haul.ledger l ON l.job_id = c.parent_id
         WHERE c.child_id = p_child_id AND l.finished_at IS NULL AND c.state <> 'failed';
    IF FOUND THEN
        RETURN;
    END IF;
    INSERT INTO haul.cancels (job_id, reason, actor)
    VALUES (p_child_id, 'nobody waits for it any more', 'haul') ON CONFLICT (job_id) DO NOTHING;
    RETURN QUERY SELECT 'stale', 0::bigint, NULL::json, NULL::text, NULL::text, NULL::json;
END
$$;

/*
 * A child has ended: with a result, or (error_code) for good without one. Gives its parent's counts
 * and, for the wake, its parent's record; no row when nobody waits. Ends are counted one at a time,
 * so that the last one sees all others. Said again, the first time counts.
 */
CREATE FUNCTION haul.child_end(
    p_child_id text, p_rows_done bigint, p_result json, p_error_class text, p_error_code text,
    p_error_native text, p_error_message text, p_error_hint text)
RETURNS TABLE (total bigint, done bigint, failed bigint, parent_id text, record_key text,
               record_value text, record_headers json)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
    family haul.families;
BEGIN
    SELECT f.* INTO family FROM haul.families f
     WHERE f.parent_id = (SELECT c.parent_id FROM haul.children c WHERE c.child_id = p_child_id)
       FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    UPDATE haul.children c
       SET state = CASE WHEN p_error_code IS NULL THEN 'done' ELSE 'failed' END,
           rows_done = p_rows_done, result = p_result, error_class = p_error_class,
           error_code = p_error_code, error_native = p_error_native,
           error_message = p_error_message, error_hint = p_error_hint,
           ended_at = clock_timestamp()
     WHERE c.child_id = p_child_id AND c.state = 'open';
    RETURN QUERY
        SELECT n.total, n.done, n.failed, family.parent_id, family.record_key,
               family.record_value, family.record_headers
          FROM haul.children_count(family.parent_id) n;
END
$$;

/*
 * A child tells how far it is. Gives its parent's progress when it is to be told: not more than
 * twice a second, by whoever comes first; the event's number is the parent's.
 */
CREATE FUNCTION haul.child_progress(p_child_id text, p_rows_done bigint)
RETURNS TABLE (parent_id text, rows_done bigint, rows_total bigint, sequence bigint,
               attempt integer, redrive_count integer, workspace_id text, kind text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
    family haul.families;
BEGIN
    -- The family first, as everywhere: two that lock both must not wait for each other.
    UPDATE haul.families f SET told_at = clock_timestamp(), told_count = f.told_count + 1
     WHERE f.parent_id = (SELECT c.parent_id FROM haul.children c WHERE c.child_id = p_child_id)
       AND f.told_at < clock_timestamp() - interval '500 ms'
    RETURNING f.* INTO family;
    UPDATE haul.children c SET rows_done = p_rows_done
     WHERE c.child_id = p_child_id AND c.state = 'open';
    IF family.parent_id IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT family.parent_id,
               (SELECT sum(c.rows_done)::bigint FROM haul.children c
                 WHERE c.parent_id = family.parent_id),
               family.rows_total, l.sequence + 500000 + family.told_count, l.attempt,
               l.redrive_count, l.workspace_id, l.kind
          FROM haul.ledger l
         WHERE l.job_id = family.parent_id AND l.state = 'waiting';
END
$$;

-- The results of a parent's children, and who has done them.
CREATE FUNCTION haul.children_results(p_parent_id text)
RETURNS TABLE (number bigint, result json, owner text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT c.number, c.result, l.owner
      FROM haul.children c LEFT JOIN haul.ledger l ON l.job_id = c.child_id
     WHERE c.parent_id = p_parent_id AND c.state = 'done' ORDER BY c.number
$$;

-- The start of a parent that owns the job needs its children no more.
CREATE FUNCTION haul.children_close(p_parent_id text, p_fence bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM FROM haul.ledger l WHERE l.job_id = p_parent_id AND l.fence = p_fence FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM haul.family_end(p_parent_id, 'its parent has ended');
    RETURN true;
END
$$;

-- ---- rights ----
REVOKE ALL ON FUNCTION
    haul.children_count(text), haul.family_end(text, text), haul.cancel_family(),
    haul.children_look(text),
    haul.children_spawn(text, bigint, text, bigint, text, text, json, bigint[], text[]),
    haul.children_told(text, text), haul.child_begin(text),
    haul.child_end(text, bigint, json, text, text, text, text, text),
    haul.child_progress(text, bigint), haul.children_results(text),
    haul.children_close(text, bigint)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    haul.children_look(text),
    haul.children_spawn(text, bigint, text, bigint, text, text, json, bigint[], text[]),
    haul.children_told(text, text), haul.child_begin(text),
    haul.child_end(text, bigint, json, text, text, text, text, text),
    haul.child_progress(text, bigint), haul.children_results(text),
    haul.children_close(text, bigint)
    TO haul_worker;
GRANT SELECT ON haul.families, haul.children TO haul_operator;
