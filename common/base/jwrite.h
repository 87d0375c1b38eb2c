/*
 * jwrite: writes JSON (RFC 8259) into a str, commas and escapes taken care of.
 *
 * Is:      a streaming writer: open, key, value, close. Output is compact, one line.
 * Is not:  a checker of the caller's nesting beyond a depth of 32 (deeper sets out->failed).
 * Owns:    nothing; `out` is the caller's.
 * Threads: one at a time.
 *
 * Bytes that are no UTF-8 are written as U+FFFD, so that the output is always valid JSON.
 */
#ifndef HAUL_BASE_JWRITE_H
#define HAUL_BASE_JWRITE_H

#include "base/jval.h"
#include "base/str.h"

struct jwrite {
    struct str *out;
    unsigned depth;
    uint32_t has_items; /* a bit a level */
    bool after_key;
};

static inline struct jwrite jwrite_to(struct str *out)
{
    return (struct jwrite){.out = out};
}

/* Goes on in an object that was begun in `out` by other means and has members. */
static inline struct jwrite jwrite_within(struct str *out)
{
    return (struct jwrite){.out = out, .depth = 1, .has_items = 1};
}

void jwrite_open_object(struct jwrite *w);
void jwrite_close_object(struct jwrite *w);
void jwrite_open_array(struct jwrite *w);
void jwrite_close_array(struct jwrite *w);
void jwrite_key(struct jwrite *w, const char *name);

void jwrite_text(struct jwrite *w, const char *text); /* NULL writes null */
void jwrite_slice(struct jwrite *w, struct slice text);
void jwrite_int(struct jwrite *w, int64_t value);
void jwrite_real(struct jwrite *w, double value); /* NaN and infinities write null */
void jwrite_bool(struct jwrite *w, bool value);
void jwrite_null(struct jwrite *w);
void jwrite_raw(struct jwrite *w, struct slice json); /* already JSON */
void jwrite_jval(struct jwrite *w, const struct jval *value);

/* key + value in one call */
void jwrite_member_text(struct jwrite *w, const char *name, const char *text);
void jwrite_member_int(struct jwrite *w, const char *name, int64_t value);
void jwrite_member_bool(struct jwrite *w, const char *name, bool value);
void jwrite_member_real(struct jwrite *w, const char *name, double value);

/* Adds `text` as a quoted JSON string. */
void json_add_string(struct str *out, struct slice text);
/* The same without the quotes. */
void json_add_escaped(struct str *out, struct slice text);

#endif
