/*
 * job_private: what a job_context means to the runtime; for run/'s own files.
 */
#ifndef HAUL_RUN_JOB_PRIVATE_H
#define HAUL_RUN_JOB_PRIVATE_H

struct attempt;
struct job_thread;

struct job_private {
    struct attempt *attempt;
    struct job_thread *thread;
};

#endif
