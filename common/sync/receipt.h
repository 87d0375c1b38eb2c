/*
 * receipt: the proof of what a sync did: counts and hashes of what was read and of what stands in
 * the target, chunk by chunk, and by name whatever could not be verified.
 *
 * Is:      a record that the pipeline fills, and its JSON.
 * Is not:  a verdict of its own: the pipeline fails a sync whose counts or hashes differ.
 * Owns:    nothing; chunks and notes live in the arena given to receipt_init.
 * Threads: one at a time (the pipeline fills it under its lock).
 *
 * Hashes are sums mod 2^128 of the XXH3-128 of each row's canonical encoding (model/batch.h), so
 * they do not depend on the order of the rows.
 */
#ifndef HAUL_SYNC_RECEIPT_H
#define HAUL_SYNC_RECEIPT_H

#include "base/arena.h"
#include "base/hash128.h"
#include "base/jwrite.h"
#include "model/batch.h"

struct receipt_chunk {
    const char *from, *to; /* range of the leading key column, [from, to); NULL = open */
    int64_t rows_read, rows_written, rows_rejected;
    struct hash128 source_hash; /* of the rows that were written, as they were sent */
    struct hash128 target_hash; /* of the rows that stand in the target */
    int64_t target_rows;
    bool done;
    bool verified; /* target_hash and target_rows were read back and agree */
};

struct receipt_stages { /* microseconds; reading and writing overlap */
    int64_t read_us, transform_us, write_us, finish_us, verify_us;
};

#define RECEIPT_NOTES_MAX 32

struct receipt {
    const char *mode, *verify_asked;
    const char *path; /* "load" or "merge": how the rows went in */
    int64_t rows_read, rows_written, rows_inserted, rows_updated, rows_unchanged, rows_deleted;
    int64_t rows_rejected, bytes_read, bytes_written;
    int64_t target_rows;   /* the target's own count; -1 = not counted */
    int64_t rows_verified; /* rows that were read back and hashed */
    int64_t chunks_verified;
    struct hash128 source_hash, target_hash;          /* sums; target_hash over the verified rows */
    struct hash128 verified_source_hash;              /* the same rows as they were sent */
    const char *checkpoint_before, *checkpoint_after; /* cursor values; NULL = none */
    const char *state; /* the checkpoint as it stands now, JSON; not written. NULL = none */
    const char *source_version, *target_version;
    int64_t fence, snapshots, resumed_chunks;
    int64_t chunk_jobs; /* that the load was handed out to; 0 = none */
    int64_t started_us, finished_us;
    struct receipt_stages stages;
    size_t chunk_count;
    struct receipt_chunk *chunks;
    int64_t converted[VALUE_FAULT_COUNT], nulled[VALUE_FAULT_COUNT], faulted[VALUE_FAULT_COUNT];
    size_t note_count;
    const char
        *notes[RECEIPT_NOTES_MAX]; /* what a reader must know: not verified, ignored, resumed */
    struct arena *arena;
};

void receipt_init(struct receipt *receipt, struct arena *arena);

/* Adds one sentence; more than RECEIPT_NOTES_MAX are cut with a last note that says so. */
void receipt_note(struct receipt *receipt, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Adds what another's receipt (as it was written) says of bytes, times and values;
 * rows and hashes are added chunk by chunk by whoever has them. */
struct jval;
void receipt_add_part(struct receipt *receipt, const struct jval *part);

/* The JSON object. Chunks are left out for events, which must stay small. */
void receipt_write(const struct receipt *receipt, bool with_chunks, struct jwrite *w);

#endif
