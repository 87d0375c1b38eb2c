/* mapping: compiling plans and applying them. */
#include "check.h"
#include "model/mapping.h"

#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct column_spec shop_columns[] = {
    {.name = "id", .spec = {.type = VALUE_INT64, .bits = 32}, .native = "int"},
    {.name = "email", .spec = {.type = VALUE_TEXT}, .nullable = true},
    {.name = "price", .spec = {.type = VALUE_DECIMAL, .precision = 10, .scale = 2}},
    {.name = "total", .spec = {.type = VALUE_DECIMAL}, .generated = true, .nullable = true},
};
static const struct table_spec shop = {.name = "shop", .column_count = 4, .columns = shop_columns};

static enum outcome compile(const struct mapping_item *items, size_t count, struct arena *arena,
                            struct mapping *ret_mapping, struct err *err)
{
    return mapping_compile(&shop, items, count, arena, ret_mapping, err);
}

static void whole_tables_are_identity(void)
{
    struct arena ARENA_AUTO arena;
    struct mapping mapping;
    struct err err = {0};
    arena_init(&arena, 1 << 20);
    CHECK_OK(compile(NULL, 0, &arena, &mapping, &err), &err);
    CHECK(mapping.identity);
    CHECK_INT(mapping.output_count, 4);
    CHECK_INT(mapping.input_count, 4);
    CHECK_TEXT(mapping.outputs[3].name, "total");
    CHECK(mapping.inputs[3].generated && !mapping.outputs[3].generated);
    static const struct mapping_item renamed[] = {{.from = "email", .to = "mail"},
                                                  {.from = "price", .cast = "decimal(12,2)"}};
    CHECK_OK(compile(renamed, 2, &arena, &mapping, &err), &err);
    CHECK(mapping.identity);
    CHECK_TEXT(mapping.outputs[0].name, "mail");
    CHECK_TEXT(mapping.inputs[0].name, "email");
    CHECK_INT(mapping.outputs[1].spec.precision, 12);
}

static void plans_are_compiled(void)
{
    static const struct mapping_item items[] = {
        {.from = "price", .to = "cents", .cast = "int64"},
        {.from = "id"},
        {.from = "id", .to = "id_text", .cast = "text(10)"},
        {.to = "shop", .constant = "7", .cast = "int64(16)"},
        {.from = "email", .on_null = ON_NULL_DEFAULT, .default_text = "none"},
    };
    struct arena ARENA_AUTO arena;
    struct mapping mapping;
    struct err err = {0};
    arena_init(&arena, 1 << 20);
    CHECK_OK(compile(items, COUNT(items), &arena, &mapping, &err), &err);
    CHECK(!mapping.identity);
    CHECK_INT(mapping.input_count, 3);
    CHECK_TEXT(mapping.inputs[0].name, "id");
    CHECK_TEXT(mapping.inputs[1].name, "email");
    CHECK_TEXT(mapping.inputs[2].name, "price");
    static const int want[] = {2, 0, 0, -1, 1};
    for (size_t i = 0; i < COUNT(want); i++)
        CHECK_INT(mapping.output_inputs[i], want[i]);
    CHECK_INT(mapping.outputs[3].spec.bits, 16);
    CHECK(!mapping.outputs[4].nullable);
    CHECK(mapping.outputs[2].native == NULL);
}

static void mistakes_are_named(void)
{
    static const struct {
        struct mapping_item items[2];
        const char *code, *part; /* of the message or the hint */
    } cases[] = {
        {{{.from = "emial"}}, "mapping.column", "\"email\""},
        {{{.to = "x"}}, "mapping.column", "either"},
        {{{.from = "id", .constant = "1"}}, "mapping.constant", "either"},
        {{{.constant = "1"}}, "mapping.constant", "target column"},
        {{{.to = "x", .constant = "one", .cast = "int64"}}, "mapping.constant", "int64"},
        {{{.from = "id", .cast = "integer"}}, "mapping.cast", "\"integer\""},
        {{{.from = "id", .cast = "date"}}, "mapping.cast", "from int64 to date"},
        {{{.from = "id", .on_null = ON_NULL_DEFAULT}}, "mapping.default", "missing"},
        {{{.from = "id", .on_null = ON_NULL_DEFAULT, .default_text = "x"}},
         "mapping.default",
         "no int64"},
        {{{.from = "id", .to = "email"}, {.from = "email"}}, "mapping.duplicate", "\"email\""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena ARENA_AUTO arena;
        struct mapping mapping = {.output_count = 99};
        struct err err = {0};
        size_t count = cases[i].items[1].from == NULL ? 1 : 2;
        arena_init(&arena, 1 << 20);
        CHECK_OUTCOME(compile(cases[i].items, count, &arena, &mapping, &err), OUTCOME_PERMANENT,
                      &err);
        CHECK_TEXT(err.code, cases[i].code);
        if (!CHECK(strstr(err.message, cases[i].part) != NULL ||
                   strstr(err.hint, cases[i].part) != NULL))
            printf("# %s / %s\n", err.message, err.hint);
        CHECK_INT(mapping.output_count, 99);
    }
}

static void add_texts(struct batch *batch, const char *const *texts)
{
    for (size_t i = 0; i < batch->column_count; i++) {
        struct column *column = &batch->columns[i];
        if (texts[i] == NULL)
            column_add_null(column);
        else
            CHECK(column_add_text(batch, column, slice_of(texts[i])));
    }
    CHECK(batch_end_row(batch));
}

static void check_row(const struct batch *batch, size_t row, const char *const *texts)
{
    for (size_t i = 0; i < batch->column_count; i++) {
        struct str STR_AUTO out = str_with_max(1000);
        bool has = column_format(&batch->columns[i], row, &out);
        CHECK_TEXT(has ? str_text(&out) : NULL, texts[i]);
    }
}

static void rows_are_mapped(void)
{
    static const struct mapping_item items[] = {
        {.from = "price", .to = "whole", .cast = "int64"},
        {.from = "id"},
        {.to = "shop", .constant = "caf\xC3\xA9"},
        {.to = "yes", .constant = "true", .cast = "bool"},
        {.from = "email", .on_null = ON_NULL_DEFAULT, .default_text = "none"},
        {.from = "total", .on_null = ON_NULL_FAIL},
        {.from = "email", .to = "again"},
    };
    static const char *const rows[][4] = {{"1", "a@b", "12", "1.5"}, /* id email price total */
                                          {"2", NULL, "3.5", "2"},
                                          {"3", "", "5", NULL}};
    static const char *const want[][7] = {{"12", "1", "caf\xC3\xA9", "true", "a@b", "1.5", "a@b"},
                                          {NULL, "2", "caf\xC3\xA9", "true", "none", "2", NULL},
                                          {"5", "3", "caf\xC3\xA9", "true", "", NULL, ""}};
    struct arena ARENA_AUTO arena;
    struct mapping mapping;
    struct err err = {0};
    arena_init(&arena, 1 << 20);
    CHECK_OK(compile(items, COUNT(items), &arena, &mapping, &err), &err);
    struct batch *in = batch_new(mapping.inputs, mapping.input_count, 64, 1 << 20);
    struct batch *out = batch_new(mapping.outputs, mapping.output_count, 64, 1 << 20);
    for (int round = 0; round < 2; round++) {
        batch_clear(in);
        batch_clear(out);
        in->tag = 5;
        for (size_t row = 0; row < 3; row++)
            add_texts(in, rows[row]);
        CHECK_OK(mapping_apply(&mapping, in, out, &err), &err);
        CHECK_INT(out->row_count, 3);
        CHECK_INT(out->tag, 5);
        for (size_t row = 0; row < 3; row++)
            check_row(out, row, want[row]);
        CHECK_INT(out->fault_count, 2);
        CHECK_INT(out->faults[0].row, 1); /* 3.5 as int64 */
        CHECK_INT(out->faults[0].fault, FAULT_OUT_OF_RANGE);
        CHECK_INT(out->faults[1].row, 2); /* NULL under on_null fail */
        CHECK_INT(out->faults[1].column, 5);
        CHECK_BYTES(out->fault_text.data + out->faults[1].text_offset, out->faults[1].text_len,
                    "null", 4);
    }
    CHECK_OUTCOME(mapping_apply(&mapping, in, out, &err), OUTCOME_BUG, &err);
    batch_free(in);
    batch_free(out);
}

/* A reader's fault goes with its column, as often as that is taken, and is no NULL to on_null. */
static void faults_are_carried(void)
{
    static const struct mapping_item items[] = {
        {.from = "total", .on_null = ON_NULL_DEFAULT, .default_text = "0"},
        {.from = "id"},
        {.from = "total", .to = "total_text", .cast = "text"},
    };
    struct arena ARENA_AUTO arena;
    struct mapping mapping;
    struct err err = {0};
    arena_init(&arena, 1 << 20);
    CHECK_OK(compile(items, COUNT(items), &arena, &mapping, &err), &err);
    struct batch *in = batch_new(mapping.inputs, mapping.input_count, 64, 1 << 20);
    struct batch *out = batch_new(mapping.outputs, mapping.output_count, 64, 1 << 20);
    for (int row = 0; row < 4; row++) {
        column_add_i64(&in->columns[0], row);
        if (row % 2 == 0)
            column_add_null(&in->columns[1]);
        else
            batch_add_fault(in, &in->columns[1], FAULT_OUT_OF_RANGE, slice_of("1e9999"));
        CHECK(batch_end_row(in));
    }
    CHECK_OK(mapping_apply(&mapping, in, out, &err), &err);
    CHECK_INT(out->fault_count, 4);
    for (size_t i = 0; i < out->fault_count; i++) {
        CHECK_INT(out->faults[i].row, i / 2 * 2 + 1);
        CHECK_INT(out->faults[i].column, i % 2 * 2);
        CHECK_BYTES(out->fault_text.data + out->faults[i].text_offset, out->faults[i].text_len,
                    "1e9999", 6);
    }
    CHECK(!column_is_null(&out->columns[0], 0) && column_is_null(&out->columns[0], 1));
    batch_free(in);
    batch_free(out);
}

/* Every way from type to type: a value, and one that it cannot do. */
static const struct cast_case {
    const char *from, *in, *to, *out; /* out NULL = a fault */
    enum value_fault fault;
} cast_cases[] = {
    {"bool", "true", "int64", "1", 0},
    {"bool", "false", "text", "false", 0},
    {"bool", "true", "json", "true", 0},
    {"int64", "1", "bool", "true", 0},
    {"int64", "2", "bool", NULL, FAULT_OUT_OF_RANGE},
    {"int64", "-7", "float64", "-7", 0},
    {"int64", "-70", "decimal", "-70", 0},
    {"int64", "12", "text", "12", 0},
    {"int64", "12", "json", "12", 0},
    {"float64", "3", "int64", "3", 0},
    {"float64", "1e18", "int64", "1000000000000000000", 0},
    {"float64", "3.5", "int64", NULL, FAULT_OUT_OF_RANGE},
    {"float64", "1e19", "int64", NULL, FAULT_OUT_OF_RANGE},
    {"float64", "NaN", "int64", NULL, FAULT_NAN},
    {"float64", "-Infinity", "int64", NULL, FAULT_NAN},
    {"float64", "1.5e-7", "decimal", "0.00000015", 0},
    {"float64", "NaN", "decimal", "NaN", 0},
    {"float64", "0.1", "text", "0.1", 0},
    {"float64", "NaN", "json", NULL, FAULT_INVALID_CAST},
    {"decimal", "42.00", "int64", "42", 0},
    {"decimal", "42.01", "int64", NULL, FAULT_OUT_OF_RANGE},
    {"decimal", "Infinity", "int64", NULL, FAULT_NAN},
    {"decimal", "0.1", "float64", "0.1", 0},
    {"decimal", "1e400", "float64", NULL, FAULT_OUT_OF_RANGE},
    {"decimal", "0.10", "text", "0.1", 0},
    {"decimal", "0.1", "json", "0.1", 0},
    {"text", "t", "bool", "true", 0},
    {"text", "maybe", "bool", NULL, FAULT_INVALID_CAST},
    {"text", "12", "int64", "12", 0},
    {"text", "1e3", "int64", "1000", 0},
    {"text", "9223372036854775808", "int64", NULL, FAULT_OUT_OF_RANGE},
    {"text", "twelve", "int64", NULL, FAULT_INVALID_CAST},
    {"text", "", "int64", NULL, FAULT_INVALID_CAST},
    {"text", "1.50", "decimal", "1.5", 0},
    {"text", "1.5", "float64", "1.5", 0},
    {"text", "1e999", "float64", NULL, FAULT_OUT_OF_RANGE},
    {"text", "h\xC3\xA9", "bytes", "\\x68c3a9", 0},
    {"text", "2020-01-01", "date", "2020-01-01", 0},
    {"text", "2020-02-31", "date", NULL, FAULT_INVALID_CAST},
    {"text", "10:00:00", "time", "10:00:00", 0},
    {"text", "2020-01-01T10:00:00", "timestamp", "2020-01-01 10:00:00", 0},
    {"text", "2020-01-01T10:00:00+02", "timestamptz", "2020-01-01 08:00:00+00", 0},
    {"text", "[1]", "json", "[1]", 0},
    {"text", "[1", "json", NULL, FAULT_INVALID_CAST},
    {"text", "00010203-0405-0607-0809-0A0B0C0D0E0F", "uuid", "00010203-0405-0607-0809-0a0b0c0d0e0f",
     0},
    {"bytes", "\\x68c3a9", "text", "h\xC3\xA9", 0},
    {"bytes", "\\xff", "text", NULL, FAULT_INVALID_UTF8},
    {"bytes", "\\x000102030405060708090a0b0c0d0e0f", "uuid", "00010203-0405-0607-0809-0a0b0c0d0e0f",
     0},
    {"bytes", "\\x00", "uuid", NULL, FAULT_INVALID_CAST},
    {"date", "2020-01-02", "timestamp", "2020-01-02 00:00:00", 0},
    {"date", "-infinity", "timestamptz", "-infinity", 0},
    {"date", "300000-01-01", "timestamp", NULL, FAULT_OUT_OF_RANGE},
    {"date", "2020-01-02", "text", "2020-01-02", 0},
    {"time", "25:00:00", "text", "25:00:00", 0},
    {"timestamp", "1969-12-31 23:00:00", "date", "1969-12-31", 0},
    {"timestamp", "infinity", "date", "infinity", 0},
    {"timestamp", "1969-12-31 23:00:00", "time", "23:00:00", 0},
    {"timestamp", "infinity", "time", NULL, FAULT_INFINITY},
    {"timestamp", "2020-01-02 03:04:05", "timestamptz", "2020-01-02 03:04:05+00", 0},
    {"timestamp", "2020-01-02 03:04:05", "text", "2020-01-02 03:04:05", 0},
    {"timestamptz", "2020-01-02 03:04:05+00", "timestamp", "2020-01-02 03:04:05", 0},
    {"timestamptz", "2020-01-02 03:04:05+00", "date", "2020-01-02", 0},
    {"timestamptz", "2020-01-02 03:04:05+00", "time", "03:04:05", 0},
    {"timestamptz", "infinity", "text", "infinity", 0},
    {"json", "{\"b\":1, \"a\":2}", "text", "{\"b\":1, \"a\":2}", 0},
    {"uuid", "00010203-0405-0607-0809-0a0b0c0d0e0f", "text", "00010203-0405-0607-0809-0a0b0c0d0e0f",
     0},
    {"uuid", "00010203-0405-0607-0809-0a0b0c0d0e0f", "bytes", "\\x000102030405060708090a0b0c0d0e0f",
     0},
};

static void casts(void)
{
    for (size_t i = 0; i < COUNT(cast_cases); i++) {
        struct column_spec column = {.name = "c", .nullable = true};
        struct table_spec source = {.name = "s", .column_count = 1, .columns = &column};
        struct mapping_item item = {.from = "c", .cast = cast_cases[i].to};
        struct arena ARENA_AUTO arena;
        struct mapping mapping;
        struct err err = {0};
        arena_init(&arena, 1 << 20);
        CHECK(value_spec_parse(cast_cases[i].from, &column.spec));
        if (!CHECK_OK(mapping_compile(&source, &item, 1, &arena, &mapping, &err), &err))
            continue;
        struct batch *in = batch_new(mapping.inputs, 1, 64, 1 << 20);
        struct batch *out = batch_new(mapping.outputs, 1, 64, 1 << 20);
        add_texts(in, &cast_cases[i].in);
        column_add_null(&in->columns[0]);
        CHECK(batch_end_row(in));
        CHECK_OK(mapping_apply(&mapping, in, out, &err), &err);
        check_row(out, 0, &cast_cases[i].out);
        CHECK(column_is_null(&out->columns[0], 1));
        if (!CHECK_INT(out->fault_count, cast_cases[i].out == NULL) ||
            (out->fault_count == 1 && !CHECK_INT(out->faults[0].fault, cast_cases[i].fault)))
            printf("# %s %s to %s\n", cast_cases[i].from, cast_cases[i].in, cast_cases[i].to);
        batch_free(in);
        batch_free(out);
    }
}

/* Buffers are copied whole: all types, many rows, in another order. */
static void columns_are_copied(void)
{
    struct column_spec columns[VALUE_TYPE_COUNT];
    struct mapping_item items[VALUE_TYPE_COUNT];
    static const char *const texts[VALUE_TYPE_COUNT] = {"true",
                                                        "5",
                                                        "1.5",
                                                        "2.5",
                                                        "text",
                                                        "\\x00",
                                                        "2020-01-01",
                                                        "10:00:00",
                                                        "2020-01-01 00:00:00",
                                                        "2020-01-01 00:00:00+00",
                                                        "[]",
                                                        "00010203-0405-0607-0809-0a0b0c0d0e0f"};
    const char *reversed[VALUE_TYPE_COUNT];
    static const char *const nulls[VALUE_TYPE_COUNT] = {NULL};
    for (size_t i = 0; i < VALUE_TYPE_COUNT; i++) {
        columns[i] = (struct column_spec){.name = value_type_name((enum value_type)i),
                                          .spec.type = (enum value_type)i,
                                          .nullable = true};
        items[VALUE_TYPE_COUNT - 1 - i] = (struct mapping_item){.from = columns[i].name};
        reversed[VALUE_TYPE_COUNT - 1 - i] = texts[i];
    }
    struct table_spec source = {.name = "s", .column_count = VALUE_TYPE_COUNT, .columns = columns};
    struct arena ARENA_AUTO arena;
    struct mapping mapping;
    struct err err = {0};
    arena_init(&arena, 1 << 20);
    CHECK_OK(mapping_compile(&source, items, VALUE_TYPE_COUNT, &arena, &mapping, &err), &err);
    CHECK(!mapping.identity);
    struct batch *in = batch_new(mapping.inputs, VALUE_TYPE_COUNT, 100, 1 << 20);
    struct batch *out = batch_new(mapping.outputs, VALUE_TYPE_COUNT, 100, 1 << 20);
    for (size_t row = 0; row < 100; row++)
        add_texts(in, row % 3 == 0 ? nulls : texts);
    CHECK_OK(mapping_apply(&mapping, in, out, &err), &err);
    for (size_t row = 0; row < 100; row++)
        check_row(out, row, row % 3 == 0 ? nulls : reversed);
    CHECK_INT(out->columns[0].null_count, 34);
    CHECK_INT(out->bytes_used, in->bytes_used);
    batch_free(in);
    batch_free(out);
}

static void memory_may_fail(void)
{
    static const struct mapping_item items[] = {
        {.from = "id", .on_null = ON_NULL_DEFAULT, .default_text = "5"},
        {.to = "x", .constant = "text"},
    };
    enum outcome last = OUTCOME_RETRY;
    for (uint64_t n = 1; last != OUTCOME_OK && n < 40; n++) {
        struct arena ARENA_AUTO arena;
        struct mapping mapping = {.output_count = 99};
        struct err err = {0};
        arena_init(&arena, 1 << 20);
        arena_fail_at(n);
        last = compile(items, COUNT(items), &arena, &mapping, &err);
        arena_fail_at(0);
        CHECK_INT(mapping.output_count, last == OUTCOME_OK ? 2 : 99);
        CHECK(last == OUTCOME_OK ? n == 11 : last == OUTCOME_RETRY);
    }
    CHECK_INT(last, OUTCOME_OK);
}

static CU_TestInfo tests[] = {
    {"whole tables are identity", whole_tables_are_identity},
    {"plans are compiled", plans_are_compiled},
    {"mistakes are named", mistakes_are_named},
    {"rows are mapped", rows_are_mapped},
    {"faults are carried", faults_are_carried},
    {"casts", casts},
    {"columns are copied", columns_are_copied},
    {"memory may fail", memory_may_fail},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("model/mapping", tests)
