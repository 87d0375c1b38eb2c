/*
 * write: batches into a table by binary COPY, each behind a savepoint, so that a batch with a row
 * that the server refuses is undone alone.
 */
#include "writer.h"

#include <stdlib.h>

#define SEND_BYTES ((size_t)64 << 10)
#define BUFFER_KEEP_BYTES ((size_t)1 << 20)
#define ROW_MAX ((size_t)1 << 30) /* PostgreSQL's own bound of a field */

static const char copy_header[] = {'P', 'G', 'C', 'O', 'P', 'Y', '\n', '\377', '\r', '\n',
                                   0,   0,   0,   0,   0,   0,   0,    0,      0};
static const char copy_trailer[] = {'\377', '\377'};

/* ---- beginning ---- */

static enum outcome copy_request(struct writer *writer, const struct write_request *request,
                                 struct err *err)
{
    struct arena *arena = &writer->arena;
    struct write_request *own = &writer->request;
    *own = *request;
    struct column_spec *columns =
        arena_memdup(arena, request->columns, request->column_count * sizeof *columns);
    own->key = arena_memdup(arena, request->key, request->key_count * sizeof *request->key);
    own->table.schema = arena_strdup(arena, pgc_stream_schema(writer->session, &request->table));
    own->table.name = arena_strdup(arena, request->table.name);
    own->checkpoint.schema = arena_strdup(arena, request->checkpoint.schema);
    own->checkpoint.sync_id = arena_strdup(arena, request->checkpoint.sync_id);
    own->columns = columns;
    for (size_t i = 0; columns != NULL && i < request->column_count; i++)
        columns[i].name = arena_strdup(arena, request->columns[i].name);
    return arena->overflowed ? FAIL_NO_MEMORY(err) : OUTCOME_OK;
}

static enum outcome find_columns(struct writer *writer, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    size_t count = 0;
    str_add_text(&sql, "SELECT ");
    for (size_t i = 0; i < writer->request.column_count; i++) {
        str_add_text(&sql, i == 0 ? "" : ", ");
        pgc_sql_ident(&sql, writer->request.columns[i].name);
    }
    str_add_text(&sql, " FROM ");
    pgc_sql_table(&sql, writer->session, &writer->request.table);
    return pgc_columns_of(writer->session, &sql, &writer->arena, &writer->columns, &count, err);
}

static pgc_encode *choose_encoder(const struct pgc_column *column, enum value_type type)
{
    const struct pgc_type *known = pgc_type_of_oid(column->oid);
    if (known != NULL && known->type == type && known->encode != NULL)
        return known->encode;
    return column->is_enum && type == VALUE_TEXT ? pgc_encode_bytes : pgc_encode_text_form;
}

static enum outcome name_natives(struct writer *writer, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    RESULT_AUTO PGresult *result = NULL;
    str_add_text(&sql, "SELECT ''");
    for (size_t i = 0; i < writer->request.column_count; i++)
        str_addf(&sql, ", format_type(%u, %d)", writer->columns[i].oid, writer->columns[i].typmod);
    TRY(pgc_query_run_str(writer->session, &sql, &result, err));
    for (size_t i = 0; i < writer->request.column_count; i++) {
        if (writer->encoders[i].encode != pgc_encode_text_form)
            continue;
        writer->natives[i] = arena_strdup(&writer->arena, PQgetvalue(result, 0, (int)i + 1));
        TRY_ALLOC(writer->natives[i], err);
    }
    return OUTCOME_OK;
}

static enum outcome choose_encoders(struct writer *writer, struct err *err)
{
    size_t count = writer->request.column_count;
    bool any_text = false;
    writer->encoders = ARENA_ARRAY(&writer->arena, struct encode_column, count);
    writer->natives = ARENA_ARRAY(&writer->arena, const char *, count);
    TRY_ALLOC(writer->encoders, err);
    TRY_ALLOC(writer->natives, err);
    for (size_t i = 0; i < count; i++) {
        const struct column_spec *column = &writer->request.columns[i];
        writer->encoders[i] =
            (struct encode_column){.encode = choose_encoder(&writer->columns[i], column->spec.type),
                                   .typmod = writer->columns[i].typmod,
                                   .name = column->name};
        any_text |= writer->encoders[i].encode == pgc_encode_text_form;
    }
    return any_text ? name_natives(writer, err) : OUTCOME_OK;
}

/* A table like the target's columns, without their constraints; those that go as text are text. */
static enum outcome create_stage(struct writer *writer, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    str_add_text(&sql, "DROP TABLE IF EXISTS " PGC_STAGE
                       "; CREATE TEMPORARY TABLE \"_haul_batch\" ON COMMIT DELETE ROWS AS SELECT ");
    for (size_t i = 0; i < writer->request.column_count; i++) {
        str_add_text(&sql, i == 0 ? "" : ", ");
        if (writer->natives[i] != NULL)
            str_add_text(&sql, "NULL::text AS ");
        pgc_sql_ident(&sql, writer->request.columns[i].name);
    }
    str_add_text(&sql, " FROM ");
    pgc_sql_table(&sql, writer->session, &writer->request.table);
    str_add_text(&sql, " WITH NO DATA");
    return pgc_query_do_str(writer->session, &sql, err);
}

static void make_copy(struct writer *writer)
{
    struct str *sql = &writer->copy;
    str_add_text(sql, "COPY ");
    if (writer->plan == MERGE_NONE)
        pgc_sql_table(sql, writer->session, &writer->request.table);
    else
        str_add_text(sql, PGC_STAGE);
    str_add_text(sql, " (");
    for (size_t i = 0; i < writer->request.column_count; i++) {
        str_add_text(sql, i == 0 ? "" : ", ");
        pgc_sql_ident(sql, writer->request.columns[i].name);
    }
    str_add_text(sql, ") FROM STDIN (FORMAT binary)");
}

static enum outcome begin(struct writer *writer, const struct write_request *request,
                          struct err *err)
{
    TRY(copy_request(writer, request, err));
    pgc_session_does(writer->session, SIDE_WRITE, "write", &writer->request.table);
    TRY(pgc_takeover_mark(writer->session, &request->checkpoint, err));
    TRY(find_columns(writer, err));
    TRY(choose_encoders(writer, err));
    TRY(pgc_merge_prepare(writer, err));
    if (writer->plan != MERGE_NONE)
        TRY(create_stage(writer, err));
    make_copy(writer);
    return OUTCOME_OK;
}

enum outcome pgc_write_begin(struct session *session, const struct write_request *request,
                             struct writer **ret_writer, struct err *err)
{
    struct writer *writer = calloc(1, sizeof *writer);
    TRY_ALLOC(writer, err);
    writer->session = session;
    arena_init(&writer->arena, SQL_MAX);
    writer->out = str_with_max(ROW_MAX + SEND_BYTES);
    writer->copy = writer->read_back = SQL_NEW;
    for (size_t i = 0; i < MERGE_STEPS_MAX; i++)
        writer->steps[i] = SQL_NEW;
    enum outcome outcome = begin(writer, request, err);
    if (outcome != OUTCOME_OK) {
        pgc_write_end(writer);
        return outcome;
    }
    *ret_writer = writer;
    return OUTCOME_OK;
}

void pgc_write_end(struct writer *writer)
{
    if (writer == NULL)
        return;
    if (writer->session->in_write) {
        writer->session->in_write = false;
        (void)pgc_query_quiet(writer->session, "ROLLBACK");
    }
    for (size_t i = 0; i < MERGE_STEPS_MAX; i++)
        str_done(&writer->steps[i]);
    str_done(&writer->read_back);
    str_done(&writer->copy);
    str_done(&writer->out);
    arena_done(&writer->arena);
    free(writer);
}

/* ---- rows ---- */

/* BEGIN when there is no transaction yet, a savepoint, an empty stage, the COPY: one round trip. */
static enum outcome open_copy(struct writer *writer, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    RESULT_AUTO PGresult *result = NULL;
    if (!writer->session->in_write)
        str_add_text(&sql, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; ");
    writer->session->in_write = true;
    if (writer->savepoint)
        str_add_text(&sql, "RELEASE SAVEPOINT haul_write; ");
    str_add_text(&sql, "SAVEPOINT haul_write; ");
    if (writer->stage_used)
        str_add_text(&sql, "TRUNCATE " PGC_STAGE "; ");
    str_add_slice(&sql, str_slice(&writer->copy));
    sql.failed |= writer->copy.failed;
    TRY(pgc_query_run_str(writer->session, &sql, &result, err));
    writer->savepoint = true;
    writer->stage_used = writer->plan != MERGE_NONE;
    if (PQresultStatus(result) != PGRES_COPY_IN)
        return FAIL_BUG(err, "%s: the server began no COPY", writer->session->subject);
    return OUTCOME_OK;
}

static enum outcome send(struct writer *writer, struct err *err)
{
    struct str *out = &writer->out;
    TRY(pgc_query_copy_put(writer->session, str_text(out), out->len, err));
    if (out->cap > BUFFER_KEEP_BYTES)
        str_done(out); /* one great row must not keep its size for ever */
    str_clear(out);
    return OUTCOME_OK;
}

static enum outcome encode_row(struct writer *writer, const struct batch *batch, size_t row,
                               struct err *err)
{
    struct str *out = &writer->out;
    size_t count = writer->request.column_count;
    const char counted[2] = {(char)(count >> 8), (char)(count & 0xff)};
    str_add(out, counted, sizeof counted);
    for (size_t i = 0; i < count; i++) {
        const struct column *column = &batch->columns[i];
        const struct encode_column *encoder = &writer->encoders[i];
        if (column_is_null(column, row)) {
            str_add(out, "\377\377\377\377", 4);
            continue;
        }
        const char *fault = encoder->encode(encoder, column, row, out);
        if (fault != NULL)
            return pgc_error_row_fault(writer->session, fault, encoder->name, err);
    }
    return out->failed ? FAIL_NO_MEMORY(err) : OUTCOME_OK;
}

static enum outcome send_rows(struct writer *writer, const struct batch *batch, size_t first,
                              size_t count, struct err *err)
{
    str_clear(&writer->out);
    str_add(&writer->out, copy_header, sizeof copy_header);
    for (size_t row = first; row < first + count; row++) {
        TRY(encode_row(writer, batch, row, err));
        if (writer->out.len >= SEND_BYTES)
            TRY(send(writer, err));
    }
    str_add(&writer->out, copy_trailer, sizeof copy_trailer);
    return send(writer, err);
}

static enum outcome copy_rows(struct writer *writer, const struct batch *batch, size_t first,
                              size_t count, int64_t *ret_rows, struct err *err)
{
    TRY(open_copy(writer, err));
    enum outcome outcome = send_rows(writer, batch, first, count, err);
    if (outcome == OUTCOME_OK)
        return pgc_query_copy_end(writer->session, ret_rows, err);
    pgc_query_copy_abort(writer->session);
    return outcome;
}

static enum outcome write_rows(struct writer *writer, const struct batch *batch, size_t first,
                               size_t count, struct write_counts *counts, struct err *err)
{
    int64_t rows = 0;
    TRY(copy_rows(writer, batch, first, count, &rows, err));
    if (writer->plan != MERGE_NONE)
        return pgc_merge_run(writer, rows, counts, err);
    counts->inserted += rows;
    return OUTCOME_OK;
}

enum outcome pgc_write_batch(struct writer *writer, const struct batch *batch, size_t first,
                             size_t count, struct write_counts *counts, struct err *err)
{
    struct session *session = writer->session;
    struct err own = {0};
    if (writer->failed || batch->column_count != writer->request.column_count)
        return FAIL_BUG(err, "a batch of %zu columns for a writer of %zu%s", batch->column_count,
                        writer->request.column_count, writer->failed ? " that has failed" : "");
    if (count == 0)
        return OUTCOME_OK;
    pgc_session_does(session, SIDE_WRITE, "write", &writer->request.table);
    session->row_data = true;
    enum outcome outcome = write_rows(writer, batch, first, count, counts, &own);
    session->row_data = false;
    if (outcome == OUTCOME_OK)
        return OUTCOME_OK;
    writer->failed = !own.row_fault || !writer->savepoint ||
                     !pgc_query_quiet(session, "ROLLBACK TO SAVEPOINT haul_write");
    if (err != NULL)
        *err = own;
    return outcome;
}

enum outcome pgc_write_read_back(struct writer *writer, struct reader **ret_reader, struct err *err)
{
    if (writer->request.key_count == 0 || !writer->stage_used || writer->failed)
        return FAIL_BUG(err, "nothing was written by key that could be read back");
    pgc_session_does(writer->session, SIDE_WRITE, "read back", &writer->request.table);
    return pgc_read_begin_select(writer->session, &writer->read_back, writer->decoders,
                                 writer->request.column_count, ret_reader, err);
}

/* ---- end ---- */

static enum outcome commit(struct session *session, struct err *err)
{
    RESULT_AUTO PGresult *result = NULL;
    TRY(pgc_query_run(session, "COMMIT", &result, err));
    /* The server answers a COMMIT of a failed transaction with ROLLBACK, and without an error. */
    if (strcmp(PQcmdStatus(result), "COMMIT") != 0)
        return FAIL(err, OUTCOME_RETRY, "write.lost", "%s: the server rolled back",
                    session->subject);
    return OUTCOME_OK;
}

enum outcome pgc_write_commit(struct writer *writer, const char *state, struct err *err)
{
    struct session *session = writer->session;
    pgc_session_does(session, SIDE_WRITE, "commit", &writer->request.table);
    if (writer->failed)
        return FAIL_BUG(err, "a failed writer cannot commit");
    enum outcome outcome = OUTCOME_OK;
    if (!session->in_write)
        outcome = pgc_query_do(session, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", err);
    session->in_write = true;
    if (outcome == OUTCOME_OK)
        outcome = pgc_checkpoint_store(session, &writer->request.checkpoint, state, err);
    if (outcome == OUTCOME_OK)
        outcome = commit(session, err);
    if (outcome != OUTCOME_OK)
        (void)pgc_query_quiet(session, "ROLLBACK");
    session->in_write = writer->savepoint = writer->stage_used = false;
    return outcome;
}
