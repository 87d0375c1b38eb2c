/*
 * queue: what one thread hands to another: a list of nodes with a lock.
 *
 * Is:      first in, first out; any number of threads put in, any number take out.
 * Is not:  bounded: who puts in bounds it. The owner of what a node stands for is whoever took it.
 * Owns:    nothing but its lock.
 * Threads: any.
 *
 * A node is the first member of the struct that it stands for. Only a taker that waits is woken:
 * a queue under load costs a lock and no call of the system.
 */
#ifndef HAUL_RUN_QUEUE_H
#define HAUL_RUN_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct node {
    struct node *next;
};

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct node *head, *tail;
    atomic_size_t count; /* changed under the lock, read without */
    int waiting, waking; /* takers; those of them that were woken and are not back yet */
    bool closed, nudged;
};

void queue_init(struct queue *queue);
void queue_done(struct queue *queue);

void queue_push(struct queue *queue, struct node *node);
/* A whole list, its last `next` NULL; takes an empty one. One lock, one wake. */
void queue_push_list(struct queue *queue, struct node *list);
/* Waits for one; NULL once the queue is closed and empty. */
struct node *queue_take(struct queue *queue);
/* One if there is one. */
struct node *queue_try(struct queue *queue);
/* All that is in it, as a list; waits at most `timeout_us` for the first, or for a nudge. */
struct node *queue_take_all(struct queue *queue, int64_t timeout_us);
/* Ends a wait of take_all as if its time were over; one that comes next, when none waits. */
void queue_nudge(struct queue *queue);
void queue_close(struct queue *queue);
bool queue_is_closed(struct queue *queue); /* and empty */
size_t queue_count(struct queue *queue);

/* A condition variable that waits by the monotonic clock, and a wait of at most `timeout_us`. */
void monotonic_cond_init(pthread_cond_t *cond);
void monotonic_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t timeout_us);

#endif
