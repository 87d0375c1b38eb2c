/* hub: run/ledger.h on a model of the hub: the rules of schemas/hub/0003_batch.sql and 0006. */
#include "sync/hub.h"
#include "run/ledger.h"
#include "run/ledger_row.h"

#include "world.h"

#include <stdio.h>

struct pgsql {
    bool skips_fences; /* what it does first on each connection */
    bool is_lost;
    int64_t crashes; /* of the hub, when it was connected */
};

static struct service *const hub = &hub_service;
static int64_t last_fence, greatest_fence, last_place, crashes;
static int dedupe_holders[DEDUPE_KEYS + 1]; /* a job's number; 0 = free */
static int64_t dedupe_until_us[DEDUPE_KEYS + 1];

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

/* Ends by a cancel take one too, on connections that skip none; nobody writes under those. */
static int64_t fence_of_start(void)
{
    if (++last_fence <= greatest_fence)
        violation(NULL, "fence", "fence %lld is given twice", (long long)last_fence);
    return greatest_fence = last_fence;
}

static void set_error(struct row *row, const struct err *error)
{
    row->error = error == NULL ? OUTCOME_OK : error->outcome;
    text_copy(row->error_code, sizeof row->error_code, error == NULL ? "" : error->code);
}

static void end_cancelled(struct job *job, const char *code)
{
    struct err error = {.outcome = OUTCOME_CANCELLED};
    text_copy(error.code, sizeof error.code, code);
    job->row.state = ROW_ENDED;
    job->row.end = EVENT_CANCELLED;
    job->row.starts = 0;
    job->row.due_us = 0;
    job->row.fence = ++last_fence;
    job->row.sequence += 1000000;
    set_error(&job->row, &error);
    trace("ledger", "%s cancelled, fence %lld", job->id, (long long)job->row.fence);
}

static void write_down(void);

static void connected(struct pgsql *db)
{
    db->crashes = crashes;
    db->is_lost = false;
    if (!db->skips_fences)
        return;
    last_fence += 65536;
    greatest_fence = last_fence;
    write_down();
}

enum outcome pgsql_open(const struct pgsql_conf *conf, struct pgsql **ret_db, struct err *err)
{
    TRY(service_reach(hub, err));
    struct pgsql *db = heap_take_zeroed(1, sizeof *db);
    db->skips_fences =
        conf->session_sql != NULL && strcmp(conf->session_sql, LEDGER_SESSION_SQL) == 0;
    connected(db);
    enum outcome outcome = service_return(hub, err);
    if (outcome != OUTCOME_OK) {
        heap_give(db);
        return outcome;
    }
    *ret_db = db;
    return OUTCOME_OK;
}

/* A connection that the crash took away fails one call; the next one connects anew. */
static enum outcome begin_call(struct pgsql *db, struct err *err)
{
    TRY(service_reach(hub, err));
    if (db->crashes == crashes)
        return OUTCOME_OK;
    if (!db->is_lost) {
        db->is_lost = true;
        return FAIL(err, OUTCOME_RETRY, "hub.unreachable", "the connection was lost");
    }
    connected(db);
    return OUTCOME_OK;
}

enum outcome hub_begin_call(struct pgsql *db, struct err *err)
{
    return begin_call(db, err);
}

enum outcome hub_end_call(struct err *err)
{
    return service_return(hub, err);
}

void hub_write_down(void)
{
    write_down();
}

static struct ledger_claimed claimed_of(const struct row *row, enum ledger_verdict verdict,
                                        struct arena *arena)
{
    struct ledger_claimed claimed = {.verdict = verdict,
                                     .fence = row->fence,
                                     .attempt = row->attempt,
                                     .starts = row->starts,
                                     .sequence = row->sequence,
                                     .due_us = row->due_us,
                                     .wait_fence = row->wait_fence,
                                     .state = row->end,
                                     .redrive_count = row->redrive_count};
    struct err *error = row->error_code[0] == '\0' ? NULL : ARENA_NEW(arena, struct err);
    if (error != NULL) {
        error->outcome = row->error;
        text_copy(error->code, sizeof error->code, row->error_code);
        claimed.error = error;
    }
    return claimed;
}

/* ---- what the disk does not have yet: the hub may forget it when it crashes ---- */

#define CLOCK_GOOD_US (200 * MS) /* what the runtime takes for a quick answer */

#define UNDOS_MAX 4096
#define WAL_DELAY_US (600 * MS) /* after it, even what nobody waited for is on the disk */
struct undo {
    int64_t at_us;
    struct job *job; /* NULL: a dedupe key */
    struct row row;
    int key, holder;
};
static struct undo undos[UNDOS_MAX];
static size_t undo_count;
static int64_t durable_fence;

static void write_down(void)
{
    undo_count = 0;
    durable_fence = last_fence;
}

static void note_undo(struct undo undo)
{
    if (undo_count == UNDOS_MAX)
        write_down();
    undo.at_us = world_us;
    undos[undo_count++] = undo;
}

static void forget_some(void)
{
    size_t lost = dice(undo_count + 1);
    for (size_t i = 0; i < lost; i++) {
        const struct undo *undo = &undos[--undo_count];
        if (world_us - undo->at_us > WAL_DELAY_US)
            break;
        if (undo->job == NULL) {
            dedupe_holders[undo->key] = undo->holder;
            continue;
        }
        trace("hub", "FORGETS the claim of %s, fence %lld", undo->job->id,
              (long long)undo->job->row.fence);
        undo->job->forgotten_starts++;
        undo->job->row = undo->row;
    }
    if (lost > 0)
        last_fence = durable_fence;
    write_down();
}

/* ---- claims ---- */

/* At the moment of the call; its way there may take its time. */
static void judge_start(const struct job *job)
{
    const struct process *process = process_now();
    const struct belief *belief = &job->beliefs[process->place];
    if (!process->has_heard_time)
        violation(job, "too early", "%s claims before it knows the time", process->name);
    if (belief->process != process || belief->held == 0)
        violation(job, "claimed without a lease", "%s claims %s", process->name, job->id);
}

/* The first of its key that is not ended; NULL: it is that itself. */
static const struct job *head_before(const struct job *job)
{
    const struct job *head = NULL;
    for (int i = 0; i < job_count; i++) {
        const struct job *other = &jobs[i];
        bool is_before = other->row.place != 0 && other->order_key == job->order_key &&
                         other->row.place < job->row.place && other->row.state != ROW_ENDED;
        if (is_before && (head == NULL || other->row.place < head->row.place))
            head = other;
    }
    return head;
}

/* The number of the job that the key belongs to. */
static int take_key(const struct job *job, const struct ledger_claim *claim, int64_t now_us)
{
    int key = job->dedupe_key, holder = dedupe_holders[key];
    if (holder == 0 || (dedupe_until_us[key] <= now_us && holder != job->number)) {
        note_undo((struct undo){.key = key, .holder = holder});
        dedupe_holders[key] = job->number;
        dedupe_until_us[key] = now_us + claim->dedupe_window_us;
    }
    return dedupe_holders[key];
}

/* One of this process's own may be a claim whose answer was lost. */
static int starts_before(const struct row *row)
{
    return row->starts - (row->state == ROW_RUNNING && row->owner == process_now());
}

/* Put back: its next life. */
static void reopen(struct job *job, const struct ledger_claim *claim)
{
    struct row *row = &job->row;
    row->state = ROW_WAITING;
    row->attempt = claim->attempt;
    row->redrive_count = claim->redrive_count;
    row->starts = 0;
    row->due_us = 0;
    row->place = claim->is_ordered ? ++last_place : 0;
    job->cancel_asked = false;
    job->deaths = job->forgotten_starts = 0;
    hub_end_family(job);
    trace("ledger", "%s lives again, put back %d times", job->id, row->redrive_count);
}

static enum ledger_verdict look(struct job *job, const struct ledger_claim *claim,
                                const struct ledger_claims *all)
{
    struct row *row = &job->row;
    if (row->state == ROW_NONE)
        *row = (struct row){.state = ROW_WAITING,
                            .attempt = claim->attempt,
                            .redrive_count = claim->redrive_count,
                            .place = claim->is_ordered ? ++last_place : 0};
    if (row->state == ROW_ENDED && row->end == EVENT_DEAD_LETTERED &&
        claim->redrive_count > row->redrive_count)
        reopen(job, claim);
    if (row->state == ROW_ENDED)
        return LEDGER_DONE;
    if (job->cancel_asked) {
        end_cancelled(job, "job.cancelled");
        return LEDGER_CANCELLED;
    }
    if (row->state == ROW_WAITING && row->due_us > all->now_us &&
        claim->not_before_us < row->due_us)
        return LEDGER_WAIT;
    if (row->place != 0 && head_before(job) != NULL)
        return LEDGER_BEHIND;
    if (claim->dedupe_key != NULL && row->starts == 0 && row->redrive_count == 0 &&
        take_key(job, claim, all->now_us) != job->number) {
        end_cancelled(job, "job.duplicate");
        return LEDGER_CANCELLED;
    }
    int others = starts_before(row);
    if (others > 0 && others == all->max_starts - 1 && !claim->is_alone)
        return LEDGER_SUSPECT;
    return others >= all->max_starts ? LEDGER_POISON : LEDGER_RUN;
}

static enum ledger_verdict claim_one(struct job *job, const struct ledger_claim *claim,
                                     const struct ledger_claims *all)
{
    struct row *row = &job->row;
    note_undo((struct undo){.job = job, .row = *row});
    enum ledger_verdict verdict = look(job, claim, all);
    if (verdict != LEDGER_RUN && verdict != LEDGER_POISON)
        return verdict;
    if (wall_us() + CLOCK_ERROR_US < job->planned_us && is_in_time())
        violation(job, "too early", "%s is claimed %.3f s before its time", job->id,
                  (double)(job->planned_us - wall_us()) / (double)SECOND);
    row->starts = starts_before(row) + 1;
    row->state = ROW_RUNNING;
    row->owner = process_now();
    row->claimer = NULL;
    row->due_us = 0;
    row->attempt = row->attempt > claim->attempt ? row->attempt : claim->attempt;
    row->fence = fence_of_start();
    row->sequence += 1000000;
    return verdict;
}

/* The answer is here: the start is the process's. */
static void note_claimer(struct job *job, const struct ledger_claimed *claimed)
{
    bool is_start = claimed->verdict == LEDGER_RUN || claimed->verdict == LEDGER_POISON;
    if (!is_start || job->row.fence != claimed->fence)
        return;
    job->row.claimer = process_now();
    text_copy(job->row.token, sizeof job->row.token, job->beliefs[process_now()->place].token);
}

static void claim_number(const struct ledger_claims *all, size_t i, struct arena *arena,
                         struct ledger_claimed *ret_claimed)
{
    static const char *const names[] = {"claimed",   "has ended", "waits",  "cancelled",
                                        "is poison", "is behind", "suspect"};
    const struct ledger_claim *claim = &all->items[i];
    struct job *job = must_find(claim->job_id);
    enum ledger_verdict verdict = claim_one(job, claim, all);
    ret_claimed[i] = claimed_of(&job->row, verdict, arena);
    if (verdict == LEDGER_BEHIND) {
        const struct row *head = &head_before(job)->row;
        ret_claimed[i].due_us = head->due_us;
        ret_claimed[i].place = job->row.place;
        ret_claimed[i].head_place = head->place;
    }
    trace("ledger", "%s %s, attempt %d, fence %lld", job->id, names[verdict], job->row.attempt,
          (long long)job->row.fence);
}

enum outcome ledger_claim_many(struct pgsql *db, const struct ledger_claims *claims,
                               struct arena *arena, struct ledger_claimed *ret_claimed,
                               struct err *err)
{
    bool waits_for_disk = false;
    for (size_t i = 0; i < claims->count; i++)
        judge_start(must_find(claims->items[i].job_id));
    TRY(begin_call(db, err));
    for (size_t i = 0; i < claims->count; i++) {
        claim_number(claims, i, arena, ret_claimed);
        waits_for_disk = waits_for_disk || claims->items[i].is_ordered ||
                         ret_claimed[i].verdict == LEDGER_CANCELLED;
    }
    if (waits_for_disk)
        write_down();
    TRY(service_return(hub, err));
    for (size_t i = 0; i < claims->count; i++)
        note_claimer(must_find(claims->items[i].job_id), &ret_claimed[i]);
    return OUTCOME_OK;
}

enum outcome ledger_place_many(struct pgsql *db, const struct ledger_claims *jobs_read,
                               struct arena *arena, struct err *err)
{
    (void)arena;
    TRY(begin_call(db, err));
    for (size_t i = 0; i < jobs_read->count; i++) {
        struct job *job = must_find(jobs_read->items[i].job_id);
        if (job->row.state != ROW_NONE)
            continue;
        note_undo((struct undo){.job = job, .row = job->row});
        job->row = (struct row){
            .state = ROW_WAITING, .attempt = jobs_read->items[i].attempt, .place = ++last_place};
        trace("ledger", "%s has place %lld", job->id, (long long)job->row.place);
    }
    write_down();
    return service_return(hub, err);
}

/* ---- the end of a start ---- */

static void judge_deadline(const struct job *job, const struct err *error)
{
    bool is_for_it = error != NULL && strcmp(error->code, "job.deadline") == 0;
    if (is_for_it && wall_us() + CLOCK_ERROR_US < job->deadline_us && is_in_time())
        violation(job, "too early", "%s is given up %.3f s before its deadline", job->id,
                  (double)(job->deadline_us - wall_us()) / (double)SECOND);
}

/* Should who ends it die at once, a record of it must be there that is delivered again. */
static void judge_end(const struct job *job, const struct ledger_settlement *end)
{
    int told_by = job->open_records - (end->state == EVENT_CANCELLED ? 0 : job->open_nets);
    if (told_by <= 0)
        violation(job, "untold end", "%s ends %s, and no record that would tell it is open",
                  process_now()->name, job->id);
}

static enum ledger_answer finish(struct job *job, const struct ledger_settlement *end)
{
    struct row *row = &job->row;
    judge_deadline(job, end->error);
    bool may_end = row->state == ROW_RUNNING || (row->state == ROW_ENDED && row->end == end->state);
    if (row->fence != end->fence || !may_end)
        return LEDGER_FENCED;
    if (row->state == ROW_RUNNING)
        judge_end(job, end);
    row->state = ROW_ENDED;
    row->end = end->state;
    row->starts = 0;
    row->due_us = row->wait_fence = 0;
    row->sequence = end->sequence;
    set_error(row, end->error);
    if (job->dedupe_key != 0 && end->state != EVENT_SUCCEEDED &&
        dedupe_holders[job->dedupe_key] == job->number)
        dedupe_holders[job->dedupe_key] = 0;
    return LEDGER_OURS;
}

static enum ledger_answer release(struct job *job, const struct ledger_settlement *wait)
{
    struct row *row = &job->row;
    if (row->fence != wait->fence || row->state == ROW_ENDED || row->state == ROW_NONE)
        return LEDGER_FENCED;
    if (job->cancel_asked) {
        end_cancelled(job, "job.cancelled");
        return LEDGER_ENDED_CANCELLED;
    }
    if (!wait->is_unbegun && (wait->wait_fence == 0 || wait->wait_fence == wait->fence))
        row->starts = job->deaths = job->forgotten_starts = 0;
    else if (row->state == ROW_RUNNING && row->starts > 0)
        row->starts--; /* it proves nothing */
    row->state = ROW_WAITING;
    row->attempt = wait->next_attempt;
    row->due_us = wait->due_us;
    row->wait_fence = wait->wait_fence;
    if (wait->error != NULL)
        set_error(row, wait->error);
    job->planned_us = wait->due_us;
    job->releases++;
    return LEDGER_OURS;
}

static enum ledger_answer settle(const struct ledger_settlement *it)
{
    static const char *const names[] = {"", ": FENCED", ": cancelled"};
    struct job *job = must_find(it->job_id);
    outside_judge_hold(job, it->error);
    enum ledger_answer answer = it->is_end ? finish(job, it) : release(job, it);
    if (it->is_end)
        trace("ledger", "%s %s%s, fence %lld", job->id, event_state_name(it->state), names[answer],
              (long long)it->fence);
    else
        trace("ledger", "%s waits again%s, next attempt %d in %.3f s, fence %lld", job->id,
              names[answer], it->next_attempt,
              it->due_us == 0 ? 0 : (double)(it->due_us - wall_us()) / (double)SECOND,
              (long long)it->fence);
    return answer;
}

enum outcome ledger_settle_many(struct pgsql *db, const struct ledger_settlement *list,
                                size_t count, struct arena *arena,
                                struct ledger_settled *ret_settled, struct err *err)
{
    TRY(begin_call(db, err));
    for (size_t i = 0; i < count; i++) {
        ret_settled[i].answer = settle(&list[i]);
        ret_settled[i].after = claimed_of(&must_find(list[i].job_id)->row, LEDGER_RUN, arena);
    }
    write_down();
    return service_return(hub, err);
}

/* ---- cancels ---- */

enum outcome ledger_now(struct pgsql *db, int64_t *ret_now_us, struct err *err)
{
    int64_t asked_us = world_us;
    TRY(begin_call(db, err));
    int64_t now_us = wall_us();
    TRY(service_return(hub, err));
    *ret_now_us = now_us;
    process_now()->has_heard_time = true;
    if (db->skips_fences && world_us - asked_us < CLOCK_GOOD_US - 10 * MS) /* the clock is set */
        process_now()->knows_time = true;
    return OUTCOME_OK;
}

enum outcome ledger_cancels(struct pgsql *db, const char *job_ids, struct arena *arena,
                            const char **ret_job_ids, struct err *err)
{
    struct str found = str_with_max(4096);
    TRY(begin_call(db, err));
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
    hub_end_family(job);
    if (job->row.state != ROW_WAITING)
        return LEDGER_CANCEL_ASKED;
    end_cancelled(job, "job.cancelled");
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
    write_down();
    const struct row *row = &job->row;
    struct ledger_row copy = {.job_id = job->id,
                              .workspace_id = "w",
                              .kind = "free",
                              .worker = WORKER_NAME,
                              .state = row->state == ROW_ENDED ? event_state_name(row->end) : "",
                              .attempt = row->attempt,
                              .redrive_count = row->redrive_count,
                              .sequence = row->sequence,
                              .error = {.outcome = row->error}};
    text_copy(copy.error.code, sizeof copy.error.code, row->error_code);
    trace("ledger", "%s cancel: %s", job->id, names[verdict]);
    TRY(service_return(hub, err));
    *ret_verdict = verdict;
    *ret_row = copy;
    return OUTCOME_OK;
}

/* ---- the effect of a run: a row of a system that knows nothing of the ledger ---- */

/* It keeps the greatest fence that it has seen, and refuses lower ones. A later start may write the
 * row anew as long as the job has not ended well; a child whose effect is known need not. */
static bool write_effect(struct job *job, int64_t fence)
{
    bool is_over = job->row.state == ROW_ENDED && job->row.end == EVENT_SUCCEEDED;
    bool is_more = fence == job->effect_fence || (is_over && job->kind != KIND_CHILD);
    if (fence < job->effect_fence)
        return false;
    job->effect_fence = fence;
    job->applied = is_more ? job->applied + 1 : 1;
    return true;
}

enum effect hub_apply(struct job *job, int64_t fence)
{
    struct err err = {0};
    if (service_reach(hub, &err) != OUTCOME_OK)
        return EFFECT_UNREACHABLE;
    bool ours = write_effect(job, fence);
    trace("effect", "%s %s, fence %lld", job->id, ours ? "applied" : "FENCED", (long long)fence);
    if (job->applied > 1)
        violation(job, "effect", "%s has had its effect, and has it again by fence %lld", job->id,
                  (long long)fence);
    if (service_return(hub, &err) != OUTCOME_OK)
        return EFFECT_UNREACHABLE;
    return ours ? EFFECT_DONE : EFFECT_FENCED;
}

void hub_crash(void)
{
    forget_some();
    crashes++;
    service_down(hub, dice_span(100 * MS, 10 * SECOND));
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
