/* keeper: see keeper.h. */
#include "run/keeper_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "run/events.h"
#include "run/progress.h"
#include "run/thread.h"

#include <stdlib.h>

#define TICK_US (100 * US_PER_MS)
#define HUB_CHECK_US (5 * US_PER_S)
#define SCRATCH_BYTES ((size_t)4 << 20)

/* ---- slots; the lock is held ---- */

void keeper_stop_slot(struct keeper_slot *slot, enum stop_reason reason)
{
    if (slot->reason != STOP_NONE)
        return;
    slot->reason = reason;
    __atomic_store_n(&slot->cancelled, true, __ATOMIC_RELAXED);
}

static void check_times(struct keeper *keeper, int64_t now_us, int64_t wall_us)
{
    int64_t ttl_us = keeper->options.lease_ttl_ms * US_PER_MS;
    for (struct keeper_slot *slot = keeper->slots; slot != NULL; slot = slot->next) {
        if (slot->deadline_us != 0 && wall_us >= slot->deadline_us)
            keeper_stop_slot(slot, STOP_DEADLINE);
        if (slot->has_lease && !slot->is_over && now_us - slot->renewed_us > ttl_us &&
            slot->reason == STOP_NONE) {
            atomic_fetch_add(&keeper->leases_lost, 1);
            keeper_stop_slot(slot, STOP_LEASE);
        }
    }
}

static void tell_progress(struct keeper *keeper, int64_t now_us, int64_t wall_us)
{
    for (struct keeper_slot *slot = keeper->slots; slot != NULL; slot = slot->next) {
        struct event event;
        if (progress_take(slot, now_us, wall_us, &event))
            events_tell(keeper->options.outbox, keeper->options.events_topic, &event);
    }
}

/* ---- renewals: asked for without the lock ---- */

struct renewal {
    size_t count;
    struct lease *leases;
    enum lease_state *states;
};

static bool is_due(const struct keeper *keeper, const struct keeper_slot *slot, int64_t now_us)
{
    return slot->has_lease &&
           now_us - slot->renewed_us >= keeper->options.lease_ttl_ms * US_PER_MS / 3;
}

/* Texts are copied: their job may be over before the answer is here. */
static bool gather(struct keeper *keeper, struct arena *arena, int64_t now_us,
                   struct renewal *ret_renewal)
{
    size_t count = 0;
    for (struct keeper_slot *slot = keeper->slots; slot != NULL; slot = slot->next)
        count += is_due(keeper, slot, now_us);
    struct renewal renewal = {.leases = ARENA_ARRAY(arena, struct lease, count),
                              .states = ARENA_ARRAY(arena, enum lease_state, count)};
    if (count == 0 || renewal.leases == NULL || renewal.states == NULL)
        return false;
    for (struct keeper_slot *slot = keeper->slots; slot != NULL; slot = slot->next) {
        if (!is_due(keeper, slot, now_us))
            continue;
        struct lease lease = *slot->lease;
        lease.job_id = arena_strdup(arena, lease.job_id);
        if (lease.cap != NULL)
            lease.cap = arena_strdup(arena, lease.cap);
        if (lease.job_id == NULL || (slot->lease->cap != NULL && lease.cap == NULL))
            break; /* the others next time */
        slot->renewal = (int)renewal.count;
        renewal.leases[renewal.count++] = lease;
    }
    *ret_renewal = renewal;
    return renewal.count > 0;
}

/* New slots have no place in it; one that is left waits for its answer. */
static void apply(struct keeper *keeper, const struct renewal *renewal, int64_t asked_us,
                  bool is_ok)
{
    for (struct keeper_slot *slot = keeper->slots; slot != NULL; slot = slot->next) {
        int place = slot->renewal;
        slot->renewal = -1;
        if (place < 0 || !is_ok)
            continue;
        if (renewal->states[place] == LEASE_LOST) {
            atomic_fetch_add(&keeper->leases_lost, 1);
            keeper_stop_slot(slot, STOP_LEASE);
            continue;
        }
        slot->renewed_us = asked_us;
        if (renewal->states[place] == LEASE_CANCELLED)
            keeper_stop_slot(slot, STOP_ASKED);
    }
    pthread_cond_broadcast(&keeper->renewed);
}

static void renew(struct keeper *keeper, struct arena *arena)
{
    struct renewal renewal;
    struct err err = {0};
    int64_t now_us = clock_monotonic_us();
    pthread_mutex_lock(&keeper->lock);
    bool has_some = gather(keeper, arena, now_us, &renewal);
    pthread_mutex_unlock(&keeper->lock);
    if (!has_some)
        return;
    enum outcome outcome = lease_store_renew(
        keeper->redis, keeper->options.prefix, (struct leases){renewal.leases, renewal.count},
        keeper->options.lease_ttl_ms, arena, renewal.states, &err);
    if (outcome != OUTCOME_OK)
        LOG_AT(LOG_WARN, "lease.not_renewed", LOG_ERR_FIELDS(&err));
    pthread_mutex_lock(&keeper->lock);
    apply(keeper, &renewal, now_us, outcome == OUTCOME_OK);
    pthread_mutex_unlock(&keeper->lock);
}

/* ---- the thread ---- */

static bool wait_for_work(struct keeper *keeper)
{
    pthread_mutex_lock(&keeper->lock);
    while (keeper->count == 0 && !keeper->stopping) {
        keeper->is_asleep = true;
        pthread_cond_wait(&keeper->changed, &keeper->lock);
    }
    keeper->is_asleep = false;
    if (!keeper->stopping)
        monotonic_cond_wait(&keeper->changed, &keeper->lock, TICK_US);
    bool goes_on = !keeper->stopping;
    if (goes_on) {
        int64_t now_us = clock_monotonic_us(), wall_us = fleet_clock_us(keeper->options.clock);
        check_times(keeper, now_us, wall_us);
        tell_progress(keeper, now_us, wall_us);
    }
    pthread_mutex_unlock(&keeper->lock);
    return goes_on;
}

static void *run(void *arg)
{
    struct keeper *keeper = arg;
    int64_t asked_us = clock_monotonic_us();
    while (wait_for_work(keeper)) {
        struct arena arena ARENA_AUTO;
        arena_init(&arena, SCRATCH_BYTES);
        renew(keeper, &arena);
        int64_t now_us = clock_monotonic_us();
        if (now_us - asked_us >= HUB_CHECK_US) {
            asked_us = now_us;
            keeper_ask_hub(keeper);
        }
    }
    return NULL;
}

enum outcome keeper_open(struct keeper *keeper, const struct keeper_options *options,
                         struct err *err)
{
    *keeper = (struct keeper){.options = *options};
    TRY(rconn_open(options->redis, &keeper->redis, err));
    pthread_mutex_init(&keeper->lock, NULL);
    monotonic_cond_init(&keeper->changed);
    monotonic_cond_init(&keeper->renewed);
    enum outcome outcome = keeper_hub_start(keeper, err);
    if (outcome != OUTCOME_OK) {
        rconn_close(keeper->redis);
        return outcome;
    }
    outcome = thread_start(&keeper->thread, "keeper", run, keeper, err);
    if (outcome != OUTCOME_OK) {
        keeper_hub_stop(keeper);
        rconn_close(keeper->redis);
    }
    return outcome;
}

void keeper_close(struct keeper *keeper)
{
    pthread_mutex_lock(&keeper->lock);
    keeper->stopping = true;
    pthread_cond_broadcast(&keeper->changed);
    pthread_mutex_unlock(&keeper->lock);
    pthread_join(keeper->thread, NULL);
    keeper_hub_stop(keeper);
    rconn_close(keeper->redis);
    pthread_cond_destroy(&keeper->renewed);
    pthread_cond_destroy(&keeper->changed);
    pthread_mutex_destroy(&keeper->lock);
}

/* ---- for those who do the jobs ---- */

void keeper_enter(struct keeper *keeper, struct keeper_slot *slot, const struct lease *lease,
                  int64_t deadline_us)
{
    slot->has_lease = lease != NULL;
    slot->lease = lease;
    slot->deadline_us = deadline_us;
    slot->renewal = -1;
    slot->entered_us = slot->renewed_us = clock_monotonic_us();
    pthread_mutex_lock(&keeper->lock);
    slot->is_entered = true;
    slot->previous = NULL;
    slot->next = keeper->slots;
    if (slot->next != NULL)
        slot->next->previous = slot;
    keeper->slots = slot;
    keeper->count++;
    bool wakes = keeper->is_asleep;
    keeper->is_asleep = false;
    pthread_mutex_unlock(&keeper->lock);
    if (wakes)
        pthread_cond_signal(&keeper->changed);
}

void keeper_work_begins(struct keeper *keeper, struct keeper_slot *slot, const struct event *event)
{
    pthread_mutex_lock(&keeper->lock);
    slot->event = *event;
    slot->sequence = event->sequence;
    slot->is_telling = true;
    pthread_mutex_unlock(&keeper->lock);
}

enum stop_reason keeper_work_ended(struct keeper *keeper, struct keeper_slot *slot,
                                   int64_t *ret_sequence)
{
    pthread_mutex_lock(&keeper->lock);
    slot->is_telling = false;
    slot->is_over = true;
    enum stop_reason reason = slot->reason;
    *ret_sequence = slot->sequence;
    pthread_mutex_unlock(&keeper->lock);
    return reason;
}

void keeper_leave(struct keeper *keeper, struct keeper_slot *slot)
{
    if (!slot->is_entered)
        return;
    pthread_mutex_lock(&keeper->lock);
    /* It might arrive behind the lease's end, and take it again. */
    while (slot->renewal >= 0)
        pthread_cond_wait(&keeper->renewed, &keeper->lock);
    if (slot->previous == NULL)
        keeper->slots = slot->next;
    else
        slot->previous->next = slot->next;
    if (slot->next != NULL)
        slot->next->previous = slot->previous;
    slot->is_entered = false;
    keeper->count--;
    pthread_mutex_unlock(&keeper->lock);
}

void keeper_progress(struct keeper *keeper, struct keeper_slot *slot,
                     const struct event_progress *progress)
{
    int64_t now_us = clock_monotonic_us();
    pthread_mutex_lock(&keeper->lock);
    if (slot->is_telling)
        progress_note(slot, progress, now_us);
    pthread_mutex_unlock(&keeper->lock);
}

enum stop_reason keeper_reason(struct keeper *keeper, struct keeper_slot *slot)
{
    pthread_mutex_lock(&keeper->lock);
    enum stop_reason reason = slot->reason;
    pthread_mutex_unlock(&keeper->lock);
    return reason;
}

void keeper_stop_all(struct keeper *keeper, enum stop_reason reason, bool unleased_only)
{
    pthread_mutex_lock(&keeper->lock);
    for (struct keeper_slot *slot = keeper->slots; slot != NULL; slot = slot->next) {
        if (!unleased_only || !slot->has_lease)
            keeper_stop_slot(slot, reason);
    }
    pthread_mutex_unlock(&keeper->lock);
}

bool keeper_stop_of(struct keeper *keeper, const void *owner, enum stop_reason reason)
{
    bool is_asked = false;
    pthread_mutex_lock(&keeper->lock);
    for (struct keeper_slot *slot = keeper->slots; slot != NULL; slot = slot->next) {
        if (slot->owner != owner || slot->reason != STOP_NONE || slot->is_over)
            continue;
        keeper_stop_slot(slot, reason);
        is_asked = true;
    }
    pthread_mutex_unlock(&keeper->lock);
    return is_asked;
}
