/* help: what --help shows, from the commands' table. */
#include "base/conf.h"
#include "cli.h"
#include "registry.h"

#include <stdio.h>

#define HELP_COLUMNS 88

static const char intro[] = "haul: moves data and delivers documents for a web application.\n"
                            "\n"
                            "usage: haul COMMAND [WORDS...] [OPTIONS...]\n";

static size_t word_length(const char *name)
{
    return strcspn(name, " ");
}

/* Paragraphs, broken before the last column; lines that begin with a space are kept. */
static void add_wrapped(struct str *out, const char *text, size_t indent)
{
    size_t column = 0;
    while (*text != '\0') {
        if (*text == '\n') {
            str_add_char(out, '\n');
            column = 0;
            text++;
            continue;
        }
        size_t len = strcspn(text, " \n");
        if (column > 0 && column + 1 + len > HELP_COLUMNS) {
            str_add_char(out, '\n');
            column = 0;
        }
        if (column == 0)
            str_addf(out, "%*s", (int)indent, "");
        else
            str_add_char(out, ' ');
        column = (column == 0 ? indent : column + 1) + len;
        str_add(out, text, len);
        text += len;
        text += strspn(text, " ");
    }
    if (column > 0)
        str_add_char(out, '\n');
}

static void add_summary(const struct command *command, struct str *out)
{
    str_addf(out, "  %-18s %s\n", command->name, command->summary);
}

static void add_exits(struct str *out)
{
    str_add_text(out, "\nExit statuses:\n");
    for (const struct exit_row *row = command_exits; row->doc != NULL; row++)
        str_addf(out, "  %3d  %s\n", (int)row->status, row->doc);
}

static void help_all(struct str *out)
{
    str_add_text(out, intro);
    str_add_text(out, "\nCommands, in the order in which they are needed:\n");
    for (const struct command *const *row = commands; *row != NULL; row++)
        add_summary(*row, out);
    str_add_text(out, "\nhaul COMMAND --help says more, with examples.\n"
                      "haul help settings lists the settings of all commands: an option or a HAUL_ "
                      "variable each.\n"
                      "haul help connector [NAME] lists connectors and their fields.\n");
    add_exits(out);
}

static void help_settings(struct str *out)
{
    str_add_text(out, "Settings of all commands, as an option or as a HAUL_ variable:\n\n");
    conf_print_help(&cli_settings_table, out);
}

static void add_field_doc(const struct field *field, struct str *out)
{
    STR_AUTO struct str text = str_with_max(4096);
    str_add_text(&text, field->doc);
    for (size_t c = 0; field->choices != NULL && field->choices[c] != NULL; c++)
        str_addf(&text, "%s%s", c == 0 ? " One of: " : ", ", field->choices[c]);
    if (field->choices != NULL)
        str_add_char(&text, '.');
    if (field->default_text != NULL && field->type != FIELD_BOOL)
        str_addf(&text, " Default: %s%s%s.", field->default_text, field->unit == NULL ? "" : " ",
                 field->unit == NULL ? "" : field->unit);
    add_wrapped(out, str_text(&text), 6);
}

/* The options of a command: no variables stand behind them. */
static void add_options(const struct field_table *table, struct str *out)
{
    str_add_text(out, "\nOptions:\n");
    for (size_t i = 0; i < table->count; i++) {
        const struct field *field = &table->fields[i];
        static const char *const values[] = {
            [FIELD_STRING] = " TEXT", [FIELD_INT] = " N",  [FIELD_BOOL] = "",
            [FIELD_ENUM] = " CHOICE", [FIELD_REAL] = " X", [FIELD_TIME] = " TIME",
            [FIELD_STRINGS] = " A,B", [FIELD_OBJECT] = "", [FIELD_OBJECTS] = "",
            [FIELD_JSON] = " JSON",
        };
        char name[80];
        (void)snprintf(name, sizeof name, "--%s%s", field->name, values[field->type]);
        for (char *at = name; *at != '\0'; at++)
            *at = *at == '_' ? '-' : *at;
        str_addf(out, "  %s\n", name);
        add_field_doc(field, out);
    }
}

static void help_connectors(struct str *out)
{
    str_add_text(out, "Connectors:\n");
    for (size_t i = 0; i < sql_connectors.count; i++)
        str_addf(out, "  %-18s %s\n", sql_connectors.items[i]->name,
                 sql_connectors.items[i]->title);
    str_add_text(out, "\nhaul help connector NAME lists a connector's fields; haul types NAME its "
                      "types.\n");
}

static void help_connector(const struct connector *connector, struct str *out)
{
    str_addf(out, "%s: %s\n\n", connector->name, connector->title);
    add_wrapped(out, connector->doc, 0);
    str_add_text(out, "\nFields of a connection, as FIELD=VALUE:\n");
    for (size_t i = 0; i < connector->config->count; i++) {
        const struct field *field = &connector->config->fields[i];
        str_addf(out, "  %s%s%s\n", field->name,
                 (field->flags & FIELD_REQUIRED) != 0 ? " (required)" : "",
                 (field->flags & FIELD_SECRET) != 0 ? " (secret: also _file=PATH, _env=NAME, =-)"
                                                    : "");
        add_field_doc(field, out);
    }
}

static void add_needs(unsigned needs, struct str *out)
{
    static const struct {
        enum cli_need need;
        const char *text;
    } texts[] = {
        {NEEDS_WORKSPACE, "--workspace (HAUL_WORKSPACE)"},
        {NEEDS_HUB, "HAUL_HUB_URL"},
        {NEEDS_KEYRING, "HAUL_KEYRING_FILE"},
        {NEEDS_KAFKA, "HAUL_KAFKA_BROKERS"},
        {NEEDS_REDIS, "HAUL_REDIS_URL"},
    };
    if (needs == 0)
        return;
    str_add_text(out, "\nNeeds:");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if ((needs & texts[i].need) != 0)
            str_addf(out, " %s", texts[i].text);
    }
    str_add_text(out, "  (haul help settings)\n");
}

void help_command(const struct command *command, struct str *out)
{
    str_addf(out, "haul %s: %s\n\nusage: haul %s%s%s%s\n", command->name, command->summary,
             command->name, command->args[0] == '\0' ? "" : " ", command->args,
             command->options == NULL ? "" : " [OPTIONS...]");
    if (command->doc != NULL) {
        str_add_char(out, '\n');
        add_wrapped(out, command->doc, 0);
    }
    if (command->options != NULL)
        add_options(command->options, out);
    add_needs(command->needs, out);
    if (command->examples == NULL)
        return;
    str_add_text(out, "\nExamples:\n");
    for (const struct example *example = command->examples; example->line != NULL; example++)
        str_addf(out, "  # %s\n  %s\n", example->doc, example->line);
}

void help_print(const char *const *words, size_t count, struct str *out)
{
    size_t taken = 0;
    const struct command *command = command_find(words, count, &taken);
    if (command != NULL) {
        help_command(command, out);
        return;
    }
    if (count > 0 && strcmp(words[0], "settings") == 0) {
        help_settings(out);
        return;
    }
    if (count > 0 && strcmp(words[0], "connector") == 0) {
        const struct connector *connector =
            count > 1 ? registry_find(&sql_connectors, words[1]) : NULL;
        if (connector != NULL)
            help_connector(connector, out);
        else
            help_connectors(out);
        return;
    }
    bool found = false;
    for (const struct command *const *row = commands; count > 0 && *row != NULL; row++) {
        command = *row;
        size_t len = word_length(command->name);
        if (strlen(words[0]) != len || strncmp(command->name, words[0], len) != 0)
            continue;
        if (!found)
            str_addf(out, "haul %s:\n", words[0]);
        found = true;
        add_summary(command, out);
    }
    if (found)
        str_addf(out, "\nhaul %s COMMAND --help says more, with examples.\n", words[0]);
    else
        help_all(out);
}
