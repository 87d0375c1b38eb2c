/* thread: see thread.h. */
#define _GNU_SOURCE /* pthread_setname_np */
#include "run/thread.h"

enum outcome thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *), void *arg,
                          struct err *err)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, arg) != 0)
        return FAIL(err, OUTCOME_RETRY, "no_thread", "can't start the thread %s", name);
    (void)pthread_setname_np(thread, name);
    *ret_thread = thread;
    return OUTCOME_OK;
}
