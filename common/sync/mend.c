/*
 * mend: rows that a comparison found are merged into the target or taken out of it, collected into
 * batches, in one transaction with the checkpoint.
 */
#include "sync/internal.h"

enum outcome mend_begin(struct mend *mend, struct sync *sync, const struct mend_request *request,
                        struct err *err)
{
    const struct sync_plan *plan = &sync->plan;
    *mend = (struct mend){.sync = sync};
    mend->write = (struct write_request){.table = plan->target_ref,
                                         .columns = request->columns,
                                         .column_count = request->column_count,
                                         .key = request->key,
                                         .key_count = plan->key_count,
                                         .how = request->how,
                                         .soft_delete = sync_is_soft(sync),
                                         .history = sync->spec->mode == SYNC_SNAPSHOT_HISTORY,
                                         .now_us = sync->now_us,
                                         .checkpoint = sync->checkpoint};
    mend->rows = sync_batch_new(request->columns, request->column_count);
    TRY_ALLOC(mend->rows, err);
    return OUTCOME_OK;
}

static enum outcome flush(struct mend *mend, struct err *err)
{
    const struct connector *target = sync_target(mend->sync);
    if (mend->rows->row_count == 0)
        return OUTCOME_OK;
    if (mend->writer == NULL)
        TRY(target->write_begin(mend->sync->target, &mend->write, &mend->writer, err));
    enum outcome outcome =
        target->write_batch(mend->writer, mend->rows, 0, mend->rows->row_count, &mend->counts, err);
    batch_clear(mend->rows);
    return outcome;
}

enum outcome mend_add(struct mend *mend, const struct batch *batch, const size_t *rows,
                      size_t count, struct err *err)
{
    mend->row_count += (int64_t)count;
    for (size_t i = 0; i < count; i++) {
        batch_add_row_from(mend->rows, batch, rows[i]);
        if (batch_is_full(mend->rows))
            TRY(flush(mend, err));
    }
    return mend->rows->failed ? FAIL_NO_MEMORY(err) : OUTCOME_OK;
}

enum outcome mend_commit(struct mend *mend, struct err *err)
{
    struct str state __attribute__((cleanup(str_done))) = str_with_max(STR_MAX_DEFAULT);
    TRY(flush(mend, err));
    if (mend->writer == NULL)
        return OUTCOME_OK;
    sync_state_write(&mend->sync->state, &state);
    if (state.failed)
        return FAIL_NO_MEMORY(err);
    return sync_target(mend->sync)->write_commit(mend->writer, str_text(&state), err);
}

void mend_end(struct mend *mend)
{
    if (mend->sync != NULL)
        sync_target(mend->sync)->write_end(mend->writer);
    batch_free(mend->rows);
    mend->writer = NULL;
    mend->rows = NULL;
}
