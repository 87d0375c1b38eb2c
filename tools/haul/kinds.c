/* kinds: see kinds.h. A new kind of job is a row here and in its worker's main. */
#include "kinds.h"

#include "command.h"
#include "sync/sync_spec.h"

static enum outcome check_sync(const void *payload, struct err *err)
{
    return sync_spec_check(payload, err);
}

static const char *sync_subject(const char *workspace_id, const void *payload, struct arena *arena)
{
    const struct sync_spec *spec = payload;
    return arena_printf(arena, "%s/%s", workspace_id, spec->sync_id);
}

const struct kind kinds[] = {
    {"sql_sync", "sql-sync", &sync_spec_table, check_sync, sync_subject},
    {NULL, NULL, NULL, NULL, NULL},
};

enum outcome kind_find(const char *name, const struct kind **ret_kind, struct err *err)
{
    STR_AUTO struct str known = str_with_max(sizeof err->hint);
    for (const struct kind *kind = kinds; kind->name != NULL; kind++) {
        if (strcmp(kind->name, name) == 0) {
            *ret_kind = kind;
            return OUTCOME_OK;
        }
        str_addf(&known, "%s%s", kind == kinds ? "" : ", ", kind->name);
    }
    (void)USAGE(err, "no kind of job is named \"%s\"", name);
    return err_hint(err, "known kinds: %s", str_text(&known));
}

void kind_workers(const char *ret_workers[WORKERS_MAX])
{
    size_t count = 0;
    for (const struct kind *kind = kinds; kind->name != NULL && count + 1 < WORKERS_MAX; kind++) {
        bool is_known = false;
        for (size_t i = 0; i < count; i++)
            is_known = is_known || strcmp(ret_workers[i], kind->worker) == 0;
        if (!is_known)
            ret_workers[count++] = kind->worker;
    }
    ret_workers[count] = NULL;
}
