/* gcra: known waits, and never more than the limit in any span. */
#include "check.h"
#include "model/gcra.h"

#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define SECOND INT64_C(1000000)

static uint64_t seed;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* 60 a minute, 3 at once. */
static void known_waits(void)
{
    static const struct {
        const char *what;
        int64_t now_s, cost, reserve, wait_us;
    } steps[] = {
        {"first", 1000, 1, 0, 0},
        {"second", 1000, 1, 0, 0},
        {"third", 1000, 1, 0, 0},
        {"fourth waits for one", 1000, 1, 0, SECOND},
        {"a refusal costs nothing", 1000, 1, 0, SECOND},
        {"two wait for two", 1000, 2, 0, 2 * SECOND},
        {"one more with one in reserve", 1000, 1, 1, 2 * SECOND},
        {"in time", 1001, 1, 0, 0},
        {"all but the reserve", 2000, 2, 1, 0},
        {"the reserve is kept", 2000, 1, 1, SECOND},
        {"the reserve is there", 2000, 1, 0, 0},
        {"more than the burst needs all of it", 2001, 5, 0, 2 * SECOND},
        {"and has it", 2003, 5, 0, 0},
        {"the debt is paid off, up to a burst", 2003, 1, 0, SECOND},
        {"a reserve beyond the burst is the burst", 3000, 1, 9, 0},
        {"an hour back", -600, 1, 0, SECOND},
    };
    struct gcra_limit limit = {.period_us = 60 * SECOND, .count = 60, .burst = 3};
    int64_t tat_us = 0;
    for (size_t i = 0; i < COUNT(steps); i++) {
        struct gcra_request request = {
            .now_us = steps[i].now_s * SECOND, .cost = steps[i].cost, .reserve = steps[i].reserve};
        struct gcra_verdict verdict = gcra_decide(&limit, tat_us, &request);
        if (!CHECK_INT(verdict.wait_us, steps[i].wait_us))
            printf("# %s\n", steps[i].what);
        tat_us = verdict.tat_us;
    }
}

static void limits_have_bounds(void)
{
    static const struct {
        struct gcra_limit limit;
        bool is_valid;
        int64_t interval_us;
    } cases[] = {
        {{60 * SECOND, 60, 1}, true, SECOND},
        {{10, 3, 1}, true, 4},
        {{SECOND, SECOND, 1000}, true, 1},
        {{0, 1, 1}, false, 0},
        {{SECOND, 0, 1}, false, 0},
        {{SECOND, 1, 0}, false, 0},
        {{5, 6, 1}, false, 0},
        {{INT64_MAX, 1, 1}, false, 0},
        {{SECOND, 1, 40 * 1000000}, false, 0},
        {{-SECOND, -1, 1}, false, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        CHECK_INT(gcra_limit_is_valid(&cases[i].limit), cases[i].is_valid);
        if (cases[i].is_valid)
            CHECK_INT(gcra_interval_us(&cases[i].limit), cases[i].interval_us);
    }
}

static void a_provider_corrects_us(void)
{
    struct gcra_limit limit = {.period_us = 60 * SECOND, .count = 60, .burst = 10};
    struct gcra_request request = {.now_us = 1000 * SECOND, .cost = 1};
    static const struct {
        int64_t remaining, wait_us;
    } cases[] = {{10, 0}, {99, 0}, {1, 0}, {0, SECOND}, {-5, SECOND}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t tat_us = gcra_observe(&limit, 0, cases[i].remaining, request.now_us);
        CHECK_INT(gcra_decide(&limit, tat_us, &request).wait_us, cases[i].wait_us);
    }
    /* What we know to be worse stays. */
    int64_t spent_us = request.now_us + 10 * SECOND;
    CHECK_INT(gcra_observe(&limit, spent_us, 5, request.now_us), spent_us);
}

/* In each span no more is let through than the burst and what the span refills; who comes again
 * after the wait that he was told is let through when nobody else came. */
static void never_too_fast(void)
{
    enum { TAKES = 300 };
    seed = 20261121;
    unsigned wrong = 0;
    for (int round = 0; round < 300; round++) {
        struct gcra_limit limit = {.period_us = 1 + (int64_t)(next_random() % (60 * SECOND)),
                                   .burst = 1 + (int64_t)(next_random() % 20)};
        limit.count = 1 + (int64_t)(next_random() % 100);
        if (!gcra_limit_is_valid(&limit))
            continue;
        int64_t at_us[TAKES], interval_us = gcra_interval_us(&limit), now_us = 1000 * SECOND;
        int64_t tat_us = 0;
        int taken = 0;
        while (taken < TAKES) {
            struct gcra_request request = {.now_us = now_us, .cost = 1};
            struct gcra_verdict verdict = gcra_decide(&limit, tat_us, &request);
            if (verdict.wait_us == 0)
                at_us[taken++] = now_us;
            else if (request.now_us += verdict.wait_us - 1,
                     gcra_decide(&limit, tat_us, &request).wait_us != 1)
                wrong++;
            tat_us = verdict.tat_us;
            now_us += (int64_t)(next_random() % (uint64_t)(3 * interval_us)) / 2;
        }
        for (int i = 0; i < TAKES; i++)
            for (int k = i; k < TAKES; k++)
                wrong += k - i + 1 > limit.burst + (at_us[k] - at_us[i]) / interval_us;
    }
    CHECK_INT(wrong, 0);
}

static CU_TestInfo tests[] = {
    {"known waits", known_waits},
    {"limits have bounds", limits_have_bounds},
    {"a provider corrects us", a_provider_corrects_us},
    {"never too fast", never_too_fast},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("model/gcra", tests)
