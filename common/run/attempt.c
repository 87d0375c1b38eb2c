/* attempt: decode, lease, claim, run; see attempt.h. */
#include "run/attempt.h"

#include "base/clock.h"
#include "base/log.h"
#include "io/json.h"
#include "run/events.h"
#include "run/kafka_headers.h"

#include <stdio.h>

#define BUSY_RETAKE_US US_PER_S
#define MEMORY_RETAKE_US US_PER_S
#define RESULT_BYTES_MAX ((size_t)64 << 20)

/* ---- the context that a kind sees ---- */

struct job_private {
    struct attempt *attempt;
};

enum outcome job_check(const struct job_context *job, struct err *err)
{
    static const struct {
        const char *code, *message;
    } reasons[] = {
        [STOP_ASKED] = {"job.cancelled", "cancelled on request"},
        [STOP_DEADLINE] = {"job.deadline", "the job's deadline has passed"},
        [STOP_LEASE] = {"fenced", "the job's lease was lost"},
        [STOP_SHUTDOWN] = {"job.shutdown", "the worker stops"},
    };
    if (!job_is_cancelled(job))
        return OUTCOME_OK;
    const struct attempt *a = job->own->attempt;
    enum stop_reason reason = keeper_reason(&a->rt->keeper, a->thread->number);
    return FAIL(err, OUTCOME_CANCELLED, reasons[reason].code, "%s", reasons[reason].message);
}

void job_progress(struct job_context *job, const struct event_progress *progress)
{
    const struct attempt *a = job->own->attempt;
    keeper_progress(&a->rt->keeper, a->thread->number, progress);
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

struct event attempt_event(struct attempt *a, enum event_state state)
{
    return (struct event){.state = state,
                          .job_id = a->id,
                          .workspace_id = a->workspace_id,
                          .kind = a->kind_name,
                          .worker = a->rt->worker->name,
                          .attempt = a->number,
                          .redrive_count = a->redrive_count,
                          .sequence = a->sequence++,
                          .time_us = clock_wall_us(),
                          .traceparent = a->trail.traceparent};
}

/* ---- decode ---- */

static const char *new_traceparent(struct arena *arena)
{
    uint8_t ids[24];
    char hex[2 * sizeof ids];
    random_bytes(ids, sizeof ids);
    hex_format(ids, sizeof ids, hex);
    return arena_printf(arena, "00-%.32s-%.16s-01", hex, hex + 32);
}

static enum outcome read_trail(struct attempt *a, struct err *err)
{
    const struct kafka_message *message = &a->delivery->message;
    struct job_headers headers;
    TRY(kafka_headers_of(message, &a->arena, &headers, err));
    TRY(job_trail_read(headers.items, headers.count, &a->arena, &a->trail, err));
    if (a->trail.first_topic == NULL) {
        a->trail.first_topic = message->topic;
        a->trail.first_partition = message->partition;
        a->trail.first_offset = message->offset;
    }
    a->number = a->trail.attempt;
    a->redrive_count = a->trail.redrive_count;
    return OUTCOME_OK;
}

static enum outcome find_kind(struct attempt *a, struct err *err)
{
    for (size_t i = 0; i < a->rt->worker->kind_count; i++) {
        if (strcmp(a->rt->kinds[i].kind->name, a->job.kind) == 0) {
            a->kind = &a->rt->kinds[i];
            a->kind_number = i;
            return OUTCOME_OK;
        }
    }
    (void)FAIL(err, OUTCOME_POISON, "job.unknown_kind", "this worker has no kind %.64s",
               a->job.kind);
    return err_hint(err, "put it on the jobs topic of the worker that has it");
}

static enum outcome decode(struct attempt *a, struct err *err)
{
    const struct jval *envelope = NULL;
    enum outcome outcome = jread_object(a->delivery->message.value, &a->arena, &envelope, err);
    if (outcome == OUTCOME_PERMANENT) {
        err->outcome = OUTCOME_POISON;
        return err_prefix(err, "not a job");
    }
    TRY(outcome);
    a->id = job_peek_id(envelope);
    a->workspace_id = jval_text(jval_get(envelope, "data"), "workspace_id", "");
    TRY(job_decode(envelope, &a->arena, &a->job, err));
    a->kind_name = a->job.kind;
    if (a->trail.traceparent == NULL)
        a->trail.traceparent = a->job.traceparent;
    TRY(find_kind(a, err));
    TRY(job_decode_data(&a->job, &a->kind->table, &a->arena, &a->data, err));
    const struct job_common *common = a->data.common;
    a->deadline_us = common->deadline_us;
    a->max_attempts = common->max_attempts != 0          ? (int)common->max_attempts
                      : a->kind->kind->max_attempts != 0 ? a->kind->kind->max_attempts
                                                         : ATTEMPTS_DEFAULT;
    if (a->deadline_us != 0 && clock_wall_us() >= a->deadline_us)
        return FAIL(err, OUTCOME_PERMANENT, "job.deadline",
                    "the job's deadline had passed before it was started");
    return OUTCOME_OK;
}

/* ---- lease and claim ---- */

/* Gives false when the process ends meanwhile. `ret_taken` false: it runs elsewhere. */
static bool take_lease(struct attempt *a, bool *ret_taken)
{
    struct job_thread *thread = a->thread;
    struct runtime *rt = a->rt;
    struct service_wait wait = {thread, SERVICE_REDIS, &rt->stopping, 0, 0};
    struct err err = {0};
    a->lease.job_id = a->id;
    (void)snprintf(a->lease.token, sizeof a->lease.token, "%.40s.%zu.%llu", rt->owner,
                   thread->number, (unsigned long long)++thread->starts);
    while (lease_store_acquire(thread->redis, rt->conf->topic_prefix, &a->lease,
                               rt->conf->lease_ttl_ms, &a->arena, ret_taken, &err) != OUTCOME_OK) {
        if (!service_wait_again(&wait, &err))
            return false;
    }
    service_wait_end(&wait);
    return true;
}

static bool claim(struct attempt *a)
{
    struct runtime *rt = a->rt;
    struct service_wait wait = {a->thread, SERVICE_HUB, &rt->stopping, 0, 0};
    struct err err = {0};
    struct ledger_claim request = {.job_id = a->id,
                                   .workspace_id = a->workspace_id,
                                   .kind = a->kind_name,
                                   .subject = a->job.subject,
                                   .worker = rt->worker->name,
                                   .owner = a->thread->owner,
                                   .attempt = a->trail.attempt,
                                   .redrive_count = a->trail.redrive_count,
                                   .not_before_us = a->trail.not_before_us,
                                   .now_us = clock_wall_us(),
                                   .max_starts = (int)rt->conf->max_starts,
                                   .first_topic = a->trail.first_topic,
                                   .first_partition = a->trail.first_partition,
                                   .first_offset = a->trail.first_offset};
    while (ledger_claim(a->thread->hub.db, &request, &a->arena, &a->claimed, &err) != OUTCOME_OK) {
        if (!service_wait_again(&wait, &err))
            return false;
    }
    service_wait_end(&wait);
    a->in_ledger = true;
    a->number = a->claimed.attempt;
    a->redrive_count = a->claimed.redrive_count;
    a->sequence = a->claimed.sequence + 1;
    return true;
}

static void release_lease(struct attempt *a, bool clear_cancel)
{
    struct err err = {0};
    /* Not worth a wait: it expires by itself. */
    if (lease_store_release(a->thread->redis, a->rt->conf->topic_prefix, &a->lease, clear_cancel,
                            &a->arena, &err) != OUTCOME_OK)
        LOG_AT(LOG_DEBUG, "lease.not_released", LOG_ERR_FIELDS(&err));
}

/* ---- run ---- */

static void call_run(struct attempt *a)
{
    struct job_private own = {a};
    struct job_context context = {
        .job_id = a->id,
        .workspace_id = a->data.common->workspace_id,
        .kind = a->kind_name,
        .subject = a->job.subject,
        .attempt = a->number,
        .fence = a->in_ledger ? a->claimed.fence : 0,
        .deadline_us = a->deadline_us,
        .cancelled = &a->rt->keeper.slots[a->thread->number].cancelled,
        .data = a->job.data,
        .arena = &a->arena,
        .hub = &a->thread->hub,
        .traceparent = a->trail.traceparent,
        .app = a->rt->app,
        .thread_app = a->thread->app,
        .own = &own,
    };
    /* What is left of the arena is for what the outcome leads to. */
    struct arena_mark mark = arena_snapshot(&a->arena);
    a->outcome = a->kind->kind->run(&context, a->data.payload, &a->err);
    arena_reset(&a->arena, mark);
    if (a->outcome != OUTCOME_OK && a->err.outcome != a->outcome)
        (void)FAIL(&a->err, a->outcome, "job.failed", "the kind failed without saying why");
}

static enum delivery_fate work(struct attempt *a)
{
    struct runtime *rt = a->rt;
    struct event event = attempt_event(a, EVENT_STARTED);
    bool is_first = a->number == 1 && a->sequence % 1000000 == 2 && a->redrive_count == 0 &&
                    (!a->in_ledger || a->claimed.sequence == 1000000);
    if (is_first) {
        event.state = EVENT_ACCEPTED;
        events_tell(&rt->outbox, rt->events_topic.text, &event);
        event = attempt_event(a, EVENT_STARTED);
    }
    if (a->outcome == OUTCOME_OK)
        events_tell(&rt->outbox, rt->events_topic.text, &event);
    event.sequence = a->sequence;
    keeper_enter(&rt->keeper, a->thread->number, &event, a->in_ledger ? &a->lease : NULL,
                 a->deadline_us);
    a->began_us = clock_monotonic_us();
    if (a->outcome == OUTCOME_OK)
        call_run(a);
    enum stop_reason reason = keeper_work_ended(&rt->keeper, a->thread->number, &a->sequence);
    enum delivery_fate fate = settle(a, reason);
    keeper_leave(&rt->keeper, a->thread->number);
    return fate;
}

static enum delivery_fate work_claimed(struct attempt *a)
{
    switch (a->claimed.verdict) {
    case LEDGER_DONE:
    case LEDGER_CANCELLED:
        return settle_again(a);
    case LEDGER_WAIT:
        return settle_later(a, a->claimed.due_us);
    case LEDGER_POISON:
        a->outcome = FAIL(&a->err, OUTCOME_POISON, "job.poison",
                          "started %d times, each ended with its process", a->claimed.starts - 1);
        break;
    case LEDGER_RUN:
        break;
    }
    return work(a);
}

static enum delivery_fate work_leased(struct attempt *a)
{
    bool taken = false;
    if (!take_lease(a, &taken))
        return FATE_DROP;
    if (!taken) {
        metric_add(&a->rt->metrics.leases_busy, 1);
        return settle_retake(a, BUSY_RETAKE_US);
    }
    enum delivery_fate fate = claim(a) ? work_claimed(a) : FATE_DROP;
    release_lease(a, fate == FATE_DONE);
    return fate;
}

static enum delivery_fate go_through(struct attempt *a)
{
    struct err err = {0};
    char trace_id[33];
    if (read_trail(a, &err) != OUTCOME_OK)
        return settle_retake(a, MEMORY_RETAKE_US);
    a->outcome = decode(a, &a->err);
    if (a->outcome == OUTCOME_RETRY)
        return settle_retake(a, MEMORY_RETAKE_US);
    if (a->trail.traceparent == NULL)
        a->trail.traceparent = new_traceparent(&a->arena);
    job_trace_id(a->trail.traceparent, trace_id);
    log_set_job(a->id == NULL ? "" : a->id, trace_id);
    if (a->id == NULL)
        return settle_nameless(a);
    if (a->outcome == OUTCOME_OK && a->trail.not_before_us > clock_wall_us())
        return settle_later(a, a->trail.not_before_us);
    if (a->kind == NULL || !a->kind->kind->idempotent)
        return work_leased(a);
    a->sequence = (int64_t)a->number * 1000000 + 1;
    return work(a);
}

enum delivery_fate attempt_run(struct job_thread *thread, struct delivery *delivery)
{
    struct attempt a = {.thread = thread,
                        .rt = thread->rt,
                        .delivery = delivery,
                        .workspace_id = "",
                        .kind_name = "unknown",
                        .kind_number = thread->rt->worker->kind_count,
                        .max_attempts = 1,
                        .began_us = clock_monotonic_us(),
                        .result = str_with_max(RESULT_BYTES_MAX)};
    atomic_store(&delivery->holds, 1);
    atomic_store(&delivery->failed, false);
    arena_init(&a.arena, (size_t)thread->rt->conf->job_memory_bytes);
    enum delivery_fate fate = go_through(&a);
    log_set_job("", "");
    str_done(&a.result);
    arena_done(&a.arena);
    return fate;
}
