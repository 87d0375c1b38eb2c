/*
 * estimate: a dry run: what a sync would do, read from both sides and written to none.
 *
 * Is:      the target's differences, losses of the type mappings, rows, bytes and expected time.
 * Is not:  a promise: rows come from the source's statistics, the time from a sample that is read
 *          now and the share that writing takes beside reading.
 * Owns:    its sessions; the report lives in the arena.
 * Threads: blocks its caller.
 */
#ifndef HAUL_SYNC_ESTIMATE_H
#define HAUL_SYNC_ESTIMATE_H

#include "sync/sync.h"

struct estimate_column {
    const char *from, *to; /* source and target column; from NULL = a constant */
    const char *native;    /* the source's own type */
    const char *haul;      /* "decimal(12,2)" */
    const char *loss;      /* NULL = nothing is lost */
};

struct estimate_report {
    const char *path; /* "load" into a stage and swap, or "merge" into the target */
    bool target_exists;
    size_t column_count;
    const struct estimate_column *columns;
    size_t key_count;
    const char *const *key;
    size_t difference_count; /* of the target's columns; what the drift policy would change */
    const char *const *differences;
    int64_t rows;  /* -1 = not known; with a cursor: rows at or behind it */
    int64_t bytes; /* of haul's types */
    int64_t chunks;
    int64_t sample_rows, sample_us; /* what the time is reckoned from */
    int64_t duration_ms;            /* -1 = not known */
};

/* `cursor` is where the next run would begin (the hub's mirror of the checkpoint); NULL = at the
 * beginning. Errors as sync_run's before the first row. */
MUST_USE enum outcome sync_estimate(const struct sync_env *env, const struct sync_spec *spec,
                                    const char *cursor, struct arena *arena,
                                    struct estimate_report *ret_report, struct err *err);

#endif
