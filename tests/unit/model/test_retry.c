#include "model/retry.h"

#include "check.h"

#define S INT64_C(1000000)
#define NOW (1000000 * S)

static struct retry_request request_of(int attempt)
{
    return (struct retry_request){.attempt = attempt,
                                  .max_attempts = 8,
                                  .counted = true,
                                  .now_us = NOW,
                                  .scale_percent = 100};
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state ^ (*state >> 29);
}

static void test_tiers_are_found_by_name(void)
{
    for (int i = 0; i < RETRY_TIER_COUNT; i++)
        CHECK_INT(retry_tier_find(retry_tiers[i].name), i);
    CHECK_INT(retry_tier_find("3s"), -1);
}

/* Each row: a draw of nothing (0) or of all there is (all ones). */
static void test_draw_picks_the_tier(void)
{
    static const struct {
        int attempt;
        uint32_t draw;
        size_t tier;
    } cases[] = {
        {1, 0, 0}, {1, UINT32_MAX, 0}, {2, UINT32_MAX, 0}, {3, UINT32_MAX, 1}, {4, UINT32_MAX, 2},
        {5, 0, 0}, {5, UINT32_MAX, 3}, {6, UINT32_MAX, 4}, {7, UINT32_MAX, 4}, {7, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct retry_request request = request_of(cases[i].attempt);
        request.random = cases[i].draw;
        struct retry_decision decision = retry_decide(&request);
        CHECK_INT(decision.verdict, RETRY_AGAIN);
        CHECK_INT(decision.tier, cases[i].tier);
        CHECK_INT(decision.next_attempt, cases[i].attempt + 1);
        CHECK_INT(decision.due_us, NOW + retry_tiers[cases[i].tier].delay_us);
    }
}

/* Property: never early, at most a tenth late, every attempt's draws reach more than one tier. */
static void test_due_lies_within_a_tenth(void)
{
    uint64_t random = 42;
    bool seen[RETRY_TIER_COUNT] = {false};
    for (int i = 0; i < 20000; i++) {
        struct retry_request request = request_of(1 + i % 7);
        request.random = next_random(&random);
        struct retry_decision decision = retry_decide(&request);
        int64_t delay_us = retry_tiers[decision.tier].delay_us;
        if (decision.due_us < NOW + delay_us ||
            decision.due_us > NOW + delay_us + delay_us / 10 + 1)
            CHECK_INT(decision.due_us, NOW + delay_us);
        seen[decision.tier] = true;
    }
    for (size_t i = 0; i < RETRY_TIER_COUNT; i++)
        CHECK(seen[i]);
}

static void test_attempts_run_out(void)
{
    struct retry_request request = request_of(8);
    CHECK_INT(retry_decide(&request).verdict, RETRY_EXHAUSTED);
    request.attempt = 9;
    CHECK_INT(retry_decide(&request).verdict, RETRY_EXHAUSTED);
    request.attempt = 7;
    CHECK_INT(retry_decide(&request).verdict, RETRY_AGAIN);
    request.max_attempts = 1;
    request.attempt = 1;
    CHECK_INT(retry_decide(&request).verdict, RETRY_EXHAUSTED);
    request.counted = false;
    struct retry_decision decision = retry_decide(&request);
    CHECK_INT(decision.verdict, RETRY_AGAIN);
    CHECK_INT(decision.next_attempt, 1);
    CHECK_INT(decision.tier, 0);
}

static void test_deadline_ends_it(void)
{
    struct retry_request request = request_of(1);
    request.deadline_us = NOW + 5 * S;
    CHECK_INT(retry_decide(&request).verdict, RETRY_TOO_LATE);
    request.deadline_us = NOW + 5 * S + 1;
    CHECK_INT(retry_decide(&request).verdict, RETRY_AGAIN);
}

static void test_retry_after_wins(void)
{
    static const struct {
        int64_t after_s;
        size_t tier;
    } cases[] = {{1, 0}, {5, 0}, {6, 1}, {40, 2}, {121, 3}, {3600, 4}, {86400, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct retry_request request = request_of(1);
        request.retry_after_us = cases[i].after_s * S;
        request.scale_percent = 100;
        request.random = UINT64_MAX;
        struct retry_decision decision = retry_decide(&request);
        CHECK_INT(decision.tier, cases[i].tier);
        CHECK(decision.due_us >= NOW + cases[i].after_s * S);
        CHECK(decision.due_us <= NOW + cases[i].after_s * S * 11 / 10 + 1);
    }
}

static void test_scale_shortens_tiers(void)
{
    struct retry_request request = request_of(1);
    request.scale_percent = 2;
    CHECK_INT(retry_decide(&request).due_us, NOW + S / 10);
    CHECK_INT(retry_hold_max_us(1, 2), 660000);
    CHECK_INT(retry_hold_max_us(0, 100), 5500000);
    CHECK_INT(retry_tier_for(0, 100), 0);
    CHECK_INT(retry_tier_for(INT64_MAX, 100), RETRY_TIER_COUNT - 1);
}

static CU_TestInfo tests[] = {
    {"tiers are found by name", test_tiers_are_found_by_name},
    {"the draw picks the tier", test_draw_picks_the_tier},
    {"due lies within a tenth", test_due_lies_within_a_tenth},
    {"attempts run out", test_attempts_run_out},
    {"the deadline ends it", test_deadline_ends_it},
    {"retry-after wins", test_retry_after_wins},
    {"scale shortens tiers", test_scale_shortens_tiers},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("model/retry", tests)
