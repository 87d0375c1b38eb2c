/* settler: see settler.h. */
#include "run/settler.h"

#include "base/clock.h"
#include "base/log.h"
#include "run/attempt.h"
#include "run/thread.h"

#define BATCH_MAX 1024                  /* as dispatch.h says */
#define BATCH_BYTES ((size_t)512 << 20) /* receipts may be long */
#define WAIT_US US_PER_S
#define MEMORY_US (200 * US_PER_MS) /* until memory may be there again */

struct batch {
    struct attempt *items[BATCH_MAX];
    enum delivery_fate fates[BATCH_MAX];
    size_t count;
};

/* ---- the ledger ---- */

static bool asks_ledger(const struct attempt *a)
{
    return a->in_ledger && (a->plan.kind == PLAN_END || a->plan.kind == PLAN_WAIT ||
                            a->plan.kind == PLAN_HAND_BACK);
}

static struct ledger_settlement settlement_of(const struct attempt *a)
{
    bool is_free = a->plan.kind == PLAN_HAND_BACK || a->plan.is_for_children;
    bool is_told = !is_free && a->plan.state != EVENT_SUCCEEDED;
    return (struct ledger_settlement){
        .job_id = a->id,
        .fence = a->claimed.fence,
        .is_end = a->plan.kind == PLAN_END,
        .state = a->plan.state,
        .sequence = a->plan.sequence,
        .result = a->result.len == 0 ? NULL : str_text(&a->result),
        .next_attempt = a->plan.next_attempt,
        .due_us = is_free ? 0 : a->plan.due_us,
        .wait_fence = a->plan.wait_fence,
        .is_unbegun = !a->has_run,
        .error = is_told ? &a->err : NULL,
    };
}

struct question {
    struct ledger_settlement *items;
    struct ledger_settled *answers;
    size_t *places; /* in the batch */
    size_t count;
};

static bool make_question(const struct batch *batch, struct arena *arena, struct question *ret)
{
    struct question q = {.items = ARENA_ARRAY(arena, struct ledger_settlement, batch->count),
                         .answers = ARENA_ARRAY(arena, struct ledger_settled, batch->count),
                         .places = ARENA_ARRAY(arena, size_t, batch->count)};
    if (q.items == NULL || q.answers == NULL || q.places == NULL)
        return false;
    for (size_t i = 0; i < batch->count; i++) {
        if (!asks_ledger(batch->items[i]))
            continue;
        q.items[q.count] = settlement_of(batch->items[i]);
        q.places[q.count++] = i;
    }
    *ret = q;
    return true;
}

static enum outcome ask(struct settler *settler, const struct question *q, struct arena *arena,
                        struct err *err)
{
    if (settler->hub == NULL)
        TRY(pgsql_open(&settler->rt->conf->hub, &settler->hub, err));
    struct arena_mark mark = arena_snapshot(arena);
    enum outcome outcome =
        ledger_settle_many(settler->hub, q->items, q->count, arena, q->answers, err);
    if (outcome != OUTCOME_OK)
        arena_reset(arena, mark);
    return outcome;
}

/* What is done when the ledger did not say "ours". */
static enum delivery_fate answered(struct attempt *a, const struct ledger_settled *answer)
{
    struct err err = {0};
    if (answer->answer == LEDGER_FENCED)
        return settle_fenced(a);
    if (answer->answer == LEDGER_ENDED_CANCELLED) {
        struct ledger_claimed after = answer->after;
        after.verdict = LEDGER_CANCELLED;
        if (attempt_claimed(a, &after, &err) != OUTCOME_OK) {
            a->delivery->again_at_us = clock_monotonic_us() + MEMORY_US;
            return FATE_AGAIN; /* the ledger tells it once more */
        }
        a->plan.kind = PLAN_TELL;
    }
    return settle_tell(a);
}

/* Every item gets a fate; FATE_DROP when the process ends before the hub answers. */
static void settle_all(struct settler *settler, struct batch *batch, struct arena *arena)
{
    struct service_wait wait = {settler->rt, SERVICE_HUB, &settler->rt->aborting, 0, 0};
    struct question q;
    struct err err = {0};
    for (size_t i = 0; i < batch->count; i++)
        batch->fates[i] = FATE_DROP;
    struct arena_mark mark = arena_snapshot(arena);
    while (!make_question(batch, arena, &q)) {
        arena_reset(arena, mark);
        if (atomic_load(&settler->rt->aborting))
            return;
        clock_sleep_us(MEMORY_US);
    }
    while (q.count > 0 && ask(settler, &q, arena, &err) != OUTCOME_OK) {
        if (!service_wait_again(&wait, &err)) {
            for (size_t i = 0; i < batch->count; i++) {
                if (!asks_ledger(batch->items[i]))
                    batch->fates[i] = settle_tell(batch->items[i]);
            }
            return;
        }
    }
    service_wait_end(&wait);
    for (size_t i = 0; i < q.count; i++)
        batch->fates[q.places[i]] = answered(batch->items[q.places[i]], &q.answers[i]);
    for (size_t i = 0, next = 0; i < batch->count; i++) {
        if (next < q.count && q.places[next] == i)
            next++;
        else
            batch->fates[i] = settle_tell(batch->items[i]);
    }
}

/* ---- leases ---- */

static void release_all(struct settler *settler, const struct batch *batch, struct arena *arena)
{
    struct err err = {0};
    size_t count = 0;
    struct lease *leases = ARENA_ARRAY(arena, struct lease, batch->count);
    bool *clear_cancel = ARENA_ARRAY(arena, bool, batch->count);
    if (leases == NULL || clear_cancel == NULL)
        return; /* they expire by themselves */
    for (size_t i = 0; i < batch->count; i++) {
        if (!batch->items[i]->has_lease)
            continue;
        clear_cancel[count] = batch->fates[i] == FATE_DONE;
        leases[count++] = batch->items[i]->lease;
    }
    if (count > 0 && lease_store_release_many(settler->redis, settler->rt->conf->topic_prefix,
                                              (struct leases){leases, count}, clear_cancel, arena,
                                              &err) != OUTCOME_OK)
        LOG_AT(LOG_DEBUG, "lease.not_released", LOG_ERR_FIELDS(&err));
}

static void settle_batch(struct settler *settler, struct batch *batch)
{
    struct arena arena ARENA_AUTO;
    arena_init(&arena, BATCH_BYTES);
    settle_all(settler, batch, &arena);
    for (size_t i = 0; i < batch->count; i++)
        keeper_leave(&settler->rt->keeper, &batch->items[i]->slot);
    release_all(settler, batch, &arena);
    attempts_over(batch->items, batch->fates, batch->count);
}

/* ---- the thread ---- */

/* What moves to the bulk topic is told at once and goes back together: it may be very much, and
 * the ledger is not asked about it. Gives what is left. */
static struct node *tell_moved(struct runtime *rt, struct node *list)
{
    struct node *moved = NULL, *rest = NULL, **moved_end = &moved, **rest_end = &rest;
    for (struct node *next; list != NULL; list = next) {
        struct attempt *a = attempt_of(list);
        bool moves = a->plan.kind == PLAN_DEMOTE;
        next = list->next;
        list->next = NULL;
        if (moves)
            attempt_settled(a, settle_tell(a));
        struct node ***end = moves ? &moved_end : &rest_end;
        **end = list;
        *end = &list->next;
    }
    queue_push_list(&rt->inbox, moved);
    return rest;
}

static void *run(void *arg)
{
    struct settler *settler = arg;
    struct runtime *rt = settler->rt;
    while (!queue_is_closed(&rt->settling)) {
        struct node *list = tell_moved(rt, queue_take_all(&rt->settling, WAIT_US));
        while (list != NULL) {
            struct batch batch = {.count = 0};
            while (list != NULL && batch.count < BATCH_MAX) {
                struct node *next = list->next;
                batch.items[batch.count++] = attempt_of(list);
                list = next;
            }
            settle_batch(settler, &batch);
        }
    }
    pgsql_close(settler->hub);
    rconn_close(settler->redis);
    atomic_fetch_sub(&rt->threads_alive, 1);
    return NULL;
}

enum outcome settler_start(struct settler *settler, struct runtime *rt, struct err *err)
{
    *settler = (struct settler){.rt = rt};
    TRY(rconn_open(&rt->conf->redis, &settler->redis, err));
    atomic_fetch_add(&rt->threads_alive, 1);
    enum outcome outcome = thread_start(&settler->thread, "settler", run, settler, err);
    if (outcome == OUTCOME_OK)
        return OUTCOME_OK;
    atomic_fetch_sub(&rt->threads_alive, 1);
    rconn_close(settler->redis);
    return outcome;
}

void settler_join(struct settler *settler)
{
    pthread_join(settler->thread, NULL);
}
