#include "run/outcome_table.h"

#include "check.h"

static void test_every_row(void)
{
    static const struct {
        enum outcome outcome;
        enum stop_reason reason;
        enum action action;
        const char *code; /* that the record has afterwards */
    } cases[] = {
        {OUTCOME_OK, STOP_NONE, ACTION_SUCCEED, "x"},
        {OUTCOME_OK, STOP_ASKED, ACTION_SUCCEED, "x"},
        {OUTCOME_OK, STOP_SHUTDOWN, ACTION_SUCCEED, "x"},
        {OUTCOME_RETRY, STOP_NONE, ACTION_RETRY, "x"},
        {OUTCOME_RETRY, STOP_ASKED, ACTION_CANCEL, "job.cancelled"},
        {OUTCOME_RETRY, STOP_DEADLINE, ACTION_DEAD_LETTER, "job.deadline"},
        {OUTCOME_RETRY, STOP_LEASE, ACTION_HAND_BACK, "x"},
        {OUTCOME_THROTTLED, STOP_NONE, ACTION_WAIT, "x"},
        {OUTCOME_PERMANENT, STOP_NONE, ACTION_DEAD_LETTER, "x"},
        {OUTCOME_PERMANENT, STOP_SHUTDOWN, ACTION_HAND_BACK, "x"},
        {OUTCOME_POISON, STOP_NONE, ACTION_DEAD_LETTER, "x"},
        {OUTCOME_POISON, STOP_DEADLINE, ACTION_DEAD_LETTER, "x"},
        {OUTCOME_CANCELLED, STOP_ASKED, ACTION_CANCEL, "job.cancelled"},
        {OUTCOME_CANCELLED, STOP_NONE, ACTION_WAIT, "x"},
        {OUTCOME_CANCELLED, STOP_SHUTDOWN, ACTION_HAND_BACK, "x"},
        {OUTCOME_CANCELLED, STOP_LEASE, ACTION_HAND_BACK, "x"},
        {OUTCOME_CANCELLED, STOP_DEADLINE, ACTION_DEAD_LETTER, "job.deadline"},
        {OUTCOME_OK, STOP_HEAD, ACTION_SUCCEED, "x"},
        {OUTCOME_RETRY, STOP_HEAD, ACTION_DEAD_LETTER, "job.head_of_line"},
        {OUTCOME_CANCELLED, STOP_HEAD, ACTION_DEAD_LETTER, "job.head_of_line"},
        {OUTCOME_POISON, STOP_HEAD, ACTION_DEAD_LETTER, "x"},
        {OUTCOME_BUG, STOP_HEAD, ACTION_BUG, "x"},
        {OUTCOME_BUG, STOP_ASKED, ACTION_BUG, "x"},
        {(enum outcome)99, STOP_NONE, ACTION_BUG, "bug"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err = {0};
        (void)FAIL(&err, cases[i].outcome, "x", "y");
        CHECK_INT(outcome_action(cases[i].outcome, cases[i].reason, &err), cases[i].action);
        CHECK_TEXT(err.code, cases[i].code);
    }
}

static void test_outages_are_nobody_s_fault(void)
{
    static const struct {
        enum outcome outcome;
        const char *code;
        enum action action;
    } cases[] = {
        {OUTCOME_RETRY, "hub.unreachable", ACTION_WAIT},
        {OUTCOME_RETRY, "hub.commit_unknown", ACTION_WAIT},
        {OUTCOME_RETRY, "hub.resources", ACTION_WAIT},
        {OUTCOME_RETRY, "hub.read_only", ACTION_WAIT},
        {OUTCOME_RETRY, "hub.conflict", ACTION_RETRY},
        {OUTCOME_RETRY, "redis.unreachable", ACTION_WAIT},
        {OUTCOME_RETRY, "kafka.unreachable", ACTION_WAIT},
        {OUTCOME_RETRY, "connect.refused", ACTION_RETRY},
        {OUTCOME_PERMANENT, "hub.unreachable", ACTION_DEAD_LETTER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err = {0};
        (void)FAIL(&err, cases[i].outcome, cases[i].code, "y");
        CHECK_INT(outcome_action(cases[i].outcome, STOP_NONE, &err), cases[i].action);
    }
}

static CU_TestInfo tests[] = {
    {"every row", test_every_row},
    {"outages are nobody's fault", test_outages_are_nobody_s_fault},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("run/outcome_table", tests)
