/* rate_headers: the forms that providers use, and texts that make no sense. */
#include "check.h"
#include "model/rate_headers.h"

#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define SECOND INT64_C(1000000)
#define NOW_US (INT64_C(784111777) * SECOND) /* Sun, 06 Nov 1994 08:49:37 GMT */
#define LATE_US (INT64_C(1763700000) * SECOND)

static void known_headers(void)
{
    static const struct {
        const char *name, *value;
        int64_t now_us;
        bool is_good;
        int64_t remaining, reset_s, retry_after_s;
    } cases[] = {
        {"Retry-After", "120", NOW_US, true, -1, -1, 120},
        {"retry-after", " 7 ", NOW_US, true, -1, -1, 7},
        {"Retry-After", "1.2", NOW_US, true, -1, -1, 2},
        {"Retry-After", "Sun, 06 Nov 1994 08:50:07 GMT", NOW_US, true, -1, -1, 30},
        {"Retry-After", "Sun, 06 Nov 1994 08:49:07 GMT", NOW_US, true, -1, -1, 0},
        {"Retry-After", "Sun, 06 Nox 1994 08:49:07 GMT", NOW_US, false, -1, -1, -1},
        {"Retry-After", "Sun, 06 anF 1994 08:49:07 GMT", NOW_US, false, -1, -1, -1},
        {"Retry-After", "soon", NOW_US, false, -1, -1, -1},
        {"Retry-After", "", NOW_US, false, -1, -1, -1},
        {"Retry-After", "-5", NOW_US, false, -1, -1, -1},
        {"Retry-After", "99999999999999999999", NOW_US, false, -1, -1, -1},
        {"Retry-After", "9999999999999", NOW_US, true, -1, -1, 366 * 24 * 3600},
        {"X-RateLimit-Remaining", "41", NOW_US, true, 41, -1, -1},
        {"x-ratelimit-reset", "30", NOW_US, true, -1, 30, -1},
        {"X-RateLimit-Reset", "1763700060", LATE_US, true, -1, 60, -1},
        {"X-RateLimit-Reset", "1763699000", LATE_US, true, -1, 0, -1},
        {"X-RateLimit-Reset", "1763700059999", LATE_US, true, -1, 60, -1},
        {"RateLimit-Reset", "5", NOW_US, true, -1, 5, -1},
        {"RateLimit", "limit=100, remaining=7, reset=30", NOW_US, true, 7, 30, -1},
        {"RateLimit", "\"default\";r=50;t=30", NOW_US, true, 50, 30, -1},
        {"RateLimit", "limit=100", NOW_US, false, -1, -1, -1},
        {"RateLimit", "remaining=,reset=", NOW_US, false, -1, -1, -1},
        {"Content-Length", "7", NOW_US, false, -1, -1, -1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rate_told told;
        rate_told_init(&told);
        bool good = rate_told_add(&told, cases[i].name, cases[i].value, cases[i].now_us);
        int64_t reset_us = cases[i].reset_s < 0 ? -1 : cases[i].reset_s * SECOND;
        int64_t retry_us = cases[i].retry_after_s < 0 ? -1 : cases[i].retry_after_s * SECOND;
        bool ok = CHECK_INT(good, cases[i].is_good);
        ok = CHECK_INT(told.remaining, cases[i].remaining) && ok;
        ok = CHECK_INT(told.reset_us, reset_us) && ok;
        ok = CHECK_INT(told.retry_after_us, retry_us) && ok;
        if (!ok)
            printf("# %s: %s\n", cases[i].name, cases[i].value);
    }
}

static void blocks_as_told(void)
{
    static const struct {
        struct rate_told told;
        int64_t block_us;
    } cases[] = {
        {{-1, -1, -1}, 0}, {{0, 30, -1}, 30}, {{1, 30, -1}, 0}, {{0, -1, -1}, 0},
        {{0, 30, 7}, 7},   {{9, 30, 7}, 7},   {{9, 30, 0}, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        CHECK_INT(rate_told_block_us(&cases[i].told), cases[i].block_us);
}

static CU_TestInfo tests[] = {
    {"known headers", known_headers},
    {"blocks as told", blocks_as_told},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("model/rate_headers", tests)
