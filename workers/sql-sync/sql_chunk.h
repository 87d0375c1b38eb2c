/* sql_chunk: the kind of job that does one part of a sync's load; made by a sql_sync job. */
#ifndef HAUL_SQL_SYNC_SQL_CHUNK_H
#define HAUL_SQL_SYNC_SQL_CHUNK_H

#include "run/worker.h"

#define SQL_CHUNK_KIND "sql_sync_chunk"

/* Its payload is read from the hub: the record names the parent and the part. */
MUST_USE enum outcome sql_chunk_run(struct job_context *job, const void *payload, struct err *err);

#endif
