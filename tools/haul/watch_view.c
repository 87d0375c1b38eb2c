/* watch_view: see watch_view.h. */
#include "watch_view.h"

#include "base/clock.h"
#include "receipt_view.h"

#include <stdio.h>

#define BAR_COLUMNS 24
#define BAR_MIN_COLUMNS 8
#define PLAIN_EVERY_US (5 * US_PER_S)

static void add_bar(struct str *line, int64_t done, int64_t total, size_t columns)
{
    int64_t width = (int64_t)columns;
    int64_t filled = total > 0 ? (done >= total ? width : done * width / total) : 0;
    str_add_char(line, '[');
    for (int64_t i = 0; i < width; i++)
        str_add_char(line, i < filled ? '#' : '.');
    str_add_text(line, "] ");
}

/* Adds the part when the line stays shorter than `columns`; 0 = it may be of any length. */
static void add_part(struct str *line, const char *part, size_t columns)
{
    if (columns == 0 || line->len + strlen(part) < columns)
        str_add_text(line, part);
}

/* What is known of the progress, the most telling first; what has no room is left out. */
static void add_numbers(struct str *line, const struct jval *data, size_t columns)
{
    char part[2 * HUMAN_SIZE + 32], text[HUMAN_SIZE], more[HUMAN_SIZE];
    int64_t done = jval_int(data, "rows_done", -1), total = jval_int(data, "rows_total", -1);
    int64_t rate = jval_int(data, "rows_per_second", -1), eta = jval_int(data, "eta_ms", -1);
    total = total > 0 && done > total ? done : total; /* it was the source's estimate */
    if (done >= 0 && total > 0)
        (void)snprintf(part, sizeof part, "%3d%% %s of %s rows",
                       (int)(done >= total ? 100 : done * 100 / total), human_count(done, text),
                       human_count(total, more));
    else
        (void)snprintf(part, sizeof part, "%s rows", human_count(done < 0 ? 0 : done, text));
    add_part(line, part, columns);
    (void)snprintf(part, sizeof part, ", %s left", human_duration(eta * US_PER_MS, text));
    if (eta > 0)
        add_part(line, part, columns);
    (void)snprintf(part, sizeof part, ", %s/s", human_count(rate, text));
    if (rate > 0)
        add_part(line, part, columns);
    const char *bottleneck = jval_text(data, "bottleneck", NULL);
    (void)snprintf(part, sizeof part, ", limited by %.20s", bottleneck == NULL ? "" : bottleneck);
    if (bottleneck != NULL)
        add_part(line, part, columns);
}

/* `columns` of a terminal: the bar takes what the numbers leave; 0 = a plain line, no bar. */
static void add_progress(struct str *line, const struct jval *data, size_t columns)
{
    STR_AUTO struct str numbers = str_with_max(4096);
    int64_t done = jval_int(data, "rows_done", -1), total = jval_int(data, "rows_total", -1);
    str_addf(line, "%.20s ", jval_text(data, "phase", "running"));
    size_t left = columns > line->len ? columns - line->len : 1;
    size_t reserved = columns == 0                 ? 0
                      : left > BAR_MIN_COLUMNS + 3 ? left - BAR_MIN_COLUMNS - 3
                                                   : 1;
    add_numbers(&numbers, data, reserved);
    left = left > numbers.len + 4 ? left - numbers.len - 4 : 0;
    if (columns > 0 && done >= 0 && total > 0 && left >= BAR_MIN_COLUMNS)
        add_bar(line, done, total, left > BAR_COLUMNS ? BAR_COLUMNS : left);
    str_add_slice(line, str_slice(&numbers));
}

static void clear_bar(struct watch_view *view)
{
    if (view->has_bar)
        str_add_text(&view->out->text, "\r\033[K");
    view->has_bar = false;
}

static void show_progress(struct watch_view *view, const struct jval *data)
{
    STR_AUTO struct str line = str_with_max(4096);
    int64_t now_us = clock_monotonic_us();
    add_progress(&line, data, view->is_live ? out_columns(view->out) : 0);
    if (!view->is_live) {
        const char *phase = jval_text(data, "phase", "");
        if (view->last_line_us != 0 && strcmp(view->phase, phase) == 0 &&
            now_us - view->last_line_us < PLAIN_EVERY_US)
            return;
        view->last_line_us = now_us;
        text_copy(view->phase, sizeof view->phase, phase);
        out_addf(view->out, "%s\n", str_text(&line));
        return;
    }
    clear_bar(view);
    str_add_slice(&view->out->text, str_slice(&line));
    view->has_bar = true;
}

static void add_error(struct out *out, const struct jval *error)
{
    out_addf(out, "  %s: %s\n", jval_text(error, "code", "?"), jval_text(error, "message", ""));
    const char *hint = jval_text(error, "hint", NULL);
    if (hint != NULL)
        out_addf(out, "  hint: %s\n", hint);
}

static void show_state(struct watch_view *view, const char *state, const struct jval *data)
{
    struct out *out = view->out;
    clear_bar(view);
    out_addf(out, "%s", state);
    if (strcmp(state, "started") == 0 || strcmp(state, "retrying") == 0)
        out_addf(out, ", attempt %lld", (long long)jval_int(data, "attempt", 1));
    const char *due = jval_text(data, "not_before", NULL);
    if (due != NULL)
        out_addf(out, ", not before %s", due);
    out_addf(out, "\n");
    const struct jval *error = jval_get(data, "error");
    if (error != NULL)
        add_error(out, error);
    const struct jval *receipt = jval_get(data, "receipt");
    /* Of a failure only what has happened: with no row read, nothing has. */
    if (receipt != NULL && (error == NULL || jval_int(receipt, "rows_read", 0) > 0))
        receipt_view(receipt, "  ", &out->text);
    view->last_line_us = 0;
}

void watch_view_event(struct watch_view *view, const char *state, const struct jval *data)
{
    if (strcmp(state, "progress") == 0)
        show_progress(view, data);
    else
        show_state(view, state, data);
    out_flush(view->out);
}

void watch_view_end(struct watch_view *view)
{
    clear_bar(view);
    out_flush(view->out);
}
