/* cursor: order and look-back by type, never by text. */
#include "check.h"
#include "sync/internal.h"

#define SPEC(t)                                                                                    \
    {                                                                                              \
        .type = VALUE_##t                                                                          \
    }

static void test_compare(void)
{
    static const struct {
        struct value_spec spec;
        const char *a, *b;
        int order;
    } cases[] = {
        {SPEC(INT64), "9", "10", -1},
        {SPEC(INT64), "-9", "-10", 1},
        {SPEC(INT64), "7", "7", 0},
        {SPEC(DECIMAL), "9", "10", -1},
        {SPEC(DECIMAL), "-9", "-10", 1},
        {SPEC(DECIMAL), "-1", "1", -1},
        {SPEC(DECIMAL), "1.5", "1.25", 1},
        {SPEC(DECIMAL), "18446744073709551615", "9223372036854775807", 1},
        {SPEC(DATE), "2026-02-01", "2026-01-31", 1},
        {SPEC(TIMESTAMP), "2026-01-01 00:00:00.5", "2026-01-01 00:00:00.25", 1},
        {SPEC(TIMESTAMPTZ), "2026-01-01 01:00:00+01", "2026-01-01 00:00:00+00", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int order = cursor_compare(&cases[i].spec, cases[i].a, cases[i].b);
        CHECK_INT((order > 0) - (order < 0), cases[i].order);
    }
}

static void test_minus(void)
{
    static const struct {
        struct value_spec spec;
        const char *value;
        int64_t lookback;
        const char *result;
    } cases[] = {
        {SPEC(INT64), "100", 0, "100"},
        {SPEC(INT64), "100", 30, "70"},
        {SPEC(INT64), "-9223372036854775800", 1000, "-9223372036854775808"},
        {SPEC(DATE), "2026-03-01", 1, "2026-02-28"},
        {SPEC(DATE), "2026-03-01", 86400, "2026-02-28"},
        {SPEC(TIMESTAMP), "2026-03-01 00:00:10", 11, "2026-02-28 23:59:59"},
        {SPEC(TIMESTAMPTZ), "2026-03-01 00:00:10.5+00", 10, "2026-03-01 00:00:00.5+00"},
        {SPEC(DECIMAL), "5", 3, "5"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena arena ARENA_AUTO;
        const char *result = NULL;
        struct err err = {0};
        arena_init(&arena, 4096);
        CHECK_OK(
            cursor_minus(&cases[i].spec, cases[i].value, cases[i].lookback, &arena, &result, &err),
            &err);
        CHECK_TEXT(result, cases[i].result);
    }
}

static CU_TestInfo tests[] = {
    {"compared by type", test_compare},
    {"look-back", test_minus},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("sync/cursor", tests)
