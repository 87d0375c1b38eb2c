/*
 * dlq_scan: reads a worker's dead letters (or its quarantine) from a place to where its end was at
 * the start.
 *
 * Is:      the loop and the filter that list, show and replay share.
 * Is not:  a member of a group: commits are explicit, and replay's alone.
 * Threads: one.
 */
#ifndef HAUL_TOOL_DLQ_SCAN_H
#define HAUL_TOOL_DLQ_SCAN_H

#include "command.h"
#include "run/dead_letter.h"

struct dlq_filter {
    const char *worker;
    bool quarantined; /* the topic of those that were put back too often, not the dead letters */
    const char *class, *code, *kind, *job;
    int64_t since_us, until_us; /* 0 = any */
};

/* The rows of a command's options for a struct dlq_filter embedded as `member`. */
#define DLQ_FILTER_FIELDS(holder, member)                                                          \
    {.name = "worker",                                                                             \
     .type = FIELD_STRING,                                                                         \
     .offset = offsetof(holder, member.worker),                                                    \
     .default_text = "sql-sync",                                                                   \
     .doc = "Whose dead letters."},                                                                \
        {.name = "quarantined",                                                                    \
         .type = FIELD_BOOL,                                                                       \
         .offset = offsetof(holder, member.quarantined),                                           \
         .default_text = "false",                                                                  \
         .doc = "Those that were put back too often and set aside, not the dead letters."},        \
        {.name = "class",                                                                          \
         .type = FIELD_STRING,                                                                     \
         .offset = offsetof(holder, member.class),                                                 \
         .doc = "Of this class only: retry (attempts exhausted), permanent, poison, bug, ..."},    \
        {.name = "code",                                                                           \
         .type = FIELD_STRING,                                                                     \
         .offset = offsetof(holder, member.code),                                                  \
         .doc = "Of this error code only; ending in * for all that begin so: connect.*"},          \
        {.name = "kind",                                                                           \
         .type = FIELD_STRING,                                                                     \
         .offset = offsetof(holder, member.kind),                                                  \
         .doc = "Jobs of this kind only."},                                                        \
        {.name = "job",                                                                            \
         .type = FIELD_STRING,                                                                     \
         .offset = offsetof(holder, member.job),                                                   \
         .doc = "This job only."},                                                                 \
        {.name = "since",                                                                          \
         .type = FIELD_TIME,                                                                       \
         .offset = offsetof(holder, member.since_us),                                              \
         .doc = "Given up at or after this time (RFC 3339)."},                                     \
    {                                                                                              \
        .name = "until", .type = FIELD_TIME, .offset = offsetof(holder, member.until_us),          \
        .doc = "Given up before this time."                                                        \
    }

/* The workspace is the setting's. */
bool dlq_filter_holds(const struct cli *cli, const struct dlq_filter *filter,
                      const struct dead_letter *letter);

struct dlq_scan {
    struct cli *cli;
    const char *worker;
    bool quarantined;  /* of the worker's quarantine */
    const char *group; /* NULL: reads from the start; else from the group's commit on */
    bool from_start;   /* with a group: from the start all the same */
    struct kafka_consumer *consumer; /* opened by dlq_scan_open */
    const char *topic;
    struct kafka_cluster cluster; /* as it was then */
    struct kafka_partition *starts;
    int64_t *ends; /* by partition; one behind the last record there is to be read */
    size_t count, left;
    int64_t total;   /* records between starts and ends */
    int64_t before;  /* records before starts */
    int64_t late_us; /* when silence is a failure, monotonic */
};

/* PERMANENT "topic.missing". */
MUST_USE enum outcome dlq_scan_open(struct dlq_scan *scan, struct err *err);
void dlq_scan_close(struct dlq_scan *scan);

/* The next record, to be done by the caller; native NULL: none came within `timeout_ms`, or
 * scan->left is 0 and that was all. RETRY "kafka.timeout" after a silence of the setting's time. */
MUST_USE enum outcome dlq_scan_next(struct dlq_scan *scan, int64_t timeout_ms,
                                    struct kafka_message *ret_message, struct err *err);

/* `message` and `letter` live for the call; what it returns other than OK ends the scan with it.
 * Setting *stop ends it with OK. */
typedef enum outcome dlq_visit(void *ctx, const struct kafka_message *message,
                               const struct dead_letter *letter, bool *stop, struct err *err);
/* All of them, one after the other. */
MUST_USE enum outcome dlq_scan_run(struct dlq_scan *scan, dlq_visit *visit, void *ctx,
                                   struct err *err);

#endif
