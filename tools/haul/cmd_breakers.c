/* cmd_breakers: the circuit breakers of what jobs depend on. */
#include "commands.h"

#include "base/clock.h"
#include "run/breaker_store.h"

struct reason_options {
    const char *reason;
};
static const struct field reason_fields[] = {
    {.name = "reason",
     .type = FIELD_STRING,
     .max = 200,
     .offset = offsetof(struct reason_options, reason),
     .flags = FIELD_REQUIRED,
     .doc = "Why; it stands in `haul breakers list` and in the hub's audit log."},
};
static const struct field_table open_table = {"breakers open", NULL, reason_fields,
                                              FIELDS_COUNT(reason_fields),
                                              sizeof(struct reason_options)};
static const struct field_table close_table = {"breakers close", NULL, reason_fields,
                                               FIELDS_COUNT(reason_fields),
                                               sizeof(struct reason_options)};

/* ---- list ---- */

static void add_row(struct sheet *sheet, const struct breaker_row *row)
{
    char wait[HUMAN_SIZE] = "", age[HUMAN_SIZE];
    if (row->view.wait_us > 0)
        human_duration(row->view.wait_us, wait);
    SHEET_ROW(sheet, row->dependency, breaker_state_name(row->view.state),
              human_duration(row->changed_ago_us, age), wait, row->reason,
              SHEET_I64(row->view.wait_us / US_PER_MS), SHEET_I64(row->view.epoch));
}

static enum outcome run_list(struct cli *cli, struct err *err)
{
    static const struct sheet_column columns[] = {
        {"dependency", "DEPENDENCY", SHEET_TEXT},
        {"state", "STATE", SHEET_TEXT},
        {"age", "FOR", SHEET_TEXT},
        {"wait", "NEXT PROBE IN", SHEET_TEXT},
        {"reason", "REASON", SHEET_TEXT},
        {"wait_ms", "", SHEET_MORE_INT},
        {"epoch", "", SHEET_MORE_INT},
    };
    struct rconn *redis = NULL;
    struct breaker_rows rows = {0};
    TRY(rconn_open(&cli->settings.redis, &redis, err));
    enum outcome outcome =
        breaker_store_list(redis, cli->settings.topic_prefix, &cli->arena, &rows, err);
    rconn_close(redis);
    TRY(outcome);
    struct sheet sheet = sheet_new(columns, FIELDS_COUNT(columns), "all closed", &cli->arena);
    for (size_t i = 0; i < rows.count; i++)
        add_row(&sheet, &rows.items[i]);
    if (sheet.failed)
        return FAIL_NO_MEMORY(err);
    sheet_print(&sheet, &cli->out);
    return OUTCOME_OK;
}

/* ---- open, close ---- */

static void print_changed(struct cli *cli, const struct breaker_view *view)
{
    out_addf(&cli->out, "%s: %s, was %s\n", cli->args[0], breaker_state_name(view->state),
             breaker_state_name(view->before));
    if (!cli->out.json)
        return;
    struct jwrite w = out_json(&cli->out);
    jwrite_open_object(&w);
    jwrite_member_text(&w, "dependency", cli->args[0]);
    jwrite_member_text(&w, "state", breaker_state_name(view->state));
    jwrite_member_text(&w, "before", breaker_state_name(view->before));
    jwrite_close_object(&w);
    out_json_end(&cli->out);
}

/* The audit's row first: nothing is changed that nobody can be asked about. */
static enum outcome change(struct cli *cli, enum breaker_op op, const char *action, struct err *err)
{
    const char *reason = CLI_OPTIONS(struct reason_options, cli)->reason;
    const struct hub *hub = NULL;
    struct rconn *redis = NULL;
    struct breaker_view view;
    STR_AUTO struct str detail = str_with_max(STR_MAX_DEFAULT);
    struct jwrite w = jwrite_to(&detail);
    jwrite_open_object(&w);
    jwrite_member_text(&w, "reason", reason);
    jwrite_close_object(&w);
    if (detail.failed)
        return FAIL_NO_MEMORY(err);
    if (strchr(cli->args[0], ':') == NULL || strchr(cli->args[0], ' ') != NULL)
        return USAGE(err, "\"%s\" is no dependency: it looks like connection:WORKSPACE/ID",
                     cli->args[0]);
    struct breaker_request request = {
        .op = op, .dependency = cli->args[0], .epoch = BREAKER_EPOCH_UNKNOWN, .reason = reason};
    TRY(cli_hub(cli, &hub, err));
    TRY(hub_audit_add(&cli->hub, &(struct hub_audit){action, NULL, cli->args[0], str_text(&detail)},
                      err));
    TRY(rconn_open(&cli->settings.redis, &redis, err));
    enum outcome outcome =
        breaker_store_apply(redis, cli->settings.topic_prefix, &breaker_conf_default, &request, 1,
                            &cli->arena, &view, err);
    rconn_close(redis);
    if (outcome == OUTCOME_OK)
        print_changed(cli, &view);
    return outcome;
}

static enum outcome run_open(struct cli *cli, struct err *err)
{
    return change(cli, BREAKER_OP_FORCE_OPEN, "breaker.open", err);
}

static enum outcome run_close(struct cli *cli, struct err *err)
{
    return change(cli, BREAKER_OP_CLOSE, "breaker.close", err);
}

/* ---- the table's rows ---- */

static const struct example list_examples[] = {
    {"haul breakers list", "What is open, for how long, and when it is probed"},
    {NULL, NULL},
};
static const struct example open_examples[] = {
    {"haul breakers open connection:acme/shop --reason 'migration tonight'",
     "Hold what needs this connection"},
    {NULL, NULL},
};
static const struct example close_examples[] = {
    {"haul breakers close connection:acme/shop --reason 'migration done'", "Let it go on"},
    {NULL, NULL},
};

const struct command command_breakers_list = {
    .name = "breakers list",
    .args = "",
    .args_max = 0,
    .needs = NEEDS_REDIS,
    .summary = "list the circuit breakers that are not closed",
    .doc = "A dependency is what jobs need: of a sync its two connections, as "
           "connection:WORKSPACE/ID. When half of at least ten calls failed its breaker opens, in "
           "all workers: what needs it waits in the retry topics, no attempt counted. Later one "
           "job at a time probes it, until one succeeds.",
    .examples = list_examples,
    .run = run_list,
};

const struct command command_breakers_open = {
    .name = "breakers open",
    .args = "DEPENDENCY",
    .args_min = 1,
    .args_max = 1,
    .needs = NEEDS_HUB | NEEDS_REDIS,
    .summary = "hold all jobs that need something, until it is closed",
    .doc = "Jobs that run go on. It stays open until `haul breakers close`, or until Redis loses "
           "its data.",
    .options = &open_table,
    .examples = open_examples,
    .run = run_open,
};

const struct command command_breakers_close = {
    .name = "breakers close",
    .args = "DEPENDENCY",
    .args_min = 1,
    .args_max = 1,
    .needs = NEEDS_HUB | NEEDS_REDIS,
    .summary = "close a circuit breaker, whatever opened it",
    .doc = "Jobs that wait for it come back when they are due: within a minute, or as their retry "
           "topic says.",
    .options = &close_table,
    .examples = close_examples,
    .run = run_close,
};
