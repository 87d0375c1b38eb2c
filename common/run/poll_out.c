/* poll_out: deliveries come back: completion, what is dropped, what is paused; see poll.h.
 */
#include "run/poll.h"

#include "base/clock.h"
#include "base/log.h"
#include "run/share.h"

void poller_link(struct poller *poller, struct delivery *delivery)
{
    delivery->older = poller->newest;
    if (poller->newest == NULL)
        poller->oldest = delivery;
    else
        poller->newest->newer = delivery;
    poller->newest = delivery;
    poller->live++;
}

void poller_free(struct poller *poller, struct delivery *delivery)
{
    if (delivery->older == NULL)
        poller->oldest = delivery->newer;
    else
        delivery->older->newer = delivery->newer;
    if (delivery->newer == NULL)
        poller->newest = delivery->older;
    else
        delivery->newer->older = delivery->older;
    poller->live--;
    share_returned(poller->rt, delivery->over_slot);
    delivery_free(delivery);
}

void poller_delay(struct poller *poller, struct delivery *delivery)
{
    delivery->node.next = poller->delayed == NULL ? NULL : &poller->delayed->node;
    poller->delayed = delivery;
    poller->delayed_count++;
}

/* Of a log that was cut or made anew since, another record has its offset. */
static void complete(struct partition *partition, const struct delivery *delivery)
{
    if (delivery->life == partition->life)
        (void)offset_map_complete(&partition->map, delivery->message.offset);
}

static void take_back(struct poller *poller, struct delivery *delivery)
{
    bool is_ours = delivery->epoch == poller->table.epoch;
    if (delivery->is_passing)
        poller_passed(poller, delivery);
    if (is_ours && delivery->fate == FATE_AGAIN && !atomic_load(&poller->rt->stopping)) {
        poller_delay(poller, delivery);
        return;
    }
    if (is_ours && delivery->fate == FATE_DONE)
        complete(&poller->table.items[delivery->partition], delivery);
    poller_free(poller, delivery);
}

void poller_take_done(struct poller *poller, int64_t timeout_us)
{
    struct delivery *delivery = delivery_of(queue_take_all(&poller->rt->done, timeout_us));
    while (delivery != NULL) {
        struct delivery *next = delivery_next(delivery);
        take_back(poller, delivery);
        delivery = next;
    }
}

/* A job that waits for something (a lease, a breaker, its turn) is not the keeper's: it goes on. */
static void stop_head(struct poller *poller, const struct partition *it)
{
    size_t slot = (size_t)(it - poller->table.items);
    for (const struct delivery *d = poller->oldest; d != NULL; d = d->newer) {
        bool is_head = d->partition == slot && d->epoch == poller->table.epoch &&
                       d->message.offset == it->map.committed;
        if (!is_head || !keeper_stop_of(&poller->rt->keeper, d, STOP_HEAD))
            continue;
        metric_add(&poller->rt->metrics.heads_stopped, 1);
        LOG_AT(LOG_WARN, "job.head_of_line", LOG_TEXT("topic", it->topic),
               LOG_INT("partition", it->number), LOG_INT("offset", it->map.committed),
               LOG_INT("span", offset_map_span(&it->map)));
        return;
    }
}

void poller_check_heads(struct poller *poller)
{
    int64_t now_us = clock_monotonic_us();
    for (size_t i = 0; i < poller->table.count; i++) {
        struct partition *it = &poller->table.items[i];
        bool is_stuck = offset_map_is_stuck(&it->map);
        if (!is_stuck || it->stuck_since_us == 0)
            it->stuck_since_us = is_stuck ? now_us : 0;
        if (is_stuck &&
            now_us - it->stuck_since_us >= poller->rt->conf->head_of_line_ms * US_PER_MS)
            stop_head(poller, it);
    }
}

void poller_drop_waiting(struct poller *poller)
{
    while (poller->delayed != NULL) {
        struct delivery *delivery = poller->delayed;
        poller->delayed = delivery_next(delivery);
        poller->delayed_count--;
        poller_free(poller, delivery);
    }
    for (size_t i = 0; i < poller->table.count; i++) {
        while (poller->table.items[i].held_head != NULL)
            poller_free(poller, partitions_unhold(&poller->table, &poller->table.items[i]));
    }
}

void poller_pause(struct poller *poller, struct partition *partition, bool pause)
{
    struct kafka_partition one = {.topic = partition->topic, .partition = partition->number};
    struct err err = {0};
    if (partition->is_paused == pause)
        return;
    enum outcome outcome = pause ? kafka_consumer_pause(poller->consumer, &one, 1, &err)
                                 : kafka_consumer_resume(poller->consumer, &one, 1, &err);
    if (outcome != OUTCOME_OK) {
        LOG_AT(LOG_WARN, "kafka.not_paused", LOG_TEXT("topic", one.topic), LOG_ERR_FIELDS(&err));
        return; /* what it still gives is held; a resume is tried again */
    }
    partition->is_paused = pause;
    metric_add(&poller->rt->metrics.paused, pause ? 1 : -1);
}

void poller_resume_idle(struct poller *poller)
{
    for (size_t i = 0; i < poller->table.count && !poller->is_full; i++)
        if (poller->table.items[i].held_head == NULL)
            poller_pause(poller, &poller->table.items[i], false);
}

void poller_pause_all(struct poller *poller, bool pause)
{
    for (size_t i = 0; i < poller->table.count; i++) {
        struct partition *partition = &poller->table.items[i];
        if (pause || partition->held_head == NULL)
            poller_pause(poller, partition, pause);
    }
    poller->is_full = pause;
}
