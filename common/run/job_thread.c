/* job_thread: see job_thread.h. */
#include "run/job_thread.h"

#include "base/clock.h"
#include "base/log.h"
#include "run/attempt.h"

#include <stdio.h>

#define WAIT_MIN_US (50 * US_PER_MS)
#define WAIT_MAX_US (2 * US_PER_S)
#define WAIT_STEP_US (20 * US_PER_MS) /* how soon the end of the process is seen */
#define LOG_EVERY_US (30 * US_PER_S)

bool service_wait_again(struct service_wait *wait, const struct err *err)
{
    struct metrics *metrics = &wait->thread->rt->metrics;
    int64_t now_us = clock_monotonic_us();
    if (wait->tries == 0)
        metric_add(&metrics->waiting_on[wait->service], 1);
    if (wait->tries == 0 || now_us - wait->logged_us >= LOG_EVERY_US) {
        wait->logged_us = now_us;
        LOG_AT(LOG_WARN, "service.waiting", LOG_TEXT("service", service_name(wait->service)),
               LOG_INT("tries", wait->tries + 1), LOG_ERR_FIELDS(err));
    }
    int64_t wait_us = WAIT_MIN_US << (wait->tries < 6 ? wait->tries : 6);
    wait_us = wait_us < WAIT_MAX_US ? wait_us : WAIT_MAX_US;
    wait->tries++;
    while (!atomic_load(wait->until) && clock_monotonic_us() - now_us < wait_us)
        clock_sleep_us(WAIT_STEP_US);
    if (!atomic_load(wait->until))
        return true;
    metric_add(&metrics->waiting_on[wait->service], -1);
    return false;
}

void service_wait_end(struct service_wait *wait)
{
    if (wait->tries == 0)
        return;
    metric_add(&wait->thread->rt->metrics.waiting_on[wait->service], -1);
    LOG_AT(LOG_INFO, "service.back", LOG_TEXT("service", service_name(wait->service)),
           LOG_INT("tries", wait->tries));
}

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
    struct service_wait wait = {thread, SERVICE_HUB, &thread->rt->stopping, 0, 0};
    while (connect_hub(thread, &err) != OUTCOME_OK) {
        if (!service_wait_again(&wait, &err))
            return false;
    }
    service_wait_end(&wait);
    return true;
}

static void *run(void *arg)
{
    struct job_thread *thread = arg;
    struct runtime *rt = thread->rt;
    struct delivery *delivery = NULL;
    if (make_ready(thread)) {
        while ((delivery = delivery_queue_take(&rt->ready, thread->number)) != NULL) {
            metric_add(&rt->metrics.running, 1);
            enum delivery_fate fate = attempt_run(thread, delivery);
            metric_add(&rt->metrics.running, -1);
            metric_add(&rt->metrics.buffered, -1);
            delivery_queue_end(&rt->ready, thread->number);
            outbox_settle(&rt->outbox, delivery, fate);
        }
    }
    if (rt->worker->thread_done != NULL)
        rt->worker->thread_done(thread->app);
    pgsql_close(thread->hub.db);
    rconn_close(thread->redis);
    atomic_fetch_sub(&rt->threads_alive, 1);
    return NULL;
}

enum outcome job_thread_start(struct job_thread *thread, struct runtime *rt, size_t number,
                              struct err *err)
{
    *thread = (struct job_thread){.rt = rt, .number = number};
    (void)snprintf(thread->owner, sizeof thread->owner, "%s#%zu", rt->owner, number);
    thread->hub = (struct hub){
        .keyring = rt->keyring, .connectors = rt->worker->connectors, .actor = thread->owner};
    TRY(rconn_open(&rt->conf->redis, &thread->redis, err));
    atomic_fetch_add(&rt->threads_alive, 1);
    if (pthread_create(&thread->thread, NULL, run, thread) != 0) {
        atomic_fetch_sub(&rt->threads_alive, 1);
        rconn_close(thread->redis);
        return FAIL(err, OUTCOME_RETRY, "no_memory", "can't start a job thread");
    }
    return OUTCOME_OK;
}

void job_thread_join(struct job_thread *thread)
{
    pthread_join(thread->thread, NULL);
}
