/*
 * retry: when a failed job is tried again, or that it is given up.
 *
 * Is:      the delays (tiers, one topic each) and the decision for one failure.
 * Is not:  a clock, a source of random numbers or a queue: all come as arguments.
 * Owns:    nothing.
 * Threads: any.
 * Source:  "full jitter": delay = U(0, min(cap, base * factor^(attempt - 1))).
 *
 * A tier's delay is constant, so that first in is first due: jitter picks the tier and spreads the
 * due times within it by a tenth at most. A provider's Retry-After is kept to: never earlier, and
 * in the smallest tier that is as long.
 */
#ifndef HAUL_MODEL_RETRY_H
#define HAUL_MODEL_RETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RETRY_TIER_COUNT 5

struct retry_tier {
    const char *name; /* "30s", as in the topic's name */
    int64_t delay_us;
};
extern const struct retry_tier retry_tiers[RETRY_TIER_COUNT]; /* ascending */

/* The tier of that name; -1 when there is none. */
int retry_tier_find(const char *name);

struct retry_request {
    int attempt;            /* the one that failed, from 1 */
    int max_attempts;       /* at least 1 */
    bool counted;           /* false: throttled or an outage; the attempt stays as it is */
    int64_t now_us;         /* wall clock */
    int64_t deadline_us;    /* 0 = none; nothing is due at or after it */
    int64_t retry_after_us; /* as told by the other side; 0 = not told */
    int scale_percent;      /* of every delay; 100 but in tests */
    uint64_t random;        /* 64 random bits */
};

enum retry_verdict { RETRY_AGAIN, RETRY_EXHAUSTED, RETRY_TOO_LATE };

struct retry_decision {
    enum retry_verdict verdict;
    size_t tier; /* with RETRY_AGAIN */
    int64_t due_us;
    int next_attempt;
};

struct retry_decision retry_decide(const struct retry_request *request);

/* The tier for work that is due in `wait_us`: the smallest that is as long, else the longest. */
size_t retry_tier_for(int64_t wait_us, int scale_percent);

/* The longest that a tier's records are held after they were read, whatever their headers say:
 * its delay and the tenth. Beyond it they move on to another tier. */
int64_t retry_hold_max_us(size_t tier, int scale_percent);

#endif
