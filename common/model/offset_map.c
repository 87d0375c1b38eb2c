/* offset_map: see offset_map.h. */
#include "model/offset_map.h"

#include <string.h>

static uint64_t *word_of(const struct offset_map *map, int64_t offset)
{
    return &map->bits[((uint64_t)offset & (map->window - 1)) / 64];
}

static uint64_t bit_of(int64_t offset)
{
    return UINT64_C(1) << ((uint64_t)offset % 64);
}

void offset_map_init(struct offset_map *map, uint64_t *bits, size_t window)
{
    *map = (struct offset_map){.bits = bits, .window = window};
    memset(bits, 0, OFFSET_MAP_WORDS(window) * sizeof *bits);
}

void offset_map_reset(struct offset_map *map, int64_t next)
{
    offset_map_init(map, map->bits, map->window);
    map->committed = map->next = next;
    map->started = true;
}

enum offset_taken offset_map_take(struct offset_map *map, int64_t offset)
{
    if (!map->started)
        offset_map_reset(map, offset);
    if (offset < map->next)
        return OFFSET_KNOWN;
    /* With nothing under way the window may begin anywhere above. */
    int64_t lowest = map->incomplete == 0 ? offset : map->committed;
    if (offset - lowest >= (int64_t)map->window)
        return OFFSET_FULL;
    map->committed = lowest;
    *word_of(map, offset) |= bit_of(offset);
    map->next = offset + 1;
    map->incomplete++;
    return OFFSET_TAKEN;
}

bool offset_map_is_incomplete(const struct offset_map *map, int64_t offset)
{
    if (offset < map->committed || offset >= map->next)
        return false;
    return (*word_of(map, offset) & bit_of(offset)) != 0;
}

/* Moves the lowest incomplete offset up to the next set bit, a word at a time. */
static void advance(struct offset_map *map)
{
    if (map->incomplete == 0) {
        map->committed = map->next;
        return;
    }
    while (!offset_map_is_incomplete(map, map->committed)) {
        uint64_t rest = *word_of(map, map->committed) >> ((uint64_t)map->committed % 64);
        map->committed += rest != 0 ? __builtin_ctzll(rest) : 64 - map->committed % 64;
    }
}

bool offset_map_complete(struct offset_map *map, int64_t offset)
{
    if (!offset_map_is_incomplete(map, offset))
        return false;
    *word_of(map, offset) &= ~bit_of(offset);
    map->incomplete--;
    if (offset == map->committed)
        advance(map);
    return true;
}
