/* parcel: a batch on its way: mapped, gated and hashed where it was read, so that the writer's
 * thread has nothing to do but write. */
#include "sync/internal.h"

#include "io/hash.h"

#include <stdlib.h>
#include <string.h>

#define PARCEL_ARENA_BYTES (64u << 20)

enum outcome parcel_init(struct parcel *parcel, const struct sync_plan *plan, struct err *err)
{
    const struct mapping *mapping = &plan->mapping;
    *parcel = (struct parcel){0};
    batch_encoding_init(&parcel->encoding);
    arena_init(&parcel->arena, PARCEL_ARENA_BYTES);
    if (!sync_batches_new(mapping, &parcel->input, &parcel->batch))
        return FAIL_NO_MEMORY(err);
    parcel->row_hashes = calloc(parcel->batch->row_cap, sizeof *parcel->row_hashes);
    TRY_ALLOC(parcel->row_hashes, err);
    return OUTCOME_OK;
}

void parcel_done(struct parcel *parcel, const struct sync_plan *plan)
{
    if (!plan->mapping.identity)
        batch_free(parcel->batch);
    batch_free(parcel->input);
    batch_encoding_done(&parcel->encoding);
    arena_done(&parcel->arena);
    free(parcel->row_hashes);
    *parcel = (struct parcel){0};
}

void parcel_clear(struct parcel *parcel)
{
    batch_clear(parcel->input);
    if (parcel->batch != parcel->input)
        batch_clear(parcel->batch);
    arena_reset(&parcel->arena, (struct arena_mark){0});
    parcel->bad = NULL;
    parcel->bad_count = parcel->tie_count = 0;
    parcel->rows_read = parcel->bytes_read = 0;
    parcel->cursor_last = NULL;
    parcel->ties = NULL;
    parcel->chunk_end = false;
    parcel->hash = (struct hash128){0, 0};
}

/* What was read in the faulty column, of which the batch holds NULL. */
static struct slice fault_raw(const struct batch *batch, const struct batch_fault *fault)
{
    if (batch->fault_text.data == NULL)
        return (struct slice){"", 0};
    return (struct slice){batch->fault_text.data + fault->text_offset, fault->text_len};
}

/* As it was read; bytes that are no text as \x hexadecimal. */
static void write_raw(struct jwrite *w, struct slice raw)
{
    struct str hex __attribute__((cleanup(str_done))) = str_with_max(STR_MAX_DEFAULT);
    if (utf8_is_valid(raw.data, raw.len)) {
        jwrite_slice(w, raw);
        return;
    }
    str_add_text(&hex, "\\x");
    char *digits = str_reserve(&hex, 2 * raw.len);
    if (digits == NULL) {
        jwrite_null(w);
        return;
    }
    hex_format((const uint8_t *)raw.data, raw.len, digits);
    jwrite_slice(w, (struct slice){hex.data, hex.len + 2 * raw.len});
}

static void write_row(const struct batch *batch, const struct column_spec *columns, size_t row,
                      const struct batch_fault *fault, struct str *json)
{
    struct str text __attribute__((cleanup(str_done))) = str_with_max(STR_MAX_DEFAULT);
    struct jwrite w = jwrite_to(json);
    jwrite_open_object(&w);
    for (size_t i = 0; i < batch->column_count; i++) {
        jwrite_key(&w, columns[i].name);
        str_clear(&text);
        if (fault != NULL && fault->column == i)
            write_raw(&w, fault_raw(batch, fault));
        else if (column_format(&batch->columns[i], row, &text))
            jwrite_slice(&w, str_slice(&text));
        else
            jwrite_null(&w);
    }
    jwrite_close_object(&w);
}

static const char *row_json(const struct batch *batch, const struct column_spec *columns,
                            size_t row, const struct batch_fault *fault, struct arena *arena)
{
    struct str json __attribute__((cleanup(str_done))) = str_with_max(STR_MAX_DEFAULT);
    write_row(batch, columns, row, fault, &json);
    return json.failed ? arena_strdup(arena, "{}") : arena_strdup(arena, str_text(&json));
}

const char *batch_row_json(const struct batch *batch, const struct column_spec *columns, size_t row,
                           struct arena *arena)
{
    return row_json(batch, columns, row, NULL, arena);
}

/* Rows that a policy keeps back: copied out for the quarantine, then taken from the batch. */
static enum outcome take_out_faults(struct parcel *parcel, const struct sync_plan *plan,
                                    struct err *err)
{
    struct batch *batch = parcel->batch;
    size_t count = batch->fault_count;
    if (count == 0)
        return OUTCOME_OK;
    size_t *rows = ARENA_ARRAY(&parcel->arena, size_t, count);
    parcel->bad = ARENA_ARRAY(&parcel->arena, struct bad_row, count);
    TRY_ALLOC(rows, err);
    TRY_ALLOC(parcel->bad, err);
    for (size_t i = 0; i < count; i++) {
        const struct batch_fault *fault = &batch->faults[i];
        rows[i] = fault->row;
        parcel->bad[i] = (struct bad_row){
            .column = plan->columns[fault->column].name,
            .reason = value_fault_name(fault->fault),
            .sqlstate = "",
            .message = "the value is kept back by the sync's policy for values",
            .row_json = row_json(batch, plan->columns, fault->row, fault, &parcel->arena)};
        TRY_ALLOC(parcel->bad[i].row_json, err);
        parcel->bad[i].hash =
            hash128_bytes(parcel->bad[i].row_json, strlen(parcel->bad[i].row_json));
    }
    parcel->bad_count = count;
    if (!batch_remove_rows(batch, rows, count))
        return FAIL_NO_MEMORY(err);
    return OUTCOME_OK;
}

static bool hash_rows(const struct batch *batch, struct parcel *parcel)
{
    if (!batch_encode(batch, NULL, 0, &parcel->encoding))
        return false;
    hash128_rows(str_text(&parcel->encoding.bytes), parcel->encoding.offsets, batch->row_count,
                 parcel->row_hashes);
    return true;
}

static int64_t batch_bytes(const struct batch *batch)
{
    size_t bytes = batch->bytes_used;
    for (size_t i = 0; i < batch->column_count; i++)
        bytes += batch->columns[i].width * batch->row_count;
    return (int64_t)bytes;
}

static const char *cursor_text(const struct batch *batch, int column, size_t row,
                               struct arena *arena)
{
    struct str text __attribute__((cleanup(str_done))) = str_with_max(128);
    if (!column_format(&batch->columns[column], row, &text))
        return NULL;
    return arena_strdup(arena, str_text(&text));
}

/* How many rows at the batch's end have the last one's cursor value. */
static size_t count_ties(const struct batch *batch, int column, const char *last)
{
    struct str text __attribute__((cleanup(str_done))) = str_with_max(128);
    size_t count = 0;
    while (count < batch->row_count) {
        str_clear(&text);
        if (!column_format(&batch->columns[column], batch->row_count - 1 - count, &text) ||
            strcmp(str_text(&text), last) != 0)
            break;
        count++;
    }
    return count;
}

/* Remembers where the cursor stands after this parcel; rows come in the cursor's order. */
static enum outcome note_cursor(struct parcel *parcel, const struct lane *lane, struct err *err)
{
    int cursor = lane->flow->sync->plan.cursor_input;
    const struct batch *input = parcel->input;
    if (cursor < 0 || input->row_count == 0)
        return OUTCOME_OK;
    parcel->cursor_last = cursor_text(input, cursor, input->row_count - 1, &parcel->arena);
    if (!lane->flow->wants_ties || parcel->cursor_last == NULL)
        return OUTCOME_OK;
    if (!hash_rows(input, parcel))
        return FAIL_NO_MEMORY(err);
    parcel->tie_count = count_ties(input, cursor, parcel->cursor_last);
    parcel->ties =
        arena_memdup(&parcel->arena, parcel->row_hashes + (input->row_count - parcel->tie_count),
                     parcel->tie_count * sizeof(struct hash128));
    TRY_ALLOC(parcel->ties, err);
    return OUTCOME_OK;
}

static bool is_tie(const struct sync_state *state, struct hash128 hash)
{
    for (size_t i = 0; i < state->tie_count; i++)
        if (hash128_eq(state->ties[i], hash))
            return true;
    return false;
}

/* append: rows at the checkpoint's cursor value that an earlier run has taken already. */
static enum outcome skip_taken(struct parcel *parcel, const struct lane *lane, struct err *err)
{
    const struct sync *sync = lane->flow->sync;
    struct batch *input = parcel->input;
    if (!lane->flow->wants_ties || sync->state.tie_count == 0 || input->row_count == 0)
        return OUTCOME_OK;
    const char *first = cursor_text(input, sync->plan.cursor_input, 0, &parcel->arena);
    if (first == NULL || sync->state.cursor == NULL || strcmp(first, sync->state.cursor) != 0)
        return OUTCOME_OK; /* ordered: none further on either */
    size_t *rows = ARENA_ARRAY(&parcel->arena, size_t, input->row_count), count = 0;
    TRY_ALLOC(rows, err);
    if (!hash_rows(input, parcel))
        return FAIL_NO_MEMORY(err);
    for (size_t i = 0; i < input->row_count; i++)
        if (is_tie(&sync->state, parcel->row_hashes[i]))
            rows[count++] = i;
    if (count == 0)
        return OUTCOME_OK;
    return batch_remove_rows(input, rows, count) ? OUTCOME_OK : FAIL_NO_MEMORY(err);
}

enum outcome parcel_prepare(struct parcel *parcel, struct lane *lane, struct err *err)
{
    const struct sync_plan *plan = &lane->flow->sync->plan;
    parcel->bytes_read = batch_bytes(parcel->input);
    TRY(note_cursor(parcel, lane, err));
    TRY(skip_taken(parcel, lane, err));
    parcel->rows_read = (int64_t)parcel->input->row_count;
    if (!plan->mapping.identity)
        TRY(mapping_apply(&plan->mapping, parcel->input, parcel->batch, err));
    TRY(gate_apply(lane->gate, parcel->batch, &lane->policy_counts, err));
    TRY(take_out_faults(parcel, plan, err));
    if (!hash_rows(parcel->batch, parcel))
        return FAIL_NO_MEMORY(err);
    for (size_t i = 0; i < parcel->batch->row_count; i++)
        parcel->hash = hash128_add(parcel->hash, parcel->row_hashes[i]);
    return OUTCOME_OK;
}
