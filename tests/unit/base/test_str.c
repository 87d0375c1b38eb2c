/* str: growth, maximum, slices, UTF-8, distance, hexadecimal. */
#include "base/str.h"

#include "check.h"

static void test_growth(void)
{
    STR_AUTO struct str text = str_with_max(STR_MAX_DEFAULT);
    CHECK_TEXT(str_text(&text), "");
    CHECK(text.data == NULL);
    for (int i = 0; i < 10000; i++)
        str_addf(&text, "%04d,", i);
    CHECK(!text.failed);
    CHECK_INT(text.len, 50000);
    CHECK(strncmp(str_text(&text) + 9999 * 5, "9999,", 6) == 0);
    str_clear(&text);
    CHECK_TEXT(str_text(&text), "");
    str_add_text(&text, "ab");
    str_add_char(&text, 'c');
    str_add_slice(&text, slice_of("de"));
    str_add(&text, NULL, 0);
    CHECK_TEXT(str_text(&text), "abcde");
    CHECK(slice_is(str_slice(&text), "abcde"));
}

static void test_maximum(void)
{
    STR_AUTO struct str text = str_with_max(5);
    str_add_text(&text, "12345");
    CHECK(!text.failed);
    str_add_char(&text, '6');
    CHECK(text.failed);
    CHECK_TEXT(str_text(&text), "12345");
    str_add(&text, NULL, 0);
    CHECK_TEXT(str_text(&text), "12345");
    str_clear(&text);
    CHECK(!text.failed);
    str_addf(&text, "%d", 123456);
    CHECK(text.failed && text.len == 0);
    str_clear(&text);
    CHECK(str_reserve(&text, SIZE_MAX) == NULL);
    str_done(&text);
    str_add_text(&text, "again");
    CHECK_TEXT(str_text(&text), "again");
}

static void test_reserve(void)
{
    STR_AUTO struct str text = str_with_max(100);
    char *end = str_reserve(&text, 100);
    if (!CHECK(end != NULL))
        return;
    memset(end, 'x', 100);
    text.len += 100;
    CHECK(str_reserve(&text, 0) != NULL);
    CHECK(str_reserve(&text, 1) == NULL);
}

static void test_slices(void)
{
    CHECK(slice_eq(slice_of(NULL), slice_of("")));
    CHECK(slice_eq(slice_of("ab"), (struct slice){"abc", 2}));
    CHECK(!slice_eq(slice_of("ab"), slice_of("ac")));
    CHECK(!slice_is(slice_of("ab"), "abc"));
}

static void test_utf8(void)
{
    static const struct {
        const char *bytes;
        bool valid;
    } cases[] = {
        {"", true},
        {"plain", true},
        {"\x7F", true},
        {"\xC2\x80", true},
        {"\xDF\xBF", true},
        {"\xE0\xA0\x80", true},
        {"\xED\x9F\xBF", true},
        {"\xEE\x80\x80", true},
        {"\xEF\xBF\xBF", true},
        {"\xF0\x90\x80\x80", true},
        {"\xF4\x8F\xBF\xBF", true},
        {"\x80", false},
        {"\xBF", false},
        {"\xC0\x80", false},         /* overlong NUL */
        {"\xC1\xBF", false},         /* overlong */
        {"\xC2", false},             /* ends early */
        {"\xC2\x41", false},         /* no continuation */
        {"\xE0\x9F\xBF", false},     /* overlong */
        {"\xE2\x82", false},         /* ends early */
        {"\xED\xA0\x80", false},     /* surrogate */
        {"\xED\xBF\xBF", false},     /* surrogate */
        {"\xF0\x8F\xBF\xBF", false}, /* overlong */
        {"\xF0\x9F\x98", false},     /* ends early */
        {"\xF4\x90\x80\x80", false}, /* beyond U+10FFFF */
        {"\xF5\x80\x80\x80", false},
        {"\xFF", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = strlen(cases[i].bytes);
        if (!CHECK_INT(utf8_is_valid(cases[i].bytes, len), cases[i].valid))
            printf("# case %zu\n", i);
        /* At every place of the eight-byte stride. */
        for (size_t before = 0; before <= 17; before++) {
            char text[64];
            memset(text, 'a', sizeof text);
            memcpy(text + before, cases[i].bytes, len);
            CHECK_INT(utf8_is_valid(text, before + len), cases[i].valid);
            CHECK_INT(utf8_is_valid(text, sizeof text), cases[i].valid);
        }
    }
    CHECK(utf8_is_valid("a\0b", 3));
}

static void test_text_copy(void)
{
    static const struct {
        size_t size;
        const char *text, *want;
    } cases[] = {
        {1, "abc", ""},
        {3, "abc", "ab"},
        {4, "abc", "abc"},
        {8, "abc", "abc"},
        {3, "a\xC3\xA9", "a"},
        {4, "a\xC3\xA9", "a\xC3\xA9"},
        {2, "\xC3\xA9", ""},
        {4, "\xF0\x9F\x98\x80", ""},
        {5, "\xF0\x9F\x98\x80x", "\xF0\x9F\x98\x80"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char to[16] = "????????";
        text_copy(to, cases[i].size, cases[i].text);
        CHECK_TEXT(to, cases[i].want);
    }
    char none = '?';
    text_copy(&none, 0, "abc");
    CHECK_INT(none, '?');
}

static void test_distance(void)
{
    static const struct {
        const char *a, *b;
        unsigned want;
    } cases[] = {
        {"", "", 0},           {"", "abc", 3},           {"abc", "", 3},      {"abc", "abc", 0},
        {"tabel", "table", 2}, {"kitten", "sitting", 3}, {"hots", "host", 2}, {"port", "ports", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CHECK_INT(text_distance(cases[i].a, cases[i].b), cases[i].want);
    char longer[600], other[600];
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    memcpy(other, longer, sizeof longer);
    CHECK_INT(text_distance(longer, other), 0);
    other[0] = 'b';
    CHECK_INT(text_distance(longer, other), 255);
    CHECK_INT(text_distance(longer, ""), 255);
}

static void test_hex(void)
{
    char text[8];
    uint8_t bytes[4] = {1, 1, 1, 1};
    hex_format((const uint8_t[]){0x00, 0x7f, 0xab, 0xff}, 4, text);
    CHECK_BYTES(text, 8, "007fabff", 8);
    CHECK(!hex_parse("00112g33", 4, bytes));
    CHECK(!hex_parse("0011 233", 4, bytes));
    CHECK_INT(bytes[0], 1);
    CHECK(hex_parse("007FabFf", 4, bytes));
    CHECK_BYTES(bytes, 4, "\x00\x7f\xab\xff", 4);
    CHECK(hex_parse("", 0, bytes));
}

static CU_TestInfo tests[] = {
    {"growth", test_growth},     {"maximum", test_maximum}, {"reserve", test_reserve},
    {"slices", test_slices},     {"utf-8", test_utf8},      {"text copy", test_text_copy},
    {"distance", test_distance}, {"hexadecimal", test_hex}, CU_TEST_INFO_NULL,
};
CHECK_MAIN("base/str", tests)
