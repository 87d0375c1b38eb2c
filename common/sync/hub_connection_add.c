/* hub_connection_add: checks a connection's configuration, seals its secrets, stores it. */
#include "base/jwrite.h"
#include "sync/connector.h"
#include "sync/hub_connection.h"
#include "sync/hub_text.h"

#define CONFIG_MAX_BYTES ((size_t)1 << 20)
#define ID_MAX 128

struct add {
    const struct hub *hub;
    const struct connection_draft *draft;
    struct str config, secrets; /* JSON objects */
    size_t secret_count;
};

static bool is_id(const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(text);
    return len > 0 && len <= ID_MAX && strspn(text, allowed) == len;
}

static enum outcome check_ids(const struct connection_draft *draft, struct err *err)
{
    const char *const ids[] = {draft->workspace_id, draft->connection_id};
    static const char *const names[] = {"workspace", "connection"};
    for (size_t i = 0; i < 2; i++) {
        if (!is_id(ids[i]))
            return FAIL(err, OUTCOME_PERMANENT, "connection.id",
                        "%s \"%.*s\": an id is 1 to %d letters, digits, dots, dashes or "
                        "underscores",
                        names[i], ID_MAX, ids[i], ID_MAX);
    }
    return OUTCOME_OK;
}

/* Decodes it as the load will, and wipes the secrets that the decoding has copied. */
static enum outcome check_config(const struct connection_draft *draft, struct err *err)
{
    const struct field_table *table = draft->connector->config;
    ARENA_AUTO struct arena arena;
    arena_init(&arena, CONFIG_MAX_BYTES);
    char *config = arena_alloc(&arena, table->struct_size);
    TRY_ALLOC(config, err);
    enum outcome outcome = fields_decode(table, draft->config, &arena, config, err);
    if (outcome != OUTCOME_OK)
        return err_prefix(err, "connector %s", draft->connector->name);
    for (size_t i = 0; i < table->count; i++) {
        const struct field *field = &table->fields[i];
        char *text = NULL;
        if ((field->flags & FIELD_SECRET) == 0 || field->type != FIELD_STRING)
            continue;
        memcpy(&text, config + field->offset, sizeof text);
        const struct jval *given = jval_get(draft->config, field->name);
        if (text != NULL && given != NULL && text != given->string.data)
            wipe_bytes(text, strlen(text));
    }
    return OUTCOME_OK;
}

static enum outcome seal_member(struct add *add, struct jwrite *w, const struct jval_member *member,
                                struct err *err)
{
    TRY(hub_need_keyring(add->hub, "sealing a secret", err));
    STR_AUTO struct str sealed = str_with_max(CONFIG_MAX_BYTES);
    const struct seal_place place = {add->draft->workspace_id, add->draft->connection_id,
                                     member->name};
    TRY(seal_add(add->hub->keyring, &place, member->value.string, &sealed, err));
    if (sealed.failed)
        return FAIL_NO_MEMORY(err);
    jwrite_member_text(w, member->name, str_text(&sealed));
    add->secret_count++;
    return OUTCOME_OK;
}

static enum outcome split_config(struct add *add, struct err *err)
{
    const struct jval *config = add->draft->config;
    struct jwrite plain = jwrite_to(&add->config), sealed = jwrite_to(&add->secrets);
    jwrite_open_object(&plain);
    jwrite_open_object(&sealed);
    for (size_t i = 0; i < config->object.count; i++) {
        const struct jval_member *member = &config->object.members[i];
        const struct field *field = fields_find(add->draft->connector->config, member->name);
        if (member->value.type == JVAL_NULL)
            continue;
        if (field != NULL && (field->flags & FIELD_SECRET) != 0) {
            TRY(seal_member(add, &sealed, member, err));
            continue;
        }
        jwrite_key(&plain, member->name);
        jwrite_jval(&plain, &member->value);
    }
    jwrite_close_object(&plain);
    jwrite_close_object(&sealed);
    if (add->config.failed || add->secrets.failed)
        return FAIL_NO_MEMORY(err);
    if (add->secret_count > CONNECTION_SECRETS_MAX)
        return FAIL_BUG(err, "more than %d secrets", CONNECTION_SECRETS_MAX);
    return OUTCOME_OK;
}

#define INSERT_CONNECTION                                                                          \
    "INSERT INTO haul.connections"                                                                 \
    " (workspace_id, connection_id, title, connector, config, secrets, key_ids)"                   \
    " VALUES ($1, $2, $3, $4, $5::jsonb, $6::jsonb,"                                               \
    " CASE WHEN $7::text IS NULL THEN '{}'::text[] ELSE ARRAY[$7::text] END)"

static enum outcome store(const struct add *add, struct err *err)
{
    const struct connection_draft *draft = add->draft;
    const char *key_id = add->secret_count > 0 ? keyring_active_id(add->hub->keyring) : NULL;
    const struct pgsql_params params = PGSQL_PARAMS(
        draft->workspace_id, draft->connection_id, draft->title == NULL ? "" : draft->title,
        draft->connector->name, str_text(&add->config), str_text(&add->secrets), key_id);
    if (draft->replace)
        return pgsql_run(add->hub->db,
                         INSERT_CONNECTION
                         " ON CONFLICT (workspace_id, connection_id) DO UPDATE"
                         " SET title = excluded.title, connector = excluded.connector,"
                         " config = excluded.config, secrets = excluded.secrets,"
                         " key_ids = excluded.key_ids, updated_at = now()",
                         params, NULL, err);
    enum outcome outcome = pgsql_run(add->hub->db, INSERT_CONNECTION, params, NULL, err);
    if (outcome == OUTCOME_OK || err == NULL || strcmp(err->code, "hub.unique") != 0)
        return outcome;
    FAIL(err, OUTCOME_PERMANENT, "connection.exists",
         "workspace \"%s\" has a connection \"%s\" already", draft->workspace_id,
         draft->connection_id);
    return err_hint(err, "--replace puts this one in its place");
}

static enum outcome store_audited(const struct add *add, struct err *err)
{
    const struct connection_draft *draft = add->draft;
    STR_AUTO struct str detail = str_with_max(CONFIG_MAX_BYTES);
    struct jwrite w = jwrite_to(&detail);
    jwrite_open_object(&w);
    jwrite_member_text(&w, "connector", draft->connector->name);
    jwrite_member_bool(&w, "replace", draft->replace);
    jwrite_close_object(&w);
    PGSQL_TX_AUTO struct pgsql_tx tx = {0};
    TRY(pgsql_begin(add->hub->db, &tx, err));
    TRY(pgsql_run(add->hub->db,
                  "INSERT INTO haul.workspaces (workspace_id) VALUES ($1) ON CONFLICT DO NOTHING",
                  PGSQL_PARAMS(draft->workspace_id), NULL, err));
    TRY(store(add, err));
    TRY(hub_audit_add(add->hub,
                      &(struct hub_audit){"connection.add", draft->workspace_id,
                                          draft->connection_id, str_text(&detail)},
                      err));
    return pgsql_commit(&tx, err);
}

enum outcome hub_connection_add(const struct hub *hub, const struct connection_draft *draft,
                                struct err *err)
{
    TRY(check_ids(draft, err));
    TRY(check_config(draft, err));
    struct add add = {hub, draft, str_with_max(CONFIG_MAX_BYTES), str_with_max(CONFIG_MAX_BYTES),
                      0};
    enum outcome outcome = split_config(&add, err);
    if (outcome == OUTCOME_OK)
        outcome = store_audited(&add, err);
    str_done(&add.config);
    str_done(&add.secrets);
    return outcome;
}
