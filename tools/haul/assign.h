/*
 * assign: FIELD=VALUE words of a command line, built into a JSON object by a field table.
 *
 * Is:      what stands behind `haul connection add` and `haul enqueue`: paths like "source.table",
 *          values as their field's type wants them.
 * Is not:  the check of the whole: fields_decode does that afterwards.
 * Owns:    nothing: all lives in the arena, but secret texts, which live in `secrets`.
 * Threads: one.
 */
#ifndef HAUL_TOOL_ASSIGN_H
#define HAUL_TOOL_ASSIGN_H

#include "base/fields.h"
#include "io/seal.h"

#define ASSIGN_SECRETS_MAX 8

struct assign {
    const struct field_table *table;
    struct arena *arena;
    struct jval object; /* what has been assigned so far */
    struct secret secrets[ASSIGN_SECRETS_MAX];
    size_t secret_count;
    bool secret_on_line; /* a secret stood on the command line itself */
};

/* Begins with a copy of `base` (NULL = an empty object). */
MUST_USE enum outcome assign_begin(const struct field_table *table, const struct jval *base,
                                   struct arena *arena, struct assign *ret_assign, struct err *err);

/*
 * Takes one word. FIELD=VALUE; of a secret field also FIELD_file=PATH (the file's first line),
 * FIELD_env=NAME and FIELD=- (the first line of standard input). Lists are split at commas, objects
 * and numbers are JSON. PERMANENT "usage", naming the field.
 */
MUST_USE enum outcome assign_word(struct assign *assign, const char *word, struct err *err);

void assign_done(struct assign *assign); /* wipes the secrets */
#define ASSIGN_AUTO __attribute__((cleanup(assign_done)))

#endif
