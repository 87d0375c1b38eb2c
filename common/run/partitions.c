/* partitions: see partitions.h. */
#include "run/partitions.h"

#include "base/log.h"
#include "model/job.h"

#include <stdlib.h>

static int lane_of(const struct runtime *rt, const char *topic)
{
    for (int tier = 0; tier < RETRY_TIER_COUNT; tier++) {
        if (strcmp(rt->retry_topics[tier].text, topic) == 0)
            return tier;
    }
    return LANE_JOBS;
}

/* What a map of the partition may need; false without memory, the map is as it was. */
static bool resize(struct partition *it, size_t window)
{
    uint64_t *bits = window == PARTITION_WINDOW ? it->first_bits
                                                : calloc(OFFSET_MAP_WORDS(window), sizeof *bits);
    if (bits == NULL)
        return false;
    (void)offset_map_move(&it->map, bits, window);
    free(it->more_bits);
    it->more_bits = bits == it->first_bits ? NULL : bits;
    return true;
}

static void restore(struct partition *it, const struct kafka_partition *from)
{
    struct slice text = slice_of(from->metadata);
    offset_map_init_growing(&it->map, it->first_bits, PARTITION_WINDOW, OFFSET_WINDOW_MAX);
    it->committed = from->offset >= 0 ? from->offset : KAFKA_OFFSET_NONE;
    if (from->offset < 0)
        return;
    size_t window = offset_map_text_window(from->offset, text);
    if (window > PARTITION_WINDOW)
        (void)resize(it, window);
    it->has_text = offset_map_restore(&it->map, from->offset, text);
    it->told = it->map.completions;
    if (it->has_text)
        LOG_AT(LOG_DEBUG, "kafka.map_restored", LOG_TEXT("topic", it->topic),
               LOG_INT("partition", it->number), LOG_INT("committed", it->committed),
               LOG_INT("beyond", offset_map_beyond(&it->map)));
}

static void forget(struct partitions *table)
{
    for (size_t i = 0; i < table->count; i++) {
        free(table->items[i].more_bits);
        free(table->items[i].left);
    }
    free(table->items);
    free(table->texts);
    table->items = NULL;
    table->texts = NULL;
    table->count = 0;
}

enum outcome partitions_assign(struct partitions *table, const struct runtime *rt,
                               const struct kafka_partition *list, size_t count, struct err *err)
{
    struct partition *items = calloc(count == 0 ? 1 : count, sizeof *items);
    TRY_ALLOC(items, err);
    char *texts = calloc(count + 1, OFFSET_MAP_TEXT_SIZE);
    if (texts == NULL) {
        free(items);
        return FAIL_NO_MEMORY(err);
    }
    for (size_t i = 0; i < count; i++) {
        struct partition *it = &items[i];
        text_copy(it->topic, sizeof it->topic, list[i].topic);
        it->number = list[i].partition;
        it->lane = lane_of(rt, it->topic);
        it->priority = topic_priority_of(it->topic, rt->conf->topic_prefix, rt->worker->name);
        restore(it, &list[i]);
    }
    forget(table);
    table->items = items;
    table->texts = texts;
    table->is_textless = false;
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
    forget(table);
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

bool partitions_grow(struct partition *partition, int64_t offset)
{
    size_t window = offset_map_larger(&partition->map, offset);
    return window != 0 && resize(partition, window);
}

/* The committed offset differs (it goes back only when the log was cut), or what is complete
 * beyond it does. */
static bool is_news(const struct partition *it)
{
    if (!it->map.started)
        return false;
    return it->map.committed != it->committed ||
           (it->map.completions != it->told && (it->has_text || offset_map_beyond(&it->map) > 0));
}

/* NULL: nothing is complete beyond the committed offset, or it takes more than a commit may hold;
 * then the ledger alone knows. */
static const char *text_of(struct partitions *table, struct partition *it)
{
    if (table->is_textless || offset_map_beyond(&it->map) <= 0)
        return NULL;
    char *text = table->texts + (size_t)(it - table->items) * OFFSET_MAP_TEXT_SIZE;
    size_t len = offset_map_encode(&it->map, text);
    bool is_too_large = len == OFFSET_MAP_TOO_LARGE;
    if (is_too_large && !it->is_too_large)
        LOG_AT(LOG_WARN, "kafka.map_too_large", LOG_TEXT("topic", it->topic),
               LOG_INT("partition", it->number), LOG_INT("span", offset_map_span(&it->map)));
    it->is_too_large = is_too_large;
    return is_too_large || len == 0 ? NULL : text;
}

size_t partitions_news(struct partitions *table, struct kafka_partition *ret_list, size_t max)
{
    size_t count = 0, first = table->next_news;
    for (size_t i = 0; i < table->count && count < max; i++) {
        struct partition *it = &table->items[(first + i) % table->count];
        table->next_news = first + i + 1; /* those that found no room come first */
        if (!is_news(it))
            continue;
        const char *text = text_of(table, it);
        if (text == NULL && it->map.committed == it->committed)
            continue; /* an older map of the same offset is better than none */
        it->telling = it->map.completions;
        ret_list[count++] = (struct kafka_partition){.topic = it->topic,
                                                     .partition = it->number,
                                                     .offset = it->map.committed,
                                                     .metadata = text};
    }
    return count;
}

void partitions_committed(struct partitions *table, const struct kafka_partition *list,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct partition *it = partitions_find(table, list[i].topic, list[i].partition);
        if (it == NULL)
            continue;
        it->committed = list[i].offset;
        it->told = it->telling;
        it->has_text = list[i].metadata != NULL;
        offset_map_set_floor(&it->map, it->committed);
        if (it->more_bits != NULL && offset_map_span(&it->map) == 0)
            (void)resize(it, PARTITION_WINDOW);
    }
}
