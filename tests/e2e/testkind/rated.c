/* rated: see rated.h. */
#include "rated.h"

#include "base/clock.h"
#include "run/job_rate.h"

struct rated {
    int64_t per_second, burst, wait_max_ms;
    const char *retry_after;
};

static const struct field fields[] = {
    {.name = "per_second",
     .type = FIELD_INT,
     .offset = offsetof(struct rated, per_second),
     .min = 1,
     .max = 100000,
     .default_text = "10",
     .doc = "The provider's limit."},
    {.name = "burst",
     .type = FIELD_INT,
     .offset = offsetof(struct rated, burst),
     .min = 1,
     .max = 1000,
     .default_text = "1",
     .doc = "Of it, how many at once."},
    {.name = "wait_max_ms",
     .type = FIELD_INT,
     .offset = offsetof(struct rated, wait_max_ms),
     .min = 0,
     .max = 60000,
     .unit = "ms",
     .default_text = "0",
     .doc = "How long the job waits in its thread."},
    {.name = "retry_after",
     .type = FIELD_STRING,
     .max = 100,
     .offset = offsetof(struct rated, retry_after),
     .doc = "The Retry-After that the provider answers."},
};
const struct field_table rated_payload = {"rated", "Asks a provider.", fields, FIELDS_COUNT(fields),
                                          sizeof(struct rated)};

enum outcome rated_run(struct job_context *job, const void *payload_struct, struct err *err)
{
    const struct rated *rated = payload_struct;
    struct job_rate rate = {.provider = "test",
                            .credential = "all",
                            .limit = {US_PER_S, rated->per_second, rated->burst}};
    struct rate_told told;
    TRY(job_rate_take(job, &rate, rated->wait_max_ms, err));
    rate_told_init(&told);
    if (rated->retry_after != NULL &&
        rate_told_add(&told, "Retry-After", rated->retry_after, clock_wall_us()))
        job_rate_tell(job, &rate, &told);
    return OUTCOME_OK;
}
