/* cmd_manual: the manual page and the completions, from the commands' table. */
#include "cli.h"
#include "commands.h"

/* ---- man page (man(7) macros) ---- */

/* A line must not begin with a dot or quote, and backslashes are troff's own. */
static void add_roff(struct str *out, const char *text)
{
    bool at_start = out->len == 0 || out->data[out->len - 1] == '\n';
    for (; *text != '\0'; text++) {
        if (at_start && (*text == '.' || *text == '\''))
            str_add_text(out, "\\&");
        at_start = *text == '\n';
        if (*text == '\\')
            str_add_text(out, "\\e");
        else if (*text == '-')
            str_add_text(out, "\\-");
        else
            str_add_char(out, *text);
    }
}

static void add_roff_fields(struct str *out, const struct field_table *table, bool variables)
{
    for (size_t i = 0; i < table->count; i++) {
        STR_AUTO struct str name = str_with_max(256);
        str_addf(&name, "--%s", table->fields[i].name);
        for (size_t c = 0; c < name.len; c++)
            name.data[c] = name.data[c] == '_' ? '-' : name.data[c];
        str_add_text(out, ".TP\n.B ");
        add_roff(out, str_text(&name));
        if (variables) {
            str_add_text(out, " \\fR(HAUL_");
            for (const char *at = table->fields[i].name; *at != '\0'; at++)
                str_add_char(out, *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at);
            str_add_text(out, ")\\fP");
        }
        str_add_char(out, '\n');
        add_roff(out, table->fields[i].doc);
        str_add_char(out, '\n');
    }
}

static void add_roff_paragraphs(struct str *out, const char *text)
{
    while (*text != '\0') {
        const char *end = strstr(text, "\n\n");
        size_t len = end == NULL ? strlen(text) : (size_t)(end - text);
        STR_AUTO struct str paragraph = str_with_max(16384);
        str_add(&paragraph, text, len);
        add_roff(out, str_text(&paragraph));
        str_add_text(out, end == NULL ? "\n" : "\n.PP\n");
        text += len + (end == NULL ? 0 : 2);
    }
}

static void add_roff_command(struct str *out, const struct command *command)
{
    str_add_text(out, ".SS haul ");
    add_roff(out, command->name);
    str_add_char(out, ' ');
    add_roff(out, command->args);
    str_add_char(out, '\n');
    add_roff(out, command->summary);
    str_add_text(out, ".\n");
    if (command->doc != NULL) {
        str_add_text(out, ".PP\n");
        add_roff_paragraphs(out, command->doc);
    }
    if (command->options != NULL)
        add_roff_fields(out, command->options, false);
    for (const struct example *example = command->examples;
         example != NULL && example->line != NULL; example++) {
        str_add_text(out, ".PP\n");
        add_roff(out, example->doc);
        str_add_text(out, ":\n.PP\n.EX\n");
        add_roff(out, example->line);
        str_add_text(out, "\n.EE\n");
    }
}

static enum outcome run_man(struct cli *cli, struct err *err)
{
    (void)err;
    struct str *out = &cli->out.text;
    str_add_text(out, ".TH HAUL 1 \"\" \"haul\" \"User Commands\"\n.SH NAME\n"
                      "haul \\- moves data and delivers documents for a web application\n"
                      ".SH SYNOPSIS\n.B haul\n.I COMMAND\n[WORDS...] [OPTIONS...]\n"
                      ".SH COMMANDS\n");
    for (const struct command *const *row = commands; *row != NULL; row++)
        add_roff_command(out, *row);
    str_add_text(out, ".SH SETTINGS\nEvery command takes these, as an option or as a variable of "
                      "the environment; the option wins.\n");
    add_roff_fields(out, &cli_settings_table, true);
    str_add_text(out, ".SH EXIT STATUS\n");
    for (const struct exit_row *row = command_exits; row->doc != NULL; row++)
        str_addf(out, ".TP\n.B %d\n%s\n", (int)row->status, row->doc);
    return OUTCOME_OK;
}

/* ---- completion ---- */

static void add_options_of(struct str *out, const struct field_table *table)
{
    for (size_t i = 0; table != NULL && i < table->count; i++) {
        str_add_text(out, " --");
        for (const char *at = table->fields[i].name; *at != '\0'; at++)
            str_add_char(out, *at == '_' ? '-' : *at);
    }
}

/* A table in shell: the words that may follow each command's words. */
static void add_cases(struct str *out)
{
    str_add_text(out, "    case \"$words\" in\n");
    for (const struct command *const *row = commands; *row != NULL; row++) {
        const struct command *command = *row;
        str_addf(out, "    \"%s\"*) options=\"", command->name);
        add_options_of(out, command->options);
        str_add_text(out, "\" ;;\n");
    }
    str_add_text(out, "    esac\n");
}

static void add_name_list(struct str *out)
{
    for (const struct command *const *row = commands; *row != NULL; row++)
        str_addf(out, "%s\n", (*row)->name);
}

/* Next words of command names that begin with what is typed; then the command's options. */
static void add_bash(struct str *out)
{
    str_add_text(out, "# bash completion of haul: source <(haul completion bash)\n"
                      "_haul_commands='");
    add_name_list(out);
    str_add_text(out, "'\n_haul() {\n"
                      "    local current=${COMP_WORDS[COMP_CWORD]} words=\"\" word options=\"\"\n"
                      "    local settings=\"--help");
    add_options_of(out, &cli_settings_table);
    str_add_text(out, "\"\n"
                      "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
                      "        [[ $word == -* ]] || words+=\"${words:+ }$word\"\n"
                      "    done\n");
    add_cases(out);
    str_add_text(
        out, "    if [[ $current == -* ]]; then\n"
             "        COMPREPLY=($(compgen -W \"$options $settings\" -- \"$current\"))\n"
             "    else\n"
             "        COMPREPLY=($(compgen -W \"$(printf '%s' \"$_haul_commands\" | awk -v "
             "p=\"$words\" '\n"
             "            index($0, p) == 1 { rest = substr($0, length(p) + 1)\n"
             "                if (p == \"\" || substr(rest, 1, 1) == \" \") {\n"
             "                    sub(/^ /, \"\", rest); sub(/ .*/, \"\", rest); print rest } }')\""
             " -- \"$current\"))\n"
             "    fi\n"
             "}\n"
             "complete -o default -F _haul haul\n");
}

static void add_zsh(struct str *out)
{
    str_add_text(out, "#compdef haul\n"
                      "# zsh completion of haul: source <(haul completion zsh)\n"
                      "autoload -U +X bashcompinit && bashcompinit\n");
    add_bash(out);
}

static enum outcome run_completion(struct cli *cli, struct err *err)
{
    if (strcmp(cli->args[0], "bash") == 0)
        add_bash(&cli->out.text);
    else if (strcmp(cli->args[0], "zsh") == 0)
        add_zsh(&cli->out.text);
    else
        return USAGE(err, "no completion for \"%s\": bash or zsh", cli->args[0]);
    return OUTCOME_OK;
}

static const struct example completion_examples[] = {
    {"source <(haul completion bash)", "In this shell, or in ~/.bashrc for every one"},
    {NULL, NULL},
};
static const struct example man_examples[] = {
    {"haul man >/usr/local/share/man/man1/haul.1", "Install the manual page"},
    {NULL, NULL},
};

const struct command command_completion = {
    .name = "completion",
    .args = "SHELL",
    .args_min = 1,
    .args_max = 1,
    .summary = "print the completion of bash or zsh",
    .examples = completion_examples,
    .run = run_completion,
};
const struct command command_man = {
    .name = "man",
    .args = "",
    .summary = "print the manual page",
    .examples = man_examples,
    .run = run_man,
};
