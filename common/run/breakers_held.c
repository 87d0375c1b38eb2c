/* breakers_held: what operators hold open, whatever becomes of Redis; see breakers_private.h.
 *
 * The hub is asked when Redis says something new, so that the order is known when Redis loses it;
 * and when Redis differs from what is known, before anything is restored: the operator may have
 * closed it meanwhile. Without the hub the last order that is known stands, and Redis, by its
 * version, refuses it when a later one was there. */
#include "base/clock.h"
#include "base/log.h"
#include "run/breaker_orders.h"
#include "run/breakers_private.h"

#define HUB_LOOK_US (5 * US_PER_S)
#define RESTORE_MAX 1024 /* in one pipeline; the rest with the next refresh */

/* ---- with the lock held ---- */

static void hold_here(struct breaker_entry *entry, int64_t now_us)
{
    bool is_forced = entry->local.state == BREAKER_FORCED_OPEN;
    if (entry->is_ordered_open && !is_forced)
        breaker_force_open(&entry->local);
    else if (!entry->is_ordered_open && is_forced)
        breaker_close(&entry->local, now_us);
}

static bool hold_in_fleet(struct breakers *b, struct breaker_entry *entry)
{
    bool is_forced = entry->state == BREAKER_FORCED_OPEN;
    if (entry->order != 0)
        entry->is_owed |= entry->is_ordered_open != is_forced;
    if (entry->is_ordered_open)
        entry->state = BREAKER_FORCED_OPEN;
    is_forced = entry->state == BREAKER_FORCED_OPEN;
    if (is_forced != entry->was_forced)
        b->hub_due_us = 0; /* there is an order that is not known here */
    entry->was_forced = is_forced;
    return entry->is_owed;
}

bool breakers_hold(struct breakers *b)
{
    int64_t now_us = clock_monotonic_us();
    bool is_owed = false;
    for (size_t i = 0; i < BREAKER_BUCKETS; i++) {
        for (struct breaker_entry *entry = b->buckets[i]; entry != NULL; entry = entry->chain) {
            if (b->is_fleet)
                is_owed |= hold_in_fleet(b, entry);
            else if (entry->order != 0)
                hold_here(entry, now_us);
        }
    }
    return is_owed;
}

static void learn(struct breakers *b, const struct breaker_orders *orders)
{
    for (size_t i = 0; i < orders->count; i++) {
        const struct breaker_order *order = &orders->items[i];
        struct breaker_entry *entry = breakers_entry(b, order->dependency);
        if (entry == NULL || order->version <= entry->order)
            continue;
        entry->order = order->version;
        entry->is_ordered_open = order->is_open;
    }
}

static size_t gather(struct breakers *b, struct arena *arena, struct breaker_request *requests)
{
    size_t count = 0;
    for (size_t i = 0; b->is_fleet && i < BREAKER_BUCKETS; i++) {
        for (struct breaker_entry *entry = b->buckets[i]; entry != NULL; entry = entry->chain) {
            const char *name = entry->is_owed ? arena_strdup(arena, entry->name) : NULL;
            entry->is_owed = false; /* what is not told now differs with the next look */
            if (name != NULL && count < RESTORE_MAX)
                requests[count++] = (struct breaker_request){
                    .op = entry->is_ordered_open ? BREAKER_OP_FORCE_OPEN : BREAKER_OP_LIFT,
                    .dependency = name,
                    .epoch = BREAKER_EPOCH_UNKNOWN,
                    .reason = "restored from the hub",
                    .order = entry->order};
        }
    }
    return count;
}

static void apply(struct breakers *b, const struct breaker_request *requests,
                  const struct breaker_view *views, size_t count)
{
    int64_t now_us = clock_monotonic_us();
    for (size_t i = 0; i < count; i++) {
        struct breaker_entry *entry = breakers_entry(b, requests[i].dependency);
        if (entry == NULL)
            continue;
        breakers_apply_view(entry, &views[i], now_us);
        if (views[i].order <= entry->order)
            continue;
        entry->order = views[i].order; /* an operator was here since the hub was asked */
        entry->is_ordered_open = views[i].state == BREAKER_FORCED_OPEN;
    }
}

/* ---- without it ---- */

static bool read_orders(struct breakers *b, struct arena *arena, struct breaker_orders *ret_orders)
{
    struct err err = {0};
    b->hub_due_us = clock_monotonic_us() + HUB_LOOK_US;
    bool is_read = (b->hub != NULL || pgsql_open(&b->hub_conf, &b->hub, &err) == OUTCOME_OK) &&
                   breaker_orders_read(b->hub, arena, ret_orders, &err) == OUTCOME_OK;
    if (!is_read && !b->is_hub_away)
        LOG_AT(LOG_WARN, "breakers.hub_away", LOG_ERR_FIELDS(&err));
    b->is_hub_away = !is_read;
    return is_read;
}

/* True: Redis differs from what it says. */
static bool look_at_hub(struct breakers *b, struct arena *arena)
{
    struct breaker_orders orders = {0};
    if (!read_orders(b, arena, &orders))
        return false;
    pthread_mutex_lock(&b->lock);
    learn(b, &orders);
    bool is_owed = breakers_hold(b);
    pthread_mutex_unlock(&b->lock);
    return is_owed;
}

static void log_restored(const struct breaker_request *request, const struct breaker_view *view)
{
    if (view->state != view->before)
        LOG_AT(LOG_WARN, "breaker.restored", LOG_TEXT("dependency", request->dependency),
               LOG_TEXT("from", breaker_state_name(view->before)),
               LOG_TEXT("to", breaker_state_name(view->state)), LOG_INT("order", request->order));
}

static void tell(struct breakers *b, struct arena *arena)
{
    struct breaker_request *requests = ARENA_ARRAY(arena, struct breaker_request, RESTORE_MAX);
    struct breaker_view *views = ARENA_ARRAY(arena, struct breaker_view, RESTORE_MAX);
    if (requests == NULL || views == NULL)
        return;
    pthread_mutex_lock(&b->lock);
    size_t count = gather(b, arena, requests);
    pthread_mutex_unlock(&b->lock);
    if (count == 0 || breaker_store_apply(b->conn, b->prefix, &b->conf, requests, count, arena,
                                          views, NULL) != OUTCOME_OK)
        return; /* the next refresh says what is the matter */
    pthread_mutex_lock(&b->lock);
    apply(b, requests, views, count);
    pthread_mutex_unlock(&b->lock);
    for (size_t i = 0; i < count; i++)
        log_restored(&requests[i], &views[i]);
}

void breakers_restore(struct breakers *b, struct arena *arena, bool is_owed)
{
    if ((is_owed && !b->is_hub_away) || clock_monotonic_us() >= b->hub_due_us)
        is_owed |= look_at_hub(b, arena);
    if (is_owed)
        tell(b, arena);
}
