#include "model/job.h"

#include "check.h"
#include "io/json.h"

#define JOB(members)                                                                               \
    "{\"specversion\":\"1.0\",\"id\":\"j-1\",\"type\":\"haul.job.noop.v1\",\"source\":\"/"         \
    "app\"," members "\"data\":{\"workspace_id\":\"w\"}}"

struct payload {
    const char *table;
    int64_t rows;
};
static const struct field payload_fields[] = {
    {.name = "table",
     .type = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .offset = offsetof(struct payload, table),
     .doc = "A table."},
    {.name = "rows",
     .type = FIELD_INT,
     .offset = offsetof(struct payload, rows),
     .default_text = "7",
     .doc = "Rows."},
};
static const struct field_table payload_table = {"noop", "A test.", payload_fields, 2,
                                                 sizeof(struct payload)};

static enum outcome decode(const char *text, struct arena *arena, struct job *ret_job,
                           struct err *err)
{
    const struct jval *envelope = NULL;
    TRY(jread(slice_of(text), arena, &envelope, err));
    return job_decode(envelope, arena, ret_job, err);
}

static void test_envelope(void)
{
    struct arena arena ARENA_AUTO;
    arena_init(&arena, 1 << 20);
    struct err err = {0};
    struct job job = {0};
    CHECK_OK(decode(JOB("\"subject\":\"orders\",\"time\":\"2026-11-21T07:18:26Z\","), &arena, &job,
                    &err),
             &err);
    CHECK_TEXT(job.id, "j-1");
    CHECK_TEXT(job.kind, "noop");
    CHECK_TEXT(job.subject, "orders");
    CHECK_INT(job.time_us, INT64_C(1795245506000000));
    CHECK_OK(decode(JOB(""), &arena, &job, &err), &err);
    CHECK_TEXT(job.subject, "j-1");
    CHECK_INT(job.time_us, 0);
}

#define ENVELOPE(specversion, id, type, data)                                                      \
    "{\"specversion\":" specversion ",\"id\":" id ",\"type\":" type                                \
    ",\"source\":\"s\",\"data\":" data "}"
#define GOOD_TYPE "\"haul.job.noop.v1\""

static void test_what_is_no_job(void)
{
    static const struct {
        const char *text, *code;
    } cases[] = {
        {"[]", "job.envelope"},
        {"{}", "job.envelope"},
        {JOB("\"subjct\":\"x\","), "job.envelope"},
        {JOB("\"time\":\"yesterday\","), "job.envelope"},
        {JOB("\"datacontenttype\":\"text/xml\","), "job.envelope"},
        {ENVELOPE("\"0.3\"", "\"i\"", GOOD_TYPE, "{}"), "job.envelope"},
        {ENVELOPE("\"1.0\"", "\"\"", GOOD_TYPE, "{}"), "job.envelope"},
        {ENVELOPE("\"1.0\"", "7", GOOD_TYPE, "{}"), "job.envelope"},
        {ENVELOPE("\"1.0\"", "\"a b\"", GOOD_TYPE, "{}"), "job.id"},
        {ENVELOPE("\"1.0\"", "\"\\u00e9\"", GOOD_TYPE, "{}"), "job.id"},
        {ENVELOPE("\"1.0\"", "\"i\"", GOOD_TYPE, "[]"), "job.envelope"},
        {ENVELOPE("\"1.0\"", "\"i\"", "\"haul.job.v1\"", "{}"), "job.type"},
        {ENVELOPE("\"1.0\"", "\"i\"", "\"haul.job..v1\"", "{}"), "job.type"},
        {ENVELOPE("\"1.0\"", "\"i\"", "\"noop\"", "{}"), "job.type"},
        {ENVELOPE("\"1.0\"", "\"i\"", "\"haul.job.noop.v2\"", "{}"), "job.version"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena arena ARENA_AUTO;
        arena_init(&arena, 1 << 20);
        struct err err = {0};
        struct job job = {.id = "untouched"};
        CHECK_OUTCOME(decode(cases[i].text, &arena, &job, &err), OUTCOME_POISON, &err);
        CHECK_TEXT(err.code, cases[i].code);
        CHECK_TEXT(job.id, "untouched");
    }
}

static void test_id_is_found_in_broken_envelopes(void)
{
    static const struct {
        const char *text, *id;
    } cases[] = {
        {"{\"id\":\"x\"}", "x"}, {"{\"id\":7}", NULL},       {"{\"id\":\"\"}", NULL},
        {"[1]", NULL},           {"{\"id\":\"a b\"}", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena arena ARENA_AUTO;
        arena_init(&arena, 1 << 20);
        struct err err = {0};
        const struct jval *value = NULL;
        CHECK_OK(jread(slice_of(cases[i].text), &arena, &value, &err), &err);
        CHECK_TEXT(job_peek_id(value), cases[i].id);
    }
}

static enum outcome decode_data(const char *data, struct arena *arena, struct job_data *ret_data,
                                struct err *err)
{
    struct field_join table;
    TRY(job_data_table(&payload_table, arena, &table, err));
    struct job job = {.id = "j", .time_us = 1795245506000000};
    TRY(jread_object(slice_of(data), arena, &job.data, err));
    return job_decode_data(&job, &table, arena, ret_data, err);
}

static void test_data(void)
{
    struct arena arena ARENA_AUTO;
    arena_init(&arena, 1 << 20);
    struct err err = {0};
    struct job_data data;
    CHECK_OK(decode_data("{\"workspace_id\":\"w\",\"priority\":\"bulk\",\"table\":\"t\","
                         "\"max_attempts\":3,\"deadline\":\"2026-11-22T00:00:00Z\"}",
                         &arena, &data, &err),
             &err);
    const struct payload *payload = data.payload;
    CHECK_TEXT(data.common->workspace_id, "w");
    CHECK_INT(data.common->priority, JOB_BULK);
    CHECK_INT(data.common->max_attempts, 3);
    CHECK_TEXT(payload->table, "t");
    CHECK_INT(payload->rows, 7);
}

static void test_bad_data(void)
{
    static const struct {
        const char *text, *code, *message_has;
    } cases[] = {
        {"{\"table\":\"t\"}", "fields.missing", "workspace_id"},
        {"{\"workspace_id\":\"w\"}", "fields.missing", "table"},
        {"{\"workspace_id\":\"w\",\"tabel\":\"t\"}", "fields.unknown", "table"},
        {"{\"workspce_id\":\"w\",\"table\":\"t\"}", "fields.unknown", "workspace_id"},
        {"{\"workspace_id\":\"w\",\"table\":3}", "fields.type", "table"},
        {"{\"workspace_id\":\"w\",\"table\":\"t\",\"max_attempts\":0}", "fields.range",
         "max_attempts"},
        {"{\"workspace_id\":\"w\",\"table\":\"t\",\"deadline\":\"2020-01-01T00:00:00Z\"}",
         "job.deadline", "deadline"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena arena ARENA_AUTO;
        arena_init(&arena, 1 << 20);
        struct err err = {0};
        struct job_data data;
        CHECK_OUTCOME(decode_data(cases[i].text, &arena, &data, &err), OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, cases[i].code);
        CHECK(strstr(err.message, cases[i].message_has) != NULL ||
              strstr(err.hint, cases[i].message_has) != NULL);
    }
}

static void test_memory_failures_pass_up(void)
{
    enum outcome outcome = OUTCOME_RETRY;
    for (uint64_t n = 1; outcome != OUTCOME_OK && n < 200; n++) {
        struct arena arena ARENA_AUTO;
        arena_init(&arena, 1 << 20);
        struct err err = {0};
        struct job job;
        struct job_data data;
        arena_fail_at(n);
        outcome = decode(JOB(""), &arena, &job, &err);
        if (outcome == OUTCOME_OK)
            outcome = decode_data("{\"workspace_id\":\"w\",\"table\":\"t\"}", &arena, &data, &err);
        arena_fail_at(0);
        if (outcome != OUTCOME_OK)
            CHECK_TEXT(err.code, "no_memory");
    }
    CHECK_INT(outcome, OUTCOME_OK);
}

static CU_TestInfo tests[] = {
    {"envelope", test_envelope},
    {"what is no job", test_what_is_no_job},
    {"id is found in broken envelopes", test_id_is_found_in_broken_envelopes},
    {"data", test_data},
    {"bad data", test_bad_data},
    {"memory failures pass up", test_memory_failures_pass_up},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("model/job", tests)
