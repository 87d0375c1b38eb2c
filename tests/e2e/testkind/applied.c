/* applied: see applied.h. */
#include "applied.h"

#include "base/clock.h"

#include <stdlib.h>
#include <unistd.h>

enum how { HOW_OK, HOW_RETRY, HOW_THROTTLED, HOW_PERMANENT };
static const char *const hows[] = {"ok", "retry", "throttled", "permanent", NULL};

struct applied {
    int fail; /* enum how */
    int64_t fail_attempts, fail_starts, crash_starts, sleep_ms, sleep_starts, retry_after_ms;
    bool crash_late, deaf;
};

#define COUNT_FIELD(field_name, text)                                                              \
    {                                                                                              \
        .name = #field_name, .type = FIELD_INT, .offset = offsetof(struct applied, field_name),    \
        .min = 0, .max = 1000000, .default_text = "0", .doc = (text)                               \
    }
#define FLAG_FIELD(field_name, text)                                                               \
    {                                                                                              \
        .name = #field_name, .type = FIELD_BOOL, .offset = offsetof(struct applied, field_name),   \
        .default_text = "false", .doc = (text)                                                     \
    }

static const struct field fields[] = {
    {.name = "fail",
     .type = FIELD_ENUM,
     .offset = offsetof(struct applied, fail),
     .default_text = "ok",
     .choices = hows,
     .doc = "How the attempts that fail end."},
    COUNT_FIELD(fail_attempts, "How many attempts fail."),
    COUNT_FIELD(fail_starts, "How many starts fail, of whatever attempt."),
    COUNT_FIELD(crash_starts, "How many starts end with the process."),
    FLAG_FIELD(crash_late, "The process ends behind the effect, not before it."),
    COUNT_FIELD(sleep_ms, "How long it works before its effect, in ms."),
    {.name = "sleep_starts",
     .type = FIELD_INT,
     .offset = offsetof(struct applied, sleep_starts),
     .min = 0,
     .max = 1000000,
     .default_text = "1000000",
     .doc = "How many starts work so long; later ones are done at once."},
    COUNT_FIELD(retry_after_ms, "What a throttled attempt is told, in ms."),
    FLAG_FIELD(deaf, "It does not look whether it should stop."),
};
const struct field_table applied_payload = {"applied", "A row in the hub, once.", fields,
                                            FIELDS_COUNT(fields), sizeof(struct applied)};

#define CRASH_STATUS 99

static enum outcome fenced(struct err *err)
{
    return FAIL(err, OUTCOME_CANCELLED, "fenced", "a newer start of this job has the target");
}

/* Tells of this start, and makes its fence the target's if it is the newest. */
enum outcome applied_take(struct job_context *job, int64_t *ret_starts, bool *ret_is_applied,
                          struct err *err)
{
    static const char sql[] =
        "WITH told AS (INSERT INTO starts (job_id, subject, attempt, fence, pid)"
        " VALUES ($1, $2, $3, $4, $5)), taken AS (INSERT INTO targets AS t (job_id, fence)"
        " VALUES ($1, $4) ON CONFLICT (job_id) DO UPDATE SET fence = excluded.fence"
        " WHERE t.fence <= excluded.fence RETURNING applied)"
        " SELECT applied, (SELECT count(*) FROM starts s WHERE s.job_id = $1) FROM taken";
    PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
    TRY(pgsql_query(job->hub->db, sql,
                    PGSQL_PARAMS(job->job_id, job->subject, PGSQL_INT(job->attempt),
                                 PGSQL_INT(job->fence), PGSQL_INT(getpid())),
                    &result, err));
    if (pgsql_rows(result) == 0)
        return fenced(err);
    *ret_is_applied = pgsql_i64(result, 0, 0, 0) > 0;
    *ret_starts = pgsql_i64(result, 0, 1, 0) + 1; /* a statement does not see its own rows */
    return OUTCOME_OK;
}

static enum outcome work(const struct job_context *job, const struct applied *applied,
                         struct err *err)
{
    int64_t end_us = clock_monotonic_us() + applied->sleep_ms * US_PER_MS;
    while (clock_monotonic_us() < end_us) {
        if (!applied->deaf)
            TRY(job_check(job, err));
        clock_sleep_us(10 * US_PER_MS);
    }
    return OUTCOME_OK;
}

static enum outcome fail(const struct applied *applied, struct err *err)
{
    switch ((enum how)applied->fail) {
    case HOW_RETRY:
        return FAIL(err, OUTCOME_RETRY, "test.retry", "asked to fail for now");
    case HOW_THROTTLED:
        (void)FAIL(err, OUTCOME_THROTTLED, "test.throttled", "asked to wait");
        err->retry_after_ms = applied->retry_after_ms;
        return OUTCOME_THROTTLED;
    case HOW_PERMANENT:
        return FAIL(err, OUTCOME_PERMANENT, "test.permanent", "asked to fail for good");
    case HOW_OK:
        break;
    }
    return OUTCOME_OK;
}

enum outcome applied_apply(struct job_context *job, const char *parts, struct err *err)
{
    PGSQL_TX_AUTO struct pgsql_tx tx = {0};
    int64_t taken = 0;
    TRY(pgsql_begin(job->hub->db, &tx, err));
    TRY(pgsql_run(job->hub->db,
                  "UPDATE targets SET applied = applied + 1 WHERE job_id = $1 AND fence = $2",
                  PGSQL_PARAMS(job->job_id, PGSQL_INT(job->fence)), &taken, err));
    if (taken != 1)
        return fenced(err);
    TRY(pgsql_run(job->hub->db,
                  "INSERT INTO applied (job_id, subject, attempt, fence, parts)"
                  " VALUES ($1, $2, $3, $4, $5)",
                  PGSQL_PARAMS(job->job_id, job->subject, PGSQL_INT(job->attempt),
                               PGSQL_INT(job->fence), parts),
                  NULL, err));
    return pgsql_commit(&tx, err);
}

enum outcome applied_run(struct job_context *job, const void *payload_struct, struct err *err)
{
    const struct applied *applied = payload_struct;
    int64_t starts = 0;
    bool is_applied = false;
    TRY(applied_take(job, &starts, &is_applied, err));
    bool crashes = starts <= applied->crash_starts;
    if (crashes && !applied->crash_late)
        _Exit(CRASH_STATUS);
    if (starts <= applied->sleep_starts)
        TRY(work(job, applied, err));
    if (job->attempt <= applied->fail_attempts || starts <= applied->fail_starts)
        TRY(fail(applied, err));
    if (!is_applied)
        TRY(applied_apply(job, NULL, err));
    if (crashes)
        _Exit(CRASH_STATUS);
    return job_set_result(job, slice_of("{\"applied\":1}"), err);
}
