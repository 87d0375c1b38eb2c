/*
 * policy_private: what the files of model/policy share. Not for others.
 */
#ifndef HAUL_MODEL_POLICY_PRIVATE_H
#define HAUL_MODEL_POLICY_PRIVATE_H

#include "model/policy.h"

/* What a column of the target holds. */
struct gate_column {
    const struct column_spec *spec;
    enum value_type type;
    int64_t low, high;           /* int64, date, time, timestamps */
    int64_t step_us;             /* time, timestamps: the finest part; 1 = any */
    bool infinity, nan, nul;     /* whether it holds them */
    double magnitude_max;        /* float64 */
    bool bounded;                /* decimal: the next two count */
    int whole_max, fraction_max; /* decimal: digits before and behind the point */
    int64_t length;              /* text: code points; bytes: bytes; 0 = any */
};

struct gate {
    size_t column_count;
    const struct gate_column *columns;
    struct value_policy policy;
};

struct gate_column gate_column_of(const struct column_spec *spec,
                                  const struct value_limits *limits);

/* True when no value of the column's first `rows` is beyond what the target holds; false when one
 * may be. */
bool gate_column_is_clean(const struct gate_column *gate, const struct column *column, size_t rows);
/* Checks one value that is not NULL; true when all is well. */
bool gate_cell_is_fine(const struct gate_column *gate, const struct column *column, size_t row,
                       enum value_fault *ret_fault);
/* The same of a canonical decimal and of a text that are not in a column yet. */
bool gate_decimal_is_fine(const struct gate_column *gate, struct slice text,
                          enum value_fault *ret_fault);
bool gate_text_is_fine(const struct gate_column *gate, struct slice text,
                       enum value_fault *ret_fault);

/* Adds what `convert` makes of a faulty value to `out`: its text form, or the bytes of a column of
 * bytes. False = NULL. */
bool gate_convert(const struct gate_column *gate, enum value_fault fault, struct slice raw,
                  struct str *out);

/* A value's new content: edits of one batch, by column and row, and the texts they point into. */
struct gate_edit {
    size_t row, column;
    bool null;
    size_t offset, len;
};
/* Puts the edits in place; sorts them. False without memory. */
bool gate_edit_batch(struct batch *batch, struct gate_edit *edits, size_t count, const char *texts);

#endif
