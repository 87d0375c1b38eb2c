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

/* Whether the attempt ends no job, nor changes what it waits for: at most it wakes it. So does a
 * net; and while a parent waits, whatever is no wake of that very wait. It may be an old delivery,
 * whose record has been committed since: nobody would tell what it had ended. */
bool attempt_only_looks(const struct attempt *a);

/* The jobs topic of the attempt's priority. */
const char *fan_out_topic(const struct attempt *a);

/* The envelope of a child's job: its subject is its own id, so that children carry no order and
 * spread over the partitions; deadline, priority, max_attempts and what it depends on are its
 * parent's. */
void fan_out_write_child(const struct job_context *job, const char *kind,
                         const struct family_child *child, struct str *out);

/* The attempt's record as texts: its trace, and that it is the wake of the wait which the attempt
 * is about to begin; and those as a record. Both live in the arena. RETRY "no_memory". */
MUST_USE enum outcome fan_out_read_record(const struct attempt *a, struct arena *arena,
                                          struct family_record *ret_record, struct err *err);
/* Sets key, value and headers. */
MUST_USE enum outcome fan_out_write_record(const struct family_record *texts, struct arena *arena,
                                           struct kafka_record *record, struct err *err);

#endif
