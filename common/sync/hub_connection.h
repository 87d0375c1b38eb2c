/*
 * hub_connection: the configured systems of a workspace, with their sealed secrets.
 *
 * Is:      load (for a sync), add, list, remove and the vault's rotation.
 * Is not:  a check that the system can be reached: the connector's open does that.
 * Owns:    a loaded connection its secrets, in locked memory: hub_connection_done wipes them.
 * Threads: as its hub.
 *
 * A connection's configuration is what its connector's field table says. Fields flagged secret are
 * sealed one by one, bound to workspace, connection and field; the rest stands as plain JSON.
 */
#ifndef HAUL_SYNC_HUB_CONNECTION_H
#define HAUL_SYNC_HUB_CONNECTION_H

#include "base/fields.h"
#include "sync/hub.h"

#define CONNECTION_SECRETS_MAX 8

struct connection {
    const char *workspace_id, *connection_id;
    const char *title; /* what people call it; "" = nothing */
    const struct connector *connector;
    const void *config; /* the connector's struct, decoded; secrets point into `secrets` */
    struct secret secrets[CONNECTION_SECRETS_MAX];
    size_t secret_count;
};
#define CONNECTION_AUTO __attribute__((cleanup(hub_connection_done)))

/*
 * Reads a connection, opens its secrets and decodes its configuration. All but the secrets lives in
 * `arena`. PERMANENT "connection.missing" (the hint names the nearest known id),
 * "connection.connector" (this program has no such connector), "connection.config", "hub.keyring"
 * (secrets but no keyring), and what seal_open gives.
 */
MUST_USE enum outcome hub_connection_load(const struct hub *hub, const char *workspace_id,
                                          const char *connection_id, struct arena *arena,
                                          struct connection *ret_connection, struct err *err);

/* Wipes the secrets; `config` must not be used any more. Takes a zeroed or done one. */
void hub_connection_done(struct connection *connection);

struct connection_draft {
    const char *workspace_id, *connection_id; /* letters, digits, . _ -; at most 128 */
    const char *title;                        /* NULL = none */
    const struct connector *connector;
    const struct jval *config; /* object of all fields, secrets in plain */
    bool replace;              /* take the place of one with this id */
};

/* Checks the configuration with the connector's table, seals the secrets and stores it; the
 * workspace is made when it is new. Audited. PERMANENT "connection.exists", "connection.id", what
 * fields_decode gives, "hub.keyring". */
MUST_USE enum outcome hub_connection_add(const struct hub *hub,
                                         const struct connection_draft *draft, struct err *err);

struct connection_row {
    const char *workspace_id, *connection_id, *title, *connector;
    const char *config;  /* JSON without secrets */
    const char *secrets; /* names of the sealed fields, separated by commas; "" = none */
    const char *key_ids; /* of the keys they are sealed with, separated by commas */
    const char *created_at, *updated_at; /* RFC 3339 */
};
struct connection_rows {
    const struct connection_row *items; /* by workspace and id */
    size_t count;
};
/* The connections of a workspace; NULL = of all. */
MUST_USE enum outcome hub_connection_list(const struct hub *hub, const char *workspace_id,
                                          struct arena *arena, struct connection_rows *ret_rows,
                                          struct err *err);

/* Audited. PERMANENT "connection.missing"; "connection.in_use" when a stored sync names it and
 * `force` is false. */
MUST_USE enum outcome hub_connection_remove(const struct hub *hub, const char *workspace_id,
                                            const char *connection_id, bool force, struct err *err);

struct vault_report {
    int64_t connections, connections_resealed;
    int64_t rows, rows_resealed; /* of the quarantine */
};
/* Seals everything that is not sealed with the active key again, connection by connection, so that
 * it can be stopped and begun again. Audited. PERMANENT "seal.key_missing" when a key is gone. */
MUST_USE enum outcome hub_vault_rotate(const struct hub *hub, struct vault_report *ret_report,
                                       struct err *err);

#endif
