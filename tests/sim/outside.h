/*
 * outside: what jobs need beside the runtime's own services: dependencies that go down, and a rate
 * limit that the fleet shares.
 *
 * Is:      also the judge of breakers and limits, where nothing else fails that would explain what
 *          they let through (scenario.is_outside_alone).
 */
#ifndef HAUL_SIM_OUTSIDE_H
#define HAUL_SIM_OUTSIDE_H

#include "model/breaker.h"
#include "run/job_rate.h"

#define OUTSIDE_COUNT 2

struct job;

const char *outside_id(int number); /* from 1 */
void outside_disturb(void);
bool outside_answers(const struct job *job);

struct job_rate outside_rate(void);
MUST_USE enum outcome outside_rate_take(const struct gcra_limit *limit, int64_t cost,
                                        int64_t *ret_wait_us, struct err *err);
void outside_forget(void); /* Redis has */

void outside_judge_run(const struct job *job); /* that begins */
void outside_judge_hold(const struct job *job, const struct err *error);
void outside_judge_request(const struct job *job);

struct breaker_seen { /* the fleet's */
    enum breaker_state state;
    int64_t since_us, not_closed_us;
};
struct breaker_seen breaker_seen(const char *dependency);

#endif
