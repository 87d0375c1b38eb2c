/*
 * field_join: two field tables as one, so that a struct of a lower floor and one of its user are
 * decoded, checked, documented together: names unknown to both are refused, with the nearest of
 * either.
 *
 * Owns:    nothing; the joined table lives in the caller's arena and points to the parts' texts.
 * Threads: any, once built.
 */
#ifndef HAUL_BASE_FIELD_JOIN_H
#define HAUL_BASE_FIELD_JOIN_H

#include "base/fields.h"

struct field_join {
    struct field_table table; /* struct_size: both structs, the second one aligned */
    size_t second_offset;     /* where the second struct stands in the decoded bytes */
};

/* `second` may be NULL: then the join is the first alone. BUG when both have a field of one name.
 */
MUST_USE enum outcome field_join_build(const struct field_table *first,
                                       const struct field_table *second, struct arena *arena,
                                       struct field_join *ret_join, struct err *err);

#endif
