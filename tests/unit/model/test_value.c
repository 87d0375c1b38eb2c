/* value: types, specs and text forms. */
#include "check.h"
#include "model/value.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void specs_round_trip(void)
{
    static const char *const texts[] = {
        "bool",           "int64",         "int64(8)",      "int64(32)", "float64(32)",
        "decimal",        "decimal(12,2)", "decimal(5,-2)", "text",      "text(40)",
        "bytes(16)",      "date",          "time(3)",       "timestamp", "timestamp(6)",
        "timestamptz(3)", "json",          "json(binary)",  "uuid",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct value_spec spec;
        struct str STR_AUTO out = str_with_max(100);
        if (!CHECK(value_spec_parse(texts[i], &spec)))
            printf("# %s\n", texts[i]);
        value_spec_format(&spec, &out);
        CHECK_TEXT(str_text(&out), texts[i]);
    }
}

static void specs_are_refused(void)
{
    static const char *const texts[] = {
        "",          "in64",       "int64(",       "int64(7)",    "int64(128)", "float64(16)",
        "decimal()", "decimal(0)", "decimal(1,)",  "decimal(1,2", "text(0)",    "text(x)",
        "bool(1)",   "uuid(4)",    "timestamp(7)", "json(text)",  "int64(32)x", "text (4",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct value_spec spec = {.type = VALUE_UUID, .bits = 7};
        if (!CHECK(!value_spec_parse(texts[i], &spec)))
            printf("# %s\n", texts[i]);
        CHECK_INT(spec.bits, 7);
    }
}

static void types_have_names(void)
{
    for (unsigned i = 0; i < VALUE_TYPE_COUNT; i++) {
        enum value_type type = VALUE_BOOL;
        CHECK(value_type_parse(value_type_name((enum value_type)i), &type));
        CHECK_INT(type, i);
    }
    CHECK_INT(value_type_width(VALUE_DATE), 4);
    CHECK_INT(value_type_width(VALUE_UUID), 16);
    CHECK_INT(value_type_width(VALUE_TEXT), 0);
}

static void decimals(void)
{
    static const struct {
        const char *in, *out; /* NULL = refused */
    } cases[] = {
        {"0", "0"},
        {"-0", "0"},
        {"-0.000", "0"},
        {"+5", "5"},
        {"12.50", "12.5"},
        {"-12.00", "-12"},
        {"007", "7"},
        {"-007.70", "-7.7"},
        {".5", "0.5"},
        {"-.50", "-0.5"},
        {"5.", "5"},
        {"100", "100"},
        {"1e3", "1000"},
        {"1.5E-3", "0.0015"},
        {"-12.34e1", "-123.4"},
        {"12.34e+2", "1234"},
        {"12.34e5", "1234000"},
        {"0e99999", "0"},
        {"0.0e-5", "0"},
        {"1e-3", "0.001"},
        {"100e-2", "1"},
        {"NaN", "NaN"},
        {"nan", "NaN"},
        {"Infinity", "Infinity"},
        {"-inf", "-Infinity"},
        {"99999999999999999999999999999999999.999999999999999999999999999999",
         "99999999999999999999999999999999999.999999999999999999999999999999"},
        {"", NULL},
        {"-", NULL},
        {".", NULL},
        {"1.2.3", NULL},
        {"1e", NULL},
        {"1e5x", NULL},
        {" 1", NULL},
        {"1 ", NULL},
        {"0x10", NULL},
        {"1e99999", NULL},
        {"1e-99999", NULL},
        {"1e99999999999999999999", NULL},
        {"--1", NULL},
        {"NaNa", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[VALUE_DECIMAL_MAX + 1];
        size_t len = 0;
        bool ok = decimal_canonical(cases[i].in, strlen(cases[i].in), out, &len);
        out[len] = '\0';
        CHECK_TEXT(ok ? out : NULL, cases[i].out);
    }
}

/* What fits is written wholly within the bound, what doesn't is refused: around the edge. */
static void decimals_at_the_bound(void)
{
    static char text[4000], out[VALUE_DECIMAL_MAX];
    for (size_t digits = VALUE_DECIMAL_MAX - 10; digits < VALUE_DECIMAL_MAX + 10; digits++) {
        size_t len = 0, again_len = 0;
        memset(text, '7', digits);
        bool ok = decimal_canonical(text, digits, out, &len);
        CHECK_INT(ok, digits <= VALUE_DECIMAL_MAX - 2);
        if (ok)
            CHECK_BYTES(out, len, text, digits);
        /* The same with leading zeros goes the general way. */
        memset(text, '0', 2000);
        memset(text + 2000, '7', digits);
        if (decimal_canonical(text, 2000 + digits, out, &again_len))
            CHECK_BYTES(out, again_len, text + 2000, digits);
        else
            CHECK(digits > VALUE_DECIMAL_MAX - 4);
    }
}

static void decimal_digit_counts(void)
{
    static const struct {
        const char *text;
        int whole, fraction;
    } cases[] = {{"0", 0, 0}, {"0.05", 0, 2}, {"-12.5", 2, 1}, {"100", 3, 0}, {"-7", 1, 0}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        int whole = -1, fraction = -1;
        decimal_digits(cases[i].text, strlen(cases[i].text), &whole, &fraction);
        CHECK_INT(whole, cases[i].whole);
        CHECK_INT(fraction, cases[i].fraction);
    }
}

static void decimals_are_rounded(void)
{
    static const struct {
        const char *in;
        int scale;
        const char *out;
    } cases[] = {
        {"1.25", 1, "1.3"},      {"-1.25", 1, "-1.3"}, {"1.24", 1, "1.2"},   {"1.25", 2, "1.25"},
        {"1.25", 5, "1.25"},     {"9.99", 1, "10"},    {"-99.5", 0, "-100"}, {"0.5", 0, "1"},
        {"0.49", 0, "0"},        {"-0.4", 0, "0"},     {"1234", -2, "1200"}, {"1250", -2, "1300"},
        {"-9950", -2, "-10000"}, {"50", -2, "100"},    {"49", -2, "0"},      {"5", -2, "0"},
        {"99", -3, "0"},         {"1.5", -1, "0"},     {"7.5", -1, "10"},    {"0.004", 2, "0"},
        {"0.005", 2, "0.01"},    {"0", 2, "0"},        {"0", -2, "0"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[VALUE_DECIMAL_MAX + 1];
        out[decimal_round(cases[i].in, strlen(cases[i].in), cases[i].scale, out)] = '\0';
        if (!CHECK_TEXT(out, cases[i].out))
            printf("# %s to %d\n", cases[i].in, cases[i].scale);
    }
}

/* Every day of 12,000 years: the successor of each is the next number, and back. */
static void civil_days(void)
{
    CHECK_INT(date_from_civil(1970, 1, 1), 0);
    CHECK_INT(date_from_civil(2000, 3, 1), 11017);
    CHECK_INT(date_from_civil(1, 1, 1), -719162);
    int64_t last_year = -2001;
    unsigned last_day = 0, wrong = 0;
    for (int64_t days = date_from_civil(-2000, 1, 1); days < date_from_civil(10000, 1, 1); days++) {
        int64_t year;
        unsigned month, day;
        date_to_civil(days, &year, &month, &day);
        wrong += date_from_civil(year, month, day) != days;
        wrong += day != last_day + 1 && day != 1;
        wrong += year != last_year && !(month == 1 && day == 1);
        last_day = day;
        last_year = year;
    }
    CHECK_INT(wrong, 0);
}

typedef bool parse_i64(const char *text, size_t len, int64_t *ret_value);
typedef size_t format_i64(int64_t value, char *to);

static bool parse_date(const char *text, size_t len, int64_t *ret_value)
{
    int32_t days;
    bool ok = date_parse(text, len, &days);
    if (ok)
        *ret_value = days;
    return ok;
}

static size_t format_date(int64_t value, char *to)
{
    return date_format((int32_t)value, to);
}

struct text_case {
    const char *in, *out; /* out NULL = refused */
};

static void run_text_cases(const struct text_case *cases, size_t count, parse_i64 *parse,
                           format_i64 *format)
{
    for (size_t i = 0; i < count; i++) {
        char out[48] = "";
        int64_t value = 77;
        bool ok = parse(cases[i].in, strlen(cases[i].in), &value);
        if (ok)
            out[format(value, out)] = '\0';
        else
            CHECK_INT(value, 77);
        if (!CHECK_TEXT(ok ? out : NULL, cases[i].out))
            printf("# of %s\n", cases[i].in);
    }
}

static void dates(void)
{
    static const struct text_case cases[] = {
        {"1970-01-01", "1970-01-01"},
        {"2024-02-29", "2024-02-29"},
        {"0001-01-01", "0001-01-01"},
        {"0000-12-31", "0000-12-31"},
        {"-0044-03-15", "-0044-03-15"},
        {"-9999-01-01", "-9999-01-01"},
        {"294276-12-31", "294276-12-31"},
        {"12345-06-07", "12345-06-07"},
        {"infinity", "infinity"},
        {"-infinity", "-infinity"},
        {"0000-00-00", NULL},
        {"2023-02-29", NULL},
        {"1900-02-29", NULL},
        {"2000-13-01", NULL},
        {"2000-00-10", NULL},
        {"2000-10-00", NULL},
        {"2000-04-31", NULL},
        {"200-01-01", NULL},
        {"2000-1-1", NULL},
        {"2000-01-01x", NULL},
        {"2000-01-0", NULL},
        {"5874897-12-31", "5874897-12-31"},
        {"5874898-01-01", NULL},
        {"12345678-01-01", NULL},
        {"-10000-01-01", NULL},
        {"", NULL},
        {"Infinity", NULL},
        {"2000/01/01", NULL},
    };
    run_text_cases(cases, COUNT(cases), parse_date, format_date);
}

static void times(void)
{
    static const struct text_case cases[] = {
        {"00:00:00", "00:00:00"},
        {"23:59:59.999999", "23:59:59.999999"},
        {"24:00:00", "24:00:00"},
        {"-838:59:59", "-838:59:59"},
        {"9999:59:59.5", "9999:59:59.5"},
        {"1:02:03", "01:02:03"},
        {"-00:00:00.000001", "-00:00:00.000001"},
        {"12:00:00.120000", "12:00:00.12"},
        {"12:00:00.1234560", "12:00:00.123456"},
        {"12:00:00.1234567", NULL},
        {"12:00:00.", NULL},
        {"12:60:00", NULL},
        {"12:00:60", NULL},
        {"12:00", NULL},
        {"10000:00:00", NULL},
        {"", NULL},
        {"-", NULL},
    };
    run_text_cases(cases, COUNT(cases), time_parse, time_format);
}

static void timestamps(void)
{
    static const struct text_case cases[] = {
        {"2026-11-21 07:18:26", "2026-11-21 07:18:26"},
        {"2026-11-21T07:18:26.5", "2026-11-21 07:18:26.5"},
        {"1969-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999"},
        {"1970-01-01 00:00:00", "1970-01-01 00:00:00"},
        {"-0001-01-01 00:00:00", "-0001-01-01 00:00:00"},
        {"infinity", "infinity"},
        {"-infinity", "-infinity"},
        {"294241-01-01 00:00:00", "294241-01-01 00:00:00"},
        {"294276-12-31 23:59:59", NULL}, /* beyond 64 bits of microseconds */
        {"2026-11-21 24:00:00", NULL},
        {"2026-11-21", NULL},
        {"2026-11-21 07:18:26+00", NULL},
        {"2026-11-21  07:18:26", NULL},
        {"0000-00-00 00:00:00", NULL},
    };
    run_text_cases(cases, COUNT(cases), timestamp_parse, timestamp_format);
}

static void timestamps_with_zone(void)
{
    static const struct text_case cases[] = {
        {"2026-11-21 07:18:26Z", "2026-11-21 07:18:26+00"},
        {"2026-11-21 07:18:26+00", "2026-11-21 07:18:26+00"},
        {"2026-11-21 07:18:26.25+02:30", "2026-11-21 04:48:26.25+00"},
        {"2026-01-01 00:00:00-0330", "2026-01-01 03:30:00+00"},
        {"1880-01-01 00:00:00+00:53:28", "1879-12-31 23:06:32+00"},
        {"infinity", "infinity"},
        {"2026-11-21 07:18:26", NULL},
        {"2026-11-21 07:18:26+", NULL},
        {"2026-11-21 07:18:26+2", NULL},
        {"2026-11-21 07:18:26+02:", NULL},
        {"2026-11-21 07:18:26+02:60", NULL},
        {"2026-11-21 07:18:26+99", NULL},
        {"2026-11-21 07:18:26Zx", NULL},
    };
    run_text_cases(cases, COUNT(cases), timestamptz_parse, timestamptz_format);
}

static void uuids(void)
{
    static const char text[] = "0f8FAD5b-d9cb-469f-a165-70867728950E";
    uint8_t bytes[16];
    char out[37] = "";
    CHECK(uuid_parse(text, 36, bytes));
    CHECK_INT(bytes[0], 0x0f);
    CHECK_INT(bytes[15], 0x0e);
    uuid_format(bytes, out);
    CHECK_TEXT(out, "0f8fad5b-d9cb-469f-a165-70867728950e");
    CHECK(!uuid_parse(text, 35, bytes));
    CHECK(!uuid_parse("0f8fad5bxd9cb-469f-a165-70867728950e", 36, bytes));
    CHECK(!uuid_parse("0g8fad5b-d9cb-469f-a165-70867728950e", 36, bytes));
}

static void columns_are_found(void)
{
    struct column_spec columns[] = {{.name = "id"}, {.name = "Name"}};
    struct table_spec table = {.column_count = 2, .columns = columns};
    CHECK_INT(table_spec_find(&table, "Name"), 1);
    CHECK_INT(table_spec_find(&table, "name"), -1);
}

static CU_TestInfo tests[] = {
    {"specs round trip", specs_round_trip},
    {"specs are refused", specs_are_refused},
    {"types have names", types_have_names},
    {"decimals", decimals},
    {"decimals at the bound", decimals_at_the_bound},
    {"decimal digit counts", decimal_digit_counts},
    {"decimals are rounded", decimals_are_rounded},
    {"civil days", civil_days},
    {"dates", dates},
    {"times", times},
    {"timestamps", timestamps},
    {"timestamps with zone", timestamps_with_zone},
    {"uuids", uuids},
    {"columns are found", columns_are_found},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("model/value", tests)
