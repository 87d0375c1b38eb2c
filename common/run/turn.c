/* turn: see turn.h. */
#include "run/turn.h"

#include "base/clock.h"
#include "base/num.h"

#define SOON_US (5 * US_PER_S)
#define STAY_US (10 * US_PER_S) /* then its offset is to be complete for once */
#define PART 4                  /* this part of the buffer at most, */
#define MOST 1024               /* and so many: they are looked through for each that comes */
#define ASKS_EACH 16 /* record all the same: a place that is wrong holds nobody for ever */
#define MEMORY_US (200 * US_PER_MS)

void turn_init(struct dispatcher *d)
{
    line_init(&d->line, (size_t)num_min_i64(d->rt->conf->buffered_jobs_max / PART, MOST));
}

/* By a retry topic, with its place or without (0). What waits for long comes by its own time. */
static void leave(struct dispatcher *d, struct attempt *a, int64_t place, int64_t wait_us)
{
    int64_t now_us = clock_monotonic_us();
    if (wait_us <= LINE_WAIT_US)
        wait_us = num_max_i64(wait_us, line_return_us(&d->line, now_us) - now_us);
    a->trail.place = place;
    settle_plan_later(a, fleet_clock_us(&d->rt->clock) + wait_us);
    queue_push(&d->rt->settling, &a->node);
}

/* Those behind it would be told the same. Who has waited here without a question asks the next
 * time. */
static void leave_with_those_behind(struct dispatcher *d, struct attempt *a, int64_t wait_us)
{
    const struct line_item turn = a->turn;
    struct line_item *item;
    leave(d, a, a->claimed.place, wait_us);
    while ((item = line_take_behind(&d->line, turn.order_key, turn.place)) != NULL)
        leave(d, attempt_of_turn(item), attempt_of_turn(item)->claimed.place, wait_us);
}

/* Or the last of its subject, which may be itself, when there is no room. */
static void stay(struct dispatcher *d, struct attempt *a, int64_t wait_us)
{
    struct line_item *out = line_add(&d->line, &a->turn);
    if (out != &a->turn && a->item.place == FAIR_IN_FLIGHT)
        fair_end(&d->fair, &a->item);
    if (out != NULL)
        leave(d, attempt_of_turn(out), out->place, wait_us);
}

static void set_turn(struct attempt *a, int64_t place, int64_t wait_us, int64_t now_us)
{
    if (a->in_line_since_us == 0)
        a->in_line_since_us = now_us;
    a->is_placed = true;
    a->turn = (struct line_item){
        .order_key = a->item.order_key, .place = place, .due_us = now_us + wait_us};
}

void turn_await(struct dispatcher *d, struct attempt *a)
{
    int64_t now_us = clock_monotonic_us();
    int64_t due_us = a->claimed.due_us - fleet_clock_us(&d->rt->clock);
    int64_t wait_us =
        line_wait_us(&d->line, a->item.order_key, a->claimed.head_place, due_us, now_us);
    set_turn(a, a->claimed.place, wait_us, now_us);
    if (due_us > SOON_US || now_us - a->in_line_since_us > STAY_US || a->is_suspect)
        leave_with_those_behind(d, a, wait_us);
    else
        stay(d, a, wait_us);
}

bool turn_takes(struct dispatcher *d, struct attempt *a)
{
    int64_t now_us = clock_monotonic_us();
    if (a->item.order_key == 0 || a->trail.place == 0 ||
        a->delivery->message.offset % ASKS_EACH == 0)
        return false;
    int64_t wait_us = line_behind_us(&d->line, a->item.order_key, a->trail.place, now_us);
    if (wait_us == 0)
        return false;
    set_turn(a, a->trail.place, wait_us, now_us);
    if (wait_us > LINE_WAIT_US)
        leave(d, a, a->trail.place, wait_us);
    else
        stay(d, a, wait_us);
    return true;
}

static void come(struct dispatcher *d, struct line_item *item)
{
    struct attempt *a = attempt_of_turn(item);
    struct err err = {0};
    if (fair_push(&d->fair, &a->item, &err) == OUTCOME_OK)
        return;
    a->turn.due_us = clock_monotonic_us() + MEMORY_US;
    (void)line_add(&d->line, &a->turn); /* it had room */
}

/* What moves, or was put back as it was, changes nothing for those behind it. */
static bool may_have_ended(const struct attempt *a)
{
    return a->item.order_key != 0 && (a->in_ledger || a->plan.kind == PLAN_TELL);
}

void turn_next(struct dispatcher *d, const struct attempt *over)
{
    if (!may_have_ended(over))
        return;
    struct line_item *item = line_call(&d->line, over->item.order_key, clock_monotonic_us());
    if (item != NULL)
        come(d, item);
}

void turn_look(struct dispatcher *d)
{
    struct line_item *item;
    while ((item = line_take_due(&d->line, clock_monotonic_us())) != NULL)
        come(d, item);
    metric_set(&d->rt->metrics.in_line, (int64_t)d->line.count);
}
