/*
 * mapping_private: what the files of model/mapping share. Not for others.
 */
#ifndef HAUL_MODEL_MAPPING_PRIVATE_H
#define HAUL_MODEL_MAPPING_PRIVATE_H

#include "model/mapping.h"

struct casting {
    const struct column *from;
    struct batch *out;
    struct column *to;
    struct str text; /* of the value at hand, for casts by text and for faults */
};

#define CAST_DONE (-1)
/* Casts one value that is not NULL into the next row of `to`: CAST_DONE, or the value_fault. */
typedef int cast_value(struct casting *casting, size_t row);

struct cast_way {
    cast_value *cast; /* NULL = there is no way */
    const char *loss; /* what it may lose; NULL = nothing, or a fault tells */
};

/* From one type to another; of one type to itself there is no cast, the values are copied. */
const struct cast_way *cast_way_of(enum value_type from, enum value_type to);

struct mapping_step {
    int input;        /* -1 = a constant */
    cast_value *cast; /* NULL = copied */
    enum mapping_on_null on_null;
    struct column scalar; /* one row: the constant or the default */
};

#endif
