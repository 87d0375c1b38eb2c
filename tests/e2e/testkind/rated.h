/*
 * rated: a kind that asks something of a provider with a rate limit.
 */
#ifndef HAUL_TESTS_TESTKIND_RATED_H
#define HAUL_TESTS_TESTKIND_RATED_H

#include "run/worker.h"

extern const struct field_table rated_payload;

enum outcome rated_run(struct job_context *job, const void *payload_struct, struct err *err);

#endif
