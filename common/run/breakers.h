/*
 * breakers: the circuit breakers of what a process's jobs depend on, shared with the fleet.
 *
 * Is:      per dependency how the fleet's breaker stands (run/breaker_store), as of the last
 *          refresh; the calls that ended here and are to be told to the fleet; and a breaker of its
 *          own (model/breaker), which decides while Redis can't be reached. What operators hold
 *          open (run/breaker_orders) is held in any case, and told to a Redis that has lost it.
 * Is not:  the one who knows whose fault a failure was: the caller says so.
 * Owns:    a thread with a connection to Redis and one to the hub: it tells, refreshes, and renews
 *          the leases of the probes that are under way here.
 * Threads: any. No call waits for the network but breakers_admit, by the connection it is given.
 *
 * A dependency is a text of at most BREAKER_NAME_MAX bytes without spaces: "connection:ws:shop".
 */
#ifndef HAUL_RUN_BREAKERS_H
#define HAUL_RUN_BREAKERS_H

#include "run/breaker_store.h"
#include "run/worker.h"

struct breakers;

struct breakers_options {
    const struct rconn_conf *redis;
    const struct pgsql_conf *hub; /* what operators ordered stands there */
    const char *prefix;
    struct breaker_conf conf;
    int64_t refresh_ms; /* between looks at the fleet's state; trouble is told at once */
};

MUST_USE enum outcome breakers_open(const struct breakers_options *options,
                                    struct breakers **ret_breakers, struct err *err);
void breakers_close(struct breakers *breakers); /* takes NULL; what is not yet told is told, once */

/* What a job was let through with; embedded in it, zeroed at first. */
struct breaker_pass {
    char dependency[BREAKER_NAME_MAX + 1];
    int64_t epoch;
    int64_t permit;   /* of a probe; 0 = none */
    bool is_local;    /* decided without the fleet */
    bool is_reported; /* how the call went is known */
};
struct breaker_gate {
    struct breaker_pass passes[DEPENDENCIES_MAX];
    size_t count;
    /* breakers_admit's answer */
    bool is_open; /* may not run now: by passes[denied_by] */
    size_t denied_by;
    int64_t wait_us; /* then: how long until it is worth asking again */
};

/* Adds a dependency; one that is there already, too long or one too many is left out. */
void breaker_gate_add(struct breaker_gate *gate, const char *dependency);

/*
 * Decides for each gate whether its job may run. One batch call of Redis, and only when a probe's
 * permit is wanted; when that fails the local breakers decide. What is let through must be
 * reported, or released.
 */
void breakers_admit(struct breakers *breakers, struct rconn *conn, struct arena *arena,
                    struct breaker_gate *const *gates, size_t count);

/* What was let through a while ago begins now: false when a breaker has opened since, as far as is
 * known here; the gate then stands as after breakers_admit. A probe goes on. */
bool breakers_still_admit(struct breakers *breakers, struct breaker_gate *gate);

/* How the call of one dependency (its place in the gate) went. The first report counts. */
void breakers_report(struct breakers *breakers, struct breaker_gate *gate, size_t dependency,
                     enum breaker_call call);
/* It is up, the call goes on: all that a probe is to find out. The report is still to come. */
void breakers_report_up(struct breakers *breakers, struct breaker_gate *gate, size_t dependency);
/* The job is over: all that was not reported went like this. */
void breakers_end(struct breakers *breakers, struct breaker_gate *gate, enum breaker_call call);

struct breakers_counts {
    int64_t by_state[BREAKER_STATE_COUNT]; /* as seen here; closed: of those that were used */
    int64_t denied;                        /* jobs that were held back, since the start */
    bool is_local;                         /* Redis can't be reached */
};
void breakers_count(struct breakers *breakers, struct breakers_counts *ret_counts);

#endif
