-- Circuit breakers that an operator holds open. This is the truth; Redis has a copy for speed.
SET LOCAL ROLE haul_owner;

-- The last order for each dependency. One that ended it is kept for a month: whoever comes with an
-- older one (a replica of Redis that was behind, a worker that slept) is seen to be late.
CREATE TABLE haul.breaker_orders (
    dependency text PRIMARY KEY CHECK (length(dependency) BETWEEN 1 AND 200),
    version    bigint NOT NULL, -- of two orders the greater one counts
    is_open    boolean NOT NULL,
    actor      text NOT NULL,
    reason     text NOT NULL,
    at         timestamptz NOT NULL
);

-- An operator's order, with its line in the audit log; gives its version: the hub's clock, so that
-- versions also grow over a hub that was restored from a backup.
CREATE FUNCTION haul.breaker_order(p_dependency text, p_is_open boolean, p_actor text,
                                   p_reason text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    given bigint;
BEGIN
    INSERT INTO haul.audit_log (actor, action, object, detail)
    VALUES (p_actor, CASE WHEN p_is_open THEN 'breaker.open' ELSE 'breaker.close' END,
            p_dependency, jsonb_build_object('reason', p_reason));
    DELETE FROM haul.breaker_orders o
     WHERE NOT o.is_open AND o.at < clock_timestamp() - interval '30 days'
       AND o.dependency <> p_dependency;
    INSERT INTO haul.breaker_orders AS o (dependency, version, is_open, actor, reason, at)
    VALUES (p_dependency, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, p_is_open,
            p_actor, p_reason, clock_timestamp())
    ON CONFLICT (dependency) DO UPDATE
       SET version = greatest((extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
                              o.version + 1),
           is_open = excluded.is_open, actor = excluded.actor, reason = excluded.reason,
           at = clock_timestamp()
    RETURNING o.version INTO given;
    RETURN given;
END
$$;

REVOKE ALL ON FUNCTION haul.breaker_order(text, boolean, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION haul.breaker_order(text, boolean, text, text) TO haul_operator;
GRANT SELECT ON haul.breaker_orders TO haul_worker, haul_operator;
