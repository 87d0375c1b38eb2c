/* pace: what the mean run is taken for, step by step. */
#include "check.h"
#include "model/pace.h"

#define MS INT64_C(1000)
#define S INT64_C(1000000)

static struct pace_seen seen;

/* Later, so many jobs have ended and ran so long; so many run. */
static int64_t look(struct pace *pace, int64_t later_us, int64_t jobs, int64_t each_us,
                    int64_t running)
{
    seen.now_us += later_us;
    seen.ended += jobs;
    seen.run_us += jobs * each_us;
    seen.running = running;
    pace_look(pace, &seen);
    return pace_mean_us(pace);
}

static void begin(struct pace *pace)
{
    *pace = (struct pace){0};
    seen = (struct pace_seen){.now_us = 1000 * S};
    CHECK_INT(look(pace, 0, 0, 0, 0), 0);
}

static void it_takes_some_jobs_or_some_work_to_know(void)
{
    struct pace pace;
    begin(&pace);
    CHECK_INT(look(&pace, 1, PACE_JOBS - 1, 5 * MS, 2), 0);
    CHECK_INT(look(&pace, 1, 1, 5 * MS, 2), 5 * MS);
    begin(&pace);
    CHECK_INT(look(&pace, 1, 1, PACE_RUN_US - 1, 2), 0);
    CHECK_INT(look(&pace, 1, 1, 1, 2), PACE_RUN_US / 2);
}

static void a_job_that_took_long_is_one_of_many(void)
{
    struct pace pace;
    begin(&pace);
    for (int i = 0; i < 100; i++)
        CHECK(look(&pace, 10 * MS, 500, 20, 2) <= 20);
    CHECK(look(&pace, 300 * MS, 2, 300 * MS, 2) < 2 * MS);
    CHECK(look(&pace, 10 * MS, 500, 20, 2) < MS);
}

static void other_jobs_are_noticed_within_a_second(void)
{
    struct pace pace;
    begin(&pace);
    for (int i = 0; i < 10; i++)
        (void)look(&pace, 10 * MS, 500, 20, 2);
    int64_t mean_us = 0;
    for (int i = 0; i < 10; i++)
        mean_us = look(&pace, 100 * MS, 2, 100 * MS, 2);
    CHECK(mean_us > 2 * MS);
    for (int i = 0; i < 100; i++)
        mean_us = look(&pace, 100 * MS, 2, 100 * MS, 2);
    CHECK(mean_us > 90 * MS && mean_us < 110 * MS);
    for (int i = 0; i < 100; i++)
        mean_us = look(&pace, 10 * MS, 500, 20, 2);
    CHECK(mean_us < MS);
}

static void rest_changes_nothing(void)
{
    struct pace pace;
    begin(&pace);
    CHECK_INT(look(&pace, 10 * MS, 100, 7 * MS, 0), 7 * MS);
    CHECK_INT(look(&pace, 3600 * S, 0, 0, 0), 7 * MS);
    CHECK_INT(look(&pace, 1, 1, 50 * MS, 0), 7 * MS);
}

static void jobs_that_do_not_end_take_at_least_as_long(void)
{
    struct pace pace;
    begin(&pace);
    CHECK_INT(look(&pace, 0, 0, 0, 2), 0);
    CHECK_INT(look(&pace, PACE_RUN_US - 1, 0, 0, 2), 0);
    CHECK_INT(look(&pace, 1, 0, 0, 2), PACE_RUN_US);
    CHECK_INT(look(&pace, 600 * S, 0, 0, 2), PACE_RUN_US + 600 * S);
    CHECK_INT(look(&pace, 1, 1, 601 * S, 2), 601 * S);
}

static CU_TestInfo tests[] = {
    {"it takes some jobs, or some work, to know", it_takes_some_jobs_or_some_work_to_know},
    {"a job that took long is one of many", a_job_that_took_long_is_one_of_many},
    {"other jobs are noticed within a second", other_jobs_are_noticed_within_a_second},
    {"rest changes nothing", rest_changes_nothing},
    {"jobs that do not end take at least as long", jobs_that_do_not_end_take_at_least_as_long},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("model/pace", tests)
