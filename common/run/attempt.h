/*
 * attempt: one delivery on its way through the worker's threads, from its bytes to its outcome.
 *
 * Is:      poll thread makes it -> dispatcher (decode, lease, claim) -> job thread (work) ->
 *          settler (ledger, records, events) -> dispatcher, that frees it. attempt.c: making and
 *          decoding; work.c: what a kind sees; settle_plan.c: what the outcome leads to;
 *          settle_tell.c: the records and events of that.
 * Owns:    its arena and result. Its delivery until that is settled; after it the delivery may be
 *          gone at any time.
 * Threads: whoever holds it; its slot is also the keeper's.
 */
#ifndef HAUL_RUN_ATTEMPT_H
#define HAUL_RUN_ATTEMPT_H

#include "model/fair.h"
#include "model/job.h"
#include "model/line.h"
#include "run/ledger.h"
#include "run/outcome_table.h"
#include "run/runtime.h"

#define ATTEMPTS_DEFAULT 8
#define ATTEMPTS_AT_REST 256  /* as many as that in the buffer are no load */
#define SEQUENCE_STEP 1000000 /* numbers of events, for each start of a job */

/* What becomes of the job. */
enum plan_kind {
    PLAN_NONE,
    PLAN_END,       /* a terminal state: `state` */
    PLAN_WAIT,      /* a later attempt: `next_attempt`, `tier`, `due_us` */
    PLAN_HAND_BACK, /* as if it had not been started */
    PLAN_TELL,      /* it had ended before, or was ended by the claim: tells `claimed` again */
    PLAN_LATER,     /* not due yet: to the retry topic of `due_us`, nothing counted */
    PLAN_DEMOTE,    /* more than its workspace's share: to the topic of bulk jobs */
    PLAN_NAMELESS,  /* no id: a dead letter is all that can be made of it */
};

struct plan {
    enum plan_kind kind;
    enum event_state state;
    int next_attempt;
    size_t tier;
    int64_t due_us;
    int64_t sequence;     /* of its event */
    int64_t wait_fence;   /* PLAN_WAIT, PLAN_HAND_BACK: the ledger's, from now on */
    bool is_for_children; /* PLAN_WAIT: due_us is a safety net, a wake may come at any time */
};

struct attempt {
    struct node node;
    struct fair_item item;    /* the dispatcher's */
    struct line_item turn;    /* as well (run/turn) */
    int64_t in_line_since_us; /* monotonic; when it was first; 0 = not yet */
    struct runtime *rt;
    struct delivery *delivery;
    bool is_bulk;         /* came by the topic of bulk jobs */
    bool is_over;         /* comes back to the dispatcher to be freed */
    bool is_woken_by_net; /* a parent's: run again by a record of its own, not by this one */
    bool is_suspect;      /* its last start: no other such job runs beside it */
    int64_t again_at_us;  /* monotonic; parked until then */
    struct arena arena;
    struct job_trail trail;
    /* What the record says; id NULL: nothing that can be told about. */
    const char *id, *workspace_id, *kind_name;
    struct job job;
    const struct kind_entry *kind; /* NULL = unknown */
    size_t kind_number;            /* of metrics */
    struct job_data data;
    /* The outcome so far; not OK before the run: the run is left out. */
    enum outcome outcome;
    struct err err;
    bool has_lease, in_ledger; /* in_ledger: claimed */
    bool is_refused;           /* its workspace has as many leases as its cap allows */
    struct lease lease;
    struct keeper_slot slot;
    struct ledger_claimed claimed; /* texts in the arena */
    int number, max_attempts;      /* of the attempt */
    int redrive_count;
    int64_t deadline_us;
    int64_t sequence; /* of the next event */
    int64_t began_us;
    bool is_placed;            /* its place among those of its subject stands in the ledger */
    bool is_glanced;           /* not decoded yet */
    bool has_run;              /* its kind was called */
    struct breaker_gate *gate; /* in the arena; NULL = depends on nothing, or not asked yet */
    size_t depends_on[DEPENDENCIES_MAX], depends_count; /* places in the gate */
    struct plan plan;
    struct str result;
};

static inline struct attempt *attempt_of(struct node *node)
{
    return (struct attempt *)(void *)node;
}

static inline struct attempt *attempt_of_item(struct fair_item *item)
{
    return (struct attempt *)(void *)((char *)item - offsetof(struct attempt, item));
}

static inline struct attempt *attempt_of_turn(struct line_item *item)
{
    return (struct attempt *)(void *)((char *)item - offsetof(struct attempt, turn));
}

/* NULL without memory. */
struct attempt *attempt_new(struct runtime *rt, struct delivery *delivery);
void attempt_free(struct attempt *a);
/* Frees most of what attempt_free keeps for the next ones. */
void attempts_rest(struct runtime *rt);
/* Frees all of it. */
void attempts_forget_spare(struct runtime *rt);

/* NULL = this worker has none of that name. */
const struct kind_entry *attempt_kind_named(const struct runtime *rt, struct slice name);
/* What stands for a workspace or a subject where they are counted and put in order. */
uint64_t attempt_number_of(struct slice text);

/* Reads its record: the fields from `trail` to `deadline_us`; outcome and err when it is no good
 * job. RETRY "no_memory": to be taken again. */
MUST_USE enum outcome attempt_decode(struct attempt *a, struct err *err);

/* The same of no more than a place in the ledger and a move take; to be decoded before it is run.
 * RETRY "no_memory". */
MUST_USE enum outcome attempt_glance(struct attempt *a, const struct kind_entry *kind,
                                     const struct job_glance *glance, struct err *err);

/* PERMANENT "job.deadline" when it has passed. */
MUST_USE enum outcome attempt_check_deadline(const struct attempt *a, struct err *err);

/* True for kinds that need neither lease nor ledger. */
static inline bool attempt_is_idempotent(const struct attempt *a)
{
    return a->kind != NULL && a->kind->kind->idempotent;
}

/* Wall clock; what its headers and its data ask for. 0 = at once. */
int64_t attempt_not_before_us(const struct attempt *a);

/* Of the ledger and the lease: what claims it. */
struct ledger_claim attempt_claim(const struct attempt *a);
/* The answer; of a job that has ended, its texts are copied: RETRY "no_memory". */
MUST_USE enum outcome attempt_claimed(struct attempt *a, const struct ledger_claimed *claimed,
                                      struct err *err);

/* The event of this attempt; uses up a sequence number. */
struct event attempt_event(struct attempt *a, enum event_state state);

/* The delivery's fate is told; the attempt goes back to the dispatcher, by the caller or at once.
 */
void attempt_settled(struct attempt *a, enum delivery_fate fate);
void attempt_over(struct attempt *a, enum delivery_fate fate);
/* The same for many, with one wake. */
void attempts_over(struct attempt *const *list, const enum delivery_fate *fates, size_t count);

/* ---- work.c ---- */

struct job_thread;
/* Tells that it was accepted, if this is its first start. */
void attempt_tell_accepted(struct attempt *a);
/* Tells that it begins, runs it (unless its outcome is known), and plans what follows. */
void attempt_work(struct job_thread *thread, struct attempt *a);

/* ---- settle_plan.c ---- */

/* The run is over (or was left out): outcome, err, result are set. */
void settle_plan(struct attempt *a, enum stop_reason reason);
/* It waits for `due_us`, nothing counted. */
void settle_plan_later(struct attempt *a, int64_t due_us);

/* ---- settle_tell.c ---- */

/* The ledger agreed (or is not asked): logs, counts, sends what follows from the plan. */
enum delivery_fate settle_tell(struct attempt *a);
/* Another start owns the job. */
enum delivery_fate settle_fenced(struct attempt *a);

#endif
