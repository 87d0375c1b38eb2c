/*
 * payload_shape: what a record's value is made of, without what stands in it.
 *
 * Is:      paths and types of a JSON value; texts are shown for names that a job needs to be
 *          understood (ids, tables, modes), others by their length alone.
 * Threads: any.
 */
#ifndef HAUL_TOOL_PAYLOAD_SHAPE_H
#define HAUL_TOOL_PAYLOAD_SHAPE_H

#include "base/arena.h"
#include "base/jval.h"

struct shape_line {
    const char *path; /* "data.source.table", "data.streams[0].name" */
    const char *type; /* "string of 12 bytes", "list of 3" */
    const char *text; /* NULL: not shown */
};
#define SHAPE_LINES_MAX 200
struct shape {
    struct shape_line lines[SHAPE_LINES_MAX]; /* of a list its first item alone */
    size_t count;
    bool is_cut; /* there is more */
};

/* Texts live in `arena`; one without memory leaves them NULL and the arena says so. */
void payload_shape(const struct jval *value, struct arena *arena, struct shape *ret_shape);

#endif
