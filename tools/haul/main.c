/* main: the command line of Haul; see command.h for its commands' table. */
#include "cli.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>

#define CLI_ARENA_BYTES ((size_t)1 << 30)

extern char **environ;

static enum outcome refuse_command(const struct cli_line *line, struct err *err)
{
    const char *near = NULL;
    unsigned best = 4;
    for (const struct command *const *row = commands; *row != NULL; row++) {
        const struct command *command = *row;
        unsigned distance = text_distance(command->name, line->words[0]);
        if (distance < best && distance < strlen(line->words[0])) {
            best = distance;
            near = command->name;
        }
    }
    (void)USAGE(err, "no command \"%s%s%s\"", line->words[0], line->word_count > 1 ? " " : "",
                line->word_count > 1 ? line->words[1] : "");
    if (near != NULL)
        return err_hint(err, "did you mean haul %s?", near);
    return err_hint(err, "haul --help lists the commands");
}

static bool is_group(const char *word)
{
    size_t len = strlen(word);
    for (const struct command *const *row = commands; *row != NULL; row++) {
        const struct command *command = *row;
        if (strncmp(command->name, word, len) == 0 && command->name[len] == ' ')
            return true;
    }
    return false;
}

/* Help, the version, or the command. */
static enum outcome run_line(struct cli *cli, const struct cli_line *line, struct err *err)
{
    if (line->version) {
        out_addf(&cli->out, "haul %s\n", HAUL_VERSION);
        return OUTCOME_OK;
    }
    bool is_help = line->word_count > 0 && strcmp(line->words[0], "help") == 0;
    if (line->help || is_help || line->word_count == 0) {
        cli->exit_status = line->help || is_help ? EXIT_DONE : EXIT_USAGE;
        help_print(line->words + is_help, line->word_count - is_help, &cli->out.text);
        return OUTCOME_OK;
    }
    if (line->command == NULL && line->word_count == 1 && is_group(line->words[0])) {
        cli->exit_status = EXIT_USAGE;
        help_print(line->words, 1, &cli->out.text);
        return OUTCOME_OK;
    }
    if (line->command == NULL)
        return refuse_command(line, err);
    TRY(cli_prepare(cli, line, environ, err));
    return line->command->run(cli, err);
}

static bool asks_json(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0 || strcmp(argv[i], "-j") == 0)
            return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    struct cli_line line = {0};
    struct err err = {0};
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    (void)signal(SIGPIPE, SIG_IGN);
    arena_init(&cli.arena, CLI_ARENA_BYTES);
    out_init(&cli.out);
    cli.out.json = asks_json(argc, argv);
    enum outcome outcome = cli_line_read(argc, argv, &cli.arena, &line, &err);
    if (outcome == OUTCOME_OK)
        outcome = run_line(&cli, &line, &err);
    int status = cli.exit_status;
    if (outcome != OUTCOME_OK) {
        cli_print_error(&cli, &err);
        status = cli_exit_status(&err);
    }
    out_flush(&cli.out);
    cli_done(&cli);
    return status;
}
