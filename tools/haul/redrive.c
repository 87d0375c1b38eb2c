/* redrive: see redrive.h. */
#include "redrive.h"

#include "base/clock.h"
#include "base/num.h"

#define COMMIT_EVERY_US (200 * US_PER_MS)
#define WAIT_MS 50
#define LINGER_MS 5
#define DRAIN_MORE_MS 2000

static void delivered(void *ctx, void *opaque, int64_t offset, enum outcome outcome,
                      const struct err *err)
{
    struct redrive *redrive = ctx;
    struct redrive_slot *slot = opaque;
    (void)offset;
    slot->state = outcome == OUTCOME_OK ? REDRIVE_SETTLED : REDRIVE_LEFT;
    if (outcome != OUTCOME_OK && redrive->failure.outcome == OUTCOME_OK)
        redrive->failure = *err;
}

enum outcome redrive_open(struct redrive *redrive, const struct dlq_scan *scan, int64_t rate,
                          bool is_dry, struct err *err)
{
    struct cli *cli = scan->cli;
    const struct kafka_producer_options options = {.delivered = delivered,
                                                   .ctx = redrive,
                                                   .linger_ms = LINGER_MS,
                                                   .delivery_timeout_ms = cli->settings.timeout_ms};
    *redrive = (struct redrive){.scan = scan, .rate = rate};
    redrive->commits = ARENA_ARRAY(&cli->arena, int64_t, scan->count);
    redrive->is_held = ARENA_ARRAY(&cli->arena, bool, scan->count);
    TRY_ALLOC(redrive->commits, err);
    TRY_ALLOC(redrive->is_held, err);
    for (size_t i = 0; i < scan->count; i++)
        redrive->commits[i] = -1;
    if (is_dry)
        return OUTCOME_OK;
    return kafka_producer_open(&cli->settings.kafka, &options, &redrive->producer, err);
}

void redrive_close(struct redrive *redrive)
{
    kafka_producer_close(redrive->producer, 0);
    redrive->producer = NULL;
}

/* ---- what is settled ---- */

static void take_settled(struct redrive *redrive)
{
    while (redrive->count > 0 && redrive->slots[redrive->first].state != REDRIVE_SENT) {
        const struct redrive_slot *slot = &redrive->slots[redrive->first];
        bool *is_held = &redrive->is_held[slot->partition];
        *is_held = *is_held || slot->state == REDRIVE_LEFT;
        if (!*is_held)
            redrive->commits[slot->partition] = slot->offset + 1;
        redrive->first = (redrive->first + 1) % REDRIVE_WINDOW;
        redrive->count--;
    }
}

static enum outcome commit(struct redrive *redrive, struct err *err)
{
    const struct dlq_scan *scan = redrive->scan;
    redrive->commit_due_us = clock_monotonic_us() + COMMIT_EVERY_US;
    for (size_t i = 0; i < scan->count; i++) {
        const struct kafka_partition done = {
            .topic = scan->topic, .partition = (int32_t)i, .offset = redrive->commits[i]};
        if (redrive->producer == NULL || redrive->commits[i] < 0)
            continue;
        TRY(kafka_consumer_commit(scan->consumer, &done, 1, scan->cli->settings.timeout_ms, err));
        redrive->commits[i] = -1;
    }
    return OUTCOME_OK;
}

enum outcome redrive_settle(struct redrive *redrive, int64_t timeout_ms, struct err *err)
{
    if (redrive->producer != NULL)
        (void)kafka_producer_poll(redrive->producer, timeout_ms);
    take_settled(redrive);
    if (clock_monotonic_us() >= redrive->commit_due_us)
        TRY(commit(redrive, err));
    if (redrive->failure.outcome == OUTCOME_OK)
        return OUTCOME_OK;
    *err = redrive->failure;
    return err->outcome;
}

enum outcome redrive_drain(struct redrive *redrive, struct err *err)
{
    int64_t timeout_ms = redrive->scan->cli->settings.timeout_ms;
    /* Each has its report within the producer's time-out; some time for the reports themselves. */
    int64_t end_us = clock_monotonic_us() + (timeout_ms + DRAIN_MORE_MS) * US_PER_MS;
    while (redrive->count > 0 && clock_monotonic_us() < end_us) {
        (void)kafka_producer_poll(redrive->producer, WAIT_MS);
        take_settled(redrive);
    }
    TRY(commit(redrive, err));
    if (redrive->count > 0 && redrive->failure.outcome == OUTCOME_OK)
        return FAIL(err, OUTCOME_RETRY, "kafka.timeout", "%zu records have no delivery report",
                    redrive->count);
    return redrive_settle(redrive, 0, err);
}

/* ---- letters ---- */

static enum outcome add_slot(struct redrive *redrive, const struct kafka_message *letter,
                             enum redrive_state state, struct redrive_slot **ret_slot,
                             struct err *err)
{
    while (redrive->count == REDRIVE_WINDOW)
        TRY(redrive_settle(redrive, WAIT_MS, err));
    struct redrive_slot *slot = &redrive->slots[(redrive->first + redrive->count) % REDRIVE_WINDOW];
    *slot = (struct redrive_slot){redrive, letter->partition, letter->offset, state};
    redrive->count++;
    *ret_slot = slot;
    return OUTCOME_OK;
}

enum outcome redrive_pass(struct redrive *redrive, const struct kafka_message *letter, bool keep,
                          struct err *err)
{
    struct redrive_slot *slot;
    TRY(add_slot(redrive, letter, keep ? REDRIVE_LEFT : REDRIVE_SETTLED, &slot, err));
    return redrive_settle(redrive, 0, err);
}

static enum outcome keep_rate(struct redrive *redrive, struct err *err)
{
    if (redrive->rate == 0)
        return OUTCOME_OK;
    for (int64_t left_us; (left_us = redrive->next_us - clock_monotonic_us()) > 0;)
        TRY(redrive_settle(redrive, num_min_i64(left_us / US_PER_MS + 1, WAIT_MS), err));
    redrive->next_us =
        num_max_i64(redrive->next_us, clock_monotonic_us() - US_PER_S) + US_PER_S / redrive->rate;
    return OUTCOME_OK;
}

enum outcome redrive_send(struct redrive *redrive, const struct kafka_message *letter,
                          const struct kafka_record *record, struct err *err)
{
    struct redrive_slot *slot;
    TRY(keep_rate(redrive, err));
    TRY(add_slot(redrive, letter, REDRIVE_SENT, &slot, err));
    struct kafka_record sent = *record;
    sent.opaque = slot;
    enum outcome outcome;
    while ((outcome = kafka_producer_send(redrive->producer, &sent, err)) == OUTCOME_RETRY)
        TRY(redrive_settle(redrive, WAIT_MS, err));
    if (outcome == OUTCOME_OK)
        return redrive_settle(redrive, 0, err);
    slot->state = REDRIVE_LEFT;
    return outcome;
}
