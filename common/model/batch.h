/*
 * batch: some thousands of rows in memory, as columns in Arrow's layout.
 *
 * Is:      what flows from a source to a target: one struct column a column, filled row by row or
 *          column by column, reused over and over.
 * Is not:  a table: types are checked where rows are made, not on every access.
 * Owns:    its buffers (heap, kept by batch_clear, freed by batch_free).
 * Threads: one at a time; handed from reader to writer through a queue.
 * Source:  Arrow Columnar Format 1.x: validity bitmap (1 = value), little-endian bit order; int32
 *          offsets (count + 1) and bytes for utf8 and binary; bool as a bitmap.
 *
 * Filling by rows: add one value to each column in order, then batch_end_row. A row that must be
 * given up half-way: batch_undo_row. Adds cannot fail but for memory, which is sticky: `failed`.
 */
#ifndef HAUL_MODEL_BATCH_H
#define HAUL_MODEL_BATCH_H

#include "model/value.h"

#include <string.h>

struct column {
    enum value_type type;
    uint32_t width; /* bytes of a fixed value; 0 = variable or bool */
    size_t count;   /* values added: batch->row_count, or one more inside a row */
    size_t null_count;
    uint8_t *validity; /* row_cap bits */
    void *values;      /* fixed: row_cap * width; bool: row_cap bits; variable: NULL */
    int32_t *offsets;  /* variable: row_cap + 1, offsets[0] = 0 */
    char *bytes;       /* variable: offsets[count] used */
    size_t bytes_cap;
};

/*
 * A value that its source holds and haul's type cannot: a zero date, say. The reader adds NULL and
 * tells the fault; the pipeline applies the sync's policy for it (model/policy.h).
 */
enum value_fault {
    FAULT_ZERO_DATE, /* 0000-00-00, or a month or day of zero */
    FAULT_INFINITY,  /* infinite date or timestamp, and the target has none */
    FAULT_NAN,       /* NaN or an infinity, and the target's number has none */
    FAULT_NUL_BYTE,  /* U+0000 in text, and the target's text cannot hold it */
    FAULT_INVALID_UTF8,
    FAULT_TIME_RANGE,   /* a time below 0 or beyond 24 h, and the target has a time of day only */
    FAULT_OUT_OF_RANGE, /* a number, date or length beyond what the target's column holds */
    FAULT_INVALID_CAST, /* the text cannot be read as the type that the mapping asks for */
};
#define VALUE_FAULT_COUNT (FAULT_INVALID_CAST + 1)

struct batch_fault {
    size_t row, column;
    enum value_fault fault;
    uint32_t text_offset, text_len; /* the raw text, in fault_text */
};

struct batch {
    size_t row_count, row_cap;
    size_t column_count;
    struct column *columns;
    size_t bytes_limit;         /* batch_is_full beyond this many bytes of variable values */
    size_t bytes_used;          /* variable bytes of complete rows */
    bool failed;                /* memory, or a column beyond 2 GiB */
    uint64_t tag;               /* the caller's: which chunk these rows are of */
    struct batch_fault *faults; /* by row */
    size_t fault_count, fault_cap;
    struct str fault_text;
};

/* A batch for these columns (specs are not kept); NULL without memory. row_cap is rounded up to 64.
 */
struct batch *batch_new(const struct column_spec *columns, size_t column_count, size_t row_cap,
                        size_t bytes_limit);
void batch_free(struct batch *batch); /* takes NULL */
void batch_clear(struct batch *batch);
static inline bool batch_is_full(const struct batch *batch)
{
    return batch->row_count >= batch->row_cap || batch->bytes_used >= batch->bytes_limit;
}

/* Makes room for `more` bytes behind a variable column's bytes; NULL when it can't. The caller
 * writes there, then calls column_end_bytes with what it wrote. */
char *column_reserve(struct batch *batch, struct column *column, size_t more);

static inline void column_set_valid(struct column *column)
{
    column->validity[column->count >> 3] |= (uint8_t)(1u << (column->count & 7));
}
static inline bool column_is_null(const struct column *column, size_t row)
{
    return (column->validity[row >> 3] >> (row & 7) & 1) == 0;
}
static inline void column_end_bytes(struct column *column, size_t len)
{
    column_set_valid(column);
    column->offsets[column->count + 1] = column->offsets[column->count] + (int32_t)len;
    column->count++;
}
static inline void column_add_null(struct column *column)
{
    if (column->offsets != NULL)
        column->offsets[column->count + 1] = column->offsets[column->count];
    column->null_count++;
    column->count++;
}
static inline void column_add_i64(struct column *column, int64_t value)
{
    ((int64_t *)column->values)[column->count] = value;
    column_set_valid(column);
    column->count++;
}
static inline void column_add_i32(struct column *column, int32_t value)
{
    ((int32_t *)column->values)[column->count] = value;
    column_set_valid(column);
    column->count++;
}
static inline void column_add_f64(struct column *column, double value)
{
    ((double *)column->values)[column->count] = value;
    column_set_valid(column);
    column->count++;
}
static inline void column_add_bool(struct column *column, bool value)
{
    if (value)
        ((uint8_t *)column->values)[column->count >> 3] |= (uint8_t)(1u << (column->count & 7));
    column_set_valid(column);
    column->count++;
}
static inline void column_add_uuid(struct column *column, const uint8_t bytes[16])
{
    memcpy((char *)column->values + column->count * 16, bytes, 16);
    column_set_valid(column);
    column->count++;
}
static inline void column_add_bytes(struct batch *batch, struct column *column, const char *bytes,
                                    size_t len)
{
    char *to = column_reserve(batch, column, len);
    if (to == NULL)
        return;
    if (len > 0)
        memcpy(to, bytes, len);
    column_end_bytes(column, len);
}

static inline int64_t column_i64(const struct column *column, size_t row)
{
    return ((const int64_t *)column->values)[row];
}
static inline int32_t column_i32(const struct column *column, size_t row)
{
    return ((const int32_t *)column->values)[row];
}
static inline double column_f64(const struct column *column, size_t row)
{
    return ((const double *)column->values)[row];
}
static inline bool column_bool(const struct column *column, size_t row)
{
    return (((const uint8_t *)column->values)[row >> 3] >> (row & 7) & 1) != 0;
}
static inline const uint8_t *column_uuid(const struct column *column, size_t row)
{
    return (const uint8_t *)column->values + row * 16;
}
static inline struct slice column_bytes(const struct column *column, size_t row)
{
    return (struct slice){column->bytes + column->offsets[row],
                          (size_t)(column->offsets[row + 1] - column->offsets[row])};
}

/* Adds NULL to the column and records why; `raw` is the value as its source shows it. */
void batch_add_fault(struct batch *batch, struct column *column, enum value_fault fault,
                     struct slice raw);

/* Records a fault of a cell that stands already (row and column of `where`, its text is set here);
 * false (and failed) without memory. */
bool batch_note_fault(struct batch *batch, struct batch_fault where, struct slice raw);

/* Closes the row that was filled; BUG-safe: a column that got no value makes it false and the row
 * is undone. */
bool batch_end_row(struct batch *batch);
/* Takes back what was added since the last batch_end_row. */
void batch_undo_row(struct batch *batch);

/* Appends the value of a row of one column to another column of the same type. */
void column_add_from(struct batch *to_batch, struct column *to, const struct column *from,
                     size_t row);
/* Appends a whole row, without its faults; both batches have the same columns. */
void batch_add_row_from(struct batch *to, const struct batch *from, size_t row);

/* The value as text, as quarantine, preview and key lists show it (canonical forms of model/value;
 * bytes as \x hex). NULL adds nothing and gives false. */
bool column_format(const struct column *column, size_t row, struct str *out);
/* Adds a value given in that text form; false when it is none of the type. */
bool column_add_text(struct batch *batch, struct column *column, struct slice text);

/*
 * Canonical encoding of rows, for hashes that an outsider can recompute (docs/receipt.md):
 * per column in order: 0x00 for NULL, else 0x01 and
 *   bool 1 byte 0/1; int64, time, timestamp, timestamptz 8 bytes LE; date 8 bytes LE (of int64);
 *   float64 8 bytes LE, every NaN as 0x7ff8000000000000, -0.0 as it is; uuid 16 bytes;
 *   decimal, text, bytes: u32 LE length, bytes; json: the same of its canonical form.
 */
struct batch_encoding {
    struct str bytes;  /* rows one behind the other */
    uint32_t *offsets; /* row_cap + 1 into bytes */
    size_t row_cap;
    struct arena scratch;
};
void batch_encoding_init(struct batch_encoding *encoding);
void batch_encoding_done(struct batch_encoding *encoding);
/* Encodes every row (row i is bytes offsets[i] .. offsets[i + 1]); `columns` picks column numbers
 * (keys only, say), NULL = all. False without memory. JSON that is none is encoded as its text. */
bool batch_encode(const struct batch *batch, const size_t *columns, size_t column_count,
                  struct batch_encoding *encoding);

#endif
