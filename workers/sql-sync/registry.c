/* registry: see registry.h. */
#include "registry.h"

#include "mysql/connector.h"

static const struct connector *const items[] = {
    &connector_mysql,
};

const struct connector_registry sql_connectors = {items, sizeof items / sizeof items[0]};
