/*
 * jval: a JSON value as a tree of plain structs in an arena, and its accessors.
 *
 * Is:      the shape in which jobs, configurations, checkpoints and receipts are read.
 * Is not:  a parser (io/json reads text into it) nor a writer (base/jwrite).
 * Owns:    nothing: the arena that it was built in owns it all.
 * Threads: any, once built.
 *
 * Integers keep 64 bits. A number with a fraction or exponent is a double, and its text is kept,
 * so that a decimal can be read exactly.
 */
#ifndef HAUL_BASE_JVAL_H
#define HAUL_BASE_JVAL_H

#include "base/str.h"

enum jval_type { JVAL_NULL, JVAL_BOOL, JVAL_INT, JVAL_REAL, JVAL_STRING, JVAL_ARRAY, JVAL_OBJECT };

struct jval_member;

struct jval {
    enum jval_type type;
    union {
        bool boolean;
        int64_t integer;
        struct {
            double real;
            const char *number; /* its text as it was read; NULL when there was none */
        };
        struct slice string; /* UTF-8, NUL-terminated behind its length, holds no NUL */
        struct {
            size_t count;
            const struct jval *items;
        } array;
        struct {
            size_t count;
            const struct jval_member *members; /* in the text's order, names unique */
        } object;
    };
};

struct jval_member {
    const char *name;
    struct jval value;
};

/* The member of an object; NULL when there is none, or when `value` is NULL or no object. */
const struct jval *jval_get(const struct jval *value, const char *name);

/* Shorthands for a member of a known type; the default when it is absent or of another type. */
const char *jval_text(const struct jval *object, const char *name, const char *fallback);
int64_t jval_int(const struct jval *object, const char *name, int64_t fallback);
bool jval_bool(const struct jval *object, const char *name, bool fallback);

/* The type's name for messages: "string". */
const char *jval_type_name(enum jval_type type);

#endif
