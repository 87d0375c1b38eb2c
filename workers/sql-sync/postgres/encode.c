/*
 * encode: batch columns into fields of the server's binary COPY format. The hot path of a target.
 *
 * What the server would round or cut without a word (digits behind the point, parts of a second,
 * a double in a real) is refused here as a row fault: nothing is lost silently.
 * Source: the server's *_recv functions, the counterparts of what decode.c names.
 */
#include "pg_private.h"

#include <math.h>

#define EPOCH_DAYS 10957
#define EPOCH_US INT64_C(946684800000000)

#define DAY_US INT64_C(86400000000)

#define OUT_OF_RANGE "22003"
#define DATE_OUT_OF_RANGE "22008"

static void set_u16(char *to, uint16_t value)
{
    value = __builtin_bswap16(value);
    memcpy(to, &value, sizeof value);
}

static void set_u32(char *to, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(to, &value, sizeof value);
}

static void set_u64(char *to, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(to, &value, sizeof value);
}

/* A lack of memory is sticky in `out`, which the writer looks at once a row. */
static void add_u32(struct str *out, uint32_t value)
{
    char *to = str_reserve(out, 8);
    if (to == NULL)
        return;
    set_u32(to, 4);
    set_u32(to + 4, value);
    out->len += 8;
}

static void add_u64(struct str *out, uint64_t value)
{
    char *to = str_reserve(out, 12);
    if (to == NULL)
        return;
    set_u32(to, 8);
    set_u64(to + 4, value);
    out->len += 12;
}

const char *pgc_encode_bool(const struct encode_column *to, const struct column *column, size_t row,
                            struct str *out)
{
    (void)to;
    char *at = str_reserve(out, 5);
    if (at == NULL)
        return NULL;
    set_u32(at, 1);
    at[4] = column_bool(column, row) ? 1 : 0;
    out->len += 5;
    return NULL;
}

const char *pgc_encode_int2(const struct encode_column *to, const struct column *column, size_t row,
                            struct str *out)
{
    int64_t value = column_i64(column, row);
    (void)to;
    if (value < INT16_MIN || value > INT16_MAX)
        return OUT_OF_RANGE;
    char *at = str_reserve(out, 6);
    if (at == NULL)
        return NULL;
    set_u32(at, 2);
    set_u16(at + 4, (uint16_t)value);
    out->len += 6;
    return NULL;
}

const char *pgc_encode_int4(const struct encode_column *to, const struct column *column, size_t row,
                            struct str *out)
{
    int64_t value = column_i64(column, row);
    (void)to;
    if (value < INT32_MIN || value > INT32_MAX)
        return OUT_OF_RANGE;
    add_u32(out, (uint32_t)value);
    return NULL;
}

const char *pgc_encode_int8(const struct encode_column *to, const struct column *column, size_t row,
                            struct str *out)
{
    (void)to;
    add_u64(out, (uint64_t)column_i64(column, row));
    return NULL;
}

const char *pgc_encode_oid(const struct encode_column *to, const struct column *column, size_t row,
                           struct str *out)
{
    int64_t value = column_i64(column, row);
    (void)to;
    if (value < 0 || value > UINT32_MAX)
        return OUT_OF_RANGE;
    add_u32(out, (uint32_t)value);
    return NULL;
}

const char *pgc_encode_float4(const struct encode_column *to, const struct column *column,
                              size_t row, struct str *out)
{
    double value = column_f64(column, row);
    float narrow = (float)value;
    uint32_t bits;
    (void)to;
    if (!isnan(value) && (double)narrow != value)
        return OUT_OF_RANGE;
    memcpy(&bits, &narrow, sizeof bits);
    add_u32(out, bits);
    return NULL;
}

const char *pgc_encode_float8(const struct encode_column *to, const struct column *column,
                              size_t row, struct str *out)
{
    double value = column_f64(column, row);
    uint64_t bits;
    (void)to;
    memcpy(&bits, &value, sizeof bits);
    add_u64(out, bits);
    return NULL;
}

const char *pgc_encode_bytes(const struct encode_column *to, const struct column *column,
                             size_t row, struct str *out)
{
    struct slice bytes = column_bytes(column, row);
    char *at = str_reserve(out, 4 + bytes.len);
    (void)to;
    if (at == NULL)
        return NULL;
    set_u32(at, (uint32_t)bytes.len);
    if (bytes.len > 0)
        memcpy(at + 4, bytes.data, bytes.len);
    out->len += 4 + bytes.len;
    return NULL;
}

const char *pgc_encode_jsonb(const struct encode_column *to, const struct column *column,
                             size_t row, struct str *out)
{
    struct slice bytes = column_bytes(column, row);
    char *at = str_reserve(out, 5 + bytes.len);
    (void)to;
    if (at == NULL)
        return NULL;
    set_u32(at, (uint32_t)bytes.len + 1);
    at[4] = 1; /* the version of its text form */
    if (bytes.len > 0)
        memcpy(at + 5, bytes.data, bytes.len);
    out->len += 5 + bytes.len;
    return NULL;
}

const char *pgc_encode_uuid(const struct encode_column *to, const struct column *column, size_t row,
                            struct str *out)
{
    char *at = str_reserve(out, 20);
    (void)to;
    if (at == NULL)
        return NULL;
    set_u32(at, 16);
    memcpy(at + 4, column_uuid(column, row), 16);
    out->len += 20;
    return NULL;
}

const char *pgc_encode_date(const struct encode_column *to, const struct column *column, size_t row,
                            struct str *out)
{
    int32_t days = column_i32(column, row), since_2000 = 0;
    (void)to;
    if (days == VALUE_DATE_INFINITY)
        since_2000 = INT32_MAX;
    else if (days == -VALUE_DATE_INFINITY)
        since_2000 = INT32_MIN;
    else if (__builtin_sub_overflow(days, EPOCH_DAYS, &since_2000))
        return DATE_OUT_OF_RANGE;
    add_u32(out, (uint32_t)since_2000);
    return NULL;
}

/* True when a column of `typmod` digits would round these microseconds. */
static bool is_rounded(int64_t us, int typmod)
{
    static const int64_t units[] = {1000000, 100000, 10000, 1000, 100, 10};
    return typmod >= 0 && typmod < 6 && us % units[typmod] != 0;
}

const char *pgc_encode_time(const struct encode_column *to, const struct column *column, size_t row,
                            struct str *out)
{
    int64_t us = column_i64(column, row);
    if (us < 0 || us > DAY_US || is_rounded(us, to->typmod))
        return DATE_OUT_OF_RANGE;
    add_u64(out, (uint64_t)us);
    return NULL;
}

const char *pgc_encode_timestamp(const struct encode_column *to, const struct column *column,
                                 size_t row, struct str *out)
{
    int64_t us = column_i64(column, row), since_2000 = 0;
    if (us == VALUE_TIMESTAMP_INFINITY)
        since_2000 = INT64_MAX;
    else if (us == -VALUE_TIMESTAMP_INFINITY)
        since_2000 = INT64_MIN;
    else if (is_rounded(us, to->typmod) || __builtin_sub_overflow(us, EPOCH_US, &since_2000))
        return DATE_OUT_OF_RANGE;
    add_u64(out, (uint64_t)since_2000);
    return NULL;
}

/* The text form, for types that the server casts from text. */
const char *pgc_encode_text_form(const struct encode_column *to, const struct column *column,
                                 size_t row, struct str *out)
{
    size_t start = out->len;
    (void)to;
    char *at = str_reserve(out, 4);
    if (at == NULL)
        return NULL;
    out->len += 4;
    (void)column_format(column, row, out);
    if (!out->failed)
        set_u32(out->data + start, (uint32_t)(out->len - start - 4));
    return NULL;
}
