/*
 * rate_limits: the limits of providers, kept by the whole fleet.
 *
 * Is:      model/gcra per provider and credential as a Lua script, on Redis's own clock:
 *          `<prefix>rate:<provider>:<credential>` is a hash of the stored time, a block that the
 *          provider asked for, and a stored time a workspace.
 * Is not:  a queue: who is refused is told how long to wait.
 * Owns:    nothing.
 * Threads: as its rconn.
 *
 * Fair: a workspace that asks while others were refused of late gets at most its share of the rate
 * and of the burst. Urgent first: default leaves a tenth of the burst, bulk three tenths.
 * All fail as rconn_command does.
 */
#ifndef HAUL_RUN_RATE_LIMITS_H
#define HAUL_RUN_RATE_LIMITS_H

#include "io/redis.h"
#include "model/gcra.h"
#include "model/job.h"
#include "model/rate_headers.h"

struct rate_key {
    const char *provider;   /* "github" */
    const char *credential; /* what the provider counts by: a connection's id; no secret */
    struct gcra_limit limit;
};

struct rate_request {
    struct rate_key key;
    const char *workspace_id;
    enum job_priority priority;
    int64_t cost; /* >= 1 */
};

/* One round trip. `ret_wait_us` has an item a request: 0 = go, and it is counted. PERMANENT
 * "rate.limit" when a limit is none. */
MUST_USE enum outcome rate_limits_take(struct rconn *conn, const char *prefix,
                                       const struct rate_request *requests, size_t count,
                                       struct arena *arena, int64_t *ret_wait_us, struct err *err);

/* Takes in what the provider's answer said of the limit. */
MUST_USE enum outcome rate_limits_tell(struct rconn *conn, const char *prefix,
                                       const struct rate_key *key, const struct rate_told *told,
                                       struct arena *arena, struct err *err);

#endif
