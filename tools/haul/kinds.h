/*
 * kinds: the kinds of jobs that the command line knows, one row each.
 *
 * Threads: any.
 */
#ifndef HAUL_TOOL_KINDS_H
#define HAUL_TOOL_KINDS_H

#include "base/arena.h"
#include "base/fields.h"

struct kind {
    const char *name;   /* of the type haul.job.<name>.v1 */
    const char *worker; /* whose jobs topic it goes to */
    const struct field_table *payload;
    /* The rules between the payload's fields; NULL = none. */
    enum outcome (*check)(const void *payload, struct err *err);
    /* The order key: jobs of one subject run one after the other. NULL without memory. */
    const char *(*subject)(const char *workspace_id, const void *payload, struct arena *arena);
};
extern const struct kind kinds[]; /* name NULL at the end */

/* PERMANENT "usage", naming the known ones. */
MUST_USE enum outcome kind_find(const char *name, const struct kind **ret_kind, struct err *err);

/* The workers of all kinds, each once; NULL at the end. */
#define WORKERS_MAX 16
void kind_workers(const char *ret_workers[WORKERS_MAX]);

#endif
