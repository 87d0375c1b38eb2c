/* batch: see batch.h. Buffers and rows; text forms are in batch_text.c. */
#include "model/batch.h"

#include <limits.h>
#include <stdlib.h>

/*
 * Every buffer is aligned to a cache line, as Arrow recommends, and bytes have this much slack
 * behind what is used, so that short values can be copied by whole words (batch_encode).
 */
#define ALIGNMENT ((size_t)64)
#define BYTES_SLACK ((size_t)64)
#define BYTES_CAP_MIN ((size_t)1024)

static void *alloc_zeroed(size_t size)
{
    size_t rounded = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    void *memory = aligned_alloc(ALIGNMENT, rounded == 0 ? ALIGNMENT : rounded);
    return memory == NULL ? NULL : memset(memory, 0, rounded);
}

static bool column_init(struct column *column, enum value_type type, size_t row_cap)
{
    column->type = type;
    column->width = (uint32_t)value_type_width(type);
    column->validity = alloc_zeroed(row_cap / 8);
    if (column->validity == NULL)
        return false;
    if (value_type_is_variable(type)) {
        column->offsets = alloc_zeroed((row_cap + 1) * sizeof *column->offsets);
        column->bytes = calloc(1, BYTES_CAP_MIN + BYTES_SLACK);
        column->bytes_cap = BYTES_CAP_MIN;
        return column->offsets != NULL && column->bytes != NULL;
    }
    column->values = alloc_zeroed(type == VALUE_BOOL ? row_cap / 8 : row_cap * column->width);
    return column->values != NULL;
}

struct batch *batch_new(const struct column_spec *columns, size_t column_count, size_t row_cap,
                        size_t bytes_limit)
{
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL)
        return NULL;
    batch->row_cap = row_cap == 0 ? 64 : (row_cap + 63) & ~(size_t)63;
    batch->bytes_limit = bytes_limit;
    batch->fault_text = str_with_max(INT32_MAX);
    batch->columns = calloc(column_count == 0 ? 1 : column_count, sizeof *batch->columns);
    bool ok = batch->columns != NULL;
    batch->column_count = ok ? column_count : 0;
    for (size_t i = 0; ok && i < column_count; i++)
        ok = column_init(&batch->columns[i], columns[i].spec.type, batch->row_cap);
    if (!ok) {
        batch_free(batch);
        return NULL;
    }
    return batch;
}

void batch_free(struct batch *batch)
{
    if (batch == NULL)
        return;
    for (size_t i = 0; i < batch->column_count; i++) {
        struct column *column = &batch->columns[i];
        free(column->validity);
        free(column->values);
        free(column->offsets);
        free(column->bytes);
    }
    free(batch->columns);
    free(batch->faults);
    str_done(&batch->fault_text);
    free(batch);
}

void batch_clear(struct batch *batch)
{
    for (size_t i = 0; i < batch->column_count; i++) {
        struct column *column = &batch->columns[i];
        size_t used = (column->count + 7) / 8;
        memset(column->validity, 0, used);
        if (column->type == VALUE_BOOL)
            memset(column->values, 0, used);
        column->count = column->null_count = 0;
    }
    batch->row_count = batch->bytes_used = batch->fault_count = 0;
    batch->failed = false;
    str_clear(&batch->fault_text);
}

char *column_reserve(struct batch *batch, struct column *column, size_t more)
{
    size_t used = (size_t)column->offsets[column->count];
    if (more <= column->bytes_cap - used)
        return column->bytes + used;
    char *bytes = NULL;
    size_t need = used + more, cap = column->bytes_cap * 2;
    if (more <= INT32_MAX - used) {
        cap = cap < need ? need : cap > INT32_MAX ? INT32_MAX : cap;
        bytes = realloc(column->bytes, cap + BYTES_SLACK);
    }
    if (bytes == NULL) {
        batch->failed = true;
        return NULL;
    }
    column->bytes = bytes;
    column->bytes_cap = cap;
    return bytes + used;
}

static bool faults_have_room(struct batch *batch)
{
    if (batch->fault_count < batch->fault_cap)
        return true;
    size_t cap = batch->fault_cap == 0 ? 16 : batch->fault_cap * 2;
    struct batch_fault *faults = realloc(batch->faults, cap * sizeof *faults);
    if (faults == NULL)
        return false;
    batch->faults = faults;
    batch->fault_cap = cap;
    return true;
}

bool batch_note_fault(struct batch *batch, struct batch_fault where, struct slice raw)
{
    size_t offset = batch->fault_text.len;
    str_add_slice(&batch->fault_text, raw);
    if (batch->fault_text.failed || !faults_have_room(batch)) {
        batch->failed = true;
        return false;
    }
    where.text_offset = (uint32_t)offset;
    where.text_len = (uint32_t)raw.len;
    batch->faults[batch->fault_count++] = where;
    return true;
}

void batch_add_fault(struct batch *batch, struct column *column, enum value_fault fault,
                     struct slice raw)
{
    struct batch_fault where = {
        .row = column->count, .column = (size_t)(column - batch->columns), .fault = fault};
    if (batch_note_fault(batch, where, raw))
        column_add_null(column);
}

bool batch_end_row(struct batch *batch)
{
    size_t bytes = batch->fault_text.len, want = batch->row_count + 1;
    bool complete = true;
    for (size_t i = 0; i < batch->column_count; i++) {
        const struct column *column = &batch->columns[i];
        complete &= column->count == want;
        if (column->offsets != NULL)
            bytes += (size_t)column->offsets[column->count];
    }
    if (!complete) {
        batch_undo_row(batch);
        return false;
    }
    batch->bytes_used = bytes;
    batch->row_count = want;
    return true;
}

static void column_undo_to(struct column *column, size_t count)
{
    while (column->count > count) {
        size_t row = --column->count;
        uint8_t bit = (uint8_t)(1u << (row & 7));
        column->null_count -= (column->validity[row >> 3] & bit) == 0;
        column->validity[row >> 3] &= (uint8_t)~bit;
        if (column->type == VALUE_BOOL)
            ((uint8_t *)column->values)[row >> 3] &= (uint8_t)~bit;
    }
}

void batch_undo_row(struct batch *batch)
{
    for (size_t i = 0; i < batch->column_count; i++)
        column_undo_to(&batch->columns[i], batch->row_count);
    while (batch->fault_count > 0 &&
           batch->faults[batch->fault_count - 1].row >= batch->row_count) {
        batch->fault_count--;
        batch->fault_text.len = batch->faults[batch->fault_count].text_offset;
    }
}

void column_add_from(struct batch *to_batch, struct column *to, const struct column *from,
                     size_t row)
{
    if (column_is_null(from, row)) {
        column_add_null(to);
    } else if (from->offsets != NULL) {
        struct slice bytes = column_bytes(from, row);
        column_add_bytes(to_batch, to, bytes.data, bytes.len);
    } else if (from->type == VALUE_BOOL) {
        column_add_bool(to, column_bool(from, row));
    } else {
        memcpy((char *)to->values + to->count * to->width,
               (const char *)from->values + row * from->width, from->width);
        column_set_valid(to);
        to->count++;
    }
}

void batch_add_row_from(struct batch *to, const struct batch *from, size_t row)
{
    for (size_t i = 0; i < to->column_count; i++)
        column_add_from(to, &to->columns[i], &from->columns[i], row);
    (void)batch_end_row(to);
}
