/* kafka_commit: a group's commits, and where partitions end; see kafka.h. */
#include "io/kafka_private.h"

void kafka_commit_forget(struct kafka_consumer *consumer)
{
    if (consumer->commit != NULL)
        rd_kafka_queue_destroy(consumer->commit);
    consumer->commit = NULL;
}

enum outcome kafka_consumer_commit_send(struct kafka_consumer *consumer,
                                        const struct kafka_partition *partitions, size_t count,
                                        struct err *err)
{
    kafka_commit_forget(consumer);
    KAFKA_LIST_AUTO rd_kafka_topic_partition_list_t *list = kafka_list_new(partitions, count);
    TRY_ALLOC(list, err);
    /* A queue for each, so that an answer which nobody waits for is not taken for the next one's;
     * rd_kafka_commit itself waits as long as the broker likes. */
    consumer->commit = rd_kafka_queue_new(consumer->handle);
    TRY_ALLOC(consumer->commit, err);
    rd_kafka_resp_err_t code =
        rd_kafka_commit_queue(consumer->handle, list, consumer->commit, NULL, NULL);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return OUTCOME_OK;
    kafka_commit_forget(consumer);
    return kafka_fail(err, code, "commit");
}

bool kafka_consumer_commit_take(struct kafka_consumer *consumer, int64_t timeout_ms,
                                enum outcome *ret_outcome, struct err *err)
{
    rd_kafka_event_t *event =
        consumer->commit == NULL ? NULL : rd_kafka_queue_poll(consumer->commit, (int)timeout_ms);
    if (event == NULL)
        return false;
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = kafka_list_error(rd_kafka_event_topic_partition_list(event));
    rd_kafka_event_destroy(event);
    kafka_commit_forget(consumer);
    *ret_outcome =
        code == RD_KAFKA_RESP_ERR_NO_ERROR ? OUTCOME_OK : kafka_fail(err, code, "commit");
    return true;
}

enum outcome kafka_consumer_commit(struct kafka_consumer *consumer,
                                   const struct kafka_partition *partitions, size_t count,
                                   int64_t timeout_ms, struct err *err)
{
    enum outcome outcome = OUTCOME_OK;
    if (count == 0)
        return OUTCOME_OK;
    TRY(kafka_consumer_commit_send(consumer, partitions, count, err));
    if (kafka_consumer_commit_take(consumer, timeout_ms, &outcome, err))
        return outcome;
    kafka_commit_forget(consumer);
    return kafka_fail(err, RD_KAFKA_RESP_ERR__TIMED_OUT, "commit");
}

enum outcome kafka_consumer_committed(struct kafka_consumer *consumer, struct arena *arena,
                                      struct kafka_partition *partitions, size_t count,
                                      int64_t timeout_ms, struct err *err)
{
    if (count == 0)
        return OUTCOME_OK;
    KAFKA_LIST_AUTO rd_kafka_topic_partition_list_t *list = kafka_list_new(partitions, count);
    TRY_ALLOC(list, err);
    rd_kafka_resp_err_t code = rd_kafka_committed(consumer->handle, list, (int)timeout_ms);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = kafka_list_error(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_fail(err, code, "ask for commits");
    const struct kafka_partition *copy = kafka_list_copy(list, arena);
    TRY_ALLOC(copy, err);
    for (size_t i = 0; i < count; i++) {
        partitions[i].offset = copy[i].offset;
        partitions[i].metadata = copy[i].metadata;
    }
    return OUTCOME_OK;
}

enum outcome kafka_consumer_end(struct kafka_consumer *consumer, struct kafka_partition *partition,
                                int64_t timeout_ms, struct err *err)
{
    /* Not rd_kafka_query_watermark_offsets: it waits for a broker that is away beyond any time. */
    struct kafka_partition asked = *partition;
    asked.offset = RD_KAFKA_OFFSET_END; /* as a time: the latest */
    KAFKA_LIST_AUTO rd_kafka_topic_partition_list_t *list = kafka_list_new(&asked, 1);
    TRY_ALLOC(list, err);
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(consumer->handle, list, (int)timeout_ms);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = kafka_list_error(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_fail(err, code, "ask for the end of a partition");
    partition->offset = list->elems[0].offset;
    return OUTCOME_OK;
}

int64_t kafka_consumer_end_seen(const struct kafka_consumer *consumer, const char *topic,
                                int32_t partition)
{
    int64_t low = -1, high = -1;
    rd_kafka_resp_err_t code =
        rd_kafka_get_watermark_offsets(consumer->handle, topic, partition, &low, &high);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0 ? high : -1;
}
