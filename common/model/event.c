/* event: see event.h. */
#include "model/event.h"

#include "base/clock.h"
#include "base/jwrite.h"
#include "base/num.h"

#define EVENT_BYTES_USUAL 640

static const char *const state_names[EVENT_STATE_COUNT] = {
    [EVENT_ACCEPTED] = "accepted",   [EVENT_STARTED] = "started",
    [EVENT_PROGRESS] = "progress",   [EVENT_RETRYING] = "retrying",
    [EVENT_SUCCEEDED] = "succeeded", [EVENT_DEAD_LETTERED] = "dead_lettered",
    [EVENT_CANCELLED] = "cancelled",
};

const char *event_state_name(enum event_state state)
{
    return (unsigned)state < EVENT_STATE_COUNT ? state_names[state] : "unknown";
}

bool event_state_parse(const char *name, enum event_state *ret_state)
{
    for (unsigned i = 0; i < EVENT_STATE_COUNT; i++) {
        if (strcmp(state_names[i], name) == 0) {
            *ret_state = (enum event_state)i;
            return true;
        }
    }
    return false;
}

static void write_text_if(struct jwrite *w, const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0')
        jwrite_member_text(w, name, text);
}

static void write_time(struct jwrite *w, const char *name, int64_t wall_us)
{
    char text[CLOCK_TEXT_SIZE];
    jwrite_member_text(w, name, clock_format(wall_us, text));
}

/* Below 0 is "not known", told as null so that a reader sees that it was thought of. */
static void write_amount(struct jwrite *w, const char *name, int64_t value)
{
    if (value >= 0) {
        jwrite_member_int(w, name, value);
        return;
    }
    jwrite_key(w, name);
    jwrite_null(w);
}

static void write_progress(struct jwrite *w, const struct event_progress *progress)
{
    write_text_if(w, "phase", progress->phase);
    write_amount(w, "rows_done", progress->rows_done);
    write_amount(w, "rows_total", progress->rows_total);
    write_amount(w, "bytes_done", progress->bytes_done);
    write_amount(w, "bytes_total", progress->bytes_total);
    write_amount(w, "rows_per_second",
                 progress->rows_per_second < 0 ? -1 : (int64_t)progress->rows_per_second);
    write_amount(w, "eta_ms", progress->eta_ms);
    write_text_if(w, "bottleneck", progress->bottleneck);
}

static void write_error(struct jwrite *w, const struct err *error)
{
    jwrite_key(w, "error");
    jwrite_open_object(w);
    jwrite_member_text(w, "class", outcome_name(error->outcome));
    jwrite_member_text(w, "code", error->code);
    jwrite_member_text(w, "message", error->message);
    write_text_if(w, "native", error->native);
    write_text_if(w, "hint", error->hint);
    write_text_if(w, "column", error->column);
    jwrite_close_object(w);
}

/* ---- the envelope: its fixed parts are copied, nothing is looked for in them ---- */

#define ADD(out, text) str_add((out), (text), sizeof(text) - 1)

static void add_text(struct str *out, const char *text)
{
    json_add_escaped(out, slice_of(text));
}

/* What was written before, once more: it is escaped already. */
static void add_again(struct str *out, size_t at, size_t len)
{
    if (str_reserve(out, len) != NULL)
        str_add(out, out->data + at, len);
}

static void add_int(struct str *out, int64_t value)
{
    char digits[24];
    str_add(out, digits, num_format_i64(value, digits));
}

/* The first letter of `name_and_quote` is the comma. */
static void add_text_if(struct str *out, struct slice name_and_quote, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    str_add_slice(out, name_and_quote);
    add_text(out, text);
    ADD(out, "\"");
}
#define NAME(text) ((struct slice){",\"" text "\":\"", sizeof(text) + 4})

static void add_more_data(const struct event *event, struct str *out)
{
    struct jwrite writer = jwrite_within(out), *w = &writer;
    if (event->progress != NULL)
        write_progress(w, event->progress);
    if (event->due_us > 0)
        write_time(w, "not_before", event->due_us);
    if (event->error != NULL)
        write_error(w, event->error);
    if (event->result.len > 0) {
        jwrite_key(w, "receipt");
        jwrite_raw(w, event->result);
    }
}

/* The job's id, as it is written, stands at `id_at`. */
static void add_data(const struct event *event, size_t id_at, size_t id_len, struct str *out)
{
    ADD(out, ",\"data\":{\"job_id\":\"");
    add_again(out, id_at, id_len);
    ADD(out, "\"");
    add_text_if(out, NAME("workspace_id"), event->workspace_id);
    add_text_if(out, NAME("kind"), event->kind);
    ADD(out, ",\"state\":\"");
    str_add_text(out, event_state_name(event->state));
    ADD(out, "\",\"worker\":\"");
    add_text(out, event->worker);
    ADD(out, "\",\"attempt\":");
    add_int(out, event->attempt);
    if (event->redrive_count > 0) {
        ADD(out, ",\"redrive_count\":");
        add_int(out, event->redrive_count);
    }
    ADD(out, ",\"sequence\":");
    add_int(out, event->sequence);
    add_more_data(event, out);
    ADD(out, "}");
}

/* Behind the job's id; as event_id_add. */
static void add_id_end(const struct event *event, struct str *out)
{
    ADD(out, ":");
    str_add_text(out, event_state_name(event->state));
    if (!event_state_is_terminal(event->state)) {
        ADD(out, ":");
        add_int(out, event->sequence);
    } else if (event->redrive_count > 0) {
        ADD(out, ":r");
        add_int(out, event->redrive_count);
    }
}

void event_id_add(const struct event *event, struct str *out)
{
    str_add_text(out, event->job_id);
    add_id_end(event, out);
}

void event_write(const struct event *event, struct str *out)
{
    char time[CLOCK_TEXT_SIZE];
    (void)str_reserve(out, EVENT_BYTES_USUAL);
    ADD(out, "{\"specversion\":\"1.0\",\"id\":\"");
    size_t id_at = out->len;
    add_text(out, event->job_id);
    size_t id_len = out->len - id_at;
    add_id_end(event, out);
    ADD(out, "\",\"type\":\"haul.event.");
    str_add_text(out, event_state_name(event->state));
    ADD(out, ".v1\",\"source\":\"/haul/");
    add_text(out, event->worker);
    ADD(out, "\",\"subject\":\"");
    add_again(out, id_at, id_len);
    ADD(out, "\",\"time\":\"");
    str_add_text(out, clock_format(event->time_us, time));
    ADD(out, "\",\"datacontenttype\":\"application/json\"");
    add_text_if(out, NAME("traceparent"), event->traceparent);
    add_data(event, id_at, id_len, out);
    ADD(out, "}");
}
