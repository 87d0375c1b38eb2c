/* fan_in: what a parent does at each count of its children, and who wakes it. */
#include "check.h"
#include "model/fan_in.h"

static void test_decide(void)
{
    static const struct {
        struct fan_in counts;
        enum fan_in_verdict verdict;
        bool wakes, wakes_failed; /* the child that had its result; the one that failed */
    } rows[] = {
        {{0, 0, 0}, FAN_IN_PLAN, false, true}, {{3, 0, 0}, FAN_IN_WAIT, false, true},
        {{3, 2, 0}, FAN_IN_WAIT, false, true}, {{3, 3, 0}, FAN_IN_JOIN, true, true},
        {{3, 0, 1}, FAN_IN_FAIL, false, true}, {{3, 2, 1}, FAN_IN_FAIL, false, true},
        {{1, 1, 0}, FAN_IN_JOIN, true, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_INT(fan_in_decide(&rows[i].counts), rows[i].verdict);
        CHECK_INT(fan_in_wakes(&rows[i].counts, false), rows[i].wakes);
        CHECK_INT(fan_in_wakes(&rows[i].counts, true), rows[i].wakes_failed);
    }
}

/* Of any number of children exactly the last end wakes, when none fails. */
static void test_the_last_one_wakes(void)
{
    for (size_t total = 1; total <= 64; total++) {
        size_t wakes = 0;
        for (size_t done = 1; done <= total; done++)
            wakes += fan_in_wakes(&(struct fan_in){total, done, 0}, false);
        CHECK_INT(wakes, 1);
    }
}

static CU_TestInfo tests[] = {
    {"each count", test_decide},
    {"the last one wakes, once", test_the_last_one_wakes},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("model/fan_in", tests)
