/* flow_queue: see flow_queue.h. A lock and one condition: at a few hundred parcels a second their
 * cost can't be seen, and what can be read at a glance can't hide a lost wake-up. */
#include "sync/flow_queue.h"

#include "base/clock.h"

void flow_queue_init(struct flow_queue *queue)
{
    *queue = (struct flow_queue){.full_first = 0};
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->changed, NULL);
}

void flow_queue_done(struct flow_queue *queue)
{
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
}

struct parcel *flow_queue_take_empty(struct flow_queue *queue)
{
    struct parcel *parcel = NULL;
    int64_t from_us = clock_monotonic_us();
    pthread_mutex_lock(&queue->lock);
    while (queue->empty_count == 0 && !queue->closed)
        pthread_cond_wait(&queue->changed, &queue->lock);
    if (!queue->closed)
        parcel = queue->empty[--queue->empty_count];
    queue->reader_wait_us += clock_monotonic_us() - from_us;
    pthread_mutex_unlock(&queue->lock);
    return parcel;
}

void flow_queue_put_empty(struct flow_queue *queue, struct parcel *parcel)
{
    pthread_mutex_lock(&queue->lock);
    queue->empty[queue->empty_count++] = parcel;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

void flow_queue_put_full(struct flow_queue *queue, struct parcel *parcel)
{
    pthread_mutex_lock(&queue->lock);
    queue->full[(queue->full_first + queue->full_count++) % FLOW_PARCELS] = parcel;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

struct parcel *flow_queue_take_full(struct flow_queue *queue)
{
    struct parcel *parcel = NULL;
    int64_t from_us = clock_monotonic_us();
    pthread_mutex_lock(&queue->lock);
    while (queue->full_count == 0 && !queue->closed)
        pthread_cond_wait(&queue->changed, &queue->lock);
    if (queue->full_count > 0) {
        parcel = queue->full[queue->full_first];
        queue->full_first = (queue->full_first + 1) % FLOW_PARCELS;
        queue->full_count--;
    }
    queue->writer_wait_us += clock_monotonic_us() - from_us;
    pthread_mutex_unlock(&queue->lock);
    return parcel;
}

void flow_queue_close(struct flow_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

const char *flow_queue_bottleneck(struct flow_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    int64_t source_us = queue->writer_wait_us, target_us = queue->reader_wait_us;
    pthread_mutex_unlock(&queue->lock);
    if (source_us + target_us < 100 * US_PER_MS)
        return NULL;
    return source_us > target_us ? "source" : "target";
}
