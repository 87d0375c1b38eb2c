/* ledger_row: rows of the ledger, and the command line's questions; see ledger.h. */
#include "run/ledger_row.h"

#define ROWS_DEFAULT 100

enum column_type { COLUMN_TEXT, COLUMN_INT, COLUMN_INT64 };

/* In the order of LEDGER_COLUMNS; the error's texts stand in fixed arrays and are read apart. */
static const struct column {
    enum column_type type;
    size_t offset;
} columns[] = {
    {COLUMN_TEXT, offsetof(struct ledger_row, job_id)},
    {COLUMN_TEXT, offsetof(struct ledger_row, workspace_id)},
    {COLUMN_TEXT, offsetof(struct ledger_row, kind)},
    {COLUMN_TEXT, offsetof(struct ledger_row, subject)},
    {COLUMN_TEXT, offsetof(struct ledger_row, worker)},
    {COLUMN_TEXT, offsetof(struct ledger_row, owner)},
    {COLUMN_TEXT, offsetof(struct ledger_row, state)},
    {COLUMN_INT, offsetof(struct ledger_row, attempt)},
    {COLUMN_INT, offsetof(struct ledger_row, starts)},
    {COLUMN_INT, offsetof(struct ledger_row, redrive_count)},
    {COLUMN_INT64, offsetof(struct ledger_row, fence)},
    {COLUMN_INT64, offsetof(struct ledger_row, sequence)},
    {COLUMN_INT64, offsetof(struct ledger_row, due_us)},
};
#define ERROR_COLUMN (sizeof columns / sizeof columns[0])
#define RESULT_COLUMN (ERROR_COLUMN + 5)

static const struct column rest[] = {
    {COLUMN_TEXT, offsetof(struct ledger_row, result)},
    {COLUMN_TEXT, offsetof(struct ledger_row, first_topic)},
    {COLUMN_INT64, offsetof(struct ledger_row, first_partition)},
    {COLUMN_INT64, offsetof(struct ledger_row, first_offset)},
    {COLUMN_INT64, offsetof(struct ledger_row, created_us)},
    {COLUMN_INT64, offsetof(struct ledger_row, started_us)},
    {COLUMN_INT64, offsetof(struct ledger_row, updated_us)},
    {COLUMN_INT64, offsetof(struct ledger_row, finished_us)},
};

struct cursor {
    const struct pgsql_result *result;
    size_t row, column;
    struct arena *arena;
};

static enum outcome read_columns(struct cursor *at, const struct column *list, size_t count,
                                 struct ledger_row *to, struct err *err)
{
    for (size_t i = 0; i < count; i++, at->column++) {
        void *field = (char *)to + list[i].offset;
        if (list[i].type == COLUMN_INT64) {
            *(int64_t *)field = pgsql_i64(at->result, at->row, at->column, 0);
        } else if (list[i].type == COLUMN_INT) {
            *(int *)field = (int)pgsql_i64(at->result, at->row, at->column, 0);
        } else if (!pgsql_is_null(at->result, at->row, at->column)) {
            char *copy = arena_strdup(at->arena, pgsql_text(at->result, at->row, at->column));
            TRY_ALLOC(copy, err);
            *(const char **)field = copy;
        }
    }
    return OUTCOME_OK;
}

void ledger_error_read(const struct pgsql_result *result, size_t row, size_t column, struct err *to)
{
    struct {
        char *to;
        size_t size;
    } texts[] = {{to->code, sizeof to->code},
                 {to->native, sizeof to->native},
                 {to->message, sizeof to->message},
                 {to->hint, sizeof to->hint}};
    const char *class = pgsql_text(result, row, column);
    if (class != NULL && !outcome_parse(class, &to->outcome))
        to->outcome = OUTCOME_PERMANENT;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *text = pgsql_text(result, row, column + 1 + i);
        text_copy(texts[i].to, texts[i].size, text == NULL ? "" : text);
    }
}

enum outcome ledger_row_read(const struct pgsql_result *result, size_t row, size_t column,
                             struct arena *arena, struct ledger_row *ret_row, struct err *err)
{
    struct cursor at = {.result = result, .row = row, .column = column, .arena = arena};
    struct ledger_row it = {0};
    TRY(read_columns(&at, columns, sizeof columns / sizeof columns[0], &it, err));
    ledger_error_read(result, row, at.column, &it.error);
    at.column += 5;
    TRY(read_columns(&at, rest, sizeof rest / sizeof rest[0], &it, err));
    *ret_row = it;
    return OUTCOME_OK;
}

#define IS_CANCEL_ASKED                                                                            \
    "EXISTS (SELECT FROM haul.cancels c WHERE c.job_id = l.job_id"                                 \
    " AND c.asked_at > coalesce(l.reopened_at, '-infinity')) AS cancel_asked"

enum outcome ledger_get(struct pgsql *db, const char *job_id, struct arena *arena,
                        struct ledger_row *ret_row, struct err *err)
{
    struct pgsql_result *result PGSQL_RESULT_AUTO = NULL;
    struct ledger_row row;
    TRY(pgsql_query(db,
                    "SELECT " LEDGER_COLUMNS("l") ", " IS_CANCEL_ASKED
                                                  " FROM haul.ledger l WHERE l.job_id = $1",
                    PGSQL_PARAMS(job_id), &result, err));
    if (pgsql_rows(result) == 0)
        return FAIL(err, OUTCOME_PERMANENT, "ledger.missing", "no worker has taken a job %.128s",
                    job_id);
    TRY(ledger_row_read(result, 0, 0, arena, &row, err));
    row.cancel_asked = pgsql_bool(result, 0, LEDGER_COLUMN_COUNT);
    *ret_row = row;
    return OUTCOME_OK;
}

enum outcome ledger_list(struct pgsql *db, const struct ledger_filter *filter, struct arena *arena,
                         struct ledger_rows *ret_rows, struct err *err)
{
    struct pgsql_result *result PGSQL_RESULT_AUTO = NULL;
    int64_t limit = filter->limit == 0 ? ROWS_DEFAULT : filter->limit;
    TRY(pgsql_query(
        db,
        "SELECT " LEDGER_COLUMNS(
            "l") ", " IS_CANCEL_ASKED
                 " FROM haul.ledger l WHERE ($1::text IS NULL OR l.workspace_id = $1)"
                 " AND ($2::text IS NULL OR l.kind = $2) AND ($3::text IS NULL OR l.state = $3)"
                 " AND ($4::text IS NULL OR l.worker = $4)"
                 " AND l.created_at >= '1970-01-01Z'::timestamptz + $5::bigint * interval '1 "
                 "microsecond'"
                 " ORDER BY l.created_at DESC, l.job_id LIMIT $6::bigint",
        PGSQL_PARAMS(filter->workspace_id, filter->kind, filter->state, filter->worker,
                     PGSQL_INT(filter->since_us), PGSQL_INT(limit)),
        &result, err));
    size_t count = pgsql_rows(result);
    struct ledger_row *rows = ARENA_ARRAY(arena, struct ledger_row, count);
    TRY_ALLOC(rows, err);
    for (size_t i = 0; i < count; i++) {
        TRY(ledger_row_read(result, i, 0, arena, &rows[i], err));
        rows[i].cancel_asked = pgsql_bool(result, i, LEDGER_COLUMN_COUNT);
        rows[i].result = NULL;
    }
    *ret_rows = (struct ledger_rows){rows, count};
    return OUTCOME_OK;
}

enum outcome ledger_cancel(struct pgsql *db, const struct ledger_cancel *cancel,
                           struct arena *arena, enum ledger_cancel_verdict *ret_verdict,
                           struct ledger_row *ret_row, struct err *err)
{
    struct pgsql_result *result PGSQL_RESULT_AUTO = NULL;
    struct ledger_row row;
    TRY(pgsql_query(
        db, "SELECT c.verdict, " LEDGER_COLUMNS("(c.job)") " FROM haul.ledger_cancel($1, $2, $3) c",
        PGSQL_PARAMS(cancel->job_id, cancel->reason, cancel->actor), &result, err));
    const char *verdict = pgsql_text(result, 0, 0);
    TRY(ledger_row_read(result, 0, 1, arena, &row, err));
    *ret_verdict = strcmp(verdict, "ended") == 0      ? LEDGER_CANCEL_ENDED
                   : strcmp(verdict, "too_late") == 0 ? LEDGER_CANCEL_TOO_LATE
                                                      : LEDGER_CANCEL_ASKED;
    if (ret_row != NULL)
        *ret_row = row;
    return OUTCOME_OK;
}
