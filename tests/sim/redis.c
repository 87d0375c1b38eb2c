/* redis: run/lease_store.h on a model of Redis: leases and flags with an expiry, that may be
 * forgotten. */
#include "run/lease_store.h"

#include "world.h"

#define CANCEL_TTL_US (86400 * SECOND)

static struct service *const redis = &redis_service;

static bool is_leased(const struct job *job)
{
    return job->lease[0] != '\0' && world_us < job->lease_until_us;
}

void redis_flush(void)
{
    trace("redis", "FLUSHED");
    for (int i = 0; i < job_count; i++) {
        jobs[i].lease[0] = '\0';
        jobs[i].cancel_flag = false;
    }
}

static struct job *must_find(const char *id)
{
    struct job *job = job_find(id);
    if (job == NULL)
        violation(NULL, "unknown job", "a lease is asked for %s", id);
    return job;
}

static void believe(struct job *job)
{
    struct process *process = process_now();
    job->beliefs[process->place] = (struct belief){process, world_us, process->stops};
}

static bool acquire(const struct lease *lease, int64_t ttl_ms)
{
    struct job *job = must_find(lease->job_id);
    if (is_leased(job))
        return false;
    text_copy(job->lease, sizeof job->lease, lease->token);
    job->lease_until_us = world_us + ttl_ms * MS;
    believe(job);
    return true;
}

enum outcome lease_store_acquire(struct rconn *conn, const char *prefix, const struct lease *lease,
                                 int64_t ttl_ms, struct arena *arena, bool *ret_taken,
                                 struct err *err)
{
    (void)conn;
    (void)prefix;
    (void)arena;
    TRY(service_reach(redis, err));
    bool taken = acquire(lease, ttl_ms);
    trace("lease", "%s %s", lease->job_id, taken ? "taken" : "is another's");
    TRY(service_return(redis, err));
    *ret_taken = taken;
    return OUTCOME_OK;
}

static enum lease_state renew(const struct lease *lease, int64_t ttl_ms)
{
    struct job *job = must_find(lease->job_id);
    if (is_leased(job) && strcmp(job->lease, lease->token) != 0)
        return LEASE_LOST;
    text_copy(job->lease, sizeof job->lease, lease->token);
    job->lease_until_us = world_us + ttl_ms * MS;
    believe(job);
    return job->cancel_flag ? LEASE_CANCELLED : LEASE_KEPT;
}

enum outcome lease_store_renew(struct rconn *conn, const char *prefix, const struct lease *leases,
                               size_t count, int64_t ttl_ms, struct arena *arena,
                               enum lease_state *ret_states, struct err *err)
{
    static const char *const names[] = {"kept", "LOST", "kept, cancel asked"};
    (void)conn;
    (void)prefix;
    (void)arena;
    TRY(service_reach(redis, err));
    for (size_t i = 0; i < count; i++) {
        ret_states[i] = renew(&leases[i], ttl_ms);
        trace("lease", "%s %s", leases[i].job_id, names[ret_states[i]]);
    }
    return service_return(redis, err);
}

/* A lease is given up when its start is settled; a process that stops may do it before. */
static void judge_release(const struct job *job)
{
    const struct process *process = process_now();
    if (kinds_run_in(job, process))
        violation(job, "released while it runs", "%s gives up the lease of %s, which it runs",
                  process->name, job->id);
    if (job->row.state == ROW_RUNNING && job->claimer == process && !process->may_abandon)
        violation(job, "released before it is settled", "%s gives up the lease of %s, fence %lld",
                  process->name, job->id, (long long)job->row.fence);
}

static void release(const struct lease *lease, bool clear_cancel)
{
    struct job *job = must_find(lease->job_id);
    if (!is_leased(job) || strcmp(job->lease, lease->token) != 0)
        return;
    judge_release(job);
    job->lease[0] = '\0';
    job->beliefs[process_now()->place].process = NULL;
    if (clear_cancel)
        job->cancel_flag = false;
    trace("lease", "%s given up", job->id);
}

enum outcome lease_store_release(struct rconn *conn, const char *prefix, const struct lease *lease,
                                 bool clear_cancel, struct arena *arena, struct err *err)
{
    (void)conn;
    (void)prefix;
    (void)arena;
    TRY(service_reach(redis, err));
    release(lease, clear_cancel);
    return service_return(redis, err);
}

enum outcome lease_store_flag_cancel(struct rconn *conn, const char *prefix, const char *job_id,
                                     struct arena *arena, struct err *err)
{
    (void)conn;
    (void)prefix;
    (void)arena;
    TRY(service_reach(redis, err));
    must_find(job_id)->cancel_flag = true;
    return service_return(redis, err);
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
