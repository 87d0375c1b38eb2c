/* policy: what the gate finds, and what becomes of it. */
#include "check.h"
#include "model/policy.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define DAY_US INT64_C(86400000000)

/* A narrow target: nothing odd fits. */
static const struct value_limits narrow = {
    .time_min_us = 0,
    .time_max_us = DAY_US,
    .date_min = -719162, /* 0001-01-01 */
    .date_max = 2932896, /* 9999-12-31 */
    .timestamp_min_us = -719162 * DAY_US,
    .timestamp_max_us = 2932897 * DAY_US - 1,
    .timestamptz_min_us = 0,
    .timestamptz_max_us = INT64_C(2147483647) * 1000000,
    .decimal_precision = 65,
    .decimal_scale = 30,
};
static const struct value_limits wide = {
    .text_nul = true,
    .infinity = true,
    .decimal_nan = true,
    .float_nan = true,
    .time_min_us = INT64_MIN,
    .time_max_us = INT64_MAX,
    .date_min = INT32_MIN,
    .date_max = INT32_MAX,
    .timestamp_min_us = INT64_MIN,
    .timestamp_max_us = INT64_MAX,
    .timestamptz_min_us = INT64_MIN,
    .timestamptz_max_us = INT64_MAX,
};

static struct value_policy policy_of(enum value_action action)
{
    struct value_policy policy;
    for (size_t i = 0; i < VALUE_FAULT_COUNT; i++)
        policy.actions[i] = action;
    return policy;
}

static struct column_spec column_of(const char *spec)
{
    struct column_spec column = {.name = "c", .nullable = true};
    CHECK(value_spec_parse(spec, &column.spec));
    return column;
}

/* One value through one gate. */
struct run {
    struct batch *batch;
    struct policy_counts counts;
    struct err err;
    enum outcome outcome;
};

static struct run run_gate(const struct column_spec *column, const struct value_limits *limits,
                           enum value_action action, struct batch *batch)
{
    struct run run = {.batch = batch};
    struct value_policy policy = policy_of(action);
    struct arena ARENA_AUTO arena;
    arena_init(&arena, 1 << 16);
    struct gate *gate = gate_new(column, 1, limits, &policy, &arena);
    CHECK(gate != NULL);
    run.outcome = gate_apply(gate, batch, &run.counts, &run.err);
    return run;
}

static void add_value(struct batch *batch, const char *text, size_t len)
{
    struct column *column = &batch->columns[0];
    if (text == NULL)
        column_add_null(column);
    else if (column->type == VALUE_TEXT)
        column_add_bytes(batch, column, text, len);
    else
        CHECK(column_add_text(batch, column, (struct slice){text, len}));
    CHECK(batch_end_row(batch));
}

/* What the gate finds in values, and makes of them under `convert`. */
static const struct found_case {
    const char *spec, *in;
    int fault;       /* -1 = none */
    const char *out; /* NULL = NULL */
    size_t in_len;   /* 0 = strlen */
} found_cases[] = {
    {"int64", "9223372036854775807", -1, "9223372036854775807", 0},
    {"int64(8)", "127", -1, "127", 0},
    {"int64(8)", "128", FAULT_OUT_OF_RANGE, "127", 0},
    {"int64(16)", "-40000", FAULT_OUT_OF_RANGE, "-32768", 0},
    {"int64(32)", "2147483648", FAULT_OUT_OF_RANGE, "2147483647", 0},
    {"float64", "1e300", -1, "1e+300", 0},
    {"float64", "NaN", FAULT_NAN, NULL, 0},
    {"float64", "-Infinity", FAULT_NAN, "-1.7976931348623157e+308", 0},
    {"float64(32)", "1e300", FAULT_OUT_OF_RANGE, "3.4028234663852886e+38", 0},
    {"decimal(5,2)", "999.99", -1, "999.99", 0},
    {"decimal(5,2)", "-1000", FAULT_OUT_OF_RANGE, "-999.99", 0},
    {"decimal(5,2)", "1.005", FAULT_OUT_OF_RANGE, "1.01", 0},
    {"decimal(5,2)", "999.995", FAULT_OUT_OF_RANGE, "999.99", 0},
    {"decimal(5,2)", "NaN", FAULT_NAN, NULL, 0},
    {"decimal(5,2)", "Infinity", FAULT_NAN, "999.99", 0},
    {"decimal(3,0)", "1000", FAULT_OUT_OF_RANGE, "999", 0},
    {"decimal(2,2)", "0.99", -1, "0.99", 0},
    {"decimal(2,2)", "1", FAULT_OUT_OF_RANGE, "0.99", 0},
    {"decimal(2,4)", "0.0099", -1, "0.0099", 0},
    {"decimal(2,4)", "0.01", FAULT_OUT_OF_RANGE, "0.0099", 0},
    {"decimal(3,-2)", "99900", -1, "99900", 0},
    {"decimal(3,-2)", "99990", FAULT_OUT_OF_RANGE, "99900", 0},
    {"decimal(3,-2)", "150", FAULT_OUT_OF_RANGE, "200", 0},
    {"decimal", "1e35", FAULT_OUT_OF_RANGE,
     "99999999999999999999999999999999999.999999999999999999999999999999", 0},
    {"decimal", "1e-31", FAULT_OUT_OF_RANGE, "0", 0},
    {"text", "plain", -1, "plain", 0},
    {"text", "a\0b\0", FAULT_NUL_BYTE,
     "a\xE2\x90\x80"
     "b\xE2\x90\x80",
     4},
    {"text(3)", "h\xC3\xA9\xC3\xA9", -1, "h\xC3\xA9\xC3\xA9", 0},
    {"text(3)", "h\xC3\xA9\xC3\xA9o", FAULT_OUT_OF_RANGE, "h\xC3\xA9\xC3\xA9", 0},
    {"bytes(2)", "\\x0102", -1, "\\x0102", 0},
    {"bytes(2)", "\\x010203", FAULT_OUT_OF_RANGE, "\\x0102", 0},
    {"date", "2026-11-21", -1, "2026-11-21", 0},
    {"date", "0000-05-01", FAULT_OUT_OF_RANGE, "0001-01-01", 0},
    {"date", "infinity", FAULT_INFINITY, "9999-12-31", 0},
    {"date", "-infinity", FAULT_INFINITY, "0001-01-01", 0},
    {"date", "12000-01-01", FAULT_OUT_OF_RANGE, "9999-12-31", 0},
    {"time", "24:00:00", -1, "24:00:00", 0},
    {"time", "838:59:59", FAULT_TIME_RANGE, "24:00:00", 0},
    {"time", "-00:00:01", FAULT_TIME_RANGE, "00:00:00", 0},
    {"time(3)", "12:00:00.0005", FAULT_OUT_OF_RANGE, "12:00:00.001", 0},
    {"timestamp(3)", "2026-11-21 07:18:26.1235", FAULT_OUT_OF_RANGE, "2026-11-21 07:18:26.124", 0},
    {"timestamp(3)", "1969-12-31 23:59:59.9999", FAULT_OUT_OF_RANGE, "1970-01-01 00:00:00", 0},
    {"timestamp", "infinity", FAULT_INFINITY, "9999-12-31 23:59:59.999999", 0},
    {"timestamptz", "-infinity", FAULT_INFINITY, "1970-01-01 00:00:00+00", 0},
    {"timestamptz", "2040-01-01 00:00:00+00", FAULT_OUT_OF_RANGE, "2038-01-19 03:14:07+00", 0},
    {"bool", "true", -1, "true", 0},
    {"uuid", "00010203-0405-0607-0809-0a0b0c0d0e0f", -1, "00010203-0405-0607-0809-0a0b0c0d0e0f", 0},
    {"json", "{\"a\":1}", -1, "{\"a\":1}", 0},
};

static size_t length_of(const struct found_case *c)
{
    return c->in_len == 0 ? strlen(c->in) : c->in_len;
}

static void check_cell(const struct batch *batch, size_t row, const char *want)
{
    struct str STR_AUTO out = str_with_max(10000);
    bool has = column_format(&batch->columns[0], row, &out);
    CHECK_TEXT(has ? str_text(&out) : NULL, want);
}

/* Between two good rows, so that neighbours are seen to stay as they are. */
static void finds_and_converts(void)
{
    for (size_t i = 0; i < COUNT(found_cases); i++) {
        const struct found_case *c = &found_cases[i];
        struct column_spec column = column_of(c->spec);
        struct batch *batch = batch_new(&column, 1, 64, 1 << 20);
        add_value(batch, NULL, 0);
        add_value(batch, c->in, length_of(c));
        add_value(batch, NULL, 0);
        struct run run = run_gate(&column, &narrow, ACTION_CONVERT, batch);
        CHECK_OK(run.outcome, &run.err);
        check_cell(batch, 0, NULL);
        check_cell(batch, 1, c->out);
        check_cell(batch, 2, NULL);
        CHECK_INT(batch->fault_count, 0);
        CHECK_INT(batch->columns[0].null_count, c->out == NULL ? 3 : 2);
        int64_t *counts = c->out == NULL ? run.counts.nulled : run.counts.converted;
        for (int fault = 0; fault < VALUE_FAULT_COUNT; fault++) {
            if (!CHECK_INT(counts[fault], fault == c->fault))
                printf("# %s %s: %s\n", c->spec, c->in, value_fault_name((enum value_fault)fault));
        }
        batch_free(batch);
    }
}

static void quarantines(void)
{
    for (size_t i = 0; i < COUNT(found_cases); i++) {
        const struct found_case *c = &found_cases[i];
        struct column_spec column = column_of(c->spec);
        struct batch *batch = batch_new(&column, 1, 64, 1 << 20);
        add_value(batch, NULL, 0);
        add_value(batch, c->in, length_of(c));
        struct run run = run_gate(&column, &narrow, ACTION_QUARANTINE, batch);
        CHECK_OK(run.outcome, &run.err);
        CHECK_INT(batch->fault_count, c->fault >= 0);
        if (batch->fault_count == 1) {
            CHECK_INT(batch->faults[0].row, 1);
            CHECK_INT(batch->faults[0].fault, c->fault);
            CHECK_INT(run.counts.quarantined[c->fault], 1);
            size_t rows[] = {1};
            CHECK(batch_remove_rows(batch, rows, 1));
            CHECK_INT(batch->row_count, 1);
            CHECK_INT(batch->fault_count, 0);
        }
        batch_free(batch);
    }
}

static void fails_naming_the_column(void)
{
    struct column_spec column = column_of("int64(8)");
    struct batch *batch = batch_new(&column, 1, 64, 1 << 20);
    add_value(batch, "300", 3);
    struct run run = run_gate(&column, &narrow, ACTION_FAIL, batch);
    CHECK_OUTCOME(run.outcome, OUTCOME_PERMANENT, &run.err);
    CHECK_TEXT(run.err.code, "value.out_of_range");
    CHECK_TEXT(run.err.column, "c");
    CHECK(strstr(run.err.message, "300") == NULL); /* no row data */
    CHECK_INT(run.counts.quarantined[FAULT_OUT_OF_RANGE], 0);
    batch_free(batch);
}

static void wide_targets_take_all(void)
{
    for (size_t i = 0; i < COUNT(found_cases); i++) {
        const struct found_case *c = &found_cases[i];
        struct column_spec column = column_of(c->spec);
        column.spec = (struct value_spec){.type = column.spec.type};
        struct batch *batch = batch_new(&column, 1, 64, 1 << 20);
        add_value(batch, c->in, length_of(c));
        struct run run = run_gate(&column, &wide, ACTION_FAIL, batch);
        CHECK_OK(run.outcome, &run.err);
        batch_free(batch);
    }
}

/* Faults that readers tell, by their raw text. */
static void converts_told_faults(void)
{
    static const struct {
        const char *spec;
        enum value_fault fault;
        const char *raw, *out;
    } cases[] = {
        {"date", FAULT_ZERO_DATE, "0000-00-00", "0001-01-01"},
        {"date", FAULT_ZERO_DATE, "2020-00-00", "2020-01-01"},
        {"date", FAULT_ZERO_DATE, "2021-02-00", "2021-02-01"},
        {"date", FAULT_OUT_OF_RANGE, "2021-02-31", "2021-02-28"},
        {"date", FAULT_OUT_OF_RANGE, "2020-02-30", "2020-02-29"},
        {"date", FAULT_OUT_OF_RANGE, "5881580-07-11", "9999-12-31"},
        {"date", FAULT_OUT_OF_RANGE, "99999999-01-01", "9999-12-31"},
        {"date", FAULT_OUT_OF_RANGE, "4714-11-24 BC", "0001-01-01"},
        {"date", FAULT_OUT_OF_RANGE, "nonsense", NULL},
        {"date", FAULT_OUT_OF_RANGE, "2020-99-01", NULL},
        {"timestamp", FAULT_ZERO_DATE, "0000-00-00 00:00:00", "0001-01-01 00:00:00"},
        {"timestamp", FAULT_ZERO_DATE, "2020-00-10 12:30:00.5", "2020-01-10 12:30:00.5"},
        {"timestamp", FAULT_ZERO_DATE, "2020-00-10", "2020-01-10 00:00:00"},
        {"timestamptz", FAULT_ZERO_DATE, "0000-00-00 00:00:00", "1970-01-01 00:00:00+00"},
        {"timestamptz", FAULT_OUT_OF_RANGE, "294300-01-01 00:00:00+00", "2038-01-19 03:14:07+00"},
        {"time", FAULT_TIME_RANGE, "100:00:00", "24:00:00"},
        {"time", FAULT_INFINITY, "-infinity", "00:00:00"},
        {"int64", FAULT_OUT_OF_RANGE, "18446744073709551615", "9223372036854775807"},
        {"int64", FAULT_OUT_OF_RANGE, "-1e30", "-9223372036854775808"},
        {"int64", FAULT_OUT_OF_RANGE, "1.5", "2"},
        {"int64(8)", FAULT_NAN, "Infinity", "127"},
        {"int64", FAULT_NAN, "NaN", NULL},
        {"int64", FAULT_OUT_OF_RANGE, "x", NULL},
        {"float64", FAULT_OUT_OF_RANGE, "-1e999", "-1.7976931348623157e+308"},
        {"float64", FAULT_OUT_OF_RANGE, "x", NULL},
        {"decimal(3,1)", FAULT_OUT_OF_RANGE, "1e9999", NULL},
        {"decimal(3,1)", FAULT_OUT_OF_RANGE, "-123.4", "-99.9"},
        {"bool", FAULT_OUT_OF_RANGE, "2", "true"},
        {"bool", FAULT_OUT_OF_RANGE, "x", NULL},
        {"text", FAULT_INVALID_UTF8, "a\xFF\x80\x80z\xC3", "a\xEF\xBF\xBDz\xEF\xBF\xBD"},
        {"text", FAULT_INVALID_CAST, "a", NULL},
        {"uuid", FAULT_OUT_OF_RANGE, "a", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct column_spec column = column_of(cases[i].spec);
        struct batch *batch = batch_new(&column, 1, 64, 1 << 20);
        batch_add_fault(batch, &batch->columns[0], cases[i].fault, slice_of(cases[i].raw));
        CHECK(batch_end_row(batch));
        struct run run = run_gate(&column, &narrow, ACTION_CONVERT, batch);
        CHECK_OK(run.outcome, &run.err);
        struct str STR_AUTO out = str_with_max(10000);
        bool has = column_format(&batch->columns[0], 0, &out);
        if (!CHECK_TEXT(has ? str_text(&out) : NULL, cases[i].out))
            printf("# %s %s\n", cases[i].spec, cases[i].raw);
        CHECK_INT(batch->columns[0].null_count, cases[i].out == NULL);
        int64_t *counts = cases[i].out == NULL ? run.counts.nulled : run.counts.converted;
        CHECK_INT(counts[cases[i].fault], 1);
        batch_free(batch);
    }
}

/* A text with three faults is settled one after the other, each under its own policy. */
static void settles_in_stages(void)
{
    static const char raw[] = "\xFF\0bcd";
    struct column_spec column = column_of("text(3)");
    struct value_policy policy = policy_of(ACTION_CONVERT);
    struct arena ARENA_AUTO arena;
    arena_init(&arena, 1 << 16);
    for (int round = 0; round < 2; round++) {
        struct policy_counts counts = {0};
        struct err err = {0};
        policy.actions[FAULT_NUL_BYTE] = round == 0 ? ACTION_CONVERT : ACTION_QUARANTINE;
        struct gate *gate = gate_new(&column, 1, &narrow, &policy, &arena);
        struct batch *batch = batch_new(&column, 1, 64, 1 << 20);
        batch_add_fault(batch, &batch->columns[0], FAULT_INVALID_UTF8, (struct slice){raw, 5});
        CHECK(batch_end_row(batch));
        CHECK_OK(gate_apply(gate, batch, &counts, &err), &err);
        CHECK_INT(counts.converted[FAULT_INVALID_UTF8], round == 0);
        CHECK_INT(counts.converted[FAULT_NUL_BYTE], round == 0);
        CHECK_INT(counts.converted[FAULT_OUT_OF_RANGE], round == 0);
        CHECK_INT(counts.quarantined[FAULT_NUL_BYTE], round == 1);
        CHECK_INT(batch->fault_count, round);
        if (round == 0)
            check_cell(batch, 0,
                       "\xEF\xBF\xBD\xE2\x90\x80"
                       "b");
        batch_free(batch);
    }
}

static void not_null_columns_take_no_null(void)
{
    struct column_spec column = column_of("float64");
    column.nullable = false;
    for (int i = 0; i < 2; i++) {
        struct batch *batch = batch_new(&column, 1, 64, 1 << 20);
        add_value(batch, "NaN", 3);
        struct run run = run_gate(&column, &narrow, i == 0 ? ACTION_NULL : ACTION_CONVERT, batch);
        CHECK_OK(run.outcome, &run.err);
        CHECK_INT(batch->fault_count, 1);
        CHECK_INT(run.counts.quarantined[FAULT_NAN], 1);
        CHECK_INT(run.counts.nulled[FAULT_NAN], 0);
        batch_free(batch);
    }
}

/* A row goes as a whole: what else is wrong with it is neither changed nor counted. */
static void rows_are_settled_as_a_whole(void)
{
    struct column_spec columns[3] = {column_of("int64(8)"), column_of("text"), column_of("date")};
    struct value_policy policy = policy_of(ACTION_CONVERT);
    struct policy_counts counts = {0};
    struct err err = {0};
    struct arena ARENA_AUTO arena;
    arena_init(&arena, 1 << 16);
    policy.actions[FAULT_ZERO_DATE] = ACTION_QUARANTINE;
    policy.actions[FAULT_NUL_BYTE] = ACTION_NULL;
    struct gate *gate = gate_new(columns, 3, &narrow, &policy, &arena);
    struct batch *batch = batch_new(columns, 3, 64, 1 << 20);
    for (int row = 0; row < 60; row++) {
        column_add_i64(&batch->columns[0], row % 3 == 0 ? 1000 : row);
        column_add_bytes(batch, &batch->columns[1], "x\0y", row % 4 == 0 ? 3 : 1);
        if (row % 5 == 0)
            batch_add_fault(batch, &batch->columns[2], FAULT_ZERO_DATE, slice_of("0000-00-00"));
        else
            column_add_i32(&batch->columns[2], row);
        CHECK(batch_end_row(batch));
    }
    CHECK_OK(gate_apply(gate, batch, &counts, &err), &err);
    CHECK_INT(counts.quarantined[FAULT_ZERO_DATE], 12);
    CHECK_INT(counts.converted[FAULT_OUT_OF_RANGE], 16);
    CHECK_INT(counts.nulled[FAULT_NUL_BYTE], 12);
    CHECK_INT(batch->fault_count, 12);
    size_t rows[12];
    for (size_t i = 0; i < 12; i++)
        rows[i] = batch->faults[i].row;
    CHECK(batch_remove_rows(batch, rows, 12));
    CHECK_INT(batch->row_count, 48);
    CHECK_INT(batch->bytes_used, 36);
    CHECK_INT(batch->columns[1].null_count, 12);
    for (size_t row = 0, was = 0; row < 48; row++) {
        was += was % 5 == 0;
        CHECK_INT(column_i64(&batch->columns[0], row), was % 3 == 0 ? 127 : (int64_t)was);
        CHECK_INT(column_is_null(&batch->columns[1], row), was % 4 == 0);
        CHECK_INT(column_i32(&batch->columns[2], row), was);
        was++;
    }
    /* What was taken out leaves clean bits for the rows that follow. */
    column_add_i64(&batch->columns[0], 1);
    column_add_null(&batch->columns[1]);
    column_add_null(&batch->columns[2]);
    CHECK(batch_end_row(batch));
    CHECK(column_is_null(&batch->columns[2], 48));
    batch_free(batch);
}

static void removes_bits(void)
{
    struct column_spec column = column_of("bool");
    struct batch *batch = batch_new(&column, 1, 64, 1 << 20);
    static const char *const values[] = {"true", NULL, "false", "true", "true", NULL};
    static const size_t rows[] = {0, 2, 5};
    for (size_t i = 0; i < COUNT(values); i++)
        add_value(batch, values[i], values[i] == NULL ? 0 : strlen(values[i]));
    CHECK(batch_remove_rows(batch, rows, COUNT(rows)));
    CHECK_INT(batch->row_count, 3);
    check_cell(batch, 0, NULL);
    check_cell(batch, 1, "true");
    check_cell(batch, 2, "true");
    add_value(batch, "false", 5);
    check_cell(batch, 3, "false");
    batch_free(batch);
}

/* Rows taken out before the gate: the faults of the rows that stay go with them. */
static void removes_keep_other_faults(void)
{
    struct column_spec column = column_of("date");
    struct batch *batch = batch_new(&column, 1, 64, 1 << 20);
    static const size_t rows[] = {0, 3, 4}, all[] = {0, 1, 2};
    for (int i = 0; i < 6; i++) {
        char raw[2] = {(char)('0' + i), '\0'};
        batch_add_fault(batch, &batch->columns[0], FAULT_ZERO_DATE, slice_of(raw));
        CHECK(batch_end_row(batch));
    }
    CHECK(batch_remove_rows(batch, rows, COUNT(rows)));
    CHECK_INT(batch->fault_count, 3);
    for (size_t i = 0; i < 3 && i < batch->fault_count; i++) {
        CHECK_INT(batch->faults[i].row, i);
        CHECK_INT(batch->fault_text.data[batch->faults[i].text_offset], "125"[i]);
    }
    CHECK(batch_remove_rows(batch, all, COUNT(all)));
    CHECK_INT(batch->fault_count, 0);
    CHECK_INT(batch->bytes_used, 0);
    batch_free(batch);
}

static void memory_may_fail(void)
{
    struct column_spec column = column_of("text");
    bool ok = false;
    uint64_t n = 1;
    for (; !ok && n < 20; n++) {
        struct batch *batch = batch_new(&column, 1, 64, 1 << 20);
        add_value(batch, "a\0b", 3);
        struct value_policy policy = policy_of(ACTION_CONVERT);
        struct policy_counts counts = {0};
        struct err err = {0};
        struct arena ARENA_AUTO arena;
        arena_init(&arena, 1 << 16);
        arena_fail_at(n);
        struct gate *gate = gate_new(&column, 1, &narrow, &policy, &arena);
        enum outcome outcome = OUTCOME_RETRY;
        if (gate != NULL)
            outcome = gate_apply(gate, batch, &counts, &err);
        arena_fail_at(0);
        ok = outcome == OUTCOME_OK;
        CHECK(ok || outcome == OUTCOME_RETRY);
        CHECK_INT(counts.converted[FAULT_NUL_BYTE], ok);
        batch_free(batch);
    }
    CHECK_INT(n, 5);
}

static CU_TestInfo tests[] = {
    {"finds and converts", finds_and_converts},
    {"quarantines", quarantines},
    {"fails naming the column", fails_naming_the_column},
    {"wide targets take all", wide_targets_take_all},
    {"converts told faults", converts_told_faults},
    {"settles in stages", settles_in_stages},
    {"not-null columns take no NULL", not_null_columns_take_no_null},
    {"rows are settled as a whole", rows_are_settled_as_a_whole},
    {"removes bits", removes_bits},
    {"removes keep other faults", removes_keep_other_faults},
    {"memory may fail", memory_may_fail},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("model/policy", tests)
