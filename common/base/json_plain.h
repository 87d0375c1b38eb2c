/*
 * json_plain: how much of a text stands for itself in a JSON string (RFC 8259, section 7).
 *
 * Is:      the one scan that reading and writing of JSON strings share, eight bytes at a time.
 * Is not:  a check of UTF-8: a run ends at the first byte beyond ASCII.
 * Owns:    nothing. Threads: any.
 */
#ifndef HAUL_BASE_JSON_PLAIN_H
#define HAUL_BASE_JSON_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline bool json_is_plain(char c)
{
    return (unsigned char)c >= 0x20 && (unsigned char)c < 0x80 && c != '"' && c != '\\';
}

#define JSON_PLAIN_EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* True when all of eight bytes are plain. A borrow may only make a byte behind one that is not look
 * like it too. */
static inline bool json_are_plain(uint64_t eight)
{
    uint64_t quote = eight ^ JSON_PLAIN_EACH('"'), backslash = eight ^ JSON_PLAIN_EACH('\\');
    uint64_t found = (eight - JSON_PLAIN_EACH(0x20)) | (quote - JSON_PLAIN_EACH(1)) |
                     (backslash - JSON_PLAIN_EACH(1)) | eight;
    return (found & JSON_PLAIN_EACH(0x80)) == 0;
}

/* The number of plain bytes that `bytes` begins with. */
static inline size_t json_plain_run(const char *bytes, size_t len)
{
    size_t at = 0;
    for (uint64_t eight; len - at >= sizeof eight; at += sizeof eight) {
        memcpy(&eight, bytes + at, sizeof eight);
        if (!json_are_plain(eight))
            break;
    }
    while (at < len && json_is_plain(bytes[at]))
        at++;
    return at;
}

#endif
