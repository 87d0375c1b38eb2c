/*
 * commands: the rows of the commands' table, each defined in its group's cmd_*.c.
 */
#ifndef HAUL_TOOL_COMMANDS_H
#define HAUL_TOOL_COMMANDS_H

#include "command.h"

extern const struct command command_migrate;
extern const struct command command_vault_keygen, command_vault_rotate;
extern const struct command command_topics_create;
extern const struct command command_connection_add, command_connection_list,
    command_connection_test, command_connection_remove;
extern const struct command command_discover, command_preview, command_types;
extern const struct command command_estimate, command_enqueue, command_watch;
extern const struct command command_syncs, command_verify;
extern const struct command command_jobs, command_show, command_cancel;
extern const struct command command_quarantine_list, command_quarantine_export;
extern const struct command command_dlq_list, command_dlq_show, command_dlq_replay;
extern const struct command command_breakers_list, command_breakers_open, command_breakers_close;
extern const struct command command_prune;
extern const struct command command_doctor, command_broker, command_schema;
extern const struct command command_completion, command_man, command_reference;

#endif
