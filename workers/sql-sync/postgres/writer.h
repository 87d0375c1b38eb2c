/*
 * writer: what write.c (the COPY), merge.c and merge_sql.c (the statements behind it) share.
 *
 * Rows go straight into the target where they are only added and every column has a binary form;
 * else into a temporary table of the target's types, and from there by statements of merge.c.
 */
#ifndef HAUL_SQL_SYNC_POSTGRES_WRITER_H
#define HAUL_SQL_SYNC_POSTGRES_WRITER_H

#include "pg_private.h"

#define PGC_STAGE "pg_temp.\"_haul_batch\""
#define MERGE_STEPS_MAX 3

enum merge_plan {
    MERGE_NONE,     /* straight into the target */
    MERGE_INSERT,   /* INSERT ... SELECT */
    MERGE_CONFLICT, /* INSERT ... ON CONFLICT, by a unique index */
    MERGE_JOIN,     /* UPDATE, then INSERT of what is missing: no such index */
    MERGE_HISTORY,
    MERGE_DELETE,
};

struct writer {
    struct session *session;
    struct arena arena;
    struct write_request request; /* the caller's, copied: texts live in the arena */
    struct pgc_column *columns;   /* as they stand in the target */
    const char **natives;         /* the type's text, of columns that go as text; else NULL */
    struct encode_column *encoders;
    enum merge_plan plan;
    bool is_plain_table; /* rows have the system columns that tell an insert from an update */
    struct str out;      /* encoded rows not sent yet */
    struct str copy;     /* COPY ... FROM STDIN */
    struct str steps[MERGE_STEPS_MAX];
    struct str read_back;
    pgc_decode **decoders; /* of read_back */
    bool stage_used;       /* holds rows of this transaction */
    bool savepoint;
    bool failed; /* nothing more can be written, only rolled back */
};

/* Chooses the plan and makes its statements. */
MUST_USE enum outcome pgc_merge_prepare(struct writer *writer, struct err *err);
/* Runs them on the rows of the stage; adds to the counts. */
MUST_USE enum outcome pgc_merge_run(struct writer *writer, int64_t rows,
                                    struct write_counts *counts, struct err *err);

/* The plan's statements, and the one that reads back (merge_sql.c). */
void pgc_merge_make(struct writer *writer);
MUST_USE enum outcome pgc_merge_make_read_back(struct writer *writer, struct err *err);

#endif
