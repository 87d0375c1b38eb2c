/*
 * cli: from argv to an exit status.
 *
 * Is:      the reading of the command line by the tables, the services, the printing of errors.
 * Threads: one.
 */
#ifndef HAUL_TOOL_CLI_H
#define HAUL_TOOL_CLI_H

#include "command.h"

/* What a command line asks for. */
struct cli_line {
    const struct command *command; /* NULL: no command was named, or help is asked for a group */
    bool help, version;
    const char *const *words; /* all words that are no options, the command's first */
    size_t word_count, name_words;
    const char *const *option_texts; /* by the number of the command's option; NULL = not given */
    int setting_argc;
    char **setting_argv; /* the options that are settings, as conf_load reads them */
};

/* PERMANENT "usage". */
MUST_USE enum outcome cli_line_read(int argc, char **argv, struct arena *arena,
                                    struct cli_line *ret_line, struct err *err);

/* Settings, options and arguments of the line into `cli`. PERMANENT "usage" and what the decoding
 * gives. */
MUST_USE enum outcome cli_prepare(struct cli *cli, const struct cli_line *line, char **environ,
                                  struct err *err);

/* Closes services, wipes keys, frees. */
void cli_done(struct cli *cli);

/* The exit status of a failure. */
int cli_exit_status(const struct err *err);
/* The error on standard error, or with --json on standard output. */
void cli_print_error(struct cli *cli, const struct err *err);

/* ---- help, all made from the tables ---- */

/* `words` may name a command, the first word of some, or nothing. */
void help_print(const char *const *words, size_t count, struct str *out);
void help_command(const struct command *command, struct str *out);

#endif
