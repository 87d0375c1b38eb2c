/*
 * job_thread: takes deliveries from the ready queue and does them, one at a time.
 *
 * Is:      a thread with its own connections to the hub and Redis, and the waiting for both: an
 *          outage stops the thread where it is and burns no attempt.
 * Owns:    its connections and the kind's thread context.
 */
#ifndef HAUL_RUN_JOB_THREAD_H
#define HAUL_RUN_JOB_THREAD_H

#include "run/runtime.h"

struct job_thread {
    struct runtime *rt;
    size_t number; /* also its slot with the keeper */
    pthread_t thread;
    struct rconn *redis;
    struct hub hub; /* db is NULL until it could be reached */
    void *app;
    uint64_t starts;
    char owner[160];
};

MUST_USE enum outcome job_thread_start(struct job_thread *thread, struct runtime *rt, size_t number,
                                       struct err *err);
/* Waits for its end, which comes when the ready queue is closed. */
void job_thread_join(struct job_thread *thread);

/* One wait for a service, from its first failure to its answer. */
struct service_wait {
    struct job_thread *thread;
    enum service service;
    atomic_bool *until; /* set: the wait is given up */
    int tries;
    int64_t logged_us;
};
/* After a failed call: logs it (once in a while), waits; false when the wait is given up. */
bool service_wait_again(struct service_wait *wait, const struct err *err);
/* After a good call. */
void service_wait_end(struct service_wait *wait);

#endif
