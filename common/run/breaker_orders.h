/*
 * breaker_orders: what operators ordered of circuit breakers, as it stands in the hub.
 *
 * Is:      the truth of what is forced open; run/breaker_store has a copy that may be lost.
 * Is not:  how breakers stand that opened by themselves: the fleet forgets those with Redis.
 * Owns:    nothing. Texts that are returned live in the caller's arena.
 * Threads: as its pgsql.
 *
 * Of two orders for a dependency the one of the greater version counts, whoever carries it: the
 * command that gave it, or a worker that restores what Redis has lost. All fail as pgsql_query
 * does.
 */
#ifndef HAUL_RUN_BREAKER_ORDERS_H
#define HAUL_RUN_BREAKER_ORDERS_H

#include "base/arena.h"
#include "io/pgsql.h"

struct breaker_order {
    const char *dependency;
    int64_t version;
    bool is_open; /* forced open; false: that is over */
    const char *actor, *reason;
    int64_t at_us; /* since the epoch, by the hub's clock */
};
struct breaker_orders {
    const struct breaker_order *items;
    size_t count;
};

/* The last order for each dependency; those that ended one for a month. */
MUST_USE enum outcome breaker_orders_read(struct pgsql *db, struct arena *arena,
                                          struct breaker_orders *ret_orders, struct err *err);

/* Stands, and is in the audit log, when this returns; all but version and time is read. */
MUST_USE enum outcome breaker_orders_give(struct pgsql *db, const struct breaker_order *order,
                                          int64_t *ret_version, struct err *err);

#endif
