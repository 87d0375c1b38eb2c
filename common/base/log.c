/* log: see log.h. */
#include "base/log.h"

#include "base/clock.h"
#include "base/jwrite.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

/* A line is one write of at most this much; what is longer is cut to the line without its fields.
 */
#define LINE_MAX_BYTES ((size_t)32 << 10)

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static char component_name[48] = "haul";
static _Atomic int lowest_level = LOG_INFO;
static _Thread_local char thread_job_id[128];
static _Thread_local char thread_trace_id[64];

void log_init(const char *component, enum log_level level)
{
    text_copy(component_name, sizeof component_name, component);
    lowest_level = (int)level;
}

bool log_level_parse(const char *name, enum log_level *ret_level)
{
    for (unsigned i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (strcmp(level_names[i], name) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_set_job(const char *job_id, const char *trace_id)
{
    text_copy(thread_job_id, sizeof thread_job_id, job_id == NULL ? "" : job_id);
    text_copy(thread_trace_id, sizeof thread_trace_id, trace_id == NULL ? "" : trace_id);
}

static void add_head(struct jwrite *w, enum log_level level, const char *event)
{
    char time[CLOCK_TEXT_SIZE];
    jwrite_member_text(w, "time", clock_format(clock_wall_us(), time));
    jwrite_member_text(w, "level", level_names[level]);
    jwrite_member_text(w, "component", component_name);
    jwrite_member_text(w, "event", event);
    if (thread_job_id[0] != '\0')
        jwrite_member_text(w, "job_id", thread_job_id);
    if (thread_trace_id[0] != '\0')
        jwrite_member_text(w, "trace_id", thread_trace_id);
}

/* Empty texts say nothing and are left out. */
static void add_field(struct jwrite *w, const struct log_field *field)
{
    if (field->text == NULL)
        jwrite_member_int(w, field->name, field->integer);
    else if (field->text[0] != '\0')
        jwrite_member_text(w, field->name, field->text);
}

static void write_line(const struct str *line)
{
    ssize_t wrote;
    do {
        wrote = write(STDERR_FILENO, line->data, line->len);
    } while (wrote < 0 && errno == EINTR);
}

bool log_is_on(enum log_level level)
{
    return (int)level >= lowest_level;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields,
               size_t count)
{
    int saved_errno = errno;
    if (!log_is_on(level))
        return;
    STR_AUTO struct str line = str_with_max(LINE_MAX_BYTES);
    struct jwrite w = jwrite_to(&line);
    jwrite_open_object(&w);
    add_head(&w, level, event);
    for (size_t i = 0; i < count; i++)
        add_field(&w, &fields[i]);
    jwrite_close_object(&w);
    str_add_char(&line, '\n');
    if (line.failed) {
        str_clear(&line);
        w = jwrite_to(&line);
        jwrite_open_object(&w);
        add_head(&w, level, event);
        jwrite_member_bool(&w, "cut", true);
        jwrite_close_object(&w);
        str_add_char(&line, '\n');
    }
    if (!line.failed)
        write_line(&line);
    errno = saved_errno;
}
