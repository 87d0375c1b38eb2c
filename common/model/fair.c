/* fair: see fair.h. */
#include "model/fair_private.h"

#include <stdlib.h>

/* ---- rings ---- */

static void ring_leave(struct fair *fair, enum fair_priority priority, struct fair_lane *lane)
{
    struct fair_lane **ring = &fair->rings[priority];
    lane->prev->next = lane->next;
    lane->next->prev = lane->prev;
    if (*ring == lane)
        *ring = lane->next == lane ? NULL : lane->next;
    lane->prev = lane->next = NULL;
    if (*ring == NULL)
        fair->passed_over[priority] = 0;
}

static void ring_enter(struct fair *fair, enum fair_priority priority, struct fair_lane *lane)
{
    struct fair_lane *first = fair->rings[priority];
    if (first == NULL) {
        fair->rings[priority] = lane->prev = lane->next = lane;
        return;
    }
    lane->next = first;
    lane->prev = first->prev;
    lane->prev->next = first->prev = lane;
}

static bool is_below_cap(const struct fair *fair, const struct fair_tenant *tenant)
{
    return fair->tenant_in_flight_max == 0 || tenant->in_flight < fair->tenant_in_flight_max;
}

/* Puts the lane into its ring or takes it out, as its state asks for. */
static void lane_refresh(struct fair *fair, enum fair_priority priority, struct fair_lane *lane)
{
    bool has_items = lane->line.first != NULL || lane->called.first != NULL;
    bool belongs = has_items && is_below_cap(fair, lane->tenant);
    if (!has_items)
        lane->credit = 0; /* saved turns are no right of the one who has nothing to run */
    if (belongs && lane->next == NULL)
        ring_enter(fair, priority, lane);
    else if (!belongs && lane->next != NULL)
        ring_leave(fair, priority, lane);
}

static void tenant_refresh(struct fair *fair, struct fair_tenant *tenant)
{
    for (unsigned priority = 0; priority < FAIR_PRIORITY_COUNT; priority++)
        lane_refresh(fair, priority, &tenant->lanes[priority]);
}

static struct fair_lane *lane_of(const struct fair_item *item)
{
    return &item->owner->lanes[item->priority];
}

/* ---- order keys ---- */

static struct fair_item *holder_of(const struct fair *fair, uint64_t order_key)
{
    struct fair_node *node = fair_table_find(&fair->keys, order_key);
    if (node == NULL)
        return NULL;
    return (struct fair_item *)((char *)node - offsetof(struct fair_item, holder));
}

static void key_take(struct fair *fair, struct fair_item *item)
{
    item->holder.key = item->order_key;
    fair_table_add(&fair->keys, &item->holder);
}

/* The item's key is free: the next that waits for it has it, and those behind wait for that one. */
static void key_pass_on(struct fair *fair, struct fair_item *item)
{
    fair_table_remove(&fair->keys, &item->holder);
    struct fair_item *next = item->waiting.first;
    if (next == NULL)
        return;
    fair_list_remove(&item->waiting, next);
    next->waiting = item->waiting;
    item->waiting = (struct fair_list){0};
    key_take(fair, next);
    next->place = FAIR_CALLED;
    fair_list_insert_by_number(&lane_of(next)->called, next);
    lane_refresh(fair, next->priority, lane_of(next));
}

/* The lane's first item that may run; those whose key is in flight go to wait for it. What has
 * waited was in the line before all that is in it now. */
static struct fair_item *lane_first(struct fair *fair, struct fair_lane *lane)
{
    if (lane->called.first != NULL)
        return lane->called.first;
    for (struct fair_item *item; (item = lane->line.first) != NULL;) {
        struct fair_item *holder = item->order_key == 0 ? NULL : holder_of(fair, item->order_key);
        if (holder == NULL)
            return item;
        fair_list_remove(&lane->line, item);
        fair_list_append(&holder->waiting, item);
        item->place = FAIR_WAITING;
    }
    return NULL;
}

/* ---- taking ---- */

/* One more that is queued, or one less. */
static void tenant_count(struct fair *fair, struct fair_item *item, int more)
{
    struct fair_tenant *tenant = item->owner;
    tenant->queued += (size_t)more;
    if (!item->is_aside)
        return;
    fair->aside_tenants -= tenant->aside > 0;
    tenant->aside += (size_t)more;
    fair->aside_tenants += tenant->aside > 0;
}

/* Each visit gives a lane a unit of credit, and its first item the chance to be paid from it. */
static struct fair_item *class_first(struct fair *fair, enum fair_priority priority)
{
    for (struct fair_lane *lane; (lane = fair->rings[priority]) != NULL;) {
        struct fair_item *item = lane_first(fair, lane);
        if (item == NULL) {
            lane_refresh(fair, priority, lane);
            continue;
        }
        fair->rings[priority] = lane->next;
        if (++lane->credit >= item->cost)
            return item;
    }
    return NULL;
}

/* The class that has been passed over too often, if any; else the highest. */
static enum fair_priority class_to_begin_with(const struct fair *fair)
{
    enum fair_priority chosen = FAIR_INTERACTIVE;
    int most = FAIR_PASSED_OVER_MAX - FAIR_PRIORITY_COUNT + 2; /* two may ask at the same time */
    for (unsigned priority = FAIR_DEFAULT; priority < FAIR_PRIORITY_COUNT; priority++) {
        if (fair->passed_over[priority] < most)
            continue;
        most = fair->passed_over[priority] + 1;
        chosen = priority;
    }
    return chosen;
}

static void count_passed_over(struct fair *fair, enum fair_priority taken)
{
    for (unsigned priority = 0; priority < FAIR_PRIORITY_COUNT; priority++)
        fair->passed_over[priority] = priority == taken || fair->rings[priority] == NULL
                                          ? 0
                                          : fair->passed_over[priority] + 1;
}

static void put_in_flight(struct fair *fair, struct fair_item *item)
{
    struct fair_lane *lane = lane_of(item);
    fair_list_remove(item->place == FAIR_CALLED ? &lane->called : &lane->line, item);
    lane->credit -= item->cost;
    if (item->order_key != 0 && item->place != FAIR_CALLED)
        key_take(fair, item);
    item->place = FAIR_IN_FLIGHT;
    tenant_count(fair, item, -1);
    item->owner->in_flight++;
    fair->queued--;
    fair->in_flight++;
    tenant_refresh(fair, item->owner);
}

struct fair_item *fair_take(struct fair *fair)
{
    enum fair_priority begin = class_to_begin_with(fair);
    struct fair_item *item = class_first(fair, begin);
    for (unsigned priority = 0; item == NULL && priority < FAIR_PRIORITY_COUNT; priority++)
        item = class_first(fair, priority);
    if (item == NULL)
        return NULL;
    put_in_flight(fair, item);
    count_passed_over(fair, item->priority);
    return item;
}

/* ---- coming and going ---- */

void fair_init(struct fair *fair, size_t tenant_in_flight_max)
{
    *fair = (struct fair){.tenant_in_flight_max = tenant_in_flight_max};
}

static void free_chain(struct fair_node *node)
{
    while (node != NULL) {
        struct fair_node *next = node->chain;
        free(node); /* a tenant begins with its node */
        node = next;
    }
}

void fair_done(struct fair *fair)
{
    free_chain(fair->tenants.first);
    for (size_t i = 0; i < fair->tenants.bucket_count; i++)
        free_chain(fair->tenants.buckets[i]);
    free_chain((struct fair_node *)fair->spare);
    fair_table_done(&fair->tenants);
    fair_table_done(&fair->keys);
    fair_init(fair, 0);
}

static int32_t cost_within(int32_t cost)
{
    if (cost < 1)
        return 1;
    return cost > FAIR_COST_MAX ? FAIR_COST_MAX : cost;
}

enum outcome fair_push(struct fair *fair, struct fair_item *item, struct err *err)
{
    if (item->place != FAIR_NOWHERE || (unsigned)item->priority >= FAIR_PRIORITY_COUNT)
        return FAIL_BUG(err, "fair: an item is pushed twice, or its class is none");
    struct fair_tenant *tenant = fair_tenant_get(fair, item->tenant);
    TRY_ALLOC(tenant, err);
    item->owner = tenant;
    item->cost = cost_within(item->cost);
    item->number = ++fair->pushed;
    item->place = FAIR_QUEUED;
    item->waiting = (struct fair_list){0};
    fair_list_append(&lane_of(item)->line, item);
    tenant_count(fair, item, 1);
    fair->queued++;
    lane_refresh(fair, item->priority, lane_of(item));
    return OUTCOME_OK;
}

void fair_end(struct fair *fair, struct fair_item *item)
{
    if (item->place != FAIR_IN_FLIGHT)
        return;
    struct fair_tenant *tenant = item->owner;
    item->place = FAIR_NOWHERE;
    tenant->in_flight--;
    fair->in_flight--;
    if (item->order_key != 0)
        key_pass_on(fair, item);
    tenant_refresh(fair, tenant);
    fair_tenant_leave(fair, tenant);
}

/* Out of the list it is in; what waits for its key goes on. */
static void unlink_item(struct fair *fair, struct fair_item *item)
{
    struct fair_lane *lane = lane_of(item);
    if (item->place == FAIR_WAITING) {
        fair_list_remove(&holder_of(fair, item->order_key)->waiting, item);
        return;
    }
    fair_list_remove(item->place == FAIR_CALLED ? &lane->called : &lane->line, item);
    if (item->place == FAIR_CALLED)
        key_pass_on(fair, item);
    lane_refresh(fair, item->priority, lane);
}

bool fair_remove(struct fair *fair, struct fair_item *item)
{
    if (item->place == FAIR_NOWHERE || item->place == FAIR_IN_FLIGHT)
        return false;
    unlink_item(fair, item);
    item->place = FAIR_NOWHERE;
    tenant_count(fair, item, -1);
    fair->queued--;
    fair_tenant_leave(fair, item->owner);
    return true;
}

/* ---- counts ---- */

size_t fair_count(const struct fair *fair)
{
    return fair->queued;
}

size_t fair_in_flight(const struct fair *fair)
{
    return fair->in_flight;
}

size_t fair_tenant_count(const struct fair *fair)
{
    return fair->tenants.count;
}

size_t fair_tenant_backlog(const struct fair *fair, uint64_t tenant)
{
    const struct fair_tenant *found = fair_tenant_find(fair, tenant);
    return found == NULL ? 0 : found->queued - found->aside;
}

size_t fair_tenant_in_flight(const struct fair *fair, uint64_t tenant)
{
    const struct fair_tenant *found = fair_tenant_find(fair, tenant);
    return found == NULL ? 0 : found->in_flight;
}
