/*
 * job_rate: a provider's rate limit, for what a kind or its connectors ask of that provider.
 *
 * Is:      run/rate_limits for a job: shared by the fleet, fair between workspaces, the urgent
 *          first; while Redis can't be reached each process keeps to the limit by itself.
 * Threads: the thread that `run` was called on.
 */
#ifndef HAUL_RUN_JOB_RATE_H
#define HAUL_RUN_JOB_RATE_H

#include "model/gcra.h"
#include "model/rate_headers.h"
#include "run/worker.h"

struct job_rate {
    const char *provider;   /* "github" */
    const char *credential; /* what the provider counts by: a connection's id; no secret */
    struct gcra_limit limit;
    int64_t cost; /* of the request; 0 = 1 */
};

/*
 * Before a request: waits for its turn, for at most `wait_max_ms`. THROTTLED "rate.limited" with
 * the time to wait when that would be longer, so that `run` can return it and the thread is free;
 * CANCELLED as job_check does; PERMANENT "rate.limit" when the limit is none.
 */
MUST_USE enum outcome job_rate_take(struct job_context *job, const struct job_rate *rate,
                                    int64_t wait_max_ms, struct err *err);

/* After it: what the answer's headers said. */
void job_rate_tell(struct job_context *job, const struct job_rate *rate,
                   const struct rate_told *told);

#endif
