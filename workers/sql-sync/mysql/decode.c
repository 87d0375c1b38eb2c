/*
 * decode: the text protocol's values into a batch's columns. The hot path of reading: no value is
 * copied twice, nothing is allocated a row.
 */
#include "mysql/mysql_private.h"

#include "base/num.h"

#include <string.h>

#define DAY_US (INT64_C(86400) * 1000000)

static void add_fault(struct batch *batch, struct column *column, enum value_fault fault,
                      const char *text, size_t len)
{
    batch_add_fault(batch, column, fault, (struct slice){text, len});
}

/* Plain digits of at most 18: no overflow to look for. */
static inline bool read_short_int(const char *text, size_t len, int64_t *ret_value)
{
    size_t at = len > 0 && text[0] == '-' ? 1 : 0;
    int64_t value = 0;
    if (len == at || len - at > 18)
        return false;
    for (size_t i = at; i < len; i++) {
        unsigned digit = (unsigned char)text[i] - (unsigned)'0';
        if (digit > 9)
            return false;
        value = value * 10 + (int64_t)digit;
    }
    *ret_value = at == 1 ? -value : value;
    return true;
}

static void decode_int(struct batch *batch, struct column *column, const char *text, size_t len)
{
    int64_t value;
    if (read_short_int(text, len, &value) || num_parse_i64(text, len, &value))
        column_add_i64(column, value);
    else
        add_fault(batch, column, FAULT_OUT_OF_RANGE, text, len);
}

/* tinyint(1), where the connection says that it is a bool. */
static void decode_bool(struct batch *batch, struct column *column, const char *text, size_t len)
{
    if (len == 1 && (text[0] == '0' || text[0] == '1'))
        column_add_bool(column, text[0] == '1');
    else
        add_fault(batch, column, FAULT_INVALID_CAST, text, len);
}

static void decode_bit(struct batch *batch, struct column *column, const char *text, size_t len)
{
    (void)batch;
    (void)len; /* one byte */
    column_add_bool(column, text[0] != '\0');
}

static void decode_double(struct batch *batch, struct column *column, const char *text, size_t len)
{
    double value;
    if (num_parse_f64(text, len, &value))
        column_add_f64(column, value);
    else
        add_fault(batch, column, FAULT_OUT_OF_RANGE, text, len);
}

/* The server writes plain digits: what is left to do is to drop zeros at both ends. */
static void decode_decimal(struct batch *batch, struct column *column, const char *text, size_t len)
{
    const char *at = text, *end = text + len;
    bool negative = len > 0 && *at == '-';
    at += negative;
    while (at < end && *at == '0')
        at++;
    if (memchr(at, '.', (size_t)(end - at)) != NULL) {
        while (end[-1] == '0')
            end--;
        end -= end[-1] == '.';
    }
    char *to = column_reserve(batch, column, len + 2);
    if (to == NULL)
        return;
    char *begin = to;
    if (negative && at < end)
        *to++ = '-';
    if (at == end || *at == '.')
        *to++ = '0';
    memcpy(to, at, (size_t)(end - at));
    column_end_bytes(column, (size_t)(to - begin) + (size_t)(end - at));
}

static void decode_text(struct batch *batch, struct column *column, const char *text, size_t len)
{
    if (utf8_is_valid(text, len))
        column_add_bytes(batch, column, text, len);
    else
        add_fault(batch, column, FAULT_INVALID_UTF8, text, len);
}

static void decode_bytes(struct batch *batch, struct column *column, const char *text, size_t len)
{
    column_add_bytes(batch, column, text, len);
}

static void decode_uuid(struct batch *batch, struct column *column, const char *text, size_t len)
{
    uint8_t bytes[16];
    if (uuid_parse(text, len, bytes))
        column_add_uuid(column, bytes);
    else
        add_fault(batch, column, FAULT_INVALID_CAST, text, len);
}

static inline bool is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

static inline unsigned two_digits(const char *at)
{
    return (unsigned)(at[0] - '0') * 10 + (unsigned)(at[1] - '0');
}

static inline bool are_digits(const char *at, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_digit(at[i]))
            return false;
    }
    return true;
}

/* "2026-11-21". A date with zero parts, or a day that its month has not, is none: the server keeps
 * both where its sql_mode lets it. */
enum date_kind { DATE_GOOD, DATE_ZERO, DATE_BAD };

static enum date_kind read_date(const char *text, int64_t *ret_days)
{
    static const uint8_t days_in[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!are_digits(text, 4) || text[4] != '-' || !are_digits(text + 5, 2) || text[7] != '-' ||
        !are_digits(text + 8, 2))
        return DATE_BAD;
    unsigned year = two_digits(text) * 100 + two_digits(text + 2);
    unsigned month = two_digits(text + 5), day = two_digits(text + 8);
    if (month == 0 || day == 0)
        return DATE_ZERO;
    if (month > 12 || day > days_in[month - 1])
        return DATE_BAD;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (month == 2 && day == 29 && !leap)
        return DATE_BAD;
    *ret_days = date_from_civil(year, month, day);
    return DATE_GOOD;
}

/* "07:18:26", then up to six digits behind a point. */
static bool read_clock(const char *text, size_t len, size_t hour_digits, int64_t *ret_us)
{
    if (len < hour_digits + 6 || !are_digits(text, hour_digits))
        return false;
    int64_t hours = 0;
    for (size_t i = 0; i < hour_digits; i++)
        hours = hours * 10 + (text[i] - '0');
    const char *at = text + hour_digits;
    if (at[0] != ':' || !are_digits(at + 1, 2) || at[3] != ':' || !are_digits(at + 4, 2))
        return false;
    int64_t us = ((hours * 60 + two_digits(at + 1)) * 60 + two_digits(at + 4)) * 1000000;
    size_t fraction = len - hour_digits - 6;
    if (fraction > 0) {
        int64_t unit = 100000;
        if (at[6] != '.' || fraction > 7 || !are_digits(at + 7, fraction - 1))
            return false;
        for (size_t i = 1; i < fraction; i++, unit /= 10)
            us += (at[6 + i] - '0') * unit;
    }
    *ret_us = us;
    return true;
}

static void add_date_fault(struct batch *batch, struct column *column, enum date_kind kind,
                           const char *text, size_t len)
{
    add_fault(batch, column, kind == DATE_ZERO ? FAULT_ZERO_DATE : FAULT_INVALID_CAST, text, len);
}

static void decode_date(struct batch *batch, struct column *column, const char *text, size_t len)
{
    int64_t days;
    enum date_kind kind = len == 10 ? read_date(text, &days) : DATE_BAD;
    if (kind == DATE_GOOD)
        column_add_i32(column, (int32_t)days);
    else
        add_date_fault(batch, column, kind, text, len);
}

static void decode_timestamp(struct batch *batch, struct column *column, const char *text,
                             size_t len)
{
    int64_t days, us;
    enum date_kind kind = len >= 19 && text[10] == ' ' ? read_date(text, &days) : DATE_BAD;
    if (kind == DATE_GOOD && !read_clock(text + 11, len - 11, 2, &us))
        kind = DATE_BAD;
    if (kind == DATE_GOOD)
        column_add_i64(column, days * DAY_US + us);
    else
        add_date_fault(batch, column, kind, text, len);
}

/* "-838:59:59.000001" */
static void decode_time(struct batch *batch, struct column *column, const char *text, size_t len)
{
    size_t negative = len > 0 && text[0] == '-' ? 1 : 0;
    const char *colon = memchr(text, ':', len);
    size_t hour_digits = colon == NULL ? 0 : (size_t)(colon - text) - negative;
    int64_t us;
    if (hour_digits >= 2 && hour_digits <= 3 &&
        read_clock(text + negative, len - negative, hour_digits, &us))
        column_add_i64(column, negative ? -us : us);
    else
        add_fault(batch, column, FAULT_INVALID_CAST, text, len);
}

static mys_decode *const decoders[VALUE_TYPE_COUNT] = {
    [VALUE_BOOL] = decode_bool,           [VALUE_INT64] = decode_int,
    [VALUE_FLOAT64] = decode_double,      [VALUE_DECIMAL] = decode_decimal,
    [VALUE_TEXT] = decode_text,           [VALUE_BYTES] = decode_bytes,
    [VALUE_DATE] = decode_date,           [VALUE_TIME] = decode_time,
    [VALUE_TIMESTAMP] = decode_timestamp, [VALUE_TIMESTAMPTZ] = decode_timestamp,
    [VALUE_JSON] = decode_text,           [VALUE_UUID] = decode_uuid,
};

/* Beside a type's own mapping: what a target's column may hold more narrowly, or an older server
 * does not tell (MariaDB before 10.5: that a text is JSON). */
static const struct {
    enum value_type native, wanted;
} also[] = {
    {VALUE_INT64, VALUE_BOOL}, {VALUE_BOOL, VALUE_INT64},    {VALUE_INT64, VALUE_DECIMAL},
    {VALUE_TEXT, VALUE_JSON},  {VALUE_JSON, VALUE_TEXT},     {VALUE_TEXT, VALUE_UUID},
    {VALUE_UUID, VALUE_TEXT},  {VALUE_DECIMAL, VALUE_INT64},
};

mys_decode *mys_decoder(const struct mys_native *native, const struct value_spec *spec)
{
    struct value_spec own;
    const char *loss;
    mys_type_read(native, false, &own, &loss);
    bool fits = own.type == spec->type;
    for (size_t i = 0; !fits && i < sizeof also / sizeof also[0]; i++)
        fits = also[i].native == own.type && also[i].wanted == spec->type;
    if (!fits)
        return NULL;
    if (native->form == MYS_BIT)
        return spec->type == VALUE_BOOL    ? decode_bit
               : spec->type == VALUE_BYTES ? decode_bytes
                                           : NULL;
    return decoders[spec->type];
}
