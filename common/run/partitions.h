/*
 * partitions: the poll thread's table of what it reads: offsets, held records, pauses.
 *
 * Is:      the state of one assignment (an epoch). A new assignment is a new table. What is
 * complete beyond the committed offsets is read from the commits' metadata, and written there.
 * Owns:    the deliveries that it holds back.
 * Threads: the poll thread alone.
 */
#ifndef HAUL_RUN_PARTITIONS_H
#define HAUL_RUN_PARTITIONS_H

#include "model/offset_map_encode.h"
#include "run/runtime.h"

/* Offsets between the lowest incomplete one and the highest: where a map begins, in the partition
 * itself; it grows up to OFFSET_WINDOW_MAX, 64 KiB. */
#define PARTITION_WINDOW 256

#define PARTITION_LEFT_MAX 32

/* How long the oldest of what is left may have waited. That it was read is not noted for each: all
 * from `mark` on were read after `mark_us`, and all that are left after `since_us`. */
struct partition_left_age {
    int64_t since_us; /* monotonic; 0 = nothing is left */
    int64_t mark, mark_us;
};

/* Of a workspace so many records are left (poll_left.c). */
struct partition_left {
    uint64_t share; /* share_number of it */
    uint32_t count; /* 0 = the row is free */
    bool is_ordered;
};

struct partition {
    char topic[TOPIC_NAME_SIZE];
    int32_t number;
    int lane;
    int priority;
    struct offset_map map;
    uint64_t first_bits[OFFSET_MAP_WORDS(PARTITION_WINDOW)];
    uint64_t *more_bits;    /* of a map that has grown; NULL = first_bits are used */
    int64_t committed;      /* by us or before us; KAFKA_OFFSET_NONE = never */
    int64_t end;            /* of the log, when it was last heard of; 0 = not yet */
    uint32_t life;          /* of its log: one that was made anew has the same offsets once more */
    uint64_t told, telling; /* map.completions as it was committed, as it is in the commit sent */
    bool has_text;          /* what is committed has a map with it */
    bool is_too_large;      /* the map did not fit the last time */
    int64_t stuck_since_us; /* monotonic; its head holds back a full window; 0 = it does not */
    /* Read, and waiting for their time or for room in the window; in order. */
    struct delivery *held_head, *held_tail;
    bool is_paused;
    struct partition_left *left; /* PARTITION_LEFT_MAX; NULL = of nobody */
    struct partition_left_age left_age;
    uint64_t left_waits_for; /* who had no credit for its last that came back; 0 = nobody */
};

struct partitions {
    uint64_t epoch;
    size_t count;
    struct partition *items;
    size_t last_found;
    size_t next_news; /* modulo the count */
    size_t held;
    char *texts;      /* OFFSET_MAP_TEXT_SIZE each; pages that no map needs are never touched */
    bool is_textless; /* the broker takes no maps with commits */
};

/* A new epoch with these; the old table must be cleared. */
MUST_USE enum outcome partitions_assign(struct partitions *table, const struct runtime *rt,
                                        const struct kafka_partition *list, size_t count,
                                        struct err *err);
/* Forgets all, frees what is held, ends the epoch: completions of it are ignored from now on. */
void partitions_clear(struct partitions *table);

/* NULL when it is not of this assignment. */
struct partition *partitions_find(struct partitions *table, const char *topic, int32_t number);

/* Puts a delivery behind the others that wait there. */
void partitions_hold(struct partitions *table, struct partition *partition,
                     struct delivery *delivery);
struct delivery *partitions_unhold(struct partitions *table, struct partition *partition);

/* After OFFSET_FULL: true when the map has grown and `offset` fits. */
bool partitions_grow(struct partition *partition, int64_t offset);

/* The commits that are news: up to `max` into `ret_list`; topics and maps point into the table,
 * where they stay as they are until the next call. */
size_t partitions_news(struct partitions *table, struct kafka_partition *ret_list, size_t max);
/* What the last call gave was taken. */
void partitions_committed(struct partitions *table, const struct kafka_partition *list,
                          size_t count);

#endif
