/* gcra: see gcra.h. */
#include "model/gcra.h"

#define YEAR_US (INT64_C(366) * 24 * 3600 * 1000000)

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t gcra_interval_us(const struct gcra_limit *limit)
{
    return limit->period_us / limit->count + (limit->period_us % limit->count != 0);
}

bool gcra_limit_is_valid(const struct gcra_limit *limit)
{
    return limit->count >= 1 && limit->burst >= 1 && limit->period_us >= limit->count &&
           limit->period_us <= YEAR_US && limit->burst <= YEAR_US / gcra_interval_us(limit);
}

/* A stored time beyond what a spent burst leads to is of another clock, or of a limit that was. */
static int64_t start_us(const struct gcra_limit *limit, int64_t tat_us, int64_t now_us)
{
    int64_t spent_us = now_us + gcra_interval_us(limit) * limit->burst;
    return most(now_us, least(tat_us, spent_us));
}

struct gcra_verdict gcra_decide(const struct gcra_limit *limit, int64_t tat_us,
                                const struct gcra_request *request)
{
    int64_t interval_us = gcra_interval_us(limit);
    int64_t cost = least(most(request->cost, 1), YEAR_US / interval_us);
    int64_t needed = cost + least(most(request->reserve, 0), limit->burst);
    int64_t from_us = start_us(limit, tat_us, request->now_us);
    int64_t wait_us = from_us - request->now_us;
    wait_us -= interval_us * (limit->burst - least(needed, limit->burst));
    if (wait_us > 0)
        return (struct gcra_verdict){.wait_us = wait_us, .tat_us = tat_us};
    return (struct gcra_verdict){.tat_us = from_us + interval_us * cost};
}

int64_t gcra_observe(const struct gcra_limit *limit, int64_t tat_us, int64_t remaining,
                     int64_t now_us)
{
    int64_t used = limit->burst - least(most(remaining, 0), limit->burst);
    return most(tat_us, now_us + gcra_interval_us(limit) * used);
}
