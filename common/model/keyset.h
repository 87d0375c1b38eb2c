/*
 * keyset: compares two sets of rows by hashes in bounded memory.
 *
 * Is:      the arithmetic of a comparison in passes: sums by bucket first, then a map of the keys
 *          of the buckets that differ.
 * Is not:  a reader: the caller scans both sides and feeds (key hash, row hash) pairs.
 * Owns:    a keyset_map owns its table (heap).
 * Threads: one at a time.
 */
#ifndef HAUL_MODEL_KEYSET_H
#define HAUL_MODEL_KEYSET_H

#include "base/hash128.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYSET_BUCKETS 4096

struct keyset_side {
    int64_t counts[KEYSET_BUCKETS];
    struct hash128 sums[KEYSET_BUCKETS]; /* of row hashes */
};

static inline unsigned keyset_bucket(struct hash128 key)
{
    return (unsigned)(key.hi >> 52);
}
/* Pass 1: one row of one side. */
static inline void keyset_side_add(struct keyset_side *side, struct hash128 key, struct hash128 row)
{
    unsigned bucket = keyset_bucket(key);
    side->counts[bucket]++;
    side->sums[bucket] = hash128_add(side->sums[bucket], row);
}

/* Which buckets to take in the next pass 2: sets `ret_selected` (a flag a bucket) to differing
 * buckets at or after `from` whose rows of the left side number at most `capacity` together (at
 * least one bucket), and returns the bucket to go on from; KEYSET_BUCKETS when none is left. */
unsigned keyset_select(const struct keyset_side *left, const struct keyset_side *right,
                       unsigned from, int64_t capacity, bool ret_selected[KEYSET_BUCKETS]);

/* Pass 2: the left side's rows go into a map; then the right side's are looked up. */
enum keyset_verdict { KEYSET_SAME, KEYSET_DIFFERENT, KEYSET_RIGHT_ONLY };
struct keyset_map;
struct keyset_map *keyset_map_new(int64_t capacity); /* NULL without memory; 40 bytes an entry */
void keyset_map_free(struct keyset_map *map);        /* takes NULL */
void keyset_map_clear(struct keyset_map *map);
/* False when the capacity is exhausted. A key twice on the left: *ret_duplicate, first one stays.
 */
bool keyset_map_add(struct keyset_map *map, struct hash128 key, struct hash128 row,
                    bool *ret_duplicate);
/* Looks a row of the right side up and remembers that its key was seen. */
enum keyset_verdict keyset_map_check(struct keyset_map *map, struct hash128 key,
                                     struct hash128 row);
/* After all of the right side: keys of the left that were not seen or differed. A later scan of
 * the left asks for each row whether it is one of them. */
bool keyset_map_is_left_only(const struct keyset_map *map, struct hash128 key);
bool keyset_map_is_different(const struct keyset_map *map, struct hash128 key);
int64_t keyset_map_left_only_count(const struct keyset_map *map);
int64_t keyset_map_different_count(const struct keyset_map *map);

#endif
