/* outside: what jobs need beside the runtime's own services: dependencies that go down, and a rate
 * limit that the fleet shares; and what must hold of them where nothing else is in the way. */
#include "outside.h"

#include "world.h"

#include <stdio.h>

/* Until all know that a breaker is open, and what was let through before that has begun. */
#define HEARD_US (1 * SECOND)
/* From the limit's yes until the request is on its way. */
#define ON_ITS_WAY_US (20 * MS)
#define REQUESTS_MAX 8192
#define BACK_MAX 64 /* so many requests back is looked */

static struct service services[OUTSIDE_COUNT] = {{.name = "outside 1"}, {.name = "outside 2"}};

/* ---- dependencies ---- */

const char *outside_id(int number)
{
    static const char *const ids[OUTSIDE_COUNT + 1] = {"", "o1", "o2"};
    return ids[number];
}

void outside_disturb(void)
{
    service_down(&services[dice(OUTSIDE_COUNT)], dice_span(500 * MS, 10 * SECOND));
}

bool outside_answers(const struct job *job)
{
    if (job->needs == 0)
        return true;
    fiber_sleep(latency_us());
    return !services[job->needs - 1].is_down;
}

static struct breaker_seen seen_of(const struct job *job)
{
    char name[32];
    (void)snprintf(name, sizeof name, "api:%s", outside_id(job->needs));
    return breaker_seen(name);
}

/* An open breaker lets nothing through, a half-open one a probe at a time. */
void outside_judge_run(const struct job *job)
{
    if (!scenario.is_outside_alone || job->needs == 0)
        return;
    struct breaker_seen seen = seen_of(job);
    if (seen.state == BREAKER_CLOSED || world_us - seen.not_closed_us < HEARD_US)
        return;
    if (seen.state == BREAKER_OPEN)
        violation(job, "breaker", "%s runs, its breaker has been open for %.3f s", job->id,
                  (double)(world_us - seen.not_closed_us) / (double)SECOND);
    int others = kinds_runs_since(job->needs, seen.since_us);
    if (others > 0)
        violation(job, "probes", "%s is probe number %d at once", job->id, others + 1);
}

void outside_judge_hold(const struct job *job, const struct err *error)
{
    if (job->needs == 0 && error != NULL && strcmp(error->code, "breaker.open") == 0)
        violation(job, "breaker", "%s is held, and it needs nothing", job->id);
}

/* ---- the rate limit ---- */

static int64_t tat_us;
static int64_t requests_us[REQUESTS_MAX];
static int request_count;

void outside_forget(void)
{
    tat_us = 0;
}

struct job_rate outside_rate(void)
{
    return (struct job_rate){
        .provider = "p",
        .credential = "c",
        .limit = {.period_us = SECOND, .count = scenario.rate, .burst = scenario.rate_burst}};
}

/* The machine of model/gcra, on the world's own clock. */
enum outcome outside_rate_take(const struct gcra_limit *limit, int64_t cost, int64_t *ret_wait_us,
                               struct err *err)
{
    TRY(service_reach(&redis_service, err));
    struct gcra_request request = {.now_us = world_us, .cost = cost};
    struct gcra_verdict verdict = gcra_decide(limit, tat_us, &request);
    tat_us = verdict.tat_us;
    *ret_wait_us = verdict.wait_us;
    trace("rate", "%s", verdict.wait_us == 0 ? "taken" : "to wait");
    return service_return(&redis_service, err);
}

/* In any time no more than a burst and what that time is good for. */
void outside_judge_request(const struct job *job)
{
    if (!scenario.is_outside_alone || request_count == REQUESTS_MAX)
        return;
    int last = request_count++;
    requests_us[last] = world_us;
    for (int back = 1; back <= last && back <= BACK_MAX; back++) {
        int64_t time_us = world_us - requests_us[last - back] + ON_ITS_WAY_US;
        if (back + 1 > scenario.rate_burst + 1 + time_us * scenario.rate / SECOND)
            violation(job, "rate", "%d requests within %.3f s, of %d a second and %d at once",
                      back + 1, (double)(time_us - ON_ITS_WAY_US) / (double)SECOND, scenario.rate,
                      scenario.rate_burst);
    }
}
