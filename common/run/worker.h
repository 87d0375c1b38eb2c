/*
 * worker: the skeleton of a worker process. Its main is a table and one call of worker_main.
 *
 * Is:      everything between a record on a jobs topic and its terminal event: polling, threads,
 *          decoding, leases, fences, the ledger, retries, dead letters, cancels, progress, metrics,
 *          health, signals, logs. A kind's `run` does the work and nothing of that.
 * Is not:  a place for what the work is.
 * Owns:    all threads and connections of the process. A job_context is the kind's for the length
 *          of one run.
 * Threads: `run` is called on one of the job threads; several run at once, each with its own
 *          context, arena and hub connection. job_progress may be called from any thread that
 *          works for the job; the rest of the context by the thread that `run` was called on.
 *
 * What `run` returns decides what happens (run/outcome_table.c):
 *   OK         the result goes into the ledger, `succeeded` is told
 *   RETRY      a later attempt, up to the kind's maximum and the deadline; then dead letter.
 *              Codes "hub.unreachable", "hub.commit_unknown", "hub.resources", "hub.read_only",
 *              "redis.unreachable", "kafka.unreachable" (outages): no attempt is counted
 *   THROTTLED  later, as err->retry_after_ms says; no attempt is counted
 *   PERMANENT  dead letter       POISON  dead letter
 *   CANCELLED  `cancelled` when that was asked for; else (fenced off, lease lost, shutdown) the job
 *              is handed back without an attempt counted
 *   BUG        dead letter, and the process drains and exits non-zero
 */
#ifndef HAUL_RUN_WORKER_H
#define HAUL_RUN_WORKER_H

#include "base/arena.h"
#include "base/fields.h"
#include "model/event.h"
#include "sync/hub.h"

struct job_private;

struct job_context {
    const char *job_id, *workspace_id, *kind, *subject;
    int attempt;         /* from 1 */
    int64_t fence;       /* greater than that of every earlier start of any job; 0 if idempotent */
    int64_t deadline_us; /* 0 = none */
    /* Set by another thread: stop soon and return CANCELLED. */
    const volatile bool *cancelled;
    const struct jval *data; /* the payload as it came, with the fields that every job has */
    struct arena *arena;     /* the job's; gone when run returns */
    const struct hub *hub;   /* this thread's connection to the hub, the keyring, the connectors */
    const char *traceparent; /* to hand on */
    void *app;               /* worker->init's */
    void *thread_app;        /* worker->thread_init's */
    struct job_private *own; /* the runtime's */
};

static inline bool job_is_cancelled(const struct job_context *job)
{
    return __atomic_load_n(job->cancelled, __ATOMIC_RELAXED);
}

/* Fails with CANCELLED "job.cancelled" (or "job.deadline", "fenced", ...: why) once `cancelled`
 * is set. */
MUST_USE enum outcome job_check(const struct job_context *job, struct err *err);

/* Tells how far the job is: kept, and told at most twice a second. Never blocks; texts must be
 * static. Rate and ETA are the runtime's to fill in. */
void job_progress(struct job_context *job, const struct event_progress *progress);

/* The result (a receipt): a JSON object, copied; the last one set counts. It goes into the ledger
 * and the terminal event, also when the job fails. */
MUST_USE enum outcome job_set_result(struct job_context *job, struct slice json, struct err *err);

#define DEPENDENCIES_MAX 4 /* of one job */

/* What a job needs beside the runtime's own services. Jobs that need the same thing share a circuit
 * breaker, over the whole fleet. */
struct job_dependency {
    const char *type;  /* "connection" */
    const char *id;    /* of the job's workspace; texts live as long as the payload */
    bool is_everyones; /* the id means the same thing in every workspace */
};

/* The job's n-th dependency is up, told as soon as it is known: a long job that is the probe of a
 * breaker closes it at once, not at its end. How the dependency did in the end follows from what
 * `run` returns. Any thread that works for the job. */
void job_dependency_up(struct job_context *job, size_t dependency);

struct job_kind {
    const char *name; /* of the type haul.job.<name>.v1 */
    const char *doc;
    const struct field_table *payload; /* the kind's own fields of `data` */
    bool ordered;                      /* jobs of one subject run one after the other */
    bool idempotent;                   /* may run twice: no lease, no fence, no ledger */
    int max_attempts;                  /* 0 = 8 */
    enum outcome (*run)(struct job_context *job, const void *payload, struct err *err);
    /* Optional: fills the list and returns how many; a breaker that is open has the job wait. */
    size_t (*dependencies)(const void *payload, struct job_dependency ret_list[DEPENDENCIES_MAX]);
    /* Optional: the number of the dependency that a RETRY is the fault of; -1 = of none. Without it
     * the only dependency is to blame. */
    int (*blame)(const struct err *err);
};

struct worker_process {
    const void *config;            /* worker->config's struct, or NULL */
    const struct keyring *keyring; /* NULL when HAUL_KEYRING_FILE is not set */
    int64_t job_threads;
};

struct worker {
    const char *name; /* "sql-sync": of its topics, group, metrics and logs */
    const char *version;
    const char *doc;
    const struct job_kind *kinds;
    size_t kind_count;
    const struct connector_registry *connectors; /* for job_context.hub; may be NULL */
    int workspace_jobs_max; /* jobs of a workspace that run at a time in the fleet; 0 = any */
    const struct field_table *config; /* more configuration; NULL = none */
    /* All optional. Once a process, and once a job thread; `done` takes NULL. */
    enum outcome (*init)(const struct worker_process *process, void **ret_app, struct err *err);
    void (*done)(void *app);
    enum outcome (*thread_init)(void *app, void **ret_thread_app, struct err *err);
    void (*thread_done)(void *thread_app);
};

#define WORKER_EXIT_OK 0
#define WORKER_EXIT_CONFIG 2  /* bad configuration, or it could not start */
#define WORKER_EXIT_BUG 70    /* drained after a broken invariant */
#define WORKER_EXIT_UNDONE 75 /* stopped with jobs under way: they will be delivered again */

/* The whole life of a worker; returns the exit status. */
int worker_main(int argc, char **argv, const struct worker *worker);

#endif
