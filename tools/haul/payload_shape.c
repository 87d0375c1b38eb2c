/* payload_shape: see payload_shape.h. */
#include "payload_shape.h"

#define DEPTH_MAX 8

/* Names whose texts are no data of anyone's rows. */
static const char *const shown_names[] = {
    "specversion", "id",   "type", "source", "subject",  "time",     "kind",
    "table",       "mode", "name", "schema", "priority", "deadline", NULL,
};

static bool is_shown(const char *name)
{
    size_t len = strlen(name);
    if (len > 3 && strcmp(name + len - 3, "_id") == 0)
        return true;
    for (size_t i = 0; shown_names[i] != NULL; i++) {
        if (strcmp(shown_names[i], name) == 0)
            return true;
    }
    return false;
}

static const char *type_of(const struct jval *value, struct arena *arena)
{
    switch (value->type) {
    case JVAL_STRING:
        return arena_printf(arena, "string of %zu bytes", value->string.len);
    case JVAL_ARRAY:
        return arena_printf(arena, "list of %zu", value->array.count);
    case JVAL_OBJECT:
        return arena_printf(arena, "object of %zu", value->object.count);
    case JVAL_NULL:
    case JVAL_BOOL:
    case JVAL_INT:
    case JVAL_REAL:
        break;
    }
    return jval_type_name(value->type);
}

struct walk {
    struct arena *arena;
    struct shape *shape;
};

static void add_line(struct walk *walk, const char *path, const char *name,
                     const struct jval *value)
{
    struct shape *shape = walk->shape;
    if (shape->count == SHAPE_LINES_MAX) {
        shape->is_cut = true;
        return;
    }
    shape->lines[shape->count++] = (struct shape_line){
        .path = path,
        .type = type_of(value, walk->arena),
        .text = value->type == JVAL_STRING && is_shown(name)
                    ? arena_strndup(walk->arena, value->string.data, value->string.len)
                    : NULL,
    };
}

static void walk_value(struct walk *walk, const char *path, const struct jval *value, int depth)
{
    if (depth == DEPTH_MAX || path == NULL || walk->shape->is_cut) {
        walk->shape->is_cut = true;
        return;
    }
    if (value->type == JVAL_ARRAY && value->array.count > 0) {
        const char *item = arena_printf(walk->arena, "%s[0]", path);
        add_line(walk, item, "", &value->array.items[0]);
        walk_value(walk, item, &value->array.items[0], depth + 1);
    }
    for (size_t i = 0; value->type == JVAL_OBJECT && i < value->object.count; i++) {
        const struct jval_member *member = &value->object.members[i];
        const char *below =
            arena_printf(walk->arena, "%s%s%s", path, path[0] == '\0' ? "" : ".", member->name);
        add_line(walk, below, member->name, &member->value);
        walk_value(walk, below, &member->value, depth + 1);
    }
}

void payload_shape(const struct jval *value, struct arena *arena, struct shape *ret_shape)
{
    struct walk walk = {arena, ret_shape};
    *ret_shape = (struct shape){0};
    walk_value(&walk, "", value, 0);
}
