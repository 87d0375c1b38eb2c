/*
 * dispatch: the thread that decides what runs next.
 *
 * Is:      decodes what the poll thread hands over (arrive.c), keeps it in the fair queue
 *          (model/fair), and takes from there, in batches, as much as can begin soon: leases in one
 *          round trip, claims in one call (claim.c), then to the job threads.
 * Is not:  a judge of outcomes; nor does it wait for a job.
 * Owns:    attempts from the inbox until it hands them on; frees them when they come back.
 * Threads: its own; the note calls by any.
 *
 * How much is claimed: as many as there are free job threads, and for short jobs as many more as
 * will begin within LOOKAHEAD_US. A long job is claimed when a thread is there for it, so that what
 * waits is counted as no start, holds no lease, and can be dropped at a rebalance.
 */
#ifndef HAUL_RUN_DISPATCH_H
#define HAUL_RUN_DISPATCH_H

#include "model/pace.h"
#include "run/attempt.h"
#include "run/service_wait.h"

#define DISPATCH_BATCH_MAX 1024 /* many: a call costs the hub as much as some forty jobs */

struct attempts { /* a list, oldest first */
    struct attempt *first, *last;
};

struct dispatcher {
    struct runtime *rt;
    pthread_t thread;
    struct fair fair;
    struct rconn *redis;
    struct pgsql *hub;        /* NULL until it could be reached */
    struct attempts arrived;  /* ordered, to move: to get their places (place.c) */
    struct attempts parked;   /* to be claimed again at their time; in flight */
    struct attempts suspects; /* to be claimed one at a time; in flight */
    struct line line;         /* to be claimed again at their turn (turn.h); not in flight */
    struct attempts moved;    /* to the bulk topic (run/share); on their way to the settler */
    struct attempt *suspect;  /* the one that runs */
    bool is_parked_first;     /* the odd one that may be claimed is of these */
    uint64_t starts;          /* makes lease tokens unique */
    struct service_wait redis_wait, hub_wait;
    int64_t clock_due_us;  /* monotonic; the hub is asked for its time */
    int64_t clock_took_us; /* the answer that the clock is set by; 0 = none yet */
    uint64_t epoch;        /* what is of an earlier one has been dropped */
    struct pace pace;
    bool has_placed[RUNTIME_OVER_MAX]; /* what was here of rt->over when it got there */
    int64_t room_due_us;               /* monotonic; when a full buffer is looked at next */
    int64_t memory_due_us;             /* monotonic; when it is looked what memory is kept */
};

MUST_USE enum outcome dispatch_start(struct dispatcher *d, struct runtime *rt, struct err *err);
/* Waits for its end, which comes when the process stops and every attempt is over. */
void dispatch_join(struct dispatcher *d);

/* The poll thread hands over deliveries: each becomes an attempt (NULL without memory), and many
 * go to the inbox together. */
struct attempt *dispatch_make(struct runtime *rt, struct delivery *delivery);
void dispatch_give(struct runtime *rt, struct attempts *list); /* empties it */

/* A job thread took an attempt, or is through with one: there may be room for more. */
void dispatch_note_taken(struct runtime *rt);
/* How long a job ran. */
void dispatch_note_run(struct runtime *rt, int64_t run_us);

/* ---- between its files ---- */

struct batch {
    struct attempt *items[DISPATCH_BATCH_MAX];
    size_t count;
};

/* What comes: decoded, if it must be; to its place, the fair queue, or the bulk topic. */
void dispatch_receive(struct dispatcher *d, struct attempt *a);
/* Its kind is ordered, and it has no place in the ledger that it could move with. */
bool dispatch_needs_place(const struct attempt *a);
/* Of an earlier assignment, or nothing is begun any more. Who was stale once remains so. */
bool dispatch_is_stale(struct runtime *rt, const struct attempt *a);
/* Gives their places to those that have arrived, behind all that their workspaces have here, and
 * admits them. */
void dispatch_place(struct dispatcher *d);
/* The first half of it, for one workspace that has too much. */
void dispatch_place_before(struct dispatcher *d, uint64_t tenant);
/* Into the fair queue, or to the bulk topic. */
void dispatch_admit(struct dispatcher *d, struct attempt *a);
/* No-op while it is open. */
MUST_USE enum outcome dispatch_open_hub(struct dispatcher *d, struct err *err);
/* So many jobs are claimed beyond what the threads can run at once, that none waits for the next:
 * few milliseconds' work. */
int64_t dispatch_lookahead(struct runtime *rt);
/* How many more may be claimed now. */
int64_t dispatch_credit(const struct dispatcher *d);
/* Claims as many, those to be tried again too. True: something was handed on. */
bool dispatch_hand_out(struct dispatcher *d);
/* Leases and claims; hands each one on. */
void dispatch_claim(struct dispatcher *d, struct batch *batch);
/* Asks the hub for its time now and then. */
void dispatch_set_clock(struct dispatcher *d);
/* Tries it again later; it keeps its place in flight. */
void dispatch_park(struct dispatcher *d, struct attempt *a, int64_t after_us);
/* Its place in flight is given up, its record will be delivered again. */
void dispatch_drop(struct dispatcher *d, struct attempt *a);

static inline void attempts_add(struct attempts *list, struct attempt *a)
{
    a->node.next = NULL;
    if (list->last == NULL)
        list->first = a;
    else
        list->last->node.next = &a->node;
    list->last = a;
}

static inline struct attempt *attempt_next(const struct attempt *a)
{
    return a->node.next == NULL ? NULL : attempt_of(a->node.next);
}

static inline struct attempt *attempts_take(struct attempts *list)
{
    struct attempt *a = list->first;
    if (a == NULL)
        return NULL;
    list->first = attempt_next(a);
    if (list->first == NULL)
        list->last = NULL;
    return a;
}

#endif
