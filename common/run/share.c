/* share: who has more than its share; see share.h. */
#include "run/share_private.h"

#include "base/clock.h"
#include "base/num.h"

#define MOVE_US 50 /* a job that is shorter is about as soon done as moved */

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

/* Bulk jobs that are here have nowhere to go: who comes when one workspace has filled their half
 * would have too much at once, if what it may have were not told by how many share that half. */
static int64_t bulk_room(const struct dispatcher *d)
{
    int64_t max = share_bulk_max(d->rt);
    int64_t sharing = num_max_i64((int64_t)fair_aside_tenants(&d->fair), 1);
    int64_t part = num_min_i64(sharing + 1, SHARE_LEAST_PART);
    return num_max_i64(max - metric_get(&d->rt->metrics.buffered_bulk), max / part);
}

int64_t share_room(const struct dispatcher *d, bool is_bulk)
{
    const struct metrics *metrics = &d->rt->metrics;
    if (is_bulk)
        return bulk_room(d);
    int64_t max = d->rt->conf->buffered_jobs_max;
    int64_t held = metric_get(&metrics->buffered) - metric_get(&metrics->moving);
    return num_max_i64(max - held, max / SHARE_LEAST_PART);
}

static int64_t backlog_of(const struct dispatcher *d, struct share_who who)
{
    return (int64_t)(who.is_bulk ? fair_tenant_aside(&d->fair, who.tenant)
                                 : fair_tenant_backlog(&d->fair, who.tenant));
}

/* Jobs before one that comes now: in the buffer, and unread in Kafka as of the last look. Before a
 * bulk job those of all classes. */
static int64_t waiting(const struct dispatcher *d, bool is_bulk)
{
    const struct metrics *metrics = &d->rt->metrics;
    int64_t moving = metric_get(&metrics->moving);
    int64_t here = metric_get(&metrics->buffered) - moving;
    int64_t unread = metric_get(&metrics->jobs_waiting[JOB_DEFAULT]) +
                     metric_get(&metrics->jobs_waiting[JOB_INTERACTIVE]) - moving;
    if (is_bulk)
        unread += metric_get(&metrics->jobs_waiting[JOB_BULK]);
    else
        here -= metric_get(&metrics->buffered_bulk);
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
bool share_takes_long(const struct dispatcher *d, struct share_who who, int64_t backlog)
{
    const struct runtime *rt = d->rt;
    if (is_refused(d, who.tenant))
        return true;
    int64_t threads = rt->conf->job_threads, cap = rt->workspace_jobs_max;
    int64_t turns = num_max_i64(waiting(d, who.is_bulk) / threads, cap == 0 ? 0 : backlog / cap);
    return turns * pace_mean_us(&d->pace) > rt->conf->workspace_backlog_ms * US_PER_MS;
}

/* ---- who has more than its share ---- */

static struct share_who who_is(const struct runtime *rt, size_t slot)
{
    bool is_bulk = rt->over[slot].is_bulk;
    return (struct share_who){share_number(share_workspace(rt, slot), is_bulk), is_bulk};
}

static atomic_int *count_of(struct runtime *rt, struct share_who who)
{
    return who.is_bulk ? &rt->over_bulk_count : &rt->over_count;
}

bool share_note_over(struct dispatcher *d, struct share_who who)
{
    struct runtime *rt = d->rt;
    uint64_t number = share_number(who.tenant, who.is_bulk);
    if (who.tenant == 0 || number == 0 || share_is_over(rt, number))
        return who.tenant != 0 && number != 0;
    size_t slot = share_slot_of(rt, 0);
    if (slot == RUNTIME_OVER_MAX)
        return false;
    d->has_placed[slot] = false;
    atomic_store(&rt->over[slot].left, 0);
    atomic_store(&rt->over[slot].credit, 0);
    rt->over[slot].is_bulk = who.is_bulk;
    atomic_store(&rt->over[slot].workspace, number);
    atomic_fetch_add_explicit(count_of(rt, who), 1, memory_order_relaxed);
    return true;
}

bool share_is_beyond(const struct dispatcher *d, struct share_who who)
{
    int64_t backlog = backlog_of(d, who);
    return backlog > share_room(d, who.is_bulk) && share_takes_long(d, who, backlog);
}

/* From half of a share on: at the bound itself each job that ends would change the answer. While
 * places are awaited nobody is forgotten: what is placed comes behind all that was here. */
static bool is_within(const struct dispatcher *d, size_t slot)
{
    const struct runtime *rt = d->rt;
    struct share_who who = who_is(rt, slot);
    int64_t backlog = backlog_of(d, who);
    return (backlog * 2 <= share_room(d, who.is_bulk) || !share_takes_long(d, who, backlog)) &&
           d->arrived.first == NULL && atomic_load(&rt->over[slot].left) <= 0;
}

/* Of what was left as much may come back as would be within its share; of who has nothing else here
 * at least one, however small the buffer is. */
static void give_credit(struct dispatcher *d, size_t slot)
{
    struct over_share *over = &d->rt->over[slot];
    struct share_who who = who_is(d->rt, slot);
    int64_t backlog = backlog_of(d, who) + atomic_load(&over->returning);
    int64_t free = share_room(d, who.is_bulk);
    int64_t stays = num_max_i64(share_takes_long(d, who, backlog) ? free / 2 : free, 1);
    atomic_store(&over->credit, (int)num_max_i64(stays - backlog, 0));
}

static bool is_known_of_any(const struct runtime *rt)
{
    return share_is_any_over(rt) || share_is_any_bulk_over(rt);
}

void share_look(struct dispatcher *d)
{
    struct runtime *rt = d->rt;
    look_at_pace(d);
    for (size_t i = 0; is_known_of_any(rt) && i < RUNTIME_OVER_MAX; i++) {
        if (share_workspace(rt, i) == 0)
            continue;
        give_credit(d, i);
        if (!is_within(d, i))
            continue;
        atomic_fetch_sub_explicit(count_of(rt, who_is(rt, i)), 1, memory_order_relaxed);
        atomic_store(&rt->over[i].workspace, 0);
    }
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
