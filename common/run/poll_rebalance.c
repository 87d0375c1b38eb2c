/* poll_rebalance: the group gives and takes partitions; see poll.h. */
#include "run/poll.h"

#include "base/clock.h"
#include "base/log.h"

#define DRAIN_STEP_US (20 * US_PER_MS)
#define QUEUE_KBYTES 8192
/* A record holds all that was fetched with it: of a flood that moves, the few that stay would hold
 * megabytes each. */
#define FETCH_BYTES (64 << 10)
#define PASS_ARENA_BYTES ((size_t)4 << 20)
#define JOBS_TOPICS 3 /* a class of priority each */

/* What is not claimed yet is dropped: by us here, by the dispatcher when it sees the epoch. */
static void end_epoch(struct poller *poller)
{
    struct runtime *rt = poller->rt;
    dispatch_give(rt, &poller->given);
    poller_drop_waiting(poller);
    poller_forget_left(poller);
    poller->commit.count = 0; /* whatever comes of it, it is no news of ours any more */
    partitions_clear(&poller->table);
    atomic_store(&rt->epoch, poller->table.epoch);
    queue_nudge(&rt->inbox);
    poller->is_full = false;
    poller->full_since_us = 0;
    metric_set(&rt->metrics.partitions, 0);
    metric_set(&rt->metrics.paused, 0);
}

void poller_assigned(void *ctx, struct kafka_partition *partitions, size_t count)
{
    struct poller *poller = ctx;
    struct err err = {0};
    end_epoch(poller);
    if (partitions_assign(&poller->table, poller->rt, partitions, count, &err) != OUTCOME_OK) {
        LOG_AT(LOG_ERROR, "kafka.not_assigned", LOG_ERR_FIELDS(&err));
        poller->is_fatal = true;
        return;
    }
    atomic_store(&poller->rt->epoch, poller->table.epoch);
    metric_set(&poller->rt->metrics.partitions, (int64_t)count);
    metric_add(&poller->rt->metrics.rebalances, 1);
    atomic_store(&poller->rt->is_assigned, true);
    if (atomic_load(&poller->rt->stopping))
        poller_pause_all(poller, true);
    LOG_AT(LOG_INFO, "kafka.assigned", LOG_INT("partitions", (int64_t)count),
           LOG_INT("epoch", (int64_t)poller->table.epoch));
}

/*
 * Jobs that still run when the wait is over go on: they hold their lease, whoever gets their
 * record next finds that out, and the ledger tells it what became of them. Those without a lease
 * are asked to stop.
 */
void poller_revoked(void *ctx, const struct kafka_partition *partitions, size_t count)
{
    struct poller *poller = ctx;
    struct runtime *rt = poller->rt;
    (void)partitions;
    dispatch_give(rt, &poller->given); /* what this very burst has read */
    atomic_store(&rt->revoking, true);
    queue_nudge(&rt->inbox);
    poller_drop_waiting(poller);
    int64_t until_us = clock_monotonic_us() + rt->conf->revoke_drain_ms * US_PER_MS;
    while (poller->live > 0 && clock_monotonic_us() < until_us) {
        metric_set(&rt->metrics.polled_us, clock_monotonic_us());
        poller_take_done(poller, DRAIN_STEP_US);
        poller_drop_waiting(poller); /* what came back to be taken again */
    }
    poller_take_done(poller, 0);
    poller_commit_last(poller);
    poller_pause_all(poller, false);
    keeper_stop_all(&rt->keeper, STOP_LEASE, true);
    atomic_store(&rt->is_assigned, false);
    end_epoch(poller);
    atomic_store(&rt->revoking, false);
    LOG_AT(LOG_INFO, "kafka.revoked", LOG_INT("partitions", (int64_t)count));
}

void poller_lost(void *ctx, const struct kafka_partition *partitions, size_t count)
{
    struct poller *poller = ctx;
    (void)partitions;
    atomic_store(&poller->rt->is_assigned, false);
    poller_pause_all(poller, false);
    keeper_stop_all(&poller->rt->keeper, STOP_LEASE, true);
    end_epoch(poller);
    LOG_AT(LOG_WARN, "kafka.lost", LOG_INT("partitions", (int64_t)count));
}

const char *poller_group(const struct runtime *rt)
{
    return rt->conf->group == NULL ? rt->jobs_topic.text : rt->conf->group;
}

enum outcome poller_open(struct poller *poller, struct runtime *rt, struct err *err)
{
    *poller = (struct poller){.rt = rt};
    const char *topics[JOBS_TOPICS + RETRY_TIER_COUNT] = {
        rt->jobs_topic.text, rt->interactive_topic.text, rt->bulk_topic.text};
    for (size_t i = 0; i < RETRY_TIER_COUNT; i++)
        topics[JOBS_TOPICS + i] = rt->retry_topics[i].text;
    struct kafka_consumer_options options = {
        .group = poller_group(rt),
        .events = {.ctx = poller,
                   .assigned = poller_assigned,
                   .revoked = poller_revoked,
                   .lost = poller_lost},
        .session_timeout_ms = rt->conf->session_timeout_ms,
        .queue_kbytes = QUEUE_KBYTES,
        .fetch_max_bytes = FETCH_BYTES,
    };
    arena_init(&poller->pass_arena, PASS_ARENA_BYTES);
    metric_set(&rt->metrics.polled_us, clock_monotonic_us());
    TRY(kafka_consumer_open(&rt->conf->kafka, &options, &poller->consumer, err));
    enum outcome outcome =
        kafka_consumer_subscribe(poller->consumer, topics, JOBS_TOPICS + RETRY_TIER_COUNT, err);
    if (outcome != OUTCOME_OK)
        kafka_consumer_close(poller->consumer);
    return outcome;
}

void poller_close(struct poller *poller)
{
    poller_take_done(poller, 0);
    poller_drop_waiting(poller);
    kafka_consumer_close(poller->consumer);
    kafka_consumer_close(poller->left.reader);
    partitions_clear(&poller->table);
    arena_done(&poller->pass_arena);
}
