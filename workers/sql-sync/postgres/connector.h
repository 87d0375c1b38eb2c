/*
 * postgres: PostgreSQL 12 and newer as source and target, through libpq.
 *
 * Is:      the connector table; everything else of this folder is private to it.
 * Threads: as sync/connector.h says.
 */
#ifndef HAUL_SQL_SYNC_POSTGRES_CONNECTOR_H
#define HAUL_SQL_SYNC_POSTGRES_CONNECTOR_H

#include "sync/connector.h"

extern const struct connector connector_postgres;

#endif
