#include "run/progress.h"

#include "check.h"

#define MS INT64_C(1000)

static struct event_progress rows(const char *phase, int64_t done, int64_t total)
{
    return (struct event_progress){.phase = phase,
                                   .rows_done = done,
                                   .rows_total = total,
                                   .bytes_done = -1,
                                   .bytes_total = -1};
}

static void note(struct keeper_slot *slot, struct event_progress progress, int64_t now_us)
{
    progress_note(slot, &progress, now_us);
}

static void test_at_most_two_a_second(void)
{
    struct keeper_slot slot = {.is_telling = true, .sequence = 5, .event.job_id = "j"};
    struct event event;
    int told = 0;
    for (int64_t now_ms = 1; now_ms <= 10000; now_ms++) {
        note(&slot, rows("read", now_ms, -1), now_ms * MS);
        if (progress_take(&slot, now_ms * MS, 0, &event)) {
            CHECK_INT(event.sequence, 5 + told);
            told++;
        }
    }
    CHECK_INT(told, 20);
    CHECK_INT(slot.sequence, 25);
}

static void test_the_last_one_is_told(void)
{
    struct keeper_slot slot = {.is_telling = true};
    struct event event;
    note(&slot, rows("read", 1, 10), 1000 * MS);
    CHECK(progress_take(&slot, 1000 * MS, 7, &event));
    CHECK_INT(event.state, EVENT_PROGRESS);
    CHECK_INT(event.time_us, 7);
    note(&slot, rows("read", 9, 10), 1001 * MS);
    CHECK(!progress_take(&slot, 1002 * MS, 0, &event));
    CHECK(progress_take(&slot, 1500 * MS, 0, &event));
    CHECK_INT(event.progress->rows_done, 9);
    CHECK(!progress_take(&slot, 9000 * MS, 0, &event));
    slot.is_telling = false;
    note(&slot, rows("read", 10, 10), 9500 * MS);
    CHECK(!progress_take(&slot, 9999 * MS, 0, &event));
}

static void test_rate_and_eta(void)
{
    struct keeper_slot slot = {.is_telling = true};
    struct event event;
    note(&slot, rows("read", 0, 1000), 1000 * MS);
    CHECK(progress_take(&slot, 1000 * MS, 0, &event));
    CHECK(event.progress->rows_per_second < 0);
    CHECK_INT(event.progress->eta_ms, -1);
    note(&slot, rows("read", 200, 1000), 3000 * MS);
    CHECK(progress_take(&slot, 3000 * MS, 0, &event));
    CHECK_INT(event.progress->rows_per_second, 100);
    CHECK_INT(event.progress->eta_ms, 8000);
    /* A new phase begins anew; without a total there is no ETA. */
    note(&slot, rows("verify", 50, -1), 4000 * MS);
    note(&slot, rows("verify", 150, -1), 5000 * MS);
    CHECK(progress_take(&slot, 5000 * MS, 0, &event));
    CHECK_INT(event.progress->rows_per_second, 100);
    CHECK_INT(event.progress->eta_ms, -1);
}

static CU_TestInfo tests[] = {
    {"at most two a second", test_at_most_two_a_second},
    {"the last one is told", test_the_last_one_is_told},
    {"rate and eta", test_rate_and_eta},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("run/progress", tests)
