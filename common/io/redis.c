/* redis: commands, pipelines, scripts and replies. See redis.h. */
#include "io/redis_private.h"

#include "base/num.h"

#define WORDS_MAX 136

/* ---- replies ---- */

static bool copy_reply(const redisReply *from, struct arena *arena, struct rreply *to)
{
    static const enum rreply_type types[] = {
        [REDIS_REPLY_STRING] = RREPLY_TEXT,   [REDIS_REPLY_ARRAY] = RREPLY_ARRAY,
        [REDIS_REPLY_INTEGER] = RREPLY_INT,   [REDIS_REPLY_NIL] = RREPLY_NIL,
        [REDIS_REPLY_STATUS] = RREPLY_STATUS, [REDIS_REPLY_ERROR] = RREPLY_ERROR,
    };
    bool is_known = from->type > 0 && (size_t)from->type < sizeof types / sizeof *types;
    *to = (struct rreply){.type = is_known ? types[from->type] : RREPLY_NIL};
    if (to->type == RREPLY_INT)
        to->integer = from->integer;
    if (to->type == RREPLY_TEXT || to->type == RREPLY_STATUS || to->type == RREPLY_ERROR) {
        to->text = (struct slice){arena_strndup(arena, from->str, from->len), from->len};
        return to->text.data != NULL;
    }
    if (to->type != RREPLY_ARRAY || from->elements == 0)
        return true;
    struct rreply *items = ARENA_ARRAY(arena, struct rreply, from->elements);
    to->count = from->elements;
    to->items = items;
    bool ok = items != NULL;
    for (size_t i = 0; ok && i < from->elements; i++)
        ok = copy_reply(from->element[i], arena, &items[i]);
    return ok;
}

enum outcome rconn_read(struct rconn *conn, struct arena *arena, const struct rreply **ret_reply,
                        struct err *err)
{
    if (conn->pending == 0)
        return FAIL_BUG(err, "redis: a reply is read that nothing was asked for");
    void *raw = NULL;
    if (redisGetReply(conn->context, &raw) != REDIS_OK || raw == NULL)
        return rconn_fail_connection(conn, "read from", err);
    conn->pending--;
    redisReply *native = raw;
    struct rreply *reply = ARENA_NEW(arena, struct rreply);
    enum outcome outcome = OUTCOME_OK;
    if (native->type == REDIS_REPLY_ERROR) {
        outcome = rconn_fail_reply(native->str, err);
        if (strncmp(native->str, "NOSCRIPT", strlen("NOSCRIPT")) == 0)
            conn->script_count = 0; /* Redis was restarted or flushed: they are loaded again */
    } else if (reply == NULL || !copy_reply(native, arena, reply))
        outcome = FAIL_NO_MEMORY(err);
    freeReplyObject(native);
    if (outcome == OUTCOME_OK && ret_reply != NULL)
        *ret_reply = reply;
    return outcome;
}

/* ---- commands ---- */

enum outcome rconn_append(struct rconn *conn, const struct slice *words, size_t count,
                          struct err *err)
{
    const char *texts[WORDS_MAX];
    size_t lens[WORDS_MAX];
    if (count == 0 || count > WORDS_MAX)
        return FAIL_BUG(err, "redis: a command of %zu words", count);
    if (conn->context == NULL)
        TRY(rconn_connect(conn, err));
    for (size_t i = 0; i < count; i++) {
        texts[i] = words[i].data == NULL ? "" : words[i].data;
        lens[i] = words[i].len;
    }
    if (redisAppendCommandArgv(conn->context, (int)count, texts, lens) != REDIS_OK)
        return rconn_fail_connection(conn, "write to", err);
    conn->pending++;
    return OUTCOME_OK;
}

enum outcome rconn_command(struct rconn *conn, struct arena *arena, const struct slice *words,
                           size_t count, const struct rreply **ret_reply, struct err *err)
{
    if (conn->pending > 0)
        return FAIL_BUG(err, "redis: a command within a pipeline");
    TRY(rconn_append(conn, words, count, err));
    return rconn_read(conn, arena, ret_reply, err);
}

static enum outcome slice_words(struct rwords words, struct slice *to, struct err *err)
{
    if (words.count > WORDS_MAX)
        return FAIL_BUG(err, "redis: a command of %zu words", words.count);
    for (size_t i = 0; i < words.count; i++)
        to[i] = slice_of(words.texts[i]);
    return OUTCOME_OK;
}

enum outcome rconn_append_call(struct rconn *conn, struct rwords words, struct err *err)
{
    struct slice slices[WORDS_MAX];
    TRY(slice_words(words, slices, err));
    return rconn_append(conn, slices, words.count, err);
}

enum outcome rconn_call(struct rconn *conn, struct arena *arena, struct rwords words,
                        const struct rreply **ret_reply, struct err *err)
{
    struct slice slices[WORDS_MAX];
    TRY(slice_words(words, slices, err));
    return rconn_command(conn, arena, slices, words.count, ret_reply, err);
}

enum outcome rconn_ping(struct rconn *conn, struct err *err)
{
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 4096);
    return rconn_call(conn, &arena, RWORDS("PING"), NULL, err);
}

size_t rconn_pending(const struct rconn *conn)
{
    return conn->pending;
}

/* ---- scripts ---- */

static const char *find_sha(const struct rconn *conn, const char *source)
{
    for (size_t i = 0; i < conn->script_count; i++)
        if (conn->scripts[i].source == source)
            return conn->scripts[i].sha;
    return NULL;
}

static enum outcome load_script(struct rconn *conn, const char *source, struct err *err)
{
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 4096);
    const struct rreply *reply = NULL;
    TRY(rconn_call(conn, &arena, RWORDS("SCRIPT", "LOAD", source), &reply, err));
    if (find_sha(conn, source) != NULL || conn->script_count == RCONN_SCRIPTS_MAX)
        return OUTCOME_OK; /* the same text has the same hash; one too many runs by EVAL */
    struct rconn_known_script *script = &conn->scripts[conn->script_count++];
    script->source = source;
    text_copy(script->sha, sizeof script->sha, rreply_text(reply, ""));
    return OUTCOME_OK;
}

/* By hash when it is known; within a pipeline there is no time to ask for it. */
enum outcome rconn_append_script(struct rconn *conn, const struct rscript_call *call,
                                 struct err *err)
{
    if (find_sha(conn, call->source) == NULL && conn->pending == 0)
        TRY(load_script(conn, call->source, err));
    const char *sha = find_sha(conn, call->source);
    char key_count[24];
    key_count[num_format_u64(call->keys.count, key_count)] = '\0';
    struct slice words[WORDS_MAX] = {slice_of(sha == NULL ? "EVAL" : "EVALSHA"),
                                     slice_of(sha == NULL ? call->source : sha),
                                     slice_of(key_count)};
    size_t count = 3 + call->keys.count + call->args.count;
    if (count > WORDS_MAX)
        return FAIL_BUG(err, "redis: a command of %zu words", count);
    TRY(slice_words(call->keys, words + 3, err));
    TRY(slice_words(call->args, words + 3 + call->keys.count, err));
    return rconn_append(conn, words, count, err);
}

enum outcome rconn_script(struct rconn *conn, struct arena *arena, const struct rscript_call *call,
                          const struct rreply **ret_reply, struct err *err)
{
    if (conn->pending > 0)
        return FAIL_BUG(err, "redis: a script within a pipeline");
    struct err why = {0};
    enum outcome outcome = rconn_append_script(conn, call, &why);
    if (outcome == OUTCOME_OK)
        outcome = rconn_read(conn, arena, ret_reply, &why);
    if (outcome == OUTCOME_RETRY && strcmp(why.native, "NOSCRIPT") == 0) {
        TRY(load_script(conn, call->source, err)); /* Redis was restarted or flushed */
        TRY(rconn_append_script(conn, call, err));
        return rconn_read(conn, arena, ret_reply, err);
    }
    if (outcome != OUTCOME_OK && err != NULL)
        *err = why;
    return outcome;
}

/* ---- accessors ---- */

const char *rreply_text(const struct rreply *reply, const char *fallback)
{
    if (reply == NULL || (reply->type != RREPLY_TEXT && reply->type != RREPLY_STATUS))
        return fallback;
    return reply->text.data;
}

int64_t rreply_int(const struct rreply *reply, int64_t fallback)
{
    int64_t value = fallback;
    if (reply == NULL)
        return fallback;
    if (reply->type == RREPLY_INT)
        return reply->integer;
    if (reply->type == RREPLY_TEXT && !num_parse_i64(reply->text.data, reply->text.len, &value))
        return fallback;
    return value;
}

const struct rreply *rreply_item(const struct rreply *reply, size_t i)
{
    if (reply == NULL || reply->type != RREPLY_ARRAY || i >= reply->count)
        return NULL;
    return &reply->items[i];
}
