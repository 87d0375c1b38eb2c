/* service_wait: see service_wait.h. */
#include "run/service_wait.h"

#include "base/clock.h"
#include "base/log.h"

#define WAIT_MIN_US (50 * US_PER_MS)
#define WAIT_MAX_US (2 * US_PER_S)
#define WAIT_STEP_US (20 * US_PER_MS) /* how soon the end of the process is seen */
#define LOG_EVERY_US (30 * US_PER_S)

bool service_wait_again(struct service_wait *wait, const struct err *err)
{
    struct metrics *metrics = &wait->rt->metrics;
    int64_t now_us = clock_monotonic_us();
    if (wait->tries == 0)
        metric_add(&metrics->waiting_on[wait->service], 1);
    if (wait->tries == 0 || now_us - wait->logged_us >= LOG_EVERY_US) {
        wait->logged_us = now_us;
        LOG_AT(LOG_WARN, "service.waiting", LOG_TEXT("service", service_name(wait->service)),
               LOG_INT("tries", wait->tries + 1), LOG_ERR_FIELDS(err));
    }
    int64_t wait_us = WAIT_MIN_US << (wait->tries < 6 ? wait->tries : 6);
    wait_us = wait_us < WAIT_MAX_US ? wait_us : WAIT_MAX_US;
    wait->tries++;
    while (!atomic_load(wait->until) && clock_monotonic_us() - now_us < wait_us)
        clock_sleep_us(WAIT_STEP_US);
    if (!atomic_load(wait->until))
        return true;
    metric_add(&metrics->waiting_on[wait->service], -1);
    return false;
}

void service_wait_end(struct service_wait *wait)
{
    if (wait->tries == 0)
        return;
    metric_add(&wait->rt->metrics.waiting_on[wait->service], -1);
    LOG_AT(LOG_INFO, "service.back", LOG_TEXT("service", service_name(wait->service)),
           LOG_INT("tries", wait->tries));
    wait->tries = 0;
}
