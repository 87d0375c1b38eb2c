/* conf: --help and the effective configuration; see conf.h. */
#include "base/clock.h"
#include "base/conf.h"
#include "base/fields_private.h"
#include "base/num.h"

#include <ctype.h>

#define HELP_COLUMNS 88
#define HELP_INDENT 6
#define VARIABLE_COLUMN 38

static void add_mapped(struct str *out, const char *name, int map(int))
{
    for (; *name != '\0'; name++)
        str_add_char(out, (char)map((unsigned char)*name));
}

static int dashed(int c)
{
    return c == '_' ? '-' : c;
}

static void add_spaces(struct str *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        str_add_char(out, ' ');
}

/* Words of `text`, indented, broken before the last column. */
static void add_wrapped(struct str *out, const char *text)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        if (column > 0 && column + 1 + len > HELP_COLUMNS) {
            str_add_char(out, '\n');
            column = 0;
        }
        if (column == 0)
            add_spaces(out, HELP_INDENT);
        else
            str_add_char(out, ' ');
        column = (column == 0 ? HELP_INDENT : column + 1) + len;
        str_add(out, text, len);
        text += len;
        text += strspn(text, " ");
    }
    str_add_char(out, '\n');
}

/* "--batch-rows N" and the variable beside it. */
static void add_names(const struct field *field, struct str *out)
{
    static const char *const values[] = {
        [FIELD_STRING] = " TEXT",  [FIELD_INT] = " N",  [FIELD_BOOL] = "",
        [FIELD_ENUM] = " CHOICE",  [FIELD_REAL] = " X", [FIELD_TIME] = " TIME",
        [FIELD_STRINGS] = " LIST", [FIELD_OBJECT] = "", [FIELD_OBJECTS] = "",
        [FIELD_JSON] = "",
    };
    size_t start = out->len;
    str_add_text(out, "  --");
    add_mapped(out, field->name, dashed);
    str_add_text(out, values[field->type]);
    size_t width = out->len - start;
    add_spaces(out, width + 2 > VARIABLE_COLUMN ? 2 : VARIABLE_COLUMN - width);
    str_add_text(out, "HAUL_");
    add_mapped(out, field->name, toupper);
    if ((field->flags & FIELD_SECRET) != 0)
        str_add_text(out, ", or its file: ..._FILE");
    str_add_char(out, '\n');
}

static void add_range(const struct field *field, struct str *out)
{
    long long min = (long long)field->min, max = (long long)field->max;
    if (!field_is_bounded(field))
        return;
    if (max == INT64_MAX)
        str_addf(out, "at least %lld", min);
    else if (min == INT64_MIN)
        str_addf(out, "at most %lld", max);
    else
        str_addf(out, "%lld to %lld", min, max);
}

/* What a person needs to know to type the value; nothing for a plain text or flag. */
static void add_form(const struct field *field, struct str *out)
{
    if (field->type == FIELD_INT || field->type == FIELD_REAL)
        add_range(field, out);
    else if (field->type == FIELD_TIME)
        str_add_text(out, "as 2026-01-31T12:00:00Z");
    else if (field->type == FIELD_STRINGS)
        str_add_text(out, "separated by commas");
    else if (field->type == FIELD_ENUM)
        for (const char *const *choice = field->choices; *choice != NULL; choice++)
            str_addf(out, "%s%s", choice == field->choices ? "" : "|", *choice);
    if (field->unit != NULL)
        str_addf(out, "%s%s", out->len > 0 ? " " : "in ", field->unit);
}

/* "[1 to 64 ms, default 5]" */
static void add_rule(const struct field *field, struct str *out)
{
    STR_AUTO struct str form = str_with_max(STR_MAX_DEFAULT);
    add_form(field, &form);
    str_addf(out, "[%s%s", str_text(&form), form.len > 0 ? ", " : "");
    if ((field->flags & FIELD_REQUIRED) != 0)
        str_add_text(out, "required]");
    else if (field->default_text != NULL && *field->default_text != '\0')
        str_addf(out, "default %s]", field->default_text);
    else
        str_add_text(out, "optional]");
}

void conf_print_help(const struct field_table *table, struct str *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct field *field = &table->fields[i];
        STR_AUTO struct str text = str_with_max(STR_MAX_DEFAULT);
        if (field->doc != NULL)
            str_addf(&text, "%s ", field->doc);
        add_rule(field, &text);
        add_names(field, out);
        add_wrapped(out, str_text(&text));
    }
}

static void add_integer(const struct field *field, const void *at, struct str *out)
{
    char text[CLOCK_TEXT_SIZE];
    int64_t value = *(const int64_t *)at;
    if (field->type == FIELD_INT)
        str_add(out, text, num_format_i64(value, text));
    else
        str_add_text(out, value == 0 ? "(not set)" : clock_format(value, text));
}

static void add_strings(const struct field_strings *list, struct str *out)
{
    for (size_t i = 0; i < list->count; i++)
        str_addf(out, "%s%s", i == 0 ? "" : ",", list->items[i]);
}

static void add_value(const struct field *field, const void *at, struct str *out)
{
    char text[32];
    const char *string;
    switch (field->type) {
    case FIELD_STRING:
        string = *(const char *const *)at;
        str_add_text(out, string == NULL ? "(not set)" : string);
        break;
    case FIELD_INT:
    case FIELD_TIME:
        add_integer(field, at, out);
        break;
    case FIELD_BOOL:
        str_add_text(out, *(const bool *)at ? "true" : "false");
        break;
    case FIELD_ENUM:
        str_add_text(out, field->choices[*(const int *)at]);
        break;
    case FIELD_REAL:
        str_add(out, text, num_format_f64(*(const double *)at, text));
        break;
    case FIELD_STRINGS:
        add_strings(at, out);
        break;
    case FIELD_OBJECT:
    case FIELD_OBJECTS:
    case FIELD_JSON:
        str_add_text(out, "(nested)");
        break;
    }
}

/* A secret is set when it isn't what its absence leaves: no text, no items, zero. */
static bool is_set(const struct field *field, const void *at)
{
    if (field->type == FIELD_STRING)
        return *(const char *const *)at != NULL;
    if (field->type == FIELD_STRINGS)
        return ((const struct field_strings *)at)->count > 0;
    return true;
}

void conf_print_effective(const struct field_table *table, const void *values, struct str *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct field *field = &table->fields[i];
        const void *at = (const unsigned char *)values + field->offset;
        str_add_text(out, "HAUL_");
        add_mapped(out, field->name, toupper);
        str_add_char(out, '=');
        if ((field->flags & FIELD_SECRET) != 0)
            str_add_text(out, is_set(field, at) ? "(set)" : "(not set)");
        else
            add_value(field, at, out);
        str_add_char(out, '\n');
    }
}
