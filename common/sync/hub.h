/*
 * hub: the handle on the hub: its PostgreSQL, the keyring, the connectors that are known.
 *
 * Is:      what the hub_*.h functions need, gathered once a thread; and the check that the hub was
 *          migrated.
 * Is not:  the ledger, fences and cancels: those are run/'s. Nor a migrator: `haul migrate`.
 * Owns:    nothing: the caller opens and closes what it points to.
 * Threads: one at a time, as its pgsql.
 *
 * All hub functions fail as pgsql's do (RETRY "hub.unreachable" when the hub cannot be reached) and
 * with what they name.
 */
#ifndef HAUL_SYNC_HUB_H
#define HAUL_SYNC_HUB_H

#include "io/pgsql.h"
#include "io/seal.h"

struct connector_registry;

struct hub {
    struct pgsql *db;
    const struct keyring *keyring;               /* NULL: nothing can be sealed or opened */
    const struct connector_registry *connectors; /* NULL: connections cannot be loaded */
    const char *actor;                           /* for the audit log: "cli root@host" */
};

/* The last migration that this program knows; `haul migrate` brings a hub to it. */
#define HUB_VERSION 12

/* PERMANENT "hub.not_migrated" when the hub's schema is missing or older than HUB_VERSION. */
MUST_USE enum outcome hub_check_version(const struct hub *hub, struct err *err);

/* The version that the hub is at; 0 = never migrated. */
MUST_USE enum outcome hub_version(const struct hub *hub, int64_t *ret_version, struct err *err);

/* One line of the audit log. `detail` is JSON without secrets or row data; NULL = none. */
struct hub_audit {
    const char *action;       /* "connection.add" */
    const char *workspace_id; /* NULL = of no workspace */
    const char *object;       /* the connection's, job's or sync's id; NULL = none */
    const char *detail;
};
MUST_USE enum outcome hub_audit_add(const struct hub *hub, const struct hub_audit *entry,
                                    struct err *err);

#endif
