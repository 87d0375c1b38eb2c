/* cmd_estimate: what a sync would do. */
#include "base/clock.h"
#include "commands.h"
#include "draft.h"
#include "endpoints.h"
#include "sync/estimate.h"
#include "sync/hub_sync.h"
#include "sync/state.h"

struct estimate_options {
    const char *file;
};
static const struct field estimate_fields[] = {
    {.name = "file",
     .type = FIELD_STRING,
     .offset = offsetof(struct estimate_options, file),
     .doc = "JSON file (-: standard input) with the job's data, or with the whole CloudEvent. "
            "Short: -f."},
};
static const struct field_table estimate_table = {"estimate", NULL, estimate_fields,
                                                  FIELDS_COUNT(estimate_fields),
                                                  sizeof(struct estimate_options)};

/* Where the next run would begin, as far as the hub knows; NULL = at the beginning. */
static enum outcome find_cursor(struct cli *cli, const struct draft *draft,
                                const struct sync_spec *spec, const char **ret_cursor,
                                struct err *err)
{
    struct checkpoint_row row = {0};
    struct sync_state state = {0};
    const struct hub *hub = NULL;
    const struct sync_ref ref = {draft->decoded.common->workspace_id, spec->sync_id};
    TRY(cli_hub(cli, &hub, err));
    TRY(hub_checkpoint_load(hub, &ref, &cli->arena, &row, err));
    if (row.state != NULL)
        TRY(sync_state_parse(row.state, &cli->arena, &state, err));
    *ret_cursor = state.cursor;
    return OUTCOME_OK;
}

/* ---- the report ---- */

static void write_amount(struct jwrite *w, const char *name, int64_t value)
{
    jwrite_key(w, name);
    if (value < 0)
        jwrite_null(w);
    else
        jwrite_int(w, value);
}

static void write_texts(struct jwrite *w, const char *name, const char *const *texts, size_t count)
{
    jwrite_key(w, name);
    jwrite_open_array(w);
    for (size_t i = 0; i < count; i++)
        jwrite_text(w, texts[i]);
    jwrite_close_array(w);
}

static void write_report(const struct estimate_report *report, const struct sheet *columns,
                         struct jwrite *w)
{
    jwrite_open_object(w);
    jwrite_member_text(w, "path", report->path);
    jwrite_member_bool(w, "target_exists", report->target_exists);
    write_amount(w, "rows", report->rows);
    write_amount(w, "bytes", report->bytes);
    write_amount(w, "chunks", report->chunks);
    write_amount(w, "duration_ms", report->duration_ms);
    write_amount(w, "sample_rows", report->sample_rows);
    write_texts(w, "key", report->key, report->key_count);
    write_texts(w, "differences", report->differences, report->difference_count);
    jwrite_key(w, "columns");
    sheet_write(columns, w);
    jwrite_close_object(w);
}

static void add_line(struct out *out, const char *title, const char *text)
{
    out_addf(out, "%-12s %s\n", title, text);
}

static void add_report(struct out *out, const struct estimate_report *report,
                       const struct sheet *columns)
{
    char text[HUMAN_SIZE];
    add_line(out, "way",
             strcmp(report->path, "load") == 0 ? "load beside the target, then swap"
                                               : "merge into the target");
    add_line(out, "target",
             report->target_exists ? "exists" : "does not exist: it will be created");
    add_line(out, "rows, about", report->rows < 0 ? "not known" : human_count(report->rows, text));
    if (report->bytes >= 0)
        add_line(out, "bytes, about", human_bytes(report->bytes, text));
    add_line(out, "time, about",
             report->duration_ms < 0 ? "not known"
                                     : human_duration(report->duration_ms * US_PER_MS, text));
    STR_AUTO struct str key = str_with_max(4096);
    for (size_t i = 0; i < report->key_count; i++)
        str_addf(&key, "%s%s", i == 0 ? "" : ", ", report->key[i]);
    add_line(out, "key", report->key_count == 0 ? "none" : str_text(&key));
    for (size_t i = 0; i < report->difference_count; i++)
        add_line(out, "difference", report->differences[i]);
    out_addf(out, "\n");
    sheet_add_text(columns, out);
}

static enum outcome print_report(struct cli *cli, const struct estimate_report *report,
                                 struct err *err)
{
    static const struct sheet_column columns[] = {
        {"from", "FROM", SHEET_TEXT},      {"native", "TYPE", SHEET_TEXT}, {"to", "TO", SHEET_TEXT},
        {"type", "HAUL TYPE", SHEET_TEXT}, {"loss", "LOST", SHEET_TEXT},
    };
    struct sheet sheet = sheet_new(columns, FIELDS_COUNT(columns), "no columns", &cli->arena);
    for (size_t i = 0; i < report->column_count; i++) {
        const struct estimate_column *column = &report->columns[i];
        SHEET_ROW(&sheet, column->from, column->native, column->to, column->haul, column->loss);
    }
    if (sheet.failed)
        return FAIL_NO_MEMORY(err);
    if (!cli->out.json) {
        add_report(&cli->out, report, &sheet);
        return OUTCOME_OK;
    }
    struct jwrite w = out_json(&cli->out);
    write_report(report, &sheet, &w);
    out_json_end(&cli->out);
    return OUTCOME_OK;
}

static enum outcome run_estimate(struct cli *cli, struct err *err)
{
    struct draft draft = {0};
    struct estimate_report report = {0};
    const char *cursor = NULL;
    ENDPOINTS_AUTO struct endpoints endpoints = {0};
    TRY(draft_build(cli, CLI_OPTIONS(struct estimate_options, cli)->file, &draft, err));
    if (strcmp(draft.kind->name, "sql_sync") != 0)
        return USAGE(err, "there is no estimate for jobs of kind %s", draft.kind->name);
    const struct sync_spec *spec = draft.decoded.payload;
    TRY(find_cursor(cli, &draft, spec, &cursor, err));
    TRY(endpoints_open(cli, draft.decoded.common->workspace_id, spec, &endpoints, err));
    TRY(sync_estimate(&endpoints.env, spec, cursor, &cli->arena, &report, err));
    return print_report(cli, &report, err);
}

static const struct example estimate_examples[] = {
    {"haul estimate sql_sync -w acme -f orders.json", "Before the first run"},
    {"haul estimate sql_sync -w acme sync_id=orders source.connection_id=shop source.table=orders "
     "target.connection_id=dwh target.table=orders --json",
     "For a program"},
    {NULL, NULL},
};

const struct command command_estimate = {
    .name = "estimate",
    .args = "KIND [FIELD=VALUE...]",
    .args_min = 1,
    .args_max = -1,
    .needs = NEEDS_HUB,
    .summary = "a dry run: what a sync would do, and how long it would take",
    .doc = "Takes what haul enqueue takes. Reads both sides and writes to none: the columns with "
           "what their mapping loses, how the target differs, rows, bytes and expected time.",
    .options = &estimate_table,
    .examples = estimate_examples,
    .run = run_estimate,
};
