/*
 * settler: the thread that settles attempts, many at a time.
 *
 * Is:      the ledger's answer for all of them in one call, then the records and events that
 *          follow, then their leases given up in one round trip.
 * Is not:  a judge: the plan of each is made (run/settle_plan).
 * Owns:    its connections to the hub and Redis.
 * Threads: its own.
 */
#ifndef HAUL_RUN_SETTLER_H
#define HAUL_RUN_SETTLER_H

#include "run/runtime.h"
#include "run/service_wait.h"

struct settler {
    struct runtime *rt;
    pthread_t thread;
    struct rconn *redis;
    struct pgsql *hub; /* NULL until it could be reached */
};

MUST_USE enum outcome settler_start(struct settler *settler, struct runtime *rt, struct err *err);
/* Waits for its end, which comes when the settling queue is closed and empty. */
void settler_join(struct settler *settler);

#endif
