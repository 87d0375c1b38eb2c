/*
 * fan_out_record: records of fan_out as texts and back; for run/'s own files.
 */
#ifndef HAUL_RUN_FAN_OUT_RECORD_H
#define HAUL_RUN_FAN_OUT_RECORD_H

#include "run/attempt.h"
#include "run/family.h"
#include "run/fan_out.h"
#include "run/worker.h"

/* Whether a record is a parent's safety net. */
static inline bool job_trail_is_net(const struct job_trail *trail)
{
    return trail->error_code != NULL && strcmp(trail->error_code, JOB_WAITS_FOR_CHILDREN) == 0;
}

/* The jobs topic of the attempt's priority. */
const char *fan_out_topic(const struct attempt *a);

/* The envelope of a child's job: its subject is its own id, so that children carry no order and
 * spread over the partitions; deadline, priority and max_attempts are its parent's. */
void fan_out_write_child(const struct job_context *job, const char *kind,
                         const struct family_child *child, struct str *out);

/* The attempt's record as texts, its trace with it, and those as a record; both live in the arena.
 * RETRY "no_memory". */
MUST_USE enum outcome fan_out_read_record(const struct attempt *a, struct arena *arena,
                                          struct family_record *ret_record, struct err *err);
/* Sets key, value and headers. */
MUST_USE enum outcome fan_out_write_record(const struct family_record *texts, struct arena *arena,
                                           struct kafka_record *record, struct err *err);

#endif
