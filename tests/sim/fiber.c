/* fiber: the scheduler; see fiber.h. */
#include "fiber.h"

#include <math.h>
#include <stdlib.h>

#include "process.h"

#define FIBERS_MAX 512
#define PAUSE_MAX_US (3 * SECOND)

struct fiber *fiber_now;
int64_t world_us;

static struct fiber fibers[FIBERS_MAX];
static int fiber_count;
static struct fiber *ready[FIBERS_MAX];
static size_t ready_count;
static bool stopping;
static uint64_t switches;
static unsigned rate_switch = 8, rate_pause;
static uint64_t points_left;

/* ---- dice: splitmix64 ---- */

static uint64_t dice_state;

uint64_t dice_u64(void)
{
    uint64_t z = dice_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void dice_seed(uint64_t seed)
{
    dice_state = seed;
    dice_state = dice_u64(); /* the states of two seeds are not a step apart */
}

uint64_t dice(uint64_t below)
{
    return below == 0 ? 0 : dice_u64() % below;
}

bool chance(unsigned per_million)
{
    return per_million > 0 && dice(1000000) < per_million;
}

int64_t dice_between(int64_t low, int64_t high)
{
    return low + (int64_t)dice((uint64_t)(high - low) + 1);
}

int64_t dice_span(int64_t low, int64_t high)
{
    double at = (double)dice(1u << 20) / (double)(1u << 20);
    return (int64_t)((double)low * pow((double)high / (double)low, at));
}

/* ---- what is planned: a heap by time, then by order of planning ---- */

struct plan {
    int64_t at_us;
    uint64_t number;
    plan_fire *fire;
    void *arg;
    uint64_t token;
};
static struct plan *plans;
static size_t plan_count, plan_room;
static uint64_t plan_number;

static bool is_before(const struct plan *a, const struct plan *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->number < b->number;
}

void plan_at(int64_t at_us, plan_fire *fire, void *arg, uint64_t token)
{
    if (plan_count == plan_room) {
        plan_room = plan_room == 0 ? 256 : plan_room * 2;
        plans = realloc(plans, plan_room * sizeof *plans);
        if (plans == NULL)
            abort();
    }
    struct plan plan = {at_us < world_us ? world_us : at_us, plan_number++, fire, arg, token};
    size_t at = plan_count++;
    for (; at > 0 && is_before(&plan, &plans[(at - 1) / 2]); at = (at - 1) / 2)
        plans[at] = plans[(at - 1) / 2];
    plans[at] = plan;
}

static struct plan take_plan(void)
{
    struct plan first = plans[0], last = plans[--plan_count];
    size_t at = 0;
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= plan_count)
            break;
        if (child + 1 < plan_count && is_before(&plans[child + 1], &plans[child]))
            child++;
        if (!is_before(&plans[child], &last))
            break;
        plans[at] = plans[child];
        at = child;
    }
    plans[at] = last;
    return first;
}

static void run_plans(void)
{
    while (plan_count > 0 && plans[0].at_us <= world_us) {
        struct plan plan = take_plan();
        plan.fire(plan.arg, plan.token);
    }
}

/* ---- states ---- */

static void list(struct fiber *fiber)
{
    if (fiber->is_listed || (fiber->process != NULL && fiber->process->is_stopped))
        return;
    fiber->is_listed = true;
    ready[ready_count++] = fiber;
}

static void unlist(struct fiber *fiber)
{
    for (size_t i = 0; fiber->is_listed && i < ready_count; i++) {
        if (ready[i] == fiber) {
            ready[i] = ready[--ready_count];
            fiber->is_listed = false;
        }
    }
}

static void make_ready(struct fiber *fiber, bool timed_out)
{
    fiber->state = FIBER_READY;
    fiber->timed_out = timed_out;
    fiber->waits_for = NULL;
    list(fiber);
}

static void on_timer(void *arg, uint64_t waits)
{
    struct fiber *fiber = arg;
    if (fiber->state == FIBER_WAITING && fiber->waits == waits)
        make_ready(fiber, true);
}

static void begin(void)
{
    struct fiber *me = fiber_now;
    fiber_began(me);
    (void)me->entry(me->arg);
    fiber_leave();
}

struct fiber *fiber_start(struct process *process, const char *name, void *(*entry)(void *),
                          void *arg)
{
    int at = 0;
    while (at < fiber_count && fibers[at].state != FIBER_FREE)
        at++;
    if (at == FIBERS_MAX)
        abort();
    fiber_count = at == fiber_count ? at + 1 : fiber_count;
    struct fiber *fiber = &fibers[at];
    *fiber = (struct fiber){.number = at,
                            .process = process,
                            .name = name,
                            .entry = entry,
                            .arg = arg,
                            .waits = fiber->waits + 1,
                            .stack = fiber->stack};
    fiber_prepare(fiber, begin);
    make_ready(fiber, false);
    return fiber;
}

void fiber_end(struct fiber *fiber)
{
    unlist(fiber);
    fiber->state = FIBER_OVER;
    fiber_wake_all(fiber);
}

_Noreturn void fiber_leave(void)
{
    fiber_end(fiber_now);
    if (fiber_now->process != NULL && !fiber_now->process->is_alive)
        fiber_now->state = FIBER_FREE;
    fiber_switch_back(fiber_now);
    abort();
}

void fibers_rest(const struct process *process)
{
    for (int i = 0; i < fiber_count; i++) {
        if (fibers[i].process == process)
            unlist(&fibers[i]);
    }
}

void fibers_resume(const struct process *process)
{
    for (int i = 0; i < fiber_count; i++) {
        if (fibers[i].process == process && fibers[i].state == FIBER_READY)
            list(&fibers[i]);
    }
}

void fibers_end(const struct process *process)
{
    for (int i = 0; i < fiber_count; i++) {
        if (fibers[i].process == process && &fibers[i] != fiber_now &&
            fibers[i].state != FIBER_FREE) {
            fiber_end(&fibers[i]);
            fibers[i].state = FIBER_FREE; /* nobody is left to ask for it */
        }
    }
}

/* ---- waiting ---- */

bool fiber_wait(const void *what, int64_t until_us)
{
    struct fiber *me = fiber_now;
    if (me == NULL)
        abort(); /* the world must not wait */
    me->state = FIBER_WAITING;
    me->waits_for = what;
    me->waits++;
    if (until_us != NEVER)
        plan_at(until_us, on_timer, me, me->waits);
    fiber_switch_back(me);
    return !me->timed_out;
}

void fiber_sleep(int64_t us)
{
    if (fiber_now != NULL)
        (void)fiber_wait(NULL, world_us + (us > 0 ? us : 0));
}

void fiber_wake_all(const void *what)
{
    for (int i = 0; i < fiber_count; i++) {
        if (fibers[i].state == FIBER_WAITING && fibers[i].waits_for == what)
            make_ready(&fibers[i], false);
    }
}

void fiber_wake_one(const void *what)
{
    struct fiber *waiting[FIBERS_MAX];
    size_t count = 0;
    for (int i = 0; i < fiber_count; i++) {
        if (fibers[i].state == FIBER_WAITING && fibers[i].waits_for == what)
            waiting[count++] = &fibers[i];
    }
    if (count > 0)
        make_ready(waiting[dice(count)], false);
}

void fiber_set_rates(unsigned switch_every, unsigned pause_ppm)
{
    rate_switch = switch_every;
    rate_pause = pause_ppm;
    points_left = 0;
}

void fiber_point(void)
{
    struct fiber *me = fiber_now;
    if (me == NULL)
        return;
    world_us++;
    if (points_left > 0) {
        points_left--;
        return;
    }
    points_left = dice(2 * rate_switch);
    if (chance(rate_pause)) {
        fiber_sleep(dice_span(10, PAUSE_MAX_US));
        return;
    }
    fiber_switch_back(me); /* it stays ready */
}

/* ---- the world ---- */

static void run_one(void)
{
    struct fiber *fiber = ready[dice(ready_count)];
    fiber_now = fiber;
    switches++;
    fiber_switch_to(fiber);
    fiber_now = NULL;
    if (fiber->state != FIBER_READY)
        unlist(fiber);
}

bool world_run(int64_t until_us)
{
    stopping = false;
    while (!stopping && world_us < until_us) {
        run_plans();
        if (stopping)
            break;
        if (ready_count > 0) {
            run_one();
            continue;
        }
        if (plan_count == 0)
            return false;
        world_us = plans[0].at_us < until_us ? plans[0].at_us : until_us;
    }
    return true;
}

void world_stop(void)
{
    stopping = true;
}

uint64_t world_switches(void)
{
    return switches;
}
