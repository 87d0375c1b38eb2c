/* kinds: the worker under simulation: kinds whose effect is a row in the hub, that take a while,
 * and fail, and kill, as the dice say. */
#include "base/clock.h"
#include "run/fan_out.h"

#include "world.h"

#include <stdio.h>

#define STEP_US (50 * MS)
#define STOP_MAX_US SECOND /* from the deadline until a run hears of it */
#define RUNS_MAX 256
#define FENCES_MAX (1 << 26)

/* ---- the runs at this moment ---- */

struct run {
    struct job *job;
    struct process *process;
    int64_t began_us;
};
static struct run runs[RUNS_MAX];
static bool is_fence_used[FENCES_MAX];

static struct run *begin(struct job *job)
{
    for (int i = 0; i < RUNS_MAX; i++) {
        if (runs[i].job == NULL) {
            runs[i] = (struct run){job, process_now(), world_us};
            job->runs++;
            job->running++;
            return &runs[i];
        }
    }
    violation(job, "too many runs", "%d at once", RUNS_MAX);
}

static void end(struct run *run)
{
    run->job->running--;
    run->job = NULL;
}

void kinds_process_ended(struct process *process)
{
    for (int i = 0; !process->is_alive && i < RUNS_MAX; i++) {
        struct job *job = runs[i].job;
        if (job == NULL || runs[i].process != process)
            continue;
        job->deaths += job->last_killed != process->number;
        job->last_killed = process->number;
        end(&runs[i]);
    }
}

int kinds_runs_since(int needs, int64_t since_us)
{
    int count = 0;
    for (int i = 0; i < RUNS_MAX; i++)
        count += runs[i].job != NULL && runs[i].job->needs == needs && runs[i].began_us >= since_us;
    return count;
}

/* ---- what may be said of a run that begins ---- */

static bool is_past_deadline(const struct job *job, int64_t slack_us)
{
    return job->deadline_us != 0 && EPOCH_US + world_us > job->deadline_us + slack_us &&
           is_in_time();
}

static void judge(struct job *job, const struct job_context *context)
{
    if (is_past_deadline(job, CLOCK_ERROR_US))
        violation(job, "too late", "%s begins %.3f s after its deadline", job->id,
                  (double)(EPOCH_US + world_us - job->deadline_us) / (double)SECOND);
    outside_judge_run(job);
    if (job->kind == KIND_IDEMPOTENT)
        return;
    if (context->attempt > job->counted_failures + 1)
        violation(job, "attempts", "%s is at attempt %d after %d failures that count", job->id,
                  context->attempt, job->counted_failures);
    if (job->deaths > scenario.max_starts + job->forgotten_starts)
        violation(job, "poison", "%s runs after it killed %d processes", job->id, job->deaths);
    if (context->fence <= 0 || context->fence >= FENCES_MAX || is_fence_used[context->fence])
        violation(job, "fence", "%s runs with fence %lld, which was given before", job->id,
                  (long long)context->fence);
    is_fence_used[context->fence] = true;
    /* Without memory a job may be put aside before it is known that it has a key. */
    bool has_order = job->order_key != 0 && scenario.alloc_fails == 0;
    for (int i = 0; has_order && i < job->number - 1; i++) {
        bool is_earlier = jobs[i].row.redrive_count == 0; /* what was put back is behind all */
        if (is_earlier && jobs[i].order_key == job->order_key && jobs[i].row.state != ROW_ENDED)
            violation(job, "order", "%s runs before %s of the same key has ended", job->id,
                      jobs[i].id);
    }
}

/* ---- work ---- */

/* The keeper, who minds deadlines, never waits for one. */
static bool has_quick_services(void)
{
    return scenario.call_slow == 0 && scenario.redis_s == 0 && scenario.hub_s == 0 &&
           scenario.cut_s == 0;
}

static enum outcome work(struct job_context *context, const struct job *job, struct err *err)
{
    int64_t left_us = job->work_us;
    while (left_us > 0) {
        struct event_progress progress = {.phase = "work", .rows_done = 1, .rows_total = 2};
        job_progress(context, &progress);
        TRY(job_check(context, err));
        if (has_quick_services() && is_past_deadline(job, CLOCK_ERROR_US + STOP_MAX_US))
            violation(job, "too late", "%s works on %.3f s after its deadline", job->id,
                      (double)(EPOCH_US + world_us - job->deadline_us) / (double)SECOND);
        int64_t step_us = left_us < STEP_US ? left_us : STEP_US;
        fiber_sleep(step_us);
        left_us -= step_us;
    }
    return job_check(context, err);
}

static enum outcome fail_counted(struct job *job, struct err *err)
{
    job->counted_failures++;
    return FAIL(err, OUTCOME_RETRY, "sim.retry", "asked for");
}

static void die(const struct job *job)
{
    trace("run", "%s kills its process", job->id);
    process_kill(process_now());
}

/* How it might end but well. OK: it does not. */
static enum outcome mishap(struct job *job, struct err *err)
{
    uint64_t drawn = dice(1000000);
    const struct scenario *s = &scenario;
    if (job->how == HOW_KILL)
        die(job);
    if (job->how == HOW_PERMANENT)
        return FAIL(err, OUTCOME_PERMANENT, "sim.permanent", "asked for");
    if (job->how == HOW_RETRY)
        return fail_counted(job, err);
    if (scenario.calm || job->how == HOW_OK)
        return OUTCOME_OK;
    if (drawn < s->run_retry)
        return fail_counted(job, err);
    if ((drawn -= s->run_retry) < s->run_throttled) {
        err->retry_after_ms = (int64_t)dice(3) * dice_span(1, 2000);
        int64_t after_ms = err->retry_after_ms;
        (void)FAIL(err, OUTCOME_THROTTLED, "sim.throttled", "asked for");
        err->retry_after_ms = after_ms;
        return OUTCOME_THROTTLED;
    }
    if ((drawn -= s->run_throttled) < s->run_permanent)
        return FAIL(err, OUTCOME_PERMANENT, "sim.permanent", "asked for");
    if ((drawn -= s->run_permanent) < s->run_outage)
        return FAIL(err, OUTCOME_RETRY, "hub.unreachable", "asked for");
    if ((drawn -= s->run_outage) < s->run_fenced)
        return FAIL(err, OUTCOME_CANCELLED, "fenced", "asked for");
    if ((drawn -= s->run_fenced) < s->run_dies && process_count < PROCESSES_MAX / 2)
        die(job);
    if ((drawn -= s->run_dies) < s->run_bug) {
        process_now()->may_abandon = true;
        return FAIL(err, OUTCOME_BUG, "bug", "asked for");
    }
    return OUTCOME_OK;
}

static enum outcome apply(struct job_context *context, struct job *job, struct err *err)
{
    switch (hub_apply(job, context->fence)) {
    case EFFECT_DONE:
        return OUTCOME_OK;
    case EFFECT_FENCED:
        return FAIL(err, OUTCOME_CANCELLED, "fenced", "another start owns the job");
    case EFFECT_UNREACHABLE:
        break;
    }
    return FAIL(err, OUTCOME_RETRY, "hub.unreachable", "the effect's hub is gone");
}

static enum outcome ask_outside(struct job_context *context, struct job *job, struct err *err)
{
    const struct job_rate rate = outside_rate();
    if (job->is_rated) {
        int64_t wait_max_ms = scenario.is_outside_alone ? 50 : 500;
        TRY(job_rate_take(context, &rate, dice_between(0, wait_max_ms), err));
        outside_judge_request(job);
    }
    return outside_answers(job) ? OUTCOME_OK : fail_counted(job, err);
}

static enum outcome go(struct job_context *context, struct job *job, struct err *err)
{
    bool fails_late = chance(300000);
    TRY(work(context, job, err));
    TRY(ask_outside(context, job, err));
    if (!fails_late)
        TRY(mishap(job, err));
    if (job->kind == KIND_IDEMPOTENT)
        job->applied = 1;
    else
        TRY(apply(context, job, err));
    return fails_late ? mishap(job, err) : OUTCOME_OK;
}

/* ---- a job done by many ---- */

static enum outcome hand_out(struct job_context *context, struct err *err)
{
    struct family_child children[FAMILY_MAX];
    size_t count = (size_t)dice_between(1, FAMILY_MAX);
    for (size_t i = 0; i < count; i++)
        children[i] = (struct family_child){.number = (int64_t)i, .payload = "{}"};
    struct job_spawn spawn = {
        .kind = "child", .plan = "p", .children = {children, count}, .rows_total = -1};
    TRY(job_children_spawn(context, &spawn, err));
    return job_children_wait(context, err);
}

static enum outcome go_as_parent(struct job_context *context, struct job *job, struct err *err)
{
    enum fan_in_verdict verdict = FAN_IN_PLAN;
    struct family_look look;
    TRY(job_children_look(context, &verdict, &look, err));
    /* One that slept behind its look joins what is no more; its effect is fenced off. */
    bool is_newest = job->row.fence == context->fence;
    if (verdict != FAN_IN_PLAN && is_newest)
        family_check_life(job);
    switch (verdict) {
    case FAN_IN_PLAN:
        return hand_out(context, err);
    case FAN_IN_WAIT:
        return job_children_wait(context, err);
    case FAN_IN_FAIL:
        TRY(job_children_close(context, err));
        return FAIL(err, OUTCOME_PERMANENT, "sim.child", "a child has failed");
    case FAN_IN_JOIN:
        if (is_newest)
            family_check_join(job);
        TRY(go(context, job, err));
        break;
    }
    return job_children_close(context, err);
}

static enum outcome go_as_child(struct job_context *context, struct job *job, struct err *err)
{
    struct job_child child;
    TRY(job_child_begin(context, &child, err));
    struct job_child_end end = {.outcome = OUTCOME_OK};
    if (!child.is_done)
        end.outcome = go(context, job, err);
    return job_child_end(context, &end, err);
}

static enum outcome go_as(struct job_context *context, struct job *job, struct err *err)
{
    if (job->kind == KIND_PARENT)
        return go_as_parent(context, job, err);
    return job->kind == KIND_CHILD ? go_as_child(context, job, err) : go(context, job, err);
}

static enum outcome run_kind(struct job_context *context, const void *payload, struct err *err)
{
    struct job *job = job_find(context->job_id);
    (void)payload;
    if (job == NULL)
        violation(NULL, "unknown job", "%s runs", context->job_id);
    judge(job, context);
    struct run *run = begin(job);
    fairness_judge_run(job);
    trace("run", "%s begins, attempt %d, fence %lld", job->id, context->attempt,
          (long long)context->fence);
    enum outcome outcome = go_as(context, job, err);
    if (outcome == OUTCOME_OK)
        outcome = job_set_result(context, slice_of("{\"ok\":true}"), err);
    if (outcome == OUTCOME_RETRY && strcmp(err->code, "no_memory") == 0)
        job->counted_failures++;
    trace("run", "%s ends: %s %s", job->id, outcome_name(outcome),
          outcome == OUTCOME_OK ? "" : err->code);
    end(run);
    return outcome;
}

/* ---- the worker ---- */

struct payload {
    int64_t work_us, needs;
};
static const struct field fields[] = {{.name = "work_us",
                                       .type = FIELD_INT,
                                       .offset = offsetof(struct payload, work_us),
                                       .default_text = "0",
                                       .unit = "us",
                                       .doc = "How long it works."},
                                      {.name = "needs",
                                       .type = FIELD_INT,
                                       .offset = offsetof(struct payload, needs),
                                       .default_text = "0",
                                       .doc = "Which of those outside; 0 = none."}};
static const struct field_table table = {"sim", "A test.", fields, FIELDS_COUNT(fields),
                                         sizeof(struct payload)};

static size_t depend(const void *payload, struct job_dependency ret_list[DEPENDENCIES_MAX])
{
    const struct payload *p = payload;
    ret_list[0] = (struct job_dependency){
        .type = "api", .id = outside_id((int)p->needs), .is_everyones = true};
    return p->needs > 0;
}

static struct job_kind kinds[] = {
    {.name = "free", .doc = "A test.", .payload = &table, .max_attempts = 3, .run = run_kind},
    {.name = "ordered",
     .doc = "A test.",
     .payload = &table,
     .ordered = true,
     .max_attempts = 3,
     .run = run_kind},
    {.name = "idempotent",
     .doc = "A test.",
     .payload = &table,
     .idempotent = true,
     .max_attempts = 3,
     .run = run_kind},
    {.name = "parent", .doc = "A test.", .payload = &table, .max_attempts = 3, .run = run_kind},
    {.name = "child",
     .doc = "A test.",
     .payload = &job_child_table,
     .max_attempts = 3,
     .run = run_kind},
};
static const struct worker worker = {.name = WORKER_NAME,
                                     .version = "0",
                                     .doc = "a test",
                                     .kinds = kinds,
                                     .kind_count = FIELDS_COUNT(kinds)};

int worker_process(struct process *process)
{
    const struct scenario *s = &scenario;
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {
        {"lease-ttl-ms", s->lease_ttl_ms},
        {"session-timeout-ms", s->session_ms},
        {"revoke-drain-ms", s->revoke_drain_ms},
        {"drain-timeout-ms", s->drain_ms},
        {"commit-interval-ms", s->commit_ms},
        {"retry-scale-percent", s->retry_scale_percent},
        {"workspace-jobs-max", s->workspace_max},
        {"buffered-jobs-max", s->buffered_max},
        {"max-starts", s->max_starts},
        {"job-threads", s->job_threads},
        {"breaker-open-ms", s->breaker_open_ms},
        {"breaker-minimum-calls", s->breaker_minimum},
        {"http-port", 0},
    };
    char texts[FIELDS_COUNT(numbers)][64];
    char *arguments[FIELDS_COUNT(numbers) + 4] = {
        (char[]){WORKER_NAME}, (char[]){"--kafka-brokers=none:1"},
        (char[]){"--redis-url=redis://none"}, (char[]){"--hub-url=postgresql://none"}};
    (void)process;
    /* Only where a kind has dependencies is there a thread for them, which costs many a switch. */
    for (size_t i = 0; i < FIELDS_COUNT(kinds) && s->needy > 0; i++)
        kinds[i].dependencies = kinds[i].payload == &table ? depend : NULL;
    for (size_t i = 0; i < FIELDS_COUNT(numbers); i++) {
        (void)snprintf(texts[i], sizeof texts[i], "--%s=%lld", numbers[i].name,
                       (long long)numbers[i].value);
        arguments[4 + i] = texts[i];
    }
    return worker_main((int)FIELDS_COUNT(arguments), arguments, &worker);
}
