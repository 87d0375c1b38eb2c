/* dispatch: see dispatch.h. */
#include "run/dispatch.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "run/heap.h"
#include "run/share.h"
#include "run/thread.h"
#include "run/turn.h"

#define BUSY_LOOKAHEAD 16              /* from here on it is worth to wait for company */
#define COMPANY_US 1000                /* how long */
#define CLOCK_WAIT_US (20 * US_PER_MS) /* until the hub's time is known */
#define IDLE_US (200 * US_PER_MS)
#define MEMORY_US (10 * US_PER_S)

/* ---- what the other threads tell ---- */

struct attempt *dispatch_make(struct runtime *rt, struct delivery *delivery)
{
    struct attempt *a = attempt_new(rt, delivery);
    if (a == NULL)
        return NULL;
    metric_add(&rt->metrics.buffered, 1);
    if (a->is_bulk)
        metric_add(&rt->metrics.buffered_bulk, 1);
    return a;
}

void dispatch_give(struct runtime *rt, struct attempts *list)
{
    if (list->first != NULL)
        queue_push_list(&rt->inbox, &list->first->node);
    *list = (struct attempts){NULL, NULL};
}

/* ---- attempts that are given up here ---- */

static void forget(struct dispatcher *d, struct attempt *a)
{
    if (a->item.place == FAIR_IN_FLIGHT)
        fair_end(&d->fair, &a->item);
    if (d->suspect == a)
        d->suspect = NULL;
    if (a->is_bulk)
        metric_add(&d->rt->metrics.buffered_bulk, -1);
    if (a->plan.kind == PLAN_DEMOTE)
        metric_add(&d->rt->metrics.moving, -1);
    attempt_free(a);
    metric_add(&d->rt->metrics.buffered, -1);
}

void dispatch_drop(struct dispatcher *d, struct attempt *a)
{
    struct delivery *delivery = a->delivery;
    forget(d, a);
    outbox_settle(&d->rt->outbox, delivery, FATE_DROP);
}

void dispatch_park(struct dispatcher *d, struct attempt *a, int64_t after_us)
{
    a->again_at_us = clock_monotonic_us() + after_us;
    attempts_add(&d->parked, a);
}

/* What is of now, looked at once for all: of two jobs of one partition the earlier one must not be
 * dropped while the later one is kept. In this order: an epoch ends before `revoking` does. */
struct now {
    bool is_none;
    uint64_t epoch;
};

static struct now look(struct runtime *rt)
{
    struct now now = {.is_none = atomic_load(&rt->stopping) || atomic_load(&rt->revoking)};
    now.epoch = atomic_load(&rt->epoch);
    return now;
}

static bool is_of(const struct now *now, const struct attempt *a)
{
    return !now->is_none && a->delivery->epoch == now->epoch;
}

bool dispatch_is_stale(struct runtime *rt, const struct attempt *a)
{
    struct now now = look(rt);
    return !is_of(&now, a);
}

static bool is_stale_item(struct fair_item *item, void *context)
{
    return !is_of(context, attempt_of_item(item));
}

static bool is_stale_turn(struct line_item *item, void *context)
{
    return !is_of(context, attempt_of_turn(item));
}

static void drop_stale_of(struct dispatcher *d, struct attempts *list, const struct now *now)
{
    struct attempts kept = {NULL, NULL};
    struct attempt *a;
    while ((a = attempts_take(list)) != NULL) {
        if (is_of(now, a))
            attempts_add(&kept, a);
        else
            dispatch_drop(d, a);
    }
    *list = kept;
}

/* Of partitions that are not ours any more, or all when the process stops. */
static void drop_stale(struct dispatcher *d)
{
    struct now now = look(d->rt);
    struct fair_item *item = fair_remove_matching(&d->fair, is_stale_item, &now);
    while (item != NULL) {
        struct fair_item *next = item->matched;
        dispatch_drop(d, attempt_of_item(item));
        item = next;
    }
    struct line_item *turn;
    while ((turn = line_take_matching(&d->line, is_stale_turn, &now)) != NULL)
        dispatch_drop(d, attempt_of_turn(turn));
    drop_stale_of(d, &d->arrived, &now);
    drop_stale_of(d, &d->parked, &now);
    drop_stale_of(d, &d->suspects, &now);
    d->epoch = now.epoch;
}

/* ---- in ---- */

static void take_inbox(struct dispatcher *d, int64_t timeout_us)
{
    struct node *list = queue_take_all(&d->rt->inbox, timeout_us);
    while (list != NULL) {
        struct attempt *a = attempt_of(list);
        list = list->next;
        __builtin_prefetch(list); /* another thread wrote it last */
        if (!a->is_over) {
            dispatch_receive(d, a);
            continue;
        }
        turn_next(d, a);
        forget(d, a);
    }
    dispatch_place(d);
    share_make_room(d);
    share_give(d);
}

static int64_t wait_us(const struct dispatcher *d)
{
    int64_t wait_us = d->arrived.first == NULL ? IDLE_US : 0, now_us = clock_monotonic_us();
    bool has_room = dispatch_credit(d) > 0; /* else a job that ends wakes us */
    for (const struct attempt *a = d->parked.first; has_room && a != NULL; a = attempt_next(a)) {
        int64_t left_us = a->again_at_us - now_us;
        wait_us = left_us < wait_us ? left_us : wait_us;
    }
    return num_min_i64(wait_us, d->line.due_us - now_us);
}

static void look_for_stale(struct dispatcher *d)
{
    if (d->epoch != atomic_load(&d->rt->epoch) || atomic_load(&d->rt->revoking))
        drop_stale(d);
}

/* Under load memory is kept, as the next job will take it. With little to do it is not: what a
 * burst took goes back, some seconds after it. */
static void look_at_memory(struct dispatcher *d)
{
    int64_t now_us = clock_monotonic_us();
    if (now_us < d->memory_due_us)
        return;
    d->memory_due_us = now_us + MEMORY_US;
    if (metric_get(&d->rt->metrics.buffered) > ATTEMPTS_AT_REST)
        return;
    attempts_rest(d->rt);
    heap_give_back();
}

static void go_round(struct dispatcher *d)
{
    struct runtime *rt = d->rt;
    dispatch_set_clock(d);
    /* A rebalance may have passed while the hub was waited for. */
    look_for_stale(d);
    if (d->clock_took_us == 0) { /* by our own clock all might be due */
        clock_sleep_us(CLOCK_WAIT_US);
        return;
    }
    share_look(d);
    turn_look(d);
    bool has_handed = dispatch_hand_out(d);
    /* With work in hand for a while: a wake for each job that ends would cost more than the job. */
    if (dispatch_lookahead(rt) >= BUSY_LOOKAHEAD && queue_count(&rt->runnable) > 0)
        clock_sleep_us(COMPANY_US);
    take_inbox(d, has_handed ? 0 : wait_us(d));
    look_at_memory(d);
    look_for_stale(d); /* who revokes waits for it, and the hub may not answer */
}

/* ---- the thread ---- */

/* Nobody is left who would take it. */
static void drop_runnable(struct dispatcher *d)
{
    struct node *list = queue_take_all(&d->rt->runnable, 0);
    while (list != NULL) {
        struct attempt *a = attempt_of(list);
        list = list->next;
        keeper_leave(&d->rt->keeper, &a->slot);
        dispatch_drop(d, a);
    }
}

static void *run(void *arg)
{
    struct dispatcher *d = arg;
    struct runtime *rt = d->rt;
    while (!atomic_load(&rt->stopping))
        go_round(d);
    drop_stale(d);
    queue_close(&rt->runnable);
    while (metric_get(&rt->metrics.buffered) > 0) {
        take_inbox(d, IDLE_US);
        if (atomic_load(&rt->job_threads_alive) == 0)
            drop_runnable(d);
    }
    fair_done(&d->fair);
    pgsql_close(d->hub);
    rconn_close(d->redis);
    atomic_fetch_sub(&rt->threads_alive, 1);
    return NULL;
}

enum outcome dispatch_start(struct dispatcher *d, struct runtime *rt, struct err *err)
{
    *d = (struct dispatcher){.rt = rt};
    d->redis_wait = (struct service_wait){rt, SERVICE_REDIS, &rt->stopping, 0, 0};
    d->hub_wait = (struct service_wait){rt, SERVICE_HUB, &rt->stopping, 0, 0};
    fair_init(&d->fair, (size_t)rt->workspace_jobs_max);
    turn_init(d);
    TRY(rconn_open(&rt->conf->redis, &d->redis, err));
    atomic_fetch_add(&rt->threads_alive, 1);
    enum outcome outcome = thread_start(&d->thread, "dispatcher", run, d, err);
    if (outcome == OUTCOME_OK)
        return OUTCOME_OK;
    atomic_fetch_sub(&rt->threads_alive, 1);
    rconn_close(d->redis);
    return outcome;
}

void dispatch_join(struct dispatcher *d)
{
    pthread_join(d->thread, NULL);
}
