#include "run/fleet_clock.h"

#include "check.h"

#include "base/clock.h"

static bool is_about(int64_t value, int64_t wanted)
{
    int64_t off = value - wanted;
    return off > -US_PER_S && off < US_PER_S;
}

static void test_follows_the_hub(void)
{
    struct fleet_clock clock;
    fleet_clock_init(&clock);
    CHECK(is_about(fleet_clock_us(&clock), clock_wall_us()));
    int64_t hub_us = clock_wall_us() - 3600 * US_PER_S, now_us = clock_monotonic_us();
    fleet_clock_set(&clock, hub_us, now_us, now_us);
    CHECK(is_about(fleet_clock_us(&clock), hub_us));
    CHECK(is_about(fleet_clock_least_us(&clock), hub_us));
    /* A question of ten seconds: its answer is from the middle of it. */
    fleet_clock_set(&clock, hub_us, now_us - 10 * US_PER_S, now_us);
    CHECK(is_about(fleet_clock_us(&clock), hub_us + 5 * US_PER_S));
    /* Or from its end. */
    CHECK(is_about(fleet_clock_least_us(&clock), hub_us));
}

static CU_TestInfo tests[] = {
    {"follows the hub", test_follows_the_hub},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("run/fleet_clock", tests)
