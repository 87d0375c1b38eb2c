/* breaker: see breaker.h. */
#include "model/breaker.h"

#include <stddef.h>
#include <string.h>

#define SECOND INT64_C(1000000)
#define DOUBLINGS_MAX 20

const struct breaker_conf breaker_conf_default = {
    .window = 100,
    .minimum_calls = 10,
    .failure_percent = 50,
    .slow_percent = 100,
    .probes_needed = 1,
    .open_us = 60 * SECOND,
    .open_max_us = 600 * SECOND,
    .probe_lease_us = 30 * SECOND,
};

static const char *const names[BREAKER_STATE_COUNT] = {
    [BREAKER_CLOSED] = "closed",
    [BREAKER_OPEN] = "open",
    [BREAKER_HALF_OPEN] = "half_open",
    [BREAKER_FORCED_OPEN] = "forced_open",
};

const char *breaker_state_name(enum breaker_state state)
{
    return (unsigned)state < BREAKER_STATE_COUNT ? names[state] : "unknown";
}

bool breaker_state_parse(const char *name, enum breaker_state *ret_state)
{
    for (unsigned state = 0; state < BREAKER_STATE_COUNT; state++) {
        if (strcmp(name, names[state]) != 0)
            continue;
        *ret_state = (enum breaker_state)state;
        return true;
    }
    return false;
}

void breaker_init(struct breaker *breaker)
{
    *breaker = (struct breaker){.state = BREAKER_CLOSED};
}

static void enter(struct breaker *breaker, enum breaker_state state)
{
    breaker->state = state;
    breaker->epoch++;
    breaker->probe_until_us = 0;
    breaker->probes_good = 0;
    breaker->call_count = breaker->call_next = 0;
}

/* What reopens before it has stood closed for as long as the longest opening is still the same
 * trouble. */
static void trip(const struct breaker_conf *conf, struct breaker *breaker, int64_t now_us)
{
    bool again = breaker->state == BREAKER_HALF_OPEN ||
                 (breaker->until_us != 0 && now_us - breaker->closed_us < conf->open_max_us);
    breaker->reopened = again ? breaker->reopened + (breaker->reopened < DOUBLINGS_MAX) : 0;
    int64_t open_us = conf->open_us << breaker->reopened;
    breaker->until_us = now_us + (open_us < conf->open_max_us ? open_us : conf->open_max_us);
    enter(breaker, BREAKER_OPEN);
}

void breaker_close(struct breaker *breaker, int64_t now_us)
{
    breaker->closed_us = now_us;
    enter(breaker, BREAKER_CLOSED);
}

void breaker_force_open(struct breaker *breaker)
{
    enter(breaker, BREAKER_FORCED_OPEN);
}

enum breaker_answer breaker_check(const struct breaker *breaker, int64_t now_us,
                                  int64_t *ret_until_us)
{
    switch (breaker->state) {
    case BREAKER_CLOSED:
        return BREAKER_ALLOWED;
    case BREAKER_FORCED_OPEN:
        *ret_until_us = INT64_MAX;
        return BREAKER_DENIED;
    case BREAKER_OPEN:
        *ret_until_us = breaker->until_us;
        return now_us >= breaker->until_us ? BREAKER_PROBE : BREAKER_DENIED;
    case BREAKER_HALF_OPEN:
        *ret_until_us = breaker->probe_until_us;
        return now_us >= breaker->probe_until_us ? BREAKER_PROBE : BREAKER_DENIED;
    }
    return BREAKER_ALLOWED;
}

int64_t breaker_probe(const struct breaker_conf *conf, struct breaker *breaker, int64_t now_us)
{
    int64_t until_us = 0;
    if (breaker_check(breaker, now_us, &until_us) != BREAKER_PROBE)
        return 0;
    if (breaker->state == BREAKER_OPEN)
        enter(breaker, BREAKER_HALF_OPEN);
    breaker->probe_until_us = now_us + conf->probe_lease_us;
    return ++breaker->permit;
}

/* A permit whose lease has run out is good as long as nobody else has asked for one. */
static bool holds_probe(const struct breaker *breaker, int64_t permit)
{
    return permit != 0 && breaker->state == BREAKER_HALF_OPEN && permit == breaker->permit &&
           breaker->probe_until_us != 0;
}

bool breaker_renew(const struct breaker_conf *conf, struct breaker *breaker, int64_t permit,
                   int64_t now_us)
{
    if (!holds_probe(breaker, permit))
        return false;
    breaker->probe_until_us = now_us + conf->probe_lease_us;
    return true;
}

static bool report_probe(const struct breaker_conf *conf, struct breaker *breaker,
                         const struct breaker_report *report)
{
    if (!holds_probe(breaker, report->permit))
        return false;
    breaker->probe_until_us = 0;
    if (report->call == BREAKER_IGNORED)
        return false;
    if (report->call == BREAKER_FAILED) {
        trip(conf, breaker, report->now_us);
        return true;
    }
    if (++breaker->probes_good < conf->probes_needed)
        return false;
    breaker_close(breaker, report->now_us);
    return true;
}

static int percent_of(const struct breaker *breaker, enum breaker_call call)
{
    int count = 0;
    for (int i = 0; i < breaker->call_count; i++)
        count += breaker->calls[i] == call;
    return count * 100 / breaker->call_count;
}

bool breaker_report(const struct breaker_conf *conf, struct breaker *breaker,
                    const struct breaker_report *report)
{
    if (report->permit != 0)
        return report_probe(conf, breaker, report);
    if (breaker->state != BREAKER_CLOSED || report->epoch != breaker->epoch ||
        report->call == BREAKER_IGNORED)
        return false;
    breaker->calls[breaker->call_next] = (uint8_t)report->call;
    breaker->call_next = (breaker->call_next + 1) % conf->window;
    breaker->call_count += breaker->call_count < conf->window;
    if (breaker->call_count < conf->minimum_calls ||
        (percent_of(breaker, BREAKER_FAILED) < conf->failure_percent &&
         percent_of(breaker, BREAKER_SLOW) < conf->slow_percent))
        return false;
    trip(conf, breaker, report->now_us);
    return true;
}
