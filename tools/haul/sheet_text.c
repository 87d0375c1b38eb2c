/*
 * sheet_text: tables for people; see out.h.
 *
 * A table that is wider than the terminal loses, until it fits: columns in which nothing stands,
 * the date of times that are all of one day, and then the ends of its widest texts; what one would
 * copy from it, the first column, stays whole.
 */
#include "base/arena.h"
#include "out.h"

#define CELL_MAX_COLUMNS 60 /* a longer text is cut, but in the last column */
#define CELL_MIN_COLUMNS 10 /* texts are not cut below it to fit a terminal */
#define GAP 2

struct layout {
    const struct sheet *sheet;
    size_t *widths; /* 0 = not shown */
    size_t *limits; /* longer texts are cut */
    bool is_one_day;
    struct str scratch;
};

static const char *cell_at(const struct sheet *sheet, size_t row, size_t column)
{
    return sheet->cells[row * sheet->column_count + column];
}

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

/* Lines become one; at most `limit` columns, the last of which says that there is more. */
static void add_cut(struct str *out, const char *text, size_t limit)
{
    bool is_cut = width_of(text) > limit;
    size_t width = 0;
    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xC0) != 0x80;
        if (is_cut && width == limit) {
            str_add_text(out, "…");
            return;
        }
        str_add_char(out, (unsigned char)*text < 0x20 ? ' ' : *text);
    }
}

/* What people see of a cell; times lose their T, fraction and zone. */
static const char *shown_cell(struct layout *layout, size_t row, size_t column)
{
    const char *cell = cell_at(layout->sheet, row, column);
    enum sheet_kind kind = layout->sheet->columns[column].kind;
    str_clear(&layout->scratch);
    if (cell == NULL)
        return kind == SHEET_BOOL ? "" : "-";
    if (kind == SHEET_BOOL)
        return strcmp(cell, "true") == 0 ? "yes" : "";
    if (kind == SHEET_TIME && strlen(cell) >= 19) {
        if (!layout->is_one_day)
            str_addf(&layout->scratch, "%.10s ", cell);
        str_addf(&layout->scratch, "%.8s", cell + 11);
    } else {
        add_cut(&layout->scratch, cell, layout->limits[column]);
    }
    return str_text(&layout->scratch);
}

static void measure(struct layout *layout)
{
    const struct sheet *sheet = layout->sheet;
    for (size_t i = 0; i < sheet->column_count; i++) {
        if (layout->limits[i] == 0)
            continue;
        layout->widths[i] = width_of(sheet->columns[i].title);
        for (size_t row = 0; row < sheet->row_count; row++) {
            size_t width = width_of(shown_cell(layout, row, i));
            layout->widths[i] = width > layout->widths[i] ? width : layout->widths[i];
        }
    }
}

/* ---- fitting a terminal ---- */

static size_t total_of(const struct layout *layout)
{
    size_t total = 0;
    for (size_t i = 0; i < layout->sheet->column_count; i++)
        total += layout->widths[i] == 0 ? 0 : layout->widths[i] + GAP;
    return total > GAP ? total - GAP : 0;
}

static void hide_empty(struct layout *layout)
{
    const struct sheet *sheet = layout->sheet;
    for (size_t i = 0; i < sheet->column_count; i++) {
        size_t row = 0;
        while (row < sheet->row_count && cell_at(sheet, row, i) == NULL)
            row++;
        if (row == sheet->row_count)
            layout->limits[i] = layout->widths[i] = 0;
    }
}

static bool are_of_one_day(const struct sheet *sheet)
{
    const char *day = NULL;
    for (size_t at = 0; at < sheet->row_count * sheet->column_count; at++) {
        if (sheet->columns[at % sheet->column_count].kind != SHEET_TIME || sheet->cells[at] == NULL)
            continue;
        if (day != NULL && strncmp(day, sheet->cells[at], 10) != 0)
            return false;
        day = sheet->cells[at];
    }
    return true;
}

/* Takes `excess` columns from the widest text; false when none is wide enough any more. */
static bool cut_widest(struct layout *layout, size_t excess)
{
    const struct sheet *sheet = layout->sheet;
    size_t widest = 0;
    for (size_t i = 1; i < sheet->column_count; i++) {
        bool is_text = sheet->columns[i].kind == SHEET_TEXT && layout->widths[i] > CELL_MIN_COLUMNS;
        if (is_text && (widest == 0 || layout->widths[i] > layout->widths[widest]))
            widest = i;
    }
    if (widest == 0)
        return false;
    size_t room = layout->widths[widest] - CELL_MIN_COLUMNS;
    layout->limits[widest] = layout->widths[widest] - (room < excess ? room : excess);
    return true;
}

static void fit(struct layout *layout, size_t columns)
{
    if (total_of(layout) > columns) {
        hide_empty(layout);
        layout->is_one_day = are_of_one_day(layout->sheet);
        measure(layout);
    }
    for (size_t total = total_of(layout); total > columns; total = total_of(layout)) {
        if (!cut_widest(layout, total - columns))
            return;
        measure(layout);
        if (total_of(layout) >= total) /* its title is that wide */
            return;
    }
}

/* ---- printing ---- */

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

/* A row of the table, or its titles with row = -1. */
static void add_line(struct layout *layout, int64_t row, struct str *out)
{
    const struct sheet *sheet = layout->sheet;
    bool is_first = true;
    for (size_t i = 0; i < sheet->column_count; i++) {
        if (layout->widths[i] == 0)
            continue;
        if (!is_first)
            add_padded(out, "", GAP, false);
        is_first = false;
        const char *text = row < 0 ? sheet->columns[i].title : shown_cell(layout, (size_t)row, i);
        add_padded(out, text, layout->widths[i], sheet->columns[i].kind == SHEET_INT);
    }
    trim_line(out);
}

void sheet_add_text(const struct sheet *sheet, struct out *out)
{
    size_t columns = out_columns(out);
    struct layout layout = {
        .sheet = sheet,
        .widths = ARENA_ARRAY(sheet->arena, size_t, sheet->column_count),
        .limits = ARENA_ARRAY(sheet->arena, size_t, sheet->column_count),
        .scratch = str_with_max(STR_MAX_DEFAULT),
    };
    if (layout.widths == NULL || layout.limits == NULL) {
        out->text.failed = true;
        return;
    }
    for (size_t i = 0; i < sheet->column_count; i++) {
        bool is_last = i + 1 == sheet->column_count;
        layout.widths[i] = 0;
        layout.limits[i] = !is_shown(&sheet->columns[i]) ? 0
                           : is_last                     ? SIZE_MAX
                                                         : CELL_MAX_COLUMNS;
    }
    measure(&layout);
    if (columns > 0)
        fit(&layout, columns);
    for (int64_t row = -1; row < (int64_t)sheet->row_count; row++)
        add_line(&layout, row, &out->text);
    out->text.failed |= layout.scratch.failed;
    str_done(&layout.scratch);
}
