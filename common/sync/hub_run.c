/* hub_run: see hub_run.h. */
#include "sync/hub_run.h"

#include "base/clock.h"
#include "sync/hub_text.h"

#define RUNS_DEFAULT 50

enum outcome hub_run_begin(const struct hub *hub, const struct run_begin *begin,
                           char ret_run_id[RUN_ID_SIZE], struct err *err)
{
    char run_id[ULID_TEXT_SIZE];
    ulid_format(clock_wall_us() / US_PER_MS, run_id);
    TRY(pgsql_run(hub->db,
                  "INSERT INTO haul.runs"
                  " (run_id, workspace_id, sync_id, job_id, attempt, fence, mode, worker)"
                  " VALUES ($1, $2, $3, $4, $5::integer, $6::bigint, $7, $8)",
                  PGSQL_PARAMS(run_id, begin->sync.workspace_id, begin->sync.sync_id, begin->job_id,
                               PGSQL_INT(begin->attempt), PGSQL_INT(begin->fence), begin->mode,
                               begin->worker),
                  NULL, err));
    memcpy(ret_run_id, run_id, sizeof run_id);
    return OUTCOME_OK;
}

static const char *null_if_empty(const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : text;
}

enum outcome hub_run_finish(const struct hub *hub, const char *run_id, const struct run_end *end,
                            struct err *err)
{
    static const struct err none;
    const struct err *failure = end->failure == NULL ? &none : end->failure;
    const struct pgsql_statement statements[] = {
        {"UPDATE haul.runs SET finished_at = clock_timestamp(), outcome = $2, error_code = $3,"
         " error_native = $4, error_message = $5, error_hint = $6, rows_read = $7::bigint,"
         " rows_written = $8::bigint, rows_rejected = $9::bigint, rows_deleted = $10::bigint,"
         " bytes_read = $11::bigint WHERE run_id = $1 AND finished_at IS NULL",
         PGSQL_PARAMS(run_id, outcome_name(end->outcome), null_if_empty(failure->code),
                      null_if_empty(failure->native), null_if_empty(failure->message),
                      null_if_empty(failure->hint), PGSQL_INT(end->rows_read),
                      PGSQL_INT(end->rows_written), PGSQL_INT(end->rows_rejected),
                      PGSQL_INT(end->rows_deleted), PGSQL_INT(end->bytes_read))},
        {"INSERT INTO haul.receipts (run_id, receipt) VALUES ($1, $2::json) ON CONFLICT DO NOTHING",
         PGSQL_PARAMS(run_id, end->receipt)},
    };
    return pgsql_batch(hub->db, statements, end->receipt == NULL ? 1 : 2, NULL, err);
}

#define RUN_COLUMNS                                                                                \
    "SELECT r.run_id, r.workspace_id, r.sync_id, r.job_id, r.mode, r.worker,"                      \
    " r.attempt, r.fence," HUB_TIME("r.started_at") "," HUB_TIME(                                  \
        "r.finished_at") ","                                                                       \
                         " r.outcome, r.error_code, r.error_message, r.error_hint,"                \
                         " r.rows_read, r.rows_written, r.rows_rejected, r.rows_deleted, "         \
                         "r.bytes_read,"                                                           \
                         " CASE WHEN $5 THEN (SELECT receipt::text FROM haul.receipts p WHERE "    \
                         "p.run_id = r.run_id) END"                                                \
                         " FROM haul.runs r"                                                       \
                         " WHERE ($1::text IS NULL OR r.workspace_id = $1)"                        \
                         " AND ($2::text IS NULL OR r.sync_id = $2) AND ($3::text IS NULL OR "     \
                         "r.job_id = $3)"                                                          \
                         " ORDER BY r.started_at DESC, r.run_id DESC LIMIT $4"

static bool copy_run(const struct pgsql_result *result, size_t row, struct arena *arena,
                     struct run_row *to)
{
    struct hub_texts texts = {result, row, arena, false};
    const char **const columns[] = {
        &to->run_id, &to->workspace_id, &to->sync_id, &to->job_id, &to->mode, &to->worker,
    };
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        *columns[i] = hub_text(&texts, i);
    to->attempt = pgsql_i64(result, row, 6, 0);
    to->fence = pgsql_i64(result, row, 7, 0);
    to->started_at = hub_text(&texts, 8);
    to->finished_at = hub_text(&texts, 9);
    to->outcome = hub_text(&texts, 10);
    to->error_code = hub_text(&texts, 11);
    to->error_message = hub_text(&texts, 12);
    to->error_hint = hub_text(&texts, 13);
    to->rows_read = pgsql_i64(result, row, 14, 0);
    to->rows_written = pgsql_i64(result, row, 15, 0);
    to->rows_rejected = pgsql_i64(result, row, 16, 0);
    to->rows_deleted = pgsql_i64(result, row, 17, 0);
    to->bytes_read = pgsql_i64(result, row, 18, 0);
    to->receipt = hub_text(&texts, 19);
    return !texts.failed;
}

enum outcome hub_run_list(const struct hub *hub, const struct run_filter *filter,
                          struct arena *arena, struct run_rows *ret_rows, struct err *err)
{
    PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
    int64_t limit = filter->limit > 0 ? filter->limit : RUNS_DEFAULT;
    TRY(pgsql_query(hub->db, RUN_COLUMNS,
                    PGSQL_PARAMS(filter->workspace_id, filter->sync_id, filter->job_id,
                                 PGSQL_INT(limit), PGSQL_BOOL(filter->with_receipt)),
                    &result, err));
    size_t count = pgsql_rows(result);
    struct run_row *items = ARENA_ARRAY(arena, struct run_row, count + 1);
    TRY_ALLOC(items, err);
    for (size_t i = 0; i < count; i++) {
        if (!copy_run(result, i, arena, &items[i]))
            return FAIL_NO_MEMORY(err);
    }
    *ret_rows = (struct run_rows){items, count};
    return OUTCOME_OK;
}
