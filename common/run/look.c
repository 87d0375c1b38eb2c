/* look: see look.h. */
#include "run/look.h"

#include "io/json.h"
#include "run/attempt.h"

bool look_glance(const struct runtime *rt, struct slice record, struct look *ret_look,
                 struct job_glance *ret_glance)
{
    struct job_glance glance;
    if (!job_glance(record, &glance))
        return false;
    const struct kind_entry *kind = attempt_kind_named(rt, glance.kind);
    if (kind == NULL)
        return false;
    *ret_look = (struct look){.kind = kind, .tenant = attempt_number_of(glance.workspace_id)};
    *ret_glance = glance;
    return true;
}

static bool look_closely(const struct runtime *rt, struct slice record, struct look *ret_look)
{
    ARENA_AUTO struct arena arena;
    const struct jval *envelope = NULL;
    struct job job;
    struct err ignored = {0};
    arena_init(&arena, (size_t)rt->conf->job_memory_bytes);
    if (jread_object(record, &arena, &envelope, &ignored) != OUTCOME_OK ||
        job_decode(envelope, &arena, &job, &ignored) != OUTCOME_OK)
        return false;
    const struct kind_entry *kind = attempt_kind_named(rt, slice_of(job.kind));
    const char *workspace_id = jval_text(jval_get(envelope, "data"), "workspace_id", "");
    if (kind == NULL)
        return false;
    *ret_look = (struct look){.kind = kind, .tenant = attempt_number_of(slice_of(workspace_id))};
    return true;
}

bool look_record(const struct runtime *rt, struct slice record, struct look *ret_look)
{
    struct job_glance glance;
    return look_glance(rt, record, ret_look, &glance) || look_closely(rt, record, ret_look);
}
