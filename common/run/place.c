/* place: jobs of ordered kinds get their places in the ledger before they move (run/share):
 * whatever way their records go, those of their subject that come later wait for them. What does
 * not move gets its place where it is claimed, and is claimed in its order: so all that its
 * workspace has here gets one before the first that moves does. See dispatch.h. */
#include "run/share.h"

#include <stdlib.h>

#define SCRATCH_BYTES ((size_t)16 << 20)

static enum outcome place(struct dispatcher *d, const struct batch *batch, struct err *err)
{
    struct arena arena ARENA_AUTO;
    arena_init(&arena, SCRATCH_BYTES);
    struct ledger_claim *jobs = ARENA_ARRAY(&arena, struct ledger_claim, batch->count);
    TRY_ALLOC(jobs, err);
    for (size_t i = 0; i < batch->count; i++)
        jobs[i] = attempt_claim(batch->items[i]);
    struct ledger_claims all = {
        .items = jobs, .count = batch->count, .worker = d->rt->worker->name};
    TRY(dispatch_open_hub(d, err));
    TRY(ledger_place_many(d->hub, &all, &arena, err));
    service_wait_end(&d->hub_wait);
    for (size_t i = 0; i < batch->count; i++)
        batch->items[i]->is_placed = true;
    return OUTCOME_OK;
}

/* ---- what is here ---- */

struct pending {
    struct pending_item {
        struct attempt *a;
        int64_t read_us, offset;
    } * items;
    size_t count;
    uint64_t tenant;
};

static void note(struct pending *pending, struct attempt *a)
{
    if (a->item.tenant == pending->tenant && dispatch_needs_place(a))
        pending->items[pending->count++] =
            (struct pending_item){a, a->delivery->read_us, a->delivery->message.offset};
}

static bool note_item(struct fair_item *item, void *context)
{
    note(context, attempt_of_item(item));
    return false; /* it stays */
}

/* As they were read; what was read in one moment is of one partition if its order matters. */
static int by_time(const void *left, const void *right)
{
    const struct pending_item *a = left, *b = right;
    if (a->read_us != b->read_us)
        return a->read_us < b->read_us ? -1 : 1;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

static size_t count_of(const struct attempts *list)
{
    size_t count = 0;
    for (const struct attempt *a = list->first; a != NULL; a = attempt_next(a))
        count++;
    return count;
}

static enum outcome place_what_is_here(struct dispatcher *d, uint64_t tenant, struct err *err)
{
    struct arena arena ARENA_AUTO;
    arena_init(&arena, SCRATCH_BYTES);
    size_t max = fair_count(&d->fair) + count_of(&d->parked);
    struct pending pending = {.items = ARENA_ARRAY(&arena, struct pending_item, max + 1),
                              .tenant = tenant};
    TRY_ALLOC(pending.items, err);
    for (struct attempt *a = d->parked.first; a != NULL; a = attempt_next(a))
        note(&pending, a);
    (void)fair_remove_matching(&d->fair, note_item, &pending);
    qsort(pending.items, pending.count, sizeof *pending.items, by_time);
    for (size_t at = 0; at < pending.count;) {
        struct batch batch = {.count = 0};
        while (batch.count < DISPATCH_BATCH_MAX && at < pending.count)
            batch.items[batch.count++] = pending.items[at++].a;
        TRY(place(d, &batch, err));
    }
    return OUTCOME_OK;
}

static enum outcome place_before(struct dispatcher *d, uint64_t tenant, struct err *err)
{
    size_t slot = share_slot_of(d->rt, tenant);
    if (slot == RUNTIME_OVER_MAX || d->has_placed[slot])
        return OUTCOME_OK;
    TRY(place_what_is_here(d, tenant, err));
    d->has_placed[slot] = true;
    return OUTCOME_OK;
}

void dispatch_place_before(struct dispatcher *d, uint64_t tenant)
{
    struct err err = {0};
    if (place_before(d, tenant, &err) != OUTCOME_OK)
        (void)service_wait_again(&d->hub_wait, &err);
}

static enum outcome place_before_arrived(struct dispatcher *d, struct err *err)
{
    for (const struct attempt *a = d->arrived.first; a != NULL; a = attempt_next(a))
        TRY(place_before(d, a->item.tenant, err));
    return OUTCOME_OK;
}

/* ---- what has arrived ---- */

/* Before those that came later. */
static void put_back(struct dispatcher *d, const struct batch *batch)
{
    struct attempts later = d->arrived;
    struct attempt *a;
    d->arrived = (struct attempts){NULL, NULL};
    for (size_t i = 0; i < batch->count; i++)
        attempts_add(&d->arrived, batch->items[i]);
    while ((a = attempts_take(&later)) != NULL)
        attempts_add(&d->arrived, a);
}

/* The hub is away: after a pause, and another round, they are tried again. */
void dispatch_place(struct dispatcher *d)
{
    struct err err = {0};
    struct attempt *a;
    if (place_before_arrived(d, &err) != OUTCOME_OK) {
        (void)service_wait_again(&d->hub_wait, &err);
        return;
    }
    while (d->arrived.first != NULL) {
        struct batch batch = {.count = 0};
        while (batch.count < DISPATCH_BATCH_MAX && (a = attempts_take(&d->arrived)) != NULL)
            batch.items[batch.count++] = a;
        if (place(d, &batch, &err) != OUTCOME_OK) {
            put_back(d, &batch);
            (void)service_wait_again(&d->hub_wait, &err);
            return;
        }
        for (size_t i = 0; i < batch.count; i++)
            dispatch_admit(d, batch.items[i]);
    }
}
