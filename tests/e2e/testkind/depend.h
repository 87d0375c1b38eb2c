/*
 * depend: a kind that needs something, which is down as long as a file exists: for the tests of
 * circuit breakers. Its runs are rows of the hub's table effects.
 */
#ifndef HAUL_TESTS_TESTKIND_DEPEND_H
#define HAUL_TESTS_TESTKIND_DEPEND_H

#include "run/worker.h"

extern const struct field_table depend_payload;

enum outcome depend_run(struct job_context *job, const void *payload_struct, struct err *err);
size_t depend_list(const void *payload_struct, struct job_dependency ret_list[DEPENDENCIES_MAX]);
int depend_blame(const struct err *err);

#endif
