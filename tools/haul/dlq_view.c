/* dlq_view: see dlq_view.h. */
#include "dlq_view.h"

#include "base/clock.h"

/* What `haul dlq replay` would do. */
static void add_plan(const struct dlq_view *view, struct str *out)
{
    int64_t count = view->letter.trail.redrive_count;
    int64_t max = view->redrive_max;
    switch (view->fate) {
    case FATE_SENT:
        str_addf(out, "would put it back for the %lld. time of at most %lld", (long long)count + 1,
                 (long long)max);
        break;
    case FATE_AGAIN:
        str_addf(out, "would pass it over: it was put back before, the job is %s now",
                 view->job.state);
        break;
    case FATE_QUARANTINE:
        str_addf(out, "would set it aside: it was put back %lld times already (at most %lld)",
                 (long long)count, (long long)max);
        break;
    case FATE_LATE:
        str_add_text(out, "would pass it over: its deadline has passed");
        break;
    case FATE_NO_JOB:
    case FATE_LEFT:
        str_add_text(out, "would pass it over: it is no job");
        break;
    }
}

/* The hint stands in the ledger alone; only that of the same failure is of use. */
static const char *hint_of(const struct dlq_view *view)
{
    const char *code = view->letter.trail.error_code;
    const struct err *error = &view->job.error;
    bool is_same = view->is_known && code != NULL && strcmp(code, error->code) == 0;
    return is_same && error->hint[0] != '\0' ? error->hint : NULL;
}

/* ---- as JSON ---- */

static void write_time(struct jwrite *w, const char *name, int64_t us)
{
    char text[CLOCK_TEXT_SIZE];
    jwrite_member_text(w, name, us == 0 ? NULL : clock_format(us, text));
}

static void write_slice(struct jwrite *w, const char *name, struct slice value)
{
    jwrite_key(w, name);
    if (value.data == NULL)
        jwrite_null(w);
    else
        jwrite_slice(w, value);
}

static void write_record(const struct dlq_view *view, struct jwrite *w)
{
    const struct kafka_message *message = &view->found;
    struct kafka_header header;
    jwrite_member_text(w, "topic", message->topic);
    jwrite_member_int(w, "partition", message->partition);
    jwrite_member_int(w, "offset", message->offset);
    write_time(w, "given_up_at", view->letter.time_us);
    jwrite_member_int(w, "letters_of_job", view->letters);
    write_slice(w, "key", message->key);
    jwrite_key(w, "headers");
    jwrite_open_object(w);
    for (size_t i = 0; kafka_message_header(message, i, &header); i++)
        write_slice(w, header.name, header.value);
    jwrite_close_object(w);
    jwrite_member_int(w, "value_bytes", (int64_t)message->value.len);
}

static void write_shape(const struct dlq_view *view, struct jwrite *w)
{
    jwrite_key(w, "shape");
    jwrite_open_array(w);
    for (size_t i = 0; i < view->shape.count; i++) {
        const struct shape_line *line = &view->shape.lines[i];
        jwrite_open_object(w);
        jwrite_member_text(w, "path", line->path);
        jwrite_member_text(w, "type", line->type);
        if (line->text != NULL)
            jwrite_member_text(w, "text", line->text);
        jwrite_close_object(w);
    }
    jwrite_close_array(w);
    if (!view->is_raw)
        return;
    jwrite_key(w, "value");
    if (view->is_json)
        jwrite_raw(w, view->letter.value);
    else
        jwrite_slice(w, view->letter.value);
}

static void write_error(const struct dlq_view *view, struct jwrite *w)
{
    const struct job_trail *trail = &view->letter.trail;
    jwrite_key(w, "error");
    jwrite_open_object(w);
    jwrite_member_text(w, "class", trail->error_class);
    jwrite_member_text(w, "code", trail->error_code);
    jwrite_member_text(w, "message", trail->error_message);
    jwrite_member_text(w, "hint", hint_of(view));
    jwrite_close_object(w);
    jwrite_member_int(w, "attempt", trail->attempt);
    jwrite_member_int(w, "redrive_count", trail->redrive_count);
    jwrite_member_text(w, "first_topic", trail->first_topic);
    jwrite_member_int(w, "first_partition", trail->first_partition);
    jwrite_member_int(w, "first_offset", trail->first_offset);
}

static void write_ledger(const struct dlq_view *view, struct jwrite *w)
{
    const struct ledger_row *job = &view->job;
    jwrite_key(w, "ledger");
    if (!view->is_known) {
        jwrite_null(w);
        return;
    }
    jwrite_open_object(w);
    jwrite_member_text(w, "state", job->state);
    jwrite_member_int(w, "attempt", job->attempt);
    jwrite_member_int(w, "starts", job->starts);
    jwrite_member_int(w, "redrive_count", job->redrive_count);
    jwrite_member_text(w, "error_code", job->error.code[0] == '\0' ? NULL : job->error.code);
    write_time(w, "created_at", job->created_us);
    write_time(w, "started_at", job->started_us);
    write_time(w, "finished_at", job->finished_us);
    jwrite_close_object(w);
}

static void write_runs(const struct dlq_view *view, struct jwrite *w)
{
    jwrite_key(w, "runs");
    jwrite_open_array(w);
    for (size_t i = 0; i < view->runs.count; i++) {
        const struct run_row *run = &view->runs.items[i];
        jwrite_open_object(w);
        jwrite_member_int(w, "attempt", run->attempt);
        jwrite_member_text(w, "started_at", run->started_at);
        jwrite_member_text(w, "finished_at", run->finished_at);
        jwrite_member_text(w, "outcome", run->outcome);
        jwrite_member_text(w, "error_code", run->error_code);
        jwrite_member_text(w, "worker", run->worker);
        jwrite_member_int(w, "rows_written", run->rows_written);
        jwrite_close_object(w);
    }
    jwrite_close_array(w);
}

void dlq_view_write(const struct dlq_view *view, struct jwrite *w)
{
    static const char *const fates[FATE_COUNT] = {
        [FATE_SENT] = "put_back",         [FATE_LEFT] = "pass_over",   [FATE_AGAIN] = "pass_over",
        [FATE_QUARANTINE] = "quarantine", [FATE_NO_JOB] = "pass_over", [FATE_LATE] = "pass_over",
    };
    STR_AUTO struct str plan = str_with_max(256);
    jwrite_open_object(w);
    jwrite_member_bool(w, "is_job", view->letter.is_job);
    jwrite_member_text(w, "job_id", view->letter.job_id);
    jwrite_member_text(w, "kind", view->letter.kind);
    jwrite_member_text(w, "workspace_id", view->letter.workspace_id);
    write_record(view, w);
    write_error(view, w);
    write_shape(view, w);
    write_ledger(view, w);
    write_runs(view, w);
    add_plan(view, &plan);
    jwrite_member_text(w, "replay", fates[view->fate]);
    jwrite_member_text(w, "replay_says", str_text(&plan));
    jwrite_close_object(w);
}

/* ---- for people ---- */

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

static void add_letter(const struct dlq_view *view, struct out *out)
{
    const struct job_trail *trail = &view->letter.trail;
    out_addf(out, "%-12s %s %d:%lld\n", "place", view->found.topic, (int)view->found.partition,
             (long long)view->found.offset);
    add_line(out, "job", view->letter.job_id == NULL ? "(none)" : view->letter.job_id);
    add_line(out, "kind", view->letter.kind);
    add_line(out, "workspace", view->letter.workspace_id);
    add_time(out, "given up", view->letter.time_us);
    if (trail->error_code != NULL)
        out_addf(out, "%-12s %s, %s: %s\n", "error",
                 trail->error_class == NULL ? "?" : trail->error_class, trail->error_code,
                 trail->error_message == NULL ? "" : trail->error_message);
    add_line(out, "hint", hint_of(view));
    out_addf(out, "%-12s attempt %d, put back %d time(s), %lld letter(s) of this job\n", "tried",
             trail->attempt, trail->redrive_count, (long long)view->letters);
    if (trail->first_topic != NULL)
        out_addf(out, "%-12s %s %lld:%lld\n", "first", trail->first_topic,
                 (long long)trail->first_partition, (long long)trail->first_offset);
}

static void add_history(const struct dlq_view *view, struct out *out)
{
    const struct ledger_row *job = &view->job;
    if (!view->is_known) {
        add_line(out, "ledger", "does not know this job");
        return;
    }
    out_addf(out, "%-12s %s, attempt %d, put back %d time(s)\n", "ledger", job->state, job->attempt,
             job->redrive_count);
    add_time(out, "  taken", job->created_us);
    add_time(out, "  started", job->started_us);
    add_time(out, "  ended", job->finished_us);
    for (size_t i = 0; i < view->runs.count; i++) {
        const struct run_row *run = &view->runs.items[i];
        out_addf(out, "  run        attempt %lld, %.19s: %s %s\n", (long long)run->attempt,
                 run->started_at, run->outcome == NULL ? "not finished" : run->outcome,
                 run->error_code == NULL ? "" : run->error_code);
    }
}

static void add_payload(const struct dlq_view *view, struct out *out)
{
    struct kafka_header header;
    out_addf(out, "headers\n");
    for (size_t i = 0; kafka_message_header(&view->found, i, &header); i++)
        out_addf(out, "  %-24s %.*s\n", header.name, (int)header.value.len,
                 header.value.data == NULL ? "" : header.value.data);
    out_addf(out, "payload      %zu bytes, %s\n", view->letter.value.len,
             view->letter.is_job ? "a job"
             : view->is_json     ? "JSON, but no job"
                                 : "no JSON");
    for (size_t i = 0; i < view->shape.count; i++) {
        const struct shape_line *line = &view->shape.lines[i];
        out_addf(out, "  %-32s %s\n", line->path, line->text != NULL ? line->text : line->type);
    }
    if (view->shape.is_cut)
        out_addf(out, "  ...\n");
    if (!view->is_raw)
        return;
    str_add_slice(&out->text, view->letter.value);
    str_add_char(&out->text, '\n');
}

void dlq_view_add(const struct dlq_view *view, struct out *out)
{
    STR_AUTO struct str plan = str_with_max(256);
    add_letter(view, out);
    add_history(view, out);
    add_payload(view, out);
    add_plan(view, &plan);
    add_line(out, "a replay", str_text(&plan));
}
