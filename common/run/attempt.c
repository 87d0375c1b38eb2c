/* attempt: made, decoded, claimed, over; see attempt.h. */
#include "run/attempt.h"

#include "base/clock.h"
#include "io/hash.h"
#include "io/json.h"
#include "run/gate.h"
#include "run/kafka_headers.h"
#include "run/trace.h"

#include <stdlib.h>

#define WORKSPACE_BYTES_MAX ((size_t)4 * JOB_WORKSPACE_MAX)
#define RESULT_BYTES_MAX ((size_t)64 << 20)
/* Attempts that are kept for reuse: under load nearly all, or each job would take and give two
 * blocks too large for the heap's caches; at rest ATTEMPTS_AT_REST. None where AddressSanitizer
 * looks for the use of one that is over. */
#ifdef __SANITIZE_ADDRESS__
#define SPARE_MAX 0
#else
#define SPARE_MAX 2048
#endif

/* Nothing of the record is known (any more). */
static void forget_record(struct attempt *a)
{
    a->trail = (struct job_trail){0};
    a->id = NULL;
    a->workspace_id = "";
    a->kind_name = "unknown";
    a->job = (struct job){0};
    a->kind = NULL;
    a->kind_number = a->rt->worker->kind_count;
    a->data = (struct job_data){0};
    a->max_attempts = 1;
    a->deadline_us = 0;
}

/* Of an attempt that is over: it and a block for its arena cost no allocation. */
static struct attempt *take_spare(struct runtime *rt)
{
    struct node *node = queue_count(&rt->spare) == 0 ? NULL : queue_try(&rt->spare);
    if (node == NULL)
        return calloc(1, sizeof(struct attempt));
    struct attempt *a = attempt_of(node);
    struct arena arena = a->arena;
    *a = (struct attempt){.arena = arena};
    return a;
}

struct attempt *attempt_new(struct runtime *rt, struct delivery *delivery)
{
    struct attempt *a = take_spare(rt);
    if (a == NULL)
        return NULL;
    a->rt = rt;
    a->delivery = delivery;
    a->item.is_aside = a->is_bulk = delivery_is_bulk(delivery);
    a->slot.owner = delivery;
    forget_record(a);
    a->began_us = clock_monotonic_us();
    a->result = str_with_max(RESULT_BYTES_MAX);
    a->arena.cap_bytes = (size_t)rt->conf->job_memory_bytes;
    delivery_begin(delivery);
    return a;
}

void attempt_free(struct attempt *a)
{
    gate_leave(a);
    str_done(&a->result);
    if (queue_count(&a->rt->spare) + 1 <= SPARE_MAX) {
        arena_recycle(&a->arena);
        queue_push(&a->rt->spare, &a->node);
        return;
    }
    arena_done(&a->arena);
    free(a);
}

static void keep_spare(struct runtime *rt, size_t count)
{
    struct node *node;
    while (queue_count(&rt->spare) > count && (node = queue_try(&rt->spare)) != NULL) {
        arena_done(&attempt_of(node)->arena);
        free(attempt_of(node));
    }
}

void attempts_rest(struct runtime *rt)
{
    keep_spare(rt, ATTEMPTS_AT_REST);
}

void attempts_forget_spare(struct runtime *rt)
{
    keep_spare(rt, 0);
}

void attempt_settled(struct attempt *a, enum delivery_fate fate)
{
    outbox_settle(&a->rt->outbox, a->delivery, fate);
    a->delivery = NULL;
    a->is_over = true;
}

void attempt_over(struct attempt *a, enum delivery_fate fate)
{
    attempt_settled(a, fate);
    queue_push(&a->rt->inbox, &a->node);
}

void attempts_over(struct attempt *const *list, const enum delivery_fate *fates, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        attempt_settled(list[i], fates[i]);
        list[i]->node.next = i + 1 < count ? &list[i + 1]->node : NULL;
    }
    if (count > 0)
        queue_push_list(&list[0]->rt->inbox, &list[0]->node);
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
                          .time_us = fleet_clock_us(&a->rt->clock),
                          .traceparent = a->trail.traceparent};
}

/* ---- decode ---- */

static enum outcome read_trail(struct attempt *a, struct err *err)
{
    TRY(kafka_headers_trail(&a->delivery->message, &a->arena, &a->trail, err));
    a->number = a->trail.attempt;
    a->redrive_count = a->trail.redrive_count;
    return OUTCOME_OK;
}

const struct kind_entry *attempt_kind_named(const struct runtime *rt, struct slice name)
{
    for (size_t i = 0; i < rt->worker->kind_count; i++) {
        if (slice_is(name, rt->kinds[i].kind->name))
            return &rt->kinds[i];
    }
    return NULL;
}

static enum outcome find_kind(struct attempt *a, struct err *err)
{
    a->kind = attempt_kind_named(a->rt, slice_of(a->job.kind));
    if (a->kind != NULL) {
        a->kind_number = (size_t)(a->kind - a->rt->kinds);
        return OUTCOME_OK;
    }
    (void)FAIL(err, OUTCOME_POISON, "job.unknown_kind", "this worker has no kind %.64s",
               a->job.kind);
    return err_hint(err, "put it on the jobs topic of the worker that has it");
}

enum outcome attempt_check_deadline(const struct attempt *a, struct err *err)
{
    if (a->deadline_us == 0 || fleet_clock_us(&a->rt->clock) < a->deadline_us)
        return OUTCOME_OK;
    return FAIL(err, OUTCOME_PERMANENT, "job.deadline",
                "the job's deadline had passed before it was started");
}

/* Who the job is, by what a look at its record said. */
static enum outcome note_glance(struct attempt *a, const struct job_glance *glance, struct err *err)
{
    const char *id = arena_strndup(&a->arena, glance->id.data, glance->id.len);
    const char *workspace_id =
        arena_strndup(&a->arena, glance->workspace_id.data, glance->workspace_id.len);
    TRY_ALLOC(id, err);
    TRY_ALLOC(workspace_id, err);
    a->id = id;
    a->workspace_id = workspace_id;
    return OUTCOME_OK;
}

/* What can't be decoded, and was seen at a glance, may have a place in the ledger: it ends under
 * that name. */
static enum outcome name_by_glance(struct attempt *a, struct err *err)
{
    struct job_glance glance;
    return job_glance(a->delivery->message.value, &glance) ? note_glance(a, &glance, err)
                                                           : OUTCOME_OK;
}

static enum outcome refuse_text(struct attempt *a, struct err *err)
{
    struct err memory = {0};
    if (name_by_glance(a, &memory) != OUTCOME_OK)
        return *err = memory, memory.outcome;
    err->outcome = OUTCOME_POISON;
    return err_prefix(err, "not a job");
}

static enum outcome decode_job(struct attempt *a, struct err *err)
{
    const struct jval *envelope = NULL;
    enum outcome outcome = jread_object(a->delivery->message.value, &a->arena, &envelope, err);
    if (outcome == OUTCOME_PERMANENT)
        return refuse_text(a, err);
    TRY(outcome);
    a->id = job_peek_id(envelope);
    a->workspace_id = jval_text(jval_get(envelope, "data"), "workspace_id", "");
    if (strlen(a->workspace_id) > WORKSPACE_BYTES_MAX)
        a->workspace_id = ""; /* which its table will refuse; the hub must not */
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
    return attempt_check_deadline(a, err);
}

uint64_t attempt_number_of(struct slice text)
{
    return hash128_bytes(text.data, text.len).lo;
}

static bool is_ordered(const struct attempt *a)
{
    return a->kind != NULL && a->kind->kind->ordered;
}

/* A job that is tried again is of the class of the topic that it first came by. */
static int priority_of(const struct attempt *a)
{
    if (a->data.common != NULL && a->data.common->priority != JOB_DEFAULT)
        return a->data.common->priority;
    if (a->delivery->lane == LANE_JOBS)
        return a->delivery->priority;
    return topic_priority_of(a->trail.first_topic, a->rt->conf->topic_prefix, a->rt->worker->name);
}

/* Its place in the queue of pending jobs. */
static void set_item(struct attempt *a)
{
    a->item.tenant = attempt_number_of(slice_of(a->workspace_id));
    a->item.priority = (enum fair_priority)priority_of(a);
    a->item.cost = 1;
    a->item.order_key =
        is_ordered(a) ? (a->item.tenant ^ attempt_number_of(slice_of(a->job.subject))) | 1 : 0;
}

enum outcome attempt_glance(struct attempt *a, const struct kind_entry *kind,
                            const struct job_glance *glance, struct err *err)
{
    const char *subject = arena_strndup(&a->arena, glance->subject.data, glance->subject.len);
    TRY_ALLOC(subject, err);
    TRY(read_trail(a, err));
    TRY(note_glance(a, glance, err));
    a->kind = kind;
    a->kind_number = (size_t)(kind - a->rt->kinds);
    a->kind_name = kind->kind->name;
    a->job.subject = subject;
    set_item(a);
    return OUTCOME_OK;
}

/* It will not fit the next time either: nothing is kept of it but its name, if that fits, and what
 * its dead letter says. */
static enum outcome refuse_large(struct attempt *a, struct err *err)
{
    long long max = a->rt->conf->job_memory_bytes;
    struct err nameless = {0};
    arena_done(&a->arena);
    arena_init(&a->arena, (size_t)max);
    forget_record(a);
    TRY(read_trail(a, err));
    (void)name_by_glance(a, &nameless);
    a->outcome = FAIL(&a->err, OUTCOME_POISON, "job.too_large",
                      "the record needs more than the %lld bytes that a job may have", max);
    (void)err_hint(&a->err, "make it smaller, or HAUL_JOB_MEMORY_BYTES larger");
    return OUTCOME_OK;
}

/* It could not be sent to a retry topic, and hardly to the dead letters. */
static enum outcome refuse_long(struct err *err)
{
    (void)FAIL(err, OUTCOME_POISON, "job.too_large",
               "the record has more than the %zu bytes that a job may have", JOB_RECORD_BYTES_MAX);
    return err_hint(err, "give it a reference to what is so long");
}

enum outcome attempt_decode(struct attempt *a, struct err *err)
{
    if (a->id != NULL)
        forget_record(a); /* what was glanced at */
    TRY(read_trail(a, err));
    a->outcome = decode_job(a, &a->err);
    if (a->outcome == OUTCOME_RETRY && a->arena.capped)
        TRY(refuse_large(a, err));
    else if (a->outcome == OUTCOME_RETRY)
        return FAIL_NO_MEMORY(err);
    if (delivery_is_too_long(a->delivery))
        a->outcome = refuse_long(&a->err);
    if (a->trail.traceparent == NULL)
        a->trail.traceparent = trace_of_job(a->id, &a->arena);
    if (attempt_is_idempotent(a))
        a->sequence = (int64_t)a->number * SEQUENCE_STEP + 1;
    set_item(a);
    return OUTCOME_OK;
}

int64_t attempt_not_before_us(const struct attempt *a)
{
    int64_t asked_us = a->data.common == NULL ? 0 : a->data.common->not_before_us;
    return asked_us > a->trail.not_before_us ? asked_us : a->trail.not_before_us;
}

/* ---- claim ---- */

struct ledger_claim attempt_claim(const struct attempt *a)
{
    const struct job_common *common = a->data.common;
    return (struct ledger_claim){
        .job_id = a->id,
        .workspace_id = a->workspace_id,
        .kind = a->kind_name,
        .subject = a->job.subject,
        .attempt = a->trail.attempt,
        .redrive_count = a->trail.redrive_count,
        .not_before_us = a->trail.not_before_us,
        .first_topic = a->trail.first_topic,
        .first_partition = (int)a->trail.first_partition,
        .first_offset = a->trail.first_offset,
        .is_ordered = is_ordered(a),
        .dedupe_key = common == NULL ? NULL : common->dedupe_key,
        .dedupe_window_us = common == NULL ? 0 : common->dedupe_window_s * US_PER_S,
        .is_alone = a->is_suspect,
    };
}

enum outcome attempt_claimed(struct attempt *a, const struct ledger_claimed *claimed,
                             struct err *err)
{
    struct ledger_claimed copy = *claimed;
    bool is_end = copy.verdict == LEDGER_DONE || copy.verdict == LEDGER_CANCELLED;
    /* What is claimed needs no memory: a start that is begun could not be given back. */
    if (!is_end) {
        copy.error = NULL;
        copy.result = NULL;
    }
    if (copy.error != NULL) {
        copy.error = arena_memdup(&a->arena, copy.error, sizeof *copy.error);
        TRY_ALLOC(copy.error, err);
    }
    if (copy.result != NULL) {
        copy.result = arena_strdup(&a->arena, copy.result);
        TRY_ALLOC(copy.result, err);
    }
    a->claimed = copy;
    a->number = copy.attempt;
    a->redrive_count = copy.redrive_count;
    a->sequence = copy.sequence + 1;
    return OUTCOME_OK;
}
