/*
 * cursor: snapshots, and how far a cursor may go.
 *
 * The horizon is asked for before the snapshot begins: a transaction that commits between the two
 * would else be in neither. One that starts after the question cannot have used an earlier time. It
 * is worth something only for TIMESTAMP columns, which are UTC as our session is; a naive DATETIME
 * may be in any zone, and numbers are given out before their rows are committed.
 */
#include "mysql/mysql_private.h"

#include <stdlib.h>

/* InnoDB tells a transaction's start in whole seconds; its first statement may have taken the time
 * a moment earlier. */
#define HORIZON_MARGIN_S 2

static const char no_privilege[] = "the account lacks PROCESS: it can't see other transactions";
static const char no_zone[] = "a DATETIME has no time zone: use a look-back window";
static const char no_time[] = "values that are no time are given out before the commit: use a "
                              "look-back window";

/* trx_started is in the server's own zone, whatever the session's. */
static const char horizon_query[] =
    "SELECT CAST(UNIX_TIMESTAMP() AS SIGNED) - GREATEST(0, COALESCE(MAX(TIMESTAMPDIFF(SECOND, "
    "trx_started, CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', 'SYSTEM'))), 0)) "
    "FROM information_schema.INNODB_TRX "
    "WHERE trx_is_read_only = 0 AND trx_mysql_thread_id <> CONNECTION_ID()";

static enum outcome take_horizon(struct session *session, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    struct err denied = {0};
    str_add_text(&sql, horizon_query);
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    session->horizon_us = INT64_MIN;
    session->horizon_reason = no_privilege;
    if (mys_select(session, MYS_SOURCE, &sql, &result, &denied) != OUTCOME_OK) {
        if (denied.outcome == OUTCOME_PERMANENT)
            return OUTCOME_OK;
        if (err != NULL)
            *err = denied;
        return denied.outcome;
    }
    MYSQL_ROW row = mysql_fetch_row(result);
    if (row == NULL || row[0] == NULL)
        return OUTCOME_OK;
    session->horizon_us = (strtoll(row[0], NULL, 10) - HORIZON_MARGIN_S) * 1000000;
    session->horizon_reason = NULL;
    return OUTCOME_OK;
}

enum outcome mys_snapshot_begin(struct session *session, const char *join, struct err *err)
{
    if (join != NULL)
        return FAIL_BUG(err, "mysql: snapshots can't be joined");
    TRY(take_horizon(session, err));
    TRY(mys_run(session, MYS_SOURCE, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", err));
    TRY(mys_run(session, MYS_SOURCE, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", err));
    session->in_snapshot = true;
    return OUTCOME_OK;
}

void mys_snapshot_end(struct session *session)
{
    if (session->in_snapshot)
        (void)mysql_query(&session->link, "ROLLBACK");
    session->in_snapshot = false;
    session->horizon_us = INT64_MIN;
}

static void add_extreme(struct str *sql, const char *function, const char *name,
                        const struct mys_native *native)
{
    str_addf(sql, "%s(", function);
    mys_add_select_column(sql, NULL, name, native);
    str_add_char(sql, ')');
}

static enum outcome text_of(const struct batch *batch, size_t column, struct arena *arena,
                            const char **ret_text, struct err *err)
{
    STR_AUTO struct str text = str_with_max(STR_MAX_DEFAULT);
    const char *copy = NULL;
    if (column_format(&batch->columns[column], 0, &text))
        TRY_ALLOC(copy = arena_strdup(arena, str_text(&text)), err);
    *ret_text = copy;
    return OUTCOME_OK;
}

/* One row: the least and the greatest value of a column, decoded as the column itself would be. */
static enum outcome read_extremes(struct session *session, const struct stream_ref *stream,
                                  const struct column_spec *column, struct batch *batch,
                                  struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    ARENA_AUTO struct arena scratch;
    arena_init(&scratch, STR_MAX_DEFAULT);
    struct mys_plan plan;
    struct read_request request = {.stream = *stream, .columns = column, .column_count = 1};
    TRY(mys_plan_make(session, &request, &scratch, &plan, err));
    if (plan.natives[0].form == MYS_BIT)
        return FAIL(err, OUTCOME_PERMANENT, "stream.cursor",
                    "mysql: column %s is a bit field, which can be neither cursor nor split",
                    column->name);
    str_add_text(&sql, "SELECT ");
    add_extreme(&sql, "MIN", column->name, &plan.natives[0]);
    str_add_text(&sql, ", ");
    add_extreme(&sql, "MAX", column->name, &plan.natives[0]);
    str_add_char(&sql, ' ');
    mys_add_from(&sql, session, stream);
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    TRY(mys_select(session, MYS_SOURCE, &sql, &result, err));
    MYSQL_ROW row = mysql_fetch_row(result);
    if (row == NULL)
        return FAIL_BUG(err, "mysql: MIN and MAX gave nothing");
    const unsigned long *lengths = mysql_fetch_lengths(result);
    for (size_t i = 0; i < 2; i++) {
        if (row[i] == NULL)
            column_add_null(&batch->columns[i]);
        else
            plan.decoders[0](batch, &batch->columns[i], row[i], lengths[i]);
    }
    if (!batch_end_row(batch))
        return FAIL_NO_MEMORY(err);
    return OUTCOME_OK;
}

static void free_batch(struct batch **batch)
{
    batch_free(*batch);
}

static enum outcome extremes(struct session *session, const struct stream_ref *stream,
                             const struct column_spec *column, struct arena *arena,
                             const char *ret_texts[2], struct err *err)
{
    const struct column_spec twice[] = {*column, *column};
    __attribute__((cleanup(free_batch))) struct batch *batch = batch_new(twice, 2, 1, SIZE_MAX);
    TRY_ALLOC(batch, err);
    TRY(read_extremes(session, stream, column, batch, err));
    for (size_t i = 0; i < 2; i++)
        TRY(text_of(batch, i, arena, &ret_texts[i], err));
    return OUTCOME_OK;
}

enum outcome mys_cursor_high(struct session *session, const struct stream_ref *stream,
                             const struct column_spec *column, struct arena *arena,
                             struct cursor_high *ret_high, struct err *err)
{
    const char *texts[2] = {NULL, NULL};
    struct cursor_high high = {0};
    if (!session->in_snapshot)
        TRY(take_horizon(session, err));
    TRY(extremes(session, stream, column, arena, texts, err));
    high.max = texts[1];
    high.horizon_reason = session->horizon_reason;
    if (column->spec.type != VALUE_TIMESTAMPTZ)
        high.horizon_reason = column->spec.type == VALUE_TIMESTAMP ? no_zone : no_time;
    if (high.horizon_reason == NULL) {
        char text[40];
        size_t len = timestamptz_format(session->horizon_us, text);
        TRY_ALLOC(high.horizon = arena_strndup(arena, text, len), err);
    }
    *ret_high = high;
    return OUTCOME_OK;
}

static enum outcome estimate_rows(struct session *session, const struct stream_ref *stream,
                                  int64_t *ret_rows, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    const char *schema = mys_schema_of(session, stream);
    str_add_text(&sql, "SELECT TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_SCHEMA = ");
    mys_add_text(&sql, slice_of(schema == NULL ? "" : schema));
    str_add_text(&sql, " AND TABLE_NAME = ");
    mys_add_text(&sql, slice_of(stream->name));
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    TRY(mys_select(session, MYS_SOURCE, &sql, &result, err));
    MYSQL_ROW row = mysql_fetch_row(result);
    *ret_rows = row == NULL || row[0] == NULL ? -1 : strtoll(row[0], NULL, 10);
    return OUTCOME_OK;
}

enum outcome mys_key_stats(struct session *session, const struct stream_ref *stream,
                           const struct column_spec *column, struct arena *arena,
                           struct key_stats *ret_stats, struct err *err)
{
    const char *texts[2] = {NULL, NULL};
    struct key_stats stats = {.rows_estimate = -1};
    TRY(extremes(session, stream, column, arena, texts, err));
    if (stream->query == NULL)
        TRY(estimate_rows(session, stream, &stats.rows_estimate, err));
    stats.min = texts[0];
    stats.max = texts[1];
    *ret_stats = stats;
    return OUTCOME_OK;
}
