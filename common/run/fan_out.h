/*
 * fan_out: a job that is done by many. Its kind hands the work out to children, gives its thread
 * back, and is run again when they have ended; a child is a job of a kind of its own, which any
 * worker of the fleet takes.
 *
 * Is:      what a kind calls. Parent: job_children_look first, in every run; then, as
 *          fan_in_decide says of it, plan and job_children_spawn, or join, or fail. Child:
 *          job_child_begin, the work, job_child_end.
 * Is not:  an order among children, nor a promise that one runs once: a child is delivered as any
 *          job is, and what it does must bear that.
 * Owns:    nothing; texts live in the job's arena.
 * Threads: the job's own.
 *
 * While children are under way the parent waits in the ledger, without a lease, a thread or an
 * attempt counted: its record stands in a retry topic as a safety net, and the child that ends last
 * (or fails for good) puts it on its jobs topic again. Whatever starts it early only looks. The net
 * itself never ends the job: when it finds work it puts the record on the jobs topic, as a wake
 * that was lost would have; so a net that comes later than the end has nothing to tell. A cancel of
 * the parent reaches its children in the hub, in one statement with it.
 */
#ifndef HAUL_RUN_FAN_OUT_H
#define HAUL_RUN_FAN_OUT_H

#include "run/family.h"
#include "run/worker.h"

/* ---- parent ---- */

/* What is to be done, and why. Fails as the hub does. */
MUST_USE enum outcome job_children_look(struct job_context *job, enum fan_in_verdict *ret_verdict,
                                        struct family_look *ret_look, struct err *err);

struct job_spawn {
    const char *kind; /* of the children; this worker has it */
    const char *plan; /* the same plan again is the same children: those without an end are told */
    struct family_children children; /* without ids */
    int64_t rows_total;              /* for the parent's progress; -1 = not known */
};
/* Hands out; children of an older plan are cancelled. Waits until Kafka has the children's records:
 * RETRY "kafka.unreachable". CANCELLED "fenced" when another start owns the job. */
MUST_USE enum outcome job_children_spawn(struct job_context *job, const struct job_spawn *spawn,
                                         struct err *err);

#define JOB_WAITS_FOR_CHILDREN "job.children"
/* What the parent's run returns while they are under way. */
MUST_USE enum outcome job_children_wait(const struct job_context *job, struct err *err);
static inline bool job_waits_for_children(const struct err *err)
{
    return err->outcome == OUTCOME_THROTTLED && strcmp(err->code, JOB_WAITS_FOR_CHILDREN) == 0;
}

/* What those that are done have given, by number. */
MUST_USE enum outcome job_children_results(struct job_context *job,
                                           struct family_results *ret_results, struct err *err);
/* The parent ends, or begins anew: children without an end are cancelled. */
MUST_USE enum outcome job_children_close(struct job_context *job, struct err *err);

/* ---- child ---- */

struct job_child {
    bool is_done; /* an earlier start has done the work: go on to job_child_end */
    int64_t number;
    const struct jval *payload;     /* an object */
    const struct jval *parent_data; /* the `data` of the parent's record */
    const char *parent_id;
    const char *result; /* with is_done: JSON; NULL = none */
};
/* The data of a child's record. */
extern const struct field_table job_child_table;
/* For its kind's `dependencies`: what its parent needs. */
size_t job_child_dependencies(const void *payload,
                              struct job_dependency ret_list[DEPENDENCIES_MAX]);

/* CANCELLED "job.stale" when nobody waits for it any more: it will end as cancelled. */
MUST_USE enum outcome job_child_begin(struct job_context *job, struct job_child *ret_child,
                                      struct err *err);
/* Tells how far it is, at most once a second, and now and then its parent's progress with it. */
struct job_child_progress {
    int64_t told_us;
    const char *phase; /* of the parent's progress: "load" */
};
void job_child_progress(struct job_context *job, struct job_child_progress *progress,
                        int64_t rows_done);

struct job_child_end {
    enum outcome outcome; /* of the work */
    int64_t rows_done;
    const char *result; /* JSON; NULL = none */
};
/* Counts the end, or a failure that no attempt follows, and wakes the parent when it is time.
 * `err` is the work's record; returns what the child's run returns. */
MUST_USE enum outcome job_child_end(struct job_context *job, const struct job_child_end *end,
                                    struct err *err);

#endif
