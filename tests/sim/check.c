/* check: whether all came to its end, and whether that is the right one; see world.h. */
#include "broker.h"

#include <stdio.h>

#define SHOWN_MAX 20

bool check_is_quiet(void)
{
    if (!scenario.calm)
        return false;
    for (int i = 0; i < job_count; i++) {
        bool is_untold = jobs[i].kind == KIND_CHILD && !jobs[i].is_produced;
        if (!is_untold && (!jobs[i].is_produced || !job_is_settled(&jobs[i])))
            return false;
    }
    /* A record that is still on its way may be one more job. */
    for (int i = 0; i < process_count; i++) {
        if (processes[i].is_alive && processes[i].records_queued > 0)
            return false;
    }
    for (int t = 0; t < topic_count; t++) {
        for (int p = 0; topics[t].is_read && p < topics[t].partitions; p++) {
            const struct log *log = &topics[t].logs[p];
            if (log->count > 0 && log->committed < log->end)
                return false;
        }
    }
    return true;
}

void check_print_open(void)
{
    int shown = 0;
    for (int i = 0; i < job_count; i++) {
        const struct job *job = &jobs[i];
        if (!job_is_settled(job) && shown++ < SHOWN_MAX)
            (void)printf("  %s: row %d, end %d, attempt %d, %d runs, %d running, %d records open\n",
                         job->id, (int)job->row.state, (int)job->row.end, job->row.attempt,
                         job->runs, job->running, job->open_records);
    }
    for (int t = 0; t < topic_count; t++) {
        for (int p = 0; topics[t].is_read && p < topics[t].partitions; p++) {
            const struct log *log = &topics[t].logs[p];
            if (log->count > 0 && log->committed < log->end)
                (void)printf("  %s/%d: committed @%lld of %lld\n", topics[t].name, p,
                             (long long)log->committed, (long long)log->end);
        }
    }
}

static void check_job(const struct job *job)
{
    int ends = 0;
    int life = job->row.redrive_count;
    for (enum event_state state = EVENT_SUCCEEDED; state < EVENT_STATE_COUNT; state++)
        ends += state == EVENT_DEAD_LETTERED ? job->told_dead[life] > 0 : job->told[state] > 0;
    /* A child may be told by a process that slept, when all others have been asked to end. */
    bool is_unseen = job->row.state == ROW_NONE && (!job->is_produced || job->open_records > 0);
    if (job->kind == KIND_JUNK || (job->kind == KIND_CHILD && is_unseen))
        return;
    if (ends != 1 && (job->kind != KIND_IDEMPOTENT || ends == 0))
        violation(job, "one end", "%s was told to end in %d ways", job->id, ends);
    bool succeeded = job->told[EVENT_SUCCEEDED] > 0;
    if (succeeded && job->applied == 0)
        violation(job, "no effect", "%s succeeded without its effect", job->id);
    if (job->put_back > life)
        violation(job, "put back for nothing",
                  "%s was put back, the ledger knows of %d times of %d", job->id, life,
                  job->put_back);
    if (succeeded && job->letters[life] > 0 && job->kind != KIND_IDEMPOTENT)
        violation(job, "one end", "%s succeeded and is a dead letter", job->id);
    if (job->row.end == EVENT_DEAD_LETTERED && strcmp(job->row.error_code, "sim.retry") == 0 &&
        job->counted_failures < 3 && job->deadline_us == 0)
        violation(job, "attempts", "%s was given up after %d failures of 3", job->id,
                  job->counted_failures);
}

void check_end(void)
{
    for (int i = 0; i < job_count; i++)
        check_job(&jobs[i]);
    for (int i = 0; i < process_count; i++) {
        const struct process *process = &processes[i];
        if (process->is_alive)
            violation(NULL, "hang", "%s does not end after SIGTERM", process->name);
    }
}
