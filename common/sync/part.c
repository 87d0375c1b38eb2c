/* part: one part of a load that was handed out: its chunks go into the stage, each in a transaction
 * with the part's own checkpoint. */
#include "sync/internal.h"

#include <string.h>

/* What an earlier start of the part has made durable counts, not what was handed out. */
static enum outcome take_checkpoint(struct sync *sync, struct err *err)
{
    struct sync_state *state = &sync->state, stored;
    const char *text = NULL;
    sync->checkpoint = parts_checkpoint(sync, state, state->first_chunk / state->part_chunks);
    TRY_ALLOC(sync->checkpoint.sync_id, err);
    TRY(sync_target(sync)->checkpoint_take(sync->target, &sync->checkpoint, sync->arena, &text,
                                           err));
    if (text == NULL)
        return OUTCOME_OK;
    TRY(sync_state_parse(text, sync->arena, &stored, err));
    if (stored.chunk_count != state->chunk_count || stored.first_chunk != state->first_chunk)
        return FAIL_BUG(err, "checkpoint %s has other chunks", sync->checkpoint.sync_id);
    *state = stored;
    sync->receipt->resumed_chunks = (int64_t)load_count_done(sync);
    return OUTCOME_OK;
}

static enum outcome check_plan(const struct sync *sync, struct err *err)
{
    const struct sync_state *state = &sync->state;
    if (strcmp(state->definition, sync->plan.definition) == 0 &&
        strcmp(state->shape, sync->plan.shape) == 0)
        return OUTCOME_OK;
    FAIL(err, OUTCOME_PERMANENT, "sync.part_stale",
         "the columns of the source or target have changed since the load was planned");
    return err_hint(err, "run the sync again: it plans anew");
}

static enum outcome run(struct sync *sync, const char *text, struct err *err)
{
    TRY(sync_spec_check(sync->spec, err));
    TRY(sync_state_parse(text, sync->arena, &sync->state, err));
    if (sync->state.plan == NULL || sync->state.definition == NULL || sync->state.shape == NULL)
        return FAIL_BUG(err, "a part without a plan");
    TRY(sync_open_both(sync, err));
    TRY(plan_source(sync, err));
    TRY(take_checkpoint(sync, err));
    sync->receipt->path = "load";
    sync->receipt->snapshots = 1;
    if ((size_t)sync->receipt->resumed_chunks < sync->state.chunk_count) {
        TRY(plan_target(sync, err));
        TRY(check_plan(sync, err));
        TRY(load_rows(sync, err));
    }
    sync->receipt->chunks = sync->state.chunks;
    sync->receipt->chunk_count = sync->state.chunk_count;
    return OUTCOME_OK;
}

enum outcome sync_run_part(const struct sync_env *env, const struct sync_spec *spec,
                           const char *state, struct arena *arena, struct receipt *ret_receipt,
                           struct err *err)
{
    struct sync sync;
    sync_init(&sync, env, spec, arena, ret_receipt);
    enum outcome outcome = run(&sync, state, err);
    sync_done(&sync);
    return outcome;
}
