#include "model/job.h"

#include "check.h"

#define HEADER(name, value)                                                                        \
    {                                                                                              \
        (name),                                                                                    \
        {                                                                                          \
            (value), sizeof(value) - 1                                                             \
        }                                                                                          \
    }
#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static struct job_trail read_trail(const struct job_header *headers, size_t count,
                                   struct arena *arena)
{
    struct job_trail trail = {0};
    struct err err = {0};
    CHECK_OK(job_trail_read(headers, count, arena, &trail, &err), &err);
    return trail;
}

static void test_without_headers(void)
{
    struct job_trail trail = read_trail(NULL, 0, NULL);
    CHECK_INT(trail.attempt, 1);
    CHECK_INT(trail.not_before_us, 0);
    CHECK(trail.first_topic == NULL && trail.error_class == NULL && trail.traceparent == NULL);
}

static void test_nonsense_counts_as_absent(void)
{
    static const struct job_header headers[] = {
        HEADER(JOB_HEADER_ATTEMPT, "many"),        HEADER(JOB_HEADER_REDRIVE_COUNT, "-3"),
        HEADER(JOB_HEADER_NOT_BEFORE, "soon"),     HEADER(JOB_HEADER_FIRST_OFFSET, "-1"),
        HEADER(JOB_HEADER_ERROR_CODE, "\xff\xfe"), HEADER(JOB_HEADER_ERROR_CLASS, ""),
        HEADER(JOB_HEADER_FIRST_TOPIC, "a\0b"),    HEADER(JOB_HEADER_PLACE, "0"),
        {JOB_HEADER_TRACEPARENT, {NULL, 0}},
    };
    struct arena arena ARENA_AUTO;
    arena_init(&arena, 1 << 20);
    struct job_trail trail = read_trail(headers, sizeof headers / sizeof headers[0], &arena);
    CHECK_INT(trail.attempt, 1);
    CHECK_INT(trail.redrive_count, 0);
    CHECK_INT(trail.not_before_us, 0);
    CHECK_INT(trail.first_offset, 0);
    CHECK_INT(trail.place, 0);
    CHECK(trail.error_code == NULL && trail.error_class == NULL && trail.first_topic == NULL);
}

static void test_claims_are_bounded(void)
{
    static const struct job_header headers[] = {HEADER(JOB_HEADER_ATTEMPT, "999999999")};
    struct job_trail trail = read_trail(headers, 1, NULL);
    CHECK_INT(trail.attempt, JOB_ATTEMPT_MAX);
}

static void test_round_trip_overwrites(void)
{
    static const struct job_header old[] = {
        HEADER("tenant", "blue"),
        HEADER(JOB_HEADER_ATTEMPT, "1"),
        HEADER(JOB_HEADER_TRACEPARENT, "x"),
        HEADER(JOB_HEADER_ERROR_CODE, "old"),
        HEADER("haul-unknown", "dropped"),
    };
    struct job_trail trail = {.attempt = 3,
                              .not_before_us = 1795245506123456,
                              .first_topic = "haul.jobs.test",
                              .first_partition = 2,
                              .first_offset = INT64_C(1) << 40,
                              .error_class = "retry",
                              .error_code = "connect.refused",
                              .error_message = "no \xc3\xa9",
                              .redrive_count = 1,
                              .wait_fence = INT64_C(1) << 41,
                              .place = INT64_C(1) << 42,
                              .traceparent = TRACE};
    struct arena arena ARENA_AUTO;
    arena_init(&arena, 1 << 20);
    struct err err = {0};
    struct job_headers headers;
    CHECK_OK(job_trail_write(&trail, old, sizeof old / sizeof old[0], &arena, &headers, &err),
             &err);
    CHECK_INT(headers.count, 13);
    CHECK_TEXT(headers.items[0].name, "tenant");
    struct job_trail back = read_trail(headers.items, headers.count, &arena);
    CHECK_INT(back.attempt, 3);
    CHECK_INT(back.not_before_us, 1795245506123456);
    CHECK_TEXT(back.first_topic, "haul.jobs.test");
    CHECK_INT(back.first_partition, 2);
    CHECK_INT(back.first_offset, INT64_C(1) << 40);
    CHECK_TEXT(back.error_class, "retry");
    CHECK_TEXT(back.error_code, "connect.refused");
    CHECK_TEXT(back.error_message, "no \xc3\xa9");
    CHECK_INT(back.redrive_count, 1);
    CHECK_INT(back.wait_fence, INT64_C(1) << 41);
    CHECK_INT(back.place, INT64_C(1) << 42);
    CHECK_TEXT(back.traceparent, TRACE);
    /* Written again, nothing grows. */
    struct job_headers again;
    CHECK_OK(job_trail_write(&back, headers.items, headers.count, &arena, &again, &err), &err);
    CHECK_INT(again.count, headers.count);
}

static void test_message_is_cut(void)
{
    char long_message[3001];
    memset(long_message, 'm', 3000);
    long_message[3000] = '\0';
    struct job_trail trail = {.attempt = 1, .error_message = long_message};
    struct arena arena ARENA_AUTO;
    arena_init(&arena, 1 << 20);
    struct err err = {0};
    struct job_headers headers;
    CHECK_OK(job_trail_write(&trail, NULL, 0, &arena, &headers, &err), &err);
    CHECK_INT(headers.count, 2);
    CHECK_INT(headers.items[1].value.len, JOB_ERROR_MESSAGE_MAX);
}

static void test_trace_id(void)
{
    char id[33];
    job_trace_id(TRACE, id);
    CHECK_TEXT(id, "0af7651916cd43dd8448eb211c80319c");
    job_trace_id("00-nonsense", id);
    CHECK_TEXT(id, "");
    job_trace_id(NULL, id);
    CHECK_TEXT(id, "");
}

static void test_memory_failures_pass_up(void)
{
    static const struct job_header headers[] = {
        HEADER(JOB_HEADER_ERROR_CODE, "code"),
        HEADER(JOB_HEADER_NOT_BEFORE, "2026-11-21T07:18:26.123456Z")};
    enum outcome outcome = OUTCOME_RETRY;
    for (uint64_t n = 1; outcome != OUTCOME_OK && n < 100; n++) {
        struct arena arena ARENA_AUTO;
        arena_init(&arena, 1 << 20);
        struct err err = {0};
        struct job_trail trail = {0};
        struct job_headers written;
        arena_fail_at(n);
        outcome = job_trail_read(headers, 2, &arena, &trail, &err);
        if (outcome == OUTCOME_OK)
            outcome = job_trail_write(&trail, headers, 2, &arena, &written, &err);
        arena_fail_at(0);
        if (outcome != OUTCOME_OK)
            CHECK_TEXT(err.code, "no_memory");
    }
    CHECK_INT(outcome, OUTCOME_OK);
}

static CU_TestInfo tests[] = {
    {"without headers", test_without_headers},
    {"nonsense counts as absent", test_nonsense_counts_as_absent},
    {"claims are bounded", test_claims_are_bounded},
    {"round trip overwrites", test_round_trip_overwrites},
    {"message is cut", test_message_is_cut},
    {"trace id", test_trace_id},
    {"memory failures pass up", test_memory_failures_pass_up},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("model/job_trail", tests)
