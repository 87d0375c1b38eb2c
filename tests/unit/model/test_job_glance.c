#include "model/job.h"

#include "check.h"

#include <stdlib.h>

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
    }
    free(copy);
    return is_plain;
}

static void what_is_plain(void)
{
    static const char *const records[] = {
        "{" TYPE "," DATA "}",
        "{" DATA "," TYPE "}",
        " {\n\t" TYPE " ,\r\n \"n\" : -1.5e3 , \"data\" : { \"workspace_id\" : \"w\" } } \n",
        "{\"id\":\"\\u00e9 \\\" }\",\"source\":\"\xc3\xa9\"," TYPE "," DATA ",\"b\":[true,{}]}",
        "{\"x\":{\"type\":\"no\",\"data\":{\"workspace_id\":\"no\"}}," TYPE "," DATA "}",
        "{" TYPE ",\"data\":{\"a\":{\"workspace_id\":\"no\"},\"s\":\"]},\",\"workspace_id\":\"w\","
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
        "{" TYPE "}",
        "{" DATA "}",
        "{" TYPE ",\"data\":{}}",
        "{" TYPE ",\"data\":null}",
        "{" TYPE ",\"data\":{\"workspace_id\":7}}",
        "{" TYPE "," TYPE "," DATA "}",
        "{" TYPE "," DATA "," DATA "}",
        "{" TYPE ",\"data\":{\"workspace_id\":\"w\",\"workspace_id\":\"w\"}}",
        "{" TYPE ",\"data\":{\"workspace_id\":\"\\u0077\"}}",
        "{" TYPE ",\"data\":{\"workspace_id\":\"\xc3\xa9\"}}",
        "{" TYPE ",\"data\":{\"workspace\\u005fid\":\"x\",\"workspace_id\":\"w\"}}",
        "{\"typ\\u0065\":\"haul.job.other.v1\"," TYPE "," DATA "}",
        "{\"type\":\"haul.job.unit.v2\"," DATA "}",
        "{\"type\":\"unit\"," DATA "}",
        "{\"type\":\"haul.job..v1\"," DATA "}",
        "{" TYPE "," DATA "} {}",
        "{" TYPE "," DATA ",}",
        "{" TYPE "," DATA "]",
    };
    for (size_t i = 0; i < sizeof records / sizeof *records; i++)
        CHECK(!is_unit_of_w(records[i]));
    struct job_glance found;
    CHECK(!job_glance((struct slice){NULL, 0}, &found)); /* a tombstone */
}

static void what_is_cut_off(void)
{
    static const char record[] = "{\"id\":\"a\\\"b\",\"l\":[{\"a\":\"b\"}]," TYPE "," DATA "}";
    struct job_glance found;
    char *copy;
    for (size_t len = 0; len + 1 < sizeof record; len++) {
        CHECK(!glance(record, len, &found, &copy));
        free(copy);
    }
    CHECK(is_unit_of_w(record));
}

static CU_TestInfo tests[] = {
    {"what is plain", what_is_plain},
    {"what has to be decoded", what_has_to_be_decoded},
    {"what is cut off", what_is_cut_off},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("model/job_glance", tests)
