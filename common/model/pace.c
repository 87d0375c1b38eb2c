/* pace: see pace.h. */
#include "model/pace.h"

#include "base/num.h"

/* What counts for nothing any more leaves the mean as it was. */
static void halve(struct pace *pace, int64_t now_us)
{
    for (; now_us - pace->halved_us >= PACE_HALF_US; pace->halved_us += PACE_HALF_US) {
        pace->ended /= 2;
        pace->run_us = pace->ended == 0 ? 0 : pace->run_us / 2;
        if (pace->ended == 0)
            pace->halved_us = now_us;
    }
}

void pace_look(struct pace *pace, const struct pace_seen *seen)
{
    int64_t ended = seen->ended - pace->last.ended;
    halve(pace, seen->now_us);
    pace->ended += ended;
    pace->run_us += seen->run_us - pace->last.run_us;
    for (; pace->ended > PACE_JOBS_MAX; pace->ended /= 2)
        pace->run_us /= 2;
    if (seen->running == 0)
        pace->none_since_us = 0;
    else if (ended > 0 || pace->none_since_us == 0)
        pace->none_since_us = seen->now_us;
    pace->last = *seen;
    if (pace->ended >= PACE_JOBS || (pace->ended > 0 && pace->run_us >= PACE_RUN_US))
        pace->mean_us = num_max_i64(pace->run_us / pace->ended, 1);
    int64_t none_us = pace->none_since_us == 0 ? 0 : seen->now_us - pace->none_since_us;
    if (none_us >= PACE_RUN_US)
        pace->mean_us = num_max_i64(pace->mean_us, none_us);
}

int64_t pace_mean_us(const struct pace *pace)
{
    return pace->mean_us;
}
