/*
 * batch: see batch.h. Rows as bytes to hash.
 *
 * Every row of every sync passes here twice. The output's room is computed once for all columns but
 * json, so that cells are written without a check; short values are copied by whole words, which
 * the slack behind a column's bytes (batch.c) and behind our own room allows.
 */
#include "model/batch.h"

#include <endian.h>
#include <math.h>
#include <stdlib.h>

#define WORD_COPY 32
#define FIXED_MAX 17 /* presence and a uuid */
#define LENGTH_SIZE 4
#define SCRATCH_CAP ((size_t)256 << 20)

enum cell_kind { CELL_BOOL, CELL_64, CELL_FLOAT, CELL_DATE, CELL_UUID, CELL_BYTES, CELL_JSON };

/* What the inner loop needs of a column, side by side. */
struct cell_plan {
    enum cell_kind kind;
    bool has_nulls;
    const uint8_t *validity;
    const char *values;
    const int32_t *offsets;
    const char *bytes;
};

static const enum cell_kind kinds[VALUE_TYPE_COUNT] = {
    [VALUE_BOOL] = CELL_BOOL,      [VALUE_INT64] = CELL_64,   [VALUE_FLOAT64] = CELL_FLOAT,
    [VALUE_DECIMAL] = CELL_BYTES,  [VALUE_TEXT] = CELL_BYTES, [VALUE_BYTES] = CELL_BYTES,
    [VALUE_DATE] = CELL_DATE,      [VALUE_TIME] = CELL_64,    [VALUE_TIMESTAMP] = CELL_64,
    [VALUE_TIMESTAMPTZ] = CELL_64, [VALUE_JSON] = CELL_JSON,  [VALUE_UUID] = CELL_UUID,
};

/* The scratch arena's cap is what one json value may take to put its members in order. */
void batch_encoding_init(struct batch_encoding *encoding)
{
    *encoding = (struct batch_encoding){.bytes = str_with_max(UINT32_MAX - 1)};
    arena_init(&encoding->scratch, SCRATCH_CAP);
}

void batch_encoding_done(struct batch_encoding *encoding)
{
    str_done(&encoding->bytes);
    free(encoding->offsets);
    arena_done(&encoding->scratch);
    *encoding = (struct batch_encoding){.bytes = str_with_max(UINT32_MAX - 1)};
}

static char *write_le64(char *to, uint64_t value)
{
    value = htole64(value);
    memcpy(to, &value, sizeof value);
    return to + sizeof value;
}

static char *write_le32(char *to, uint32_t value)
{
    value = htole32(value);
    memcpy(to, &value, sizeof value);
    return to + sizeof value;
}

static inline char *write_bytes(char *to, const char *from, size_t len)
{
    to = write_le32(to, (uint32_t)len);
    if (len <= WORD_COPY)
        memcpy(to, from, WORD_COPY);
    else
        memcpy(to, from, len);
    return to + len;
}

static uint64_t float_bits(const char *values, size_t row)
{
    double value;
    uint64_t bits;
    memcpy(&value, values + row * sizeof value, sizeof value);
    memcpy(&bits, &value, sizeof bits);
    return isnan(value) ? UINT64_C(0x7ff8000000000000) : bits;
}

static inline uint64_t word_at(const char *values, size_t row)
{
    uint64_t value;
    memcpy(&value, values + row * sizeof value, sizeof value);
    return value;
}

static inline bool bit_at(const void *bits, size_t row)
{
    return (((const uint8_t *)bits)[row >> 3] >> (row & 7) & 1) != 0;
}

/* Any cell but json. */
static inline char *write_cell(const struct cell_plan *cell, size_t row, char *to)
{
    int32_t days;
    *to++ = 1;
    switch (cell->kind) {
    case CELL_BOOL:
        *to++ = (char)bit_at(cell->values, row);
        break;
    case CELL_64:
        to = write_le64(to, word_at(cell->values, row));
        break;
    case CELL_FLOAT:
        to = write_le64(to, float_bits(cell->values, row));
        break;
    case CELL_DATE:
        memcpy(&days, cell->values + row * sizeof days, sizeof days);
        to = write_le64(to, (uint64_t)(int64_t)days);
        break;
    case CELL_UUID:
        memcpy(to, cell->values + row * 16, 16);
        to += 16;
        break;
    case CELL_BYTES:
    case CELL_JSON:
        to = write_bytes(to, cell->bytes + cell->offsets[row],
                         (size_t)(cell->offsets[row + 1] - cell->offsets[row]));
        break;
    }
    return to;
}

/* Json may grow when it is made canonical (1e300), so its room is asked for as it goes; behind it
 * `room` bytes are free again. NULL without memory. */
static char *write_json(const struct cell_plan *cell, size_t row, char *to, size_t room,
                        struct batch_encoding *encoding)
{
    struct str *out = &encoding->bytes;
    size_t start = (size_t)(to - out->data);
    struct slice text = {cell->bytes + cell->offsets[row],
                         (size_t)(cell->offsets[row + 1] - cell->offsets[row])};
    out->len = start + 1 + LENGTH_SIZE;
    struct arena_mark mark = arena_snapshot(&encoding->scratch);
    if (!json_text_canonical(text, &encoding->scratch, out)) {
        if (out->failed || encoding->scratch.overflowed)
            return NULL;
        str_add_slice(out, text);
    }
    arena_reset(&encoding->scratch, mark);
    if (str_reserve(out, room) == NULL)
        return NULL;
    out->data[start] = 1;
    (void)write_le32(out->data + start + 1, (uint32_t)(out->len - start - 1 - LENGTH_SIZE));
    return out->data + out->len;
}

/* Fills the plans; returns the most bytes that all cells but json can take, SIZE_MAX never. */
static size_t plan_cells(const struct batch *batch, const size_t *columns, size_t count,
                         struct cell_plan *plans)
{
    size_t room = WORD_COPY;
    for (size_t i = 0; i < count; i++) {
        const struct column *column = &batch->columns[columns == NULL ? i : columns[i]];
        plans[i] = (struct cell_plan){.kind = kinds[column->type],
                                      .has_nulls = column->null_count > 0,
                                      .validity = column->validity,
                                      .values = column->values,
                                      .offsets = column->offsets,
                                      .bytes = column->bytes};
        if (column->offsets == NULL)
            room += batch->row_count * FIXED_MAX;
        else
            room +=
                batch->row_count * (1 + LENGTH_SIZE) + (size_t)column->offsets[batch->row_count];
    }
    return room;
}

static bool encoding_offsets_fit(struct batch_encoding *encoding, size_t row_cap)
{
    if (encoding->offsets != NULL && encoding->row_cap >= row_cap)
        return true;
    uint32_t *offsets = realloc(encoding->offsets, (row_cap + 1) * sizeof *offsets);
    if (offsets == NULL)
        return false;
    encoding->offsets = offsets;
    encoding->row_cap = row_cap;
    return true;
}

bool batch_encode(const struct batch *batch, const size_t *columns, size_t column_count,
                  struct batch_encoding *encoding)
{
    size_t count = columns == NULL ? batch->column_count : column_count;
    struct arena_mark mark = arena_snapshot(&encoding->scratch);
    struct cell_plan *plans = ARENA_ARRAY(&encoding->scratch, struct cell_plan, count);
    str_clear(&encoding->bytes);
    if (plans == NULL || !encoding_offsets_fit(encoding, batch->row_cap))
        return false;
    size_t room = plan_cells(batch, columns, count, plans);
    char *to = str_reserve(&encoding->bytes, room);
    if (to == NULL)
        return false;
    encoding->offsets[0] = 0;
    for (size_t row = 0; row < batch->row_count; row++) {
        for (size_t i = 0; i < count; i++) {
            const struct cell_plan *cell = &plans[i];
            if (cell->has_nulls && !bit_at(cell->validity, row))
                *to++ = 0;
            else if (cell->kind != CELL_JSON)
                to = write_cell(cell, row, to);
            else if ((to = write_json(cell, row, to, room, encoding)) == NULL)
                return false;
        }
        encoding->offsets[row + 1] = (uint32_t)(to - encoding->bytes.data);
    }
    encoding->bytes.len = (size_t)(to - encoding->bytes.data);
    *to = '\0';
    arena_reset(&encoding->scratch, mark);
    return true;
}
