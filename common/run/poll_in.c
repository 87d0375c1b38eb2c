/* poll_in: records come: held until they are due and there is room, then given to the dispatcher,
 * or passed on (poll_pass.c), or left (poll_left.c); see poll.h. */
#include "run/poll.h"

#include "base/clock.h"
#include "base/log.h"
#include "run/share.h"

#define SEEK_TIMEOUT_MS 2000
#define BULK_HELD_MAX 256           /* records in hand, for which there is no room yet */
#define MEMORY_US (200 * US_PER_MS) /* until memory may be there again */

void poller_give_out(struct poller *poller, struct delivery *delivery)
{
    delivery->is_given_out = true;
    struct attempt *a = dispatch_make(poller->rt, delivery);
    if (a != NULL) {
        attempts_add(&poller->given, a);
        return;
    }
    delivery->again_at_us = clock_monotonic_us() + MEMORY_US;
    poller_delay(poller, delivery);
}

static bool is_due(const struct poller *poller, const struct delivery *delivery)
{
    if (delivery->lane == LANE_JOBS ||
        fleet_clock_least_us(&poller->rt->clock) >= delivery->not_before_us)
        return true;
    /* A header that asks for more than its tier gives (or a clock that jumped) does not hold the
     * others back: the job thread sends it on to wait elsewhere. */
    int scale = (int)poller->rt->conf->retry_scale_percent;
    int64_t held_us = clock_monotonic_us() - delivery->read_us;
    return held_us >= retry_hold_max_us((size_t)delivery->lane, scale);
}

/* A parent that goes on waited for its children, and is not put behind other jobs once more. */
static bool is_wake(const struct delivery *delivery)
{
    struct slice fence;
    return kafka_message_find_header(&delivery->message, JOB_HEADER_WAIT_FENCE, &fence);
}

/* Somebody has more than a share, or had. */
static bool is_looked_at(const struct poller *poller, const struct partition *partition,
                         const struct delivery *delivery)
{
    bool is_any_over = delivery_is_bulk(delivery) ? share_is_any_bulk_over(poller->rt)
                                                  : share_is_any_over(poller->rt);
    return delivery->lane == LANE_JOBS && (is_any_over || partition->map.left > 0) &&
           !is_wake(delivery);
}

bool poller_look(const struct poller *poller, const struct delivery *delivery,
                 struct look *ret_look)
{
    if (!look_record(poller->rt, delivery->message.value, ret_look))
        return false;
    ret_look->share = share_number(ret_look->tenant, delivery_is_bulk(delivery));
    return true;
}

/* Bulk jobs fill half of what is buffered, so that the others are always read on; again from half
 * of that. Where a workspace has more than its share of them, its records need no room, and those
 * of others behind them do not wait until much of it is done. */
static bool has_room(struct poller *poller, struct partition *partition,
                     const struct delivery *delivery)
{
    struct look look;
    if (!delivery_is_bulk(delivery))
        return true;
    int64_t max = share_bulk_limit(poller->rt);
    int64_t again = share_is_any_bulk_over(poller->rt) ? max * 15 / 16 : max / 2;
    int64_t bulk = metric_get(&poller->rt->metrics.buffered_bulk);
    poller->is_bulk_full = poller->is_bulk_full ? bulk > again : bulk >= max;
    return !poller->is_bulk_full ||
           (is_looked_at(poller, partition, delivery) && poller_look(poller, delivery, &look) &&
            poller_may_leave(poller, partition, &look));
}

/* False: it has to wait for its time or for room. */
static bool admit(struct poller *poller, struct partition *partition, struct delivery *delivery)
{
    struct offset_map *map = &partition->map;
    int64_t offset = delivery->message.offset, committed = map->committed;
    if (!is_due(poller, delivery) || !has_room(poller, partition, delivery))
        return false;
    /* What was restored has its room already. */
    if (offset >= offset_map_top(map) && offset_map_is_pressed(map))
        return false;
    enum offset_taken taken = offset_map_take(map, offset);
    if (taken == OFFSET_FULL && partitions_grow(partition, offset))
        taken = offset_map_take(map, offset);
    partition->life += taken == OFFSET_TAKEN && map->committed < committed;
    delivery->life = partition->life;
    switch (taken) {
    case OFFSET_FULL:
        return false;
    case OFFSET_KNOWN: /* complete before a crash or a rebalance, as the commit says */
        metric_add(&poller->rt->metrics.records_known, 1);
        poller_free(poller, delivery);
        return true;
    case OFFSET_TAKEN:
        break;
    }
    struct look look;
    if (!share_is_any_over(poller->rt))
        poller->passed = 0;
    if (is_looked_at(poller, partition, delivery) && poller_look(poller, delivery, &look) &&
        (poller_leave(poller, partition, delivery, &look) ||
         poller_pass_on(poller, delivery, &look)))
        return true;
    poller_give_out(poller, delivery);
    return true;
}

static int64_t read_not_before(const struct kafka_message *message)
{
    struct slice value;
    char text[CLOCK_TEXT_SIZE + 8];
    int64_t wall_us;
    if (!kafka_message_find_header(message, JOB_HEADER_NOT_BEFORE, &value) || value.data == NULL ||
        value.len >= sizeof text)
        return 0;
    memcpy(text, value.data, value.len);
    text[value.len] = '\0';
    return clock_parse(text, &wall_us) ? wall_us : 0;
}

/* No memory for it. What is left out in reading counts as complete, so it may not be left out. */
static void read_again(struct poller *poller, const struct kafka_message *message)
{
    struct err err = {0};
    struct kafka_partition at = {
        .topic = message->topic, .partition = message->partition, .offset = message->offset};
    if (kafka_consumer_seek(poller->consumer, &at, SEEK_TIMEOUT_MS, &err) == OUTCOME_OK)
        return;
    LOG_AT(LOG_ERROR, "kafka.not_read_again", LOG_TEXT("topic", at.topic), LOG_ERR_FIELDS(&err));
    poller->is_fatal = true; /* whoever reads the partition next begins at what is committed */
}

struct delivery *poller_deliver(struct poller *poller, const struct partition *partition,
                                struct kafka_message *message)
{
    struct delivery *delivery = delivery_new(message);
    if (delivery == NULL)
        return NULL;
    poller_link(poller, delivery);
    delivery->partition = (size_t)(partition - poller->table.items);
    delivery->epoch = poller->table.epoch;
    delivery->lane = partition->lane;
    delivery->priority = partition->priority;
    delivery->read_us = clock_monotonic_us();
    return delivery;
}

void poller_take(struct poller *poller, struct kafka_message *message)
{
    struct partition *partition =
        partitions_find(&poller->table, message->topic, message->partition);
    if (partition == NULL || atomic_load(&poller->rt->stopping)) {
        kafka_message_done(message); /* not complete: it will be delivered again */
        return;
    }
    struct delivery *delivery = poller_deliver(poller, partition, message);
    if (delivery == NULL) {
        read_again(poller, message);
        kafka_message_done(message);
        return;
    }
    metric_add(&poller->rt->metrics.records_read, 1);
    if (delivery->lane != LANE_JOBS)
        delivery->not_before_us = read_not_before(&delivery->message);
    if (partition->held_head != NULL || !admit(poller, partition, delivery)) {
        partitions_hold(&poller->table, partition, delivery);
        /* Room for bulk jobs comes again soon, and what a pause throws away is fetched again. */
        if (!delivery_is_bulk(delivery) || poller->table.held >= BULK_HELD_MAX)
            poller_pause(poller, partition, true);
    }
}

void poller_try_held(struct poller *poller)
{
    for (size_t i = 0; poller->table.held > 0 && i < poller->table.count; i++) {
        struct partition *partition = &poller->table.items[i];
        if (partition->held_head == NULL)
            continue;
        while (partition->held_head != NULL) {
            struct delivery *head = partition->held_head, *next = delivery_next(head);
            if (!admit(poller, partition, head))
                break;
            partition->held_head = next;
            partition->held_tail = next == NULL ? NULL : partition->held_tail;
            poller->table.held--;
        }
        if (partition->held_head == NULL && !poller->is_full)
            poller_pause(poller, partition, false);
    }
}

void poller_try_delayed(struct poller *poller)
{
    if (poller->delayed == NULL)
        return;
    int64_t now_us = clock_monotonic_us();
    struct delivery *delivery = poller->delayed;
    poller->delayed = NULL;
    poller->delayed_count = 0;
    while (delivery != NULL) {
        struct delivery *next = delivery_next(delivery);
        if (delivery->again_at_us > now_us)
            poller_delay(poller, delivery);
        else
            poller_give_out(poller, delivery);
        delivery = next;
    }
}
