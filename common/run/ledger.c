/* ledger: a worker's calls, one SQL function each (schemas/hub/0002_runtime.sql). */
#include "run/ledger.h"

#include "run/ledger_row.h"

static const char claim_sql[] =
    "SELECT c.verdict, " LEDGER_COLUMNS("(c.job)") " FROM haul.ledger_claim($1, $2, $3, $4, $5, "
                                                   "$6, $7::int, $8::int, $9::int, $10::bigint,"
                                                   " $11::bigint, $12, $13::int, $14::bigint) c";

static const char finish_sql[] =
    "SELECT haul.ledger_finish($1, $2::bigint, $3::bigint, $4, $5, $6, $7, $8, $9, $10::json)";

static const char release_sql[] =
    "SELECT c.verdict, " LEDGER_COLUMNS("(c.job)") " FROM haul.ledger_release($1, $2::bigint, "
                                                   "$3::int, $4::bigint, $5, $6, $7, $8, $9) c";

static const char cancels_sql[] =
    "SELECT string_agg(c, ',') FROM haul.ledger_cancels(string_to_array($1, ',')) c";

static const char *or_null(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

/* The names of a verdict, in the enum's order. */
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

static enum outcome read_claimed(const struct pgsql_result *result, struct arena *arena,
                                 struct ledger_claimed *ret_claimed, struct err *err)
{
    struct ledger_row row;
    TRY(ledger_row_read(result, 0, 1, arena, &row, err));
    struct ledger_claimed claimed = {.fence = row.fence,
                                     .attempt = row.attempt,
                                     .starts = row.starts,
                                     .sequence = row.sequence,
                                     .due_us = row.due_us,
                                     .redrive_count = row.redrive_count,
                                     .error = row.error,
                                     .result = row.result};
    if (!event_state_parse(row.state == NULL ? "" : row.state, &claimed.state))
        claimed.state = EVENT_STARTED;
    *ret_claimed = claimed;
    return OUTCOME_OK;
}

enum outcome ledger_claim(struct pgsql *db, const struct ledger_claim *claim, struct arena *arena,
                          struct ledger_claimed *ret_claimed, struct err *err)
{
    static const char *const verdicts[] = {
        [LEDGER_RUN] = "run",       [LEDGER_DONE] = "done",
        [LEDGER_WAIT] = "wait",     [LEDGER_CANCELLED] = "cancelled",
        [LEDGER_POISON] = "poison", [LEDGER_POISON + 1] = NULL};
    struct pgsql_result *result PGSQL_RESULT_AUTO = NULL;
    struct ledger_claimed claimed;
    int verdict = 0;
    TRY(pgsql_query(db, claim_sql,
                    PGSQL_PARAMS(claim->job_id, claim->workspace_id, claim->kind, claim->subject,
                                 claim->worker, claim->owner, PGSQL_INT(claim->attempt),
                                 PGSQL_INT(claim->redrive_count), PGSQL_INT(claim->max_starts),
                                 PGSQL_INT(claim->not_before_us), PGSQL_INT(claim->now_us),
                                 claim->first_topic, PGSQL_INT(claim->first_partition),
                                 PGSQL_INT(claim->first_offset)),
                    &result, err));
    TRY(parse_verdict(pgsql_text(result, 0, 0), verdicts, &verdict, err));
    TRY(read_claimed(result, arena, &claimed, err));
    claimed.verdict = (enum ledger_verdict)verdict;
    *ret_claimed = claimed;
    return OUTCOME_OK;
}

static const struct err no_error;

enum outcome ledger_finish(struct pgsql *db, const struct ledger_end *end, bool *ret_ours,
                           struct err *err)
{
    struct pgsql_result *result PGSQL_RESULT_AUTO = NULL;
    const struct err *e = end->error == NULL ? &no_error : end->error;
    TRY(pgsql_query(db, finish_sql,
                    PGSQL_PARAMS(end->job_id, PGSQL_INT(end->fence), PGSQL_INT(end->sequence),
                                 event_state_name(end->state),
                                 end->error == NULL ? NULL : outcome_name(e->outcome),
                                 or_null(e->code), or_null(e->native), or_null(e->message),
                                 or_null(e->hint), end->result),
                    &result, err));
    *ret_ours = pgsql_bool(result, 0, 0);
    return OUTCOME_OK;
}

enum outcome ledger_release(struct pgsql *db, const struct ledger_wait *wait, struct arena *arena,
                            enum ledger_release_verdict *ret_verdict,
                            struct ledger_claimed *ret_claimed, struct err *err)
{
    static const char *const verdicts[] = {[LEDGER_RELEASED] = "released",
                                           [LEDGER_RELEASE_FENCED] = "fenced",
                                           [LEDGER_RELEASE_CANCELLED] = "cancelled",
                                           [LEDGER_RELEASE_CANCELLED + 1] = NULL};
    struct pgsql_result *result PGSQL_RESULT_AUTO = NULL;
    const struct err *e = wait->error == NULL ? &no_error : wait->error;
    struct ledger_claimed claimed;
    int verdict = 0;
    TRY(pgsql_query(
        db, release_sql,
        PGSQL_PARAMS(wait->job_id, PGSQL_INT(wait->fence), PGSQL_INT(wait->next_attempt),
                     PGSQL_INT(wait->due_us), wait->error == NULL ? NULL : outcome_name(e->outcome),
                     or_null(e->code), or_null(e->native), or_null(e->message), or_null(e->hint)),
        &result, err));
    TRY(parse_verdict(pgsql_text(result, 0, 0), verdicts, &verdict, err));
    TRY(read_claimed(result, arena, &claimed, err));
    *ret_verdict = (enum ledger_release_verdict)verdict;
    *ret_claimed = claimed;
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
