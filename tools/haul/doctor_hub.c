/* doctor_hub: the hub: reachable, its version, our rights, migrations, clock, sealed secrets. */
#include "base/clock.h"
#include "doctor.h"
#include "migrations.h"
#include "session.h"

#define POSTGRES_VERSION_MIN 130000

static void check_server(struct doctor *doctor, const struct hub *hub)
{
    PGSQL_RESULT_AUTO struct pgsql_result *row = NULL;
    struct err err = {0};
    int64_t asked_us = clock_wall_us();
    if (pgsql_query(hub->db,
                    "SELECT current_setting('server_version_num')::bigint,"
                    " current_setting('server_version'), current_user,"
                    " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),"
                    " (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
                    PGSQL_NONE, &row, &err) != OUTCOME_OK) {
        doctor_add_err(doctor, "hub", &err);
        return;
    }
    int64_t ours_us = asked_us + (clock_wall_us() - asked_us) / 2;
    bool is_old = pgsql_i64(row, 0, 0, 0) < POSTGRES_VERSION_MIN;
    doctor_addf(doctor, is_old ? CHECK_FAIL : CHECK_OK, "hub", "PostgreSQL 13 or newer is needed",
                "PostgreSQL %s, as user %s", pgsql_text(row, 0, 1), pgsql_text(row, 0, 2));
    if (pgsql_bool(row, 0, 3))
        doctor_addf(doctor, CHECK_WARN, "hub rights",
                    "use a login role of its own: GRANT haul_operator TO it; only haul migrate "
                    "needs more",
                    "%s is a superuser", pgsql_text(row, 0, 2));
    doctor_add_skew(doctor, "hub clock", pgsql_i64(row, 0, 4, ours_us) - ours_us);
}

static bool check_migrations(struct doctor *doctor, const struct hub *hub)
{
    struct migrate_report report = {0};
    struct err err = {0};
    if (migrations_check(hub, &report, &err) != OUTCOME_OK) {
        doctor_add_err(doctor, "hub schema", &err);
        return false;
    }
    bool is_current = report.missing == 0;
    doctor_addf(doctor, is_current ? CHECK_OK : CHECK_FAIL, "hub schema", "run: haul migrate",
                "version %lld of %d", (long long)report.after, HUB_VERSION);
    return is_current;
}

/* Opens the secrets of every connection; with `reach` the connection itself. */
static void check_connection(struct doctor *doctor, const struct hub *hub,
                             const struct connection_row *row, bool reach)
{
    struct cli *cli = doctor->cli;
    struct err err = {0};
    STR_AUTO struct str name = str_with_max(512);
    str_addf(&name, "connection %s/%s", row->workspace_id, row->connection_id);
    CONNECTION_AUTO struct connection connection = {0};
    if (hub_connection_load(hub, row->workspace_id, row->connection_id, &cli->arena, &connection,
                            &err) != OUTCOME_OK) {
        doctor_add_err(doctor, str_text(&name), &err);
        return;
    }
    if (!reach)
        return;
    struct session *session = NULL;
    struct check_report report = {0};
    const struct session_request request = {
        .config = connection.config, .application_name = "haul doctor", .read_only = true};
    enum outcome outcome = connection.connector->open(&request, &session, &err);
    if (outcome == OUTCOME_OK) {
        outcome = connection.connector->check(session, &cli->arena, &report, &err);
        connection.connector->close(session);
    }
    if (outcome == OUTCOME_OK)
        doctor_addf(doctor, CHECK_OK, str_text(&name), NULL, "%s, %s, clock %+.3f s",
                    report.server_version, report.tls == NULL ? "no TLS" : report.tls,
                    (double)report.clock_skew_us / 1e6);
    else
        doctor_add_err(doctor, str_text(&name), &err);
}

static void check_connections(struct doctor *doctor, const struct hub *hub, bool reach)
{
    struct connection_rows rows = {0};
    struct err err = {0};
    size_t failed = doctor->failed, old = 0;
    if (hub_connection_list(hub, doctor->cli->settings.workspace, &doctor->cli->arena, &rows,
                            &err) != OUTCOME_OK) {
        doctor_add_err(doctor, "connections", &err);
        return;
    }
    if (hub->keyring == NULL) {
        doctor_addf(doctor, CHECK_SKIP, "connections", NULL, "%zu, not opened without a keyring",
                    rows.count);
        return;
    }
    for (size_t i = 0; i < rows.count; i++) {
        const char *key_ids = rows.items[i].key_ids;
        old += key_ids[0] != '\0' && strcmp(key_ids, keyring_active_id(hub->keyring)) != 0;
        check_connection(doctor, hub, &rows.items[i], reach);
    }
    if (old > 0)
        doctor_addf(doctor, CHECK_WARN, "vault", "run: haul vault rotate",
                    "%zu connection(s) are sealed with an older key", old);
    if (doctor->failed == failed)
        doctor_addf(doctor, CHECK_OK, "connections", NULL, "%zu, all secrets open", rows.count);
}

void doctor_check_hub(struct doctor *doctor, bool with_connections)
{
    const struct hub *hub = NULL;
    struct err err = {0};
    if (doctor->cli->settings.hub.uri == NULL) {
        doctor_add(doctor, CHECK_FAIL, "hub", "no address is configured", "set HAUL_HUB_URL");
        return;
    }
    if (cli_hub_raw(doctor->cli, &hub, &err) != OUTCOME_OK) {
        doctor_add_err(doctor, "hub", &err);
        return;
    }
    check_server(doctor, hub);
    if (check_migrations(doctor, hub))
        check_connections(doctor, hub, with_connections);
}
