/*
 * str: a growable byte string with a maximum, and views of bytes that someone else owns.
 *
 * Is:      a buffer for building text and wire formats. Always NUL-terminated behind its length.
 * Is not:  a Unicode library (utf8_is_valid alone looks inside).
 * Owns:    its heap buffer; str_done frees it. A slice owns nothing.
 * Threads: one at a time.
 *
 * Failure is sticky: when memory or the maximum is exhausted, `failed` is set, the add and all
 * later ones change nothing, and the caller checks once at the end.
 */
#ifndef HAUL_BASE_STR_H
#define HAUL_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *data;
    size_t len;
};

struct str {
    char *data; /* NULL only while nothing was ever added */
    size_t len, cap, max;
    bool failed;
};

#define STR_AUTO __attribute__((cleanup(str_done)))
#define STR_MAX_DEFAULT (16u << 20)

/* A buffer that never grows beyond `max` bytes. Allocates nothing yet. */
static inline struct str str_with_max(size_t max)
{
    return (struct str){.max = max};
}

/* Makes room for `more` bytes behind the length; NULL (and failed) when it can't. The returned
 * pointer is the end of the text; add to `len` what was written. */
char *str_reserve_slow(struct str *str, size_t more);
static inline char *str_reserve(struct str *str, size_t more)
{
    if (str->data != NULL && !str->failed && str->cap - str->len > more)
        return str->data + str->len;
    return str_reserve_slow(str, more);
}

static inline void str_add(struct str *str, const void *bytes, size_t len)
{
    char *end = str_reserve(str, len);
    if (end == NULL)
        return;
    if (len > 0)
        memcpy(end, bytes, len);
    str->len += len;
    end[len] = '\0';
}
static inline void str_add_text(struct str *str, const char *text)
{
    str_add(str, text, strlen(text));
}
static inline void str_add_char(struct str *str, char c)
{
    str_add(str, &c, 1);
}
static inline void str_add_slice(struct str *str, struct slice slice)
{
    str_add(str, slice.data, slice.len);
}
void str_addf(struct str *str, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The text, "" while empty. Never NULL. */
const char *str_text(const struct str *str);
static inline struct slice str_slice(const struct str *str)
{
    return (struct slice){str->data, str->len};
}
void str_clear(struct str *str); /* length 0, failed off, memory kept */
void str_done(struct str *str);  /* frees; the buffer may be used again */

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text == NULL ? 0 : strlen(text)};
}
bool slice_eq(struct slice a, struct slice b);
bool slice_is(struct slice a, const char *text);

/* Most names that are not the one differ in the first two letters: no call for those. */
static inline bool text_eq(const char *a, const char *b)
{
    return a[0] == b[0] && (a[0] == '\0' || (a[1] == b[1] && strcmp(a, b) == 0));
}

/* True when the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool utf8_is_valid(const char *bytes, size_t len);
/* The length (1 to 4) of the well-formed sequence that `bytes` (len > 0) begins with; 0 = none. */
unsigned utf8_sequence(const char *bytes, size_t len);
/* Copies `text` into `to` (size bytes, always ended), cut between code points. */
void text_copy(char *to, size_t size, const char *text);
/* Levenshtein distance, at most 255; for "did you mean". */
unsigned text_distance(const char *a, const char *b);
/* Hexadecimal, lower case, without an end mark: 2 * len characters at `to`. */
void hex_format(const uint8_t *bytes, size_t len, char *to);
/* Reads 2 * len digits; false when one is none. */
bool hex_parse(const char *digits, size_t len, uint8_t *ret_bytes);

#endif
