/*
 * drift: how an existing target's columns differ from what a sync wants to write, and what to do.
 *
 * Is:      a pure comparison under the sync's policy: changes to make, columns to leave out, or an
 *          error that lists every difference.
 * Is not:  the change itself (a connector's table_change).
 * Owns:    nothing; results live in the arena.
 *
 * Columns of the target that the sync does not write are no drift when they take NULL or have a
 * default of their own; else the target refuses the rows and says so. A column that the target
 * generates gets a line and no more: the caller leaves it out.
 */
#ifndef HAUL_MODEL_DRIFT_H
#define HAUL_MODEL_DRIFT_H

#include "model/value.h"

enum drift_policy { DRIFT_EVOLVE, DRIFT_FREEZE, DRIFT_FAIL };

/* How a target must change; `column` is the new shape. */
enum schema_change_kind { SCHEMA_ADD_COLUMN, SCHEMA_WIDEN_COLUMN, SCHEMA_DROP_NOT_NULL };
struct schema_change {
    enum schema_change_kind kind;
    struct column_spec column;
};

struct drift_report {
    size_t change_count;
    const struct schema_change *changes;
    const bool *omitted; /* a flag a wanted column: not written (freeze, new in the source) */
    size_t omitted_count;
    size_t line_count;
    const char *const *lines; /* a sentence a difference, for receipts and dry runs */
};

/* True when every value of `from` fits into a column of `to` without loss. */
bool drift_fits(const struct value_spec *from, const struct value_spec *to);
/* The narrowest spec that holds both; false when there is none short of text. */
bool drift_widen(const struct value_spec *a, const struct value_spec *b,
                 struct value_spec *ret_spec);

/*
 * Compares. `limits` are the target system's: a bool fits an int64(8) column where it has no bool,
 * a uuid text(36). Types that cannot hold the values are widened (evolve) or an error.
 * PERMANENT "drift.changed" (policy fail, or freeze and a written column no longer fits),
 * "drift.incompatible" (evolve, but no widening exists); the message lists the differences.
 */
MUST_USE enum outcome drift_compare(const struct column_spec *wanted, size_t wanted_count,
                                    const struct table_spec *target,
                                    const struct value_limits *limits, enum drift_policy policy,
                                    struct arena *arena, struct drift_report *ret_report,
                                    struct err *err);

#endif
