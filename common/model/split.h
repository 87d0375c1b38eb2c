/*
 * split: the ranges of a table's leading key column that are read, committed and verified alone.
 *
 * Is:      a pure function: least and greatest value and a row estimate in, ranges out.
 * Is not:  exact about rows: ranges are equal in value, not in number.
 * Owns:    nothing; texts live in the arena.
 *
 * The first range is open below and the last open above: a row outside [min, max], new since the
 * statistics were read, still belongs to exactly one range.
 */
#ifndef HAUL_MODEL_SPLIT_H
#define HAUL_MODEL_SPLIT_H

#include "model/value.h"

#define SPLIT_RANGES_MAX 1024

struct split_range {
    const char *from, *to; /* [from, to) in text form; NULL = open */
};

struct split_list {
    size_t count; /* at least 1 */
    const struct split_range *ranges;
};

/* Types that are split: int64, decimal (when least and greatest are whole and fit an int64), date,
 * timestamp, timestamptz, uuid. Others give one open range. */
bool split_can(enum value_type type);

/* About `chunk_rows` rows a range, at most SPLIT_RANGES_MAX; min or max NULL (an empty table) or
 * unreadable gives one open range. RETRY without memory. */
MUST_USE enum outcome split_ranges(const struct value_spec *spec, const char *min, const char *max,
                                   int64_t rows_estimate, int64_t chunk_rows, struct arena *arena,
                                   struct split_list *ret_list, struct err *err);

#endif
