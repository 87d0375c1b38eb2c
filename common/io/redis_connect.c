/* redis: connecting, logging in, and what failures mean. See redis.h. */
#include "io/redis_private.h"

#include "base/clock.h"
#include "base/num.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 1000

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

enum outcome rconn_fail_reply(const char *text, struct err *err)
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
enum outcome rconn_fail_connection(struct rconn *conn, const char *what, struct err *err)
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
        return rconn_fail_connection(conn, "log in to", err);
    enum outcome outcome = OUTCOME_OK;
    if (reply->type == REDIS_REPLY_ERROR) {
        outcome = rconn_fail_reply(reply->str, err);
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
    const struct rconn_url *url = &conn->url;
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
        return rconn_fail_connection(conn, "start TLS with", err);
#else
    (void)conn, (void)err;
#endif
    return OUTCOME_OK;
}

enum outcome rconn_connect(struct rconn *conn, struct err *err)
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
        return rconn_fail_connection(conn, "connect to", err);
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
    enum outcome outcome = rconn_url_parse(conf->url, &conn->arena, &conn->url, err);
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
