/* lease_store: see lease_store.h. */
#include "run/lease_store.h"

#define CANCEL_TTL_MS "86400000"

/* 1 taken (or ours already), 0 another one's. */
static const char acquire_script[] =
    "if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end\n"
    "return redis.call('GET', KEYS[1]) == ARGV[1] and 1 or 0\n";

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

/* ---- the same for a lease that counts against a cap: KEYS[3], its most ARGV[3] ---- */

#define CAP_CLOCK                                                                                  \
    "local time = redis.call('TIME')\n"                                                            \
    "local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"
#define CAP_COUNT_IN                                                                               \
    "redis.call('ZADD', KEYS[3], now + ARGV[2], ARGV[1])\n"                                        \
    "redis.call('PEXPIRE', KEYS[3], ARGV[2])\n"

static const char capped_acquire_script[] =
    "local held = redis.call('GET', KEYS[1])\n"
    "if held and held ~= ARGV[1] then return 0 end\n" CAP_CLOCK
    "redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)\n"
    "if not redis.call('ZSCORE', KEYS[3], ARGV[1]) and\n"
    "   redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[3]) then return 0 end\n" CAP_COUNT_IN
    "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])\n"
    "return 1\n";

/* What runs is counted, also when that is one too many: it was forgotten in between. */
static const char capped_renew_script[] =
    "local held = redis.call('GET', KEYS[1])\n"
    "if held and held ~= ARGV[1] then return 0 end\n" CAP_CLOCK CAP_COUNT_IN
    "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])\n"
    "return redis.call('EXISTS', KEYS[2]) == 1 and 2 or 1\n";

static const char capped_release_script[] =
    "redis.call('ZREM', KEYS[3], ARGV[1])\n"
    "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\n"
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

/* ---- one script for each of many leases ---- */

struct pipeline {
    struct rconn *conn;
    const char *prefix, *script, *capped_script;
    struct leases leases;
    struct arena *arena;
};

static enum outcome append_capped(const struct pipeline *it, const struct lease *lease,
                                  const struct keys *keys, const char *second_arg, struct err *err)
{
    const char *cap = arena_printf(it->arena, "%scap:%s", it->prefix, lease->cap);
    const char *most = arena_printf(it->arena, "%lld", (long long)lease->cap_max);
    TRY_ALLOC(cap, err);
    TRY_ALLOC(most, err);
    struct rscript_call call = {.source = it->capped_script,
                                .keys = RWORDS(keys->lease, keys->cancel, cap),
                                .args = RWORDS(lease->token, second_arg, most)};
    return rconn_append_script(it->conn, &call, err);
}

static enum outcome append_all(const struct pipeline *it, const char *const *second_args,
                               struct err *err)
{
    for (size_t i = 0; i < it->leases.count; i++) {
        const struct lease *lease = &it->leases.items[i];
        struct keys keys;
        TRY(make_keys(it->arena, it->prefix, lease->job_id, &keys, err));
        struct rscript_call call = {.source = it->script,
                                    .keys = RWORDS(keys.lease, keys.cancel),
                                    .args = RWORDS(lease->token, second_args[i])};
        if (lease->cap != NULL)
            TRY(append_capped(it, lease, &keys, second_args[i], err));
        else
            TRY(rconn_append_script(it->conn, &call, err));
    }
    return OUTCOME_OK;
}

/* Answers from 0 to `max`. Each reply is read, also behind one that failed: the pipeline must be
 * empty at the end. */
static enum outcome read_all(const struct pipeline *it, int64_t max, int64_t *ret_answers,
                             struct err *err)
{
    enum outcome outcome = OUTCOME_OK;
    struct err ignored;
    for (size_t i = 0; rconn_pending(it->conn) > 0; i++) {
        const struct rreply *reply = NULL;
        enum outcome read =
            rconn_read(it->conn, it->arena, &reply, outcome == OUTCOME_OK ? err : &ignored);
        int64_t answer = read == OUTCOME_OK ? rreply_int(reply, -1) : -1;
        if (outcome == OUTCOME_OK && (answer < 0 || answer > max))
            outcome = read != OUTCOME_OK ? read
                                         : FAIL(err, OUTCOME_RETRY, "redis.busy",
                                                "a lease's script got a strange answer");
        else if (outcome == OUTCOME_OK && i < it->leases.count)
            ret_answers[i] = answer;
    }
    return outcome;
}

static enum outcome run_all(const struct pipeline *it, const char *const *second_args, int64_t max,
                            int64_t **ret_answers, struct err *err)
{
    int64_t *answers = ARENA_ARRAY(it->arena, int64_t, it->leases.count);
    struct err unread;
    TRY_ALLOC(answers, err);
    enum outcome outcome = append_all(it, second_args, err);
    enum outcome read = read_all(it, max, answers, outcome == OUTCOME_OK ? err : &unread);
    *ret_answers = answers;
    return outcome == OUTCOME_OK ? read : outcome;
}

/* The same second argument for all. */
static const char **repeat(struct arena *arena, const char *text, size_t count)
{
    const char **texts = ARENA_ARRAY(arena, const char *, count);
    for (size_t i = 0; texts != NULL && i < count; i++)
        texts[i] = text;
    return texts;
}

static enum outcome run_with_ttl(const struct pipeline *it, int64_t ttl_ms, int64_t max,
                                 int64_t **ret_answers, struct err *err)
{
    const char *ttl = arena_printf(it->arena, "%lld", (long long)ttl_ms);
    TRY_ALLOC(ttl, err);
    const char **ttls = repeat(it->arena, ttl, it->leases.count);
    TRY_ALLOC(ttls, err);
    return run_all(it, ttls, max, ret_answers, err);
}

enum outcome lease_store_acquire_many(struct rconn *conn, const char *prefix, struct leases leases,
                                      int64_t ttl_ms, struct arena *arena, bool *ret_taken,
                                      struct err *err)
{
    struct pipeline it = {conn, prefix, acquire_script, capped_acquire_script, leases, arena};
    int64_t *answers = NULL;
    TRY(run_with_ttl(&it, ttl_ms, 1, &answers, err));
    for (size_t i = 0; i < leases.count; i++)
        ret_taken[i] = answers[i] == 1;
    return OUTCOME_OK;
}

enum outcome lease_store_renew(struct rconn *conn, const char *prefix, struct leases leases,
                               int64_t ttl_ms, struct arena *arena, enum lease_state *ret_states,
                               struct err *err)
{
    static const enum lease_state states[] = {LEASE_LOST, LEASE_KEPT, LEASE_CANCELLED};
    struct pipeline it = {conn, prefix, renew_script, capped_renew_script, leases, arena};
    int64_t *answers = NULL;
    TRY(run_with_ttl(&it, ttl_ms, 2, &answers, err));
    for (size_t i = 0; i < leases.count; i++)
        ret_states[i] = states[answers[i]];
    return OUTCOME_OK;
}

enum outcome lease_store_release_many(struct rconn *conn, const char *prefix, struct leases leases,
                                      const bool *clear_cancel, struct arena *arena,
                                      struct err *err)
{
    struct pipeline it = {conn, prefix, release_script, capped_release_script, leases, arena};
    const char **flags = ARENA_ARRAY(arena, const char *, leases.count);
    int64_t *answers = NULL;
    TRY_ALLOC(flags, err);
    for (size_t i = 0; i < leases.count; i++)
        flags[i] = clear_cancel[i] ? "1" : "0";
    return run_all(&it, flags, 1, &answers, err);
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
