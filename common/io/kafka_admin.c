/* kafka_admin: see kafka_admin.h. */
#include "io/kafka_admin_private.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

enum outcome kafka_admin_open(const struct kafka_conf *conf, struct kafka_admin **ret_admin,
                              struct err *err)
{
    struct kafka_admin *admin = calloc(1, sizeof *admin);
    TRY_ALLOC(admin, err);
    rd_kafka_conf_t *settings = NULL;
    enum outcome outcome = kafka_settings_new(conf, &admin->news, &settings, err);
    if (outcome == OUTCOME_OK)
        outcome = kafka_handle_new(RD_KAFKA_PRODUCER, settings, &admin->handle, err);
    if (outcome != OUTCOME_OK) {
        free(admin);
        return outcome;
    }
    *ret_admin = admin;
    return OUTCOME_OK;
}

void kafka_admin_close(struct kafka_admin *admin)
{
    if (admin == NULL)
        return;
    rd_kafka_destroy(admin->handle);
    free(admin);
}

/* A call that waited in vain may have the reason among the news: a login that failed. */
enum outcome kafka_admin_fail(struct kafka_admin *admin, rd_kafka_resp_err_t code, const char *what,
                              struct err *err)
{
    rd_kafka_poll(admin->handle, 0); /* runs the error callback */
    return kafka_fail_with_news(err, code, what, &admin->news);
}

/* ---- requests of the admin API ---- */

void kafka_request_done(struct kafka_request *request)
{
    if (request->answer != NULL)
        rd_kafka_event_destroy(request->answer);
    if (request->queue != NULL)
        rd_kafka_queue_destroy(request->queue);
    if (request->options != NULL)
        rd_kafka_AdminOptions_destroy(request->options);
}

enum outcome kafka_request_init(struct kafka_admin *admin, rd_kafka_admin_op_t op,
                                int64_t timeout_ms, struct kafka_request *request, struct err *err)
{
    char why[128];
    request->options = rd_kafka_AdminOptions_new(admin->handle, op);
    TRY_ALLOC(request->options, err);
    request->queue = rd_kafka_queue_new(admin->handle);
    TRY_ALLOC(request->queue, err);
    rd_kafka_AdminOptions_set_request_timeout(request->options, (int)timeout_ms, why, sizeof why);
    return OUTCOME_OK;
}

enum outcome kafka_request_await(struct kafka_admin *admin, struct kafka_request *request,
                                 int64_t timeout_ms, const char *what, struct err *err)
{
    request->answer = rd_kafka_queue_poll(request->queue, (int)timeout_ms + 1000);
    if (request->answer == NULL)
        return kafka_admin_fail(admin, RD_KAFKA_RESP_ERR__TIMED_OUT, what, err);
    rd_kafka_resp_err_t code = rd_kafka_event_error(request->answer);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? OUTCOME_OK
                                              : kafka_admin_fail(admin, code, what, err);
}

/* ---- topics ---- */

/* False on a cluster that names no broker as its controller: the mock one has no admin API, and a
 * request to it would wait for a controller until its time is out. */
static enum outcome find_controller(struct kafka_admin *admin, int64_t timeout_ms, bool *ret_found,
                                    struct err *err)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code =
        rd_kafka_metadata(admin->handle, 0, NULL, &metadata, (int)timeout_ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_admin_fail(admin, code, "look for the controller", err);
    int32_t controller = rd_kafka_controllerid(admin->handle, (int)timeout_ms);
    bool is_found = false;
    for (int i = 0; i < metadata->broker_cnt; i++)
        is_found |= metadata->brokers[i].id == controller;
    rd_kafka_metadata_destroy(metadata);
    *ret_found = is_found;
    return OUTCOME_OK;
}

/* A topic that is not there is made by asking for its metadata, where the cluster does so. */
static enum outcome create_by_metadata(struct kafka_admin *admin, const char *name,
                                       int64_t timeout_ms, struct err *err)
{
    int64_t until_us = clock_monotonic_us() + timeout_ms * US_PER_MS;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(admin->handle, name, NULL);
    TRY_ALLOC(topic, err);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    while (clock_monotonic_us() < until_us) {
        const struct rd_kafka_metadata *metadata = NULL;
        code = rd_kafka_metadata(admin->handle, 0, topic, &metadata, (int)timeout_ms);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            break;
        code = metadata->topic_cnt == 1 ? metadata->topics[0].err
                                        : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        rd_kafka_metadata_destroy(metadata);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            break;
        clock_sleep_us(20 * US_PER_MS);
    }
    rd_kafka_topic_destroy(topic);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? OUTCOME_OK
                                              : kafka_admin_fail(admin, code, name, err);
}

static enum outcome make_new_topic(const struct kafka_topic_spec *spec,
                                   rd_kafka_NewTopic_t **ret_topic, struct err *err)
{
    char why[256] = "";
    int partitions = spec->partitions > 0 ? spec->partitions : -1;
    int replication = spec->replication > 0 ? spec->replication : -1;
    rd_kafka_NewTopic_t *topic =
        rd_kafka_NewTopic_new(spec->name, partitions, replication, why, sizeof why);
    if (topic == NULL)
        return FAIL(err, OUTCOME_PERMANENT, "kafka.topic", "topic %s: %s", spec->name, why);
    for (size_t i = 0; i < spec->setting_count; i++) {
        const struct kafka_setting *setting = &spec->settings[i];
        if (rd_kafka_NewTopic_set_config(topic, setting->name, setting->value) ==
            RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        rd_kafka_NewTopic_destroy(topic);
        return FAIL(err, OUTCOME_PERMANENT, "kafka.topic", "topic %s: bad setting %s", spec->name,
                    setting->name);
    }
    *ret_topic = topic;
    return OUTCOME_OK;
}

static enum outcome fail_topic(struct kafka_admin *admin, const rd_kafka_topic_result_t *result,
                               struct err *err)
{
    char what[600];
    const char *why = rd_kafka_topic_result_error_string(result);
    snprintf(what, sizeof what, "topic %s (%s)", rd_kafka_topic_result_name(result),
             why == NULL ? "" : why);
    return kafka_admin_fail(admin, rd_kafka_topic_result_error(result), what, err);
}

/* One topic a request: one that is refused must not hide what became of the others. */
static enum outcome create_topic(struct kafka_admin *admin, const struct kafka_topic_spec *spec,
                                 int64_t timeout_ms, struct err *err)
{
    KAFKA_REQUEST_AUTO struct kafka_request request = {0};
    rd_kafka_NewTopic_t *topic = NULL;
    TRY(kafka_request_init(admin, RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout_ms, &request, err));
    TRY(make_new_topic(spec, &topic, err));
    rd_kafka_CreateTopics(admin->handle, &topic, 1, request.options, request.queue);
    enum outcome outcome = kafka_request_await(admin, &request, timeout_ms, spec->name, err);
    rd_kafka_NewTopic_destroy(topic);
    TRY(outcome);
    size_t count = 0;
    const rd_kafka_topic_result_t **results = rd_kafka_CreateTopics_result_topics(
        rd_kafka_event_CreateTopics_result(request.answer), &count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[i]);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
            return fail_topic(admin, results[i], err);
    }
    return OUTCOME_OK;
}

enum outcome kafka_admin_create_topics(struct kafka_admin *admin,
                                       const struct kafka_topic_spec *specs, size_t count,
                                       int64_t timeout_ms, struct err *err)
{
    bool has_controller = false;
    TRY(find_controller(admin, timeout_ms, &has_controller, err));
    for (size_t i = 0; i < count; i++)
        if (has_controller)
            TRY(create_topic(admin, &specs[i], timeout_ms, err));
        else
            TRY(create_by_metadata(admin, specs[i].name, timeout_ms, err));
    return OUTCOME_OK;
}

static enum outcome delete_topic(struct kafka_admin *admin, const char *name, int64_t timeout_ms,
                                 struct err *err)
{
    KAFKA_REQUEST_AUTO struct kafka_request request = {0};
    TRY(kafka_request_init(admin, RD_KAFKA_ADMIN_OP_DELETETOPICS, timeout_ms, &request, err));
    rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(name);
    TRY_ALLOC(topic, err);
    rd_kafka_DeleteTopics(admin->handle, &topic, 1, request.options, request.queue);
    enum outcome outcome = kafka_request_await(admin, &request, timeout_ms, name, err);
    rd_kafka_DeleteTopic_destroy(topic);
    TRY(outcome);
    size_t count = 0;
    const rd_kafka_topic_result_t **results = rd_kafka_DeleteTopics_result_topics(
        rd_kafka_event_DeleteTopics_result(request.answer), &count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[i]);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            return fail_topic(admin, results[i], err);
    }
    return OUTCOME_OK;
}

enum outcome kafka_admin_delete_topics(struct kafka_admin *admin, const char *const *names,
                                       size_t count, int64_t timeout_ms, struct err *err)
{
    bool has_controller = false;
    TRY(find_controller(admin, timeout_ms, &has_controller, err));
    if (!has_controller)
        return FAIL(err, OUTCOME_PERMANENT, "kafka.unsupported",
                    "this cluster has no controller: topics cannot be deleted");
    for (size_t i = 0; i < count; i++)
        TRY(delete_topic(admin, names[i], timeout_ms, err));
    return OUTCOME_OK;
}

static int compare_topics(const void *a, const void *b)
{
    return strcmp(((const struct kafka_topic *)a)->name, ((const struct kafka_topic *)b)->name);
}

static enum outcome copy_cluster(const struct rd_kafka_metadata *metadata, struct arena *arena,
                                 struct kafka_cluster *ret_cluster, struct err *err)
{
    size_t count = (size_t)metadata->topic_cnt;
    struct kafka_topic *topics = ARENA_ARRAY(arena, struct kafka_topic, count + 1);
    TRY_ALLOC(topics, err);
    for (size_t i = 0; i < count; i++) {
        const rd_kafka_metadata_topic_t *from = &metadata->topics[i];
        topics[i].name = arena_strdup(arena, from->topic);
        TRY_ALLOC(topics[i].name, err);
        topics[i].partitions = from->partition_cnt;
        for (int p = 0; p < from->partition_cnt; p++)
            topics[i].leaderless += from->partitions[p].leader < 0;
    }
    qsort(topics, count, sizeof *topics, compare_topics);
    *ret_cluster = (struct kafka_cluster){metadata->broker_cnt, topics, count};
    return OUTCOME_OK;
}

enum outcome kafka_admin_describe(struct kafka_admin *admin, struct arena *arena,
                                  int64_t timeout_ms, struct kafka_cluster *ret_cluster,
                                  struct err *err)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code =
        rd_kafka_metadata(admin->handle, 1, NULL, &metadata, (int)timeout_ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_admin_fail(admin, code, "describe the cluster", err);
    enum outcome outcome = copy_cluster(metadata, arena, ret_cluster, err);
    rd_kafka_metadata_destroy(metadata);
    return outcome;
}

const struct kafka_topic *kafka_cluster_find(const struct kafka_cluster *cluster, const char *name)
{
    for (size_t i = 0; i < cluster->topic_count; i++)
        if (strcmp(cluster->topics[i].name, name) == 0)
            return &cluster->topics[i];
    return NULL;
}
