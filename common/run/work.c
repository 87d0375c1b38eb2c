/* work: an attempt on a job thread, and what a kind may ask of it; see attempt.h, worker.h. */
#include "run/attempt.h"

#include "base/clock.h"
#include "base/log.h"
#include "io/json.h"
#include "run/events.h"
#include "run/gate.h"
#include "run/job_private.h"
#include "run/job_thread.h"

/* ---- the context that a kind sees ---- */

enum outcome job_check(const struct job_context *job, struct err *err)
{
    static const struct {
        const char *code, *message;
    } reasons[] = {
        [STOP_ASKED] = {"job.cancelled", "cancelled on request"},
        [STOP_DEADLINE] = {"job.deadline", "the job's deadline has passed"},
        [STOP_LEASE] = {"fenced", "the job's lease was lost"},
        [STOP_SHUTDOWN] = {"job.shutdown", "the worker stops"},
        [STOP_HEAD] = {"job.head_of_line", "the job holds back all others of its partition"},
    };
    if (!job_is_cancelled(job))
        return OUTCOME_OK;
    struct attempt *a = job->own->attempt;
    enum stop_reason reason = keeper_reason(&a->rt->keeper, &a->slot);
    return FAIL(err, OUTCOME_CANCELLED, reasons[reason].code, "%s", reasons[reason].message);
}

void job_progress(struct job_context *job, const struct event_progress *progress)
{
    struct attempt *a = job->own->attempt;
    keeper_progress(&a->rt->keeper, &a->slot, progress);
}

void job_dependency_up(struct job_context *job, size_t dependency)
{
    gate_report_up(job->own->attempt, dependency);
}

enum outcome job_set_result(struct job_context *job, struct slice json, struct err *err)
{
    struct attempt *a = job->own->attempt;
    const struct jval *object = NULL;
    struct arena_mark mark = arena_snapshot(&a->arena);
    enum outcome outcome = jread_object(json, &a->arena, &object, err);
    arena_reset(&a->arena, mark);
    if (outcome == OUTCOME_PERMANENT)
        return FAIL_BUG(err, "the kind's result is no JSON object");
    TRY(outcome);
    str_clear(&a->result);
    str_add_slice(&a->result, json);
    return a->result.failed ? FAIL_NO_MEMORY(err) : OUTCOME_OK;
}

/* ---- run ---- */

static void call_run(struct job_thread *thread, struct attempt *a)
{
    struct job_private own = {a, thread};
    struct job_context context = {
        .job_id = a->id,
        .workspace_id = a->data.common->workspace_id,
        .kind = a->kind_name,
        .subject = a->job.subject,
        .attempt = a->number,
        .fence = a->in_ledger ? a->claimed.fence : 0,
        .deadline_us = a->deadline_us,
        .cancelled = &a->slot.cancelled,
        .data = a->job.data,
        .arena = &a->arena,
        .hub = &thread->hub,
        .traceparent = a->trail.traceparent,
        .app = a->rt->app,
        .thread_app = thread->app,
        .own = &own,
    };
    /* What is left of the arena is for what the outcome leads to. */
    struct arena_mark mark = arena_snapshot(&a->arena);
    a->has_run = true;
    a->outcome = a->kind->kind->run(&context, a->data.payload, &a->err);
    arena_reset(&a->arena, mark);
    if (a->outcome != OUTCOME_OK && a->err.outcome != a->outcome)
        (void)FAIL(&a->err, a->outcome, "job.failed", "the kind failed without saying why");
}

/* The first start of a job that nobody put back. */
static bool is_accepted_now(const struct attempt *a)
{
    int64_t sequence = a->in_ledger ? a->claimed.sequence : SEQUENCE_STEP;
    return a->number == 1 && a->redrive_count == 0 && sequence == SEQUENCE_STEP;
}

static void tell(struct attempt *a, enum event_state state)
{
    struct event event = attempt_event(a, state);
    events_tell_soon(&a->rt->outbox, a->rt->events_topic.text, &event);
}

void attempt_tell_accepted(struct attempt *a)
{
    if (is_accepted_now(a))
        tell(a, EVENT_ACCEPTED);
}

void attempt_work(struct job_thread *thread, struct attempt *a)
{
    struct keeper *keeper = &a->rt->keeper;
    char trace_id[33];
    job_trace_id(a->trail.traceparent, trace_id);
    log_set_job(a->id, trace_id);
    attempt_tell_accepted(a);
    /* Since it was decoded it may have waited for its turn for long. */
    if (a->outcome == OUTCOME_OK)
        a->outcome = attempt_check_deadline(a, &a->err);
    gate_ask_again(a);
    if (a->outcome == OUTCOME_OK)
        tell(a, EVENT_STARTED);
    struct event event = attempt_event(a, EVENT_STARTED);
    if (!a->slot.is_entered)
        keeper_enter(keeper, &a->slot, NULL, a->deadline_us);
    keeper_work_begins(keeper, &a->slot, &event);
    a->began_us = clock_monotonic_us();
    if (a->outcome == OUTCOME_OK)
        call_run(thread, a);
    gate_run_ended(a);
    settle_plan(a, keeper_work_ended(keeper, &a->slot, &a->sequence));
    log_set_job("", "");
}
