/*
 * breaker_store: the fleet's circuit breakers as they stand in Redis.
 *
 * Is:      model/breaker's machine as one Lua script: `<prefix>breaker:<dependency>` is a hash of
 *          its fields, changed by that script alone, on Redis's own clock; `<prefix>breakers` maps
 *          each dependency whose breaker is not closed to how it stands.
 * Is not:  a truth: Redis may forget all of it; then every breaker is closed, until a worker
 *          restores from run/breaker_orders those that an operator holds open.
 * Threads: as its rconn.
 *
 * All fail as rconn_command does.
 */
#ifndef HAUL_RUN_BREAKER_STORE_H
#define HAUL_RUN_BREAKER_STORE_H

#include "io/redis.h"
#include "model/breaker.h"

#define BREAKER_NAME_MAX 200
#define BREAKER_EPOCH_UNKNOWN (-1) /* of a call let through before anything was known */

enum breaker_op {
    BREAKER_OP_REPORT, /* `calls` ended that were let through in `epoch`; or the probe's one */
    BREAKER_OP_PROBE,  /* the permit of a probe is wanted */
    BREAKER_OP_RENEW,  /* the holder of `permit` is alive */
    BREAKER_OP_FORCE_OPEN,
    BREAKER_OP_CLOSE,
    BREAKER_OP_LIFT, /* closes one that is forced open, and no other */
};

struct breaker_request {
    enum breaker_op op;
    const char *dependency;
    int64_t epoch;
    int64_t permit;     /* 0 = no probe */
    const char *calls;  /* a letter each: o ok, s slow, f failed, i ignored */
    const char *reason; /* of an operator's; NULL = none */
    int64_t order;      /* of an operator's: its version; one that is not greater than the last one
                           changes nothing; 0 = none */
};

/* How a breaker stands; times are waits from now on. */
struct breaker_view {
    enum breaker_state state, before; /* before: as it was when the request came */
    int64_t epoch;
    int64_t
        wait_us;    /* open: until a probe may be asked for; half-open: the probe's lease; else 0 */
    int64_t permit; /* BREAKER_OP_PROBE: the permit; RENEW: the same; 0 = not given */
    int64_t order;  /* version of the last order that came here; 0 = none is known */
};

/* One round trip; writes a view a request. */
MUST_USE enum outcome breaker_store_apply(struct rconn *conn, const char *prefix,
                                          const struct breaker_conf *conf,
                                          const struct breaker_request *requests, size_t count,
                                          struct arena *arena, struct breaker_view *ret_views,
                                          struct err *err);

struct breaker_row {
    const char *dependency;
    struct breaker_view view;
    const char *reason;     /* "" = none: it tripped */
    int64_t changed_ago_us; /* since its state changed */
};
struct breaker_rows {
    const struct breaker_row *items;
    size_t count;
};
/* Those that are not closed. */
MUST_USE enum outcome breaker_store_list(struct rconn *conn, const char *prefix,
                                         struct arena *arena, struct breaker_rows *ret_rows,
                                         struct err *err);

#endif
