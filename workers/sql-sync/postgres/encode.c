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
#define INVALID_TEXT "22P02"

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

/* ---- numeric ---- */

#define SIGN_NEGATIVE 0x4000
#define HEADER_BYTES 8 /* count, weight, sign, scale */
#define GROUP_DIGITS 4
#define GROUPS_MAX 32767

static const struct {
    const char *text;
    uint16_t sign;
} specials[] = {{"NaN", 0xc000}, {"Infinity", 0xd000}, {"-Infinity", 0xf000}};

static void set_header(char *to, size_t groups, int weight, uint16_t sign, size_t scale)
{
    set_u32(to, (uint32_t)(HEADER_BYTES + 2 * groups));
    set_u16(to + 4, (uint16_t)groups);
    set_u16(to + 6, (uint16_t)weight);
    set_u16(to + 8, sign);
    set_u16(to + 10, (uint16_t)scale);
}

static const char *encode_special(struct slice text, struct str *out)
{
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++) {
        if (!slice_is(text, specials[i].text))
            continue;
        char *at = str_reserve(out, 4 + HEADER_BYTES);
        if (at == NULL)
            return NULL;
        set_header(at, 0, 0, specials[i].sign, 0);
        out->len += 4 + HEADER_BYTES;
        return NULL;
    }
    return INVALID_TEXT;
}

/* Up to four digits as one group; -1 when one is none. */
static int read_group(const char *digits, size_t len)
{
    unsigned group = 0, bad = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned char)digits[i] - (unsigned)'0';
        bad |= digit > 9;
        group = group * 10 + digit;
    }
    return bad ? -1 : (int)group;
}

/* A decimal's digits on both sides of the point. */
struct decimal {
    struct slice integer, fraction;
    bool negative;
};

static struct decimal split_decimal(struct slice text)
{
    struct decimal decimal = {.negative = text.len > 0 && text.data[0] == '-'};
    const char *at = text.data + decimal.negative, *end = text.data + text.len;
    const char *point = at;
    while (point < end && *point != '.')
        point++;
    decimal.integer = (struct slice){at, (size_t)(point - at)};
    decimal.fraction = (struct slice){end, 0};
    if (point < end)
        decimal.fraction = (struct slice){point + 1, (size_t)(end - point - 1)};
    if (decimal.integer.len == 1 && *at == '0')
        decimal.integer.len = 0;
    return decimal;
}

/* The groups of the integer part, the first one short; false on what is no digit. */
static bool put_integer(struct slice digits, char **to)
{
    size_t at = 0, first = digits.len % GROUP_DIGITS;
    for (size_t len = first == 0 ? GROUP_DIGITS : first; at < digits.len; len = GROUP_DIGITS) {
        int group = read_group(digits.data + at, len);
        if (group < 0)
            return false;
        set_u16(*to, (uint16_t)group);
        *to += 2;
        at += len;
    }
    return true;
}

/* The groups of the fraction, the last one filled up with zeros. */
static bool put_fraction(struct slice digits, char **to)
{
    static const int fill[] = {1, 1000, 100, 10};
    for (size_t at = 0; at < digits.len; at += GROUP_DIGITS) {
        size_t len = digits.len - at < GROUP_DIGITS ? digits.len - at : GROUP_DIGITS;
        int group = read_group(digits.data + at, len);
        if (group < 0)
            return false;
        set_u16(*to, (uint16_t)(group * fill[len % GROUP_DIGITS]));
        *to += 2;
    }
    return true;
}

static bool is_zero_group(const char *group)
{
    return group[0] == 0 && group[1] == 0;
}

/* The column's scale; -1 when it keeps any number of digits. */
static int scale_of(int typmod)
{
    return typmod < 4 ? -1 : (((typmod - 4) & 0x7ff) ^ 1024) - 1024;
}

const char *pgc_encode_numeric(const struct encode_column *to, const struct column *column,
                               size_t row, struct str *out)
{
    struct slice text = column_bytes(column, row);
    struct decimal decimal = split_decimal(text);
    int scale = scale_of(to->typmod);
    if (scale >= 0 && decimal.fraction.len > (size_t)scale && text.data[text.len - 1] <= '9')
        return OUT_OF_RANGE;
    size_t before = (decimal.integer.len + GROUP_DIGITS - 1) / GROUP_DIGITS;
    size_t behind = (decimal.fraction.len + GROUP_DIGITS - 1) / GROUP_DIGITS;
    if (before + behind > GROUPS_MAX)
        return OUT_OF_RANGE;
    char *start = str_reserve(out, 4 + HEADER_BYTES + 2 * (before + behind));
    if (start == NULL)
        return NULL;
    char *first = start + 4 + HEADER_BYTES, *end = first;
    if (!put_integer(decimal.integer, &end) || !put_fraction(decimal.fraction, &end))
        return encode_special(text, out);
    int weight = (int)before - 1;
    char *begin = first;
    for (; begin < end && is_zero_group(begin); begin += 2)
        weight--;
    while (end > begin && is_zero_group(end - 2))
        end -= 2;
    size_t groups = (size_t)(end - begin) / 2;
    if (begin != first)
        memmove(first, begin, 2 * groups);
    set_header(start, groups, groups == 0 ? 0 : weight, decimal.negative ? SIGN_NEGATIVE : 0,
               decimal.fraction.len);
    out->len += 4 + HEADER_BYTES + 2 * groups;
    return NULL;
}
