/*
 * applied: kinds whose effect is a row in the hub, written under the job's fence: what tests/chaos
 * counts. The tables are made by the tests (tests/chaos/effects.sql).
 */
#ifndef HAUL_TESTS_TESTKIND_APPLIED_H
#define HAUL_TESTS_TESTKIND_APPLIED_H

#include "run/worker.h"

extern const struct field_table applied_payload;

/* Takes the target under its fence, works, then writes its row in one transaction with the check
 * that its fence is still the newest. A job that was applied by an earlier start is not again. */
enum outcome applied_run(struct job_context *job, const void *payload_struct, struct err *err);

/* Its first and its last step, for kinds that do other work between them. `parts`: JSON, what was
 * put together; NULL = nothing. */
enum outcome applied_take(struct job_context *job, int64_t *ret_starts, bool *ret_is_applied,
                          struct err *err);
enum outcome applied_apply(struct job_context *job, const char *parts, struct err *err);

#endif
