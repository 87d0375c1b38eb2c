/*
 * parts: a load that is handed out. The plan stands in the sync's checkpoint; each part has a
 * checkpoint of its own beside it, with a fence of its own, in which the worker that does the part
 * says what is durable. So a part is resumed, fenced off and done once just as a whole load is.
 *
 * A plan's name is never used again: its number is counted in the sync's checkpoint. Whoever still
 * works for an older plan has its own stage and its own checkpoint, and harms no other.
 */
#include "sync/internal.h"

#include <string.h>

bool parts_can(const struct sync *sync)
{
    return sync->env->hand_out != NULL && sync->spec->fan_out_rows > 0 &&
           sync_target(sync)->checkpoint_drop != NULL;
}

static size_t part_count(const struct sync_state *state)
{
    return (state->chunk_count + state->part_chunks - 1) / state->part_chunks;
}

enum outcome parts_plan(struct sync *sync, struct err *err)
{
    struct sync_state *state = &sync->state;
    int64_t wanted = sync->spec->fan_out_rows, chunks = (int64_t)state->chunk_count;
    if (!parts_can(sync) || sync->rows_total <= wanted)
        return OUTCOME_OK;
    int64_t chunk_rows = (sync->rows_total + chunks - 1) / chunks;
    int64_t part_chunks = wanted / chunk_rows;
    part_chunks = part_chunks < 1 ? 1 : part_chunks;
    if (part_chunks >= chunks)
        return OUTCOME_OK;
    state->part_chunks = (size_t)part_chunks;
    state->plans++;
    state->plan =
        arena_printf(sync->arena, "%s.%lld", sync->plan.definition, (long long)state->plans);
    state->stage = arena_printf(sync->arena, HAUL_STAGE_PREFIX "%.16s_%lld", sync->plan.definition,
                                (long long)state->plans);
    TRY_ALLOC(state->plan, err);
    TRY_ALLOC(state->stage, err);
    return OUTCOME_OK;
}

enum outcome parts_store(struct sync *sync, struct err *err)
{
    const struct connector *target = sync_target(sync);
    struct str text STR_AUTO = str_with_max(STR_MAX_DEFAULT);
    struct write_request write = {.table = load_stage(sync),
                                  .columns = sync->plan.columns,
                                  .column_count = sync->plan.column_count,
                                  .how = WRITE_INSERT,
                                  .now_us = sync->now_us,
                                  .checkpoint = sync->checkpoint};
    struct writer *writer;
    sync_state_write(&sync->state, &text);
    if (text.failed)
        return FAIL_NO_MEMORY(err);
    TRY(target->write_begin(sync->target, &write, &writer, err));
    enum outcome outcome = target->write_commit(writer, str_text(&text), err);
    target->write_end(writer);
    return outcome;
}

/* ---- the parts' checkpoints ---- */

struct checkpoint_ref parts_checkpoint(const struct sync *sync, const struct sync_state *state,
                                       size_t part)
{
    struct checkpoint_ref ref = sync->checkpoint;
    ref.sync_id = arena_printf(sync->arena, "part:%s.%zu", state->plan, part);
    return ref;
}

/* Which of the load's chunks are the part's. */
static size_t part_chunks(const struct sync_state *state, size_t part, size_t *ret_first)
{
    *ret_first = part * state->part_chunks;
    size_t left = state->chunk_count - *ret_first;
    return left < state->part_chunks ? left : state->part_chunks;
}

/* From here on nobody with a smaller fence makes anything of the part durable. */
static enum outcome take_part(struct sync *sync, size_t part, const char **ret_text,
                              struct err *err)
{
    struct checkpoint_ref ref = parts_checkpoint(sync, &sync->state, part);
    TRY_ALLOC(ref.sync_id, err);
    return sync_target(sync)->checkpoint_take(sync->target, &ref, sync->arena, ret_text, err);
}

static enum outcome join_part(struct sync *sync, size_t part, bool *ret_done, struct err *err)
{
    struct sync_state *state = &sync->state, own;
    const char *text = NULL;
    size_t first, count = part_chunks(state, part, &first);
    *ret_done = false;
    TRY(take_part(sync, part, &text, err));
    if (text == NULL)
        return OUTCOME_OK;
    TRY(sync_state_parse(text, sync->arena, &own, err));
    if (own.plan == NULL || strcmp(own.plan, state->plan) != 0 || own.first_chunk != first ||
        own.chunk_count != count)
        return FAIL_BUG(err, "part %zu of plan %s has the checkpoint of another", part,
                        state->plan);
    memcpy(&state->chunks[first], own.chunks, count * sizeof *own.chunks);
    *ret_done = true;
    for (size_t i = 0; i < count; i++)
        *ret_done &= own.chunks[i].done;
    return OUTCOME_OK;
}

static enum outcome describe_part(const struct sync *sync, size_t number,
                                  struct sync_part *ret_part, struct err *err)
{
    struct str text STR_AUTO = str_with_max(STR_MAX_DEFAULT);
    struct sync_state part = sync->state;
    part.chunk_count = part_chunks(&sync->state, number, &part.first_chunk);
    part.chunks = &sync->state.chunks[part.first_chunk];
    sync_state_write(&part, &text);
    if (text.failed)
        return FAIL_NO_MEMORY(err);
    *ret_part = (struct sync_part){number, arena_strdup(sync->arena, str_text(&text))};
    TRY_ALLOC(ret_part->state, err);
    return OUTCOME_OK;
}

/* ---- the plan's life ---- */

static enum outcome hand_out(struct sync *sync, const struct sync_part *parts, size_t count,
                             struct err *err)
{
    const struct sync_env *env = sync->env;
    TRY(sync_check_cancelled(sync, err));
    TRY(env->hand_out(env->ctx, sync->state.plan, parts, count, sync->rows_total, err));
    return FAIL(err, OUTCOME_THROTTLED, SYNC_HANDED_OUT, "%zu chunk jobs load the table", count);
}

static enum outcome count_parts(struct sync *sync, struct err *err)
{
    size_t count = part_count(&sync->state);
    (void)load_count_done(sync);
    sync->receipt->rows_inserted = sync->receipt->rows_written;
    sync->receipt->chunk_jobs = (int64_t)count;
    sync->receipt->started_us = sync->state.started_us;
    sync->state.snapshots = (int64_t)count;
    receipt_note(sync->receipt,
                 "%zu chunk jobs with a snapshot each: rows that changed while they ran may be of "
                 "different moments",
                 count);
    if (sync->bad_rows <= sync->spec->max_bad_rows)
        return OUTCOME_OK;
    FAIL(err, OUTCOME_PERMANENT, "rows.rejected",
         "%lld rows were rejected by all chunk jobs together, more than %lld",
         (long long)sync->bad_rows, (long long)sync->spec->max_bad_rows);
    return err_hint(err, "see `haul quarantine list`; mend the rows, set a policy in `values`, or "
                         "raise max_bad_rows");
}

enum outcome parts_join(struct sync *sync, struct err *err)
{
    size_t count = part_count(&sync->state), open = 0;
    struct sync_part *parts = ARENA_ARRAY(sync->arena, struct sync_part, count);
    TRY_ALLOC(parts, err);
    for (size_t i = 0; i < count; i++) {
        bool done;
        TRY(join_part(sync, i, &done, err));
        if (!done)
            TRY(describe_part(sync, i, &parts[open++], err));
    }
    return open > 0 ? hand_out(sync, parts, open, err) : count_parts(sync, err);
}

enum outcome parts_forget(struct sync *sync, struct err *err)
{
    struct checkpoint_ref all = sync->checkpoint;
    if (sync->state.plans == 0 || sync_target(sync)->checkpoint_drop == NULL)
        return OUTCOME_OK;
    all.sync_id = arena_printf(sync->arena, "part:%s.", sync->state.definition);
    TRY_ALLOC(all.sync_id, err);
    return sync_target(sync)->checkpoint_drop(sync->target, &all, err);
}

enum outcome parts_abandon(struct sync *sync, struct err *err)
{
    const char *text;
    struct stream_ref stage = load_stage(sync);
    for (size_t i = 0; i < part_count(&sync->state); i++)
        TRY(take_part(sync, i, &text, err)); /* ends who holds the stage open */
    TRY(sync_target(sync)->stage_drop(sync->target, &stage, err));
    return parts_forget(sync, err);
}
