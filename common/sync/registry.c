/* registry: see registry.h. */
#include "sync/registry.h"

#include "base/str.h"

const struct connector *registry_find(const struct connector_registry *registry, const char *name)
{
    for (size_t i = 0; i < registry->count; i++) {
        if (strcmp(registry->items[i]->name, name) == 0)
            return registry->items[i];
    }
    return NULL;
}

enum outcome registry_get(const struct connector_registry *registry, const char *name,
                          const struct connector **ret_connector, struct err *err)
{
    const struct connector *found = registry_find(registry, name);
    if (found != NULL) {
        *ret_connector = found;
        return OUTCOME_OK;
    }
    STR_AUTO struct str known = str_with_max(256);
    for (size_t i = 0; i < registry->count; i++)
        str_addf(&known, "%s%s", i == 0 ? "" : ", ", registry->items[i]->name);
    (void)FAIL(err, OUTCOME_PERMANENT, "connector.unknown", "no connector is named \"%s\"", name);
    return err_hint(err, "known connectors: %s", str_text(&known));
}
