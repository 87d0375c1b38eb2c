/* mysql/encode, mysql/sql: values and names as they stand in statements. */
#include "check.h"
#include "mysql/mysql_private.h"

#include <stdio.h>

static const struct {
    const char *native, *spec, *text;
    const char *want; /* NULL = refused */
} cases[] = {
    {"tinyint(1)", "bool", "true", "1"},
    {"bit(1)", "bool", "false", "0"},
    {"bigint(20)", "int64(64)", "-9223372036854775808", "-9223372036854775808"},
    {"double", "float64(64)", "0.1", "0.1e0"},
    {"double", "float64(64)", "1e300", "1e+300"},
    {"double", "float64(64)", "0", "0e0"},
    {"double", "float64(64)", "-0", NULL},
    {"double", "float64(64)", "NaN", NULL},
    {"double", "float64(64)", "Infinity", NULL},
    {"float", "float64(32)", "0.5", "0.5e0"},
    {"float", "float64(32)", "0.1", NULL},
    {"float", "float64(32)", "0.10000000149011612", "0.10000000149011612e0"},
    {"decimal(9,2)", "decimal(9,2)", "-12.5", "-12.5"},
    {"decimal(9,2)", "decimal(9,2)", "NaN", NULL},
    {"decimal(9,2)", "decimal(9,2)", "-Infinity", NULL},
    {"varchar(9)", "text(9)", "it's a \\ here ", "'it\\'s a \\\\ here '"},
    {"varchar(9)", "text(9)", "", "''"},
    {"char(9)", "text(9)", "ab ", NULL},
    {"char(9)", "text(9)", " ab", "' ab'"},
    {"blob", "bytes", "\\x00275cff", "_binary'\\0\\'\\\\\xff'"},
    {"binary(3)", "bytes(3)", "\\x0102", NULL},
    {"binary(3)", "bytes(3)", "\\x010203", "_binary'\1\2\3'"},
    {"json", "json", "{\"a\": \"\\\\\"}", "'{\"a\": \"\\\\\\\\\"}'"},
    {"date", "date", "0000-01-01", "'0000-01-01'"},
    {"date", "date", "9999-12-31", "'9999-12-31'"},
    {"date", "date", "10000-01-01", NULL},
    {"date", "date", "-0001-01-01", NULL},
    {"date", "date", "infinity", NULL},
    {"time", "time", "838:59:59", "'838:59:59'"},
    {"time", "time", "-838:59:59", "'-838:59:59'"},
    {"time", "time", "839:00:00", NULL},
    {"time", "time", "10:00:00.5", NULL},
    {"time(1)", "time(1)", "10:00:00.5", "'10:00:00.5'"},
    {"datetime(6)", "timestamp(6)", "2026-11-21 07:18:26.000001", "'2026-11-21 07:18:26.000001'"},
    {"datetime(3)", "timestamp(6)", "2026-11-21 07:18:26.000001", NULL},
    {"datetime", "timestamp(6)", "2026-11-21 07:18:26", "'2026-11-21 07:18:26'"},
    {"datetime", "timestamp(6)", "1969-12-31 23:59:59", "'1969-12-31 23:59:59'"},
    {"datetime(6)", "timestamp(6)", "10000-01-01 00:00:00", NULL},
    {"datetime(6)", "timestamp(6)", "infinity", NULL},
    {"timestamp(6)", "timestamptz(6)", "2026-11-21 07:18:26+02", "'2026-11-21 05:18:26'"},
    {"timestamp(6)", "timestamptz(6)", "2038-01-19 03:14:07.999999+00",
     "'2038-01-19 03:14:07.999999'"},
    {"timestamp(6)", "timestamptz(6)", "2038-01-19 03:14:08+00", NULL},
    {"timestamp(6)", "timestamptz(6)", "1970-01-01 00:00:00+00", NULL},
    {"char(36)", "uuid", "E04A9385-e57f-11f1-83f7-02fc00000001",
     "'e04a9385-e57f-11f1-83f7-02fc00000001'"},
};

static bool add_value(struct batch *batch, size_t i)
{
    struct column *column = &batch->columns[0];
    if (strcmp(cases[i].text, "infinity") != 0)
        return column_add_text(batch, column, slice_of(cases[i].text)) && batch_end_row(batch);
    if (column->type == VALUE_DATE)
        column_add_i32(column, VALUE_DATE_INFINITY);
    else
        column_add_i64(column, VALUE_TIMESTAMP_INFINITY);
    return batch_end_row(batch);
}

static void test_values(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        STR_AUTO struct str sql = str_with_max(4096);
        struct column_spec spec = {.name = "c"};
        struct mys_column to = {.name = "c", .grain_us = 1};
        mys_native_parse(cases[i].native, 0, &to.native);
        for (int digits = to.native.args[0]; digits < 6; digits++)
            to.grain_us *= 10;
        CHECK(value_spec_parse(cases[i].spec, &spec.spec));
        struct batch *batch = batch_new(&spec, 1, 64, 1 << 20);
        if (!CHECK(add_value(batch, i)))
            printf("# case %zu: %s\n", i, cases[i].text);
        bool ok = mys_encoder(spec.spec.type)(&sql, &to, &batch->columns[0], 0);
        if (!CHECK(ok == (cases[i].want != NULL)) ||
            (ok && !CHECK_TEXT(str_text(&sql), cases[i].want)))
            printf("# case %zu: %s %s\n", i, cases[i].native, cases[i].text);
        batch_free(batch);
    }
}

static void test_a_nul_is_escaped(void)
{
    STR_AUTO struct str sql = str_with_max(64);
    mys_add_text(&sql, (struct slice){"a\0'", 3});
    CHECK_TEXT(str_text(&sql), "'a\\0\\''");
}

static void test_names(void)
{
    STR_AUTO struct str sql = str_with_max(256);
    struct session session = {.config = {.database = "my`db"}};
    struct stream_ref own = {"o", "t", NULL}, plain = {NULL, "a``b`", NULL};
    mys_add_table(&sql, &session, &own);
    str_add_char(&sql, ' ');
    mys_add_table(&sql, &session, &plain);
    CHECK_TEXT(str_text(&sql), "`o`.`t` `my``db`.`a````b```");
}

static void test_literals(void)
{
    static const struct {
        enum value_type type;
        const char *text, *want; /* NULL = none of the type */
    } literals[] = {
        {VALUE_INT64, "-5", "-5"},
        {VALUE_INT64, "5 OR 1=1", NULL},
        {VALUE_DECIMAL, "18446744073709551615", "18446744073709551615"},
        {VALUE_DECIMAL, "1e3", "1000"},
        {VALUE_DECIMAL, "NaN", NULL},
        {VALUE_FLOAT64, "1.5", "1.5e0"},
        {VALUE_FLOAT64, "Infinity", NULL},
        {VALUE_BOOL, "true", "1"},
        {VALUE_BOOL, "maybe", NULL},
        {VALUE_TEXT, "x' OR '1", "'x\\' OR \\'1'"},
        {VALUE_BYTES, "\\x00ff", "X'00ff'"},
        {VALUE_BYTES, "\\x0", NULL},
        {VALUE_BYTES, "00", NULL},
        {VALUE_DATE, "2026-11-21", "DATE'2026-11-21'"},
        {VALUE_DATE, "10000-01-01", NULL},
        {VALUE_TIME, "-838:59:59", "TIME'-838:59:59'"},
        {VALUE_TIMESTAMP, "2026-11-21T07:18:26.5", "TIMESTAMP'2026-11-21 07:18:26.5'"},
        {VALUE_TIMESTAMPTZ, "2026-11-21 07:18:26+02", "TIMESTAMP'2026-11-21 05:18:26'"},
        {VALUE_TIMESTAMPTZ, "2026-11-21 07:18:26", NULL},
        {VALUE_INT64, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof literals / sizeof literals[0]; i++) {
        STR_AUTO struct str sql = str_with_max(256);
        bool ok = mys_add_literal(&sql, literals[i].type, literals[i].text);
        if (!CHECK(ok == (literals[i].want != NULL)) ||
            (ok && !CHECK_TEXT(str_text(&sql), literals[i].want)))
            printf("# literal %zu\n", i);
    }
}

static CU_TestInfo tests[] = {
    {"values", test_values}, {"a NUL is escaped", test_a_nul_is_escaped},
    {"names", test_names},   {"literals of filters", test_literals},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("sql/mysql_encode", tests)
