/* batches: how many rows a batch of the pipeline holds, so that its memory does not depend on how
 * many columns a table has: many of narrow rows (each batch is a round trip of the target), few of
 * wide ones. What a batch holds in text and bytes is bounded by FLOW_BATCH_BYTES beside that. */
#include "sync/internal.h"

#define FIXED_BYTES ((size_t)512 << 10)
#define ROWS_MIN ((size_t)512)

static size_t rows_of(const struct column_spec *columns, size_t count)
{
    size_t width = 1;
    for (size_t i = 0; i < count; i++) {
        enum value_type type = columns[i].spec.type;
        width += value_type_is_variable(type) ? sizeof(int32_t) : value_type_width(type);
    }
    size_t rows = FIXED_BYTES / width;
    return rows < ROWS_MIN ? ROWS_MIN : rows > FLOW_BATCH_ROWS ? FLOW_BATCH_ROWS : rows;
}

struct batch *sync_batch_new(const struct column_spec *columns, size_t count)
{
    return batch_new(columns, count, rows_of(columns, count), FLOW_BATCH_BYTES);
}

bool sync_batches_new(const struct mapping *mapping, struct batch **ret_input,
                      struct batch **ret_output)
{
    size_t rows = rows_of(mapping->inputs, mapping->input_count);
    if (mapping->identity) {
        *ret_input = *ret_output =
            batch_new(mapping->inputs, mapping->input_count, rows, FLOW_BATCH_BYTES);
        return *ret_input != NULL;
    }
    size_t output_rows = rows_of(mapping->outputs, mapping->output_count);
    if (output_rows < rows)
        rows = output_rows;
    *ret_input = batch_new(mapping->inputs, mapping->input_count, rows, FLOW_BATCH_BYTES);
    *ret_output = batch_new(mapping->outputs, mapping->output_count, rows, FLOW_BATCH_BYTES);
    return *ret_input != NULL && *ret_output != NULL;
}
