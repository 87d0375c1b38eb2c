/*
 * value: see value.h. Decimals as canonical text.
 *
 * Every decimal of every row passes here, so the usual form (digits, a point, digits) is read once
 * and copied; the general form (exponents) is taken only when an 'e' turns up.
 */
#include "base/num.h"
#include "model/value.h"

#include <strings.h>

static bool is_digit(char c)
{
    return (unsigned)((unsigned char)c - '0') <= 9;
}

static bool named_decimal(const char *text, size_t len, char *to, size_t *ret_len)
{
    static const struct {
        const char *text, *canonical;
    } names[] = {{"nan", "NaN"},       {"infinity", "Infinity"},
                 {"inf", "Infinity"},  {"+infinity", "Infinity"},
                 {"+inf", "Infinity"}, {"-infinity", "-Infinity"},
                 {"-inf", "-Infinity"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (len == strlen(names[i].text) && strncasecmp(text, names[i].text, len) == 0) {
            *ret_len = strlen(names[i].canonical);
            memcpy(to, names[i].canonical, *ret_len);
            return true;
        }
    }
    return false;
}

/* A number taken apart: the digits of `whole` and `fraction` one behind the other, times
 * 10^exponent. */
struct parts {
    bool negative;
    struct slice whole, fraction;
    int64_t exponent;
};

static bool take_apart(const char *text, size_t len, struct parts *ret_parts)
{
    struct parts parts = {.negative = len > 0 && text[0] == '-'};
    size_t at = len > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0, start = at;
    while (at < len && is_digit(text[at]))
        at++;
    parts.whole = (struct slice){text + start, at - start};
    if (at < len && text[at] == '.') {
        start = ++at;
        while (at < len && is_digit(text[at]))
            at++;
        parts.fraction = (struct slice){text + start, at - start};
    }
    if (parts.whole.len + parts.fraction.len == 0)
        return false;
    if (at < len && (text[at] | 0x20) == 'e') {
        at++;
        if (!num_parse_i64(text + at, len - at, &parts.exponent))
            return false;
        at = len;
    }
    if (at < len)
        return false;
    *ret_parts = parts;
    return true;
}

static char digit_at(const struct parts *parts, size_t at)
{
    return at < parts->whole.len ? parts->whole.data[at]
                                 : parts->fraction.data[at - parts->whole.len];
}

/* Writes significant digits first .. end - 1 with the point behind `point` digits of them; `point`
 * may lie before the first or behind the last. */
static bool write_plain(const struct parts *parts, size_t first, size_t end, int64_t point,
                        char *to, size_t *ret_len)
{
    int64_t digits = (int64_t)(end - first);
    int64_t zeros = point < 0 ? -point : point > digits ? point - digits : 0;
    if (digits + zeros > VALUE_DECIMAL_MAX - 3) /* sign, leading zero, point */
        return false;
    char *at = to;
    if (parts->negative)
        *at++ = '-';
    if (point <= 0) {
        *at++ = '0';
        *at++ = '.';
        for (int64_t zero = point; zero < 0; zero++)
            *at++ = '0';
    }
    for (int64_t i = 0; i < digits; i++) {
        if (i == point && i > 0)
            *at++ = '.';
        *at++ = digit_at(parts, first + (size_t)i);
    }
    for (int64_t zero = digits; zero < point; zero++)
        *at++ = '0';
    *ret_len = (size_t)(at - to);
    return true;
}

static bool canonical_general(const char *text, size_t len, char *to, size_t *ret_len)
{
    struct parts parts;
    if (!take_apart(text, len, &parts))
        return named_decimal(text, len, to, ret_len);
    size_t first = 0, end = parts.whole.len + parts.fraction.len;
    while (end > 0 && digit_at(&parts, end - 1) == '0')
        end--;
    while (first < end && digit_at(&parts, first) == '0')
        first++;
    if (first == end) {
        to[0] = '0';
        *ret_len = 1;
        return true;
    }
    /* Keeps the sum below from overflowing; write_plain refuses what is left of it. */
    if (parts.exponent > INT32_MAX || parts.exponent < INT32_MIN)
        return false;
    int64_t point = (int64_t)parts.whole.len - (int64_t)first + parts.exponent;
    return write_plain(&parts, first, end, point, to, ret_len);
}

bool decimal_canonical(const char *text, size_t len, char *to, size_t *ret_len)
{
    size_t at = 0, out = 0;
    if (len > VALUE_DECIMAL_MAX - 2)
        return canonical_general(text, len, to, ret_len);
    if (len > 0 && text[0] == '-') {
        to[out++] = '-';
        at = 1;
    }
    size_t sign = out;
    while (at + 1 < len && text[at] == '0' && is_digit(text[at + 1]))
        at++;
    while (at < len && is_digit(text[at]))
        to[out++] = text[at++];
    if (out == sign) /* ".5", "+1", "NaN", "" */
        return canonical_general(text, len, to, ret_len);
    size_t end = out;
    if (at < len && text[at] == '.') {
        to[out++] = '.';
        for (at++; at < len && is_digit(text[at]); at++) {
            to[out++] = text[at];
            end = text[at] == '0' ? end : out;
        }
    }
    if (at < len)
        return canonical_general(text, len, to, ret_len);
    if (end == sign + 1 && to[sign] == '0') { /* "-0.00" */
        to[0] = '0';
        end = 1;
    }
    *ret_len = end;
    return true;
}

void decimal_digits(const char *text, size_t len, int *ret_integer, int *ret_fraction)
{
    size_t sign = len > 0 && text[0] == '-' ? 1 : 0;
    const char *point = len == 0 ? NULL : memchr(text, '.', len);
    size_t whole = (point == NULL ? len : (size_t)(point - text)) - sign;
    if (whole == 1 && text[sign] == '0')
        whole = 0;
    *ret_integer = (int)whole;
    *ret_fraction = point == NULL ? 0 : (int)(len - (size_t)(point - text) - 1);
}

/* Adds one to the number whose last digit stands before `end`; its first digit is a zero. */
static void increment(char *end)
{
    for (char *at = end - 1;; at--) {
        if (*at == '.')
            continue;
        if (*at != '9') {
            ++*at;
            return;
        }
        *at = '0';
    }
}

size_t decimal_round(const char *text, size_t len, int scale, char *to)
{
    char digits[VALUE_DECIMAL_MAX + 1];
    size_t sign = text[0] == '-', canonical_len;
    const char *point = memchr(text, '.', len);
    size_t whole = point == NULL ? len : (size_t)(point - text);
    int64_t cut = (int64_t)whole + scale + (scale > 0); /* the first byte that goes */
    if (cut >= (int64_t)len) {
        memcpy(to, text, len);
        return len;
    }
    if (cut < (int64_t)sign) {
        to[0] = '0';
        return 1;
    }
    /* A zero in front takes the carry; decimal_canonical takes it off again. */
    digits[0] = '-';
    digits[sign] = '0';
    memcpy(digits + sign + 1, text + sign, len - sign);
    char *end = digits + cut + 1;
    char *next = *end == '.' ? end + 1 : end;
    bool up = *next >= '5';
    size_t kept = (size_t)(end - digits);
    if (kept < whole + 1) {
        memset(end, '0', whole + 1 - kept);
        kept = whole + 1;
    }
    if (up)
        increment(end);
    if (!decimal_canonical(digits, kept, to, &canonical_len))
        return 0; /* never: it is no longer than what it was made of */
    return canonical_len;
}
