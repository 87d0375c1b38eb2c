/*
 * types: the one table of the server's types, both ways, with what is lost; and its rules.
 *
 * rules[i] is what mys_types_read[i] says, in numbers: a test reads each documented type and
 * compares.
 */
#include "mysql/mysql_private.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char loss_enum[] = "the list of permitted values";
static const char loss_geometry[] = "the reference system (SRID); read as well-known text";

const struct type_row mys_types_read[] = {
    {"tinyint", "int64(8)", NULL, "tinyint(1) too, unless tinyint1_as_bool is set"},
    {"tinyint unsigned", "int64(16)", NULL, NULL},
    {"smallint", "int64(16)", NULL, NULL},
    {"smallint unsigned", "int64(32)", NULL, NULL},
    {"mediumint", "int64(32)", NULL, NULL},
    {"mediumint unsigned", "int64(32)", NULL, NULL},
    {"int", "int64(32)", NULL, "zerofill's zeros are not part of the value"},
    {"int unsigned", "int64(64)", NULL, NULL},
    {"bigint", "int64(64)", NULL, NULL},
    {"bigint unsigned", "decimal(20,0)", NULL, NULL},
    {"year", "int64(16)", NULL, NULL},
    {"decimal(p,s)", "decimal(p,s)", NULL, NULL},
    {"float", "float64(32)", NULL, "read as the double that it is, not as its six digits"},
    {"double", "float64(64)", NULL, "the server shows -0 as 0"},
    {"bit(1)", "bool", NULL, NULL},
    {"bit(n)", "bytes((n+7)/8)", NULL, "big-endian"},
    {"char(n)", "text(n)", NULL, "the server shows no trailing spaces"},
    {"varchar(n)", "text(n)", NULL, "any character set arrives as UTF-8"},
    {"tinytext", "text(255)", NULL, NULL},
    {"text", "text(65535)", NULL, NULL},
    {"mediumtext", "text(16777215)", NULL, NULL},
    {"longtext", "text", NULL, NULL},
    {"binary(n)", "bytes(n)", NULL, NULL},
    {"varbinary(n)", "bytes(n)", NULL, NULL},
    {"tinyblob", "bytes(255)", NULL, NULL},
    {"blob", "bytes(65535)", NULL, NULL},
    {"mediumblob", "bytes(16777215)", NULL, NULL},
    {"longblob", "bytes", NULL, NULL},
    {"date", "date", NULL, "0000-00-00 and zero parts are faults"},
    {"time(f)", "time(f)", NULL, "below 0 and beyond 24 h too"},
    {"datetime(f)", "timestamp(f)", NULL, "zero dates are faults"},
    {"timestamp(f)", "timestamptz(f)", NULL, "zero dates are faults"},
    {"json", "json(binary)", NULL, "MariaDB: longtext with a json_valid check, read as json"},
    {"enum", "text(n)", loss_enum, "n is the longest value's length"},
    {"set", "text(n)", loss_enum, "values joined by commas, in the type's order"},
    {"uuid", "uuid", NULL, "MariaDB"},
    {"inet4", "text(15)", NULL, "MariaDB"},
    {"inet6", "text(39)", NULL, "MariaDB"},
    {"geometry", "text", loss_geometry, NULL},
    {"point", "text", loss_geometry, NULL},
    {"linestring", "text", loss_geometry, NULL},
    {"polygon", "text", loss_geometry, NULL},
    {"multipoint", "text", loss_geometry, NULL},
    {"multilinestring", "text", loss_geometry, NULL},
    {"multipolygon", "text", loss_geometry, NULL},
    {"geometrycollection", "text", loss_geometry, NULL},
    {"geomcollection", "text", loss_geometry, NULL},
    {"any other", "text", "all but the text that the server shows", NULL},
    {NULL, NULL, NULL, NULL},
};

const struct type_row mys_types_write[] = {
    {"tinyint(1)", "bool", "read back as int64(8) unless tinyint1_as_bool is set", NULL},
    {"tinyint", "int64(8)", NULL, NULL},
    {"smallint", "int64(16)", NULL, NULL},
    {"int", "int64(32)", NULL, NULL},
    {"bigint", "int64(64)", NULL, NULL},
    {"float", "float64(32)", NULL, "NaN, infinities and -0 are refused"},
    {"double", "float64(64)", NULL, "NaN, infinities and -0 are refused"},
    {"decimal(p,s)", "decimal(p,s)", NULL, "p at most 65, s at most 30"},
    {"decimal(65,30)", "decimal", NULL, "more than 35 digits before or 30 behind are refused"},
    {"varchar(n)", "text(n)", NULL, "n up to 768; in a key also for longer texts"},
    {"text", "text(n)", NULL, "n up to 16383"},
    {"mediumtext", "text(n)", NULL, "n up to 4194303"},
    {"longtext", "text", NULL, NULL},
    {"varbinary(n)", "bytes(n)", NULL, "n up to 768; in a key also for longer values"},
    {"blob", "bytes(n)", NULL, "n up to 65535"},
    {"mediumblob", "bytes(n)", NULL, "n up to 16777215"},
    {"longblob", "bytes", NULL, NULL},
    {"date", "date", NULL, "0000-01-01 to 9999-12-31"},
    {"time(f)", "time(f)", NULL, "-838:59:59 to 838:59:59"},
    {"datetime(f)", "timestamp(f)", NULL, "years 0 to 9999"},
    {"timestamp(f)", "timestamptz(f)", NULL, "1970-01-01 00:00:01 to 2038-01-19 03:14:07 UTC"},
    {"json", "json", NULL, "MySQL stores its own form, MariaDB the text as it is"},
    {"char(36)", "uuid", "read back as text(36)", NULL},
    {NULL, NULL, NULL, NULL},
};

enum arguments { NO_ARGUMENTS, PRECISION_SCALE, FRACTION, LENGTH, BITS };

struct rule {
    const char *base;
    bool is_unsigned;
    enum mys_form form;
    enum value_type type;
    int bits;
    enum arguments arguments;
    int precision;
    int64_t length;
};

static const struct rule rules[] = {
    {"tinyint", false, MYS_PLAIN, VALUE_INT64, 8, NO_ARGUMENTS, 0, 0},
    {"tinyint", true, MYS_PLAIN, VALUE_INT64, 16, NO_ARGUMENTS, 0, 0},
    {"smallint", false, MYS_PLAIN, VALUE_INT64, 16, NO_ARGUMENTS, 0, 0},
    {"smallint", true, MYS_PLAIN, VALUE_INT64, 32, NO_ARGUMENTS, 0, 0},
    {"mediumint", false, MYS_PLAIN, VALUE_INT64, 32, NO_ARGUMENTS, 0, 0},
    {"mediumint", true, MYS_PLAIN, VALUE_INT64, 32, NO_ARGUMENTS, 0, 0},
    {"int", false, MYS_PLAIN, VALUE_INT64, 32, NO_ARGUMENTS, 0, 0},
    {"int", true, MYS_PLAIN, VALUE_INT64, 64, NO_ARGUMENTS, 0, 0},
    {"bigint", false, MYS_PLAIN, VALUE_INT64, 64, NO_ARGUMENTS, 0, 0},
    {"bigint", true, MYS_PLAIN, VALUE_DECIMAL, 0, NO_ARGUMENTS, 20, 0},
    {"year", false, MYS_PLAIN, VALUE_INT64, 16, NO_ARGUMENTS, 0, 0},
    {"decimal", false, MYS_PLAIN, VALUE_DECIMAL, 0, PRECISION_SCALE, 0, 0},
    {"float", false, MYS_FLOAT, VALUE_FLOAT64, 32, NO_ARGUMENTS, 0, 0},
    {"double", false, MYS_DOUBLE, VALUE_FLOAT64, 64, NO_ARGUMENTS, 0, 0},
    {"bit", false, MYS_BIT, VALUE_BOOL, 0, BITS, 0, 0},
    {"bit", false, MYS_BIT, VALUE_BYTES, 0, BITS, 0, 0},
    {"char", false, MYS_PLAIN, VALUE_TEXT, 0, LENGTH, 0, 0},
    {"varchar", false, MYS_PLAIN, VALUE_TEXT, 0, LENGTH, 0, 0},
    {"tinytext", false, MYS_PLAIN, VALUE_TEXT, 0, NO_ARGUMENTS, 0, 255},
    {"text", false, MYS_PLAIN, VALUE_TEXT, 0, NO_ARGUMENTS, 0, 65535},
    {"mediumtext", false, MYS_PLAIN, VALUE_TEXT, 0, NO_ARGUMENTS, 0, 16777215},
    {"longtext", false, MYS_PLAIN, VALUE_TEXT, 0, NO_ARGUMENTS, 0, 0},
    {"binary", false, MYS_PLAIN, VALUE_BYTES, 0, LENGTH, 0, 0},
    {"varbinary", false, MYS_PLAIN, VALUE_BYTES, 0, LENGTH, 0, 0},
    {"tinyblob", false, MYS_PLAIN, VALUE_BYTES, 0, NO_ARGUMENTS, 0, 255},
    {"blob", false, MYS_PLAIN, VALUE_BYTES, 0, NO_ARGUMENTS, 0, 65535},
    {"mediumblob", false, MYS_PLAIN, VALUE_BYTES, 0, NO_ARGUMENTS, 0, 16777215},
    {"longblob", false, MYS_PLAIN, VALUE_BYTES, 0, NO_ARGUMENTS, 0, 0},
    {"date", false, MYS_PLAIN, VALUE_DATE, 0, NO_ARGUMENTS, 0, 0},
    {"time", false, MYS_PLAIN, VALUE_TIME, 0, FRACTION, 0, 0},
    {"datetime", false, MYS_PLAIN, VALUE_TIMESTAMP, 0, FRACTION, 0, 0},
    {"timestamp", false, MYS_PLAIN, VALUE_TIMESTAMPTZ, 0, FRACTION, 0, 0},
    {"json", false, MYS_PLAIN, VALUE_JSON, 0, NO_ARGUMENTS, 0, 0},
    {"enum", false, MYS_CHOICE, VALUE_TEXT, 0, LENGTH, 0, 0},
    {"set", false, MYS_CHOICE, VALUE_TEXT, 0, LENGTH, 0, 0},
    {"uuid", false, MYS_PLAIN, VALUE_UUID, 0, NO_ARGUMENTS, 0, 0},
    {"inet4", false, MYS_PLAIN, VALUE_TEXT, 0, NO_ARGUMENTS, 0, 15},
    {"inet6", false, MYS_PLAIN, VALUE_TEXT, 0, NO_ARGUMENTS, 0, 39},
    {"geometry", false, MYS_GEOMETRY, VALUE_TEXT, 0, NO_ARGUMENTS, 0, 0},
    {"point", false, MYS_GEOMETRY, VALUE_TEXT, 0, NO_ARGUMENTS, 0, 0},
    {"linestring", false, MYS_GEOMETRY, VALUE_TEXT, 0, NO_ARGUMENTS, 0, 0},
    {"polygon", false, MYS_GEOMETRY, VALUE_TEXT, 0, NO_ARGUMENTS, 0, 0},
    {"multipoint", false, MYS_GEOMETRY, VALUE_TEXT, 0, NO_ARGUMENTS, 0, 0},
    {"multilinestring", false, MYS_GEOMETRY, VALUE_TEXT, 0, NO_ARGUMENTS, 0, 0},
    {"multipolygon", false, MYS_GEOMETRY, VALUE_TEXT, 0, NO_ARGUMENTS, 0, 0},
    {"geometrycollection", false, MYS_GEOMETRY, VALUE_TEXT, 0, NO_ARGUMENTS, 0, 0},
    {"geomcollection", false, MYS_GEOMETRY, VALUE_TEXT, 0, NO_ARGUMENTS, 0, 0},
    {"any other", false, MYS_PLAIN, VALUE_TEXT, 0, NO_ARGUMENTS, 0, 0},
};

#define RULE_COUNT (sizeof rules / sizeof rules[0])
_Static_assert(sizeof mys_types_read / sizeof mys_types_read[0] == RULE_COUNT + 1,
               "a rule a documented type");

static size_t find_rule(const struct mys_native *native)
{
    for (size_t i = 0; i + 1 < RULE_COUNT; i++) {
        const struct rule *rule = &rules[i];
        if (native->base == NULL || strcmp(rule->base, native->base) != 0)
            continue;
        bool is_next = i + 2 < RULE_COUNT && strcmp(rules[i + 1].base, rule->base) == 0;
        /* Of a pair the second is the unsigned one, or the bit field of many bits. */
        bool wants_next = rule->arguments == BITS ? native->args[0] > 1 : native->is_unsigned;
        return is_next && wants_next ? i + 1 : i;
    }
    return RULE_COUNT - 1;
}

static const char *known_base(const char *name, size_t len)
{
    for (size_t i = 0; i + 1 < RULE_COUNT; i++) {
        if (strlen(rules[i].base) == len && strncasecmp(rules[i].base, name, len) == 0)
            return rules[i].base;
    }
    return NULL;
}

static void read_arguments(const char *text, struct mys_native *native)
{
    char *end;
    if (*text != '(' || !isdigit((unsigned char)text[1]))
        return; /* none, or the list of an enum */
    native->args[0] = (int)strtol(text + 1, &end, 10);
    if (*end == ',')
        native->args[1] = (int)strtol(end + 1, NULL, 10);
}

void mys_native_parse(const char *column_type, int64_t length, struct mys_native *ret_native)
{
    size_t len = strcspn(column_type, " (");
    struct mys_native native = {.base = known_base(column_type, len), .length = length};
    read_arguments(column_type + len, &native);
    /* An enum's values may hold any word. */
    const char *tail = strrchr(column_type, ')');
    native.is_unsigned = strstr(tail == NULL ? column_type : tail, " unsigned") != NULL;
    if (native.length == 0)
        native.length = native.args[0];
    native.form = rules[find_rule(&native)].form;
    *ret_native = native;
}

void mys_type_read(const struct mys_native *native, bool tinyint1_as_bool,
                   struct value_spec *ret_spec, const char **ret_loss)
{
    size_t number = find_rule(native);
    const struct rule *rule = &rules[number];
    struct value_spec spec = {.type = rule->type,
                              .bits = rule->bits,
                              .precision = rule->precision,
                              .length = rule->length};
    if (rule->arguments == PRECISION_SCALE) {
        spec.precision = native->args[0] == 0 ? 10 : native->args[0];
        spec.scale = native->args[1];
    } else if (rule->arguments == FRACTION) {
        spec.scale = native->args[0];
    } else if (rule->arguments == LENGTH) {
        spec.length = native->length;
    } else if (rule->arguments == BITS && rule->type == VALUE_BYTES) {
        spec.length = (native->args[0] + 7) / 8;
    }
    if (rule->type == VALUE_JSON)
        spec.binary = true;
    if (native->is_json)
        spec = (struct value_spec){.type = VALUE_JSON};
    if (tinyint1_as_bool && rule->bits == 8 && native->args[0] == 1)
        spec = (struct value_spec){.type = VALUE_BOOL};
    *ret_spec = spec;
    *ret_loss = mys_types_read[number].loss;
}

/* ---- types of result columns, for queries ---- */

#define CHARSET_BINARY 63
#define BYTES_PER_CHARACTER 4 /* the session's utf8mb4 */

static const struct {
    enum enum_field_types type;
    const char *base, *binary_base; /* of character set "binary" */
} field_types[] = {
    {MYSQL_TYPE_TINY, "tinyint", NULL},
    {MYSQL_TYPE_SHORT, "smallint", NULL},
    {MYSQL_TYPE_INT24, "mediumint", NULL},
    {MYSQL_TYPE_LONG, "int", NULL},
    {MYSQL_TYPE_LONGLONG, "bigint", NULL},
    {MYSQL_TYPE_YEAR, "year", NULL},
    {MYSQL_TYPE_DECIMAL, "decimal", NULL},
    {MYSQL_TYPE_NEWDECIMAL, "decimal", NULL},
    {MYSQL_TYPE_FLOAT, "float", NULL},
    {MYSQL_TYPE_DOUBLE, "double", NULL},
    {MYSQL_TYPE_BIT, "bit", NULL},
    {MYSQL_TYPE_DATE, "date", NULL},
    {MYSQL_TYPE_NEWDATE, "date", NULL},
    {MYSQL_TYPE_TIME, "time", NULL},
    {MYSQL_TYPE_DATETIME, "datetime", NULL},
    {MYSQL_TYPE_TIMESTAMP, "timestamp", NULL},
    {MYSQL_TYPE_JSON, "json", NULL},
    {MYSQL_TYPE_ENUM, "enum", NULL},
    {MYSQL_TYPE_SET, "set", NULL},
    {MYSQL_TYPE_GEOMETRY, "geometry", NULL},
    {MYSQL_TYPE_STRING, "char", "binary"},
    {MYSQL_TYPE_VAR_STRING, "varchar", "varbinary"},
    {MYSQL_TYPE_VARCHAR, "varchar", "varbinary"},
    {MYSQL_TYPE_TINY_BLOB, "tinytext", "tinyblob"},
    {MYSQL_TYPE_MEDIUM_BLOB, "mediumtext", "mediumblob"},
    {MYSQL_TYPE_LONG_BLOB, "longtext", "longblob"},
    {MYSQL_TYPE_BLOB, "text", "blob"},
    {MYSQL_TYPE_NULL, "varchar", "varchar"},
};

/* MariaDB tells what hides behind a text type: "json", "uuid", "inet6". */
static bool field_attribute_is(const MYSQL_FIELD *field, const char *name)
{
    static const enum mariadb_field_attr_t kinds[] = {MARIADB_FIELD_ATTR_DATA_TYPE_NAME,
                                                      MARIADB_FIELD_ATTR_FORMAT_NAME};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        MARIADB_CONST_STRING text = {NULL, 0};
        if (mariadb_field_attr(&text, field, kinds[i]) == 0 && text.str != NULL &&
            text.length == strlen(name) && memcmp(text.str, name, text.length) == 0)
            return true;
    }
    return false;
}

static const char *field_base(const MYSQL_FIELD *field, bool is_binary)
{
    static const char *const named[] = {"uuid", "inet4", "inet6"};
    if ((field->flags & ENUM_FLAG) != 0)
        return "enum";
    if ((field->flags & SET_FLAG) != 0)
        return "set";
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        if (field_attribute_is(field, named[i]))
            return known_base(named[i], strlen(named[i]));
    }
    for (size_t i = 0; i < sizeof field_types / sizeof field_types[0]; i++) {
        if (field_types[i].type == field->type)
            return is_binary && field_types[i].binary_base != NULL ? field_types[i].binary_base
                                                                   : field_types[i].base;
    }
    return NULL;
}

/* A result's text and blob columns say MYSQL_TYPE_BLOB whatever their size. */
static const char *blob_base(int64_t length, bool is_binary)
{
    if (length <= 255)
        return is_binary ? "tinyblob" : "tinytext";
    if (length <= 65535)
        return is_binary ? "blob" : "text";
    if (length <= 16777215)
        return is_binary ? "mediumblob" : "mediumtext";
    return is_binary ? "longblob" : "longtext";
}

static int fraction_digits(const MYSQL_FIELD *field)
{
    return field->decimals <= 6 ? (int)field->decimals : 6;
}

void mys_native_of_field(const MYSQL_FIELD *field, struct mys_native *ret_native)
{
    bool is_binary = field->charsetnr == CHARSET_BINARY;
    struct mys_native native = {.base = field_base(field, is_binary),
                                .is_unsigned = (field->flags & UNSIGNED_FLAG) != 0,
                                .is_json = field_attribute_is(field, "json")};
    native.length = (int64_t)field->length / (is_binary ? 1 : BYTES_PER_CHARACTER);
    if (field->type == MYSQL_TYPE_BLOB)
        native.base = blob_base(native.length, is_binary);
    if (field->type == MYSQL_TYPE_NEWDECIMAL) {
        /* The width counts the sign and the point. */
        native.args[0] = (int)field->length - (field->decimals > 0) - !native.is_unsigned;
        native.args[1] = (int)field->decimals;
    } else if (field->type == MYSQL_TYPE_TIME || field->type == MYSQL_TYPE_DATETIME ||
               field->type == MYSQL_TYPE_TIMESTAMP) {
        native.args[0] = fraction_digits(field);
    } else if (field->type == MYSQL_TYPE_BIT || field->type == MYSQL_TYPE_TINY) {
        native.args[0] = (int)field->length;
    }
    native.form = rules[find_rule(&native)].form;
    *ret_native = native;
}

const char *mys_native_format(const struct mys_native *native, struct arena *arena)
{
    const struct rule *rule = &rules[find_rule(native)];
    const char *sign = native->is_unsigned && strcmp(rule->base, "year") != 0 &&
                               (rule->type == VALUE_INT64 || rule->type == VALUE_DECIMAL)
                           ? " unsigned"
                           : "";
    if (rule->arguments == PRECISION_SCALE)
        return arena_printf(arena, "%s(%d,%d)%s", native->base, native->args[0], native->args[1],
                            sign);
    if (rule->arguments == LENGTH)
        return arena_printf(arena, "%s(%lld)", native->base, (long long)native->length);
    if (native->args[0] > 0 && (rule->arguments == BITS || rule->arguments == FRACTION))
        return arena_printf(arena, "%s(%d)", native->base, native->args[0]);
    return arena_printf(arena, "%s%s", native->base == NULL ? "unknown" : native->base, sign);
}

/* ---- types that a target's columns get ---- */

#define VARCHAR_MAX 768 /* characters; 3072 bytes, what an index of InnoDB takes */

static void write_text(const struct mys_type_request *request, struct str *sql)
{
    int64_t n = request->spec->length, key_max = (int64_t)request->key_bytes / 4;
    if (request->key_bytes > 0)
        str_addf(sql, "varchar(%lld)", (long long)(n > 0 && n < key_max ? n : key_max));
    else if (n > 0 && n <= (request->off_page ? 64 : VARCHAR_MAX))
        str_addf(sql, "varchar(%lld)", (long long)n);
    else
        str_add_text(sql, n == 0 || n > 4194303 ? "longtext" : n > 16383 ? "mediumtext" : "text");
}

static void write_bytes(const struct mys_type_request *request, struct str *sql)
{
    int64_t n = request->spec->length, key_max = (int64_t)request->key_bytes;
    if (request->key_bytes > 0)
        str_addf(sql, "varbinary(%lld)", (long long)(n > 0 && n < key_max ? n : key_max));
    else if (n > 0 && n <= (request->off_page ? 64 : VARCHAR_MAX))
        str_addf(sql, "varbinary(%lld)", (long long)n);
    else
        str_add_text(sql, n == 0 || n > 16777215 ? "longblob" : n > 65535 ? "mediumblob" : "blob");
}

static void write_decimal(const struct mys_type_request *request, struct str *sql)
{
    int precision = request->spec->precision, scale = request->spec->scale;
    scale = scale < 0 ? 0 : scale > 30 ? 30 : scale;
    precision = precision < scale ? scale : precision;
    if (request->spec->precision == 0 || precision > 65)
        precision = 65;
    if (request->spec->precision == 0)
        scale = 30;
    str_addf(sql, "decimal(%d,%d)", precision, scale);
}

static void write_int(const struct mys_type_request *request, struct str *sql)
{
    int bits = request->spec->bits;
    str_add_text(sql, bits == 8    ? "tinyint"
                      : bits == 16 ? "smallint"
                      : bits == 32 ? "int"
                                   : "bigint");
}

/* Scale 0 means that nothing is known of it, too: all six digits are safe. */
static void write_fraction(const char *base, const struct mys_type_request *request,
                           struct str *sql)
{
    int scale = request->spec->scale;
    str_addf(sql, "%s(%d)", base, scale > 0 && scale < 6 ? scale : 6);
}

void mys_type_write(const struct mys_type_request *request, struct str *sql)
{
    switch (request->spec->type) {
    case VALUE_BOOL:
        str_add_text(sql, "tinyint(1)");
        break;
    case VALUE_INT64:
        write_int(request, sql);
        break;
    case VALUE_FLOAT64:
        str_add_text(sql, request->spec->bits == 32 ? "float" : "double");
        break;
    case VALUE_DECIMAL:
        write_decimal(request, sql);
        break;
    case VALUE_TEXT:
        write_text(request, sql);
        break;
    case VALUE_BYTES:
        write_bytes(request, sql);
        break;
    case VALUE_DATE:
        str_add_text(sql, "date");
        break;
    case VALUE_TIME:
        write_fraction("time", request, sql);
        break;
    case VALUE_TIMESTAMP:
        write_fraction("datetime", request, sql);
        break;
    case VALUE_TIMESTAMPTZ:
        write_fraction("timestamp", request, sql);
        break;
    case VALUE_JSON:
        str_add_text(sql, "json");
        break;
    case VALUE_UUID:
        str_add_text(sql, "char(36)");
        break;
    }
}
