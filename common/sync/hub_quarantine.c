/* hub_quarantine: see hub_quarantine.h. */
#include "sync/hub_quarantine.h"

#include "base/jwrite.h"
#include "base/num.h"
#include "sync/hub_text.h"

#define ENTRIES_MAX_BYTES ((size_t)256 << 20)
#define PAGE_ROWS 200

struct add {
    const struct hub *hub;
    const char *workspace_id, *run_id;
    struct str json;   /* the entries, an array of objects */
    struct str sealed; /* of one entry at a time */
};

static enum outcome write_entry(struct add *add, struct jwrite *w,
                                const struct quarantine_entry *entry, struct err *err)
{
    struct quarantine_place at;
    hub_quarantine_place(add->workspace_id, add->run_id, entry->chunk, entry->row_number, &at);
    str_clear(&add->sealed);
    TRY(seal_add(add->hub->keyring, &at.place, entry->row, &add->sealed, err));
    jwrite_open_object(w);
    jwrite_member_int(w, "chunk", entry->chunk);
    jwrite_member_int(w, "row_number", entry->row_number);
    jwrite_member_text(w, "column_name", entry->column);
    jwrite_member_text(w, "code", entry->code);
    jwrite_member_text(w, "native", entry->native);
    jwrite_member_text(w, "message", entry->message);
    jwrite_member_text(w, "row_sealed", str_text(&add->sealed));
    jwrite_close_object(w);
    return OUTCOME_OK;
}

static enum outcome write_entries(struct add *add, const struct quarantine_entry *entries,
                                  size_t count, struct err *err)
{
    struct jwrite w = jwrite_to(&add->json);
    jwrite_open_array(&w);
    for (size_t i = 0; i < count; i++)
        TRY(write_entry(add, &w, &entries[i], err));
    jwrite_close_array(&w);
    if (add->json.failed || add->sealed.failed)
        return FAIL_NO_MEMORY(err);
    return OUTCOME_OK;
}

/* The run gives job and fence; an unknown one makes them NULL, which the table refuses. */
#define ADD_ENTRIES                                                                                \
    "INSERT INTO haul.quarantine (run_id, workspace_id, sync_id, job_id, fence, chunk,"            \
    " row_number, column_name, code, native, message, row_sealed, key_id)"                         \
    " SELECT $1, $2, $3, (SELECT job_id FROM haul.runs WHERE run_id = $1),"                        \
    " (SELECT fence FROM haul.runs WHERE run_id = $1), e.chunk, e.row_number, e.column_name,"      \
    " e.code, e.native, e.message, e.row_sealed, $5"                                               \
    " FROM json_to_recordset($4::json) AS e (chunk bigint, row_number bigint, column_name text,"   \
    " code text, native text, message text, row_sealed text) ON CONFLICT DO NOTHING"

enum outcome hub_quarantine_add(const struct hub *hub, const struct sync_ref *sync,
                                const char *run_id, const struct quarantine_entry *entries,
                                size_t count, struct err *err)
{
    if (count == 0)
        return OUTCOME_OK;
    TRY(hub_need_keyring(hub, "the quarantine", err));
    struct add add = {hub, sync->workspace_id, run_id, str_with_max(ENTRIES_MAX_BYTES),
                      str_with_max(ENTRIES_MAX_BYTES)};
    enum outcome outcome = write_entries(&add, entries, count, err);
    if (outcome == OUTCOME_OK)
        outcome = pgsql_run(hub->db, ADD_ENTRIES,
                            PGSQL_PARAMS(run_id, sync->workspace_id, sync->sync_id,
                                         str_text(&add.json), keyring_active_id(hub->keyring)),
                            NULL, err);
    str_done(&add.json);
    str_done(&add.sealed);
    return outcome;
}

/* ---- list ---- */

/* After $6..$10 = the last row of the page before; of a chunk only the run with the greatest fence.
 */
#define LIST_ENTRIES                                                                               \
    "SELECT q.workspace_id, q.sync_id, q.job_id, q.run_id, q.chunk, q.row_number, q.column_name,"  \
    " q.code, q.native, q.message," HUB_TIME(                                                      \
        "q.created_at") ","                                                                        \
                        " CASE WHEN $5 THEN q.row_sealed END"                                      \
                        " FROM haul.quarantine q"                                                  \
                        " WHERE ($1::text IS NULL OR q.workspace_id = $1) AND ($2::text IS NULL "  \
                        "OR q.sync_id = $2)"                                                       \
                        " AND ($3::text IS NULL OR q.job_id = $3) AND ($4::text IS NULL OR "       \
                        "q.code = $4)"                                                             \
                        " AND ($6::text IS NULL OR (q.workspace_id, q.sync_id, q.job_id, "         \
                        "q.chunk, q.row_number)"                                                   \
                        "  > ($6, $7, $8, $9::bigint, $10::bigint))"                               \
                        " AND NOT EXISTS (SELECT FROM haul.quarantine n WHERE n.workspace_id = "   \
                        "q.workspace_id"                                                           \
                        "  AND n.sync_id = q.sync_id AND n.job_id = q.job_id AND n.chunk = "       \
                        "q.chunk"                                                                  \
                        "  AND (n.fence, n.run_id) > (q.fence, q.run_id))"                         \
                        " ORDER BY q.workspace_id, q.sync_id, q.job_id, q.chunk, q.row_number "    \
                        "LIMIT $11"

struct list {
    const struct hub *hub;
    const struct quarantine_filter *filter;
    quarantine_visit *visit;
    void *ctx;
    int64_t left; /* rows still wanted */
};

static enum outcome visit_row(const struct list *list, struct quarantine_row *row,
                              const char *sealed, struct err *err)
{
    if (sealed == NULL)
        return list->visit(list->ctx, row, err);
    struct quarantine_place at;
    hub_quarantine_place(row->workspace_id, row->run_id, row->entry.chunk, row->entry.row_number,
                         &at);
    SECRET_AUTO struct secret plain = {0};
    TRY(seal_open(list->hub->keyring, &at.place, sealed, &plain, err));
    row->entry.row = (struct slice){plain.text, plain.len};
    return list->visit(list->ctx, row, err);
}

static struct quarantine_row row_at(const struct pgsql_result *result, size_t i)
{
    return (struct quarantine_row){
        .workspace_id = pgsql_text(result, i, 0),
        .sync_id = pgsql_text(result, i, 1),
        .job_id = pgsql_text(result, i, 2),
        .run_id = pgsql_text(result, i, 3),
        .entry = {.chunk = pgsql_i64(result, i, 4, 0),
                  .row_number = pgsql_i64(result, i, 5, 0),
                  .column = pgsql_text(result, i, 6),
                  .code = pgsql_text(result, i, 7),
                  .native = pgsql_text(result, i, 8),
                  .message = pgsql_text(result, i, 9)},
        .created_at = pgsql_text(result, i, 10),
    };
}

/* Asks for the page behind the last row of `before` (NULL = the first page). */
static enum outcome query_page(const struct list *list, const struct pgsql_result *before,
                               struct pgsql_result **ret_page, struct err *err)
{
    const struct quarantine_filter *filter = list->filter;
    const char *last[] = {NULL, NULL, NULL, NULL, NULL};
    if (before != NULL) {
        static const size_t columns[] = {0, 1, 2, 4, 5};
        for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
            last[i] = pgsql_text(before, pgsql_rows(before) - 1, columns[i]);
    }
    return pgsql_query(list->hub->db, LIST_ENTRIES,
                       PGSQL_PARAMS(filter->workspace_id, filter->sync_id, filter->job_id,
                                    filter->code, PGSQL_BOOL(filter->with_row), last[0], last[1],
                                    last[2], last[3], last[4],
                                    PGSQL_INT(num_min_i64(list->left, PAGE_ROWS))),
                       ret_page, err);
}

static enum outcome visit_page(struct list *list, const struct pgsql_result *page, struct err *err)
{
    for (size_t i = 0; i < pgsql_rows(page); i++) {
        struct quarantine_row row = row_at(page, i);
        TRY(visit_row(list, &row, pgsql_text(page, i, 11), err));
        list->left--;
    }
    return OUTCOME_OK;
}

enum outcome hub_quarantine_list(const struct hub *hub, const struct quarantine_filter *filter,
                                 quarantine_visit *visit, void *ctx, struct err *err)
{
    if (filter->with_row)
        TRY(hub_need_keyring(hub, "showing quarantined rows", err));
    struct list list = {hub, filter, visit, ctx, filter->limit > 0 ? filter->limit : INT64_MAX};
    PGSQL_RESULT_AUTO struct pgsql_result *page = NULL;
    TRY(query_page(&list, NULL, &page, err));
    while (pgsql_rows(page) > 0) {
        TRY(visit_page(&list, page, err));
        if (list.left == 0)
            break;
        struct pgsql_result *next = NULL;
        TRY(query_page(&list, page, &next, err));
        pgsql_result_free(page);
        page = next;
    }
    return OUTCOME_OK;
}
