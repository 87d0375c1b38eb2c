/* poll_depth: what the poll thread tells the metrics: how much waits, in the process and before it
 * in Kafka; see poll.h. */
#include "run/poll.h"

#include "base/clock.h"
#include "base/num.h"

#define ASK_TIMEOUT_MS 200
#define ASK_AGAIN_US (10 * US_PER_S) /* after a failure: an outage must not slow the loop down */

/* A retry topic that waits is not fetched from: its end is asked for, one partition at a time, in
 * turns; a round trip a commit interval. */
static void ask_end_of(struct poller *poller, struct partition *it, int64_t now_us)
{
    struct err ignored = {0};
    struct kafka_partition asked = {.topic = it->topic, .partition = it->number};
    if (kafka_consumer_end(poller->consumer, &asked, ASK_TIMEOUT_MS, &ignored) == OUTCOME_OK)
        it->end = asked.offset;
    else
        poller->ask_due_us = now_us + ASK_AGAIN_US;
}

/* Of what is fetched from, the client library knows the end. */
void poller_ask_end(struct poller *poller)
{
    struct partitions *table = &poller->table;
    int64_t now_us = clock_monotonic_us();
    bool has_asked = now_us < poller->ask_due_us;
    size_t first = poller->ask_next;
    for (size_t i = 0; i < table->count; i++) {
        struct partition *it = &table->items[(first + i) % table->count];
        int64_t seen = kafka_consumer_end_seen(poller->consumer, it->topic, it->number);
        it->end = num_max_i64(it->end, seen);
        if (!it->is_paused || has_asked)
            continue;
        has_asked = true;
        ask_end_of(poller, it, now_us);
        poller->ask_next = first + i + 1;
    }
}

/* Records of a partition that are not complete, those that are not read yet too. */
static int64_t waiting_in(const struct partition *it)
{
    int64_t from = it->map.started ? it->map.committed : num_max_i64(it->committed, 0);
    int64_t end = it->map.started ? num_max_i64(it->end, offset_map_top(&it->map)) : it->end;
    return num_max_i64(end - from - offset_map_beyond(&it->map), 0);
}

/* Of what is with the others of the process, or was read past; 0 = of nothing. */
static int64_t oldest_read_us(struct poller *poller)
{
    int64_t now_us = clock_monotonic_us(), oldest_us = INT64_MAX;
    const struct delivery *oldest = poller->oldest;
    while (oldest != NULL && !oldest->is_given_out)
        oldest = oldest->newer;
    if (oldest != NULL)
        oldest_us = oldest->read_us;
    for (size_t i = 0; i < poller->table.count; i++) {
        int64_t since_us = poller_left_since_us(&poller->table.items[i], now_us);
        if (since_us != 0)
            oldest_us = num_min_i64(oldest_us, since_us);
    }
    return oldest_us == INT64_MAX ? 0 : oldest_us;
}

void poller_publish(struct poller *poller)
{
    struct metrics *metrics = &poller->rt->metrics;
    int64_t incomplete = 0, beyond = 0, uncommitted = 0;
    int64_t retry[RETRY_TIER_COUNT] = {0}, jobs[JOB_PRIORITY_COUNT] = {0};
    for (size_t i = 0; i < poller->table.count; i++) {
        const struct partition *it = &poller->table.items[i];
        incomplete += it->map.incomplete;
        beyond += offset_map_beyond(&it->map);
        if (it->map.started)
            uncommitted += offset_map_top(&it->map) - num_max_i64(it->committed, it->map.floor);
        *(it->lane == LANE_JOBS ? &jobs[it->priority] : &retry[it->lane]) += waiting_in(it);
    }
    metric_set(&metrics->oldest_read_us, oldest_read_us(poller));
    for (size_t i = 0; i < RETRY_TIER_COUNT; i++)
        metric_set(&metrics->retry_waiting[i], retry[i]);
    for (size_t i = 0; i < JOB_PRIORITY_COUNT; i++)
        metric_set(&metrics->jobs_waiting[i], jobs[i]);
    metric_set(&metrics->left, (int64_t)poller->left.count);
    metric_set(&metrics->offsets_incomplete, incomplete);
    metric_set(&metrics->offsets_beyond, beyond);
    metric_set(&metrics->offsets_uncommitted, uncommitted);
    metric_set(&metrics->held, (int64_t)(poller->table.held + poller->delayed_count));
    metric_set(&metrics->unsettled, (int64_t)poller->live);
}
