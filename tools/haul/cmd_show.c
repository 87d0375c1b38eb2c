/* cmd_show: one job: its state, error, receipt and runs. */
#include "base/clock.h"
#include "commands.h"
#include "io/json.h"
#include "receipt_view.h"
#include "run/ledger.h"
#include "sync/hub_run.h"

struct shown {
    struct ledger_row job;
    struct run_rows runs;
};

static void write_time(struct jwrite *w, const char *name, int64_t us)
{
    char text[CLOCK_TEXT_SIZE];
    jwrite_member_text(w, name, us == 0 ? NULL : clock_format(us, text));
}

static void write_error(struct jwrite *w, const struct err *error)
{
    jwrite_key(w, "error");
    if (error->code[0] == '\0') {
        jwrite_null(w);
        return;
    }
    jwrite_open_object(w);
    jwrite_member_text(w, "class", outcome_name(error->outcome));
    jwrite_member_text(w, "code", error->code);
    jwrite_member_text(w, "native", error->native[0] == '\0' ? NULL : error->native);
    jwrite_member_text(w, "message", error->message);
    jwrite_member_text(w, "hint", error->hint[0] == '\0' ? NULL : error->hint);
    jwrite_close_object(w);
}

static void write_json(struct jwrite *w, const char *name, const char *json)
{
    jwrite_key(w, name);
    if (json == NULL)
        jwrite_null(w);
    else
        jwrite_raw(w, slice_of(json));
}

static void write_run(struct jwrite *w, const struct run_row *run)
{
    jwrite_open_object(w);
    jwrite_member_text(w, "run_id", run->run_id);
    jwrite_member_text(w, "sync_id", run->sync_id);
    jwrite_member_int(w, "attempt", run->attempt);
    jwrite_member_int(w, "fence", run->fence);
    jwrite_member_text(w, "mode", run->mode);
    jwrite_member_text(w, "worker", run->worker);
    jwrite_member_text(w, "started_at", run->started_at);
    jwrite_member_text(w, "finished_at", run->finished_at);
    jwrite_member_text(w, "outcome", run->outcome);
    jwrite_member_text(w, "error_code", run->error_code);
    jwrite_member_text(w, "error_message", run->error_message);
    jwrite_member_text(w, "error_hint", run->error_hint);
    jwrite_member_int(w, "rows_read", run->rows_read);
    jwrite_member_int(w, "rows_written", run->rows_written);
    jwrite_member_int(w, "rows_rejected", run->rows_rejected);
    jwrite_member_int(w, "rows_deleted", run->rows_deleted);
    jwrite_member_int(w, "bytes_read", run->bytes_read);
    write_json(w, "receipt", run->receipt);
    jwrite_close_object(w);
}

static void write_shown(struct jwrite *w, const struct shown *shown)
{
    const struct ledger_row *job = &shown->job;
    jwrite_open_object(w);
    jwrite_member_text(w, "job_id", job->job_id);
    jwrite_member_text(w, "workspace_id", job->workspace_id);
    jwrite_member_text(w, "kind", job->kind);
    jwrite_member_text(w, "subject", job->subject);
    jwrite_member_text(w, "worker", job->worker);
    jwrite_member_text(w, "owner", job->owner);
    jwrite_member_text(w, "state", job->state);
    jwrite_member_int(w, "attempt", job->attempt);
    jwrite_member_int(w, "starts", job->starts);
    jwrite_member_int(w, "redrive_count", job->redrive_count);
    jwrite_member_int(w, "fence", job->fence);
    jwrite_member_bool(w, "cancel_asked", job->cancel_asked);
    write_time(w, "created_at", job->created_us);
    write_time(w, "started_at", job->started_us);
    write_time(w, "updated_at", job->updated_us);
    write_time(w, "finished_at", job->finished_us);
    write_time(w, "not_before", job->due_us);
    jwrite_member_text(w, "first_topic", job->first_topic);
    jwrite_member_int(w, "first_partition", job->first_partition);
    jwrite_member_int(w, "first_offset", job->first_offset);
    write_error(w, &job->error);
    write_json(w, "receipt", job->result);
    jwrite_key(w, "runs");
    jwrite_open_array(w);
    for (size_t i = 0; i < shown->runs.count; i++)
        write_run(w, &shown->runs.items[i]);
    jwrite_close_array(w);
    jwrite_close_object(w);
}

static void add_line(struct out *out, const char *title, const char *text)
{
    if (text != NULL && text[0] != '\0')
        out_addf(out, "%-12s %s\n", title, text);
}

static void add_time(struct out *out, const char *title, int64_t us)
{
    char text[CLOCK_TEXT_SIZE];
    if (us != 0)
        add_line(out, title, clock_format(us, text));
}

static void add_error(struct out *out, const struct err *error)
{
    if (error->code[0] == '\0')
        return;
    out_addf(out, "%-12s %s: %s%s%s%s\n", "error", error->code, error->message,
             error->native[0] == '\0' ? "" : " (", error->native,
             error->native[0] == '\0' ? "" : ")");
    add_line(out, "hint", error->hint);
}

static void add_runs(struct out *out, const struct run_rows *runs)
{
    char read[HUMAN_SIZE], written[HUMAN_SIZE];
    if (runs->count == 0)
        return;
    out_addf(out, "\nruns, the last first:\n");
    for (size_t i = 0; i < runs->count; i++) {
        const struct run_row *run = &runs->items[i];
        out_addf(out, "  attempt %lld, started %.19s: %s, %s rows read, %s written%s%s\n",
                 (long long)run->attempt, run->started_at,
                 run->outcome == NULL ? "not finished" : run->outcome,
                 human_count(run->rows_read, read), human_count(run->rows_written, written),
                 run->error_code == NULL ? "" : "; ",
                 run->error_code == NULL ? "" : run->error_code);
    }
}

static void add_shown(struct cli *cli, const struct shown *shown)
{
    const struct ledger_row *job = &shown->job;
    struct out *out = &cli->out;
    const struct jval *receipt = NULL;
    add_line(out, "job", job->job_id);
    add_line(out, "workspace", job->workspace_id);
    add_line(out, "kind", job->kind);
    add_line(out, "subject", job->subject);
    out_addf(out, "%-12s %s%s, attempt %d\n", "state", job->state,
             job->cancel_asked && job->finished_us == 0 ? " (cancel asked)" : "", job->attempt);
    if (job->redrive_count > 0)
        out_addf(out, "%-12s %d time(s)\n", "redriven", job->redrive_count);
    add_line(out, "worker", job->owner == NULL ? job->worker : job->owner);
    add_time(out, "taken", job->created_us);
    add_time(out, "finished", job->finished_us);
    add_time(out, "not before", job->due_us);
    add_error(out, &job->error);
    if (job->result != NULL &&
        jread(slice_of(job->result), &cli->arena, &receipt, NULL) == OUTCOME_OK) {
        if (job->error.code[0] == '\0' || jval_int(receipt, "rows_read", 0) > 0) {
            out_addf(out, "\nreceipt:\n");
            receipt_view(receipt, "  ", &out->text);
        }
    }
    add_runs(out, &shown->runs);
}

static enum outcome run_show(struct cli *cli, struct err *err)
{
    const struct hub *hub = NULL;
    struct shown shown = {0};
    TRY(cli_hub(cli, &hub, err));
    TRY(ledger_get(hub->db, cli->args[0], &cli->arena, &shown.job, err));
    const struct run_filter filter = {.job_id = cli->args[0], .with_receipt = cli->out.json};
    TRY(hub_run_list(hub, &filter, &cli->arena, &shown.runs, err));
    if (!cli->out.json) {
        add_shown(cli, &shown);
        return OUTCOME_OK;
    }
    struct jwrite w = out_json(&cli->out);
    write_shown(&w, &shown);
    out_json_end(&cli->out);
    return OUTCOME_OK;
}

static const struct example show_examples[] = {
    {"haul show 01JD7M8QK4T6W3X9ZB2C5F7H1N", "A job, its error or its receipt"},
    {"haul show 01JD7M8QK4T6W3X9ZB2C5F7H1N --json | jq .receipt", "The receipt alone"},
    {NULL, NULL},
};

const struct command command_show = {
    .name = "show",
    .args = "JOB",
    .args_min = 1,
    .args_max = 1,
    .needs = NEEDS_HUB,
    .summary = "show a job: its state, error, receipt and runs",
    .examples = show_examples,
    .run = run_show,
};
