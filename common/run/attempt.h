/*
 * attempt: one delivery done by a job thread, from its bytes to its outcome.
 *
 * Is:      attempt.c: decode, lease, claim, run. settle.c: what the outcome leads to.
 * Owns:    the job's arena and result, for the length of attempt_run.
 */
#ifndef HAUL_RUN_ATTEMPT_H
#define HAUL_RUN_ATTEMPT_H

#include "model/job.h"
#include "run/job_thread.h"
#include "run/ledger.h"
#include "run/outcome_table.h"

#define ATTEMPTS_DEFAULT 8

struct attempt {
    struct job_thread *thread;
    struct runtime *rt;
    struct delivery *delivery;
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
    bool in_ledger; /* claimed; has_lease with it */
    struct lease lease;
    struct ledger_claimed claimed;
    int number, max_attempts; /* of the attempt */
    int redrive_count;
    int64_t deadline_us;
    int64_t sequence; /* of the next event */
    int64_t began_us;
    struct str result;
};

/* Does the delivery; what it led to is sent, its reports may be outstanding. */
enum delivery_fate attempt_run(struct job_thread *thread, struct delivery *delivery);

/* The event of this attempt; uses up a sequence number. */
struct event attempt_event(struct attempt *a, enum event_state state);

/* ---- settle.c ---- */

/* The run is over (or was left out): outcome, err, result are set. */
enum delivery_fate settle(struct attempt *a, enum stop_reason reason);
/* The job had ended already, or was ended by the claim: tells it again. */
enum delivery_fate settle_again(struct attempt *a);
/* Not due yet: to the retry topic of its due time, nothing counted. */
enum delivery_fate settle_later(struct attempt *a, int64_t due_us);
/* No id: a dead letter is all that can be made of it. */
enum delivery_fate settle_nameless(struct attempt *a);
/* The same delivery once more, `after_us` from now. */
enum delivery_fate settle_retake(struct attempt *a, int64_t after_us);

#endif
