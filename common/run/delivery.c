/* delivery: see delivery.h. */
#include "run/delivery.h"

#include "base/clock.h"

#include <stdlib.h>
#include <time.h>

void monotonic_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

void monotonic_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t timeout_us)
{
    int64_t until_us = clock_monotonic_us() + timeout_us;
    struct timespec until = {.tv_sec = until_us / US_PER_S, .tv_nsec = until_us % US_PER_S * 1000};
    (void)pthread_cond_timedwait(cond, lock, &until);
}

void delivery_queue_init(struct delivery_queue *queue, uint64_t *busy, size_t taker_count)
{
    *queue = (struct delivery_queue){.busy = busy, .taker_count = taker_count};
    pthread_mutex_init(&queue->lock, NULL);
    monotonic_cond_init(&queue->filled);
}

void delivery_queue_done(struct delivery_queue *queue)
{
    struct delivery *delivery = delivery_queue_take_all(queue, 0);
    while (delivery != NULL) {
        struct delivery *next = delivery->next;
        delivery_free(delivery);
        delivery = next;
    }
    pthread_cond_destroy(&queue->filled);
    pthread_mutex_destroy(&queue->lock);
}

void delivery_queue_push(struct delivery_queue *queue, struct delivery *delivery)
{
    delivery->next = NULL;
    pthread_mutex_lock(&queue->lock);
    if (queue->tail == NULL)
        queue->head = delivery;
    else
        queue->tail->next = delivery;
    queue->tail = delivery;
    queue->count++;
    pthread_cond_signal(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
}

static bool is_busy(const struct delivery_queue *queue, uint64_t order_key)
{
    for (size_t i = 0; order_key != 0 && i < queue->taker_count; i++) {
        if (queue->busy[i] == order_key)
            return true;
    }
    return false;
}

/* The first that may run now, unlinked; NULL when there is none. The lock is held. */
static struct delivery *unlink_first(struct delivery_queue *queue)
{
    struct delivery *before = NULL, *it = queue->head;
    while (it != NULL && is_busy(queue, it->order_key)) {
        before = it;
        it = it->next;
    }
    if (it == NULL)
        return NULL;
    if (before == NULL)
        queue->head = it->next;
    else
        before->next = it->next;
    if (queue->tail == it)
        queue->tail = before;
    queue->count--;
    it->next = NULL;
    return it;
}

struct delivery *delivery_queue_take(struct delivery_queue *queue, size_t taker)
{
    struct delivery *delivery = NULL;
    pthread_mutex_lock(&queue->lock);
    while (!queue->closed && (delivery = unlink_first(queue)) == NULL)
        pthread_cond_wait(&queue->filled, &queue->lock);
    if (delivery != NULL)
        queue->busy[taker] = delivery->order_key;
    pthread_mutex_unlock(&queue->lock);
    return delivery;
}

void delivery_queue_end(struct delivery_queue *queue, size_t taker)
{
    pthread_mutex_lock(&queue->lock);
    bool has_followers = queue->busy[taker] != 0 && queue->head != NULL;
    queue->busy[taker] = 0;
    if (has_followers)
        pthread_cond_broadcast(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
}

struct delivery *delivery_queue_take_all(struct delivery_queue *queue, int64_t timeout_us)
{
    pthread_mutex_lock(&queue->lock);
    if (queue->head == NULL && timeout_us > 0)
        monotonic_cond_wait(&queue->filled, &queue->lock, timeout_us);
    struct delivery *list = queue->head;
    queue->head = queue->tail = NULL;
    queue->count = 0;
    pthread_mutex_unlock(&queue->lock);
    return list;
}

void delivery_queue_close(struct delivery_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
}

size_t delivery_queue_count(struct delivery_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    size_t count = queue->count;
    pthread_mutex_unlock(&queue->lock);
    return count;
}

struct delivery *delivery_new(struct kafka_message *message)
{
    struct delivery *delivery = calloc(1, sizeof *delivery);
    if (delivery == NULL)
        return NULL;
    delivery->message = *message;
    *message = (struct kafka_message){0};
    delivery->lane = LANE_JOBS;
    return delivery;
}

void delivery_free(struct delivery *delivery)
{
    if (delivery == NULL)
        return;
    kafka_message_done(&delivery->message);
    free(delivery);
}
