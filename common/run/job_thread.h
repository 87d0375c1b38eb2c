/*
 * job_thread: does what the dispatcher made runnable, one attempt at a time.
 *
 * Is:      a thread with its own connection to the hub, for what a kind wants of it.
 * Owns:    its connection and the kind's thread context.
 */
#ifndef HAUL_RUN_JOB_THREAD_H
#define HAUL_RUN_JOB_THREAD_H

#include "run/runtime.h"

struct job_thread {
    struct runtime *rt;
    pthread_t thread;
    struct hub hub;      /* db is NULL until it could be reached */
    struct rconn *redis; /* for rate limits; NULL until a job has one */
    void *app;
    char owner[160];
};

MUST_USE enum outcome job_thread_start(struct job_thread *thread, struct runtime *rt, size_t number,
                                       struct err *err);
/* Waits for its end, which comes when the runnable queue is closed and empty. */
void job_thread_join(struct job_thread *thread);

#endif
