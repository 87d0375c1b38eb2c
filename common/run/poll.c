/* poll: see poll.h. */
#include "run/poll.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "model/job.h"
#include "run/dispatch.h"
#include "run/share.h"
#include "run/signals.h"

#define POLL_MS 50
#define SEEK_TIMEOUT_MS 2000
#define HELD_POLL_MS 5
#define FULL_GRACE_US (300 * US_PER_MS) /* pausing drops what was prefetched: not for a moment */
/* With what a worker buffers, three events each: what the producer's queue holds. */
#define UNSETTLED_MAX 6144
#define MEMORY_US (200 * US_PER_MS)   /* until memory may be there again */
#define BURST_MAX 256                 /* records between two looks at the rest */
#define COMPANY_US US_PER_MS          /* with enough to do, for more than one to be done */
#define STOP_GRACE_US (3 * US_PER_S)  /* for jobs to see that they should stop */
#define ABORT_GRACE_US (2 * US_PER_S) /* for threads to leave their waits */

/* ---- records in ---- */

static void give_out(struct poller *poller, struct delivery *delivery)
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

/* Bulk jobs fill half of what is buffered, so that the others are always read on; again from half
 * of that. */
static bool has_room(struct poller *poller, const struct delivery *delivery)
{
    int64_t bulk_max = (poller->rt->conf->buffered_jobs_max + 1) / 2;
    int64_t bulk = metric_get(&poller->rt->metrics.buffered_bulk);
    if (!delivery_is_bulk(delivery))
        return true;
    poller->is_bulk_full = poller->is_bulk_full ? bulk * 2 > bulk_max : bulk >= bulk_max;
    return !poller->is_bulk_full;
}

/* False: it has to wait for its time or for room. */
static bool admit(struct poller *poller, struct partition *partition, struct delivery *delivery)
{
    struct offset_map *map = &partition->map;
    int64_t offset = delivery->message.offset;
    if (!is_due(poller, delivery) || !has_room(poller, delivery))
        return false;
    /* What was restored has its room already. */
    if (offset >= offset_map_top(map) && offset_map_is_pressed(map))
        return false;
    enum offset_taken taken = offset_map_take(map, offset);
    if (taken == OFFSET_FULL && partitions_grow(partition, offset))
        taken = offset_map_take(map, offset);
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
    if (!poller_pass_on(poller, delivery))
        give_out(poller, delivery);
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

static void take_message(struct poller *poller, struct kafka_message *message)
{
    struct partition *partition =
        partitions_find(&poller->table, message->topic, message->partition);
    if (partition == NULL || atomic_load(&poller->rt->stopping)) {
        kafka_message_done(message); /* not complete: it will be delivered again */
        return;
    }
    struct delivery *delivery = delivery_new(message);
    if (delivery == NULL) {
        read_again(poller, message);
        kafka_message_done(message);
        return;
    }
    poller_link(poller, delivery);
    metric_add(&poller->rt->metrics.records_read, 1);
    delivery->partition = (size_t)(partition - poller->table.items);
    delivery->epoch = poller->table.epoch;
    delivery->lane = partition->lane;
    delivery->priority = partition->priority;
    delivery->read_us = clock_monotonic_us();
    if (delivery->lane != LANE_JOBS)
        delivery->not_before_us = read_not_before(&delivery->message);
    if (partition->held_head != NULL || !admit(poller, partition, delivery)) {
        partitions_hold(&poller->table, partition, delivery);
        poller_pause(poller, partition, true);
    }
}

static void try_held(struct poller *poller)
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

static void try_delayed(struct poller *poller)
{
    int64_t now_us = clock_monotonic_us();
    struct delivery *delivery = poller->delayed;
    poller->delayed = NULL;
    poller->delayed_count = 0;
    while (delivery != NULL) {
        struct delivery *next = delivery_next(delivery);
        if (delivery->again_at_us > now_us)
            poller_delay(poller, delivery);
        else
            give_out(poller, delivery);
        delivery = next;
    }
}

/* ---- back-pressure ---- */

/* What moves to the bulk topic is here for a moment only: as much again as is buffered. */
static int64_t load_of(const struct poller *poller)
{
    const struct runtime *rt = poller->rt;
    int64_t moving = num_min_i64(metric_get(&rt->metrics.moving), rt->conf->buffered_jobs_max);
    return metric_get(&rt->metrics.buffered) - moving + (int64_t)poller->delayed_count;
}

/* Half of what is too much, so as not to pause for each job; but what filled it may pass on now. */
static bool is_below_half(const struct poller *poller, size_t unsettled)
{
    int64_t max = poller->rt->conf->buffered_jobs_max, load = load_of(poller);
    bool is_open = share_is_any_over(poller->rt) ? load < max : load * 2 <= max;
    return is_open && unsettled <= UNSETTLED_MAX / 2 + (size_t)max &&
           !poller_has_enough_passing(poller);
}

/* Hysteresis: full at the bound, open again at half of it. True: read nothing now. */
static bool is_backed_up(struct poller *poller)
{
    int64_t max = poller->rt->conf->buffered_jobs_max;
    size_t unsettled = poller->live - poller->passing;
    bool is_over = load_of(poller) >= max || unsettled >= UNSETTLED_MAX + (size_t)max ||
                   poller_has_enough_passing(poller);
    int64_t now_us = clock_monotonic_us();
    if (poller->is_full) {
        if (is_below_half(poller, unsettled))
            poller_pause_all(poller, false);
        return poller->is_full;
    }
    if (!is_over) {
        poller->full_since_us = 0;
        return false;
    }
    if (poller->full_since_us == 0)
        poller->full_since_us = now_us;
    if (now_us - poller->full_since_us >= FULL_GRACE_US)
        poller_pause_all(poller, true);
    return true;
}

/* ---- the loop ---- */

/* True: a record came. */
static bool poll_once(struct poller *poller, int64_t timeout_ms)
{
    struct kafka_message message = {0};
    struct err err = {0};
    enum outcome outcome = kafka_consumer_poll(poller->consumer, timeout_ms, &message, &err);
    if (outcome != OUTCOME_OK) {
        LOG_AT(LOG_WARN, "kafka.consumer", LOG_ERR_FIELDS(&err));
        poller->is_fatal = strcmp(err.code, "kafka.fatal") == 0;
    } else if (message.native != NULL) {
        take_message(poller, &message);
        return true;
    }
    return false;
}

/* What is there already, up to a bound. */
static void poll_burst(struct poller *poller, int64_t timeout_ms)
{
    int64_t max = poller->rt->conf->buffered_jobs_max;
    for (int i = 0; i < BURST_MAX && load_of(poller) < max; i++) {
        if (poller_has_enough_passing(poller) || !poll_once(poller, i == 0 ? timeout_ms : 0))
            return;
    }
}

static void go_round(struct poller *poller)
{
    int64_t now_us = clock_monotonic_us();
    metric_set(&poller->rt->metrics.polled_us, now_us);
    poller_take_done(poller, 0);
    if (poller->delayed != NULL)
        try_delayed(poller);
    if (poller->table.held > 0)
        try_held(poller);
    poller_commit(poller);
    if (now_us >= poller->work_due_us) {
        poller->work_due_us = now_us + poller->rt->conf->commit_interval_ms * US_PER_MS;
        poller_check_heads(poller);
        poller_ask_end(poller);
        poller_publish(poller);
    }
    dispatch_give(poller->rt, &poller->given);
    if (is_backed_up(poller)) {
        if (poller->is_full)
            (void)poll_once(poller, 0);
        clock_sleep_us(COMPANY_US);
        poller_take_done(poller, POLL_MS * US_PER_MS / 10);
        return;
    }
    bool waits = poller->table.held > 0 || poller->delayed != NULL;
    poll_burst(poller, waits ? HELD_POLL_MS : POLL_MS);
    dispatch_give(poller->rt, &poller->given);
}

/* True: all job threads have ended. */
static bool wait_for_threads(struct poller *poller, int64_t timeout_us)
{
    struct runtime *rt = poller->rt;
    int64_t until_us = clock_monotonic_us() + timeout_us;
    while (atomic_load(&rt->threads_alive) > 0 && clock_monotonic_us() < until_us) {
        metric_set(&rt->metrics.polled_us, clock_monotonic_us());
        if (!poller->is_fatal)
            (void)poll_once(poller, 0);
        poller_take_done(poller, POLL_MS * US_PER_MS / 5);
        poller_commit(poller);
    }
    return atomic_load(&rt->threads_alive) == 0;
}

static bool drain(struct poller *poller)
{
    struct runtime *rt = poller->rt;
    LOG_AT(LOG_INFO, "worker.draining", LOG_INT("running", metric_get(&rt->metrics.running)),
           LOG_INT("grace_ms", rt->conf->drain_timeout_ms));
    atomic_store(&rt->stopping, true);
    queue_nudge(&rt->inbox);
    poller_pause_all(poller, true);
    poller_drop_waiting(poller);
    bool is_done = wait_for_threads(poller, rt->conf->drain_timeout_ms * US_PER_MS);
    if (!is_done) {
        keeper_stop_all(&rt->keeper, STOP_SHUTDOWN, false);
        is_done = wait_for_threads(poller, STOP_GRACE_US);
    }
    atomic_store(&rt->aborting, true);
    if (!is_done)
        is_done = wait_for_threads(poller, ABORT_GRACE_US);
    poller->answers_until_us = clock_monotonic_us() + POLLER_ANSWER_WAIT_US;
    while (poller->live > 0 && is_done && clock_monotonic_us() < poller->answers_until_us)
        poller_take_done(poller, POLL_MS * US_PER_MS);
    poller_commit_last(poller);
    return is_done;
}

bool poller_run(struct poller *poller)
{
    struct runtime *rt = poller->rt;
    while (!signals_is_stop_asked() && !atomic_load(&rt->has_bug) && !poller->is_fatal)
        go_round(poller);
    return drain(poller);
}
