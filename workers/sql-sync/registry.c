/* registry: see registry.h. */
#include "registry.h"

#include "mysql/connector.h"
#include "postgres/connector.h"

static const struct connector *const items[] = {
    &connector_mysql,
    &connector_postgres,
};

const struct connector_registry sql_connectors = {items, sizeof items / sizeof items[0]};
