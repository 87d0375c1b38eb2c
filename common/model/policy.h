/*
 * policy: what is done with values that the target cannot hold: convert, null, quarantine or fail.
 *
 * Is:      the gate between a mapped batch and the target: finds values beyond the target's limits,
 *          takes the faults that the reader or the mapping found, and applies the sync's policy.
 * Is not:  a place for rows that only the target itself refuses (sync/ narrows those down).
 * Owns:    nothing; a gate lives in the arena.
 * Threads: a gate belongs to one thread at a time.
 *
 * What `convert` makes of each fault (docs/types.md prints this table):
 *   zero_date     month or day 0 becomes 1, year 0 becomes 0001 (or the target's least date)
 *   infinity      the target's greatest or least date or timestamp
 *   nan           NULL for NaN; an infinity the greatest or least number of the column
 *   nul_byte      U+2400 SYMBOL FOR NULL
 *   invalid_utf8  U+FFFD for each bad sequence
 *   time_range    the nearest time of day
 *   out_of_range  the nearest value of the column; text is cut between code points
 *   invalid_cast  NULL
 */
#ifndef HAUL_MODEL_POLICY_H
#define HAUL_MODEL_POLICY_H

#include "model/batch.h"

enum value_action { ACTION_CONVERT, ACTION_NULL, ACTION_QUARANTINE, ACTION_FAIL };
#define VALUE_ACTION_COUNT (ACTION_FAIL + 1)

struct value_policy {
    enum value_action actions[VALUE_FAULT_COUNT];
};

struct policy_counts {
    int64_t converted[VALUE_FAULT_COUNT], nulled[VALUE_FAULT_COUNT], quarantined[VALUE_FAULT_COUNT];
};

const char *value_fault_name(enum value_fault fault); /* "zero_date" */

struct gate;

/* A gate for batches of these columns (specs and limits must outlive it). NULL without memory. */
struct gate *gate_new(const struct column_spec *columns, size_t column_count,
                      const struct value_limits *limits, const struct value_policy *policy,
                      struct arena *arena);

/*
 * Checks every value, then applies the policy to batch->faults: converts and nulls in place; what
 * is left in batch->faults afterwards are the rows for quarantine (one fault a row, by row, raw
 * text kept), which the caller copies and then takes out with batch_remove_rows.
 * Costs next to nothing when all is well. PERMANENT "value.<fault>" naming the column under FAIL;
 * RETRY without memory.
 */
MUST_USE enum outcome gate_apply(struct gate *gate, struct batch *batch,
                                 struct policy_counts *counts, struct err *err);

/* Takes rows out (ascending numbers, no repeats) with their faults; the faults of other rows stay,
 * with the rows' new numbers. False without memory. */
bool batch_remove_rows(struct batch *batch, const size_t *rows, size_t count);

#endif
