/* job_rate: see job_rate.h. */
#include "run/job_rate.h"

#include "base/clock.h"
#include "io/hash.h"
#include "run/attempt.h"
#include "run/job_private.h"
#include "run/job_thread.h"
#include "run/rate_limits.h"

#define SCRATCH_BYTES ((size_t)64 << 10)
#define STEP_US (20 * US_PER_MS) /* between two looks whether to stop */

/* ---- without Redis ---- */

/* Two limits that share a place are both kept, as one. */
static atomic_int_fast64_t *local_tat(struct runtime *rt, const struct job_rate *rate)
{
    uint64_t hash = hash128_bytes(rate->provider, strlen(rate->provider)).lo;
    hash ^= hash128_bytes(rate->credential, strlen(rate->credential)).hi;
    return &rt->local_rates[hash % RUNTIME_LOCAL_RATES];
}

static int64_t take_local(struct runtime *rt, const struct job_rate *rate)
{
    atomic_int_fast64_t *tat_us = local_tat(rt, rate);
    struct gcra_request request = {.now_us = clock_monotonic_us(), .cost = rate->cost};
    int_fast64_t before_us = atomic_load(tat_us);
    struct gcra_verdict verdict;
    do {
        verdict = gcra_decide(&rate->limit, before_us, &request);
    } while (!atomic_compare_exchange_weak(tat_us, &before_us, verdict.tat_us));
    return verdict.wait_us;
}

/* ---- with it ---- */

static enum outcome connect_redis(struct job_thread *thread, struct err *err)
{
    return thread->redis != NULL ? OUTCOME_OK
                                 : rconn_open(&thread->rt->conf->redis, &thread->redis, err);
}

static struct rate_key key_of(const struct job_rate *rate)
{
    return (struct rate_key){rate->provider, rate->credential, rate->limit};
}

static enum outcome take(struct job_context *job, const struct job_rate *rate, int64_t *ret_wait_us,
                         struct err *err)
{
    struct job_thread *thread = job->own->thread;
    struct arena arena ARENA_AUTO;
    struct rate_request request = {.key = key_of(rate),
                                   .workspace_id = job->workspace_id,
                                   .priority = (enum job_priority)job->own->attempt->item.priority,
                                   .cost = rate->cost};
    arena_init(&arena, SCRATCH_BYTES);
    TRY(connect_redis(thread, err));
    enum outcome outcome = rate_limits_take(thread->redis, thread->rt->conf->topic_prefix, &request,
                                            1, &arena, ret_wait_us, err);
    if (outcome != OUTCOME_RETRY)
        return outcome;
    *ret_wait_us = take_local(thread->rt, rate);
    return OUTCOME_OK;
}

static enum outcome sleep_for(const struct job_context *job, int64_t us, struct err *err)
{
    int64_t until_us = clock_monotonic_us() + us;
    for (int64_t left_us = us; left_us > 0; left_us = until_us - clock_monotonic_us()) {
        TRY(job_check(job, err));
        clock_sleep_us(left_us < STEP_US ? left_us : STEP_US);
    }
    return OUTCOME_OK;
}

enum outcome job_rate_take(struct job_context *job, const struct job_rate *rate,
                           int64_t wait_max_ms, struct err *err)
{
    int64_t until_us = clock_monotonic_us() + wait_max_ms * US_PER_MS, wait_us = 0;
    for (;;) {
        TRY(take(job, rate, &wait_us, err));
        if (wait_us == 0)
            return OUTCOME_OK;
        if (clock_monotonic_us() + wait_us > until_us)
            break;
        TRY(sleep_for(job, wait_us, err));
    }
    (void)FAIL(err, OUTCOME_THROTTLED, "rate.limited", "the rate limit of %s is used up",
               rate->provider);
    err->retry_after_ms = wait_us / US_PER_MS + 1;
    return OUTCOME_THROTTLED;
}

void job_rate_tell(struct job_context *job, const struct job_rate *rate,
                   const struct rate_told *told)
{
    struct job_thread *thread = job->own->thread;
    struct arena arena ARENA_AUTO;
    const struct rate_key key = key_of(rate);
    arena_init(&arena, SCRATCH_BYTES);
    /* Lost, it is told again by the next answer. */
    if (connect_redis(thread, NULL) == OUTCOME_OK)
        (void)!rate_limits_tell(thread->redis, thread->rt->conf->topic_prefix, &key, told, &arena,
                                NULL);
}
