/* run/rate_limits against a real Redis: REDIS_URL names it. */
#include "base/clock.h"
#include "check.h"
#include "run/rate_limits.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct rconn *conn;
static struct arena arena;
static struct err err;
static char prefix[64];

static bool setup(void)
{
    static int number;
    struct rconn_conf conf = {getenv("REDIS_URL"), 2000, 2000, NULL};
    signal(SIGPIPE, SIG_IGN);
    arena_init(&arena, 64 << 20);
    snprintf(prefix, sizeof prefix, "t%d_%d.", (int)getpid(), ++number);
    return CHECK(conf.url != NULL) && CHECK_OK(rconn_open(&conf, &conn, &err), &err);
}

static void teardown(void)
{
    rconn_close(conn);
    conn = NULL;
    arena_done(&arena);
}

static int64_t take(struct rate_request request)
{
    int64_t wait_us = -1;
    if (request.workspace_id == NULL)
        request.workspace_id = "w1";
    CHECK_OK(rate_limits_take(conn, prefix, &request, 1, &arena, &wait_us, &err), &err);
    return wait_us;
}

/* Slow enough that the test's own time is of no matter. */
static const struct rate_key slow = {"p", "slow", {3600 * US_PER_S, 60, 10}};
#define MINUTE (60 * US_PER_S)

static bool is_about(int64_t got_us, int64_t want_us)
{
    return CHECK(got_us <= want_us && got_us > want_us - 10 * US_PER_S);
}

/* The same requests to the script and to the model: the same waits, but for the time they take. */
static void the_script_is_the_model(void)
{
    static const struct {
        int64_t cost;
        enum job_priority priority;
    } steps[] = {
        {1, JOB_INTERACTIVE}, {3, JOB_BULK},        {2, JOB_DEFAULT},      {2, JOB_BULK},
        {1, JOB_BULK},        {3, JOB_DEFAULT},     {2, JOB_DEFAULT},      {2, JOB_INTERACTIVE},
        {1, JOB_DEFAULT},     {1, JOB_INTERACTIVE}, {40, JOB_INTERACTIVE},
    };
    static const int64_t reserves[] = {0, 1, 3};
    if (!setup())
        return;
    int64_t tat_us = 0;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct gcra_request request = {.now_us = clock_wall_us(),
                                       .cost = steps[i].cost,
                                       .reserve = reserves[steps[i].priority]};
        struct gcra_verdict verdict = gcra_decide(&slow.limit, tat_us, &request);
        tat_us = verdict.tat_us;
        int64_t wait_us = take((struct rate_request){
            .key = slow, .cost = steps[i].cost, .priority = steps[i].priority});
        if (!CHECK(llabs(wait_us - verdict.wait_us) < 5 * US_PER_S) ||
            !CHECK_INT(wait_us == 0, verdict.wait_us == 0))
            printf("# step %zu: %lld, not %lld\n", i, (long long)wait_us,
                   (long long)verdict.wait_us);
    }
    teardown();
}

static void who_waits_has_a_share(void)
{
    if (!setup())
        return;
    struct rate_request greedy = {.key = slow, .cost = 1, .workspace_id = "greedy"};
    struct rate_request other = {.key = slow, .cost = 1, .workspace_id = "other"};
    for (int i = 0; i < 10; i++)
        CHECK_INT(take(greedy), 0); /* alone it has all of it */
    is_about(take(other), MINUTE);
    /* Two intervals each while both ask, half of the burst: greedy has had ten. */
    is_about(take(greedy), 2 * MINUTE);
    struct rate_key quick = {"p", "quick", {US_PER_S, 20, 4}};
    int taken[2] = {0, 0};
    greedy.key = other.key = quick;
    int64_t end_us = clock_monotonic_us() + 2 * US_PER_S, other_at_us = 0;
    while (clock_monotonic_us() < end_us) {
        taken[0] += take(greedy) == 0; /* asks all the time */
        if (clock_monotonic_us() >= other_at_us) {
            int64_t wait_us = take(other); /* asks when it was told to */
            taken[1] += wait_us == 0;
            other_at_us = clock_monotonic_us() + wait_us;
        }
        clock_sleep_us(2000);
    }
    printf("# %d and %d in 2 s of 20/s\n", taken[0], taken[1]);
    CHECK(taken[0] + taken[1] <= 46 && taken[0] + taken[1] >= 28);
    CHECK(taken[1] >= 12);
    teardown();
}

static void providers_correct_us(void)
{
    if (!setup())
        return;
    struct rate_request request = {.key = slow, .cost = 1};
    struct rate_told told = {.remaining = 2, .reset_us = -1, .retry_after_us = -1};
    CHECK_OK(rate_limits_tell(conn, prefix, &slow, &told, &arena, &err), &err);
    CHECK_INT(take(request), 0);
    CHECK_INT(take(request), 0);
    is_about(take(request), MINUTE);
    told = (struct rate_told){.remaining = -1, .reset_us = -1, .retry_after_us = 5 * MINUTE};
    CHECK_OK(rate_limits_tell(conn, prefix, &slow, &told, &arena, &err), &err);
    is_about(take(request), 5 * MINUTE);
    told = (struct rate_told){.remaining = 9, .reset_us = -1, .retry_after_us = -1};
    CHECK_OK(rate_limits_tell(conn, prefix, &slow, &told, &arena, &err), &err);
    is_about(take(request), 5 * MINUTE); /* good news end no block */
    teardown();
}

static void scripts_may_be_forgotten(void)
{
    if (!setup())
        return;
    const struct rreply *reply = NULL;
    struct rate_request request = {.key = slow, .cost = 1};
    CHECK_INT(take(request), 0);
    CHECK_OK(rconn_call(conn, &arena, RWORDS("SCRIPT", "FLUSH"), &reply, &err), &err);
    CHECK_INT(take(request), 0);
    int64_t wait_us = -1;
    request.key.limit.burst = 0;
    request.workspace_id = "w";
    CHECK_OUTCOME(rate_limits_take(conn, prefix, &request, 1, &arena, &wait_us, &err),
                  OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "rate.limit");
    CHECK_INT(wait_us, -1);
    teardown();
}

static CU_TestInfo tests[] = {
    {"the script is the model", the_script_is_the_model},
    {"who waits has a share", who_waits_has_a_share},
    {"providers correct us", providers_correct_us},
    {"scripts may be forgotten", scripts_may_be_forgotten},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("contract/rate_limits", tests)
