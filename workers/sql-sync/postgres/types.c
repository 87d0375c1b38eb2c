/*
 * types: the one table of PostgreSQL's types. Reading, writing, comparing and the documentation
 * are all made of it.
 *
 * A type with a decoder is read in its binary form; every other one is cast by the server, to text
 * unless haul has something nearer. The same holds for writing.
 */
#include "pg_private.h"

#define OID_BOOL 16
#define OID_NUMERIC 1700

/*
 * X(oid, native, haul, type, bits, decode, encode, compare, loss, note)
 * oid 0: documentation only, found by other ways than its number.
 */
#define READ_TYPES(X)                                                                              \
    X(16, "boolean", "bool", BOOL, 0, pgc_decode_bool, pgc_encode_bool, PLAIN, NULL, NULL)         \
    X(21, "smallint", "int64(16)", INT64, 16, pgc_decode_int2, pgc_encode_int2, PLAIN, NULL, NULL) \
    X(23, "integer", "int64(32)", INT64, 32, pgc_decode_int4, pgc_encode_int4, PLAIN, NULL, NULL)  \
    X(20, "bigint", "int64(64)", INT64, 64, pgc_decode_int8, pgc_encode_int8, PLAIN, NULL, NULL)   \
    X(26, "oid", "int64(64)", INT64, 64, pgc_decode_oid, pgc_encode_oid, PLAIN, NULL, NULL)        \
    X(700, "real", "float64(32)", FLOAT64, 32, pgc_decode_float4, pgc_encode_float4, FLOAT4, NULL, \
      NULL)                                                                                        \
    X(701, "double precision", "float64(64)", FLOAT64, 64, pgc_decode_float8, pgc_encode_float8,   \
      FLOAT8, NULL, NULL)                                                                          \
    X(1700, "numeric(p,s), numeric", "decimal(p,s), decimal", DECIMAL, 0, pgc_decode_numeric,      \
      pgc_encode_numeric, PLAIN, "zeros at the end of a fraction, of a numeric without scale",     \
      "NaN and infinities are kept; a negative scale becomes 0 and more digits")                   \
    X(790, "money", "decimal", DECIMAL, 0, NULL, NULL, TEXT, "the currency sign",                  \
      "the amount as the server's lc_monetary divides it")                                         \
    X(25, "text", "text", TEXT, 0, pgc_decode_text, pgc_encode_bytes, COLLATE_C, NULL, NULL)       \
    X(1043, "varchar(n), varchar", "text(n), text", TEXT, 0, pgc_decode_text, pgc_encode_bytes,    \
      COLLATE_C, NULL, NULL)                                                                       \
    X(1042, "char(n)", "text(n)", TEXT, 0, pgc_decode_bpchar, pgc_encode_bytes, COLLATE_C,         \
      "blanks at the end", "they are padding: the server ignores them too")                        \
    X(19, "name", "text", TEXT, 0, pgc_decode_text, NULL, TEXT, NULL, NULL)                        \
    X(17, "bytea", "bytes", BYTES, 0, pgc_decode_bytes, pgc_encode_bytes, PLAIN, NULL, NULL)       \
    X(1082, "date", "date", DATE, 0, pgc_decode_date, pgc_encode_date, PLAIN, NULL,                \
      "infinity and -infinity are kept")                                                           \
    X(1083, "time(p)", "time(p)", TIME, 0, pgc_decode_time, pgc_encode_time, PLAIN, NULL,          \
      "24:00:00 is kept")                                                                          \
    X(1266, "timetz", "text", TEXT, 0, NULL, NULL, TEXT, NULL, "a time with its offset, as text")  \
    X(1114, "timestamp(p)", "timestamp(p)", TIMESTAMP, 0, pgc_decode_timestamp,                    \
      pgc_encode_timestamp, PLAIN, NULL,                                                           \
      "infinities are kept; after 294247-01-10 a value is out of range")                           \
    X(1184, "timestamptz(p)", "timestamptz(p)", TIMESTAMPTZ, 0, pgc_decode_timestamp,              \
      pgc_encode_timestamp, PLAIN, NULL,                                                           \
      "infinities are kept; after 294247-01-10 a value is out of range")                           \
    X(1186, "interval", "text", TEXT, 0, NULL, NULL, TEXT, NULL, "ISO 8601: P1Y2M3DT4H5M6S")       \
    X(114, "json", "json", JSON, 0, pgc_decode_text, pgc_encode_bytes, TEXT, NULL, NULL)           \
    X(3802, "jsonb", "json(binary)", JSON, 0, pgc_decode_jsonb, pgc_encode_jsonb, PLAIN, NULL,     \
      NULL)                                                                                        \
    X(2950, "uuid", "uuid", UUID, 0, pgc_decode_uuid, pgc_encode_uuid, PLAIN, NULL, NULL)          \
    X(0, "arrays", "json", JSON, 0, NULL, NULL, TEXT, "lower bounds; the type of the elements",    \
      "as to_json gives them")                                                                     \
    X(0, "enum", "text", TEXT, 0, NULL, NULL, TEXT, "the list of labels", NULL)                    \
    X(0, "domain", "as the type it is made of", TEXT, 0, NULL, NULL, TEXT, "its constraints",      \
      NULL)                                                                                        \
    X(0, "any other (bit, inet, ranges, xml, geometry, composite, extensions')", "text", TEXT, 0,  \
      NULL, NULL, TEXT, "the type: its text form is kept", NULL)

#define ROW(oid, native, haul, type, bits, decode, encode, compare, loss, note)                    \
    {oid, VALUE_##type, bits, decode, encode, COMPARE_##compare},
static const struct pgc_type types[] = {READ_TYPES(ROW)};
#undef ROW
#define ROW(oid, native, haul, type, bits, decode, encode, compare, loss, note)                    \
    {native, haul, loss, note},
const struct type_row pgc_types_read[] = {READ_TYPES(ROW){NULL, NULL, NULL, NULL}};
#undef ROW

#define TYPE_COUNT (sizeof types / sizeof *types)

const struct pgc_type *pgc_type_of_oid(Oid oid)
{
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if (types[i].oid == oid && oid != 0)
            return &types[i];
    }
    return NULL;
}

/* The first of the widest: bigint, double precision, text, json. */
const struct pgc_type *pgc_type_of_value(enum value_type type)
{
    size_t i = 0;
    while (i < TYPE_COUNT - 1 && (types[i].type != type || types[i].decode == NULL ||
                                  (types[i].bits != 0 && types[i].bits != 64)))
        i++;
    return &types[i];
}

/* ---- reading ---- */

static void numeric_spec(int typmod, struct value_spec *spec)
{
    if (typmod < 4)
        return;
    int precision = (typmod - 4) >> 16 & 0xffff;
    int scale = (((typmod - 4) & 0x7ff) ^ 1024) - 1024; /* signed since PostgreSQL 15 */
    if (scale < 0) {
        precision -= scale;
        scale = 0;
    }
    spec->precision = precision < scale ? scale : precision;
    spec->scale = scale;
}

struct value_spec pgc_type_spec(const struct pgc_column *column)
{
    const struct pgc_type *type = pgc_type_of_oid(column->oid);
    struct value_spec spec = {.type = column->is_array ? VALUE_JSON : VALUE_TEXT};
    if (type == NULL)
        return spec;
    spec.type = type->type;
    spec.bits = type->bits;
    spec.binary = column->oid == 3802;
    if (column->oid == OID_NUMERIC)
        numeric_spec(column->typmod, &spec);
    if ((column->oid == 1042 || column->oid == 1043) && column->typmod > 4)
        spec.length = column->typmod - 4;
    if (type->type == VALUE_TIME || type->type == VALUE_TIMESTAMP ||
        type->type == VALUE_TIMESTAMPTZ)
        spec.scale = column->typmod < 0 ? 6 : column->typmod;
    return spec;
}

const char *pgc_type_loss(const struct pgc_column *column)
{
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if (types[i].oid == column->oid && column->oid != 0) {
            bool exact = column->oid == OID_NUMERIC && column->typmod >= 4;
            return exact ? NULL : pgc_types_read[i].loss;
        }
    }
    return column->is_array ? "the type of the elements" : "the type: its text form is kept";
}

static bool is_int(Oid oid)
{
    return oid == 20 || oid == 21 || oid == 23;
}

static void add_column(const char *alias, const char *name, struct str *sql)
{
    str_add_text(sql, alias);
    pgc_sql_ident(sql, name);
}

pgc_decode *pgc_type_select(const struct session *session, const struct pgc_column *column,
                            enum value_type wanted, const char *alias, struct str *sql)
{
    static const char *const casts[VALUE_TYPE_COUNT] = {
        [VALUE_BOOL] = "boolean",
        [VALUE_INT64] = "bigint",
        [VALUE_FLOAT64] = "double precision",
        [VALUE_DECIMAL] = "numeric",
        [VALUE_TEXT] = "text",
        [VALUE_BYTES] = "bytea",
        [VALUE_DATE] = "date",
        [VALUE_TIME] = "time",
        [VALUE_TIMESTAMP] = "timestamp",
        [VALUE_TIMESTAMPTZ] = "timestamptz",
        [VALUE_JSON] = "json",
        [VALUE_UUID] = "uuid",
    };
    const struct pgc_type *type = pgc_type_of_oid(column->oid);
    bool direct = type != NULL && type->decode != NULL && type->type == wanted;
    if (direct) {
        add_column(alias, column->name, sql);
    } else if (wanted == VALUE_JSON && column->is_array) {
        str_add_text(sql, "to_json(");
        add_column(alias, column->name, sql);
        str_add_char(sql, ')');
    } else {
        add_column(alias, column->name, sql);
        bool by_integer = (wanted == VALUE_BOOL && is_int(column->oid)) ||
                          (wanted == VALUE_INT64 && column->oid == OID_BOOL);
        if (by_integer) /* the only number that has these casts */
            str_add_text(sql, "::integer");
        str_addf(sql, "::%s", casts[wanted]);
    }
    pgc_decode *decode = direct ? type->decode : pgc_type_of_value(wanted)->decode;
    if (!session->check_utf8)
        return decode;
    return decode == pgc_decode_text || decode == pgc_decode_bpchar ? pgc_decode_text_checked
                                                                    : decode;
}

static enum outcome find_kinds(struct session *session, struct pgc_column *columns, size_t count,
                               struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    RESULT_AUTO PGresult *result = NULL;
    size_t unknown = 0;
    str_add_text(&sql, "SELECT oid, typcategory = 'A', typtype = 'e' FROM pg_catalog.pg_type"
                       " WHERE oid IN (0");
    for (size_t i = 0; i < count; i++) {
        if (pgc_type_of_oid(columns[i].oid) == NULL) {
            str_addf(&sql, ",%u", columns[i].oid);
            unknown++;
        }
    }
    str_add_char(&sql, ')');
    if (unknown == 0)
        return OUTCOME_OK;
    TRY(pgc_query_run_str(session, &sql, &result, err));
    for (int row = 0; row < PQntuples(result); row++) {
        for (size_t i = 0; i < count; i++) {
            if (columns[i].oid != (Oid)pgc_result_i64(result, row, 0))
                continue;
            columns[i].is_array = pgc_result_bool(result, row, 1);
            columns[i].is_enum = pgc_result_bool(result, row, 2);
        }
    }
    return OUTCOME_OK;
}

enum outcome pgc_columns_of(struct session *session, const struct str *sql, struct arena *arena,
                            struct pgc_column **ret_columns, size_t *ret_count, struct err *err)
{
    RESULT_AUTO PGresult *result = NULL;
    TRY(pgc_query_columns(session, sql, &result, err));
    size_t count = (size_t)PQnfields(result);
    struct pgc_column *columns = ARENA_ARRAY(arena, struct pgc_column, count + 1);
    TRY_ALLOC(columns, err);
    for (size_t i = 0; i < count; i++) {
        columns[i] = (struct pgc_column){.name = arena_strdup(arena, PQfname(result, (int)i)),
                                         .oid = PQftype(result, (int)i),
                                         .typmod = PQfmod(result, (int)i)};
        TRY_ALLOC(columns[i].name, err);
    }
    TRY(find_kinds(session, columns, count, err));
    *ret_columns = columns;
    *ret_count = count;
    return OUTCOME_OK;
}

/* ---- writing ---- */

enum modifier { NO_MODIFIER, BY_LENGTH, BY_PRECISION, BY_DIGITS };

/* X(type, bits at most, native, modifier, haul, documented, loss, note) */
#define WRITE_TYPES(X)                                                                             \
    X(BOOL, 0, "boolean", NO_MODIFIER, "bool", "boolean", NULL, NULL)                              \
    X(INT64, 16, "smallint", NO_MODIFIER, "int64(8), int64(16)", "smallint", NULL, NULL)           \
    X(INT64, 32, "integer", NO_MODIFIER, "int64(32)", "integer", NULL, NULL)                       \
    X(INT64, 64, "bigint", NO_MODIFIER, "int64(64)", "bigint", NULL, NULL)                         \
    X(FLOAT64, 32, "real", NO_MODIFIER, "float64(32)", "real", NULL, NULL)                         \
    X(FLOAT64, 64, "double precision", NO_MODIFIER, "float64(64)", "double precision", NULL, NULL) \
    X(DECIMAL, 0, "numeric", BY_PRECISION, "decimal(p,s), decimal", "numeric(p,s), numeric", NULL, \
      "numeric alone beyond 1000 digits")                                                          \
    X(TEXT, 0, "text", BY_LENGTH, "text(n), text", "varchar(n), text", NULL,                       \
      "U+0000 is refused: see the policy nul_byte")                                                \
    X(BYTES, 0, "bytea", NO_MODIFIER, "bytes(n), bytes", "bytea", NULL, NULL)                      \
    X(DATE, 0, "date", NO_MODIFIER, "date", "date", NULL, NULL)                                    \
    X(TIME, 0, "time", BY_DIGITS, "time(p)", "time(p)", NULL,                                      \
      "0 to 24 h; beyond: see the policy time_range")                                              \
    X(TIMESTAMP, 0, "timestamp", BY_DIGITS, "timestamp(p)", "timestamp(p)", NULL, NULL)            \
    X(TIMESTAMPTZ, 0, "timestamptz", BY_DIGITS, "timestamptz(p)", "timestamptz(p)", NULL, NULL)    \
    X(UUID, 0, "uuid", NO_MODIFIER, "uuid", "uuid", NULL, NULL)                                    \
    X(JSON, 0, "json", NO_MODIFIER, "json, json(binary)", "json, jsonb", NULL,                     \
      "jsonb where the source has parsed JSON; json keeps the text as it is")

static const struct {
    enum value_type type;
    int bits_max;
    const char *native;
    enum modifier modifier;
} write_types[] = {
#define ROW(type, bits, native, modifier, haul, documented, loss, note)                            \
    {VALUE_##type, bits, native, modifier},
    WRITE_TYPES(ROW)
#undef ROW
};
const struct type_row pgc_types_write[] = {
#define ROW(type, bits, native, modifier, haul, documented, loss, note)                            \
    {documented, haul, loss, note},
    WRITE_TYPES(ROW)
#undef ROW
        {NULL, NULL, NULL, NULL}};

#define PRECISION_MAX 1000
#define LENGTH_MAX 10485760

static void add_modified(const struct value_spec *spec, const char *native, enum modifier modifier,
                         struct str *sql)
{
    bool has_scale = spec->precision > 0 && spec->precision <= PRECISION_MAX && spec->scale >= 0 &&
                     spec->scale <= spec->precision;
    if (modifier == BY_LENGTH && spec->length > 0 && spec->length <= LENGTH_MAX)
        str_addf(sql, "varchar(%lld)", (long long)spec->length);
    else if (modifier == BY_PRECISION && has_scale)
        str_addf(sql, "%s(%d,%d)", native, spec->precision, spec->scale);
    else if (modifier == BY_DIGITS && spec->scale > 0 && spec->scale < 6)
        str_addf(sql, "%s(%d)", native, spec->scale);
    else
        str_add_text(sql, native);
}

void pgc_type_ddl(const struct value_spec *spec, struct str *sql)
{
    if (spec->type == VALUE_JSON && spec->binary) {
        str_add_text(sql, "jsonb");
        return;
    }
    int bits = spec->bits == 0 ? 64 : spec->bits;
    for (size_t i = 0; i < sizeof write_types / sizeof *write_types; i++) {
        bool fits = write_types[i].bits_max == 0 || bits <= write_types[i].bits_max;
        if (write_types[i].type == spec->type && fits) {
            add_modified(spec, write_types[i].native, write_types[i].modifier, sql);
            return;
        }
    }
    sql->failed = true;
}
