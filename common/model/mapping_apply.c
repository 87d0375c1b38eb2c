/* mapping: see mapping.h. Applying a plan, column by column. */
#include "model/mapping_private.h"

/* A whole column without a change: its buffers. */
static bool copy_column(struct batch *out, struct column *to, const struct column *from,
                        size_t rows)
{
    if (from->offsets != NULL) {
        size_t used = (size_t)from->offsets[rows];
        char *bytes = column_reserve(out, to, used);
        if (bytes == NULL)
            return false;
        memcpy(bytes, from->bytes, used);
        memcpy(to->offsets, from->offsets, (rows + 1) * sizeof *to->offsets);
    } else if (from->type == VALUE_BOOL) {
        memcpy(to->values, from->values, (rows + 7) / 8);
    } else {
        memcpy(to->values, from->values, rows * from->width);
    }
    memcpy(to->validity, from->validity, (rows + 7) / 8);
    to->count = rows;
    to->null_count = from->null_count;
    return true;
}

/* The value that a fault keeps for the quarantine: its text, or the very bytes of bad UTF-8. */
static struct slice raw_of(struct casting *casting, size_t row, enum value_fault fault)
{
    if (fault == FAULT_INVALID_UTF8)
        return column_bytes(casting->from, row);
    str_clear(&casting->text);
    (void)column_format(casting->from, row, &casting->text);
    return str_slice(&casting->text);
}

static void map_value(const struct mapping_step *step, struct casting *casting, size_t row)
{
    if (step->cast == NULL) {
        column_add_from(casting->out, casting->to, casting->from, row);
        return;
    }
    int fault = step->cast(casting, row);
    if (fault != CAST_DONE)
        batch_add_fault(casting->out, casting->to, (enum value_fault)fault,
                        raw_of(casting, row, (enum value_fault)fault));
}

static void map_null(const struct mapping_step *step, struct casting *casting, bool faulty)
{
    if (faulty || step->on_null == ON_NULL_KEEP)
        column_add_null(casting->to);
    else if (step->on_null == ON_NULL_DEFAULT)
        column_add_from(casting->out, casting->to, &step->scalar, 0);
    else
        batch_add_fault(casting->out, casting->to, FAULT_INVALID_CAST, slice_of("null"));
}

/* Row by row. A NULL that stands for a fault is none to on_null: the fault is carried over. */
static void map_column(const struct mapping_step *step, const struct batch *in,
                       struct casting *casting)
{
    size_t next_fault = 0, input = (size_t)step->input;
    for (size_t row = 0; row < in->row_count && !casting->out->failed; row++) {
        if (!column_is_null(casting->from, row)) {
            map_value(step, casting, row);
            continue;
        }
        bool faulty = false;
        while (next_fault < in->fault_count && in->faults[next_fault].row <= row) {
            const struct batch_fault *fault = &in->faults[next_fault++];
            faulty |= fault->row == row && fault->column == input;
        }
        map_null(step, casting, faulty);
    }
}

static void fill_constant(const struct mapping_step *step, struct batch *out, struct column *to,
                          size_t rows)
{
    for (size_t row = 0; row < rows && !out->failed; row++)
        column_add_from(out, to, &step->scalar, 0);
}

static void carry_faults(const struct mapping *mapping, const struct batch *in, struct batch *out)
{
    for (size_t i = 0; i < in->fault_count; i++) {
        const struct batch_fault *fault = &in->faults[i];
        struct slice raw = {in->fault_text.data + fault->text_offset, fault->text_len};
        for (size_t k = 0; k < mapping->output_count; k++) {
            struct batch_fault carried = {.row = fault->row, .column = k, .fault = fault->fault};
            if (mapping->steps[k].input == (int)fault->column)
                (void)batch_note_fault(out, carried, raw);
        }
    }
}

static void map_output(const struct mapping_step *step, const struct batch *in, struct batch *out,
                       struct column *to)
{
    if (step->input < 0) {
        fill_constant(step, out, to, in->row_count);
        return;
    }
    struct casting casting = {
        .from = &in->columns[step->input], .out = out, .to = to, .text = str_with_max(INT32_MAX)};
    if (step->cast == NULL && (step->on_null == ON_NULL_KEEP || casting.from->null_count == 0))
        (void)copy_column(out, to, casting.from, in->row_count);
    else
        map_column(step, in, &casting);
    out->failed |= casting.text.failed;
    str_done(&casting.text);
}

enum outcome mapping_apply(const struct mapping *mapping, const struct batch *in, struct batch *out,
                           struct err *err)
{
    if (out->row_cap < in->row_count || out->row_count > 0)
        return FAIL_BUG(err, "a mapping's output batch is too small or not cleared");
    for (size_t i = 0; i < mapping->output_count; i++)
        map_output(&mapping->steps[i], in, out, &out->columns[i]);
    carry_faults(mapping, in, out);
    if (out->failed)
        return FAIL_NO_MEMORY(err);
    out->row_count = in->row_count;
    out->tag = in->tag;
    out->bytes_used = out->fault_text.len;
    for (size_t i = 0; i < out->column_count; i++) {
        if (out->columns[i].offsets != NULL)
            out->bytes_used += (size_t)out->columns[i].offsets[out->row_count];
    }
    return OUTCOME_OK;
}
