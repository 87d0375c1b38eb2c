/* outcome_table: see outcome_table.h. */
#include "run/outcome_table.h"

#define REASON_COUNT (STOP_HEAD + 1)

/* A row a class, a column a reason. Success stands whatever was asked meanwhile; what failed after
 * it was asked to stop may have failed of that. */
static const enum action actions[OUTCOME_COUNT][REASON_COUNT] = {
    /*                      none                asked           deadline
                            lease               shutdown            head of line */
    [OUTCOME_OK] = {ACTION_SUCCEED, ACTION_SUCCEED, ACTION_SUCCEED, ACTION_SUCCEED, ACTION_SUCCEED,
                    ACTION_SUCCEED},
    [OUTCOME_RETRY] = {ACTION_RETRY, ACTION_CANCEL, ACTION_DEAD_LETTER, ACTION_HAND_BACK,
                       ACTION_HAND_BACK, ACTION_DEAD_LETTER},
    [OUTCOME_THROTTLED] = {ACTION_WAIT, ACTION_CANCEL, ACTION_DEAD_LETTER, ACTION_HAND_BACK,
                           ACTION_HAND_BACK, ACTION_DEAD_LETTER},
    [OUTCOME_PERMANENT] = {ACTION_DEAD_LETTER, ACTION_CANCEL, ACTION_DEAD_LETTER, ACTION_HAND_BACK,
                           ACTION_HAND_BACK, ACTION_DEAD_LETTER},
    [OUTCOME_POISON] = {ACTION_DEAD_LETTER, ACTION_DEAD_LETTER, ACTION_DEAD_LETTER,
                        ACTION_HAND_BACK, ACTION_DEAD_LETTER, ACTION_DEAD_LETTER},
    /* For nothing that we asked: another start, or another job of its sync, fenced it off. */
    [OUTCOME_CANCELLED] = {ACTION_WAIT, ACTION_CANCEL, ACTION_DEAD_LETTER, ACTION_HAND_BACK,
                           ACTION_HAND_BACK, ACTION_DEAD_LETTER},
    [OUTCOME_BUG] = {ACTION_BUG, ACTION_BUG, ACTION_BUG, ACTION_BUG, ACTION_BUG, ACTION_BUG},
};

bool outcome_is_outage(const struct err *err)
{
    static const char *const codes[] = {"hub.unreachable",   "hub.commit_unknown",
                                        "hub.resources",     "hub.read_only",
                                        "redis.unreachable", "kafka.unreachable"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (err->outcome == OUTCOME_RETRY && strcmp(err->code, codes[i]) == 0)
            return true;
    }
    return false;
}

enum action outcome_action(enum outcome outcome, enum stop_reason reason, struct err *err)
{
    if ((unsigned)outcome >= OUTCOME_COUNT) {
        (void)FAIL_BUG(err, "the kind's run returned %d, which is no outcome", (int)outcome);
        return ACTION_BUG;
    }
    enum action action = actions[outcome][reason];
    if (action == ACTION_RETRY && outcome_is_outage(err))
        return ACTION_WAIT;
    if (action == ACTION_CANCEL)
        (void)FAIL(err, OUTCOME_CANCELLED, "job.cancelled", "cancelled on request");
    if (action == ACTION_DEAD_LETTER && reason == STOP_DEADLINE && outcome != OUTCOME_POISON)
        (void)FAIL(err, OUTCOME_PERMANENT, "job.deadline",
                   "the job's deadline passed while it ran");
    if (action == ACTION_DEAD_LETTER && reason == STOP_HEAD && outcome != OUTCOME_POISON) {
        (void)FAIL(err, OUTCOME_PERMANENT, "job.head_of_line",
                   "the job alone held back all others of its partition for too long");
        (void)err_hint(err, "give jobs of its kind a topic or a deadline of their own");
    }
    return action;
}
