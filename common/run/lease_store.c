/* lease_store: see lease_store.h. */
#include "run/lease_store.h"

#define CANCEL_TTL_MS "86400000"

/* A call of a script is for some leases that count against no cap: two keys (lease, cancel) and two
 * arguments each; an answer each. */

/* A lease that is gone (expired while we were stopped, or forgotten) and that nobody else took is
 * taken again: the fence keeps whoever comes later apart. 0 lost, 1 kept, 2 cancel asked. */
static const char renew_script[] =
    "local answers = {}\n"
    "for i = 1, #KEYS, 2 do\n"
    "  local lease, cancel, token, ttl = KEYS[i], KEYS[i + 1], ARGV[i], ARGV[i + 1]\n"
    "  local answer = 0\n"
    "  local held = redis.call('GET', lease)\n"
    "  if not held or held == token then\n"
    "    redis.call('SET', lease, token, 'PX', ttl)\n"
    "    answer = redis.call('EXISTS', cancel) == 1 and 2 or 1\n"
    "  end\n"
    "  answers[#answers + 1] = answer\n"
    "end\n"
    "return answers\n";

/* A command is dear within a script: one look at all, one end. */
static const char release_script[] =
    "local leases, ended, answers = {}, {}, {}\n"
    "for i = 1, #KEYS, 2 do leases[#leases + 1] = KEYS[i] end\n"
    "local held = redis.call('MGET', unpack(leases))\n"
    "for i = 1, #leases do\n"
    "  local ours = held[i] == ARGV[2 * i - 1]\n"
    "  if ours then\n"
    "    ended[#ended + 1] = leases[i]\n"
    "    if ARGV[2 * i] == '1' then ended[#ended + 1] = KEYS[2 * i] end\n"
    "  end\n"
    "  answers[i] = ours and 1 or 0\n"
    "end\n"
    "if #ended > 0 then redis.call('DEL', unpack(ended)) end\n"
    "return answers\n";

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

static const char *make_key(struct arena *arena, const char *prefix, const char *what,
                            const char *name)
{
    size_t prefix_len = strlen(prefix), what_len = strlen(what), name_len = strlen(name);
    char *key = arena_alloc(arena, prefix_len + what_len + name_len + 1);
    if (key == NULL)
        return NULL;
    memcpy(key, prefix, prefix_len);
    memcpy(key + prefix_len, what, what_len);
    memcpy(key + prefix_len + what_len, name, name_len);
    return key;
}

/* ---- calls: some leases that are next to each other, or one with a cap ---- */

/* Redis does nothing else while a script runs, and a command has so many words. */
#define LEASES_A_CALL ((size_t)32)

struct pipeline {
    struct rconn *conn;
    const char *prefix;
    const char *script; /* NULL: leases without a cap are taken by a plain command each */
    const char *capped_script;
    int64_t answer_max; /* answers are from 0 on */
    struct leases leases;
    struct arena *arena;
};

/* How many leases the call is for that begins at `first`. */
static size_t leases_of_call(const struct pipeline *it, size_t first)
{
    size_t count = 0, max = it->script == NULL ? 1 : LEASES_A_CALL;
    while (first + count < it->leases.count && count < max &&
           it->leases.items[first + count].cap == NULL)
        count++;
    return count == 0 ? 1 : count;
}

/* Answers nothing when it is taken, else who holds it (Redis 7.0: NX beside GET). */
static enum outcome append_take(const struct pipeline *it, const struct lease *lease,
                                const char *ttl, struct err *err)
{
    const char *key = make_key(it->arena, it->prefix, "lease:", lease->job_id);
    TRY_ALLOC(key, err);
    return rconn_append_call(it->conn, RWORDS("SET", key, lease->token, "NX", "GET", "PX", ttl),
                             err);
}

static bool is_take(const struct pipeline *it, size_t i)
{
    return it->script == NULL && it->leases.items[i].cap == NULL;
}

static enum outcome append_call(const struct pipeline *it, size_t first, size_t count,
                                const char *const *second_args, struct err *err)
{
    const char *keys[2 * LEASES_A_CALL], *args[2 * LEASES_A_CALL];
    if (is_take(it, first))
        return append_take(it, &it->leases.items[first], second_args[first], err);
    for (size_t i = 0; i < count; i++) {
        const struct lease *lease = &it->leases.items[first + i];
        keys[2 * i] = make_key(it->arena, it->prefix, "lease:", lease->job_id);
        keys[2 * i + 1] = make_key(it->arena, it->prefix, "cancel:", lease->job_id);
        TRY_ALLOC(keys[2 * i], err);
        TRY_ALLOC(keys[2 * i + 1], err);
        args[2 * i] = lease->token;
        args[2 * i + 1] = second_args[first + i];
    }
    size_t words = 2 * count;
    const char *script = it->script;
    const struct lease *lease = &it->leases.items[first];
    if (lease->cap != NULL) {
        keys[words] = make_key(it->arena, it->prefix, "cap:", lease->cap);
        args[words] = arena_printf(it->arena, "%lld", (long long)lease->cap_max);
        TRY_ALLOC(keys[words], err);
        TRY_ALLOC(args[words], err);
        words++;
        script = it->capped_script;
    }
    struct rscript_call call = {.source = script, .keys = {keys, words}, .args = {args, words}};
    return rconn_append_script(it->conn, &call, err);
}

/* 1 taken (or ours already), 0 another one's. */
static int64_t taken_of(const struct rreply *reply, const struct lease *lease)
{
    if (reply->type == RREPLY_NIL)
        return 1;
    const char *holder = rreply_text(reply, NULL);
    return holder == NULL ? -1 : strcmp(holder, lease->token) == 0;
}

static enum outcome read_call(const struct pipeline *it, size_t first, const struct rreply *reply,
                              int64_t *ret_answers, struct err *err)
{
    for (size_t i = 0; i < leases_of_call(it, first); i++) {
        const struct rreply *item = reply->type == RREPLY_ARRAY ? rreply_item(reply, i) : reply;
        int64_t answer =
            is_take(it, first) ? taken_of(item, &it->leases.items[first]) : rreply_int(item, -1);
        if (answer < 0 || answer > it->answer_max)
            return FAIL(err, OUTCOME_RETRY, "redis.busy",
                        "a command about leases got a strange answer");
        ret_answers[first + i] = answer;
    }
    return OUTCOME_OK;
}

/* Each reply is read, also behind one that failed: the pipeline must be empty at the end. */
static enum outcome read_all(const struct pipeline *it, int64_t *ret_answers, struct err *err)
{
    enum outcome outcome = OUTCOME_OK;
    struct err ignored;
    for (size_t first = 0; rconn_pending(it->conn) > 0; first += leases_of_call(it, first)) {
        const struct rreply *reply = NULL;
        enum outcome read =
            rconn_read(it->conn, it->arena, &reply, outcome == OUTCOME_OK ? err : &ignored);
        if (outcome == OUTCOME_OK && read == OUTCOME_OK && first < it->leases.count)
            outcome = read_call(it, first, reply, ret_answers, err);
        else if (outcome == OUTCOME_OK)
            outcome = read;
    }
    return outcome;
}

static enum outcome run_all(const struct pipeline *it, const char *const *second_args,
                            int64_t **ret_answers, struct err *err)
{
    int64_t *answers = ARENA_ARRAY(it->arena, int64_t, it->leases.count);
    struct err unread;
    TRY_ALLOC(answers, err);
    enum outcome outcome = OUTCOME_OK;
    for (size_t first = 0, count; first < it->leases.count && outcome == OUTCOME_OK;
         first += count) {
        count = leases_of_call(it, first);
        outcome = append_call(it, first, count, second_args, err);
    }
    enum outcome read = read_all(it, answers, outcome == OUTCOME_OK ? err : &unread);
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

static enum outcome run_with_ttl(const struct pipeline *it, int64_t ttl_ms, int64_t **ret_answers,
                                 struct err *err)
{
    const char *ttl = arena_printf(it->arena, "%lld", (long long)ttl_ms);
    TRY_ALLOC(ttl, err);
    const char **ttls = repeat(it->arena, ttl, it->leases.count);
    TRY_ALLOC(ttls, err);
    return run_all(it, ttls, ret_answers, err);
}

enum outcome lease_store_acquire_many(struct rconn *conn, const char *prefix, struct leases leases,
                                      int64_t ttl_ms, struct arena *arena, bool *ret_taken,
                                      struct err *err)
{
    struct pipeline it = {conn, prefix, NULL, capped_acquire_script, 1, leases, arena};
    int64_t *answers = NULL;
    TRY(run_with_ttl(&it, ttl_ms, &answers, err));
    for (size_t i = 0; i < leases.count; i++)
        ret_taken[i] = answers[i] == 1;
    return OUTCOME_OK;
}

enum outcome lease_store_renew(struct rconn *conn, const char *prefix, struct leases leases,
                               int64_t ttl_ms, struct arena *arena, enum lease_state *ret_states,
                               struct err *err)
{
    static const enum lease_state states[] = {LEASE_LOST, LEASE_KEPT, LEASE_CANCELLED};
    struct pipeline it = {conn, prefix, renew_script, capped_renew_script, 2, leases, arena};
    int64_t *answers = NULL;
    TRY(run_with_ttl(&it, ttl_ms, &answers, err));
    for (size_t i = 0; i < leases.count; i++)
        ret_states[i] = states[answers[i]];
    return OUTCOME_OK;
}

enum outcome lease_store_release_many(struct rconn *conn, const char *prefix, struct leases leases,
                                      const bool *clear_cancel, struct arena *arena,
                                      struct err *err)
{
    struct pipeline it = {conn, prefix, release_script, capped_release_script, 1, leases, arena};
    const char **flags = ARENA_ARRAY(arena, const char *, leases.count);
    int64_t *answers = NULL;
    TRY_ALLOC(flags, err);
    for (size_t i = 0; i < leases.count; i++)
        flags[i] = clear_cancel[i] ? "1" : "0";
    return run_all(&it, flags, &answers, err);
}

enum outcome lease_store_flag_cancel(struct rconn *conn, const char *prefix, const char *job_id,
                                     struct arena *arena, struct err *err)
{
    const struct rreply *reply = NULL;
    const char *key = make_key(arena, prefix, "cancel:", job_id);
    TRY_ALLOC(key, err);
    return rconn_call(conn, arena, RWORDS("SET", key, "1", "PX", CANCEL_TTL_MS), &reply, err);
}
