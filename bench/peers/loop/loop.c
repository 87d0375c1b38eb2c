/* loop: see loop.h.
 *
 *   loop BROKERS JOBS_TOPIC EVENTS_TOPIC GROUP COUNT [REDIS_SOCKET USER PASSWORD POSTGRES_URL]
 *
 * Prints "first MICROSECONDS" (since the epoch) at the first job, "done MICROSECONDS" when the last
 * event has its delivery report and the offsets are committed; ends when its input does. */
#include "loop.h"

#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COMMIT_EVERY_US 500000
#define EVENT_SIZE 1024

static long undelivered;

struct loop {
    rd_kafka_t *consumer, *producer;
    rd_kafka_topic_t *events;
    struct loop_hub *hub;
    json_t *jobs[LOOP_BATCH];
    const char *ids[LOOP_BATCH];
    size_t count;
    int64_t committed_us;
};

void loop_die(const char *what, const char *why)
{
    fprintf(stderr, "loop: %s: %s\n", what, why);
    exit(1);
}

static int64_t wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void tell(const char *what)
{
    printf("%s %lld\n", what, (long long)wall_us());
    fflush(stdout);
}

/* ---- Kafka ---- */

struct setting {
    const char *name, *value;
};

static rd_kafka_conf_t *settings_of(const struct setting *settings, size_t count)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < count; i++)
        if (rd_kafka_conf_set(conf, settings[i].name, settings[i].value, why, sizeof why) !=
            RD_KAFKA_CONF_OK)
            loop_die(settings[i].name, why);
    return conf;
}

static rd_kafka_t *open_handle(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char why[256];
    rd_kafka_t *handle = rd_kafka_new(type, conf, why, sizeof why);
    if (handle == NULL)
        loop_die("librdkafka", why);
    return handle;
}

static void on_report(rd_kafka_t *handle, const rd_kafka_message_t *report, void *opaque)
{
    (void)handle;
    (void)opaque;
    if (report->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        undelivered++;
}

static void open_consumer(struct loop *loop, char **words)
{
    const struct setting settings[] = {{"bootstrap.servers", words[1]},
                                       {"group.id", words[4]},
                                       {"auto.offset.reset", "earliest"},
                                       {"enable.auto.commit", "false"}};
    loop->consumer =
        open_handle(RD_KAFKA_CONSUMER, settings_of(settings, sizeof settings / sizeof *settings));
    rd_kafka_poll_set_consumer(loop->consumer);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, words[2], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(loop->consumer, topics);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        loop_die("subscribe", rd_kafka_err2str(code));
    rd_kafka_topic_partition_list_destroy(topics);
}

static void open_producer(struct loop *loop, char **words)
{
    const struct setting settings[] = {{"bootstrap.servers", words[1]}, {"linger.ms", "5"}};
    rd_kafka_conf_t *conf = settings_of(settings, sizeof settings / sizeof *settings);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    loop->producer = open_handle(RD_KAFKA_PRODUCER, conf);
    loop->events = rd_kafka_topic_new(loop->producer, words[3], NULL);
}

static void commit_now_and_then(struct loop *loop)
{
    int64_t now_us = wall_us();
    if (now_us - loop->committed_us < COMMIT_EVERY_US)
        return;
    loop->committed_us = now_us;
    (void)rd_kafka_commit(loop->consumer, NULL, 1);
}

/* ---- jobs ---- */

static void send_event(struct loop *loop, json_t *job, const char *id)
{
    char text[EVENT_SIZE];
    const json_t *data = json_object_get(job, "data");
    const char *workspace = json_string_value(json_object_get(data, "workspace_id"));
    int len = snprintf(text, sizeof text,
                       "{\"specversion\":\"1.0\",\"id\":\"%s:succeeded\",\"type\":"
                       "\"haul.event.succeeded.v1\",\"source\":\"/loop\",\"subject\":\"%s\","
                       "\"time\":\"%s\",\"data\":{\"job_id\":\"%s\",\"workspace_id\":\"%s\","
                       "\"state\":\"succeeded\",\"attempt\":1}}",
                       id, id, json_string_value(json_object_get(job, "time")), id, workspace);
    if (len < 0 || (size_t)len >= sizeof text)
        loop_die("event", "too long");
    while (rd_kafka_produce(loop->events, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, text,
                            (size_t)len, id, strlen(id), NULL) != 0) {
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            loop_die("produce", rd_kafka_err2str(rd_kafka_last_error()));
        rd_kafka_poll(loop->producer, 10);
    }
}

static void finish_batch(struct loop *loop)
{
    if (loop->hub != NULL && loop->count > 0)
        loop_hub_take(loop->hub, loop->ids, loop->count);
    for (size_t i = 0; i < loop->count; i++) {
        send_event(loop, loop->jobs[i], loop->ids[i]);
        json_decref(loop->jobs[i]);
    }
    loop->count = 0;
    rd_kafka_poll(loop->producer, 0);
    commit_now_and_then(loop);
}

static void take_job(struct loop *loop, const rd_kafka_message_t *message)
{
    json_error_t why;
    json_t *job = json_loadb(message->payload, message->len, 0, &why);
    const char *id = json_string_value(json_object_get(job, "id"));
    if (id == NULL)
        loop_die("a job", why.text);
    loop->jobs[loop->count] = job;
    loop->ids[loop->count++] = id;
    if (loop->count == LOOP_BATCH)
        finish_batch(loop);
}

static void work(struct loop *loop, int64_t count)
{
    for (int64_t seen = 0; seen < count;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(loop->consumer, 20);
        if (message == NULL) {
            finish_batch(loop);
            continue;
        }
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            if (seen++ == 0)
                tell("first");
            take_job(loop, message);
        }
        rd_kafka_message_destroy(message);
    }
    finish_batch(loop);
    rd_kafka_flush(loop->producer, 60000);
    rd_kafka_resp_err_t code = rd_kafka_commit(loop->consumer, NULL, 0);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR || undelivered > 0)
        loop_die("the end", "not all was told or committed");
    tell("done");
}

int main(int argc, char **argv)
{
    if (argc != 6 && argc != 10)
        loop_die("arguments", "see the head of loop.c");
    struct loop loop = {.committed_us = wall_us()};
    if (argc == 10)
        loop.hub = loop_hub_open(argv[6], argv[7], argv[8], argv[9]);
    open_producer(&loop, argv);
    open_consumer(&loop, argv);
    work(&loop, strtoll(argv[5], NULL, 10));
    (void)getchar();
    rd_kafka_consumer_close(loop.consumer);
    rd_kafka_destroy(loop.consumer);
    rd_kafka_topic_destroy(loop.events);
    rd_kafka_destroy(loop.producer);
    if (loop.hub != NULL)
        loop_hub_close(loop.hub);
    return 0;
}
