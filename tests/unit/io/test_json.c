/* io/json: against tables, against jansson as an independent reader, and under allocation torture.
 */
#include "base/jwrite.h"
#include "check.h"
#include "io/json.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static enum outcome read_text(const char *text, size_t len, struct arena *arena,
                              const struct jval **ret_value, struct err *err)
{
    arena_init(arena, 8 << 20);
    return jread((struct slice){text, len}, arena, ret_value, err);
}

static void test_reads_and_writes_back(void)
{
    static const char *const cases[][2] = {
        {"null", "null"},
        {" \t\r\n true ", "true"},
        {"false", "false"},
        {"0", "0"},
        {"-0", "0"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"\"\"", "\"\""},
        {"\"a\\n\\\"\\\\\\/b\"", "\"a\\n\\\"\\\\/b\""},
        {"\"\\u00e4\\u20ac\\ud83d\\ude00\"", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"[1.10,1e2,123456789012345678901234567890]", "[1.10,1e2,123456789012345678901234567890]"},
        {"[]", "[]"},
        {"[ 1 , [2,[]] , {} ]", "[1,[2,[]],{}]"},
        {"{\"b\":1,\"a\":[null]}", "{\"b\":1,\"a\":[null]}"},
        {"{\"\":{\" \":0}}", "{\"\":{\" \":0}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        ARENA_AUTO struct arena arena;
        const struct jval *value = NULL;
        if (!CHECK_OK(read_text(cases[i][0], strlen(cases[i][0]), &arena, &value, &err), &err))
            continue;
        STR_AUTO struct str out = str_with_max(STR_MAX_DEFAULT);
        struct jwrite w = jwrite_to(&out);
        jwrite_jval(&w, value);
        CHECK_TEXT(str_text(&out), cases[i][1]);
    }
}

static void test_keeps_number_text(void)
{
    static const struct {
        const char *text;
        enum jval_type type;
        double real;
    } cases[] = {
        {"1.10", JVAL_REAL, 1.1},
        {"1e2", JVAL_REAL, 100},
        {"-1E-2", JVAL_REAL, -0.01},
        {"0.0", JVAL_REAL, 0},
        {"9223372036854775808", JVAL_REAL, 9223372036854775808.0},
        {"-9223372036854775809", JVAL_REAL, -9223372036854775808.0},
        {"123456789012345678901234567890.123456789", JVAL_REAL, 123456789012345678901234567890.0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        ARENA_AUTO struct arena arena;
        const struct jval *value = NULL;
        if (!CHECK_OK(read_text(cases[i].text, strlen(cases[i].text), &arena, &value, &err), &err))
            continue;
        CHECK_INT(value->type, cases[i].type);
        CHECK_TEXT(value->number, cases[i].text);
        CHECK(value->real == cases[i].real);
    }
}

static void test_refuses(void)
{
    static const struct {
        const char *text, *code, *message;
    } cases[] = {
        {"", "json.syntax", "bad JSON at byte 0: the text ends, expected a value"},
        {"  ", "json.syntax", "bad JSON at byte 2: the text ends, expected a value"},
        {"nul", "json.syntax", "bad JSON at byte 0: expected a value"},
        {"True", "json.syntax", "bad JSON at byte 0: expected a value"},
        {"1 2", "json.syntax", "bad JSON at byte 2: expected the end of the text"},
        {"01", "json.syntax", "bad JSON at byte 1: expected the end of the text"},
        {"-", "json.syntax", "bad JSON at byte 1: the text ends, expected a digit"},
        {"+1", "json.syntax", "bad JSON at byte 0: expected a value"},
        {".5", "json.syntax", "bad JSON at byte 0: expected a value"},
        {"1.", "json.syntax",
         "bad JSON at byte 2: the text ends, expected a digit behind the point"},
        {"1e+", "json.syntax",
         "bad JSON at byte 3: the text ends, expected a digit in the exponent"},
        {"NaN", "json.syntax", "bad JSON at byte 0: expected a value"},
        {"[1,]", "json.syntax", "bad JSON at byte 3: expected a value"},
        {"[1 2]", "json.syntax", "bad JSON at byte 3: expected a comma or ]"},
        {"[1", "json.syntax", "bad JSON at byte 2: the text ends, expected a comma or ]"},
        {"{\"a\" 1}", "json.syntax", "bad JSON at byte 5: expected a colon"},
        {"{a:1}", "json.syntax", "bad JSON at byte 1: expected a name in quotes"},
        {"{\"a\":1,}", "json.syntax", "bad JSON at byte 7: expected a name in quotes"},
        {"{\"a\":1]", "json.syntax", "bad JSON at byte 6: expected a comma or }"},
        {"\"a", "json.syntax",
         "bad JSON at byte 2: the text ends, expected the closing quote of a string"},
        {"\"a\\\"", "json.syntax",
         "bad JSON at byte 4: the text ends, expected the closing quote of a string"},
        {"\"a\nb\"", "json.syntax",
         "bad JSON at byte 2: expected control characters to be escaped"},
        {"\"\\x\"", "json.syntax", "bad JSON at byte 2: expected an escape (one of \"\\/bfnrtu)"},
        {"\"\\u12g4\"", "json.syntax", "bad JSON at byte 3: expected four hexadecimal digits"},
        {"\"\\u0000\"", "json.syntax",
         "bad JSON at byte 3: expected a code point other than U+0000"},
        {"\"\\udc00\"", "json.syntax",
         "bad JSON at byte 3: expected a high surrogate before the low one"},
        {"\"\\ud800x\"", "json.syntax",
         "bad JSON at byte 7: expected a low surrogate behind the high one"},
        {"\"\\ud800\\u0041\"", "json.syntax",
         "bad JSON at byte 9: expected a low surrogate behind the high one"},
        {"\"\xff\"", "json.syntax", "bad JSON at byte 1: expected a string of well-formed UTF-8"},
        {"\"\xed\xa0\x80\"", "json.syntax",
         "bad JSON at byte 1: expected a string of well-formed UTF-8"},
        {"\xef\xbb\xbf{}", "json.syntax", "bad JSON at byte 0: expected a value"},
        {"{\"a\":1,\"b\":2,\"\\u0061\":3}", "json.duplicate",
         "bad JSON before byte 24: the name \"a\" stands twice in an object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        ARENA_AUTO struct arena arena;
        const struct jval *value = NULL;
        CHECK_OUTCOME(read_text(cases[i].text, strlen(cases[i].text), &arena, &value, &err),
                      OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, cases[i].code);
        CHECK_TEXT(err.message, cases[i].message);
        CHECK(value == NULL);
    }
}

static void test_refuses_nul_bytes(void)
{
    struct err err = {0};
    ARENA_AUTO struct arena arena;
    const struct jval *value = NULL;
    CHECK_OUTCOME(read_text("\"a\0b\"", 5, &arena, &value, &err), OUTCOME_PERMANENT, &err);
}

static void test_depth_is_bounded(void)
{
    for (int depth = JREAD_DEPTH_MAX; depth <= JREAD_DEPTH_MAX + 1; depth++) {
        struct err err = {0};
        ARENA_AUTO struct arena arena;
        STR_AUTO struct str text = str_with_max(1000);
        const struct jval *value = NULL;
        for (int i = 0; i < depth; i++)
            str_add_char(&text, '[');
        for (int i = 0; i < depth; i++)
            str_add_char(&text, ']');
        bool fits = depth <= JREAD_DEPTH_MAX;
        CHECK_OUTCOME(read_text(text.data, text.len, &arena, &value, &err),
                      fits ? OUTCOME_OK : OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, fits ? "" : "json.depth");
    }
}

static void test_reads_objects_only_when_asked(void)
{
    struct err err = {0};
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 1 << 16);
    const struct jval *object = NULL;
    CHECK_OK(jread_object(slice_of("{\"a\":1}"), &arena, &object, &err), &err);
    CHECK_INT(jval_int(object, "a", 0), 1);
    CHECK_OUTCOME(jread_object(slice_of("[1]"), &arena, &object, &err), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "json.type");
}

static const char big[] =
    "{\"id\":\"x\",\"type\":\"haul.job.sql_sync.v1\",\"data\":{\"list\":[1,2.5,\"a\\tb\",null,true,"
    "{\"k\":[{},[]]}],\"workspace_id\":\"w\"},\"n\":-12e3,\"t\":\"\\ud83d\\ude00 \xc3\xa4\"}";

static void test_survives_failing_allocations(void)
{
    uint64_t n = 1;
    for (; n < 1000; n++) {
        struct err err = {0};
        ARENA_AUTO struct arena arena;
        const struct jval *value = NULL;
        arena_init(&arena, 1 << 20);
        arena_fail_at(n);
        enum outcome outcome = jread(slice_of(big), &arena, &value, &err);
        arena_fail_at(0);
        if (outcome == OUTCOME_OK)
            break;
        CHECK_OUTCOME(outcome, OUTCOME_RETRY, &err);
        CHECK_TEXT(err.code, "no_memory");
        CHECK(value == NULL);
    }
    CHECK(n > 20 && n < 1000);
}

static void test_arena_cap_is_a_bound(void)
{
    struct err err = {0};
    ARENA_AUTO struct arena arena;
    const struct jval *value = NULL;
    arena_init(&arena, 128);
    CHECK_OUTCOME(jread(slice_of(big), &arena, &value, &err), OUTCOME_RETRY, &err);
}

/* ---- jansson as the oracle ---- */

static bool equal(const struct jval *a, const json_t *b)
{
    switch (a->type) {
    case JVAL_NULL:
        return json_is_null(b);
    case JVAL_BOOL:
        return json_is_boolean(b) && json_is_true(b) == a->boolean;
    case JVAL_INT:
        return json_is_integer(b) && json_integer_value(b) == a->integer;
    case JVAL_REAL:
        return json_is_real(b) && json_real_value(b) == a->real;
    case JVAL_STRING:
        return json_is_string(b) && json_string_length(b) == a->string.len &&
               memcmp(json_string_value(b), a->string.data, a->string.len) == 0;
    case JVAL_ARRAY:
        if (!json_is_array(b) || json_array_size(b) != a->array.count)
            return false;
        for (size_t i = 0; i < a->array.count; i++)
            if (!equal(&a->array.items[i], json_array_get(b, i)))
                return false;
        return true;
    case JVAL_OBJECT:
        if (!json_is_object(b) || json_object_size(b) != a->object.count)
            return false;
        for (size_t i = 0; i < a->object.count; i++)
            if (!equal(&a->object.members[i].value, json_object_get(b, a->object.members[i].name)))
                return false;
        return true;
    }
    return false;
}

/* True where jansson gives up on a number that this reader keeps as text. */
static bool is_number_fault(const json_error_t *error)
{
    return strstr(error->text, "too big") != NULL || strstr(error->text, "overflow") != NULL;
}

static bool agree(const char *text, size_t len)
{
    struct err err = {0};
    ARENA_AUTO struct arena arena;
    const struct jval *value = NULL;
    json_error_t error = {0};
    json_t *oracle = json_loadb(text, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    enum outcome outcome = read_text(text, len, &arena, &value, &err);
    bool ok = oracle == NULL ? outcome != OUTCOME_OK || is_number_fault(&error)
                             : outcome == OUTCOME_OK && equal(value, oracle);
    json_decref(oracle);
    return ok;
}

static void test_agrees_with_another_reader(void)
{
    static const char alphabet[] = "{}[]:,\"\\untrfalse0123456789.eE+-\xc3\xa4 dD8";
    char text[sizeof big];
    unsigned seed = 20261121;
    int accepted = 0;
    for (int round = 0; round < 60000; round++) {
        memcpy(text, big, sizeof big);
        for (int edit = 0; edit <= round % 3; edit++) {
            seed = seed * 1103515245u + 12345u;
            size_t at = (seed >> 8) % (sizeof big - 1);
            seed = seed * 1103515245u + 12345u;
            text[at] = alphabet[(seed >> 8) % (sizeof alphabet - 1)];
        }
        ARENA_AUTO struct arena arena;
        const struct jval *value = NULL;
        accepted += read_text(text, sizeof big - 1, &arena, &value, NULL) == OUTCOME_OK;
        if (!agree(text, sizeof big - 1)) {
            printf("# differs: %s\n", text);
            CHECK(false);
            return;
        }
    }
    CHECK(accepted > 3000); /* the edits left enough of both kinds */
    CHECK(accepted < 57000);
}

static CU_TestInfo tests[] = {
    {"reads and writes back", test_reads_and_writes_back},
    {"keeps number text", test_keeps_number_text},
    {"refuses", test_refuses},
    {"refuses NUL bytes", test_refuses_nul_bytes},
    {"depth is bounded", test_depth_is_bounded},
    {"reads objects only when asked", test_reads_objects_only_when_asked},
    {"survives failing allocations", test_survives_failing_allocations},
    {"the arena's cap is a bound", test_arena_cap_is_a_bound},
    {"agrees with another reader", test_agrees_with_another_reader},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("io/json", tests)
