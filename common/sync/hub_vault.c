/* hub_vault: seals again, with the active key, what stands in the hub; see hub_connection.h. */
#include "base/jwrite.h"
#include "io/json.h"
#include "sync/hub_connection.h"
#include "sync/hub_text.h"

#define SECRETS_MAX_BYTES ((size_t)4 << 20)
#define ROW_MAX_BYTES ((size_t)256 << 20)

struct connection_ref {
    const char *workspace_id, *connection_id;
};

/* ---- connections, one transaction each ---- */

static enum outcome reseal_members(const struct hub *hub, const struct connection_ref *of,
                                   const struct jval *secrets, struct str *out, struct err *err)
{
    struct jwrite w = jwrite_to(out);
    jwrite_open_object(&w);
    for (size_t i = 0; i < secrets->object.count; i++) {
        const struct jval_member *member = &secrets->object.members[i];
        const struct seal_place place = {of->workspace_id, of->connection_id, member->name};
        STR_AUTO struct str sealed = str_with_max(SECRETS_MAX_BYTES);
        if (member->value.type != JVAL_STRING)
            return FAIL(err, OUTCOME_PERMANENT, "seal.syntax", "secret \"%s\" is no text",
                        member->name);
        TRY(seal_rotate(hub->keyring, &place, member->value.string.data, &sealed, err));
        jwrite_member_text(&w, member->name, str_text(&sealed));
    }
    jwrite_close_object(&w);
    return out->failed ? FAIL_NO_MEMORY(err) : OUTCOME_OK;
}

static enum outcome reseal_connection(const struct hub *hub, const struct connection_ref *of,
                                      struct err *err)
{
    PGSQL_TX_AUTO struct pgsql_tx tx = {0};
    TRY(pgsql_begin(hub->db, &tx, err));
    PGSQL_RESULT_AUTO struct pgsql_result *row = NULL;
    TRY(pgsql_query(hub->db,
                    "SELECT secrets::text FROM haul.connections"
                    " WHERE workspace_id = $1 AND connection_id = $2 FOR UPDATE",
                    PGSQL_PARAMS(of->workspace_id, of->connection_id), &row, err));
    if (pgsql_rows(row) == 0)
        return OUTCOME_OK; /* removed meanwhile */
    ARENA_AUTO struct arena arena;
    arena_init(&arena, SECRETS_MAX_BYTES);
    const struct jval *secrets = NULL;
    TRY(jread_object(pgsql_slice(row, 0, 0), &arena, &secrets, err));
    STR_AUTO struct str resealed = str_with_max(SECRETS_MAX_BYTES);
    TRY(reseal_members(hub, of, secrets, &resealed, err));
    TRY(pgsql_run(hub->db,
                  "UPDATE haul.connections SET secrets = $3::jsonb, key_ids = ARRAY[$4::text]"
                  " WHERE workspace_id = $1 AND connection_id = $2",
                  PGSQL_PARAMS(of->workspace_id, of->connection_id, str_text(&resealed),
                               keyring_active_id(hub->keyring)),
                  NULL, err));
    return pgsql_commit(&tx, err);
}

static enum outcome reseal_connections(const struct hub *hub, struct vault_report *report,
                                       struct err *err)
{
    PGSQL_RESULT_AUTO struct pgsql_result *old = NULL;
    TRY(pgsql_query(hub->db,
                    "SELECT workspace_id, connection_id, key_ids <> ARRAY[$1::text]"
                    " FROM haul.connections WHERE secrets <> '{}' ORDER BY 1, 2",
                    PGSQL_PARAMS(keyring_active_id(hub->keyring)), &old, err));
    report->connections = (int64_t)pgsql_rows(old);
    for (size_t i = 0; i < pgsql_rows(old); i++) {
        const struct connection_ref of = {pgsql_text(old, i, 0), pgsql_text(old, i, 1)};
        if (!pgsql_bool(old, i, 2))
            continue;
        if (reseal_connection(hub, &of, err) != OUTCOME_OK)
            return err_prefix(err, "connection \"%s\" of workspace \"%s\"", of.connection_id,
                              of.workspace_id);
        report->connections_resealed++;
    }
    return OUTCOME_OK;
}

/* ---- quarantined rows, a page at a time ---- */

static enum outcome reseal_row(const struct hub *hub, const struct pgsql_result *page, size_t i,
                               struct err *err)
{
    struct quarantine_place at;
    hub_quarantine_place(pgsql_text(page, i, 0), pgsql_text(page, i, 1), pgsql_i64(page, i, 2, 0),
                         pgsql_i64(page, i, 3, 0), &at);
    STR_AUTO struct str sealed = str_with_max(ROW_MAX_BYTES);
    if (seal_rotate(hub->keyring, &at.place, pgsql_text(page, i, 4), &sealed, err) != OUTCOME_OK)
        return err_prefix(err, "quarantined row %s of run %s", at.field, pgsql_text(page, i, 1));
    return pgsql_run(hub->db,
                     "UPDATE haul.quarantine SET row_sealed = $4, key_id = $5"
                     " WHERE run_id = $1 AND chunk = $2::bigint AND row_number = $3::bigint",
                     PGSQL_PARAMS(pgsql_text(page, i, 1), pgsql_text(page, i, 2),
                                  pgsql_text(page, i, 3), str_text(&sealed),
                                  keyring_active_id(hub->keyring)),
                     NULL, err);
}

static enum outcome reseal_page(const struct hub *hub, int64_t *ret_count, struct err *err)
{
    PGSQL_TX_AUTO struct pgsql_tx tx = {0};
    TRY(pgsql_begin(hub->db, &tx, err));
    PGSQL_RESULT_AUTO struct pgsql_result *page = NULL;
    TRY(pgsql_query(hub->db,
                    "SELECT workspace_id, run_id, chunk, row_number, row_sealed"
                    " FROM haul.quarantine WHERE key_id <> $1 LIMIT 200 FOR UPDATE",
                    PGSQL_PARAMS(keyring_active_id(hub->keyring)), &page, err));
    for (size_t i = 0; i < pgsql_rows(page); i++)
        TRY(reseal_row(hub, page, i, err));
    TRY(pgsql_commit(&tx, err));
    *ret_count = (int64_t)pgsql_rows(page);
    return OUTCOME_OK;
}

static enum outcome reseal_rows(const struct hub *hub, struct vault_report *report, struct err *err)
{
    PGSQL_RESULT_AUTO struct pgsql_result *all = NULL;
    TRY(pgsql_query(hub->db, "SELECT count(*) FROM haul.quarantine", PGSQL_NONE, &all, err));
    report->rows = pgsql_i64(all, 0, 0, 0);
    for (int64_t count = 1; count > 0;) {
        TRY(reseal_page(hub, &count, err));
        report->rows_resealed += count;
    }
    return OUTCOME_OK;
}

enum outcome hub_vault_rotate(const struct hub *hub, struct vault_report *ret_report,
                              struct err *err)
{
    TRY(hub_need_keyring(hub, "rotation", err));
    struct vault_report report = {0};
    TRY(reseal_connections(hub, &report, err));
    TRY(reseal_rows(hub, &report, err));
    STR_AUTO struct str detail = str_with_max(4096);
    struct jwrite w = jwrite_to(&detail);
    jwrite_open_object(&w);
    jwrite_member_text(&w, "key_id", keyring_active_id(hub->keyring));
    jwrite_member_int(&w, "connections_resealed", report.connections_resealed);
    jwrite_member_int(&w, "rows_resealed", report.rows_resealed);
    jwrite_close_object(&w);
    TRY(hub_audit_add(hub, &(struct hub_audit){"vault.rotate", NULL, NULL, str_text(&detail)},
                      err));
    *ret_report = report;
    return OUTCOME_OK;
}
