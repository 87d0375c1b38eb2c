/* sql_sync: the kind of job that syncs one table: see common/sync/sync.h for what it does. */
#ifndef HAUL_SQL_SYNC_SQL_SYNC_H
#define HAUL_SQL_SYNC_SQL_SYNC_H

#include "run/worker.h"

/* `payload` is a struct sync_spec. */
MUST_USE enum outcome sql_sync_run(struct job_context *job, const void *payload, struct err *err);

/* Its connections: 0 the source, 1 the target. */
size_t sql_sync_dependencies(const void *payload, struct job_dependency ret_list[DEPENDENCIES_MAX]);
int sql_sync_blame(const struct err *err);

#endif
