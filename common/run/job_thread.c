/* job_thread: see job_thread.h. */
#include "run/job_thread.h"

#include "base/clock.h"
#include "run/attempt.h"
#include "run/dispatch.h"
#include "run/service_wait.h"
#include "run/thread.h"

#include <stdio.h>

static enum outcome connect_hub(struct job_thread *thread, struct err *err)
{
    struct runtime *rt = thread->rt;
    if (thread->hub.db == NULL)
        TRY(pgsql_open(&rt->conf->hub, &thread->hub.db, err));
    TRY(hub_check_version(&thread->hub, err));
    if (rt->worker->thread_init != NULL)
        TRY(rt->worker->thread_init(rt->app, &thread->app, err));
    return OUTCOME_OK;
}

/* At once, so that the connection is there when the first job is. */
static bool make_ready(struct job_thread *thread)
{
    struct err err = {0};
    struct service_wait wait = {thread->rt, SERVICE_HUB, &thread->rt->stopping, 0, 0};
    while (connect_hub(thread, &err) != OUTCOME_OK) {
        if (!service_wait_again(&wait, &err))
            return false;
    }
    service_wait_end(&wait);
    return true;
}

static void do_one(struct job_thread *thread, struct attempt *a)
{
    struct runtime *rt = thread->rt;
    attempt_work(thread, a);
    if (a->has_run)
        dispatch_note_run(rt, clock_monotonic_us() - a->began_us);
    metric_add(&rt->metrics.running, -1);
    if (a->in_ledger) {
        queue_push(&rt->settling, &a->node);
        return;
    }
    keeper_leave(&rt->keeper, &a->slot);
    attempt_over(a, settle_tell(a));
}

static void *run(void *arg)
{
    struct job_thread *thread = arg;
    struct runtime *rt = thread->rt;
    struct node *node = NULL;
    if (make_ready(thread)) {
        atomic_fetch_add(&rt->job_threads_ready, 1);
        queue_nudge(&rt->inbox); /* there may be something to claim */
        while ((node = queue_take(&rt->runnable)) != NULL) {
            metric_add(&rt->metrics.running, 1);
            dispatch_note_taken(rt);
            do_one(thread, attempt_of(node));
            dispatch_note_taken(rt);
        }
    }
    if (rt->worker->thread_done != NULL)
        rt->worker->thread_done(thread->app);
    pgsql_close(thread->hub.db);
    rconn_close(thread->redis);
    if (atomic_fetch_sub(&rt->job_threads_alive, 1) == 1)
        queue_close(&rt->settling); /* nothing comes any more */
    atomic_fetch_sub(&rt->threads_alive, 1);
    return NULL;
}

enum outcome job_thread_start(struct job_thread *thread, struct runtime *rt, size_t number,
                              struct err *err)
{
    *thread = (struct job_thread){.rt = rt};
    (void)snprintf(thread->owner, sizeof thread->owner, "%s#%zu", rt->owner, number);
    thread->hub = (struct hub){
        .keyring = rt->keyring, .connectors = rt->worker->connectors, .actor = thread->owner};
    atomic_fetch_add(&rt->threads_alive, 1);
    atomic_fetch_add(&rt->job_threads_alive, 1);
    enum outcome outcome = thread_start(&thread->thread, "job", run, thread, err);
    if (outcome == OUTCOME_OK)
        return OUTCOME_OK;
    atomic_fetch_sub(&rt->threads_alive, 1);
    atomic_fetch_sub(&rt->job_threads_alive, 1);
    return outcome;
}

void job_thread_join(struct job_thread *thread)
{
    pthread_join(thread->thread, NULL);
}
