/*
 * watch_view: how a job's events look.
 *
 * Owns:    nothing. Threads: one.
 */
#ifndef HAUL_TOOL_WATCH_VIEW_H
#define HAUL_TOOL_WATCH_VIEW_H

#include "command.h"

struct watch_view {
    struct out *out;
    bool is_live;         /* a bar that is drawn over */
    bool has_bar;         /* one stands on the terminal now */
    int64_t last_line_us; /* of a progress line, monotonic */
    char phase[32];       /* of that line */
};

/* Shows one event: `data` is its data object. */
void watch_view_event(struct watch_view *view, const char *state, const struct jval *data);
/* Takes the bar away. */
void watch_view_end(struct watch_view *view);

#endif
