/* str: see str.h. */
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CAP_MIN 64u

char *str_reserve_slow(struct str *str, size_t more)
{
    if (str->failed || more > str->max || more > SIZE_MAX / 4 || str->len > str->max - more) {
        str->failed = true;
        return NULL;
    }
    size_t need = str->len + more + 1; /* the NUL */
    if (str->data != NULL && str->cap >= need)
        return str->data + str->len;
    size_t cap = str->cap > SIZE_MAX / 2 ? need : str->cap * 2;
    if (cap < CAP_MIN)
        cap = CAP_MIN;
    if (cap < need)
        cap = need;
    if (cap - 1 > str->max)
        cap = str->max + 1; /* still enough: need is within the maximum */
    char *data = realloc(str->data, cap);
    if (data == NULL) {
        str->failed = true;
        return NULL;
    }
    str->data = data;
    str->cap = cap;
    data[str->len] = '\0';
    return data + str->len;
}

void str_addf(struct str *str, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    char *end = NULL;
    if (len < 0)
        str->failed = true;
    else
        end = str_reserve(str, (size_t)len);
    if (end != NULL) {
        (void)vsnprintf(end, (size_t)len + 1, fmt, again);
        str->len += (size_t)len;
    }
    va_end(again);
    va_end(args);
}

const char *str_text(const struct str *str)
{
    return str->data == NULL ? "" : str->data;
}

void str_clear(struct str *str)
{
    str->len = 0;
    str->failed = false;
    if (str->data != NULL)
        str->data[0] = '\0';
}

void str_done(struct str *str)
{
    free(str->data);
    *str = str_with_max(str->max);
}

bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool slice_is(struct slice a, const char *text)
{
    return slice_eq(a, slice_of(text));
}

void text_copy(char *to, size_t size, const char *text)
{
    if (size == 0)
        return;
    size_t len = strnlen(text, size);
    if (len == size) {
        len = size - 1;
        /* Back to the lead byte of the sequence that would be cut. */
        while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80)
            len--;
    }
    memmove(to, text, len);
    to[len] = '\0';
}

#define DISTANCE_MAX 255u

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

unsigned text_distance(const char *a, const char *b)
{
    size_t a_len = strnlen(a, DISTANCE_MAX), b_len = strnlen(b, DISTANCE_MAX);
    if (a_len == DISTANCE_MAX || b_len == DISTANCE_MAX)
        return strcmp(a, b) == 0 ? 0 : DISTANCE_MAX;
    unsigned row[DISTANCE_MAX + 1];
    for (unsigned j = 0; j <= b_len; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b_len; j++) {
            unsigned above = row[j];
            row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_len];
}

void hex_format(const uint8_t *bytes, size_t len, char *to)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        to[2 * i] = digits[bytes[i] >> 4];
        to[2 * i + 1] = digits[bytes[i] & 15];
    }
}

/* One more than the digit's value; 0 = no digit. */
static const uint8_t hex_values[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

bool hex_parse(const char *digits, size_t len, uint8_t *ret_bytes)
{
    for (size_t i = 0; i < 2 * len; i++) {
        if (hex_values[(unsigned char)digits[i]] == 0)
            return false;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned high = hex_values[(unsigned char)digits[2 * i]] - 1u;
        unsigned low = hex_values[(unsigned char)digits[2 * i + 1]] - 1u;
        ret_bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
