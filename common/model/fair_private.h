/*
 * fair_private: the tables and tenants of fair, for fair.c and fair_tenants.c alone.
 */
#ifndef HAUL_MODEL_FAIR_PRIVATE_H
#define HAUL_MODEL_FAIR_PRIVATE_H

#include "model/fair.h"

/* A tenant's items of one class. In the class's ring while one of them may be able to run. */
struct fair_lane {
    struct fair_tenant *tenant;
    struct fair_lane *prev, *next; /* NULL = in no ring */
    struct fair_list line;         /* as pushed */
    struct fair_list called;       /* had to wait for their key and have it now, as pushed */
    int64_t credit;
};

struct fair_tenant {
    struct fair_node node; /* first: a node is its tenant */
    struct fair_lane lanes[FAIR_PRIORITY_COUNT];
    size_t queued, in_flight;
    size_t aside; /* of the queued */
};

struct fair_node *fair_table_find(const struct fair_table *table, uint64_t key);
/* Never fails: without memory for more buckets the chains only grow longer. */
void fair_table_add(struct fair_table *table, struct fair_node *node);
void fair_table_remove(struct fair_table *table, struct fair_node *node);
void fair_table_done(struct fair_table *table);

void fair_list_append(struct fair_list *list, struct fair_item *item);
void fair_list_insert_by_number(struct fair_list *list, struct fair_item *item);
void fair_list_remove(struct fair_list *list, struct fair_item *item);

/* The tenant's record, made when it is new; NULL: out of memory. */
struct fair_tenant *fair_tenant_get(struct fair *fair, uint64_t key);
struct fair_tenant *fair_tenant_find(const struct fair *fair, uint64_t tenant);
/* Forgets it when it has nothing here any more. */
void fair_tenant_leave(struct fair *fair, struct fair_tenant *tenant);

#endif
