/*
 * read: COPY (SELECT ...) TO STDOUT in the binary format, decoded row by row into batch columns.
 *
 * A snapshot outlives a read that is given up half-way: within one, each read stands behind a
 * savepoint of its own.
 */
#include "pg_private.h"

#include "base/num.h"

#include <stdlib.h>

static const char signature[] = {'P', 'G', 'C', 'O', 'P', 'Y', '\n', '\377', '\r', '\n', '\0'};
#define HEADER_BYTES (sizeof signature + 8) /* and flags, and the length of an extension */

struct reader {
    struct session *session;
    char *message;        /* of libpq; NULL = none */
    const char *at, *end; /* what is left of it */
    bool header_seen, ended;
    bool has_savepoint;
    size_t column_count;
    pgc_decode *decode[];
};

static uint32_t get_u32(const char *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return __builtin_bswap32(value);
}

static int get_i16(const char *bytes)
{
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return (int16_t)__builtin_bswap16(value);
}

/* ---- beginning ---- */

static enum outcome open_copy(struct reader *reader, const struct str *select, struct err *err)
{
    struct session *session = reader->session;
    STR_AUTO struct str sql = SQL_NEW;
    RESULT_AUTO PGresult *result = NULL;
    str_add_text(&sql, "COPY (");
    str_add_slice(&sql, str_slice(select));
    str_add_text(&sql, "\n) TO STDOUT (FORMAT binary)");
    sql.failed |= select->failed;
    if (session->in_snapshot || session->in_write) {
        TRY(pgc_query_do(session, "SAVEPOINT haul_read", err));
        reader->has_savepoint = true;
    }
    TRY(pgc_query_one(session, &sql, &result, err));
    if (PQresultStatus(result) != PGRES_COPY_OUT)
        return FAIL_BUG(err, "%s: the server began no COPY", session->subject);
    if ((size_t)PQnfields(result) != reader->column_count)
        return FAIL_BUG(err, "%s: a COPY of %d columns instead of %zu", session->subject,
                        PQnfields(result), reader->column_count);
    return OUTCOME_OK;
}

/* Ends the savepoint; after a failure or in the middle of the rows by going back to it. */
static void leave(struct reader *reader, bool whole)
{
    if (!reader->has_savepoint)
        return;
    reader->has_savepoint = false;
    if (!whole)
        (void)pgc_query_quiet(reader->session, "ROLLBACK TO SAVEPOINT haul_read");
    (void)pgc_query_quiet(reader->session, "RELEASE SAVEPOINT haul_read");
}

enum outcome pgc_read_begin_select(struct session *session, const struct str *select,
                                   pgc_decode *const *decoders, size_t count,
                                   struct reader **ret_reader, struct err *err)
{
    struct reader *reader = calloc(1, sizeof *reader + count * sizeof *reader->decode);
    TRY_ALLOC(reader, err);
    reader->session = session;
    reader->column_count = count;
    memcpy(reader->decode, decoders, count * sizeof *decoders);
    enum outcome outcome = open_copy(reader, select, err);
    if (outcome != OUTCOME_OK) {
        leave(reader, false);
        free(reader);
        return outcome;
    }
    *ret_reader = reader;
    return OUTCOME_OK;
}

/* A sort that an index can serve: its order has NULLs last, so they are named only where some may
 * be. */
static void add_order(struct str *sql, const struct read_request *request)
{
    for (size_t i = 0; i < request->order_count; i++) {
        bool nullable = true;
        for (size_t c = 0; c < request->column_count; c++) {
            if (strcmp(request->columns[c].name, request->order_by[i]) == 0)
                nullable = request->columns[c].nullable;
        }
        str_add_text(sql, i == 0 ? " ORDER BY " : ", ");
        str_add_text(sql, PGC_ROW);
        pgc_sql_ident(sql, request->order_by[i]);
        str_add_text(sql, nullable ? " ASC NULLS FIRST" : " ASC");
    }
}

static void add_from(struct str *sql, const struct session *session,
                     const struct read_request *request)
{
    str_add_text(sql, " FROM ");
    pgc_sql_source(sql, session, &request->stream);
    pgc_sql_filters(sql, request);
}

/* The columns as they stand there now, found by asking the server what this select would give. */
static enum outcome find_columns(struct session *session, const struct read_request *request,
                                 struct arena *arena, struct pgc_column **ret_columns,
                                 struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    size_t count = 0;
    str_add_text(&sql, "SELECT ");
    for (size_t i = 0; i < request->column_count; i++) {
        str_add_text(&sql, i == 0 ? "" : ", ");
        str_add_text(&sql, PGC_ROW);
        pgc_sql_ident(&sql, request->columns[i].name);
    }
    str_add_text(&sql, " FROM ");
    pgc_sql_source(&sql, session, &request->stream);
    TRY(pgc_columns_of(session, &sql, arena, ret_columns, &count, err));
    if (count != request->column_count)
        return FAIL_BUG(err, "%s: %zu columns instead of %zu", session->subject, count,
                        request->column_count);
    return OUTCOME_OK;
}

static enum outcome begin_ordered(struct session *session, const struct read_request *request,
                                  const struct str *order, struct reader **ret_reader,
                                  struct err *err)
{
    ARENA_AUTO struct arena arena;
    STR_AUTO struct str sql = SQL_NEW;
    struct pgc_column *columns = NULL;
    arena_init(&arena, SQL_MAX);
    TRY(find_columns(session, request, &arena, &columns, err));
    pgc_decode **decoders = ARENA_ARRAY(&arena, pgc_decode *, request->column_count + 1);
    TRY_ALLOC(decoders, err);
    str_add_text(&sql, "SELECT ");
    for (size_t i = 0; i < request->column_count; i++) {
        str_add_text(&sql, i == 0 ? "" : ", ");
        decoders[i] =
            pgc_type_select(session, &columns[i], request->columns[i].spec.type, PGC_ROW, &sql);
    }
    add_from(&sql, session, request);
    str_add_slice(&sql, str_slice(order));
    sql.failed |= order->failed;
    if (request->limit > 0)
        str_addf(&sql, " LIMIT %lld", (long long)request->limit);
    return pgc_read_begin_select(session, &sql, decoders, request->column_count, ret_reader, err);
}

enum outcome pgc_read_begin(struct session *session, const struct read_request *request,
                            struct reader **ret_reader, struct err *err)
{
    STR_AUTO struct str order = SQL_NEW;
    pgc_session_does(session, SIDE_READ, "read", &request->stream);
    add_order(&order, request);
    return begin_ordered(session, request, &order, ret_reader, err);
}

enum outcome pgc_read_begin_end(struct session *session, const struct read_request *request,
                                bool greatest, struct reader **ret_reader, struct err *err)
{
    STR_AUTO struct str order = SQL_NEW;
    str_add_text(&order, " ORDER BY " PGC_ROW);
    pgc_sql_ident(&order, request->columns[0].name);
    str_add_text(&order, greatest ? " DESC" : " ASC"); /* there is no NULL */
    return begin_ordered(session, request, &order, ret_reader, err);
}

/* ---- rows ---- */

static enum outcome fail_format(const struct reader *reader, struct err *err)
{
    return FAIL(err, OUTCOME_PERMANENT, "read.format",
                "%s: the server sent what is no binary COPY of these columns",
                reader->session->subject);
}

static enum outcome take_header(struct reader *reader, struct err *err)
{
    size_t len = (size_t)(reader->end - reader->at);
    if (len < HEADER_BYTES || memcmp(reader->at, signature, sizeof signature) != 0)
        return fail_format(reader, err);
    uint32_t extension = get_u32(reader->at + HEADER_BYTES - 4);
    if (extension > len - HEADER_BYTES)
        return fail_format(reader, err);
    reader->at += HEADER_BYTES + extension;
    reader->header_seen = true;
    return OUTCOME_OK;
}

/* The next message with rows in it; at the end of all, `ended`. */
static enum outcome next_message(struct reader *reader, struct err *err)
{
    size_t len = 0;
    PQfreemem(reader->message);
    reader->message = NULL;
    TRY(pgc_query_copy_get(reader->session, &reader->message, &len, err));
    if (reader->message == NULL) {
        reader->ended = true;
        leave(reader, true);
        return OUTCOME_OK;
    }
    reader->at = reader->message;
    reader->end = reader->message + len;
    return reader->header_seen ? OUTCOME_OK : take_header(reader, err);
}

/* One row, which a message always holds whole. False on a bad form. */
static bool decode_row(struct reader *reader, struct batch *batch)
{
    const char *at = reader->at + 2, *end = reader->end;
    for (size_t i = 0; i < reader->column_count; i++) {
        if (end - at < 4)
            return false;
        int32_t len = (int32_t)get_u32(at);
        at += 4;
        if (len < 0) {
            column_add_null(&batch->columns[i]);
            continue;
        }
        if (end - at < len || !reader->decode[i](batch, &batch->columns[i], at, (size_t)len))
            return false;
        at += len;
    }
    reader->at = at;
    return true;
}

static enum outcome add_row(struct reader *reader, struct batch *batch, struct err *err)
{
    if (reader->end - reader->at < 2)
        return fail_format(reader, err);
    int count = get_i16(reader->at);
    if (count == -1) { /* the trailer */
        reader->at = reader->end;
        return OUTCOME_OK;
    }
    if ((size_t)count != reader->column_count || !decode_row(reader, batch)) {
        batch_undo_row(batch);
        return fail_format(reader, err);
    }
    if (!batch_end_row(batch))
        return FAIL_NO_MEMORY(err);
    return OUTCOME_OK;
}

enum outcome pgc_read_next(struct reader *reader, struct batch *batch, bool *ret_end,
                           struct err *err)
{
    if (batch->column_count != reader->column_count)
        return FAIL_BUG(err, "a batch of %zu columns for a read of %zu", batch->column_count,
                        reader->column_count);
    while (!reader->ended && !batch_is_full(batch)) {
        if (reader->at == reader->end)
            TRY(next_message(reader, err));
        else
            TRY(add_row(reader, batch, err));
    }
    *ret_end = reader->ended;
    return OUTCOME_OK;
}

void pgc_read_end(struct reader *reader)
{
    if (reader == NULL)
        return;
    if (!reader->ended) {
        pgc_query_stop(reader->session);
        leave(reader, false);
    }
    PQfreemem(reader->message);
    free(reader);
}

enum outcome pgc_read_count(struct session *session, const struct read_request *request,
                            int64_t *ret_rows, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    RESULT_AUTO PGresult *result = NULL;
    pgc_session_does(session, SIDE_READ, "count", &request->stream);
    str_add_text(&sql, request->limit > 0 ? "SELECT count(*) FROM (SELECT 1" : "SELECT count(*)");
    add_from(&sql, session, request);
    if (request->limit > 0)
        str_addf(&sql, " LIMIT %lld) AS haul_rows", (long long)request->limit);
    TRY(pgc_query_one(session, &sql, &result, err));
    *ret_rows = pgc_result_i64(result, 0, 0);
    return OUTCOME_OK;
}
