/*
 * fan_in: what the parent of a fan-out does next, and whether the child that ends wakes it.
 *
 * Is:      a pure decision over counts: the hub counts (run/fan_out), the simulator too.
 * Is not:  a store, a queue, or a clock.
 * Owns:    nothing.
 * Threads: any.
 *
 * A parent hands its work to children and gives its thread back. It is started again when a child
 * wakes it, by a safety net now and then, and whenever its worker died: each start looks at the
 * counts and decides the same way, so that no start need know which of them it is.
 */
#ifndef HAUL_MODEL_FAN_IN_H
#define HAUL_MODEL_FAN_IN_H

#include <stdbool.h>
#include <stddef.h>

struct fan_in {
    size_t total;  /* children handed out; 0 = none yet, or the last ones are accounted for */
    size_t done;   /* ended with a result */
    size_t failed; /* ended without one, for good: given up or cancelled */
};

enum fan_in_verdict {
    FAN_IN_PLAN, /* nothing is handed out: look what is to be done */
    FAN_IN_WAIT, /* children are under way: give the thread back */
    FAN_IN_JOIN, /* all have their result: put them together */
    FAN_IN_FAIL, /* one will never have a result: end with its error, the others are in vain */
};

enum fan_in_verdict fan_in_decide(const struct fan_in *counts);

/* Whether the child whose end gave these counts (its own included) wakes the parent: one that
 * failed, at once, and the last one when none has. A child that ends again says so again: a wake
 * more does no harm. */
bool fan_in_wakes(const struct fan_in *counts, bool has_failed);

#endif
