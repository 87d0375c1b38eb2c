/* family: one SQL function a call (schemas/hub/0004_fan_out.sql); see family.h. */
#include "run/family.h"

#include "run/ledger_row.h"

/* ---- answers ---- */

struct row {
    const struct pgsql_result *result;
    size_t number;
    struct arena *arena;
    bool failed; /* memory; sticky */
};

static const char *text_at(struct row *row, size_t column)
{
    const char *text = pgsql_text(row->result, row->number, column);
    if (text == NULL)
        return NULL;
    const char *copy = arena_strdup(row->arena, text);
    row->failed |= copy == NULL;
    return copy;
}

static int64_t i64_at(const struct row *row, size_t column)
{
    return pgsql_i64(row->result, row->number, column, 0);
}

static struct fan_in counts_at(const struct row *row, size_t column)
{
    return (struct fan_in){.total = (size_t)i64_at(row, column),
                           .done = (size_t)i64_at(row, column + 1),
                           .failed = (size_t)i64_at(row, column + 2)};
}

/* ---- the parent ---- */

enum outcome family_look(struct pgsql *db, const char *parent_id, struct arena *arena,
                         struct family_look *ret_look, struct err *err)
{
    PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
    TRY(pgsql_query(db,
                    "SELECT total, done, failed, failed_number, error_class, error_code,"
                    " error_native, error_message, error_hint FROM haul.children_look($1)",
                    PGSQL_PARAMS(parent_id), &result, err));
    *ret_look = (struct family_look){.failed_number = 0};
    if (pgsql_rows(result) == 0)
        return OUTCOME_OK;
    struct row row = {result, 0, arena, false};
    ret_look->counts = counts_at(&row, 0);
    ret_look->failed_number = i64_at(&row, 3);
    ledger_error_read(result, 0, 4, &ret_look->failure);
    return OUTCOME_OK;
}

static enum outcome read_children(const struct pgsql_result *result, struct arena *arena,
                                  struct family_children *ret_children, struct err *err)
{
    size_t count = pgsql_rows(result);
    struct family_child *items = ARENA_ARRAY(arena, struct family_child, count);
    TRY_ALLOC(items, err);
    struct row row = {result, 0, arena, false};
    for (row.number = 0; row.number < count; row.number++)
        items[row.number] =
            (struct family_child){.id = text_at(&row, 0), .number = i64_at(&row, 1)};
    if (row.failed)
        return FAIL_NO_MEMORY(err);
    *ret_children = (struct family_children){items, count};
    return OUTCOME_OK;
}

enum outcome family_spawn(struct pgsql *db, const struct family_spawn *spawn, struct arena *arena,
                          struct family_children *ret_children, struct err *err)
{
    PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
    struct pgsql_structs structs = {spawn->children.items, sizeof *spawn->children.items,
                                    spawn->children.count};
    const char *numbers = pgsql_array(
        structs, (struct pgsql_column){PGSQL_MEMBER_INT64, offsetof(struct family_child, number)},
        arena);
    const char *payloads = pgsql_array(
        structs, (struct pgsql_column){PGSQL_MEMBER_TEXT, offsetof(struct family_child, payload)},
        arena);
    TRY_ALLOC(numbers, err);
    TRY_ALLOC(payloads, err);
    TRY(pgsql_query(db,
                    "SELECT child_id, number FROM haul.children_spawn($1, $2::bigint, $3,"
                    " $4::bigint, $5, $6, $7::json, $8::bigint[], $9::text[])",
                    PGSQL_PARAMS(spawn->parent_id, PGSQL_INT(spawn->fence), spawn->plan,
                                 spawn->rows_total < 0 ? NULL : PGSQL_INT(spawn->rows_total),
                                 spawn->record.key, spawn->record.value, spawn->record.headers,
                                 numbers, payloads),
                    &result, err));
    return read_children(result, arena, ret_children, err);
}

enum outcome family_told(struct pgsql *db, const char *parent_id, const char *plan, struct err *err)
{
    return pgsql_query(db, "SELECT haul.children_told($1, $2)", PGSQL_PARAMS(parent_id, plan), NULL,
                       err);
}

enum outcome family_close(struct pgsql *db, const char *parent_id, int64_t fence, struct err *err)
{
    return pgsql_query(db, "SELECT haul.children_close($1, $2::bigint)",
                       PGSQL_PARAMS(parent_id, PGSQL_INT(fence)), NULL, err);
}

enum outcome family_results(struct pgsql *db, const char *parent_id, struct arena *arena,
                            struct family_results *ret_results, struct err *err)
{
    PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
    TRY(pgsql_query(db, "SELECT number, result, owner FROM haul.children_results($1)",
                    PGSQL_PARAMS(parent_id), &result, err));
    size_t count = pgsql_rows(result);
    struct family_result *items = ARENA_ARRAY(arena, struct family_result, count);
    TRY_ALLOC(items, err);
    struct row row = {result, 0, arena, false};
    for (row.number = 0; row.number < count; row.number++)
        items[row.number] = (struct family_result){
            .number = i64_at(&row, 0), .result = text_at(&row, 1), .owner = text_at(&row, 2)};
    if (row.failed)
        return FAIL_NO_MEMORY(err);
    *ret_results = (struct family_results){items, count};
    return OUTCOME_OK;
}

/* ---- a child ---- */

enum outcome family_begin(struct pgsql *db, const char *child_id, struct arena *arena,
                          struct family_task *ret_task, struct err *err)
{
    static const char *const verdicts[] = {
        [FAMILY_RUN] = "run", [FAMILY_DONE] = "done", [FAMILY_STALE] = "stale"};
    PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
    TRY(pgsql_query(db,
                    "SELECT verdict, number, payload, parent_id, record_value, result"
                    " FROM haul.child_begin($1)",
                    PGSQL_PARAMS(child_id), &result, err));
    struct row row = {result, 0, arena, false};
    const char *verdict = pgsql_rows(result) == 0 ? NULL : pgsql_text(result, 0, 0);
    for (int i = FAMILY_RUN; verdict != NULL && i <= FAMILY_STALE; i++) {
        if (strcmp(verdicts[i], verdict) != 0)
            continue;
        *ret_task = (struct family_task){.verdict = (enum family_verdict)i,
                                         .number = i64_at(&row, 1),
                                         .payload = text_at(&row, 2),
                                         .parent_id = text_at(&row, 3),
                                         .parent_value = text_at(&row, 4),
                                         .result = text_at(&row, 5)};
        return row.failed ? FAIL_NO_MEMORY(err) : OUTCOME_OK;
    }
    return FAIL(err, OUTCOME_PERMANENT, "hub.not_migrated",
                "the hub gave a child a verdict that this program does not know");
}

static const char *text_or_null(const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : text;
}

enum outcome family_end(struct pgsql *db, const struct family_end *end, struct arena *arena,
                        struct family_parent *ret_parent, struct err *err)
{
    static const struct err none;
    PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
    const struct err *failure = end->failure == NULL ? &none : end->failure;
    TRY(pgsql_query(
        db,
        "SELECT total, done, failed, parent_id, record_key, record_value, record_headers"
        " FROM haul.child_end($1, $2::bigint, $3::json, $4, $5, $6, $7, $8)",
        PGSQL_PARAMS(end->child_id, PGSQL_INT(end->rows_done), end->result,
                     end->failure == NULL ? NULL : outcome_name(failure->outcome),
                     text_or_null(failure->code), text_or_null(failure->native),
                     text_or_null(failure->message), text_or_null(failure->hint)),
        &result, err));
    *ret_parent = (struct family_parent){.id = NULL};
    if (pgsql_rows(result) == 0)
        return OUTCOME_OK;
    struct row row = {result, 0, arena, false};
    *ret_parent = (struct family_parent){.counts = counts_at(&row, 0),
                                         .id = text_at(&row, 3),
                                         .record = {.key = text_at(&row, 4),
                                                    .value = text_at(&row, 5),
                                                    .headers = text_at(&row, 6)}};
    return row.failed ? FAIL_NO_MEMORY(err) : OUTCOME_OK;
}

enum outcome family_progress(struct pgsql *db, const char *child_id, int64_t rows_done,
                             struct arena *arena, struct family_progress *ret_progress,
                             struct err *err)
{
    PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
    TRY(pgsql_query(
        db,
        "SELECT parent_id, workspace_id, kind, rows_done, rows_total, sequence, attempt,"
        " redrive_count FROM haul.child_progress($1, $2::bigint)",
        PGSQL_PARAMS(child_id, PGSQL_INT(rows_done)), &result, err));
    *ret_progress = (struct family_progress){.parent_id = NULL};
    if (pgsql_rows(result) == 0)
        return OUTCOME_OK;
    struct row row = {result, 0, arena, false};
    *ret_progress = (struct family_progress){.parent_id = text_at(&row, 0),
                                             .workspace_id = text_at(&row, 1),
                                             .kind = text_at(&row, 2),
                                             .rows_done = i64_at(&row, 3),
                                             .rows_total = pgsql_i64(result, 0, 4, -1),
                                             .sequence = i64_at(&row, 5),
                                             .attempt = (int)i64_at(&row, 6),
                                             .redrive_count = (int)i64_at(&row, 7)};
    return row.failed ? FAIL_NO_MEMORY(err) : OUTCOME_OK;
}
