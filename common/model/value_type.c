/* value: see value.h. Names and specs of types. */
#include "base/num.h"
#include "model/value.h"

/* What may stand in parentheses behind a type's name. */
enum spec_form { FORM_NONE, FORM_BITS, FORM_DECIMAL, FORM_LENGTH, FORM_DIGITS, FORM_BINARY };

static const struct {
    const char *name;
    uint8_t width;
    enum spec_form form;
} types[VALUE_TYPE_COUNT] = {
    [VALUE_BOOL] = {"bool", 0, FORM_NONE},
    [VALUE_INT64] = {"int64", 8, FORM_BITS},
    [VALUE_FLOAT64] = {"float64", 8, FORM_BITS},
    [VALUE_DECIMAL] = {"decimal", 0, FORM_DECIMAL},
    [VALUE_TEXT] = {"text", 0, FORM_LENGTH},
    [VALUE_BYTES] = {"bytes", 0, FORM_LENGTH},
    [VALUE_DATE] = {"date", 4, FORM_NONE},
    [VALUE_TIME] = {"time", 8, FORM_DIGITS},
    [VALUE_TIMESTAMP] = {"timestamp", 8, FORM_DIGITS},
    [VALUE_TIMESTAMPTZ] = {"timestamptz", 8, FORM_DIGITS},
    [VALUE_JSON] = {"json", 0, FORM_BINARY},
    [VALUE_UUID] = {"uuid", 16, FORM_NONE},
};

#define PRECISION_MAX 1000 /* PostgreSQL's; MySQL's is 65 */

const char *value_type_name(enum value_type type)
{
    return (unsigned)type < VALUE_TYPE_COUNT ? types[type].name : "unknown";
}

static bool type_of(struct slice name, enum value_type *ret_type)
{
    for (size_t i = 0; i < VALUE_TYPE_COUNT; i++) {
        if (slice_is(name, types[i].name)) {
            *ret_type = (enum value_type)i;
            return true;
        }
    }
    return false;
}

bool value_type_parse(const char *name, enum value_type *ret_type)
{
    return type_of(slice_of(name), ret_type);
}

size_t value_type_width(enum value_type type)
{
    return types[type].width;
}

void value_spec_format(const struct value_spec *spec, struct str *out)
{
    str_add_text(out, types[spec->type].name);
    switch (types[spec->type].form) {
    case FORM_NONE:
        break;
    case FORM_BITS:
        if (spec->bits != 0)
            str_addf(out, "(%d)", spec->bits);
        break;
    case FORM_DECIMAL:
        if (spec->precision != 0)
            str_addf(out, "(%d,%d)", spec->precision, spec->scale);
        break;
    case FORM_LENGTH:
        if (spec->length != 0)
            str_addf(out, "(%lld)", (long long)spec->length);
        break;
    case FORM_DIGITS:
        if (spec->scale != 0)
            str_addf(out, "(%d)", spec->scale);
        break;
    case FORM_BINARY:
        if (spec->binary)
            str_add_text(out, "(binary)");
        break;
    }
}

static struct slice trimmed(struct slice text)
{
    while (text.len > 0 && text.data[0] == ' ')
        text = (struct slice){text.data + 1, text.len - 1};
    while (text.len > 0 && text.data[text.len - 1] == ' ')
        text.len--;
    return text;
}

static bool number_within(struct slice text, int64_t low, int64_t high, int64_t *ret_number)
{
    int64_t number;
    text = trimmed(text);
    if (!num_parse_i64(text.data, text.len, &number) || number < low || number > high)
        return false;
    *ret_number = number;
    return true;
}

static bool read_bits(struct slice text, struct value_spec *spec)
{
    int64_t bits;
    if (!number_within(text, 8, 64, &bits) || (bits & (bits - 1)) != 0)
        return false;
    spec->bits = (int)bits;
    return spec->type == VALUE_INT64 || bits >= 32;
}

static bool read_decimal(struct slice text, struct value_spec *spec)
{
    const char *comma = memchr(text.data, ',', text.len);
    size_t first = comma == NULL ? text.len : (size_t)(comma - text.data);
    int64_t precision, scale = 0;
    if (!number_within((struct slice){text.data, first}, 1, PRECISION_MAX, &precision))
        return false;
    if (comma != NULL && !number_within((struct slice){comma + 1, text.len - first - 1},
                                        -PRECISION_MAX, PRECISION_MAX, &scale))
        return false;
    spec->precision = (int)precision;
    spec->scale = (int)scale;
    return true;
}

static bool read_form(struct slice text, struct value_spec *spec)
{
    int64_t digits;
    switch (types[spec->type].form) {
    case FORM_NONE:
        return false;
    case FORM_BITS:
        return read_bits(text, spec);
    case FORM_DECIMAL:
        return read_decimal(text, spec);
    case FORM_LENGTH:
        return number_within(text, 1, INT64_MAX, &spec->length);
    case FORM_DIGITS:
        if (!number_within(text, 0, 6, &digits))
            return false;
        spec->scale = (int)digits;
        return true;
    case FORM_BINARY:
        spec->binary = slice_is(trimmed(text), "binary");
        return spec->binary;
    }
    return false;
}

bool value_spec_parse(const char *text, struct value_spec *ret_spec)
{
    struct value_spec spec = {0};
    const char *open = strchr(text, '(');
    size_t len = strlen(text), name_len = open == NULL ? len : (size_t)(open - text);
    if (!type_of((struct slice){text, name_len}, &spec.type))
        return false;
    if (open != NULL) {
        if (text[len - 1] != ')')
            return false;
        if (!read_form((struct slice){open + 1, len - name_len - 2}, &spec))
            return false;
    }
    *ret_spec = spec;
    return true;
}

int table_spec_find(const struct table_spec *table, const char *name)
{
    for (size_t i = 0; i < table->column_count; i++) {
        if (strcmp(table->columns[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}
