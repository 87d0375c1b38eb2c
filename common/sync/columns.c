/* columns: what the target's table has beyond what is written, by the sync's mode. */
#include "sync/internal.h"

#include <string.h>

static const struct column_spec deleted_at = {
    .name = HAUL_COLUMN_DELETED_AT,
    .spec = {.type = VALUE_TIMESTAMPTZ, .scale = 6},
    .nullable = true,
    .comment = "when haul found that the row is gone from its source",
};
static const struct column_spec history_columns[] = {
    {.name = HAUL_COLUMN_VALID_FROM,
     .spec = {.type = VALUE_TIMESTAMPTZ, .scale = 6},
     .comment = "when haul first saw this version"},
    {.name = HAUL_COLUMN_VALID_TO,
     .spec = {.type = VALUE_TIMESTAMPTZ, .scale = 6},
     .nullable = true,
     .comment = "when haul saw its successor; NULL = it still stands"},
    {.name = HAUL_COLUMN_IS_CURRENT,
     .spec = {.type = VALUE_BOOL},
     .comment = "whether this is the version that stands"},
};

bool sync_is_soft(const struct sync *sync)
{
    return sync->spec->mode == SYNC_MIRROR && sync->spec->delete_mode == SYNC_DELETE_SOFT;
}

bool target_live_filter(const struct sync *sync, struct read_filter *ret_filter)
{
    *ret_filter = (struct read_filter){0};
    if (sync_is_soft(sync))
        *ret_filter = (struct read_filter){HAUL_COLUMN_DELETED_AT, READ_IS_NULL, NULL, false};
    else if (sync->spec->mode == SYNC_SNAPSHOT_HISTORY)
        *ret_filter = (struct read_filter){HAUL_COLUMN_IS_CURRENT, READ_IS_TRUE, NULL, false};
    return ret_filter->column != NULL;
}

enum outcome target_columns(const struct sync *sync, struct target_columns *ret_columns,
                            struct err *err)
{
    const struct sync_plan *plan = &sync->plan;
    size_t count = plan->column_count, key_count = plan->key_count;
    struct column_spec *columns = ARENA_ARRAY(sync->arena, struct column_spec, count + 3);
    size_t *key = ARENA_ARRAY(sync->arena, size_t, key_count + 1);
    TRY_ALLOC(columns, err);
    TRY_ALLOC(key, err);
    memcpy(columns, plan->columns, count * sizeof *columns);
    if (key_count > 0)
        memcpy(key, plan->key, key_count * sizeof *key);
    for (size_t i = 0; i < key_count; i++)
        columns[key[i]].nullable = false;
    if (sync_is_soft(sync))
        columns[count++] = deleted_at;
    if (sync->spec->mode == SYNC_SNAPSHOT_HISTORY) {
        key[key_count++] = count; /* each version is a row of its own */
        memcpy(columns + count, history_columns, sizeof history_columns);
        count += 3;
    }
    if (sync->spec->mode == SYNC_APPEND)
        key_count = 0; /* the same row may come again when it has changed */
    *ret_columns = (struct target_columns){columns, count, key, key_count};
    return OUTCOME_OK;
}
