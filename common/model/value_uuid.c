/* value: see value.h. UUIDs as text (RFC 9562, section 4). */
#include "model/value.h"

/* Where the groups of digits begin in the text, and how many bytes each gives. */
static const struct {
    uint8_t at, bytes;
} groups[] = {{0, 4}, {9, 2}, {14, 2}, {19, 2}, {24, 6}};
#define GROUP_COUNT (sizeof groups / sizeof groups[0])

bool uuid_parse(const char *text, size_t len, uint8_t ret_bytes[16])
{
    uint8_t bytes[16], *to = bytes;
    if (len != 36)
        return false;
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        if (i > 0 && text[groups[i].at - 1] != '-')
            return false;
        if (!hex_parse(text + groups[i].at, groups[i].bytes, to))
            return false;
        to += groups[i].bytes;
    }
    memcpy(ret_bytes, bytes, sizeof bytes);
    return true;
}

void uuid_format(const uint8_t bytes[16], char to[36])
{
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        if (i > 0)
            to[groups[i].at - 1] = '-';
        hex_format(bytes, groups[i].bytes, to + groups[i].at);
        bytes += groups[i].bytes;
    }
}
