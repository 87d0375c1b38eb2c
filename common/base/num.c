/* num: see num.h. */
#include "base/num.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 19 decimal digits always fit 64 bits, the 20th may not. */
#define SAFE_DIGITS 19

bool num_parse_u64(const char *text, size_t len, uint64_t *ret_value)
{
    size_t at = len > 0 && text[0] == '+' ? 1 : 0;
    if (at == len)
        return false;
    while (at + 1 < len && text[at] == '0')
        at++;
    if (len - at > SAFE_DIGITS + 1)
        return false;
    uint64_t value = 0;
    size_t safe = len - at > SAFE_DIGITS ? at + SAFE_DIGITS : len;
    for (; at < safe; at++) {
        unsigned digit = (unsigned char)text[at] - (unsigned)'0';
        if (digit > 9)
            return false;
        value = value * 10 + digit;
    }
    if (at < len) {
        unsigned digit = (unsigned char)text[at] - (unsigned)'0';
        if (digit > 9 || __builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)digit, &value))
            return false;
    }
    *ret_value = value;
    return true;
}

bool num_parse_i64(const char *text, size_t len, int64_t *ret_value)
{
    bool negative = len > 0 && text[0] == '-';
    uint64_t value;
    if (negative && len > 1 && text[1] == '+')
        return false;
    if (!num_parse_u64(text + negative, len - negative, &value))
        return false;
    if (value > (uint64_t)INT64_MAX + negative)
        return false;
    *ret_value = (int64_t)(negative ? 0 - value : value);
    return true;
}

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

size_t num_format_u64(uint64_t value, char to[20])
{
    char text[20];
    char *at = text + sizeof text;
    while (value >= 100) {
        at -= 2;
        memcpy(at, digit_pairs + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10) {
        at -= 2;
        memcpy(at, digit_pairs + 2 * value, 2);
    } else {
        *--at = (char)('0' + value);
    }
    size_t len = (size_t)(text + sizeof text - at);
    memcpy(to, at, len);
    return len;
}

size_t num_format_i64(int64_t value, char to[20])
{
    if (value >= 0)
        return num_format_u64((uint64_t)value, to);
    char digits[20];
    size_t len = num_format_u64(0 - (uint64_t)value, digits);
    to[0] = '-';
    memcpy(to + 1, digits, len);
    return len + 1;
}

/* Powers of ten that are exact doubles. */
static const double exact_tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/*
 * Plain decimals of at most 15 digits, the usual case: digits and power of ten are both exact
 * doubles, so that one division rounds once, as a correct reader does (W. Clinger, 1990).
 */
static bool parse_short_decimal(const char *text, size_t len, double *ret_value)
{
    size_t at = len > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    int64_t digits = 0;
    unsigned count = 0, decimals = 0;
    bool in_fraction = false;
    if (len > 15 + 2) /* with a sign and a point: more digits could overflow */
        return false;
    for (; at < len; at++) {
        unsigned digit = (unsigned char)text[at] - (unsigned)'0';
        if (digit <= 9) {
            digits = digits * 10 + digit;
            count++;
            decimals += in_fraction;
        } else if (text[at] == '.' && !in_fraction) {
            in_fraction = true;
        } else {
            return false;
        }
    }
    if (count == 0 || count > 15)
        return false;
    double value = (double)digits / exact_tens[decimals];
    *ret_value = text[0] == '-' ? -value : value;
    return true;
}

static bool parse_terminated(const char *text, double *ret_value)
{
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || (errno == ERANGE && isinf(value)))
        return false;
    *ret_value = value;
    return true;
}

bool num_parse_f64(const char *text, size_t len, double *ret_value)
{
    if (parse_short_decimal(text, len, ret_value))
        return true;
    /* strtod would skip blanks and stop at a NUL. */
    if (len == 0 || (unsigned char)text[0] <= ' ' || memchr(text, '\0', len) != NULL)
        return false;
    char small[64];
    char *copy = len < sizeof small ? small : malloc(len + 1);
    if (copy == NULL)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    bool ok = parse_terminated(copy, ret_value);
    if (copy != small)
        free(copy);
    return ok;
}

/*
 * Fixed notation by whole numbers: the first power of ten that makes `value` whole, where dividing
 * gives the very double back. At most 15 digits, so this is the text that %.15g gives, sooner.
 * Returns 0 when it is no such number.
 */
static size_t format_short_decimal(double value, char to[32])
{
    double magnitude = fabs(value);
    if (!(magnitude >= 1e-4 && magnitude < 1e15))
        return 0;
    unsigned decimals = 0;
    double whole;
    for (;; decimals++) {
        double scaled = magnitude * exact_tens[decimals];
        if (scaled >= 1e15 || decimals == 19)
            return 0;
        whole = nearbyint(scaled);
        if (whole >= 1 && whole / exact_tens[decimals] == magnitude)
            break;
    }
    char digits[20];
    size_t count = num_format_u64((uint64_t)whole, digits);
    char *at = to;
    if (value < 0)
        *at++ = '-';
    size_t before = count > decimals ? count - decimals : 0;
    if (before == 0)
        *at++ = '0';
    memcpy(at, digits, before);
    at += before;
    if (decimals > 0) {
        *at++ = '.';
        size_t zeros = decimals > count ? decimals - count : 0;
        memset(at, '0', zeros);
        at += zeros;
        memcpy(at, digits + before, count - before);
        at += count - before;
    }
    return (size_t)(at - to);
}

size_t num_format_f64(double value, char to[32])
{
    char text[32];
    const char *name = isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity";
    if (!isfinite(value)) {
        memcpy(to, name, strlen(name));
        return strlen(name);
    }
    size_t len = format_short_decimal(value, to);
    for (int precision = 15; len == 0 && precision <= 17; precision++) {
        int printed = snprintf(text, sizeof text, "%.*g", precision, value);
        if (precision == 17 || strtod(text, NULL) == value) {
            len = (size_t)printed;
            memcpy(to, text, len);
        }
    }
    return len;
}
