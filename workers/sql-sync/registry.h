/*
 * registry: the connectors of sql-sync. A new connector is a folder and one row in registry.c.
 */
#ifndef HAUL_SQL_SYNC_REGISTRY_H
#define HAUL_SQL_SYNC_REGISTRY_H

#include "sync/registry.h"

extern const struct connector_registry sql_connectors;

#endif
