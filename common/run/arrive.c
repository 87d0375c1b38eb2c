/* arrive: what comes to the dispatcher: decoded, to its place in an order, to the fair queue or
 * away; see dispatch.h. */
#include "run/dispatch.h"

#include "base/clock.h"
#include "run/look.h"
#include "run/share.h"
#include "run/turn.h"

#define MEMORY_US (200 * US_PER_MS) /* until memory may be there again */

static void again_with_memory(struct attempt *a)
{
    a->delivery->again_at_us = clock_monotonic_us() + MEMORY_US;
    attempt_over(a, FATE_AGAIN);
}

static void settle_without_run(struct attempt *a)
{
    queue_push(&a->rt->settling, &a->node);
}

void dispatch_admit(struct dispatcher *d, struct attempt *a)
{
    struct err err = {0};
    if (share_takes(d, a))
        return; /* it waits for the others of this round */
    if (a->is_glanced && attempt_decode(a, &err) != OUTCOME_OK)
        again_with_memory(a);
    else if (!turn_takes(d, a) && fair_push(&d->fair, &a->item, &err) != OUTCOME_OK)
        again_with_memory(a);
}

/* It had its place before it moved. */
static bool has_moved(const struct attempt *a)
{
    return delivery_is_bulk(a->delivery) &&
           strcmp(a->trail.first_topic, a->delivery->message.topic) != 0;
}

/* Who was claimed before has its place (a parent that wakes too), and who is put back gets one
 * where it is claimed. One that is refused ends in its turn too. */
bool dispatch_needs_place(const struct attempt *a)
{
    return a->item.order_key != 0 && !a->is_placed && !attempt_is_idempotent(a) &&
           a->trail.attempt == 1 && a->trail.redrive_count == 0 && a->trail.wait_fence == 0 &&
           !has_moved(a);
}

/* What is to move needs no more than its place: it is not decoded before it is known to stay. */
static bool glance(struct dispatcher *d, struct attempt *a)
{
    struct look look;
    struct job_glance found;
    struct err err = {0};
    const struct delivery *delivery = a->delivery;
    return share_is_any_over(d->rt) && delivery->lane == LANE_JOBS && !delivery_is_bulk(delivery) &&
           !delivery->is_back && !delivery_is_too_long(delivery) &&
           look_glance(d->rt, delivery->message.value, &look, &found) && look.kind->kind->ordered &&
           !found.has_conditions && share_is_over(d->rt, look.tenant) &&
           attempt_glance(a, look.kind, &found, &err) == OUTCOME_OK && dispatch_needs_place(a) &&
           a->trail.not_before_us == 0;
}

static void decode(struct dispatcher *d, struct attempt *a)
{
    struct err err = {0};
    if (attempt_decode(a, &err) != OUTCOME_OK) {
        again_with_memory(a);
    } else if (a->id == NULL) {
        a->plan = (struct plan){.kind = PLAN_NAMELESS};
        settle_without_run(a);
    } else if (a->outcome == OUTCOME_OK &&
               attempt_not_before_us(a) > fleet_clock_least_us(&d->rt->clock)) {
        settle_plan_later(a, attempt_not_before_us(a));
        settle_without_run(a);
    } else if (dispatch_needs_place(a) && share_is_over(d->rt, a->item.tenant) &&
               !share_takes_back(d, a)) {
        attempts_add(&d->arrived, a); /* behind those that have moved */
    } else {
        dispatch_admit(d, a);
    }
}

void dispatch_receive(struct dispatcher *d, struct attempt *a)
{
    int returning = a->delivery->over_slot;
    a->delivery->over_slot = DELIVERY_NOT_RETURNING;
    if (dispatch_is_stale(d->rt, a)) {
        dispatch_drop(d, a);
    } else if (glance(d, a)) {
        a->is_glanced = true;
        share_expect(d, a);
        attempts_add(&d->arrived, a);
    } else {
        decode(d, a);
    }
    share_returned(d->rt, returning);
}
