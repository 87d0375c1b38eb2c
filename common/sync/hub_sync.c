/* hub_sync: see hub_sync.h. */
#include "sync/hub_sync.h"

#include "sync/hub_text.h"

#include <inttypes.h>

enum outcome hub_sync_save(const struct hub *hub, const struct sync_ref *sync, const char *kind,
                           struct slice definition, struct err *err)
{
    ARENA_AUTO struct arena arena;
    arena_init(&arena, definition.len + 4096);
    char *text = arena_strndup(&arena, definition.data, definition.len);
    TRY_ALLOC(text, err);
    enum outcome outcome =
        pgsql_run(hub->db,
                  "INSERT INTO haul.syncs AS s (workspace_id, sync_id, kind, definition)"
                  " VALUES ($1, $2, $3, $4::jsonb)"
                  " ON CONFLICT (workspace_id, sync_id) DO UPDATE"
                  " SET kind = excluded.kind, definition = excluded.definition, updated_at = now()"
                  " WHERE (s.kind, s.definition) <> (excluded.kind, excluded.definition)",
                  PGSQL_PARAMS(sync->workspace_id, sync->sync_id, kind, text), NULL, err);
    if (outcome == OUTCOME_OK || err == NULL || strcmp(err->native, "23503") != 0)
        return outcome;
    FAIL(err, OUTCOME_PERMANENT, "workspace.missing", "workspace \"%s\" is not known to the hub",
         sync->workspace_id);
    return err_hint(err, "a workspace comes into being with its first connection: "
                         "haul connection add");
}

#define SYNC_COLUMNS                                                                               \
    "SELECT s.workspace_id, s.sync_id, s.kind, s.definition::text," HUB_TIME(                      \
        "s.created_at") "," HUB_TIME("s.updated_at") ","                                           \
                                                     " (SELECT " HUB_TIME(                         \
                                                         "max(r.started_at)") " FROM haul.runs r"  \
                                                                              "  WHERE "           \
                                                                              "r.workspace_id = "  \
                                                                              "s.workspace_id "    \
                                                                              "AND r.sync_id = "   \
                                                                              "s.sync_id)"         \
                                                                              " FROM haul.syncs s"

static bool copy_sync(const struct pgsql_result *result, size_t row, struct arena *arena,
                      struct sync_row *to)
{
    struct hub_texts texts = {result, row, arena, false};
    to->workspace_id = hub_text(&texts, 0);
    to->sync_id = hub_text(&texts, 1);
    to->kind = hub_text(&texts, 2);
    to->definition = hub_text(&texts, 3);
    to->created_at = hub_text(&texts, 4);
    to->updated_at = hub_text(&texts, 5);
    to->last_run_at = hub_text(&texts, 6);
    return !texts.failed;
}

static enum outcome fail_missing(const struct hub *hub, const struct sync_ref *sync,
                                 struct err *err)
{
    FAIL(err, OUTCOME_PERMANENT, "sync.missing", "no sync \"%s\" in workspace \"%s\"",
         sync->sync_id, sync->workspace_id);
    PGSQL_RESULT_AUTO struct pgsql_result *names = NULL;
    if (pgsql_query(hub->db, "SELECT sync_id FROM haul.syncs WHERE workspace_id = $1",
                    PGSQL_PARAMS(sync->workspace_id), &names, NULL) != OUTCOME_OK)
        return OUTCOME_PERMANENT;
    return hub_hint_nearest(names, sync->sync_id, "a sync is stored when its first job runs", err);
}

enum outcome hub_sync_load(const struct hub *hub, const struct sync_ref *sync, struct arena *arena,
                           struct sync_row *ret_row, struct err *err)
{
    PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
    TRY(pgsql_query(hub->db, SYNC_COLUMNS " WHERE s.workspace_id = $1 AND s.sync_id = $2",
                    PGSQL_PARAMS(sync->workspace_id, sync->sync_id), &result, err));
    if (pgsql_rows(result) == 0)
        return fail_missing(hub, sync, err);
    struct sync_row row = {0};
    if (!copy_sync(result, 0, arena, &row))
        return FAIL_NO_MEMORY(err);
    *ret_row = row;
    return OUTCOME_OK;
}

enum outcome hub_sync_list(const struct hub *hub, const char *workspace_id, struct arena *arena,
                           struct sync_rows *ret_rows, struct err *err)
{
    PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
    TRY(pgsql_query(hub->db,
                    SYNC_COLUMNS " WHERE $1::text IS NULL OR s.workspace_id = $1 ORDER BY 1, 2",
                    PGSQL_PARAMS(workspace_id), &result, err));
    size_t count = pgsql_rows(result);
    struct sync_row *items = ARENA_ARRAY(arena, struct sync_row, count + 1);
    TRY_ALLOC(items, err);
    for (size_t i = 0; i < count; i++) {
        if (!copy_sync(result, i, arena, &items[i]))
            return FAIL_NO_MEMORY(err);
    }
    *ret_rows = (struct sync_rows){items, count};
    return OUTCOME_OK;
}

enum outcome hub_checkpoint_save(const struct hub *hub, const struct sync_ref *sync, int64_t fence,
                                 const char *state, struct err *err)
{
    int64_t changed = 0;
    TRY(pgsql_run(hub->db,
                  "INSERT INTO haul.checkpoints AS c (workspace_id, sync_id, fence, state)"
                  " VALUES ($1, $2, $3::bigint, $4::json)"
                  " ON CONFLICT (workspace_id, sync_id) DO UPDATE"
                  " SET fence = excluded.fence, state = excluded.state, updated_at = now()"
                  " WHERE c.fence <= excluded.fence",
                  PGSQL_PARAMS(sync->workspace_id, sync->sync_id, PGSQL_INT(fence), state),
                  &changed, err));
    if (changed == 0)
        return FAIL(err, OUTCOME_CANCELLED, "fenced",
                    "sync \"%s\": another worker has a newer fence than %" PRId64, sync->sync_id,
                    fence);
    return OUTCOME_OK;
}

enum outcome hub_checkpoint_load(const struct hub *hub, const struct sync_ref *sync,
                                 struct arena *arena, struct checkpoint_row *ret_row,
                                 struct err *err)
{
    PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
    TRY(pgsql_query(hub->db,
                    "SELECT fence, state::text, " HUB_TIME(
                        "updated_at") " FROM haul.checkpoints"
                                      " WHERE workspace_id = $1 AND sync_id = $2",
                    PGSQL_PARAMS(sync->workspace_id, sync->sync_id), &result, err));
    struct checkpoint_row row = {0};
    if (pgsql_rows(result) > 0) {
        struct hub_texts texts = {result, 0, arena, false};
        row.fence = pgsql_i64(result, 0, 0, 0);
        row.state = hub_text(&texts, 1);
        row.updated_at = hub_text(&texts, 2);
        if (texts.failed)
            return FAIL_NO_MEMORY(err);
    }
    *ret_row = row;
    return OUTCOME_OK;
}
