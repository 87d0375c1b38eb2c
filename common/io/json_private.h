/*
 * json_private: what json.c and json_scalar.c share; included by these files alone.
 */
#ifndef HAUL_IO_JSON_PRIVATE_H
#define HAUL_IO_JSON_PRIVATE_H

#include "io/json.h"

struct jreader {
    const char *begin, *at, *end;
    struct arena *arena;
    struct str scratch; /* members and items of the containers that are open, by value */
    struct err *err;
    unsigned depth;
};

/* "json.syntax" at that byte. */
enum outcome jread_fail_at(const struct jreader *r, const char *at, const char *expected);

/* Stands on the opening quote; ends behind the closing one. The text lives in the arena. */
MUST_USE enum outcome jread_string(struct jreader *r, struct slice *ret_string);

/* Stands on the minus or the first digit. */
MUST_USE enum outcome jread_number(struct jreader *r, struct jval *value);

#endif
