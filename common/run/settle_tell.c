/* settle_tell: the records and events that follow from a plan; see attempt.h.
 *
 * Order: the ledger decided before this, then the record that follows from it and the event go to
 * Kafka, and when their reports are in the delivery is done and its offset may be committed. A
 * crash in between leaves the offset incomplete: the job is delivered again, and the ledger says
 * what it was. Whoever hears that a job was given up may look for its dead letter at once: that
 * event is sent when the letter's report is in.
 */
#include "run/attempt.h"

#include "base/clock.h"
#include "base/log.h"
#include "run/events.h"
#include "run/fan_out_record.h"
#include "run/kafka_headers.h"

#define RETAKE_US US_PER_S
#define SEND_RETAKE_US (5 * US_PER_S)
#define SHORT_KEY_MAX 65536

static enum delivery_fate retake(struct attempt *a, int64_t after_us)
{
    a->delivery->again_at_us = clock_monotonic_us() + after_us;
    return FATE_AGAIN;
}

/* ---- records ---- */

static enum delivery_fate sent(struct attempt *a, enum outcome outcome, const struct err *err)
{
    if (outcome == OUTCOME_OK)
        return FATE_DONE;
    LOG_AT(LOG_ERROR, "kafka.not_sent", LOG_ERR_FIELDS(err));
    return retake(a, SEND_RETAKE_US);
}

static enum outcome forward(struct attempt *a, const char *topic, struct err *err)
{
    struct kafka_record record;
    TRY(kafka_headers_forward(&a->delivery->message, &a->trail, topic, &a->arena, &record, err));
    return outbox_send(&a->rt->outbox, &record, a->delivery, err);
}

static void trail_error(struct attempt *a, const struct err *error)
{
    a->trail.error_class = outcome_name(error->outcome);
    a->trail.error_code = error->code;
    a->trail.error_message = error->message;
}

/* What Kafka does not take as it is: the headers tell where it stands, and what is the matter. */
static enum outcome send_short_letter(struct attempt *a, struct err *err)
{
    const struct kafka_message *whole = &a->delivery->message;
    struct kafka_message bare = {.key = whole->key};
    struct kafka_record record;
    LOG_AT(LOG_WARN, "dead_letter.without_value", LOG_TEXT("topic", a->trail.first_topic),
           LOG_INT("partition", a->trail.first_partition), LOG_INT("offset", a->trail.first_offset),
           LOG_INT("bytes", (int64_t)whole->value.len), LOG_ERR_FIELDS(err));
    if (bare.key.len > SHORT_KEY_MAX)
        bare.key = (struct slice){NULL, 0};
    TRY(kafka_headers_forward(&bare, &a->trail, a->rt->dlq_topic.text, &a->arena, &record, err));
    return outbox_send(&a->rt->outbox, &record, a->delivery, err);
}

static enum outcome send_dead_letter(struct attempt *a, const struct err *error, struct err *err)
{
    trail_error(a, error);
    a->trail.attempt = a->number;
    a->trail.redrive_count = a->redrive_count;
    a->trail.not_before_us = a->trail.wait_fence = a->trail.place = 0;
    enum outcome outcome = forward(a, a->rt->dlq_topic.text, err);
    bool is_too_large = outcome == OUTCOME_PERMANENT && strcmp(err->code, "kafka.too_large") == 0;
    return is_too_large ? send_short_letter(a, err) : outcome;
}

static enum outcome send_later(struct attempt *a, struct err *err)
{
    a->trail.attempt = a->plan.next_attempt;
    a->trail.not_before_us = a->plan.due_us;
    metric_add(&a->rt->metrics.retries[a->plan.tier], 1);
    return forward(a, a->rt->retry_topics[a->plan.tier].text, err);
}

/* The terminal event, and before it the dead letter that goes with it, unless an earlier try of
 * this delivery has put it there. */
static enum outcome send_end(struct attempt *a, const struct event *event, struct err *err)
{
    const char *topic = a->rt->events_topic.text;
    bool has_letter = a->delivery->is_sequel_due && a->delivery->sequel_life == a->redrive_count;
    if (event->state != EVENT_DEAD_LETTERED || has_letter)
        return events_tell_surely(&a->rt->outbox, topic, event, a->delivery, err);
    a->delivery->is_sequel_due = false;
    a->delivery->sequel_life = a->redrive_count;
    TRY(events_tell_behind(topic, event, a->delivery, err));
    return send_dead_letter(a, event->error, err);
}

static enum delivery_fate tell_end(struct attempt *a, const struct event *event)
{
    struct err err = {0};
    return sent(a, send_end(a, event, &err), &err);
}

/* ---- logs and counts ---- */

static void log_end(const struct attempt *a, const char *what, enum log_level level)
{
    if (!log_is_on(level))
        return;
    const struct log_field fields[] = {
        LOG_TEXT("kind", a->kind_name),
        LOG_TEXT("workspace_id", a->workspace_id),
        LOG_INT("attempt", a->number),
        LOG_INT("duration_ms", (clock_monotonic_us() - a->began_us) / US_PER_MS),
        LOG_ERR_FIELDS(&a->err),
    };
    size_t count = sizeof fields / sizeof fields[0];
    log_write(level, what, fields, a->outcome == OUTCOME_OK ? 4 : count);
}

static void count_end(struct attempt *a, enum event_state state)
{
    metrics_job_ended(&a->rt->metrics, a->kind_number, state, clock_monotonic_us() - a->began_us);
    if (state == EVENT_DEAD_LETTERED)
        metric_add(&a->rt->metrics.dead_letters[a->err.outcome], 1);
}

/* ---- a plan each ---- */

static enum delivery_fate tell_plan_end(struct attempt *a)
{
    static const struct {
        const char *what;
        enum log_level level;
    } lines[EVENT_STATE_COUNT] = {
        [EVENT_SUCCEEDED] = {"job.succeeded", LOG_INFO},
        [EVENT_DEAD_LETTERED] = {"job.dead_lettered", LOG_ERROR},
        [EVENT_CANCELLED] = {"job.cancelled", LOG_INFO},
    };
    enum event_state state = a->plan.state;
    struct event event = attempt_event(a, state);
    event.sequence = a->plan.sequence;
    event.error = state == EVENT_SUCCEEDED ? NULL : &a->err;
    event.result = str_slice(&a->result);
    log_end(a, lines[state].what, lines[state].level);
    count_end(a, state);
    return tell_end(a, &event);
}

static enum delivery_fate wait_for_children(struct attempt *a)
{
    struct err err = {0};
    LOG_AT(LOG_INFO, a->is_woken_by_net ? "job.woken_by_net" : "job.waits_for_children",
           LOG_TEXT("kind", a->kind_name));
    a->trail.error_class = a->trail.error_message = NULL;
    a->trail.error_code = a->is_woken_by_net ? NULL : JOB_WAITS_FOR_CHILDREN;
    a->trail.wait_fence = a->is_woken_by_net ? a->plan.wait_fence : 0;
    if (a->is_woken_by_net)
        return sent(a, forward(a, a->rt->jobs_topic.text, &err), &err);
    return sent(a, send_later(a, &err), &err);
}

static enum delivery_fate tell_plan_wait(struct attempt *a)
{
    struct err err = {0};
    if (a->plan.is_for_children)
        return wait_for_children(a);
    struct event event = attempt_event(a, EVENT_RETRYING);
    event.sequence = a->plan.sequence;
    event.error = &a->err;
    event.due_us = a->plan.due_us;
    log_end(a, "job.retrying", LOG_WARN);
    count_end(a, EVENT_RETRYING);
    events_tell(&a->rt->outbox, a->rt->events_topic.text, &event);
    trail_error(a, &a->err);
    a->trail.wait_fence = 0;
    return sent(a, send_later(a, &err), &err);
}

static enum delivery_fate tell_plan_hand_back(struct attempt *a)
{
    metric_add(&a->rt->metrics.handed_back, 1);
    log_end(a, "job.handed_back", LOG_INFO);
    return atomic_load(&a->rt->stopping) ? FATE_DROP : retake(a, RETAKE_US);
}

/* It had ended before, or the ledger ended it when it was asked. */
static enum delivery_fate tell_plan_tell(struct attempt *a)
{
    bool is_new = a->claimed.verdict == LEDGER_CANCELLED;
    struct event event = attempt_event(a, is_new ? EVENT_CANCELLED : a->claimed.state);
    event.sequence = a->claimed.sequence;
    event.error = a->claimed.error;
    event.result = slice_of(a->claimed.result);
    if (is_new)
        metrics_job_ended(&a->rt->metrics, a->kind_number, EVENT_CANCELLED, 0);
    else
        metric_add(&a->rt->metrics.redelivered, 1);
    LOG_AT(LOG_INFO, is_new ? "job.cancelled" : "job.ended_before",
           LOG_TEXT("state", event_state_name(event.state)));
    if (!is_new && event.state != EVENT_CANCELLED && job_trail_is_net(&a->trail))
        return FATE_DONE; /* it has ended by another record, which tells it */
    static const struct err unknown;
    if (event.error == NULL && event.state == EVENT_DEAD_LETTERED)
        event.error = &unknown;
    return tell_end(a, &event);
}

static enum delivery_fate tell_plan_later(struct attempt *a)
{
    struct err err = {0};
    return sent(a, send_later(a, &err), &err);
}

static enum delivery_fate tell_plan_demote(struct attempt *a)
{
    struct err err = {0};
    metric_add(&a->rt->metrics.demoted, 1);
    return sent(a, forward(a, a->rt->bulk_topic.text, &err), &err);
}

static enum delivery_fate tell_plan_nameless(struct attempt *a)
{
    struct err err = {0};
    const struct kafka_message *message = &a->delivery->message;
    LOG_AT(LOG_ERROR, "job.poison", LOG_TEXT("topic", message->topic),
           LOG_INT("partition", message->partition), LOG_INT("offset", message->offset),
           LOG_ERR_FIELDS(&a->err));
    metric_add(&a->rt->metrics.dead_letters[a->outcome], 1);
    metrics_job_ended(&a->rt->metrics, a->kind_number, EVENT_DEAD_LETTERED, 0);
    return sent(a, send_dead_letter(a, &a->err, &err), &err);
}

static void log_as_of(const struct attempt *a)
{
    char trace_id[33];
    job_trace_id(a->trail.traceparent, trace_id);
    log_set_job(a->id == NULL ? "" : a->id, trace_id);
}

enum delivery_fate settle_fenced(struct attempt *a)
{
    log_as_of(a);
    metric_add(&a->rt->metrics.fenced, 1);
    LOG_AT(LOG_WARN, "job.fenced", LOG_TEXT("kind", a->kind_name),
           LOG_INT("fence", a->claimed.fence));
    log_set_job("", "");
    return retake(a, RETAKE_US);
}

enum delivery_fate settle_tell(struct attempt *a)
{
    static enum delivery_fate (*const tellers[])(struct attempt *) = {
        [PLAN_END] = tell_plan_end,           [PLAN_WAIT] = tell_plan_wait,
        [PLAN_TELL] = tell_plan_tell,         [PLAN_HAND_BACK] = tell_plan_hand_back,
        [PLAN_LATER] = tell_plan_later,       [PLAN_DEMOTE] = tell_plan_demote,
        [PLAN_NAMELESS] = tell_plan_nameless,
    };
    log_as_of(a);
    enum delivery_fate fate = tellers[a->plan.kind](a);
    log_set_job("", "");
    return fate;
}
