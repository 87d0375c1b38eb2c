/*
 * hub_sync: the definitions of syncs as they were last asked for, and the mirror of their
 * checkpoints.
 *
 * Is:      what `haul verify`, `haul show` and the operator know of a sync between its jobs.
 * Is not:  the checkpoint that counts: it stands in the target, beside the data, where the target
 *          has transactions (sync/checkpoint.h). The mirror may be behind it.
 * Owns:    nothing. Threads: as its hub.
 */
#ifndef HAUL_SYNC_HUB_SYNC_H
#define HAUL_SYNC_HUB_SYNC_H

#include "base/arena.h"
#include "sync/hub.h"

struct sync_ref {
    const char *workspace_id, *sync_id;
};

struct sync_row {
    const char *workspace_id, *sync_id;
    const char *kind;                                  /* of the job that defined it: "sql_sync" */
    const char *definition;                            /* the job's payload, JSON */
    const char *created_at, *updated_at, *last_run_at; /* RFC 3339; last_run_at NULL = never */
};
struct sync_rows {
    const struct sync_row *items; /* by workspace and id */
    size_t count;
};

/* Stores the definition, in place of an older one. The workspace must be known: PERMANENT
 * "workspace.missing". */
MUST_USE enum outcome hub_sync_save(const struct hub *hub, const struct sync_ref *sync,
                                    const char *kind, struct slice definition, struct err *err);

/* PERMANENT "sync.missing", the hint naming the nearest known id. */
MUST_USE enum outcome hub_sync_load(const struct hub *hub, const struct sync_ref *sync,
                                    struct arena *arena, struct sync_row *ret_row, struct err *err);

/* The syncs of a workspace; NULL = of all. */
MUST_USE enum outcome hub_sync_list(const struct hub *hub, const char *workspace_id,
                                    struct arena *arena, struct sync_rows *ret_rows,
                                    struct err *err);

struct checkpoint_row {
    int64_t fence;
    const char *state;      /* JSON */
    const char *updated_at; /* RFC 3339 */
};

/* Mirrors the checkpoint. An older fence than the stored one changes nothing: CANCELLED "fenced".
 */
MUST_USE enum outcome hub_checkpoint_save(const struct hub *hub, const struct sync_ref *sync,
                                          int64_t fence, const char *state, struct err *err);

/* `state` is NULL when there is none yet. */
MUST_USE enum outcome hub_checkpoint_load(const struct hub *hub, const struct sync_ref *sync,
                                          struct arena *arena, struct checkpoint_row *ret_row,
                                          struct err *err);

#endif
