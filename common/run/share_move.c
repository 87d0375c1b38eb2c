/* share_move: what is taken to be moved to the bulk topic; see share.h. */
#include "run/share_private.h"

#include "base/clock.h"

#define ROOM_EVERY_US (100 * US_PER_MS)

/* Held records of retry topics have waited before, parents that wake too; what is no good job is
 * told at once. */
static bool may_move(const struct attempt *a)
{
    return a->delivery->lane == LANE_JOBS && !delivery_is_bulk(a->delivery) &&
           a->trail.wait_fence == 0 &&
           (a->item.order_key == 0 || a->is_placed || dispatch_needs_place(a)) &&
           a->outcome == OUTCOME_OK;
}

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

bool share_takes(struct dispatcher *d, struct attempt *a)
{
    struct share_who who = {a->item.tenant, delivery_is_bulk(a->delivery)};
    bool needs_place = dispatch_needs_place(a);
    bool is_too_much = (who.is_bulk || may_move(a)) && share_is_beyond(d, who);
    bool is_known = is_too_much && share_note_over(d, who);
    if (!is_too_much || who.is_bulk || (!is_known && needs_place)) {
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

static void move_excess(struct dispatcher *d)
{
    struct excess excess = {0};
    int64_t most = (int64_t)fair_greatest_backlog(&d->fair, &excess.tenant);
    int64_t free = share_room(d, false);
    struct share_who who = {excess.tenant, false};
    if (most - free < d->rt->conf->buffered_jobs_max / SHARE_LEAST_PART ||
        !share_takes_long(d, who, most))
        return;
    if (share_note_over(d, who))
        dispatch_place_before(d, excess.tenant);
    excess.stays = (size_t)(most + free) / 2;
    struct fair_item *item = fair_remove_matching(&d->fair, is_excess, &excess);
    while (item != NULL) {
        struct fair_item *next = item->matched;
        take(d, attempt_of_item(item));
        item = next;
    }
}

/* There is nowhere to move to: what is here stays. */
static void look_at_bulk(struct dispatcher *d)
{
    struct share_who who = {.is_bulk = true};
    if (fair_greatest_aside(&d->fair, &who.tenant) > 0 && share_is_beyond(d, who))
        (void)share_note_over(d, who);
}

void share_make_room(struct dispatcher *d)
{
    int64_t now_us = clock_monotonic_us();
    if (now_us < d->room_due_us)
        return;
    d->room_due_us = now_us + ROOM_EVERY_US;
    look_at_bulk(d);
    move_excess(d);
}

void share_give(struct dispatcher *d)
{
    if (d->moved.first != NULL)
        queue_push_list(&d->rt->settling, &d->moved.first->node);
    d->moved = (struct attempts){NULL, NULL};
}
