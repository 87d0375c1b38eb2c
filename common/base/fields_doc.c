/* fields: JSON Schema and Markdown of a table; see fields.h. */
#include "base/fields_private.h"
#include "base/jwrite.h"
#include "base/num.h"

/* Members of a field's schema that follow from its type. */
struct kind {
    const char *type;   /* NULL = any value */
    const char *format; /* NULL = none */
    const char *min_key, *max_key;
};

static const struct kind kinds[] = {
    [FIELD_STRING] = {"string", NULL, "minLength", "maxLength"},
    [FIELD_INT] = {"integer", "int64", "minimum", "maximum"},
    [FIELD_BOOL] = {"boolean", NULL, NULL, NULL},
    [FIELD_ENUM] = {"string", NULL, NULL, NULL},
    [FIELD_REAL] = {"number", NULL, "minimum", "maximum"},
    [FIELD_TIME] = {"string", "date-time", NULL, NULL},
    [FIELD_STRINGS] = {"array", NULL, "minItems", "maxItems"},
    [FIELD_OBJECT] = {"object", NULL, NULL, NULL},
    [FIELD_OBJECTS] = {"array", NULL, "minItems", "maxItems"},
    [FIELD_JSON] = {NULL, NULL, NULL, NULL},
};

static void add_description(const struct field *field, struct str *out)
{
    str_add_text(out, field->doc == NULL ? "" : field->doc);
    if (field->unit != NULL)
        str_addf(out, " (%s)", field->unit);
    /* JSON Schema counts characters; the rule here is bytes. */
    if (field->type == FIELD_STRING && field->max > 1 && field->max != INT64_MAX)
        str_addf(out, "%sAt most %lld bytes.", out->len > 0 ? " " : "", (long long)field->max);
}

static void write_default(const struct field *field, struct jwrite *w)
{
    jwrite_key(w, "default");
    const char *text = field->default_text;
    struct slice number = slice_of(text);
    int64_t integer;
    double real;
    if (field->type == FIELD_INT && num_parse_i64(number.data, number.len, &integer))
        jwrite_int(w, integer);
    else if (field->type == FIELD_REAL && num_parse_f64(number.data, number.len, &real))
        jwrite_real(w, real);
    else if (field->type == FIELD_BOOL)
        jwrite_bool(w, strchr("1ty", *text) != NULL || strcmp(text, "on") == 0);
    else
        jwrite_text(w, text);
}

static void write_strings_default(const char *text, struct jwrite *w)
{
    jwrite_key(w, "default");
    jwrite_open_array(w);
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        struct slice word = {text, len};
        for (; word.len > 0 && *word.data == ' '; word.len--)
            word.data++;
        while (word.len > 0 && word.data[word.len - 1] == ' ')
            word.len--;
        if (word.len > 0)
            jwrite_slice(w, word);
        text += len + (text[len] == ',');
    }
    jwrite_close_array(w);
}

static void write_bounds(const struct field *field, struct jwrite *w)
{
    const struct kind *kind = &kinds[field->type];
    if (kind->min_key == NULL || !field_is_bounded(field))
        return;
    bool is_count = field->type != FIELD_INT && field->type != FIELD_REAL;
    if (field->min != INT64_MIN && !(is_count && field->min <= 0))
        jwrite_member_int(w, kind->min_key, field->min);
    if (field->max != INT64_MAX)
        jwrite_member_int(w, kind->max_key, field->max);
}

static void write_choices(const struct field *field, struct jwrite *w)
{
    jwrite_key(w, "enum");
    jwrite_open_array(w);
    for (const char *const *choice = field->choices; *choice != NULL; choice++)
        jwrite_text(w, *choice);
    jwrite_close_array(w);
}

static void write_items(const struct field *field, struct jwrite *w)
{
    jwrite_key(w, "items");
    if (field->type == FIELD_OBJECTS) {
        fields_write_schema(field->object, w);
        return;
    }
    jwrite_open_object(w);
    jwrite_member_text(w, "type", "string");
    jwrite_close_object(w);
}

static void write_object_members(const struct field_table *table, struct jwrite *w);

static void write_field(const struct field *field, struct jwrite *w)
{
    const struct kind *kind = &kinds[field->type];
    STR_AUTO struct str description = str_with_max(STR_MAX_DEFAULT);
    add_description(field, &description);
    jwrite_open_object(w);
    if (kind->type != NULL)
        jwrite_member_text(w, "type", kind->type);
    if (kind->format != NULL)
        jwrite_member_text(w, "format", kind->format);
    if (description.len > 0)
        jwrite_member_text(w, "description", str_text(&description));
    if (field->type == FIELD_ENUM)
        write_choices(field, w);
    write_bounds(field, w);
    if (field->default_text != NULL && field->type == FIELD_STRINGS)
        write_strings_default(field->default_text, w);
    else if (field->default_text != NULL)
        write_default(field, w);
    if ((field->flags & FIELD_SECRET) != 0)
        jwrite_member_bool(w, "writeOnly", true);
    if (field->type == FIELD_STRINGS || field->type == FIELD_OBJECTS)
        write_items(field, w);
    if (field->type == FIELD_OBJECT)
        write_object_members(field->object, w);
    jwrite_close_object(w);
}

/* An object that may not be absent is required as soon as something in it is. */
static bool is_required(const struct field *field)
{
    if ((field->flags & FIELD_REQUIRED) != 0)
        return true;
    if (field->type != FIELD_OBJECT || (field->flags & FIELD_PRESENT) != 0)
        return false;
    for (size_t i = 0; i < field->object->count; i++) {
        if (is_required(&field->object->fields[i]))
            return true;
    }
    return false;
}

static void write_object_members(const struct field_table *table, struct jwrite *w)
{
    jwrite_member_bool(w, "additionalProperties", false);
    jwrite_key(w, "required");
    jwrite_open_array(w);
    for (size_t i = 0; i < table->count; i++) {
        if (is_required(&table->fields[i]))
            jwrite_text(w, table->fields[i].name);
    }
    jwrite_close_array(w);
    jwrite_key(w, "properties");
    jwrite_open_object(w);
    for (size_t i = 0; i < table->count; i++) {
        jwrite_key(w, table->fields[i].name);
        write_field(&table->fields[i], w);
    }
    jwrite_close_object(w);
}

void fields_write_schema_members(const struct field_table *table, struct jwrite *w)
{
    jwrite_member_text(w, "title", table->name);
    if (table->doc != NULL)
        jwrite_member_text(w, "description", table->doc);
    jwrite_member_text(w, "type", "object");
    write_object_members(table, w);
}

void fields_write_schema(const struct field_table *table, struct jwrite *w)
{
    jwrite_open_object(w);
    fields_write_schema_members(table, w);
    jwrite_close_object(w);
}

static void add_cell_text(struct str *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            str_add_char(out, '\\');
        str_add_char(out, *text);
    }
}

static void print_row(const char *prefix, const struct field *field, struct str *out)
{
    STR_AUTO struct str expected = str_with_max(STR_MAX_DEFAULT);
    fields_add_expected(field, &expected);
    str_addf(out, "| `%s%s` | ", prefix, field->name);
    add_cell_text(out, str_text(&expected));
    str_add_text(out, " | ");
    if (is_required(field))
        str_add_text(out, "required");
    else if (field->default_text != NULL && *field->default_text != '\0')
        str_addf(out, "`%s`", field->default_text);
    str_add_text(out, " | ");
    add_cell_text(out, field->doc == NULL ? "" : field->doc);
    if ((field->flags & FIELD_SECRET) != 0)
        str_addf(out, "%sSecret.", field->doc == NULL ? "" : " ");
    str_add_text(out, " |\n");
}

static void print_rows(const char *prefix, const struct field_table *table, struct str *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct field *field = &table->fields[i];
        print_row(prefix, field, out);
        if (field->object == NULL)
            continue;
        STR_AUTO struct str nested = str_with_max(STR_MAX_DEFAULT);
        str_addf(&nested, "%s%s%s", prefix, field->name,
                 field->type == FIELD_OBJECTS ? "[]." : ".");
        print_rows(str_text(&nested), field->object, out);
    }
}

void fields_print_markdown(const struct field_table *table, struct str *out)
{
    str_add_text(out, "| Field | Type | Default | Meaning |\n|---|---|---|---|\n");
    print_rows("", table, out);
}
