/*
 * flow_queue: parcels (batches on their way) between a reader and a writer thread.
 *
 * Is:      two bounded queues in one: full parcels going forth, empty ones coming back; closing
 *          wakes both sides. The number of parcels bounds the memory of a lane.
 * Owns:    nothing; parcels belong to the lane that made them.
 * Threads: one reader, one writer.
 */
#ifndef HAUL_SYNC_FLOW_QUEUE_H
#define HAUL_SYNC_FLOW_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLOW_PARCELS 4

struct parcel;

struct flow_queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct parcel *full[FLOW_PARCELS], *empty[FLOW_PARCELS];
    size_t full_first, full_count, empty_count;
    bool closed;                            /* no more parcels will come, or nobody wants them */
    int64_t reader_wait_us, writer_wait_us; /* who waits for whom: the bottleneck */
};

void flow_queue_init(struct flow_queue *queue);
void flow_queue_done(struct flow_queue *queue);

/* An empty parcel; waits for one. NULL once closed. */
struct parcel *flow_queue_take_empty(struct flow_queue *queue);
void flow_queue_put_empty(struct flow_queue *queue, struct parcel *parcel);
/* Hands a full parcel on. */
void flow_queue_put_full(struct flow_queue *queue, struct parcel *parcel);
/* The next full parcel in order; waits for one. NULL once closed and drained. */
struct parcel *flow_queue_take_full(struct flow_queue *queue);
void flow_queue_close(struct flow_queue *queue);
/* The side that the other one waits for: "source", "target"; NULL = not known yet. */
const char *flow_queue_bottleneck(struct flow_queue *queue);

#endif
