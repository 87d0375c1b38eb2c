/* fields: decoding from JSON and texts, its errors, its documents, under failing memory. */
#include "base/fields.h"

#include "base/jwrite.h"
#include "check.h"

#include <stdio.h>

struct column {
    const char *name;
    int64_t width;
};
struct limits {
    bool present;
    int64_t rows;
};
struct place {
    const char *table;
    int64_t port;
};
struct sample {
    const char *name;
    const char *note;
    int64_t count;
    bool on;
    int mode;
    double ratio;
    int64_t since_us;
    struct field_strings tags;
    struct place source;
    struct limits limits;
    struct field_objects columns;
    const struct jval *extra;
    const char *token;
};

static const struct field column_fields[] = {
    {.name = "name",
     .type = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .offset = offsetof(struct column, name),
     .doc = "Its name."},
    {.name = "width",
     .type = FIELD_INT,
     .offset = offsetof(struct column, width),
     .min = 1,
     .max = 9,
     .default_text = "3"},
};
static const struct field_table column_table = {"column", NULL, column_fields,
                                                FIELDS_COUNT(column_fields), sizeof(struct column)};

static const struct field limits_fields[] = {
    {.name = "rows",
     .type = FIELD_INT,
     .offset = offsetof(struct limits, rows),
     .default_text = "10"},
};
static const struct field_table limits_table = {"limits", NULL, limits_fields,
                                                FIELDS_COUNT(limits_fields), sizeof(struct limits)};

static const struct field place_fields[] = {
    {.name = "table",
     .type = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .offset = offsetof(struct place, table),
     .min = 1,
     .max = 8,
     .doc = "The table to read."},
    {.name = "port",
     .type = FIELD_INT,
     .offset = offsetof(struct place, port),
     .default_text = "5432"},
};
static const struct field_table place_table = {"place", "Where rows are.", place_fields,
                                               FIELDS_COUNT(place_fields), sizeof(struct place)};

static const char *const modes[] = {"full_refresh", "append", "upsert", NULL};

static const struct field sample_fields[] = {
    {.name = "name",
     .type = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .offset = offsetof(struct sample, name),
     .doc = "What it is called."},
    {.name = "note", .type = FIELD_STRING, .offset = offsetof(struct sample, note)},
    {.name = "count",
     .type = FIELD_INT,
     .offset = offsetof(struct sample, count),
     .min = -5,
     .max = 100,
     .unit = "rows",
     .default_text = "7",
     .doc = "How many | much."},
    {.name = "on",
     .type = FIELD_BOOL,
     .offset = offsetof(struct sample, on),
     .default_text = "true"},
    {.name = "mode",
     .type = FIELD_ENUM,
     .offset = offsetof(struct sample, mode),
     .choices = modes,
     .default_text = "append"},
    {.name = "ratio",
     .type = FIELD_REAL,
     .offset = offsetof(struct sample, ratio),
     .min = 0,
     .max = 1,
     .default_text = "0.5"},
    {.name = "since", .type = FIELD_TIME, .offset = offsetof(struct sample, since_us)},
    {.name = "tags",
     .type = FIELD_STRINGS,
     .offset = offsetof(struct sample, tags),
     .min = 0,
     .max = 3,
     .default_text = "a, b"},
    {.name = "source",
     .type = FIELD_OBJECT,
     .offset = offsetof(struct sample, source),
     .object = &place_table},
    {.name = "limits",
     .type = FIELD_OBJECT,
     .flags = FIELD_PRESENT,
     .offset = offsetof(struct sample, limits),
     .object = &limits_table},
    {.name = "columns",
     .type = FIELD_OBJECTS,
     .offset = offsetof(struct sample, columns),
     .min = 0,
     .max = 2,
     .object = &column_table},
    {.name = "extra", .type = FIELD_JSON, .offset = offsetof(struct sample, extra)},
    {.name = "token",
     .type = FIELD_STRING,
     .flags = FIELD_SECRET,
     .offset = offsetof(struct sample, token),
     .min = 4,
     .max = 8},
};
static const struct field_table sample_table = {"sample", "A sample.", sample_fields,
                                                FIELDS_COUNT(sample_fields), sizeof(struct sample)};

#define S(text)                                                                                    \
    {                                                                                              \
        .type = JVAL_STRING, .string = { text, sizeof(text) - 1 }                                  \
    }
#define I(value)                                                                                   \
    {                                                                                              \
        .type = JVAL_INT, .integer = (value)                                                       \
    }
#define R(value)                                                                                   \
    {                                                                                              \
        .type = JVAL_REAL, .real = (value)                                                         \
    }
#define OBJECT(list)                                                                               \
    {                                                                                              \
        .type = JVAL_OBJECT, .object = { FIELDS_COUNT(list), list }                                \
    }
#define ARRAY(list)                                                                                \
    {                                                                                              \
        .type = JVAL_ARRAY, .array = { FIELDS_COUNT(list), list }                                  \
    }

static const struct jval_member source_members[] = {{"table", S("orders")}};
static const struct jval_member column_a[] = {{"name", S("a")}};
static const struct jval_member column_b[] = {{"name", S("b")}, {"width", R(9.0)}};
static const struct jval column_items[] = {OBJECT(column_a), OBJECT(column_b)};
static const struct jval tag_items[] = {S("x"), S(""), S("z")};
static const struct jval_member limits_members[] = {{"rows", I(3)}};
static const struct jval_member all_members[] = {
    {"name", S("n")},
    {"note", S("")},
    {"count", I(-5)},
    {"on", {.type = JVAL_BOOL, .boolean = false}},
    {"mode", S("upsert")},
    {"ratio", I(1)},
    {"since", S("1970-01-01T00:00:01Z")},
    {"tags", ARRAY(tag_items)},
    {"source", OBJECT(source_members)},
    {"limits", OBJECT(limits_members)},
    {"columns", ARRAY(column_items)},
    {"extra", ARRAY(tag_items)},
    {"token", S("secret")},
};
static const struct jval all = OBJECT(all_members);

static void test_all_types(void)
{
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 1u << 20);
    struct sample sample;
    struct err err = {0};
    if (!CHECK_OK(fields_decode(&sample_table, &all, &arena, &sample, &err), &err))
        return;
    CHECK_TEXT(sample.name, "n");
    CHECK(sample.name != all_members[0].value.string.data);
    CHECK_TEXT(sample.note, "");
    CHECK_INT(sample.count, -5);
    CHECK(!sample.on);
    CHECK_INT(sample.mode, 2);
    CHECK(sample.ratio == 1);
    CHECK_INT(sample.since_us, 1000000);
    CHECK_INT(sample.tags.count, 3);
    CHECK_TEXT(sample.tags.items[2], "z");
    CHECK_TEXT(sample.source.table, "orders");
    CHECK_INT(sample.source.port, 5432);
    CHECK(sample.limits.present);
    CHECK_INT(sample.limits.rows, 3);
    CHECK_INT(sample.columns.count, 2);
    const struct column *columns = sample.columns.items;
    CHECK_TEXT(columns[0].name, "a");
    CHECK_INT(columns[0].width, 3);
    CHECK_TEXT(columns[1].name, "b");
    CHECK_INT(columns[1].width, 9);
    CHECK(sample.extra == &all_members[11].value);
    CHECK_TEXT(sample.token, "secret");
}

static void test_defaults(void)
{
    static const struct jval_member members[] = {{"name", S("n")},
                                                 {"source", OBJECT(source_members)}};
    static const struct jval object = OBJECT(members);
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 1u << 20);
    struct sample sample;
    struct err err = {0};
    if (!CHECK_OK(fields_decode(&sample_table, &object, &arena, &sample, &err), &err))
        return;
    CHECK_TEXT(sample.note, NULL);
    CHECK_INT(sample.count, 7);
    CHECK(sample.on);
    CHECK_INT(sample.mode, 1);
    CHECK(sample.ratio == 0.5);
    CHECK_INT(sample.since_us, 0);
    CHECK_INT(sample.tags.count, 2);
    CHECK_TEXT(sample.tags.items[1], "b");
    CHECK(!sample.limits.present);
    CHECK_INT(sample.limits.rows, 0);
    CHECK_INT(sample.columns.count, 0);
    CHECK(sample.extra == NULL && sample.token == NULL);
}

/* Each case replaces one member of `all` (or adds one) by a value that is refused. */
struct bad_case {
    struct jval_member member;
    const char *code, *message, *hint;
};

static const struct jval bad_tags[] = {S("x"), I(1)};
static const struct jval many_tags[] = {S("x"), S("x"), S("x"), S("x")};
static const struct jval_member column_bad[] = {{"name", S("b")}, {"width", I(10)}};
static const struct jval_member column_unknown[] = {{"nam", S("b")}};
static const struct jval_member no_members[1] = {{"unused", {.type = JVAL_NULL}}};
static const struct jval bad_columns[] = {OBJECT(column_a), OBJECT(column_bad)};
static const struct jval unknown_columns[] = {OBJECT(column_unknown)};
static const struct jval nameless_columns[] = {{.type = JVAL_OBJECT, .object = {0, no_members}}};
static const struct jval number_columns[] = {I(1)};
static const struct jval_member long_table[] = {{"table", S("123456789")}};

static const struct bad_case bad_cases[] = {
    {{"name", I(1)},
     "fields.type",
     "field \"name\" is of type integer: expected a string",
     "name: What it is called."},
    {{"name", {.type = JVAL_NULL}},
     "fields.type",
     "field \"name\" is of type null: expected a string",
     "name: What it is called."},
    {{"count", I(101)},
     "fields.range",
     "field \"count\" is 101: expected an integer from -5 to 100 (rows)",
     "count: How many | much."},
    {{"count", R(1.5)},
     "fields.type",
     "field \"count\" is of type number: expected an integer from -5 to 100 (rows)",
     "count: How many | much."},
    {{"on", S("true")},
     "fields.type",
     "field \"on\" is of type string: expected true or false",
     ""},
    {{"mode", S("upsrt")},
     "fields.range",
     "field \"mode\" is \"upsrt\": expected one of full_refresh, append, upsert",
     "did you mean \"upsert\"?"},
    {{"mode", I(1)},
     "fields.type",
     "field \"mode\" is of type integer: expected one of full_refresh, append, upsert",
     ""},
    {{"ratio", R(1.25)},
     "fields.range",
     "field \"ratio\" is 1.25: expected a number from 0 to 1",
     ""},
    {{"ratio", S("1")},
     "fields.type",
     "field \"ratio\" is of type string: expected a number from 0 to 1",
     ""},
    {{"since", S("yesterday")},
     "fields.type",
     "field \"since\" is \"yesterday\": expected a time as 2026-01-31T12:00:00Z",
     ""},
    {{"since", I(0)},
     "fields.type",
     "field \"since\" is of type integer: expected a time as 2026-01-31T12:00:00Z",
     ""},
    {{"tags", S("x")},
     "fields.type",
     "field \"tags\" is of type string: expected a list of strings of at most 3 items",
     ""},
    {{"tags", ARRAY(bad_tags)},
     "fields.type",
     "field \"tags[1]\" is of type integer: expected a string",
     ""},
    {{"tags", ARRAY(many_tags)},
     "fields.range",
     "field \"tags\" has 4 items: expected a list of strings of at most 3 items",
     ""},
    {{"source", S("x")},
     "fields.type",
     "field \"source\" is of type string: expected an object",
     ""},
    {{"source", OBJECT(long_table)},
     "fields.range",
     "field \"source.table\" has 9 bytes: expected a string of 1 to 8 bytes",
     "table: The table to read."},
    {{"source", {.type = JVAL_OBJECT}},
     "fields.missing",
     "field \"source.table\" is missing: expected a string of 1 to 8 bytes",
     "table: The table to read."},
    {{"limits", ARRAY(many_tags)},
     "fields.type",
     "field \"limits\" is of type array: expected an object",
     ""},
    {{"columns", OBJECT(column_a)},
     "fields.type",
     "field \"columns\" is of type object: expected a list of objects of at most 2 items",
     ""},
    {{"columns", ARRAY(number_columns)},
     "fields.type",
     "field \"columns[0]\" is of type integer: expected an object",
     ""},
    {{"columns", ARRAY(bad_columns)},
     "fields.range",
     "field \"columns[1].width\" is 10: expected an integer from 1 to 9",
     ""},
    {{"columns", ARRAY(unknown_columns)},
     "fields.unknown",
     "unknown field \"columns[0].nam\" of column",
     "did you mean \"name\"?"},
    {{"columns", ARRAY(nameless_columns)},
     "fields.missing",
     "field \"columns[0].name\" is missing: expected a string",
     "name: Its name."},
    {{"sorce", I(1)},
     "fields.unknown",
     "unknown field \"sorce\" of sample",
     "did you mean \"source\"?"},
    {{"qqqqqq", I(1)},
     "fields.unknown",
     "unknown field \"qqqqqq\" of sample",
     "known fields: name, note, count, on, mode, ratio, since, tags, source, limits, columns, "
     "extra, "
     "token"},
    {{"token", S("abc")},
     "fields.range",
     "field \"token\" holds a secret of another form: expected a string of 4 to 8 bytes",
     ""},
    {{"token", I(1234)},
     "fields.type",
     "field \"token\" holds a secret of another form: expected a string of 4 to 8 bytes",
     ""},
};

static void check_bad_case(const struct bad_case *bad)
{
    struct jval_member members[FIELDS_COUNT(all_members) + 1];
    size_t count = 0;
    bool replaced = false;
    for (size_t i = 0; i < FIELDS_COUNT(all_members); i++) {
        bool same = strcmp(all_members[i].name, bad->member.name) == 0;
        members[count++] = same ? bad->member : all_members[i];
        replaced = replaced || same;
    }
    if (!replaced)
        members[count++] = bad->member;
    struct jval object = {.type = JVAL_OBJECT, .object = {count, members}};
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 1u << 20);
    struct sample sample = {.count = 4242};
    struct err err = {0};
    CHECK_OUTCOME(fields_decode(&sample_table, &object, &arena, &sample, &err), OUTCOME_PERMANENT,
                  &err);
    CHECK_TEXT(err.code, bad->code);
    CHECK_TEXT(err.message, bad->message);
    CHECK_TEXT(err.hint, bad->hint);
    CHECK_INT(sample.count, 4242);
}

static void test_bad_values(void)
{
    for (size_t i = 0; i < FIELDS_COUNT(bad_cases); i++)
        check_bad_case(&bad_cases[i]);
}

static void test_missing(void)
{
    static const struct jval empty = {.type = JVAL_OBJECT};
    static const struct jval number = I(1);
    static const struct jval_member only_name[] = {{"name", S("n")}};
    static const struct jval no_source = OBJECT(only_name);
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 1u << 20);
    struct sample sample;
    struct err err = {0};
    CHECK_OUTCOME(fields_decode(&sample_table, &empty, &arena, &sample, &err), OUTCOME_PERMANENT,
                  &err);
    CHECK_TEXT(err.message, "field \"name\" is missing: expected a string");
    CHECK_OUTCOME(fields_decode(&sample_table, &no_source, &arena, &sample, &err),
                  OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.message, "field \"source.table\" is missing: expected a string of 1 to 8 bytes");
    CHECK_OUTCOME(fields_decode(&sample_table, &number, &arena, &sample, &err), OUTCOME_PERMANENT,
                  &err);
    CHECK_TEXT(err.message, "sample is of type integer: expected an object");
    CHECK_OUTCOME(fields_decode(&sample_table, NULL, &arena, &sample, &err), OUTCOME_PERMANENT,
                  &err);
}

/* Each allocation fails in turn: out of memory is said, the struct is left alone, nothing leaks. */
static void test_decode_torture(void)
{
    for (uint64_t n = 1;; n++) {
        ARENA_AUTO struct arena arena;
        arena_init(&arena, 1u << 20);
        struct sample sample = {.count = 4242};
        struct err err = {0};
        arena_fail_at(n);
        enum outcome outcome = fields_decode(&sample_table, &all, &arena, &sample, &err);
        arena_fail_at(0);
        if (outcome == OUTCOME_OK) {
            CHECK(n > 8);
            return;
        }
        if (!CHECK_OUTCOME(outcome, OUTCOME_RETRY, &err) || !CHECK_TEXT(err.code, "no_memory") ||
            !CHECK_INT(sample.count, 4242) || !CHECK(n < 1000))
            return;
    }
}

struct flat {
    int64_t count;
    double ratio;
    bool on;
    int mode;
    int64_t since_us;
    struct field_strings hosts;
    const char *token;
    const char *name;
};
static const struct field flat_fields[] = {
    {.name = "count",
     .type = FIELD_INT,
     .offset = offsetof(struct flat, count),
     .min = 1,
     .max = INT64_MAX,
     .default_text = "2"},
    {.name = "ratio", .type = FIELD_REAL, .offset = offsetof(struct flat, ratio)},
    {.name = "on", .type = FIELD_BOOL, .offset = offsetof(struct flat, on)},
    {.name = "mode", .type = FIELD_ENUM, .offset = offsetof(struct flat, mode), .choices = modes},
    {.name = "since", .type = FIELD_TIME, .offset = offsetof(struct flat, since_us)},
    {.name = "hosts", .type = FIELD_STRINGS, .offset = offsetof(struct flat, hosts)},
    {.name = "token",
     .type = FIELD_STRING,
     .flags = FIELD_SECRET,
     .offset = offsetof(struct flat, token),
     .min = 5,
     .max = 9},
    {.name = "name", .type = FIELD_STRING, .offset = offsetof(struct flat, name)},
};
static const struct field_table flat_table = {"flat", NULL, flat_fields, FIELDS_COUNT(flat_fields),
                                              sizeof(struct flat)};

/* One pair alone: the name and its text. */
static const char *lookup_pair(void *ctx, const char *name)
{
    const char *const *pair = ctx;
    return strcmp(pair[0], name) == 0 ? pair[1] : NULL;
}

static void test_texts(void)
{
    static const struct {
        const char *pair[2];
        const char *code, *message; /* NULL = accepted */
    } cases[] = {
        {{"count", "12"}, NULL, NULL},
        {{"count", "0"}, "fields.range", "field \"count\" is 0: expected an integer of at least 1"},
        {{"count", "1x"},
         "fields.type",
         "field \"count\" is \"1x\": expected an integer of at least 1"},
        {{"count", ""},
         "fields.type",
         "field \"count\" is \"\": expected an integer of at least 1"},
        {{"ratio", "1.5"}, NULL, NULL},
        {{"ratio", "NaN"}, "fields.range", "field \"ratio\" is nan: expected a number"},
        {{"ratio", "x"}, "fields.type", "field \"ratio\" is \"x\": expected a number"},
        {{"on", "yes"}, NULL, NULL},
        {{"on", "maybe"}, "fields.type", "field \"on\" is \"maybe\": expected true or false"},
        {{"mode", "append"}, NULL, NULL},
        {{"mode", "no"},
         "fields.range",
         "field \"mode\" is \"no\": expected one of full_refresh, append, upsert"},
        {{"since", "2001-01-01T00:00:00Z"}, NULL, NULL},
        {{"since", "2001"},
         "fields.type",
         "field \"since\" is \"2001\": expected a time as 2026-01-31T12:00:00Z"},
        {{"hosts", "a,,b"}, "fields.type", "field \"hosts[1]\" is empty: expected a string"},
        {{"hosts", "\xFF"},
         "fields.type",
         "field \"hosts[0]\" is not valid UTF-8: expected a string"},
        {{"name", "\xFF"}, "fields.type", "field \"name\" is not valid UTF-8: expected a string"},
        {{"token", "hunter2"}, NULL, NULL},
        {{"token", "hunt"},
         "fields.range",
         "field \"token\" holds a secret of another form: expected a string of 5 to 9 bytes"},
    };
    for (size_t i = 0; i < FIELDS_COUNT(cases); i++) {
        ARENA_AUTO struct arena arena;
        arena_init(&arena, 1u << 20);
        struct flat flat = {0};
        struct err err = {0};
        const char *pair[2] = {cases[i].pair[0], cases[i].pair[1]};
        enum outcome outcome =
            fields_decode_texts(&flat_table, lookup_pair, pair, &arena, &flat, &err);
        CHECK_OUTCOME(outcome, cases[i].code == NULL ? OUTCOME_OK : OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, cases[i].code == NULL ? "" : cases[i].code);
        CHECK_TEXT(err.message, cases[i].code == NULL ? "" : cases[i].message);
        if (i == 0)
            CHECK_INT(flat.count, 12);
    }
}

static void test_text_lists(void)
{
    static const struct {
        const char *text;
        size_t count;
        const char *last;
    } cases[] = {{"", 0, NULL}, {"  ", 0, NULL}, {"a", 1, "a"}, {" a , b c ", 2, "b c"}};
    for (size_t i = 0; i < FIELDS_COUNT(cases); i++) {
        ARENA_AUTO struct arena arena;
        arena_init(&arena, 1u << 20);
        struct flat flat = {0};
        struct err err = {0};
        const char *pair[2] = {"hosts", cases[i].text};
        if (!CHECK_OK(fields_decode_texts(&flat_table, lookup_pair, pair, &arena, &flat, &err),
                      &err))
            continue;
        CHECK_INT(flat.hosts.count, cases[i].count);
        if (cases[i].count > 0 && flat.hosts.count == cases[i].count)
            CHECK_TEXT(flat.hosts.items[cases[i].count - 1], cases[i].last);
    }
}

static void test_bad_default_is_a_bug(void)
{
    static const struct field fields[] = {
        {.name = "n", .type = FIELD_INT, .min = 1, .max = 2, .default_text = "3"}};
    static const struct field_table table = {"t", NULL, fields, 1, sizeof(int64_t)};
    static const struct jval empty = {.type = JVAL_OBJECT};
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 1u << 20);
    int64_t value;
    struct err err = {0};
    CHECK_OUTCOME(fields_decode(&table, &empty, &arena, &value, &err), OUTCOME_BUG, &err);
    CHECK_TEXT(err.message, "the default of field \"n\" is not valid");
}

/* More fields than have room on the stack; every second one is given, the last ones first. */
static void test_a_wide_table(void)
{
    enum { FIELDS = 70 };
    char names[FIELDS][8];
    struct field fields[FIELDS];
    struct jval_member members[FIELDS / 2];
    int64_t values[FIELDS];
    for (size_t i = 0; i < FIELDS; i++) {
        snprintf(names[i], sizeof names[i], "f%zu", i);
        fields[i] = (struct field){.name = names[i],
                                   .type = FIELD_INT,
                                   .offset = i * sizeof *values,
                                   .default_text = "-1"};
    }
    for (size_t i = 0; i < FIELDS / 2; i++) {
        size_t place = FIELDS - 2 - 2 * i;
        members[i] = (struct jval_member){names[place],
                                          {.type = JVAL_INT, .integer = (int64_t)(1000 + place)}};
    }
    struct field_table table = {"wide", NULL, fields, FIELDS, sizeof values};
    struct jval object = {.type = JVAL_OBJECT, .object = {FIELDS / 2, members}};
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 1u << 20);
    struct err err = {0};
    CHECK_OK(fields_decode(&table, &object, &arena, values, &err), &err);
    for (size_t i = 0; i < FIELDS; i++)
        CHECK_INT(values[i], i % 2 == 0 ? (int64_t)(1000 + i) : -1);
}

static void test_names(void)
{
    CHECK(fields_find(&sample_table, "mode") == &sample_fields[4]);
    CHECK(fields_find(&sample_table, "Mode") == NULL);
    CHECK_TEXT(fields_nearest(&sample_table, "coutn"), "count");
    CHECK_TEXT(fields_nearest(&sample_table, "zz"), NULL);
    CHECK_TEXT(fields_nearest(&sample_table, "limitations"), NULL);
}

static void test_schema(void)
{
    STR_AUTO struct str out = str_with_max(STR_MAX_DEFAULT);
    struct jwrite w = jwrite_to(&out);
    fields_write_schema(&sample_table, &w);
    CHECK(!out.failed);
    CHECK_TEXT(
        str_text(&out),
        "{\"title\":\"sample\",\"description\":\"A sample.\",\"type\":\"object\","
        "\"additionalProperties\":false,\"required\":[\"name\",\"source\"],\"properties\":{"
        "\"name\":{\"type\":\"string\",\"description\":\"What it is called.\"},"
        "\"note\":{\"type\":\"string\"},"
        "\"count\":{\"type\":\"integer\",\"format\":\"int64\",\"description\":\"How many | much. "
        "(rows)\",\"minimum\":-5,\"maximum\":100,\"default\":7},"
        "\"on\":{\"type\":\"boolean\",\"default\":true},"
        "\"mode\":{\"type\":\"string\",\"enum\":[\"full_refresh\",\"append\",\"upsert\"],"
        "\"default\":\"append\"},"
        "\"ratio\":{\"type\":\"number\",\"minimum\":0,\"maximum\":1,\"default\":0.5},"
        "\"since\":{\"type\":\"string\",\"format\":\"date-time\"},"
        "\"tags\":{\"type\":\"array\",\"maxItems\":3,\"default\":[\"a\",\"b\"],"
        "\"items\":{\"type\":\"string\"}},"
        "\"source\":{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"table\"],"
        "\"properties\":{\"table\":{\"type\":\"string\",\"description\":\"The table to read. At "
        "most 8 bytes.\",\"minLength\":1,\"maxLength\":8},"
        "\"port\":{\"type\":\"integer\",\"format\":\"int64\",\"default\":5432}}},"
        "\"limits\":{\"type\":\"object\",\"additionalProperties\":false,\"required\":[],"
        "\"properties\":{\"rows\":{\"type\":\"integer\",\"format\":\"int64\",\"default\":10}}},"
        "\"columns\":{\"type\":\"array\",\"maxItems\":2,\"items\":{\"title\":\"column\","
        "\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"name\"],"
        "\"properties\":{\"name\":{\"type\":\"string\",\"description\":\"Its name.\"},"
        "\"width\":{\"type\":\"integer\",\"format\":\"int64\",\"minimum\":1,\"maximum\":9,"
        "\"default\":3}}}},"
        "\"extra\":{},"
        "\"token\":{\"type\":\"string\",\"description\":\"At most 8 bytes.\",\"minLength\":4,"
        "\"maxLength\":8,\"writeOnly\":true}}}");
}

static void test_markdown(void)
{
    STR_AUTO struct str out = str_with_max(STR_MAX_DEFAULT);
    fields_print_markdown(&sample_table, &out);
    static const char *const lines[] = {
        "| Field | Type | Default | Meaning |\n|---|---|---|---|\n",
        "| `name` | a string | required | What it is called. |\n",
        "| `count` | an integer from -5 to 100 (rows) | `7` | How many \\| much. |\n",
        "| `source` | an object | required |  |\n",
        "| `source.table` | a string of 1 to 8 bytes | required | The table to read. |\n",
        "| `columns[].width` | an integer from 1 to 9 | `3` |  |\n",
        "| `token` | a string of 4 to 8 bytes |  | Secret. |\n",
    };
    for (size_t i = 0; i < FIELDS_COUNT(lines); i++) {
        if (!CHECK(strstr(str_text(&out), lines[i]) != NULL))
            printf("# no line: %s", lines[i]);
    }
}

static CU_TestInfo tests[] = {
    {"all types", test_all_types},
    {"defaults", test_defaults},
    {"bad values", test_bad_values},
    {"missing", test_missing},
    {"decode torture", test_decode_torture},
    {"texts", test_texts},
    {"text lists", test_text_lists},
    {"a bad default is a bug", test_bad_default_is_a_bug},
    {"a wide table", test_a_wide_table},
    {"names", test_names},
    {"schema", test_schema},
    {"markdown", test_markdown},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("base/fields", tests)
