/*
 * checkpoint: one row a sync in the target's schema: the fence and how far the data is durable.
 *
 * It changes in the transactions of the data only. A take with a greater fence waits for the row
 * lock of a commit under way, then sees its state; the stale worker's next commit finds no row.
 *
 * What it does outside of such a transaction (it drops and creates its stage) needs its session: a
 * take marks its session before it raises the fence, and ends the marked ones afterwards. So of two
 * takes the later one either ends the earlier one's session, or the earlier one finds its fence
 * stale.
 */
#include "pg_private.h"

static void add_table(struct str *sql, const struct session *session,
                      const struct checkpoint_ref *checkpoint)
{
    struct stream_ref table = {checkpoint->schema, HAUL_CHECKPOINT_TABLE, NULL};
    pgc_sql_table(sql, session, &table);
}

static enum outcome fail_fenced(const struct checkpoint_ref *checkpoint, struct err *err)
{
    return FAIL(err, OUTCOME_CANCELLED, "fenced",
                "another worker has taken sync %s over: fence %lld is stale", checkpoint->sync_id,
                (long long)checkpoint->fence);
}

static enum outcome create_table(struct session *session, const struct checkpoint_ref *checkpoint,
                                 struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    RESULT_AUTO PGresult *found = NULL;
    struct stream_ref table = {checkpoint->schema, HAUL_CHECKPOINT_TABLE, NULL};
    struct err first;
    str_add_text(&sql, "SELECT ");
    pgc_sql_regclass(&sql, session, &table);
    str_add_text(&sql, " IS NOT NULL");
    TRY(pgc_query_run_str(session, &sql, &found, err));
    if (pgc_result_bool(found, 0, 0))
        return OUTCOME_OK;
    str_clear(&sql);
    str_add_text(&sql, "CREATE TABLE IF NOT EXISTS ");
    add_table(&sql, session, checkpoint);
    str_add_text(&sql, " (sync_id text PRIMARY KEY, fence bigint NOT NULL, state json,"
                       " updated_at timestamptz NOT NULL DEFAULT now())");
    enum outcome outcome = pgc_query_do_str(session, &sql, &first);
    /* Two that create it at once: IF NOT EXISTS then fails in a unique index of the catalogue. */
    if (outcome != OUTCOME_OK &&
        (strcmp(first.native, "23505") == 0 || strcmp(first.native, "42P07") == 0))
        return OUTCOME_OK;
    if (outcome != OUTCOME_OK && err != NULL)
        *err = first;
    return outcome;
}

enum outcome pgc_checkpoint_take(struct session *session, const struct checkpoint_ref *checkpoint,
                                 struct arena *arena, const char **ret_state, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    RESULT_AUTO PGresult *result = NULL;
    struct stream_ref table = {checkpoint->schema, HAUL_CHECKPOINT_TABLE, NULL};
    pgc_session_does(session, SIDE_WRITE, "take the checkpoint in", &table);
    TRY(create_table(session, checkpoint, err));
    TRY(pgc_takeover_end_stale(session, checkpoint, err)); /* the raise waits for their locks */
    TRY(pgc_takeover_mark(session, checkpoint, err));
    str_add_text(&sql, "INSERT INTO ");
    add_table(&sql, session, checkpoint);
    str_add_text(&sql, " AS c (sync_id, fence) VALUES (");
    pgc_sql_literal(&sql, checkpoint->sync_id);
    str_addf(&sql,
             ", %lld) ON CONFLICT (sync_id) DO UPDATE SET fence = excluded.fence"
             " WHERE c.fence <= excluded.fence RETURNING state",
             (long long)checkpoint->fence);
    TRY(pgc_query_run_str(session, &sql, &result, err));
    if (PQntuples(result) == 0)
        return fail_fenced(checkpoint, err);
    const char *state = pgc_result_text(result, 0, 0);
    char *copy = arena_strdup(arena, state);
    if (copy == NULL && state != NULL)
        return FAIL_NO_MEMORY(err);
    TRY(pgc_takeover_end_stale(session, checkpoint, err));
    *ret_state = copy;
    return OUTCOME_OK;
}

enum outcome pgc_checkpoint_store(struct session *session, const struct checkpoint_ref *checkpoint,
                                  const char *state, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    RESULT_AUTO PGresult *result = NULL;
    str_add_text(&sql, "UPDATE ");
    add_table(&sql, session, checkpoint);
    str_add_text(&sql, " SET updated_at = now(), state = ");
    pgc_sql_literal(&sql, state);
    str_add_text(&sql, " WHERE sync_id = ");
    pgc_sql_literal(&sql, checkpoint->sync_id);
    str_addf(&sql, " AND fence = %lld", (long long)checkpoint->fence);
    TRY(pgc_query_run_str(session, &sql, &result, err));
    return strcmp(PQcmdTuples(result), "1") == 0 ? OUTCOME_OK : fail_fenced(checkpoint, err);
}

enum outcome pgc_checkpoint_drop(struct session *session, const struct checkpoint_ref *checkpoint,
                                 struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    struct stream_ref table = {checkpoint->schema, HAUL_CHECKPOINT_TABLE, NULL};
    pgc_session_does(session, SIDE_WRITE, "drop checkpoints in", &table);
    str_add_text(&sql, "DELETE FROM ");
    add_table(&sql, session, checkpoint);
    str_addf(&sql, " WHERE left(sync_id, %zu) = ", strlen(checkpoint->sync_id));
    pgc_sql_literal(&sql, checkpoint->sync_id);
    return pgc_query_do_str(session, &sql, err);
}
