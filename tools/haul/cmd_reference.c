/* cmd_reference: the tables that the programs run by, as Markdown; docs/ is made of it. */
#include "base/field_join.h"
#include "cli.h"
#include "commands.h"
#include "kinds.h"
#include "model/job.h"
#include "registry.h"

/* ---- the command line ---- */

static void add_exits(struct str *out)
{
    str_add_text(out, "| status | meaning |\n|---|---|\n");
    for (const struct exit_row *row = command_exits; row->doc != NULL; row++)
        str_addf(out, "| %d | %s |\n", (int)row->status, row->doc);
}

static void add_command(struct str *out, const struct command *command)
{
    str_addf(out, "\n### haul %s\n\n", command->name);
    str_addf(out, "`haul %s%s%s`: %s.\n", command->name, command->args[0] == '\0' ? "" : " ",
             command->args, command->summary);
    if (command->doc != NULL)
        str_addf(out, "\n%s\n", command->doc);
    if (command->options != NULL) {
        str_add_char(out, '\n');
        fields_print_markdown(command->options, out);
    }
    if (command->examples == NULL)
        return;
    str_add_text(out, "\n```sh\n");
    for (const struct example *example = command->examples; example->line != NULL; example++)
        str_addf(out, "# %s\n%s\n", example->doc, example->line);
    str_add_text(out, "```\n");
}

static void add_settings(struct str *out)
{
    fields_print_markdown(&cli_settings_table, out);
}

static void add_commands(struct str *out)
{
    str_add_text(out, "## Exit statuses\n\n");
    add_exits(out);
    str_add_text(out, "\n## Settings\n\nEach as an option `--name` or as a variable "
                      "`HAUL_NAME`; the option wins.\n\n");
    add_settings(out);
    str_add_text(out, "\n## Commands\n");
    for (const struct command *const *row = commands; *row != NULL; row++)
        add_command(out, *row);
}

/* ---- types ---- */

static void add_cell(struct str *out, const char *text)
{
    for (; text != NULL && *text != '\0'; text++)
        str_addf(out, "%s%c", *text == '|' ? "\\" : "", *text);
}

static void add_type(struct str *out, const char *from, const char *to, const struct type_row *row)
{
    str_add_text(out, "| ");
    add_cell(out, from);
    str_add_text(out, " | ");
    add_cell(out, to);
    str_add_text(out, " | ");
    add_cell(out, row->loss == NULL ? "nothing" : row->loss);
    str_add_text(out, " | ");
    add_cell(out, row->note);
    str_add_text(out, " |\n");
}

static void add_types_of(struct str *out, const struct connector *connector)
{
    str_addf(out, "## %s\n\n### As a source\n\n| %s | haul | lost | note |\n|---|---|---|---|\n",
             connector->title, connector->name);
    for (const struct type_row *row = connector->types_read; row != NULL && row->native != NULL;
         row++)
        add_type(out, row->native, row->haul, row);
    str_addf(out, "\n### As a target\n\n| haul | %s | lost | note |\n|---|---|---|---|\n",
             connector->name);
    for (const struct type_row *row = connector->types_write; row != NULL && row->native != NULL;
         row++)
        add_type(out, row->haul, row->native, row);
}

static void add_types(struct str *out)
{
    for (size_t i = 0; i < sql_connectors.count; i++) {
        str_add_text(out, i == 0 ? "" : "\n");
        add_types_of(out, sql_connectors.items[i]);
    }
}

/* ---- the command ---- */

static void add_envelope(struct str *out)
{
    fields_print_markdown(&job_envelope_table, out);
}

static const struct part {
    const char *name;
    void (*add)(struct str *out);
} parts[] = {
    {"commands", add_commands}, {"exits", add_exits},       {"settings", add_settings},
    {"types", add_types},       {"envelope", add_envelope},
};

/* job.KIND and connection.CONNECTOR, as haul schema names them. */
static enum outcome add_fields_of(struct cli *cli, const char *name, bool *ret_found,
                                  struct err *err)
{
    struct field_join join = {0};
    *ret_found = true;
    for (const struct kind *kind = kinds; kind->name != NULL; kind++) {
        if (strncmp(name, "job.", 4) != 0 || strcmp(name + 4, kind->name) != 0)
            continue;
        TRY(job_data_table(kind->payload, &cli->arena, &join, err));
        fields_print_markdown(&join.table, &cli->out.text);
        return OUTCOME_OK;
    }
    for (size_t i = 0; i < sql_connectors.count; i++) {
        const struct connector *connector = sql_connectors.items[i];
        if (strncmp(name, "connection.", 11) != 0 || strcmp(name + 11, connector->name) != 0)
            continue;
        fields_print_markdown(connector->config, &cli->out.text);
        return OUTCOME_OK;
    }
    *ret_found = false;
    return OUTCOME_OK;
}

static enum outcome run_reference(struct cli *cli, struct err *err)
{
    const char *name = cli->arg_count == 0 ? "commands" : cli->args[0];
    bool found = false;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strcmp(parts[i].name, name) != 0)
            continue;
        parts[i].add(&cli->out.text);
        return OUTCOME_OK;
    }
    TRY(add_fields_of(cli, name, &found, err));
    if (found)
        return OUTCOME_OK;
    (void)USAGE(err, "there is no reference of \"%s\"", name);
    return err_hint(err, "commands, exits, settings, types, envelope, job.KIND or "
                         "connection.CONNECTOR; haul schema lists the last two");
}

static const struct example reference_examples[] = {
    {"haul reference job.sql_sync", "The fields of a job's data"},
    {"haul reference types", "What becomes of each type, of all connectors"},
    {NULL, NULL},
};

const struct command command_reference = {
    .name = "reference",
    .args = "[PART]",
    .args_max = 1,
    .summary = "print commands, job fields or types as Markdown",
    .doc = "PART is commands (all of them, when it is left out), exits, settings, types, envelope, "
           "job.KIND or connection.CONNECTOR.",
    .examples = reference_examples,
    .run = run_reference,
};
