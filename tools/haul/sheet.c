/* sheet: tables, for people and as JSON; see out.h. */
#include "base/clock.h"
#include "base/num.h"
#include "out.h"

struct sheet sheet_new(const struct sheet_column *columns, size_t column_count, const char *none,
                       struct arena *arena)
{
    return (struct sheet){
        .columns = columns, .column_count = column_count, .none = none, .arena = arena};
}

static bool grow(struct sheet *sheet)
{
    size_t cap = sheet->row_cap == 0 ? 32 : 2 * sheet->row_cap;
    const char **cells = ARENA_ARRAY(sheet->arena, const char *, cap * sheet->column_count);
    if (cells == NULL)
        return false;
    if (sheet->row_count > 0)
        memcpy(cells, sheet->cells, sheet->row_count * sheet->column_count * sizeof *cells);
    sheet->cells = cells;
    sheet->row_cap = cap;
    return true;
}

void sheet_add(struct sheet *sheet, const char *const *cells)
{
    if (sheet->failed || (sheet->row_count == sheet->row_cap && !grow(sheet))) {
        sheet->failed = true;
        return;
    }
    const char **row = &sheet->cells[sheet->row_count * sheet->column_count];
    for (size_t i = 0; i < sheet->column_count; i++) {
        row[i] = cells[i] == NULL ? NULL : arena_strdup(sheet->arena, cells[i]);
        if (cells[i] != NULL && row[i] == NULL)
            sheet->failed = true;
    }
    sheet->row_count++;
}

const char *sheet_i64(int64_t value, char to[24])
{
    char digits[20];
    size_t len = num_format_i64(value, digits);
    memcpy(to, digits, len);
    to[len] = '\0';
    return to;
}

const char *sheet_us(int64_t wall_us, char *to)
{
    return wall_us == 0 ? NULL : clock_format(wall_us, to);
}

static const char *cell_at(const struct sheet *sheet, size_t row, size_t column)
{
    return sheet->cells[row * sheet->column_count + column];
}

/* ---- JSON ---- */

static void write_cell(struct jwrite *w, enum sheet_kind kind, const char *cell)
{
    bool is_raw =
        kind == SHEET_INT || kind == SHEET_MORE_INT || kind == SHEET_BOOL || kind == SHEET_JSON;
    if (cell == NULL)
        jwrite_null(w);
    else if (is_raw)
        jwrite_raw(w, slice_of(cell));
    else
        jwrite_text(w, cell);
}

void sheet_write(const struct sheet *sheet, struct jwrite *w)
{
    jwrite_open_array(w);
    for (size_t row = 0; row < sheet->row_count; row++) {
        jwrite_open_object(w);
        for (size_t i = 0; i < sheet->column_count; i++) {
            jwrite_key(w, sheet->columns[i].name);
            write_cell(w, sheet->columns[i].kind, cell_at(sheet, row, i));
        }
        jwrite_close_object(w);
    }
    jwrite_close_array(w);
}

void sheet_print(const struct sheet *sheet, struct out *out)
{
    if (out->json) {
        struct jwrite w = out_json(out);
        sheet_write(sheet, &w);
        out_json_end(out);
    } else if (sheet->row_count == 0) {
        out_note(out, "%s", sheet->none);
    } else {
        sheet_add_text(sheet, out);
    }
}
