/*
 * delivery: one record on its way through the process.
 *
 * Is:      poll thread -> (as an attempt) dispatcher, job thread, settler -> delivery reports ->
 *          done queue -> poll thread. The poll thread makes and frees deliveries, nobody else.
 * Owns:    its Kafka message.
 * Threads: a delivery belongs to whoever holds it; `holds` and `failed` are shared with the thread
 *          that runs delivery reports.
 */
#ifndef HAUL_RUN_DELIVERY_H
#define HAUL_RUN_DELIVERY_H

#include "io/kafka.h"
#include "model/job.h"
#include "run/queue.h"

#include <stdatomic.h>

#define LANE_JOBS (-1) /* else: the number of a retry tier */
#define DELIVERY_NOT_RETURNING (-1)

enum delivery_fate {
    FATE_DONE,  /* what it led to is delivered: its offset is complete */
    FATE_AGAIN, /* give it to the dispatcher once more, after a while */
    FATE_DROP,  /* forget it here, its offset stays incomplete: it will be delivered again */
};

struct delivery {
    struct node node;
    struct delivery *older, *newer; /* of all that live; the poll thread's */
    bool is_given_out;              /* not held back any more; the poll thread's */
    bool is_passing;                /* goes on to the bulk topic as it is; the poll thread's */
    struct kafka_message message;
    size_t partition; /* slot in the poll thread's table; of its epoch alone */
    uint64_t epoch;
    uint32_t life; /* of the partition's log */
    int lane;
    int priority;          /* enum job_priority, of its topic */
    int64_t read_us;       /* monotonic */
    int64_t not_before_us; /* wall clock; 0 = at once */
    bool is_back;          /* it was left before (run/share), and there is room for it now */
    int over_slot;         /* and it counts as returning there; else DELIVERY_NOT_RETURNING */
    int64_t again_at_us;   /* monotonic; with FATE_AGAIN */
    enum delivery_fate fate;
    /* Reports that are awaited, and one for who works on it. */
    atomic_int holds;
    atomic_bool failed; /* a report was bad: what it led to is not in Kafka */
    /* What is sent when all else that it led to is in Kafka; NULL = nothing. On the heap. */
    struct kafka_record *sequel;
    bool is_sequel_due; /* all else was there once: what is tried again is the sequel alone */
    int sequel_life;    /* the job's redrive count when it was; it may have been put back since */
};

/* NULL without memory. Takes the message over. */
struct delivery *delivery_new(struct kafka_message *message);
void delivery_free(struct delivery *delivery); /* takes NULL */

/*
 * Keeps a copy of the record, which the outbox sends when the delivery was settled as FATE_DONE and
 * all that it sent has good reports; its fate waits for that report too. No room is waited for
 * then: what finds none makes it FATE_AGAIN, as a bad report does. RETRY "no_memory".
 */
MUST_USE enum outcome delivery_set_sequel(struct delivery *delivery,
                                          const struct kafka_record *record, struct err *err);

/* Who works on it holds it; nothing has been sent, and nothing failed. */
static inline void delivery_begin(struct delivery *delivery)
{
    atomic_store(&delivery->holds, 1);
    atomic_store(&delivery->failed, false);
}

/* It can't be sent on: more than a job's record may have (JOB_RECORD_BYTES_MAX), and no copy. */
bool delivery_is_too_long(const struct delivery *delivery);

/* Of the topic of bulk jobs. */
static inline bool delivery_is_bulk(const struct delivery *delivery)
{
    return delivery->lane == LANE_JOBS && delivery->priority == JOB_BULK;
}

/* Takes NULL. */
static inline struct delivery *delivery_of(struct node *node)
{
    return (struct delivery *)(void *)node;
}
static inline struct delivery *delivery_next(const struct delivery *delivery)
{
    return delivery_of(delivery->node.next);
}

#endif
