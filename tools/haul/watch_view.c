/* watch_view: see watch_view.h. */
#include "watch_view.h"

#include "base/clock.h"
#include "receipt_view.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR_COLUMNS 24
#define PLAIN_EVERY_US (5 * US_PER_S)

static size_t terminal_columns(void)
{
    struct winsize size = {0};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20)
        return 80;
    return size.ws_col;
}

static void add_bar(struct str *line, int64_t done, int64_t total)
{
    int64_t filled = total > 0 ? done * BAR_COLUMNS / total : 0;
    filled = filled > BAR_COLUMNS ? BAR_COLUMNS : filled;
    str_add_char(line, '[');
    for (int64_t i = 0; i < BAR_COLUMNS; i++)
        str_add_char(line, i < filled ? '#' : '.');
    str_addf(line, "] %3d%% ", (int)(total > 0 ? (done >= total ? 100 : done * 100 / total) : 0));
}

static void add_progress(struct str *line, const struct jval *data, bool with_bar)
{
    char text[HUMAN_SIZE], more[HUMAN_SIZE];
    int64_t done = jval_int(data, "rows_done", -1), total = jval_int(data, "rows_total", -1);
    int64_t rate = jval_int(data, "rows_per_second", -1), eta = jval_int(data, "eta_ms", -1);
    str_addf(line, "%s ", jval_text(data, "phase", "running"));
    if (with_bar && total > 0 && done >= 0)
        add_bar(line, done, total);
    if (done >= 0 && total >= 0)
        str_addf(line, "%s of %s rows", human_count(done, text), human_count(total, more));
    else if (done >= 0)
        str_addf(line, "%s rows", human_count(done, text));
    if (rate > 0)
        str_addf(line, ", %s/s", human_count(rate, text));
    if (eta > 0)
        str_addf(line, ", %s left", human_duration(eta * US_PER_MS, text));
    const char *bottleneck = jval_text(data, "bottleneck", NULL);
    if (bottleneck != NULL)
        str_addf(line, " (%s is the limit)", bottleneck);
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
    add_progress(&line, data, view->is_live);
    if (!view->is_live) {
        if (view->last_line_us != 0 && now_us - view->last_line_us < PLAIN_EVERY_US)
            return;
        view->last_line_us = now_us;
        out_addf(view->out, "%s\n", str_text(&line));
        return;
    }
    clear_bar(view);
    size_t columns = terminal_columns();
    str_add(&view->out->text, str_text(&line), line.len < columns ? line.len : columns - 1);
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
    if (receipt != NULL)
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
