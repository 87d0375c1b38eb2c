#include "run/metrics.h"

#include "check.h"

static void check_has(const struct str *text, const char *line)
{
    if (!CHECK(strstr(str_text(text), line) != NULL))
        CHECK_TEXT("missing", line);
}

static void test_text(void)
{
    static const char *const kinds[] = {"copy", "verify"};
    struct metrics metrics;
    struct err err = {0};
    CHECK_OK(metrics_init(&metrics, kinds, 2, &err), &err);
    metrics.worker = "w";
    metrics.version = "1.2";
    metrics_job_ended(&metrics, 0, EVENT_SUCCEEDED, 700000);
    metrics_job_ended(&metrics, 0, EVENT_SUCCEEDED, INT64_C(7200000000));
    metrics_job_ended(&metrics, 2, EVENT_DEAD_LETTERED, 1);
    metric_add(&metrics.dead_letters[OUTCOME_POISON], 4);
    metric_add(&metrics.retries[1], 2);
    metric_set(&metrics.running, 3);
    struct metrics_outside outside = {.leases_lost = 5};
    struct str text STR_AUTO = str_with_max(1 << 20);
    metrics_print(&metrics, &outside, &text);
    check_has(&text, "haul_build_info{worker=\"w\",version=\"1.2\"} 1\n");
    check_has(&text, "haul_job_attempts_total{kind=\"copy\",outcome=\"succeeded\"} 2\n");
    check_has(&text, "haul_job_attempts_total{kind=\"unknown\",outcome=\"dead_lettered\"} 1\n");
    check_has(&text, "haul_job_attempts_total{kind=\"verify\",outcome=\"cancelled\"} 0\n");
    check_has(&text, "haul_job_duration_seconds_bucket{kind=\"copy\",le=\"0.25\"} 0\n");
    check_has(&text, "haul_job_duration_seconds_bucket{kind=\"copy\",le=\"1\"} 1\n");
    check_has(&text, "haul_job_duration_seconds_bucket{kind=\"copy\",le=\"3600\"} 1\n");
    check_has(&text, "haul_job_duration_seconds_bucket{kind=\"copy\",le=\"+Inf\"} 2\n");
    check_has(&text, "haul_job_duration_seconds_sum{kind=\"copy\"} 7200.700000\n");
    check_has(&text, "haul_job_duration_seconds_count{kind=\"copy\"} 2\n");
    check_has(&text, "haul_dead_letters_total{class=\"poison\"} 4\n");
    check_has(&text, "haul_retries_total{tier=\"30s\"} 2\n");
    check_has(&text, "haul_leases_lost_total 5\n");
    check_has(&text, "# TYPE haul_jobs_running gauge\nhaul_jobs_running 3\n");
    metrics_done(&metrics);
}

static CU_TestInfo tests[] = {
    {"text", test_text},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("run/metrics", tests)
