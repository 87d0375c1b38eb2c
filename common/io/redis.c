/* redis: see redis.h. */
#include "io/redis.h"
#include "io/redis_url.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/num.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#ifdef HAUL_HAVE_HIREDIS_SSL
#include <hiredis/hiredis_ssl.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 1000
#define WORDS_MAX 64
#define SCRIPTS_MAX 16

struct script {
    const char *source;
    char sha[41];
};

struct rconn {
    redisContext *context; /* NULL = not connected */
#ifdef HAUL_HAVE_HIREDIS_SSL
    redisSSLContext *tls;
#endif
    struct arena arena; /* of the URL's texts */
    struct redis_url url;
    int64_t connect_timeout_ms, command_timeout_ms;
    int64_t not_before_us; /* no connecting earlier */
    unsigned failures;     /* in a row */
    size_t pending;
    char last_error[160];
    struct script scripts[SCRIPTS_MAX];
    size_t script_count;
};

/* ---- errors ---- */

static const struct verdict {
    const char *word;
    enum outcome outcome;
    const char *code;
} verdicts[] = {
    {"LOADING", OUTCOME_RETRY, "redis.busy"},      {"BUSY", OUTCOME_RETRY, "redis.busy"},
    {"TRYAGAIN", OUTCOME_RETRY, "redis.busy"},     {"CLUSTERDOWN", OUTCOME_RETRY, "redis.busy"},
    {"MASTERDOWN", OUTCOME_RETRY, "redis.busy"},   {"READONLY", OUTCOME_RETRY, "redis.busy"},
    {"NOREPLICAS", OUTCOME_RETRY, "redis.busy"},   {"MISCONF", OUTCOME_RETRY, "redis.busy"},
    {"OOM", OUTCOME_RETRY, "redis.busy"},          {"NOSCRIPT", OUTCOME_RETRY, "redis.busy"},
    {"NOAUTH", OUTCOME_PERMANENT, "redis.auth"},   {"WRONGPASS", OUTCOME_PERMANENT, "redis.auth"},
    {"NOPERM", OUTCOME_PERMANENT, "redis.denied"},
};

static enum outcome fail_reply(const char *text, struct err *err)
{
    char word[24] = "";
    size_t len = strcspn(text, " ");
    snprintf(word, sizeof word, "%.*s", (int)(len < sizeof word ? len : sizeof word - 1), text);
    struct verdict verdict = {word, OUTCOME_PERMANENT, "redis.refused"};
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++)
        if (strcmp(verdicts[i].word, word) == 0)
            verdict = verdicts[i];
    const char *args = strstr(text, ", with args"); /* the command's arguments: not for messages */
    int shown = args == NULL ? 160 : (int)(args - text);
    FAIL(err, verdict.outcome, verdict.code, "redis answered: %.*s", shown, text);
    return err_native(err, word);
}

static void drop_connection(struct rconn *conn)
{
    if (conn->context != NULL)
        redisFree(conn->context);
    conn->context = NULL;
    conn->pending = 0;
}

/* The connection is no use any more; the next one waits for the backoff. */
static enum outcome fail_connection(struct rconn *conn, const char *what, struct err *err)
{
    const redisContext *context = conn->context;
    bool timed_out = context != NULL && context->err == REDIS_ERR_IO && errno == EAGAIN;
    snprintf(conn->last_error, sizeof conn->last_error, "%s",
             timed_out         ? "timed out"
             : context == NULL ? "out of memory"
                               : context->errstr);
    drop_connection(conn);
    unsigned doublings = conn->failures < 5 ? conn->failures : 5;
    int64_t wait_ms = num_min_i64(BACKOFF_MIN_MS << doublings, BACKOFF_MAX_MS);
    conn->not_before_us = clock_monotonic_us() + wait_ms * US_PER_MS;
    conn->failures++;
    return FAIL(err, OUTCOME_RETRY, "redis.unreachable", "%s redis at %s:%d: %s", what,
                conn->url.host, conn->url.port, conn->last_error);
}

/* ---- connecting ---- */

static struct timeval timeval_of(int64_t ms)
{
    return (struct timeval){ms / 1000, (ms % 1000) * 1000};
}

/* One command of the login. Its error replies mean the login, whatever their word. */
static enum outcome login_step(struct rconn *conn, const char **words, int count, struct err *err)
{
    redisReply *reply = redisCommandArgv(conn->context, count, words, NULL);
    if (reply == NULL)
        return fail_connection(conn, "log in to", err);
    enum outcome outcome = OUTCOME_OK;
    if (reply->type == REDIS_REPLY_ERROR) {
        outcome = fail_reply(reply->str, err);
        if (outcome == OUTCOME_PERMANENT && err != NULL)
            text_copy(err->code, sizeof err->code, "redis.auth");
        if (outcome == OUTCOME_PERMANENT)
            err_hint(err, "check user, password and database number of redis_url");
    }
    freeReplyObject(reply);
    return outcome;
}

static enum outcome log_in(struct rconn *conn, struct err *err)
{
    const struct redis_url *url = &conn->url;
    if (url->password != NULL && url->user != NULL)
        TRY(login_step(conn, (const char *[]){"AUTH", url->user, url->password}, 3, err));
    else if (url->password != NULL)
        TRY(login_step(conn, (const char *[]){"AUTH", url->password}, 2, err));
    if (url->database == 0)
        return OUTCOME_OK;
    char number[12];
    snprintf(number, sizeof number, "%d", url->database);
    return login_step(conn, (const char *[]){"SELECT", number}, 2, err);
}

static enum outcome start_tls(struct rconn *conn, struct err *err)
{
#ifdef HAUL_HAVE_HIREDIS_SSL
    if (conn->url.has_tls && redisInitiateSSLWithContext(conn->context, conn->tls) != REDIS_OK)
        return fail_connection(conn, "start TLS with", err);
#else
    (void)conn, (void)err;
#endif
    return OUTCOME_OK;
}

static enum outcome connect_now(struct rconn *conn, struct err *err)
{
    int64_t left_us = conn->not_before_us - clock_monotonic_us();
    if (left_us > 0)
        return FAIL(err, OUTCOME_RETRY, "redis.unreachable",
                    "redis at %s:%d: not tried again for %lld ms yet, last: %s", conn->url.host,
                    conn->url.port, (long long)(left_us / US_PER_MS), conn->last_error);
    conn->context = redisConnectWithTimeout(conn->url.host, conn->url.port,
                                            timeval_of(conn->connect_timeout_ms));
    if (conn->context == NULL || conn->context->err != 0 ||
        redisSetTimeout(conn->context, timeval_of(conn->command_timeout_ms)) != REDIS_OK)
        return fail_connection(conn, "connect to", err);
    redisEnableKeepAlive(conn->context);
    enum outcome outcome = start_tls(conn, err);
    if (outcome == OUTCOME_OK)
        outcome = log_in(conn, err);
    if (outcome == OUTCOME_OK)
        conn->failures = 0;
    else
        drop_connection(conn);
    return outcome;
}

static enum outcome open_tls(struct rconn *conn, const char *ca_file, struct err *err)
{
    if (!conn->url.has_tls)
        return OUTCOME_OK;
#ifdef HAUL_HAVE_HIREDIS_SSL
    redisSSLContextError why = REDIS_SSL_CTX_NONE;
    redisInitOpenSSL();
    const char *folder = ca_file == NULL ? "/etc/ssl/certs" : NULL;
    conn->tls = redisCreateSSLContext(ca_file, folder, NULL, NULL, conn->url.host, &why);
    if (conn->tls == NULL)
        return FAIL(err, OUTCOME_PERMANENT, "redis.url", "TLS for redis: %s",
                    redisSSLContextGetError(why));
    return OUTCOME_OK;
#else
    (void)ca_file;
    FAIL(err, OUTCOME_PERMANENT, "redis.tls_missing",
         "rediss:// needs hiredis 1.0 or newer, this program was built with %d.%d.%d",
         HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
    return err_hint(err, "use redis:// within a private network or through a TLS proxy");
#endif
}

enum outcome rconn_open(const struct rconn_conf *conf, struct rconn **ret_conn, struct err *err)
{
    struct rconn *conn = calloc(1, sizeof *conn);
    TRY_ALLOC(conn, err);
    arena_init(&conn->arena, 1 << 16);
    conn->connect_timeout_ms = num_max_i64(conf->connect_timeout_ms, 1);
    conn->command_timeout_ms = num_max_i64(conf->command_timeout_ms, 1);
    enum outcome outcome = redis_url_parse(conf->url, &conn->arena, &conn->url, err);
    if (outcome == OUTCOME_OK)
        outcome = open_tls(conn, conf->ca_file, err);
    if (outcome != OUTCOME_OK) {
        rconn_close(conn);
        return outcome;
    }
    *ret_conn = conn;
    return OUTCOME_OK;
}

void rconn_close(struct rconn *conn)
{
    if (conn == NULL)
        return;
    drop_connection(conn);
#ifdef HAUL_HAVE_HIREDIS_SSL
    if (conn->tls != NULL)
        redisFreeSSLContext(conn->tls);
#endif
    arena_done(&conn->arena);
    free(conn);
}

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
        return fail_connection(conn, "read from", err);
    conn->pending--;
    redisReply *native = raw;
    struct rreply *reply = ARENA_NEW(arena, struct rreply);
    enum outcome outcome = OUTCOME_OK;
    if (native->type == REDIS_REPLY_ERROR)
        outcome = fail_reply(native->str, err);
    else if (reply == NULL || !copy_reply(native, arena, reply))
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
        TRY(connect_now(conn, err));
    for (size_t i = 0; i < count; i++) {
        texts[i] = words[i].data == NULL ? "" : words[i].data;
        lens[i] = words[i].len;
    }
    if (redisAppendCommandArgv(conn->context, (int)count, texts, lens) != REDIS_OK)
        return fail_connection(conn, "write to", err);
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
    if (find_sha(conn, source) != NULL || conn->script_count == SCRIPTS_MAX)
        return OUTCOME_OK; /* the same text has the same hash; one too many runs by EVAL */
    struct script *script = &conn->scripts[conn->script_count++];
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
