/* fields: values checked against their field, and values from text; see fields.h. */
#include "base/clock.h"
#include "base/fields_private.h"
#include "base/num.h"

#include <math.h>
#include <stdio.h>

#define SHOWN_BYTES 48

static enum outcome refuse_shown(const struct fields_decoder *d, const struct fields_path *path,
                                 const char *code, const char *value)
{
    char shown[SHOWN_BYTES], got[SHOWN_BYTES + 8];
    text_copy(shown, sizeof shown, value);
    (void)snprintf(got, sizeof got, "is \"%s\"", shown);
    return fields_refuse(d, path, code, got);
}

static enum outcome refuse_count(const struct fields_decoder *d, const struct fields_path *path,
                                 size_t count, const char *what)
{
    char got[64];
    (void)snprintf(got, sizeof got, "has %zu %s", count, what);
    return fields_refuse(d, path, "fields.range", got);
}

static bool is_in_bounds(const struct field *field, int64_t value)
{
    return !field_is_bounded(field) || (value >= field->min && value <= field->max);
}

enum outcome fields_check_count(const struct fields_decoder *d, const struct fields_path *path,
                                size_t count)
{
    if (is_in_bounds(path->field, (int64_t)count))
        return OUTCOME_OK;
    return refuse_count(d, path, count, "items");
}

enum outcome fields_put_string(const struct fields_decoder *d, const struct fields_path *path,
                               struct slice text, void *at)
{
    if (!utf8_is_valid(text.data, text.len))
        return fields_refuse(d, path, "fields.type", "is not valid UTF-8");
    /* The bounds of a list's field count its items. */
    if (!path->is_item && !is_in_bounds(path->field, (int64_t)text.len))
        return refuse_count(d, path, text.len, "bytes");
    const char *copy = arena_strndup(d->arena, text.data, text.len);
    TRY_ALLOC(copy, d->err);
    *(const char **)at = copy;
    return OUTCOME_OK;
}

enum outcome fields_put_int(const struct fields_decoder *d, const struct fields_path *path,
                            int64_t value, void *at)
{
    if (!is_in_bounds(path->field, value)) {
        char got[32];
        (void)snprintf(got, sizeof got, "is %lld", (long long)value);
        return fields_refuse(d, path, "fields.range", got);
    }
    *(int64_t *)at = value;
    return OUTCOME_OK;
}

enum outcome fields_put_real(const struct fields_decoder *d, const struct fields_path *path,
                             double value, void *at)
{
    const struct field *field = path->field;
    bool is_inside =
        !field_is_bounded(field) || (value >= (double)field->min && value <= (double)field->max);
    if (!isfinite(value) || !is_inside) {
        char got[48];
        (void)snprintf(got, sizeof got, "is %.17g", value);
        return fields_refuse(d, path, "fields.range", got);
    }
    *(double *)at = value;
    return OUTCOME_OK;
}

static const char *nearest_choice(const struct field *field, const char *name)
{
    const char *nearest = NULL;
    unsigned best = 4;
    for (const char *const *choice = field->choices; *choice != NULL; choice++) {
        unsigned distance = text_distance(*choice, name);
        if (distance < best && distance < strlen(name)) {
            best = distance;
            nearest = *choice;
        }
    }
    return nearest;
}

enum outcome fields_put_enum(const struct fields_decoder *d, const struct fields_path *path,
                             const char *name, void *at)
{
    const struct field *field = path->field;
    for (int i = 0; field->choices[i] != NULL; i++) {
        if (strcmp(field->choices[i], name) == 0) {
            *(int *)at = i;
            return OUTCOME_OK;
        }
    }
    enum outcome outcome = refuse_shown(d, path, "fields.range", name);
    const char *nearest = path->is_secret ? NULL : nearest_choice(field, name);
    return nearest == NULL ? outcome : err_hint(d->err, "did you mean \"%s\"?", nearest);
}

enum outcome fields_put_time(const struct fields_decoder *d, const struct fields_path *path,
                             const char *text, void *at)
{
    int64_t us;
    if (!clock_parse(text, &us))
        return refuse_shown(d, path, "fields.type", text);
    *(int64_t *)at = us;
    return OUTCOME_OK;
}

static enum outcome parse_string(const struct fields_decoder *d, const struct fields_path *path,
                                 const char *text, void *at)
{
    return fields_put_string(d, path, slice_of(text), at);
}

static enum outcome parse_int(const struct fields_decoder *d, const struct fields_path *path,
                              const char *text, void *at)
{
    int64_t value;
    if (!num_parse_i64(text, strlen(text), &value))
        return refuse_shown(d, path, "fields.type", text);
    return fields_put_int(d, path, value, at);
}

static enum outcome parse_bool(const struct fields_decoder *d, const struct fields_path *path,
                               const char *text, void *at)
{
    static const char *const words[] = {"false", "true", "0", "1", "no", "yes", "off", "on"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *(bool *)at = i % 2 == 1;
            return OUTCOME_OK;
        }
    }
    return refuse_shown(d, path, "fields.type", text);
}

static enum outcome parse_real(const struct fields_decoder *d, const struct fields_path *path,
                               const char *text, void *at)
{
    double value;
    if (!num_parse_f64(text, strlen(text), &value))
        return refuse_shown(d, path, "fields.type", text);
    return fields_put_real(d, path, value, at);
}

static struct slice trimmed(const char *from, const char *to)
{
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    return (struct slice){from, (size_t)(to - from)};
}

static const char *item_end(const char *text)
{
    const char *comma = strchr(text, ',');
    return comma == NULL ? text + strlen(text) : comma;
}

/* "a, b" has two items, a blank text none. */
static size_t count_items(const char *text)
{
    if (trimmed(text, text + strlen(text)).len == 0)
        return 0;
    size_t count = 1;
    for (const char *comma = strchr(text, ','); comma != NULL; comma = strchr(comma + 1, ','))
        count++;
    return count;
}

static enum outcome parse_strings(const struct fields_decoder *d, const struct fields_path *path,
                                  const char *text, void *at)
{
    size_t count = count_items(text);
    TRY(fields_check_count(d, path, count));
    const char **items = ARENA_ARRAY(d->arena, const char *, count);
    TRY_ALLOC(items, d->err);
    struct fields_path item = {
        .up = path, .field = path->field, .is_item = true, .is_secret = path->is_secret};
    for (; item.index < count; item.index++) {
        const char *end = item_end(text);
        struct slice word = trimmed(text, end);
        if (word.len == 0)
            return fields_refuse(d, &item, "fields.type", "is empty");
        TRY(fields_put_string(d, &item, word, &items[item.index]));
        text = end + 1;
    }
    *(struct field_strings *)at = (struct field_strings){count, items};
    return OUTCOME_OK;
}

enum outcome fields_parse_text(const struct fields_decoder *d, const struct fields_path *path,
                               const char *text, void *at)
{
    typedef enum outcome parse(const struct fields_decoder *, const struct fields_path *,
                               const char *, void *);
    static parse *const parsers[] = {
        [FIELD_STRING] = parse_string,   [FIELD_INT] = parse_int,   [FIELD_BOOL] = parse_bool,
        [FIELD_ENUM] = fields_put_enum,  [FIELD_REAL] = parse_real, [FIELD_TIME] = fields_put_time,
        [FIELD_STRINGS] = parse_strings, [FIELD_JSON] = NULL,
    };
    if (parsers[path->field->type] == NULL)
        return FAIL_BUG(d->err, "field \"%s\" has no form as text", path->field->name);
    return parsers[path->field->type](d, path, text, at);
}

enum outcome fields_put_default(const struct fields_decoder *d, const struct fields_path *path,
                                void *at)
{
    const char *text = path->field->default_text;
    if (text == NULL)
        return OUTCOME_OK;
    enum outcome outcome = fields_parse_text(d, path, text, at);
    return outcome == OUTCOME_PERMANENT
               ? FAIL_BUG(d->err, "the default of field \"%s\" is not valid", path->field->name)
               : outcome;
}
