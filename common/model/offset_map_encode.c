/* offset_map_encode: see offset_map_encode.h. */
#include "model/offset_map_encode.h"

#define MAGIC_BITSET 0xb1
#define MAGIC_RUNS 0xa1
#define HEAD_BYTES 3 /* magic, check */
#define RAW_MAX (OFFSET_MAP_TEXT_MAX / 4 * 3)
#define BODY_MAX (RAW_MAX - HEAD_BYTES)
#define BODY_PRESSED (RAW_MAX / 4 * 3 - HEAD_BYTES)
#define PRESSED_STEP 256 /* changes that add at most as many bytes */

/* ---- the window as runs ---- */

/* 64 offsets from `from` on; 1 = complete. From `top` on nothing is. */
static uint64_t complete_word(const struct offset_map *map, int64_t from, int64_t top)
{
    uint64_t mask = map->window - 1, at = (uint64_t)from & mask, shift = at % 64;
    uint64_t word = map->bits[at / 64] >> shift;
    if (shift != 0)
        word |= map->bits[((at + 64) & mask) / 64] << (64 - shift);
    return top - from >= 64 ? ~word : ~word & ((UINT64_C(1) << (top - from)) - 1);
}

/* How many offsets from `from` on are all complete, or all incomplete, below `end`. */
static int64_t run_length(const struct offset_map *map, int64_t from, int64_t end, bool complete)
{
    int64_t at = from;
    while (at < end) {
        uint64_t word = complete_word(map, at, end);
        uint64_t other = complete ? ~word : word;
        if (other != 0) {
            at += __builtin_ctzll(other);
            break;
        }
        at += 64;
    }
    return (at < end ? at : end) - from;
}

/* One above the highest complete offset beyond the committed one; committed + 1 when none is. */
static int64_t end_of(const struct offset_map *map)
{
    int64_t top = offset_map_top(map), first = map->committed + 1;
    if (offset_map_beyond(map) <= 0)
        return first;
    for (int64_t from = first + (top - 1 - first) / 64 * 64; from >= first; from -= 64) {
        uint64_t word = complete_word(map, from, top);
        if (word != 0)
            return from + 64 - __builtin_clzll(word);
    }
    return first;
}

static size_t varint_len(int64_t value)
{
    return value < 0x80 ? 1 : value < 0x4000 ? 2 : 3;
}

/* The bytes that the runs up to `end` take; more than `limit` when it is more. */
static size_t runs_len(const struct offset_map *map, int64_t end, size_t limit)
{
    size_t len = 0;
    bool complete = false;
    for (int64_t at = map->committed + 1; at < end && len <= limit; complete = !complete) {
        int64_t run = run_length(map, at, end, complete);
        len += varint_len(run);
        at += run;
    }
    return len;
}

static size_t bitset_len(const struct offset_map *map, int64_t end)
{
    return (size_t)(end - map->committed - 1 + 7) / 8;
}

static size_t text_len(size_t body)
{
    return body == 0 ? 0 : body > BODY_MAX ? OFFSET_MAP_TOO_LARGE : (HEAD_BYTES + body + 2) / 3 * 4;
}

static size_t body_len(const struct offset_map *map)
{
    int64_t end = end_of(map);
    size_t bitset = bitset_len(map, end), runs = runs_len(map, end, bitset);
    return runs < bitset ? runs : bitset;
}

size_t offset_map_encoded_len(const struct offset_map *map)
{
    return text_len(body_len(map));
}

bool offset_map_is_pressed(struct offset_map *map)
{
    int64_t span = offset_map_span(map);
    if (span * 10 > (int64_t)map->window_max * 9)
        return true;
    if (span / 8 < BODY_PRESSED)
        return map->is_pressed = false;
    uint64_t changes = map->completions + (uint64_t)map->next;
    if (!map->is_pressed && changes - map->checked < PRESSED_STEP)
        return false;
    map->checked = changes;
    return map->is_pressed = body_len(map) >= BODY_PRESSED;
}

/* ---- text ---- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static size_t base64_write(const uint8_t *raw, size_t len, char *to)
{
    size_t used = 0;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t group = (uint32_t)raw[i] << 16;
        group |= i + 1 < len ? (uint32_t)raw[i + 1] << 8 : 0;
        group |= i + 2 < len ? (uint32_t)raw[i + 2] : 0;
        to[used++] = digits[group >> 18];
        to[used++] = digits[group >> 12 & 63];
        to[used++] = '=';
        to[used++] = '=';
        if (i + 1 < len)
            to[used - 2] = digits[group >> 6 & 63];
        if (i + 2 < len)
            to[used - 1] = digits[group & 63];
    }
    to[used] = '\0';
    return used;
}

/* The number of bytes; 0 when it is not base64, padded, of 1 to RAW_MAX bytes. */
static size_t base64_read(struct slice text, uint8_t ret_raw[RAW_MAX])
{
    size_t used = 0, len = text.len;
    uint32_t group = 0;
    if (len == 0 || len % 4 != 0 || len > OFFSET_MAP_TEXT_MAX)
        return 0;
    size_t padding = (size_t)(text.data[len - 1] == '=') + (text.data[len - 2] == '=');
    for (size_t i = 0; i < len - padding; i++) {
        const char *digit = memchr(digits, text.data[i], sizeof digits - 1);
        if (digit == NULL)
            return 0;
        group = group << 6 | (uint32_t)(digit - digits);
        if (i % 4 == 0)
            continue;
        ret_raw[used++] = (uint8_t)(group >> (6 - i % 4 * 2));
    }
    return used;
}

/* Fletcher's two sums: cheap, and a foreign text passes once in 65,536. */
static uint16_t check_of(int64_t committed, const uint8_t *raw, size_t len)
{
    uint32_t a = 1, b = raw[0];
    for (int shift = 0; shift < 64; shift += 8) {
        a = (a + (uint8_t)((uint64_t)committed >> shift)) % 255;
        b = (b + a) % 255;
    }
    for (size_t i = HEAD_BYTES; i < len; i++) {
        a = (a + raw[i]) % 255;
        b = (b + a) % 255;
    }
    return (uint16_t)(a << 8 | b);
}

/* ---- writing ---- */

static size_t write_bitset(const struct offset_map *map, int64_t end, uint8_t *to)
{
    size_t len = bitset_len(map, end);
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t)complete_word(map, map->committed + 1 + (int64_t)i * 8, end);
    return len;
}

static size_t write_runs(const struct offset_map *map, int64_t end, uint8_t *to)
{
    size_t used = 0;
    bool complete = false;
    for (int64_t at = map->committed + 1; at < end; complete = !complete) {
        int64_t run = run_length(map, at, end, complete);
        at += run;
        for (; run >= 0x80; run >>= 7)
            to[used++] = (uint8_t)(run | 0x80);
        to[used++] = (uint8_t)run;
    }
    return used;
}

size_t offset_map_encode(const struct offset_map *map, char ret_text[OFFSET_MAP_TEXT_SIZE])
{
    uint8_t raw[RAW_MAX];
    int64_t end = end_of(map);
    size_t bitset = bitset_len(map, end), runs = runs_len(map, end, bitset);
    size_t body = runs < bitset ? runs : bitset;
    ret_text[0] = '\0';
    if (body == 0 || body > BODY_MAX)
        return text_len(body);
    raw[0] = runs < bitset ? MAGIC_RUNS : MAGIC_BITSET;
    body = runs < bitset ? write_runs(map, end, raw + HEAD_BYTES)
                         : write_bitset(map, end, raw + HEAD_BYTES);
    uint16_t check = check_of(map->committed, raw, HEAD_BYTES + body);
    raw[1] = (uint8_t)(check >> 8);
    raw[2] = (uint8_t)check;
    return base64_write(raw, HEAD_BYTES + body, ret_text);
}

/* ---- reading ---- */

struct reader {
    const uint8_t *bytes;
    size_t len, at;
};

/* Of at most three bytes; false at the end and when it is longer. */
static bool read_varint(struct reader *reader, int64_t *ret_value)
{
    int64_t value = 0;
    for (int shift = 0; shift < 21 && reader->at < reader->len; shift += 7) {
        uint8_t byte = reader->bytes[reader->at++];
        value |= (int64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

/* The offsets that the runs cover; 0 when they are not as write_runs makes them. */
static int64_t runs_span(struct reader reader)
{
    int64_t span = 0, run;
    size_t count = 0;
    for (; reader.at < reader.len; count++) {
        if (!read_varint(&reader, &run) || (run == 0 && count > 0))
            return 0;
        span += run;
    }
    return count % 2 == 0 ? span : 0;
}

static int64_t bitset_span(struct reader reader)
{
    uint8_t last = reader.bytes[reader.len - 1];
    return last == 0 ? 0 : (int64_t)reader.len * 8 - (__builtin_clz(last) - 24);
}

/* What a text holds: how many offsets above the committed one; 0 = it is no map of it. */
static int64_t open_text(int64_t committed, struct slice text, uint8_t raw[RAW_MAX],
                         struct reader *ret_body)
{
    size_t len = base64_read(text, raw);
    if (len <= HEAD_BYTES || committed < 0 || committed > INT64_MAX - OFFSET_WINDOW_MAX)
        return 0;
    if (check_of(committed, raw, len) != (uint16_t)(raw[1] << 8 | raw[2]))
        return 0;
    *ret_body = (struct reader){.bytes = raw + HEAD_BYTES, .len = len - HEAD_BYTES};
    int64_t span = raw[0] == MAGIC_BITSET ? bitset_span(*ret_body)
                   : raw[0] == MAGIC_RUNS ? runs_span(*ret_body)
                                          : 0;
    return span < OFFSET_WINDOW_MAX ? span : 0; /* and the committed one itself */
}

size_t offset_map_text_window(int64_t committed, struct slice text)
{
    uint8_t raw[RAW_MAX];
    struct reader body;
    int64_t span = open_text(committed, text, raw, &body);
    size_t window = 64;
    while ((int64_t)window < span + 1)
        window *= 2;
    return span == 0 ? 0 : window;
}

static void set_incomplete(struct offset_map *map, int64_t offset)
{
    map->bits[((uint64_t)offset & (map->window - 1)) / 64] |= UINT64_C(1)
                                                              << ((uint64_t)offset % 64);
    map->waiting++;
}

static void restore_bitset(struct offset_map *map, struct reader body)
{
    for (int64_t at = map->committed + 1; at < map->restored; at++) {
        int64_t i = at - map->committed - 1;
        if ((body.bytes[i / 8] >> (i % 8) & 1) == 0)
            set_incomplete(map, at);
    }
}

static void restore_runs(struct offset_map *map, struct reader body)
{
    int64_t at = map->committed + 1, run = 0;
    for (bool complete = false; read_varint(&body, &run); complete = !complete) {
        for (int64_t end = at + run; at < end; at++) {
            if (!complete)
                set_incomplete(map, at);
        }
    }
}

bool offset_map_restore(struct offset_map *map, int64_t committed, struct slice text)
{
    uint8_t raw[RAW_MAX];
    struct reader body;
    int64_t span = open_text(committed, text, raw, &body);
    offset_map_reset(map, committed);
    if (span == 0 || span + 1 > (int64_t)map->window)
        return false;
    map->restored = committed + 1 + span;
    set_incomplete(map, committed);
    if (raw[0] == MAGIC_BITSET)
        restore_bitset(map, body);
    else
        restore_runs(map, body);
    return true;
}
