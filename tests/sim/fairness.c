/* fairness: what one workspace may have of the workers, and that others do not wait for it; see
 * world.h. */
#include "world.h"

/* Until it is known how long jobs take, and what is beyond a share has been put aside; then the
 * jobs that began or were read before, and a turn of each workspace. */
#define FLOOD_WAIT_US (2 * SECOND)
#define FLOOD_TURNS 8
/* The class below may have its one turn of sixteen. */
#define CLASS_WAIT_US (300 * MS)
#define CLASS_TURNS 4

bool fairness_is_urgent(const struct job *job)
{
    return scenario.crowd == CROWD_MANY ? job->topic == topics_of_jobs[1] : job->workspace > 0;
}

static void judge_wait(const struct job *job)
{
    static const char *const rules[] = {[CROWD_FLOOD] = "starved by a flood",
                                        [CROWD_BULK_FLOOD] = "starved by a bulk flood",
                                        [CROWD_MANY] = "starved by a lower class"};
    bool is_flood = scenario.crowd != CROWD_MANY;
    int64_t least_us = is_flood ? FLOOD_WAIT_US : CLASS_WAIT_US;
    int64_t turns_us = (is_flood ? FLOOD_TURNS : CLASS_TURNS) * scenario.work_max_us;
    int64_t waited_us = world_us - job->produced_us;
    if (scenario.crowd != CROWD_NONE && fairness_is_urgent(job) && waited_us > least_us + turns_us)
        violation(job, rules[scenario.crowd], "%s of workspace %d begins after %.3f s", job->id,
                  job->workspace, (double)waited_us / (double)SECOND);
}

/* Where leases are forgotten or expire, only those that stood since they were taken tell. */
static bool counts(const struct job *job)
{
    return job->running > 0 && job->kind != KIND_IDEMPOTENT &&
           (scenario.crowd != CROWD_NONE || redis_has_whole_lease(job));
}

static void judge_cap(const struct job *job)
{
    int running = 0;
    for (int i = 0; i < job_count; i++)
        running += jobs[i].workspace == job->workspace && counts(&jobs[i]);
    if (scenario.workspace_max > 0 && running > scenario.workspace_max)
        violation(job, "workspace cap", "%d jobs of workspace %d run, its most are %d", running,
                  job->workspace, scenario.workspace_max);
}

void fairness_judge_run(const struct job *job)
{
    judge_wait(job);
    judge_cap(job);
}
