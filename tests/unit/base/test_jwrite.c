/* jwrite and jval: what is written, and what the accessors find. */
#include "base/jwrite.h"

#include "check.h"

#include <float.h>
#include <math.h>

static void test_object(void)
{
    STR_AUTO struct str out = str_with_max(STR_MAX_DEFAULT);
    struct jwrite w = jwrite_to(&out);
    jwrite_open_object(&w);
    jwrite_member_text(&w, "a", "x");
    jwrite_member_text(&w, "none", NULL);
    jwrite_member_int(&w, "i", INT64_MIN);
    jwrite_member_bool(&w, "t", true);
    jwrite_member_bool(&w, "f", false);
    jwrite_member_real(&w, "r", 0.5);
    jwrite_key(&w, "list");
    jwrite_open_array(&w);
    jwrite_int(&w, 1);
    jwrite_open_array(&w);
    jwrite_close_array(&w);
    jwrite_open_object(&w);
    jwrite_close_object(&w);
    jwrite_null(&w);
    jwrite_close_array(&w);
    jwrite_key(&w, "raw");
    jwrite_raw(&w, slice_of("[1,2]"));
    jwrite_close_object(&w);
    CHECK_TEXT(str_text(&out), "{\"a\":\"x\",\"none\":null,\"i\":-9223372036854775808,\"t\":true,"
                               "\"f\":false,\"r\":0.5,\"list\":[1,[],{},null],\"raw\":[1,2]}");
    CHECK(!out.failed);
}

static void test_reals(void)
{
    static const struct {
        double value;
        const char *want;
    } cases[] = {{1, "1"}, {-0.0, "-0"}, {NAN, "null"}, {INFINITY, "null"}, {1e300, "1e+300"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        STR_AUTO struct str out = str_with_max(100);
        struct jwrite w = jwrite_to(&out);
        jwrite_real(&w, cases[i].value);
        CHECK_TEXT(str_text(&out), cases[i].want);
    }
}

static void test_strings(void)
{
    static const struct {
        struct slice text;
        const char *want;
    } cases[] = {
        {{"", 0}, "\"\""},
        {{NULL, 0}, "\"\""},
        {{"a\"b\\c/", 6}, "\"a\\\"b\\\\c/\""},
        {{"\b\f\n\r\t", 5}, "\"\\b\\f\\n\\r\\t\""},
        {{"\0\x01\x1f\x7f", 4}, "\"\\u0000\\u0001\\u001f\x7f\""},
        {{"\xC3\xA9\xF0\x9F\x98\x80", 6}, "\"\xC3\xA9\xF0\x9F\x98\x80\""},
        {{"a\xFFz", 3}, "\"a\xEF\xBF\xBDz\""},
        {{"\xED\xA0\x80", 3}, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {{"\xC3\xA9", 1}, "\"\xEF\xBF\xBD\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        STR_AUTO struct str out = str_with_max(100);
        json_add_string(&out, cases[i].text);
        CHECK_TEXT(str_text(&out), cases[i].want);
    }
}

static void test_depth(void)
{
    STR_AUTO struct str out = str_with_max(1000);
    struct jwrite w = jwrite_to(&out);
    for (int i = 0; i < 32; i++)
        jwrite_open_array(&w);
    CHECK(!out.failed);
    for (int i = 0; i < 32; i++)
        jwrite_close_array(&w);
    CHECK(!out.failed);
    CHECK_INT(out.len, 64);
    jwrite_close_array(&w);
    CHECK(out.failed);
    str_clear(&out);
    w = jwrite_to(&out);
    for (int i = 0; i < 33; i++)
        jwrite_open_object(&w);
    CHECK(out.failed);
}

static const struct jval numbers[] = {{.type = JVAL_INT, .integer = 7},
                                      {.type = JVAL_REAL, .real = 1.25}};
static const struct jval_member members[] = {
    {"null", {.type = JVAL_NULL}},
    {"bool", {.type = JVAL_BOOL, .boolean = true}},
    {"text", {.type = JVAL_STRING, .string = {"x", 1}}},
    {"list", {.type = JVAL_ARRAY, .array = {2, numbers}}},
    {"int", {.type = JVAL_INT, .integer = -3}},
};
static const struct jval object = {.type = JVAL_OBJECT, .object = {5, members}};

static void test_jval(void)
{
    STR_AUTO struct str out = str_with_max(1000);
    struct jwrite w = jwrite_to(&out);
    jwrite_jval(&w, &object);
    CHECK_TEXT(str_text(&out),
               "{\"null\":null,\"bool\":true,\"text\":\"x\",\"list\":[7,1.25],\"int\":-3}");

    CHECK(jval_get(&object, "list") == &members[3].value);
    CHECK(jval_get(&object, "absent") == NULL);
    CHECK(jval_get(NULL, "x") == NULL);
    CHECK(jval_get(&numbers[0], "x") == NULL);
    CHECK_TEXT(jval_text(&object, "text", "d"), "x");
    CHECK_TEXT(jval_text(&object, "int", "d"), "d");
    CHECK_TEXT(jval_text(&object, "absent", NULL), NULL);
    CHECK_INT(jval_int(&object, "int", 9), -3);
    CHECK_INT(jval_int(&object, "text", 9), 9);
    CHECK(jval_bool(&object, "bool", false));
    CHECK(jval_bool(&object, "int", true));
    CHECK_TEXT(jval_type_name(JVAL_STRING), "string");
    CHECK_TEXT(jval_type_name((enum jval_type)99), "unknown");
}

/* Eight bytes are looked at together: each byte at each place of them, and behind. */
static void test_each_byte_at_each_place(void)
{
    for (unsigned c = 1; c < 0x80; c++) {
        for (size_t place = 0; place < 19; place++) {
            char text[20] = "abcdefgh~ABCDEFGH12", alone[] = {(char)c, '\0'};
            STR_AUTO struct str whole = str_with_max(256), one = str_with_max(16);
            text[place] = (char)c;
            json_add_escaped(&whole, slice_of(text));
            json_add_escaped(&one, slice_of(alone));
            CHECK(memcmp(str_text(&whole), text, place) == 0);
            CHECK(memcmp(str_text(&whole) + place, str_text(&one), one.len) == 0);
            CHECK_TEXT(str_text(&whole) + place + one.len, text + place + 1);
            bool is_escaped = c < 0x20 || c == '"' || c == '\\';
            CHECK(is_escaped == (one.len > 1));
        }
    }
}

static CU_TestInfo tests[] = {
    {"object", test_object}, {"reals", test_reals}, {"strings", test_strings},
    {"depth", test_depth},   {"jval", test_jval},   {"each byte", test_each_byte_at_each_place},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("base/jwrite", tests)
