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

/* Others have all that its cap allows, so that its jobs don't run here at all, or hardly. */
static bool is_refused(const struct dispatcher *d, uint64_t tenant)
{
    for (const struct attempt *a = d->parked.first; a != NULL; a = attempt_next(a))
        if (a->is_refused && a->item.tenant == tenant)
            return true;
    return false;
}

/* All that waits, by all threads; or what waits of one workspace, by as many as its cap lets run.
 */
static bool takes_long(const struct dispatcher *d, uint64_t tenant, int64_t backlog)
{
    const struct runtime *rt = d->rt;
    if (is_refused(d, tenant))
        return true;
    int64_t threads = rt->conf->job_threads, cap = rt->workspace_jobs_max;
    int64_t turns = num_max_i64(waiting(d) / threads, cap == 0 ? 0 : backlog / cap);
    return turns * pace_mean_us(&d->pace) > rt->conf->workspace_backlog_ms * US_PER_MS;
}

/* Held records of retry topics have waited before, parents that wake too; what is no good job is
 * told at once. */
static bool may_move(const struct attempt *a)
{
    return a->delivery->lane == LANE_JOBS && a->delivery->priority != JOB_BULK &&
           a->trail.wait_fence == 0 &&
           (a->item.order_key == 0 || a->is_placed || dispatch_needs_place(a)) &&
           a->outcome == OUTCOME_OK;
}

/* ---- who has more than its share ---- */

uint64_t share_workspace(const struct runtime *rt, size_t slot)
{
    return atomic_load_explicit(&rt->over[slot].workspace, memory_order_relaxed);
}

size_t share_slot_of(const struct runtime *rt, uint64_t tenant)
{
    size_t i = 0;
    while (i < RUNTIME_OVER_MAX && share_workspace(rt, i) != tenant)
        i++;
    return i;
}

bool share_is_over(const struct runtime *rt, uint64_t tenant)
{
    return tenant != 0 && share_slot_of(rt, tenant) < RUNTIME_OVER_MAX;
}

bool share_is_any_over(const struct runtime *rt)
{
    return atomic_load_explicit(&rt->over_count, memory_order_relaxed) > 0;
}

/* False: the table is full. Then its jobs are looked at one by one, and ordered ones stay. */
static bool note_over(struct dispatcher *d, uint64_t tenant)
{
    struct runtime *rt = d->rt;
    if (tenant == 0 || share_is_over(rt, tenant))
        return tenant != 0;
    size_t slot = share_slot_of(rt, 0);
    if (slot == RUNTIME_OVER_MAX)
        return false;
    d->has_placed[slot] = false;
    atomic_store(&rt->over[slot].left, 0);
    atomic_store(&rt->over[slot].credit, 0);
    atomic_store(&rt->over[slot].workspace, tenant);
    atomic_fetch_add_explicit(&rt->over_count, 1, memory_order_relaxed);
    return true;
}

/* From half of a share on: at the bound itself each job that ends would change the answer. While
 * places are awaited nobody is forgotten: what is placed comes behind all that was here. */
static bool is_within(const struct dispatcher *d, size_t slot)
{
    const struct runtime *rt = d->rt;
    uint64_t tenant = share_workspace(rt, slot);
    int64_t backlog = (int64_t)fair_tenant_backlog(&d->fair, tenant);
    return (backlog * 2 <= room(rt) || !takes_long(d, tenant, backlog)) &&
           d->arrived.first == NULL && atomic_load(&rt->over[slot].left) <= 0;
}

/* Of what was left as much may come back as would be within its share. */
static void give_credit(struct dispatcher *d, struct over_share *over)
{
    uint64_t tenant = atomic_load(&over->workspace);
    int64_t backlog =
        (int64_t)fair_tenant_backlog(&d->fair, tenant) + atomic_load(&over->returning);
    int64_t stays = takes_long(d, tenant, backlog) ? room(d->rt) / 2 : room(d->rt);
    atomic_store(&over->credit, (int)num_max_i64(stays - backlog, 0));
}

void share_look(struct dispatcher *d)
{
    struct runtime *rt = d->rt;
    look_at_pace(d);
    for (size_t i = 0; share_is_any_over(rt) && i < RUNTIME_OVER_MAX; i++) {
        if (share_workspace(rt, i) == 0)
            continue;
        give_credit(d, &rt->over[i]);
        if (!is_within(d, i))
            continue;
        atomic_store(&rt->over[i].workspace, 0);
        atomic_fetch_sub_explicit(&rt->over_count, 1, memory_order_relaxed);
    }
}

/* ---- what was left ---- */

void share_note_left(struct runtime *rt, uint64_t tenant, int more)
{
    size_t slot = share_slot_of(rt, tenant);
    if (slot < RUNTIME_OVER_MAX)
        atomic_fetch_add(&rt->over[slot].left, more);
}

bool share_may_return(const struct runtime *rt, uint64_t tenant)
{
    size_t slot = share_slot_of(rt, tenant);
    return slot == RUNTIME_OVER_MAX || atomic_load(&rt->over[slot].credit) > 0;
}

bool share_take_credit(struct runtime *rt, struct delivery *delivery, uint64_t tenant)
{
    size_t slot = share_slot_of(rt, tenant);
    if (slot == RUNTIME_OVER_MAX)
        return true;
    if (atomic_load(&rt->over[slot].credit) <= 0)
        return false;
    delivery->over_slot = (int)slot;
    atomic_fetch_add(&rt->over[slot].returning, 1);
    atomic_fetch_sub(&rt->over[slot].credit, 1);
    return true;
}

void share_returned(struct runtime *rt, int slot)
{
    if (slot != DELIVERY_NOT_RETURNING)
        atomic_fetch_sub(&rt->over[slot].returning, 1);
}

bool share_takes_back(struct dispatcher *d, const struct attempt *a)
{
    size_t slot = share_slot_of(d->rt, a->item.tenant);
    if (!a->delivery->is_back || d->arrived.first != NULL)
        return false;
    if (slot < RUNTIME_OVER_MAX)
        d->has_placed[slot] = false;
    return true;
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
    return may_move(a) && backlog > room(d->rt) && takes_long(d, a->item.tenant, backlog);
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
    if (most - free < d->rt->conf->buffered_jobs_max / LEAST_PART ||
        !takes_long(d, excess.tenant, most))
        return;
    if (note_over(d, excess.tenant))
        dispatch_place_before(d, excess.tenant);
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
