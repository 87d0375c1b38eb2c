/* poll: see poll.h. */
#include "run/poll.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "run/dispatch.h"
#include "run/share.h"
#include "run/signals.h"

#define POLL_MS 50
#define HELD_POLL_MS 5
#define FULL_GRACE_US (300 * US_PER_MS) /* pausing drops what was prefetched: not for a moment */
/* Through with, but for the reports of their events: what 20 ms of the fastest jobs leave. With
 * what a worker buffers, three events each, it fits the producer's queue. */
#define UNSETTLED_MAX 2560
#define COMPANY_US US_PER_MS          /* with enough to do, for more than one to be done */
#define STOP_GRACE_US (3 * US_PER_S)  /* for jobs to see that they should stop */
#define ABORT_GRACE_US (2 * US_PER_S) /* for threads to leave their waits */

/* ---- back-pressure ---- */

/* What moves to the bulk topic is here for a moment only: as much again as is buffered. */
static int64_t load_of(const struct poller *poller)
{
    const struct runtime *rt = poller->rt;
    int64_t moving = num_min_i64(metric_get(&rt->metrics.moving), rt->conf->buffered_jobs_max);
    return metric_get(&rt->metrics.buffered) - moving + (int64_t)poller->delayed_count;
}

/* Half of what is too much, so as not to pause for each job; but what filled it may pass on now. */
static bool is_below_half(const struct poller *poller, size_t unsettled)
{
    int64_t max = poller->rt->conf->buffered_jobs_max, load = load_of(poller);
    bool is_open = share_is_any_over(poller->rt) ? load < max : load * 2 <= max;
    return is_open && unsettled <= UNSETTLED_MAX / 2 + (size_t)max &&
           !poller_has_enough_passing(poller);
}

/* Hysteresis: full at the bound, open again at half of it. True: read nothing now. */
static bool is_backed_up(struct poller *poller)
{
    int64_t max = poller->rt->conf->buffered_jobs_max;
    size_t unsettled = poller->live - poller->passing;
    bool is_over = load_of(poller) >= max || unsettled >= UNSETTLED_MAX + (size_t)max ||
                   poller_has_enough_passing(poller);
    int64_t now_us = clock_monotonic_us();
    if (poller->is_full) {
        if (is_below_half(poller, unsettled))
            poller_pause_all(poller, false);
        return poller->is_full;
    }
    if (!is_over) {
        poller->full_since_us = 0;
        return false;
    }
    if (poller->full_since_us == 0)
        poller->full_since_us = now_us;
    if (now_us - poller->full_since_us >= FULL_GRACE_US)
        poller_pause_all(poller, true);
    return true;
}

/* ---- the loop ---- */

/* True: a record came. */
static bool poll_once(struct poller *poller, int64_t timeout_ms)
{
    struct kafka_message message = {0};
    struct err err = {0};
    enum outcome outcome = kafka_consumer_poll(poller->consumer, timeout_ms, &message, &err);
    if (outcome != OUTCOME_OK) {
        LOG_AT(LOG_WARN, "kafka.consumer", LOG_ERR_FIELDS(&err));
        poller->is_fatal = strcmp(err.code, "kafka.fatal") == 0;
    } else if (message.native != NULL) {
        poller_take(poller, &message);
        return true;
    }
    return false;
}

bool poller_has_room(const struct poller *poller)
{
    return load_of(poller) < poller->rt->conf->buffered_jobs_max &&
           !poller_has_enough_passing(poller);
}

/* What is there already, up to a bound. */
static void poll_burst(struct poller *poller, int64_t timeout_ms)
{
    poller->is_idle = false;
    for (int i = 0; i < POLLER_BURST_MAX && !poller->is_idle && poller_has_room(poller); i++)
        poller->is_idle = !poll_once(poller, i == 0 ? timeout_ms : 0);
}

static void go_round(struct poller *poller)
{
    int64_t now_us = clock_monotonic_us();
    metric_set(&poller->rt->metrics.polled_us, now_us);
    poller_take_done(poller, 0);
    poller_try_delayed(poller);
    poller_try_held(poller);
    poller_commit(poller);
    if (now_us >= poller->work_due_us) {
        poller->work_due_us = now_us + poller->rt->conf->commit_interval_ms * US_PER_MS;
        poller_check_heads(poller);
        poller_resume_idle(poller);
        poller_ask_end(poller);
        poller_publish(poller);
    }
    dispatch_give(poller->rt, &poller->given);
    if (is_backed_up(poller)) {
        if (poller->is_full)
            (void)poll_once(poller, 0);
        clock_sleep_us(COMPANY_US);
        poller_take_done(poller, POLL_MS * US_PER_MS / 10);
        return;
    }
    bool has_read = poller_read_left(poller);
    bool waits = poller->table.held > 0 || poller->delayed != NULL || poller->left.count > 0;
    poll_burst(poller, has_read ? 0 : waits ? HELD_POLL_MS : POLL_MS);
    dispatch_give(poller->rt, &poller->given);
}

/* True: all job threads have ended. */
static bool wait_for_threads(struct poller *poller, int64_t timeout_us)
{
    struct runtime *rt = poller->rt;
    int64_t until_us = clock_monotonic_us() + timeout_us;
    while (atomic_load(&rt->threads_alive) > 0 && clock_monotonic_us() < until_us) {
        metric_set(&rt->metrics.polled_us, clock_monotonic_us());
        if (!poller->is_fatal)
            (void)poll_once(poller, 0);
        poller_take_done(poller, POLL_MS * US_PER_MS / 5);
        poller_commit(poller);
    }
    return atomic_load(&rt->threads_alive) == 0;
}

static bool drain(struct poller *poller)
{
    struct runtime *rt = poller->rt;
    LOG_AT(LOG_INFO, "worker.draining", LOG_INT("running", metric_get(&rt->metrics.running)),
           LOG_INT("grace_ms", rt->conf->drain_timeout_ms));
    atomic_store(&rt->stopping, true);
    queue_nudge(&rt->inbox);
    poller_pause_all(poller, true);
    poller_drop_waiting(poller);
    bool is_done = wait_for_threads(poller, rt->conf->drain_timeout_ms * US_PER_MS);
    if (!is_done) {
        keeper_stop_all(&rt->keeper, STOP_SHUTDOWN, false);
        is_done = wait_for_threads(poller, STOP_GRACE_US);
    }
    atomic_store(&rt->aborting, true);
    if (!is_done)
        is_done = wait_for_threads(poller, ABORT_GRACE_US);
    poller->answers_until_us = clock_monotonic_us() + POLLER_ANSWER_WAIT_US;
    while (poller->live > 0 && is_done && clock_monotonic_us() < poller->answers_until_us)
        poller_take_done(poller, POLL_MS * US_PER_MS);
    poller_commit_last(poller);
    return is_done;
}

bool poller_run(struct poller *poller)
{
    struct runtime *rt = poller->rt;
    while (!signals_is_stop_asked() && !atomic_load(&rt->has_bug) && !poller->is_fatal)
        go_round(poller);
    return drain(poller);
}
