/* split: every value falls into exactly one range. */
#include "base/num.h"
#include "check.h"
#include "model/split.h"

#include <stdio.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static uint64_t seed;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void known_ranges(void)
{
    static const struct {
        const char *spec, *min, *max;
        int64_t rows, chunk;
        const char *bounds; /* between the ranges; "" = one range */
    } cases[] = {
        {"int64", "0", "99", 100, 25, "25 50 75"},
        {"int64", "0", "99", 101, 25, "20 40 60 80"},
        {"int64", "1", "3", 1000, 1, "2 3"},
        {"int64", "5", "5", 1000, 1, ""},
        {"int64", "-10", "9", 20, 10, "0"},
        {"int64", "-9223372036854775808", "9223372036854775807", 2, 1, "-1"},
        {"int64", NULL, NULL, 1000, 1, ""},
        {"int64", "1", NULL, 1000, 1, ""},
        {"int64", "9", "1", 1000, 1, ""},
        {"int64", "x", "1", 1000, 1, ""},
        {"int64", "1", "100", -1, 10, ""},
        {"int64", "1", "100", 100, 0, ""},
        {"int64", "1", "100", 10, 100, ""},
        {"date", "2026-01-01", "2026-01-04", 4, 2, "2026-01-03"},
        {"date", "2026-01-01", "infinity", 4, 2, ""},
        {"timestamp", "2026-01-01 00:00:00", "2026-01-01 23:59:59.999999", 4, 2,
         "2026-01-01 12:00:00"},
        {"timestamptz", "2026-01-01 00:00:00+01", "2026-01-01 22:59:59.999999+00", 2, 1,
         "2026-01-01 11:00:00+00"},
        {"uuid", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", 2,
         1, "7fffffff-ffff-ffff-0000-000000000000"},
        {"uuid", "00000000-0000-0000-0000-000000000000", "00000000-0000-0000-ffff-ffffffffffff", 9,
         1, ""},
        {"text", "a", "z", 1000, 1, ""},
        {"decimal(20,0)", "0", "99", 100, 25, "25 50 75"},
        {"decimal(20,0)", "0", "18446744073709551615", 100, 25, ""},
        {"decimal(9,2)", "1.50", "9", 1000, 1, ""},
        {"decimal", "NaN", "9", 1000, 1, ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena ARENA_AUTO arena;
        struct str STR_AUTO bounds = str_with_max(10000);
        struct value_spec spec;
        struct split_list list = {0};
        struct err err = {0};
        arena_init(&arena, 1 << 20);
        CHECK(value_spec_parse(cases[i].spec, &spec));
        CHECK_OK(split_ranges(&spec, cases[i].min, cases[i].max, cases[i].rows, cases[i].chunk,
                              &arena, &list, &err),
                 &err);
        for (size_t k = 0; k + 1 < list.count; k++)
            str_addf(&bounds, "%s%s", k == 0 ? "" : " ", list.ranges[k].to);
        if (!CHECK_TEXT(str_text(&bounds), cases[i].bounds))
            printf("# %s %zu\n", cases[i].spec, i);
        CHECK(list.ranges[0].from == NULL && list.ranges[list.count - 1].to == NULL);
    }
}

/* Reads a bound back into the order of its type. */
static uint64_t point_of(enum value_type type, const char *text)
{
    int64_t value = 0;
    int32_t days = 0;
    uint8_t bytes[16] = {0};
    size_t len = strlen(text);
    uint64_t point = 0;
    if (type == VALUE_UUID) {
        CHECK(uuid_parse(text, len, bytes));
        for (unsigned i = 0; i < 8; i++)
            point = point << 8 | bytes[i];
        return point;
    }
    if (type == VALUE_INT64)
        value = strtoll(text, NULL, 10);
    else if (type == VALUE_DATE && CHECK(date_parse(text, len, &days)))
        value = days;
    else if (type == VALUE_TIMESTAMP)
        CHECK(timestamp_parse(text, len, &value));
    else if (type == VALUE_TIMESTAMPTZ)
        CHECK(timestamptz_parse(text, len, &value));
    return (uint64_t)value ^ UINT64_C(1) << 63;
}

static size_t format_point(enum value_type type, uint64_t point, char *to)
{
    int64_t value = (int64_t)(point ^ UINT64_C(1) << 63);
    uint8_t bytes[16] = {0};
    if (type == VALUE_INT64)
        return num_format_i64(value, to);
    if (type == VALUE_DATE)
        return date_format((int32_t)value, to);
    if (type == VALUE_TIMESTAMP)
        return timestamp_format(value, to);
    if (type == VALUE_TIMESTAMPTZ)
        return timestamptz_format(value, to);
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(point >> (56 - 8 * i));
    uuid_format(bytes, to);
    return 36;
}

/* A random point of the type's line: all of it for int64 and uuid, some thousand years else. */
static uint64_t random_point(enum value_type type)
{
    uint64_t random = next_random() >> next_random() % 64, middle = UINT64_C(1) << 63;
    if (type == VALUE_UUID || type == VALUE_INT64)
        return random;
    if (type == VALUE_DATE)
        return middle + random % 1000000 - 500000;
    return middle + random % UINT64_C(100000000000000000) - UINT64_C(50000000000000000);
}

static void each_value_is_in_one_range(void)
{
    static const enum value_type types[] = {VALUE_INT64, VALUE_DATE, VALUE_TIMESTAMP,
                                            VALUE_TIMESTAMPTZ, VALUE_UUID};
    seed = 20261121;
    unsigned wrong = 0;
    for (int round = 0; round < 500; round++) {
        struct value_spec spec = {.type = types[round % (int)COUNT(types)]};
        struct arena ARENA_AUTO arena;
        struct split_list list = {0};
        struct err err = {0};
        char min[48] = "", max[48] = "";
        uint64_t low = random_point(spec.type), high = random_point(spec.type);
        arena_init(&arena, 1 << 20);
        if (low > high) {
            uint64_t swap = low;
            low = high;
            high = swap;
        }
        min[format_point(spec.type, low, min)] = '\0';
        max[format_point(spec.type, high, max)] = '\0';
        CHECK_OK(split_ranges(&spec, min, max, (int64_t)(next_random() % 5000),
                              1 + (int64_t)(next_random() % 4), &arena, &list, &err),
                 &err);
        CHECK(list.count >= 1 && list.count <= SPLIT_RANGES_MAX);
        /* Open ends and bounds that rise and join: then each value has one range. */
        wrong += list.ranges[0].from != NULL || list.ranges[list.count - 1].to != NULL;
        for (size_t k = 0; k + 1 < list.count; k++) {
            uint64_t bound = point_of(spec.type, list.ranges[k].to);
            wrong += strcmp(list.ranges[k].to, list.ranges[k + 1].from) != 0;
            wrong += bound <= low || bound > high;
            wrong += k > 0 && bound <= point_of(spec.type, list.ranges[k].from);
        }
        for (int probe = 0; probe < 20; probe++) {
            uint64_t value = random_point(spec.type);
            unsigned homes = 0;
            for (size_t k = 0; k < list.count; k++) {
                const struct split_range *range = &list.ranges[k];
                homes += (range->from == NULL || point_of(spec.type, range->from) <= value) &&
                         (range->to == NULL || value < point_of(spec.type, range->to));
            }
            wrong += homes != 1;
        }
    }
    CHECK_INT(wrong, 0);
}

static void ranges_are_even(void)
{
    struct arena ARENA_AUTO arena;
    struct value_spec spec = {.type = VALUE_INT64};
    struct split_list list = {0};
    struct err err = {0};
    arena_init(&arena, 1 << 20);
    CHECK_OK(split_ranges(&spec, "1", "10000000", 10000000, 1000, &arena, &list, &err), &err);
    CHECK_INT(list.count, SPLIT_RANGES_MAX);
    for (size_t k = 1; k + 1 < list.count; k++) {
        const char *from = list.ranges[k].from, *to = list.ranges[k].to;
        int64_t first = 0, end = 0;
        CHECK(num_parse_i64(from, strlen(from), &first) && num_parse_i64(to, strlen(to), &end));
        CHECK(end - first >= 9765 && end - first <= 9766);
    }
}

static void memory_may_fail(void)
{
    struct value_spec spec = {.type = VALUE_INT64};
    struct err err = {0};
    for (uint64_t n = 1; n <= 4; n++) {
        struct arena ARENA_AUTO arena;
        struct split_list list = {.count = 99};
        arena_init(&arena, 1 << 20);
        arena_fail_at(n);
        enum outcome outcome = split_ranges(&spec, "0", "9", 3, 1, &arena, &list, &err);
        arena_fail_at(0);
        CHECK_INT(outcome, n <= 3 ? OUTCOME_RETRY : OUTCOME_OK);
        CHECK_INT(list.count, n <= 3 ? 99 : 3);
    }
}

static CU_TestInfo tests[] = {
    {"known ranges", known_ranges},
    {"each value is in one range", each_value_is_in_one_range},
    {"ranges are even", ranges_are_even},
    {"memory may fail", memory_may_fail},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("model/split", tests)
