/* settle_plan: what the outcome of an attempt leads to; see attempt.h. Nothing is done here. */
#include "run/attempt.h"

#include "base/clock.h"
#include "run/fan_out.h"
#include "run/fan_out_record.h"

#define NET_TIER 2 /* how often a parent looks that nobody wakes: every 2 minutes */

static void plan_wait_for_children(struct attempt *a);

/* A net ends no job: it would not know, when it is delivered again, whether that was told. The
 * record that it wakes the job with does. An old record would not be delivered again. */
static void plan_end(struct attempt *a, enum event_state state)
{
    if (state != EVENT_CANCELLED && attempt_only_looks(a)) {
        a->is_woken_by_net = true;
        plan_wait_for_children(a);
        return;
    }
    a->plan = (struct plan){.kind = PLAN_END, .state = state, .sequence = a->sequence++};
}

/* Who only looks leaves the wait as it is: its wakes still hold. */
static int64_t wait_after(const struct attempt *a, bool is_for_children)
{
    if (attempt_only_looks(a))
        return a->claimed.wait_fence;
    return is_for_children ? a->claimed.fence : 0;
}

static void plan_try_later(struct attempt *a, bool counted)
{
    uint64_t random = 0;
    random_bytes(&random, sizeof random);
    struct retry_request request = {.attempt = a->number,
                                    .max_attempts = a->max_attempts,
                                    .counted = counted,
                                    .now_us = fleet_clock_us(&a->rt->clock),
                                    .deadline_us = a->deadline_us,
                                    .retry_after_us = a->err.retry_after_ms * US_PER_MS,
                                    .scale_percent = (int)a->rt->conf->retry_scale_percent,
                                    .random = random};
    struct retry_decision decision = retry_decide(&request);
    switch (decision.verdict) {
    case RETRY_EXHAUSTED:
        (void)err_prefix(&a->err, "given up after attempt %d of %d", a->number, a->max_attempts);
        plan_end(a, EVENT_DEAD_LETTERED);
        return;
    case RETRY_TOO_LATE:
        (void)err_prefix(&a->err, "given up, the next attempt would be after the deadline");
        plan_end(a, EVENT_DEAD_LETTERED);
        return;
    case RETRY_AGAIN:
        break;
    }
    a->plan = (struct plan){.kind = PLAN_WAIT,
                            .state = EVENT_RETRYING,
                            .next_attempt = decision.next_attempt,
                            .tier = decision.tier,
                            .due_us = decision.due_us,
                            .sequence = a->sequence++,
                            .wait_fence = wait_after(a, false)};
}

/* The deadline needs no other watch: what is started then has passed it. */
static void plan_wait_for_children(struct attempt *a)
{
    int scale = (int)a->rt->conf->retry_scale_percent;
    int64_t now_us = fleet_clock_us(&a->rt->clock);
    int64_t due_us = now_us + retry_tiers[NET_TIER].delay_us / 100 * scale;
    if (a->deadline_us != 0 && due_us > a->deadline_us)
        due_us = a->deadline_us;
    a->plan = (struct plan){.kind = PLAN_WAIT,
                            .state = EVENT_RETRYING,
                            .next_attempt = a->number,
                            .tier = retry_tier_for(due_us - now_us, scale),
                            .due_us = due_us,
                            .sequence = a->sequence,
                            .wait_fence = wait_after(a, true),
                            .is_for_children = true};
}

void settle_plan(struct attempt *a, enum stop_reason reason)
{
    switch (outcome_action(a->outcome, reason, &a->err)) {
    case ACTION_SUCCEED:
        plan_end(a, EVENT_SUCCEEDED);
        return;
    case ACTION_RETRY:
        plan_try_later(a, true);
        return;
    case ACTION_WAIT:
        if (job_waits_for_children(&a->err))
            plan_wait_for_children(a);
        else
            plan_try_later(a, false);
        return;
    case ACTION_CANCEL:
        plan_end(a, EVENT_CANCELLED);
        return;
    case ACTION_HAND_BACK:
        a->plan = (struct plan){
            .kind = PLAN_HAND_BACK, .next_attempt = a->number, .wait_fence = a->claimed.wait_fence};
        return;
    case ACTION_BUG:
        atomic_store(&a->rt->has_bug, true);
        break;
    case ACTION_DEAD_LETTER:
        break;
    }
    plan_end(a, EVENT_DEAD_LETTERED);
}

void settle_plan_later(struct attempt *a, int64_t due_us)
{
    int scale = (int)a->rt->conf->retry_scale_percent;
    a->plan = (struct plan){.kind = PLAN_LATER,
                            .due_us = due_us,
                            .next_attempt = a->number,
                            .tier = retry_tier_for(due_us - fleet_clock_us(&a->rt->clock), scale)};
}
