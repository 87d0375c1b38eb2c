/* estimate: see estimate.h. The same plan as a sync's, stopped before the first write. */
#include "sync/estimate.h"

#include "base/clock.h"
#include "sync/internal.h"

#define SAMPLE_ROWS 20000
#define WRITE_SHARE_PERCENT 130 /* writing overlaps reading; key and proof come behind it */

static enum outcome list_columns(struct sync *sync, struct estimate_report *report, struct err *err)
{
    const struct sync_plan *plan = &sync->plan;
    struct estimate_column *columns =
        ARENA_ARRAY(sync->arena, struct estimate_column, plan->column_count + 1);
    TRY_ALLOC(columns, err);
    for (size_t i = 0; i < plan->column_count; i++) {
        struct str text __attribute__((cleanup(str_done))) = str_with_max(128);
        int input = plan->mapping.output_inputs[i];
        value_spec_format(&plan->columns[i].spec, &text);
        columns[i].to = plan->columns[i].name;
        columns[i].haul = arena_strdup(sync->arena, str_text(&text));
        TRY_ALLOC(columns[i].haul, err);
        if (input < 0)
            continue;
        columns[i].from = plan->mapping.inputs[input].name;
        columns[i].native = plan->mapping.inputs[input].native;
        columns[i].loss = plan->mapping.inputs[input].loss;
    }
    report->columns = columns;
    report->column_count = plan->column_count;
    return OUTCOME_OK;
}

static enum outcome list_key(struct sync *sync, struct estimate_report *report, struct err *err)
{
    const struct sync_plan *plan = &sync->plan;
    const char **key = ARENA_ARRAY(sync->arena, const char *, plan->key_count + 1);
    TRY_ALLOC(key, err);
    for (size_t i = 0; i < plan->key_count; i++)
        key[i] = plan->columns[plan->key[i]].name;
    report->key = key;
    report->key_count = plan->key_count;
    return OUTCOME_OK;
}

static enum outcome count_rows(struct sync *sync, const char *cursor,
                               struct estimate_report *report, struct err *err)
{
    const struct sync_plan *plan = &sync->plan;
    report->rows = plan->source.rows_estimate;
    if (cursor == NULL || plan->cursor < 0)
        return OUTCOME_OK;
    struct read_filter filter = {plan->mapping.inputs[plan->cursor_input].name, READ_GE, cursor,
                                 false};
    struct read_request request = {
        .stream = plan->source_ref, .filters = &filter, .filter_count = 1};
    return sync_source(sync)->count(sync->source, &request, &report->rows, err);
}

struct sample {
    int64_t rows, bytes;
};

static enum outcome read_sample(struct sync *sync, struct reader *reader, struct sample *sample,
                                struct err *err)
{
    const struct mapping *mapping = &sync->plan.mapping;
    struct batch *batch = sync_batch_new(mapping->inputs, mapping->input_count);
    enum outcome outcome = OUTCOME_OK;
    TRY_ALLOC(batch, err);
    for (bool end = false; !end && outcome == OUTCOME_OK;) {
        batch_clear(batch);
        outcome = sync_source(sync)->read_next(reader, batch, &end, err);
        sample->rows += (int64_t)batch->row_count;
        sample->bytes += (int64_t)batch->bytes_used;
        for (size_t i = 0; i < batch->column_count; i++)
            sample->bytes += (int64_t)(batch->columns[i].width * batch->row_count);
    }
    batch_free(batch);
    return outcome;
}

static enum outcome reckon_time(struct sync *sync, struct estimate_report *report, struct err *err)
{
    const struct sync_plan *plan = &sync->plan;
    struct read_request request = {.stream = plan->source_ref,
                                   .columns = plan->mapping.inputs,
                                   .column_count = plan->mapping.input_count,
                                   .limit = SAMPLE_ROWS};
    struct sample sample = {0, 0};
    struct reader *reader;
    int64_t from_us = clock_monotonic_us();
    TRY(sync_source(sync)->read_begin(sync->source, &request, &reader, err));
    enum outcome outcome = read_sample(sync, reader, &sample, err);
    sync_source(sync)->read_end(reader);
    TRY(outcome);
    report->sample_rows = sample.rows;
    report->sample_us = clock_monotonic_us() - from_us;
    report->bytes = report->duration_ms = -1;
    if (sample.rows < SAMPLE_ROWS && report->rows < 0)
        report->rows = sample.rows;
    if (sample.rows == 0 || report->rows < 0)
        return OUTCOME_OK;
    report->bytes = sample.bytes / sample.rows * report->rows;
    double per_row_us = (double)report->sample_us / (double)sample.rows;
    report->duration_ms =
        (int64_t)(per_row_us * (double)report->rows * WRITE_SHARE_PERCENT / 100.0 / 1000.0);
    return OUTCOME_OK;
}

static enum outcome estimate(struct sync *sync, const char *cursor, struct estimate_report *report,
                             struct err *err)
{
    TRY(sync_spec_check(sync->spec, err));
    TRY(sync_open_both(sync, err));
    TRY(plan_make(sync, err));
    const struct sync_plan *plan = &sync->plan;
    int mode = sync->spec->mode;
    bool load = mode == SYNC_FULL_REFRESH ||
                (!plan->target_exists && (mode == SYNC_UPSERT || mode == SYNC_MIRROR));
    report->path = load ? "load" : "merge";
    report->target_exists = plan->target_exists;
    report->differences = plan->drift.lines;
    report->difference_count = plan->drift.line_count;
    TRY(list_columns(sync, report, err));
    TRY(list_key(sync, report, err));
    TRY(count_rows(sync, cursor, report, err));
    report->chunks = report->rows < 0 ? 1 : report->rows / sync->spec->chunk_rows + 1;
    return reckon_time(sync, report, err);
}

enum outcome sync_estimate(const struct sync_env *env, const struct sync_spec *spec,
                           const char *cursor, struct arena *arena,
                           struct estimate_report *ret_report, struct err *err)
{
    struct sync sync;
    struct receipt receipt;
    *ret_report = (struct estimate_report){0};
    sync_init(&sync, env, spec, arena, &receipt);
    enum outcome outcome = estimate(&sync, cursor, ret_report, err);
    sync_done(&sync);
    return outcome;
}
