/*
 * verify: both sides of a sync read again at any later time, compared by chunk and by key.
 *
 * Is:      what `haul verify` does; with repair, only what differs is written again.
 * Is not:  part of a sync: a sync proves itself (receipt). This finds what changed behind its back.
 * Owns:    its sessions; the report lives in the arena.
 * Threads: blocks its caller.
 *
 * The source may have moved on since the last sync: what it changed since then differs too, and is
 * what the next sync would write. In mode upsert rows that only the target has are no difference,
 * since upsert never deletes; in append neither side is bound to the other by a key.
 */
#ifndef HAUL_SYNC_VERIFY_H
#define HAUL_SYNC_VERIFY_H

#include "sync/sync.h"

#define VERIFY_KEYS_MAX 200

enum verify_kind { VERIFY_MISSING, VERIFY_DIFFERENT, VERIFY_EXTRA };

struct verify_key {
    enum verify_kind kind; /* VERIFY_DIFFERENT stands for missing too where they can't be told */
    size_t chunk;
    const char *json; /* the key's columns as an object: row data, for the asking person only */
};

struct verify_chunk {
    const char *from, *to; /* range of the leading key column; NULL = open */
    int64_t source_rows, target_rows, missing, different, extra;
    struct hash128 source_hash, target_hash;
};

struct verify_report {
    size_t chunk_count, chunks_differing;
    const struct verify_chunk *chunks;
    int64_t source_rows, target_rows, missing, different, extra, duplicates;
    struct hash128 source_hash, target_hash;
    bool keyed; /* false: without a key only counts and hashes could be compared */
    bool agrees;
    size_t key_count; /* the first VERIFY_KEYS_MAX */
    struct verify_key keys[VERIFY_KEYS_MAX];
    int64_t rows_merged, rows_deleted; /* by the repair */
};

/* Compares; with `repair` mends what differs under env->fence. PERMANENT "verify.no_target",
 * "verify.columns" (the target lacks columns: run the sync first), "verify.no_key" (repair). */
MUST_USE enum outcome sync_verify(const struct sync_env *env, const struct sync_spec *spec,
                                  bool repair, struct arena *arena,
                                  struct verify_report *ret_report, struct err *err);

#endif
