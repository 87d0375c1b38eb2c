/* poll_back: what was left (poll_left.c) is read again, by a reader of its own, so that the others
 * are read on meanwhile: as much as there is room for; what has no order also when there is nothing
 * else to read, to be passed on to the bulk topic (poll_pass.c); see poll.h. */
#include "run/poll.h"

#include "base/clock.h"
#include "base/log.h"
#include "run/share.h"

#define READER_KBYTES 512
#define READER_FETCH_BYTES (64 << 10)
#define TURN_MAX 4096 /* records, then the next partition's are read */
#define AGAIN_US (500 * US_PER_MS)

/* ---- which is read next ---- */

static bool is_bulk(const struct partition *partition)
{
    return partition->lane == LANE_JOBS && partition->priority == JOB_BULK;
}

/* What came by the bulk topic has nowhere to move to. So what is in the way of another's comes back
 * beyond its credit, and then no more of the partition until there is some again. */
static bool may_read_bulk(const struct poller *poller, const struct partition *partition)
{
    const struct runtime *rt = poller->rt;
    return metric_get(&rt->metrics.buffered_bulk) < share_bulk_limit(rt) &&
           (partition->left_waits_for == 0 || share_may_return(rt, partition->left_waits_for));
}

/* There is room for somebody's, or it can move and nothing else is to be done. Or no more can be
 * read of the partition: then even what has no room comes back, to move. */
static bool may_read(const struct poller *poller, const struct partition *partition)
{
    bool moves = !is_bulk(partition);
    bool may = moves && partition->held_head != NULL;
    bool may_pass = moves && poller_may_pass_aside(poller);
    if (partition->map.left == 0 || (!moves && !may_read_bulk(poller, partition)))
        return false;
    for (size_t i = 0; partition->left != NULL && i < PARTITION_LEFT_MAX && !may; i++) {
        const struct partition_left *row = &partition->left[i];
        may = row->count > 0 &&
              ((may_pass && !row->is_ordered) || share_may_return(poller->rt, row->share));
    }
    return may;
}

static enum outcome point_reader(struct poller *poller, const struct partition *partition,
                                 struct err *err)
{
    struct poller_left *left = &poller->left;
    /* It joins nothing and commits nothing; but who may read may do so in this group's name. */
    const struct kafka_consumer_options options = {
        .group = poller_group(poller->rt),
        .queue_kbytes = READER_KBYTES,
        .fetch_max_bytes = READER_FETCH_BYTES,
    };
    if (left->reader == NULL)
        TRY(kafka_consumer_open(&poller->rt->conf->kafka, &options, &left->reader, err));
    struct kafka_partition at = {0};
    if (partition != NULL)
        at = (struct kafka_partition){.topic = partition->topic,
                                      .partition = partition->number,
                                      .offset = partition->map.lowest_left};
    return kafka_consumer_assign(left->reader, &at, partition == NULL ? 0 : 1, err);
}

static void failed(struct poller *poller, const struct err *err)
{
    LOG_AT(LOG_WARN, "kafka.reader", LOG_ERR_FIELDS(err));
    poller->left.is_reading = false;
    poller->left.again_at_us = clock_monotonic_us() + AGAIN_US;
    if (strcmp(err->code, "kafka.fatal") != 0)
        return;
    kafka_consumer_close(poller->left.reader);
    poller->left.reader = NULL;
}

static void stop_reading(struct poller *poller)
{
    struct err err = {0};
    poller->left.is_reading = false;
    if (poller->left.reader != NULL && point_reader(poller, NULL, &err) != OUTCOME_OK)
        failed(poller, &err);
}

/* Not all come back: they may be gone from the log, or that was made anew. */
static void count_left(struct poller *poller)
{
    poller->left.count = 0;
    for (size_t i = 0; i < poller->table.count; i++)
        poller->left.count += poller->table.items[i].map.left;
}

/* False: none may be read. They take turns. */
static bool begin(struct poller *poller)
{
    struct poller_left *left = &poller->left;
    const struct partitions *table = &poller->table;
    struct err err = {0};
    for (size_t n = 1; n <= table->count; n++) {
        size_t i = (left->partition + n) % table->count;
        if (!may_read(poller, &table->items[i]))
            continue;
        left->partition = i;
        left->taken = 0;
        left->is_reading = true;
        left->is_sure = false;
        if (point_reader(poller, &table->items[i], &err) != OUTCOME_OK)
            failed(poller, &err);
        return left->is_reading;
    }
    count_left(poller);
    return false;
}

static bool is_ready(struct poller *poller)
{
    struct poller_left *left = &poller->left;
    const struct partition *now = left->is_reading ? &poller->table.items[left->partition] : NULL;
    if (now != NULL && left->taken < TURN_MAX && may_read(poller, now))
        return true;
    if (clock_monotonic_us() >= left->again_at_us && begin(poller))
        return true;
    if (now != NULL && now->map.left == 0)
        stop_reading(poller);
    return false; /* else what was fetched waits with the reader */
}

/* ---- reading ---- */

/* From the lowest on once more, by a reader that has nothing from before (librdkafka may still give
 * what it had fetched for an older assignment): what that one does not give is gone from the log.
 */
static void make_sure(struct poller *poller, const struct partition *partition)
{
    struct err err = {0};
    kafka_consumer_close(poller->left.reader);
    poller->left.reader = NULL;
    poller->left.is_sure = true;
    if (point_reader(poller, partition, &err) != OUTCOME_OK)
        failed(poller, &err);
}

/* True: `offset` is the lowest that is left. */
static bool is_next(struct poller *poller, struct partition *partition, int64_t offset)
{
    struct offset_map *map = &partition->map;
    if (map->left == 0 || offset < map->lowest_left)
        return false;
    if (offset > map->lowest_left && !poller->left.is_sure) {
        make_sure(poller, partition);
        return false;
    }
    if (offset > map->lowest_left) {
        LOG_AT(LOG_ERROR, "kafka.records_gone", LOG_TEXT("topic", partition->topic),
               LOG_INT("partition", partition->number), LOG_INT("from", map->lowest_left),
               LOG_INT("below", offset));
        offset_map_skip_left(map, offset);
        poller_check_left(partition);
        count_left(poller);
    }
    return offset_map_is_left(map, offset);
}

/* It is given out; false: it is to move if it can. */
static bool is_to_stay(struct poller *poller, struct partition *partition,
                       struct delivery *delivery, const struct look *look)
{
    bool has_credit = share_take_credit(poller->rt, delivery, look->share);
    if (!is_bulk(partition))
        return has_credit;
    if (!has_credit)
        share_take_beyond(poller->rt, delivery, look->share);
    partition->left_waits_for = has_credit ? 0 : look->share;
    return true;
}

static void take_back(struct poller *poller, struct partition *partition,
                      struct kafka_message *message)
{
    struct poller_left *left = &poller->left;
    struct look look;
    struct delivery *delivery = poller_deliver(poller, partition, message);
    if (delivery == NULL) { /* no memory: it is still left */
        left->is_reading = false;
        left->again_at_us = clock_monotonic_us() + AGAIN_US;
        return;
    }
    bool is_known = poller_look(poller, delivery, &look);
    delivery->life = partition->life;
    (void)offset_map_return(&partition->map, delivery->message.offset);
    left->is_sure = false;
    left->count--;
    left->taken++;
    if (is_known) {
        delivery->is_back = is_to_stay(poller, partition, delivery, &look);
        poller_note_back(poller, partition, &look);
    }
    if (delivery->is_back || !is_known || !poller_pass_on(poller, delivery, &look))
        poller_give_out(poller, delivery);
}

static bool read_one(struct poller *poller)
{
    struct poller_left *left = &poller->left;
    struct partition *partition = &poller->table.items[left->partition];
    struct kafka_message message = {0};
    struct err err = {0};
    if (kafka_consumer_poll(left->reader, 0, &message, &err) != OUTCOME_OK) {
        if (strcmp(err.code, "kafka.fatal") == 0)
            failed(poller, &err);
        else
            LOG_AT(LOG_WARN, "kafka.reader", LOG_ERR_FIELDS(&err)); /* it goes on by itself */
        return false;
    }
    if (message.native == NULL)
        return false;
    if (message.partition == partition->number && strcmp(message.topic, partition->topic) == 0 &&
        is_next(poller, partition, message.offset))
        take_back(poller, partition, &message);
    kafka_message_done(&message);
    return true;
}

/* News of its connection, that would pile up. */
static void rest(struct poller *poller)
{
    struct poller_left *left = &poller->left;
    struct kafka_message message = {0};
    struct err ignored = {0};
    int64_t now_us = clock_monotonic_us();
    if (left->is_reading)
        poller_forget_left(poller);
    if (left->reader == NULL || now_us < left->rest_due_us)
        return;
    left->rest_due_us = now_us + AGAIN_US;
    if (kafka_consumer_poll(left->reader, 0, &message, &ignored) == OUTCOME_OK)
        kafka_message_done(&message);
}

bool poller_read_left(struct poller *poller)
{
    int n = 0;
    if (poller->left.count == 0)
        rest(poller);
    while (poller->left.count > 0 && n < POLLER_BURST_MAX && poller_has_room(poller) &&
           is_ready(poller) && read_one(poller))
        n++;
    return n > 0;
}

void poller_forget_left(struct poller *poller)
{
    for (size_t i = 0; i < RUNTIME_OVER_MAX; i++)
        atomic_store(&poller->rt->over[i].left, 0);
    poller->left.count = 0;
    if (poller->left.is_reading)
        stop_reading(poller);
}
