/* sql_sync: the kind of job that syncs one table: see common/sync/sync.h for what it does. */
#ifndef HAUL_SQL_SYNC_SQL_SYNC_H
#define HAUL_SQL_SYNC_SQL_SYNC_H

#include "run/worker.h"

/* `payload` is a struct sync_spec. */
MUST_USE enum outcome sql_sync_run(struct job_context *job, const void *payload, struct err *err);

#endif
