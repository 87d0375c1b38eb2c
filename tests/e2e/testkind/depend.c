/* depend: see depend.h. */
#include "depend.h"

#include "base/clock.h"

#include <unistd.h>

struct depend {
    const char *on, *also_on, *down_file;
    int64_t sleep_ms;
    bool tells_early;
};

static const struct field fields[] = {
    {.name = "on",
     .type = FIELD_STRING,
     .max = 200,
     .offset = offsetof(struct depend, on),
     .flags = FIELD_REQUIRED,
     .doc = "What it needs, of its workspace."},
    {.name = "also_on",
     .type = FIELD_STRING,
     .max = 200,
     .offset = offsetof(struct depend, also_on),
     .doc = "What it needs too, of everybody's."},
    {.name = "down_file",
     .type = FIELD_STRING,
     .max = 1000,
     .offset = offsetof(struct depend, down_file),
     .doc = "The first is down while this file exists."},
    {.name = "sleep_ms",
     .type = FIELD_INT,
     .offset = offsetof(struct depend, sleep_ms),
     .min = 0,
     .max = 600000,
     .unit = "ms",
     .default_text = "0",
     .doc = "How long it takes."},
    {.name = "tells_early",
     .type = FIELD_BOOL,
     .offset = offsetof(struct depend, tells_early),
     .default_text = "false",
     .doc = "It says at once that the first is up."},
};
const struct field_table depend_payload = {"depend", "Needs something.", fields,
                                           FIELDS_COUNT(fields), sizeof(struct depend)};

size_t depend_list(const void *payload_struct, struct job_dependency ret_list[DEPENDENCIES_MAX])
{
    const struct depend *depend = payload_struct;
    ret_list[0] = (struct job_dependency){.type = "thing", .id = depend->on};
    ret_list[1] =
        (struct job_dependency){.type = "shared", .id = depend->also_on, .is_everyones = true};
    return depend->also_on == NULL ? 1 : 2;
}

int depend_blame(const struct err *err)
{
    return strcmp(err->code, "test.down") == 0 ? 0 : -1;
}

enum outcome depend_run(struct job_context *job, const void *payload_struct, struct err *err)
{
    const struct depend *depend = payload_struct;
    int64_t end_us = clock_monotonic_us() + depend->sleep_ms * US_PER_MS;
    TRY(pgsql_run(job->hub->db, "INSERT INTO effects (job_id, attempt, fence) VALUES ($1, $2, $3)",
                  PGSQL_PARAMS(job->job_id, PGSQL_INT(job->attempt), PGSQL_INT(job->fence)), NULL,
                  err));
    bool is_down = depend->down_file != NULL && access(depend->down_file, F_OK) == 0;
    if (depend->tells_early && !is_down)
        job_dependency_up(job, 0);
    while (clock_monotonic_us() < end_us) {
        TRY(job_check(job, err));
        clock_sleep_us(5 * US_PER_MS);
    }
    if (is_down)
        return FAIL(err, OUTCOME_RETRY, "test.down", "what it needs is down");
    return pgsql_run(job->hub->db, "UPDATE effects SET done = true WHERE job_id = $1",
                     PGSQL_PARAMS(job->job_id), NULL, err);
}
