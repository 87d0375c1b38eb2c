/* fuzz_offset_map: any text is a map or none; what is restored is written and read again as the
 * same, and taking and completing all of it commits past it. Input: eight bytes of committed
 * offset, then "t" and a text, or anything else and the body of one, whose check is made here. */
#include "fuzz.h"

#include "model/offset_map_encode.h"

#include <string.h>

static uint64_t first_bits[OFFSET_MAP_WORDS(OFFSET_WINDOW_MAX)];
static uint64_t second_bits[OFFSET_MAP_WORDS(OFFSET_WINDOW_MAX)];

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The text of magic byte + body, with the check that a writer would have made. */
static struct slice seal(int64_t committed, const uint8_t *body, size_t len, char *to)
{
    static uint8_t raw[3 * 1024 + 3];
    uint32_t a = 1, b = raw[0] = body[0];
    size_t used = 0, total = len + 2;
    for (int shift = 0; shift < 64; shift += 8) {
        a = (a + (uint8_t)((uint64_t)committed >> shift)) % 255;
        b = (b + a) % 255;
    }
    for (size_t i = 1; i < len; i++) {
        a = (a + body[i]) % 255;
        b = (b + a) % 255;
    }
    raw[1] = (uint8_t)a;
    raw[2] = (uint8_t)b;
    memcpy(raw + 3, body + 1, len - 1);
    memset(raw + total, 0, 2);
    for (size_t i = 0; i < total; i += 3) {
        uint32_t group = (uint32_t)raw[i] << 16 | (uint32_t)raw[i + 1] << 8 | raw[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6)
            to[used++] = digits[group >> shift & 63];
    }
    for (size_t i = 0; i < (3 - total % 3) % 3; i++)
        to[used - 1 - i] = '=';
    return (struct slice){to, used};
}

static void check_same(const struct offset_map *map, struct offset_map *again)
{
    static char text[OFFSET_MAP_TEXT_SIZE];
    size_t len = offset_map_encode(map, text);
    HOLDS(len == OFFSET_MAP_TOO_LARGE ||
          (len == strlen(text) && len == offset_map_encoded_len(map)));
    if (len == OFFSET_MAP_TOO_LARGE || len == 0)
        return;
    offset_map_init(again, second_bits, OFFSET_WINDOW_MAX);
    HOLDS(offset_map_restore(again, map->committed, (struct slice){text, len}));
    HOLDS(offset_map_span(again) == offset_map_span(map));
    HOLDS(offset_map_beyond(again) == offset_map_beyond(map));
    HOLDS(memcmp(first_bits, second_bits, sizeof first_bits) == 0);
}

static void run_through(struct offset_map *map)
{
    int64_t first = map->committed, top = offset_map_top(map);
    uint32_t open = map->waiting, taken = 0;
    for (int64_t at = first; at < top; at++)
        taken += offset_map_take(map, at) == OFFSET_TAKEN;
    HOLDS(taken == open && map->incomplete == open && map->waiting == 0);
    HOLDS(map->committed == first);
    for (int64_t at = top - 1; at >= first; at--)
        taken -= offset_map_complete(map, at);
    HOLDS(taken == 0 && map->committed == top && map->next == top);
    for (size_t i = 0; i < OFFSET_MAP_WORDS(OFFSET_WINDOW_MAX); i++)
        HOLDS(first_bits[i] == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static char sealed[2 * OFFSET_MAP_TEXT_SIZE];
    struct offset_map map, again;
    int64_t committed;
    if (len < 10 || len > 3000)
        return 0;
    memcpy(&committed, bytes, 8);
    struct slice text = bytes[8] == 't' ? (struct slice){(const char *)bytes + 9, len - 9}
                                        : seal(committed, bytes + 9, len - 9, sealed);
    size_t window = offset_map_text_window(committed, text);
    offset_map_init(&map, first_bits, OFFSET_WINDOW_MAX);
    bool is_map = offset_map_restore(&map, committed, text);
    HOLDS(is_map == (window != 0) && map.committed == committed && map.incomplete == 0);
    if (!is_map)
        return 0;
    HOLDS(window <= OFFSET_WINDOW_MAX && offset_map_span(&map) <= (int64_t)window);
    check_same(&map, &again);
    run_through(&map);
    return 0;
}
