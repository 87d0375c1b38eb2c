/*
 * sql_sync: a job's payload, connections and hub around one sync_run.
 *
 * The definition and the run are in the hub before the first row moves; the receipt is there before
 * the job's outcome is told. A run that dies in between stays open in the hub, and its job comes
 * again with a greater fence.
 */
#include "sql_sync.h"

#include "base/jwrite.h"
#include "sync/hub_connection.h"
#include "sync/hub_quarantine.h"
#include "sync/hub_run.h"
#include "sync/sync.h"

#include <stdio.h>
#include <unistd.h>

struct sql_job {
    struct job_context *job;
    const struct sync_spec *spec;
    struct sync_ref ref;
    char run_id[RUN_ID_SIZE];
};

static void tell_progress(void *ctx, const struct sync_progress *progress)
{
    struct sql_job *sql = ctx;
    job_progress(sql->job, &(struct event_progress){.phase = progress->phase,
                                                    .rows_done = progress->rows_done,
                                                    .rows_total = progress->rows_total,
                                                    .bytes_done = progress->bytes_done,
                                                    .bytes_total = -1,
                                                    .bottleneck = progress->bottleneck,
                                                    .rows_per_second = -1,
                                                    .eta_ms = -1});
}

/* Called under the sync's lock: lanes share the job's hub connection. */
static enum outcome keep_rows(void *ctx, const struct bad_row *rows, size_t count, struct err *err)
{
    struct sql_job *sql = ctx;
    struct quarantine_entry *entries = ARENA_ARRAY(sql->job->arena, struct quarantine_entry, count);
    TRY_ALLOC(entries, err);
    for (size_t i = 0; i < count; i++)
        entries[i] = (struct quarantine_entry){
            .chunk = rows[i].chunk,
            .row_number = rows[i].number,
            .column = rows[i].column[0] == '\0' ? NULL : rows[i].column,
            .code = rows[i].reason,
            .native = rows[i].sqlstate[0] == '\0' ? NULL : rows[i].sqlstate,
            .message = rows[i].message,
            .row = slice_of(rows[i].row_json)};
    return hub_quarantine_add(sql->job->hub, &sql->ref, sql->run_id, entries, count, err);
}

static enum outcome open_run(struct sql_job *sql, struct err *err)
{
    const struct job_context *job = sql->job;
    struct str payload __attribute__((cleanup(str_done))) = str_with_max(STR_MAX_DEFAULT);
    struct jwrite w = jwrite_to(&payload);
    char host[64] = "", worker[96];
    jwrite_jval(&w, job->data);
    if (payload.failed)
        return FAIL_NO_MEMORY(err);
    TRY(hub_sync_save(job->hub, &sql->ref, job->kind, str_slice(&payload), err));
    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(worker, sizeof worker, "%s/%d", host, (int)getpid());
    struct run_begin begin = {.sync = sql->ref,
                              .job_id = job->job_id,
                              .attempt = job->attempt,
                              .fence = job->fence,
                              .mode = sync_mode_name(sql->spec->mode),
                              .worker = worker};
    return hub_run_begin(job->hub, &begin, sql->run_id, err);
}

static enum outcome run_between(struct sql_job *sql, struct receipt *receipt, struct err *err)
{
    struct job_context *job = sql->job;
    struct connection source CONNECTION_AUTO = {0}, target CONNECTION_AUTO = {0};
    if (hub_connection_load(job->hub, job->workspace_id, sql->spec->source.connection_id,
                            job->arena, &source, err) != OUTCOME_OK)
        return err_prefix(err, "source");
    if (hub_connection_load(job->hub, job->workspace_id, sql->spec->target.connection_id,
                            job->arena, &target, err) != OUTCOME_OK)
        return err_prefix(err, "target");
    struct sync_env env = {.workspace_id = job->workspace_id,
                           .source = {source.connector, source.config},
                           .target = {target.connector, target.config},
                           .fence = job->fence,
                           .cancelled = job->cancelled,
                           .ctx = sql,
                           .progress = tell_progress,
                           .quarantine = keep_rows};
    return sync_run(&env, sql->spec, job->arena, receipt, err);
}

/* The receipt stands in the hub with all chunks; the event gets it without them. */
static enum outcome close_run(const struct sql_job *sql, const struct receipt *receipt,
                              enum outcome outcome, const struct err *failure, struct err *err)
{
    struct str whole __attribute__((cleanup(str_done))) = str_with_max(STR_MAX_DEFAULT);
    struct str summary __attribute__((cleanup(str_done))) = str_with_max(STR_MAX_DEFAULT);
    struct jwrite w = jwrite_to(&whole), s = jwrite_to(&summary);
    receipt_write(receipt, true, &w);
    receipt_write(receipt, false, &s);
    if (whole.failed || summary.failed)
        return FAIL_NO_MEMORY(err);
    struct run_end end = {.outcome = outcome,
                          .failure = outcome == OUTCOME_OK ? NULL : failure,
                          .receipt = str_text(&whole),
                          .rows_read = receipt->rows_read,
                          .rows_written = receipt->rows_written,
                          .rows_rejected = receipt->rows_rejected,
                          .rows_deleted = receipt->rows_deleted,
                          .bytes_read = receipt->bytes_read};
    TRY(hub_run_finish(sql->job->hub, sql->run_id, &end, err));
    if (receipt->state != NULL)
        TRY(hub_checkpoint_save(sql->job->hub, &sql->ref, receipt->fence, receipt->state, err));
    return job_set_result(sql->job, str_slice(&summary), err);
}

enum outcome sql_sync_run(struct job_context *job, const void *payload, struct err *err)
{
    struct sql_job sql = {.job = job,
                          .spec = payload,
                          .ref = {job->workspace_id, ((const struct sync_spec *)payload)->sync_id}};
    struct receipt receipt;
    struct err closing = {0};
    receipt_init(&receipt, job->arena);
    TRY(open_run(&sql, err));
    enum outcome outcome = run_between(&sql, &receipt, err);
    enum outcome closed = close_run(&sql, &receipt, outcome, err, &closing);
    if (outcome == OUTCOME_OK && closed != OUTCOME_OK) {
        *err = closing;
        return closed;
    }
    return outcome;
}
