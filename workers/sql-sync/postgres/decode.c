/*
 * decode: fields of the server's binary COPY format into batch columns. The hot path of a source.
 *
 * Source: the server's *_send functions: integers and IEEE doubles in network order; dates and
 * timestamps count from 2000-01-01; numeric is a sign, a weight and digits of base 10000.
 */
#include "pg_private.h"

#define EPOCH_DAYS 10957
#define EPOCH_US INT64_C(946684800000000)

static uint16_t get_u16(const char *bytes)
{
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return __builtin_bswap16(value);
}

static uint32_t get_u32(const char *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return __builtin_bswap32(value);
}

static uint64_t get_u64(const char *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return __builtin_bswap64(value);
}

bool pgc_decode_bool(struct batch *batch, struct column *column, const char *bytes, size_t len)
{
    (void)batch;
    if (len != 1)
        return false;
    column_add_bool(column, bytes[0] != 0);
    return true;
}

bool pgc_decode_int2(struct batch *batch, struct column *column, const char *bytes, size_t len)
{
    (void)batch;
    if (len != 2)
        return false;
    column_add_i64(column, (int16_t)get_u16(bytes));
    return true;
}

bool pgc_decode_int4(struct batch *batch, struct column *column, const char *bytes, size_t len)
{
    (void)batch;
    if (len != 4)
        return false;
    column_add_i64(column, (int32_t)get_u32(bytes));
    return true;
}

bool pgc_decode_int8(struct batch *batch, struct column *column, const char *bytes, size_t len)
{
    (void)batch;
    if (len != 8)
        return false;
    column_add_i64(column, (int64_t)get_u64(bytes));
    return true;
}

bool pgc_decode_oid(struct batch *batch, struct column *column, const char *bytes, size_t len)
{
    (void)batch;
    if (len != 4)
        return false;
    column_add_i64(column, get_u32(bytes));
    return true;
}

bool pgc_decode_float4(struct batch *batch, struct column *column, const char *bytes, size_t len)
{
    (void)batch;
    if (len != 4)
        return false;
    uint32_t bits = get_u32(bytes);
    float value;
    memcpy(&value, &bits, sizeof value);
    column_add_f64(column, (double)value);
    return true;
}

bool pgc_decode_float8(struct batch *batch, struct column *column, const char *bytes, size_t len)
{
    (void)batch;
    if (len != 8)
        return false;
    uint64_t bits = get_u64(bytes);
    double value;
    memcpy(&value, &bits, sizeof value);
    column_add_f64(column, value);
    return true;
}

bool pgc_decode_bytes(struct batch *batch, struct column *column, const char *bytes, size_t len)
{
    column_add_bytes(batch, column, bytes, len);
    return true;
}

bool pgc_decode_text(struct batch *batch, struct column *column, const char *bytes, size_t len)
{
    column_add_bytes(batch, column, bytes, len);
    return true;
}

bool pgc_decode_text_checked(struct batch *batch, struct column *column, const char *bytes,
                             size_t len)
{
    if (utf8_is_valid(bytes, len))
        column_add_bytes(batch, column, bytes, len);
    else
        batch_add_fault(batch, column, FAULT_INVALID_UTF8, (struct slice){bytes, len});
    return true;
}

bool pgc_decode_bpchar(struct batch *batch, struct column *column, const char *bytes, size_t len)
{
    while (len > 0 && bytes[len - 1] == ' ')
        len--;
    column_add_bytes(batch, column, bytes, len);
    return true;
}

bool pgc_decode_jsonb(struct batch *batch, struct column *column, const char *bytes, size_t len)
{
    if (len < 1 || bytes[0] != 1) /* the version of its text form */
        return false;
    column_add_bytes(batch, column, bytes + 1, len - 1);
    return true;
}

bool pgc_decode_uuid(struct batch *batch, struct column *column, const char *bytes, size_t len)
{
    uint8_t uuid[16];
    (void)batch;
    if (len != sizeof uuid)
        return false;
    memcpy(uuid, bytes, sizeof uuid);
    column_add_uuid(column, uuid);
    return true;
}

bool pgc_decode_date(struct batch *batch, struct column *column, const char *bytes, size_t len)
{
    (void)batch;
    if (len != 4)
        return false;
    int32_t days = (int32_t)get_u32(bytes);
    if (days == INT32_MAX)
        column_add_i32(column, VALUE_DATE_INFINITY);
    else if (days == INT32_MIN)
        column_add_i32(column, -VALUE_DATE_INFINITY);
    else
        column_add_i32(column, days + EPOCH_DAYS);
    return true;
}

bool pgc_decode_time(struct batch *batch, struct column *column, const char *bytes, size_t len)
{
    return pgc_decode_int8(batch, column, bytes, len);
}

bool pgc_decode_timestamp(struct batch *batch, struct column *column, const char *bytes, size_t len)
{
    if (len != 8)
        return false;
    int64_t since_2000 = (int64_t)get_u64(bytes), us;
    if (since_2000 == INT64_MAX)
        column_add_i64(column, VALUE_TIMESTAMP_INFINITY);
    else if (since_2000 == INT64_MIN)
        column_add_i64(column, -VALUE_TIMESTAMP_INFINITY);
    else if (!__builtin_add_overflow(since_2000, EPOCH_US, &us) && us < VALUE_TIMESTAMP_INFINITY)
        column_add_i64(column, us);
    else
        batch_add_fault(batch, column, FAULT_OUT_OF_RANGE, slice_of("after 294247-01-10"));
    return true;
}

/* ---- numeric ---- */

#define SIGN_NEGATIVE 0x4000
#define SIGN_NAN 0xc000
#define SIGN_INFINITY 0xd000
#define SIGN_NEGATIVE_INFINITY 0xf000
#define GROUP_DIGITS 4
#define GROUP_MAX 9999

static char *put_group(char *to, unsigned group)
{
    unsigned high = group / 100, low = group % 100;
    to[0] = (char)('0' + high / 10);
    to[1] = (char)('0' + high % 10);
    to[2] = (char)('0' + low / 10);
    to[3] = (char)('0' + low % 10);
    return to + GROUP_DIGITS;
}

/* The first group, without zeros in front. */
static char *put_first_group(char *to, unsigned group)
{
    char digits[GROUP_DIGITS];
    unsigned skip = group >= 1000 ? 0 : group >= 100 ? 1 : group >= 10 ? 2 : 3;
    (void)put_group(digits, group);
    for (unsigned i = skip; i < GROUP_DIGITS; i++)
        *to++ = digits[i];
    return to;
}

struct numeric {
    const char *groups; /* big-endian, base 10000 */
    int count, weight;  /* the first group counts 10000 ^ weight */
};

static unsigned group_at(const struct numeric *number, int position)
{
    int i = number->weight - position;
    return i >= 0 && i < number->count ? get_u16(number->groups + 2 * (size_t)i) : 0;
}

static bool groups_are_valid(const struct numeric *number)
{
    for (int i = 0; i < number->count; i++) {
        if (get_u16(number->groups + 2 * (size_t)i) > GROUP_MAX)
            return false;
    }
    return true;
}

/* The server's numbers have no zero groups at either end; others' might. */
static void trim_zero_groups(struct numeric *number)
{
    while (number->count > 0 && get_u16(number->groups) == 0) {
        number->groups += 2;
        number->count--;
        number->weight--;
    }
    while (number->count > 0 && get_u16(number->groups + 2 * (size_t)(number->count - 1)) == 0)
        number->count--;
}

static char *put_integer(char *to, const struct numeric *number)
{
    if (number->weight < 0) {
        *to++ = '0';
        return to;
    }
    to = put_first_group(to, group_at(number, number->weight));
    for (int position = number->weight - 1; position >= 0; position--)
        to = put_group(to, group_at(number, position));
    return to;
}

static char *put_fraction(char *to, const struct numeric *number)
{
    int last = number->weight - number->count + 1;
    if (last >= 0)
        return to;
    *to++ = '.';
    for (int position = -1; position >= last; position--)
        to = put_group(to, group_at(number, position));
    while (to[-1] == '0')
        to--;
    return to;
}

static bool decode_special(struct batch *batch, struct column *column, unsigned sign)
{
    struct slice text = slice_of(sign == SIGN_NAN        ? "NaN"
                                 : sign == SIGN_INFINITY ? "Infinity"
                                                         : "-Infinity");
    if (sign != SIGN_NAN && sign != SIGN_INFINITY && sign != SIGN_NEGATIVE_INFINITY)
        return false;
    column_add_bytes(batch, column, text.data, text.len);
    return true;
}

bool pgc_decode_numeric(struct batch *batch, struct column *column, const char *bytes, size_t len)
{
    if (len < 8 || len != 8 + 2 * (size_t)get_u16(bytes))
        return false;
    struct numeric number = {bytes + 8, get_u16(bytes), (int16_t)get_u16(bytes + 2)};
    unsigned sign = get_u16(bytes + 4);
    if (sign != 0 && sign != SIGN_NEGATIVE)
        return decode_special(batch, column, sign);
    if (!groups_are_valid(&number))
        return false;
    trim_zero_groups(&number);
    if (number.count == 0) {
        column_add_bytes(batch, column, "0", 1);
        return true;
    }
    int before = number.weight < 0 ? 1 : number.weight + 1;
    int behind = number.count - 1 - number.weight;
    size_t most = 2 + GROUP_DIGITS * ((size_t)before + (size_t)(behind < 0 ? 0 : behind));
    char *to = column_reserve(batch, column, most), *at = to;
    if (to == NULL)
        return true; /* the batch has failed, not the field */
    if (sign == SIGN_NEGATIVE)
        *at++ = '-';
    at = put_fraction(put_integer(at, &number), &number);
    column_end_bytes(column, (size_t)(at - to));
    return true;
}
