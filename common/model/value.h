/*
 * value: haul's value types, and the specs of columns and tables.
 *
 * Is:      the twelve types that every connector maps to and from, with their text forms.
 * Is not:  storage (model/batch) nor a connector's mapping (each connector's type table).
 * Owns:    nothing: specs are plain data in the caller's arena, const once built.
 * Threads: any.
 *
 * Physical forms in a batch (Arrow C Data Interface layouts):
 *   bool         bitmap                        int64        int64
 *   float64      IEEE double                   decimal      canonical decimal text (utf8)
 *   text         UTF-8                         bytes        any bytes
 *   date         int32 days since 1970-01-01   time         int64 us; may be negative or beyond 24
 * h timestamp    int64 us since the epoch of a naive wall clock     timestamptz  the same in UTC
 *   json         JSON text, as the source gave it           uuid         16 bytes, big-endian
 *
 * Infinite dates and timestamps are VALUE_DATE_INFINITY, VALUE_TIMESTAMP_INFINITY and the same with
 * a minus sign; decimals may be the texts "NaN", "Infinity", "-Infinity". A target says in its
 * value_limits what it can hold.
 */
#ifndef HAUL_MODEL_VALUE_H
#define HAUL_MODEL_VALUE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum value_type {
    VALUE_BOOL,
    VALUE_INT64,
    VALUE_FLOAT64,
    VALUE_DECIMAL,
    VALUE_TEXT,
    VALUE_BYTES,
    VALUE_DATE,
    VALUE_TIME,
    VALUE_TIMESTAMP,
    VALUE_TIMESTAMPTZ,
    VALUE_JSON,
    VALUE_UUID,
};
#define VALUE_TYPE_COUNT (VALUE_UUID + 1)

#define VALUE_DATE_INFINITY INT32_MAX
#define VALUE_TIMESTAMP_INFINITY INT64_MAX

/* A type with the width a target should give it. 0 = not known or no limit. */
struct value_spec {
    enum value_type type;
    int bits;             /* int64: 8, 16, 32, 64; float64: 32, 64 */
    int precision, scale; /* decimal; precision 0 = unbounded. time, timestamps: scale = digits */
    int64_t length;       /* text: characters; bytes: bytes */
    bool binary;          /* json: kept as parsed (jsonb), not verbatim */
};

struct column_spec {
    const char *name;
    struct value_spec spec;
    bool nullable;
    bool generated;      /* computed by its system: read, never written */
    const char *native;  /* the system's own type text: "numeric(12,2)" */
    const char *loss;    /* what the mapping from the system loses; NULL = nothing */
    const char *comment; /* NULL = none */
};

enum table_kind { TABLE_BASE, TABLE_VIEW, TABLE_PARTITIONED, TABLE_QUERY };

/* What stands in a system: from discover and describe. */
struct table_spec {
    const char *schema, *name; /* schema NULL where the system has none */
    enum table_kind kind;
    const char *comment;
    size_t column_count;
    struct column_spec *columns;
    size_t key_count;
    const size_t *key; /* column numbers of the primary key, or of the best not-null unique index */
    int64_t rows_estimate, bytes_estimate; /* -1 = not known */
};

/* What a system's types can hold, beyond haul's own ranges. */
struct value_limits {
    bool text_nul;                 /* U+0000 in text */
    bool infinity;                 /* infinite dates and timestamps */
    bool decimal_nan;              /* NaN and infinities in decimals */
    bool float_nan;                /* NaN and infinities in floats */
    bool uuid_native, bool_native; /* else text(36), int64(8) */
    int64_t time_min_us, time_max_us;
    int32_t date_min, date_max;
    int64_t timestamp_min_us, timestamp_max_us;
    int64_t timestamptz_min_us, timestamptz_max_us;
    int decimal_precision, decimal_scale; /* the most digits, and behind the point */
    size_t name_max;                      /* bytes of an identifier */
};

const char *value_type_name(enum value_type type); /* "timestamptz" */
bool value_type_parse(const char *name, enum value_type *ret_type);

/* Fixed width in bytes of a type's values in a batch; 0 = variable, bool = 0 too (a bitmap). */
size_t value_type_width(enum value_type type);
static inline bool value_type_is_variable(enum value_type type)
{
    return type == VALUE_DECIMAL || type == VALUE_TEXT || type == VALUE_BYTES || type == VALUE_JSON;
}

/* "decimal(12,2)", "int64(32)", "text(40)", "timestamp(6)"; and back. */
void value_spec_format(const struct value_spec *spec, struct str *out);
bool value_spec_parse(const char *text, struct value_spec *ret_spec);

/* The column's number by exact name; -1 when there is none. */
int table_spec_find(const struct table_spec *table, const char *name);

/* ---- text forms of single values; all exact, none allocates ---- */

/* Canonical decimal: sign, digits, optional fraction; no exponent, no leading or trailing zeros, no
 * "-0", "0" for zero. Reads plain and exponent forms. Writes at most VALUE_DECIMAL_MAX bytes. */
#define VALUE_DECIMAL_MAX 1100
bool decimal_canonical(const char *text, size_t len, char *to, size_t *ret_len);
/* Digits before and behind the point of a canonical decimal. */
void decimal_digits(const char *text, size_t len, int *ret_integer, int *ret_fraction);
/* Rounds a canonical finite decimal half away from zero to `scale` digits behind the point (before
 * it when negative); the result is canonical and no longer than VALUE_DECIMAL_MAX. */
size_t decimal_round(const char *text, size_t len, int scale, char *to);

/* Days since 1970-01-01 of a proleptic Gregorian date, and back. */
int64_t date_from_civil(int64_t year, unsigned month, unsigned day);
void date_to_civil(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day);

/* "2026-11-21" (years -9999..5874897, sign before 0); false when it is no real date. */
bool date_parse(const char *text, size_t len, int32_t *ret_days);
size_t date_format(int32_t days, char to[32]);
/* "[-]HH:MM:SS[.ffffff]", hours up to 9999. */
bool time_parse(const char *text, size_t len, int64_t *ret_us);
size_t time_format(int64_t us, char to[32]);
/* "2026-11-21 07:18:26[.ffffff]" (space or T). Fraction digits only as far as they are not zero. */
bool timestamp_parse(const char *text, size_t len, int64_t *ret_us);
size_t timestamp_format(int64_t us, char to[40]);
/* With "Z" or "+HH[:MM]" at the end; formatted in UTC with "+00". */
bool timestamptz_parse(const char *text, size_t len, int64_t *ret_us);
size_t timestamptz_format(int64_t us, char to[40]);
/* 36 characters, any case in, lower case out. */
bool uuid_parse(const char *text, size_t len, uint8_t ret_bytes[16]);
void uuid_format(const uint8_t bytes[16], char to[36]);

/* JSON text in canonical form: members sorted by name bytes, no white space, numbers as canonical
 * decimals, minimal escapes, duplicate names: the last one. False when it is no JSON (or deeper
 * than 512). Adds to `out`; scratch memory from `scratch`, reset by the caller. */
bool json_text_canonical(struct slice text, struct arena *scratch, struct str *out);

#endif
