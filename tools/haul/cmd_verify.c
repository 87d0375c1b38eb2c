/* cmd_verify: both sides of a stored sync, compared; and the list of stored syncs. */
#include "commands.h"
#include "draft.h"
#include "endpoints.h"
#include "io/json.h"
#include "sync/hub_sync.h"
#include "sync/verify.h"

/* ---- syncs ---- */

static enum outcome run_syncs(struct cli *cli, struct err *err)
{
    static const struct sheet_column columns[] = {
        {"workspace_id", "WORKSPACE", SHEET_TEXT},
        {"sync_id", "SYNC", SHEET_TEXT},
        {"kind", "KIND", SHEET_TEXT},
        {"created_at", "FIRST SEEN", SHEET_TIME},
        {"last_run_at", "LAST RUN", SHEET_TIME},
        {"updated_at", "CHANGED", SHEET_MORE},
        {"definition", "DEFINITION", SHEET_JSON},
    };
    const struct hub *hub = NULL;
    struct sync_rows rows = {0};
    TRY(cli_hub(cli, &hub, err));
    TRY(hub_sync_list(hub, cli->settings.workspace, &cli->arena, &rows, err));
    struct sheet sheet = sheet_new(columns, FIELDS_COUNT(columns), "no syncs", &cli->arena);
    for (size_t i = 0; i < rows.count; i++) {
        const struct sync_row *row = &rows.items[i];
        SHEET_ROW(&sheet, row->workspace_id, row->sync_id, row->kind, row->created_at,
                  row->last_run_at, row->updated_at, row->definition);
    }
    if (sheet.failed)
        return FAIL_NO_MEMORY(err);
    sheet_print(&sheet, &cli->out);
    return OUTCOME_OK;
}

/* ---- verify ---- */

struct verify_options {
    bool repair;
};
static const struct field verify_fields[] = {
    {.name = "repair",
     .type = FIELD_BOOL,
     .default_text = "false",
     .offset = offsetof(struct verify_options, repair),
     .doc = "Writes what differs again, and nothing else; a run of this sync that is under way is "
            "fenced off."},
};
static const struct field_table verify_table = {
    "verify", NULL, verify_fields, FIELDS_COUNT(verify_fields), sizeof(struct verify_options)};

static const char *const kind_names[] = {[VERIFY_MISSING] = "missing",
                                         [VERIFY_DIFFERENT] = "different",
                                         /* or missing */[VERIFY_EXTRA] = "extra"};

static const struct sheet_column chunk_columns[] = {
    {"chunk", "CHUNK", SHEET_INT},
    {"from", "FROM", SHEET_TEXT},
    {"to", "TO", SHEET_TEXT},
    {"source_rows", "SOURCE ROWS", SHEET_INT},
    {"target_rows", "TARGET ROWS", SHEET_INT},
    {"missing", "MISSING", SHEET_INT},
    {"different", "DIFFERENT", SHEET_INT},
    {"extra", "EXTRA", SHEET_INT},
    {"source_hash", "", SHEET_MORE},
    {"target_hash", "", SHEET_MORE},
};
static const struct sheet_column key_columns[] = {
    {"kind", "ROW IS", SHEET_TEXT}, {"chunk", "CHUNK", SHEET_INT}, {"key", "KEY", SHEET_JSON}};
static const struct sheet_column key_text_columns[] = {
    {"kind", "ROW IS", SHEET_TEXT}, {"chunk", "CHUNK", SHEET_INT}, {"key", "KEY", SHEET_TEXT}};

/* With a key the counts decide: in mode upsert more rows in the target are no difference. */
static bool chunk_differs(const struct verify_report *report, const struct verify_chunk *chunk)
{
    if (report->keyed)
        return chunk->missing + chunk->different + chunk->extra > 0;
    return chunk->source_rows != chunk->target_rows ||
           !hash128_eq(chunk->source_hash, chunk->target_hash);
}

static void list_chunks(const struct verify_report *report, struct sheet *sheet)
{
    for (size_t i = 0; i < report->chunk_count; i++) {
        const struct verify_chunk *chunk = &report->chunks[i];
        char source[HASH128_TEXT_SIZE], target[HASH128_TEXT_SIZE];
        if (!chunk_differs(report, chunk))
            continue;
        SHEET_ROW(sheet, SHEET_I64((int64_t)i), chunk->from, chunk->to,
                  SHEET_I64(chunk->source_rows), SHEET_I64(chunk->target_rows),
                  SHEET_I64(chunk->missing), SHEET_I64(chunk->different), SHEET_I64(chunk->extra),
                  hash128_format(chunk->source_hash, source),
                  hash128_format(chunk->target_hash, target));
    }
}

static void list_keys(const struct verify_report *report, struct sheet *sheet)
{
    for (size_t i = 0; i < report->key_count; i++)
        SHEET_ROW(sheet, kind_names[report->keys[i].kind],
                  SHEET_I64((int64_t)report->keys[i].chunk), report->keys[i].json);
}

static void write_counts(const struct verify_report *report, struct jwrite *w)
{
    const struct {
        const char *name;
        int64_t value;
    } counts[] = {
        {"source_rows", report->source_rows},
        {"target_rows", report->target_rows},
        {"missing", report->missing},
        {"different", report->different},
        {"extra", report->extra},
        {"duplicates", report->duplicates},
        {"rows_merged", report->rows_merged},
        {"rows_deleted", report->rows_deleted},
        {"chunk_count", (int64_t)report->chunk_count},
        {"chunks_differing", (int64_t)report->chunks_differing},
    };
    char hash[HASH128_TEXT_SIZE];
    jwrite_member_bool(w, "agrees", report->agrees);
    jwrite_member_bool(w, "keyed", report->keyed);
    for (size_t i = 0; i < FIELDS_COUNT(counts); i++)
        jwrite_member_int(w, counts[i].name, counts[i].value);
    jwrite_member_text(w, "source_hash", hash128_format(report->source_hash, hash));
    jwrite_member_text(w, "target_hash", hash128_format(report->target_hash, hash));
}

static void add_counts(struct out *out, const struct verify_report *report)
{
    char source[HUMAN_SIZE], target[HUMAN_SIZE], a[HUMAN_SIZE], b[HUMAN_SIZE], c[HUMAN_SIZE];
    out_addf(out, "%s: %s rows in the source, %s in the target, %zu chunks\n",
             report->agrees ? "they agree" : "they differ",
             human_count(report->source_rows, source), human_count(report->target_rows, target),
             report->chunk_count);
    if (report->missing + report->different + report->extra > 0)
        out_addf(out, "missing in the target %s, different %s, only in the target %s\n",
                 human_count(report->missing, a), human_count(report->different, b),
                 human_count(report->extra, c));
    if (report->rows_merged + report->rows_deleted > 0)
        out_addf(out, "repaired: %s written, %s deleted\n", human_count(report->rows_merged, a),
                 human_count(report->rows_deleted, b));
    if (!report->keyed)
        out_addf(out, "without a key only counts and hashes could be compared\n");
}

static enum outcome print_verified(struct cli *cli, const struct verify_report *report,
                                   struct err *err)
{
    struct out *out = &cli->out;
    struct sheet chunks =
        sheet_new(chunk_columns, FIELDS_COUNT(chunk_columns), "none", &cli->arena);
    struct sheet keys = sheet_new(out->json ? key_columns : key_text_columns,
                                  FIELDS_COUNT(key_columns), "none", &cli->arena);
    list_chunks(report, &chunks);
    list_keys(report, &keys);
    if (chunks.failed || keys.failed)
        return FAIL_NO_MEMORY(err);
    if (out->json) {
        struct jwrite w = out_json(out);
        jwrite_open_object(&w);
        write_counts(report, &w);
        jwrite_key(&w, "chunks");
        sheet_write(&chunks, &w);
        jwrite_key(&w, "keys");
        sheet_write(&keys, &w);
        jwrite_close_object(&w);
        out_json_end(out);
        return OUTCOME_OK;
    }
    add_counts(out, report);
    if (chunks.row_count > 0) {
        out_addf(out, "\nchunks that differ:\n");
        sheet_add_text(&chunks, out);
    }
    if (keys.row_count > 0) {
        out_addf(out, "\nkeys that differ%s:\n",
                 keys.row_count == VERIFY_KEYS_MAX ? ", the first ones" : "");
        sheet_add_text(&keys, out);
    }
    return OUTCOME_OK;
}

/* The stored definition, decoded as a job's data. */
static enum outcome load_spec(struct cli *cli, const struct sync_ref *ref,
                              const struct sync_spec **ret_spec, struct err *err)
{
    const struct hub *hub = NULL;
    const struct kind *kind = NULL;
    const struct jval *data = NULL;
    struct sync_row row = {0};
    struct job_data decoded = {0};
    TRY(cli_hub(cli, &hub, err));
    TRY(hub_sync_load(hub, ref, &cli->arena, &row, err));
    if (strcmp(row.kind, "sql_sync") != 0)
        return FAIL(err, OUTCOME_PERMANENT, "sync.kind", "sync \"%s\" is of kind %s", row.sync_id,
                    row.kind);
    TRY(kind_find(row.kind, &kind, err));
    TRY(jread_object(slice_of(row.definition), &cli->arena, &data, err));
    const struct job job = {.data = data};
    TRY(draft_decode(kind, &job, &cli->arena, &decoded, err));
    *ret_spec = decoded.payload;
    return OUTCOME_OK;
}

/* A repair writes under a fence of its own, greater than that of every run before it. */
static enum outcome prepare_repair(struct cli *cli, const char *sync_id, struct sync_env *env,
                                   struct err *err)
{
    PGSQL_RESULT_AUTO struct pgsql_result *fence = NULL;
    TRY(pgsql_query(cli->hub.db, "SELECT nextval('haul.fence')", PGSQL_NONE, &fence, err));
    env->fence = pgsql_i64(fence, 0, 0, 0);
    return hub_audit_add(
        &cli->hub, &(struct hub_audit){"sync.repair", cli->settings.workspace, sync_id, NULL}, err);
}

static enum outcome run_verify(struct cli *cli, struct err *err)
{
    bool repair = CLI_OPTIONS(struct verify_options, cli)->repair;
    const struct sync_ref ref = {cli->settings.workspace, cli->args[0]};
    const struct sync_spec *spec = NULL;
    struct verify_report *report = ARENA_NEW(&cli->arena, struct verify_report);
    ENDPOINTS_AUTO struct endpoints endpoints = {0};
    TRY_ALLOC(report, err);
    TRY(load_spec(cli, &ref, &spec, err));
    TRY(endpoints_open(cli, ref.workspace_id, spec, &endpoints, err));
    if (repair)
        TRY(prepare_repair(cli, ref.sync_id, &endpoints.env, err));
    TRY(sync_verify(&endpoints.env, spec, repair, &cli->arena, report, err));
    cli->exit_status = report->agrees || repair ? EXIT_DONE : EXIT_FAILED;
    return print_verified(cli, report, err);
}

static const struct example syncs_examples[] = {
    {"haul syncs -w acme", "Which are there, and when did they run?"},
    {NULL, NULL},
};
static const struct example verify_examples[] = {
    {"haul verify orders -w acme", "Are both sides the same now? Exit status 1 when they differ"},
    {"haul verify orders -w acme --repair", "Write again just what differs"},
    {NULL, NULL},
};

const struct command command_syncs = {
    .name = "syncs",
    .args = "",
    .needs = NEEDS_HUB,
    .summary = "list syncs that have run, of one workspace or all",
    .examples = syncs_examples,
    .run = run_syncs,
};
const struct command command_verify = {
    .name = "verify",
    .args = "SYNC",
    .args_min = 1,
    .args_max = 1,
    .needs = NEEDS_WORKSPACE | NEEDS_HUB,
    .summary = "read both sides of a sync again and name what differs",
    .doc = "Compares counts and hashes chunk by chunk, then names the keys within chunks that "
           "differ. What the source changed since the last run differs too. The definition is that "
           "of the sync's last job.",
    .options = &verify_table,
    .examples = verify_examples,
    .run = run_verify,
};
