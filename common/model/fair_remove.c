/* fair_remove: taking out what matches; see fair.h. */
#include "model/fair_private.h"

struct removal {
    struct fair *fair;
    bool (*matches)(struct fair_item *item, void *context);
    void *context;
    struct fair_item *first, **end; /* the chain so far */
};

/* Only chained at first: taking one out may forget its tenant, or move others to another list. */
static void match_list(struct removal *removal, const struct fair_list *list)
{
    for (struct fair_item *item = list->first; item != NULL; item = item->next) {
        if (removal->matches != NULL && !removal->matches(item, removal->context))
            continue;
        *removal->end = item;
        removal->end = &item->matched;
    }
}

static void match_tenant(struct removal *removal, struct fair_node *node)
{
    struct fair_tenant *tenant = (struct fair_tenant *)node;
    for (size_t i = 0; i < FAIR_PRIORITY_COUNT; i++) {
        match_list(removal, &tenant->lanes[i].called);
        match_list(removal, &tenant->lanes[i].line);
    }
}

static void match_waiting(struct removal *removal, struct fair_node *node)
{
    char *holder = (char *)node - offsetof(struct fair_item, holder);
    match_list(removal, &((struct fair_item *)holder)->waiting);
}

static void visit_nodes(struct removal *removal, const struct fair_table *table,
                        void (*visit)(struct removal *removal, struct fair_node *node))
{
    for (struct fair_node *node = table->first; node != NULL; node = node->chain)
        visit(removal, node);
    for (size_t i = 0; i < table->bucket_count; i++)
        for (struct fair_node *node = table->buckets[i]; node != NULL; node = node->chain)
            visit(removal, node);
}

struct fair_item *fair_remove_matching(struct fair *fair,
                                       bool (*matches)(struct fair_item *item, void *context),
                                       void *context)
{
    struct removal removal = {.fair = fair, .matches = matches, .context = context};
    removal.end = &removal.first;
    visit_nodes(&removal, &fair->keys, match_waiting);
    visit_nodes(&removal, &fair->tenants, match_tenant);
    *removal.end = NULL;
    for (struct fair_item *item = removal.first; item != NULL; item = item->matched)
        fair_remove(fair, item);
    return removal.first;
}
