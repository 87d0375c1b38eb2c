/* testkind: a worker whose kinds do what a job asks for: the runtime's tests drive it. Its effect
 * is a row in the hub (table effects, made by the tests), one a run. */
#include "applied.h"
#include "base/clock.h"
#include "depend.h"
#include "rated.h"
#include "run/fan_out.h"
#include "split.h"

#include <stdlib.h>

enum how { HOW_OK, HOW_RETRY, HOW_THROTTLED, HOW_PERMANENT, HOW_POISON, HOW_BUG, HOW_CRASH };
static const char *const hows[] = {"ok",     "retry", "throttled", "permanent",
                                   "poison", "bug",   "crash",     NULL};

struct effect {
    int fail; /* enum how */
    int64_t fail_attempts, sleep_ms, rows, retry_after_ms;
    bool deaf;
};

static const struct field fields[] = {
    {.name = "fail",
     .type = FIELD_ENUM,
     .offset = offsetof(struct effect, fail),
     .default_text = "ok",
     .choices = hows,
     .doc = "How the attempts that fail end."},
    {.name = "fail_attempts",
     .type = FIELD_INT,
     .offset = offsetof(struct effect, fail_attempts),
     .min = 0,
     .max = 1000,
     .default_text = "1000",
     .doc = "How many attempts fail."},
    {.name = "sleep_ms",
     .type = FIELD_INT,
     .offset = offsetof(struct effect, sleep_ms),
     .min = 0,
     .max = 600000,
     .unit = "ms",
     .default_text = "0",
     .doc = "How long it works before its effect."},
    {.name = "rows",
     .type = FIELD_INT,
     .offset = offsetof(struct effect, rows),
     .min = 0,
     .max = 1000000,
     .default_text = "0",
     .doc = "Rows that its progress tells of."},
    {.name = "retry_after_ms",
     .type = FIELD_INT,
     .offset = offsetof(struct effect, retry_after_ms),
     .min = 0,
     .max = 600000,
     .unit = "ms",
     .default_text = "0",
     .doc = "What a throttled attempt is told."},
    {.name = "deaf",
     .type = FIELD_BOOL,
     .offset = offsetof(struct effect, deaf),
     .default_text = "false",
     .doc = "It does not look whether it should stop."},
};
static const struct field_table payload = {"effect", "A row in the hub.", fields,
                                           FIELDS_COUNT(fields), sizeof(struct effect)};

static enum outcome work(struct job_context *job, const struct effect *effect, struct err *err)
{
    int64_t begin_us = clock_monotonic_us(), length_us = effect->sleep_ms * US_PER_MS;
    for (int64_t spent_us = 0; spent_us < length_us; spent_us = clock_monotonic_us() - begin_us) {
        if (!effect->deaf)
            TRY(job_check(job, err));
        struct event_progress progress = {.phase = "work",
                                          .rows_done = effect->rows * spent_us / length_us,
                                          .rows_total = effect->rows,
                                          .bytes_done = -1,
                                          .bytes_total = -1};
        job_progress(job, &progress);
        clock_sleep_us(10 * US_PER_MS);
    }
    return OUTCOME_OK;
}

static enum outcome fail(const struct effect *effect, struct err *err)
{
    switch ((enum how)effect->fail) {
    case HOW_RETRY:
        return FAIL(err, OUTCOME_RETRY, "test.retry", "asked to fail for now");
    case HOW_THROTTLED:
        (void)FAIL(err, OUTCOME_THROTTLED, "test.throttled", "asked to wait");
        err->retry_after_ms = effect->retry_after_ms;
        return OUTCOME_THROTTLED;
    case HOW_PERMANENT:
        (void)FAIL(err, OUTCOME_PERMANENT, "test.permanent", "asked to fail for good");
        return err_hint(err, "ask for something else");
    case HOW_POISON:
        return FAIL(err, OUTCOME_POISON, "test.poison", "asked to be poison");
    case HOW_BUG:
        return FAIL_BUG(err, "asked to be broken");
    case HOW_CRASH:
        _Exit(99);
    case HOW_OK:
        break;
    }
    return OUTCOME_OK;
}

static enum outcome run_effect(struct job_context *job, const void *payload_struct, struct err *err)
{
    const struct effect *effect = payload_struct;
    TRY(pgsql_run(job->hub->db, "INSERT INTO effects (job_id, attempt, fence) VALUES ($1, $2, $3)",
                  PGSQL_PARAMS(job->job_id, PGSQL_INT(job->attempt), PGSQL_INT(job->fence)), NULL,
                  err));
    TRY(work(job, effect, err));
    if (job->attempt <= effect->fail_attempts)
        TRY(fail(effect, err));
    TRY(pgsql_run(job->hub->db, "UPDATE effects SET done = true WHERE job_id = $1 AND fence = $2",
                  PGSQL_PARAMS(job->job_id, PGSQL_INT(job->fence)), NULL, err));
    return job_set_result(job, slice_of("{\"effect\":1}"), err);
}

static enum outcome run_noop(struct job_context *job, const void *payload_struct, struct err *err)
{
    (void)job;
    (void)payload_struct;
    (void)err;
    return OUTCOME_OK;
}

static const struct job_kind kinds[] = {
    {.name = "effect",
     .doc = "Writes a row in the hub.",
     .payload = &payload,
     .ordered = true,
     .run = run_effect},
    {.name = "noop", .doc = "Does nothing.", .payload = &payload, .run = run_noop},
    {.name = "idle",
     .doc = "Does nothing, and may do it twice.",
     .payload = &payload,
     .idempotent = true,
     .run = run_noop},
    {.name = "depend",
     .doc = "Needs something that may be down.",
     .payload = &depend_payload,
     .max_attempts = 3,
     .run = depend_run,
     .dependencies = depend_list,
     .blame = depend_blame},
    {.name = "depend_idle",
     .doc = "Needs something that may be down, and may run twice.",
     .payload = &depend_payload,
     .idempotent = true,
     .max_attempts = 3,
     .run = depend_run,
     .dependencies = depend_list,
     .blame = depend_blame},
    {.name = "rated",
     .doc = "Asks something of a provider with a rate limit.",
     .payload = &rated_payload,
     .max_attempts = 1,
     .run = rated_run},
    {.name = "apply",
     .doc = "Writes a row in the hub, once.",
     .payload = &applied_payload,
     .run = applied_run},
    {.name = "chain",
     .doc = "Writes a row in the hub, once, one job of a subject after the other.",
     .payload = &applied_payload,
     .ordered = true,
     .run = applied_run},
    {.name = "split",
     .doc = "Has parts do it, and puts them together.",
     .payload = &split_payload,
     .run = split_run},
    {.name = "part",
     .doc = "A part of it.",
     .payload = &job_child_table,
     .run = part_run,
     .dependencies = job_child_dependencies},
};

int main(int argc, char **argv)
{
    static const struct worker worker = {.name = "testkind",
                                         .version = "0.1.0",
                                         .doc = "does what the runtime's tests ask for",
                                         .kinds = kinds,
                                         .kind_count = FIELDS_COUNT(kinds)};
    return worker_main(argc, argv, &worker);
}
