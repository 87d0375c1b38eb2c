/*
 * offset_map: which records of one partition are done, when they finish in any order.
 *
 * Is:      a window of bits over the offsets from the lowest incomplete one up. What is committed
 * is that lowest one: after a crash nothing undone is skipped. What is complete beyond it stands in
 * the commit's metadata (model/offset_map_encode), so that it is not done again.
 * Is not:  a consumer. Owns:    nothing; the bits are the caller's, who gives more of them when
 * offset_map_larger asks. Threads: one at a time.
 *
 * A record may be left: read, and given to nobody, to be read again. It is as incomplete as any,
 * but the map can tell which these are.
 *
 * Offsets that the partition skips (compaction, transaction markers) count as complete.
 * Invariants: committed <= every incomplete offset < top, committed <= next,
 * top - committed <= window. Reading and committing only go up, but for one case: a record below
 * `floor` and `seen` means that the log itself was cut, and the map begins anew there.
 */
#ifndef HAUL_MODEL_OFFSET_MAP_H
#define HAUL_MODEL_OFFSET_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest window: a flood of one workspace that is left to be read again should fit. Kafka's
 * 4096 characters of metadata hold 24,552 bits, or more in runs. */
#define OFFSET_WINDOW_MAX 262144
/* What a stuck head holds back. */
#define OFFSET_WINDOW_STUCK 32768

struct offset_map {
    uint64_t *bits;       /* 1 = incomplete: below `next` taken, above it restored; a ring */
    uint64_t *left_bits;  /* 1 = of these, left; as long, behind them */
    uint32_t window;      /* a power of two, 64 to OFFSET_WINDOW_MAX */
    uint32_t window_max;  /* what it may grow to */
    uint32_t incomplete;  /* taken and not yet complete */
    uint32_t waiting;     /* restored as incomplete, not yet taken */
    uint32_t left;        /* of `incomplete` */
    int64_t committed;    /* lowest incomplete offset; next when none is */
    int64_t next;         /* one above the highest offset that was taken */
    int64_t lowest_left;  /* while any is left */
    int64_t restored;     /* one above the highest offset that was restored; else <= next */
    int64_t floor;        /* what is committed at the broker */
    int64_t seen;         /* one above the last record that was offered; below what is complete
                             when that was restored. Reading never goes below both by itself */
    uint64_t completions; /* ever: tells whether there is news for the metadata */
    uint64_t checked;     /* completions + next when the encoded size was last looked at */
    bool started;         /* false: the first taken offset sets committed and next */
    bool is_pressed;      /* what that look said */
};

#define OFFSET_MAP_WORDS(window) ((window) / 64 * 2)

/* `bits` has OFFSET_MAP_WORDS(window) words. The map waits for its first offset. */
void offset_map_init(struct offset_map *map, uint64_t *bits, size_t window);
/* The same, and it may grow: see offset_map_larger. */
void offset_map_init_growing(struct offset_map *map, uint64_t *bits, size_t window, size_t max);

/* Empties it; the next record will be `next` or above (the place where reading begins). */
void offset_map_reset(struct offset_map *map, int64_t next);

enum offset_taken {
    OFFSET_TAKEN,
    OFFSET_KNOWN, /* was taken before, or was restored as complete: not to be done */
    OFFSET_FULL,  /* beyond the window: nothing is changed; try again with a larger one
                     (offset_map_larger), or when the lowest is done */
};
/* A record was read. What lies between the last one and it counts as complete. One below `floor`
 * and `seen` is TAKEN and the map forgets all else: committed is then below what was committed. */
enum offset_taken offset_map_take(struct offset_map *map, int64_t offset);

/* True when it was incomplete before. Offsets that were never taken change nothing. */
bool offset_map_complete(struct offset_map *map, int64_t offset);

/* Taken and not yet complete? */
bool offset_map_is_incomplete(const struct offset_map *map, int64_t offset);

/* What was taken is left. No-op unless it is incomplete. */
void offset_map_leave(struct offset_map *map, int64_t offset);
bool offset_map_is_left(const struct offset_map *map, int64_t offset);
/* It was read again, and is not left any more; nor is what is complete. True when it was. */
bool offset_map_return(struct offset_map *map, int64_t offset);
/* What is left below `offset` is not in the log any more: it counts as complete. */
void offset_map_skip_left(struct offset_map *map, int64_t offset);

/* `offset` was committed at the broker: a record below it, that was read before, can only come of a
 * log that was cut. */
static inline void offset_map_set_floor(struct offset_map *map, int64_t offset)
{
    map->floor = offset;
}

/* After OFFSET_FULL: the window that `offset` needs; 0 when it has to wait. */
size_t offset_map_larger(const struct offset_map *map, int64_t offset);
/* Goes on in other memory (OFFSET_MAP_WORDS(window) words, any content) that holds the span;
 * returns the bits that it had, for their owner to free. Also makes it smaller. */
uint64_t *offset_map_move(struct offset_map *map, uint64_t *bits, size_t window);

/* One above the highest offset that is known of. */
static inline int64_t offset_map_top(const struct offset_map *map)
{
    return map->restored > map->next ? map->restored : map->next;
}
/* Offsets from the lowest incomplete one to the highest known one, both counted. */
static inline int64_t offset_map_span(const struct offset_map *map)
{
    return offset_map_top(map) - map->committed;
}
/* How many of them are complete already. */
static inline int64_t offset_map_beyond(const struct offset_map *map)
{
    return offset_map_span(map) - map->incomplete - map->waiting;
}

/* Head-of-line blocking: more than 90 % of OFFSET_WINDOW_STUCK offsets (of the whole window, if
 * that is smaller) are behind the lowest incomplete one, and more than 98 % of them are done. The
 * stuck head is then `committed`. */
bool offset_map_is_stuck(const struct offset_map *map);

#endif
