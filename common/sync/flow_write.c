/* flow_write: a lane's writer: parcels into the target, bad rows into the quarantine, and the
 * durable points; see flow.c. */
#include "sync/internal.h"

#include "base/clock.h"

static enum outcome too_many_bad(const struct sync *sync, const struct bad_row *bad,
                                 struct err *err)
{
    bool has_column = bad->column[0] != '\0';
    FAIL(err, OUTCOME_PERMANENT, "rows.rejected",
         "more than %lld rows were rejected; the last one: %s (%s%s%s%s)",
         (long long)sync->spec->max_bad_rows, bad->message, bad->reason,
         has_column ? ", column \"" : "", bad->column, has_column ? "\"" : "");
    err_native(err, bad->sqlstate);
    return err_hint(err, "see `haul quarantine list`; mend the rows, set a policy in `values`, or "
                         "raise max_bad_rows");
}

/* Keeps bad rows in the quarantine; under the sync's lock, since lanes share its connection. */
static enum outcome keep_bad(struct lane *lane, struct bad_row *bad, size_t count, size_t chunk,
                             struct err *err)
{
    struct sync *sync = lane->flow->sync;
    const struct sync_env *env = sync->env;
    enum outcome outcome = OUTCOME_OK;
    if (count == 0)
        return OUTCOME_OK;
    pthread_mutex_lock(&sync->lock);
    for (size_t i = 0; i < count; i++) {
        bad[i].chunk = (int64_t)(sync->state.first_chunk + chunk);
        bad[i].number = ++lane->open.rows_rejected;
    }
    sync->bad_rows += (int64_t)count;
    if (env->quarantine != NULL)
        outcome = env->quarantine(env->ctx, bad, count, err);
    if (outcome == OUTCOME_OK && sync->bad_rows > sync->spec->max_bad_rows)
        outcome = too_many_bad(sync, &bad[count - 1], err);
    pthread_mutex_unlock(&sync->lock);
    return outcome;
}

/* The target refused this one row: to the quarantine, and out of the parcel's hash. */
static enum outcome reject_row(struct lane *lane, struct parcel *parcel, size_t row,
                               struct err *err)
{
    const struct sync_plan *plan = &lane->flow->sync->plan;
    struct err refusal = *err;
    struct bad_row bad = {
        .column = refusal.column,
        .reason = "row.refused",
        .sqlstate = refusal.native,
        .message = refusal.message,
        .row_json = batch_row_json(parcel->batch, plan->columns, row, &parcel->arena),
        .hash = parcel->row_hashes[row],
    };
    TRY_ALLOC(bad.row_json, err);
    err_clear(err);
    parcel->hash = hash128_sub(parcel->hash, parcel->row_hashes[row]);
    return keep_bad(lane, &bad, 1, parcel->chunk, err);
}

/* Writes rows; when the target refuses the data of one, narrows it down by halves (an outage is
 * never row_fault, so it is never taken for a bad row). */
static enum outcome write_rows(struct lane *lane, struct parcel *parcel, size_t first, size_t count,
                               struct err *err)
{
    const struct connector *target = sync_target(lane->flow->sync);
    if (count == 0)
        return OUTCOME_OK;
    enum outcome outcome =
        target->write_batch(lane->writer, parcel->batch, first, count, &lane->counts, err);
    if (outcome == OUTCOME_OK) {
        struct flow *flow = lane->flow;
        lane->open.rows_written += (int64_t)count;
        return flow->wrote == NULL ? OUTCOME_OK
                                   : flow->wrote(flow, lane, parcel, first, count, err);
    }
    if (!err->row_fault)
        return outcome;
    if (count == 1)
        return reject_row(lane, parcel, first, err);
    err_clear(err);
    TRY(write_rows(lane, parcel, first, count / 2, err));
    return write_rows(lane, parcel, first + count / 2, count - count / 2, err);
}

static void account(struct lane *lane, struct receipt *receipt)
{
    receipt->rows_read += lane->open.rows_read;
    receipt->rows_written += lane->open.rows_written;
    receipt->rows_rejected += lane->open.rows_rejected;
    receipt->bytes_written += lane->bytes_written;
    receipt->source_hash = hash128_add(receipt->source_hash, lane->open.source_hash);
    lane->open = (struct receipt_chunk){0};
    lane->bytes_written = 0;
}

/* The durable point: state, data and fence in one transaction of the target. Commits are made one
 * at a time, since the state names the chunks of all lanes. One that fails is the last: the state
 * names what its lane has settled, and of that nothing may be durable. */
static enum outcome commit(struct lane *lane, const struct parcel *parcel, struct err *err)
{
    struct sync *sync = lane->flow->sync;
    struct str state __attribute__((cleanup(str_done))) = str_with_max(STR_MAX_DEFAULT);
    pthread_mutex_lock(&sync->lock);
    enum outcome outcome = OUTCOME_CANCELLED; /* an echo */
    if (!lane->flow->stopping)
        outcome = lane->flow->settle(lane->flow, lane, parcel, err);
    if (outcome == OUTCOME_OK) {
        sync_state_write(&sync->state, &state);
        outcome = state.failed
                      ? FAIL_NO_MEMORY(err)
                      : sync_target(sync)->write_commit(lane->writer, str_text(&state), err);
    }
    if (outcome == OUTCOME_OK) {
        sync->rows_moving -= lane->open.rows_written;
        account(lane, sync->receipt);
    } else {
        flow_note_failure(lane->flow, outcome, err);
    }
    pthread_mutex_unlock(&sync->lock);
    return outcome;
}

static enum outcome write_parcel(struct lane *lane, struct parcel *parcel, struct err *err)
{
    struct flow *flow = lane->flow;
    int64_t from_us = clock_monotonic_us(), before = lane->open.rows_written;
    TRY(keep_bad(lane, parcel->bad, parcel->bad_count, parcel->chunk, err));
    TRY(write_rows(lane, parcel, 0, parcel->batch->row_count, err));
    lane->open.rows_read += parcel->rows_read;
    lane->open.source_hash = hash128_add(lane->open.source_hash, parcel->hash);
    lane->bytes_written += parcel->bytes_read;
    pthread_mutex_lock(&flow->sync->lock);
    flow->sync->rows_moving += lane->open.rows_written - before;
    pthread_mutex_unlock(&flow->sync->lock);
    if (flow->parcel_written != NULL)
        TRY(flow->parcel_written(flow, parcel, err));
    if (parcel->chunk_end)
        TRY(commit(lane, parcel, err));
    lane->parcels_written++;
    lane->write_us += clock_monotonic_us() - from_us;
    if (lane->number == 0)
        sync_progress(flow->sync, flow->phase, flow_queue_bottleneck(&lane->queue));
    return OUTCOME_OK;
}

static enum outcome write_all(struct lane *lane, struct err *err)
{
    struct sync *sync = lane->flow->sync;
    struct parcel *parcel;
    TRY(sync_target(sync)->write_begin(lane->target, &lane->flow->write, &lane->writer, err));
    while ((parcel = flow_queue_take_full(&lane->queue)) != NULL) {
        if (lane->flow->stopping)
            break; /* what is not settled is rolled back */
        TRY(sync_check_cancelled(sync, err));
        TRY(write_parcel(lane, parcel, err));
        flow_queue_put_empty(&lane->queue, parcel);
    }
    return OUTCOME_OK;
}

void *flow_writer_main(void *arg)
{
    struct lane *lane = arg;
    struct err err = {0};
    enum outcome outcome = write_all(lane, &err);
    if (outcome != OUTCOME_OK)
        flow_fail(lane->flow, outcome, &err);
    flow_queue_close(&lane->queue); /* a reader must never wait for a writer that has gone */
    if (lane->flow->stopping && lane->is_reading)
        sync_source(lane->flow->sync)->interrupt(lane->source);
    sync_target(lane->flow->sync)->write_end(lane->writer);
    lane->writer = NULL;
    return NULL;
}
