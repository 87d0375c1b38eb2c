/*
 * redis: one connection to Redis (hiredis). Names begin with rconn, since redis is the library's.
 *
 * Is:      commands, scripts and pipelines with time-outs, and a connection that mends itself.
 * Is not:  a store of anything that matters: Redis may forget all of it.
 * Owns:    its socket. Replies live in the caller's arena.
 * Threads: one at a time: each thread has its own.
 *
 * It connects at the first command. A lost connection fails the commands under way with RETRY
 * "redis.unreachable" (they may have been done or not) and is made anew by the next one, not sooner
 * than a backoff of 50 ms, doubled up to 1 s, after the last failure; until then commands fail at
 * once.
 */
#ifndef HAUL_IO_REDIS_H
#define HAUL_IO_REDIS_H

#include "base/err.h"
#include "base/fields.h"
#include "base/str.h"

struct rconn;

struct rconn_conf {
    const char *url; /* redis://[user][:password]@host[:port][/db], rediss:// for TLS */
    int64_t connect_timeout_ms;
    int64_t command_timeout_ms;
    const char *ca_file; /* for rediss: PEM bundle; NULL = the system's */
};

#ifdef HAUL_HAVE_HIREDIS_SSL
#define RCONN_URL_DOC "Redis: redis://user:password@host:6379/0, rediss:// for TLS."
#else
#define RCONN_URL_DOC                                                                              \
    "Redis: redis://user:password@host:6379/0 (no TLS: built with a hiredis older than 1.0)."
#endif

/* The rows of a process's field table for a struct rconn_conf embedded in `holder` as `member`. */
#define RCONN_CONF_FIELDS(holder, member)                                                          \
    {.name = "redis_url",                                                                          \
     .type = FIELD_STRING,                                                                         \
     .flags = FIELD_REQUIRED | FIELD_SECRET,                                                       \
     .offset = offsetof(holder, member.url),                                                       \
     .doc = RCONN_URL_DOC},                                                                        \
        {.name = "redis_connect_timeout_ms",                                                       \
         .type = FIELD_INT,                                                                        \
         .offset = offsetof(holder, member.connect_timeout_ms),                                    \
         .min = 1,                                                                                 \
         .max = 60000,                                                                             \
         .unit = "ms",                                                                             \
         .default_text = "2000",                                                                   \
         .doc = "Longest wait for a connection to Redis."},                                        \
        {.name = "redis_command_timeout_ms",                                                       \
         .type = FIELD_INT,                                                                        \
         .offset = offsetof(holder, member.command_timeout_ms),                                    \
         .min = 1,                                                                                 \
         .max = 60000,                                                                             \
         .unit = "ms",                                                                             \
         .default_text = "2000",                                                                   \
         .doc = "Longest wait for an answer of Redis."},                                           \
    {                                                                                              \
        .name = "redis_ca_file", .type = FIELD_STRING, .offset = offsetof(holder, member.ca_file), \
        .doc = "PEM file of the authorities that may sign Redis's certificate."                    \
    }

enum rreply_type { RREPLY_NIL, RREPLY_TEXT, RREPLY_STATUS, RREPLY_INT, RREPLY_ARRAY, RREPLY_ERROR };

struct rreply {
    enum rreply_type type;
    int64_t integer;
    struct slice text; /* TEXT, STATUS, ERROR; bytes, NUL-terminated behind the length */
    size_t count;      /* ARRAY */
    const struct rreply *items;
};

/* Parses and keeps the configuration; does not connect. PERMANENT "redis.url",
 * "redis.tls_missing" (rediss:// and a hiredis without TLS). */
MUST_USE enum outcome rconn_open(const struct rconn_conf *conf, struct rconn **ret_conn,
                                 struct err *err);
void rconn_close(struct rconn *conn); /* takes NULL */

/*
 * One command, its words length-safe. RETRY "redis.unreachable", "redis.busy" (loading, read-only
 * replica, no script, ...); PERMANENT "redis.auth", "redis.denied", "redis.refused" (any other
 * error reply, its first word as native code). An error within an array is an item RREPLY_ERROR.
 */
MUST_USE enum outcome rconn_command(struct rconn *conn, struct arena *arena,
                                    const struct slice *words, size_t count,
                                    const struct rreply **ret_reply, struct err *err);

/* The same for texts: rconn_call(conn, arena, RWORDS("GET", key), &reply, &err). */
struct rwords {
    const char *const *texts;
    size_t count;
};
#define RWORDS(...)                                                                                \
    ((struct rwords){(const char *const[]){__VA_ARGS__},                                           \
                     sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)})
#define RWORDS_NONE ((struct rwords){NULL, 0})
MUST_USE enum outcome rconn_call(struct rconn *conn, struct arena *arena, struct rwords words,
                                 const struct rreply **ret_reply, struct err *err);

/* A Lua script with its keys and arguments; `source` must be static text. */
struct rscript_call {
    const char *source;
    struct rwords keys, args;
};
/* Runs it by its hash, loading it first when Redis does not know it. */
MUST_USE enum outcome rconn_script(struct rconn *conn, struct arena *arena,
                                   const struct rscript_call *call, const struct rreply **ret_reply,
                                   struct err *err);

/*
 * Pipeline: append any number, then read as many replies in the same order. A failed append or a
 * read with "redis.unreachable" ends the pipeline: nothing is pending any more. Another failed
 * read is that command's own error reply; go on reading.
 * A script whose reply is RETRY "redis.busy" (native NOSCRIPT) was forgotten by Redis: again.
 */
MUST_USE enum outcome rconn_append(struct rconn *conn, const struct slice *words, size_t count,
                                   struct err *err);
MUST_USE enum outcome rconn_append_call(struct rconn *conn, struct rwords words, struct err *err);
MUST_USE enum outcome rconn_append_script(struct rconn *conn, const struct rscript_call *call,
                                          struct err *err);
MUST_USE enum outcome rconn_read(struct rconn *conn, struct arena *arena,
                                 const struct rreply **ret_reply, struct err *err);
size_t rconn_pending(const struct rconn *conn);

/* PING: OK when Redis answers. */
MUST_USE enum outcome rconn_ping(struct rconn *conn, struct err *err);

/* Text of a reply that is TEXT or STATUS, else the fallback. */
const char *rreply_text(const struct rreply *reply, const char *fallback);
/* Value of a reply that is INT, or TEXT of an integer, else the fallback. */
int64_t rreply_int(const struct rreply *reply, int64_t fallback);
/* Item of an ARRAY; NULL when there is none. */
const struct rreply *rreply_item(const struct rreply *reply, size_t i);

#endif
