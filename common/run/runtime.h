/*
 * runtime: what the threads of a worker process share.
 *
 * Is:      run/'s own view of the process; workers see run/worker.h alone.
 * Threads: the queues, outbox, keeper and metrics lock themselves; the flags are atomic; the rest
 * is const once the threads run.
 */
#ifndef HAUL_RUN_RUNTIME_H
#define HAUL_RUN_RUNTIME_H

#include "base/field_join.h"
#include "run/breakers.h"
#include "run/fleet_clock.h"
#include "run/keeper.h"
#include "run/metrics.h"
#include "run/run_conf.h"
#include "run/topics.h"
#include "run/worker.h"

struct kind_entry {
    const struct job_kind *kind;
    struct field_join table; /* of its data: common and own fields */
};

#define RUNTIME_LOCAL_RATES 64
#define RUNTIME_OVER_MAX 32

/* A workspace that has more than its share waiting here: run/share. */
struct over_share {
    atomic_uint_fast64_t workspace; /* its share_number; 0 = none */
    bool is_bulk;                   /* too many of it came by the bulk topic; the dispatcher's */
    atomic_int left;                /* records of it that are to be read again */
    atomic_int credit;              /* so many of them may be */
    atomic_int returning;           /* were, and are not with the dispatcher yet */
};

struct runtime {
    const struct worker *worker;
    const struct run_conf *conf;
    struct worker_process process;
    struct topic_name jobs_topic, interactive_topic, bulk_topic, dlq_topic, events_topic,
        retry_topics[RETRY_TIER_COUNT];
    struct kind_entry *kinds; /* worker->kind_count */
    struct keyring *keyring;
    void *app;
    char owner[128]; /* host and process */
    struct metrics metrics;
    struct fleet_clock clock;
    /* Attempts: to the dispatcher, to the job threads, to the settler; deliveries: back. */
    struct queue inbox, runnable, settling, done;
    struct queue spare;         /* attempts that are free for reuse */
    int64_t workspace_jobs_max; /* that run at a time; 0 = no limit */
    struct over_share over[RUNTIME_OVER_MAX];
    atomic_int over_count, over_bulk_count; /* of either sort */
    struct outbox outbox;
    struct keeper keeper;
    struct breakers *breakers;                            /* NULL: no kind depends on anything */
    atomic_int_fast64_t local_rates[RUNTIME_LOCAL_RATES]; /* run/job_rate, without Redis */
    atomic_bool stopping;                                 /* nothing is claimed any more */
    atomic_bool aborting;     /* the grace is over: nothing is waited for any more */
    atomic_bool has_bug;      /* a job found a broken invariant */
    atomic_bool is_assigned;  /* the group has given us our share (which may be none) */
    atomic_int threads_alive; /* dispatcher, job threads, settler: that have not ended */
    atomic_int job_threads_alive;
    atomic_int job_threads_ready;       /* they can take a job */
    atomic_uint_fast64_t epoch;         /* of the assignment; older deliveries are dropped */
    atomic_bool revoking;               /* nothing is claimed */
    atomic_int_fast64_t pending;        /* jobs that wait for a job thread */
    atomic_int_fast64_t run_average_us; /* of late; 0 = not known */
    atomic_int_fast64_t run_count, run_total_us; /* jobs that have run, how long all in all */
};

#endif
