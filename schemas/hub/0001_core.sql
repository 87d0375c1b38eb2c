-- The hub: connections, syncs, checkpoints' mirror, runs, receipts, quarantine, audit log.
-- Applied by `haul migrate` in one transaction. Never edit an applied file: add the next number.

-- ---- roles: group roles of the whole server; a login role is granted one of them ----
-- haul_owner     owns the schema; migrations run as it
-- haul_worker    what a worker process may do
-- haul_operator  what the command line may do
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['haul_owner', 'haul_worker', 'haul_operator'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- another database's migration was faster
            END;
        END IF;
    END LOOP;
    IF NOT pg_has_role(current_user, 'haul_owner', 'MEMBER') THEN
        EXECUTE format('GRANT haul_owner TO %I', current_user);
    END IF;
END
$$;

CREATE SCHEMA haul AUTHORIZATION haul_owner;
SET LOCAL ROLE haul_owner;

CREATE TABLE haul.migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL, -- SHA-256 of the file
    applied_at timestamptz NOT NULL DEFAULT now(),
    applied_by text NOT NULL DEFAULT session_user
);

-- ---- what people configure ----
CREATE TABLE haul.workspaces (
    workspace_id text PRIMARY KEY CHECK (length(workspace_id) BETWEEN 1 AND 128),
    created_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE haul.connections (
    workspace_id  text NOT NULL REFERENCES haul.workspaces,
    connection_id text NOT NULL CHECK (length(connection_id) BETWEEN 1 AND 128),
    title         text NOT NULL DEFAULT '',
    connector     text NOT NULL,
    config        jsonb NOT NULL,                  -- without secrets
    secrets       jsonb NOT NULL DEFAULT '{}',     -- field -> sealed text
    key_ids       text[] NOT NULL DEFAULT '{}',    -- that the secrets are sealed with
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, connection_id)
);

CREATE TABLE haul.syncs (
    workspace_id text NOT NULL REFERENCES haul.workspaces,
    sync_id      text NOT NULL CHECK (length(sync_id) BETWEEN 1 AND 128),
    kind         text NOT NULL,
    definition   jsonb NOT NULL, -- the payload of the last job that named it
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, sync_id)
);

-- ---- what happened ----
-- The checkpoint that counts stands in the target, in the transaction of the data.
CREATE TABLE haul.checkpoints (
    workspace_id text NOT NULL,
    sync_id      text NOT NULL,
    fence        bigint NOT NULL,
    state        json NOT NULL,
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, sync_id)
);

-- A run: one attempt of one job. History outlives its sync, hence no references.
CREATE TABLE haul.runs (
    run_id        text PRIMARY KEY,
    workspace_id  text NOT NULL,
    sync_id       text NOT NULL,
    job_id        text NOT NULL,
    attempt       integer NOT NULL,
    fence         bigint NOT NULL,
    mode          text NOT NULL,
    worker        text NOT NULL,
    started_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at   timestamptz,
    outcome       text,
    error_code    text,
    error_native  text,
    error_message text,
    error_hint    text,
    rows_read     bigint NOT NULL DEFAULT 0,
    rows_written  bigint NOT NULL DEFAULT 0,
    rows_rejected bigint NOT NULL DEFAULT 0,
    rows_deleted  bigint NOT NULL DEFAULT 0,
    bytes_read    bigint NOT NULL DEFAULT 0,
    CHECK ((finished_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX runs_by_sync ON haul.runs (workspace_id, sync_id, started_at DESC);
CREATE INDEX runs_by_job ON haul.runs (job_id);

CREATE TABLE haul.receipts (
    run_id     text PRIMARY KEY REFERENCES haul.runs,
    receipt    json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE haul.quarantine (
    run_id       text NOT NULL REFERENCES haul.runs,
    chunk        bigint NOT NULL,
    row_number   bigint NOT NULL,
    workspace_id text NOT NULL,
    sync_id      text NOT NULL,
    job_id       text NOT NULL,
    fence        bigint NOT NULL, -- of the run: the greatest one of a chunk counts
    column_name  text,
    code         text NOT NULL,
    native       text,
    message      text NOT NULL,
    row_sealed   text NOT NULL,
    key_id       text NOT NULL, -- that the row is sealed with
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, chunk, row_number)
);
CREATE INDEX quarantine_by_sync
    ON haul.quarantine (workspace_id, sync_id, job_id, chunk, row_number);
CREATE INDEX quarantine_by_key ON haul.quarantine (key_id);

CREATE TABLE haul.audit_log (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    db_user      text NOT NULL DEFAULT session_user, -- who it was, as far as the database knows
    actor        text NOT NULL,                      -- who it says it was
    action       text NOT NULL,
    workspace_id text,
    object       text,
    detail       jsonb
);
CREATE INDEX audit_log_by_object ON haul.audit_log (workspace_id, object, at);

CREATE FUNCTION haul.refuse_change() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'haul.% takes new rows only', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;
REVOKE ALL ON FUNCTION haul.refuse_change() FROM PUBLIC;
CREATE TRIGGER audit_log_keeps BEFORE UPDATE OR DELETE OR TRUNCATE ON haul.audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION haul.refuse_change();
CREATE TRIGGER receipts_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON haul.receipts
    FOR EACH STATEMENT EXECUTE FUNCTION haul.refuse_change();

-- ---- rights ----
GRANT USAGE ON SCHEMA haul TO haul_worker, haul_operator;
GRANT SELECT ON haul.migrations TO haul_worker, haul_operator;

GRANT SELECT ON haul.connections TO haul_worker;
GRANT SELECT, INSERT, UPDATE ON haul.syncs, haul.checkpoints TO haul_worker;
GRANT SELECT, INSERT,
    UPDATE (finished_at, outcome, error_code, error_native, error_message, error_hint,
            rows_read, rows_written, rows_rejected, rows_deleted, bytes_read)
    ON haul.runs TO haul_worker;
GRANT INSERT ON haul.receipts, haul.quarantine TO haul_worker;

GRANT SELECT ON haul.workspaces, haul.connections, haul.syncs, haul.checkpoints, haul.runs,
    haul.receipts, haul.quarantine, haul.audit_log TO haul_operator;
GRANT INSERT ON haul.workspaces TO haul_operator;
GRANT INSERT, UPDATE, DELETE ON haul.connections, haul.syncs TO haul_operator;
GRANT UPDATE (row_sealed, key_id) ON haul.quarantine TO haul_operator;
GRANT INSERT (actor, action, workspace_id, object, detail) ON haul.audit_log TO haul_operator;
