/*
 * checkpoint: one row a sync in the target's schema: the fence, and how far the data is durable.
 *
 * It changes in the transactions of the data; `commits` counts them, so that an update always
 * changes its row and the server's count of changed rows says whether the fence still holds.
 *
 * A fence is taken under a lock of the server (GET_LOCK) that belongs to the connection: see
 * swap.c for what it protects.
 */
#include "mysql/mysql_private.h"

#include <stdlib.h>
#include <string.h>

#define LOCK_WAIT_S 60

static void add_table(struct str *sql, const struct session *session,
                      const struct checkpoint_ref *checkpoint)
{
    struct stream_ref table = {checkpoint->schema, HAUL_CHECKPOINT_TABLE, NULL};
    mys_add_table(sql, session, &table);
}

static enum outcome fail_fenced(const struct checkpoint_ref *checkpoint, struct err *err)
{
    return FAIL(err, OUTCOME_CANCELLED, "fenced",
                "another worker has taken sync %s over: fence %lld is stale", checkpoint->sync_id,
                (long long)checkpoint->fence);
}

/* ---- the lock ---- */

/* Names of locks have 64 characters at most, and are one for all schemas. */
void mys_checkpoint_lock_name(struct str *sql, const struct session *session,
                              const struct checkpoint_ref *checkpoint)
{
    struct stream_ref table = {checkpoint->schema, HAUL_CHECKPOINT_TABLE, NULL};
    const char *schema = mys_schema_of(session, &table);
    str_add_text(sql, "CONCAT('haul.', SHA1(CONCAT(");
    mys_add_text(sql, slice_of(schema == NULL ? "" : schema));
    str_add_text(sql, ", '.', ");
    mys_add_text(sql, slice_of(checkpoint->sync_id));
    str_add_text(sql, ")))");
}

enum outcome mys_checkpoint_lock(struct session *session, const struct checkpoint_ref *checkpoint,
                                 struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    str_add_text(&sql, "SELECT GET_LOCK(");
    mys_checkpoint_lock_name(&sql, session, checkpoint);
    str_addf(&sql, ", %d)", LOCK_WAIT_S);
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    TRY(mys_select(session, MYS_TARGET, &sql, &result, err));
    MYSQL_ROW row = mysql_fetch_row(result);
    if (row != NULL && row[0] != NULL && row[0][0] == '1')
        return OUTCOME_OK;
    return FAIL(err, OUTCOME_RETRY, "write.locked",
                "mysql: another worker swaps a table of sync %s", checkpoint->sync_id);
}

void mys_checkpoint_unlock(struct session *session, const struct checkpoint_ref *checkpoint)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    str_add_text(&sql, "DO RELEASE_LOCK(");
    mys_checkpoint_lock_name(&sql, session, checkpoint);
    str_add_char(&sql, ')');
    if (!sql.failed) /* a connection that is gone holds none */
        (void)mysql_real_query(&session->link, sql.data, sql.len);
}

/* ---- the row ---- */

static enum outcome create_table(struct session *session, const struct checkpoint_ref *checkpoint,
                                 struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    struct stream_ref table = {checkpoint->schema, HAUL_CHECKPOINT_TABLE, NULL};
    bool exists;
    TRY(mys_table_exists(session, &table, &exists, err));
    if (exists)
        return OUTCOME_OK;
    str_add_text(&sql, "CREATE TABLE IF NOT EXISTS ");
    add_table(&sql, session, checkpoint);
    str_add_text(&sql, " (sync_id varchar(190) NOT NULL PRIMARY KEY, fence bigint NOT NULL, "
                       "state longtext NULL, commits bigint NOT NULL DEFAULT 0, "
                       "swap_state longtext NULL, swap_stage varchar(64) NULL, "
                       "swap_target varchar(64) NULL, swap_schema varchar(64) NULL, "
                       "updated_at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) "
                       "ON UPDATE CURRENT_TIMESTAMP(6)) ENGINE = InnoDB "
                       "DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin "
                       "COMMENT = 'how far each sync is durable; written by haul'");
    return mys_run_str(session, MYS_TARGET, &sql, err);
}

enum outcome mys_checkpoint_update(struct session *session, const struct checkpoint_ref *checkpoint,
                                   const struct str *what, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(MYS_SQL_MAX);
    str_add_text(&sql, "UPDATE ");
    add_table(&sql, session, checkpoint);
    str_add_text(&sql, " SET commits = commits + 1, ");
    str_add_slice(&sql, str_slice(what));
    str_add_text(&sql, " WHERE sync_id = ");
    mys_add_text(&sql, slice_of(checkpoint->sync_id));
    str_addf(&sql, " AND fence = %lld", (long long)checkpoint->fence);
    sql.failed |= what->failed;
    TRY(mys_run_str(session, MYS_TARGET, &sql, err));
    return mysql_affected_rows(&session->link) == 1 ? OUTCOME_OK : fail_fenced(checkpoint, err);
}

enum outcome mys_checkpoint_store(struct session *session, const struct checkpoint_ref *checkpoint,
                                  const char *state, struct err *err)
{
    STR_AUTO struct str what = str_with_max(MYS_SQL_MAX);
    str_add_text(&what, "state = ");
    mys_add_text(&what, slice_of(state));
    return mys_checkpoint_update(session, checkpoint, &what, err);
}

/* The update waits for a commit under way; what is read behind it is the state to go on from. */
static enum outcome raise_fence(struct session *session, const struct checkpoint_ref *checkpoint,
                                struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    str_add_text(&sql, "INSERT INTO ");
    add_table(&sql, session, checkpoint);
    str_add_text(&sql, " (sync_id, fence) VALUES (");
    mys_add_text(&sql, slice_of(checkpoint->sync_id));
    str_addf(&sql, ", %lld) ON DUPLICATE KEY UPDATE ", (long long)checkpoint->fence);
    str_addf(&sql, "commits = commits + (fence <= %lld), fence = GREATEST(fence, %lld)",
             (long long)checkpoint->fence, (long long)checkpoint->fence);
    TRY(mys_run_str(session, MYS_TARGET, &sql, err));
    return mysql_affected_rows(&session->link) > 0 ? OUTCOME_OK : fail_fenced(checkpoint, err);
}

struct row {
    const char *state;
    struct mys_swap swap;
    bool is_swapping;
};

static enum outcome copy_text(const char *text, struct arena *arena, const char **ret_copy,
                              struct err *err)
{
    const char *copy = arena_strdup(arena, text);
    if (copy == NULL && text != NULL)
        return FAIL_NO_MEMORY(err);
    *ret_copy = copy;
    return OUTCOME_OK;
}

static enum outcome read_row(struct session *session, const struct checkpoint_ref *checkpoint,
                             struct arena *arena, struct row *ret_row, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    str_add_text(&sql, "SELECT state, swap_state, swap_stage, swap_target, swap_schema FROM ");
    add_table(&sql, session, checkpoint);
    str_add_text(&sql, " WHERE sync_id = ");
    mys_add_text(&sql, slice_of(checkpoint->sync_id));
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    TRY(mys_select(session, MYS_TARGET, &sql, &result, err));
    MYSQL_ROW values = mysql_fetch_row(result);
    struct row row = {0};
    if (values == NULL)
        return fail_fenced(checkpoint, err);
    TRY(copy_text(values[0], arena, &row.state, err));
    TRY(copy_text(values[1], arena, &row.swap.state, err));
    TRY(copy_text(values[2], arena, &row.swap.stage.name, err));
    TRY(copy_text(values[3], arena, &row.swap.target.name, err));
    TRY(copy_text(values[4], arena, &row.swap.stage.schema, err));
    row.swap.target.schema = row.swap.stage.schema;
    row.is_swapping = row.swap.stage.name != NULL;
    *ret_row = row;
    return OUTCOME_OK;
}

static enum outcome take(struct session *session, const struct checkpoint_ref *checkpoint,
                         struct arena *arena, const char **ret_state, struct err *err)
{
    struct row row = {0};
    bool done = false;
    TRY(raise_fence(session, checkpoint, err));
    TRY(read_row(session, checkpoint, arena, &row, err));
    if (row.is_swapping)
        TRY(mys_swap_repair(session, checkpoint, &row.swap, &done, err));
    *ret_state = done ? row.swap.state : row.state;
    return OUTCOME_OK;
}

enum outcome mys_checkpoint_take(struct session *session, const struct checkpoint_ref *checkpoint,
                                 struct arena *arena, const char **ret_state, struct err *err)
{
    const char *state;
    TRY(create_table(session, checkpoint, err));
    TRY(mys_takeover_end_stale(session, checkpoint, err)); /* the raise waits for their locks */
    TRY(mys_takeover_mark(session, checkpoint, err));
    TRY(mys_checkpoint_lock(session, checkpoint, err));
    enum outcome outcome = take(session, checkpoint, arena, &state, err);
    mys_checkpoint_unlock(session, checkpoint);
    TRY(outcome);
    TRY(mys_takeover_end_stale(session, checkpoint, err));
    *ret_state = state;
    return OUTCOME_OK;
}

enum outcome mys_checkpoint_drop(struct session *session, const struct checkpoint_ref *checkpoint,
                                 struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    str_add_text(&sql, "DELETE FROM ");
    add_table(&sql, session, checkpoint);
    str_addf(&sql, " WHERE LEFT(sync_id, %zu) = ", strlen(checkpoint->sync_id));
    mys_add_text(&sql, slice_of(checkpoint->sync_id));
    return mys_run_str(session, MYS_TARGET, &sql, err);
}
