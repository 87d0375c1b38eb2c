/*
 * lease_store: leases and cancel flags as they stand in Redis.
 *
 * Is:      `<prefix>lease:<job>` = token with an expiry, `<prefix>cancel:<job>` = a flag with one;
 *          `<prefix>cap:<cap>` = the tokens of leases that count against one cap, each until it
 *          expires.
 * Is not:  a truth: Redis may forget all of it; fences and the ledger keep jobs safe.
 * Threads: as its rconn.
 *
 * All fail as rconn_command does. A worker takes every failure for an outage: it waits.
 */
#ifndef HAUL_RUN_LEASE_STORE_H
#define HAUL_RUN_LEASE_STORE_H

#include "io/redis.h"

#define LEASE_TOKEN_SIZE 64

struct lease {
    const char *job_id;
    char token[LEASE_TOKEN_SIZE]; /* of one start of one worker */
    const char *cap;              /* what it counts against: "sql-sync:acme"; NULL = nothing */
    int64_t cap_max;              /* leases that may be held of it, in the whole fleet */
};

enum lease_state {
    LEASE_KEPT,      /* ours (a lease that Redis had forgotten is taken again) */
    LEASE_LOST,      /* another one holds it */
    LEASE_CANCELLED, /* ours, and a cancel is asked for */
};

struct leases {
    const struct lease *items;
    size_t count;
};

/* Takes each one that nobody holds, and whose cap has room, in one round trip: `ret_taken` has an
 * item a lease. After a failure some may be taken all the same: the same token may take its own
 * again. */
MUST_USE enum outcome lease_store_acquire_many(struct rconn *conn, const char *prefix,
                                               struct leases leases, int64_t ttl_ms,
                                               struct arena *arena, bool *ret_taken,
                                               struct err *err);

/* Renews all in one round trip; `ret_states` has an item a lease. */
MUST_USE enum outcome lease_store_renew(struct rconn *conn, const char *prefix,
                                        struct leases leases, int64_t ttl_ms, struct arena *arena,
                                        enum lease_state *ret_states, struct err *err);

/* Gives up those that are ours, in one round trip; with `clear_cancel[i]` its cancel flag too. */
MUST_USE enum outcome lease_store_release_many(struct rconn *conn, const char *prefix,
                                               struct leases leases, const bool *clear_cancel,
                                               struct arena *arena, struct err *err);

/* The flag that the holder sees at its next renewal. */
MUST_USE enum outcome lease_store_flag_cancel(struct rconn *conn, const char *prefix,
                                              const char *job_id, struct arena *arena,
                                              struct err *err);

#endif
