/*
 * look: whose a record is and of what kind, before it is an attempt.
 *
 * Is:      all that is asked of what goes on or is left without being decoded: whether its
 *          workspace has more than its share (run/share).
 * Is not:  a judge of records: what is no good job is of no kind, or its decoding tells.
 * Owns:    nothing; a look points into nothing of the record.
 * Threads: any.
 */
#ifndef HAUL_RUN_LOOK_H
#define HAUL_RUN_LOOK_H

#include "run/runtime.h"

struct look {
    const struct kind_entry *kind;
    uint64_t tenant; /* attempt_number_of its workspace */
    uint64_t share;  /* share_number of it and its class, where the poll thread looks */
};

/* At a glance (model/job.h), which is what costs little. False: it is not plain, or this worker has
 * no such kind. */
bool look_glance(const struct runtime *rt, struct slice record, struct look *ret_look,
                 struct job_glance *ret_glance);

/* The same, and where that does not tell, decoded as far as is needed. False: it has no kind of
 * this worker, or more bytes than a job may have, or there is no memory for it. */
bool look_record(const struct runtime *rt, struct slice record, struct look *ret_look);

#endif
