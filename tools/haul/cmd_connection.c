/* cmd_connection: the configured systems of a workspace. */
#include "assign.h"
#include "commands.h"
#include "files.h"
#include "io/json.h"
#include "registry.h"
#include "session.h"

#define CONFIG_MAX_BYTES ((size_t)1 << 20)

/* ---- add ---- */

struct add_options {
    const char *title, *config;
    bool replace;
};
static const struct field add_fields[] = {
    {.name = "title",
     .type = FIELD_STRING,
     .max = 200,
     .offset = offsetof(struct add_options, title),
     .doc = "What people call it."},
    {.name = "config",
     .type = FIELD_STRING,
     .offset = offsetof(struct add_options, config),
     .doc = "JSON file (-: standard input) with all fields as one object, secrets too; FIELD=VALUE "
            "words change it."},
    {.name = "replace",
     .type = FIELD_BOOL,
     .default_text = "false",
     .offset = offsetof(struct add_options, replace),
     .doc = "Takes the place of a connection with this id; what is not given is not kept."},
};
static const struct field_table add_table = {"connection add", NULL, add_fields,
                                             FIELDS_COUNT(add_fields), sizeof(struct add_options)};

/* The text is wiped as soon as it is read; what the tree holds goes with the process. */
static enum outcome read_config(struct cli *cli, const char *path, const struct jval **ret_config,
                                struct err *err)
{
    STR_AUTO struct str text = str_with_max(CONFIG_MAX_BYTES);
    TRY(file_read(path, &text, err));
    enum outcome outcome = jread_object(str_slice(&text), &cli->arena, ret_config, err);
    if (text.data != NULL)
        wipe_bytes(text.data, text.len);
    if (outcome == OUTCOME_OK)
        return outcome;
    text_copy(err->code, sizeof err->code, "usage");
    return err_prefix(err, "%s", file_title(path));
}

static void print_added(struct cli *cli, const struct connection_draft *draft)
{
    out_addf(&cli->out, "added; check it with: haul connection test %s --workspace %s\n",
             draft->connection_id, draft->workspace_id);
    if (!cli->out.json)
        return;
    struct jwrite w = out_json(&cli->out);
    jwrite_open_object(&w);
    jwrite_member_text(&w, "workspace_id", draft->workspace_id);
    jwrite_member_text(&w, "connection_id", draft->connection_id);
    jwrite_member_text(&w, "connector", draft->connector->name);
    jwrite_close_object(&w);
    out_json_end(&cli->out);
}

static enum outcome run_add(struct cli *cli, struct err *err)
{
    const struct add_options *options = cli->options;
    const struct connector *connector = NULL;
    const struct jval *config = NULL;
    const struct hub *hub = NULL;
    if (registry_get(&sql_connectors, cli->args[1], &connector, err) != OUTCOME_OK) {
        text_copy(err->code, sizeof err->code, "usage");
        return err->outcome;
    }
    if (options->config != NULL)
        TRY(read_config(cli, options->config, &config, err));
    ASSIGN_AUTO struct assign assign = {0};
    TRY(assign_begin(connector->config, config, &cli->arena, &assign, err));
    for (size_t i = 2; i < cli->arg_count; i++)
        TRY(assign_word(&assign, cli->args[i], err));
    TRY(cli_hub(cli, &hub, err));
    const struct connection_draft draft = {
        .workspace_id = cli->settings.workspace,
        .connection_id = cli->args[0],
        .title = options->title,
        .connector = connector,
        .config = &assign.object,
        .replace = options->replace,
    };
    TRY(hub_connection_add(hub, &draft, err));
    if (assign.secret_on_line)
        out_note(&cli->out, "warning: a secret on the command line is seen by every user of this "
                            "machine and stays in the shell's history; use FIELD_file=PATH, "
                            "FIELD_env=NAME or FIELD=-");
    print_added(cli, &draft);
    return OUTCOME_OK;
}

/* ---- list ---- */

static enum outcome run_list(struct cli *cli, struct err *err)
{
    static const struct sheet_column columns[] = {
        {"workspace_id", "WORKSPACE", SHEET_TEXT}, {"connection_id", "CONNECTION", SHEET_TEXT},
        {"connector", "CONNECTOR", SHEET_TEXT},    {"title", "TITLE", SHEET_TEXT},
        {"secrets", "SECRETS", SHEET_TEXT},        {"key_ids", "KEYS", SHEET_TEXT},
        {"updated_at", "UPDATED", SHEET_TIME},     {"created_at", "CREATED", SHEET_MORE},
        {"config", "CONFIG", SHEET_JSON},
    };
    const struct hub *hub = NULL;
    struct connection_rows rows = {0};
    TRY(cli_hub(cli, &hub, err));
    TRY(hub_connection_list(hub, cli->settings.workspace, &cli->arena, &rows, err));
    struct sheet sheet = sheet_new(columns, FIELDS_COUNT(columns), "no connections", &cli->arena);
    for (size_t i = 0; i < rows.count; i++) {
        const struct connection_row *row = &rows.items[i];
        SHEET_ROW(&sheet, row->workspace_id, row->connection_id, row->connector, row->title,
                  row->secrets, row->key_ids, row->updated_at, row->created_at, row->config);
    }
    if (sheet.failed)
        return FAIL_NO_MEMORY(err);
    sheet_print(&sheet, &cli->out);
    return OUTCOME_OK;
}

/* ---- test ---- */

static enum outcome run_test(struct cli *cli, struct err *err)
{
    CLI_SESSION_AUTO struct cli_session session = {0};
    struct check_report report = {0};
    TRY(cli_session_open(cli, cli->args[0], &session, err));
    TRY(session.connector->check(session.session, &cli->arena, &report, err));
    if (cli->out.json) {
        struct jwrite w = out_json(&cli->out);
        jwrite_open_object(&w);
        jwrite_member_text(&w, "connection_id", cli->args[0]);
        jwrite_member_text(&w, "connector", session.connector->name);
        jwrite_member_text(&w, "server_version", report.server_version);
        jwrite_member_text(&w, "tls", report.tls);
        jwrite_member_int(&w, "clock_skew_us", report.clock_skew_us);
        jwrite_close_object(&w);
        out_json_end(&cli->out);
        return OUTCOME_OK;
    }
    out_addf(&cli->out, "%s: ok, %s, %s, clock %+.3f s\n", cli->args[0], report.server_version,
             report.tls == NULL ? "no TLS" : report.tls, (double)report.clock_skew_us / 1e6);
    return OUTCOME_OK;
}

/* ---- remove ---- */

struct remove_options {
    bool force;
};
static const struct field remove_fields[] = {
    {.name = "force",
     .type = FIELD_BOOL,
     .default_text = "false",
     .offset = offsetof(struct remove_options, force),
     .doc = "Removes it also when syncs name it."},
};
static const struct field_table remove_table = {"connection remove", NULL, remove_fields,
                                                FIELDS_COUNT(remove_fields),
                                                sizeof(struct remove_options)};

static enum outcome run_remove(struct cli *cli, struct err *err)
{
    const struct hub *hub = NULL;
    TRY(cli_hub(cli, &hub, err));
    TRY(hub_connection_remove(hub, cli->settings.workspace, cli->args[0],
                              CLI_OPTIONS(struct remove_options, cli)->force, err));
    if (cli->out.json) {
        struct jwrite w = out_json(&cli->out);
        jwrite_open_object(&w);
        jwrite_member_text(&w, "workspace_id", cli->settings.workspace);
        jwrite_member_text(&w, "connection_id", cli->args[0]);
        jwrite_member_bool(&w, "removed", true);
        jwrite_close_object(&w);
        out_json_end(&cli->out);
    }
    out_addf(&cli->out, "removed %s\n", cli->args[0]);
    return OUTCOME_OK;
}

static const struct example add_examples[] = {
    {"haul connection add shop mysql host=db.example port=3306 user=app database=shop "
     "password_file=/run/secrets/shop --workspace acme",
     "A secret from a file"},
    {"pass show dwh | haul connection add dwh postgres host=dwh user=haul database=dwh password=- "
     "-w acme",
     "A secret from standard input"},
    {NULL, NULL},
};
static const struct example list_examples[] = {
    {"haul connection list", "Of all workspaces"},
    {"haul connection list -w acme --json", "Of one, with their configuration without secrets"},
    {NULL, NULL},
};
static const struct example test_examples[] = {
    {"haul connection test shop -w acme", "Can it be reached, and are we let in?"},
    {NULL, NULL},
};
static const struct example remove_examples[] = {
    {"haul connection remove shop -w acme", "Forget it, and its secrets"},
    {NULL, NULL},
};

const struct command command_connection_add = {
    .name = "connection add",
    .args = "ID CONNECTOR [FIELD=VALUE...]",
    .args_min = 2,
    .args_max = -1,
    .needs = NEEDS_WORKSPACE | NEEDS_HUB,
    .summary = "configure a system to read from or write to",
    .doc = "The fields are the connector's own: haul help connector CONNECTOR lists them. Secrets "
           "are "
           "sealed with the keyring before they are stored; give them as FIELD_file=PATH, "
           "FIELD_env=NAME or FIELD=- (standard input). The workspace is made when it is new.",
    .options = &add_table,
    .examples = add_examples,
    .run = run_add,
};
const struct command command_connection_list = {
    .name = "connection list",
    .args = "",
    .needs = NEEDS_HUB,
    .summary = "list connections, of one workspace or all",
    .examples = list_examples,
    .run = run_list,
};
const struct command command_connection_test = {
    .name = "connection test",
    .args = "ID",
    .args_min = 1,
    .args_max = 1,
    .needs = NEEDS_WORKSPACE | NEEDS_HUB,
    .summary = "open a connection and say what answers",
    .examples = test_examples,
    .run = run_test,
};
const struct command command_connection_remove = {
    .name = "connection remove",
    .args = "ID",
    .args_min = 1,
    .args_max = 1,
    .needs = NEEDS_WORKSPACE | NEEDS_HUB,
    .summary = "remove a connection and its secrets",
    .doc = "Refused when a stored sync names it, unless forced.",
    .options = &remove_table,
    .examples = remove_examples,
    .run = run_remove,
};
