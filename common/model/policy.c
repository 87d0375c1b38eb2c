/*
 * policy: see policy.h. The gate: faults are gathered, then each faulty row is settled as a whole,
 * so that nothing is converted or counted of a row that goes into quarantine.
 */
#include "model/policy_private.h"

#include <stdlib.h>

#define WORK_CAP ((size_t)1 << 30)
#define STAGES_MAX 4 /* a text may be bad UTF-8, hold a NUL and be too long */

static const char *const fault_names[VALUE_FAULT_COUNT] = {
    [FAULT_ZERO_DATE] = "zero_date",
    [FAULT_INFINITY] = "infinity",
    [FAULT_NAN] = "nan",
    [FAULT_NUL_BYTE] = "nul_byte",
    [FAULT_INVALID_UTF8] = "invalid_utf8",
    [FAULT_TIME_RANGE] = "time_range",
    [FAULT_OUT_OF_RANGE] = "out_of_range",
    [FAULT_INVALID_CAST] = "invalid_cast",
};

const char *value_fault_name(enum value_fault fault)
{
    return (unsigned)fault < VALUE_FAULT_COUNT ? fault_names[fault] : "unknown";
}

struct gate *gate_new(const struct column_spec *columns, size_t column_count,
                      const struct value_limits *limits, const struct value_policy *policy,
                      struct arena *arena)
{
    struct gate *gate = ARENA_NEW(arena, struct gate);
    struct gate_column *gates = ARENA_ARRAY(arena, struct gate_column, column_count);
    if (gate == NULL || gates == NULL)
        return NULL;
    for (size_t i = 0; i < column_count; i++)
        gates[i] = gate_column_of(&columns[i], limits);
    *gate = (struct gate){.column_count = column_count, .columns = gates, .policy = *policy};
    return gate;
}

/* ---- gathering ---- */

static bool gather_column(const struct gate_column *gate, struct batch *batch, size_t number)
{
    const struct column *column = &batch->columns[number];
    struct str STR_AUTO raw = str_with_max(INT32_MAX);
    for (size_t row = 0; row < batch->row_count; row++) {
        struct batch_fault where = {.row = row, .column = number};
        if (column_is_null(column, row) || gate_cell_is_fine(gate, column, row, &where.fault))
            continue;
        str_clear(&raw);
        (void)column_format(column, row, &raw);
        if (raw.failed || !batch_note_fault(batch, where, str_slice(&raw)))
            return false;
    }
    return true;
}

static int compare_faults(const void *a, const void *b)
{
    const struct batch_fault *one = a, *two = b;
    if (one->row != two->row)
        return one->row < two->row ? -1 : 1;
    return (one->column > two->column) - (one->column < two->column);
}

static bool gather(const struct gate *gate, struct batch *batch)
{
    for (size_t i = 0; i < gate->column_count; i++) {
        if (!gate_column_is_clean(&gate->columns[i], &batch->columns[i], batch->row_count) &&
            !gather_column(&gate->columns[i], batch, i))
            return false;
    }
    if (batch->fault_count > 1)
        qsort(batch->faults, batch->fault_count, sizeof *batch->faults, compare_faults);
    return true;
}

/* ---- settling ---- */

struct settling {
    const struct gate *gate;
    struct batch *batch;
    struct gate_edit *edits;
    size_t edit_count;
    struct str texts;
    struct policy_counts row_counts; /* of the row at hand */
};

/* NULL is no way out of a column that takes none. */
static enum value_action null_or_quarantine(struct settling *work, const struct gate_column *column,
                                            enum value_fault fault, struct gate_edit *edit)
{
    if (!column->spec->nullable)
        return ACTION_QUARANTINE;
    work->row_counts.nulled[fault]++;
    edit->null = true;
    return ACTION_NULL;
}

/* Settles one value; FAIL and QUARANTINE tell by which fault in *ret_fault. */
static enum value_action settle_value(struct settling *work, const struct batch_fault *found,
                                      enum value_fault *ret_fault)
{
    const struct gate_column *column = &work->gate->columns[found->column];
    struct gate_edit *edit = &work->edits[work->edit_count++];
    struct slice raw = {work->batch->fault_text.data + found->text_offset, found->text_len};
    *edit = (struct gate_edit){.row = found->row, .column = found->column};
    *ret_fault = found->fault;
    for (int stage = 0; stage < STAGES_MAX; stage++) {
        enum value_action action = work->gate->policy.actions[*ret_fault];
        if (action == ACTION_NULL)
            return null_or_quarantine(work, column, *ret_fault, edit);
        if (action != ACTION_CONVERT)
            return action;
        /* The text of the stage before moves when the buffer grows: read it from a copy's room. */
        size_t offset = work->texts.len;
        if (str_reserve(&work->texts, 3 * raw.len + VALUE_DECIMAL_MAX) == NULL)
            return ACTION_FAIL;
        if (stage > 0)
            raw.data = work->texts.data + edit->offset;
        if (!gate_convert(column, *ret_fault, raw, &work->texts))
            return null_or_quarantine(work, column, *ret_fault, edit);
        edit->offset = offset;
        edit->len = work->texts.len - offset;
        work->row_counts.converted[*ret_fault]++;
        raw = (struct slice){work->texts.data + offset, edit->len};
        if ((column->type != VALUE_TEXT && column->type != VALUE_JSON) ||
            gate_text_is_fine(column, raw, ret_fault))
            return ACTION_CONVERT;
    }
    return ACTION_QUARANTINE;
}

static enum outcome fail_value(const struct settling *work, const struct batch_fault *found,
                               enum value_fault fault, struct err *err)
{
    const char *name = work->gate->columns[found->column].spec->name;
    char code[48] = "value.";
    if (work->texts.failed)
        return FAIL_NO_MEMORY(err);
    text_copy(code + 6, sizeof code - 6, value_fault_name(fault));
    enum outcome outcome =
        FAIL(err, OUTCOME_PERMANENT, code, "column \"%s\" holds a value that the target cannot: %s",
             name, value_fault_name(fault));
    if (err != NULL)
        text_copy(err->column, sizeof err->column, name);
    (void)err_hint(err, "set the sync's value policy for %s to convert, null or quarantine",
                   value_fault_name(fault));
    return outcome;
}

static void add_counts(struct policy_counts *to, const struct policy_counts *from)
{
    for (size_t i = 0; i < VALUE_FAULT_COUNT; i++) {
        to->converted[i] += from->converted[i];
        to->nulled[i] += from->nulled[i];
        to->quarantined[i] += from->quarantined[i];
    }
}

/* Settles the faults first .. end - 1, all of one row; true in *ret_out when it must go, by the
 * fault in *ret_why. */
static enum outcome settle_row(struct settling *work, size_t first, size_t end, bool *ret_out,
                               struct batch_fault *ret_why, struct err *err)
{
    size_t edits = work->edit_count;
    bool out = false;
    work->row_counts = (struct policy_counts){0};
    for (size_t i = first; i < end; i++) {
        struct batch_fault found = work->batch->faults[i];
        if (i > first && found.column == work->batch->faults[i - 1].column)
            continue; /* a value is settled once */
        enum value_action action = settle_value(work, &found, &found.fault);
        if (action == ACTION_FAIL)
            return fail_value(work, &found, found.fault, err);
        if (action == ACTION_QUARANTINE && !out) {
            *ret_why = found;
            out = true;
        }
    }
    if (out) {
        work->edit_count = edits;
        work->row_counts = (struct policy_counts){0};
        work->row_counts.quarantined[ret_why->fault]++;
    }
    *ret_out = out;
    return OUTCOME_OK;
}

static enum outcome settle(struct settling *work, struct policy_counts *counts, struct err *err)
{
    struct batch *batch = work->batch;
    struct policy_counts total = {0};
    size_t kept = 0;
    for (size_t first = 0, end; first < batch->fault_count; first = end) {
        struct batch_fault why = {0};
        bool out = false;
        for (end = first + 1; end < batch->fault_count; end++) {
            if (batch->faults[end].row != batch->faults[first].row)
                break;
        }
        TRY(settle_row(work, first, end, &out, &why, err));
        add_counts(&total, &work->row_counts);
        if (out)
            batch->faults[kept++] = why;
    }
    if (!gate_edit_batch(batch, work->edits, work->edit_count, str_text(&work->texts)))
        return FAIL_NO_MEMORY(err);
    batch->fault_count = kept;
    add_counts(counts, &total);
    return OUTCOME_OK;
}

enum outcome gate_apply(struct gate *gate, struct batch *batch, struct policy_counts *counts,
                        struct err *err)
{
    if (!gather(gate, batch))
        return FAIL_NO_MEMORY(err);
    if (batch->fault_count == 0)
        return OUTCOME_OK;
    struct arena ARENA_AUTO arena;
    arena_init(&arena, WORK_CAP);
    struct settling work = {.gate = gate, .batch = batch, .texts = str_with_max(INT32_MAX)};
    work.edits = ARENA_ARRAY(&arena, struct gate_edit, batch->fault_count);
    enum outcome outcome = work.edits == NULL ? FAIL_NO_MEMORY(err) : settle(&work, counts, err);
    str_done(&work.texts);
    return outcome;
}
