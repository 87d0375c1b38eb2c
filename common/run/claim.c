/* claim: leases and claims of a batch; see dispatch.h. */
#include "run/dispatch.h"

#include "base/clock.h"
#include "base/log.h"
#include "run/gate.h"
#include "run/turn.h"

#include <stdio.h>

#define BUSY_US US_PER_S /* its lease is another worker's, or its workspace has enough of them */
#define CLOCK_EVERY_US (30 * US_PER_S)
#define CLOCK_AGAIN_US US_PER_S
#define CLOCK_FIRST_US (50 * US_PER_MS)
#define CLOCK_GOOD_US (200 * US_PER_MS)
#define MEMORY_US (200 * US_PER_MS) /* until memory may be there again */
#define SCRATCH_BYTES ((size_t)64 << 20)
_Static_assert(DISPATCH_BATCH_MAX <= LEDGER_CLAIMS_MAX, "a batch is one statement");

/* ---- leases ---- */

/* Once: a lease that was taken although the answer was lost is ours when we ask again. */
static void make_lease(struct dispatcher *d, struct attempt *a)
{
    if (a->lease.job_id != NULL)
        return;
    if (d->rt->workspace_jobs_max > 0)
        a->lease.cap = arena_printf(&a->arena, "%s:%s", d->rt->worker->name, a->workspace_id);
    a->lease.cap_max = d->rt->workspace_jobs_max;
    a->lease.job_id = a->id;
    (void)snprintf(a->lease.token, sizeof a->lease.token, "%.40s.%llu", d->rt->owner,
                   (unsigned long long)++d->starts);
}

static enum outcome acquire(struct dispatcher *d, const struct batch *batch, struct arena *arena,
                            bool *ret_taken, struct err *err)
{
    struct lease *leases = ARENA_ARRAY(arena, struct lease, batch->count);
    TRY_ALLOC(leases, err);
    for (size_t i = 0; i < batch->count; i++)
        leases[i] = batch->items[i]->lease;
    return lease_store_acquire_many(d->redis, d->rt->conf->topic_prefix,
                                    (struct leases){leases, batch->count},
                                    d->rt->conf->lease_ttl_ms, arena, ret_taken, err);
}

/* The service is away: after a pause all of them are tried again, those that are ours still. */
static void wait_and_park(struct dispatcher *d, const struct batch *batch,
                          struct service_wait *wait, const struct err *err)
{
    (void)service_wait_again(wait, err);
    for (size_t i = 0; i < batch->count; i++)
        dispatch_park(d, batch->items[i], 0);
}

/* What could be leased stays in the batch. */
static enum outcome take_leases(struct dispatcher *d, struct batch *batch, struct arena *arena,
                                struct err *err)
{
    bool taken[DISPATCH_BATCH_MAX];
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++)
        make_lease(d, batch->items[i]);
    TRY(acquire(d, batch, arena, taken, err));
    for (size_t i = 0; i < batch->count; i++) {
        struct attempt *a = batch->items[i];
        a->has_lease = taken[i];
        a->is_refused = false;
        if (taken[i]) {
            batch->items[count++] = a;
            continue;
        }
        metric_add(&d->rt->metrics.leases_busy, 1);
        a->is_refused = a->lease.cap != NULL;
        dispatch_park(d, a, BUSY_US);
    }
    batch->count = count;
    return OUTCOME_OK;
}

static void release_leases(struct dispatcher *d, const struct batch *batch, struct arena *arena)
{
    struct err err = {0};
    struct lease *leases = ARENA_ARRAY(arena, struct lease, batch->count);
    bool *clear_cancel = ARENA_ARRAY(arena, bool, batch->count);
    if (batch->count == 0 || leases == NULL || clear_cancel == NULL)
        return; /* they expire by themselves */
    for (size_t i = 0; i < batch->count; i++) {
        leases[i] = batch->items[i]->lease;
        batch->items[i]->has_lease = false;
    }
    if (lease_store_release_many(d->redis, d->rt->conf->topic_prefix,
                                 (struct leases){leases, batch->count}, clear_cancel, arena,
                                 &err) != OUTCOME_OK)
        LOG_AT(LOG_DEBUG, "lease.not_released", LOG_ERR_FIELDS(&err));
}

/* ---- claims ---- */

enum outcome dispatch_open_hub(struct dispatcher *d, struct err *err)
{
    struct pgsql_conf conf = d->rt->conf->hub;
    conf.session_sql = LEDGER_SESSION_SQL;
    if (d->hub == NULL)
        TRY(pgsql_open(&conf, &d->hub, err));
    return OUTCOME_OK;
}

/* An answer that was long on its way says little: it counts when there is no better one. */
static enum outcome ask_time(struct dispatcher *d, struct err *err)
{
    int64_t hub_us = 0;
    TRY(dispatch_open_hub(d, err));
    int64_t asked_us = clock_monotonic_us();
    TRY(ledger_now(d->hub, &hub_us, err));
    int64_t answered_us = clock_monotonic_us(), took_us = answered_us - asked_us;
    if (took_us > CLOCK_GOOD_US && d->clock_took_us != 0 && took_us > d->clock_took_us)
        return OUTCOME_OK;
    d->clock_took_us = took_us > 0 ? took_us : 1;
    fleet_clock_set(&d->rt->clock, hub_us, asked_us, answered_us);
    return OUTCOME_OK;
}

void dispatch_set_clock(struct dispatcher *d)
{
    struct err err = {0};
    int64_t now_us = clock_monotonic_us();
    if (now_us < d->clock_due_us)
        return;
    bool is_good = ask_time(d, &err) == OUTCOME_OK && d->clock_took_us <= CLOCK_GOOD_US;
    int64_t again_us = d->clock_took_us == 0 ? CLOCK_FIRST_US : CLOCK_AGAIN_US;
    d->clock_due_us = now_us + (is_good ? CLOCK_EVERY_US : again_us);
}

static enum outcome claim_all(struct dispatcher *d, const struct batch *batch, struct arena *arena,
                              struct ledger_claimed **ret_claimed, struct err *err)
{
    struct ledger_claim *claims = ARENA_ARRAY(arena, struct ledger_claim, batch->count);
    struct ledger_claimed *claimed = ARENA_ARRAY(arena, struct ledger_claimed, batch->count);
    TRY_ALLOC(claims, err);
    TRY_ALLOC(claimed, err);
    for (size_t i = 0; i < batch->count; i++)
        claims[i] = attempt_claim(batch->items[i]);
    struct ledger_claims all = {.items = claims,
                                .count = batch->count,
                                .worker = d->rt->worker->name,
                                .owner = d->rt->owner,
                                .max_starts = (int)d->rt->conf->max_starts,
                                .now_us = fleet_clock_least_us(&d->rt->clock)};
    TRY(dispatch_open_hub(d, err));
    TRY(ledger_claim_many(d->hub, &all, arena, claimed, err));
    *ret_claimed = claimed;
    return OUTCOME_OK;
}

/* ---- what the ledger said ---- */

struct handed {
    struct attempts runnable, settling, behind;
    struct batch unleased; /* their leases are given up */
};

static void hand_on_to_run(struct dispatcher *d, struct attempt *a, struct handed *to)
{
    a->in_ledger = true;
    if (a->claimed.verdict == LEDGER_POISON)
        a->outcome = FAIL(&a->err, OUTCOME_POISON, "job.poison",
                          "started %d times, each ended with its process", a->claimed.starts - 1);
    keeper_enter(&d->rt->keeper, &a->slot, &a->lease, a->deadline_us);
    attempts_add(&to->runnable, a);
}

static void hand_on_later(struct attempt *a, int64_t due_us, struct handed *to)
{
    settle_plan_later(a, due_us);
    attempts_add(&to->settling, a);
}

static void hand_on(struct dispatcher *d, struct attempt *a, struct handed *to)
{
    switch (a->claimed.verdict) {
    case LEDGER_RUN:
    case LEDGER_POISON:
        hand_on_to_run(d, a, to);
        break;
    case LEDGER_DONE:
    case LEDGER_CANCELLED:
        a->plan = (struct plan){.kind = PLAN_TELL};
        attempts_add(&to->settling, a);
        break;
    case LEDGER_WAIT:
        hand_on_later(a, a->claimed.due_us, to);
        break;
    case LEDGER_BEHIND:
        metric_add(&d->rt->metrics.behind, 1);
        to->unleased.items[to->unleased.count++] = a;
        attempts_add(&to->behind, a);
        break;
    case LEDGER_SUSPECT:
        to->unleased.items[to->unleased.count++] = a;
        attempts_add(&d->suspects, a);
        break;
    }
}

static void push(struct queue *queue, const struct attempts *list)
{
    if (list->first != NULL)
        queue_push_list(queue, &list->first->node);
}

static void hand_on_all(struct dispatcher *d, const struct batch *batch,
                        const struct ledger_claimed *claimed, struct arena *arena)
{
    struct handed handed = {.unleased = {.count = 0}};
    struct err err = {0};
    for (size_t i = 0; i < batch->count; i++) {
        struct attempt *a = batch->items[i];
        if (attempt_claimed(a, &claimed[i], &err) == OUTCOME_OK) {
            hand_on(d, a, &handed);
            continue;
        }
        /* No memory for the answer: the same question again. A record that is dropped here would
         * hold its offset back for as long as the partition is ours. */
        handed.unleased.items[handed.unleased.count++] = a;
        dispatch_park(d, a, MEMORY_US);
    }
    gate_admit(d, &handed.runnable, &handed.settling);
    push(&d->rt->runnable, &handed.runnable);
    push(&d->rt->settling, &handed.settling);
    release_leases(d, &handed.unleased, arena);
    for (struct attempt *a; (a = attempts_take(&handed.behind)) != NULL;)
        turn_await(d, a);
}

void dispatch_claim(struct dispatcher *d, struct batch *batch)
{
    struct arena arena ARENA_AUTO;
    struct err err = {0};
    arena_init(&arena, SCRATCH_BYTES);
    if (take_leases(d, batch, &arena, &err) != OUTCOME_OK) {
        wait_and_park(d, batch, &d->redis_wait, &err);
        return;
    }
    service_wait_end(&d->redis_wait);
    if (batch->count == 0)
        return;
    struct ledger_claimed *claimed = NULL;
    if (claim_all(d, batch, &arena, &claimed, &err) != OUTCOME_OK) {
        release_leases(d, batch, &arena); /* not to hold them for as long as the hub is away */
        wait_and_park(d, batch, &d->hub_wait, &err);
        return;
    }
    service_wait_end(&d->hub_wait);
    hand_on_all(d, batch, claimed, &arena);
}
