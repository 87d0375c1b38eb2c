/*
 * flow: rows from the source to the target through lanes: each lane has a reader thread with a
 * source session and a writer thread with a target session, and FLOW_PARCELS parcels between them.
 *
 * The reader goes on into the next chunk while the writer commits the last one; a parcel marked
 * chunk_end is the writer's order to make everything so far durable. The first error closes all
 * queues; a lane that blocks in its system is interrupted there.
 */
#include "sync/internal.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

/* ---- reader ---- */

static enum outcome read_parcel(struct lane *lane, struct reader *reader, struct parcel *parcel,
                                bool *ret_end, struct err *err)
{
    const struct connector *source = sync_source(lane->flow->sync);
    int64_t from_us = clock_monotonic_us();
    TRY(sync_check_cancelled(lane->flow->sync, err));
    TRY(source->read_next(reader, parcel->input, ret_end, err));
    int64_t read_us = clock_monotonic_us();
    lane->read_us += read_us - from_us;
    TRY(parcel_prepare(parcel, lane, err));
    lane->transform_us += clock_monotonic_us() - read_us;
    return OUTCOME_OK;
}

static enum outcome read_rows(struct lane *lane, struct flow_chunk *chunk, struct reader *reader,
                              struct err *err)
{
    int64_t since_commit = 0;
    for (bool end = false; !end;) {
        struct parcel *parcel = flow_queue_take_empty(&lane->queue);
        if (parcel == NULL || lane->flow->stopping)
            return OUTCOME_CANCELLED; /* another thread has an error that tells more */
        parcel_clear(parcel);
        parcel->chunk = chunk->number;
        enum outcome outcome = read_parcel(lane, reader, parcel, &end, err);
        if (outcome != OUTCOME_OK) {
            flow_queue_put_empty(&lane->queue, parcel);
            return outcome;
        }
        since_commit += parcel->rows_read;
        parcel->chunk_end =
            end || (lane->flow->commit_rows > 0 && since_commit >= lane->flow->commit_rows);
        if (parcel->chunk_end) {
            since_commit = 0;
            chunk->number += !end;
        }
        flow_queue_put_full(&lane->queue, parcel);
    }
    return OUTCOME_OK;
}

static enum outcome read_chunk(struct lane *lane, struct flow_chunk *chunk, struct err *err)
{
    const struct sync *sync = lane->flow->sync;
    struct read_request request = {
        .stream = sync->plan.source_ref,
        .columns = sync->plan.mapping.inputs,
        .column_count = sync->plan.mapping.input_count,
        .filters = chunk->filters,
        .filter_count = chunk->filter_count,
        .order_by = lane->flow->order_by,
        .order_count = lane->flow->order_count,
    };
    struct reader *reader;
    TRY(sync_source(sync)->read_begin(lane->source, &request, &reader, err));
    enum outcome outcome = read_rows(lane, chunk, reader, err);
    sync_source(sync)->read_end(reader);
    return outcome;
}

static bool next_chunk(struct flow *flow, struct flow_chunk *ret_chunk)
{
    *ret_chunk = (struct flow_chunk){0};
    pthread_mutex_lock(&flow->sync->lock);
    bool found = !flow->stopping && flow->next_chunk(flow, ret_chunk);
    pthread_mutex_unlock(&flow->sync->lock);
    return found;
}

static void *reader_main(void *arg)
{
    struct lane *lane = arg;
    struct flow_chunk chunk;
    lane->reader_outcome = OUTCOME_OK;
    while (lane->reader_outcome == OUTCOME_OK && next_chunk(lane->flow, &chunk))
        lane->reader_outcome = read_chunk(lane, &chunk, &lane->reader_err);
    if (lane->reader_outcome != OUTCOME_OK)
        lane->flow->stopping = true;
    flow_queue_close(&lane->queue);
    return NULL;
}

/* ---- writer ---- */

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
    enum outcome outcome = OUTCOME_CANCELLED; /* without a code: see is_echo */
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
        lane->flow->stopping = true;
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

static void *writer_main(void *arg)
{
    struct lane *lane = arg;
    lane->writer_outcome = write_all(lane, &lane->writer_err);
    if (lane->writer_outcome != OUTCOME_OK)
        lane->flow->stopping = true;
    flow_queue_close(&lane->queue); /* a reader must never wait for a writer that has gone */
    if (lane->flow->stopping)
        sync_source(lane->flow->sync)->interrupt(lane->source);
    sync_target(lane->flow->sync)->write_end(lane->writer);
    lane->writer = NULL;
    return NULL;
}

/* ---- lanes ---- */

static enum outcome lane_open(struct lane *lane, struct flow *flow, size_t number, struct err *err)
{
    struct sync *sync = flow->sync;
    const struct sync_plan *plan = &sync->plan;
    lane->flow = flow;
    lane->number = number;
    flow_queue_init(&lane->queue);
    lane->gate = gate_new(plan->columns, plan->column_count, &sync_target(sync)->limits,
                          &sync->policy, sync->arena);
    TRY_ALLOC(lane->gate, err);
    for (size_t i = 0; i < FLOW_PARCELS; i++) {
        TRY(parcel_init(&lane->parcels[i], plan, err));
        flow_queue_put_empty(&lane->queue, &lane->parcels[i]);
    }
    if (number == 0) { /* the first lane works on the sync's own sessions */
        lane->source = sync->source;
        lane->target = sync->target;
        return OUTCOME_OK;
    }
    TRY(sync_open_source(sync, &lane->source, err));
    return sync_open_target(sync, &lane->target, err);
}

static void lane_close(struct lane *lane)
{
    struct sync *sync = lane->flow->sync;
    for (size_t i = 0; i < FLOW_PARCELS; i++)
        parcel_done(&lane->parcels[i], &sync->plan);
    flow_queue_done(&lane->queue);
    if (lane->number == 0)
        return;
    sync_source(sync)->close(lane->source);
    sync_target(sync)->close(lane->target);
}

static void add_counts(struct sync *sync, const struct lane *lane)
{
    struct receipt *receipt = sync->receipt;
    receipt->rows_inserted += lane->counts.inserted;
    receipt->rows_updated += lane->counts.updated;
    receipt->rows_unchanged += lane->counts.unchanged;
    receipt->stages.read_us += lane->read_us;
    receipt->stages.transform_us += lane->transform_us;
    receipt->stages.write_us += lane->write_us;
    for (size_t i = 0; i < VALUE_FAULT_COUNT; i++) {
        receipt->converted[i] += lane->policy_counts.converted[i];
        receipt->nulled[i] += lane->policy_counts.nulled[i];
        receipt->faulted[i] += lane->policy_counts.quarantined[i];
    }
}

/* Who was only told to stop has CANCELLED without a code: an echo of another's error. */
static bool is_echo(enum outcome outcome, const struct err *err)
{
    return outcome == OUTCOME_CANCELLED && err->code[0] == '\0';
}

/* The first error stands; an echo only until there is one. */
static void gather(enum outcome of_thread, const struct err *its_err, enum outcome *outcome,
                   struct err *err)
{
    if (of_thread == OUTCOME_OK || (*outcome != OUTCOME_OK && !is_echo(*outcome, err)))
        return;
    *err = *its_err;
    *outcome = of_thread;
}

static enum outcome start_lane(struct lane *lane, struct err *err)
{
    if (pthread_create(&lane->reader_thread, NULL, reader_main, lane) != 0)
        return FAIL(err, OUTCOME_RETRY, "no_threads", "cannot start a reader thread");
    if (lane->number == 0 || pthread_create(&lane->writer_thread, NULL, writer_main, lane) == 0)
        return OUTCOME_OK;
    lane->flow->stopping = true;
    flow_queue_close(&lane->queue);
    pthread_join(lane->reader_thread, NULL);
    return FAIL(err, OUTCOME_RETRY, "no_threads", "cannot start a writer thread");
}

static enum outcome run_lanes(struct flow *flow, struct lane *lanes, struct err *err)
{
    size_t started = 0;
    enum outcome outcome = OUTCOME_OK;
    while (outcome == OUTCOME_OK && started < flow->lanes) {
        outcome = start_lane(&lanes[started], err);
        started += outcome == OUTCOME_OK;
    }
    if (outcome != OUTCOME_OK)
        flow->stopping = true;
    if (started > 0)
        writer_main(&lanes[0]); /* the caller's own thread: progress comes from here */
    for (size_t i = 0; i < started; i++) {
        pthread_join(lanes[i].reader_thread, NULL);
        if (i > 0)
            pthread_join(lanes[i].writer_thread, NULL);
        gather(lanes[i].writer_outcome, &lanes[i].writer_err, &outcome, err); /* tells more */
        gather(lanes[i].reader_outcome, &lanes[i].reader_err, &outcome, err);
        add_counts(flow->sync, &lanes[i]);
    }
    return outcome;
}

enum outcome flow_run(struct flow *flow, struct err *err)
{
    struct lane *lanes = calloc(flow->lanes, sizeof *lanes);
    size_t opened = 0;
    enum outcome outcome = OUTCOME_OK;
    TRY_ALLOC(lanes, err);
    while (outcome == OUTCOME_OK && opened < flow->lanes) {
        outcome = lane_open(&lanes[opened], flow, opened, err);
        opened++;
    }
    if (outcome == OUTCOME_OK)
        outcome = run_lanes(flow, lanes, err);
    for (size_t i = 0; i < opened; i++)
        lane_close(&lanes[i]);
    free(lanes);
    return outcome;
}
