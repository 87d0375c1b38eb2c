/*
 * encode_numeric: canonical decimal text into the server's digits of base 10000.
 *
 * Source: the server's numeric_recv: count, weight, sign, scale, digits, each of 16 bits.
 */
#include "pg_private.h"

#define OUT_OF_RANGE "22003"
#define INVALID_TEXT "22P02"

static void set_u16(char *to, uint16_t value)
{
    value = __builtin_bswap16(value);
    memcpy(to, &value, sizeof value);
}

static void set_u32(char *to, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(to, &value, sizeof value);
}

#define SIGN_NEGATIVE 0x4000
#define HEADER_BYTES 8 /* count, weight, sign, scale */
#define GROUP_DIGITS 4
#define GROUPS_MAX 32767

static const struct {
    const char *text;
    uint16_t sign;
} specials[] = {{"NaN", 0xc000}, {"Infinity", 0xd000}, {"-Infinity", 0xf000}};

static void set_header(char *to, size_t groups, int weight, uint16_t sign, size_t scale)
{
    set_u32(to, (uint32_t)(HEADER_BYTES + 2 * groups));
    set_u16(to + 4, (uint16_t)groups);
    set_u16(to + 6, (uint16_t)weight);
    set_u16(to + 8, sign);
    set_u16(to + 10, (uint16_t)scale);
}

static const char *encode_special(struct slice text, struct str *out)
{
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++) {
        if (!slice_is(text, specials[i].text))
            continue;
        char *at = str_reserve(out, 4 + HEADER_BYTES);
        if (at == NULL)
            return NULL;
        set_header(at, 0, 0, specials[i].sign, 0);
        out->len += 4 + HEADER_BYTES;
        return NULL;
    }
    return INVALID_TEXT;
}

/* Up to four digits as one group; -1 when one is none. */
static int read_group(const char *digits, size_t len)
{
    unsigned group = 0, bad = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned char)digits[i] - (unsigned)'0';
        bad |= digit > 9;
        group = group * 10 + digit;
    }
    return bad ? -1 : (int)group;
}

/* A decimal's digits on both sides of the point. */
struct decimal {
    struct slice integer, fraction;
    bool negative;
};

static struct decimal split_decimal(struct slice text)
{
    struct decimal decimal = {.negative = text.len > 0 && text.data[0] == '-'};
    const char *at = text.data + decimal.negative, *end = text.data + text.len;
    const char *point = at;
    while (point < end && *point != '.')
        point++;
    decimal.integer = (struct slice){at, (size_t)(point - at)};
    decimal.fraction = (struct slice){end, 0};
    if (point < end)
        decimal.fraction = (struct slice){point + 1, (size_t)(end - point - 1)};
    if (decimal.integer.len == 1 && *at == '0')
        decimal.integer.len = 0;
    return decimal;
}

/* The groups of the integer part, the first one short; false on what is no digit. */
static bool put_integer(struct slice digits, char **to)
{
    size_t at = 0, first = digits.len % GROUP_DIGITS;
    for (size_t len = first == 0 ? GROUP_DIGITS : first; at < digits.len; len = GROUP_DIGITS) {
        int group = read_group(digits.data + at, len);
        if (group < 0)
            return false;
        set_u16(*to, (uint16_t)group);
        *to += 2;
        at += len;
    }
    return true;
}

/* The groups of the fraction, the last one filled up with zeros. */
static bool put_fraction(struct slice digits, char **to)
{
    static const int fill[] = {1, 1000, 100, 10};
    for (size_t at = 0; at < digits.len; at += GROUP_DIGITS) {
        size_t len = digits.len - at < GROUP_DIGITS ? digits.len - at : GROUP_DIGITS;
        int group = read_group(digits.data + at, len);
        if (group < 0)
            return false;
        set_u16(*to, (uint16_t)(group * fill[len % GROUP_DIGITS]));
        *to += 2;
    }
    return true;
}

static bool is_zero_group(const char *group)
{
    return group[0] == 0 && group[1] == 0;
}

/* The column's scale; -1 when it keeps any number of digits. */
static int scale_of(int typmod)
{
    return typmod < 4 ? -1 : (((typmod - 4) & 0x7ff) ^ 1024) - 1024;
}

const char *pgc_encode_numeric(const struct encode_column *to, const struct column *column,
                               size_t row, struct str *out)
{
    struct slice text = column_bytes(column, row);
    struct decimal decimal = split_decimal(text);
    int scale = scale_of(to->typmod);
    if (scale >= 0 && decimal.fraction.len > (size_t)scale && text.data[text.len - 1] <= '9')
        return OUT_OF_RANGE;
    size_t before = (decimal.integer.len + GROUP_DIGITS - 1) / GROUP_DIGITS;
    size_t behind = (decimal.fraction.len + GROUP_DIGITS - 1) / GROUP_DIGITS;
    if (before + behind > GROUPS_MAX)
        return OUT_OF_RANGE;
    char *start = str_reserve(out, 4 + HEADER_BYTES + 2 * (before + behind));
    if (start == NULL)
        return NULL;
    char *first = start + 4 + HEADER_BYTES, *end = first;
    if (!put_integer(decimal.integer, &end) || !put_fraction(decimal.fraction, &end))
        return encode_special(text, out);
    int weight = (int)before - 1;
    char *begin = first;
    for (; begin < end && is_zero_group(begin); begin += 2)
        weight--;
    while (end > begin && is_zero_group(end - 2))
        end -= 2;
    size_t groups = (size_t)(end - begin) / 2;
    if (begin != first)
        memmove(first, begin, 2 * groups);
    set_header(start, groups, groups == 0 ? 0 : weight, decimal.negative ? SIGN_NEGATIVE : 0,
               decimal.fraction.len);
    out->len += 4 + HEADER_BYTES + 2 * groups;
    return NULL;
}
