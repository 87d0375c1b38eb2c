/* cursor: arithmetic on cursor values in text form. Order is decided by the type, never by text. */
#include "sync/internal.h"

#include "base/num.h"

#include <string.h>

bool cursor_type_is_ordered(enum value_type type)
{
    return type == VALUE_INT64 || type == VALUE_DECIMAL || type == VALUE_DATE ||
           type == VALUE_TIMESTAMP || type == VALUE_TIMESTAMPTZ;
}

/* The value as a number that orders it; false for decimals and what cannot be read. */
static bool to_number(const struct value_spec *spec, const char *text, int64_t *ret_number)
{
    size_t len = strlen(text);
    int32_t days;
    if (spec->type == VALUE_INT64)
        return num_parse_i64(text, len, ret_number);
    if (spec->type == VALUE_TIMESTAMP)
        return timestamp_parse(text, len, ret_number);
    if (spec->type == VALUE_TIMESTAMPTZ)
        return timestamptz_parse(text, len, ret_number);
    if (spec->type != VALUE_DATE || !date_parse(text, len, &days))
        return false;
    *ret_number = days;
    return true;
}

static int compare_decimals(const char *a, const char *b)
{
    bool a_negative = a[0] == '-', b_negative = b[0] == '-';
    int a_digits, b_digits, fraction;
    if (a_negative != b_negative)
        return a_negative ? -1 : 1;
    decimal_digits(a, strlen(a), &a_digits, &fraction);
    decimal_digits(b, strlen(b), &b_digits, &fraction);
    int order = a_digits != b_digits ? a_digits - b_digits : strcmp(a, b);
    return a_negative ? -order : order;
}

int cursor_compare(const struct value_spec *spec, const char *a, const char *b)
{
    int64_t left, right;
    if (spec->type == VALUE_DECIMAL)
        return compare_decimals(a, b);
    if (!to_number(spec, a, &left) || !to_number(spec, b, &right))
        return strcmp(a, b);
    return (left > right) - (left < right);
}

enum outcome cursor_minus(const struct value_spec *spec, const char *value, int64_t lookback,
                          struct arena *arena, const char **ret_value, struct err *err)
{
    char text[40];
    size_t len = 0;
    int64_t number;
    if (lookback == 0 || !to_number(spec, value, &number)) {
        *ret_value = value;
        return OUTCOME_OK;
    }
    if (spec->type == VALUE_INT64)
        len = num_format_i64(number < INT64_MIN + lookback ? INT64_MIN : number - lookback, text);
    else if (spec->type == VALUE_DATE)
        len = date_format((int32_t)(number - (lookback + 86399) / 86400), text);
    else if (spec->type == VALUE_TIMESTAMP)
        len = timestamp_format(number - lookback * 1000000, text);
    else
        len = timestamptz_format(number - lookback * 1000000, text);
    const char *copy = arena_strndup(arena, text, len);
    TRY_ALLOC(copy, err);
    *ret_value = copy;
    return OUTCOME_OK;
}

const char *cursor_after(const struct sync *sync, const struct cursor_high *high)
{
    const struct value_spec *spec = &sync->plan.mapping.inputs[sync->plan.cursor_input].spec;
    if (high->max != NULL && high->horizon != NULL &&
        cursor_compare(spec, high->horizon, high->max) < 0)
        return high->horizon;
    return high->max;
}
