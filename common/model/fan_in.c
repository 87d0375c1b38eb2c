/* fan_in: see fan_in.h. */
#include "model/fan_in.h"

enum fan_in_verdict fan_in_decide(const struct fan_in *counts)
{
    if (counts->total == 0)
        return FAN_IN_PLAN;
    if (counts->failed > 0)
        return FAN_IN_FAIL;
    return counts->done >= counts->total ? FAN_IN_JOIN : FAN_IN_WAIT;
}

bool fan_in_wakes(const struct fan_in *counts, bool has_failed)
{
    return has_failed || fan_in_decide(counts) == FAN_IN_JOIN;
}
