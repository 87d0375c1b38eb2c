/*
 * doctor: the checks of `haul doctor`, a file a system.
 *
 * Threads: one.
 */
#ifndef HAUL_TOOL_DOCTOR_H
#define HAUL_TOOL_DOCTOR_H

#include "commands.h"

#include <stdarg.h>
#include <stdio.h>

#define DOCTOR_SKEW_WARN_US INT64_C(500000)
#define DOCTOR_SKEW_FAIL_US INT64_C(5000000)

enum check_status { CHECK_OK, CHECK_WARN, CHECK_FAIL, CHECK_SKIP };

struct doctor {
    struct cli *cli;
    struct sheet sheet;
    struct str hints; /* for people, behind the table */
    size_t failed, warned;
};

/* Adds what a check found; the hint counts when it is not OK. */
void doctor_add(struct doctor *doctor, enum check_status status, const char *check,
                const char *detail, const char *hint);
void doctor_addf(struct doctor *doctor, enum check_status status, const char *check,
                 const char *hint, const char *fmt, ...) PRINTF_LIKE(5, 6);
void doctor_add_err(struct doctor *doctor, const char *check, const struct err *err);
/* Another clock minus ours. */
void doctor_add_skew(struct doctor *doctor, const char *check, int64_t skew_us);

void doctor_check_hub(struct doctor *doctor, bool with_connections);
void doctor_check_kafka(struct doctor *doctor);
void doctor_check_redis(struct doctor *doctor);

#endif
