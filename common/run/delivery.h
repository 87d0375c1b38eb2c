/*
 * delivery: one record on its way through the process, and the two queues that it travels by.
 *
 * Is:      poll thread -> ready queue -> job thread -> (delivery reports) -> done queue -> poll
 *          thread. The poll thread makes and frees deliveries, nobody else. Deliveries with one
 *          order key are taken one after the other: the next one when the first has been ended.
 * Owns:    its Kafka message.
 * Threads: a delivery belongs to whoever took it from a queue; `holds` and `failed` are shared with
 *          the thread that runs delivery reports.
 */
#ifndef HAUL_RUN_DELIVERY_H
#define HAUL_RUN_DELIVERY_H

#include "io/kafka.h"

#include <pthread.h>
#include <stdatomic.h>

#define LANE_JOBS (-1) /* else: the number of a retry tier */

enum delivery_fate {
    FATE_DONE,  /* what it led to is delivered: its offset is complete */
    FATE_AGAIN, /* give it to a job thread once more, after a while */
    FATE_DROP,  /* forget it here, its offset stays incomplete: it will be delivered again */
};

struct delivery {
    struct delivery *next;
    struct delivery *older, *newer; /* of all that live; the poll thread's */
    bool is_given_out;              /* not held back any more; the poll thread's */
    struct kafka_message message;
    size_t partition; /* slot in the poll thread's table; of its epoch alone */
    uint64_t epoch;
    int lane;
    int64_t read_us;       /* monotonic */
    int64_t not_before_us; /* wall clock; 0 = at once */
    int64_t again_at_us;   /* monotonic; with FATE_AGAIN */
    uint64_t order_key;    /* 0 = runs beside any other */
    enum delivery_fate fate;
    /* Reports that are awaited, and one for the job thread while it works on it. */
    atomic_int holds;
    atomic_bool failed; /* a report was bad: what it led to is not in Kafka */
};

struct delivery_queue {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct delivery *head, *tail;
    size_t count;
    bool closed;
    /* Order keys of what is worked on, an item a taker. */
    uint64_t *busy;
    size_t taker_count;
};

/* `busy` has `taker_count` items and is the caller's; NULL and 0 when nobody takes one at a time.
 */
void delivery_queue_init(struct delivery_queue *queue, uint64_t *busy, size_t taker_count);
void delivery_queue_done(struct delivery_queue *queue);
void delivery_queue_push(struct delivery_queue *queue, struct delivery *delivery);
/* Waits for one whose order key no other taker is busy with; NULL once the queue is closed. */
struct delivery *delivery_queue_take(struct delivery_queue *queue, size_t taker);
/* The taker is through with it. */
void delivery_queue_end(struct delivery_queue *queue, size_t taker);
/* All that is in it, as a list; waits at most `timeout_us` for the first. */
struct delivery *delivery_queue_take_all(struct delivery_queue *queue, int64_t timeout_us);
/* Takers get NULL from now on; what is in it stays for take_all. */
void delivery_queue_close(struct delivery_queue *queue);
size_t delivery_queue_count(struct delivery_queue *queue);

/* NULL without memory. Takes the message over. */
struct delivery *delivery_new(struct kafka_message *message);
void delivery_free(struct delivery *delivery); /* takes NULL */

/* A condition variable that waits by the monotonic clock, and a wait of at most `timeout_us`. */
void monotonic_cond_init(pthread_cond_t *cond);
void monotonic_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t timeout_us);

#endif
