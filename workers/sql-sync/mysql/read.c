/* read: streams rows of a query, unbuffered, into batches. */
#include "mysql/mysql_private.h"

#include <stdlib.h>
#include <string.h>

#define READER_MAX ((size_t)4 << 20)
#define CANCEL_EVERY 1024 /* rows */

enum outcome mys_reader_start(struct reader *reader, const struct str *sql, struct err *err)
{
    TRY(mys_run_str(reader->session, reader->side, sql, err));
    reader->result = mysql_use_result(&reader->session->link);
    if (reader->result == NULL)
        return mys_last_error(reader->session, reader->side, err);
    return OUTCOME_OK;
}

/* Enums and sets are kept as numbers, ordered as such, and compared as texts: ordered as texts too,
 * or a filter by the last value would not go on where the order left off. */
static void add_order(struct str *sql, const struct read_request *request,
                      const struct mys_plan *plan)
{
    for (size_t i = 0; i < request->order_count; i++) {
        bool is_choice = false;
        for (size_t k = 0; k < plan->count; k++)
            is_choice |= plan->natives[k].form == MYS_CHOICE &&
                         strcmp(plan->columns[k].name, request->order_by[i]) == 0;
        str_add_text(sql, i == 0 ? " ORDER BY " : ", ");
        str_add_text(sql, is_choice ? "CONCAT(" : "");
        mys_add_name(sql, request->order_by[i]);
        str_add_text(sql, is_choice ? ")" : "");
    }
}

static enum outcome build_read(struct reader *reader, const struct read_request *request,
                               struct str *sql, struct err *err)
{
    const struct mys_plan *plan = &reader->plan;
    str_add_text(sql, plan->count == 0 ? "SELECT 1" : "SELECT ");
    for (size_t i = 0; i < plan->count; i++) {
        str_add_text(sql, i == 0 ? "" : ", ");
        mys_add_select_column(sql, NULL, plan->columns[i].name, &plan->natives[i]);
    }
    str_add_char(sql, ' ');
    mys_add_from(sql, reader->session, &request->stream);
    TRY(mys_add_where(sql, request, err));
    add_order(sql, request, plan);
    if (request->limit > 0)
        str_addf(sql, " LIMIT %lld", (long long)request->limit);
    return OUTCOME_OK;
}

static enum outcome begin(struct reader *reader, const struct read_request *request,
                          struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    TRY(mys_plan_make(reader->session, request, &reader->arena, &reader->plan, err));
    TRY(build_read(reader, request, &sql, err));
    return mys_reader_start(reader, &sql, err);
}

enum outcome mys_read_begin(struct session *session, const struct read_request *request,
                            struct reader **ret_reader, struct err *err)
{
    struct reader *reader = mys_reader_new(session, MYS_SOURCE);
    TRY_ALLOC(reader, err);
    enum outcome outcome = begin(reader, request, err);
    if (outcome != OUTCOME_OK) {
        mys_read_end(reader);
        return outcome;
    }
    *ret_reader = reader;
    return OUTCOME_OK;
}

struct reader *mys_reader_new(struct session *session, enum mys_side side)
{
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return NULL;
    arena_init(&reader->arena, READER_MAX);
    reader->session = session;
    reader->side = side;
    return reader;
}

static inline void decode_row(const struct mys_plan *plan, struct batch *batch, MYSQL_ROW row,
                              const unsigned long *lengths)
{
    for (size_t i = 0; i < plan->count; i++) {
        struct column *column = &batch->columns[i];
        if (row[i] == NULL)
            column_add_null(column);
        else
            plan->decoders[i](batch, column, row[i], lengths[i]);
    }
}

static enum outcome fill(struct reader *reader, struct batch *batch, struct err *err)
{
    struct session *session = reader->session;
    size_t rows = 0;
    while (!reader->at_end && !batch_is_full(batch)) {
        MYSQL_ROW row = mysql_fetch_row(reader->result);
        if (row == NULL) {
            if (mysql_errno(&session->link) != 0)
                return mys_last_error(session, reader->side, err);
            reader->at_end = true;
            break;
        }
        decode_row(&reader->plan, batch, row, mysql_fetch_lengths(reader->result));
        if (!batch_end_row(batch))
            return FAIL_NO_MEMORY(err);
        if (++rows % CANCEL_EVERY == 0)
            TRY(mys_check_cancelled(session, err));
    }
    return OUTCOME_OK;
}

enum outcome mys_read_next(struct reader *reader, struct batch *batch, bool *ret_end,
                           struct err *err)
{
    TRY(mys_check_cancelled(reader->session, err));
    struct session *before = mys_wait_as(reader->session);
    enum outcome outcome = fill(reader, batch, err);
    (void)mys_wait_as(before);
    TRY(outcome);
    *ret_end = reader->at_end;
    return OUTCOME_OK;
}

/* What is still on its way must be read before the connection can be used again: the server is told
 * to send no more. A kill that came too late would hit the next statement: an empty one takes it.
 */
static void abandon(struct reader *reader)
{
    struct session *session = reader->session;
    bool lost = mysql_errno(&session->link) != 0;
    if (!lost && !mys_kill_query(session))
        mys_interrupt(session);
    mysql_free_result(reader->result);
    if (!lost)
        (void)mysql_query(&session->link, "DO 0");
}

void mys_read_end(struct reader *reader)
{
    if (reader == NULL)
        return;
    if (reader->result != NULL && reader->at_end)
        mysql_free_result(reader->result);
    else if (reader->result != NULL)
        abandon(reader);
    arena_done(&reader->arena);
    free(reader);
}

enum outcome mys_count(struct session *session, const struct read_request *request,
                       int64_t *ret_rows, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    str_add_text(&sql, "SELECT COUNT(*) ");
    mys_add_from(&sql, session, &request->stream);
    TRY(mys_add_where(&sql, request, err));
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    TRY(mys_select(session, MYS_SOURCE, &sql, &result, err));
    MYSQL_ROW row = mysql_fetch_row(result);
    if (row == NULL || row[0] == NULL)
        return FAIL_BUG(err, "mysql: COUNT gave nothing");
    *ret_rows = strtoll(row[0], NULL, 10);
    return OUTCOME_OK;
}
