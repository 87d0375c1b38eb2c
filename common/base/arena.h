/*
 * arena: memory with one lifetime: a job, a batch, a parse.
 *
 * Is:      a chain of blocks with a hard cap, snapshot and reset; all of it is freed at once.
 * Is not:  a general allocator: nothing is freed alone.
 * Owns:    its blocks. What it hands out lives until arena_done, or arena_reset to an older mark.
 * Threads: one at a time.
 *
 * Under AddressSanitizer each allocation is a malloc of its own, so that an overrun is seen.
 * For torture tests arena_fail_at(n) makes the n-th allocation from then on fail, in any arena.
 */
#ifndef HAUL_BASE_ARENA_H
#define HAUL_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena_block;

struct arena {
    struct arena_block *head; /* newest block */
    size_t used_bytes;        /* all that was handed out */
    size_t cap_bytes;         /* allocations beyond it fail */
    bool overflowed;          /* sticky: an allocation has failed */
    bool capped;              /* sticky: one was refused because of the cap */
};

struct arena_mark {
    struct arena_block *block;
    size_t block_used;
    size_t used_bytes;
};

/* An empty arena that will hand out at most `cap_bytes`. Allocates nothing yet. */
void arena_init(struct arena *arena, size_t cap_bytes);

/* Frees everything. Takes an arena that is zeroed or done. */
void arena_done(struct arena *arena);

/* Empties it for the next use: keeps one block, so that a job after a job allocates nothing. */
void arena_recycle(struct arena *arena);

/* Zeroed memory aligned for any type; NULL when the cap or the machine is exhausted, or when
 * count * size overflows. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_array(struct arena *arena, size_t count, size_t size);

/* Copies; NULL as above, or when `text` is NULL. arena_strndup ends the copy with a NUL. */
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *bytes, size_t len);
void *arena_memdup(struct arena *arena, const void *bytes, size_t len);
char *arena_printf(struct arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Everything allocated after the mark is gone after the reset. */
struct arena_mark arena_snapshot(const struct arena *arena);
void arena_reset(struct arena *arena, struct arena_mark mark);

/* Torture: the n-th allocation (1 = the next) of this thread fails, once; 0 = off. */
void arena_fail_at(uint64_t n);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_array((arena), (count), sizeof(type)))
#define ARENA_AUTO __attribute__((cleanup(arena_done)))

#endif
