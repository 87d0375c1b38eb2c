/*
 * fields_private: what the files of fields share; included by fields*.c and conf*.c only.
 */
#ifndef HAUL_BASE_FIELDS_PRIVATE_H
#define HAUL_BASE_FIELDS_PRIVATE_H

#include "base/fields.h"

/* Where a value stands: a chain from the value up to the root, on the decoder's stack. */
struct fields_path {
    const struct fields_path *up;
    const struct field *field; /* what is expected here */
    size_t index;              /* of an item of a list */
    bool is_item;
    bool is_secret; /* this field or one above it */
};

struct fields_decoder {
    struct arena *arena;
    struct err *err;
};

struct fields_path fields_path_to(const struct fields_path *up, const struct field *field);

/* PERMANENT `code`: field "path" <got>: expected ...; `got` is hidden for a secret. */
enum outcome fields_refuse(const struct fields_decoder *d, const struct fields_path *path,
                           const char *code, const char *got);
/* PERMANENT "fields.unknown" with the nearest name as the hint. */
enum outcome fields_refuse_unknown(const struct fields_decoder *d, const struct fields_path *up,
                                   const struct field_table *table, const char *name);

/* Check a value against the field and store it at its place in the struct. */
MUST_USE enum outcome fields_put_string(const struct fields_decoder *d,
                                        const struct fields_path *path, struct slice text,
                                        void *at);
MUST_USE enum outcome fields_put_int(const struct fields_decoder *d, const struct fields_path *path,
                                     int64_t value, void *at);
MUST_USE enum outcome fields_put_real(const struct fields_decoder *d,
                                      const struct fields_path *path, double value, void *at);
MUST_USE enum outcome fields_put_enum(const struct fields_decoder *d,
                                      const struct fields_path *path, const char *name, void *at);
MUST_USE enum outcome fields_put_time(const struct fields_decoder *d,
                                      const struct fields_path *path, const char *text, void *at);
/* fields.range unless the count of a list is within the bounds. */
MUST_USE enum outcome fields_check_count(const struct fields_decoder *d,
                                         const struct fields_path *path, size_t count);

/* A value from text, as a person types it. */
MUST_USE enum outcome fields_parse_text(const struct fields_decoder *d,
                                        const struct fields_path *path, const char *text, void *at);
/* The default, when the field has one; what has none stays zeroed. A bad default is a BUG. */
MUST_USE enum outcome fields_put_default(const struct fields_decoder *d,
                                         const struct fields_path *path, void *at);

/* What the field takes, for people: "an integer from 1 to 64 (ms)". */
void fields_add_expected(const struct field *field, struct str *out);

static inline bool field_is_bounded(const struct field *field)
{
    return field->min != 0 || field->max != 0;
}

#endif
