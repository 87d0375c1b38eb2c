/*
 * cancel: asks for the end of a job, whatever it is doing.
 *
 * Is:      what `haul cancel` calls: the ledger first (it decides), then the flag in Redis that a
 *          running job's worker sees at its next lease renewal.
 * Threads: as its connections.
 */
#ifndef HAUL_RUN_CANCEL_H
#define HAUL_RUN_CANCEL_H

#include "io/kafka.h"
#include "io/redis.h"
#include "run/ledger.h"

struct cancel_services {
    struct pgsql *db;
    struct rconn *redis;             /* NULL: workers see it later, by asking the hub */
    struct kafka_producer *producer; /* tells `cancelled` of a job that was waiting */
    const char *topic_prefix;
};

/* OK also when it comes too late: ret_verdict says so. Fails as ledger_cancel; a failing Redis does
 * not count; RETRY of the producer when the event could not be told: asking again tells it. */
MUST_USE enum outcome cancel_job(const struct cancel_services *services,
                                 const struct ledger_cancel *cancel, struct arena *arena,
                                 enum ledger_cancel_verdict *ret_verdict, struct err *err);

#endif
