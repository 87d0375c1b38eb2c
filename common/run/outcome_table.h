/*
 * outcome_table: what is done about the end of an attempt. The only place that decides it.
 */
#ifndef HAUL_RUN_OUTCOME_TABLE_H
#define HAUL_RUN_OUTCOME_TABLE_H

#include "run/keeper.h"

enum action {
    ACTION_SUCCEED,
    ACTION_RETRY,       /* a later attempt, counted */
    ACTION_WAIT,        /* later, the same attempt again */
    ACTION_DEAD_LETTER, /* given up */
    ACTION_CANCEL,      /* ended on request */
    ACTION_HAND_BACK,   /* as if it had not been started */
    ACTION_BUG,         /* given up, and the process drains and exits */
};

/* `err` is the attempt's record (its class is `outcome`); the reason why it was asked to stop, if
 * it was. May rewrite the record: a job stopped at its deadline failed for that. */
enum action outcome_action(enum outcome outcome, enum stop_reason reason, struct err *err);

/* True for the codes of the runtime's own services: nobody's fault, no attempt is counted. */
bool outcome_is_outage(const struct err *err);

#endif
