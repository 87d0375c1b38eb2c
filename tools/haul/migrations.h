/*
 * migrations: the hub's SQL files, embedded at build time (cmake/embed_migrations.cmake).
 */
#ifndef HAUL_TOOL_MIGRATIONS_H
#define HAUL_TOOL_MIGRATIONS_H

#include "base/str.h"
#include "sync/hub.h"

struct migration {
    int64_t version;      /* of the file's name: 0001_core.sql is 1 */
    const char *name;     /* "0001_core" */
    const char *checksum; /* SHA-256 of the file, in hexadecimal */
    const char *sql;
};
extern const struct migration hub_migrations[]; /* ascending; name NULL at the end */

struct migrate_report {
    int64_t before, after;
    int64_t applied;
    int64_t missing; /* known here, not applied: also those that stand before an applied one */
};

/* Applies what is not applied yet, each file in a transaction of its own, under an advisory lock.
 * PERMANENT "migrate.changed" when an applied file is another now, "migrate.newer" when the hub is
 * ahead of this program; what the statements give, prefixed by the file's name. */
MUST_USE enum outcome migrations_apply(const struct hub *hub, struct migrate_report *ret_report,
                                       struct err *err);

/* The check of that alone: changes nothing. */
MUST_USE enum outcome migrations_check(const struct hub *hub, struct migrate_report *ret_report,
                                       struct err *err);

#endif
