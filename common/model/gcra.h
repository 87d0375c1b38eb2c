/*
 * gcra: a rate limit as the generic cell rate algorithm.
 *
 * Is:      the decision for one request: limit, stored time and now give the wait and the time to
 *          store; and what a provider's own account of what is left makes of the stored time.
 * Is not:  a clock, a store or a lock. run/rate_limits has the same arithmetic as a Redis script.
 * Owns:    nothing.
 * Threads: any.
 * Source:  ITU-T I.371, annex A (virtual scheduling): TAT is the theoretical arrival time.
 */
#ifndef HAUL_MODEL_GCRA_H
#define HAUL_MODEL_GCRA_H

#include <stdbool.h>
#include <stdint.h>

/* `count` a `period_us`, of which `burst` may come at once. */
struct gcra_limit {
    int64_t period_us; /* 1 .. a year */
    int64_t count;     /* 1 .. period_us */
    int64_t burst;     /* 1 .. as long as it takes less than a year to refill */
};

bool gcra_limit_is_valid(const struct gcra_limit *limit);

/* The time that one request uses up: period / count, rounded up so that it is never too fast. */
int64_t gcra_interval_us(const struct gcra_limit *limit);

struct gcra_request {
    int64_t now_us;  /* any clock, as long as it is always the same */
    int64_t cost;    /* >= 1; more than the burst needs all of it, and is paid off afterwards */
    int64_t reserve; /* of the burst, to be left for those that are more urgent; >= 0 */
};

struct gcra_verdict {
    int64_t wait_us; /* 0 = allowed; else the least time after which the same would be */
    int64_t tat_us;  /* to be stored; the old one when refused */
};

/*
 * Decides. `tat_us` is the stored time, 0 = none. A clock that stepped back refuses nothing for
 * longer than what the limit itself can have put there. The limit must be valid.
 */
struct gcra_verdict gcra_decide(const struct gcra_limit *limit, int64_t tat_us,
                                const struct gcra_request *request);

/* The provider says that `remaining` are left: the stored time, later if that is less than we
 * thought, never earlier (others' requests may be under way). */
int64_t gcra_observe(const struct gcra_limit *limit, int64_t tat_us, int64_t remaining,
                     int64_t now_us);

#endif
