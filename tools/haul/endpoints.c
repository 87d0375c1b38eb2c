/* endpoints: see endpoints.h. */
#include "endpoints.h"

enum outcome endpoints_open(struct cli *cli, const char *workspace_id, const struct sync_spec *spec,
                            struct endpoints *ret_endpoints, struct err *err)
{
    const struct hub *hub = NULL;
    ENDPOINTS_AUTO struct endpoints opened = {0};
    TRY(cli_hub(cli, &hub, err));
    if (hub_connection_load(hub, workspace_id, spec->source.connection_id, &cli->arena,
                            &opened.source, err) != OUTCOME_OK)
        return err_prefix(err, "source");
    if (hub_connection_load(hub, workspace_id, spec->target.connection_id, &cli->arena,
                            &opened.target, err) != OUTCOME_OK)
        return err_prefix(err, "target");
    opened.env = (struct sync_env){
        .workspace_id = workspace_id,
        .source = {opened.source.connector, opened.source.config},
        .target = {opened.target.connector, opened.target.config},
    };
    *ret_endpoints = opened;
    opened = (struct endpoints){0};
    return OUTCOME_OK;
}

void endpoints_close(struct endpoints *endpoints)
{
    hub_connection_done(&endpoints->source);
    hub_connection_done(&endpoints->target);
    *endpoints = (struct endpoints){0};
}
