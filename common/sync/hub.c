/* hub: see hub.h. */
#include "sync/hub.h"

#include <inttypes.h>

enum outcome hub_version(const struct hub *hub, int64_t *ret_version, struct err *err)
{
    PGSQL_RESULT_AUTO struct pgsql_result *there = NULL;
    TRY(pgsql_query(hub->db, "SELECT to_regclass('haul.migrations') IS NOT NULL", PGSQL_NONE,
                    &there, err));
    if (!pgsql_bool(there, 0, 0)) {
        *ret_version = 0;
        return OUTCOME_OK;
    }
    PGSQL_RESULT_AUTO struct pgsql_result *version = NULL;
    TRY(pgsql_query(hub->db, "SELECT coalesce(max(version), 0) FROM haul.migrations", PGSQL_NONE,
                    &version, err));
    *ret_version = pgsql_i64(version, 0, 0, 0);
    return OUTCOME_OK;
}

enum outcome hub_check_version(const struct hub *hub, struct err *err)
{
    int64_t version = 0;
    TRY(hub_version(hub, &version, err));
    if (version >= HUB_VERSION)
        return OUTCOME_OK;
    FAIL(err, OUTCOME_PERMANENT, "hub.not_migrated",
         "the hub's schema is at version %" PRId64 ", this program needs %d", version, HUB_VERSION);
    return err_hint(err, "run: haul migrate");
}

enum outcome hub_audit_add(const struct hub *hub, const struct hub_audit *entry, struct err *err)
{
    return pgsql_run(
        hub->db,
        "INSERT INTO haul.audit_log (actor, action, workspace_id, object, detail)"
        " VALUES ($1, $2, $3, $4, $5::jsonb)",
        PGSQL_PARAMS(hub->actor, entry->action, entry->workspace_id, entry->object, entry->detail),
        NULL, err);
}
