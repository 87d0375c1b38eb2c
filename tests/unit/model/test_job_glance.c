#include "model/job.h"

#include "check.h"

#include "base/str.h"

#include <stdlib.h>

#define ID "\"id\":\"j\","
#define TYPE "\"type\":\"haul.job.unit.v1\""
#define DATA "\"data\":{\"workspace_id\":\"w\"}"

/* A copy of its own: a byte read behind it is found by AddressSanitizer. */
static bool glance(const char *text, size_t len, struct job_glance *ret_glance, char **ret_copy)
{
    *ret_copy = malloc(len == 0 ? 1 : len);
    CHECK(*ret_copy != NULL);
    memcpy(*ret_copy, text, len);
    return job_glance((struct slice){*ret_copy, len}, ret_glance);
}

static bool is_unit_of_w(const char *text)
{
    struct job_glance found;
    char *copy;
    bool is_plain = glance(text, strlen(text), &found, &copy);
    if (is_plain) {
        CHECK_BYTES(found.kind.data, found.kind.len, "unit", 4);
        CHECK_BYTES(found.workspace_id.data, found.workspace_id.len, "w", 1);
        CHECK_BYTES(found.id.data, found.id.len, "j", 1);
    }
    free(copy);
    return is_plain;
}

static void what_is_plain(void)
{
    static const char *const records[] = {
        "{" ID TYPE "," DATA "}",
        "{" ID DATA "," TYPE "}",
        " {\n\t" ID TYPE " ,\r\n \"n\" : -1.5e3 , \"data\" : { \"workspace_id\" : \"w\" } } \n",
        "{\"id\":\"j\",\"source\":\"\xc3\xa9 \\u00e9 \\\" }\"," TYPE "," DATA ",\"b\":[true,{}]}",
        "{\"x\":{\"id\":\"no\",\"type\":\"no\",\"data\":{\"workspace_id\":\"no\"}}," ID TYPE
        "," DATA "}",
        "{" ID TYPE
        ",\"data\":{\"a\":{\"workspace_id\":\"no\"},\"s\":\"]},\",\"workspace_id\":\"w\","
        "\"l\":[[\"}\"],{\"type\":1}]}}",
    };
    for (size_t i = 0; i < sizeof records / sizeof *records; i++)
        CHECK(is_unit_of_w(records[i]));
}

static void what_has_to_be_decoded(void)
{
    static const char *const records[] = {
        "",
        "{}",
        "[]",
        "not a job",
        "{" ID TYPE "}",
        "{" ID DATA "}",
        "{" ID TYPE ",\"data\":{}}",
        "{" ID TYPE ",\"data\":null}",
        "{" ID TYPE ",\"data\":{\"workspace_id\":7}}",
        "{" ID TYPE "," TYPE "," DATA "}",
        "{" ID TYPE "," DATA "," DATA "}",
        "{" ID TYPE ",\"data\":{\"workspace_id\":\"w\",\"workspace_id\":\"w\"}}",
        "{" ID TYPE ",\"data\":{\"workspace_id\":\"\\u0077\"}}",
        "{" ID TYPE ",\"data\":{\"workspace_id\":\"\xc3\xa9\"}}",
        "{" ID TYPE ",\"data\":{\"workspace\\u005fid\":\"x\",\"workspace_id\":\"w\"}}",
        "{" ID "\"typ\\u0065\":\"haul.job.other.v1\"," TYPE "," DATA "}",
        "{" ID "\"type\":\"haul.job.unit.v2\"," DATA "}",
        "{" ID "\"type\":\"unit\"," DATA "}",
        "{" ID "\"type\":\"haul.job..v1\"," DATA "}",
        "{" ID TYPE "," DATA "} {}",
        "{" ID TYPE "," DATA ",}",
        "{" ID TYPE "," DATA "]",
        "{" TYPE "," DATA "}",
        "{" ID ID TYPE "," DATA "}",
        "{\"id\":\"a b\"," TYPE "," DATA "}",
        "{\"id\":\"\"," TYPE "," DATA "}",
        "{\"id\":\"\\u006a\"," TYPE "," DATA "}",
        "{\"id\":7," TYPE "," DATA "}",
        "{" ID "\"subject\":null," TYPE "," DATA "}",
        "{" ID "\"subject\":\"\"," TYPE "," DATA "}",
        "{" ID TYPE ",\"data\":{\"workspace_id\":\"w\",\"not_before\":7}}",
        "{" ID TYPE ",\"data\":{\"workspace_id\":\"\"}}",
    };
    for (size_t i = 0; i < sizeof records / sizeof *records; i++)
        CHECK(!is_unit_of_w(records[i]));
    struct job_glance found;
    CHECK(!job_glance((struct slice){NULL, 0}, &found)); /* a tombstone */
}

/* What is too long for what it is, is looked at by those who can say so. */
static void what_is_too_long(void)
{
    static const struct {
        const char *before, *after;
        size_t max;
    } cases[] = {
        {"{\"id\":\"", "\"," TYPE "," DATA "}", 128},
        {"{" ID "\"subject\":\"", "\"," TYPE "," DATA "}", 512},
        {"{" ID TYPE ",\"data\":{\"workspace_id\":\"", "\"}}", 128},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t len = cases[i].max - 1; len <= cases[i].max + 1; len++) {
            struct job_glance found;
            struct str text = str_with_max(1024);
            str_add_text(&text, cases[i].before);
            for (size_t n = 0; n < len; n++)
                str_add_char(&text, 'x');
            str_add_text(&text, cases[i].after);
            CHECK_INT(job_glance(str_slice(&text), &found), len <= cases[i].max);
            str_done(&text);
        }
    }
}

static void what_else_is_seen(void)
{
    static const struct {
        const char *text, *subject;
        bool has_conditions;
    } cases[] = {
        {"{" ID TYPE "," DATA "}", "j", false},
        {"{" ID "\"subject\":\"s t\"," TYPE "," DATA "}", "s t", false},
        {"{" ID TYPE ",\"data\":{\"workspace_id\":\"w\",\"not_before\":\"x\"}}", "j", true},
        {"{" ID TYPE ",\"data\":{\"dedupe_key\":\"x\",\"workspace_id\":\"w\"}}", "j", true},
        {"{" ID TYPE "," DATA ",\"dedupe_key\":\"x\"}", "j", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct job_glance found;
        CHECK(job_glance(slice_of(cases[i].text), &found));
        CHECK(slice_is(found.subject, cases[i].subject));
        CHECK_INT(found.has_conditions, cases[i].has_conditions);
    }
}

static void what_is_cut_off(void)
{
    static const char record[] = "{" ID "\"s\":\"a\\\"b\",\"l\":[{\"a\":\"b\"}]," TYPE "," DATA "}";
    struct job_glance found;
    char *copy;
    for (size_t len = 0; len + 1 < sizeof record; len++) {
        CHECK(!glance(record, len, &found, &copy));
        free(copy);
    }
    CHECK(is_unit_of_w(record));
}

static CU_TestInfo tests[] = {
    {"what is plain", what_is_plain},       {"what has to be decoded", what_has_to_be_decoded},
    {"what is too long", what_is_too_long}, {"what else is seen", what_else_is_seen},
    {"what is cut off", what_is_cut_off},   CU_TEST_INFO_NULL,
};
CHECK_MAIN("model/job_glance", tests)
