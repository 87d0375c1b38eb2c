/*
 * keeper: looks after running jobs: renews their leases, learns of cancels and deadlines, tells
 * their progress.
 *
 * Is:      one thread a process with its own connections, and a slot a job thread.
 * Is not:  the judge of a job's outcome: it sets the cancelled flag and keeps why.
 * Owns:    its connections; of a running job only what its slot holds.
 * Threads: each slot is entered and left by its job thread.
 */
#ifndef HAUL_RUN_KEEPER_H
#define HAUL_RUN_KEEPER_H

#include "io/pgsql.h"
#include "model/event.h"
#include "run/lease_store.h"
#include "run/outbox.h"

enum stop_reason {
    STOP_NONE,
    STOP_ASKED,    /* haul cancel */
    STOP_DEADLINE, /* the job's own */
    STOP_LEASE,    /* lost, or not renewed for its whole time */
    STOP_SHUTDOWN, /* the grace of SIGTERM is over */
};

struct keeper_slot {
    bool used;
    bool has_lease;
    struct lease lease;
    struct event event; /* who the job is, for its progress events; texts are the job thread's */
    int64_t deadline_us;
    int64_t renewed_us; /* monotonic */
    enum stop_reason reason;
    bool cancelled;           /* atomic access only; jobs read it as a volatile bool */
    bool is_telling, is_news; /* progress */
    struct event_progress progress;
    int64_t told_us, began_us, began_rows;
    int64_t sequence; /* of the next event */
};

struct keeper_options {
    const char *prefix; /* of topics and keys */
    const struct rconn_conf *redis;
    const struct pgsql_conf *hub;
    int64_t lease_ttl_ms;
    size_t slot_count;
    struct outbox *outbox;
    const char *events_topic;
};

struct keeper {
    struct keeper_options options;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool stopping;
    size_t used_count;
    struct keeper_slot *slots;
    struct rconn *redis;
    struct pgsql *hub; /* opened when first needed */
    atomic_int_fast64_t leases_lost;
};

MUST_USE enum outcome keeper_open(struct keeper *keeper, const struct keeper_options *options,
                                  struct err *err);
void keeper_close(struct keeper *keeper);

/* A job begins in a slot. `event` says who it is (job_id, kind, attempt, sequence of the next
 * event, ...) and is copied, its texts are not. `lease` may be NULL. */
void keeper_enter(struct keeper *keeper, size_t slot, const struct event *event,
                  const struct lease *lease, int64_t deadline_us);
/* The work is over, the lease still kept: no progress is told any more. Why it was asked to stop,
 * if it was, and the number of its next event. */
enum stop_reason keeper_work_ended(struct keeper *keeper, size_t slot, int64_t *ret_sequence);
/* The lease is not renewed any more. */
void keeper_leave(struct keeper *keeper, size_t slot);

void keeper_progress(struct keeper *keeper, size_t slot, const struct event_progress *progress);
/* Why the job in the slot should stop; STOP_NONE while it should not. */
enum stop_reason keeper_reason(struct keeper *keeper, size_t slot);
/* Asks every job to stop. */
void keeper_stop_all(struct keeper *keeper, enum stop_reason reason);

#endif
