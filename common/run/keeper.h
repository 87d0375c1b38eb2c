/*
 * keeper: looks after running jobs: renews their leases, learns of cancels and deadlines, tells
 * their progress.
 *
 * Is:      a thread with a connection to Redis, one with a connection to the hub, and a slot a job
 *          that is claimed.
 * Is not:  the judge of a job's outcome: it sets the cancelled flag and keeps why.
 * Owns:    its connections; a slot is its attempt's, in the keeper's list from enter to leave.
 * Threads: any; a slot by one of its attempt's threads at a time.
 */
#ifndef HAUL_RUN_KEEPER_H
#define HAUL_RUN_KEEPER_H

#include "io/pgsql.h"
#include "model/event.h"
#include "run/fleet_clock.h"
#include "run/lease_store.h"
#include "run/outbox.h"

enum stop_reason {
    STOP_NONE,
    STOP_ASKED,    /* haul cancel */
    STOP_DEADLINE, /* the job's own */
    STOP_LEASE,    /* lost, or not renewed for its whole time */
    STOP_SHUTDOWN, /* the grace of SIGTERM is over */
    STOP_HEAD,     /* it alone holds back a full window of its partition */
};

struct keeper_slot {
    struct keeper_slot *previous, *next;
    const void *owner; /* for keeper_stop_of; set before it is entered */
    bool has_lease;
    bool is_entered;
    int renewal;               /* place among those that are being renewed; -1 = none */
    const struct lease *lease; /* the attempt's; with has_lease */
    struct event event; /* who the job is, for its progress events; texts are the attempt's */
    int64_t deadline_us;
    int64_t entered_us, renewed_us; /* monotonic */
    enum stop_reason reason;
    bool cancelled;           /* atomic access only; jobs read it as a volatile bool */
    bool is_over;             /* the work is; the settlement is not */
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
    struct outbox *outbox;
    const char *events_topic;
    struct fleet_clock *clock;
};

struct keeper_hub { /* asked by a thread of its own */
    struct pgsql_conf conf;
    struct pgsql *db; /* opened when first needed */
    pthread_t thread;
    pthread_cond_t wake;
    bool is_asked;
};

struct keeper {
    struct keeper_options options;
    pthread_mutex_t lock;
    pthread_cond_t changed, renewed;
    pthread_t thread;
    bool stopping;
    bool is_asleep; /* waits for the first job: no tick wakes it */
    size_t count;
    struct keeper_slot *slots; /* of all that are entered */
    struct rconn *redis;
    struct keeper_hub hub;
    atomic_int_fast64_t leases_lost;
};

MUST_USE enum outcome keeper_open(struct keeper *keeper, const struct keeper_options *options,
                                  struct err *err);
void keeper_close(struct keeper *keeper);

/* The slot is empty memory, but for its owner. From now on its lease (which may be NULL) is
 * renewed, and its deadline and cancels are minded. `deadline_us` 0 = none. */
void keeper_enter(struct keeper *keeper, struct keeper_slot *slot, const struct lease *lease,
                  int64_t deadline_us);
/* The work begins. `event` says who it is (job_id, kind, attempt, sequence of the next event, ...)
 * and is copied, its texts are not. */
void keeper_work_begins(struct keeper *keeper, struct keeper_slot *slot, const struct event *event);
/* The work is over, the lease still kept: no progress is told any more. Why it was asked to stop,
 * if it was; `sequence` becomes the number of its next event. */
enum stop_reason keeper_work_ended(struct keeper *keeper, struct keeper_slot *slot,
                                   int64_t *ret_sequence);
/* The lease is not renewed any more: a renewal that is on its way is waited for, as long as Redis
 * takes to answer. Takes a slot that was never entered. */
void keeper_leave(struct keeper *keeper, struct keeper_slot *slot);

void keeper_progress(struct keeper *keeper, struct keeper_slot *slot,
                     const struct event_progress *progress);
/* Why the job in the slot should stop; STOP_NONE while it should not. */
enum stop_reason keeper_reason(struct keeper *keeper, struct keeper_slot *slot);
/* Asks every job to stop; with `unleased_only` just those that no lease protects. */
void keeper_stop_all(struct keeper *keeper, enum stop_reason reason, bool unleased_only);

/* Asks the job whose slot has this owner; false when there is none, or it was asked before. */
bool keeper_stop_of(struct keeper *keeper, const void *owner, enum stop_reason reason);

#endif
