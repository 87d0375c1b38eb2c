/* kafka_admin: see kafka_admin.h. */
#include "io/kafka_admin.h"
#include "io/kafka_private.h"

#include "base/clock.h"
#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>

struct kafka_admin {
    struct kafka_news news; /* first: it is the handle's opaque */
    rd_kafka_t *handle;
};

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
static enum outcome fail(struct kafka_admin *admin, rd_kafka_resp_err_t code, const char *what,
                         struct err *err)
{
    rd_kafka_poll(admin->handle, 0); /* runs the error callback */
    return kafka_fail_with_news(err, code, what, &admin->news);
}

/* ---- requests of the admin API ---- */

struct request {
    rd_kafka_AdminOptions_t *options;
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *answer;
};

static void request_done(struct request *request)
{
    if (request->answer != NULL)
        rd_kafka_event_destroy(request->answer);
    if (request->queue != NULL)
        rd_kafka_queue_destroy(request->queue);
    if (request->options != NULL)
        rd_kafka_AdminOptions_destroy(request->options);
}
#define REQUEST_AUTO __attribute__((cleanup(request_done)))

static enum outcome request_init(struct kafka_admin *admin, rd_kafka_admin_op_t op,
                                 int64_t timeout_ms, struct request *request, struct err *err)
{
    char why[128];
    request->options = rd_kafka_AdminOptions_new(admin->handle, op);
    TRY_ALLOC(request->options, err);
    request->queue = rd_kafka_queue_new(admin->handle);
    TRY_ALLOC(request->queue, err);
    rd_kafka_AdminOptions_set_request_timeout(request->options, (int)timeout_ms, why, sizeof why);
    return OUTCOME_OK;
}

static enum outcome request_await(struct kafka_admin *admin, struct request *request,
                                  int64_t timeout_ms, const char *what, struct err *err)
{
    request->answer = rd_kafka_queue_poll(request->queue, (int)timeout_ms + 1000);
    if (request->answer == NULL)
        return fail(admin, RD_KAFKA_RESP_ERR__TIMED_OUT, what, err);
    rd_kafka_resp_err_t code = rd_kafka_event_error(request->answer);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? OUTCOME_OK : fail(admin, code, what, err);
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
        return fail(admin, code, "look for the controller", err);
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
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? OUTCOME_OK : fail(admin, code, name, err);
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
    return fail(admin, rd_kafka_topic_result_error(result), what, err);
}

/* One topic a request: one that is refused must not hide what became of the others. */
static enum outcome create_topic(struct kafka_admin *admin, const struct kafka_topic_spec *spec,
                                 int64_t timeout_ms, struct err *err)
{
    REQUEST_AUTO struct request request = {0};
    rd_kafka_NewTopic_t *topic = NULL;
    TRY(request_init(admin, RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout_ms, &request, err));
    TRY(make_new_topic(spec, &topic, err));
    rd_kafka_CreateTopics(admin->handle, &topic, 1, request.options, request.queue);
    enum outcome outcome = request_await(admin, &request, timeout_ms, spec->name, err);
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
    REQUEST_AUTO struct request request = {0};
    TRY(request_init(admin, RD_KAFKA_ADMIN_OP_DELETETOPICS, timeout_ms, &request, err));
    rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(name);
    TRY_ALLOC(topic, err);
    rd_kafka_DeleteTopics(admin->handle, &topic, 1, request.options, request.queue);
    enum outcome outcome = request_await(admin, &request, timeout_ms, name, err);
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
        return fail(admin, code, "describe the cluster", err);
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

/* ---- offsets ---- */

enum outcome kafka_admin_watermarks(struct kafka_admin *admin, const char *topic, int32_t partition,
                                    int64_t timeout_ms, struct kafka_watermarks *ret_marks,
                                    struct err *err)
{
    struct kafka_watermarks marks = {0};
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(
        admin->handle, topic, partition, &marks.low, &marks.high, (int)timeout_ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return fail(admin, code, topic, err);
    *ret_marks = marks;
    return OUTCOME_OK;
}

enum outcome kafka_admin_offsets_at(struct kafka_admin *admin, int64_t wall_ms,
                                    struct kafka_partition *partitions, size_t count,
                                    int64_t timeout_ms, struct err *err)
{
    KAFKA_LIST_AUTO rd_kafka_topic_partition_list_t *list = kafka_list_new(partitions, count);
    TRY_ALLOC(list, err);
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = wall_ms;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(admin->handle, list, (int)timeout_ms);
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++)
        code = list->elems[i].err;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return fail(admin, code, "offsets at a time", err);
    for (size_t i = 0; i < count; i++)
        partitions[i].offset = list->elems[i].offset;
    return OUTCOME_OK;
}

/* Asks the group's coordinator; the list that is asked with is `asked`. */
static enum outcome ask_commits(struct kafka_admin *admin, const char *group,
                                const rd_kafka_topic_partition_list_t *asked, int64_t timeout_ms,
                                struct request *request, struct err *err)
{
    TRY(request_init(admin, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, timeout_ms, request, err));
    rd_kafka_ListConsumerGroupOffsets_t *question =
        rd_kafka_ListConsumerGroupOffsets_new(group, asked);
    TRY_ALLOC(question, err);
    rd_kafka_ListConsumerGroupOffsets(admin->handle, &question, 1, request->options,
                                      request->queue);
    enum outcome outcome = request_await(admin, request, timeout_ms, group, err);
    rd_kafka_ListConsumerGroupOffsets_destroy(question);
    return outcome;
}

static enum outcome read_commits(struct kafka_admin *admin, struct request *request,
                                 struct arena *arena, struct kafka_lag *lags, size_t count,
                                 struct err *err)
{
    size_t groups = 0;
    const rd_kafka_group_result_t **results = rd_kafka_ListConsumerGroupOffsets_result_groups(
        rd_kafka_event_ListConsumerGroupOffsets_result(request->answer), &groups);
    const rd_kafka_error_t *error = groups == 1 ? rd_kafka_group_result_error(results[0]) : NULL;
    if (error != NULL)
        return fail(admin, rd_kafka_error_code(error), "commits of the group", err);
    const rd_kafka_topic_partition_list_t *list =
        groups == 1 ? rd_kafka_group_result_partitions(results[0]) : NULL;
    for (int i = 0; list != NULL && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *from = &list->elems[i];
        if (from->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            return fail(admin, from->err, "commits of the group", err);
        if (from->partition < 0 || (size_t)from->partition >= count)
            continue;
        lags[from->partition].committed = from->offset;
        if (from->metadata_size == 0)
            continue;
        lags[from->partition].metadata = arena_strndup(arena, from->metadata, from->metadata_size);
        TRY_ALLOC(lags[from->partition].metadata, err);
    }
    return OUTCOME_OK;
}

static enum outcome fill_lags(struct kafka_admin *admin, struct arena *arena,
                              const struct kafka_group_topic *of, int64_t timeout_ms,
                              struct kafka_lag_list *lags, struct err *err)
{
    struct kafka_lag *items = ARENA_ARRAY(arena, struct kafka_lag, lags->count + 1);
    TRY_ALLOC(items, err);
    KAFKA_LIST_AUTO rd_kafka_topic_partition_list_t *asked =
        rd_kafka_topic_partition_list_new((int)lags->count);
    TRY_ALLOC(asked, err);
    for (size_t i = 0; i < lags->count; i++) {
        items[i] = (struct kafka_lag){.partition = (int32_t)i, .committed = KAFKA_OFFSET_NONE};
        rd_kafka_topic_partition_list_add(asked, of->topic, (int32_t)i);
        TRY(kafka_admin_watermarks(admin, of->topic, (int32_t)i, timeout_ms, &items[i].marks, err));
    }
    REQUEST_AUTO struct request request = {0};
    TRY(ask_commits(admin, of->group, asked, timeout_ms, &request, err));
    TRY(read_commits(admin, &request, arena, items, lags->count, err));
    for (size_t i = 0; i < lags->count; i++) {
        int64_t from = items[i].committed < 0 ? items[i].marks.low : items[i].committed;
        items[i].lag = num_max_i64(items[i].marks.high - from, 0);
    }
    lags->items = items;
    return OUTCOME_OK;
}

enum outcome kafka_admin_lag(struct kafka_admin *admin, struct arena *arena,
                             const struct kafka_group_topic *of, int64_t timeout_ms,
                             struct kafka_lag_list *ret_lags, struct err *err)
{
    struct kafka_cluster cluster;
    TRY(kafka_admin_describe(admin, arena, timeout_ms, &cluster, err));
    const struct kafka_topic *topic = kafka_cluster_find(&cluster, of->topic);
    if (topic == NULL)
        return FAIL(err, OUTCOME_PERMANENT, "kafka.topic_missing", "there is no topic %s",
                    of->topic);
    struct kafka_lag_list lags = {NULL, (size_t)topic->partitions};
    TRY(fill_lags(admin, arena, of, timeout_ms, &lags, err));
    *ret_lags = lags;
    return OUTCOME_OK;
}
