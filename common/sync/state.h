/*
 * state: what a sync's checkpoint says: how far its effects are durable in the target.
 *
 * Is:      the JSON that stands in the target's checkpoint table beside the fence, as a struct.
 * Is not:  the table (the connector's) nor the truth about rows: it is written in the transaction
 *          of the rows that it speaks of, so it is never ahead of them and never behind.
 * Owns:    nothing; texts and chunks live in the arena.
 * Threads: one at a time.
 */
#ifndef HAUL_SYNC_STATE_H
#define HAUL_SYNC_STATE_H

#include "sync/receipt.h"

struct sync_state {
    const char *definition; /* hash of what the sync is; another one starts anew. NULL = none yet */
    const char *shape;      /* hash of the columns that are written */
    bool loading;           /* a stage is being filled; else `cursor` holds */
    const char *stage;      /* its name */
    const char *cursor;     /* all rows up to here are in the target; NULL = none */
    const char *cursor_next; /* while loading: what cursor becomes with the swap */
    size_t tie_count;
    const struct hash128 *ties; /* append: rows already taken whose cursor equals `cursor` */
    int64_t started_us, snapshots;
    size_t chunk_count; /* while loading */
    struct receipt_chunk *chunks;
    int64_t plans;      /* loads handed out so far, over the sync's life: names the next plan */
    const char *plan;   /* loading by chunk jobs; NULL = by this job alone */
    size_t part_chunks; /* chunks a chunk job; the last one may have fewer */
    size_t first_chunk; /* of a chunk job's own state: which of the load's its first one is */
};

/* Reads a checkpoint. PERMANENT "checkpoint.invalid": someone else wrote it. */
MUST_USE enum outcome sync_state_parse(const char *text, struct arena *arena,
                                       struct sync_state *ret_state, struct err *err);
void sync_state_write(const struct sync_state *state, struct str *out);

#endif
