/*
 * watch: follows one job on the events topic until it ends.
 *
 * Is:      the live bar on a terminal, plain lines otherwise, the events themselves with --json.
 * Is not:  a member of a consumer group: it disturbs nobody.
 * Threads: one.
 */
#ifndef HAUL_TOOL_WATCH_H
#define HAUL_TOOL_WATCH_H

#include "command.h"

struct watch_request {
    const char *job_id;
    int64_t since_us;   /* events before it are not looked at */
    int64_t timeout_ms; /* 0 = none */
};

struct watch;

/* Finds where the job's events begin: open it before the job is sent, and none is missed. PERMANENT
 * "topic.missing". */
MUST_USE enum outcome watch_open(struct cli *cli, const struct watch_request *request,
                                 struct watch **ret_watch, struct err *err);
void watch_close(struct watch *watch); /* takes NULL */

/* Shows events until the job has ended, and sets the exit status by it. RETRY "watch.timeout"; what
 * Kafka gives. */
MUST_USE enum outcome watch_follow(struct watch *watch, struct err *err);

/* The time in a ULID, 0 when it is none. */
int64_t ulid_time_us(const char *text);

#endif
