/* bus_hub: the ledger, leases, connections, signals and HTTP in memory; see bus.h. */
#include "bus.h"

#include "base/clock.h"
#include "io/http_server.h"
#include "run/lease_store.h"
#include "run/ledger.h"
#include "run/signals.h"
#include "sync/hub.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define JOBS_MAX 4096

enum row_state { ROW_WAITING, ROW_RUNNING, ROW_ENDED };
struct row {
    char job_id[64];
    enum row_state state;
    enum event_state end;
    int attempt, starts, redrive_count;
    bool applied;
    int64_t fence, sequence, due_us, wait_fence;
    struct err error;
    bool cancel_asked, cancel_flagged;
    char lease[LEASE_TOKEN_SIZE];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct row rows[JOBS_MAX];
static size_t row_count;
static int64_t next_fence;
static int fail_hub, fail_redis;
static atomic_bool stop_asked;

/* The lock is held. */
static struct row *row_of(const char *job_id)
{
    for (size_t i = 0; i < row_count; i++) {
        if (strcmp(rows[i].job_id, job_id) == 0)
            return &rows[i];
    }
    if (row_count == JOBS_MAX)
        abort();
    struct row *row = &rows[row_count++];
    memset(row, 0, sizeof *row);
    text_copy(row->job_id, sizeof row->job_id, job_id);
    return row;
}

static enum outcome take_fault(int *count, const char *code, struct err *err)
{
    if (*count <= 0)
        return OUTCOME_OK;
    (*count)--;
    return FAIL(err, OUTCOME_RETRY, code, "asked to fail");
}

#define SET(what, value)                                                                           \
    do {                                                                                           \
        pthread_mutex_lock(&lock);                                                                 \
        what = (value);                                                                            \
        pthread_mutex_unlock(&lock);                                                               \
    } while (0)

void bus_fail_hub(int count)
{
    SET(fail_hub, count);
}

void bus_fail_redis(int count)
{
    SET(fail_redis, count);
}

void bus_ask_cancel(const char *job_id)
{
    pthread_mutex_lock(&lock);
    row_of(job_id)->cancel_asked = row_of(job_id)->cancel_flagged = true;
    pthread_mutex_unlock(&lock);
}

void bus_die_again(const char *job_id)
{
    pthread_mutex_lock(&lock);
    row_of(job_id)->redrive_count++;
    pthread_mutex_unlock(&lock);
}

void bus_forget_leases(void)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < row_count; i++)
        rows[i].lease[0] = '\0';
    pthread_mutex_unlock(&lock);
}

const char *bus_ledger_state(const char *job_id)
{
    pthread_mutex_lock(&lock);
    const struct row *row = row_of(job_id);
    const char *state = row->state == ROW_ENDED ? event_state_name(row->end) : "";
    pthread_mutex_unlock(&lock);
    return state;
}

bool bus_is_settled(const char *job_id)
{
    pthread_mutex_lock(&lock);
    const struct row *row = row_of(job_id);
    bool settled = row->state == ROW_ENDED || (row->state == ROW_WAITING && row->fence > 0);
    pthread_mutex_unlock(&lock);
    return settled;
}

bool bus_apply(const char *job_id, int64_t fence)
{
    pthread_mutex_lock(&lock);
    struct row *row = row_of(job_id);
    bool newest = row->fence == fence && row->state == ROW_RUNNING;
    row->applied |= newest; /* by its job's id: a second run finds it done */
    pthread_mutex_unlock(&lock);
    return newest;
}

bool bus_is_applied(const char *job_id)
{
    pthread_mutex_lock(&lock);
    bool applied = row_of(job_id)->applied;
    pthread_mutex_unlock(&lock);
    return applied;
}

size_t bus_jobs_ended(void)
{
    size_t count = 0;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < row_count; i++)
        count += rows[i].state == ROW_ENDED;
    pthread_mutex_unlock(&lock);
    return count;
}

/* ---- run/ledger.h ---- */

static struct ledger_claimed claimed_of(const struct row *row, enum ledger_verdict verdict)
{
    return (struct ledger_claimed){.verdict = verdict,
                                   .fence = row->fence,
                                   .attempt = row->attempt,
                                   .starts = row->starts,
                                   .sequence = row->sequence,
                                   .due_us = row->due_us,
                                   .wait_fence = row->wait_fence,
                                   .state = row->end,
                                   .redrive_count = row->redrive_count,
                                   .error = row->error.code[0] == '\0' ? NULL : &row->error};
}

static void end_cancelled(struct row *row)
{
    row->state = ROW_ENDED;
    row->end = EVENT_CANCELLED;
    row->fence = ++next_fence;
    row->sequence += 1000000;
    (void)FAIL(&row->error, OUTCOME_CANCELLED, "job.cancelled", "cancelled on request");
}

/* The lock is held. */
static enum ledger_verdict decide_claim(struct row *row, const struct ledger_claim *claim,
                                        const struct ledger_claims *all)
{
    row->attempt = row->attempt == 0 ? claim->attempt : row->attempt;
    if (row->state == ROW_ENDED)
        return LEDGER_DONE;
    if (row->cancel_asked) {
        end_cancelled(row);
        return LEDGER_CANCELLED;
    }
    if (row->state == ROW_WAITING && row->due_us > all->now_us &&
        claim->not_before_us < row->due_us)
        return LEDGER_WAIT;
    enum ledger_verdict verdict = row->starts >= all->max_starts ? LEDGER_POISON : LEDGER_RUN;
    row->state = ROW_RUNNING;
    row->starts++;
    row->due_us = 0;
    row->attempt = row->attempt > claim->attempt ? row->attempt : claim->attempt;
    row->fence = ++next_fence;
    row->sequence += 1000000;
    return verdict;
}

enum outcome ledger_place_many(struct pgsql *db, const struct ledger_claims *jobs,
                               struct arena *arena, struct err *err)
{
    (void)db;
    (void)jobs;
    (void)arena;
    pthread_mutex_lock(&lock);
    enum outcome outcome = take_fault(&fail_hub, "hub.unreachable", err);
    pthread_mutex_unlock(&lock);
    return outcome;
}

enum outcome ledger_claim_many(struct pgsql *db, const struct ledger_claims *claims,
                               struct arena *arena, struct ledger_claimed *ret_claimed,
                               struct err *err)
{
    (void)db;
    (void)arena;
    pthread_mutex_lock(&lock);
    enum outcome outcome = take_fault(&fail_hub, "hub.unreachable", err);
    for (size_t i = 0; outcome == OUTCOME_OK && i < claims->count; i++) {
        struct row *row = row_of(claims->items[i].job_id);
        enum ledger_verdict verdict = decide_claim(row, &claims->items[i], claims);
        ret_claimed[i] = claimed_of(row, verdict);
    }
    pthread_mutex_unlock(&lock);
    return outcome;
}

/* The lock is held. */
static enum ledger_answer decide_end(struct row *row, const struct ledger_settlement *end)
{
    if (row->fence != end->fence || row->state != ROW_RUNNING)
        return LEDGER_FENCED;
    row->state = ROW_ENDED;
    row->end = end->state;
    row->starts = 0;
    row->sequence = end->sequence;
    if (end->error != NULL)
        row->error = *end->error;
    return LEDGER_OURS;
}

/* The lock is held. */
static enum ledger_answer decide_release(struct row *row, const struct ledger_settlement *wait)
{
    if (row->fence != wait->fence || row->state == ROW_ENDED)
        return LEDGER_FENCED;
    if (row->cancel_asked) {
        end_cancelled(row);
        return LEDGER_ENDED_CANCELLED;
    }
    row->starts = wait->is_unbegun && row->state == ROW_RUNNING ? row->starts - 1
                  : wait->is_unbegun                            ? row->starts
                                                                : 0;
    row->state = ROW_WAITING;
    row->attempt = wait->next_attempt;
    row->due_us = wait->due_us;
    row->wait_fence = wait->wait_fence;
    return LEDGER_OURS;
}

enum outcome ledger_settle_many(struct pgsql *db, const struct ledger_settlement *list,
                                size_t count, struct arena *arena,
                                struct ledger_settled *ret_settled, struct err *err)
{
    (void)db;
    (void)arena;
    pthread_mutex_lock(&lock);
    enum outcome outcome = take_fault(&fail_hub, "hub.unreachable", err);
    for (size_t i = 0; outcome == OUTCOME_OK && i < count; i++) {
        struct row *row = row_of(list[i].job_id);
        ret_settled[i].answer =
            list[i].is_end ? decide_end(row, &list[i]) : decide_release(row, &list[i]);
        ret_settled[i].after = claimed_of(row, LEDGER_RUN);
    }
    pthread_mutex_unlock(&lock);
    return outcome;
}

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
    (void)db;
    (void)job_ids;
    (void)arena;
    (void)err;
    *ret_job_ids = "";
    return OUTCOME_OK;
}

/* ---- run/lease_store.h ---- */

enum outcome lease_store_acquire_many(struct rconn *conn, const char *prefix, struct leases leases,
                                      int64_t ttl_ms, struct arena *arena, bool *ret_taken,
                                      struct err *err)
{
    (void)conn;
    (void)prefix;
    (void)ttl_ms;
    (void)arena;
    pthread_mutex_lock(&lock);
    enum outcome outcome = take_fault(&fail_redis, "redis.unreachable", err);
    for (size_t i = 0; outcome == OUTCOME_OK && i < leases.count; i++) {
        const struct lease *lease = &leases.items[i];
        struct row *row = row_of(lease->job_id);
        ret_taken[i] = row->lease[0] == '\0' || strcmp(row->lease, lease->token) == 0;
        if (ret_taken[i])
            text_copy(row->lease, sizeof row->lease, lease->token);
    }
    pthread_mutex_unlock(&lock);
    return outcome;
}

enum outcome lease_store_renew(struct rconn *conn, const char *prefix, struct leases leases,
                               int64_t ttl_ms, struct arena *arena, enum lease_state *ret_states,
                               struct err *err)
{
    (void)conn;
    (void)prefix;
    (void)ttl_ms;
    (void)arena;
    pthread_mutex_lock(&lock);
    enum outcome outcome = take_fault(&fail_redis, "redis.unreachable", err);
    for (size_t i = 0; outcome == OUTCOME_OK && i < leases.count; i++) {
        const struct lease *lease = &leases.items[i];
        struct row *row = row_of(lease->job_id);
        bool kept = row->lease[0] == '\0' || strcmp(row->lease, lease->token) == 0;
        if (kept)
            text_copy(row->lease, sizeof row->lease, lease->token);
        ret_states[i] = !kept ? LEASE_LOST : row->cancel_flagged ? LEASE_CANCELLED : LEASE_KEPT;
    }
    pthread_mutex_unlock(&lock);
    return outcome;
}

enum outcome lease_store_release_many(struct rconn *conn, const char *prefix, struct leases leases,
                                      const bool *clear_cancel, struct arena *arena,
                                      struct err *err)
{
    (void)conn;
    (void)prefix;
    (void)arena;
    (void)err;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < leases.count; i++) {
        struct row *row = row_of(leases.items[i].job_id);
        if (strcmp(row->lease, leases.items[i].token) == 0)
            row->lease[0] = '\0';
        row->cancel_flagged = clear_cancel[i] ? false : row->cancel_flagged;
    }
    pthread_mutex_unlock(&lock);
    return OUTCOME_OK;
}

/* ---- connections that lead nowhere ---- */

enum outcome pgsql_open(const struct pgsql_conf *conf, struct pgsql **ret_db, struct err *err)
{
    (void)conf;
    (void)err;
    *ret_db = NULL;
    return OUTCOME_OK;
}

void pgsql_close(struct pgsql *db)
{
    (void)db;
}

enum outcome rconn_open(const struct rconn_conf *conf, struct rconn **ret_conn, struct err *err)
{
    (void)conf;
    (void)err;
    *ret_conn = NULL;
    return OUTCOME_OK;
}

void rconn_close(struct rconn *conn)
{
    (void)conn;
}

enum outcome hub_check_version(const struct hub *hub, struct err *err)
{
    (void)hub;
    (void)err;
    return OUTCOME_OK;
}

enum outcome http_server_open(const struct http_server_options *options,
                              struct http_server **ret_server, struct err *err)
{
    (void)options;
    (void)err;
    *ret_server = NULL;
    return OUTCOME_OK;
}

uint16_t http_server_port(const struct http_server *server)
{
    (void)server;
    return 0;
}

void http_server_close(struct http_server *server)
{
    (void)server;
}

void signals_install(void)
{
}

bool signals_is_stop_asked(void)
{
    return atomic_load(&stop_asked);
}

void bus_ask_stop(bool stop)
{
    atomic_store(&stop_asked, stop);
    if (stop)
        return;
    pthread_mutex_lock(&lock);
    row_count = 0;
    fail_hub = fail_redis = 0;
    pthread_mutex_unlock(&lock);
}
