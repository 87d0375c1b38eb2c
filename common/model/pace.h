/*
 * pace: how long a worker's jobs take of late, from two counters that only grow.
 *
 * Is:      the mean run of the last thousand jobs, or of those of the last seconds where they are
 *          fewer: what is older counts half as much each second. A single job that took long, or a
 *          pause of the machine, moves it by little; jobs of another kind within a second. While
 *          jobs run and none ends, the mean is at least as long as that lasts.
 * Is not:  known before PACE_JOBS jobs, or PACE_RUN_US of work, were seen.
 * Owns:    nothing.
 * Threads: any, one at a time.
 */
#ifndef HAUL_MODEL_PACE_H
#define HAUL_MODEL_PACE_H

#include <stdint.h>

#define PACE_JOBS 32
#define PACE_JOBS_MAX 1024
#define PACE_RUN_US INT64_C(1000000)
#define PACE_HALF_US INT64_C(1000000)

struct pace_seen {
    int64_t now_us;        /* any clock that does not go back */
    int64_t ended, run_us; /* since the process began: jobs that ended, how long they ran */
    int64_t running;       /* now */
};

struct pace { /* zeroed: nothing is known */
    struct pace_seen last;
    int64_t ended, run_us; /* that count */
    int64_t halved_us;
    int64_t none_since_us; /* jobs run and none has ended; 0 = none runs */
    int64_t mean_us;
};

void pace_look(struct pace *pace, const struct pace_seen *seen);

/* 0 = not known. */
int64_t pace_mean_us(const struct pace *pace);

#endif
