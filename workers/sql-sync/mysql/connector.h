/*
 * mysql: the connector for MySQL 5.7 and later and MariaDB 10.3 and later, over libmariadb.
 *
 * Is:      source and target of sync/connector.h; docs and limits are in its const table.
 * Is not:  a place for SQL of other systems; only this folder knows libmariadb.
 * Threads: as sync/connector.h says.
 */
#ifndef HAUL_SQL_SYNC_MYSQL_CONNECTOR_H
#define HAUL_SQL_SYNC_MYSQL_CONNECTOR_H

#include "sync/connector.h"

enum mys_tls {
    MYS_TLS_DISABLED,
    MYS_TLS_PREFERRED,
    MYS_TLS_REQUIRED,
    MYS_TLS_VERIFY_CA,
    MYS_TLS_VERIFY_IDENTITY,
};

/* A connection's configuration, as its field table decodes it. */
struct mys_config {
    const char *host; /* a name, an address, or the absolute path of a socket */
    int64_t port;
    const char *database; /* NULL = none: every stream names its schema */
    const char *user;
    const char *password; /* NULL = none */
    int tls;              /* enum mys_tls */
    const char *tls_ca, *tls_cert, *tls_key;
    int64_t connect_timeout_ms, statement_timeout_ms;
    bool tinyint1_as_bool;
};

extern const struct connector connector_mysql;

#endif
