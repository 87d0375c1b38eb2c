/*
 * internal: what the files of the pipeline share; nobody outside common/sync includes it.
 *
 * A sync is planned (plan.c), its rows move through lanes (flow.c), either into a stage beside the
 * target that is swapped in (load.c), a big one in parts that others do (parts.c, part.c), or
 * merged into the live target (merge.c); rows that vanished
 * are found by comparison (compare.c, vanish.c); what stands in the target is proved (prove.c).
 */
#ifndef HAUL_SYNC_INTERNAL_H
#define HAUL_SYNC_INTERNAL_H

#include "model/drift.h"
#include "model/mapping.h"
#include "model/policy.h"
#include "sync/flow_queue.h"
#include "sync/state.h"
#include "sync/sync.h"

#include <pthread.h>

#define FLOW_BATCH_ROWS 16384 /* at most: see batches.c */
#define FLOW_BATCH_BYTES (2u << 20)
#define VERIFY_WHOLE_ROWS 65536 /* tables and deltas up to here are read back wholly */
#define VERIFY_ONE_IN 64
#define CHECKPOINT_ID_MAX 180

struct sync_plan {
    struct stream_ref source_ref, target_ref;
    struct table_spec source;
    struct mapping mapping;
    size_t column_count; /* what is written: the mapping's outputs */
    const struct column_spec *columns;
    size_t key_count;
    size_t *key; /* numbers into columns; none = the table has no key */
    int cursor;  /* number into columns and inputs alike by name; -1 = none */
    int cursor_input;
    int split_input; /* the input that the leading key column is made of; -1 = can't be split */
    bool target_exists;
    struct table_spec target;
    struct drift_report drift;
    char definition[33], shape[33];
};

struct sync {
    const struct sync_env *env;
    const struct sync_spec *spec;
    struct arena *arena;
    struct receipt *receipt;
    struct session *source, *target;
    const char *snapshot; /* the source's, for other sessions to join; NULL = each its own */
    struct sync_plan plan;
    struct sync_state state;
    struct checkpoint_ref checkpoint;
    char checkpoint_id[272]; /* "workspace/sync": what checkpoint.sync_id points to */
    struct value_policy policy;
    struct policy_counts policy_counts;
    int64_t now_us;
    uint64_t seed;        /* of the sample that is verified */
    pthread_mutex_t lock; /* receipt, state, bad_rows, arena, quarantine, while lanes run */
    int64_t bad_rows;
    int64_t rows_total;  /* estimate; -1 = not known */
    int64_t rows_moving; /* written, but in no chunk that is durable */
};

/* ---- plan.c ---- */
/* Both sides. Before its second half a run takes its fence: a worker that sleeps may hold the
 * target locked until then. */
MUST_USE enum outcome plan_make(struct sync *sync, struct err *err);
MUST_USE enum outcome plan_source(struct sync *sync, struct err *err);
MUST_USE enum outcome plan_target(struct sync *sync, struct err *err);
/* The plan by which `table` of the target is read back in the types that were written. */
MUST_USE enum outcome plan_read_back(struct sync *sync, const struct table_spec *table,
                                     struct mapping *ret_mapping, struct err *err);

/* ---- sessions (sync.c) ---- */
void sync_init(struct sync *sync, const struct sync_env *env, const struct sync_spec *spec,
               struct arena *arena, struct receipt *receipt);
void sync_done(struct sync *sync);
MUST_USE enum outcome sync_open_both(struct sync *sync, struct err *err);
MUST_USE enum outcome sync_take_checkpoint(struct sync *sync, struct err *err);
MUST_USE enum outcome sync_open_source(const struct sync *sync, struct session **ret_session,
                                       struct err *err);
MUST_USE enum outcome sync_open_target(const struct sync *sync, struct session **ret_session,
                                       struct err *err);
bool sync_is_cancelled(const struct sync *sync);
MUST_USE enum outcome sync_check_cancelled(const struct sync *sync, struct err *err);
void sync_progress(struct sync *sync, const char *phase, const char *bottleneck);
static inline const struct connector *sync_source(const struct sync *sync)
{
    return sync->env->source.connector;
}
static inline const struct connector *sync_target(const struct sync *sync)
{
    return sync->env->target.connector;
}

/* ---- flow.c: rows from the source to the target ---- */
struct parcel {
    struct batch *batch; /* rows as they are written */
    struct batch *input; /* rows as they are read; the same batch when nothing is mapped */
    struct batch_encoding encoding;
    struct hash128 *row_hashes;
    struct hash128 hash; /* sum over the batch */
    struct arena arena;  /* bad rows and cursor text of this parcel */
    struct bad_row *bad;
    size_t bad_count;
    int64_t rows_read, bytes_read;
    const char *cursor_last;    /* of the last row read; NULL = none */
    size_t tie_count;           /* how many rows at the end have it; */
    const struct hash128 *ties; /* their hashes as they were read (append) */
    size_t chunk;               /* which chunk these rows are of */
    bool chunk_end;
};

struct lane;
struct flow_chunk {
    size_t number;
    struct read_filter filters[6];
    size_t filter_count;
};

/* What is moved and what is done at each durable point. */
struct flow {
    struct sync *sync;
    const char *phase;
    struct write_request write;
    int64_t commit_rows; /* a durable point after so many rows inside a chunk; 0 = at its end */
    const char *const *order_by;
    size_t order_count;
    bool wants_ties;
    size_t lanes;
    struct lane *lane;     /* while flow_run does */
    _Atomic bool stopping; /* a lane has failed: the others end too; set under the sync's lock */
    enum outcome outcome;  /* of the first that failed; under the sync's lock */
    struct err err;
    /* The next chunk to read; false when there is none. Called under the sync's lock. */
    bool (*next_chunk)(struct flow *flow, struct flow_chunk *ret_chunk);
    /* After rows of a parcel were written, in their transaction. NULL = nothing. */
    enum outcome (*wrote)(struct flow *flow, struct lane *lane, const struct parcel *parcel,
                          size_t first, size_t count, struct err *err);
    /* After all rows of a parcel were written. NULL = nothing. */
    enum outcome (*parcel_written)(struct flow *flow, const struct parcel *parcel, struct err *err);
    /* At a durable point: changes sync->state for what the lane has written since the last one.
     * Called under the sync's lock; the commit follows. */
    enum outcome (*settle)(struct flow *flow, struct lane *lane, const struct parcel *parcel,
                           struct err *err);
    void *ctx;
};

struct lane {
    struct flow *flow;
    size_t number;
    struct session *source, *target;
    struct writer *writer;
    struct gate *gate;
    struct flow_queue queue;
    struct parcel parcels[FLOW_PARCELS];
    pthread_t reader_thread, writer_thread;
    _Atomic bool is_reading; /* its reader has a use for an interrupt */
    struct policy_counts policy_counts;
    int64_t read_us, transform_us, write_us;
    struct write_counts counts;
    size_t parcels_written;
    /* since the last durable point */
    struct receipt_chunk open;
    int64_t bytes_written;
};

/* A lane's threads (flow_read.c, flow_write.c); `arg` is the lane. */
void *flow_reader_main(void *arg);
void *flow_writer_main(void *arg);
/* A thread ends with an error: the first one is the run's, what comes after it only its echo. */
void flow_fail(struct flow *flow, enum outcome outcome, const struct err *err);
/* The same with the sync's lock held, by who then calls flow_fail too. */
void flow_note_failure(struct flow *flow, enum outcome outcome, const struct err *err);

/* Moves all chunks through the flow's lanes; the first error ends them all. */
MUST_USE enum outcome flow_run(struct flow *flow, struct err *err);

/* ---- batches.c ---- */
struct batch *sync_batch_new(const struct column_spec *columns, size_t count);
/* Both sides of a mapping, of as many rows each; one and the same batch when nothing is mapped.
 * False without memory: what was made is the caller's all the same. */
MUST_USE bool sync_batches_new(const struct mapping *mapping, struct batch **ret_input,
                               struct batch **ret_output);

/* ---- parcel.c ---- */
MUST_USE enum outcome parcel_init(struct parcel *parcel, const struct sync_plan *plan,
                                  struct err *err);
void parcel_done(struct parcel *parcel, const struct sync_plan *plan);
void parcel_clear(struct parcel *parcel);
/* Maps, gates and hashes what was read into parcel->input. */
MUST_USE enum outcome parcel_prepare(struct parcel *parcel, struct lane *lane, struct err *err);
/* {"column": "text form" or null} of a row, in the arena. */
const char *batch_row_json(const struct batch *batch, const struct column_spec *columns, size_t row,
                           struct arena *arena);

/* ---- scan.c: reading one side wholly, hashed ---- */
struct scan {
    struct sync *sync;
    const struct connector *connector;
    struct session *session;
    struct stream_ref stream;
    const struct mapping *mapping; /* to the plan's columns */
    const size_t *key;
    size_t key_count;
    bool gate; /* apply the sync's value policy (the source's side) */
    const struct read_filter *filters;
    size_t filter_count;
    bool keys_only; /* row hash = key hash; other columns are not read */
};
/* One batch of rows of the plan's columns with key and row hashes. */
typedef enum outcome scan_rows(void *ctx, const struct batch *batch, const struct hash128 *keys,
                               const struct hash128 *rows, struct err *err);
MUST_USE enum outcome scan_run(const struct scan *scan, scan_rows *rows, void *ctx,
                               struct err *err);

/* ---- compare.c: two sides row by row, in bounded memory ---- */
struct compare {
    struct scan left, right; /* the same key columns on both sides */
    struct scan left_rows;   /* whole rows of the left side, for what the right side lacks */
    void *ctx;
    /* Rows of the right side that the left has not; of the left that are missing or differ on the
     * right. `rows` are numbers into the batch. NULL = only counted. */
    enum outcome (*right_only)(void *ctx, const struct batch *batch, const size_t *rows,
                               size_t count, struct err *err);
    enum outcome (*left_other)(void *ctx, const struct batch *batch, const size_t *rows,
                               size_t count, struct err *err);
};
struct compare_counts {
    int64_t left_rows, right_rows, left_only, right_only, different, duplicates;
    struct hash128 left_hash, right_hash;
};
MUST_USE enum outcome compare_run(const struct compare *compare, struct compare_counts *ret_counts,
                                  struct err *err);

/* ---- mend.c: rows that a comparison found go into the target, or out of it ---- */
struct mend_request {
    const struct column_spec *columns;
    size_t column_count;
    const size_t *key; /* as many as the plan's key has */
    enum write_how how;
};
struct mend {
    struct sync *sync;
    struct write_request write;
    struct writer *writer;
    struct batch *rows;
    int64_t row_count;
    struct write_counts counts;
};
MUST_USE enum outcome mend_begin(struct mend *mend, struct sync *sync,
                                 const struct mend_request *request, struct err *err);
MUST_USE enum outcome mend_add(struct mend *mend, const struct batch *batch, const size_t *rows,
                               size_t count, struct err *err);
MUST_USE enum outcome mend_commit(struct mend *mend, struct err *err);
void mend_end(struct mend *mend); /* undoes what is not committed; takes a zeroed one */

/* ---- the ways of a sync ---- */
MUST_USE enum outcome load_run(struct sync *sync, struct err *err); /* load.c */
/* Moves the chunks of sync->state that are not done into its stage. */
MUST_USE enum outcome load_rows(struct sync *sync, struct err *err);
/* Adds the chunks that are done to the receipt. Gives how many. */
size_t load_count_done(struct sync *sync);
struct stream_ref load_stage(const struct sync *sync);
MUST_USE enum outcome merge_run(struct sync *sync, struct err *err); /* merge.c */
/* After a mirror or history merge: rows that are gone from the source (vanish.c). */
MUST_USE enum outcome vanish_run(struct sync *sync, struct err *err);
/* ---- parts.c: a load that is handed out; the parts are runs of chunks of state.chunks ---- */
bool parts_can(const struct sync *sync);
/* Turns a load that was just split into one of parts, when it is big enough for some. */
MUST_USE enum outcome parts_plan(struct sync *sync, struct err *err);
/* Makes the plan durable; its stage stands. */
MUST_USE enum outcome parts_store(struct sync *sync, struct err *err);
/* Takes over what the parts have done. THROTTLED when some are not: they are handed out. */
MUST_USE enum outcome parts_join(struct sync *sync, struct err *err);
/* The checkpoints of all parts of the sync's plans go: after the swap, and, should a worker have
 * died there, before the next load. */
MUST_USE enum outcome parts_forget(struct sync *sync, struct err *err);
/* Ends a plan that nobody goes on with, whoever still works for it; its stage goes. */
MUST_USE enum outcome parts_abandon(struct sync *sync, struct err *err);
/* The checkpoint of a part of state->plan, for this run's fence; sync_id NULL without memory. */
struct checkpoint_ref parts_checkpoint(const struct sync *sync, const struct sync_state *state,
                                       size_t part);
/* Proves a loaded stage against state.chunks (prove.c). */
MUST_USE enum outcome prove_stage(struct sync *sync, const struct stream_ref *stage,
                                  struct err *err);
/* The columns of the target with those that haul adds for the mode (columns.c). */
struct target_columns {
    const struct column_spec *columns;
    size_t column_count;
    const size_t *key; /* of the table */
    size_t key_count;
};
MUST_USE enum outcome target_columns(const struct sync *sync, struct target_columns *ret_columns,
                                     struct err *err);
bool sync_is_soft(const struct sync *sync); /* mirror that marks what vanished */
/* The filter by which only rows that stand are read from the target: false when all of them do. */
bool target_live_filter(const struct sync *sync, struct read_filter *ret_filter);

/* The cursor that the next run begins at (cursor.c): never beyond what may be committed late. */
const char *cursor_after(const struct sync *sync, const struct cursor_high *high);
MUST_USE enum outcome cursor_minus(const struct value_spec *spec, const char *value,
                                   int64_t lookback, struct arena *arena, const char **ret_value,
                                   struct err *err);
/* Negative, 0 or positive as text forms of a type order; for the types a cursor may have. */
int cursor_compare(const struct value_spec *spec, const char *a, const char *b);
bool cursor_type_is_ordered(enum value_type type);

#endif
