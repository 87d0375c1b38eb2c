/*
 * sql_sync: a job's payload, connections and hub around one sync_run.
 *
 * The definition and the run are in the hub before the first row moves; the receipt is there before
 * the job's outcome is told. A run that dies in between stays open in the hub, and its job comes
 * again with a greater fence.
 *
 * A load that is handed out takes at least two runs of this job: one that plans and hands out, and
 * one that finds all parts done, proves and swaps. Each begins the same way, with a look at the
 * children.
 */
#include "sql_sync.h"

#include "base/jwrite.h"
#include "io/json.h"
#include "sql_chunk.h"
#include "sql_job.h"

static enum outcome hand_out(void *ctx, const char *plan, const struct sync_part *parts,
                             size_t count, int64_t rows_total, struct err *err)
{
    const struct sql_job *sql = ctx;
    struct family_child *children = ARENA_ARRAY(sql->job->arena, struct family_child, count);
    TRY_ALLOC(children, err);
    for (size_t i = 0; i < count; i++)
        children[i] =
            (struct family_child){.number = (int64_t)parts[i].number, .payload = parts[i].state};
    struct job_spawn spawn = {.kind = SQL_CHUNK_KIND,
                              .plan = plan,
                              .children = {children, count},
                              .rows_total = rows_total};
    return job_children_spawn(sql->job, &spawn, err);
}

static enum outcome run_whole(struct sql_job *sql, struct sync_env *env, struct receipt *receipt,
                              struct err *err)
{
    env->hand_out = hand_out;
    return sync_run(env, sql->spec, sql->job->arena, receipt, err);
}

static enum outcome save_definition(const struct sql_job *sql, struct err *err)
{
    struct str payload STR_AUTO = str_with_max(STR_MAX_DEFAULT);
    struct jwrite w = jwrite_to(&payload);
    jwrite_jval(&w, sql->job->data);
    if (payload.failed)
        return FAIL_NO_MEMORY(err);
    return hub_sync_save(sql->job->hub, &sql->ref, sql->job->kind, str_slice(&payload), err);
}

/* ---- what the chunk jobs have given ---- */

/* How many of the first `count` owners are other ones than those before them. */
static size_t count_owners(const struct family_results *results)
{
    size_t owners = 0;
    for (size_t i = 0; i < results->count; i++) {
        bool known = results->items[i].owner == NULL;
        for (size_t j = 0; j < i && !known; j++)
            known = results->items[j].owner != NULL &&
                    strcmp(results->items[j].owner, results->items[i].owner) == 0;
        owners += !known;
    }
    return owners;
}

/* Counts and hashes of rows came with the parts' checkpoints; here is the rest. */
static enum outcome add_results(const struct sql_job *sql, const struct family_results *results,
                                struct receipt *receipt, struct err *err)
{
    for (size_t i = 0; i < results->count; i++) {
        const struct jval *part = NULL;
        if (results->items[i].result == NULL)
            continue;
        TRY(jread_object(slice_of(results->items[i].result), sql->job->arena, &part, err));
        receipt_add_part(receipt, part);
    }
    receipt_note(receipt, "the chunk jobs were done by %zu worker processes",
                 count_owners(results));
    if ((int64_t)results->count < receipt->chunk_jobs)
        receipt_note(receipt,
                     "%lld chunk jobs were done for an earlier run of the sync: their bytes, times "
                     "and converted values are not in this receipt",
                     (long long)receipt->chunk_jobs - (long long)results->count);
    return OUTCOME_OK;
}

/* ---- the runs ---- */

static enum outcome close_whole(struct sql_job *sql, struct receipt *receipt, enum outcome outcome,
                                struct err *failure, struct err *err)
{
    struct family_results results = {0};
    if (outcome == OUTCOME_OK && receipt->chunk_jobs > 0) {
        TRY(job_children_results(sql->job, &results, err));
        TRY(add_results(sql, &results, receipt, err));
    }
    TRY(sql_job_close_run(sql, receipt, outcome, failure, true, err));
    return outcome == OUTCOME_OK && receipt->chunk_jobs > 0 ? job_children_close(sql->job, err)
                                                            : OUTCOME_OK;
}

static enum outcome run(struct sql_job *sql, struct err *err)
{
    struct receipt receipt;
    struct err closing = {0};
    receipt_init(&receipt, sql->job->arena);
    TRY(save_definition(sql, err));
    TRY(sql_job_open_run(sql, err));
    enum outcome outcome = sql_job_between(sql, run_whole, &receipt, err), closed;
    if (outcome == OUTCOME_THROTTLED && strcmp(err->code, SYNC_HANDED_OUT) == 0) {
        TRY(sql_job_close_run(sql, &receipt, outcome, err, false, &closing));
        return job_children_wait(sql->job, err);
    }
    closed = close_whole(sql, &receipt, outcome, err, &closing);
    if (outcome == OUTCOME_OK && closed != OUTCOME_OK) {
        *err = closing;
        return closed;
    }
    return outcome;
}

/* The other chunk jobs are in vain; what they made durable is not: a later run goes on from it. */
static enum outcome fail_with(struct job_context *job, const struct family_look *look,
                              struct err *err)
{
    TRY(job_children_close(job, err));
    if (look->failure.code[0] == '\0')
        return FAIL(err, OUTCOME_PERMANENT, "job.child_lost", "chunk job %lld came to nothing",
                    (long long)look->failed_number);
    *err = look->failure;
    err->outcome = OUTCOME_PERMANENT;
    return err_prefix(err, "chunk job %lld", (long long)look->failed_number);
}

enum outcome sql_sync_run(struct job_context *job, const void *payload, struct err *err)
{
    struct sql_job sql;
    struct family_look look = {0};
    enum fan_in_verdict verdict = FAN_IN_PLAN;
    TRY(job_children_look(job, &verdict, &look, err));
    switch (verdict) {
    case FAN_IN_WAIT:
        return job_children_wait(job, err);
    case FAN_IN_FAIL:
        return fail_with(job, &look, err);
    case FAN_IN_PLAN:
    case FAN_IN_JOIN:
        break;
    }
    sql_job_init(&sql, job, payload);
    enum outcome outcome = run(&sql, err);
    sql_job_done(&sql);
    return outcome;
}
