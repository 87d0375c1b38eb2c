/*
 * fleet_clock: the time that all workers agree on, which is the hub's.
 *
 * Is:      the hub's clock as it was asked for last, carried on by this machine's monotonic clock:
 *          what is due is due for every worker alike, and a wall clock that is wrong, or jumps,
 *          makes no attempt early.
 * Is not:  for durations (clock_monotonic_us), nor for what people read (clock_wall_us).
 * Owns:    nothing.
 * Threads: any.
 */
#ifndef HAUL_RUN_FLEET_CLOCK_H
#define HAUL_RUN_FLEET_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

struct fleet_clock {
    atomic_int_fast64_t ahead_us; /* of the monotonic clock */
    atomic_int_fast64_t doubt_us; /* wrong by that at most, either way */
};

/* This machine's wall clock, until the hub has been asked. */
void fleet_clock_init(struct fleet_clock *clock);
/* The hub said `hub_us` to a question asked then and answered now (both monotonic). */
void fleet_clock_set(struct fleet_clock *clock, int64_t hub_us, int64_t asked_us,
                     int64_t answered_us);
/* Microseconds since the epoch. */
int64_t fleet_clock_us(struct fleet_clock *clock);
/* The same, but for the doubt that a slow answer leaves: it is at least that late. For what must
 * not be early. */
int64_t fleet_clock_least_us(struct fleet_clock *clock);

#endif
