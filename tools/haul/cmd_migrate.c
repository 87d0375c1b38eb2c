/* cmd_migrate: brings the hub to this program's version. */
#include "commands.h"
#include "migrations.h"

#include <inttypes.h>

struct migrate_options {
    bool check;
};

static const struct field option_fields[] = {
    {.name = "check",
     .type = FIELD_BOOL,
     .default_text = "false",
     .offset = offsetof(struct migrate_options, check),
     .doc = "Changes nothing; exit status 1 when there is something to apply."},
};
static const struct field_table options = {
    "migrate", NULL, option_fields, FIELDS_COUNT(option_fields), sizeof(struct migrate_options)};

static void print_report(struct cli *cli, const struct migrate_report *report)
{
    if (cli->out.json) {
        struct jwrite w = out_json(&cli->out);
        jwrite_open_object(&w);
        jwrite_member_int(&w, "version_before", report->before);
        jwrite_member_int(&w, "version", report->after);
        jwrite_member_int(&w, "applied", report->applied);
        jwrite_member_int(&w, "version_wanted", HUB_VERSION);
        jwrite_close_object(&w);
        out_json_end(&cli->out);
        return;
    }
    if (report->applied > 0)
        out_addf(&cli->out,
                 "applied %" PRId64 " migration(s): version %" PRId64 " -> %" PRId64 "\n",
                 report->applied, report->before, report->after);
    else if (report->missing > 0)
        out_addf(&cli->out,
                 "the hub is at version %" PRId64 ", this program needs %d: %" PRId64
                 " migration(s) to apply\n",
                 report->after, HUB_VERSION, report->missing);
    else
        out_addf(&cli->out, "up to date at version %" PRId64 "\n", report->after);
}

static enum outcome run(struct cli *cli, struct err *err)
{
    const struct hub *hub = NULL;
    struct migrate_report report = {0};
    TRY(cli_hub_raw(cli, &hub, err));
    if (CLI_OPTIONS(struct migrate_options, cli)->check) {
        TRY(migrations_check(hub, &report, err));
        cli->exit_status = report.missing > 0 ? EXIT_FAILED : EXIT_DONE;
    } else {
        TRY(migrations_apply(hub, &report, err));
    }
    print_report(cli, &report);
    return OUTCOME_OK;
}

static const struct example examples[] = {
    {"HAUL_HUB_URL=postgresql://admin@db/haul haul migrate", "Once, and after every upgrade"},
    {"haul migrate --check", "In a deployment: is there something to apply?"},
    {NULL, NULL},
};

const struct command command_migrate = {
    .name = "migrate",
    .args = "",
    .needs = NEEDS_HUB,
    .summary = "create or upgrade the hub's tables and roles",
    .doc = "Runs the ordered migrations that this program brings, each in a transaction, under an "
           "advisory lock, so that two at a time do no harm. Needs a database user who may create "
           "roles and a schema, or who finds the roles there. Programs then log in as users of "
           "their own: GRANT haul_worker TO the workers' user, GRANT haul_operator TO the one of "
           "this command line.",
    .options = &options,
    .examples = examples,
    .run = run,
};
