/*
 * outbox: all that a process tells Kafka, and the delivery reports of it.
 *
 * Is:      one producer and the thread that runs its reports. A delivery that sent something comes
 *          back through the done queue when the last report is in, not before. Its sequel is sent
 *          when all before it has good reports, and has a report of its own.
 * Is not:  a store: a record whose report is bad is not sent again from here. Its delivery is given
 *          to a job thread once more, and the ledger tells what to say.
 * Owns:    the producer; makes a new one when it dies.
 * Threads: send from any; open and close from one.
 */
#ifndef HAUL_RUN_OUTBOX_H
#define HAUL_RUN_OUTBOX_H

#include "run/delivery.h"

struct outbox {
    const struct kafka_conf *conf;
    bool compress;
    struct kafka_producer *producer;
    pthread_rwlock_t lock; /* written while the producer is replaced */
    pthread_t thread;
    struct queue *done;
    struct node *reported; /* to be given to it; the thread's */
    atomic_bool stopping;
    atomic_int_fast64_t failures;
};

/* Does not wait for a broker. Settled deliveries are pushed to `done`. */
MUST_USE enum outcome outbox_open(struct outbox *outbox, const struct kafka_conf *conf,
                                  bool compress, struct queue *done, struct err *err);
/* Waits at most `flush_ms` for reports; what has none by then counts as failed. */
void outbox_close(struct outbox *outbox, int64_t flush_ms);

/*
 * Queues a record. With a delivery, its fate waits for the report; the call then blocks while the
 * producer's queue is full. Without one, the record is told if there is room: RETRY
 * "kafka.queue_full" else. PERMANENT as kafka_producer_send.
 */
MUST_USE enum outcome outbox_send(struct outbox *outbox, struct kafka_record *record,
                                  struct delivery *delivery, struct err *err);

/* The same with a delivery, and without waiting: RETRY "kafka.queue_full". */
MUST_USE enum outcome outbox_offer(struct outbox *outbox, struct kafka_record *record,
                                   struct delivery *delivery, struct err *err);

/* The job thread is through with it: once no report is awaited it goes to the done queue. */
void outbox_settle(struct outbox *outbox, struct delivery *delivery, enum delivery_fate fate);

/* Records without a report. */
size_t outbox_pending(struct outbox *outbox);

#endif
