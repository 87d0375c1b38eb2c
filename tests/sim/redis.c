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

static void forget(struct job *job)
{
    job->lease[0] = '\0';
    job->cap_until_us = 0;
    job->cancel_flag = false;
}

void redis_flush(void)
{
    trace("redis", "FLUSHED");
    outside_forget();
    for (int i = 0; i < job_count; i++)
        forget(&jobs[i]);
}

void redis_fail_over(void)
{
    trace("redis", "FAILS OVER to a replica that has not heard all");
    for (int i = 0; i < job_count; i++)
        if (chance(300000))
            forget(&jobs[i]);
}

bool redis_has_whole_lease(const struct job *job)
{
    return is_leased(job) && job->lease_is_whole;
}

static struct job *must_find(const char *id)
{
    struct job *job = job_find(id);
    if (job == NULL)
        violation(NULL, "unknown job", "a lease is asked for %s", id);
    return job;
}

static void believe(struct job *job, int more)
{
    struct process *process = process_now();
    struct belief *belief = &job->beliefs[process->place];
    if (belief->process != process)
        *belief = (struct belief){.process = process};
    belief->held = belief->held + more > 0 ? belief->held + more : 0;
    belief->since_us = world_us;
    belief->stops = process->stops;
}

static bool has_room(const struct lease *lease)
{
    int64_t held = 0;
    for (int i = 0; lease->cap != NULL && i < job_count; i++)
        held += world_us < jobs[i].cap_until_us && strcmp(jobs[i].cap, lease->cap) == 0 &&
                strcmp(jobs[i].lease, lease->token) != 0;
    return lease->cap == NULL || held < lease->cap_max;
}

/* What does not say against which cap it counts, counts no longer than it did. */
static void hold(struct job *job, const struct lease *lease, int64_t ttl_ms)
{
    text_copy(job->lease, sizeof job->lease, lease->token);
    job->lease_until_us = world_us + ttl_ms * MS;
    if (lease->cap == NULL)
        return;
    text_copy(job->cap, sizeof job->cap, lease->cap);
    job->cap_until_us = job->lease_until_us;
}

static bool acquire(const struct lease *lease, int64_t ttl_ms)
{
    struct job *job = must_find(lease->job_id);
    if (is_leased(job) && strcmp(job->lease, lease->token) != 0)
        return false;
    if (!has_room(lease))
        return false;
    job->lease_is_whole = true;
    hold(job, lease, ttl_ms);
    believe(job, 1);
    text_copy(job->beliefs[process_now()->place].token, sizeof lease->token, lease->token);
    return true;
}

enum outcome lease_store_acquire_many(struct rconn *conn, const char *prefix, struct leases leases,
                                      int64_t ttl_ms, struct arena *arena, bool *ret_taken,
                                      struct err *err)
{
    (void)conn;
    (void)prefix;
    (void)arena;
    TRY(service_reach(redis, err));
    for (size_t i = 0; i < leases.count; i++) {
        ret_taken[i] = acquire(&leases.items[i], ttl_ms);
        trace("lease", "%s %s", leases.items[i].job_id, ret_taken[i] ? "taken" : "is another's");
    }
    return service_return(redis, err);
}

static enum lease_state renew(const struct lease *lease, int64_t ttl_ms)
{
    struct job *job = must_find(lease->job_id);
    if (is_leased(job) && strcmp(job->lease, lease->token) != 0)
        return LEASE_LOST;
    job->lease_is_whole = redis_has_whole_lease(job);
    hold(job, lease, ttl_ms);
    believe(job, 0);
    return job->cancel_flag ? LEASE_CANCELLED : LEASE_KEPT;
}

enum outcome lease_store_renew(struct rconn *conn, const char *prefix, struct leases leases,
                               int64_t ttl_ms, struct arena *arena, enum lease_state *ret_states,
                               struct err *err)
{
    static const char *const names[] = {"kept", "LOST", "kept, cancel asked"};
    (void)conn;
    (void)prefix;
    (void)arena;
    TRY(service_reach(redis, err));
    for (size_t i = 0; i < leases.count; i++) {
        ret_states[i] = renew(&leases.items[i], ttl_ms);
        trace("lease", "%s %s", leases.items[i].job_id, names[ret_states[i]]);
    }
    return service_return(redis, err);
}

/* A lease is given up when its start is settled; a process that stops may do it before. */
static void judge_release(const struct job *job, const struct lease *lease)
{
    const struct process *process = process_now();
    if (job->row.state == ROW_RUNNING && job->row.claimer == process &&
        strcmp(job->row.token, lease->token) == 0 && !process->may_abandon)
        violation(job, "released before it is settled", "%s gives up the lease of %s, fence %lld",
                  process->name, job->id, (long long)job->row.fence);
}

static void release(const struct lease *lease, bool clear_cancel)
{
    struct job *job = must_find(lease->job_id);
    believe(job, -1);
    if (!is_leased(job) || strcmp(job->lease, lease->token) != 0)
        return;
    judge_release(job, lease);
    job->lease[0] = '\0';
    job->cap_until_us = 0;
    if (clear_cancel)
        job->cancel_flag = false;
    trace("lease", "%s given up", job->id);
}

enum outcome lease_store_release_many(struct rconn *conn, const char *prefix, struct leases leases,
                                      const bool *clear_cancel, struct arena *arena,
                                      struct err *err)
{
    (void)conn;
    (void)prefix;
    (void)arena;
    TRY(service_reach(redis, err));
    for (size_t i = 0; i < leases.count; i++)
        release(&leases.items[i], clear_cancel[i]);
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
