/* kafka_admin: offsets, commits and lag. See kafka_admin.h. */
#include "io/kafka_admin_private.h"

#include "base/num.h"

enum outcome kafka_admin_watermarks(struct kafka_admin *admin, const char *topic, int32_t partition,
                                    int64_t timeout_ms, struct kafka_watermarks *ret_marks,
                                    struct err *err)
{
    struct kafka_watermarks marks = {0};
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(
        admin->handle, topic, partition, &marks.low, &marks.high, (int)timeout_ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_admin_fail(admin, code, topic, err);
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
        return kafka_admin_fail(admin, code, "offsets at a time", err);
    for (size_t i = 0; i < count; i++)
        partitions[i].offset = list->elems[i].offset;
    return OUTCOME_OK;
}

/* Asks the group's coordinator; the list that is asked with is `asked`. */
static enum outcome ask_commits(struct kafka_admin *admin, const char *group,
                                const rd_kafka_topic_partition_list_t *asked, int64_t timeout_ms,
                                struct kafka_request *request, struct err *err)
{
    TRY(kafka_request_init(admin, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, timeout_ms, request,
                           err));
    rd_kafka_ListConsumerGroupOffsets_t *question =
        rd_kafka_ListConsumerGroupOffsets_new(group, asked);
    TRY_ALLOC(question, err);
    rd_kafka_ListConsumerGroupOffsets(admin->handle, &question, 1, request->options,
                                      request->queue);
    enum outcome outcome = kafka_request_await(admin, request, timeout_ms, group, err);
    rd_kafka_ListConsumerGroupOffsets_destroy(question);
    return outcome;
}

static enum outcome read_commits(struct kafka_admin *admin, struct kafka_request *request,
                                 struct arena *arena, struct kafka_lag *lags, size_t count,
                                 struct err *err)
{
    size_t groups = 0;
    const rd_kafka_group_result_t **results = rd_kafka_ListConsumerGroupOffsets_result_groups(
        rd_kafka_event_ListConsumerGroupOffsets_result(request->answer), &groups);
    const rd_kafka_error_t *error = groups == 1 ? rd_kafka_group_result_error(results[0]) : NULL;
    if (error != NULL)
        return kafka_admin_fail(admin, rd_kafka_error_code(error), "commits of the group", err);
    const rd_kafka_topic_partition_list_t *list =
        groups == 1 ? rd_kafka_group_result_partitions(results[0]) : NULL;
    for (int i = 0; list != NULL && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *from = &list->elems[i];
        if (from->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            return kafka_admin_fail(admin, from->err, "commits of the group", err);
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
    KAFKA_REQUEST_AUTO struct kafka_request request = {0};
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
