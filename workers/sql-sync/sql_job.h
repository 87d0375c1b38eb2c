/*
 * sql_job: what the kinds of this worker share: a job's connections, its run in the hub, progress
 * and quarantine, around one call of the pipeline.
 *
 * Owns:    for the length of sql_job_between: the connections, whose secrets are wiped behind it.
 * Threads: the job's; the pipeline's callbacks may come from its lanes.
 */
#ifndef HAUL_SQL_SYNC_SQL_JOB_H
#define HAUL_SQL_SYNC_SQL_JOB_H

#include "run/fan_out.h"
#include "sync/hub_run.h"
#include "sync/sync.h"

#include <pthread.h>

struct sql_job {
    struct job_context *job;
    const struct sync_spec *spec;
    struct sync_ref ref;
    const char *run_of; /* the job that the run is told under: a chunk job's parent */
    char run_id[RUN_ID_SIZE];
    struct job_child_progress *parent; /* a chunk job's: its parent's progress; else NULL */
    const char *part;                  /* a chunk job's: what it is to do; else NULL */
    pthread_mutex_t lock;              /* the job's hub connection, while lanes run */
};

void sql_job_init(struct sql_job *sql, struct job_context *job, const struct sync_spec *spec);
void sql_job_done(struct sql_job *sql);

MUST_USE enum outcome sql_job_open_run(struct sql_job *sql, struct err *err);

/* Connects both sides' configurations and calls `work` with them. */
typedef enum outcome sql_work(struct sql_job *sql, struct sync_env *env, struct receipt *receipt,
                              struct err *err);
MUST_USE enum outcome sql_job_between(struct sql_job *sql, sql_work *work, struct receipt *receipt,
                                      struct err *err);

/* How the run ended. `whole`: its receipt is stored, and it is the job's own end. */
MUST_USE enum outcome sql_job_close_run(const struct sql_job *sql, const struct receipt *receipt,
                                        enum outcome outcome, const struct err *failure, bool whole,
                                        struct err *err);

#endif
