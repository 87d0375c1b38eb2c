/* partitions: see partitions.h. */
#include "run/partitions.h"

#include "model/job.h"

#include <stdlib.h>

/* Of the topic, for jobs that don't say their own. */
static int priority_of(const struct runtime *rt, const char *topic)
{
    return strcmp(rt->interactive_topic.text, topic) == 0 ? JOB_INTERACTIVE
           : strcmp(rt->bulk_topic.text, topic) == 0      ? JOB_BULK
                                                          : JOB_DEFAULT;
}

static int lane_of(const struct runtime *rt, const char *topic)
{
    for (int tier = 0; tier < RETRY_TIER_COUNT; tier++) {
        if (strcmp(rt->retry_topics[tier].text, topic) == 0)
            return tier;
    }
    return LANE_JOBS;
}

enum outcome partitions_assign(struct partitions *table, const struct runtime *rt,
                               const struct kafka_partition *list, size_t count, struct err *err)
{
    struct partition *items = calloc(count == 0 ? 1 : count, sizeof *items);
    TRY_ALLOC(items, err);
    for (size_t i = 0; i < count; i++) {
        struct partition *it = &items[i];
        text_copy(it->topic, sizeof it->topic, list[i].topic);
        it->number = list[i].partition;
        it->lane = lane_of(rt, it->topic);
        it->priority = priority_of(rt, it->topic);
        it->committed = list[i].offset >= 0 ? list[i].offset : KAFKA_OFFSET_NONE;
        offset_map_init(&it->map, it->bits, PARTITION_WINDOW);
        if (list[i].offset >= 0)
            offset_map_reset(&it->map, list[i].offset);
    }
    free(table->items);
    table->items = items;
    table->count = count;
    table->last_found = 0;
    table->epoch++;
    return OUTCOME_OK;
}

void partitions_clear(struct partitions *table)
{
    for (size_t i = 0; i < table->count; i++) {
        while (table->items[i].held_head != NULL)
            delivery_free(partitions_unhold(table, &table->items[i]));
    }
    free(table->items);
    table->items = NULL;
    table->count = 0;
    table->epoch++;
}

static bool is_it(const struct partition *partition, const char *topic, int32_t number)
{
    return partition->number == number && strcmp(partition->topic, topic) == 0;
}

struct partition *partitions_find(struct partitions *table, const char *topic, int32_t number)
{
    /* Records come in runs of one partition. */
    if (table->last_found < table->count && is_it(&table->items[table->last_found], topic, number))
        return &table->items[table->last_found];
    for (size_t i = 0; i < table->count; i++) {
        if (is_it(&table->items[i], topic, number)) {
            table->last_found = i;
            return &table->items[i];
        }
    }
    return NULL;
}

void partitions_hold(struct partitions *table, struct partition *partition,
                     struct delivery *delivery)
{
    delivery->node.next = NULL;
    if (partition->held_tail == NULL)
        partition->held_head = delivery;
    else
        partition->held_tail->node.next = &delivery->node;
    partition->held_tail = delivery;
    table->held++;
}

struct delivery *partitions_unhold(struct partitions *table, struct partition *partition)
{
    struct delivery *delivery = partition->held_head;
    partition->held_head = delivery_next(delivery);
    if (partition->held_head == NULL)
        partition->held_tail = NULL;
    delivery->node.next = NULL;
    table->held--;
    return delivery;
}

size_t partitions_news(const struct partitions *table, struct kafka_partition *ret_list, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < table->count && count < max; i++) {
        const struct partition *it = &table->items[i];
        if (it->map.started && it->map.committed > it->committed)
            ret_list[count++] = (struct kafka_partition){
                .topic = it->topic, .partition = it->number, .offset = it->map.committed};
    }
    return count;
}

void partitions_committed(struct partitions *table, const struct kafka_partition *list,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct partition *it = partitions_find(table, list[i].topic, list[i].partition);
        if (it != NULL && list[i].offset > it->committed)
            it->committed = list[i].offset;
    }
}
