/*
 * thread: starts a thread that has a name.
 *
 * Is:      what `top -H`, `ps -L` and a debugger show of a worker's threads.
 * Owns:    nothing; whoever starts it joins it.
 * Threads: any.
 */
#ifndef HAUL_RUN_THREAD_H
#define HAUL_RUN_THREAD_H

#include "base/err.h"

#include <pthread.h>

/* `name` is a literal of at most 15 letters. RETRY "no_thread". */
MUST_USE enum outcome thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *),
                                   void *arg, struct err *err);

#endif
