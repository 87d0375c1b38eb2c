/*
 * load: a first or full load: rows go into a stage beside the target, chunk by chunk; the key and
 * the indexes are built behind them; what stands there is proved; then it takes the target's place.
 *
 * The target is untouched until the swap. Each chunk's commit carries the state that names it, so a
 * worker that dies is followed by one that reads only what is missing.
 */
#include "sync/internal.h"

#include "base/clock.h"
#include "model/split.h"

#include <string.h>

struct stream_ref load_stage(const struct sync *sync)
{
    return (struct stream_ref){sync->plan.target_ref.schema, sync->state.stage, NULL};
}

/* ---- the stage ---- */

static enum outcome split_source(struct sync *sync, struct split_list *ret_list, struct err *err)
{
    static const struct split_range whole = {NULL, NULL};
    const struct sync_plan *plan = &sync->plan;
    struct key_stats stats = {NULL, NULL, -1};
    *ret_list = (struct split_list){1, &whole};
    sync->rows_total = plan->source.rows_estimate;
    if (plan->split_input < 0 || sync_source(sync)->key_stats == NULL)
        return OUTCOME_OK;
    const struct column_spec *column = &plan->mapping.inputs[plan->split_input];
    TRY(sync_source(sync)->key_stats(sync->source, &plan->source_ref, column, sync->arena, &stats,
                                     err));
    if (stats.rows_estimate >= 0)
        sync->rows_total = stats.rows_estimate;
    return split_ranges(&column->spec, stats.min, stats.max, stats.rows_estimate,
                        sync->spec->chunk_rows, sync->arena, ret_list, err);
}

static enum outcome begin_chunks(struct sync *sync, struct err *err)
{
    struct split_list list;
    struct sync_state *state = &sync->state;
    TRY(split_source(sync, &list, err));
    state->chunks = ARENA_ARRAY(sync->arena, struct receipt_chunk, list.count);
    TRY_ALLOC(state->chunks, err);
    state->chunk_count = list.count;
    for (size_t i = 0; i < list.count; i++)
        state->chunks[i] =
            (struct receipt_chunk){.from = list.ranges[i].from, .to = list.ranges[i].to};
    return OUTCOME_OK;
}

static enum outcome create_stage(struct sync *sync, struct err *err)
{
    const struct connector *target = sync_target(sync);
    const struct sync_plan *plan = &sync->plan;
    struct create_request request = {.table = load_stage(sync),
                                     .comment = plan->source.comment,
                                     .like = plan->target_exists ? &plan->target_ref : NULL};
    struct target_columns columns;
    TRY(target_columns(sync, &columns, err));
    request.columns = columns.columns;
    request.column_count = columns.column_count;
    TRY(target->stage_drop(sync->target, &request.table, err));
    TRY(target->table_create(sync->target, &request, err));
    if (plan->drift.change_count == 0)
        return OUTCOME_OK;
    return target->table_change(sync->target, &request.table, plan->drift.changes,
                                plan->drift.change_count, err);
}

/* A load that an earlier attempt began with the same definition and columns, and whose stage
 * still stands. */
static enum outcome can_resume(struct sync *sync, bool *ret_resume, struct err *err)
{
    const struct sync_state *state = &sync->state;
    struct table_spec stage;
    *ret_resume = false;
    if (!state->loading || state->shape == NULL || strcmp(state->shape, sync->plan.shape) != 0)
        return OUTCOME_OK;
    if (state->plan != NULL && !parts_can(sync))
        return OUTCOME_OK;
    struct stream_ref ref = load_stage(sync);
    enum outcome outcome =
        sync_target(sync)->describe(sync->target, &ref, sync->arena, &stage, err);
    *ret_resume = outcome == OUTCOME_OK;
    if (outcome == OUTCOME_PERMANENT && strcmp(err->code, "stream.missing") == 0) {
        err_clear(err);
        return OUTCOME_OK;
    }
    return outcome;
}

size_t load_count_done(struct sync *sync)
{
    struct receipt *receipt = sync->receipt;
    size_t count = 0;
    for (size_t i = 0; i < sync->state.chunk_count; i++) {
        const struct receipt_chunk *chunk = &sync->state.chunks[i];
        if (!chunk->done)
            continue;
        count++;
        receipt->rows_read += chunk->rows_read;
        receipt->rows_written += chunk->rows_written;
        receipt->rows_rejected += chunk->rows_rejected;
        receipt->source_hash = hash128_add(receipt->source_hash, chunk->source_hash);
        sync->bad_rows += chunk->rows_rejected;
    }
    return count;
}

static void count_resumed(struct sync *sync)
{
    struct receipt *receipt = sync->receipt;
    receipt->resumed_chunks = (int64_t)load_count_done(sync);
    receipt_note(receipt,
                 "an earlier attempt had made %lld of %zu chunks durable: this one went on from "
                 "there, with a snapshot of its own",
                 (long long)receipt->resumed_chunks, sync->state.chunk_count);
}

static enum outcome begin_stage(struct sync *sync, struct err *err)
{
    struct sync_state *state = &sync->state;
    bool resume;
    TRY(can_resume(sync, &resume, err));
    if (resume) {
        sync->rows_total = sync->plan.source.rows_estimate;
        if (state->plan != NULL)
            return OUTCOME_OK; /* the parts have snapshots and counts of their own */
        state->snapshots++;
        count_resumed(sync);
        return OUTCOME_OK;
    }
    if (state->plan != NULL)
        TRY(parts_abandon(sync, err));
    else if (state->definition != NULL)
        TRY(parts_forget(sync, err));
    const char *cursor_next = state->cursor_next;
    *state = (struct sync_state){.definition = sync->plan.definition,
                                 .shape = sync->plan.shape,
                                 .loading = true,
                                 .cursor_next = cursor_next,
                                 .started_us = sync->now_us,
                                 .snapshots = 1,
                                 .plans = state->plans};
    state->stage = arena_printf(sync->arena, HAUL_STAGE_PREFIX "%.16s", sync->plan.definition);
    TRY_ALLOC(state->stage, err);
    TRY(begin_chunks(sync, err));
    TRY(parts_plan(sync, err));
    TRY(create_stage(sync, err));
    return state->plan == NULL ? OUTCOME_OK : parts_store(sync, err);
}

/* ---- the rows ---- */

static bool next_range(struct flow *flow, struct flow_chunk *ret_chunk)
{
    struct sync *sync = flow->sync;
    size_t *next = flow->ctx;
    while (*next < sync->state.chunk_count && sync->state.chunks[*next].done)
        (*next)++;
    if (*next == sync->state.chunk_count)
        return false;
    const struct receipt_chunk *chunk = &sync->state.chunks[*next];
    ret_chunk->number = (*next)++;
    if (sync->plan.split_input < 0)
        return true;
    const char *column = sync->plan.mapping.inputs[sync->plan.split_input].name;
    if (chunk->from != NULL)
        ret_chunk->filters[ret_chunk->filter_count++] =
            (struct read_filter){column, READ_GE, chunk->from, false};
    if (chunk->to != NULL)
        ret_chunk->filters[ret_chunk->filter_count++] =
            (struct read_filter){column, READ_LT, chunk->to, chunk->from == NULL};
    return true;
}

static enum outcome settle_range(struct flow *flow, struct lane *lane, const struct parcel *parcel,
                                 struct err *err)
{
    struct receipt_chunk *chunk = &flow->sync->state.chunks[parcel->chunk];
    (void)err;
    chunk->rows_read = lane->open.rows_read;
    chunk->rows_written = lane->open.rows_written;
    chunk->rows_rejected = lane->open.rows_rejected;
    chunk->source_hash = lane->open.source_hash;
    chunk->done = true;
    return OUTCOME_OK;
}

enum outcome load_rows(struct sync *sync, struct err *err)
{
    size_t next = 0;
    int64_t lanes = sync->spec->parallel;
    if ((size_t)lanes > sync->state.chunk_count)
        lanes = (int64_t)sync->state.chunk_count;
    struct flow flow = {
        .sync = sync,
        .phase = "load",
        .write = {.table = load_stage(sync),
                  .columns = sync->plan.columns,
                  .column_count = sync->plan.column_count,
                  .how = WRITE_INSERT,
                  .now_us = sync->now_us,
                  .checkpoint = sync->checkpoint},
        .lanes = (size_t)lanes,
        .next_chunk = next_range,
        .settle = settle_range,
        .ctx = &next,
    };
    if (lanes > 1 && sync->snapshot == NULL)
        receipt_note(sync->receipt,
                     "%lld readers with a snapshot each: rows that changed while "
                     "they began may be of different moments",
                     (long long)lanes);
    return flow_run(&flow, err);
}

/* ---- behind the rows ---- */

static enum outcome finish(struct sync *sync, struct err *err)
{
    const struct sync_plan *plan = &sync->plan;
    struct target_columns columns;
    int64_t from_us = clock_monotonic_us();
    TRY(target_columns(sync, &columns, err));
    struct finish_request request = {.stage = load_stage(sync),
                                     .like = plan->target_exists ? &plan->target_ref : NULL,
                                     .columns = columns.columns,
                                     .column_count = columns.column_count,
                                     .key = columns.key,
                                     .key_count = columns.key_count,
                                     .comment = plan->source.comment};
    sync_progress(sync, "finish", "target");
    enum outcome outcome = sync_target(sync)->table_finish(sync->target, &request, err);
    sync->receipt->stages.finish_us += clock_monotonic_us() - from_us;
    return outcome;
}

static enum outcome swap(struct sync *sync, struct err *err)
{
    struct sync_state after = {.definition = sync->plan.definition,
                               .shape = sync->plan.shape,
                               .cursor = sync->state.cursor_next,
                               .started_us = sync->state.started_us,
                               .plans = sync->state.plans};
    struct str text __attribute__((cleanup(str_done))) = str_with_max(STR_MAX_DEFAULT);
    sync_state_write(&after, &text);
    if (text.failed)
        return FAIL_NO_MEMORY(err);
    struct swap_request request = {.stage = load_stage(sync),
                                   .target = sync->plan.target_ref,
                                   .checkpoint = sync->checkpoint,
                                   .state = str_text(&text)};
    TRY(sync_target(sync)->table_swap(sync->target, &request, err));
    TRY(parts_forget(sync, err));
    sync->receipt->chunk_count = sync->state.chunk_count;
    sync->receipt->chunks = sync->state.chunks;
    sync->state = after;
    return OUTCOME_OK;
}

static enum outcome note_cursor_bound(struct sync *sync, struct err *err)
{
    const struct sync_plan *plan = &sync->plan;
    struct cursor_high high;
    if (plan->cursor < 0 || (sync->state.loading && sync->state.cursor_next != NULL))
        return OUTCOME_OK; /* a resumed load keeps the bound of its first snapshot */
    TRY(sync_source(sync)->cursor_high(sync->source, &plan->source_ref,
                                       &plan->mapping.inputs[plan->cursor_input], sync->arena,
                                       &high, err));
    sync->state.cursor_next = cursor_after(sync, &high);
    return OUTCOME_OK;
}

enum outcome load_run(struct sync *sync, struct err *err)
{
    sync->receipt->path = "load";
    TRY(note_cursor_bound(sync, err));
    TRY(begin_stage(sync, err));
    if (sync->state.plan == NULL)
        TRY(load_rows(sync, err));
    else
        TRY(parts_join(sync, err));
    sync->receipt->snapshots = sync->state.snapshots;
    TRY(finish(sync, err));
    struct stream_ref stage = load_stage(sync);
    TRY(prove_stage(sync, &stage, err));
    TRY(sync_check_cancelled(sync, err));
    return swap(sync, err);
}
