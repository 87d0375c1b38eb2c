/* policy: see policy.h. Changing and taking out values of a batch that is filled. */
#include "model/policy_private.h"

#include <stdlib.h>

static int compare_edits(const void *a, const void *b)
{
    const struct gate_edit *one = a, *two = b;
    if (one->column != two->column)
        return one->column < two->column ? -1 : 1;
    return (one->row > two->row) - (one->row < two->row);
}

static void clear_valid(struct column *column, size_t row)
{
    uint8_t bit = (uint8_t)(1u << (row & 7));
    column->null_count += (column->validity[row >> 3] & bit) != 0;
    column->validity[row >> 3] &= (uint8_t)~bit;
}

/* A fixed value: the add of the text form, at the row instead of at the end. */
static void edit_fixed(struct batch *batch, struct column *column, const struct gate_edit *edit,
                       const char *texts)
{
    size_t count = column->count;
    clear_valid(column, edit->row);
    if (edit->null)
        return;
    if (column->type == VALUE_BOOL)
        ((uint8_t *)column->values)[edit->row >> 3] &= (uint8_t) ~(1u << (edit->row & 7));
    column->count = edit->row;
    if (column_add_text(batch, column, (struct slice){texts + edit->offset, edit->len}))
        column->null_count--;
    column->count = count;
}

/* Variable values are written anew into a buffer that takes the old one's place. */
static bool edit_variable(struct batch *batch, struct column *column, const struct gate_edit *edits,
                          size_t count, const char *texts)
{
    size_t rows = column->count, edit = 0;
    struct column old = *column;
    struct column_spec spec = {.spec.type = column->type};
    struct batch *fresh = batch_new(&spec, 1, batch->row_cap, batch->bytes_limit);
    if (fresh == NULL)
        return false;
    struct column *to = &fresh->columns[0];
    for (size_t row = 0; row < rows; row++) {
        if (edit == count || edits[edit].row != row) {
            column_add_from(fresh, to, &old, row);
            continue;
        }
        if (edits[edit].null)
            column_add_null(to);
        else
            column_add_bytes(fresh, to, texts + edits[edit].offset, edits[edit].len);
        edit++;
    }
    bool ok = !fresh->failed;
    if (ok) {
        *column = *to;
        *to = old;
    }
    batch_free(fresh);
    return ok;
}

bool gate_edit_batch(struct batch *batch, struct gate_edit *edits, size_t count, const char *texts)
{
    qsort(edits, count, sizeof *edits, compare_edits);
    for (size_t first = 0, end; first < count; first = end) {
        struct column *column = &batch->columns[edits[first].column];
        for (end = first; end < count && edits[end].column == edits[first].column; end++)
            ;
        if (column->offsets != NULL) {
            if (!edit_variable(batch, column, edits + first, end - first, texts))
                return false;
            continue;
        }
        for (size_t i = first; i < end; i++)
            edit_fixed(batch, column, &edits[i], texts);
    }
    return true;
}

/* ---- taking rows out ---- */

static bool bit_of(const void *bits, size_t row)
{
    return (((const uint8_t *)bits)[row >> 3] >> (row & 7) & 1) != 0;
}

static void set_bit(void *bits, size_t row, bool value)
{
    uint8_t *byte = (uint8_t *)bits + (row >> 3), bit = (uint8_t)(1u << (row & 7));
    *byte = value ? *byte | bit : *byte & (uint8_t)~bit;
}

static void move_value(struct column *column, size_t from, size_t to)
{
    bool valid = bit_of(column->validity, from);
    set_bit(column->validity, to, valid);
    column->null_count += !valid;
    if (column->offsets != NULL) {
        int32_t start = column->offsets[from], len = column->offsets[from + 1] - start;
        memmove(column->bytes + column->offsets[to], column->bytes + start, (size_t)len);
        column->offsets[to + 1] = column->offsets[to] + len;
    } else if (column->type == VALUE_BOOL) {
        set_bit(column->values, to, bit_of(column->values, from));
    } else if (from != to) {
        memcpy((char *)column->values + to * column->width,
               (const char *)column->values + from * column->width, column->width);
    }
}

static void remove_from_column(struct column *column, const size_t *rows, size_t count)
{
    size_t to = 0, next = 0, total = column->count;
    column->null_count = 0;
    for (size_t row = 0; row < total; row++) {
        if (next < count && rows[next] == row)
            next++;
        else
            move_value(column, row, to++);
    }
    for (size_t row = to; row < total; row++) {
        set_bit(column->validity, row, false);
        if (column->type == VALUE_BOOL)
            set_bit(column->values, row, false);
    }
    column->count = to;
}

/* How many of the ascending numbers are below `row`; *ret_is_one tells whether it is one. */
static size_t count_below(const size_t *rows, size_t count, size_t row, bool *ret_is_one)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rows[middle] < row)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_is_one = low < count && rows[low] == row;
    return low;
}

static void remove_from_faults(struct batch *batch, const size_t *rows, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < batch->fault_count; i++) {
        bool removed;
        struct batch_fault fault = batch->faults[i];
        fault.row -= count_below(rows, count, fault.row, &removed);
        if (!removed)
            batch->faults[kept++] = fault;
    }
    batch->fault_count = kept;
    if (kept == 0)
        str_clear(&batch->fault_text);
}

bool batch_remove_rows(struct batch *batch, const size_t *rows, size_t count)
{
    remove_from_faults(batch, rows, count);
    batch->bytes_used = batch->fault_text.len;
    for (size_t i = 0; i < batch->column_count; i++) {
        struct column *column = &batch->columns[i];
        if (count > 0)
            remove_from_column(column, rows, count);
        if (column->offsets != NULL)
            batch->bytes_used += (size_t)column->offsets[column->count];
    }
    batch->row_count -= count;
    return true;
}
