/* keyset: see keyset.h. */
#include "model/keyset.h"

#include <stdlib.h>
#include <string.h>

static bool bucket_differs(const struct keyset_side *left, const struct keyset_side *right,
                           unsigned bucket)
{
    return left->counts[bucket] != right->counts[bucket] ||
           !hash128_eq(left->sums[bucket], right->sums[bucket]);
}

unsigned keyset_select(const struct keyset_side *left, const struct keyset_side *right,
                       unsigned from, int64_t capacity, bool ret_selected[KEYSET_BUCKETS])
{
    int64_t rows = 0;
    bool any = false;
    memset(ret_selected, 0, KEYSET_BUCKETS * sizeof *ret_selected);
    for (unsigned bucket = from; bucket < KEYSET_BUCKETS; bucket++) {
        if (!bucket_differs(left, right, bucket))
            continue;
        if (any && left->counts[bucket] > capacity - rows)
            return bucket;
        ret_selected[bucket] = any = true;
        rows += left->counts[bucket];
    }
    return KEYSET_BUCKETS;
}

/* ---- the map: open addressing, linear probing, at most four fifths full ---- */

enum slot_state { SLOT_EMPTY, SLOT_UNSEEN, SLOT_SAME, SLOT_DIFFERENT };

struct slot {
    struct hash128 key, row;
    uint64_t state;
};

struct keyset_map {
    struct slot *slots;
    size_t slot_count, used, capacity;
    int64_t left_only, different;
};

#define CAPACITY_MAX (INT64_C(1) << 40)

struct keyset_map *keyset_map_new(int64_t capacity)
{
    if (capacity < 0 || capacity > CAPACITY_MAX)
        return NULL;
    struct keyset_map *map = calloc(1, sizeof *map);
    if (map == NULL)
        return NULL;
    map->capacity = (size_t)capacity;
    map->slot_count = map->capacity + map->capacity / 4 + 1;
    map->slots = calloc(map->slot_count, sizeof *map->slots);
    if (map->slots == NULL) {
        free(map);
        return NULL;
    }
    return map;
}

void keyset_map_free(struct keyset_map *map)
{
    if (map == NULL)
        return;
    free(map->slots);
    free(map);
}

void keyset_map_clear(struct keyset_map *map)
{
    if (map->used > 0)
        memset(map->slots, 0, map->slot_count * sizeof *map->slots);
    map->used = 0;
    map->left_only = map->different = 0;
}

/* The key's slot, or the empty one where it belongs. The table is never full, so the walk ends. */
static struct slot *slot_of(const struct keyset_map *map, struct hash128 key)
{
    /* The bucket took the upper bits of `hi`; the lower word is still evenly spread. */
    size_t at = (size_t)(key.lo % map->slot_count);
    for (;;) {
        struct slot *slot = &map->slots[at];
        if (slot->state == SLOT_EMPTY || hash128_eq(slot->key, key))
            return slot;
        at = at + 1 == map->slot_count ? 0 : at + 1;
    }
}

bool keyset_map_add(struct keyset_map *map, struct hash128 key, struct hash128 row,
                    bool *ret_duplicate)
{
    struct slot *slot = slot_of(map, key);
    *ret_duplicate = slot->state != SLOT_EMPTY;
    if (*ret_duplicate)
        return true;
    if (map->used == map->capacity)
        return false;
    *slot = (struct slot){.key = key, .row = row, .state = SLOT_UNSEEN};
    map->used++;
    map->left_only++;
    return true;
}

enum keyset_verdict keyset_map_check(struct keyset_map *map, struct hash128 key, struct hash128 row)
{
    struct slot *slot = slot_of(map, key);
    if (slot->state == SLOT_EMPTY)
        return KEYSET_RIGHT_ONLY;
    bool same = hash128_eq(slot->row, row);
    map->left_only -= slot->state == SLOT_UNSEEN;
    if (!same) {
        map->different += slot->state != SLOT_DIFFERENT;
        slot->state = SLOT_DIFFERENT;
    } else if (slot->state == SLOT_UNSEEN) {
        slot->state = SLOT_SAME;
    }
    return same ? KEYSET_SAME : KEYSET_DIFFERENT;
}

bool keyset_map_is_left_only(const struct keyset_map *map, struct hash128 key)
{
    return slot_of(map, key)->state == SLOT_UNSEEN;
}

bool keyset_map_is_different(const struct keyset_map *map, struct hash128 key)
{
    return slot_of(map, key)->state == SLOT_DIFFERENT;
}

int64_t keyset_map_left_only_count(const struct keyset_map *map)
{
    return map->left_only;
}

int64_t keyset_map_different_count(const struct keyset_map *map)
{
    return map->different;
}
