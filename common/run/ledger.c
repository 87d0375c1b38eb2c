/* ledger: a worker's calls, one SQL function each (schemas/hub/0003_batch.sql, 0006_wait.sql,
 * 0009_place_many.sql). */
#include "run/ledger.h"

#include "run/ledger_row.h"

#define ANSWER_COLUMNS                                                                             \
    "number, verdict, fence, sequence, attempt, starts, redrive_count, due_us, state, result,"     \
    " error_class, error_code, error_native, error_message, error_hint, wait_fence"
enum { NUMBER, VERDICT, FENCE, SEQUENCE, ATTEMPT, STARTS, REDRIVES, DUE, STATE, RESULT, ERROR };
#define WAIT_FENCE (ERROR + 5) /* behind the error's texts */

static const char claim_sql[] =
    "SELECT " ANSWER_COLUMNS
    " FROM haul.ledger_claim_many($1::text[], $2::text[], $3::text[], $4::text[], $5::int[],"
    " $6::int[], $7::bigint[], $8::text[], $9::int[], $10::bigint[], $11::bool[], $12::text[],"
    " $13::bigint[], $14::bool[], $15, $16, $17::int, $18::bigint)";

static const char place_sql[] =
    "SELECT haul.ledger_place_many($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],"
    " $6::int[], $7::bigint[], $8::text[], $9)";

static const char settle_sql[] =
    "SELECT " ANSWER_COLUMNS
    " FROM haul.ledger_settle_many($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::int[],"
    " $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[],"
    " $13::bigint[], $14::bool[])";

static const char cancels_sql[] =
    "SELECT string_agg(c, ',') FROM haul.ledger_cancels(string_to_array($1, ',')) c";

/* ---- arrays of parameters ---- */

#define TEXT(type, member)                                                                         \
    {                                                                                              \
        PGSQL_MEMBER_TEXT, offsetof(struct type, member)                                           \
    }
#define INT(type, member)                                                                          \
    {                                                                                              \
        PGSQL_MEMBER_INT, offsetof(struct type, member)                                            \
    }
#define INT64(type, member)                                                                        \
    {                                                                                              \
        PGSQL_MEMBER_INT64, offsetof(struct type, member)                                          \
    }
#define BOOL(type, member)                                                                         \
    {                                                                                              \
        PGSQL_MEMBER_BOOL, offsetof(struct type, member)                                           \
    }
#define COUNT_OF(table) (sizeof(table) / sizeof(table)[0])

static const struct pgsql_column claim_columns[] = {
    TEXT(ledger_claim, job_id),
    TEXT(ledger_claim, workspace_id),
    TEXT(ledger_claim, kind),
    TEXT(ledger_claim, subject),
    INT(ledger_claim, attempt),
    INT(ledger_claim, redrive_count),
    INT64(ledger_claim, not_before_us),
    TEXT(ledger_claim, first_topic),
    INT(ledger_claim, first_partition),
    INT64(ledger_claim, first_offset),
    BOOL(ledger_claim, is_ordered),
    TEXT(ledger_claim, dedupe_key),
    INT64(ledger_claim, dedupe_window_us),
    BOOL(ledger_claim, is_alone),
};

static const struct pgsql_column place_columns[] = {
    TEXT(ledger_claim, job_id),        TEXT(ledger_claim, workspace_id),
    TEXT(ledger_claim, kind),          TEXT(ledger_claim, subject),
    TEXT(ledger_claim, first_topic),   INT(ledger_claim, first_partition),
    INT64(ledger_claim, first_offset), TEXT(ledger_claim, dedupe_key),
};

/* A settlement as the function takes it. */
struct settle_row {
    const char *job_id;
    int64_t fence, sequence;
    const char *state; /* NULL = it waits */
    int next_attempt;
    int64_t due_us;
    const char *error_class, *error_code, *error_native, *error_message, *error_hint, *result;
    int64_t wait_fence;
    bool is_unbegun;
};
static const struct pgsql_column settle_columns[] = {
    TEXT(settle_row, job_id),        INT64(settle_row, fence),      INT64(settle_row, sequence),
    TEXT(settle_row, state),         INT(settle_row, next_attempt), INT64(settle_row, due_us),
    TEXT(settle_row, error_class),   TEXT(settle_row, error_code),  TEXT(settle_row, error_native),
    TEXT(settle_row, error_message), TEXT(settle_row, error_hint),  TEXT(settle_row, result),
    INT64(settle_row, wait_fence),   BOOL(settle_row, is_unbegun),
};
#define PARAMS_MAX 18

static enum outcome add_arrays(struct pgsql_structs structs, const struct pgsql_column *columns,
                               size_t count, struct arena *arena, const char **to, struct err *err)
{
    /* Most have no error, no dedupe key, no earlier attempt: the functions take NULL for that. */
    for (size_t i = 0; i < count; i++) {
        to[i] = NULL;
        if (pgsql_is_all_zero(structs, columns[i]))
            continue;
        to[i] = pgsql_array(structs, columns[i], arena);
        TRY_ALLOC(to[i], err);
    }
    return OUTCOME_OK;
}

/* ---- answers ---- */

struct answers {
    const struct pgsql_result *result;
    struct arena *arena;
    const char *const *verdicts; /* in the order of the enum, NULL at the end */
};

static enum outcome parse_verdict(const char *text, const char *const *names, int *ret_verdict,
                                  struct err *err)
{
    for (int i = 0; text != NULL && names[i] != NULL; i++) {
        if (strcmp(names[i], text) == 0) {
            *ret_verdict = i;
            return OUTCOME_OK;
        }
    }
    return FAIL(err, OUTCOME_PERMANENT, "hub.not_migrated",
                "the hub's ledger gave a verdict that this program does not know");
}

static enum outcome read_texts(const struct answers *in, size_t row, struct ledger_claimed *to,
                               struct err *err)
{
    if (!pgsql_is_null(in->result, row, ERROR + 1)) {
        struct err *error = ARENA_NEW(in->arena, struct err);
        TRY_ALLOC(error, err);
        ledger_error_read(in->result, row, ERROR, error);
        to->error = error;
    }
    if (pgsql_is_null(in->result, row, RESULT))
        return OUTCOME_OK;
    to->result = arena_strdup(in->arena, pgsql_text(in->result, row, RESULT));
    TRY_ALLOC(to->result, err);
    return OUTCOME_OK;
}

static int int_at(const struct answers *in, size_t row, size_t column)
{
    return (int)pgsql_i64(in->result, row, column, 0);
}

static enum outcome read_answer(const struct answers *in, size_t row, int *ret_verdict,
                                struct ledger_claimed *ret_claimed, struct err *err)
{
    int verdict = 0;
    TRY(parse_verdict(pgsql_text(in->result, row, VERDICT), in->verdicts, &verdict, err));
    struct ledger_claimed claimed = {.fence = pgsql_i64(in->result, row, FENCE, 0),
                                     .attempt = int_at(in, row, ATTEMPT),
                                     .starts = int_at(in, row, STARTS),
                                     .sequence = pgsql_i64(in->result, row, SEQUENCE, 0),
                                     .due_us = pgsql_i64(in->result, row, DUE, 0),
                                     .wait_fence = pgsql_i64(in->result, row, WAIT_FENCE, 0),
                                     .redrive_count = int_at(in, row, REDRIVES)};
    const char *state = pgsql_text(in->result, row, STATE);
    if (!event_state_parse(state == NULL ? "" : state, &claimed.state))
        claimed.state = EVENT_STARTED;
    TRY(read_texts(in, row, &claimed, err));
    *ret_claimed = claimed;
    *ret_verdict = verdict;
    return OUTCOME_OK;
}

/* In the place of what who is behind has not: haul.ledger_claim_one says so. */
static void read_places(struct ledger_claimed *claimed)
{
    claimed->place = claimed->fence;
    claimed->head_place = claimed->sequence;
    claimed->fence = claimed->sequence = 0;
}

/* Which item the row answers; none may be answered twice. */
static enum outcome number_of(const struct answers *in, size_t row, size_t count, bool *seen,
                              size_t *ret_number, struct err *err)
{
    int64_t number = pgsql_i64(in->result, row, NUMBER, 0);
    if (number < 1 || (size_t)number > count || seen[number - 1])
        return FAIL(err, OUTCOME_PERMANENT, "hub.not_migrated",
                    "the hub's ledger gave answers that don't fit the questions");
    seen[number - 1] = true;
    *ret_number = (size_t)number - 1;
    return OUTCOME_OK;
}

/* True in `ret_has_rest`: the first row answers all that have none of their own. */
static enum outcome check_count(const struct pgsql_result *result, size_t count, bool *ret_has_rest,
                                struct err *err)
{
    size_t rows = pgsql_rows(result);
    bool has_rest = rows > 0 && pgsql_i64(result, 0, NUMBER, -1) == 0;
    if (has_rest ? rows > count : rows != count)
        return FAIL(err, OUTCOME_PERMANENT, "hub.not_migrated",
                    "the hub's ledger gave %zu answers to %zu questions", rows, count);
    *ret_has_rest = has_rest;
    return OUTCOME_OK;
}

/* ---- the calls ---- */

/* New jobs: fences in the order of the claims, the rest as it was claimed. */
static enum outcome read_rest(const struct answers *in, const struct ledger_claims *claims,
                              struct ledger_claimed *ret_claimed, struct err *err)
{
    struct ledger_claimed first;
    int verdict = 0;
    TRY(read_answer(in, 0, &verdict, &first, err));
    for (size_t i = 0; i < claims->count; i++) {
        ret_claimed[i] = first;
        ret_claimed[i].verdict = (enum ledger_verdict)verdict;
        ret_claimed[i].fence = first.fence + (int64_t)i;
        ret_claimed[i].attempt = claims->items[i].attempt;
        ret_claimed[i].redrive_count = claims->items[i].redrive_count;
    }
    return OUTCOME_OK;
}

enum outcome ledger_claim_many(struct pgsql *db, const struct ledger_claims *claims,
                               struct arena *arena, struct ledger_claimed *ret_claimed,
                               struct err *err)
{
    static const char *const verdicts[] = {
        [LEDGER_RUN] = "run",         [LEDGER_DONE] = "done",
        [LEDGER_WAIT] = "wait",       [LEDGER_CANCELLED] = "cancelled",
        [LEDGER_POISON] = "poison",   [LEDGER_BEHIND] = "behind",
        [LEDGER_SUSPECT] = "suspect", [LEDGER_SUSPECT + 1] = NULL};
    struct pgsql_result *result PGSQL_RESULT_AUTO = NULL;
    struct pgsql_structs structs = {claims->items, sizeof *claims->items, claims->count};
    size_t arrays = COUNT_OF(claim_columns);
    const char *params[PARAMS_MAX];
    bool has_rest = false, *seen = ARENA_ARRAY(arena, bool, claims->count);
    TRY_ALLOC(seen, err);
    TRY(add_arrays(structs, claim_columns, arrays, arena, params, err));
    params[arrays] = claims->worker;
    params[arrays + 1] = claims->owner;
    params[arrays + 2] = PGSQL_INT(claims->max_starts);
    params[arrays + 3] = PGSQL_INT(claims->now_us);
    TRY(pgsql_query(db, claim_sql, (struct pgsql_params){params, arrays + 4}, &result, err));
    TRY(check_count(result, claims->count, &has_rest, err));
    struct answers in = {result, arena, verdicts};
    if (has_rest)
        TRY(read_rest(&in, claims, ret_claimed, err));
    for (size_t row = has_rest ? 1 : 0; row < pgsql_rows(result); row++) {
        size_t number = 0;
        int verdict = 0;
        TRY(number_of(&in, row, claims->count, seen, &number, err));
        TRY(read_answer(&in, row, &verdict, &ret_claimed[number], err));
        ret_claimed[number].verdict = (enum ledger_verdict)verdict;
        if (verdict == LEDGER_BEHIND)
            read_places(&ret_claimed[number]);
    }
    return OUTCOME_OK;
}

enum outcome ledger_place_many(struct pgsql *db, const struct ledger_claims *jobs,
                               struct arena *arena, struct err *err)
{
    struct pgsql_structs structs = {jobs->items, sizeof *jobs->items, jobs->count};
    size_t arrays = COUNT_OF(place_columns);
    const char *params[PARAMS_MAX];
    TRY(add_arrays(structs, place_columns, arrays, arena, params, err));
    params[arrays] = jobs->worker;
    return pgsql_run(db, place_sql, (struct pgsql_params){params, arrays + 1}, NULL, err);
}

static const char *or_null(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

static struct settle_row row_of(const struct ledger_settlement *it)
{
    struct settle_row row = {.job_id = it->job_id,
                             .fence = it->fence,
                             .sequence = it->sequence,
                             .state = it->is_end ? event_state_name(it->state) : NULL,
                             .next_attempt = it->next_attempt,
                             .due_us = it->due_us,
                             .result = it->result,
                             .wait_fence = it->wait_fence,
                             .is_unbegun = it->is_unbegun};
    if (it->error != NULL) {
        row.error_class = outcome_name(it->error->outcome);
        row.error_code = or_null(it->error->code);
        row.error_native = or_null(it->error->native);
        row.error_message = or_null(it->error->message);
        row.error_hint = or_null(it->error->hint);
    }
    return row;
}

enum outcome ledger_settle_many(struct pgsql *db, const struct ledger_settlement *list,
                                size_t count, struct arena *arena,
                                struct ledger_settled *ret_settled, struct err *err)
{
    static const char *const answers[] = {[LEDGER_OURS] = "ours",
                                          [LEDGER_FENCED] = "fenced",
                                          [LEDGER_ENDED_CANCELLED] = "cancelled",
                                          [LEDGER_ENDED_CANCELLED + 1] = NULL};
    struct pgsql_result *result PGSQL_RESULT_AUTO = NULL;
    const char *params[PARAMS_MAX];
    size_t arrays = COUNT_OF(settle_columns);
    struct settle_row *rows = ARENA_ARRAY(arena, struct settle_row, count);
    bool has_rest = false, *seen = ARENA_ARRAY(arena, bool, count);
    TRY_ALLOC(rows, err);
    TRY_ALLOC(seen, err);
    for (size_t i = 0; i < count; i++)
        rows[i] = row_of(&list[i]);
    struct pgsql_structs structs = {rows, sizeof *rows, count};
    TRY(add_arrays(structs, settle_columns, arrays, arena, params, err));
    TRY(pgsql_query(db, settle_sql, (struct pgsql_params){params, arrays}, &result, err));
    TRY(check_count(result, count, &has_rest, err));
    struct answers in = {result, arena, answers};
    for (size_t i = 0; has_rest && i < count; i++)
        ret_settled[i] = (struct ledger_settled){.answer = LEDGER_OURS};
    for (size_t row = has_rest ? 1 : 0; row < pgsql_rows(result); row++) {
        size_t number = 0;
        int answer = 0;
        TRY(number_of(&in, row, count, seen, &number, err));
        TRY(read_answer(&in, row, &answer, &ret_settled[number].after, err));
        ret_settled[number].answer = (enum ledger_answer)answer;
    }
    return OUTCOME_OK;
}

enum outcome ledger_now(struct pgsql *db, int64_t *ret_now_us, struct err *err)
{
    struct pgsql_result *result PGSQL_RESULT_AUTO = NULL;
    TRY(pgsql_query(db, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
                    PGSQL_NONE, &result, err));
    *ret_now_us = pgsql_i64(result, 0, 0, 0);
    return OUTCOME_OK;
}

enum outcome ledger_cancels(struct pgsql *db, const char *job_ids, struct arena *arena,
                            const char **ret_job_ids, struct err *err)
{
    struct pgsql_result *result PGSQL_RESULT_AUTO = NULL;
    TRY(pgsql_query(db, cancels_sql, PGSQL_PARAMS(job_ids), &result, err));
    const char *found = pgsql_text(result, 0, 0);
    found = arena_strdup(arena, found == NULL ? "" : found);
    TRY_ALLOC(found, err);
    *ret_job_ids = found;
    return OUTCOME_OK;
}
