/*
 * log: one JSON object a line on standard error.
 *
 * Is:      the process's only log. Every line has time, level, event, and the thread's fields.
 * Is not:  for library code: run/ and the mains log; the floors below return errors.
 * Threads: any; a line is one write(2).
 *
 * No secret and no row data may be logged.
 */
#ifndef HAUL_BASE_LOG_H
#define HAUL_BASE_LOG_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
    const char *name;
    const char *text; /* NULL: the field is the integer */
    int64_t integer;
};

/* NULL and "" are left out of the line. */
static inline struct log_field log_text_field(const char *name, const char *text)
{
    return (struct log_field){name, text == NULL ? "" : text, 0};
}

#define LOG_TEXT(name, value) log_text_field((name), (value))
#define LOG_INT(name, value) ((struct log_field){(name), NULL, (value)})

/* Lines below `level` are dropped; `component` is in every line. Before this: INFO, "haul". */
void log_init(const char *component, enum log_level level);
bool log_level_parse(const char *name, enum log_level *ret_level);

/* The job and trace that this thread works on, put into each of its lines; "" ends it. */
void log_set_job(const char *job_id, const char *trace_id);

void log_write(enum log_level level, const char *event, const struct log_field *fields,
               size_t count);
/* True when a line of the level is written. */
bool log_is_on(enum log_level level);

/* The fields are not even made for a line that is dropped. */
#define LOG_AT(level, event, ...)                                                                  \
    do {                                                                                           \
        if (log_is_on(level))                                                                      \
            log_write((level), (event), (const struct log_field[]){__VA_ARGS__},                   \
                      sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field)); \
    } while (0)
/* The fields of an error record, for a LOG_AT list. */
#define LOG_ERR_FIELDS(e)                                                                          \
    LOG_TEXT("error_class", outcome_name((e)->outcome)), LOG_TEXT("error_code", (e)->code),        \
        LOG_TEXT("error_native", (e)->native), LOG_TEXT("error_message", (e)->message),            \
        LOG_TEXT("hint", (e)->hint), LOG_TEXT("error_file", (e)->file),                            \
        LOG_INT("error_line", (e)->line)

#endif
