/* place: jobs of ordered kinds get their places in the ledger as they come, before any of them is
 * claimed or moved (run/share); see dispatch.h. */
#include "run/dispatch.h"

#define SCRATCH_BYTES ((size_t)16 << 20)

static enum outcome place_all(struct dispatcher *d, const struct batch *batch, struct err *err)
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
    return ledger_place_many(d->hub, &all, &arena, err);
}

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
    while (d->arrived.first != NULL) {
        struct batch batch = {.count = 0};
        while (batch.count < DISPATCH_BATCH_MAX && (a = attempts_take(&d->arrived)) != NULL)
            batch.items[batch.count++] = a;
        if (place_all(d, &batch, &err) != OUTCOME_OK) {
            put_back(d, &batch);
            (void)service_wait_again(&d->hub_wait, &err);
            return;
        }
        service_wait_end(&d->hub_wait);
        for (size_t i = 0; i < batch.count; i++) {
            batch.items[i]->is_placed = true;
            dispatch_admit(d, batch.items[i]);
        }
    }
}
