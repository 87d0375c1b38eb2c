/*
 * policy: see policy.h. What a target's column holds, and whether a value is within it.
 *
 * A batch is checked column by column with loops that a compiler can make wide; only a column that
 * may hold a fault is looked at value by value. Slots of NULLs hold old values, so a column may
 * look faulty and be fine, never the other way round.
 */
#include "model/policy_private.h"

#include <float.h>
#include <math.h>

static void bound_decimal(struct gate_column *gate, const struct value_limits *limits)
{
    int precision = gate->spec->spec.precision, scale = gate->spec->spec.scale;
    if (precision == 0) {
        precision = limits->decimal_precision;
        scale = limits->decimal_scale;
    }
    gate->bounded = precision != 0;
    gate->whole_max = precision - scale;
    gate->fraction_max = scale;
}

static void bound_time(struct gate_column *gate, int64_t low, int64_t high)
{
    int scale = gate->spec->spec.scale;
    gate->low = low;
    gate->high = high;
    for (; scale > 0 && scale < 6; scale++)
        gate->step_us *= 10;
}

struct gate_column gate_column_of(const struct column_spec *spec, const struct value_limits *limits)
{
    struct gate_column gate = {.spec = spec, .type = spec->spec.type, .step_us = 1};
    int bits = spec->spec.bits == 0 ? 64 : spec->spec.bits;
    gate.infinity = limits->infinity;
    gate.nul = limits->text_nul;
    gate.nan = spec->spec.type == VALUE_DECIMAL ? limits->decimal_nan : limits->float_nan;
    gate.length = spec->spec.length;
    gate.magnitude_max = bits == 32 ? (double)FLT_MAX : DBL_MAX;
    gate.high = bits >= 64 ? INT64_MAX : (INT64_C(1) << (bits - 1)) - 1;
    gate.low = -gate.high - 1;
    if (gate.type == VALUE_DECIMAL)
        bound_decimal(&gate, limits);
    else if (gate.type == VALUE_TIME)
        bound_time(&gate, limits->time_min_us, limits->time_max_us);
    else if (gate.type == VALUE_TIMESTAMP)
        bound_time(&gate, limits->timestamp_min_us, limits->timestamp_max_us);
    else if (gate.type == VALUE_TIMESTAMPTZ)
        bound_time(&gate, limits->timestamptz_min_us, limits->timestamptz_max_us);
    else if (gate.type == VALUE_DATE)
        bound_time(&gate, limits->date_min, limits->date_max);
    return gate;
}

/* ---- whole columns ---- */

static bool i64_are_within(const struct gate_column *gate, const int64_t *values, size_t rows)
{
    int64_t low = gate->low, high = gate->high;
    bool outside = false;
    for (size_t row = 0; row < rows; row++)
        outside |= (values[row] < low) | (values[row] > high);
    if (outside || gate->step_us == 1)
        return !outside;
    for (size_t row = 0; row < rows; row++)
        outside |= values[row] % gate->step_us != 0;
    return !outside;
}

static bool i32_are_within(const struct gate_column *gate, const int32_t *values, size_t rows)
{
    int64_t low = gate->low, high = gate->high;
    bool outside = false;
    for (size_t row = 0; row < rows; row++)
        outside |= (values[row] < low) | (values[row] > high);
    return !outside;
}

static bool f64_are_within(const struct gate_column *gate, const double *values, size_t rows)
{
    double most = gate->magnitude_max;
    bool outside = false;
    if (gate->nan && most == DBL_MAX)
        return true;
    for (size_t row = 0; row < rows; row++)
        outside |= !(values[row] <= most && values[row] >= -most);
    return !outside;
}

static bool lengths_are_within(const struct gate_column *gate, const struct column *column,
                               size_t rows)
{
    int64_t longest = 0;
    if (gate->length == 0)
        return true;
    for (size_t row = 0; row < rows; row++) {
        int64_t len = column->offsets[row + 1] - column->offsets[row];
        longest = len > longest ? len : longest;
    }
    return longest <= gate->length;
}

bool gate_column_is_clean(const struct gate_column *gate, const struct column *column, size_t rows)
{
    switch (gate->type) {
    case VALUE_BOOL:
    case VALUE_UUID:
        return true;
    case VALUE_INT64:
        return gate->high == INT64_MAX || i64_are_within(gate, column->values, rows);
    case VALUE_TIME:
    case VALUE_TIMESTAMP:
    case VALUE_TIMESTAMPTZ:
        return i64_are_within(gate, column->values, rows);
    case VALUE_DATE:
        return i32_are_within(gate, column->values, rows);
    case VALUE_FLOAT64:
        return f64_are_within(gate, column->values, rows);
    case VALUE_DECIMAL:
        return gate->nan && !gate->bounded;
    case VALUE_BYTES:
        return lengths_are_within(gate, column, rows);
    case VALUE_TEXT:
    case VALUE_JSON:
        break;
    }
    size_t used = (size_t)column->offsets[rows];
    return (gate->nul || memchr(column->bytes, '\0', used) == NULL) &&
           lengths_are_within(gate, column, rows);
}

/* ---- single values ---- */

static bool i64_is_fine(const struct gate_column *gate, int64_t value, int64_t infinity,
                        enum value_fault *ret_fault)
{
    if (gate->type != VALUE_INT64 && gate->type != VALUE_TIME &&
        (value == infinity || value == -infinity)) {
        *ret_fault = FAULT_INFINITY;
        return gate->infinity;
    }
    *ret_fault = gate->type == VALUE_TIME ? FAULT_TIME_RANGE : FAULT_OUT_OF_RANGE;
    if (value < gate->low || value > gate->high)
        return false;
    *ret_fault = FAULT_OUT_OF_RANGE;
    return gate->step_us == 1 || value % gate->step_us == 0;
}

static bool f64_is_fine(const struct gate_column *gate, double value, enum value_fault *ret_fault)
{
    *ret_fault = isfinite(value) ? FAULT_OUT_OF_RANGE : FAULT_NAN;
    return isfinite(value) ? fabs(value) <= gate->magnitude_max : gate->nan;
}

/* A scale below zero: the last digits before the point are zeros. */
static bool ends_in_zeros(struct slice text, int zeros)
{
    for (int i = 1; i <= zeros && (size_t)i <= text.len; i++) {
        if (text.data[text.len - (size_t)i] != '0')
            return false;
    }
    return true;
}

/* A scale beyond the precision: the first digits behind the point are zeros. */
static bool begins_with_zeros(struct slice text, int fraction, int zeros)
{
    for (int i = 0; i < zeros && i < fraction; i++) {
        if (text.data[text.len - (size_t)(fraction - i)] != '0')
            return false;
    }
    return true;
}

bool gate_decimal_is_fine(const struct gate_column *gate, struct slice text,
                          enum value_fault *ret_fault)
{
    int whole, fraction;
    char last = text.len == 0 ? '0' : text.data[text.len - 1];
    *ret_fault = FAULT_NAN;
    if (last == 'N' || last == 'y')
        return gate->nan;
    *ret_fault = FAULT_OUT_OF_RANGE;
    if (!gate->bounded)
        return true;
    decimal_digits(text.data, text.len, &whole, &fraction);
    if (gate->whole_max < 0)
        return whole == 0 && fraction <= gate->fraction_max &&
               begins_with_zeros(text, fraction, -gate->whole_max);
    if (whole > gate->whole_max)
        return false;
    if (gate->fraction_max < 0)
        return fraction == 0 && ends_in_zeros(text, -gate->fraction_max);
    return fraction <= gate->fraction_max;
}

static int64_t code_points(struct slice text)
{
    int64_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.data[i] & 0xC0) != 0x80;
    return count;
}

bool gate_text_is_fine(const struct gate_column *gate, struct slice text,
                       enum value_fault *ret_fault)
{
    *ret_fault = FAULT_NUL_BYTE;
    if (!gate->nul && text.len > 0 && memchr(text.data, '\0', text.len) != NULL)
        return false;
    *ret_fault = FAULT_OUT_OF_RANGE;
    return gate->length == 0 || (int64_t)text.len <= gate->length ||
           code_points(text) <= gate->length;
}

bool gate_cell_is_fine(const struct gate_column *gate, const struct column *column, size_t row,
                       enum value_fault *ret_fault)
{
    switch (gate->type) {
    case VALUE_INT64:
    case VALUE_TIME:
    case VALUE_TIMESTAMP:
    case VALUE_TIMESTAMPTZ:
        return i64_is_fine(gate, column_i64(column, row), VALUE_TIMESTAMP_INFINITY, ret_fault);
    case VALUE_DATE:
        return i64_is_fine(gate, column_i32(column, row), VALUE_DATE_INFINITY, ret_fault);
    case VALUE_FLOAT64:
        return f64_is_fine(gate, column_f64(column, row), ret_fault);
    case VALUE_DECIMAL:
        return gate_decimal_is_fine(gate, column_bytes(column, row), ret_fault);
    case VALUE_TEXT:
    case VALUE_JSON:
        return gate_text_is_fine(gate, column_bytes(column, row), ret_fault);
    case VALUE_BYTES:
        *ret_fault = FAULT_OUT_OF_RANGE;
        return gate->length == 0 || (int64_t)column_bytes(column, row).len <= gate->length;
    case VALUE_BOOL:
    case VALUE_UUID:
        break;
    }
    return true;
}
