/* kafka_producer: io/kafka.h's producer on the model broker: idempotent, in order within a topic,
 * with reports that come late, or say that a record is lost when it is not. */
#include "broker.h"

#include <stdlib.h>

#define QUEUE_MAX 24
#define DELIVERY_TIMEOUT_US (120 * SECOND)

struct sent {
    struct sent *next;
    struct kafka_record record; /* its bytes stand behind the struct */
    int64_t sent_us;
    void *opaque;
    bool is_bad;
};
struct kafka_producer {
    struct kafka_producer_options options;
    struct process *process;
    struct sent *queue, *queue_tail;     /* not at the broker */
    struct sent *reports, *reports_tail; /* known, not told */
    size_t pending;
    bool is_pumping, is_dead, is_closed;
};

enum outcome kafka_producer_open(const struct kafka_conf *conf,
                                 const struct kafka_producer_options *options,
                                 struct kafka_producer **ret_producer, struct err *err)
{
    struct kafka_producer *producer = calloc(1, sizeof *producer);
    (void)conf;
    (void)err;
    if (producer == NULL)
        abort();
    producer->options = *options;
    producer->process = process_now();
    *ret_producer = producer;
    return OUTCOME_OK;
}

/* ---- to the broker and back ---- */

static void push(struct sent **head, struct sent **tail, struct sent *item)
{
    item->next = NULL;
    if (*head == NULL)
        *head = item;
    else
        (*tail)->next = item;
    *tail = item;
}

static struct sent *pop(struct sent **head)
{
    struct sent *item = *head;
    *head = item->next;
    return item;
}

static void on_report(void *arg, uint64_t token)
{
    (void)token;
    fiber_wake_all(arg);
}

static void report(struct kafka_producer *producer, struct sent *item, bool is_bad)
{
    item->is_bad = is_bad;
    if (is_bad)
        trace_of(producer->process, "report", "BAD, a record to %s", item->record.topic);
    push(&producer->reports, &producer->reports_tail, item);
    plan_at(world_us, on_report, producer, 0);
}

static void pump_later(struct kafka_producer *producer);

static bool is_behind_its_topic(const struct kafka_producer *producer, const struct sent *item)
{
    for (const struct sent *it = producer->queue; it != item; it = it->next) {
        if (strcmp(it->record.topic, item->record.topic) == 0)
            return true;
    }
    return false;
}

/* The first in the queue, or the first of another topic: partitions do not wait for each other. */
static struct sent *take_one(struct kafka_producer *producer)
{
    struct sent *before = NULL;
    producer->process->records_queued--;
    for (struct sent *it = producer->queue; it->next != NULL; it = it->next) {
        if (!is_behind_its_topic(producer, it->next) && chance(300000))
            before = it;
    }
    if (before == NULL)
        return pop(&producer->queue);
    struct sent *item = before->next;
    before->next = item->next;
    if (producer->queue_tail == item)
        producer->queue_tail = before;
    return item;
}

/* A record of the queue meets its fate. */
static void deliver(struct kafka_producer *producer)
{
    struct sent *item = take_one(producer);
    bool is_late = world_us - item->sent_us > DELIVERY_TIMEOUT_US;
    bool is_bad = !scenario.calm && chance(scenario.report_bad);
    bool is_there = !is_late && (!is_bad || chance(500000));
    if (is_there)
        (void)broker_append(&item->record);
    if (is_there && !scenario.calm && chance(scenario.record_twice))
        (void)broker_append(&item->record);
    report(producer, item, is_bad || is_late);
    if (!scenario.calm && chance(scenario.producer_dies)) {
        trace_of(producer->process, "producer", "DIES");
        producer->is_dead = true;
    }
}

static void on_pump(void *arg, uint64_t token)
{
    struct kafka_producer *producer = arg;
    (void)token;
    producer->is_pumping = false;
    if (!producer->process->is_alive || producer->is_closed || producer->is_dead)
        return;
    bool is_late =
        producer->queue != NULL && world_us - producer->queue->sent_us > DELIVERY_TIMEOUT_US;
    bool waits = service_is_away(&broker_service, producer->process) && !is_late;
    if (producer->queue != NULL && !producer->process->is_stopped && !waits)
        deliver(producer);
    if (producer->queue != NULL)
        pump_later(producer);
}

static void pump_later(struct kafka_producer *producer)
{
    bool is_slow = !scenario.calm && chance(scenario.report_late);
    if (producer->is_pumping)
        return;
    producer->is_pumping = true;
    plan_at(world_us + (is_slow ? dice_span(10 * MS, 5 * SECOND) : dice_span(100, 2 * MS)), on_pump,
            producer, 0);
}

/* ---- io/kafka.h ---- */

static char *put(char **at, struct slice bytes)
{
    char *begin = *at;
    if (bytes.data == NULL)
        return NULL;
    memcpy(begin, bytes.data, bytes.len);
    begin[bytes.len] = '\0';
    *at += bytes.len + 1;
    return begin;
}

static struct sent *copy_record(const struct kafka_record *from)
{
    size_t size = strlen(from->topic) + from->key.len + from->value.len + 3;
    for (size_t i = 0; i < from->header_count; i++)
        size += strlen(from->headers[i].name) + from->headers[i].value.len + 2;
    size_t headers_size = from->header_count * sizeof(struct kafka_header);
    struct sent *item = calloc(1, sizeof *item + headers_size + size);
    if (item == NULL)
        abort();
    struct kafka_header *headers = (struct kafka_header *)(void *)(item + 1);
    char *at = (char *)headers + headers_size;
    item->record = *from;
    item->record.topic = put(&at, slice_of(from->topic));
    item->record.key.data = put(&at, from->key);
    item->record.value.data = put(&at, from->value);
    item->record.headers = headers;
    for (size_t i = 0; i < from->header_count; i++) {
        headers[i].name = put(&at, slice_of(from->headers[i].name));
        headers[i].value =
            (struct slice){put(&at, from->headers[i].value), from->headers[i].value.len};
    }
    return item;
}

enum outcome kafka_producer_send(struct kafka_producer *producer, const struct kafka_record *record,
                                 struct err *err)
{
    fiber_point();
    if (producer->is_dead)
        return FAIL(err, OUTCOME_PERMANENT, "kafka.fatal", "this producer is dead");
    if (producer->pending >= QUEUE_MAX)
        return FAIL(err, OUTCOME_RETRY, "kafka.queue_full", "the queue is full");
    mishap_here();
    struct sent *item = copy_record(record);
    item->sent_us = world_us;
    item->opaque = record->opaque;
    producer->pending++;
    push(&producer->queue, &producer->queue_tail, item);
    producer->process->records_queued++;
    pump_later(producer);
    return OUTCOME_OK;
}

static int tell(struct kafka_producer *producer)
{
    int count = 0;
    while (producer->reports != NULL) {
        struct sent *item = pop(&producer->reports);
        struct err err = {0};
        enum outcome outcome = OUTCOME_OK;
        producer->pending--;
        count++;
        if (item->is_bad)
            outcome = FAIL(&err, OUTCOME_RETRY, "kafka.unreachable", "not delivered, or unknown");
        producer->options.delivered(producer->options.ctx, item->opaque, item->is_bad ? -1 : 0,
                                    outcome, &err);
        free(item);
        fiber_point();
    }
    return count;
}

int kafka_producer_poll(struct kafka_producer *producer, int64_t timeout_ms)
{
    fiber_point();
    if (producer->reports == NULL && timeout_ms > 0)
        (void)fiber_wait(producer, world_us + timeout_ms * MS);
    return tell(producer);
}

void kafka_producer_close(struct kafka_producer *producer, int64_t flush_ms)
{
    int64_t until_us = world_us + flush_ms * MS;
    if (producer == NULL)
        return;
    while (producer->pending > 0 && world_us < until_us && !producer->is_dead) {
        if (kafka_producer_poll(producer, 10) == 0)
            fiber_sleep(MS);
    }
    producer->is_closed = true;
    while (producer->queue != NULL) {
        producer->process->records_queued--;
        report(producer, pop(&producer->queue), true);
    }
    (void)tell(producer);
}

enum outcome kafka_producer_check(struct kafka_producer *producer, struct err *err)
{
    if (producer->is_dead)
        return FAIL(err, OUTCOME_PERMANENT, "kafka.fatal", "this producer is dead");
    return OUTCOME_OK;
}

size_t kafka_producer_pending(const struct kafka_producer *producer)
{
    return producer->pending;
}

/* For the command line, which sends one and waits. */
enum outcome kafka_producer_send_wait(struct kafka_producer *producer,
                                      const struct kafka_record *record, int64_t timeout_ms,
                                      struct err *err)
{
    (void)producer;
    (void)timeout_ms;
    TRY(service_reach(&broker_service, err));
    (void)broker_append(record);
    return service_return(&broker_service, err);
}
