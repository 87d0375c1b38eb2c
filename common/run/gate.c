/* gate: see gate.h. */
#include "run/gate.h"

#include "base/clock.h"

#include <stdio.h>

#define SCRATCH_BYTES ((size_t)16 << 20)

bool gate_is_needed(const struct worker *worker)
{
    for (size_t i = 0; i < worker->kind_count; i++)
        if (worker->kinds[i].dependencies != NULL)
            return true;
    return false;
}

static void add(struct attempt *a, const struct job_dependency *dependency)
{
    char name[BREAKER_NAME_MAX + 2];
    if (dependency->is_everyones)
        (void)snprintf(name, sizeof name, "%s:%s", dependency->type, dependency->id);
    else
        (void)snprintf(name, sizeof name, "%s:%s/%s", dependency->type, a->workspace_id,
                       dependency->id);
    a->depends_on[a->depends_count++] = a->gate->count;
    for (char *at = name; *at != '\0'; at++)
        *at = *at == ' ' ? '_' : *at; /* spaces are the store's */
    breaker_gate_add(a->gate, name);
}

/* Without memory there is no gate: a breaker saves work, it proves nothing. */
static void make_gate(struct attempt *a)
{
    struct job_dependency list[DEPENDENCIES_MAX] = {{0}};
    size_t count = a->kind->kind->dependencies(a->data.payload, list);
    a->gate = ARENA_NEW(&a->arena, struct breaker_gate);
    for (size_t i = 0; a->gate != NULL && i < count && i < DEPENDENCIES_MAX; i++)
        add(a, &list[i]);
}

static bool has_gate(struct attempt *a)
{
    if (a->outcome != OUTCOME_OK || a->kind == NULL || a->kind->kind->dependencies == NULL)
        return false;
    if (a->gate == NULL)
        make_gate(a);
    return a->gate != NULL;
}

static void deny(struct attempt *a)
{
    const struct breaker_gate *gate = a->gate;
    a->outcome =
        FAIL(&a->err, OUTCOME_THROTTLED, "breaker.open", "the circuit breaker of %s is open",
             gate->passes[gate->denied_by].dependency);
    (void)err_hint(&a->err, "it closes by itself when a probe succeeds: `haul breakers list`");
    a->err.retry_after_ms = gate->wait_us / US_PER_MS + 1;
}

static void hold(struct attempt *a)
{
    deny(a);
    attempt_tell_accepted(a);
    settle_plan(a, STOP_NONE);
}

void gate_ask_again(struct attempt *a)
{
    if (a->outcome == OUTCOME_OK && a->gate != NULL &&
        !breakers_still_admit(a->rt->breakers, a->gate))
        deny(a);
}

void gate_admit(struct dispatcher *d, struct attempts *runnable, struct attempts *held)
{
    enum { GATES_MAX = 2 * DISPATCH_BATCH_MAX };
    struct breaker_gate *gates[GATES_MAX];
    struct arena arena ARENA_AUTO;
    struct attempts all = *runnable;
    size_t count = 0;
    arena_init(&arena, SCRATCH_BYTES);
    if (d->rt->breakers == NULL)
        return;
    for (struct attempt *a = all.first; a != NULL; a = attempt_next(a))
        if (count < GATES_MAX && has_gate(a))
            gates[count++] = a->gate;
    if (count == 0)
        return;
    breakers_admit(d->rt->breakers, d->redis, &arena, gates, count);
    *runnable = (struct attempts){NULL, NULL};
    for (struct attempt *a; (a = attempts_take(&all)) != NULL;) {
        bool is_held = a->gate != NULL && a->gate->is_open;
        if (is_held)
            hold(a);
        attempts_add(is_held ? held : runnable, a);
    }
}

static bool has_place(const struct attempt *a, size_t dependency)
{
    return a->gate != NULL && dependency < a->depends_count &&
           a->depends_on[dependency] < a->gate->count;
}

void gate_report_up(struct attempt *a, size_t dependency)
{
    if (has_place(a, dependency))
        breakers_report_up(a->rt->breakers, a->gate, a->depends_on[dependency]);
}

static void report(struct attempt *a, size_t dependency, enum breaker_call call)
{
    if (!has_place(a, dependency))
        return;
    breakers_report(a->rt->breakers, a->gate, a->depends_on[dependency], call);
}

/* The dependency that the failure is the fault of; -1 = of none, or not known. */
static int blamed(const struct attempt *a)
{
    const struct job_kind *kind = a->kind->kind;
    if (a->outcome != OUTCOME_RETRY || outcome_is_outage(&a->err))
        return -1;
    if (kind->blame != NULL)
        return kind->blame(&a->err);
    return a->depends_count == 1 ? 0 : -1;
}

void gate_run_ended(struct attempt *a)
{
    if (a->gate == NULL)
        return;
    int guilty = blamed(a);
    if (guilty >= 0)
        report(a, (size_t)guilty, BREAKER_FAILED);
    breakers_end(a->rt->breakers, a->gate, a->outcome == OUTCOME_OK ? BREAKER_OK : BREAKER_IGNORED);
}

void gate_leave(struct attempt *a)
{
    if (a->gate != NULL)
        breakers_end(a->rt->breakers, a->gate, BREAKER_IGNORED);
}
