/* batch: filling, undoing, text forms and the canonical encoding. */
#include "check.h"
#include "model/batch.h"

#include <math.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define LIMIT (1 << 20)

static const struct column_spec all_types[VALUE_TYPE_COUNT] = {
    {.name = "bool", .spec.type = VALUE_BOOL},
    {.name = "int64", .spec.type = VALUE_INT64},
    {.name = "float64", .spec.type = VALUE_FLOAT64},
    {.name = "decimal", .spec.type = VALUE_DECIMAL},
    {.name = "text", .spec.type = VALUE_TEXT},
    {.name = "bytes", .spec.type = VALUE_BYTES},
    {.name = "date", .spec.type = VALUE_DATE},
    {.name = "time", .spec.type = VALUE_TIME},
    {.name = "timestamp", .spec.type = VALUE_TIMESTAMP},
    {.name = "timestamptz", .spec.type = VALUE_TIMESTAMPTZ},
    {.name = "json", .spec.type = VALUE_JSON},
    {.name = "uuid", .spec.type = VALUE_UUID},
};

static const char *const row_a[] = {"true",
                                    "-5",
                                    "1.5",
                                    "12.34",
                                    "h\xC3\xA9",
                                    "\\x00ff",
                                    "1970-01-02",
                                    "-00:00:01",
                                    "1970-01-01 00:00:00.000001",
                                    "1969-12-31 23:59:59+00",
                                    "{\"b\":1,\"a\":[]}",
                                    "00010203-0405-0607-0809-0a0b0c0d0e0f"};
static const char *const row_b[] = {"false",     "9223372036854775807",
                                    "NaN",       "0",
                                    "",          "\\x",
                                    "infinity",  "838:00:00",
                                    "-infinity", "infinity",
                                    "1e2",       "ffffffff-ffff-ffff-ffff-ffffffffffff"};
static const char *const row_null[VALUE_TYPE_COUNT] = {NULL};

static bool add_row(struct batch *batch, const char *const *texts)
{
    for (size_t i = 0; i < batch->column_count; i++) {
        struct column *column = &batch->columns[i];
        if (texts[i] == NULL)
            column_add_null(column);
        else if (!CHECK(column_add_text(batch, column, slice_of(texts[i]))))
            printf("# %s\n", texts[i]);
    }
    return batch_end_row(batch);
}

static void check_row(const struct batch *batch, size_t row, const char *const *texts)
{
    for (size_t i = 0; i < batch->column_count; i++) {
        struct str STR_AUTO out = str_with_max(1000);
        bool has = column_format(&batch->columns[i], row, &out);
        CHECK_TEXT(has ? str_text(&out) : NULL, texts[i]);
    }
}

static void texts_round_trip(void)
{
    struct batch *batch = batch_new(all_types, VALUE_TYPE_COUNT, 3, LIMIT);
    CHECK_INT(batch->row_cap, 64);
    for (int round = 0; round < 3; round++) {
        CHECK(add_row(batch, row_a) && add_row(batch, row_null) && add_row(batch, row_b));
        CHECK_INT(batch->row_count, 3);
        CHECK_INT(batch->columns[VALUE_TEXT].null_count, 1);
        check_row(batch, 0, row_a);
        check_row(batch, 1, row_null);
        check_row(batch, 2, row_b);
        batch_clear(batch);
        CHECK_INT(batch->row_count + batch->bytes_used, 0);
    }
    batch_free(batch);
    batch_free(NULL);
}

static void bad_texts_are_refused(void)
{
    static const struct {
        enum value_type type;
        const char *text;
    } cases[] = {
        {VALUE_BOOL, "yes"},
        {VALUE_BOOL, ""},
        {VALUE_INT64, "1.5"},
        {VALUE_INT64, "9223372036854775808"},
        {VALUE_FLOAT64, "x"},
        {VALUE_DECIMAL, "1,5"},
        {VALUE_TEXT, "\xFF"},
        {VALUE_BYTES, "00"},
        {VALUE_BYTES, "\\x0"},
        {VALUE_BYTES, "\\x0g"},
        {VALUE_DATE, "2020-02-30"},
        {VALUE_TIME, "noon"},
        {VALUE_TIMESTAMP, "2020-01-01"},
        {VALUE_TIMESTAMPTZ, "2020-01-01 00:00:00"},
        {VALUE_JSON, "{"},
        {VALUE_UUID, "0"},
    };
    struct batch *batch = batch_new(all_types, VALUE_TYPE_COUNT, 64, LIMIT);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct column *column = &batch->columns[cases[i].type];
        if (!CHECK(!column_add_text(batch, column, slice_of(cases[i].text))))
            printf("# %s\n", cases[i].text);
        CHECK_INT(column->count, 0);
    }
    CHECK(!batch->failed);
    batch_free(batch);
}

/* After an undo the same bits and bytes are free again: the next row must not see them. */
static void undo_restores(void)
{
    struct batch *batch = batch_new(all_types, VALUE_TYPE_COUNT, 64, LIMIT);
    CHECK(add_row(batch, row_b));
    size_t bytes_used = batch->bytes_used;
    for (size_t i = 0; i < VALUE_TYPE_COUNT; i++)
        CHECK(column_add_text(batch, &batch->columns[i], slice_of(row_a[i])));
    batch_undo_row(batch);
    CHECK(add_row(batch, row_null));
    check_row(batch, 1, row_null);
    CHECK(add_row(batch, row_b));
    check_row(batch, 2, row_b);
    CHECK_INT(batch->columns[VALUE_JSON].null_count, 1);
    CHECK(batch->bytes_used > bytes_used);
    batch_free(batch);
}

static void uneven_rows_are_undone(void)
{
    struct batch *batch = batch_new(all_types, 2, 64, LIMIT);
    column_add_bool(&batch->columns[0], true);
    CHECK(!batch_end_row(batch));
    column_add_bool(&batch->columns[0], true);
    column_add_i64(&batch->columns[1], 1);
    column_add_i64(&batch->columns[1], 2);
    CHECK(!batch_end_row(batch));
    CHECK_INT(batch->row_count, 0);
    CHECK_INT(batch->columns[0].count, 0);
    CHECK_INT(batch->columns[1].count, 0);
    CHECK_INT(batch->columns[0].validity[0], 0);
    CHECK_INT(((uint8_t *)batch->columns[0].values)[0], 0);
    batch_free(batch);
}

static void faults_are_kept(void)
{
    struct batch *batch = batch_new(&all_types[VALUE_DATE], 1, 64, LIMIT);
    struct column *column = &batch->columns[0];
    batch_add_fault(batch, column, FAULT_ZERO_DATE, slice_of("0000-00-00"));
    CHECK(batch_end_row(batch));
    batch_add_fault(batch, column, FAULT_ZERO_DATE, slice_of("undone"));
    batch_undo_row(batch);
    for (int i = 0; i < 40; i++) {
        batch_add_fault(batch, column, FAULT_OUT_OF_RANGE, slice_of("9999"));
        CHECK(batch_end_row(batch));
    }
    CHECK_INT(batch->fault_count, 41);
    CHECK_INT(batch->faults[40].row, 40);
    CHECK_INT(batch->faults[1].fault, FAULT_OUT_OF_RANGE);
    CHECK_BYTES(batch->fault_text.data + batch->faults[1].text_offset, batch->faults[1].text_len,
                "9999", 4);
    CHECK(column_is_null(column, 0));
    CHECK_INT(batch->bytes_used, 10 + 40 * 4);
    batch_clear(batch);
    CHECK_INT(batch->fault_count, 0);
    batch_free(batch);
}

static void bytes_grow_and_fill(void)
{
    struct batch *batch = batch_new(&all_types[VALUE_TEXT], 1, 64, 100000);
    char text[5000];
    memset(text, 'x', sizeof text);
    size_t rows = 0;
    while (!batch_is_full(batch)) {
        column_add_bytes(batch, &batch->columns[0], text, sizeof text - rows);
        CHECK(batch_end_row(batch));
        rows++;
    }
    CHECK_INT(rows, 21);
    CHECK_INT(column_bytes(&batch->columns[0], 20).len, 4980);
    CHECK(column_reserve(batch, &batch->columns[0], (size_t)INT32_MAX) == NULL);
    CHECK(batch->failed);
    batch_clear(batch);
    CHECK(!batch->failed && !batch_is_full(batch));
    for (rows = 0; !batch_is_full(batch); rows++) {
        column_add_null(&batch->columns[0]);
        CHECK(batch_end_row(batch));
    }
    CHECK_INT(rows, 64);
    batch_free(batch);
}

static void rows_are_copied(void)
{
    struct batch *from = batch_new(all_types, VALUE_TYPE_COUNT, 64, LIMIT);
    struct batch *to = batch_new(all_types, VALUE_TYPE_COUNT, 64, LIMIT);
    CHECK(add_row(from, row_a) && add_row(from, row_null) && add_row(from, row_b));
    batch_add_row_from(to, from, 2);
    batch_add_row_from(to, from, 1);
    batch_add_row_from(to, from, 0);
    CHECK_INT(to->row_count, 3);
    check_row(to, 0, row_b);
    check_row(to, 1, row_null);
    check_row(to, 2, row_a);
    batch_free(from);
    batch_free(to);
}

static void encodes_each_type(void)
{
    static const struct {
        enum value_type type;
        const char *text, *bytes;
        size_t len;
    } cases[] = {
        {VALUE_BOOL, "true", "\1\1", 2},
        {VALUE_BOOL, "false", "\1\0", 2},
        {VALUE_INT64, "-2", "\1\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 9},
        {VALUE_FLOAT64, "1", "\1\0\0\0\0\0\0\xF0\x3F", 9},
        {VALUE_FLOAT64, "NaN", "\1\0\0\0\0\0\0\xF8\x7F", 9},
        {VALUE_FLOAT64, "-0", "\1\0\0\0\0\0\0\0\x80", 9},
        {VALUE_DECIMAL, "1.50",
         "\1\3\0\0\0"
         "1.5",
         8},
        {VALUE_TEXT, "", "\1\0\0\0\0", 5},
        {VALUE_BYTES, "\\xff00", "\1\2\0\0\0\xFF\0", 7},
        {VALUE_DATE, "1969-12-31", "\1\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 9},
        {VALUE_TIME, "00:00:00.000258", "\1\2\1\0\0\0\0\0\0", 9},
        {VALUE_TIMESTAMP, "1970-01-01 00:00:00.000001", "\1\1\0\0\0\0\0\0\0", 9},
        {VALUE_TIMESTAMPTZ, "infinity", "\1\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", 9},
        {VALUE_JSON, "{\"b\" :1.0, \"a\":2}", "\1\x0D\0\0\0{\"a\":2,\"b\":1}", 18},
        {VALUE_UUID, "00010203-0405-0607-0809-0a0b0c0d0e0f",
         "\1\0\1\2\3\4\5\6\7\x8\x9\xA\xB\xC\xD\xE\xF", 17},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct batch *batch = batch_new(&all_types[cases[i].type], 1, 64, LIMIT);
        struct batch_encoding encoding;
        batch_encoding_init(&encoding);
        const char *texts[1] = {cases[i].text};
        CHECK(add_row(batch, row_null) && add_row(batch, texts));
        CHECK(batch_encode(batch, NULL, 0, &encoding));
        CHECK_INT(encoding.offsets[1], 1);
        CHECK_INT(encoding.bytes.data[0], 0);
        if (!CHECK_BYTES(encoding.bytes.data + encoding.offsets[1],
                         encoding.offsets[2] - encoding.offsets[1], cases[i].bytes, cases[i].len))
            printf("# %s\n", cases[i].text);
        CHECK_INT(encoding.bytes.len, encoding.offsets[2]);
        batch_encoding_done(&encoding);
        batch_free(batch);
    }
}

static void encodes_chosen_columns(void)
{
    static const size_t chosen[] = {VALUE_INT64, VALUE_BOOL};
    struct batch *batch = batch_new(all_types, VALUE_TYPE_COUNT, 64, LIMIT);
    struct batch_encoding encoding;
    batch_encoding_init(&encoding);
    CHECK(add_row(batch, row_a));
    CHECK(batch_encode(batch, chosen, COUNT(chosen), &encoding));
    CHECK_BYTES(encoding.bytes.data, encoding.bytes.len, "\1\xFB\xFF\xFF\xFF\xFF\xFF\xFF\xFF\1\1",
                11);
    batch_encoding_done(&encoding);
    batch_free(batch);
}

/* Json that grows when it is made canonical, between long and short texts; and text that is none
 * is taken as it is. */
static void encodes_growing_json(void)
{
    static const struct column_spec columns[] = {
        {.spec.type = VALUE_TEXT}, {.spec.type = VALUE_JSON}, {.spec.type = VALUE_TEXT}};
    struct batch *batch = batch_new(columns, 3, 64, LIMIT);
    struct batch_encoding encoding;
    char text[700];
    memset(text, 'y', sizeof text);
    batch_encoding_init(&encoding);
    for (size_t row = 0; row < 60; row++) {
        struct slice json = row == 7 ? slice_of("none") : slice_of("[1e900,1e900,1e900]");
        column_add_bytes(batch, &batch->columns[0], text, row * 11);
        column_add_bytes(batch, &batch->columns[1], json.data, json.len);
        column_add_bytes(batch, &batch->columns[2], text, row % 3);
        CHECK(batch_end_row(batch));
    }
    CHECK(batch_encode(batch, NULL, 0, &encoding));
    for (size_t row = 0; row < 60; row++) {
        size_t json_len = row == 7 ? 4 : 3 * 901 + 4;
        CHECK_INT(encoding.offsets[row + 1] - encoding.offsets[row],
                  15 + row * 11 + json_len + row % 3);
    }
    batch_encoding_done(&encoding);
    batch_free(batch);
}

static void encoding_may_lack_memory(void)
{
    struct batch *batch = batch_new(all_types, VALUE_TYPE_COUNT, 64, LIMIT);
    CHECK(add_row(batch, row_a));
    bool ok = false;
    uint64_t n = 1;
    for (; !ok && n < 20; n++) {
        struct batch_encoding encoding;
        batch_encoding_init(&encoding);
        arena_fail_at(n);
        ok = batch_encode(batch, NULL, 0, &encoding);
        arena_fail_at(0);
        batch_encoding_done(&encoding);
    }
    CHECK(ok);
    CHECK(n > 4);
    batch_free(batch);
}

static CU_TestInfo tests[] = {
    {"texts round trip", texts_round_trip},
    {"bad texts are refused", bad_texts_are_refused},
    {"undo restores", undo_restores},
    {"uneven rows are undone", uneven_rows_are_undone},
    {"faults are kept", faults_are_kept},
    {"bytes grow and fill", bytes_grow_and_fill},
    {"rows are copied", rows_are_copied},
    {"encodes each type", encodes_each_type},
    {"encodes chosen columns", encodes_chosen_columns},
    {"encodes growing json", encodes_growing_json},
    {"encoding may lack memory", encoding_may_lack_memory},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("model/batch", tests)
