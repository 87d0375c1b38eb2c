/* lease_store: see lease_store.h. */
#include "run/lease_store.h"

#define CANCEL_TTL_MS "86400000"

/* A lease that is gone (expired while we were stopped, or forgotten) and that nobody else took is
 * taken again: the fence keeps whoever comes later apart. 0 lost, 1 kept, 2 cancel asked. */
static const char renew_script[] = "local held = redis.call('GET', KEYS[1])\n"
                                   "if held and held ~= ARGV[1] then return 0 end\n"
                                   "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])\n"
                                   "return redis.call('EXISTS', KEYS[2]) == 1 and 2 or 1\n";

static const char release_script[] = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\n"
                                     "redis.call('DEL', KEYS[1])\n"
                                     "if ARGV[2] == '1' then redis.call('DEL', KEYS[2]) end\n"
                                     "return 1\n";

struct keys {
    const char *lease, *cancel;
};

static enum outcome make_keys(struct arena *arena, const char *prefix, const char *job_id,
                              struct keys *ret_keys, struct err *err)
{
    struct keys keys = {.lease = arena_printf(arena, "%slease:%s", prefix, job_id),
                        .cancel = arena_printf(arena, "%scancel:%s", prefix, job_id)};
    TRY_ALLOC(keys.lease, err);
    TRY_ALLOC(keys.cancel, err);
    *ret_keys = keys;
    return OUTCOME_OK;
}

enum outcome lease_store_acquire(struct rconn *conn, const char *prefix, const struct lease *lease,
                                 int64_t ttl_ms, struct arena *arena, bool *ret_taken,
                                 struct err *err)
{
    struct keys keys;
    const struct rreply *reply = NULL;
    TRY(make_keys(arena, prefix, lease->job_id, &keys, err));
    const char *ttl = arena_printf(arena, "%lld", (long long)ttl_ms);
    TRY_ALLOC(ttl, err);
    TRY(rconn_call(conn, arena, RWORDS("SET", keys.lease, lease->token, "NX", "PX", ttl), &reply,
                   err));
    *ret_taken = reply->type == RREPLY_STATUS;
    return OUTCOME_OK;
}

static enum outcome append_renewals(struct rconn *conn, const char *prefix,
                                    const struct lease *leases, size_t count, int64_t ttl_ms,
                                    struct arena *arena, struct err *err)
{
    const char *ttl = arena_printf(arena, "%lld", (long long)ttl_ms);
    TRY_ALLOC(ttl, err);
    for (size_t i = 0; i < count; i++) {
        struct keys keys;
        TRY(make_keys(arena, prefix, leases[i].job_id, &keys, err));
        struct rscript_call call = {.source = renew_script,
                                    .keys = RWORDS(keys.lease, keys.cancel),
                                    .args = RWORDS(leases[i].token, ttl)};
        TRY(rconn_append_script(conn, &call, err));
    }
    return OUTCOME_OK;
}

enum outcome lease_store_renew(struct rconn *conn, const char *prefix, const struct lease *leases,
                               size_t count, int64_t ttl_ms, struct arena *arena,
                               enum lease_state *ret_states, struct err *err)
{
    static const enum lease_state states[] = {LEASE_LOST, LEASE_KEPT, LEASE_CANCELLED};
    enum outcome outcome = append_renewals(conn, prefix, leases, count, ttl_ms, arena, err);
    /* Each reply is read, also behind one that failed: the pipeline must be empty at the end. */
    for (size_t i = 0; rconn_pending(conn) > 0; i++) {
        const struct rreply *reply = NULL;
        enum outcome read = rconn_read(conn, arena, &reply, err);
        int64_t state = read == OUTCOME_OK ? rreply_int(reply, -1) : -1;
        if (outcome == OUTCOME_OK && (state < 0 || state > 2))
            outcome = read != OUTCOME_OK ? read
                                         : FAIL(err, OUTCOME_RETRY, "redis.busy",
                                                "a renewal got a strange answer");
        else if (outcome == OUTCOME_OK && i < count)
            ret_states[i] = states[state];
    }
    return outcome;
}

enum outcome lease_store_release(struct rconn *conn, const char *prefix, const struct lease *lease,
                                 bool clear_cancel, struct arena *arena, struct err *err)
{
    struct keys keys;
    const struct rreply *reply = NULL;
    TRY(make_keys(arena, prefix, lease->job_id, &keys, err));
    struct rscript_call call = {.source = release_script,
                                .keys = RWORDS(keys.lease, keys.cancel),
                                .args = RWORDS(lease->token, clear_cancel ? "1" : "0")};
    return rconn_script(conn, arena, &call, &reply, err);
}

enum outcome lease_store_flag_cancel(struct rconn *conn, const char *prefix, const char *job_id,
                                     struct arena *arena, struct err *err)
{
    struct keys keys;
    const struct rreply *reply = NULL;
    TRY(make_keys(arena, prefix, job_id, &keys, err));
    return rconn_call(conn, arena, RWORDS("SET", keys.cancel, "1", "PX", CANCEL_TTL_MS), &reply,
                      err);
}
