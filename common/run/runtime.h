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
#include "run/keeper.h"
#include "run/metrics.h"
#include "run/run_conf.h"
#include "run/topics.h"
#include "run/worker.h"

struct kind_entry {
    const struct job_kind *kind;
    struct field_join table; /* of its data: common and own fields */
};

struct runtime {
    const struct worker *worker;
    const struct run_conf *conf;
    struct worker_process process;
    struct topic_name jobs_topic, dlq_topic, events_topic, retry_topics[RETRY_TIER_COUNT];
    struct kind_entry *kinds; /* worker->kind_count */
    struct keyring *keyring;
    void *app;
    char owner[128]; /* host and process */
    struct metrics metrics;
    struct delivery_queue ready, done;
    bool is_ordered; /* a kind asks for its order: records of one Kafka key run one at a time */
    struct outbox outbox;
    struct keeper keeper;
    atomic_bool stopping;     /* no job begins any more */
    atomic_bool aborting;     /* the grace is over: nothing is waited for any more */
    atomic_bool has_bug;      /* a job found a broken invariant */
    atomic_bool is_assigned;  /* the group has given us our share (which may be none) */
    atomic_int threads_alive; /* job threads that have not ended */
};

#endif
