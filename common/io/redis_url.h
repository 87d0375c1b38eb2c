/*
 * redis_url: redis://[user][:password]@host[:port][/db] taken apart.
 */
#ifndef HAUL_IO_REDIS_URL_H
#define HAUL_IO_REDIS_URL_H

#include "base/arena.h"
#include "base/err.h"

struct rconn_url {
    bool has_tls;
    const char *host;
    const char *user, *password; /* NULL = none */
    int port, database;
};

/* Texts live in the arena. PERMANENT "redis.url", without any part of the URL in the message. */
MUST_USE enum outcome rconn_url_parse(const char *text, struct arena *arena,
                                      struct rconn_url *ret_url, struct err *err);

#endif
