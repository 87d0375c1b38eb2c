/*
 * mapping: see mapping.h. Casts of single values.
 *
 *   to text       from every type: the text form of model/value; bytes are read as UTF-8
 *   from text     to every type: its text form is read; to bytes the UTF-8 itself
 *   numbers       bool <-> int64 <-> decimal <-> float64 (not bool <-> decimal, float64)
 *   date, time    date -> timestamps at midnight; timestamps -> date, time; timestamp <->
 * timestamptz with the naive side taken as UTC json          from bool and numbers uuid <-> bytes
 * (16)
 *
 * A value that the new type could only hold changed is a fault, never changed in silence; where the
 * cast itself gives up something (a time of day), the output column's `loss` names it.
 */
#include "base/num.h"
#include "model/mapping_private.h"

#define DAY_US INT64_C(86400000000)

static struct slice text_of(struct casting *casting, size_t row)
{
    str_clear(&casting->text);
    (void)column_format(casting->from, row, &casting->text);
    return str_slice(&casting->text);
}

static int cast_by_text(struct casting *casting, size_t row)
{
    bool ok = column_add_text(casting->out, casting->to, text_of(casting, row));
    return ok ? CAST_DONE : FAULT_INVALID_CAST;
}

/* The fault of a text that is no value of a number type: it may be a number all the same. */
static int number_fault(struct slice text)
{
    char canonical[VALUE_DECIMAL_MAX];
    size_t len;
    if (!decimal_canonical(text.data, text.len, canonical, &len))
        return FAULT_INVALID_CAST;
    char last = canonical[len - 1];
    return last == 'N' || last == 'y' ? FAULT_NAN : FAULT_OUT_OF_RANGE;
}

static int cast_to_int(struct casting *casting, size_t row)
{
    char canonical[VALUE_DECIMAL_MAX];
    struct slice text = text_of(casting, row);
    size_t len;
    int64_t value;
    if (!num_parse_i64(text.data, text.len, &value) &&
        !(decimal_canonical(text.data, text.len, canonical, &len) &&
          num_parse_i64(canonical, len, &value)))
        return number_fault(text);
    column_add_i64(casting->to, value);
    return CAST_DONE;
}

static int cast_to_float(struct casting *casting, size_t row)
{
    struct slice text = text_of(casting, row);
    double value;
    if (!num_parse_f64(text.data, text.len, &value))
        return number_fault(text);
    column_add_f64(casting->to, value);
    return CAST_DONE;
}

static int cast_int_to_bool(struct casting *casting, size_t row)
{
    int64_t value = column_i64(casting->from, row);
    if (value != 0 && value != 1)
        return FAULT_OUT_OF_RANGE;
    column_add_bool(casting->to, value != 0);
    return CAST_DONE;
}

static int cast_bool_to_int(struct casting *casting, size_t row)
{
    column_add_i64(casting->to, column_bool(casting->from, row));
    return CAST_DONE;
}

static int cast_int_to_float(struct casting *casting, size_t row)
{
    column_add_f64(casting->to, (double)column_i64(casting->from, row));
    return CAST_DONE;
}

/* The bytes as they are. */
static int cast_verbatim(struct casting *casting, size_t row)
{
    struct slice bytes = column_bytes(casting->from, row);
    if (casting->to->type == VALUE_TEXT && casting->from->type == VALUE_BYTES &&
        !utf8_is_valid(bytes.data, bytes.len))
        return FAULT_INVALID_UTF8;
    column_add_bytes(casting->out, casting->to, bytes.data, bytes.len);
    return CAST_DONE;
}

static int cast_uuid_to_bytes(struct casting *casting, size_t row)
{
    column_add_bytes(casting->out, casting->to, (const char *)column_uuid(casting->from, row), 16);
    return CAST_DONE;
}

static int cast_bytes_to_uuid(struct casting *casting, size_t row)
{
    struct slice bytes = column_bytes(casting->from, row);
    if (bytes.len != 16)
        return FAULT_INVALID_CAST;
    column_add_uuid(casting->to, (const uint8_t *)bytes.data);
    return CAST_DONE;
}

static int cast_to_midnight(struct casting *casting, size_t row)
{
    int32_t days = column_i32(casting->from, row);
    int64_t us;
    if (days == VALUE_DATE_INFINITY || days == -VALUE_DATE_INFINITY)
        us = days < 0 ? -VALUE_TIMESTAMP_INFINITY : VALUE_TIMESTAMP_INFINITY;
    else if (__builtin_mul_overflow((int64_t)days, DAY_US, &us))
        return FAULT_OUT_OF_RANGE;
    column_add_i64(casting->to, us);
    return CAST_DONE;
}

static int64_t day_of(int64_t us)
{
    return us / DAY_US - (us % DAY_US < 0);
}

static bool is_infinite(int64_t us)
{
    return us == VALUE_TIMESTAMP_INFINITY || us == -VALUE_TIMESTAMP_INFINITY;
}

static int cast_to_date(struct casting *casting, size_t row)
{
    int64_t us = column_i64(casting->from, row);
    int32_t infinity = us < 0 ? -VALUE_DATE_INFINITY : VALUE_DATE_INFINITY;
    column_add_i32(casting->to, is_infinite(us) ? infinity : (int32_t)day_of(us));
    return CAST_DONE;
}

static int cast_to_time(struct casting *casting, size_t row)
{
    int64_t us = column_i64(casting->from, row);
    if (is_infinite(us))
        return FAULT_INFINITY;
    column_add_i64(casting->to, us - day_of(us) * DAY_US);
    return CAST_DONE;
}

static int cast_same_us(struct casting *casting, size_t row)
{
    column_add_i64(casting->to, column_i64(casting->from, row));
    return CAST_DONE;
}

#define LOSS_FLOAT "digits beyond the 15 to 17 of a double"
#define LOSS_TIME "the time of day"
#define LOSS_DATE "the date"
#define LOSS_UTC "nothing, if the wall clock shows UTC: it is taken so"
#define LOSS_ZONE "that the time is in UTC"

/* [from][to] */
static const struct cast_way ways[VALUE_TYPE_COUNT][VALUE_TYPE_COUNT] = {
    [VALUE_BOOL] = {[VALUE_INT64] = {cast_bool_to_int, NULL},
                    [VALUE_TEXT] = {cast_by_text, NULL},
                    [VALUE_JSON] = {cast_by_text, NULL}},
    [VALUE_INT64] = {[VALUE_BOOL] = {cast_int_to_bool, NULL},
                     [VALUE_FLOAT64] = {cast_int_to_float, LOSS_FLOAT},
                     [VALUE_DECIMAL] = {cast_by_text, NULL},
                     [VALUE_TEXT] = {cast_by_text, NULL},
                     [VALUE_JSON] = {cast_by_text, NULL}},
    [VALUE_FLOAT64] = {[VALUE_INT64] = {cast_to_int, NULL},
                       [VALUE_DECIMAL] = {cast_by_text, NULL},
                       [VALUE_TEXT] = {cast_by_text, NULL},
                       [VALUE_JSON] = {cast_by_text, NULL}},
    [VALUE_DECIMAL] = {[VALUE_INT64] = {cast_to_int, NULL},
                       [VALUE_FLOAT64] = {cast_to_float, LOSS_FLOAT},
                       [VALUE_TEXT] = {cast_by_text, NULL},
                       [VALUE_JSON] = {cast_by_text, NULL}},
    [VALUE_TEXT] = {[VALUE_BOOL] = {cast_by_text, NULL},
                    [VALUE_INT64] = {cast_to_int, NULL},
                    [VALUE_FLOAT64] = {cast_to_float, LOSS_FLOAT},
                    [VALUE_DECIMAL] = {cast_by_text, NULL},
                    [VALUE_BYTES] = {cast_verbatim, NULL},
                    [VALUE_DATE] = {cast_by_text, NULL},
                    [VALUE_TIME] = {cast_by_text, NULL},
                    [VALUE_TIMESTAMP] = {cast_by_text, NULL},
                    [VALUE_TIMESTAMPTZ] = {cast_by_text, NULL},
                    [VALUE_JSON] = {cast_by_text, NULL},
                    [VALUE_UUID] = {cast_by_text, NULL}},
    [VALUE_BYTES] =
        {[VALUE_TEXT] = {cast_verbatim, NULL}, [VALUE_UUID] = {cast_bytes_to_uuid, NULL}},
    [VALUE_DATE] = {[VALUE_TEXT] = {cast_by_text, NULL},
                    [VALUE_TIMESTAMP] = {cast_to_midnight, NULL},
                    [VALUE_TIMESTAMPTZ] = {cast_to_midnight, NULL}},
    [VALUE_TIME] = {[VALUE_TEXT] = {cast_by_text, NULL}},
    [VALUE_TIMESTAMP] = {[VALUE_TEXT] = {cast_by_text, NULL},
                         [VALUE_DATE] = {cast_to_date, LOSS_TIME},
                         [VALUE_TIME] = {cast_to_time, LOSS_DATE},
                         [VALUE_TIMESTAMPTZ] = {cast_same_us, LOSS_UTC}},
    [VALUE_TIMESTAMPTZ] = {[VALUE_TEXT] = {cast_by_text, NULL},
                           [VALUE_DATE] = {cast_to_date, LOSS_TIME},
                           [VALUE_TIME] = {cast_to_time, LOSS_DATE},
                           [VALUE_TIMESTAMP] = {cast_same_us, LOSS_ZONE}},
    [VALUE_JSON] = {[VALUE_TEXT] = {cast_verbatim, NULL}},
    [VALUE_UUID] =
        {[VALUE_TEXT] = {cast_by_text, NULL}, [VALUE_BYTES] = {cast_uuid_to_bytes, NULL}},
};

const struct cast_way *cast_way_of(enum value_type from, enum value_type to)
{
    return &ways[from][to];
}
