/*
 * split: a kind that hands its work to others, and the kind of those: the fan-out of tests/chaos.
 * Each part's effect is that of applied.h; the whole's is a row that names the parts which it put
 * together.
 */
#ifndef HAUL_TESTS_TESTKIND_SPLIT_H
#define HAUL_TESTS_TESTKIND_SPLIT_H

#include "run/worker.h"

extern const struct field_table split_payload;

enum outcome split_run(struct job_context *job, const void *payload_struct, struct err *err);
enum outcome part_run(struct job_context *job, const void *payload_struct, struct err *err);

#endif
