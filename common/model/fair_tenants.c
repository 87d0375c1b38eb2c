/* fair_tenants: see fair_private.h. */
#include "model/fair_private.h"

#include <stdlib.h>

#define BUCKETS_FIRST 64
#define SPARE_MAX 256 /* tenants come and go with every job of a small workspace */

/* Multiplying spreads what is in the low bits upwards; so the upper half is used. */
static struct fair_node **bucket_of(const struct fair_table *table, uint64_t key)
{
    uint64_t mixed = (key ^ key >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    return &table->buckets[(size_t)(mixed >> 32) & (table->bucket_count - 1)];
}

static struct fair_node *chain_of(const struct fair_table *table, uint64_t key)
{
    return table->buckets == NULL ? table->first : *bucket_of(table, key);
}

struct fair_node *fair_table_find(const struct fair_table *table, uint64_t key)
{
    for (struct fair_node *node = chain_of(table, key); node != NULL; node = node->chain)
        if (node->key == key)
            return node;
    return NULL;
}

static struct fair_node **head_of(struct fair_table *table, uint64_t key)
{
    return table->buckets == NULL ? &table->first : bucket_of(table, key);
}

static void link_node(struct fair_table *table, struct fair_node *node)
{
    struct fair_node **head = head_of(table, node->key);
    node->chain = *head;
    *head = node;
}

static void relink_chain(struct fair_table *table, struct fair_node *node)
{
    while (node != NULL) {
        struct fair_node *next = node->chain;
        link_node(table, node);
        node = next;
    }
}

static void grow(struct fair_table *table)
{
    size_t wanted = table->bucket_count == 0 ? BUCKETS_FIRST : 2 * table->bucket_count;
    struct fair_node **buckets = calloc(wanted, sizeof(struct fair_node *));
    if (buckets == NULL)
        return;
    struct fair_table old = *table;
    table->buckets = buckets;
    table->bucket_count = wanted;
    table->first = NULL;
    relink_chain(table, old.first);
    for (size_t i = 0; i < old.bucket_count; i++)
        relink_chain(table, old.buckets[i]);
    free(old.buckets);
}

void fair_table_add(struct fair_table *table, struct fair_node *node)
{
    if (table->count >= table->bucket_count)
        grow(table);
    link_node(table, node);
    table->count++;
}

void fair_table_remove(struct fair_table *table, struct fair_node *node)
{
    struct fair_node **at = head_of(table, node->key);
    while (*at != node)
        at = &(*at)->chain;
    *at = node->chain;
    table->count--;
}

void fair_table_done(struct fair_table *table)
{
    free(table->buckets);
    *table = (struct fair_table){0};
}

/* Puts the item behind `prev`; NULL = first. */
static void insert_behind(struct fair_list *list, struct fair_item *prev, struct fair_item *item)
{
    item->prev = prev;
    item->next = prev == NULL ? list->first : prev->next;
    *(prev == NULL ? &list->first : &prev->next) = item;
    *(item->next == NULL ? &list->last : &item->next->prev) = item;
}

void fair_list_append(struct fair_list *list, struct fair_item *item)
{
    insert_behind(list, list->last, item);
}

void fair_list_insert_by_number(struct fair_list *list, struct fair_item *item)
{
    struct fair_item *prev = list->last;
    while (prev != NULL && prev->number > item->number)
        prev = prev->prev;
    insert_behind(list, prev, item);
}

void fair_list_remove(struct fair_list *list, struct fair_item *item)
{
    *(item->prev == NULL ? &list->first : &item->prev->next) = item->next;
    *(item->next == NULL ? &list->last : &item->next->prev) = item->prev;
    item->prev = item->next = NULL;
}

struct fair_tenant *fair_tenant_find(const struct fair *fair, uint64_t tenant)
{
    return (struct fair_tenant *)fair_table_find(&fair->tenants, tenant);
}

size_t fair_tenant_aside(const struct fair *fair, uint64_t tenant)
{
    const struct fair_tenant *found = fair_tenant_find(fair, tenant);
    return found == NULL ? 0 : found->aside;
}

size_t fair_aside_tenants(const struct fair *fair)
{
    return fair->aside_tenants;
}

struct most {
    bool is_aside;
    size_t count;
    uint64_t tenant;
};

static void see(const struct fair_node *node, struct most *most)
{
    for (; node != NULL; node = node->chain) {
        const struct fair_tenant *tenant = (const struct fair_tenant *)node;
        size_t count = most->is_aside ? tenant->aside : tenant->queued - tenant->aside;
        if (count <= most->count)
            continue;
        most->count = count;
        most->tenant = node->key;
    }
}

static size_t greatest(const struct fair *fair, bool is_aside, uint64_t *ret_tenant)
{
    struct most most = {.is_aside = is_aside};
    see(fair->tenants.first, &most);
    for (size_t i = 0; i < fair->tenants.bucket_count; i++)
        see(fair->tenants.buckets[i], &most);
    if (most.count > 0)
        *ret_tenant = most.tenant;
    return most.count;
}

size_t fair_greatest_backlog(const struct fair *fair, uint64_t *ret_tenant)
{
    return greatest(fair, false, ret_tenant);
}

size_t fair_greatest_aside(const struct fair *fair, uint64_t *ret_tenant)
{
    return greatest(fair, true, ret_tenant);
}

struct fair_tenant *fair_tenant_get(struct fair *fair, uint64_t key)
{
    struct fair_tenant *tenant = fair_tenant_find(fair, key);
    if (tenant != NULL)
        return tenant;
    tenant = fair->spare;
    if (tenant != NULL) {
        fair->spare = (struct fair_tenant *)tenant->node.chain;
        fair->spare_count--;
    } else {
        tenant = malloc(sizeof *tenant);
    }
    if (tenant == NULL)
        return NULL;
    *tenant = (struct fair_tenant){.node.key = key};
    for (size_t i = 0; i < FAIR_PRIORITY_COUNT; i++)
        tenant->lanes[i].tenant = tenant;
    fair_table_add(&fair->tenants, &tenant->node);
    return tenant;
}

void fair_tenant_leave(struct fair *fair, struct fair_tenant *tenant)
{
    if (tenant->queued > 0 || tenant->in_flight > 0)
        return;
    fair_table_remove(&fair->tenants, &tenant->node);
    if (fair->spare_count >= SPARE_MAX) {
        free(tenant);
        return;
    }
    tenant->node.chain = (struct fair_node *)fair->spare;
    fair->spare = tenant;
    fair->spare_count++;
}
