/* kafka: the consumer. See kafka.h. */
#include "io/kafka_private.h"

#include "base/clock.h"
#include "base/num.h"

#include <stdlib.h>

/* A rebalance waits this long for the group's commits; then reading begins at them unseen. */
#define COMMITTED_WAIT_MS 5000
#define CLOSE_WAIT_MS 5000
#define CLOSE_STEP_MS 50
#define REBALANCE_ARENA_BYTES (64u << 20)

/* ---- rebalance ---- */

static bool fetch_commits(struct kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
    int64_t until_us = clock_monotonic_us() + COMMITTED_WAIT_MS * US_PER_MS;
    for (;;) {
        int64_t left_ms = (until_us - clock_monotonic_us()) / US_PER_MS;
        if (left_ms <= 0)
            return false;
        rd_kafka_resp_err_t code = rd_kafka_committed(consumer->handle, list, (int)left_ms);
        bool is_whole = code == RD_KAFKA_RESP_ERR_NO_ERROR;
        for (int i = 0; i < list->cnt; i++)
            is_whole &= list->elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR;
        if (is_whole)
            return true;
        clock_sleep_us(50 * US_PER_MS);
    }
}

static void forget_commits(rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        free(list->elems[i].metadata);
        list->elems[i].metadata = NULL;
        list->elems[i].metadata_size = 0;
        list->elems[i].offset = RD_KAFKA_OFFSET_STORED;
    }
}

/* What is asked for while one is on its way may be older than what is committed a moment later. */
static void await_commit(struct kafka_consumer *consumer)
{
    enum outcome ignored;
    (void)kafka_consumer_commit_take(consumer, COMMITTED_WAIT_MS, &ignored, NULL);
    kafka_commit_forget(consumer);
}

static void on_assign(struct kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
    ARENA_AUTO struct arena arena;
    arena_init(&arena, REBALANCE_ARENA_BYTES);
    await_commit(consumer);
    if (!fetch_commits(consumer, list))
        forget_commits(list);
    struct kafka_partition *partitions = kafka_list_copy(list, &arena);
    if (partitions == NULL)
        forget_commits(list); /* no memory to tell of it: reading begins at the commits */
    if (partitions != NULL && consumer->events.assigned != NULL) {
        consumer->events.assigned(consumer->events.ctx, partitions, (size_t)list->cnt);
        for (int i = 0; i < list->cnt; i++)
            list->elems[i].offset = partitions[i].offset;
    }
    rd_kafka_assign(consumer->handle, list);
}

static void on_revoke(struct kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
    ARENA_AUTO struct arena arena;
    arena_init(&arena, REBALANCE_ARENA_BYTES);
    const struct kafka_consumer_events *events = &consumer->events;
    bool is_lost = rd_kafka_assignment_lost(consumer->handle) != 0;
    struct kafka_partition *partitions = kafka_list_copy(list, &arena);
    size_t count = partitions == NULL ? 0 : (size_t)list->cnt;
    if (is_lost && events->lost != NULL)
        events->lost(events->ctx, partitions, count);
    else if (!is_lost && events->revoked != NULL)
        events->revoked(events->ctx, partitions, count);
    rd_kafka_resume_partitions(consumer->handle, list); /* or they come back paused */
    rd_kafka_assign(consumer->handle, NULL);
}

static void on_rebalance(rd_kafka_t *handle, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct kafka_consumer *consumer = opaque;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        on_assign(consumer, list);
    else if (code == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS)
        on_revoke(consumer, list);
    else
        rd_kafka_assign(handle, NULL);
}

/* ---- open and close ---- */

static enum outcome fill_consumer(rd_kafka_conf_t *settings,
                                  const struct kafka_consumer_options *options, struct err *err)
{
    int64_t session_ms = kafka_or(options->session_timeout_ms, 10000);
    int64_t fetch_bytes = kafka_or(options->fetch_max_bytes, 1 << 20);
    const struct {
        const char *name, *value;
    } texts[] = {
        {"group.id", options->group == NULL ? "haul-reader" : options->group},
        {"group.instance.id", options->instance_id},
        {"partition.assignment.strategy", "range,roundrobin"},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", options->from_end ? "latest" : "earliest"},
        {"allow.auto.create.topics", options->auto_create_topics ? "true" : "false"},
    };
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {
        {"session.timeout.ms", session_ms},
        {"heartbeat.interval.ms", num_max_i64(session_ms / 5, 100)},
        {"max.poll.interval.ms", num_max_i64(kafka_or(options->max_poll_ms, 300000), session_ms)},
        {"queued.max.messages.kbytes", kafka_or(options->queue_kbytes, 4096)},
        /* Small: pausing throws the prefetched away. */
        {"queued.min.messages", KAFKA_QUEUED_RECORDS},
        {"max.partition.fetch.bytes", fetch_bytes},
        {"fetch.max.bytes", num_max_i64(1 << 20, fetch_bytes)}, /* a largest record's, at least */
        {"fetch.error.backoff.ms", 100},
        /* A partition that is begun, resumed or sought joins the next fetch: no long wait there. */
        {"fetch.wait.max.ms", 100},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        TRY(kafka_settings_text(settings, texts[i].name, texts[i].value, err));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        TRY(kafka_settings_int(settings, numbers[i].name, numbers[i].value, err));
    return kafka_fetch_settings(settings, err);
}

static enum outcome open_handle(struct kafka_consumer *consumer, const struct kafka_conf *conf,
                                const struct kafka_consumer_options *options, struct err *err)
{
    rd_kafka_conf_t *settings = NULL;
    TRY(kafka_settings_new(conf, &consumer->news, &settings, err));
    enum outcome outcome = fill_consumer(settings, options, err);
    if (outcome != OUTCOME_OK) {
        rd_kafka_conf_destroy(settings);
        return outcome;
    }
    rd_kafka_conf_set_rebalance_cb(settings, on_rebalance);
    TRY(kafka_handle_new(RD_KAFKA_CONSUMER, settings, &consumer->handle, err));
    rd_kafka_poll_set_consumer(consumer->handle);
    return OUTCOME_OK;
}

enum outcome kafka_consumer_open(const struct kafka_conf *conf,
                                 const struct kafka_consumer_options *options,
                                 struct kafka_consumer **ret_consumer, struct err *err)
{
    struct kafka_consumer *consumer = calloc(1, sizeof *consumer);
    TRY_ALLOC(consumer, err);
    consumer->events = options->events;
    enum outcome outcome = open_handle(consumer, conf, options, err);
    if (outcome != OUTCOME_OK) {
        free(consumer);
        return outcome;
    }
    *ret_consumer = consumer;
    return OUTCOME_OK;
}

/* True: callbacks that were pending have run. */
static bool serve_pending(rd_kafka_t *handle, int64_t until_us)
{
    rd_kafka_message_t *late;
    while ((late = rd_kafka_consumer_poll(handle, 0)) != NULL) {
        rd_kafka_message_destroy(late); /* nobody's any more */
        if (clock_monotonic_us() > until_us)
            return false;
    }
    return true;
}

/* Closing does not wait for a revocation that is pending already (librdkafka 2.0.2): the group ends
 * beside its callback, and a call made there then waits for ever for its answer. So what is pending
 * is served before; once unsubscribed nothing new comes, and a late assignment is put back. */
static void leave_group(struct kafka_consumer *consumer, int64_t until_us)
{
    if (!consumer->is_subscribed || !serve_pending(consumer->handle, until_us))
        return;
    if (rd_kafka_unsubscribe(consumer->handle) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return; /* it is dead: nothing pends */
    if (serve_pending(consumer->handle, until_us))
        rd_kafka_assign(consumer->handle, NULL);
}

/* rd_kafka_consumer_close waits for a broker that is away for ever. */
static bool close_in_time(rd_kafka_t *handle, int64_t until_us)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(handle);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(handle, queue);
    if (error != NULL)
        rd_kafka_error_destroy(error); /* it is closed, or dead */
    while (error == NULL && !rd_kafka_consumer_closed(handle) && clock_monotonic_us() < until_us) {
        /* Serves the callbacks; what was fetched meanwhile is nobody's. */
        rd_kafka_message_t *late = rd_kafka_consume_queue(queue, CLOSE_STEP_MS);
        if (late != NULL)
            rd_kafka_message_destroy(late);
    }
    bool is_closed = error != NULL || rd_kafka_consumer_closed(handle) != 0;
    rd_kafka_queue_destroy(queue);
    return is_closed;
}

void kafka_consumer_close(struct kafka_consumer *consumer)
{
    if (consumer == NULL)
        return;
    int64_t until_us = clock_monotonic_us() + CLOSE_WAIT_MS * US_PER_MS;
    leave_group(consumer, until_us);
    if (!close_in_time(consumer->handle, until_us))
        return; /* destroying it would wait too: it ends with the process */
    kafka_commit_forget(consumer);
    rd_kafka_destroy(consumer->handle);
    free(consumer);
}

/* ---- reading ---- */

enum outcome kafka_consumer_subscribe(struct kafka_consumer *consumer, const char *const *topics,
                                      size_t count, struct err *err)
{
    KAFKA_LIST_AUTO rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)count);
    TRY_ALLOC(list, err);
    for (size_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, topics[i], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(consumer->handle, list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_fail(err, code, "subscribe");
    consumer->is_subscribed = true;
    return OUTCOME_OK;
}

enum outcome kafka_consumer_unsubscribe(struct kafka_consumer *consumer, struct err *err)
{
    rd_kafka_resp_err_t code = rd_kafka_unsubscribe(consumer->handle);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? OUTCOME_OK : kafka_fail(err, code, "unsubscribe");
}

enum outcome kafka_consumer_assign(struct kafka_consumer *consumer,
                                   const struct kafka_partition *partitions, size_t count,
                                   struct err *err)
{
    KAFKA_LIST_AUTO rd_kafka_topic_partition_list_t *list = kafka_list_new(partitions, count);
    TRY_ALLOC(list, err);
    rd_kafka_resp_err_t code = rd_kafka_assign(consumer->handle, list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? OUTCOME_OK : kafka_fail(err, code, "assign");
}

static enum outcome take_news(struct kafka_news *news, struct err *err)
{
    news->is_set = false;
    if (err != NULL)
        *err = news->err;
    return news->err.outcome;
}

static void fill_message(rd_kafka_message_t *native, struct kafka_message *to)
{
    rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    int64_t timestamp_ms = rd_kafka_message_timestamp(native, &type);
    *to = (struct kafka_message){
        .topic = rd_kafka_topic_name(native->rkt),
        .partition = native->partition,
        .offset = native->offset,
        .timestamp_ms = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : timestamp_ms,
        .key = {native->key, native->key_len},
        .value = {native->payload, native->len},
        .native = native,
    };
}

enum outcome kafka_consumer_poll(struct kafka_consumer *consumer, int64_t timeout_ms,
                                 struct kafka_message *ret_message, struct err *err)
{
    if (consumer->news.is_set)
        return take_news(&consumer->news, err);
    kafka_fetch_note_resumed(consumer->handle, &consumer->is_resumed);
    rd_kafka_message_t *native = rd_kafka_consumer_poll(consumer->handle, (int)timeout_ms);
    if (native == NULL) {
        if (consumer->news.is_set)
            return take_news(&consumer->news, err);
        *ret_message = (struct kafka_message){0};
        return OUTCOME_OK;
    }
    if (native->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        const char *why = rd_kafka_message_errstr(native);
        enum outcome outcome = kafka_fail(err, native->err, why == NULL ? "poll" : why);
        rd_kafka_message_destroy(native);
        return outcome;
    }
    fill_message(native, ret_message);
    kafka_fetch_note_read(consumer->handle, &consumer->reads);
    return OUTCOME_OK;
}

typedef rd_kafka_resp_err_t flow_change(rd_kafka_t *, rd_kafka_topic_partition_list_t *);

static enum outcome change_flow(struct kafka_consumer *consumer, flow_change *change,
                                rd_kafka_topic_partition_list_t *list, struct err *err)
{
    TRY_ALLOC(list, err);
    rd_kafka_resp_err_t code = change(consumer->handle, list);
    /* Per partition the only error is that it is not assigned, which is none to us. */
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? OUTCOME_OK : kafka_fail(err, code, "pause, resume");
}

enum outcome kafka_consumer_pause(struct kafka_consumer *consumer,
                                  const struct kafka_partition *partitions, size_t count,
                                  struct err *err)
{
    KAFKA_LIST_AUTO rd_kafka_topic_partition_list_t *list = kafka_list_new(partitions, count);
    return change_flow(consumer, rd_kafka_pause_partitions, list, err);
}

enum outcome kafka_consumer_resume(struct kafka_consumer *consumer,
                                   const struct kafka_partition *partitions, size_t count,
                                   struct err *err)
{
    KAFKA_LIST_AUTO rd_kafka_topic_partition_list_t *list = kafka_list_new(partitions, count);
    consumer->is_resumed = true;
    return change_flow(consumer, rd_kafka_resume_partitions, list, err);
}

enum outcome kafka_consumer_seek(struct kafka_consumer *consumer,
                                 const struct kafka_partition *partition, int64_t timeout_ms,
                                 struct err *err)
{
    KAFKA_LIST_AUTO rd_kafka_topic_partition_list_t *list = kafka_list_new(partition, 1);
    TRY_ALLOC(list, err);
    rd_kafka_error_t *error = rd_kafka_seek_partitions(consumer->handle, list, (int)timeout_ms);
    if (error != NULL)
        return kafka_fail_error(err, error, "seek");
    rd_kafka_resp_err_t code = kafka_list_error(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? OUTCOME_OK : kafka_fail(err, code, "seek");
}

bool kafka_consumer_is_lost(const struct kafka_consumer *consumer)
{
    return rd_kafka_assignment_lost(consumer->handle) != 0;
}
