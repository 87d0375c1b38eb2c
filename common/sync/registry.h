/*
 * registry: the connectors that a worker was built with, found by name.
 *
 * Is:      a const list; a worker has one (workers/sql-sync/registry.h), the command line and the
 *          contract tests use the same.
 * Owns:    nothing.
 * Threads: any.
 */
#ifndef HAUL_SYNC_REGISTRY_H
#define HAUL_SYNC_REGISTRY_H

#include "sync/connector.h"

struct connector_registry {
    const struct connector *const *items;
    size_t count;
};

/* The connector of a name; NULL when there is none. */
const struct connector *registry_find(const struct connector_registry *registry, const char *name);

/* The same, with PERMANENT "connector.unknown" that names the known ones. */
MUST_USE enum outcome registry_get(const struct connector_registry *registry, const char *name,
                                   const struct connector **ret_connector, struct err *err);

#endif
