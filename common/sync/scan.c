/* scan: one side read wholly in the types that are written, with hashes of keys and rows. */
#include "sync/internal.h"

#include "io/hash.h"

#include <stdlib.h>

struct scanner {
    const struct scan *scan;
    struct batch *input, *batch;
    struct gate *gate;
    struct batch_encoding encoding;
    struct hash128 *keys, *rows;
    struct policy_counts counts; /* not the receipt's: the load has counted these */
};

static enum outcome scanner_init(struct scanner *scanner, const struct scan *scan, struct err *err)
{
    const struct mapping *mapping = scan->mapping;
    *scanner = (struct scanner){.scan = scan};
    batch_encoding_init(&scanner->encoding);
    if (!sync_batches_new(mapping, &scanner->input, &scanner->batch))
        return FAIL_NO_MEMORY(err);
    scanner->keys = calloc(scanner->input->row_cap, sizeof *scanner->keys);
    scanner->rows = calloc(scanner->input->row_cap, sizeof *scanner->rows);
    TRY_ALLOC(scanner->keys, err);
    TRY_ALLOC(scanner->rows, err);
    if (scan->gate) {
        scanner->gate =
            gate_new(mapping->outputs, mapping->output_count, &sync_target(scan->sync)->limits,
                     &scan->sync->policy, scan->sync->arena);
        TRY_ALLOC(scanner->gate, err);
    }
    return OUTCOME_OK;
}

static void scanner_done(struct scanner *scanner)
{
    if (scanner->batch != scanner->input)
        batch_free(scanner->batch);
    batch_free(scanner->input);
    batch_encoding_done(&scanner->encoding);
    free(scanner->keys);
    free(scanner->rows);
}

/* Rows that a policy keeps back were never written: they are left out here too. */
static enum outcome gate_rows(struct scanner *scanner, struct err *err)
{
    struct batch *batch = scanner->batch;
    TRY(gate_apply(scanner->gate, batch, &scanner->counts, err));
    size_t count = batch->fault_count;
    if (count == 0)
        return OUTCOME_OK;
    size_t *rows = calloc(count, sizeof *rows);
    TRY_ALLOC(rows, err);
    for (size_t i = 0; i < count; i++)
        rows[i] = batch->faults[i].row;
    bool removed = batch_remove_rows(batch, rows, count);
    free(rows);
    return removed ? OUTCOME_OK : FAIL_NO_MEMORY(err);
}

static bool hash_columns(struct scanner *scanner, const size_t *columns, size_t count,
                         struct hash128 *to)
{
    if (!batch_encode(scanner->batch, columns, count, &scanner->encoding))
        return false;
    hash128_rows(str_text(&scanner->encoding.bytes), scanner->encoding.offsets,
                 scanner->batch->row_count, to);
    return true;
}

static enum outcome hand_on(struct scanner *scanner, scan_rows *rows, void *ctx, struct err *err)
{
    const struct scan *scan = scanner->scan;
    if (!scan->mapping->identity)
        TRY(mapping_apply(scan->mapping, scanner->input, scanner->batch, err));
    if (scanner->gate != NULL)
        TRY(gate_rows(scanner, err));
    if (scan->key_count > 0 && !hash_columns(scanner, scan->key, scan->key_count, scanner->keys))
        return FAIL_NO_MEMORY(err);
    if (!scan->keys_only && !hash_columns(scanner, NULL, 0, scanner->rows))
        return FAIL_NO_MEMORY(err);
    return rows(ctx, scanner->batch, scanner->keys, scan->keys_only ? scanner->keys : scanner->rows,
                err);
}

static enum outcome read_through(struct scanner *scanner, struct reader *reader, scan_rows *rows,
                                 void *ctx, struct err *err)
{
    for (bool end = false; !end;) {
        TRY(sync_check_cancelled(scanner->scan->sync, err));
        batch_clear(scanner->input);
        if (scanner->batch != scanner->input)
            batch_clear(scanner->batch);
        TRY(scanner->scan->connector->read_next(reader, scanner->input, &end, err));
        TRY(hand_on(scanner, rows, ctx, err));
    }
    return OUTCOME_OK;
}

static enum outcome scan_all(struct scanner *scanner, scan_rows *rows, void *ctx, struct err *err)
{
    const struct scan *scan = scanner->scan;
    struct read_request request = {.stream = scan->stream,
                                   .columns = scan->mapping->inputs,
                                   .column_count = scan->mapping->input_count,
                                   .filters = scan->filters,
                                   .filter_count = scan->filter_count};
    struct reader *reader;
    TRY(scan->connector->read_begin(scan->session, &request, &reader, err));
    enum outcome outcome = read_through(scanner, reader, rows, ctx, err);
    scan->connector->read_end(reader);
    return outcome;
}

enum outcome scan_run(const struct scan *scan, scan_rows *rows, void *ctx, struct err *err)
{
    struct scanner scanner;
    enum outcome outcome = scanner_init(&scanner, scan, err);
    if (outcome == OUTCOME_OK)
        outcome = scan_all(&scanner, rows, ctx, err);
    scanner_done(&scanner);
    return outcome;
}
