/* sql-sync: a table of MySQL, MariaDB or PostgreSQL arrives in another, proven. */
#include "registry.h"
#include "run/fan_out.h"
#include "run/worker.h"
#include "sql_chunk.h"
#include "sql_sync.h"
#include "sync/sync_spec.h"

static const struct job_kind kinds[] = {
    {.name = "sql_sync",
     .doc = "Copies or incrementally syncs one table, view or query into a table.",
     .payload = &sync_spec_table,
     .ordered = true, /* two runs of one sync would fence each other off */
     .max_attempts = 8,
     .run = sql_sync_run,
     .dependencies = sql_sync_dependencies,
     .blame = sql_sync_blame},
    {.name = SQL_CHUNK_KIND,
     .doc = "Loads some chunks of a big table; made by a sql_sync with fan_out_rows.",
     .payload = &job_child_table,
     .max_attempts = 8,
     .run = sql_chunk_run,
     .dependencies = job_child_dependencies,
     .blame = sql_sync_blame},
};

static const struct worker sql_sync = {
    .name = "sql-sync",
    .version = HAUL_VERSION,
    .doc = "Syncs SQL tables: MySQL, MariaDB and PostgreSQL, each as source and target.",
    .kinds = kinds,
    .kind_count = FIELDS_COUNT(kinds),
    .connectors = &sql_connectors,
    .workspace_jobs_max = 10,
};

int main(int argc, char **argv)
{
    return worker_main(argc, argv, &sql_sync);
}
