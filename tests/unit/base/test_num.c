/* num: edges, and round trips of many doubles. */
#include "base/num.h"

#include "check.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void test_parse_i64(void)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t want;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"+7", true, 7},
        {"-12", true, -12},
        {"000000000000000000000000000012", true, 12},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999", false, 0},
        {"18446744073709551616", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+", false, 0},
        {"-+1", false, 0},
        {"+-1", false, 0},
        {"--1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1a", false, 0},
        {"0x10", false, 0},
        {"1.0", false, 0},
        {"123456789012345678/", false, 0},
        {"1844674407370955161:", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t value = 4242;
        if (!CHECK_INT(num_parse_i64(cases[i].text, strlen(cases[i].text), &value), cases[i].ok))
            printf("# %s\n", cases[i].text);
        CHECK_INT(value, cases[i].ok ? cases[i].want : 4242);
    }
    int64_t value;
    CHECK(num_parse_i64("123456", 3, &value) && value == 123);
    CHECK(!num_parse_i64("1\0002", 3, &value));
}

static void test_parse_u64(void)
{
    uint64_t value = 0;
    CHECK(num_parse_u64("18446744073709551615", 20, &value) && value == UINT64_MAX);
    CHECK(!num_parse_u64("18446744073709551616", 20, &value));
    CHECK(!num_parse_u64("28446744073709551615", 20, &value));
    CHECK(!num_parse_u64("-1", 2, &value));
    CHECK(!num_parse_u64("", 0, &value));
    CHECK(value == UINT64_MAX);
}

static void test_format_integers(void)
{
    static const int64_t values[] = {0,   1,    9,    10,        99,        100,       101, -1,
                                     -10, -100, 1234, INT64_MAX, INT64_MIN, 999999999, -99};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char got[20], want[32];
        int len = snprintf(want, sizeof want, "%lld", (long long)values[i]);
        CHECK_BYTES(got, num_format_i64(values[i], got), want, (size_t)len);
    }
    char got[20];
    CHECK_BYTES(got, num_format_u64(UINT64_MAX, got), "18446744073709551615", 20);
}

static void test_parse_f64(void)
{
    static const struct {
        const char *text;
        bool ok;
        double want;
    } cases[] = {
        {"0", true, 0},
        {"1.5", true, 1.5},
        {"-2.25", true, -2.25},
        {"+3", true, 3},
        {".5", true, .5},
        {"5.", true, 5},
        {"1e3", true, 1000},
        {"1E-3", true, .001},
        {"0.1", true, .1},
        {"123456789012345", true, 123456789012345.0},
        {"-12345678901234.5", true, -12345678901234.5},
        {"-9223372036854775808", true, -9223372036854775808.0},
        {"99999999999999999999", true, 1e20},
        {"0.30000000000000004", true, 0.30000000000000004},
        {"1.7976931348623157e308", true, DBL_MAX},
        {"5e-324", true, 5e-324},
        {"Infinity", true, INFINITY},
        {"-INFINITY", true, -INFINITY},
        {"inf", true, INFINITY},
        {"1e999", false, 0},
        {"-1e999", false, 0},
        {"", false, 0},
        {".", false, 0},
        {"-", false, 0},
        {"1e", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"\n1e5", false, 0},
        {"1.2.3", false, 0},
        {"1,5", false, 0},
        {"abc", false, 0},
        {"infinit", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double value = 42;
        if (!CHECK_INT(num_parse_f64(cases[i].text, strlen(cases[i].text), &value), cases[i].ok))
            printf("# %s\n", cases[i].text);
        CHECK(value == (cases[i].ok ? cases[i].want : 42));
    }
    double value;
    CHECK(num_parse_f64("-0", 2, &value) && value == 0 && signbit(value));
    CHECK(num_parse_f64("nan", 3, &value) && isnan(value));
    CHECK(num_parse_f64("NaN", 3, &value) && isnan(value));
    CHECK(!num_parse_f64("1e5\0", 4, &value));
    char digits[200];
    memset(digits, '3', sizeof digits);
    digits[1] = '.';
    CHECK(num_parse_f64(digits, sizeof digits, &value) && value == 10.0 / 3);
}

static void test_format_f64(void)
{
    static const struct {
        double value;
        const char *want;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-17, "-17"},
        {0.1, "0.1"},
        {-0.25, "-0.25"},
        {12.34, "12.34"},
        {1.005, "1.005"},
        {0.0001, "0.0001"},
        {0.00012345, "0.00012345"},
        {0.00001, "1e-05"},
        {100, "100"},
        {999999999999999, "999999999999999"},
        {1e15, "1e+15"},
        {1e22, "1e+22"},
        {9007199254740992.0, "9007199254740992"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {123456.789, "123456.789"},
        {99999999999999.9, "99999999999999.9"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {-DBL_MIN, "-2.2250738585072014e-308"},
        {INFINITY, "Infinity"},
        {-INFINITY, "-Infinity"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char got[33];
        got[num_format_f64(cases[i].value, got)] = '\0';
        CHECK_TEXT(got, cases[i].want);
    }
    char got[32];
    CHECK_BYTES(got, num_format_f64(NAN, got), "NaN", 3);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* The text of the plain way: the first of three precisions that reads back. */
static size_t plain_format(double value, char to[32])
{
    int len = 0;
    for (int precision = 15; precision <= 17; precision++) {
        len = snprintf(to, 32, "%.*g", precision, value);
        if (strtod(to, NULL) == value)
            break;
    }
    return (size_t)len;
}

/* Decimals of up to 17 digits and doubles of any bits: same text as the plain way, same value back.
 */
static void test_f64_round_trips(void)
{
    uint64_t state = 88172645463325252u;
    unsigned bad = 0;
    for (unsigned i = 0; i < 400000 && bad < 5; i++) {
        uint64_t bits = next_random(&state);
        double value;
        if (i % 4 == 0)
            memcpy(&value, &bits, sizeof value);
        else if (i % 4 == 1)
            value = (double)(int64_t)(bits >> (bits % 60)) / pow(10, (double)(bits / 64 % 18));
        else if (i % 4 == 2)
            value = ldexp((double)(bits >> 11), -3 - (int)(bits % 64));
        else
            value = nextafter(ldexp(1, (int)(bits % 64) - 14), (bits & 64) != 0 ? 0 : 1e300);
        char got[32], want[32];
        if (!isfinite(value))
            continue;
        size_t len = num_format_f64(value, got), want_len = plain_format(value, want);
        double back = 0;
        if (!CHECK_BYTES(got, len, want, want_len) || !CHECK(num_parse_f64(got, len, &back)) ||
            !CHECK(back == value))
            bad++;
    }
}

static CU_TestInfo tests[] = {
    {"parse i64", test_parse_i64},
    {"parse u64", test_parse_u64},
    {"format integers", test_format_integers},
    {"parse f64", test_parse_f64},
    {"format f64", test_format_f64},
    {"f64 round trips", test_f64_round_trips},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("base/num", tests)
