/*
 * metrics: what a worker counts, and its text in Prometheus' exposition format.
 *
 * Is:      counters and gauges as atomics, by kind and outcome: the labels are the worker's table
 *          and fixed lists, so they are bounded.
 * Is not:  a library of metric types: each family is named once, in metrics.c.
 * Owns:    its arrays.
 * Threads: any; the text is a snapshot that is not atomic over families.
 */
#ifndef HAUL_RUN_METRICS_H
#define HAUL_RUN_METRICS_H

#include "base/err.h"
#include "base/str.h"
#include "model/event.h"
#include "model/job.h"
#include "model/retry.h"
#include "run/breakers.h"

#include <stdatomic.h>

typedef atomic_int_fast64_t metric;

#define METRICS_BUCKETS 10 /* of job durations; the last one is +Inf */

/* By kind; the last one counts what has no known kind. */
struct kind_metrics {
    const char *name;
    metric ended[EVENT_STATE_COUNT]; /* retrying and the terminal ones */
    metric duration_count[METRICS_BUCKETS];
    metric duration_sum_us;
};

enum service { SERVICE_HUB, SERVICE_REDIS, SERVICE_KAFKA };
#define SERVICE_COUNT (SERVICE_KAFKA + 1)
const char *service_name(enum service service);

struct metrics {
    const char *worker, *version;
    size_t kind_count; /* with the one of unknown kinds */
    struct kind_metrics *kinds;
    metric running, buffered, buffered_bulk, held, unsettled;
    metric in_line; /* of the buffered: their turn comes soon */
    metric moving;  /* of the buffered: on their way to the bulk topic */
    metric records_read, redelivered;
    metric dead_letters[OUTCOME_COUNT];
    metric retries[RETRY_TIER_COUNT];
    /* In the partitions of this worker, read or not. */
    metric retry_waiting[RETRY_TIER_COUNT], jobs_waiting[JOB_PRIORITY_COUNT];
    metric left; /* in Kafka, to be read again */
    metric handed_back, fenced, leases_busy, behind, demoted;
    metric partitions, paused, rebalances;
    metric commits, commit_failures;
    metric offsets_incomplete, offsets_beyond, offsets_uncommitted; /* of all partitions */
    metric records_known, heads_stopped;
    metric waiting_on[SERVICE_COUNT]; /* threads that wait for it */
    metric oldest_read_us;            /* monotonic; of the oldest record not done; 0 = none */
    metric polled_us;                 /* monotonic; when the poll loop last went round */
    metric wall_start_us;
};

MUST_USE enum outcome metrics_init(struct metrics *metrics, const char *const *kind_names,
                                   size_t kind_count, struct err *err);
void metrics_done(struct metrics *metrics);

void metrics_job_ended(struct metrics *metrics, size_t kind, enum event_state state,
                       int64_t duration_us);

struct metrics_outside { /* counted elsewhere */
    int64_t leases_lost, delivery_failures, sends_pending;
    const struct breakers_counts *breakers; /* NULL = it has none */
};
void metrics_print(const struct metrics *metrics, const struct metrics_outside *outside,
                   struct str *out);

static inline void metric_add(metric *value, int64_t more)
{
    atomic_fetch_add_explicit(value, more, memory_order_relaxed);
}
static inline void metric_set(metric *value, int64_t to)
{
    atomic_store_explicit(value, to, memory_order_relaxed);
}
static inline int64_t metric_get(const metric *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

#endif
