/* arena: see arena.h. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ALLOC_EACH 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ALLOC_EACH 1
#endif
#endif
#ifndef ALLOC_EACH
#define ALLOC_EACH 0
#endif

#define ALIGNMENT (alignof(max_align_t))
#define BLOCK_MIN ((size_t)2 << 10)
#define BLOCK_MAX ((size_t)256 << 10)

struct arena_block {
    struct arena_block *older;
    size_t used, size;
    size_t next_size; /* of the block that will follow: big ones alone don't disturb the growth */
    alignas(max_align_t) unsigned char bytes[];
};

static _Thread_local uint64_t fail_countdown;

void arena_fail_at(uint64_t n)
{
    fail_countdown = n;
}

void arena_init(struct arena *arena, size_t cap_bytes)
{
    *arena = (struct arena){.cap_bytes = cap_bytes};
}

static void drop_newest(struct arena *arena)
{
    struct arena_block *block = arena->head;
    arena->head = block->older;
    free(block);
}

void arena_done(struct arena *arena)
{
    while (arena->head != NULL)
        drop_newest(arena);
    arena->used_bytes = 0;
    arena->overflowed = arena->capped = false;
}

void arena_recycle(struct arena *arena)
{
    while (arena->head != NULL && (arena->head->older != NULL || ALLOC_EACH))
        drop_newest(arena);
    if (arena->head != NULL && arena->head->size != BLOCK_MIN)
        drop_newest(arena); /* the first one was made for something large */
    if (arena->head != NULL) {
        arena->head->used = 0;
        arena->head->next_size = 2 * BLOCK_MIN;
    }
    arena->used_bytes = 0;
    arena->overflowed = arena->capped = false;
}

static void *push_block(struct arena *arena, size_t size, size_t next_size, size_t take)
{
    struct arena_block *block = NULL;
    bool is_all_taken = take == size; /* the system may have zeroed pages for it */
    if (size <= SIZE_MAX - sizeof *block)
        block = is_all_taken ? calloc(1, sizeof *block + size) : malloc(sizeof *block + size);
    if (block == NULL)
        return NULL;
    if (!is_all_taken)
        memset(block->bytes, 0, take);
    block->older = arena->head;
    block->size = size;
    block->used = take;
    block->next_size = next_size;
    arena->head = block;
    return block->bytes;
}

/* Zeroed memory of a new block; what takes a good part of a block gets one of its own size. */
static void *take_from_new_block(struct arena *arena, size_t size)
{
    size_t next_size = arena->head == NULL ? BLOCK_MIN : arena->head->next_size;
    if (size > next_size / 4)
        return push_block(arena, size, next_size, size);
    size_t following = next_size < BLOCK_MAX ? next_size * 2 : BLOCK_MAX;
    return push_block(arena, next_size, following, size);
}

static void *take(struct arena *arena, size_t size)
{
    struct arena_block *head = arena->head;
    if (ALLOC_EACH)
        return push_block(arena, size, 0, size);
    if (head == NULL || head->size - head->used < size)
        return take_from_new_block(arena, size);
    void *bytes = head->bytes + head->used;
    head->used += size;
    return memset(bytes, 0, size);
}

void *arena_alloc(struct arena *arena, size_t size)
{
    bool told_to_fail = fail_countdown > 0 && --fail_countdown == 0;
    size_t rounded = size == 0 ? ALIGNMENT : (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    void *bytes = NULL;
    bool fits = rounded >= size && rounded <= arena->cap_bytes - arena->used_bytes;
    arena->capped = arena->capped || !fits;
    if (!told_to_fail && fits)
        bytes = take(arena, ALLOC_EACH ? size : rounded);
    if (bytes == NULL)
        arena->overflowed = true;
    else
        arena->used_bytes += rounded;
    return bytes;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        arena->overflowed = true;
        return NULL;
    }
    return arena_alloc(arena, total);
}

void *arena_memdup(struct arena *arena, const void *bytes, size_t len)
{
    if (bytes == NULL)
        return NULL;
    void *copy = arena_alloc(arena, len);
    if (copy != NULL && len > 0)
        memcpy(copy, bytes, len);
    return copy;
}

char *arena_strndup(struct arena *arena, const char *bytes, size_t len)
{
    if (bytes == NULL)
        return NULL;
    if (len == SIZE_MAX) {
        arena->overflowed = true;
        return NULL;
    }
    char *copy = arena_alloc(arena, len + 1);
    if (copy != NULL && len > 0)
        memcpy(copy, bytes, len);
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return text == NULL ? NULL : arena_strndup(arena, text, strlen(text));
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    char *text = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);
    if (text != NULL)
        (void)vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    va_end(args);
    return text;
}

struct arena_mark arena_snapshot(const struct arena *arena)
{
    return (struct arena_mark){.block = arena->head,
                               .block_used = arena->head == NULL ? 0 : arena->head->used,
                               .used_bytes = arena->used_bytes};
}

void arena_reset(struct arena *arena, struct arena_mark mark)
{
    while (arena->head != NULL && arena->head != mark.block)
        drop_newest(arena);
    if (arena->head != NULL)
        arena->head->used = mark.block_used;
    arena->used_bytes = mark.used_bytes;
}
