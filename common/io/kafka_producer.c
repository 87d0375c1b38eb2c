/* kafka: the producer. See kafka.h. */
#include "io/kafka_private.h"

#include "base/clock.h"
#include "base/num.h"

#include <stdatomic.h>
#include <stdlib.h>

#define TOPICS_MAX 32 /* whose handles are kept */
#define ANY_RUN 128   /* records of KAFKA_PARTITION_ANY: most of what a request costs is saved */

/* A record that kafka_producer_send_wait waits for. It stays in the list until its report comes,
 * even when nobody waits any more: a late report must not reach `delivered` with its address. */
struct wait {
    struct wait *next;
    bool is_over;
    enum outcome outcome;
    struct err err;
};

struct kafka_producer {
    struct kafka_news news; /* first: it is the handle's opaque */
    kafka_delivered *delivered;
    void *ctx;
    struct wait *waits;
    rd_kafka_t *handle;
    _Atomic(rd_kafka_topic_t *) topics[TOPICS_MAX]; /* filled from the front */
};

/* ---- reports ---- */

static struct wait *take_wait(struct kafka_producer *producer, const void *opaque)
{
    for (struct wait **at = &producer->waits; *at != NULL; at = &(*at)->next)
        if (*at == opaque) {
            struct wait *found = *at;
            *at = found->next;
            return found;
        }
    return NULL;
}

static void on_report(rd_kafka_t *handle, const rd_kafka_message_t *report, void *opaque)
{
    (void)handle;
    struct kafka_producer *producer = opaque;
    struct err err = {0};
    enum outcome outcome = OUTCOME_OK;
    if (report->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        outcome = kafka_fail(&err, report->err, "deliver");
    struct wait *wait = take_wait(producer, report->_private);
    if (wait != NULL && wait->is_over) {
        free(wait);
    } else if (wait != NULL) {
        wait->is_over = true;
        wait->outcome = outcome;
        wait->err = err;
    } else if (producer->delivered != NULL) {
        int64_t offset = outcome == OUTCOME_OK ? report->offset : -1;
        producer->delivered(producer->ctx, report->_private, offset, outcome, &err);
    }
}

/* ---- partitions ---- */

/* The library asks while a record is given to it, and may ask again later, in a thread of its own,
 * where a record's key is as good as any. */
static _Thread_local struct {
    bool is_asked;
    unsigned sent;
} any;

static int32_t choose_partition(const rd_kafka_topic_t *topic, const void *key, size_t key_len,
                                int32_t count, void *topic_opaque, void *opaque)
{
    int32_t next = any.is_asked ? (int32_t)(any.sent++ / ANY_RUN % (unsigned)count) : -1;
    if (next >= 0 && rd_kafka_topic_partition_available(topic, next))
        return next;
    return rd_kafka_msg_partitioner_murmur2_random(topic, key, key_len, count, topic_opaque,
                                                   opaque);
}

/* ---- open and close ---- */

static enum outcome fill_producer(rd_kafka_conf_t *settings,
                                  const struct kafka_producer_options *options, struct err *err)
{
    int64_t delivery_ms = kafka_or(options->delivery_timeout_ms, 30000);
    TRY(kafka_settings_text(settings, "enable.idempotence", "true", err));
    TRY(kafka_settings_text(settings, "compression.codec", options->compress ? "gzip" : "none",
                            err));
    /* Events are much alike: more effort than the least makes them hardly smaller. */
    if (options->compress)
        TRY(kafka_settings_text(settings, "compression.level", "1", err));
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {
        {"linger.ms", options->linger_ms},
        {"queue.buffering.max.messages", kafka_or(options->queue_messages, 20000)},
        {"queue.buffering.max.kbytes", kafka_or(options->queue_kbytes, 16384)},
        {"message.timeout.ms", num_max_i64(delivery_ms, options->linger_ms + 1)},
        {"topic.metadata.propagation.max.ms", num_min_i64(delivery_ms, 10000)},
        {"retry.backoff.ms", 50},
        {"message.max.bytes", KAFKA_RECORD_BYTES_MAX},
        /* Larger ones are memory that the system gives and takes each time (M_MMAP_THRESHOLD). */
        {"batch.size", 240000},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        TRY(kafka_settings_int(settings, numbers[i].name, numbers[i].value, err));
    return OUTCOME_OK;
}

static enum outcome open_handle(struct kafka_producer *producer, const struct kafka_conf *conf,
                                const struct kafka_producer_options *options, struct err *err)
{
    rd_kafka_conf_t *settings = NULL;
    TRY(kafka_settings_new(conf, &producer->news, &settings, err));
    enum outcome outcome = fill_producer(settings, options, err);
    if (outcome != OUTCOME_OK) {
        rd_kafka_conf_destroy(settings);
        return outcome;
    }
    /* It is there: some of the settings are of topics. */
    rd_kafka_topic_conf_set_partitioner_cb(rd_kafka_conf_get_default_topic_conf(settings),
                                           choose_partition);
    rd_kafka_conf_set_dr_msg_cb(settings, on_report);
    return kafka_handle_new(RD_KAFKA_PRODUCER, settings, &producer->handle, err);
}

enum outcome kafka_producer_open(const struct kafka_conf *conf,
                                 const struct kafka_producer_options *options,
                                 struct kafka_producer **ret_producer, struct err *err)
{
    struct kafka_producer *producer = calloc(1, sizeof *producer);
    TRY_ALLOC(producer, err);
    producer->delivered = options->delivered;
    producer->ctx = options->ctx;
    enum outcome outcome = open_handle(producer, conf, options, err);
    if (outcome != OUTCOME_OK) {
        free(producer);
        return outcome;
    }
    *ret_producer = producer;
    return OUTCOME_OK;
}

void kafka_producer_close(struct kafka_producer *producer, int64_t flush_ms)
{
    if (producer == NULL)
        return;
    rd_kafka_flush(producer->handle, (int)flush_ms);
    if (rd_kafka_outq_len(producer->handle) > 0) {
        rd_kafka_purge(producer->handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_flush(producer->handle, 1000); /* the reports of the purge */
    }
    for (size_t i = 0; i < TOPICS_MAX && producer->topics[i] != NULL; i++)
        rd_kafka_topic_destroy(producer->topics[i]);
    rd_kafka_destroy(producer->handle);
    while (producer->waits != NULL)
        free(take_wait(producer, producer->waits));
    free(producer);
}

/* ---- sending ---- */

static enum outcome make_headers(const struct kafka_record *record,
                                 rd_kafka_headers_t **ret_headers, struct err *err)
{
    if (record->header_count == 0)
        return OUTCOME_OK;
    rd_kafka_headers_t *headers = rd_kafka_headers_new(record->header_count);
    TRY_ALLOC(headers, err);
    for (size_t i = 0; i < record->header_count; i++) {
        const struct kafka_header *header = &record->headers[i];
        rd_kafka_header_add(headers, header->name, -1, header->value.data,
                            (ssize_t)header->value.len);
    }
    *ret_headers = headers;
    return OUTCOME_OK;
}

/* By its name the library looks a topic up under a lock of its own, for every record. NULL: there
 * are too many, or it cannot be had. */
static rd_kafka_topic_t *topic_handle(struct kafka_producer *producer, const char *name)
{
    rd_kafka_topic_t *made = NULL, *found = NULL;
    for (size_t i = 0; i < TOPICS_MAX; i++) {
        found = atomic_load_explicit(&producer->topics[i], memory_order_acquire);
        if (found == NULL) { /* not there yet: it is made, and this is its place */
            made = made == NULL ? rd_kafka_topic_new(producer->handle, name, NULL) : made;
            if (made == NULL || atomic_compare_exchange_strong(&producer->topics[i], &found, made))
                return made;
        }
        if (strcmp(rd_kafka_topic_name(found), name) == 0)
            break;
        found = NULL;
    }
    if (made != NULL)
        rd_kafka_topic_destroy(made); /* another thread was quicker, or there is no place */
    return found;
}

static enum outcome fail_send(rd_kafka_error_t *error, const char *topic, struct err *err)
{
    char what[280];
    snprintf(what, sizeof what, "send to topic %s", topic);
    return kafka_fail_error(err, error, what);
}

static enum outcome send_record(struct kafka_producer *producer, const struct kafka_record *record,
                                void *opaque, struct err *err)
{
    rd_kafka_headers_t *headers = NULL;
    bool is_any = record->partition == KAFKA_PARTITION_ANY;
    TRY(make_headers(record, &headers, err));
    /* The library wants pointers that it could write to; with F_COPY it does not. */
    union {
        const char *in;
        void *out;
    } key = {record->key.data}, value = {record->value.data};
    rd_kafka_topic_t *topic = topic_handle(producer, record->topic);
    rd_kafka_vu_t by_name = {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = record->topic};
    rd_kafka_vu_t by_handle = {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic};
    rd_kafka_vu_t parts[] = {
        topic == NULL ? by_name : by_handle,
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = is_any ? -1 : record->partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {key.out, record->key.len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {value.out, record->value.len}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = record->timestamp_ms},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = opaque},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    size_t count = sizeof parts / sizeof *parts - (headers == NULL ? 1 : 0);
    any.is_asked = is_any;
    rd_kafka_error_t *error = rd_kafka_produceva(producer->handle, parts, count);
    any.is_asked = false;
    if (error == NULL)
        return OUTCOME_OK; /* the library has taken the headers */
    if (headers != NULL)
        rd_kafka_headers_destroy(headers);
    return fail_send(error, record->topic, err);
}

enum outcome kafka_producer_send(struct kafka_producer *producer, const struct kafka_record *record,
                                 struct err *err)
{
    return send_record(producer, record, record->opaque, err);
}

int kafka_producer_poll(struct kafka_producer *producer, int64_t timeout_ms)
{
    return rd_kafka_poll(producer->handle, (int)timeout_ms);
}

enum outcome kafka_producer_flush(struct kafka_producer *producer, int64_t timeout_ms,
                                  struct err *err)
{
    if (rd_kafka_flush(producer->handle, (int)timeout_ms) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return OUTCOME_OK;
    FAIL(err, OUTCOME_RETRY, "kafka.flush", "%d records have no delivery report after %lld ms",
         rd_kafka_outq_len(producer->handle), (long long)timeout_ms);
    if (producer->news.is_set)
        err_hint(err, "last news of the connection: %s", producer->news.err.message);
    return OUTCOME_RETRY;
}

static enum outcome await_report(struct kafka_producer *producer, struct wait *wait,
                                 int64_t timeout_ms, struct err *err)
{
    int64_t until_us = clock_monotonic_us() + timeout_ms * US_PER_MS;
    while (!wait->is_over && clock_monotonic_us() < until_us) {
        int64_t left_ms = (until_us - clock_monotonic_us()) / US_PER_MS + 1;
        rd_kafka_poll(producer->handle, (int)left_ms);
    }
    if (!wait->is_over) {
        wait->is_over = true; /* in the list still: its report frees it */
        enum outcome outcome = kafka_fail_with_news(err, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT,
                                                    "no delivery report in time", &producer->news);
        if (outcome == OUTCOME_RETRY && err != NULL)
            text_copy(err->code, sizeof err->code, "kafka.timeout");
        return outcome;
    }
    enum outcome outcome = wait->outcome;
    if (outcome != OUTCOME_OK && err != NULL)
        *err = wait->err;
    free(wait);
    return outcome;
}

enum outcome kafka_producer_send_wait(struct kafka_producer *producer,
                                      const struct kafka_record *record, int64_t timeout_ms,
                                      struct err *err)
{
    struct wait *wait = calloc(1, sizeof *wait);
    TRY_ALLOC(wait, err);
    enum outcome outcome = send_record(producer, record, wait, err);
    if (outcome != OUTCOME_OK) {
        free(wait);
        return outcome;
    }
    wait->next = producer->waits;
    producer->waits = wait;
    return await_report(producer, wait, timeout_ms, err);
}

enum outcome kafka_producer_check(struct kafka_producer *producer, struct err *err)
{
    char why[256];
    if (rd_kafka_fatal_error(producer->handle, why, sizeof why) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return OUTCOME_OK;
    kafka_fail(err, RD_KAFKA_RESP_ERR__FATAL, why);
    return err_hint(err, "this producer is dead: open a new one");
}

size_t kafka_producer_pending(const struct kafka_producer *producer)
{
    return (size_t)rd_kafka_outq_len(producer->handle);
}
