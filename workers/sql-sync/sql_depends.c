/* sql_depends: what a sync needs, and whose fault a failure is: its connections, 0 the source and 1
 * the target. */
#include "sql_sync.h"
#include "sync/sync_spec.h"

size_t sql_sync_dependencies(const void *payload, struct job_dependency ret_list[DEPENDENCIES_MAX])
{
    const struct sync_spec *spec = payload;
    ret_list[0] = (struct job_dependency){"connection", spec->source.connection_id, false};
    ret_list[1] = (struct job_dependency){"connection", spec->target.connection_id, false};
    return 2;
}

/* What the sync puts before a failure to connect, and the codes of a side that was lost. */
int sql_sync_blame(const struct err *err)
{
    static const struct {
        const char *code, *message; /* what they begin with */
        int dependency;
    } rows[] = {
        {"connect.", "source", 0},
        {"connect.", "target", 1},
        {"read.lost", "", 0},
        {"write.lost", "", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strncmp(err->code, rows[i].code, strlen(rows[i].code)) == 0 &&
            strncmp(err->message, rows[i].message, strlen(rows[i].message)) == 0)
            return rows[i].dependency;
    return -1;
}
