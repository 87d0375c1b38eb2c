/* flow_read: a lane's reader: chunks of the source into parcels; see flow.c. */
#include "sync/internal.h"

#include "base/clock.h"

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
            return OUTCOME_CANCELLED; /* an echo */
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

void *flow_reader_main(void *arg)
{
    struct lane *lane = arg;
    struct flow_chunk chunk;
    struct err err = {0};
    enum outcome outcome = OUTCOME_OK;
    while (outcome == OUTCOME_OK && next_chunk(lane->flow, &chunk))
        outcome = read_chunk(lane, &chunk, &err);
    lane->is_reading = false;
    if (outcome != OUTCOME_OK)
        flow_fail(lane->flow, outcome, &err);
    flow_queue_close(&lane->queue);
    return NULL;
}
