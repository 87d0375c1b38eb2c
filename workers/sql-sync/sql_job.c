/* sql_job: see sql_job.h. */
#include "sql_job.h"

#include "base/jwrite.h"
#include "sync/hub_connection.h"
#include "sync/hub_quarantine.h"

#include <stdio.h>
#include <unistd.h>

void sql_job_init(struct sql_job *sql, struct job_context *job, const struct sync_spec *spec)
{
    *sql = (struct sql_job){
        .job = job, .spec = spec, .ref = {job->workspace_id, spec->sync_id}, .run_of = job->job_id};
    pthread_mutex_init(&sql->lock, NULL);
}

void sql_job_done(struct sql_job *sql)
{
    pthread_mutex_destroy(&sql->lock);
}

static void tell_reached(void *ctx, bool is_source)
{
    const struct sql_job *sql = ctx;
    job_dependency_up(sql->job, is_source ? 0 : 1);
}

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
    if (sql->parent == NULL)
        return;
    pthread_mutex_lock(&sql->lock);
    job_child_progress(sql->job, sql->parent, progress->rows_done);
    pthread_mutex_unlock(&sql->lock);
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
    pthread_mutex_lock(&sql->lock);
    enum outcome outcome =
        hub_quarantine_add(sql->job->hub, &sql->ref, sql->run_id, entries, count, err);
    pthread_mutex_unlock(&sql->lock);
    return outcome;
}

enum outcome sql_job_open_run(struct sql_job *sql, struct err *err)
{
    const struct job_context *job = sql->job;
    char host[64] = "", worker[96];
    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(worker, sizeof worker, "%s/%d", host, (int)getpid());
    struct run_begin begin = {.sync = sql->ref,
                              .job_id = sql->run_of,
                              .attempt = job->attempt,
                              .fence = job->fence,
                              .mode = sync_mode_name(sql->spec->mode),
                              .worker = worker};
    return hub_run_begin(job->hub, &begin, sql->run_id, err);
}

enum outcome sql_job_between(struct sql_job *sql, sql_work *work, struct receipt *receipt,
                             struct err *err)
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
                           .reached = tell_reached,
                           .quarantine = keep_rows};
    return work(sql, &env, receipt, err);
}

static enum outcome finish_run(const struct sql_job *sql, const struct receipt *receipt,
                               struct run_end *end, bool whole, struct err *err)
{
    struct str text STR_AUTO = str_with_max(STR_MAX_DEFAULT);
    struct jwrite w = jwrite_to(&text);
    if (whole)
        receipt_write(receipt, true, &w);
    if (text.failed)
        return FAIL_NO_MEMORY(err);
    end->receipt = whole ? str_text(&text) : NULL;
    return hub_run_finish(sql->job->hub, sql->run_id, end, err);
}

/* The receipt stands in the hub with all chunks; the event gets it without them. */
enum outcome sql_job_close_run(const struct sql_job *sql, const struct receipt *receipt,
                               enum outcome outcome, const struct err *failure, bool whole,
                               struct err *err)
{
    struct str summary STR_AUTO = str_with_max(STR_MAX_DEFAULT);
    struct jwrite w = jwrite_to(&summary);
    receipt_write(receipt, false, &w);
    if (summary.failed)
        return FAIL_NO_MEMORY(err);
    struct run_end end = {.outcome = outcome,
                          .failure = outcome == OUTCOME_OK ? NULL : failure,
                          .rows_read = receipt->rows_read,
                          .rows_written = receipt->rows_written,
                          .rows_rejected = receipt->rows_rejected,
                          .rows_deleted = receipt->rows_deleted,
                          .bytes_read = receipt->bytes_read};
    TRY(finish_run(sql, receipt, &end, whole, err));
    if (receipt->state != NULL)
        TRY(hub_checkpoint_save(sql->job->hub, &sql->ref, receipt->fence, receipt->state, err));
    return job_set_result(sql->job, str_slice(&summary), err);
}
