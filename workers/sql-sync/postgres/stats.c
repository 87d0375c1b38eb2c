/*
 * stats: snapshots, the bounds of a cursor, the range of a key.
 *
 * The horizon is asked for before the snapshot is taken: a transaction that the snapshot does not
 * see was then either running (its start is no earlier than the least one listed) or had not begun
 * (its start is no earlier than the question). Asked afterwards, one that ended in between would be
 * missed.
 */
#include "pg_private.h"

#include "base/clock.h"

#include <stdio.h>

#define DAY_US (INT64_C(24) * 3600 * US_PER_S)

/* ---- horizon ---- */

static const char ask_horizon[] =
    "SELECT (extract(epoch FROM least(clock_timestamp(), min(xact_start) FILTER"
    " (WHERE application_name NOT LIKE '%" PGC_READER_MARK "'))) * 1000000)::bigint,"
    " coalesce(bool_or(query = '<insufficient privilege>'), false),"
    " current_setting('track_activities') = 'on', pg_is_in_recovery(),"
    " EXISTS (SELECT 1 FROM pg_catalog.pg_prepared_xacts WHERE database = current_database()),"
    " (SELECT extract(epoch FROM (now() AT TIME ZONE s.reset_val) - (now() AT TIME ZONE 'UTC'))"
    "  * 1000000 FROM pg_catalog.pg_settings s WHERE s.name = 'TimeZone')::bigint"
    " FROM pg_catalog.pg_stat_activity WHERE datname = current_database()"
    " AND pid <> pg_backend_pid() AND usesysid IS NOT NULL"
    " AND coalesce(backend_type, '') NOT IN ('walsender', 'parallel worker')";

static const char *why_unknown(const PGresult *result)
{
    if (pgc_result_bool(result, 0, 3))
        return "the server is a standby: the primary's transactions are not seen";
    if (pgc_result_bool(result, 0, 1))
        return "other users' transactions are hidden: grant pg_read_all_stats";
    if (!pgc_result_bool(result, 0, 2))
        return "the server's track_activities is off";
    if (pgc_result_bool(result, 0, 4))
        return "a prepared transaction is pending";
    return NULL;
}

static enum outcome find_horizon(struct session *session, struct err *err)
{
    RESULT_AUTO PGresult *result = NULL;
    TRY(pgc_query_run(session, ask_horizon, &result, err));
    session->horizon = (struct horizon){.us = pgc_result_i64(result, 0, 0),
                                        .zone_us = pgc_result_i64(result, 0, 5),
                                        .unknown = why_unknown(result)};
    return OUTCOME_OK;
}

/* As text of the cursor's type; NULL when a transaction's start says nothing about such values. */
static const char *format_horizon(const struct horizon *horizon, enum value_type type,
                                  struct arena *arena)
{
    char text[40];
    int64_t us = horizon->us;
    if (type == VALUE_TIMESTAMPTZ)
        return arena_strndup(arena, text, timestamptz_format(us, text));
    /* Naive clocks show UTC or the server's zone: the earlier of both is safe for either. */
    us += horizon->zone_us < 0 ? horizon->zone_us : 0;
    if (type == VALUE_TIMESTAMP)
        return arena_strndup(arena, text, timestamp_format(us, text));
    if (type == VALUE_DATE)
        return arena_strndup(arena, text, date_format((int32_t)(us / DAY_US), text));
    return NULL;
}

/* ---- snapshot ---- */

static enum outcome join_snapshot(struct session *session, const char *name, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    struct err own;
    err = err == NULL ? &own : err;
    str_add_text(&sql, "SET TRANSACTION SNAPSHOT ");
    pgc_sql_literal(&sql, name);
    enum outcome outcome = pgc_query_do_str(session, &sql, err);
    /* Its exporter is gone: the job as a whole begins again. */
    if (outcome == OUTCOME_PERMANENT)
        return FAIL(err, OUTCOME_RETRY, "read.lost", "the snapshot to be joined is gone");
    return outcome;
}

enum outcome pgc_snapshot_begin(struct session *session, const char *join, struct err *err)
{
    pgc_session_does(session, SIDE_READ, "begin a snapshot", NULL);
    if (session->in_snapshot)
        return FAIL_BUG(err, "a snapshot in a snapshot");
    session->horizon = (struct horizon){.unknown = "the snapshot is another session's"};
    if (join == NULL)
        TRY(find_horizon(session, err));
    TRY(pgc_query_do(session, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err));
    session->in_snapshot = true;
    /* The first statement, not BEGIN, takes the snapshot. */
    enum outcome outcome =
        join == NULL ? pgc_query_do(session, "SELECT 1", err) : join_snapshot(session, join, err);
    if (outcome != OUTCOME_OK)
        pgc_snapshot_end(session);
    return outcome;
}

enum outcome pgc_snapshot_export(struct session *session, struct arena *arena,
                                 const char **ret_name, struct err *err)
{
    RESULT_AUTO PGresult *result = NULL;
    pgc_session_does(session, SIDE_READ, "export a snapshot", NULL);
    if (!session->in_snapshot)
        return FAIL_BUG(err, "there is no snapshot to export");
    TRY(pgc_query_run(session, "SELECT pg_export_snapshot()", &result, err));
    const char *name = arena_strdup(arena, PQgetvalue(result, 0, 0));
    TRY_ALLOC(name, err);
    *ret_name = name;
    return OUTCOME_OK;
}

void pgc_snapshot_end(struct session *session)
{
    if (!session->in_snapshot)
        return;
    session->in_snapshot = false;
    (void)pgc_query_quiet(session, "ROLLBACK");
}

/* ---- least and greatest values ---- */

/* By ORDER BY and LIMIT, which an index serves and which any type that has an order can do. The
 * value goes the way of all values: through a reader into a batch. */
static enum outcome read_end_value(struct session *session, const struct stream_ref *stream,
                                   const struct column_spec *column, bool greatest,
                                   struct batch *batch, struct err *err)
{
    struct read_filter not_null = {.column = column->name, .op = READ_NOT_NULL};
    struct read_request request = {.stream = *stream,
                                   .columns = column,
                                   .column_count = 1,
                                   .filters = &not_null,
                                   .filter_count = 1,
                                   .limit = 1};
    struct reader *reader = NULL;
    bool end = false;
    enum outcome outcome = OUTCOME_OK;
    batch_clear(batch);
    TRY(pgc_read_begin_end(session, &request, greatest, &reader, err));
    while (outcome == OUTCOME_OK && !end)
        outcome = pgc_read_next(reader, batch, &end, err);
    pgc_read_end(reader);
    return outcome;
}

static enum outcome end_value(struct session *session, const struct stream_ref *stream,
                              const struct column_spec *column, bool greatest, struct arena *arena,
                              const char **ret_text, struct err *err)
{
    STR_AUTO struct str text = SQL_NEW;
    struct batch *batch = batch_new(column, 1, 64, 1 << 20);
    TRY_ALLOC(batch, err);
    enum outcome outcome = read_end_value(session, stream, column, greatest, batch, err);
    bool found = outcome == OUTCOME_OK && batch->row_count == 1 &&
                 column_format(&batch->columns[0], 0, &text);
    batch_free(batch);
    if (outcome != OUTCOME_OK)
        return outcome;
    const char *copy = found ? arena_strdup(arena, str_text(&text)) : NULL;
    if (found && copy == NULL)
        return FAIL_NO_MEMORY(err);
    *ret_text = copy;
    return OUTCOME_OK;
}

enum outcome pgc_stats_cursor_high(struct session *session, const struct stream_ref *stream,
                                   const struct column_spec *column, struct arena *arena,
                                   struct cursor_high *ret_high, struct err *err)
{
    struct cursor_high high = {.horizon_reason = NULL};
    pgc_session_does(session, SIDE_READ, "read the cursor of", stream);
    if (!session->in_snapshot)
        TRY(find_horizon(session, err));
    TRY(end_value(session, stream, column, true, arena, &high.max, err));
    high.horizon_reason = session->horizon.unknown;
    if (high.horizon_reason == NULL) {
        high.horizon = format_horizon(&session->horizon, column->spec.type, arena);
        if (high.horizon == NULL)
            high.horizon_reason = "the cursor is no date or time";
    }
    *ret_high = high;
    return OUTCOME_OK;
}

/* The first line of a plan: "Seq Scan on t  (cost=0.00..1.01 rows=100 width=8)". */
enum outcome pgc_stats_rows(struct session *session, const struct stream_ref *stream,
                            int64_t *ret_rows, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    RESULT_AUTO PGresult *result = NULL;
    long long rows;
    str_add_text(&sql, "EXPLAIN SELECT 1 FROM ");
    pgc_sql_source(&sql, session, stream);
    TRY(pgc_query_one(session, &sql, &result, err));
    const char *line = PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
    const char *at = strstr(line, " rows=");
    *ret_rows = at != NULL && sscanf(at, " rows=%lld", &rows) == 1 ? rows : -1;
    return OUTCOME_OK;
}

enum outcome pgc_stats_key(struct session *session, const struct stream_ref *stream,
                           const struct column_spec *column, struct arena *arena,
                           struct key_stats *ret_stats, struct err *err)
{
    struct key_stats stats = {.rows_estimate = -1};
    pgc_session_does(session, SIDE_READ, "read the key range of", stream);
    TRY(end_value(session, stream, column, false, arena, &stats.min, err));
    TRY(end_value(session, stream, column, true, arena, &stats.max, err));
    TRY(pgc_stats_rows(session, stream, &stats.rows_estimate, err));
    *ret_stats = stats;
    return OUTCOME_OK;
}
