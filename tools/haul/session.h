/*
 * session: a connector's session with one of the hub's connections, for the commands that look into
 * systems.
 *
 * Owns:    the connection's secrets and the session: cli_session_close gives both back.
 * Threads: one.
 */
#ifndef HAUL_TOOL_SESSION_H
#define HAUL_TOOL_SESSION_H

#include "command.h"
#include "sync/connector.h"
#include "sync/hub_connection.h"

struct cli_session {
    struct connection connection;
    const struct connector *connector;
    struct session *session;
};
#define CLI_SESSION_AUTO __attribute__((cleanup(cli_session_close)))

/* Opens a read-only session with a connection of the workspace. What hub_connection_load and the
 * connector's open give. */
MUST_USE enum outcome cli_session_open(struct cli *cli, const char *connection_id,
                                       struct cli_session *ret_session, struct err *err);
void cli_session_close(struct cli_session *session); /* takes a zeroed one */

#endif
