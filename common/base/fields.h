/*
 * fields: a struct described by one table, from which it is decoded, checked and documented.
 *
 * Is:      the one mechanism behind process configuration, job payloads and connection
 *          configurations: a table of fields (type, unit, range, default, doc, offset) that decodes
 *          a JSON object or text pairs into a struct, and prints help, JSON Schema and Markdown.
 * Is not:  a place for rules between fields: those are checked by the table's owner afterwards.
 * Owns:    nothing; strings and lists of the decoded struct live in the caller's arena.
 * Threads: tables are const; decoding is as thread-safe as its arena.
 *
 * What a field becomes in the struct, at `offset`:
 *   FIELD_STRING  const char * (NULL when absent and without default)
 *   FIELD_INT     int64_t      FIELD_BOOL  bool      FIELD_ENUM  int (index into choices)
 *   FIELD_REAL    double       FIELD_TIME  int64_t (RFC 3339; µs since the epoch; 0 = absent)
 *   FIELD_STRINGS struct field_strings      FIELD_OBJECT  the embedded struct of `table`
 *   FIELD_OBJECTS struct field_objects (an array of `table`'s structs)
 *   FIELD_JSON    const struct jval * (any value of the decoded tree itself; NULL = absent)
 *
 * What is absent and has no default is zero. Texts and lists are copies. An OBJECT without
 * FIELD_PRESENT that is absent is decoded as {}: its defaults hold, what it requires is missing.
 * JSON null is a value of its own type: only FIELD_JSON takes it.
 */
#ifndef HAUL_BASE_FIELDS_H
#define HAUL_BASE_FIELDS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/jval.h"

enum field_type {
    FIELD_STRING,
    FIELD_INT,
    FIELD_BOOL,
    FIELD_ENUM,
    FIELD_REAL,
    FIELD_TIME,
    FIELD_STRINGS,
    FIELD_OBJECT,
    FIELD_OBJECTS,
    FIELD_JSON,
};

enum field_flag {
    FIELD_REQUIRED = 1 << 0,
    FIELD_SECRET = 1 << 1,  /* never printed; may come as NAME_FILE; sealed in the hub */
    FIELD_PRESENT = 1 << 2, /* an OBJECT that may be absent: its struct begins with a bool */
};

struct field_table;

struct field {
    const char *name; /* snake_case, as in JSON; HAUL_<NAME> and --name are made from it */
    enum field_type type;
    unsigned flags;
    size_t offset;
    /* INT, REAL: value; STRING: bytes; STRINGS, OBJECTS: count; both 0 = no bound */
    int64_t min, max;
    const char *unit;                 /* "ms", "bytes"; NULL = none */
    const char *default_text;         /* as a person would type it; NULL = none */
    const char *const *choices;       /* ENUM: names, NULL at the end */
    const struct field_table *object; /* OBJECT, OBJECTS */
    const char *doc;                  /* one sentence */
};

struct field_table {
    const char *name; /* of the struct, for messages and schema titles */
    const char *doc;
    const struct field *fields;
    size_t count;
    size_t struct_size;
};

struct field_strings {
    size_t count;
    const char *const *items;
};

struct field_objects {
    size_t count;
    void *items; /* count * table->struct_size bytes */
};

/* Gives the texts behind names, for configurations: returns NULL when there is none. */
typedef const char *field_lookup(void *ctx, const char *name);

/*
 * Decodes a JSON object into `ret_struct` (table->struct_size bytes, overwritten on success).
 * PERMANENT "fields.unknown" (with the nearest known name), "fields.missing", "fields.type",
 * "fields.range", each naming the path ("source.table") and what was expected.
 */
MUST_USE enum outcome fields_decode(const struct field_table *table, const struct jval *object,
                                    struct arena *arena, void *ret_struct, struct err *err);

/* The same from texts (flat tables: no OBJECT, OBJECTS, JSON); STRINGS are split at commas. */
MUST_USE enum outcome fields_decode_texts(const struct field_table *table, field_lookup *lookup,
                                          void *ctx, struct arena *arena, void *ret_struct,
                                          struct err *err);

/* The field of a name; NULL when there is none. */
const struct field *fields_find(const struct field_table *table, const char *name);

/* The known name that is nearest to `name`; NULL when none is within a distance of 3 that is less
 * than the name's own length. */
const char *fields_nearest(const struct field_table *table, const char *name);

/* JSON Schema (draft 2020-12) of the object, written as one value; its members alone, into an
 * object that is open, so that $schema and $id can stand beside them; a Markdown table of it. */
struct jwrite;
void fields_write_schema(const struct field_table *table, struct jwrite *w);
void fields_write_schema_members(const struct field_table *table, struct jwrite *w);
void fields_print_markdown(const struct field_table *table, struct str *out);

#define FIELDS_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
