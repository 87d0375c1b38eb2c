/* offset_map: see offset_map.h. */
#include "model/offset_map.h"

#include <string.h>

static size_t place_of(const struct offset_map *map, int64_t offset)
{
    return ((uint64_t)offset & (map->window - 1)) / 64;
}

static uint64_t *word_of(const struct offset_map *map, int64_t offset)
{
    return &map->bits[place_of(map, offset)];
}

static uint64_t *left_word_of(const struct offset_map *map, int64_t offset)
{
    return &map->left_bits[place_of(map, offset)];
}

static uint64_t bit_of(int64_t offset)
{
    return UINT64_C(1) << ((uint64_t)offset % 64);
}

void offset_map_init_growing(struct offset_map *map, uint64_t *bits, size_t window, size_t max)
{
    *map = (struct offset_map){.bits = bits,
                               .left_bits = bits + window / 64,
                               .window = (uint32_t)window,
                               .window_max = (uint32_t)max,
                               .floor = INT64_MIN};
    memset(bits, 0, OFFSET_MAP_WORDS(window) * sizeof *bits);
}

void offset_map_init(struct offset_map *map, uint64_t *bits, size_t window)
{
    offset_map_init_growing(map, bits, window, window);
}

void offset_map_reset(struct offset_map *map, int64_t next)
{
    uint64_t completions = map->completions;
    offset_map_init_growing(map, map->bits, map->window, map->window_max);
    map->committed = map->next = map->restored = map->floor = map->seen = next;
    map->completions = completions + 1; /* what was told of it no longer holds */
    map->started = true;
}

/* Moves the lowest incomplete offset up to the next set bit, a word at a time. */
static void advance(struct offset_map *map)
{
    if (map->incomplete == 0 && map->waiting == 0) {
        map->committed = map->next = offset_map_top(map);
        return;
    }
    uint64_t rest;
    while (((rest = *word_of(map, map->committed) >> ((uint64_t)map->committed % 64)) & 1) == 0)
        map->committed += rest != 0 ? __builtin_ctzll(rest) : 64 - map->committed % 64;
    if (map->next < map->committed)
        map->next = map->committed;
}

/* What was restored as incomplete below `offset` and is not in the log any more is complete. */
static void drop_waiting_below(struct offset_map *map, int64_t offset)
{
    for (int64_t at = map->next; map->waiting > 0 && at < offset; at++) {
        if ((*word_of(map, at) & bit_of(at)) == 0)
            continue;
        *word_of(map, at) &= ~bit_of(at);
        map->waiting--;
    }
}

/* Below `restored`: its bit tells what became of it before. */
static enum offset_taken take_restored(struct offset_map *map, int64_t offset)
{
    bool is_waiting = (*word_of(map, offset) & bit_of(offset)) != 0;
    drop_waiting_below(map, offset);
    map->next = offset + 1;
    map->waiting -= is_waiting;
    map->incomplete += is_waiting;
    if (*word_of(map, map->committed) & bit_of(map->committed))
        return is_waiting ? OFFSET_TAKEN : OFFSET_KNOWN;
    advance(map);
    return is_waiting ? OFFSET_TAKEN : OFFSET_KNOWN;
}

enum offset_taken offset_map_take(struct offset_map *map, int64_t offset)
{
    if (!map->started || (offset < map->floor && offset < map->seen))
        offset_map_reset(map, offset);
    if (offset < map->next || offset < map->restored)
        map->seen = offset >= map->seen ? offset + 1 : map->seen;
    if (offset < map->next)
        return OFFSET_KNOWN;
    if (offset < map->restored)
        return take_restored(map, offset);
    /* With nothing under way the window may begin anywhere above. */
    int64_t lowest = map->incomplete == 0 ? offset : map->committed;
    if (offset - lowest >= (int64_t)map->window)
        return OFFSET_FULL;
    if (map->waiting > 0)
        drop_waiting_below(map, map->restored);
    map->committed = lowest;
    *word_of(map, offset) |= bit_of(offset);
    map->next = map->seen = offset + 1;
    map->incomplete++;
    return OFFSET_TAKEN;
}

bool offset_map_is_incomplete(const struct offset_map *map, int64_t offset)
{
    if (offset < map->committed || offset >= map->next)
        return false;
    return (*word_of(map, offset) & bit_of(offset)) != 0;
}

bool offset_map_complete(struct offset_map *map, int64_t offset)
{
    if (!offset_map_is_incomplete(map, offset))
        return false;
    (void)offset_map_return(map, offset);
    *word_of(map, offset) &= ~bit_of(offset);
    map->incomplete--;
    map->completions++;
    if (offset == map->committed)
        advance(map);
    return true;
}

/* ---- what is left ---- */

bool offset_map_is_left(const struct offset_map *map, int64_t offset)
{
    return map->left > 0 && offset_map_is_incomplete(map, offset) &&
           (*left_word_of(map, offset) & bit_of(offset)) != 0;
}

void offset_map_leave(struct offset_map *map, int64_t offset)
{
    if (!offset_map_is_incomplete(map, offset) || offset_map_is_left(map, offset))
        return;
    if (map->left == 0 || offset < map->lowest_left)
        map->lowest_left = offset;
    *left_word_of(map, offset) |= bit_of(offset);
    map->left++;
}

static void find_lowest_left(struct offset_map *map)
{
    uint64_t rest;
    while ((rest = *left_word_of(map, map->lowest_left) >> ((uint64_t)map->lowest_left % 64)) == 0)
        map->lowest_left += 64 - map->lowest_left % 64;
    map->lowest_left += __builtin_ctzll(rest);
}

bool offset_map_return(struct offset_map *map, int64_t offset)
{
    if (!offset_map_is_left(map, offset))
        return false;
    *left_word_of(map, offset) &= ~bit_of(offset);
    map->left--;
    if (offset == map->lowest_left && map->left > 0)
        find_lowest_left(map);
    return true;
}

void offset_map_skip_left(struct offset_map *map, int64_t offset)
{
    while (map->left > 0 && map->lowest_left < offset)
        (void)offset_map_complete(map, map->lowest_left);
}

/* ---- other memory ---- */

size_t offset_map_larger(const struct offset_map *map, int64_t offset)
{
    int64_t needed = offset - map->committed + 1;
    size_t window = map->window;
    while (window < map->window_max && (int64_t)window < needed)
        window *= 2;
    return (int64_t)window >= needed && window > map->window ? window : 0;
}

/* The bits of the absolute word of `at` that lie within the span: the first and the last one may
 * share a word of the ring. */
static uint64_t word_within(const struct offset_map *map, uint64_t word, int64_t at, int64_t top)
{
    if (at < map->committed)
        word &= ~UINT64_C(0) << ((uint64_t)map->committed % 64);
    if (top - at < 64)
        word &= (UINT64_C(1) << (top - at)) - 1;
    return word;
}

uint64_t *offset_map_move(struct offset_map *map, uint64_t *bits, size_t window)
{
    struct offset_map moved = *map;
    int64_t top = offset_map_top(map);
    moved.bits = bits;
    moved.left_bits = bits + window / 64;
    moved.window = (uint32_t)window;
    memset(bits, 0, OFFSET_MAP_WORDS(window) * sizeof *bits);
    for (int64_t at = map->committed - (int64_t)((uint64_t)map->committed % 64); at < top;
         at += 64) {
        *word_of(&moved, at) |= word_within(map, *word_of(map, at), at, top);
        *left_word_of(&moved, at) |= word_within(map, *left_word_of(map, at), at, top);
    }
    uint64_t *had = map->bits;
    *map = moved;
    return had;
}

bool offset_map_is_stuck(const struct offset_map *map)
{
    int64_t span = offset_map_span(map);
    int64_t open = (int64_t)map->incomplete + map->waiting;
    int64_t window = map->window_max < OFFSET_WINDOW_STUCK ? map->window_max : OFFSET_WINDOW_STUCK;
    return map->incomplete > 0 && span * 10 > window * 9 && open * 50 < span;
}
