/*
 * encode: a batch's values as literals of a statement. The hot path of writing.
 *
 * A strict sql_mode refuses most of what a column can't hold; what it converts in silence is
 * refused here: NULL where it would become a default, fraction digits, trailing spaces of CHAR,
 * padding of BINARY, doubles that FLOAT rounds, and -0, which the server shows as 0.
 */
#include "mysql/mysql_private.h"

#include "base/num.h"

#include <math.h>
#include <string.h>

static bool encode_bool(struct str *sql, const struct mys_column *to, const struct column *from,
                        size_t row)
{
    (void)to;
    str_add_char(sql, column_bool(from, row) ? '1' : '0');
    return true;
}

static bool encode_int(struct str *sql, const struct mys_column *to, const struct column *from,
                       size_t row)
{
    (void)to;
    char *end = str_reserve(sql, 20);
    if (end == NULL)
        return true;
    size_t len = num_format_i64(column_i64(from, row), end);
    end[len] = '\0';
    sql->len += len;
    return true;
}

static bool encode_double(struct str *sql, const struct mys_column *to, const struct column *from,
                          size_t row)
{
    double value = column_f64(from, row);
    bool is_minus_zero = value == 0 && signbit(value);
    if (!isfinite(value) || is_minus_zero)
        return false;
    if (to->native.form == MYS_FLOAT && (double)(float)value != value)
        return false;
    char *end = str_reserve(sql, 34);
    if (end == NULL)
        return true;
    size_t len = num_format_f64(value, end);
    if (memchr(end, 'e', len) == NULL) {
        memcpy(end + len, "e0", 2); /* else it is a decimal */
        len += 2;
    }
    end[len] = '\0';
    sql->len += len;
    return true;
}

static bool encode_decimal(struct str *sql, const struct mys_column *to, const struct column *from,
                           size_t row)
{
    struct slice text = column_bytes(from, row);
    (void)to;
    if (text.len == 0 || text.data[text.len - 1] > '9') /* NaN, Infinity */
        return false;
    str_add_slice(sql, text);
    return true;
}

static bool encode_text(struct str *sql, const struct mys_column *to, const struct column *from,
                        size_t row)
{
    struct slice text = column_bytes(from, row);
    bool is_padded = to->native.base != NULL && strcmp(to->native.base, "char") == 0;
    if (is_padded && text.len > 0 && text.data[text.len - 1] == ' ')
        return false;
    mys_add_text(sql, text);
    return true;
}

static bool encode_bytes(struct str *sql, const struct mys_column *to, const struct column *from,
                         size_t row)
{
    struct slice bytes = column_bytes(from, row);
    bool is_padded = to->native.base != NULL && strcmp(to->native.base, "binary") == 0;
    if (is_padded && (int64_t)bytes.len < to->native.length)
        return false;
    str_add(sql, "_binary", 7); /* not to be checked as UTF-8 */
    mys_add_text(sql, bytes);
    return true;
}

static bool encode_date(struct str *sql, const struct mys_column *to, const struct column *from,
                        size_t row)
{
    char text[32];
    int32_t days = column_i32(from, row);
    (void)to;
    if (days < connector_mysql.limits.date_min || days > connector_mysql.limits.date_max)
        return false;
    str_add_char(sql, '\'');
    str_add(sql, text, date_format(days, text));
    str_add_char(sql, '\'');
    return true;
}

static bool encode_time(struct str *sql, const struct mys_column *to, const struct column *from,
                        size_t row)
{
    char text[32];
    int64_t us = column_i64(from, row);
    if (us < connector_mysql.limits.time_min_us || us > connector_mysql.limits.time_max_us ||
        us % to->grain_us != 0)
        return false;
    str_add_char(sql, '\'');
    str_add(sql, text, time_format(us, text));
    str_add_char(sql, '\'');
    return true;
}

static bool add_timestamp(struct str *sql, int64_t us)
{
    char text[40];
    str_add_char(sql, '\'');
    str_add(sql, text, timestamp_format(us, text));
    str_add_char(sql, '\'');
    return true;
}

static bool encode_timestamp(struct str *sql, const struct mys_column *to,
                             const struct column *from, size_t row)
{
    int64_t us = column_i64(from, row);
    const struct value_limits *limits = &connector_mysql.limits;
    if (us < limits->timestamp_min_us || us > limits->timestamp_max_us || us % to->grain_us != 0)
        return false;
    return add_timestamp(sql, us);
}

/* The session's time zone is UTC. */
static bool encode_timestamptz(struct str *sql, const struct mys_column *to,
                               const struct column *from, size_t row)
{
    int64_t us = column_i64(from, row);
    const struct value_limits *limits = &connector_mysql.limits;
    if (us < limits->timestamptz_min_us || us > limits->timestamptz_max_us ||
        us % to->grain_us != 0)
        return false;
    return add_timestamp(sql, us);
}

static bool encode_uuid(struct str *sql, const struct mys_column *to, const struct column *from,
                        size_t row)
{
    char text[36];
    (void)to;
    uuid_format(column_uuid(from, row), text);
    str_add_char(sql, '\'');
    str_add(sql, text, sizeof text);
    str_add_char(sql, '\'');
    return true;
}

mys_encode *mys_encoder(enum value_type type)
{
    static mys_encode *const encoders[VALUE_TYPE_COUNT] = {
        [VALUE_BOOL] = encode_bool,           [VALUE_INT64] = encode_int,
        [VALUE_FLOAT64] = encode_double,      [VALUE_DECIMAL] = encode_decimal,
        [VALUE_TEXT] = encode_text,           [VALUE_BYTES] = encode_bytes,
        [VALUE_DATE] = encode_date,           [VALUE_TIME] = encode_time,
        [VALUE_TIMESTAMP] = encode_timestamp, [VALUE_TIMESTAMPTZ] = encode_timestamptz,
        [VALUE_JSON] = encode_text,           [VALUE_UUID] = encode_uuid,
    };
    return encoders[type];
}
