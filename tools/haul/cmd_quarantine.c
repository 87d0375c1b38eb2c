/* cmd_quarantine: rows that were held back. */
#include "commands.h"
#include "sync/hub_quarantine.h"

struct quarantine_options {
    const char *sync, *job, *code;
    int64_t limit;
};
#define FILTER_FIELDS                                                                              \
    {.name = "sync",                                                                               \
     .type = FIELD_STRING,                                                                         \
     .offset = offsetof(struct quarantine_options, sync),                                          \
     .doc = "Of this sync only."},                                                                 \
        {.name = "job",                                                                            \
         .type = FIELD_STRING,                                                                     \
         .offset = offsetof(struct quarantine_options, job),                                       \
         .doc = "Of this job only."},                                                              \
    {                                                                                              \
        .name = "code", .type = FIELD_STRING, .offset = offsetof(struct quarantine_options, code), \
        .doc = "Held back for this reason only, such as row.refused."                              \
    }

static const struct field list_fields[] = {
    FILTER_FIELDS,
    {.name = "limit",
     .type = FIELD_INT,
     .min = 1,
     .max = 100000,
     .default_text = "100",
     .offset = offsetof(struct quarantine_options, limit),
     .doc = "At most so many. Short: -n."},
};
static const struct field_table list_table = {"quarantine list", NULL, list_fields,
                                              FIELDS_COUNT(list_fields),
                                              sizeof(struct quarantine_options)};
static const struct field export_fields[] = {
    FILTER_FIELDS,
    {.name = "limit",
     .type = FIELD_INT,
     .min = 0,
     .max = INT64_MAX,
     .default_text = "0",
     .offset = offsetof(struct quarantine_options, limit),
     .doc = "At most so many; 0 = all. Short: -n."},
};
static const struct field_table export_table = {"quarantine export", NULL, export_fields,
                                                FIELDS_COUNT(export_fields),
                                                sizeof(struct quarantine_options)};

static struct quarantine_filter filter_of(const struct cli *cli)
{
    const struct quarantine_options *options = cli->options;
    return (struct quarantine_filter){
        .workspace_id = cli->settings.workspace,
        .sync_id = options->sync,
        .job_id = options->job,
        .code = options->code,
        .limit = options->limit,
    };
}

static enum outcome add_to_sheet(void *ctx, const struct quarantine_row *row, struct err *err)
{
    struct sheet *sheet = ctx;
    const struct quarantine_entry *entry = &row->entry;
    SHEET_ROW(sheet, row->sync_id, row->job_id, SHEET_I64(entry->chunk),
              SHEET_I64(entry->row_number), entry->column, entry->code, entry->native,
              row->workspace_id, row->run_id, row->created_at, entry->message);
    return sheet->failed ? FAIL_NO_MEMORY(err) : OUTCOME_OK;
}

static enum outcome run_list(struct cli *cli, struct err *err)
{
    static const struct sheet_column columns[] = {
        {"sync_id", "SYNC", SHEET_TEXT},      {"job_id", "JOB", SHEET_TEXT},
        {"chunk", "CHUNK", SHEET_INT},        {"row_number", "ROW", SHEET_INT},
        {"column", "COLUMN", SHEET_TEXT},     {"code", "REASON", SHEET_TEXT},
        {"sqlstate", "SQLSTATE", SHEET_TEXT}, {"workspace_id", "WORKSPACE", SHEET_MORE},
        {"run_id", "RUN", SHEET_MORE},        {"created_at", "HELD BACK", SHEET_TIME},
        {"message", "MESSAGE", SHEET_TEXT},
    };
    const struct hub *hub = NULL;
    TRY(cli_hub(cli, &hub, err));
    struct sheet sheet =
        sheet_new(columns, FIELDS_COUNT(columns), "no rows in quarantine", &cli->arena);
    const struct quarantine_filter filter = filter_of(cli);
    TRY(hub_quarantine_list(hub, &filter, add_to_sheet, &sheet, err));
    sheet_print(&sheet, &cli->out);
    return OUTCOME_OK;
}

/* One JSON object a line, written as it is read: memory does not grow with the rows. */
static enum outcome export_row(void *ctx, const struct quarantine_row *row, struct err *err)
{
    struct cli *cli = ctx;
    const struct quarantine_entry *entry = &row->entry;
    struct jwrite w = out_json(&cli->out);
    jwrite_open_object(&w);
    jwrite_member_text(&w, "workspace_id", row->workspace_id);
    jwrite_member_text(&w, "sync_id", row->sync_id);
    jwrite_member_text(&w, "job_id", row->job_id);
    jwrite_member_int(&w, "chunk", entry->chunk);
    jwrite_member_int(&w, "row_number", entry->row_number);
    jwrite_member_text(&w, "column", entry->column);
    jwrite_member_text(&w, "code", entry->code);
    jwrite_member_text(&w, "sqlstate", entry->native);
    jwrite_member_text(&w, "message", entry->message);
    jwrite_member_text(&w, "created_at", row->created_at);
    jwrite_key(&w, "row");
    jwrite_raw(&w, entry->row);
    jwrite_close_object(&w);
    out_json_end(&cli->out);
    if (cli->out.text.failed)
        return FAIL_NO_MEMORY(err);
    out_flush(&cli->out);
    return OUTCOME_OK;
}

static enum outcome run_export(struct cli *cli, struct err *err)
{
    const struct hub *hub = NULL;
    struct quarantine_filter filter = filter_of(cli);
    filter.with_row = true;
    TRY(cli_hub(cli, &hub, err));
    TRY(hub_audit_add(
        hub, &(struct hub_audit){"quarantine.export", filter.workspace_id, filter.sync_id, NULL},
        err));
    return hub_quarantine_list(hub, &filter, export_row, cli, err);
}

static const struct example list_examples[] = {
    {"haul quarantine list -w acme --sync orders", "Which rows, and why?"},
    {NULL, NULL},
};
static const struct example export_examples[] = {
    {"haul quarantine export -w acme --sync orders >bad.jsonl", "With their data, a line a row"},
    {NULL, NULL},
};

const struct command command_quarantine_list = {
    .name = "quarantine list",
    .args = "",
    .needs = NEEDS_HUB,
    .summary = "list rows that were held back, with the reason",
    .options = &list_table,
    .examples = list_examples,
    .run = run_list,
};
const struct command command_quarantine_export = {
    .name = "quarantine export",
    .args = "",
    .needs = NEEDS_HUB | NEEDS_KEYRING,
    .summary = "print the rows that were held back, opened, as JSON lines",
    .doc = "The rows are sealed in the hub; this opens them with the keyring, and the audit log "
           "says that it was done.",
    .options = &export_table,
    .examples = export_examples,
    .run = run_export,
};
