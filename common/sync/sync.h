/*
 * sync: does one sync: a stream of a source arrives in a table of a target, proven.
 *
 * Is:      the pipeline behind a `sql_sync` job: plan, load or merge, verify, checkpoint, receipt.
 * Is not:  tied to jobs, Kafka or the hub: what it needs of them comes in struct sync_env.
 * Owns:    its sessions, threads and buffers, all gone when sync_run returns.
 * Threads: sync_run blocks its caller and starts reader threads of its own; callbacks of the
 *          environment come from the calling thread, except `cancelled`, which any thread may set.
 *
 * A load of a big table may be handed out (spec->fan_out_rows and env->hand_out): the run that
 * plans it ends there, others do its parts with sync_run_part, and a later sync_run, once all are
 * done, proves and swaps. What a part has done stands in the target, in a checkpoint of its own.
 *
 * What stays true when the process dies at any line, sleeps, or runs twice: ARCHITECTURE.md.
 */
#ifndef HAUL_SYNC_SYNC_H
#define HAUL_SYNC_SYNC_H

#include "sync/connector.h"
#include "sync/receipt.h"
#include "sync/sync_spec.h"

/* A row that the target refused or a policy kept back. Row data: for the quarantine only. */
struct bad_row {
    const char *column;   /* "" = not known */
    const char *reason;   /* "target refused", "zero_date", ... */
    const char *sqlstate; /* "" = none */
    const char *message;
    const char *row_json; /* target column -> text form or null */
    struct hash128 hash;  /* of the row: a repeat of the same row is recognisable */
    int64_t chunk;        /* the same number in every attempt */
    int64_t number;       /* of the bad row within its chunk, from 1 */
};

struct sync_progress {
    const char *phase;             /* "load", "finish", "verify", "merge", "delete" */
    int64_t rows_done, rows_total; /* total -1 = not known */
    int64_t bytes_done;
    const char *bottleneck; /* "source", "target"; NULL = not known yet */
};

struct sync_endpoint {
    const struct connector *connector;
    const void *config;
};

/* Some chunks of a load, for sync_run_part. */
struct sync_part {
    size_t number;     /* from 0, the same in every run of the plan */
    const char *state; /* JSON: what it is to do */
};

struct sync_env {
    const char
        *workspace_id; /* syncs of two workspaces may have one id; NULL = only one is known */
    struct sync_endpoint source, target;
    int64_t fence;
    const volatile bool *cancelled; /* NULL = never */
    void *ctx;
    void (*progress)(void *ctx, const struct sync_progress *progress); /* NULL = not wanted */
    /* A session with that side stands: the system is up. Any thread; NULL = not wanted. */
    void (*reached)(void *ctx, bool is_source);
    /* Keeps bad rows durably before the commit that leaves them out; NULL = any bad row fails. */
    enum outcome (*quarantine)(void *ctx, const struct bad_row *rows, size_t count,
                               struct err *err);
    /* Gives the parts of a load that are not done yet to others. `plan` names the load: the same
     * parts may be given again, and parts of an older plan are in vain. NULL = nobody is there. */
    enum outcome (*hand_out)(void *ctx, const char *plan, const struct sync_part *parts,
                             size_t count, int64_t rows_total, struct err *err);
};

#define SYNC_HANDED_OUT "sync.handed_out" /* code of the THROTTLED that ends such a run */

/*
 * Runs the sync to its end. The receipt is filled as far as it came, on failure too.
 * RETRY: a connection was lost, a server is away; run it again with a greater fence and it resumes.
 * PERMANENT: "mapping.*", "drift.*", "rows.rejected", "verify.mismatch", "mirror.too_many_deletes"
 * and the connectors' own. CANCELLED: asked for, or "fenced". THROTTLED SYNC_HANDED_OUT: run it
 * again when the parts are done.
 */
MUST_USE enum outcome sync_run(const struct sync_env *env, const struct sync_spec *spec,
                               struct arena *arena, struct receipt *ret_receipt, struct err *err);

/*
 * Does one part: `state` as it was handed out. Done twice, it writes once. Fails as sync_run;
 * PERMANENT "sync.part_stale" when source or target do not look any more as they were planned for.
 */
MUST_USE enum outcome sync_run_part(const struct sync_env *env, const struct sync_spec *spec,
                                    const char *state, struct arena *arena,
                                    struct receipt *ret_receipt, struct err *err);

#endif
