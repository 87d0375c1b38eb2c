/* hub: run/ledger.h on a model of the hub: the rules of schemas/hub/0002_runtime.sql. */
#include "sync/hub.h"
#include "run/ledger.h"
#include "run/ledger_row.h"

#include "world.h"

#include <stdio.h>

struct pgsql {
    int is_open;
};

static struct service *const hub = &hub_service;
static int64_t last_fence;

static int64_t wall_us(void)
{
    return EPOCH_US + world_us;
}

static struct job *must_find(const char *id)
{
    struct job *job = job_find(id);
    if (job == NULL)
        violation(NULL, "unknown job", "the ledger is asked for %s", id);
    return job;
}

static int64_t next_fence(void)
{
    return ++last_fence;
}

static void set_error(struct row *row, const struct err *error)
{
    row->error = error == NULL ? OUTCOME_OK : error->outcome;
    text_copy(row->error_code, sizeof row->error_code, error == NULL ? "" : error->code);
}

static void end_cancelled(struct job *job)
{
    struct err error = {.outcome = OUTCOME_CANCELLED, .code = "job.cancelled"};
    job->row.state = ROW_ENDED;
    job->row.end = EVENT_CANCELLED;
    job->row.starts = 0;
    job->row.due_us = 0;
    job->row.fence = next_fence();
    job->row.sequence += 1000000;
    set_error(&job->row, &error);
    trace("ledger", "%s cancelled, fence %lld", job->id, (long long)job->row.fence);
}

static struct ledger_claimed claimed_of(const struct row *row, enum ledger_verdict verdict)
{
    struct ledger_claimed claimed = {.verdict = verdict,
                                     .fence = row->fence,
                                     .attempt = row->attempt,
                                     .starts = row->starts,
                                     .sequence = row->sequence,
                                     .due_us = row->due_us,
                                     .state = row->end,
                                     .redrive_count = row->redrive_count,
                                     .error = {.outcome = row->error}};
    text_copy(claimed.error.code, sizeof claimed.error.code, row->error_code);
    return claimed;
}

/* ---- claim ---- */

/* At the moment of the call; its way there may take its time. */
static void judge_start(const struct job *job)
{
    const struct process *process = process_now();
    const struct belief *belief = &job->beliefs[process->place];
    if (belief->process != process)
        violation(job, "claimed without a lease", "%s claims %s", process->name, job->id);
}

static enum ledger_verdict claim(struct job *job, const struct ledger_claim *claim)
{
    struct row *row = &job->row;
    if (row->state == ROW_NONE)
        *row = (struct row){
            .state = ROW_WAITING, .attempt = claim->attempt, .redrive_count = claim->redrive_count};
    if (row->state == ROW_ENDED)
        return LEDGER_DONE;
    if (job->cancel_asked) {
        end_cancelled(job);
        return LEDGER_CANCELLED;
    }
    if (row->state == ROW_WAITING && row->due_us > claim->now_us &&
        claim->not_before_us < row->due_us)
        return LEDGER_WAIT;
    enum ledger_verdict verdict = row->starts >= claim->max_starts ? LEDGER_POISON : LEDGER_RUN;
    row->state = ROW_RUNNING;
    row->starts++;
    row->due_us = 0;
    row->attempt = row->attempt > claim->attempt ? row->attempt : claim->attempt;
    row->fence = next_fence();
    row->sequence += 1000000;
    job->claimer = process_now();
    return verdict;
}

enum outcome ledger_claim(struct pgsql *db, const struct ledger_claim *request, struct arena *arena,
                          struct ledger_claimed *ret_claimed, struct err *err)
{
    static const char *const names[] = {"claimed", "has ended", "waits", "cancelled", "is poison"};
    struct job *job = must_find(request->job_id);
    (void)db;
    (void)arena;
    judge_start(job);
    TRY(service_reach(hub, err));
    enum ledger_verdict verdict = claim(job, request);
    struct ledger_claimed claimed = claimed_of(&job->row, verdict);
    trace("ledger", "%s %s, attempt %d, fence %lld", job->id, names[verdict], job->row.attempt,
          (long long)job->row.fence);
    TRY(service_return(hub, err));
    *ret_claimed = claimed;
    return OUTCOME_OK;
}

/* ---- the end of a start ---- */

static bool finish(struct job *job, const struct ledger_end *end)
{
    struct row *row = &job->row;
    bool is_running =
        row->state == ROW_RUNNING || (row->state == ROW_ENDED && row->end == end->state);
    if (row->fence != end->fence || !is_running)
        return false;
    row->state = ROW_ENDED;
    row->end = end->state;
    row->starts = 0;
    row->due_us = 0;
    row->sequence = end->sequence;
    set_error(row, end->error);
    return true;
}

enum outcome ledger_finish(struct pgsql *db, const struct ledger_end *end, bool *ret_ours,
                           struct err *err)
{
    struct job *job = must_find(end->job_id);
    (void)db;
    TRY(service_reach(hub, err));
    bool ours = finish(job, end);
    trace("ledger", "%s %s%s, fence %lld", job->id, event_state_name(end->state),
          ours ? "" : ": FENCED", (long long)end->fence);
    TRY(service_return(hub, err));
    *ret_ours = ours;
    return OUTCOME_OK;
}

static enum ledger_release_verdict release(struct job *job, const struct ledger_wait *wait)
{
    struct row *row = &job->row;
    if (row->fence != wait->fence || row->state == ROW_ENDED || row->state == ROW_NONE)
        return LEDGER_RELEASE_FENCED;
    if (job->cancel_asked) {
        end_cancelled(job);
        return LEDGER_RELEASE_CANCELLED;
    }
    row->state = ROW_WAITING;
    row->starts = 0;
    row->attempt = wait->next_attempt;
    row->due_us = wait->due_us;
    if (wait->error != NULL)
        set_error(row, wait->error);
    job->planned_us = wait->due_us;
    job->deaths = 0;
    job->releases++;
    return LEDGER_RELEASED;
}

enum outcome ledger_release(struct pgsql *db, const struct ledger_wait *wait, struct arena *arena,
                            enum ledger_release_verdict *ret_verdict,
                            struct ledger_claimed *ret_claimed, struct err *err)
{
    static const char *const names[] = {"waits again", "FENCED", "cancelled"};
    struct job *job = must_find(wait->job_id);
    (void)db;
    (void)arena;
    TRY(service_reach(hub, err));
    enum ledger_release_verdict verdict = release(job, wait);
    struct ledger_claimed after = claimed_of(&job->row, LEDGER_RUN);
    trace("ledger", "%s %s, next attempt %d in %.3f s, fence %lld", job->id, names[verdict],
          wait->next_attempt,
          wait->due_us == 0 ? 0 : (double)(wait->due_us - wall_us()) / (double)SECOND,
          (long long)wait->fence);
    TRY(service_return(hub, err));
    *ret_verdict = verdict;
    *ret_claimed = after;
    return OUTCOME_OK;
}

/* ---- cancels ---- */

enum outcome ledger_now(struct pgsql *db, int64_t *ret_now_us, struct err *err)
{
    (void)db;
    (void)err;
    *ret_now_us = clock_wall_us();
    return OUTCOME_OK;
}

enum outcome ledger_cancels(struct pgsql *db, const char *job_ids, struct arena *arena,
                            const char **ret_job_ids, struct err *err)
{
    struct str found = str_with_max(4096);
    (void)db;
    TRY(service_reach(hub, err));
    for (int i = 0; i < job_count; i++) {
        char with[JOB_ID_SIZE + 2], list[2048];
        (void)snprintf(with, sizeof with, ",%s,", jobs[i].id);
        (void)snprintf(list, sizeof list, ",%s,", job_ids);
        if (jobs[i].cancel_asked && strstr(list, with) != NULL)
            str_addf(&found, "%s%s", found.len > 0 ? "," : "", jobs[i].id);
    }
    const char *ids = arena_strdup(arena, str_text(&found));
    str_done(&found);
    TRY(service_return(hub, err));
    *ret_job_ids = ids;
    return OUTCOME_OK;
}

static enum ledger_cancel_verdict cancel(struct job *job)
{
    if (job->row.state == ROW_ENDED)
        return LEDGER_CANCEL_TOO_LATE;
    job->cancel_asked = true;
    if (job->row.state != ROW_WAITING)
        return LEDGER_CANCEL_ASKED;
    end_cancelled(job);
    return LEDGER_CANCEL_ENDED;
}

enum outcome ledger_cancel(struct pgsql *db, const struct ledger_cancel *request,
                           struct arena *arena, enum ledger_cancel_verdict *ret_verdict,
                           struct ledger_row *ret_row, struct err *err)
{
    static const char *const names[] = {"ended", "asked", "too late"};
    struct job *job = must_find(request->job_id);
    (void)db;
    (void)arena;
    TRY(service_reach(hub, err));
    enum ledger_cancel_verdict verdict = cancel(job);
    const struct row *row = &job->row;
    struct ledger_row copy = {.job_id = job->id,
                              .workspace_id = "w",
                              .kind = "free",
                              .worker = WORKER_NAME,
                              .state = row->state == ROW_ENDED ? event_state_name(row->end) : "",
                              .attempt = row->attempt,
                              .redrive_count = row->redrive_count,
                              .sequence = row->sequence,
                              .error = claimed_of(row, LEDGER_DONE).error};
    trace("ledger", "%s cancel: %s", job->id, names[verdict]);
    TRY(service_return(hub, err));
    *ret_verdict = verdict;
    *ret_row = copy;
    return OUTCOME_OK;
}

/* ---- the effect of a run: a row written in one transaction with the look at the fence ---- */

enum effect hub_apply(struct job *job, int64_t fence)
{
    struct err err = {0};
    if (service_reach(hub, &err) != OUTCOME_OK)
        return EFFECT_UNREACHABLE;
    bool ours = job->row.state == ROW_RUNNING && job->row.fence == fence;
    if (ours && job->applied == 0)
        job->applied++;
    trace("effect", "%s %s, fence %lld", job->id, ours ? "applied" : "FENCED", (long long)fence);
    if (service_return(hub, &err) != OUTCOME_OK)
        return EFFECT_UNREACHABLE;
    return ours ? EFFECT_DONE : EFFECT_FENCED;
}

void hub_crash(void)
{
    service_down(hub, dice_span(100 * MS, 10 * SECOND));
}

/* ---- connections ---- */

enum outcome pgsql_open(const struct pgsql_conf *conf, struct pgsql **ret_db, struct err *err)
{
    (void)conf;
    TRY(service_reach(hub, err));
    TRY(service_return(hub, err));
    *ret_db = heap_take_zeroed(1, sizeof **ret_db);
    return OUTCOME_OK;
}

void pgsql_close(struct pgsql *db)
{
    heap_give(db);
}

enum outcome hub_check_version(const struct hub *handle, struct err *err)
{
    (void)handle;
    TRY(service_reach(hub, err));
    return service_return(hub, err);
}
