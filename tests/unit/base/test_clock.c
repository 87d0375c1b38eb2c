/* clock: RFC 3339 both ways, against the C library's calendar. */
#include "base/clock.h"

#include "check.h"

#include <stdio.h>
#include <time.h>

static void test_format(void)
{
    static const struct {
        int64_t us;
        const char *want;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {INT64_C(951782400000000), "2000-02-29T00:00:00.000000Z"},
        {INT64_C(1795245506123456), "2026-11-21T07:18:26.123456Z"},
        {INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z"},
        {INT64_C(253402300800000000), "+010000-01-01T00:00:00.000000Z"},
        {INT64_C(-62167219200000000), "0000-01-01T00:00:00.000000Z"},
        {INT64_C(-62167219200000001), "-000001-12-31T23:59:59.999999Z"},
        {INT64_MAX, "+294247-01-10T04:00:54.775807Z"},
        {INT64_MIN, "-290308-12-21T19:59:05.224192Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[CLOCK_TEXT_SIZE];
        CHECK_TEXT(clock_format(cases[i].us, text), cases[i].want);
    }
}

static void test_parse(void)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t want;
    } cases[] = {
        {"1970-01-01T00:00:00Z", true, 0},
        {"1970-01-01t00:00:00.5z", true, 500000},
        {"1970-01-01 00:00:00.000001Z", true, 1},
        {"1970-01-01T00:00:00.1234567899Z", true, 123456},
        {"1970-01-01T01:00:00+01:00", true, 0},
        {"1969-12-31T18:30:00-05:30", true, 0},
        {"1970-01-01T00:00:00-00:00", true, 0},
        {"2016-12-31T23:59:60Z", true, INT64_C(1483228800000000)},
        {"2000-02-29T00:00:00Z", true, INT64_C(951782400000000)},
        {"0000-01-01T00:00:00Z", true, INT64_C(-62167219200000000)},
        {"1900-02-29T00:00:00Z", false, 0},
        {"2001-02-29T00:00:00Z", false, 0},
        {"2001-04-31T00:00:00Z", false, 0},
        {"2001-00-01T00:00:00Z", false, 0},
        {"2001-13-01T00:00:00Z", false, 0},
        {"2001-01-00T00:00:00Z", false, 0},
        {"2001-01-01T24:00:00Z", false, 0},
        {"2001-01-01T00:60:00Z", false, 0},
        {"2001-01-01T00:00:61Z", false, 0},
        {"2001-01-01T00:00:00.Z", false, 0},
        {"2001-01-01T00:00:00", false, 0},
        {"2001-01-01T00:00:00+24:00", false, 0},
        {"2001-01-01T00:00:00+00:60", false, 0},
        {"2001-01-01T00:00:00+0100", false, 0},
        {"2001-01-01T00:00:00Z ", false, 0},
        {" 2001-01-01T00:00:00Z", false, 0},
        {"2001-1-01T00:00:00Z", false, 0},
        {"2001-01-01", false, 0},
        {"", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t us = 42;
        if (!CHECK_INT(clock_parse(cases[i].text, &us), cases[i].ok))
            printf("# %s\n", cases[i].text);
        CHECK_INT(us, cases[i].ok ? cases[i].want : 42);
    }
}

/* Every day of eight centuries agrees with gmtime_r and comes back. */
static void test_calendar(void)
{
    unsigned bad = 0;
    for (int64_t day = -146097; day < 146097 && bad < 5; day++) {
        time_t seconds = (time_t)(day * 86400 + 3723);
        struct tm tm;
        char want[64], got[CLOCK_TEXT_SIZE];
        int64_t back = 0;
        (void)gmtime_r(&seconds, &tm);
        (void)snprintf(want, sizeof want, "%04d-%02d-%02dT01:02:03.000000Z", tm.tm_year + 1900,
                       tm.tm_mon + 1, tm.tm_mday);
        bool ok = CHECK_TEXT(clock_format(seconds * US_PER_S, got), want) &&
                  CHECK(clock_parse(got, &back)) && CHECK_INT(back, seconds * US_PER_S);
        bad += !ok;
    }
}

static void test_clocks(void)
{
    int64_t wall = clock_wall_us(), before = clock_monotonic_us();
    clock_sleep_us(2000);
    clock_sleep_us(0);
    clock_sleep_us(-5);
    CHECK(clock_monotonic_us() - before >= 2000);
    CHECK(wall > INT64_C(1700000000000000));
}

static CU_TestInfo tests[] = {
    {"format", test_format}, {"parse", test_parse}, {"calendar", test_calendar},
    {"clocks", test_clocks}, CU_TEST_INFO_NULL,
};
CHECK_MAIN("base/clock", tests)
