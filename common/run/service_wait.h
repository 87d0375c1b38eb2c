/*
 * service_wait: the waiting for the hub, Redis or Kafka: an outage stops a thread where it is, and
 * burns no attempt.
 *
 * Is:      one wait, from the first failure of a call to its answer.
 * Owns:    nothing.
 * Threads: one at a time.
 */
#ifndef HAUL_RUN_SERVICE_WAIT_H
#define HAUL_RUN_SERVICE_WAIT_H

#include "run/runtime.h"

struct service_wait {
    struct runtime *rt;
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
