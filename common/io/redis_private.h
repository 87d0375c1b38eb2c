/*
 * redis_private: what the redis*.c files share; included by these files alone.
 */
#ifndef HAUL_IO_REDIS_PRIVATE_H
#define HAUL_IO_REDIS_PRIVATE_H

#include "io/redis.h"
#include "io/redis_url.h"

#include <hiredis/hiredis.h>
#ifdef HAUL_HAVE_HIREDIS_SSL
#include <hiredis/hiredis_ssl.h>
#endif

#define RCONN_SCRIPTS_MAX 16

struct rconn_known_script {
    const char *source;
    char sha[41];
};

struct rconn {
    redisContext *context; /* NULL = not connected */
#ifdef HAUL_HAVE_HIREDIS_SSL
    redisSSLContext *tls;
#endif
    struct arena arena; /* of the URL's texts */
    struct rconn_url url;
    int64_t connect_timeout_ms, command_timeout_ms;
    int64_t not_before_us; /* no connecting earlier */
    unsigned failures;     /* in a row */
    size_t pending;
    char last_error[160];
    struct rconn_known_script scripts[RCONN_SCRIPTS_MAX];
    size_t script_count;
};

MUST_USE enum outcome rconn_connect(struct rconn *conn, struct err *err);

/* Fills the record from an error reply, from its first word on. */
enum outcome rconn_fail_reply(const char *text, struct err *err);

/* The connection is no use any more: it is dropped, and the next one waits for the backoff. */
enum outcome rconn_fail_connection(struct rconn *conn, const char *what, struct err *err);

#endif
