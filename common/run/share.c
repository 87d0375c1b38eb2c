/* share: see share.h. */
#include "run/share.h"

#include "base/clock.h"
#include "base/num.h"

#define ROOM_EVERY_US (100 * US_PER_MS)
#define LEAST_PART 16 /* this part of the buffer is everybody's, however full it is */
#define MOVE_US 50    /* a job that is shorter is about as soon done as moved */

static void look_at_pace(struct dispatcher *d)
{
    struct runtime *rt = d->rt;
    struct pace_seen seen = {
        .now_us = clock_monotonic_us(),
        .ended = atomic_load_explicit(&rt->run_count, memory_order_relaxed),
        .run_us = atomic_load_explicit(&rt->run_total_us, memory_order_relaxed),
        .running = metric_get(&rt->metrics.running),
    };
    pace_look(&d->pace, &seen);
}

static int64_t room(const struct runtime *rt)
{
    int64_t max = rt->conf->buffered_jobs_max;
    int64_t held = metric_get(&rt->metrics.buffered) - metric_get(&rt->metrics.moving);
    return num_max_i64(max - held, max / LEAST_PART);
}

/* Jobs before one that comes now: in the buffer, and unread in Kafka as of the last look. */
static int64_t waiting(const struct dispatcher *d)
{
    const struct metrics *metrics = &d->rt->metrics;
    int64_t moving = metric_get(&metrics->moving);
    int64_t here = metric_get(&metrics->buffered) - metric_get(&metrics->buffered_bulk) - moving;
    int64_t unread = metric_get(&metrics->jobs_waiting[JOB_DEFAULT]) +
                     metric_get(&metrics->jobs_waiting[JOB_INTERACTIVE]) - moving;
    bool is_short = pace_mean_us(&d->pace) < MOVE_US * d->rt->conf->job_threads;
    return is_short ? here : num_max_i64(here, unread);
}

/* All that waits, by all threads; or what waits of one workspace, by as many as its cap lets run.
 */
static bool takes_long(const struct dispatcher *d, int64_t backlog)
{
    const struct runtime *rt = d->rt;
    int64_t threads = rt->conf->job_threads, cap = rt->workspace_jobs_max;
    int64_t turns = num_max_i64(waiting(d) / threads, cap == 0 ? 0 : backlog / cap);
    return turns * pace_mean_us(&d->pace) > rt->conf->workspace_backlog_ms * US_PER_MS;
}

/* Held records of retry topics have waited before; what is no good job is told at once. */
static bool may_move(const struct attempt *a)
{
    return a->delivery->lane == LANE_JOBS && a->delivery->priority != JOB_BULK &&
           (a->item.order_key == 0 || a->is_placed || dispatch_needs_place(a)) &&
           a->outcome == OUTCOME_OK;
}

/* ---- who has more than its share ---- */

bool share_is_over(const struct runtime *rt, uint64_t tenant)
{
    for (size_t i = 0; tenant != 0 && i < RUNTIME_OVER_MAX; i++) {
        if (atomic_load_explicit(&rt->over[i], memory_order_relaxed) == tenant)
            return true;
    }
    return false;
}

bool share_is_any_over(const struct runtime *rt)
{
    return atomic_load_explicit(&rt->over_count, memory_order_relaxed) > 0;
}

const struct kind_entry *share_glance(const struct runtime *rt, const struct delivery *delivery,
                                      struct job_glance *ret_glance)
{
    if (!share_is_any_over(rt) || delivery->lane != LANE_JOBS || delivery_is_bulk(delivery) ||
        !job_glance(delivery->message.value, ret_glance) ||
        !share_is_over(rt, attempt_number_of(ret_glance->workspace_id)))
        return NULL;
    return attempt_kind_named(rt, ret_glance->kind);
}

static size_t slot_of(const struct runtime *rt, uint64_t tenant)
{
    size_t i = 0;
    while (i < RUNTIME_OVER_MAX &&
           atomic_load_explicit(&rt->over[i], memory_order_relaxed) != tenant)
        i++;
    return i;
}

/* False: the table is full. Then its jobs are looked at one by one, and ordered ones stay. */
static bool note_over(struct dispatcher *d, uint64_t tenant)
{
    struct runtime *rt = d->rt;
    if (tenant == 0 || share_is_over(rt, tenant))
        return tenant != 0;
    size_t slot = slot_of(rt, 0);
    if (slot == RUNTIME_OVER_MAX)
        return false;
    d->has_placed[slot] = false;
    atomic_store_explicit(&rt->over[slot], tenant, memory_order_relaxed);
    atomic_fetch_add_explicit(&rt->over_count, 1, memory_order_relaxed);
    return true;
}

/* From half of a share on: at the bound itself each job that ends would change the answer. While
 * places are awaited nobody is forgotten: what is placed comes behind all that was here. */
static void forget_over(struct dispatcher *d)
{
    struct runtime *rt = d->rt;
    for (size_t i = 0; share_is_any_over(rt) && i < RUNTIME_OVER_MAX; i++) {
        uint64_t tenant = atomic_load_explicit(&rt->over[i], memory_order_relaxed);
        int64_t backlog = (int64_t)fair_tenant_backlog(&d->fair, tenant);
        if (tenant == 0 || (backlog * 2 > room(rt) && takes_long(d, backlog)) ||
            !d->has_placed[i] || d->arrived.first != NULL)
            continue;
        atomic_store_explicit(&rt->over[i], 0, memory_order_relaxed);
        atomic_fetch_sub_explicit(&rt->over_count, 1, memory_order_relaxed);
    }
}

void share_look(struct dispatcher *d)
{
    look_at_pace(d);
    forget_over(d);
}

/* ---- what moves ---- */

static void set_moving(struct dispatcher *d, struct attempt *a, bool moves)
{
    if ((a->plan.kind == PLAN_DEMOTE) == moves)
        return;
    a->plan = (struct plan){.kind = moves ? PLAN_DEMOTE : PLAN_NONE};
    metric_add(&d->rt->metrics.moving, moves ? 1 : -1);
}

void share_expect(struct dispatcher *d, struct attempt *a)
{
    set_moving(d, a, true);
}

static void take(struct dispatcher *d, struct attempt *a)
{
    set_moving(d, a, true);
    attempts_add(&d->moved, a);
}

static bool is_beyond(const struct dispatcher *d, const struct attempt *a)
{
    int64_t backlog = (int64_t)fair_tenant_backlog(&d->fair, a->item.tenant);
    return may_move(a) && backlog > room(d->rt) && takes_long(d, backlog);
}

bool share_takes(struct dispatcher *d, struct attempt *a)
{
    bool needs_place = dispatch_needs_place(a);
    if (!is_beyond(d, a) || (!note_over(d, a->item.tenant) && needs_place)) {
        set_moving(d, a, false);
        return false;
    }
    if (needs_place)
        attempts_add(&d->arrived, a); /* it comes again, with its place */
    else
        take(d, a);
    return true;
}

struct excess {
    uint64_t tenant;
    size_t stays; /* so many more of it */
};

static bool is_excess(struct fair_item *item, void *context)
{
    struct excess *excess = context;
    const struct attempt *a = attempt_of_item(item);
    if (item->tenant != excess->tenant || !may_move(a) || dispatch_needs_place(a))
        return false;
    if (excess->stays == 0)
        return true;
    excess->stays--;
    return false;
}

void share_make_room(struct dispatcher *d)
{
    struct excess excess = {0};
    int64_t now_us = clock_monotonic_us();
    if (now_us < d->room_due_us)
        return;
    d->room_due_us = now_us + ROOM_EVERY_US;
    int64_t most = (int64_t)fair_greatest_backlog(&d->fair, &excess.tenant), free = room(d->rt);
    if (most - free < d->rt->conf->buffered_jobs_max / LEAST_PART || !takes_long(d, most))
        return;
    if (note_over(d, excess.tenant))
        dispatch_place(d);
    excess.stays = (size_t)(most + free) / 2;
    struct fair_item *item = fair_remove_matching(&d->fair, is_excess, &excess);
    while (item != NULL) {
        struct fair_item *next = item->matched;
        take(d, attempt_of_item(item));
        item = next;
    }
}

void share_give(struct dispatcher *d)
{
    if (d->moved.first != NULL)
        queue_push_list(&d->rt->settling, &d->moved.first->node);
    d->moved = (struct attempts){NULL, NULL};
}
