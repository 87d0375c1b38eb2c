/* fields: names, paths and messages; see fields.h. */
#include "base/fields_private.h"

#include <stdio.h>

#define NEAR_DISTANCE 3u
#define PATH_MAX_BYTES 200
#define NAME_SHOWN_BYTES 64

const struct field *fields_find(const struct field_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++) {
        if (text_eq(table->fields[i].name, name))
            return &table->fields[i];
    }
    return NULL;
}

/* A name that shares no letter with what was typed is no help, however short both are. */
static bool is_near(unsigned distance, const char *typed)
{
    return distance <= NEAR_DISTANCE && distance < strlen(typed);
}

const char *fields_nearest(const struct field_table *table, const char *name)
{
    const char *nearest = NULL;
    unsigned best = NEAR_DISTANCE + 1;
    for (size_t i = 0; i < table->count; i++) {
        unsigned distance = text_distance(table->fields[i].name, name);
        if (distance < best && is_near(distance, name)) {
            best = distance;
            nearest = table->fields[i].name;
        }
    }
    return nearest;
}

struct fields_path fields_path_to(const struct fields_path *up, const struct field *field)
{
    return (struct fields_path){.up = up,
                                .field = field,
                                .is_secret = (up != NULL && up->is_secret) ||
                                             (field->flags & FIELD_SECRET) != 0};
}

static void add_path(const struct fields_path *path, struct str *out)
{
    if (path == NULL)
        return;
    add_path(path->up, out);
    if (path->is_item)
        str_addf(out, "[%zu]", path->index);
    else
        str_addf(out, "%s%s", out->len > 0 ? "." : "", path->field->name);
}

/* `counted` is what the bounds count ("bytes"), NULL when they bound the value itself. */
static void add_bounds(const struct field *field, const char *counted, struct str *out)
{
    if (!field_is_bounded(field))
        return;
    long long min = (long long)field->min, max = (long long)field->max;
    if (min == INT64_MIN || (counted != NULL && min == 0))
        str_addf(out, " of at most %lld", max);
    else if (max == INT64_MAX)
        str_addf(out, " of at least %lld", min);
    else if (min == max)
        str_addf(out, " of exactly %lld", min);
    else
        str_addf(out, " %s %lld to %lld", counted == NULL ? "from" : "of", min, max);
    if (counted != NULL)
        str_addf(out, " %s", counted);
}

static void add_choices(const struct field *field, struct str *out)
{
    str_add_text(out, "one of ");
    for (const char *const *choice = field->choices; *choice != NULL; choice++)
        str_addf(out, "%s%s", choice == field->choices ? "" : ", ", *choice);
}

void fields_add_expected(const struct field *field, struct str *out)
{
    static const struct {
        const char *what;
        const char *counted;
        bool has_bounds;
    } kinds[] = {
        [FIELD_STRING] = {"a string", "bytes", true},
        [FIELD_INT] = {"an integer", NULL, true},
        [FIELD_BOOL] = {"true or false", NULL, false},
        [FIELD_ENUM] = {"", NULL, false},
        [FIELD_REAL] = {"a number", NULL, true},
        [FIELD_TIME] = {"a time as 2026-01-31T12:00:00Z", NULL, false},
        [FIELD_STRINGS] = {"a list of strings", "items", true},
        [FIELD_OBJECT] = {"an object", NULL, false},
        [FIELD_OBJECTS] = {"a list of objects", "items", true},
        [FIELD_JSON] = {"any JSON value", NULL, false},
    };
    str_add_text(out, kinds[field->type].what);
    if (field->type == FIELD_ENUM)
        add_choices(field, out);
    if (kinds[field->type].has_bounds)
        add_bounds(field, kinds[field->type].counted, out);
    if (field->unit != NULL)
        str_addf(out, " (%s)", field->unit);
}

enum outcome fields_refuse(const struct fields_decoder *d, const struct fields_path *path,
                           const char *code, const char *got)
{
    STR_AUTO struct str where = str_with_max(PATH_MAX_BYTES);
    STR_AUTO struct str expected = str_with_max(STR_MAX_DEFAULT);
    add_path(path, &where);
    if (path->is_item && path->field->type == FIELD_STRINGS)
        str_add_text(&expected, "a string");
    else if (path->is_item)
        str_add_text(&expected, "an object");
    else
        fields_add_expected(path->field, &expected);
    bool is_missing = strcmp(code, "fields.missing") == 0;
    if (path->is_secret && !is_missing)
        got = "holds a secret of another form";
    (void)FAIL(d->err, OUTCOME_PERMANENT, code, "field \"%s\" %s: expected %s", str_text(&where),
               got, str_text(&expected));
    return path->field->doc == NULL
               ? OUTCOME_PERMANENT
               : err_hint(d->err, "%s: %s", path->field->name, path->field->doc);
}

static void add_known_names(const struct field_table *table, struct str *out)
{
    for (size_t i = 0; i < table->count; i++)
        str_addf(out, "%s%s", i == 0 ? "" : ", ", table->fields[i].name);
}

enum outcome fields_refuse_unknown(const struct fields_decoder *d, const struct fields_path *up,
                                   const struct field_table *table, const char *name)
{
    char shown[NAME_SHOWN_BYTES];
    STR_AUTO struct str where = str_with_max(PATH_MAX_BYTES);
    STR_AUTO struct str known = str_with_max(STR_MAX_DEFAULT);
    text_copy(shown, sizeof shown, name);
    add_path(up, &where);
    (void)FAIL(d->err, OUTCOME_PERMANENT, "fields.unknown", "unknown field \"%s%s%s\" of %s",
               str_text(&where), where.len > 0 ? "." : "", shown, table->name);
    const char *nearest = fields_nearest(table, name);
    if (nearest != NULL)
        return err_hint(d->err, "did you mean \"%s\"?", nearest);
    add_known_names(table, &known);
    return err_hint(d->err, "known fields: %s", str_text(&known));
}
