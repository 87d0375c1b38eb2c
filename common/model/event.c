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

void event_id_add(const struct event *event, struct str *out)
{
    str_add_text(out, event->job_id);
    str_add_char(out, ':');
    str_add_text(out, event_state_name(event->state));
    if (!event_state_is_terminal(event->state))
        str_addf(out, ":%lld", (long long)event->sequence);
    else if (event->redrive_count > 0)
        str_addf(out, ":r%d", event->redrive_count);
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

static void write_data(struct jwrite *w, const struct event *event)
{
    jwrite_key(w, "data");
    jwrite_open_object(w);
    jwrite_member_text(w, "job_id", event->job_id);
    write_text_if(w, "workspace_id", event->workspace_id);
    write_text_if(w, "kind", event->kind);
    jwrite_member_text(w, "state", event_state_name(event->state));
    jwrite_member_text(w, "worker", event->worker);
    jwrite_member_int(w, "attempt", event->attempt);
    if (event->redrive_count > 0)
        jwrite_member_int(w, "redrive_count", event->redrive_count);
    jwrite_member_int(w, "sequence", event->sequence);
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
    jwrite_close_object(w);
}

/* The parts of what event_id_add adds. */
static void write_id(struct jwrite *w, const struct event *event)
{
    char number[24];
    bool is_terminal = event_state_is_terminal(event->state);
    int64_t value = is_terminal ? event->redrive_count : event->sequence;
    number[num_format_i64(value, number)] = '\0';
    const char *parts[] = {event->job_id, ":", event_state_name(event->state),
                           is_terminal ? ":r" : ":", number};
    jwrite_joined(w, parts, is_terminal && value <= 0 ? 3 : 5);
}

void event_write(const struct event *event, struct str *out)
{
    (void)str_reserve(out, EVENT_BYTES_USUAL);
    struct jwrite writer = jwrite_to(out), *w = &writer;
    jwrite_open_object(w);
    jwrite_member_text(w, "specversion", "1.0");
    jwrite_key(w, "id");
    write_id(w, event);
    jwrite_key(w, "type");
    jwrite_joined(w, (const char *[]){"haul.event.", event_state_name(event->state), ".v1"}, 3);
    jwrite_key(w, "source");
    jwrite_joined(w, (const char *[]){"/haul/", event->worker}, 2);
    jwrite_member_text(w, "subject", event->job_id);
    write_time(w, "time", event->time_us);
    jwrite_member_text(w, "datacontenttype", "application/json");
    write_text_if(w, "traceparent", event->traceparent);
    write_data(w, event);
    jwrite_close_object(w);
}
