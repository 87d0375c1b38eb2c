/* tools/haul: FIELD=VALUE words. */
#include "assign.h"
#include "base/jwrite.h"
#include "check.h"
#include "io/json.h"

#include <stdlib.h>

static const char *const colours[] = {"red", "green", NULL};
struct inner {
    const char *table;
};
static const struct field inner_fields[] = {
    {.name = "table", .type = FIELD_STRING, .offset = offsetof(struct inner, table), .doc = "T."}};
static const struct field_table inner_table = {"inner", "I.", inner_fields, 1,
                                               sizeof(struct inner)};
struct outer {
    const char *name, *password;
    int64_t size;
    bool on;
    int colour;
    struct field_strings list;
    struct inner source;
    const struct jval *any;
};
#define AT(member) .offset = offsetof(struct outer, member), .doc = "D."
static const struct field outer_fields[] = {
    {.name = "name", .type = FIELD_STRING, AT(name)},
    {.name = "password", .type = FIELD_STRING, .flags = FIELD_SECRET, AT(password)},
    {.name = "size", .type = FIELD_INT, AT(size)},
    {.name = "on", .type = FIELD_BOOL, AT(on)},
    {.name = "colour", .type = FIELD_ENUM, .choices = colours, AT(colour)},
    {.name = "list", .type = FIELD_STRINGS, AT(list)},
    {.name = "source", .type = FIELD_OBJECT, .object = &inner_table, AT(source)},
    {.name = "any", .type = FIELD_JSON, AT(any)},
};
static const struct field_table outer_table = {"outer", "O.", outer_fields,
                                               FIELDS_COUNT(outer_fields), sizeof(struct outer)};

static void check_words(const char *base, const char *const *words, size_t count, const char *want)
{
    ARENA_AUTO struct arena arena;
    ASSIGN_AUTO struct assign assign = {0};
    STR_AUTO struct str out = str_with_max(1u << 20);
    struct err err = {0};
    const struct jval *from = NULL;
    arena_init(&arena, 1u << 20);
    if (base != NULL)
        CHECK_OK(jread_object(slice_of(base), &arena, &from, &err), &err);
    CHECK_OK(assign_begin(&outer_table, from, &arena, &assign, &err), &err);
    for (size_t i = 0; i < count; i++)
        CHECK_OK(assign_word(&assign, words[i], &err), &err);
    struct jwrite w = jwrite_to(&out);
    jwrite_jval(&w, &assign.object);
    CHECK_TEXT(str_text(&out), want);
}

static void test_values_by_their_field(void)
{
    static const struct {
        const char *base, *word, *want;
    } cases[] = {
        {NULL, "name=a=b", "{\"name\":\"a=b\"}"},
        {NULL, "name=", "{\"name\":\"\"}"},
        {NULL, "name=42", "{\"name\":\"42\"}"},
        {NULL, "size=42", "{\"size\":42}"},
        {NULL, "on=true", "{\"on\":true}"},
        {NULL, "colour=red", "{\"colour\":\"red\"}"},
        {NULL, "list=a,b", "{\"list\":[\"a\",\"b\"]}"},
        {NULL, "list=a", "{\"list\":[\"a\"]}"},
        {NULL, "list=[\"a,b\"]", "{\"list\":[\"a,b\"]}"},
        {NULL, "source.table=t", "{\"source\":{\"table\":\"t\"}}"},
        {NULL, "source={\"table\":\"t\"}", "{\"source\":{\"table\":\"t\"}}"},
        {NULL, "any=[1,{\"a\":null}]", "{\"any\":[1,{\"a\":null}]}"},
        {"{\"name\":\"x\",\"size\":1}", "name=y", "{\"name\":\"y\",\"size\":1}"},
        {"{\"source\":{\"table\":\"a\"}}", "source.table=b", "{\"source\":{\"table\":\"b\"}}"},
        {"{\"source\":7}", "source.table=b", "{\"source\":{\"table\":\"b\"}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_words(cases[i].base, &cases[i].word, 1, cases[i].want);
    static const char *const two[] = {"source.table=t", "name=n", "name=m"};
    check_words(NULL, two, 3, "{\"source\":{\"table\":\"t\"},\"name\":\"m\"}");
}

static void test_wrong_words(void)
{
    static const struct {
        const char *word, *said;
    } cases[] = {
        {"name", "FIELD=VALUE"},
        {"=x", "FIELD=VALUE"},
        {"nam=x", "no field \"nam\""},
        {"size=many", "size=many"},
        {"on=yes", "true"},
        {"source.tabel=x", "source.tabel"},
        {"name.x=1", "name.x"},
        {"source.=1", "source."},
        {".x=1", ".x"},
        {"any={", "any={"},
        {"password_file=/nowhere/x", "/nowhere/x"},
        {"password_env=HAUL_UNIT_NOT_SET", "HAUL_UNIT_NOT_SET"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ARENA_AUTO struct arena arena;
        ASSIGN_AUTO struct assign assign = {0};
        struct err err = {0};
        arena_init(&arena, 1u << 20);
        CHECK_OK(assign_begin(&outer_table, NULL, &arena, &assign, &err), &err);
        CHECK_OUTCOME(assign_word(&assign, cases[i].word, &err), OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, "usage");
        if (!CHECK(strstr(err.message, cases[i].said) != NULL))
            CHECK_TEXT(err.message, cases[i].said);
    }
}

static void test_secrets(void)
{
    ARENA_AUTO struct arena arena;
    ASSIGN_AUTO struct assign assign = {0};
    struct err err = {0};
    arena_init(&arena, 1u << 20);
    (void)setenv("UNIT_SECRET", "from the environment", 1);
    CHECK_OK(assign_begin(&outer_table, NULL, &arena, &assign, &err), &err);
    CHECK_OK(assign_word(&assign, "password_env=UNIT_SECRET", &err), &err);
    CHECK(!assign.secret_on_line);
    CHECK_TEXT(jval_text(&assign.object, "password", ""), "from the environment");
    CHECK(jval_get(&assign.object, "password")->string.data == assign.secrets[0].text);
    CHECK_OK(assign_word(&assign, "password=plain", &err), &err);
    CHECK(assign.secret_on_line);
    CHECK_TEXT(jval_text(&assign.object, "password", ""), "plain");
    CHECK_INT(assign.object.object.count, 1);
}

static void test_without_memory(void)
{
    for (uint64_t n = 1; n < 12; n++) {
        ARENA_AUTO struct arena arena;
        ASSIGN_AUTO struct assign assign = {0};
        struct err err = {0};
        arena_init(&arena, 1u << 20);
        CHECK_OK(assign_begin(&outer_table, NULL, &arena, &assign, &err), &err);
        arena_fail_at(n);
        enum outcome outcome = assign_word(&assign, "source.table=a long enough text", &err);
        arena_fail_at(0);
        CHECK(outcome == OUTCOME_OK || outcome == OUTCOME_RETRY);
    }
}

static CU_TestInfo tests[] = {
    {"values by their field", test_values_by_their_field},
    {"wrong words name what is wrong", test_wrong_words},
    {"secrets from a variable and the line", test_secrets},
    {"without memory", test_without_memory},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("tool/assign", tests)
