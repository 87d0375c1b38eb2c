/* queue: see queue.h. */
#include "run/queue.h"

#include "base/clock.h"

#include <time.h>

/* Where several wait, glibc before 2.41 may lose a signal (its bug 25847), and a job would wait
 * for the next one: whoever waits looks again now and then. */
#define LOOK_AGAIN_US US_PER_S

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

void queue_init(struct queue *queue)
{
    *queue = (struct queue){0};
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    /* Held for a few instructions: to spin is cheaper than to sleep. */
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&queue->lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    monotonic_cond_init(&queue->filled);
}

void queue_done(struct queue *queue)
{
    pthread_cond_destroy(&queue->filled);
    pthread_mutex_destroy(&queue->lock);
}

/* The lock is held. A taker that has been woken already needs no second call of the system. */
static bool must_wake(struct queue *queue)
{
    if (queue->waking >= queue->waiting)
        return false;
    queue->waking++;
    return true;
}

/* The lock is held again. Which of the takers a wake was for does not matter: whoever comes back
 * looks at the queue. */
static void came_back(struct queue *queue)
{
    queue->waiting--;
    if (queue->waking > 0)
        queue->waking--;
}

/* The lock is held. */
static void append(struct queue *queue, struct node *first, struct node *last, size_t count)
{
    if (queue->tail == NULL)
        queue->head = first;
    else
        queue->tail->next = first;
    queue->tail = last;
    atomic_fetch_add_explicit(&queue->count, count, memory_order_relaxed);
}

void queue_push(struct queue *queue, struct node *node)
{
    node->next = NULL;
    pthread_mutex_lock(&queue->lock);
    append(queue, node, node, 1);
    bool wakes = must_wake(queue);
    pthread_mutex_unlock(&queue->lock);
    if (wakes)
        pthread_cond_signal(&queue->filled);
}

void queue_push_list(struct queue *queue, struct node *list)
{
    size_t count = 1;
    struct node *last = list;
    if (list == NULL)
        return;
    for (; last->next != NULL; last = last->next)
        count++;
    pthread_mutex_lock(&queue->lock);
    append(queue, list, last, count);
    bool wakes = must_wake(queue);
    queue->waking = queue->waiting;
    pthread_mutex_unlock(&queue->lock);
    if (wakes)
        pthread_cond_broadcast(&queue->filled);
}

/* The lock is held. */
static struct node *unlink_first(struct queue *queue)
{
    struct node *node = queue->head;
    if (node == NULL)
        return NULL;
    queue->head = node->next;
    if (queue->head == NULL)
        queue->tail = NULL;
    atomic_fetch_sub_explicit(&queue->count, 1, memory_order_relaxed);
    node->next = NULL;
    return node;
}

struct node *queue_take(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    while (!queue->closed && queue->head == NULL) {
        queue->waiting++;
        monotonic_cond_wait(&queue->filled, &queue->lock, LOOK_AGAIN_US);
        came_back(queue);
    }
    struct node *node = unlink_first(queue);
    pthread_mutex_unlock(&queue->lock);
    return node;
}

struct node *queue_try(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    struct node *node = unlink_first(queue);
    pthread_mutex_unlock(&queue->lock);
    return node;
}

struct node *queue_take_all(struct queue *queue, int64_t timeout_us)
{
    pthread_mutex_lock(&queue->lock);
    if (queue->head == NULL && timeout_us > 0 && !queue->nudged && !queue->closed) {
        queue->waiting++;
        monotonic_cond_wait(&queue->filled, &queue->lock, timeout_us);
        came_back(queue);
    }
    struct node *list = queue->head;
    queue->head = queue->tail = NULL;
    atomic_store_explicit(&queue->count, 0, memory_order_relaxed);
    queue->nudged = false;
    pthread_mutex_unlock(&queue->lock);
    return list;
}

void queue_nudge(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->nudged = true;
    bool wakes = must_wake(queue);
    queue->waking = queue->waiting;
    pthread_mutex_unlock(&queue->lock);
    if (wakes)
        pthread_cond_broadcast(&queue->filled);
}

void queue_close(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
}

size_t queue_count(struct queue *queue)
{
    return atomic_load_explicit(&queue->count, memory_order_relaxed);
}

bool queue_is_closed(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool is_closed = queue->closed && queue->head == NULL;
    pthread_mutex_unlock(&queue->lock);
    return is_closed;
}
