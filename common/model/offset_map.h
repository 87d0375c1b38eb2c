/*
 * offset_map: which records of one partition are done, when they finish in any order.
 *
 * Is:      a window of bits over the offsets from the lowest incomplete one up. What is committed
 * is that lowest one: after a crash nothing undone is skipped. Is not:  a consumer, nor the
 * encoding of the window into commit metadata (that reads this map by offset_map_committed, _next
 * and _is_complete, and restores one by _reset, _take and _complete). Owns:    nothing; the bits
 * are the caller's. Threads: one at a time.
 *
 * Offsets that the partition skips (compaction, transaction markers) count as complete.
 * Invariant: committed <= every incomplete offset < next, and next - committed <= window.
 */
#ifndef HAUL_MODEL_OFFSET_MAP_H
#define HAUL_MODEL_OFFSET_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct offset_map {
    uint64_t *bits;    /* 1 = taken and incomplete; a ring by offset */
    size_t window;     /* a power of two, at least 64 */
    int64_t committed; /* lowest incomplete offset; next when none is */
    int64_t next;      /* one above the highest offset that was taken */
    size_t incomplete;
    bool started; /* false: the first taken offset sets both */
};

#define OFFSET_MAP_WORDS(window) ((window) / 64)

/* `bits` has OFFSET_MAP_WORDS(window) words. The map waits for its first offset. */
void offset_map_init(struct offset_map *map, uint64_t *bits, size_t window);

/* Empties it; the next record will be `next` or above (the place where reading begins). */
void offset_map_reset(struct offset_map *map, int64_t next);

enum offset_taken {
    OFFSET_TAKEN,
    OFFSET_KNOWN, /* below `next`: it was taken before */
    OFFSET_FULL,  /* beyond the window: nothing is changed; try again when the lowest is done */
};
/* A record was read. What lies between the last one and it counts as complete. */
enum offset_taken offset_map_take(struct offset_map *map, int64_t offset);

/* True when it was incomplete before. Offsets that were never taken change nothing. */
bool offset_map_complete(struct offset_map *map, int64_t offset);

/* Taken and not yet complete? */
bool offset_map_is_incomplete(const struct offset_map *map, int64_t offset);

/* Offsets between the lowest incomplete one and the highest taken one, both counted. */
static inline int64_t offset_map_span(const struct offset_map *map)
{
    return map->next - map->committed;
}

#endif
