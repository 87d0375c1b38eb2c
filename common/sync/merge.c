/*
 * merge: rows go into the live target, in the cursor's order, each durable point with the cursor
 * that it reached: append, upsert, mirror and snapshot_history behind their first load.
 *
 * A row is never skipped: a run begins at the cursor value it stopped at, not behind it. Merging
 * the same row twice changes nothing; append remembers which rows at that value it has taken.
 */
#include "sync/internal.h"

#include "io/hash.h"

#include <string.h>

#define TIES_MAX 65536
#define MERGE_COMMIT_ROWS 65536
#define MERGE_CHUNKS_MAX 1024

struct merge {
    struct sync *sync;
    struct cursor_high high;
    bool taken; /* the one chunk was handed out */
    struct read_filter filters[2];
    size_t filter_count;
    const char *cursor; /* of the last row written */
    struct hash128 *ties;
    size_t tie_count;
    struct mapping read_back;
    struct batch *back, *back_input;
    struct batch_encoding encoding;
    struct hash128 *hashes;
    int64_t rows_seen;
};

/* ---- the target's table ---- */

static enum outcome add_missing_columns(struct sync *sync, const struct target_columns *columns,
                                        struct err *err)
{
    const struct sync_plan *plan = &sync->plan;
    for (size_t i = plan->column_count; i < columns->column_count; i++) {
        struct schema_change change = {SCHEMA_ADD_COLUMN, columns->columns[i]};
        if (table_spec_find(&plan->target, change.column.name) >= 0)
            continue;
        change.column.nullable = true;
        TRY(sync_target(sync)->table_change(sync->target, &plan->target_ref, &change, 1, err));
    }
    return OUTCOME_OK;
}

static enum outcome prepare_target(struct sync *sync, struct err *err)
{
    const struct connector *target = sync_target(sync);
    struct sync_plan *plan = &sync->plan;
    struct target_columns columns;
    TRY(target_columns(sync, &columns, err));
    if (plan->target_exists) {
        if (plan->drift.change_count > 0)
            TRY(target->table_change(sync->target, &plan->target_ref, plan->drift.changes,
                                     plan->drift.change_count, err));
        return add_missing_columns(sync, &columns, err);
    }
    struct create_request request = {.table = plan->target_ref,
                                     .columns = columns.columns,
                                     .column_count = columns.column_count,
                                     .key = columns.key,
                                     .key_count = columns.key_count,
                                     .comment = plan->source.comment};
    return target->table_create(sync->target, &request, err);
}

/* ---- what is read ---- */

static enum outcome choose_filters(struct merge *merge, struct err *err)
{
    struct sync *sync = merge->sync;
    const struct sync_plan *plan = &sync->plan;
    if (plan->cursor < 0)
        return OUTCOME_OK;
    const struct column_spec *column = &plan->mapping.inputs[plan->cursor_input];
    bool append = sync->spec->mode == SYNC_APPEND;
    TRY(sync_source(sync)->cursor_high(sync->source, &plan->source_ref, column, sync->arena,
                                       &merge->high, err));
    if (merge->high.horizon_reason != NULL)
        receipt_note(sync->receipt, "rows committed late may be missed beyond lookback: %s",
                     merge->high.horizon_reason);
    if (sync->state.cursor != NULL) {
        const char *from;
        TRY(cursor_minus(&column->spec, sync->state.cursor, append ? 0 : sync->spec->lookback,
                         sync->arena, &from, err));
        merge->filters[merge->filter_count++] =
            (struct read_filter){column->name, READ_GE, from, false};
    }
    if (append && merge->high.horizon != NULL) /* an appended row can't be taken back */
        merge->filters[merge->filter_count++] = (struct read_filter){
            column->name, READ_LT, merge->high.horizon, sync->state.cursor == NULL};
    return OUTCOME_OK;
}

static bool next_delta(struct flow *flow, struct flow_chunk *ret_chunk)
{
    struct merge *merge = flow->ctx;
    if (merge->taken)
        return false;
    merge->taken = true;
    memcpy(ret_chunk->filters, merge->filters, sizeof merge->filters);
    ret_chunk->filter_count = merge->filter_count;
    return true;
}

/* ---- proof: what the merge left in the target, read in its own transaction ---- */

static enum outcome prepare_read_back(struct merge *merge, struct err *err)
{
    struct sync *sync = merge->sync;
    const struct sync_plan *plan = &sync->plan;
    batch_encoding_init(&merge->encoding);
    if (sync->spec->verify == SYNC_VERIFY_COUNT || plan->key_count == 0 ||
        sync->spec->mode == SYNC_APPEND || sync_target(sync)->read_back == NULL) {
        if (sync->spec->verify != SYNC_VERIFY_COUNT)
            receipt_note(sync->receipt, "rows were proved by the target's own counts only: without "
                                        "a key they cannot be found again");
        return OUTCOME_OK;
    }
    merge->back = sync_batch_new(plan->columns, plan->column_count);
    TRY_ALLOC(merge->back, err);
    merge->hashes = ARENA_ARRAY(sync->arena, struct hash128, merge->back->row_cap);
    TRY_ALLOC(merge->hashes, err);
    return OUTCOME_OK;
}

static bool is_chosen(const struct merge *merge, const struct lane *lane)
{
    const struct sync *sync = merge->sync;
    if (sync->spec->verify == SYNC_VERIFY_FULL || merge->rows_seen <= VERIFY_WHOLE_ROWS)
        return true;
    uint64_t seed[2] = {sync->seed, lane->parcels_written};
    return hash128_bytes(seed, sizeof seed).lo % VERIFY_ONE_IN == 0;
}

static enum outcome sum_read_back(struct merge *merge, struct reader *reader,
                                  struct hash128 *ret_sum, int64_t *ret_rows, struct err *err)
{
    const struct connector *target = sync_target(merge->sync);
    struct hash128 sum = {0, 0};
    int64_t rows = 0;
    for (bool end = false; !end;) {
        batch_clear(merge->back);
        TRY(target->read_next(reader, merge->back, &end, err));
        if (!batch_encode(merge->back, NULL, 0, &merge->encoding))
            return FAIL_NO_MEMORY(err);
        sum = hash128_add(sum, hash128_rows_sum(str_text(&merge->encoding.bytes),
                                                merge->encoding.offsets, merge->back->row_count));
        rows += (int64_t)merge->back->row_count;
    }
    *ret_sum = sum;
    *ret_rows = rows;
    return OUTCOME_OK;
}

static enum outcome differs(int64_t wrote, int64_t found, struct err *err)
{
    if (wrote != found)
        FAIL(err, OUTCOME_PERMANENT, "verify.mismatch",
             "%lld rows were merged, %lld of them stand in the target", (long long)wrote,
             (long long)found);
    else
        FAIL(err, OUTCOME_PERMANENT, "verify.mismatch",
             "%lld rows were merged, but their values in the target differ from what was written",
             (long long)wrote);
    return err_hint(err, "a trigger, rule or narrower column type in the target changes values, or "
                         "the key is not unique in the source; nothing of this step was kept");
}

static enum outcome prove_merge(struct flow *flow, struct lane *lane, const struct parcel *parcel,
                                size_t first, size_t count, struct err *err)
{
    struct merge *merge = flow->ctx;
    struct receipt *receipt = merge->sync->receipt;
    struct hash128 sent = {0, 0}, found = {0, 0};
    int64_t rows = 0;
    merge->rows_seen += (int64_t)count;
    if (merge->back == NULL || !is_chosen(merge, lane))
        return OUTCOME_OK;
    for (size_t i = first; i < first + count; i++)
        sent = hash128_add(sent, parcel->row_hashes[i]);
    struct reader *reader;
    TRY(sync_target(merge->sync)->read_back(lane->writer, &reader, err));
    enum outcome outcome = sum_read_back(merge, reader, &found, &rows, err);
    sync_target(merge->sync)->read_end(reader);
    TRY(outcome);
    if (rows != (int64_t)count || !hash128_eq(sent, found))
        return differs((int64_t)count, rows, err);
    receipt->rows_verified += rows;
    receipt->target_hash = hash128_add(receipt->target_hash, found);
    receipt->verified_source_hash = hash128_add(receipt->verified_source_hash, sent);
    return OUTCOME_OK;
}

/* ---- durable points ---- */

static enum outcome too_many_ties(struct err *err)
{
    FAIL(err, OUTCOME_PERMANENT, "cursor.too_many_ties",
         "more than %d rows have one and the same cursor value", TIES_MAX);
    return err_hint(err, "append cannot tell them apart: take a finer cursor column, or mode "
                         "upsert");
}

/* Rows at the cursor value that was reached, over as many parcels as they go. */
static enum outcome note_ties(struct merge *merge, const struct parcel *parcel, struct err *err)
{
    if (merge->cursor == NULL || strcmp(merge->cursor, parcel->cursor_last) != 0)
        merge->tie_count = 0;
    if (merge->tie_count + parcel->tie_count > TIES_MAX)
        return too_many_ties(err);
    if (merge->ties == NULL) {
        merge->ties = ARENA_ARRAY(merge->sync->arena, struct hash128, TIES_MAX);
        TRY_ALLOC(merge->ties, err);
    }
    memcpy(merge->ties + merge->tie_count, parcel->ties, parcel->tie_count * sizeof *merge->ties);
    merge->tie_count += parcel->tie_count;
    return OUTCOME_OK;
}

static enum outcome note_parcel(struct flow *flow, const struct parcel *parcel, struct err *err)
{
    struct merge *merge = flow->ctx;
    if (parcel->cursor_last == NULL)
        return OUTCOME_OK;
    if (flow->wants_ties)
        TRY(note_ties(merge, parcel, err));
    merge->cursor = arena_strdup(merge->sync->arena, parcel->cursor_last);
    TRY_ALLOC(merge->cursor, err);
    return OUTCOME_OK;
}

static void add_chunk(struct sync *sync, const struct lane *lane, const char *to)
{
    struct receipt *receipt = sync->receipt;
    struct receipt_chunk chunk = lane->open;
    chunk.from = sync->state.cursor;
    chunk.to = to;
    chunk.done = true;
    if (receipt->chunks != NULL && receipt->chunk_count < MERGE_CHUNKS_MAX)
        receipt->chunks[receipt->chunk_count++] = chunk;
}

static enum outcome settle_cursor(struct flow *flow, struct lane *lane, const struct parcel *parcel,
                                  struct err *err)
{
    struct merge *merge = flow->ctx;
    struct sync *sync = merge->sync;
    const char *before = sync->state.cursor, *cursor = before;
    (void)parcel;
    (void)err;
    if (merge->cursor != NULL) {
        struct cursor_high reached = {.max = merge->cursor, .horizon = merge->high.horizon};
        const struct value_spec *spec = &sync->plan.mapping.inputs[sync->plan.cursor_input].spec;
        cursor = cursor_after(sync, &reached);
        if (before != NULL && cursor_compare(spec, cursor, before) < 0)
            cursor = before; /* still within the look-back */
        sync->state.ties = merge->ties;
        sync->state.tie_count = flow->wants_ties ? merge->tie_count : 0;
    }
    add_chunk(sync, lane, cursor);
    sync->state.cursor = cursor;
    return OUTCOME_OK;
}

static enum write_how how_of(int mode)
{
    static const enum write_how hows[] = {[SYNC_FULL_REFRESH] = WRITE_INSERT,
                                          [SYNC_APPEND] = WRITE_INSERT,
                                          [SYNC_UPSERT] = WRITE_MERGE,
                                          [SYNC_MIRROR] = WRITE_MERGE,
                                          [SYNC_SNAPSHOT_HISTORY] = WRITE_HISTORY};
    return hows[mode];
}

static enum outcome move_delta(struct merge *merge, struct err *err)
{
    struct sync *sync = merge->sync;
    const struct sync_plan *plan = &sync->plan;
    enum write_how how = how_of(sync->spec->mode);
    const char *order = plan->cursor < 0 ? NULL : plan->mapping.inputs[plan->cursor_input].name;
    struct flow flow = {
        .sync = sync,
        .phase = "merge",
        .write = {.table = plan->target_ref,
                  .columns = plan->columns,
                  .column_count = plan->column_count,
                  .key = plan->key,
                  .key_count = how == WRITE_INSERT ? 0 : plan->key_count,
                  .how = how,
                  .soft_delete = sync_is_soft(sync),
                  .history = how == WRITE_HISTORY,
                  .now_us = sync->now_us,
                  .checkpoint = sync->checkpoint},
        .commit_rows = MERGE_COMMIT_ROWS,
        .order_by = &order,
        .order_count = order != NULL,
        .wants_ties = sync->spec->mode == SYNC_APPEND,
        .lanes = 1,
        .next_chunk = next_delta,
        .wrote = prove_merge,
        .parcel_written = note_parcel,
        .settle = settle_cursor,
        .ctx = merge,
    };
    return flow_run(&flow, err);
}

static void merge_done(struct merge *merge)
{
    batch_free(merge->back);
    batch_encoding_done(&merge->encoding);
}

enum outcome merge_run(struct sync *sync, struct err *err)
{
    struct merge merge __attribute__((cleanup(merge_done))) = {.sync = sync};
    batch_encoding_init(&merge.encoding);
    sync->receipt->path = "merge";
    sync->receipt->snapshots = 1;
    sync->receipt->chunks = ARENA_ARRAY(sync->arena, struct receipt_chunk, MERGE_CHUNKS_MAX);
    TRY_ALLOC(sync->receipt->chunks, err);
    sync->state.definition = sync->plan.definition;
    sync->state.shape = sync->plan.shape;
    sync->state.loading = false;
    if (sync->state.started_us == 0)
        sync->state.started_us = sync->now_us;
    TRY(prepare_target(sync, err));
    TRY(choose_filters(&merge, err));
    TRY(prepare_read_back(&merge, err));
    return move_delta(&merge, err);
}
