/*
 * job: what stands on a jobs topic: a CloudEvents 1.0 envelope, its payload and its headers.
 *
 * Is:      the decoding of an envelope that is JSON already, of the fields that every payload has,
 *          and of the haul- headers that the runtime adds; and the writing of those headers.
 * Is not:  a parser of JSON (io/json), nor a judge of a kind's payload beyond its field table.
 * Owns:    nothing; texts live in the caller's arena, headers read point into the message.
 * Threads: any; each arena one at a time.
 * Source:  CloudEvents 1.0.2, JSON format in structured mode; W3C Trace Context (traceparent).
 *
 * A header of the runtime is overwritten by each hop, never added to: a redriven record shows its
 * last error, and records do not grow with their attempts.
 */
#ifndef HAUL_MODEL_JOB_H
#define HAUL_MODEL_JOB_H

#include "base/field_join.h"

#define JOB_ID_MAX 128
#define JOB_SUBJECT_MAX 512   /* characters */
#define JOB_WORKSPACE_MAX 128 /* characters */
#define JOB_KIND_MAX 64
#define JOB_ATTEMPT_MAX 1000 /* headers that claim more are taken for this */
#define JOB_TYPE_PREFIX "haul.job."
#define JOB_TYPE_SUFFIX ".v1"

enum job_priority { JOB_INTERACTIVE, JOB_DEFAULT, JOB_BULK };
#define JOB_PRIORITY_COUNT (JOB_BULK + 1)
extern const char *const job_priority_names[]; /* as users write them; NULL at the end */

/* What the data of every job may have; workspace_id it must have. */
struct job_common {
    const char *workspace_id;
    int priority;          /* enum job_priority */
    int64_t deadline_us;   /* 0 = none */
    int64_t not_before_us; /* 0 = at once */
    const char *dedupe_key;
    int64_t dedupe_window_s;
    int64_t max_attempts; /* 0 = as its kind says */
};
extern const struct field_table job_common_table;

/* The envelope's own members; docs and schemas are made from it. */
extern const struct field_table job_envelope_table;

struct job {
    const char *id;          /* the idempotency key: 1 to 128 visible ASCII characters */
    const char *kind;        /* of the type haul.job.<kind>.v1 */
    const char *source;      /* who asked */
    const char *subject;     /* the order key; the id when the envelope has none */
    int64_t time_us;         /* when it was asked; 0 = not said */
    const char *traceparent; /* the envelope's extension; NULL = none */
    const struct jval *data; /* an object */
};

/* The envelope of a parsed record. POISON "job.envelope" (what fields_decode found), "job.id",
 * "job.type", "job.version": this is no job. */
MUST_USE enum outcome job_decode(const struct jval *envelope, struct arena *arena,
                                 struct job *ret_job, struct err *err);

/* 1 to 128 visible ASCII characters. */
bool job_is_id(struct slice text);

/* The id of an envelope that may be broken otherwise, for events and records; NULL = none. */
const char *job_peek_id(const struct jval *envelope);

/*
 * What a record says of its job, without a tree of it. False: it is not as plain as most are (a
 * name there twice, an escape or anything beyond ASCII in what is looked at), or no job at all:
 * then it has to be decoded to know. True says nothing about the rest of it. The texts point into
 * the record, and are as long as they may be.
 */
struct job_glance {
    struct slice id, kind, subject, workspace_id;
    bool has_conditions; /* it may have to wait for a time, or to be the first of its dedupe key */
};
bool job_glance(struct slice record, struct job_glance *ret_glance);

/* The table of a kind's data: the common fields and the kind's own. Build it once a kind. */
MUST_USE enum outcome job_data_table(const struct field_table *payload, struct arena *arena,
                                     struct field_join *ret_table, struct err *err);

struct job_data {
    const struct job_common *common;
    const void *payload; /* the kind's own struct */
};
/* PERMANENT as fields_decode; "job.deadline" when the deadline is not after the job's time. */
MUST_USE enum outcome job_decode_data(const struct job *job, const struct field_join *table,
                                      struct arena *arena, struct job_data *ret_data,
                                      struct err *err);

/* ---- headers ---- */

struct job_header {
    const char *name;
    struct slice value;
};

/* What the runtime knows about a delivery, carried by headers from hop to hop. */
struct job_trail {
    int attempt;             /* this delivery's, from 1 */
    int64_t not_before_us;   /* 0 = at once */
    const char *first_topic; /* NULL: this delivery is the first */
    int64_t first_partition, first_offset;
    const char *error_class, *error_code, *error_message; /* of the last failure; NULL = none */
    int redrive_count;
    int64_t wait_fence;      /* of a parent's wake: the wait that it ends (run/fan_out); 0 = none */
    int64_t place;           /* in the order of its subject, as the ledger said; 0 = not known */
    const char *traceparent; /* NULL = none */
};

#define JOB_HEADER_PREFIX "haul-"
#define JOB_HEADER_ATTEMPT "haul-attempt"
#define JOB_HEADER_NOT_BEFORE "haul-not-before"
#define JOB_HEADER_FIRST_TOPIC "haul-first-topic"
#define JOB_HEADER_FIRST_PARTITION "haul-first-partition"
#define JOB_HEADER_FIRST_OFFSET "haul-first-offset"
#define JOB_HEADER_ERROR_CLASS "haul-error-class"
#define JOB_HEADER_ERROR_CODE "haul-error-code"
#define JOB_HEADER_ERROR_MESSAGE "haul-error-message"
#define JOB_HEADER_REDRIVE_COUNT "haul-redrive-count"
#define JOB_HEADER_WAIT_FENCE "haul-wait-fence"
#define JOB_HEADER_PLACE "haul-place"
#define JOB_HEADER_TRACEPARENT "traceparent"
#define JOB_ERROR_MESSAGE_MAX 1024 /* bytes */
/* Of a job's record: key, value and headers. Its copies have headers of ours besides. */
#define JOB_RECORD_BYTES_MAX ((size_t)1 << 20)

/* Of headers by the same name the last one counts; values that make no sense count as absent.
 * RETRY "no_memory" alone. */
MUST_USE enum outcome job_trail_read(const struct job_header *headers, size_t count,
                                     struct arena *arena, struct job_trail *ret_trail,
                                     struct err *err);

struct job_headers {
    const struct job_header *items;
    size_t count;
};
/* The headers of the next record: `old` without the runtime's own, then the trail's. */
MUST_USE enum outcome job_trail_write(const struct job_trail *trail, const struct job_header *old,
                                      size_t old_count, struct arena *arena,
                                      struct job_headers *ret_headers, struct err *err);

/* The 32 digits of a traceparent's trace id into `to`; "" when it is none. */
void job_trace_id(const char *traceparent, char to[33]);

#endif
