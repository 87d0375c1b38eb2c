/*
 * event: what is told about a job on the events topic.
 *
 * Is:      the writing of a CloudEvents 1.0 envelope of type haul.event.<state>.v1, and its id.
 * Is not:  a producer; nothing is sent here.
 * Owns:    nothing.
 * Threads: any.
 *
 * A terminal event's id is made of the job's id, the state and the redrive count alone, so that one
 * told twice is recognised. Numbers of an event grow with time within a job.
 */
#ifndef HAUL_MODEL_EVENT_H
#define HAUL_MODEL_EVENT_H

#include "base/err.h"
#include "base/str.h"

enum event_state {
    EVENT_ACCEPTED,
    EVENT_STARTED,
    EVENT_PROGRESS,
    EVENT_RETRYING,
    EVENT_SUCCEEDED,
    EVENT_DEAD_LETTERED,
    EVENT_CANCELLED,
};
#define EVENT_STATE_COUNT (EVENT_CANCELLED + 1)

const char *event_state_name(enum event_state state); /* "dead_lettered" */
bool event_state_parse(const char *name, enum event_state *ret_state);
static inline bool event_state_is_terminal(enum event_state state)
{
    return state >= EVENT_SUCCEEDED;
}

/* How far a job is. -1 = not known, written as null. */
struct event_progress {
    const char *phase; /* "read", "verify": a word of the kind's own */
    int64_t rows_done, rows_total;
    int64_t bytes_done, bytes_total;
    const char *bottleneck; /* "source", "target", "transform", "quota"; NULL = not known */
    double rows_per_second; /* the runtime fills these in; below 0 = not known */
    int64_t eta_ms;
};

struct event {
    enum event_state state;
    const char *job_id, *workspace_id, *kind; /* the latter two: NULL = not known */
    const char *worker;                       /* the program: "sql-sync" */
    int attempt;
    int redrive_count;
    int64_t sequence;
    int64_t time_us;
    const char *traceparent;               /* NULL = none */
    const struct event_progress *progress; /* NULL = none */
    const struct err *error;               /* RETRYING, DEAD_LETTERED, CANCELLED; NULL = none */
    int64_t due_us;                        /* RETRYING: not before; 0 = not known */
    struct slice result;                   /* JSON: SUCCEEDED's receipt; empty = none */
};

/* Adds the event as one line of JSON. */
void event_write(const struct event *event, struct str *out);
/* Adds the event's id. */
void event_id_add(const struct event *event, struct str *out);

#endif
