/* value: canonical JSON. */
#include "check.h"
#include "model/value.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static bool canonical(const char *text, size_t len, struct str *out)
{
    struct arena ARENA_AUTO scratch;
    arena_init(&scratch, 1 << 20);
    return json_text_canonical((struct slice){text, len}, &scratch, out);
}

static void canonical_forms(void)
{
    static const struct {
        const char *in, *out; /* NULL = no JSON */
    } cases[] = {
        {"1", "1"},
        {" true ", "true"},
        {"null", "null"},
        {"[]", "[]"},
        {"{}", "{}"},
        {"[ 1 , 2 ]", "[1,2]"},
        {"{\"b\":1, \"a\" : 2}", "{\"a\":2,\"b\":1}"},
        {"{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":2}"},
        {"{\"a\":1,\"a\":2}", "{\"a\":2}"},
        {"{\"b\":0,\"a\":1,\"b\":[2],\"a\":3}", "{\"a\":3,\"b\":[2]}"},
        {"{\"b\":{\"d\":1,\"c\":2},\"a\":{}}", "{\"a\":{},\"b\":{\"c\":2,\"d\":1}}"},
        {"{\"aa\":1,\"a\":2,\"\":3}", "{\"\":3,\"a\":2,\"aa\":1}"},
        {"{\"z\":1,\"\xC3\xA9\":2,\"A\":3}", "{\"A\":3,\"z\":1,\"\xC3\xA9\":2}"},
        /* '\n' is 0x0a, before "!"; as its escape it would be behind */
        {"{\"!\":1,\"\\n\":2}", "{\"\\n\":2,\"!\":1}"},
        {"{\"a\\\"\":1,\"a!\":2,\"a#\":3}", "{\"a!\":2,\"a\\\"\":1,\"a#\":3}"},
        {"{\"\\u0061\":1,\"a\":2}", "{\"a\":2}"},
        {"{\"\\ue000\":1,\"\\ud800\":2,\"a\":3}", "{\"a\":3,\"\\ud800\":2,\"\xEE\x80\x80\":1}"},
        {"1.50", "1.5"},
        {"-0.0", "0"},
        {"1E2", "100"},
        {"1.25e-2", "0.0125"},
        {"100e-2", "1"},
        {"1e5000", "1e5000"},
        {"-12.30e5000", "-123e4999"},
        {"0e5000", "0"},
        {"0e99999999999", "0"},
        {"\"\\u00e9\\ud83d\\ude00\\u0000\\u001F\\/\\t\"",
         "\"\xC3\xA9\xF0\x9F\x98\x80\\u0000\\u001f/\\t\""},
        {"\"\\uD800x\"", "\"\\ud800x\""},
        {"\"\\uD800\\u0041\"", "\"\\ud800A\""},
        {"\"\\udc00\"", "\"\\udc00\""},
        {"\"\x7F\"", "\"\x7F\""},
        {"", NULL},
        {" ", NULL},
        {"01", NULL},
        {"-", NULL},
        {"+1", NULL},
        {".5", NULL},
        {"1.", NULL},
        {"1e", NULL},
        {"1 2", NULL},
        {"nul", NULL},
        {"nulll", NULL},
        {"NaN", NULL},
        {"[1,]", NULL},
        {"[1 2]", NULL},
        {"[", NULL},
        {"{", NULL},
        {"{\"a\"}", NULL},
        {"{\"a\":}", NULL},
        {"{\"a\":1,}", NULL},
        {"{a:1}", NULL},
        {"{\"b\":1,\"a\":}", NULL},
        {"\"a", NULL},
        {"\"\n\"", NULL},
        {"\"\\x\"", NULL},
        {"\"\\", NULL},
        {"\"\\u12", NULL},
        {"\"\\ud800\\u12\"", NULL},
        {"\"\xFF\"", NULL},
        {"\"\xED\xA0\x80\"", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct str STR_AUTO out = str_with_max(10000);
        str_add_text(&out, ">");
        bool ok = canonical(cases[i].in, strlen(cases[i].in), &out);
        if (!CHECK_TEXT(ok ? str_text(&out) + 1 : NULL, cases[i].out))
            printf("# of %s\n", cases[i].in);
        if (!ok)
            CHECK_TEXT(str_text(&out), ">");
    }
}

/* However a number is written, long or short, its text is the same. */
static void long_numbers_agree(void)
{
    struct str STR_AUTO plain = str_with_max(10000);
    struct str STR_AUTO one = str_with_max(10000);
    struct str STR_AUTO two = str_with_max(10000);
    str_add_text(&plain, "-1230");
    for (int i = 0; i < 3000; i++)
        str_add_char(&plain, '0');
    str_add_text(&plain, ".00");
    CHECK(canonical(plain.data, plain.len, &one));
    CHECK(canonical("-0.123e3004", 11, &two));
    CHECK_TEXT(str_text(&one), "-123e3001");
    CHECK_TEXT(str_text(&two), str_text(&one));
}

static void depth_is_bounded(void)
{
    char text[2100];
    for (size_t depth = 511; depth <= 514; depth++) {
        struct str STR_AUTO out = str_with_max(10000);
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        CHECK_INT(canonical(text, 2 * depth, &out), depth <= 512);
    }
}

/* An object of seeded random names comes out the same in any order of its members. */
static void order_does_not_matter(void)
{
    uint64_t seed = 42;
    for (int round = 0; round < 200; round++) {
        char members[20][24];
        struct str STR_AUTO forward = str_with_max(10000), STR_AUTO backward = str_with_max(10000);
        struct str STR_AUTO one = str_with_max(10000), STR_AUTO two = str_with_max(10000);
        for (int i = 0; i < 20; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            (void)snprintf(members[i], sizeof members[i], "\"%x%s\":%d", (unsigned)(seed >> 58),
                           seed & 1 ? "\\n" : "", i);
        }
        for (int i = 0; i < 20; i++) {
            str_addf(&forward, "%c%s", i == 0 ? '{' : ',', members[i]);
            bool repeated = false; /* the last one wins, so only it may be turned round */
            for (int k = 20 - i; k < 20; k++)
                repeated |= strncmp(members[k], members[19 - i], strcspn(members[k], ":") + 1) == 0;
            if (!repeated)
                str_addf(&backward, "%c%s", backward.len == 0 ? '{' : ',', members[19 - i]);
        }
        str_add_char(&forward, '}');
        str_add_char(&backward, '}');
        CHECK(canonical(forward.data, forward.len, &one));
        CHECK(canonical(backward.data, backward.len, &two));
        if (!CHECK_TEXT(str_text(&one), str_text(&two)))
            break;
    }
}

static void memory_may_fail(void)
{
    static const char text[] = "{\"b\":{\"y\":1,\"x\":2},\"a\":[{\"d\":1,\"c\":2}]}";
    bool ok = false;
    for (uint64_t n = 1; !ok && n < 100; n++) {
        struct arena ARENA_AUTO scratch;
        struct str STR_AUTO out = str_with_max(1000);
        arena_init(&scratch, 1 << 20);
        arena_fail_at(n);
        ok = json_text_canonical(slice_of(text), &scratch, &out);
        arena_fail_at(0);
        CHECK(ok || (scratch.overflowed && out.len == 0));
        if (ok) {
            CHECK_TEXT(str_text(&out), "{\"a\":[{\"c\":2,\"d\":1}],\"b\":{\"x\":2,\"y\":1}}");
            CHECK(n > 4);
        }
    }
    CHECK(ok);
    struct str STR_AUTO numbers = str_with_max(2000);
    for (int i = 0; i < 200; i++)
        str_add_text(&numbers, i == 0 ? "[1" : ",10e2");
    str_add_char(&numbers, ']');
    for (size_t max = 100; max < 900; max += 7) {
        struct str STR_AUTO out = str_with_max(max);
        CHECK(!canonical(numbers.data, numbers.len, &out));
        CHECK_INT(out.len, 0);
    }
}

static CU_TestInfo tests[] = {
    {"canonical forms", canonical_forms},   {"long numbers agree", long_numbers_agree},
    {"depth is bounded", depth_is_bounded}, {"order does not matter", order_does_not_matter},
    {"memory may fail", memory_may_fail},   CU_TEST_INFO_NULL,
};
CHECK_MAIN("model/json_canonical", tests)
