/* outbox: see outbox.h. */
#include "run/outbox.h"

#include "base/clock.h"
#include "base/log.h"
#include "run/thread.h"

#include <stdlib.h>

#define POLL_MS 100
/* Events of one partition that go together cost the broker, and us, a part of what each alone does:
 * with 5 ms jobs that do nothing are an eighth slower. No job waits for it, its readers do. */
#define LINGER_MS 20
#define QUEUE_RECORDS 30000 /* for what poll.c lets be unsettled */
#define FULL_WAIT_US (2 * US_PER_MS)
#define AGAIN_AFTER_US US_PER_S
/* A longer outage only means that a job thread looks into the ledger once more. */
#define DELIVERY_TIMEOUT_MS 120000

static enum outcome send_once(struct outbox *outbox, const struct kafka_record *record,
                              struct err *err)
{
    pthread_rwlock_rdlock(&outbox->lock);
    enum outcome outcome = kafka_producer_send(outbox->producer, record, err);
    pthread_rwlock_unlock(&outbox->lock);
    return outcome;
}

/* True: its report is awaited, the delivery may be gone. Never waits: reports run here. */
static bool send_sequel(struct outbox *outbox, struct delivery *delivery)
{
    struct kafka_record *sequel = delivery->sequel;
    struct err err = {0};
    bool is_due = delivery->fate == FATE_DONE && !atomic_load(&delivery->failed);
    bool is_sent = false;
    if (sequel == NULL)
        return false;
    delivery->sequel = NULL;
    if (is_due) {
        delivery->is_sequel_due = true;
        sequel->opaque = delivery;
        atomic_store(&delivery->holds, 1);
        is_sent = !atomic_load(&outbox->stopping) && send_once(outbox, sequel, &err) == OUTCOME_OK;
    }
    if (!is_sent)
        atomic_store(&delivery->failed, true);
    if (err.outcome != OUTCOME_OK)
        LOG_AT(LOG_ERROR, "kafka.not_sent", LOG_ERR_FIELDS(&err));
    free(sequel);
    return is_sent;
}

/* True: it was the last, the delivery is done. */
static bool drop_hold(struct outbox *outbox, struct delivery *delivery)
{
    if (atomic_fetch_sub(&delivery->holds, 1) != 1 || send_sequel(outbox, delivery))
        return false;
    if (atomic_load(&delivery->failed) && delivery->fate == FATE_DONE) {
        delivery->fate = FATE_AGAIN;
        delivery->again_at_us = clock_monotonic_us() + AGAIN_AFTER_US;
    }
    return true;
}

/* Reports come many at a time: one wake of the poll thread for all of them. */
static void give_done(struct outbox *outbox)
{
    queue_push_list(outbox->done, outbox->reported);
    outbox->reported = NULL;
}

static void on_delivered(void *ctx, void *opaque, int64_t offset, enum outcome outcome,
                         const struct err *err)
{
    struct outbox *outbox = ctx;
    struct delivery *delivery = opaque;
    (void)offset;
    if (outcome != OUTCOME_OK) {
        atomic_fetch_add(&outbox->failures, 1);
        LOG_AT(LOG_ERROR, "kafka.not_delivered", LOG_ERR_FIELDS(err));
    }
    if (delivery == NULL)
        return;
    if (outcome != OUTCOME_OK)
        atomic_store(&delivery->failed, true);
    if (drop_hold(outbox, delivery)) {
        delivery->node.next = outbox->reported;
        outbox->reported = &delivery->node;
    }
}

static enum outcome open_producer(struct outbox *outbox, struct err *err)
{
    struct kafka_producer_options options = {.delivered = on_delivered,
                                             .ctx = outbox,
                                             .linger_ms = LINGER_MS,
                                             .queue_messages = QUEUE_RECORDS,
                                             .delivery_timeout_ms = DELIVERY_TIMEOUT_MS,
                                             .compress = outbox->compress};
    return kafka_producer_open(outbox->conf, &options, &outbox->producer, err);
}

/* A dead producer reports all it still has when it is closed: without the lock, since a sequel is
 * sent by the new one meanwhile. */
static void replace_if_dead(struct outbox *outbox)
{
    struct err err = {0};
    if (kafka_producer_check(outbox->producer, &err) == OUTCOME_OK)
        return;
    LOG_AT(LOG_ERROR, "kafka.producer_replaced", LOG_ERR_FIELDS(&err));
    pthread_rwlock_wrlock(&outbox->lock);
    struct kafka_producer *dead = outbox->producer;
    enum outcome outcome = open_producer(outbox, &err);
    pthread_rwlock_unlock(&outbox->lock);
    if (outcome == OUTCOME_OK)
        kafka_producer_close(dead, 0);
    else
        LOG_AT(LOG_ERROR, "kafka.producer_failed", LOG_ERR_FIELDS(&err));
    give_done(outbox);
}

static void *run(void *arg)
{
    struct outbox *outbox = arg;
    int64_t checked_us = 0;
    while (!atomic_load(&outbox->stopping)) {
        (void)kafka_producer_poll(outbox->producer, POLL_MS);
        give_done(outbox);
        int64_t now_us = clock_monotonic_us();
        if (now_us - checked_us > US_PER_S) {
            checked_us = now_us;
            replace_if_dead(outbox);
        }
    }
    return NULL;
}

enum outcome outbox_open(struct outbox *outbox, const struct kafka_conf *conf, bool compress,
                         struct queue *done, struct err *err)
{
    *outbox = (struct outbox){.conf = conf, .compress = compress, .done = done};
    TRY(open_producer(outbox, err));
    pthread_rwlock_init(&outbox->lock, NULL);
    enum outcome outcome = thread_start(&outbox->thread, "outbox", run, outbox, err);
    if (outcome != OUTCOME_OK)
        kafka_producer_close(outbox->producer, 0);
    return outcome;
}

void outbox_close(struct outbox *outbox, int64_t flush_ms)
{
    atomic_store(&outbox->stopping, true);
    pthread_join(outbox->thread, NULL);
    kafka_producer_close(outbox->producer, flush_ms);
    give_done(outbox);
    pthread_rwlock_destroy(&outbox->lock);
}

enum outcome outbox_offer(struct outbox *outbox, struct kafka_record *record,
                          struct delivery *delivery, struct err *err)
{
    record->opaque = delivery;
    atomic_fetch_add(&delivery->holds, 1);
    enum outcome outcome = send_once(outbox, record, err);
    if (outcome != OUTCOME_OK)
        atomic_fetch_sub(&delivery->holds, 1); /* who works on it has its own: it stays */
    return outcome;
}

enum outcome outbox_send(struct outbox *outbox, struct kafka_record *record,
                         struct delivery *delivery, struct err *err)
{
    enum outcome outcome;
    record->opaque = NULL;
    if (delivery == NULL)
        return send_once(outbox, record, err);
    while ((outcome = outbox_offer(outbox, record, delivery, err)) == OUTCOME_RETRY &&
           !atomic_load(&outbox->stopping))
        clock_sleep_us(FULL_WAIT_US);
    return outcome;
}

void outbox_settle(struct outbox *outbox, struct delivery *delivery, enum delivery_fate fate)
{
    delivery->fate = fate;
    if (drop_hold(outbox, delivery))
        queue_push(outbox->done, &delivery->node);
}

size_t outbox_pending(struct outbox *outbox)
{
    pthread_rwlock_rdlock(&outbox->lock);
    size_t pending = kafka_producer_pending(outbox->producer);
    pthread_rwlock_unlock(&outbox->lock);
    return pending;
}
