/* hand_out: which jobs are claimed next, and how many ahead of the job threads; see dispatch.h. */
#include "run/dispatch.h"

#include "base/clock.h"
#include "base/num.h"
#include "run/gate.h"

#define LOOKAHEAD_US (10 * US_PER_MS)
#define LOOKAHEAD_MAX 1024

/* ---- how many ---- */

/* A moving average; racing writers lose one sample at worst. In the sum the first job of each
 * thread counts for nothing: it waits for connections. */
void dispatch_note_run(struct runtime *rt, int64_t run_us)
{
    int64_t old_us = atomic_load_explicit(&rt->run_average_us, memory_order_relaxed);
    int64_t next_us = old_us == 0 ? run_us : old_us + (run_us - old_us) / 8;
    if (next_us < 1)
        next_us = 1; /* 0 = not known yet */
    atomic_store_explicit(&rt->run_average_us, next_us, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&rt->run_count, 1, memory_order_relaxed) >= rt->conf->job_threads)
        atomic_fetch_add_explicit(&rt->run_total_us, run_us, memory_order_relaxed);
}

int64_t dispatch_lookahead(struct runtime *rt)
{
    int64_t average_us = atomic_load_explicit(&rt->run_average_us, memory_order_relaxed);
    if (average_us == 0)
        return 0;
    int64_t count = LOOKAHEAD_US * rt->conf->job_threads / average_us;
    return count < LOOKAHEAD_MAX ? count : LOOKAHEAD_MAX;
}

void dispatch_note_taken(struct runtime *rt)
{
    if (atomic_load_explicit(&rt->pending, memory_order_relaxed) > 0 &&
        (int64_t)queue_count(&rt->runnable) <= dispatch_lookahead(rt) / 2)
        queue_nudge(&rt->inbox);
}

/* ---- which ---- */

int64_t dispatch_credit(const struct dispatcher *d)
{
    struct runtime *rt = d->rt;
    int64_t begun = metric_get(&rt->metrics.running) + (int64_t)queue_count(&rt->runnable);
    int64_t room = atomic_load(&rt->job_threads_ready) + dispatch_lookahead(rt) - begun;
    return num_max_i64(num_min_i64(room, DISPATCH_BATCH_MAX), 0);
}

/* Of what may be claimed: half, if others wait too; the odd one each second time. */
static size_t room_for_parked(struct dispatcher *d, int64_t room)
{
    d->is_parked_first = !d->is_parked_first;
    return (size_t)(fair_count(&d->fair) == 0 ? room : (room + d->is_parked_first) / 2);
}

static void take_parked(struct dispatcher *d, struct batch *batch, size_t room)
{
    struct attempts rest = {NULL, NULL};
    int64_t now_us = clock_monotonic_us();
    struct attempt *a;
    while ((a = attempts_take(&d->parked)) != NULL) {
        if (a->again_at_us <= now_us && batch->count < room)
            batch->items[batch->count++] = a;
        else
            attempts_add(&rest, a);
    }
    d->parked = rest;
    if (d->suspect != NULL || d->suspects.first == NULL || batch->count >= room)
        return;
    d->suspect = attempts_take(&d->suspects);
    d->suspect->is_suspect = true;
    batch->items[batch->count++] = d->suspect;
}

/* Kinds without a ledger go to the job threads at once. */
static void take_pending(struct dispatcher *d, struct batch *batch, int64_t room,
                         struct attempts *ready)
{
    struct fair_item *item;
    while (room > 0 && (item = fair_take(&d->fair)) != NULL) {
        struct attempt *a = attempt_of_item(item);
        room--;
        if (attempt_is_idempotent(a))
            attempts_add(ready, a);
        else
            batch->items[batch->count++] = a;
    }
}

/* What a job thread that has room asks for. */
static void note_pending(struct dispatcher *d)
{
    bool is_parked = d->parked.first != NULL || d->suspects.first != NULL;
    atomic_store_explicit(&d->rt->pending, (int64_t)fair_count(&d->fair) + is_parked,
                          memory_order_relaxed);
}

bool dispatch_hand_out(struct dispatcher *d)
{
    struct batch batch = {.count = 0};
    struct attempts ready = {NULL, NULL}, held = ready;
    if (atomic_load(&d->rt->stopping) || atomic_load(&d->rt->revoking))
        return false;
    int64_t room = dispatch_credit(d);
    take_parked(d, &batch, room_for_parked(d, room));
    take_pending(d, &batch, room - (int64_t)batch.count, &ready);
    note_pending(d);
    gate_admit(d, &ready, &held);
    if (ready.first != NULL)
        queue_push_list(&d->rt->runnable, &ready.first->node);
    if (held.first != NULL)
        queue_push_list(&d->rt->settling, &held.first->node);
    if (batch.count > 0)
        dispatch_claim(d, &batch);
    return batch.count > 0 || ready.first != NULL || held.first != NULL;
}
