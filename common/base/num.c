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

/* `digits` / 10^`decimals` in fixed notation; the last digit is no 0 unless there are no decimals.
 */
static size_t put_decimal(uint64_t digits, unsigned decimals, char *to)
{
    char text[20];
    size_t count = num_format_u64(digits, text);
    size_t before = count > decimals ? count - decimals : 0;
    char *at = to;
    if (before == 0)
        *at++ = '0';
    memcpy(at, text, before);
    at += before;
    if (decimals == 0)
        return (size_t)(at - to);
    *at++ = '.';
    size_t zeros = decimals > count ? decimals - count : 0;
    memset(at, '0', zeros);
    at += zeros;
    memcpy(at, text + before, count - before);
    return (size_t)(at - to) + count - before;
}

#define FEW_DECIMALS 6

/*
 * Values with few decimals, the usual case: the first power of ten that makes `value` whole, where
 * dividing gives the very double back. At most 15 digits, so this is what %.15g gives, sooner.
 * 0 = it is no such value.
 */
static size_t format_few_decimals(double value, char *to)
{
    for (unsigned decimals = 0; decimals <= FEW_DECIMALS; decimals++) {
        double scaled = value * exact_tens[decimals];
        if (scaled >= 1e15)
            return 0;
        uint64_t whole = (uint64_t)(scaled + 0.5);
        if (whole > 0 && (double)whole / exact_tens[decimals] == value)
            return put_decimal(whole, decimals, to);
    }
    return 0;
}

__extension__ typedef unsigned __int128 wide;

/* value = mantissa / 2^shift */
struct binary {
    uint64_t mantissa;
    unsigned shift;
};

static struct binary binary_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (struct binary){.mantissa = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52,
                           .shift = 1075 - (unsigned)(bits >> 52)};
}

static wide power_of_ten(unsigned exponent)
{
    wide power = 1;
    for (; exponent >= 19; exponent -= 19)
        power *= UINT64_C(10000000000000000000);
    return power * (uint64_t)exact_tens[exponent];
}

/* True when the decimal lies where reading rounds to the value: within half the distance to the
 * next double, which is half as far below a power of two; on the edge an even mantissa wins. */
static bool reads_back(wide decimal, wide value, wide ulp, struct binary binary)
{
    bool is_below = decimal < value;
    wide distance = is_below ? value - decimal : decimal - value;
    unsigned parts = is_below && binary.mantissa == UINT64_C(1) << 52 ? 4 : 2;
    return parts * distance < ulp || (parts * distance == ulp && binary.mantissa % 2 == 0);
}

/* The power of ten of the leading digit. Those below one are doubles just above the decimal, so
 * that comparing with them is exact. */
static int leading_exponent(double value)
{
    static const double below_one[] = {1e-1, 1e-2, 1e-3};
    unsigned steps = 0;
    if (value < 1) {
        while (steps < 3 && value < below_one[steps])
            steps++;
        return -1 - (int)steps;
    }
    while (steps < 14 && value >= exact_tens[steps + 1])
        steps++;
    return (int)steps;
}

/*
 * 15, 16 or 17 digits by exact arithmetic: value * 10^decimals is mantissa * 10^decimals / 2^shift,
 * whose numerator has less than 121 bits for values from 1e-4 to 1e15.
 */
static size_t format_exactly(double value, char *to)
{
    struct binary binary = binary_of(value);
    unsigned decimals = (unsigned)(14 - leading_exponent(value));
    uint64_t digits = 0;
    for (unsigned precision = 15; precision <= 17; precision++, decimals++) {
        wide ulp = power_of_ten(decimals), scaled = ulp * binary.mantissa;
        wide half = (wide)1 << (binary.shift - 1), rest = scaled & (2 * half - 1);
        digits = (uint64_t)(scaled >> binary.shift);
        digits += rest > half || (rest == half && digits % 2 == 1);
        if (precision == 17 || reads_back((wide)digits << binary.shift, scaled, ulp, binary))
            break;
    }
    for (; decimals > 0 && digits % 10 == 0; decimals--)
        digits /= 10;
    return put_decimal(digits, decimals, to);
}

/* The first of three precisions that reads back. */
static size_t format_slowly(double value, char to[32])
{
    char text[32];
    int len = 0;
    for (int precision = 15; precision <= 17; precision++) {
        len = snprintf(text, sizeof text, "%.*g", precision, value);
        if (strtod(text, NULL) == value)
            break;
    }
    memcpy(to, text, (size_t)len);
    return (size_t)len;
}

size_t num_format_f64(double value, char to[32])
{
    double magnitude = fabs(value);
    if (magnitude >= 1e-4 && magnitude < 1e15) {
        bool is_negative = value < 0;
        to[0] = '-';
        size_t len = format_few_decimals(magnitude, to + is_negative);
        if (len == 0)
            len = format_exactly(magnitude, to + is_negative);
        return len + is_negative;
    }
    if (magnitude == 0) {
        memcpy(to, "-0", 2);
        to[0] = signbit(value) ? '-' : '0';
        return signbit(value) ? 2 : 1;
    }
    if (isfinite(value))
        return format_slowly(value, to);
    const char *name = isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity";
    memcpy(to, name, strlen(name));
    return strlen(name);
}
