/* settle: what the outcome of an attempt leads to; see attempt.h.
 *
 * Order: the ledger decides, then the record that follows from it and the event go to Kafka, and
 * when their reports are in the delivery is done and its offset may be committed. A crash in
 * between leaves the offset incomplete: the job is delivered again, and the ledger says what it
 * was.
 */
#include "run/attempt.h"

#include "base/clock.h"
#include "base/log.h"
#include "run/events.h"
#include "run/kafka_headers.h"

#define FENCED_RETAKE_US US_PER_S
#define SEND_RETAKE_US (5 * US_PER_S)

enum delivery_fate settle_retake(struct attempt *a, int64_t after_us)
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
    return settle_retake(a, SEND_RETAKE_US);
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

static enum outcome send_dead_letter(struct attempt *a, const struct err *error, struct err *err)
{
    trail_error(a, error);
    a->trail.attempt = a->number;
    a->trail.redrive_count = a->redrive_count;
    a->trail.not_before_us = 0;
    return forward(a, a->rt->dlq_topic.text, err);
}

static enum outcome send_later(struct attempt *a, size_t tier, int64_t due_us, struct err *err)
{
    a->trail.not_before_us = due_us;
    metric_add(&a->rt->metrics.retries[tier], 1);
    return forward(a, a->rt->retry_topics[tier].text, err);
}

static enum outcome tell(struct attempt *a, const struct event *event, struct err *err)
{
    return events_tell_surely(&a->rt->outbox, a->rt->events_topic.text, event, a->delivery, err);
}

/* The terminal event, and before it the dead letter that goes with it. */
static enum delivery_fate tell_end(struct attempt *a, struct event *event)
{
    struct err err = {0};
    enum outcome outcome = OUTCOME_OK;
    if (event->state == EVENT_DEAD_LETTERED)
        outcome = send_dead_letter(a, event->error, &err);
    if (outcome == OUTCOME_OK)
        outcome = tell(a, event, &err);
    return sent(a, outcome, &err);
}

/* ---- without a run ---- */

enum delivery_fate settle_nameless(struct attempt *a)
{
    struct err err = {0};
    LOG_AT(LOG_ERROR, "job.poison", LOG_TEXT("topic", a->delivery->message.topic),
           LOG_INT("partition", a->delivery->message.partition),
           LOG_INT("offset", a->delivery->message.offset), LOG_ERR_FIELDS(&a->err));
    metric_add(&a->rt->metrics.dead_letters[a->outcome], 1);
    metrics_job_ended(&a->rt->metrics, a->kind_number, EVENT_DEAD_LETTERED, 0);
    return sent(a, send_dead_letter(a, &a->err, &err), &err);
}

enum delivery_fate settle_later(struct attempt *a, int64_t due_us)
{
    struct err err = {0};
    size_t tier = retry_tier_for(due_us - clock_wall_us(), (int)a->rt->conf->retry_scale_percent);
    a->trail.attempt = a->number;
    return sent(a, send_later(a, tier, due_us, &err), &err);
}

enum delivery_fate settle_again(struct attempt *a)
{
    bool is_new = a->claimed.verdict == LEDGER_CANCELLED;
    struct event event = attempt_event(a, is_new ? EVENT_CANCELLED : a->claimed.state);
    event.sequence = a->claimed.sequence;
    event.error = a->claimed.error.code[0] == '\0' ? NULL : &a->claimed.error;
    event.result = slice_of(a->claimed.result);
    if (is_new)
        metrics_job_ended(&a->rt->metrics, a->kind_number, EVENT_CANCELLED, 0);
    else
        metric_add(&a->rt->metrics.redelivered, 1);
    LOG_AT(LOG_INFO, is_new ? "job.cancelled" : "job.ended_before",
           LOG_TEXT("state", event_state_name(event.state)));
    return tell_end(a, &event);
}

/* ---- after a run ---- */

static void log_end(const struct attempt *a, const char *what, enum log_level level)
{
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

/* Another start owns the job, or the ledger can't be reached in the time that is left. */
static enum delivery_fate fenced(struct attempt *a)
{
    metric_add(&a->rt->metrics.fenced, 1);
    LOG_AT(LOG_WARN, "job.fenced", LOG_TEXT("kind", a->kind_name),
           LOG_INT("fence", a->claimed.fence));
    return settle_retake(a, FENCED_RETAKE_US);
}

enum ledger_answer { ANSWER_OURS, ANSWER_FENCED, ANSWER_CANCELLED, ANSWER_NONE };

static enum ledger_answer finish(struct attempt *a, enum event_state state, int64_t sequence)
{
    if (!a->in_ledger)
        return ANSWER_OURS;
    struct service_wait wait = {a->thread, SERVICE_HUB, &a->rt->aborting, 0, 0};
    struct err err = {0};
    bool ours = false;
    struct ledger_end end = {.job_id = a->id,
                             .fence = a->claimed.fence,
                             .sequence = sequence,
                             .state = state,
                             .error = state == EVENT_SUCCEEDED ? NULL : &a->err,
                             .result = a->result.len == 0 ? NULL : str_text(&a->result)};
    while (ledger_finish(a->thread->hub.db, &end, &ours, &err) != OUTCOME_OK) {
        if (!service_wait_again(&wait, &err))
            return ANSWER_NONE;
    }
    service_wait_end(&wait);
    return ours ? ANSWER_OURS : ANSWER_FENCED;
}

static enum ledger_answer release(struct attempt *a, int next_attempt, int64_t due_us,
                                  const struct err *error)
{
    static const enum ledger_answer answers[] = {[LEDGER_RELEASED] = ANSWER_OURS,
                                                 [LEDGER_RELEASE_FENCED] = ANSWER_FENCED,
                                                 [LEDGER_RELEASE_CANCELLED] = ANSWER_CANCELLED};
    if (!a->in_ledger)
        return ANSWER_OURS;
    struct service_wait wait = {a->thread, SERVICE_HUB, &a->rt->aborting, 0, 0};
    struct err err = {0};
    enum ledger_release_verdict verdict;
    struct ledger_claimed after;
    struct ledger_wait request = {.job_id = a->id,
                                  .fence = a->claimed.fence,
                                  .next_attempt = next_attempt,
                                  .due_us = due_us,
                                  .error = error};
    while (ledger_release(a->thread->hub.db, &request, &a->arena, &verdict, &after, &err) !=
           OUTCOME_OK) {
        if (!service_wait_again(&wait, &err))
            return ANSWER_NONE;
    }
    service_wait_end(&wait);
    if (verdict == LEDGER_RELEASE_CANCELLED) {
        a->claimed = after;
        a->claimed.verdict = LEDGER_CANCELLED;
    }
    return answers[verdict];
}

/* What is done when the ledger did not say "ours". */
static enum delivery_fate not_ours(struct attempt *a, enum ledger_answer answer)
{
    if (answer == ANSWER_CANCELLED)
        return settle_again(a);
    return answer == ANSWER_NONE ? FATE_DROP : fenced(a);
}

static enum delivery_fate end(struct attempt *a, enum event_state state, const char *what,
                              enum log_level level)
{
    struct event event = attempt_event(a, state);
    enum ledger_answer answer = finish(a, state, event.sequence);
    if (answer != ANSWER_OURS)
        return not_ours(a, answer);
    event.error = state == EVENT_SUCCEEDED ? NULL : &a->err;
    event.result = str_slice(&a->result);
    log_end(a, what, level);
    count_end(a, state);
    return tell_end(a, &event);
}

static enum delivery_fate give_up(struct attempt *a)
{
    return end(a, EVENT_DEAD_LETTERED, "job.dead_lettered", LOG_ERROR);
}

static enum delivery_fate try_later(struct attempt *a, bool counted)
{
    uint64_t random = 0;
    random_bytes(&random, sizeof random);
    struct retry_request request = {.attempt = a->number,
                                    .max_attempts = a->max_attempts,
                                    .counted = counted,
                                    .now_us = clock_wall_us(),
                                    .deadline_us = a->deadline_us,
                                    .retry_after_us = a->err.retry_after_ms * US_PER_MS,
                                    .scale_percent = (int)a->rt->conf->retry_scale_percent,
                                    .random = random};
    struct retry_decision decision = retry_decide(&request);
    if (decision.verdict == RETRY_EXHAUSTED) {
        (void)err_prefix(&a->err, "given up after attempt %d of %d", a->number, a->max_attempts);
        return give_up(a);
    }
    if (decision.verdict == RETRY_TOO_LATE) {
        (void)err_prefix(&a->err, "given up, the next attempt would be after the deadline");
        return give_up(a);
    }
    enum ledger_answer answer = release(a, decision.next_attempt, decision.due_us, &a->err);
    if (answer != ANSWER_OURS)
        return not_ours(a, answer);
    struct event event = attempt_event(a, EVENT_RETRYING);
    event.error = &a->err;
    event.due_us = decision.due_us;
    log_end(a, "job.retrying", LOG_WARN);
    count_end(a, EVENT_RETRYING);
    events_tell(&a->rt->outbox, a->rt->events_topic.text, &event);
    struct err err = {0};
    trail_error(a, &a->err);
    a->trail.attempt = decision.next_attempt;
    return sent(a, send_later(a, decision.tier, decision.due_us, &err), &err);
}

static enum delivery_fate hand_back(struct attempt *a)
{
    enum ledger_answer answer = release(a, a->number, 0, NULL);
    if (answer != ANSWER_OURS)
        return not_ours(a, answer);
    metric_add(&a->rt->metrics.handed_back, 1);
    log_end(a, "job.handed_back", LOG_INFO);
    return atomic_load(&a->rt->stopping) ? FATE_DROP : settle_retake(a, FENCED_RETAKE_US);
}

enum delivery_fate settle(struct attempt *a, enum stop_reason reason)
{
    switch (outcome_action(a->outcome, reason, &a->err)) {
    case ACTION_SUCCEED:
        return end(a, EVENT_SUCCEEDED, "job.succeeded", LOG_INFO);
    case ACTION_RETRY:
        return try_later(a, true);
    case ACTION_WAIT:
        return try_later(a, false);
    case ACTION_CANCEL:
        return end(a, EVENT_CANCELLED, "job.cancelled", LOG_INFO);
    case ACTION_HAND_BACK:
        return hand_back(a);
    case ACTION_BUG:
        atomic_store(&a->rt->has_bug, true);
        break;
    case ACTION_DEAD_LETTER:
        break;
    }
    return give_up(a);
}
