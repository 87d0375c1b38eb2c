/*
 * draft: a job as a command line asks for it: a file, FIELD=VALUE words, the workspace.
 *
 * Is:      what enqueue and estimate share, checked by the workers' own decoder.
 * Owns:    nothing: all lives in the command's arena.
 * Threads: one.
 */
#ifndef HAUL_TOOL_DRAFT_H
#define HAUL_TOOL_DRAFT_H

#include "command.h"
#include "kinds.h"
#include "model/job.h"

struct draft {
    const struct kind *kind;
    const struct jval *event; /* the file's, when it is a whole event; else NULL */
    const struct jval *data;  /* file and words together */
    struct job_data decoded;
};

/* The kind is the command's first word, the assignments are the others; `file` may be NULL.
 * PERMANENT "usage", what fields_decode and the kind's own check give. */
MUST_USE enum outcome draft_build(struct cli *cli, const char *file, struct draft *ret_draft,
                                  struct err *err);

/* Decodes a job's data with its kind's table, and checks the rules between its fields; of the job
 * only time and data count. */
MUST_USE enum outcome draft_decode(const struct kind *kind, const struct job *job,
                                   struct arena *arena, struct job_data *ret_decoded,
                                   struct err *err);

#endif
