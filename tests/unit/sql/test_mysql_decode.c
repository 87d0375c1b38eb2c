/* mysql/decode: the server's texts into columns, and what becomes a fault. */
#include "check.h"
#include "mysql/mysql_private.h"

#include <stdio.h>

static const struct {
    const char *native; /* column type */
    const char *spec;   /* wanted */
    const char *text;
    size_t len;       /* 0 = to the NUL */
    const char *want; /* canonical text; NULL = a fault */
    enum value_fault fault;
} cases[] = {
    {"int(11)", "int64(32)", "0", 0, "0", 0},
    {"int(11)", "int64(32)", "-2147483648", 0, "-2147483648", 0},
    {"int(6) unsigned zerofill", "int64(64)", "000042", 0, "42", 0},
    {"bigint(20)", "int64(64)", "-9223372036854775808", 0, "-9223372036854775808", 0},
    {"bigint(20)", "int64(64)", "999999999999999999", 0, "999999999999999999", 0},
    {"bigint(20)", "int64(64)", "9223372036854775808", 0, NULL, FAULT_OUT_OF_RANGE},
    {"bigint(20) unsigned", "decimal(20,0)", "18446744073709551615", 0, "18446744073709551615", 0},
    {"int(11)", "int64(32)", "", 0, NULL, FAULT_OUT_OF_RANGE},
    {"int(11)", "int64(32)", "-", 0, NULL, FAULT_OUT_OF_RANGE},
    {"int(11)", "int64(32)", "1x", 0, NULL, FAULT_OUT_OF_RANGE},
    {"year(4)", "int64(16)", "0000", 0, "0", 0},
    {"tinyint(1)", "bool", "1", 0, "true", 0},
    {"tinyint(1)", "bool", "0", 0, "false", 0},
    {"tinyint(1)", "bool", "2", 0, NULL, FAULT_INVALID_CAST},
    {"tinyint(1)", "bool", "-1", 0, NULL, FAULT_INVALID_CAST},
    {"bit(1)", "bool", "\1", 1, "true", 0},
    {"bit(1)", "bool", "\0", 1, "false", 0},
    {"bit(9)", "bytes(2)", "\1\1", 2, "\\x0101", 0},
    {"decimal(12,2)", "decimal(12,2)", "1.50", 0, "1.5", 0},
    {"decimal(12,2)", "decimal(12,2)", "-0.00", 0, "0", 0},
    {"decimal(12,2)", "decimal(12,2)", "100.00", 0, "100", 0},
    {"decimal(12,0)", "decimal(12,0)", "100", 0, "100", 0},
    {"decimal(12,0)", "decimal(12,0)", "-0", 0, "0", 0},
    {"decimal(5,2) unsigned zerofill", "decimal(5,2)", "000.05", 0, "0.05", 0},
    {"decimal(65,30)", "decimal(65,30)",
     "-99999999999999999999999999999999999.999999999999999999999999999999", 0,
     "-99999999999999999999999999999999999.999999999999999999999999999999", 0},
    {"float", "float64(32)", "0.10000000149011612", 0, "0.10000000149011612", 0},
    {"double", "float64(64)", "1.7976931348623157e308", 0, "1.7976931348623157e+308", 0},
    {"double", "float64(64)", "2.2250738585072014e-308", 0, "2.2250738585072014e-308", 0},
    {"varchar(9)", "text(9)", "", 0, "", 0},
    {"varchar(9)", "text(9)", "n\xc3\xa4h \xf0\x9f\x98\x80", 0, "n\xc3\xa4h \xf0\x9f\x98\x80", 0},
    {"varchar(9)", "text(9)", "a\0b", 3, "a", 0}, /* the NUL is kept: see below */
    {"varchar(9)", "text(9)", "a\xff", 0, NULL, FAULT_INVALID_UTF8},
    {"varbinary(9)", "bytes(9)", "a\xff\0", 3, "\\x61ff00", 0},
    {"enum('a','b')", "text(1)", "b", 0, "b", 0},
    {"longtext", "json", "{\"b\": 1.0}", 0, "{\"b\": 1.0}", 0},
    {"date", "date", "2024-02-29", 0, "2024-02-29", 0},
    {"date", "date", "2023-02-29", 0, NULL, FAULT_INVALID_CAST},
    {"date", "date", "1900-02-29", 0, NULL, FAULT_INVALID_CAST},
    {"date", "date", "2000-02-29", 0, "2000-02-29", 0},
    {"date", "date", "2021-02-31", 0, NULL, FAULT_INVALID_CAST},
    {"date", "date", "0000-00-00", 0, NULL, FAULT_ZERO_DATE},
    {"date", "date", "2020-00-10", 0, NULL, FAULT_ZERO_DATE},
    {"date", "date", "2020-10-00", 0, NULL, FAULT_ZERO_DATE},
    {"date", "date", "0000-01-01", 0, "0000-01-01", 0},
    {"date", "date", "9999-12-31", 0, "9999-12-31", 0},
    {"date", "date", "99-12-31", 0, NULL, FAULT_INVALID_CAST},
    {"datetime", "timestamp", "2026-11-21 07:18:26", 0, "2026-11-21 07:18:26", 0},
    {"datetime(6)", "timestamp(6)", "1969-12-31 23:59:59.999999", 0, "1969-12-31 23:59:59.999999",
     0},
    {"datetime(3)", "timestamp(3)", "2026-11-21 07:18:26.120", 0, "2026-11-21 07:18:26.12", 0},
    {"datetime", "timestamp", "0000-00-00 00:00:00", 0, NULL, FAULT_ZERO_DATE},
    {"datetime", "timestamp", "2026-11-21", 0, NULL, FAULT_INVALID_CAST},
    {"datetime", "timestamp", "2026-11-21 07:18:2x", 0, NULL, FAULT_INVALID_CAST},
    {"timestamp(6)", "timestamptz(6)", "2038-01-19 03:14:07.999999", 0,
     "2038-01-19 03:14:07.999999+00", 0},
    {"timestamp", "timestamptz", "0000-00-00 00:00:00", 0, NULL, FAULT_ZERO_DATE},
    {"time(6)", "time(6)", "-838:59:59.000000", 0, "-838:59:59", 0},
    {"time(6)", "time(6)", "-00:00:00.000001", 0, "-00:00:00.000001", 0},
    {"time", "time", "24:00:00", 0, "24:00:00", 0},
    {"time", "time", "838:59:59", 0, "838:59:59", 0},
    {"time", "time", "7:59:59", 0, NULL, FAULT_INVALID_CAST},
    {"time", "time", "", 0, NULL, FAULT_INVALID_CAST},
    {"uuid", "uuid", "E04A9385-e57f-11f1-83f7-02fc00000001", 0,
     "e04a9385-e57f-11f1-83f7-02fc00000001", 0},
    {"uuid", "uuid", "nonsense", 0, NULL, FAULT_INVALID_CAST},
};

static void check_case(size_t i, struct batch *batch, mys_decode *decode)
{
    STR_AUTO struct str text = str_with_max(4096);
    size_t len = cases[i].len == 0 ? strlen(cases[i].text) : cases[i].len;
    decode(batch, &batch->columns[0], cases[i].text, len);
    if (!CHECK(batch_end_row(batch)))
        return;
    bool has = column_format(&batch->columns[0], 0, &text);
    if (!CHECK(has == (cases[i].want != NULL)) ||
        (has && !CHECK_TEXT(str_text(&text), cases[i].want)))
        printf("# case %zu: %s \"%s\"\n", i, cases[i].native, cases[i].text);
    if (has) {
        CHECK_INT(batch->fault_count, 0);
    } else if (CHECK_INT(batch->fault_count, 1)) {
        CHECK_INT(batch->faults[0].fault, cases[i].fault);
        CHECK_BYTES(batch->fault_text.data, batch->fault_text.len, cases[i].text, len);
    }
}

static void test_values(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mys_native native;
        struct column_spec column = {.name = "c"};
        mys_native_parse(cases[i].native, 0, &native);
        if (!CHECK(value_spec_parse(cases[i].spec, &column.spec)))
            continue;
        mys_decode *decode = mys_decoder(&native, &column.spec);
        struct batch *batch = batch_new(&column, 1, 64, 1 << 20);
        if (CHECK(decode != NULL) && CHECK(batch != NULL))
            check_case(i, batch, decode);
        batch_free(batch);
    }
}

static void test_a_nul_stays_in_text(void)
{
    struct mys_native native;
    struct column_spec column = {.name = "c", .spec = {.type = VALUE_TEXT}};
    mys_native_parse("varchar(9)", 9, &native);
    struct batch *batch = batch_new(&column, 1, 64, 1 << 20);
    mys_decoder(&native, &column.spec)(batch, &batch->columns[0], "a\0b", 3);
    CHECK(batch_end_row(batch));
    struct slice text = column_bytes(&batch->columns[0], 0);
    CHECK_BYTES(text.data, text.len, "a\0b", 3);
    batch_free(batch);
}

static void test_a_changed_type_has_no_decoder(void)
{
    static const struct {
        const char *native, *spec;
        bool fits;
    } pairs[] = {
        {"varchar(9)", "int64(32)", false},
        {"int(11)", "text(9)", false},
        {"int(11)", "date", false},
        {"datetime", "timestamptz", false},
        {"timestamp", "timestamp", false},
        {"bit(1)", "bytes(1)", false},
        {"bit(8)", "bool", false},
        {"blob", "text", false},
        {"text", "bytes", false},
        {"longtext", "json", true},
        {"json", "text", true},
        {"tinyint(1)", "bool", true},
        {"int(11)", "decimal(20,0)", true},
        {"char(36)", "uuid", true},
        {"double", "decimal(9,2)", false},
        {"decimal(9,2)", "float64(64)", false},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct mys_native native;
        struct value_spec spec;
        mys_native_parse(pairs[i].native, 0, &native);
        CHECK(value_spec_parse(pairs[i].spec, &spec));
        if (!CHECK((mys_decoder(&native, &spec) != NULL) == pairs[i].fits))
            printf("# %s as %s\n", pairs[i].native, pairs[i].spec);
    }
}

static CU_TestInfo tests[] = {
    {"values", test_values},
    {"a NUL stays in text", test_a_nul_stays_in_text},
    {"a changed type has no decoder", test_a_changed_type_has_no_decoder},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("sql/mysql_decode", tests)
