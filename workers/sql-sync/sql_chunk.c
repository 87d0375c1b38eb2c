/*
 * sql_chunk: some chunks of a big load, into the stage that the parent has made.
 *
 * Its run stands in the hub under the parent's job, so that bad rows of a chunk are told once
 * whichever worker found them.
 */
#include "sql_chunk.h"

#include "base/jwrite.h"
#include "model/job.h"
#include "sql_job.h"

static enum outcome run_part(struct sql_job *sql, struct sync_env *env, struct receipt *receipt,
                             struct err *err)
{
    return sync_run_part(env, sql->spec, sql->part, sql->job->arena, receipt, err);
}

/* The parent's data, as the parent's worker has decoded it. */
static enum outcome decode_spec(const struct job_child *child, struct arena *arena,
                                const struct sync_spec **ret_spec, struct err *err)
{
    struct field_join table;
    struct job_data data;
    struct job parent = {.data = child->parent_data};
    if (child->parent_data == NULL)
        return FAIL_BUG(err, "the record of job %s has no data", child->parent_id);
    TRY(job_data_table(&sync_spec_table, arena, &table, err));
    TRY(job_decode_data(&parent, &table, arena, &data, err));
    *ret_spec = data.payload;
    return OUTCOME_OK;
}

static enum outcome write_payload(const struct job_child *child, struct sql_job *sql,
                                  struct err *err)
{
    struct str text STR_AUTO = str_with_max(STR_MAX_DEFAULT);
    struct jwrite w = jwrite_to(&text);
    jwrite_jval(&w, child->payload);
    sql->part = text.failed ? NULL : arena_strdup(sql->job->arena, str_text(&text));
    TRY_ALLOC(sql->part, err);
    return OUTCOME_OK;
}

static enum outcome work(struct sql_job *sql, const struct job_child *child,
                         struct receipt *receipt, struct err *err)
{
    struct err closing = {0};
    TRY(write_payload(child, sql, err));
    TRY(sql_job_open_run(sql, err));
    enum outcome outcome = sql_job_between(sql, run_part, receipt, err);
    enum outcome closed = sql_job_close_run(sql, receipt, outcome, err, false, &closing);
    if (outcome == OUTCOME_OK && closed != OUTCOME_OK) {
        *err = closing;
        return closed;
    }
    return outcome;
}

static enum outcome do_part(struct job_context *job, const struct job_child *child, struct err *err)
{
    struct receipt receipt;
    struct sql_job sql;
    const struct sync_spec *spec = NULL;
    struct job_child_progress parent = {.phase = "load"};
    struct str summary STR_AUTO = str_with_max(STR_MAX_DEFAULT);
    struct jwrite w = jwrite_to(&summary);
    TRY(decode_spec(child, job->arena, &spec, err));
    receipt_init(&receipt, job->arena);
    sql_job_init(&sql, job, spec);
    sql.run_of = child->parent_id;
    sql.parent = &parent;
    enum outcome outcome = work(&sql, child, &receipt, err);
    sql_job_done(&sql);
    receipt_write(&receipt, false, &w);
    struct job_child_end end = {.outcome = outcome,
                                .rows_done = receipt.rows_written,
                                .result = summary.failed ? NULL : str_text(&summary)};
    return job_child_end(job, &end, err);
}

enum outcome sql_chunk_run(struct job_context *job, const void *payload, struct err *err)
{
    struct job_child child;
    (void)payload;
    TRY(job_child_begin(job, &child, err));
    if (!child.is_done)
        return do_part(job, &child, err);
    if (child.result != NULL)
        TRY(job_set_result(job, slice_of(child.result), err));
    struct job_child_end end = {.outcome = OUTCOME_OK, .result = child.result};
    return job_child_end(job, &end, err);
}
