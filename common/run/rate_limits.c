/* rate_limits: see rate_limits.h. The arithmetic is common/model/gcra.c: a test runs both beside
 * each other. */
#include "run/rate_limits.h"

#include <inttypes.h>
#include <stdlib.h>

/* KEYS: the hash; the workspaces that wait, by when they stop to count. ARGV: interval, burst,
 * cost, reserve, workspace. Returns the wait, 0 = taken. */
static const char take_script[] =
    "local time = redis.call('TIME')\n"
    "local now = time[1] * 1000000 + time[2]\n"
    "local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])\n"
    "local cost, reserve, workspace = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]\n"
    "local h = redis.call('HMGET', KEYS[1], 'tat', 'block', 'w:' .. workspace)\n"
    "local function start(tat, step, depth)\n"
    "  return math.max(now, math.min(tonumber(tat or '0'), now + step * depth))\n"
    "end\n"
    "local function wait_of(from, step, depth, needed)\n"
    "  return from - now - step * (depth - math.min(needed, depth))\n"
    "end\n"
    "redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)\n"
    "local others = redis.call('ZCARD', KEYS[2])\n"
    "if redis.call('ZSCORE', KEYS[2], workspace) then others = others - 1 end\n"
    "local share = others + 1\n"
    "local from = start(h[1], interval, burst)\n"
    "local wait = wait_of(from, interval, burst, cost + math.min(reserve, burst))\n"
    "local step, depth = interval * share, math.max(1, math.ceil(burst / share))\n"
    "local own = start(h[3], step, depth)\n"
    "if others > 0 then wait = math.max(wait, wait_of(own, step, depth, cost)) end\n"
    "wait = math.max(wait, tonumber(h[2] or '0') - now)\n"
    "local keep = math.ceil(interval * (burst + cost) * 2 / 1000) + 1000\n"
    "local function text(value) return string.format('%.0f', value) end\n"
    "if wait > 0 then\n"
    "  redis.call('ZADD', KEYS[2], text(now + wait + 1000000), workspace)\n"
    "  redis.call('PEXPIRE', KEYS[2], text(math.ceil(wait / 1000) + 2000))\n"
    "  return wait\n"
    "end\n"
    "redis.call('ZREM', KEYS[2], workspace)\n"
    "redis.call('HSET', KEYS[1], 'tat', text(from + interval * cost), 'w:' .. workspace,\n"
    "  text(own + step * cost))\n"
    "local left = redis.call('PTTL', KEYS[1])\n"
    "redis.call('PEXPIRE', KEYS[1], text(math.max(left, keep)))\n"
    "return 0\n";

/* ARGV: interval, burst, remaining (-1 = not told), block (0 = none). */
static const char tell_script[] =
    "local time = redis.call('TIME')\n"
    "local now = time[1] * 1000000 + time[2]\n"
    "local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])\n"
    "local remaining, block = tonumber(ARGV[3]), tonumber(ARGV[4])\n"
    "local h = redis.call('HMGET', KEYS[1], 'tat', 'block')\n"
    "local tat, till = tonumber(h[1] or '0'), tonumber(h[2] or '0')\n"
    "if remaining >= 0 then\n"
    "  tat = math.max(tat, now + interval * (burst - math.min(remaining, burst)))\n"
    "end\n"
    "if block > 0 then till = math.max(till, now + block) end\n"
    "redis.call('HSET', KEYS[1], 'tat', string.format('%.0f', tat), 'block',\n"
    "  string.format('%.0f', till))\n"
    "redis.call('PEXPIRE', KEYS[1], string.format('%.0f',\n"
    "  math.ceil(math.max(till - now, interval * burst * 2, 0) / 1000) + 1000))\n"
    "return 0\n";

struct keys {
    const char *rate, *waiting, *interval, *burst;
};

static const char *number(struct arena *arena, int64_t value)
{
    return arena_printf(arena, "%" PRId64, value);
}

static enum outcome make_keys(struct arena *arena, const char *prefix, const struct rate_key *key,
                              struct keys *ret_keys, struct err *err)
{
    if (!gcra_limit_is_valid(&key->limit))
        return FAIL(err, OUTCOME_PERMANENT, "rate.limit", "the rate limit of %s is none",
                    key->provider);
    struct keys keys = {
        .rate = arena_printf(arena, "%srate:%s:%s", prefix, key->provider, key->credential),
        .waiting =
            arena_printf(arena, "%srate-waiting:%s:%s", prefix, key->provider, key->credential),
        .interval = number(arena, gcra_interval_us(&key->limit)),
        .burst = number(arena, key->limit.burst)};
    TRY_ALLOC(keys.rate, err);
    TRY_ALLOC(keys.waiting, err);
    TRY_ALLOC(keys.interval, err);
    TRY_ALLOC(keys.burst, err);
    *ret_keys = keys;
    return OUTCOME_OK;
}

/* Of ten of the burst, how many are left for what is more urgent. */
static int64_t reserve_of(const struct rate_request *request)
{
    static const int64_t tenths[] = {[JOB_INTERACTIVE] = 0, [JOB_DEFAULT] = 1, [JOB_BULK] = 3};
    return request->key.limit.burst * tenths[request->priority] / 10;
}

static enum outcome append(struct rconn *conn, const char *prefix,
                           const struct rate_request *request, struct arena *arena, struct err *err)
{
    struct keys keys;
    TRY(make_keys(arena, prefix, &request->key, &keys, err));
    const char *cost = number(arena, request->cost < 1 ? 1 : request->cost);
    const char *reserve = number(arena, reserve_of(request));
    TRY_ALLOC(cost, err);
    TRY_ALLOC(reserve, err);
    struct rscript_call call = {
        .source = take_script,
        .keys = RWORDS(keys.rate, keys.waiting),
        .args = RWORDS(keys.interval, keys.burst, cost, reserve, request->workspace_id)};
    return rconn_append_script(conn, &call, err);
}

static enum outcome take_once(struct rconn *conn, const char *prefix,
                              const struct rate_request *requests, size_t count,
                              struct arena *arena, int64_t *waits, struct err *err)
{
    enum outcome outcome = OUTCOME_OK;
    for (size_t i = 0; i < count && outcome == OUTCOME_OK; i++)
        outcome = append(conn, prefix, &requests[i], arena, err);
    /* Each reply is read, also behind one that failed: the pipeline must be empty at the end. */
    for (size_t i = 0; rconn_pending(conn) > 0; i++) {
        const struct rreply *reply = NULL;
        struct err unused = {0};
        enum outcome read = rconn_read(conn, arena, &reply, outcome == OUTCOME_OK ? err : &unused);
        if (outcome == OUTCOME_OK && read == OUTCOME_OK)
            waits[i] = rreply_int(reply, 0);
        else if (outcome == OUTCOME_OK)
            outcome = read;
    }
    return outcome;
}

enum outcome rate_limits_take(struct rconn *conn, const char *prefix,
                              const struct rate_request *requests, size_t count,
                              struct arena *arena, int64_t *ret_wait_us, struct err *err)
{
    struct err failure = {0};
    int64_t *waits = ARENA_ARRAY(arena, int64_t, count + 1);
    TRY_ALLOC(waits, err);
    enum outcome outcome = take_once(conn, prefix, requests, count, arena, waits, &failure);
    /* A restarted Redis has forgotten the script: none of it was done. */
    if (outcome != OUTCOME_OK && strcmp(failure.native, "NOSCRIPT") == 0)
        outcome = take_once(conn, prefix, requests, count, arena, waits, &failure);
    if (outcome != OUTCOME_OK) {
        if (err != NULL)
            *err = failure;
        return outcome;
    }
    memcpy(ret_wait_us, waits, count * sizeof *waits);
    return OUTCOME_OK;
}

enum outcome rate_limits_tell(struct rconn *conn, const char *prefix, const struct rate_key *key,
                              const struct rate_told *told, struct arena *arena, struct err *err)
{
    struct keys keys;
    const struct rreply *reply = NULL;
    TRY(make_keys(arena, prefix, key, &keys, err));
    const char *remaining = number(arena, told->remaining);
    const char *block = number(arena, rate_told_block_us(told));
    TRY_ALLOC(remaining, err);
    TRY_ALLOC(block, err);
    struct rscript_call call = {.source = tell_script,
                                .keys = RWORDS(keys.rate),
                                .args = RWORDS(keys.interval, keys.burst, remaining, block)};
    return rconn_script(conn, arena, &call, &reply, err);
}
