/* hub_connection: load, list, remove; see hub_connection.h. (hub_connection_add.c, hub_vault.c) */
#include "sync/hub_connection.h"

#include "io/json.h"
#include "sync/hub_text.h"
#include "sync/registry.h"

/* ---- load ---- */

struct load {
    const struct hub *hub;
    struct arena *arena;
    struct connection connection;
};

static enum outcome fail_missing(const struct hub *hub, const char *workspace_id,
                                 const char *connection_id, struct err *err)
{
    FAIL(err, OUTCOME_PERMANENT, "connection.missing", "no connection \"%s\" in workspace \"%s\"",
         connection_id, workspace_id);
    PGSQL_RESULT_AUTO struct pgsql_result *names = NULL;
    if (pgsql_query(hub->db,
                    "SELECT connection_id FROM haul.connections WHERE workspace_id = $1"
                    " ORDER BY connection_id",
                    PGSQL_PARAMS(workspace_id), &names, NULL) != OUTCOME_OK)
        return OUTCOME_PERMANENT;
    return hub_hint_nearest(names, connection_id, "add it: haul connection add", err);
}

static enum outcome find_connector(struct load *load, const char *name, struct err *err)
{
    if (load->hub->connectors != NULL)
        load->connection.connector = registry_find(load->hub->connectors, name);
    if (load->connection.connector != NULL)
        return OUTCOME_OK;
    FAIL(err, OUTCOME_PERMANENT, "connection.connector",
         "connection \"%s\" is of connector \"%s\", which this program does not have",
         load->connection.connection_id, name);
    return err_hint(err, "use a program of the version that added the connection");
}

static enum outcome open_secret(struct load *load, const struct jval_member *sealed,
                                struct err *err)
{
    struct connection *connection = &load->connection;
    if (connection->secret_count == CONNECTION_SECRETS_MAX)
        return FAIL_BUG(err, "connection \"%s\" has more than %d secrets",
                        connection->connection_id, CONNECTION_SECRETS_MAX);
    if (sealed->value.type != JVAL_STRING)
        return FAIL(err, OUTCOME_PERMANENT, "seal.syntax",
                    "connection \"%s\": the stored secret \"%s\" is no text",
                    connection->connection_id, sealed->name);
    TRY(hub_need_keyring(load->hub, "a connection's secret", err));
    const struct seal_place place = {connection->workspace_id, connection->connection_id,
                                     sealed->name};
    enum outcome outcome = seal_open(load->hub->keyring, &place, sealed->value.string.data,
                                     &connection->secrets[connection->secret_count], err);
    if (outcome != OUTCOME_OK)
        return err_prefix(err, "connection \"%s\", field \"%s\"", connection->connection_id,
                          sealed->name);
    connection->secret_count++;
    return OUTCOME_OK;
}

/* One object of configuration and opened secrets; their texts are not copied. */
static enum outcome merge_config(struct load *load, const struct jval *config,
                                 const struct jval *sealed, struct jval *ret_all, struct err *err)
{
    size_t count = config->object.count + sealed->object.count;
    struct jval_member *members = ARENA_ARRAY(load->arena, struct jval_member, count + 1);
    TRY_ALLOC(members, err);
    if (config->object.count > 0)
        memcpy(members, config->object.members, config->object.count * sizeof *members);
    for (size_t i = 0; i < sealed->object.count; i++) {
        TRY(open_secret(load, &sealed->object.members[i], err));
        const struct secret *secret = &load->connection.secrets[i];
        members[config->object.count + i] = (struct jval_member){
            .name = sealed->object.members[i].name,
            .value = {.type = JVAL_STRING, .string = {secret->text, secret->len}},
        };
    }
    *ret_all = (struct jval){.type = JVAL_OBJECT, .object = {count, members}};
    return OUTCOME_OK;
}

/* The decoder copies texts into the arena: there the secret is wiped, and the struct gets the one
 * that is locked in memory. */
static void keep_secret_once(void *config, const struct field *field, struct secret *secret)
{
    char *copy = NULL;
    memcpy(&copy, (char *)config + field->offset, sizeof copy);
    if (copy != NULL && copy != secret->text)
        wipe_bytes(copy, secret->len);
    memcpy((char *)config + field->offset, &secret->text, sizeof secret->text);
}

static enum outcome decode_config(struct load *load, const struct jval *all,
                                  const struct jval *sealed, struct err *err)
{
    struct connection *connection = &load->connection;
    const struct field_table *table = connection->connector->config;
    void *config = arena_alloc(load->arena, table->struct_size);
    TRY_ALLOC(config, err);
    if (fields_decode(table, all, load->arena, config, err) != OUTCOME_OK) {
        if (err != NULL && err->outcome == OUTCOME_PERMANENT)
            text_copy(err->code, sizeof err->code, "connection.config");
        err_hint(err, "add it again: haul connection add --replace");
        return err_prefix(err, "connection \"%s\"", connection->connection_id);
    }
    for (size_t i = 0; i < sealed->object.count; i++) {
        const struct field *field = fields_find(table, sealed->object.members[i].name);
        if (field != NULL && field->type == FIELD_STRING)
            keep_secret_once(config, field, &connection->secrets[i]);
    }
    connection->config = config;
    return OUTCOME_OK;
}

/* The connection as a row: connector, title, config, secrets. */
static enum outcome load_row(struct load *load, const struct pgsql_result *row, struct err *err)
{
    struct connection *connection = &load->connection;
    TRY(find_connector(load, pgsql_text(row, 0, 0), err));
    connection->title = arena_strdup(load->arena, pgsql_text(row, 0, 1));
    TRY_ALLOC(connection->title, err);
    const struct jval *config = NULL, *sealed = NULL;
    TRY(jread_object(pgsql_slice(row, 0, 2), load->arena, &config, err));
    TRY(jread_object(pgsql_slice(row, 0, 3), load->arena, &sealed, err));
    struct jval all;
    TRY(merge_config(load, config, sealed, &all, err));
    return decode_config(load, &all, sealed, err);
}

enum outcome hub_connection_load(const struct hub *hub, const char *workspace_id,
                                 const char *connection_id, struct arena *arena,
                                 struct connection *ret_connection, struct err *err)
{
    PGSQL_RESULT_AUTO struct pgsql_result *row = NULL;
    TRY(pgsql_query(hub->db,
                    "SELECT connector, title, config::text, secrets::text FROM haul.connections"
                    " WHERE workspace_id = $1 AND connection_id = $2",
                    PGSQL_PARAMS(workspace_id, connection_id), &row, err));
    if (pgsql_rows(row) == 0)
        return fail_missing(hub, workspace_id, connection_id, err);
    struct load load = {.hub = hub, .arena = arena};
    load.connection.workspace_id = arena_strdup(arena, workspace_id);
    load.connection.connection_id = arena_strdup(arena, connection_id);
    TRY_ALLOC(load.connection.workspace_id, err);
    TRY_ALLOC(load.connection.connection_id, err);
    enum outcome outcome = load_row(&load, row, err);
    if (outcome != OUTCOME_OK) {
        hub_connection_done(&load.connection);
        return outcome;
    }
    *ret_connection = load.connection;
    return OUTCOME_OK;
}

void hub_connection_done(struct connection *connection)
{
    for (size_t i = 0; i < connection->secret_count; i++)
        secret_done(&connection->secrets[i]);
    *connection = (struct connection){0};
}

/* ---- list, remove ---- */

enum outcome hub_connection_list(const struct hub *hub, const char *workspace_id,
                                 struct arena *arena, struct connection_rows *ret_rows,
                                 struct err *err)
{
    PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
    TRY(pgsql_query(
        hub->db,
        "SELECT workspace_id, connection_id, title, connector, config::text,"
        " coalesce((SELECT string_agg(k, ',' ORDER BY k) FROM jsonb_object_keys(secrets) k), ''),"
        " array_to_string(key_ids, ','), " HUB_TIME("created_at") "," HUB_TIME(
            "updated_at") " FROM haul.connections WHERE $1::text IS NULL OR workspace_id = $1 "
                          "ORDER BY 1, 2",
        PGSQL_PARAMS(workspace_id), &result, err));
    size_t count = pgsql_rows(result);
    struct connection_row *items = ARENA_ARRAY(arena, struct connection_row, count + 1);
    TRY_ALLOC(items, err);
    for (size_t i = 0; i < count; i++) {
        struct connection_row *row = &items[i];
        struct hub_texts texts = {result, i, arena, false};
        const char **const columns[] = {
            &row->workspace_id, &row->connection_id, &row->title,
            &row->connector,    &row->config,        &row->secrets,
            &row->key_ids,      &row->created_at,    &row->updated_at,
        };
        for (size_t c = 0; c < sizeof columns / sizeof *columns; c++)
            *columns[c] = hub_text(&texts, c);
        if (texts.failed)
            return FAIL_NO_MEMORY(err);
    }
    *ret_rows = (struct connection_rows){items, count};
    return OUTCOME_OK;
}

static enum outcome refuse_if_used(const struct hub *hub, const char *workspace_id,
                                   const char *connection_id, struct err *err)
{
    PGSQL_RESULT_AUTO struct pgsql_result *syncs = NULL;
    TRY(pgsql_query(hub->db,
                    "SELECT count(*), min(sync_id) FROM haul.syncs WHERE workspace_id = $1"
                    " AND $2 IN (definition #>> '{source,connection_id}',"
                    " definition #>> '{target,connection_id}')",
                    PGSQL_PARAMS(workspace_id, connection_id), &syncs, err));
    if (pgsql_i64(syncs, 0, 0, 0) == 0)
        return OUTCOME_OK;
    FAIL(err, OUTCOME_PERMANENT, "connection.in_use",
         "connection \"%s\" is used by %s sync(s), among them \"%s\"", connection_id,
         pgsql_text(syncs, 0, 0), pgsql_text(syncs, 0, 1));
    return err_hint(err, "--force removes it all the same; their next jobs will fail");
}

enum outcome hub_connection_remove(const struct hub *hub, const char *workspace_id,
                                   const char *connection_id, bool force, struct err *err)
{
    if (!force)
        TRY(refuse_if_used(hub, workspace_id, connection_id, err));
    PGSQL_TX_AUTO struct pgsql_tx tx = {0};
    TRY(pgsql_begin(hub->db, &tx, err));
    int64_t removed = 0;
    TRY(pgsql_run(hub->db,
                  "DELETE FROM haul.connections WHERE workspace_id = $1 AND connection_id = $2",
                  PGSQL_PARAMS(workspace_id, connection_id), &removed, err));
    if (removed == 0)
        return fail_missing(hub, workspace_id, connection_id, err);
    TRY(hub_audit_add(
        hub, &(struct hub_audit){"connection.remove", workspace_id, connection_id, NULL}, err));
    return pgsql_commit(&tx, err);
}
