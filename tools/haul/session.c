/* session: see session.h. */
#include "session.h"

enum outcome cli_session_open(struct cli *cli, const char *connection_id,
                              struct cli_session *ret_session, struct err *err)
{
    const struct hub *hub = NULL;
    struct cli_session opened = {0};
    TRY(cli_hub(cli, &hub, err));
    TRY(hub_connection_load(hub, cli->settings.workspace, connection_id, &cli->arena,
                            &opened.connection, err));
    opened.connector = opened.connection.connector;
    const struct session_request request = {
        .config = opened.connection.config, .application_name = "haul", .read_only = true};
    enum outcome outcome = opened.connector->open(&request, &opened.session, err);
    if (outcome != OUTCOME_OK) {
        hub_connection_done(&opened.connection);
        return err_prefix(err, "connection \"%s\"", connection_id);
    }
    *ret_session = opened;
    return OUTCOME_OK;
}

void cli_session_close(struct cli_session *session)
{
    if (session->session != NULL)
        session->connector->close(session->session);
    hub_connection_done(&session->connection);
    *session = (struct cli_session){0};
}
