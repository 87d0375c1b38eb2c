/* fan_out: see fan_out.h. */
#include "run/fan_out.h"

#include "base/clock.h"
#include "io/json.h"
#include "run/attempt.h"
#include "run/events.h"
#include "run/fan_out_record.h"
#include "run/job_private.h"

#define TOLD_WAIT_US (30 * US_PER_S)
#define TOLD_STEP_US (2 * US_PER_MS)
#define PROGRESS_US US_PER_S

/* ---- parent ---- */

enum outcome job_children_look(struct job_context *job, enum fan_in_verdict *ret_verdict,
                               struct family_look *ret_look, struct err *err)
{
    struct attempt *a = job->own->attempt;
    struct family_look look;
    TRY(family_look(job->hub->db, job->job_id, job->arena, &look, err));
    enum fan_in_verdict verdict = fan_in_decide(&look.counts);
    a->is_woken_by_net = verdict != FAN_IN_WAIT && attempt_only_looks(a);
    *ret_look = look;
    *ret_verdict = a->is_woken_by_net ? FAN_IN_WAIT : verdict;
    return OUTCOME_OK;
}

/* Until Kafka has all that was sent under the job's delivery: only then may a later start take the
 * children for told. */
static enum outcome wait_until_sent(struct job_context *job, struct err *err)
{
    const struct delivery *delivery = job->own->attempt->delivery;
    int64_t until_us = clock_monotonic_us() + TOLD_WAIT_US;
    while (atomic_load(&delivery->holds) > 1 && !atomic_load(&delivery->failed)) {
        TRY(job_check(job, err));
        if (clock_monotonic_us() >= until_us)
            break;
        clock_sleep_us(TOLD_STEP_US);
    }
    if (atomic_load(&delivery->holds) <= 1 && !atomic_load(&delivery->failed))
        return OUTCOME_OK;
    return FAIL(err, OUTCOME_RETRY, "kafka.unreachable", "not all children could be told");
}

static enum outcome tell_children(struct job_context *job, const char *kind,
                                  const struct family_children *children, struct err *err)
{
    struct attempt *a = job->own->attempt;
    for (size_t i = 0; i < children->count; i++) {
        struct str value STR_AUTO = str_with_max(STR_MAX_DEFAULT);
        struct kafka_record record;
        fan_out_write_child(job, kind, &children->items[i], &value);
        if (value.failed)
            return FAIL_NO_MEMORY(err);
        record = (struct kafka_record){.topic = fan_out_topic(a),
                                       .partition = -1,
                                       .key = slice_of(children->items[i].id),
                                       .value = str_slice(&value)};
        TRY(outbox_send(&a->rt->outbox, &record, a->delivery, err));
    }
    return wait_until_sent(job, err);
}

enum outcome job_children_spawn(struct job_context *job, const struct job_spawn *spawn,
                                struct err *err)
{
    struct family_children told = {0};
    struct family_spawn request = {.parent_id = job->job_id,
                                   .fence = job->fence,
                                   .plan = spawn->plan,
                                   .rows_total = spawn->rows_total,
                                   .children = spawn->children};
    TRY(fan_out_read_record(job->own->attempt, job->arena, &request.record, err));
    TRY(family_spawn(job->hub->db, &request, job->arena, &told, err));
    if (told.count == 0) {
        TRY(job_check(job, err));
        return FAIL(err, OUTCOME_CANCELLED, "fenced", "another start owns the job");
    }
    TRY(tell_children(job, spawn->kind, &told, err));
    return family_told(job->hub->db, job->job_id, spawn->plan, err);
}

enum outcome job_children_wait(const struct job_context *job, struct err *err)
{
    (void)job;
    return FAIL(err, OUTCOME_THROTTLED, JOB_WAITS_FOR_CHILDREN, "its children are under way");
}

enum outcome job_children_results(struct job_context *job, struct family_results *ret_results,
                                  struct err *err)
{
    return family_results(job->hub->db, job->job_id, job->arena, ret_results, err);
}

enum outcome job_children_close(struct job_context *job, struct err *err)
{
    return family_close(job->hub->db, job->job_id, job->fence, err);
}

/* ---- child ---- */

enum outcome job_child_begin(struct job_context *job, struct job_child *ret_child, struct err *err)
{
    struct family_task task = {0};
    const struct jval *value = NULL;
    struct job_child child;
    TRY(family_begin(job->hub->db, job->job_id, job->arena, &task, err));
    if (task.verdict == FAMILY_STALE)
        return FAIL(err, OUTCOME_CANCELLED, "job.stale", "nobody waits for it any more");
    child = (struct job_child){.is_done = task.verdict == FAMILY_DONE,
                               .number = task.number,
                               .parent_id = task.parent_id,
                               .result = task.result};
    TRY(jread_object(slice_of(task.payload), job->arena, &child.payload, err));
    TRY(jread_object(slice_of(task.parent_value), job->arena, &value, err));
    child.parent_data = jval_get(value, "data");
    *ret_child = child;
    return OUTCOME_OK;
}

void job_child_progress(struct job_context *job, struct job_child_progress *progress,
                        int64_t rows_done)
{
    struct attempt *a = job->own->attempt;
    struct family_progress parent = {0};
    struct err err;
    int64_t now_us = clock_monotonic_us();
    if (now_us - progress->told_us < PROGRESS_US)
        return;
    progress->told_us = now_us;
    struct arena arena ARENA_AUTO;
    arena_init(&arena, 64u << 10);
    if (family_progress(job->hub->db, job->job_id, rows_done, &arena, &parent, &err) !=
            OUTCOME_OK ||
        parent.parent_id == NULL)
        return; /* of passing interest */
    struct event_progress told = {.phase = progress->phase,
                                  .rows_done = parent.rows_done,
                                  .rows_total = parent.rows_total,
                                  .bytes_done = -1,
                                  .bytes_total = -1,
                                  .rows_per_second = -1,
                                  .eta_ms = -1};
    struct event event = {.state = EVENT_PROGRESS,
                          .job_id = parent.parent_id,
                          .workspace_id = parent.workspace_id,
                          .kind = parent.kind,
                          .worker = a->rt->worker->name,
                          .attempt = parent.attempt,
                          .redrive_count = parent.redrive_count,
                          .sequence = parent.sequence,
                          .time_us = fleet_clock_us(&a->rt->clock),
                          .traceparent = job->traceparent,
                          .progress = &told};
    events_tell(&a->rt->outbox, a->rt->events_topic.text, &event);
}

/* No attempt follows. A stop that was asked for is no failure of the work. */
static bool is_final(const struct job_context *job, const struct err *err)
{
    const struct attempt *a = job->own->attempt;
    if (job_is_cancelled(job))
        return false;
    if (err->outcome == OUTCOME_RETRY)
        return !outcome_is_outage(err) && a->number >= a->max_attempts;
    return err->outcome == OUTCOME_PERMANENT || err->outcome == OUTCOME_POISON ||
           err->outcome == OUTCOME_BUG;
}

/* Its report is awaited with the child's delivery. Should it be lost, the parent's safety net looks
 * later. */
static enum outcome wake(struct job_context *job, const struct family_parent *parent,
                         struct err *err)
{
    struct attempt *a = job->own->attempt;
    struct kafka_record record = {.topic = fan_out_topic(a), .partition = -1};
    TRY(fan_out_write_record(&parent->record, job->arena, &record, err));
    return outbox_send(&a->rt->outbox, &record, a->delivery, err);
}

enum outcome job_child_end(struct job_context *job, const struct job_child_end *end,
                           struct err *err)
{
    struct family_parent parent = {0};
    struct err counting = {0};
    struct family_end request = {.child_id = job->job_id,
                                 .rows_done = end->rows_done,
                                 .result = end->result,
                                 .failure = end->outcome == OUTCOME_OK ? NULL : err};
    if (end->outcome != OUTCOME_OK && !is_final(job, err))
        return end->outcome;
    enum outcome outcome = family_end(job->hub->db, &request, job->arena, &parent, &counting);
    if (outcome == OUTCOME_OK && parent.id != NULL &&
        fan_in_wakes(&parent.counts, request.failure != NULL))
        outcome = wake(job, &parent, &counting);
    if (end->outcome != OUTCOME_OK)
        return end->outcome; /* not counted: the parent's safety net finds it in the ledger */
    if (outcome != OUTCOME_OK)
        *err = counting;
    return outcome;
}
