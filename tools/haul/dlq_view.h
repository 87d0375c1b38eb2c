/*
 * dlq_view: one dead letter with all that is known of it, for people and as JSON.
 *
 * Is:      what `haul dlq show` prints. The payload is shown by its shape.
 * Owns:    nothing.
 * Threads: one.
 */
#ifndef HAUL_TOOL_DLQ_VIEW_H
#define HAUL_TOOL_DLQ_VIEW_H

#include "dlq_known.h"
#include "out.h"
#include "payload_shape.h"
#include "run/ledger.h"
#include "sync/hub_run.h"

struct dlq_view {
    struct kafka_message found;
    int64_t letters; /* of the job, in the topic */
    struct dead_letter letter;
    struct shape shape;
    bool is_json, is_raw;  /* is_raw: the value's bytes are shown too */
    bool is_known;         /* the ledger has the job: */
    struct ledger_row job; /* zeroed when not */
    struct run_rows runs;
    enum fate fate; /* of a replay with redrive_max */
    int64_t redrive_max;
};

void dlq_view_write(const struct dlq_view *view, struct jwrite *w);
void dlq_view_add(const struct dlq_view *view, struct out *out);

#endif
