/*
 * trace: the trace that a job belongs to when its record names none.
 *
 * Is:      made of the job's id: each delivery of it is of the same trace, also one after a crash.
 * Is not:  a tracer: no spans are made. Threads: any.
 *
 * The format is W3C Trace Context's `traceparent`, level 1.
 */
#ifndef HAUL_RUN_TRACE_H
#define HAUL_RUN_TRACE_H

#include "base/arena.h"

/* "00-<32 hex>-<16 hex>-01" in the arena; NULL without memory. A NULL `job_id`: one of its own. */
const char *trace_of_job(const char *job_id, struct arena *arena);

#endif
