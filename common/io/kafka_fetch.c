/* kafka: keeping the fetching of a consumer awake.
 *
 * librdkafka stops fetching while as much as the settings allow waits in memory. Before 2.2 it then
 * looks again only when something else happens on that broker's connection, or after a second: a
 * fast reader would get one second's worth of prefetched records a second. A small request to each
 * leader is such a something; its answer is not waited for. Later versions have a setting for the
 * one; a partition that is resumed is not looked at sooner either, in any version. */
#include "io/kafka_private.h"

#define AGAIN_MS "10"
#define VERSION_WITH_SETTING 0x02020000

enum outcome kafka_fetch_settings(rd_kafka_conf_t *settings, struct err *err)
{
    if (rd_kafka_version() < VERSION_WITH_SETTING)
        return OUTCOME_OK;
    return kafka_settings_text(settings, "fetch.queue.backoff.ms", AGAIN_MS, err);
}

static void wake(rd_kafka_t *handle)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    if (rd_kafka_assignment(handle, &list) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = RD_KAFKA_OFFSET_END;
    if (list->cnt > 0)
        (void)rd_kafka_offsets_for_times(handle, list, 0);
    rd_kafka_topic_partition_list_destroy(list);
}

void kafka_fetch_note_read(rd_kafka_t *handle, int *reads)
{
    if (++*reads < KAFKA_QUEUED_RECORDS / 2 || rd_kafka_version() >= VERSION_WITH_SETTING)
        return;
    *reads = 0;
    wake(handle);
}

void kafka_fetch_note_resumed(rd_kafka_t *handle, bool *is_resumed)
{
    if (*is_resumed)
        wake(handle);
    *is_resumed = false;
}
