/* mysql/types, mysql/ddl, mysql/error: the tables, and definitions taken apart. */
#include "check.h"
#include "mysql/mysql_private.h"

#include <stdio.h>

/* "decimal(p,s)" -> "decimal(9,2)": the documented types with numbers in their places. */
static const char *with_numbers(const char *type, struct str *out)
{
    for (const char *at = type; *at != '\0'; at++) {
        if (strncmp(at, "(p,s)", 5) == 0) {
            str_add_text(out, "(9,2)");
            at += 4;
        } else if (strncmp(at, "((n+7)/8)", 9) == 0) {
            str_add_text(out, "(2)");
            at += 8;
        } else if (strncmp(at, "(n)", 3) == 0 || strncmp(at, "(f)", 3) == 0) {
            str_add_text(out, at[1] == 'n' ? "(12)" : "(3)");
            at += 2;
        } else {
            str_add_char(out, *at);
        }
    }
    return str_text(out);
}

static void test_the_documented_reading_is_what_happens(void)
{
    for (const struct type_row *row = mys_types_read; row->native != NULL; row++) {
        STR_AUTO struct str native_text = str_with_max(256), want = str_with_max(256);
        STR_AUTO struct str got = str_with_max(256);
        struct mys_native native;
        struct value_spec spec;
        const char *loss;
        bool has_length = strcmp(row->native, "enum") == 0 || strcmp(row->native, "set") == 0;
        mys_native_parse(with_numbers(row->native, &native_text), has_length ? 12 : 0, &native);
        mys_type_read(&native, false, &spec, &loss);
        value_spec_format(&spec, &got);
        CHECK_TEXT(str_text(&got), with_numbers(row->haul, &want));
        CHECK_TEXT(loss, row->loss);
    }
}

static void test_the_documented_writing_is_what_happens(void)
{
    static const struct {
        const char *spec, *native, *keyed;
        bool off_page;
    } cases[] = {
        {"bool", "tinyint(1)", NULL, false},
        {"int64(8)", "tinyint", NULL, false},
        {"int64(16)", "smallint", NULL, false},
        {"int64(32)", "int", NULL, false},
        {"int64(64)", "bigint", NULL, false},
        {"int64", "bigint", NULL, false},
        {"float64(32)", "float", NULL, false},
        {"float64(64)", "double", NULL, false},
        {"decimal(12,2)", "decimal(12,2)", NULL, false},
        {"decimal", "decimal(65,30)", NULL, false},
        {"decimal(100,50)", "decimal(65,30)", NULL, false},
        {"decimal(3,5)", "decimal(5,5)", NULL, false},
        {"text(20)", "varchar(20)", "varchar(20)", false},
        {"text(768)", "varchar(768)", "varchar(384)", false},
        {"text(769)", "text", "varchar(384)", false},
        {"text(16383)", "text", "varchar(384)", false},
        {"text(16384)", "mediumtext", "varchar(384)", false},
        {"text(4194304)", "longtext", "varchar(384)", false},
        {"text", "longtext", "varchar(384)", false},
        {"text(65)", "text", "varchar(65)", true},
        {"text(64)", "varchar(64)", "varchar(64)", true},
        {"bytes(16)", "varbinary(16)", "varbinary(16)", false},
        {"bytes", "longblob", "varbinary(1536)", false},
        {"bytes(70000)", "mediumblob", "varbinary(1536)", false},
        {"date", "date", NULL, false},
        {"time", "time(6)", NULL, false},
        {"time(3)", "time(3)", NULL, false},
        {"timestamp(6)", "datetime(6)", NULL, false},
        {"timestamptz", "timestamp(6)", NULL, false},
        {"json", "json", NULL, false},
        {"uuid", "char(36)", NULL, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        STR_AUTO struct str plain = str_with_max(64), keyed = str_with_max(64);
        struct value_spec spec;
        if (!CHECK(value_spec_parse(cases[i].spec, &spec)))
            continue;
        struct mys_type_request request = {.spec = &spec, .off_page = cases[i].off_page};
        mys_type_write(&request, &plain);
        CHECK_TEXT(str_text(&plain), cases[i].native);
        request.key_bytes = 1536;
        mys_type_write(&request, &keyed);
        CHECK_TEXT(str_text(&keyed), cases[i].keyed == NULL ? cases[i].native : cases[i].keyed);
    }
}

static void test_a_written_type_reads_as_it_was(void)
{
    static const char *const specs[] = {
        "int64(8)", "int64(64)", "float64(32)",    "text(20)", "decimal(9,2)", "timestamp(6)",
        "date",     "bytes(16)", "timestamptz(3)", "time(2)",  "text",         "bytes"};
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        STR_AUTO struct str native_text = str_with_max(64), got = str_with_max(64);
        struct value_spec spec, back;
        struct mys_native native;
        const char *loss;
        CHECK(value_spec_parse(specs[i], &spec));
        struct mys_type_request request = {.spec = &spec};
        mys_type_write(&request, &native_text);
        mys_native_parse(str_text(&native_text), 0, &native);
        mys_type_read(&native, false, &back, &loss);
        value_spec_format(&back, &got);
        CHECK_TEXT(str_text(&got), specs[i]);
        CHECK(loss == NULL);
    }
}

static void test_tinyint1_by_option(void)
{
    struct mys_native native;
    struct value_spec spec;
    const char *loss;
    mys_native_parse("tinyint(1)", 0, &native);
    mys_type_read(&native, true, &spec, &loss);
    CHECK_INT(spec.type, VALUE_BOOL);
    mys_native_parse("tinyint(4)", 0, &native);
    mys_type_read(&native, true, &spec, &loss);
    CHECK_INT(spec.type, VALUE_INT64);
}

static void test_words_in_values_of_enums(void)
{
    struct mys_native native;
    mys_native_parse("enum('a unsigned','b (1) unsigned')", 16, &native);
    CHECK_TEXT(native.base, "enum");
    CHECK(!native.is_unsigned);
    CHECK_INT(native.args[0], 0);
    mys_native_parse("decimal(10,2) unsigned zerofill", 0, &native);
    CHECK(native.is_unsigned);
    CHECK_INT(native.args[1], 2);
    mys_native_parse("somethingnew(3)", 0, &native);
    CHECK(native.base == NULL);
}

static void test_finds_words_outside_of_quotes(void)
{
    static const char line[] = "`a AUTO_INCREMENT` int(11) NOT NULL DEFAULT ' AUTO_INCREMENT' "
                               "COMMENT 'it''s \\' AUTO_INCREMENT'";
    STR_AUTO struct str out = str_with_max(512);
    CHECK(mys_ddl_find(slice_of(line), " AUTO_INCREMENT") == NULL);
    CHECK(mys_ddl_find(slice_of("`a` int AUTO_INCREMENT"), " AUTO_INCREMENT") != NULL);
    mys_ddl_add_without(&out, slice_of(") ENGINE=InnoDB AUTO_INCREMENT=17 COMMENT='x'"),
                        " AUTO_INCREMENT=", true);
    CHECK_TEXT(str_text(&out), ") ENGINE=InnoDB COMMENT='x'");
    str_clear(&out);
    mys_ddl_add_without(&out, slice_of("no such"), " AUTO_INCREMENT=", true);
    CHECK_TEXT(str_text(&out), "no such");
}

static void test_splits_column_lines(void)
{
    static const struct {
        const char *line, *name, *type, *rest;
    } cases[] = {
        {"`a` int(11) unsigned zerofill NOT NULL", "`a`", "int(11) unsigned zerofill", " NOT NULL"},
        {"`b``) x` enum('a)','b''c') DEFAULT NULL", "`b``) x`", "enum('a)','b''c')",
         " DEFAULT NULL"},
        {"`c` longtext", "`c`", "longtext", ""},
        {"`d` varchar(9) CHARACTER SET latin1 NOT NULL", "`d`", "varchar(9)",
         " CHARACTER SET latin1 NOT NULL"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice name, type, rest;
        mys_ddl_split_column(slice_of(cases[i].line), &name, &type, &rest);
        CHECK_BYTES(name.data, name.len, cases[i].name, strlen(cases[i].name));
        CHECK_BYTES(type.data, type.len, cases[i].type, strlen(cases[i].type));
        CHECK_BYTES(rest.data, rest.len, cases[i].rest, strlen(cases[i].rest));
    }
}

static void test_errors(void)
{
    static const struct {
        enum mys_side side;
        unsigned number;
        const char *text;
        enum outcome outcome;
        const char *code, *column, *message;
    } cases[] = {
        {MYS_CONNECT, 1045, "Access denied", OUTCOME_PERMANENT, "connect.auth", "", NULL},
        {MYS_CONNECT, 2003, "Can't connect", OUTCOME_RETRY, "connect.refused", "", NULL},
        {MYS_CONNECT, 2026, "TLS/SSL error: Connection reset by peer", OUTCOME_RETRY,
         "connect.refused", "", NULL},
        {MYS_CONNECT, 2026, "TLS/SSL error: self-signed certificate", OUTCOME_PERMANENT,
         "connect.tls", "", NULL},
        {MYS_SOURCE, 1146, "no table", OUTCOME_PERMANENT, "stream.missing", "", NULL},
        {MYS_TARGET, 1146, "no table", OUTCOME_PERMANENT, "target.missing", "", NULL},
        {MYS_SOURCE, 2013, "Lost connection", OUTCOME_RETRY, "read.lost", "", NULL},
        {MYS_ROWS, 2013, "Lost connection", OUTCOME_RETRY, "write.lost", "", NULL},
        {MYS_ROWS, 1213, "Deadlock", OUTCOME_RETRY, "write.conflict", "", NULL},
        {MYS_ROWS, 1114, "The table 't' is full", OUTCOME_PERMANENT, "target.full", "", NULL},
        {MYS_ROWS, 1030, "Got error 28 \"No space left on device\" from storage engine InnoDB",
         OUTCOME_PERMANENT, "target.full", "", NULL},
        {MYS_SOURCE, 1969, "max_statement_time exceeded", OUTCOME_RETRY, "statement.timeout", "",
         NULL},
        {MYS_ROWS, 1264, "Out of range value for column 'ti' at row 1", OUTCOME_PERMANENT,
         "row.refused", "ti", "column ti: the number is out of the column's range"},
        {MYS_ROWS, 1366,
         "Incorrect integer value: 'for column 'x'' for column `t1`.`w`.`ti` at row 1",
         OUTCOME_PERMANENT, "row.refused", "ti", NULL},
        {MYS_ROWS, 1062, "Duplicate entry 'secret' for key 'mail'", OUTCOME_PERMANENT,
         "row.refused", "", "index mail: the value stands in a unique index already"},
        {MYS_ROWS, 4025, "CONSTRAINT `w.j` failed for `t1`.`w`", OUTCOME_PERMANENT, "row.refused",
         "", "constraint w.j: a check constraint refuses the row"},
        {MYS_ROWS, 1048, "Column 'id' cannot be null", OUTCOME_PERMANENT, "row.refused", "id",
         NULL},
        {MYS_TARGET, 1062, "Duplicate entry 'secret' for key 'mail'", OUTCOME_PERMANENT,
         "target.statement", "", "mysql: the value stands in a unique index already"},
        {MYS_ROWS, 1998, "something new", OUTCOME_PERMANENT, "target.statement", "", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err = {0};
        if (!CHECK_OUTCOME(mys_error(cases[i].side, cases[i].number, cases[i].text, &err),
                           cases[i].outcome, &err))
            printf("# case %zu\n", i);
        CHECK_TEXT(err.code, cases[i].code);
        CHECK_TEXT(err.column, cases[i].column);
        CHECK(err.row_fault == (strcmp(err.code, "row.refused") == 0));
        CHECK(strstr(err.message, "secret") == NULL);
        if (cases[i].message != NULL)
            CHECK_TEXT(err.message, cases[i].message);
    }
    CHECK(!mys_error_is_row_fault(2013) && !mys_error_is_row_fault(1205));
    CHECK_OUTCOME(mys_error(MYS_ROWS, 1264, "x", NULL), OUTCOME_PERMANENT, NULL);
}

static CU_TestInfo tests[] = {
    {"the documented reading is what happens", test_the_documented_reading_is_what_happens},
    {"the documented writing is what happens", test_the_documented_writing_is_what_happens},
    {"a written type reads as it was", test_a_written_type_reads_as_it_was},
    {"tinyint(1) by option", test_tinyint1_by_option},
    {"words in values of enums", test_words_in_values_of_enums},
    {"finds words outside of quotes", test_finds_words_outside_of_quotes},
    {"splits column lines", test_splits_column_lines},
    {"errors", test_errors},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("sql/mysql_types", tests)
