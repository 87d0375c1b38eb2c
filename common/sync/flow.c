/*
 * flow: rows from the source to the target through lanes: each lane has a reader thread with a
 * source session and a writer thread with a target session, and FLOW_PARCELS parcels between them.
 *
 * The reader goes on into the next chunk while the writer commits the last one; a parcel marked
 * chunk_end is the writer's order to make everything so far durable. The first error is the run's,
 * and closes all queues; a reader that blocks in its source is interrupted there.
 */
#include "sync/internal.h"

#include <stdlib.h>

/* ---- the first error ---- */

void flow_note_failure(struct flow *flow, enum outcome outcome, const struct err *err)
{
    if (flow->outcome == OUTCOME_OK) {
        flow->outcome = outcome;
        flow->err = *err;
    }
    flow->stopping = true;
}

void flow_fail(struct flow *flow, enum outcome outcome, const struct err *err)
{
    pthread_mutex_lock(&flow->sync->lock);
    flow_note_failure(flow, outcome, err);
    pthread_mutex_unlock(&flow->sync->lock);
    for (size_t i = 0; i < flow->lanes; i++)
        flow_queue_close(&flow->lane[i].queue);
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

static enum outcome start_lane(struct lane *lane, struct err *err)
{
    lane->is_reading = true;
    if (pthread_create(&lane->reader_thread, NULL, flow_reader_main, lane) != 0)
        return FAIL(err, OUTCOME_RETRY, "no_threads", "cannot start a reader thread");
    if (lane->number == 0 ||
        pthread_create(&lane->writer_thread, NULL, flow_writer_main, lane) == 0)
        return OUTCOME_OK;
    FAIL(err, OUTCOME_RETRY, "no_threads", "cannot start a writer thread");
    flow_fail(lane->flow, OUTCOME_RETRY, err);
    sync_source(lane->flow->sync)->interrupt(lane->source);
    pthread_join(lane->reader_thread, NULL);
    return OUTCOME_RETRY;
}

static enum outcome run_lanes(struct flow *flow, struct err *err)
{
    struct lane *lanes = flow->lane;
    size_t started = 0;
    enum outcome outcome = OUTCOME_OK;
    while (outcome == OUTCOME_OK && started < flow->lanes) {
        outcome = start_lane(&lanes[started], err);
        started += outcome == OUTCOME_OK;
    }
    if (outcome != OUTCOME_OK)
        flow_fail(flow, outcome, err);
    if (started > 0)
        flow_writer_main(&lanes[0]); /* the caller's own thread: progress comes from here */
    for (size_t i = 0; i < started; i++) {
        pthread_join(lanes[i].reader_thread, NULL);
        if (i > 0)
            pthread_join(lanes[i].writer_thread, NULL);
        add_counts(flow->sync, &lanes[i]);
    }
    if (flow->outcome != OUTCOME_OK)
        *err = flow->err;
    return flow->outcome;
}

enum outcome flow_run(struct flow *flow, struct err *err)
{
    size_t opened = 0;
    enum outcome outcome = OUTCOME_OK;
    flow->lane = calloc(flow->lanes, sizeof *flow->lane);
    TRY_ALLOC(flow->lane, err);
    while (outcome == OUTCOME_OK && opened < flow->lanes) {
        outcome = lane_open(&flow->lane[opened], flow, opened, err);
        opened++;
    }
    if (outcome == OUTCOME_OK)
        outcome = run_lanes(flow, err);
    for (size_t i = 0; i < opened; i++)
        lane_close(&flow->lane[i]);
    free(flow->lane);
    flow->lane = NULL;
    return outcome;
}
