/* utf8: the part of str.h that looks inside text. */
#include "base/str.h"

/* What the second byte may be after a lead byte (RFC 3629, section 4): the rule that keeps out
 * overlong forms, surrogates and what is beyond U+10FFFF. */
struct lead {
    uint8_t first, last; /* of the lead byte */
    uint8_t len;
    uint8_t low, high; /* of the second byte */
};

static const struct lead leads[] = {
    {0xC2, 0xDF, 2, 0x80, 0xBF}, {0xE0, 0xE0, 3, 0xA0, 0xBF}, {0xE1, 0xEC, 3, 0x80, 0xBF},
    {0xED, 0xED, 3, 0x80, 0x9F}, {0xEE, 0xEF, 3, 0x80, 0xBF}, {0xF0, 0xF0, 4, 0x90, 0xBF},
    {0xF1, 0xF3, 4, 0x80, 0xBF}, {0xF4, 0xF4, 4, 0x80, 0x8F},
};

unsigned utf8_sequence(const char *bytes, size_t len)
{
    const unsigned char *at = (const unsigned char *)bytes;
    if (at[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof leads / sizeof leads[0]; i++) {
        const struct lead *lead = &leads[i];
        if (at[0] < lead->first || at[0] > lead->last)
            continue;
        if (len < lead->len || at[1] < lead->low || at[1] > lead->high)
            return 0;
        for (unsigned k = 2; k < lead->len; k++) {
            if ((at[k] & 0xC0) != 0x80)
                return 0;
        }
        return lead->len;
    }
    return 0;
}

bool utf8_is_valid(const char *bytes, size_t len)
{
    size_t at = 0;
    while (at < len) {
        uint64_t word;
        while (len - at >= sizeof word) {
            memcpy(&word, bytes + at, sizeof word);
            if ((word & UINT64_C(0x8080808080808080)) != 0)
                break;
            at += sizeof word;
        }
        if (at == len)
            break;
        unsigned step = utf8_sequence(bytes + at, len - at);
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}
