/* fleet_clock: see fleet_clock.h. */
#include "run/fleet_clock.h"

#include "base/clock.h"

void fleet_clock_init(struct fleet_clock *clock)
{
    atomic_store(&clock->ahead_us, clock_wall_us() - clock_monotonic_us());
    atomic_store(&clock->doubt_us, 0);
}

/* The answer was made somewhere between the two: the middle is wrong by half of it at most. */
void fleet_clock_set(struct fleet_clock *clock, int64_t hub_us, int64_t asked_us,
                     int64_t answered_us)
{
    int64_t half_us = (answered_us - asked_us) / 2, doubt_us = atomic_load(&clock->doubt_us);
    /* Who reads between the two stores is told of the greater doubt. */
    atomic_store(&clock->doubt_us, half_us > doubt_us ? half_us : doubt_us);
    atomic_store(&clock->ahead_us, hub_us - (asked_us + half_us));
    atomic_store(&clock->doubt_us, half_us);
}

int64_t fleet_clock_us(struct fleet_clock *clock)
{
    return clock_monotonic_us() + atomic_load_explicit(&clock->ahead_us, memory_order_relaxed);
}

int64_t fleet_clock_least_us(struct fleet_clock *clock)
{
    return fleet_clock_us(clock) - atomic_load_explicit(&clock->doubt_us, memory_order_relaxed);
}
