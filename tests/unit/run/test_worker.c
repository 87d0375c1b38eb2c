/* The worker's threads on an in-memory bus, with faults. Meant to run under ThreadSanitizer too. */
#include "run/worker.h"

#include "run/fan_out.h"

#include "bus.h"
#include "check.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define JOBS_TOPIC "haul.jobs.bus"
#define BULK_TOPIC JOBS_TOPIC ".bulk"
#define WAIT_US (30 * US_PER_S)

/* ---- a kind whose payload says what to do ---- */

enum how { HOW_OK, HOW_WAIT, HOW_RETRY, HOW_PERMANENT, HOW_BUG };
static const char *const hows[] = {"ok", "wait", "retry", "permanent", "bug", NULL};
static atomic_bool children_ended; /* what HOW_WAIT waits for */

struct payload {
    int how;
    int64_t fail_attempts, work_us;
};
static const struct field fields[] = {
    {.name = "how",
     .type = FIELD_ENUM,
     .offset = offsetof(struct payload, how),
     .default_text = "ok",
     .choices = hows,
     .doc = "How it ends."},
    {.name = "fail_attempts",
     .type = FIELD_INT,
     .offset = offsetof(struct payload, fail_attempts),
     .default_text = "1000",
     .doc = "How many attempts end so."},
    {.name = "work_us",
     .type = FIELD_INT,
     .offset = offsetof(struct payload, work_us),
     .default_text = "0",
     .unit = "us",
     .doc = "How long it works."},
};
static const struct field_table table = {"bus", "A test.", fields, FIELDS_COUNT(fields),
                                         sizeof(struct payload)};

static enum outcome work(struct job_context *job, int64_t work_us, struct err *err)
{
    int64_t begin_us = clock_monotonic_us();
    while (clock_monotonic_us() - begin_us < work_us) {
        struct event_progress progress = {.phase = "work", .rows_done = 1, .rows_total = 2};
        job_progress(job, &progress);
        TRY(job_check(job, err));
        clock_sleep_us(200);
    }
    return OUTCOME_OK;
}

static enum outcome run_bus(struct job_context *job, const void *payload_struct, struct err *err)
{
    static const enum outcome classes[] = {OUTCOME_OK, OUTCOME_OK, OUTCOME_RETRY, OUTCOME_PERMANENT,
                                           OUTCOME_BUG};
    const struct payload *payload = payload_struct;
    TRY(work(job, payload->work_us, err));
    if (payload->how == HOW_WAIT && !atomic_load(&children_ended))
        return FAIL(err, OUTCOME_THROTTLED, JOB_WAITS_FOR_CHILDREN, "asked for");
    if (payload->how >= HOW_RETRY && job->attempt <= payload->fail_attempts)
        return FAIL(err, classes[payload->how], "test", "asked for");
    if (!bus_apply(job->job_id, job->fence))
        return FAIL(err, OUTCOME_CANCELLED, "fenced", "another start owns the job");
    return job_set_result(job, slice_of("{\"ok\":true}"), err);
}

static const struct job_kind kinds[] = {
    {.name = "bus", .doc = "A test.", .payload = &table, .max_attempts = 3, .run = run_bus}};
static const struct worker worker = {
    .name = "bus", .version = "0", .doc = "a test", .kinds = kinds, .kind_count = 1};

/* ---- the worker on a thread of its own ---- */

static char *arguments[] = {(char[]){"bus"},
                            (char[]){"--kafka-brokers=none:1"},
                            (char[]){"--redis-url=redis://none"},
                            (char[]){"--hub-url=postgresql://none"},
                            (char[]){"--log-level=error"},
                            (char[]){"--http-port=0"},
                            (char[]){"--commit-interval-ms=10"},
                            (char[]){"--lease-ttl-ms=1000"},
                            (char[]){"--revoke-drain-ms=20"},
                            (char[]){"--retry-scale-percent=1"},
                            (char[]){"--buffered-jobs-max=8"},
                            (char[]){"--workspace-backlog-ms=20"},
                            (char[]){"--drain-timeout-ms=5000"},
                            (char[]){"--job-threads=3"}};

struct process {
    pthread_t thread;
    int status;
};

static void *run_process(void *arg)
{
    struct process *process = arg;
    process->status =
        worker_main((int)(sizeof arguments / sizeof arguments[0]), arguments, &worker);
    return NULL;
}

static void start(struct process *process)
{
    *process = (struct process){.status = -1};
    CHECK(pthread_create(&process->thread, NULL, run_process, process) == 0);
}

static int stop(struct process *process)
{
    bus_ask_stop(true);
    pthread_join(process->thread, NULL);
    return process->status;
}

static void begin(void)
{
    bus_reset();
    bus_ask_stop(false);
}

static void send_job(int number, const char *members)
{
    char id[32], text[512];
    (void)snprintf(id, sizeof id, "job-%d", number);
    (void)snprintf(text, sizeof text,
                   "{\"specversion\":\"1.0\",\"id\":\"%s\",\"type\":\"haul.job.bus.v1\","
                   "\"source\":\"/t\",\"data\":{\"workspace_id\":\"w\"%s}}",
                   id, members);
    bus_produce(JOBS_TOPIC, number % 3, id, text);
}

static bool wait_settled(size_t ended)
{
    int64_t until_us = clock_monotonic_us() + WAIT_US;
    while (clock_monotonic_us() < until_us) {
        if (bus_jobs_ended() >= ended && bus_lag(JOBS_TOPIC) == 0)
            return true;
        clock_sleep_us(2 * US_PER_MS);
    }
    return false;
}

static int count_in(const char *topic, const char *needle)
{
    struct str value STR_AUTO = str_with_max(1 << 20);
    int count = 0;
    for (size_t i = 0; i < bus_records(topic); i++) {
        bus_value(topic, i, &value);
        count += strstr(str_text(&value), needle) != NULL;
    }
    return count;
}

/* ---- tests ---- */

static void test_all_kinds_of_ends(void)
{
    struct process process;
    begin();
    for (int i = 0; i < 30; i++)
        send_job(i, i % 3 == 0   ? ""
                    : i % 3 == 1 ? ",\"how\":\"permanent\""
                                 : ",\"how\":\"retry\",\"fail_attempts\":1");
    bus_produce(JOBS_TOPIC, 0, NULL, "not json");
    start(&process);
    CHECK(wait_settled(30));
    CHECK_INT(stop(&process), WORKER_EXIT_OK);
    for (int i = 0; i < 30; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "job-%d", i);
        CHECK_TEXT(bus_ledger_state(id), i % 3 == 1 ? "dead_lettered" : "succeeded");
        CHECK_INT(bus_is_applied(id), i % 3 == 1 ? 0 : 1);
    }
    CHECK_INT(bus_records("haul.jobs.bus.dlq"), 11);
    CHECK_INT(count_in("haul.events", "haul.event.succeeded.v1"), 20);
    CHECK_INT(count_in("haul.events", "haul.event.dead_lettered.v1"), 10);
    CHECK_INT(count_in("haul.events", "haul.event.retrying.v1"), 10);
    CHECK_INT(bus_bad_commits(), 0);
}

static void test_a_bad_report_is_made_good(void)
{
    struct process process;
    begin();
    bus_fail_reports(20);
    for (int i = 0; i < 12; i++)
        send_job(i, i % 2 == 0 ? "" : ",\"how\":\"permanent\"");
    start(&process);
    CHECK(wait_settled(12));
    CHECK_INT(stop(&process), WORKER_EXIT_OK);
    for (int i = 0; i < 12; i++) {
        char id[64];
        (void)snprintf(id, sizeof id, "\"id\":\"job-%d:%s\"", i,
                       i % 2 == 0 ? "succeeded" : "dead_lettered");
        CHECK(count_in("haul.events", id) >= 1);
        (void)snprintf(id, sizeof id, "\"id\":\"job-%d\"", i);
        CHECK(i % 2 == 0 || count_in("haul.jobs.bus.dlq", id) >= 1);
    }
}

static void test_nothing_is_committed_before_its_report(void)
{
    struct process process;
    begin();
    bus_hold_reports(true);
    for (int i = 0; i < 9; i++)
        send_job(i, i % 2 == 0 ? "" : ",\"how\":\"permanent\"");
    start(&process);
    int64_t until_us = clock_monotonic_us() + WAIT_US;
    while (bus_jobs_ended() < 9 && clock_monotonic_us() < until_us)
        clock_sleep_us(US_PER_MS);
    clock_sleep_us(100 * US_PER_MS); /* ten commit intervals */
    for (int p = 0; p < 3; p++)
        CHECK(bus_committed(JOBS_TOPIC, p) <= 0);
    bus_hold_reports(false);
    CHECK(wait_settled(9));
    CHECK_INT(stop(&process), WORKER_EXIT_OK);
}

static bool wait_records(const char *topic, const char *needle, int count)
{
    int64_t until_us = clock_monotonic_us() + WAIT_US;
    while (count_in(topic, needle) < count && clock_monotonic_us() < until_us)
        clock_sleep_us(US_PER_MS);
    return count_in(topic, needle) == count;
}

/* More than the share of one who sends very much goes on to the bulk topic: also when the queue is
 * full in between, and when the report says that it does not stand there. */
static void test_what_moves_is_complete_when_its_report_is_in(void)
{
    enum { COUNT = 60, MOVED = 30 };
    struct process process;
    begin();
    bus_hold_reports(true);
    for (int i = 0; i < COUNT; i++)
        send_job(i, ",\"work_us\":150000");
    start(&process);
    int64_t until_us = clock_monotonic_us() + WAIT_US;
    while (bus_records(BULK_TOPIC) < MOVED && clock_monotonic_us() < until_us)
        clock_sleep_us(US_PER_MS);
    CHECK(bus_records(BULK_TOPIC) >= MOVED);
    bus_refuse_sends(3);
    bus_fail_reports(3);
    clock_sleep_us(100 * US_PER_MS); /* ten commit intervals */
    for (int p = 0; p < 3; p++)
        CHECK(bus_committed(JOBS_TOPIC, p) <= 0 && bus_complete_beyond(JOBS_TOPIC, p) == 0);
    bus_hold_reports(false);
    CHECK(wait_settled(COUNT));
    CHECK_INT(stop(&process), WORKER_EXIT_OK);
    CHECK_INT(bus_bad_commits(), 0);
}

/* Job 1 is given up; the report of its letter is held, its event is not sent. */
static void begin_with_a_letter(struct process *process)
{
    begin();
    bus_hold_reports(true);
    send_job(1, ",\"how\":\"permanent\"");
    start(process);
    CHECK(wait_records("haul.jobs.bus.dlq", "job-1", 1));
    clock_sleep_us(50 * US_PER_MS);
}

/* Whoever acts on the event finds the letter; when the event cannot be told at first, it is told
 * again, the letter is not. */
static void test_the_letter_is_there_before_its_event(void)
{
    enum { REPORT_IS_BAD, QUEUE_IS_FULL, FAULTS };
    for (int fault = 0; fault < FAULTS; fault++) {
        struct process process;
        begin_with_a_letter(&process);
        CHECK_INT(count_in("haul.events", "haul.event.dead_lettered.v1"), 0);
        if (fault == REPORT_IS_BAD)
            bus_fail_reports(1);
        else
            bus_refuse_sends(1);
        bus_hold_reports(false);
        CHECK(wait_settled(1));
        CHECK_INT(stop(&process), WORKER_EXIT_OK);
        CHECK_INT(count_in("haul.events", "\"id\":\"job-1:dead_lettered\""), 1);
        CHECK_INT(bus_records("haul.jobs.bus.dlq"), 1);
        CHECK_INT(bus_bad_commits(), 0);
    }
}

/* An operator acts on a letter whose event is not told yet: the letter that is there is that of the
 * life before. */
static void test_each_death_has_a_letter(void)
{
    struct process process;
    begin_with_a_letter(&process);
    bus_die_again("job-1");
    bus_fail_reports(1);
    bus_hold_reports(false);
    CHECK(wait_settled(1));
    CHECK_INT(stop(&process), WORKER_EXIT_OK);
    CHECK_INT(bus_records("haul.jobs.bus.dlq"), 2);
    CHECK_INT(count_in("haul.events", "haul.event.dead_lettered.v1"), 1);
    CHECK_INT(bus_bad_commits(), 0);
}

/* Job 0 works; 3, 6 and 9 of its partition end meanwhile. */
static void begin_out_of_order(struct process *process)
{
    begin();
    send_job(0, ",\"work_us\":1500000");
    start(process);
    for (int number = 3; number <= 9; number += 3)
        send_job(number, "");
    int64_t until_us = clock_monotonic_us() + WAIT_US;
    while (bus_jobs_ended() < 3 && clock_monotonic_us() < until_us)
        clock_sleep_us(US_PER_MS);
}

static bool wait_beyond(int64_t count)
{
    int64_t until_us = clock_monotonic_us() + WAIT_US;
    while (bus_complete_beyond(JOBS_TOPIC, 0) != count && clock_monotonic_us() < until_us)
        clock_sleep_us(US_PER_MS);
    return bus_complete_beyond(JOBS_TOPIC, 0) == count;
}

/* What the commit calls complete is not even claimed again: its end would be told twice. */
static void test_done_beyond_is_not_done_again(void)
{
    for (int lost = 0; lost <= 1; lost++) {
        struct process process;
        begin_out_of_order(&process);
        CHECK(wait_beyond(3));
        CHECK(bus_committed(JOBS_TOPIC, 0) <= 0);
        bus_rebalance(lost == 1);
        CHECK(wait_settled(4));
        CHECK_INT(stop(&process), WORKER_EXIT_OK);
        CHECK_INT(count_in("haul.events", "\"id\":\"job-3:succeeded\""), 1);
        CHECK_INT(count_in("haul.events", "\"id\":\"job-6:succeeded\""), 1);
        CHECK_INT(count_in("haul.events", "\"id\":\"job-9:succeeded\""), 1);
        CHECK_INT(bus_is_applied("job-0"), 1);
        CHECK_INT(bus_bad_commits(), 0);
    }
}

/* It is in the next one; an answer that comes after the assignment is over changes nothing. */
static void test_done_while_a_commit_is_on_its_way(void)
{
    enum { ASSIGNED, LOST, REVOKED, CASES };
    for (int how = 0; how < CASES; how++) {
        struct process process;
        begin();
        bus_hold_answers(true);
        send_job(0, ",\"work_us\":1500000");
        start(&process);
        send_job(3, "");
        CHECK(wait_beyond(1));
        send_job(6, "");
        CHECK(wait_records("haul.events", "\"id\":\"job-6:succeeded\"", 1));
        clock_sleep_us(100 * US_PER_MS);
        CHECK_INT(bus_complete_beyond(JOBS_TOPIC, 0), 1);
        if (how != ASSIGNED)
            bus_rebalance(how == LOST);
        bus_hold_answers(false);
        if (how == ASSIGNED)
            CHECK(wait_beyond(2));
        CHECK(wait_settled(3));
        CHECK_INT(stop(&process), WORKER_EXIT_OK);
        CHECK_INT(bus_committed(JOBS_TOPIC, 0), 3);
        CHECK_INT(bus_bad_commits(), 0);
    }
}

/* The offsets are committed all the same, and the ledger knows what is done. */
static void test_a_broker_that_takes_no_metadata(void)
{
    struct process process;
    begin();
    bus_refuse_metadata(true);
    send_job(0, "");
    send_job(3, ",\"work_us\":2500000");
    start(&process);
    for (int number = 6; number <= 9; number += 3)
        send_job(number, "");
    int64_t until_us = clock_monotonic_us() + WAIT_US;
    while ((bus_jobs_ended() < 3 || bus_committed(JOBS_TOPIC, 0) < 1) &&
           clock_monotonic_us() < until_us)
        clock_sleep_us(US_PER_MS);
    CHECK(!bus_is_settled("job-3"));
    CHECK_INT(bus_committed(JOBS_TOPIC, 0), 1);
    CHECK(wait_settled(4));
    CHECK_INT(stop(&process), WORKER_EXIT_OK);
    CHECK_INT(bus_committed(JOBS_TOPIC, 0), 4);
    CHECK_INT(bus_bad_commits(), 0);
}

/* It may have been committed since by the one whom it belongs to now: nobody would tell an end that
 * its process did not. The wake that it sends instead is delivered until it is told. */
static void test_an_old_record_ends_no_parent(void)
{
    struct process process;
    begin();
    atomic_store(&children_ended, false);
    send_job(1, ",\"how\":\"wait\"");
    start(&process);
    int64_t until_us = clock_monotonic_us() + WAIT_US;
    while (bus_records("haul.jobs.bus.retry.2m") == 0 && clock_monotonic_us() < until_us)
        clock_sleep_us(US_PER_MS);
    atomic_store(&children_ended, true);
    send_job(1, ",\"how\":\"wait\"");
    CHECK(wait_settled(1));
    CHECK_INT(stop(&process), WORKER_EXIT_OK);
    CHECK_TEXT(bus_ledger_state("job-1"), "succeeded");
    CHECK(bus_records(JOBS_TOPIC) >= 3);
    CHECK_INT(count_in("haul.events", "haul.event.succeeded.v1"), 1);
    CHECK_INT(bus_bad_commits(), 0);
}

static void test_cancel_while_running(void)
{
    struct process process;
    begin();
    send_job(1, ",\"work_us\":20000000");
    start(&process);
    int64_t until_us = clock_monotonic_us() + WAIT_US;
    while (count_in("haul.events", "haul.event.started.v1") == 0 && clock_monotonic_us() < until_us)
        clock_sleep_us(US_PER_MS);
    bus_ask_cancel("job-1");
    CHECK(wait_settled(1));
    CHECK_INT(stop(&process), WORKER_EXIT_OK);
    CHECK_TEXT(bus_ledger_state("job-1"), "cancelled");
    CHECK_INT(bus_is_applied("job-1"), 0);
    CHECK_INT(count_in("haul.events", "haul.event.cancelled.v1"), 1);
}

static void test_a_bug_drains_and_exits(void)
{
    struct process process;
    begin();
    send_job(1, ",\"work_us\":100000");
    send_job(2, ",\"how\":\"bug\"");
    start(&process);
    pthread_join(process.thread, NULL);
    CHECK_INT(process.status, WORKER_EXIT_BUG);
    CHECK_TEXT(bus_ledger_state("job-2"), "dead_lettered");
    CHECK_INT(bus_records("haul.jobs.bus.dlq"), 1);
}

/* Rebalances, losses, bad reports, outages and forgotten leases while jobs flow. */
static void disturb(uint64_t *random)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    switch (*random >> 33 & 7) {
    case 0:
        bus_rebalance(false);
        break;
    case 1:
        bus_rebalance(true);
        break;
    case 2:
        bus_fail_reports(3);
        break;
    case 3:
        bus_fail_hub(2);
        break;
    case 4:
        bus_fail_redis(2);
        break;
    case 5:
        bus_forget_leases();
        break;
    default:
        break;
    }
}

static void test_faults(void)
{
    enum { COUNT = 240 };
    struct process process;
    uint64_t random = 7;
    begin();
    start(&process);
    for (int i = 0; i < COUNT; i++) {
        send_job(i, i % 5 == 0   ? ",\"how\":\"retry\",\"fail_attempts\":2"
                    : i % 5 == 1 ? ",\"how\":\"permanent\""
                    : i % 5 == 2 ? ",\"work_us\":60000"
                                 : ",\"work_us\":1000");
        if (i % 4 == 0)
            disturb(&random);
        clock_sleep_us(2 * US_PER_MS);
    }
    CHECK(wait_settled(COUNT));
    CHECK_INT(stop(&process), WORKER_EXIT_OK);
    for (int i = 0; i < COUNT; i++) {
        char id[64];
        (void)snprintf(id, sizeof id, "job-%d", i);
        CHECK_TEXT(bus_ledger_state(id), i % 5 == 1 ? "dead_lettered" : "succeeded");
        CHECK_INT(bus_is_applied(id), i % 5 == 1 ? 0 : 1);
        (void)snprintf(id, sizeof id, "\"id\":\"job-%d:%s\"", i,
                       i % 5 == 1 ? "dead_lettered" : "succeeded");
        CHECK(count_in("haul.events", id) >= 1);
    }
    CHECK_INT(bus_bad_commits(), 0);
}

static CU_TestInfo tests[] = {
    {"all kinds of ends", test_all_kinds_of_ends},
    {"a bad report is made good", test_a_bad_report_is_made_good},
    {"nothing is committed before its report", test_nothing_is_committed_before_its_report},
    {"what moves is complete when its report is in",
     test_what_moves_is_complete_when_its_report_is_in},
    {"the letter is there before its event", test_the_letter_is_there_before_its_event},
    {"each death has a letter", test_each_death_has_a_letter},
    {"done beyond is not done again", test_done_beyond_is_not_done_again},
    {"done while a commit is on its way", test_done_while_a_commit_is_on_its_way},
    {"a broker that takes no metadata", test_a_broker_that_takes_no_metadata},
    {"an old record ends no parent", test_an_old_record_ends_no_parent},
    {"cancel while running", test_cancel_while_running},
    {"a bug drains and exits", test_a_bug_drains_and_exits},
    {"faults", test_faults},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("run/worker", tests)
