/* sheet: tables, for people and as JSON; see out.h. */
#include "base/clock.h"
#include "base/num.h"
#include "out.h"

#define CELL_MAX_COLUMNS 60 /* a longer text is cut for people, but in the last column */
#define GAP 2

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

/* ---- for people ---- */

static bool is_shown(const struct sheet_column *column)
{
    return column->kind != SHEET_JSON && column->kind != SHEET_MORE &&
           column->kind != SHEET_MORE_INT;
}

/* Columns on a terminal, taking each code point for one. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

/* What people see of a cell; times lose their T, fraction and zone, lines become one. */
static const char *shown_cell(const struct sheet *sheet, size_t row, size_t column,
                              struct str *scratch)
{
    const char *cell = cell_at(sheet, row, column);
    enum sheet_kind kind = sheet->columns[column].kind;
    str_clear(scratch);
    if (cell == NULL)
        return kind == SHEET_BOOL ? "" : "-";
    if (kind == SHEET_BOOL)
        return strcmp(cell, "true") == 0 ? "yes" : "";
    if (kind == SHEET_TIME && strlen(cell) >= 19) {
        str_addf(scratch, "%.10s %.8s", cell, cell + 11);
        return str_text(scratch);
    }
    bool is_last = column + 1 == sheet->column_count;
    size_t width = 0;
    for (const char *at = cell; *at != '\0'; at++) {
        width += ((unsigned char)*at & 0xC0) != 0x80;
        if (!is_last && width > CELL_MAX_COLUMNS) {
            str_add_text(scratch, "…");
            break;
        }
        str_add_char(scratch, (unsigned char)*at < 0x20 ? ' ' : *at);
    }
    return str_text(scratch);
}

static void add_padded(struct str *out, const char *text, size_t width, bool right)
{
    size_t own = width_of(text);
    size_t pad = own < width ? width - own : 0;
    if (!right)
        str_add_text(out, text);
    for (size_t i = 0; i < pad; i++)
        str_add_char(out, ' ');
    if (right)
        str_add_text(out, text);
}

static void trim_line(struct str *out)
{
    while (out->len > 0 && out->data[out->len - 1] == ' ')
        out->data[--out->len] = '\0';
    str_add_char(out, '\n');
}

static bool measure(const struct sheet *sheet, size_t *widths, struct str *scratch)
{
    for (size_t i = 0; i < sheet->column_count; i++) {
        if (!is_shown(&sheet->columns[i]))
            continue;
        widths[i] = width_of(sheet->columns[i].title);
        for (size_t row = 0; row < sheet->row_count; row++) {
            size_t width = width_of(shown_cell(sheet, row, i, scratch));
            widths[i] = width > widths[i] ? width : widths[i];
        }
    }
    return !scratch->failed;
}

/* A row of the table, or its titles with row = -1. */
static void add_line(const struct sheet *sheet, int64_t row, const size_t *widths,
                     struct str *scratch, struct str *out)
{
    bool is_first = true;
    for (size_t i = 0; i < sheet->column_count; i++) {
        if (!is_shown(&sheet->columns[i]))
            continue;
        if (!is_first)
            add_padded(out, "", GAP, false);
        is_first = false;
        const char *text =
            row < 0 ? sheet->columns[i].title : shown_cell(sheet, (size_t)row, i, scratch);
        add_padded(out, text, widths[i], sheet->columns[i].kind == SHEET_INT);
    }
    trim_line(out);
}

void sheet_add_text(const struct sheet *sheet, struct str *out)
{
    STR_AUTO struct str scratch = str_with_max(STR_MAX_DEFAULT);
    size_t *widths = ARENA_ARRAY(sheet->arena, size_t, sheet->column_count);
    if (widths == NULL || !measure(sheet, widths, &scratch)) {
        out->failed = true;
        return;
    }
    for (int64_t row = -1; row < (int64_t)sheet->row_count; row++)
        add_line(sheet, row, widths, &scratch, out);
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
        sheet_add_text(sheet, &out->text);
    }
}
