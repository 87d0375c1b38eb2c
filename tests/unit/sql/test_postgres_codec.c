/* The binary COPY fields of PostgreSQL: known bytes, and thousands of values there and back. */
#include "check.h"
#include "postgres/pg_private.h"

#include <math.h>
#include <stdio.h>

#define ROUNDS 20000

/* ---- tools ---- */

static struct batch *batch_of(enum value_type type)
{
    struct column_spec column = {.name = "c", .spec = {.type = type}, .nullable = true};
    return batch_new(&column, 1, 64, 1 << 20);
}

/* A field's bytes of the batch's only value; the SQLSTATE when it is refused. */
static const char *encode(pgc_encode *encoder, int typmod, const struct batch *batch,
                          struct str *out)
{
    struct encode_column to = {.encode = encoder, .typmod = typmod, .name = "c"};
    str_clear(out);
    return encoder(&to, &batch->columns[0], 0, out);
}

static const char *encode_text(enum value_type type, pgc_encode *encoder, int typmod,
                               const char *text, struct str *out)
{
    struct batch *batch = batch_of(type);
    CHECK(column_add_text(batch, &batch->columns[0], slice_of(text)));
    CHECK(batch_end_row(batch));
    const char *fault = encode(encoder, typmod, batch, out);
    batch_free(batch);
    return fault;
}

/* The value of a field without its length, as text; "bad" when it is not of the form. */
static const char *decode_text(enum value_type type, pgc_decode *decoder, const char *bytes,
                               size_t len)
{
    static struct str text = {.max = 1 << 22};
    struct batch *batch = batch_of(type);
    str_clear(&text);
    if (!decoder(batch, &batch->columns[0], bytes, len)) {
        str_add_text(&text, "bad");
    } else {
        CHECK(batch_end_row(batch));
        if (batch->fault_count > 0)
            str_addf(&text, "fault %d", (int)batch->faults[0].fault);
        else
            CHECK(column_format(&batch->columns[0], 0, &text));
    }
    batch_free(batch);
    return str_text(&text);
}

static uint64_t seed;
static uint64_t next_random(void)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    uint64_t x = seed ^ (seed >> 33);
    return x * UINT64_C(0xff51afd7ed558ccd) >> 11;
}

/* ---- numeric ---- */

struct numeric_case {
    const char *text;
    size_t len;
    const char *bytes;
};

#define BYTES(text) sizeof(text) - 1, text

/* As `SELECT encode(numeric_send(x), 'hex')` shows them. */
static const struct numeric_case numerics[] = {
    {"0", BYTES("\0\0\0\0\0\0\0\0")},
    {"1", BYTES("\0\1\0\0\0\0\0\0\0\1")},
    {"-1", BYTES("\0\1\0\0\x40\0\0\0\0\1")},
    {"1.5", BYTES("\0\2\0\0\0\0\0\1\0\1\x13\x88")},
    {"10000", BYTES("\0\1\0\1\0\0\0\0\0\1")},
    {"100000000", BYTES("\0\1\0\2\0\0\0\0\0\1")},
    {"0.0001", BYTES("\0\1\xff\xff\0\0\0\4\0\1")},
    {"0.00001", BYTES("\0\1\xff\xfe\0\0\0\5\x03\xe8")},
    {"0.00000000001", BYTES("\0\1\xff\xfd\0\0\0\x0b\0\x0a")},
    {"12345.678", BYTES("\0\3\0\1\0\0\0\3\0\1\x09\x29\x1a\x7c")},
    {"-1234567890.0987", BYTES("\0\4\0\2\x40\0\0\4\0\x0c\x0d\x80\x1e\xd2\x03\xdb")},
    {"NaN", BYTES("\0\0\0\0\xc0\0\0\0")},
    {"Infinity", BYTES("\0\0\0\0\xd0\0\0\0")},
    {"-Infinity", BYTES("\0\0\0\0\xf0\0\0\0")},
};

static void test_numeric_bytes(void)
{
    STR_AUTO struct str out = str_with_max(1 << 16);
    for (size_t i = 0; i < sizeof numerics / sizeof *numerics; i++) {
        const struct numeric_case *c = &numerics[i];
        CHECK(encode_text(VALUE_DECIMAL, pgc_encode_numeric, -1, c->text, &out) == NULL);
        CHECK_INT(out.data[3], c->len);
        CHECK_BYTES(out.data + 4, out.len - 4, c->bytes, c->len);
        CHECK_TEXT(decode_text(VALUE_DECIMAL, pgc_decode_numeric, c->bytes, c->len), c->text);
    }
}

/* Forms that the server does not send but other programs might. */
static void test_numeric_forms(void)
{
    static const struct numeric_case forms[] = {
        {"0", BYTES("\0\2\0\0\x40\0\0\0\0\0\0\0")},      /* zero groups only, and a sign */
        {"7", BYTES("\0\3\0\1\0\0\0\0\0\0\0\7\0\0")},    /* zero groups around */
        {"50000000", BYTES("\0\1\0\1\0\0\0\0\x13\x88")}, /* a weight beyond the groups */
        {"bad", BYTES("\0\1\0\0\0\0\0\0\x27\x10")},      /* a group of 10000 */
        {"bad", BYTES("\0\2\0\0\0\0\0\0\0\1")},          /* a group short */
        {"bad", BYTES("\0\0\0\0\x20\0\0\0")},            /* a sign that is none */
        {"bad", BYTES("\0\0\0")},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        CHECK_TEXT(decode_text(VALUE_DECIMAL, pgc_decode_numeric, forms[i].bytes, forms[i].len),
                   forms[i].text);
}

static void random_decimal(char *to, size_t size)
{
    unsigned integer = (unsigned)(next_random() % 24), fraction = (unsigned)(next_random() % 24);
    size_t len = 0;
    char digits[64];
    if (next_random() % 2 == 0)
        digits[len++] = '-';
    for (unsigned i = 0; i <= integer; i++) /* zeros often: they make the groups that matter */
        digits[len++] = (char)('0' + (next_random() % 3 == 0 ? next_random() % 10 : 0));
    digits[len++] = '.';
    for (unsigned i = 0; i <= fraction; i++)
        digits[len++] = (char)('0' + (next_random() % 3 == 0 ? next_random() % 10 : 0));
    char canonical[VALUE_DECIMAL_MAX];
    size_t canonical_len = 0;
    CHECK(decimal_canonical(digits, len, canonical, &canonical_len) && canonical_len < size);
    memcpy(to, canonical, canonical_len);
    to[canonical_len] = '\0';
}

static void test_numeric_there_and_back(void)
{
    STR_AUTO struct str out = str_with_max(1 << 16);
    char text[64];
    seed = 42;
    for (int round = 0; round < ROUNDS; round++) {
        random_decimal(text, sizeof text);
        CHECK(encode_text(VALUE_DECIMAL, pgc_encode_numeric, -1, text, &out) == NULL);
        if (!CHECK_TEXT(decode_text(VALUE_DECIMAL, pgc_decode_numeric, out.data + 4, out.len - 4),
                        text))
            return;
    }
}

static int typmod_of(int precision, int scale)
{
    return (precision << 16 | (scale & 0x7ff)) + 4;
}

static void test_numeric_is_never_rounded(void)
{
    STR_AUTO struct str out = str_with_max(1 << 16);
    int two = typmod_of(12, 2);
    CHECK(encode_text(VALUE_DECIMAL, pgc_encode_numeric, two, "1.25", &out) == NULL);
    CHECK_TEXT(encode_text(VALUE_DECIMAL, pgc_encode_numeric, two, "1.255", &out), "22003");
    CHECK(encode_text(VALUE_DECIMAL, pgc_encode_numeric, two, "NaN", &out) == NULL);
    CHECK_TEXT(encode_text(VALUE_DECIMAL, pgc_encode_numeric, typmod_of(5, 0), "0.5", &out),
               "22003");
    CHECK(encode_text(VALUE_DECIMAL, pgc_encode_numeric, -1, "1.255", &out) == NULL);
}

/* ---- fixed values ---- */

struct fixed_case {
    enum value_type type;
    pgc_encode *encode;
    pgc_decode *decode;
    const char *text;
    size_t len;
    const char *bytes;
};

static const struct fixed_case fixed[] = {
    {VALUE_BOOL, pgc_encode_bool, pgc_decode_bool, "true", BYTES("\1")},
    {VALUE_BOOL, pgc_encode_bool, pgc_decode_bool, "false", BYTES("\0")},
    {VALUE_INT64, pgc_encode_int2, pgc_decode_int2, "-2", BYTES("\xff\xfe")},
    {VALUE_INT64, pgc_encode_int4, pgc_decode_int4, "-2147483648", BYTES("\x80\0\0\0")},
    {VALUE_INT64, pgc_encode_int8, pgc_decode_int8, "72623859790382856",
     BYTES("\1\2\3\4\5\6\7\x08")},
    {VALUE_INT64, pgc_encode_oid, pgc_decode_oid, "4294967295", BYTES("\xff\xff\xff\xff")},
    {VALUE_FLOAT64, pgc_encode_float8, pgc_decode_float8, "-1.5", BYTES("\xbf\xf8\0\0\0\0\0\0")},
    {VALUE_FLOAT64, pgc_encode_float4, pgc_decode_float4, "0.5", BYTES("\x3f\0\0\0")},
    {VALUE_DATE, pgc_encode_date, pgc_decode_date, "2000-01-01", BYTES("\0\0\0\0")},
    {VALUE_DATE, pgc_encode_date, pgc_decode_date, "1999-12-31", BYTES("\xff\xff\xff\xff")},
    {VALUE_DATE, pgc_encode_date, pgc_decode_date, "infinity", BYTES("\x7f\xff\xff\xff")},
    {VALUE_DATE, pgc_encode_date, pgc_decode_date, "-infinity", BYTES("\x80\0\0\0")},
    {VALUE_TIME, pgc_encode_time, pgc_decode_time, "00:00:00.000001", BYTES("\0\0\0\0\0\0\0\1")},
    {VALUE_TIME, pgc_encode_time, pgc_decode_time, "24:00:00", BYTES("\0\0\0\x14\x1d\xd7\x60\0")},
    {VALUE_TIMESTAMP, pgc_encode_timestamp, pgc_decode_timestamp, "2000-01-01 00:00:01",
     BYTES("\0\0\0\0\0\x0f\x42\x40")},
    {VALUE_TIMESTAMPTZ, pgc_encode_timestamp, pgc_decode_timestamp, "1999-12-31 23:59:59+00",
     BYTES("\xff\xff\xff\xff\xff\xf0\xbd\xc0")},
    {VALUE_TIMESTAMP, pgc_encode_timestamp, pgc_decode_timestamp, "infinity",
     BYTES("\x7f\xff\xff\xff\xff\xff\xff\xff")},
    {VALUE_TIMESTAMP, pgc_encode_timestamp, pgc_decode_timestamp, "-infinity",
     BYTES("\x80\0\0\0\0\0\0\0")},
    {VALUE_TEXT, pgc_encode_bytes, pgc_decode_text, "", BYTES("")},
    {VALUE_TEXT, pgc_encode_bytes, pgc_decode_text, "a\tb\n\\N", BYTES("a\tb\n\\N")},
    {VALUE_BYTES, pgc_encode_bytes, pgc_decode_bytes, "\\x00ff", BYTES("\0\xff")},
    {VALUE_JSON, pgc_encode_jsonb, pgc_decode_jsonb, "{\"a\":1}", BYTES("\1{\"a\":1}")},
    {VALUE_UUID, pgc_encode_uuid, pgc_decode_uuid, "00112233-4455-6677-8899-aabbccddeeff",
     BYTES("\0\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff")},
};

static void test_fixed_bytes(void)
{
    STR_AUTO struct str out = str_with_max(1 << 16);
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        const struct fixed_case *c = &fixed[i];
        CHECK(encode_text(c->type, c->encode, -1, c->text, &out) == NULL);
        CHECK_INT(out.data[3], c->len);
        CHECK_BYTES(out.data + 4, out.len - 4, c->bytes, c->len);
        CHECK_TEXT(decode_text(c->type, c->decode, c->bytes, c->len), c->text);
        bool any_length = c->type == VALUE_TEXT || c->type == VALUE_BYTES || c->type == VALUE_JSON;
        if (!any_length)
            CHECK_TEXT(decode_text(c->type, c->decode, c->bytes, c->len - 1), "bad");
    }
    CHECK_TEXT(decode_text(VALUE_TEXT, pgc_decode_bpchar, "ab  ", 4), "ab");
    CHECK_TEXT(decode_text(VALUE_JSON, pgc_decode_jsonb, "\2{}", 3), "bad");
}

struct fault_case {
    enum value_type type;
    pgc_encode *encode;
    int typmod;
    const char *text, *fault;
};

static const struct fault_case refused[] = {
    {VALUE_INT64, pgc_encode_int2, -1, "32768", "22003"},
    {VALUE_INT64, pgc_encode_int4, -1, "2147483648", "22003"},
    {VALUE_INT64, pgc_encode_oid, -1, "-1", "22003"},
    {VALUE_FLOAT64, pgc_encode_float4, -1, "0.1", "22003"},
    {VALUE_FLOAT64, pgc_encode_float4, -1, "1e300", "22003"},
    {VALUE_FLOAT64, pgc_encode_float4, -1, "NaN", NULL},
    {VALUE_TIME, pgc_encode_time, -1, "-00:00:01", "22008"},
    {VALUE_TIME, pgc_encode_time, -1, "24:00:00.000001", "22008"},
    {VALUE_TIME, pgc_encode_time, 0, "12:00:00.5", "22008"},
    {VALUE_TIME, pgc_encode_time, 1, "12:00:00.5", NULL},
    {VALUE_TIMESTAMP, pgc_encode_timestamp, 3, "2026-01-01 00:00:00.1234", "22008"},
    {VALUE_TIMESTAMP, pgc_encode_timestamp, 3, "2026-01-01 00:00:00.123", NULL},
    {VALUE_TIMESTAMP, pgc_encode_timestamp, 3, "infinity", NULL},
};

static void test_what_would_be_cut_is_refused(void)
{
    STR_AUTO struct str out = str_with_max(1 << 16);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const struct fault_case *c = &refused[i];
        const char *fault = encode_text(c->type, c->encode, c->typmod, c->text, &out);
        if (!CHECK_TEXT(fault, c->fault))
            printf("#   %s\n", c->text);
    }
}

static void test_timestamps_beyond_haul(void)
{
    /* 294276-12-31: the server's last, behind the last that fits 64 bits from 1970. */
    CHECK_TEXT(
        decode_text(VALUE_TIMESTAMP, pgc_decode_timestamp, "\x7f\xff\xfd\x1f\x60\x20\x80\x00", 8),
        "fault 6");
    CHECK_INT(FAULT_OUT_OF_RANGE, 6);
}

static void test_text_of_a_database_without_encoding(void)
{
    CHECK_TEXT(decode_text(VALUE_TEXT, pgc_decode_text_checked, "\xc3\xa4", 2), "\xc3\xa4");
    CHECK_INT(FAULT_INVALID_UTF8, 4);
    CHECK_TEXT(decode_text(VALUE_TEXT, pgc_decode_text_checked, "\xc3", 1), "fault 4");
}

static void test_doubles_keep_their_bits(void)
{
    STR_AUTO struct str out = str_with_max(1 << 16);
    seed = 7;
    for (int round = 0; round < ROUNDS; round++) {
        struct batch *in = batch_of(VALUE_FLOAT64), *back = batch_of(VALUE_FLOAT64);
        uint64_t bits = next_random() << 11 ^ next_random();
        double value;
        memcpy(&value, &bits, sizeof value);
        column_add_f64(&in->columns[0], value);
        CHECK(batch_end_row(in));
        CHECK(encode(pgc_encode_float8, -1, in, &out) == NULL);
        CHECK(pgc_decode_float8(back, &back->columns[0], out.data + 4, out.len - 4));
        CHECK_BYTES(back->columns[0].values, 8, &bits, 8);
        batch_free(in);
        batch_free(back);
    }
}

/* ---- types ---- */

static void test_made_types(void)
{
    static const struct {
        const char *spec, *native;
    } made[] = {
        {"bool", "boolean"},
        {"int64(8)", "smallint"},
        {"int64(32)", "integer"},
        {"int64", "bigint"},
        {"float64(32)", "real"},
        {"decimal(12,2)", "numeric(12,2)"},
        {"decimal", "numeric"},
        {"text(40)", "varchar(40)"},
        {"text", "text"},
        {"bytes", "bytea"},
        {"timestamp(3)", "timestamp(3)"},
        {"timestamptz(6)", "timestamptz"},
        {"json", "json"},
        {"uuid", "uuid"},
    };
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        STR_AUTO struct str sql = str_with_max(1000);
        struct value_spec spec;
        CHECK(value_spec_parse(made[i].spec, &spec));
        pgc_type_ddl(&spec, &sql);
        CHECK_TEXT(str_text(&sql), made[i].native);
    }
}

static void test_read_types(void)
{
    static const struct {
        struct pgc_column column;
        const char *spec;
    } read[] = {
        {{.oid = 1700, .typmod = (12 << 16 | 2) + 4}, "decimal(12,2)"},
        {{.oid = 1700, .typmod = (3 << 16 | (-2 & 0x7ff)) + 4}, "decimal(5,0)"},
        {{.oid = 1700, .typmod = (2 << 16 | 5) + 4}, "decimal(5,5)"},
        {{.oid = 1700, .typmod = -1}, "decimal"},
        {{.oid = 1043, .typmod = 44}, "text(40)"},
        {{.oid = 25, .typmod = -1}, "text"},
        {{.oid = 1114, .typmod = 3}, "timestamp(3)"},
        {{.oid = 1184, .typmod = -1}, "timestamptz(6)"},
        {{.oid = 21, .typmod = -1}, "int64(16)"},
        {{.oid = 3802, .typmod = -1}, "json(binary)"},
        {{.oid = 1007, .typmod = -1, .is_array = true}, "json"},
        {{.oid = 869, .typmod = -1}, "text"},
    };
    for (size_t i = 0; i < sizeof read / sizeof *read; i++) {
        STR_AUTO struct str text = str_with_max(1000);
        struct value_spec spec = pgc_type_spec(&read[i].column);
        value_spec_format(&spec, &text);
        CHECK_TEXT(str_text(&text), read[i].spec);
    }
}

static CU_TestInfo tests[] = {
    {"numeric: known bytes both ways", test_numeric_bytes},
    {"numeric: other programs' forms", test_numeric_forms},
    {"numeric: there and back", test_numeric_there_and_back},
    {"numeric: refused rather than rounded", test_numeric_is_never_rounded},
    {"other types: known bytes both ways", test_fixed_bytes},
    {"what would be cut is refused", test_what_would_be_cut_is_refused},
    {"timestamps beyond haul's range", test_timestamps_beyond_haul},
    {"text of a database without an encoding", test_text_of_a_database_without_encoding},
    {"doubles keep their bits", test_doubles_keep_their_bits},
    {"types of made columns", test_made_types},
    {"types of columns that are read", test_read_types},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("sql/postgres_codec", tests)
