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

/*
 * Commits are asked for by a consumer that joins nothing: the admin interface's own request crashes
 * the library when the answer is "not coordinator" (librdkafka#5040), as a new cluster's first is.
 */
static enum outcome open_asker(const struct kafka_admin *admin, const char *group,
                               rd_kafka_t **ret_handle, struct err *err)
{
    char why[256] = "";
    rd_kafka_conf_t *settings = rd_kafka_conf_dup(rd_kafka_conf(admin->handle));
    TRY_ALLOC(settings, err);
    if (rd_kafka_conf_set(settings, "group.id", group, why, sizeof why) != RD_KAFKA_CONF_OK) {
        rd_kafka_conf_destroy(settings);
        return FAIL(err, OUTCOME_PERMANENT, "kafka.conf", "group \"%s\": %s", group, why);
    }
    return kafka_handle_new(RD_KAFKA_CONSUMER, settings, ret_handle, err);
}

static enum outcome read_commits(const rd_kafka_topic_partition_list_t *list, struct arena *arena,
                                 struct kafka_lag *lags, struct err *err)
{
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *from = &list->elems[i];
        if (from->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            return kafka_fail(err, from->err, "commits of the group");
        lags[from->partition].committed = from->offset;
        if (from->metadata_size == 0)
            continue;
        lags[from->partition].metadata = arena_strndup(arena, from->metadata, from->metadata_size);
        TRY_ALLOC(lags[from->partition].metadata, err);
    }
    return OUTCOME_OK;
}

static enum outcome ask_commits(const struct kafka_admin *admin, const char *group,
                                rd_kafka_topic_partition_list_t *list, int64_t timeout_ms,
                                struct err *err)
{
    rd_kafka_t *asker = NULL;
    TRY(open_asker(admin, group, &asker, err));
    rd_kafka_resp_err_t code = rd_kafka_committed(asker, list, (int)timeout_ms);
    rd_kafka_destroy(asker);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? OUTCOME_OK : kafka_fail(err, code, group);
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
    TRY(ask_commits(admin, of->group, asked, timeout_ms, err));
    TRY(read_commits(asked, arena, items, err));
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
