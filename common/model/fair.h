/*
 * fair: the queue of pending jobs of a worker: which of them runs next.
 *
 * Is:      three classes in strict priority, with a guard against starvation; within a class
 *          deficit round robin over tenants (one visit, one unit of cost); a cap of items in flight
 *          a tenant; items of one order key one at a time.
 * Is not:  a clock, a lock, or a judge of whether a job may run at all (breaker, rate, not before).
 * Owns:    its tables and one small record a tenant that has items; an item is the caller's, and
 *          stands still in memory from fair_push to fair_end (or its removal).
 * Threads: one at a time.
 *
 * All operations are O(1) amortised, but that an item which was passed over finds its place again
 * among those of its tenant that were passed over too.
 *
 * Guards: with work that may run, a class is passed over at most 15 times in a row, whatever waits
 * above it. An item whose order key is in flight is passed over and keeps its place: as soon as the
 * key is free it is its tenant's first. Items of one key, tenant and class keep their order; those
 * of one key in different classes or tenants run one at a time, in the order in which takes meet
 * them.
 */
#ifndef HAUL_MODEL_FAIR_H
#define HAUL_MODEL_FAIR_H

#include "base/err.h"

#include <stddef.h>

enum fair_priority { FAIR_INTERACTIVE, FAIR_DEFAULT, FAIR_BULK };
#define FAIR_PRIORITY_COUNT (FAIR_BULK + 1)
#define FAIR_COST_MAX 64
#define FAIR_PASSED_OVER_MAX 15 /* in a row; so 1 of 16 takes is its least share */

struct fair_item;
struct fair_tenant;
struct fair_lane;

struct fair_node { /* of a table */
    struct fair_node *chain;
    uint64_t key;
};

struct fair_table {
    struct fair_node **buckets, *first; /* NULL buckets: all nodes hang on `first` */
    size_t bucket_count, count;
};

struct fair_list {
    struct fair_item *first, *last;
};

enum fair_place {
    FAIR_NOWHERE, /* a zeroed item, ended or removed */
    FAIR_QUEUED,  /* in its tenant's line */
    FAIR_WAITING, /* for its order key */
    FAIR_CALLED,  /* has waited; has its key; goes before its tenant's line */
    FAIR_IN_FLIGHT,
};

/* Embedded in the caller's job. */
struct fair_item {
    /* The caller's, not changed while it is here. */
    uint64_t tenant;    /* any number that stands for the workspace */
    uint64_t order_key; /* 0 = none */
    enum fair_priority priority;
    int32_t cost;  /* 1 .. FAIR_COST_MAX, else taken for the nearer of them */
    bool is_aside; /* it is no part of its tenant's backlog */
    /* The queue's. */
    enum fair_place place;
    struct fair_node holder;  /* of the order key, while it has it */
    struct fair_list waiting; /* for the key it has */
    struct fair_item *prev, *next, *matched;
    struct fair_tenant *owner;
    uint64_t number; /* as pushed */
};

struct fair {
    struct fair_table tenants, keys;
    struct fair_lane *rings[FAIR_PRIORITY_COUNT]; /* the tenants with work, the next one first */
    int passed_over[FAIR_PRIORITY_COUNT];
    struct fair_tenant *spare; /* forgotten ones, kept for the next */
    size_t spare_count;
    size_t queued, in_flight;
    size_t aside_tenants; /* that have something queued which is aside */
    size_t tenant_in_flight_max;
    uint64_t pushed;
};

/* An empty queue, in place; `tenant_in_flight_max` 0 = no cap. Allocates nothing yet. */
void fair_init(struct fair *fair, size_t tenant_in_flight_max);

/* Frees the tables. Items that are still in it are forgotten, not touched. Takes a zeroed one. */
void fair_done(struct fair *fair);

/* Queues an item that is nowhere. Out of memory: RETRY "no_memory", and nothing has changed. */
MUST_USE enum outcome fair_push(struct fair *fair, struct fair_item *item, struct err *err);

/* The item that runs next, in flight from now on; NULL: none may run now. */
struct fair_item *fair_take(struct fair *fair);

/* An item in flight has ended, whatever came of it: its share of the cap and its key are free. */
void fair_end(struct fair *fair, struct fair_item *item);

/* Takes a queued item out; false: it is not queued (in flight, or nowhere). */
bool fair_remove(struct fair *fair, struct fair_item *item);

/* Takes out each queued item that `matches` (NULL = all): a chain through `matched`, each
 * tenant's lines in their order; NULL = none did. `matches` sees each item once, may change what is
 * around it, and may be asked for that alone. O(items). */
struct fair_item *fair_remove_matching(struct fair *fair,
                                       bool (*matches)(struct fair_item *item, void *context),
                                       void *context);

/* Items that are queued, in flight; tenants that have either. */
size_t fair_count(const struct fair *fair);
size_t fair_in_flight(const struct fair *fair);
size_t fair_tenant_count(const struct fair *fair);

/* The same of one tenant, items that are aside left out of the backlog; 0 when it is not known. */
size_t fair_tenant_backlog(const struct fair *fair, uint64_t tenant);
size_t fair_tenant_in_flight(const struct fair *fair, uint64_t tenant);
/* Its queued items that are aside; and how many tenants have any. */
size_t fair_tenant_aside(const struct fair *fair, uint64_t tenant);
size_t fair_aside_tenants(const struct fair *fair);
/* The greatest backlog of all tenants, and whose it is; 0 = none has one. O(tenants). */
size_t fair_greatest_backlog(const struct fair *fair, uint64_t *ret_tenant);
/* The same of what is aside. */
size_t fair_greatest_aside(const struct fair *fair, uint64_t *ret_tenant);

#endif
