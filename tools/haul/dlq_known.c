/* dlq_known: see dlq_known.h. */
#include "dlq_known.h"

#include "base/clock.h"
#include "base/jwrite.h"
#include "model/event.h"

static const char ask_sql[] =
    "SELECT i.number, l.state, l.redrive_count"
    "  FROM json_array_elements_text($1::json) WITH ORDINALITY i(job_id, number)"
    "  JOIN haul.ledger l ON l.job_id = i.job_id";

enum outcome dlq_known_ask(struct pgsql *db, const struct dead_letter *letters, size_t count,
                           struct arena *arena, struct dlq_known *ret_known, struct err *err)
{
    STR_AUTO struct str ids = str_with_max(STR_MAX_DEFAULT);
    PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
    struct jwrite w = jwrite_to(&ids);
    jwrite_open_array(&w);
    for (size_t i = 0; i < count; i++)
        jwrite_text(&w, letters[i].job_id);
    jwrite_close_array(&w);
    if (ids.failed)
        return FAIL_NO_MEMORY(err);
    TRY(pgsql_query(db, ask_sql, PGSQL_PARAMS(str_text(&ids)), &result, err));
    memset(ret_known, 0, count * sizeof *ret_known);
    for (size_t row = 0; row < pgsql_rows(result); row++) {
        size_t i = (size_t)pgsql_i64(result, row, 0, 0) - 1;
        if (i >= count)
            continue;
        ret_known[i].state = arena_strdup(arena, pgsql_text(result, row, 1));
        ret_known[i].redrive_count = pgsql_i64(result, row, 2, 0);
    }
    return arena->overflowed ? FAIL_NO_MEMORY(err) : OUTCOME_OK;
}

enum fate dlq_fate(const struct dead_letter *letter, const struct dlq_known *known,
                   int64_t redrive_max)
{
    if (!letter->is_job || letter->job_id == NULL)
        return FATE_NO_JOB;
    bool is_dead =
        known->state == NULL || strcmp(known->state, event_state_name(EVENT_DEAD_LETTERED)) == 0;
    if (!is_dead || (known->state != NULL && known->redrive_count > letter->trail.redrive_count))
        return FATE_AGAIN;
    if (letter->deadline_us != 0 && letter->deadline_us <= clock_wall_us())
        return FATE_LATE;
    return letter->trail.redrive_count >= redrive_max ? FATE_QUARANTINE : FATE_SENT;
}
