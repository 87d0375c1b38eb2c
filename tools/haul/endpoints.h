/*
 * endpoints: the two systems of a sync, for the commands that run part of one themselves.
 *
 * Owns:    the connections' secrets: endpoints_close wipes them.
 * Threads: one.
 */
#ifndef HAUL_TOOL_ENDPOINTS_H
#define HAUL_TOOL_ENDPOINTS_H

#include "command.h"
#include "sync/hub_connection.h"
#include "sync/sync.h"

struct endpoints {
    struct connection source, target;
    struct sync_env env; /* with both sides; the rest is the caller's to set */
};
#define ENDPOINTS_AUTO __attribute__((cleanup(endpoints_close)))

/* What hub_connection_load gives, the side named in front. */
MUST_USE enum outcome endpoints_open(struct cli *cli, const char *workspace_id,
                                     const struct sync_spec *spec, struct endpoints *ret_endpoints,
                                     struct err *err);
void endpoints_close(struct endpoints *endpoints); /* takes a zeroed one */

#endif
