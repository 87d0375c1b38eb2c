/*
 * mapping: which columns of a source become which columns of a target, and how.
 *
 * Is:      a compiled plan: choose, rename, cast, constant, and what NULL becomes, per column.
 * Is not:  a transformation language: one column in, one column out.
 * Owns:    nothing; the plan lives in the arena that it was compiled into.
 * Threads: a plan is const; any number of threads may apply it, each to its own batches.
 */
#ifndef HAUL_MODEL_MAPPING_H
#define HAUL_MODEL_MAPPING_H

#include "model/batch.h"

enum mapping_on_null { ON_NULL_KEEP, ON_NULL_FAIL, ON_NULL_DEFAULT };

struct mapping_item {
    const char *from;     /* source column; NULL with a constant */
    const char *to;       /* target column; NULL = as `from` */
    const char *cast;     /* value spec text; NULL = as it comes */
    const char *constant; /* text form of the cast's type; NULL = none */
    enum mapping_on_null on_null;
    const char *default_text; /* with ON_NULL_DEFAULT, in text form of the output's type */
};

struct mapping_step; /* its own */

struct mapping {
    size_t input_count; /* what is read from the source, each column once, in the source's order */
    const struct column_spec *inputs;
    size_t output_count; /* by the target's names, of the types that are written */
    const struct column_spec *outputs;
    const int *output_inputs; /* which input an output is made of; -1 = a constant */
    bool identity;            /* outputs are the inputs, only renamed: no batch need be copied */
    const struct mapping_step *steps;
};

/*
 * Compiles `count` items over the source's columns; 0 items = every column as it is.
 * PERMANENT "mapping.column" (no such source column; nearest name), "mapping.cast" (no such type,
 * or no way from the one to the other), "mapping.duplicate", "mapping.constant", "mapping.default".
 */
MUST_USE enum outcome mapping_compile(const struct table_spec *source,
                                      const struct mapping_item *items, size_t count,
                                      struct arena *arena, struct mapping *ret_mapping,
                                      struct err *err);

/*
 * Makes rows of outputs from all rows of `in` (of inputs) into `out` (cleared, of outputs, at
 * least as many rows). Faults of `in` are carried over to the output columns made of theirs (a
 * fault in a column that is not taken is dropped); what a cast cannot do is FAULT_INVALID_CAST or
 * FAULT_OUT_OF_RANGE in `out`. ON_NULL_FAIL: fault FAULT_INVALID_CAST with raw text "null".
 * RETRY without memory. With identity it need not be called: faults' columns are the same.
 */
MUST_USE enum outcome mapping_apply(const struct mapping *mapping, const struct batch *in,
                                    struct batch *out, struct err *err);

#endif
