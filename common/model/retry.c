/* retry: see retry.h. */
#include "model/retry.h"

#include <string.h>

#define S INT64_C(1000000)

const struct retry_tier retry_tiers[RETRY_TIER_COUNT] = {
    {"5s", 5 * S}, {"30s", 30 * S}, {"2m", 120 * S}, {"10m", 600 * S}, {"1h", 3600 * S},
};

/* The ceiling of the draw: 5 s, 20 s, 80 s, ... up to twice the last tier's delay, so that half of
 * the late draws fall into it. */
#define BASE_US (5 * S)
#define FACTOR 4
#define CAP_US (7200 * S)

int retry_tier_find(const char *name)
{
    for (int i = 0; i < RETRY_TIER_COUNT; i++) {
        if (strcmp(retry_tiers[i].name, name) == 0)
            return i;
    }
    return -1;
}

static int64_t scaled(int64_t us, int percent)
{
    return us / 100 * percent;
}

static int64_t tier_delay_us(size_t tier, int scale_percent)
{
    return scaled(retry_tiers[tier].delay_us, scale_percent);
}

static int64_t ceiling_us(int attempt)
{
    int64_t us = BASE_US;
    for (int i = 1; i < attempt && us < CAP_US; i++)
        us *= FACTOR;
    return us < CAP_US ? us : CAP_US;
}

/* Uniform in [0, bound); 32 random bits are enough for a delay. */
static int64_t draw(int64_t bound, uint32_t random)
{
    return (int64_t)((double)bound * ((double)random / 4294967296.0));
}

/* Full jitter: the longest tier that is not above the draw, or the first. */
static size_t tier_of_draw(int attempt, uint32_t random)
{
    int64_t drawn_us = draw(ceiling_us(attempt) + 1, random);
    size_t tier = 0;
    while (tier + 1 < RETRY_TIER_COUNT && retry_tiers[tier + 1].delay_us <= drawn_us)
        tier++;
    return tier;
}

size_t retry_tier_for(int64_t wait_us, int scale_percent)
{
    size_t tier = 0;
    while (tier + 1 < RETRY_TIER_COUNT && tier_delay_us(tier, scale_percent) < wait_us)
        tier++;
    return tier;
}

int64_t retry_hold_max_us(size_t tier, int scale_percent)
{
    int64_t delay_us = tier_delay_us(tier, scale_percent);
    return delay_us + delay_us / 10;
}

struct retry_decision retry_decide(const struct retry_request *request)
{
    struct retry_decision decision = {.verdict = RETRY_AGAIN, .next_attempt = request->attempt};
    if (request->counted) {
        if (request->attempt >= request->max_attempts) {
            decision.verdict = RETRY_EXHAUSTED;
            return decision;
        }
        decision.next_attempt++;
    }
    int64_t delay_us;
    uint32_t spread = (uint32_t)(request->random >> 32);
    if (request->retry_after_us > 0) {
        /* Told by the other side: not scaled, not shortened. */
        delay_us = request->retry_after_us;
        decision.tier = retry_tier_for(delay_us, request->scale_percent);
    } else {
        decision.tier =
            request->counted ? tier_of_draw(request->attempt, (uint32_t)request->random) : 0;
        delay_us = tier_delay_us(decision.tier, request->scale_percent);
    }
    decision.due_us = request->now_us + delay_us + draw(delay_us / 10 + 1, spread);
    if (request->deadline_us != 0 && decision.due_us >= request->deadline_us)
        decision.verdict = RETRY_TOO_LATE;
    return decision;
}
