/*
 * pgsql: one connection to the hub's PostgreSQL (libpq).
 *
 * Is:      statements with text parameters, transactions, batches, scripts and advisory locks, with
 *          time-outs and the class of each failure.
 * Is not:  for bulk data: connectors that copy rows speak to libpq in their own folder, and share
 *          pgsql_outcome.
 * Owns:    its connection; a result its rows.
 * Threads: one at a time: each thread has its own.
 *
 * A statement with parameters is parsed once a connection: the most used texts stay prepared. A
 * lost connection fails the call with RETRY "hub.unreachable"; the next call outside a transaction
 * connects anew.
 */
#ifndef HAUL_IO_PGSQL_H
#define HAUL_IO_PGSQL_H

#include "base/arena.h"
#include "base/err.h"
#include "base/fields.h"
#include "base/str.h"

struct pgsql;

struct pgsql_conf {
    /* postgresql://user:password@host:port/database?sslmode=verify-full&...; Kerberos encryption is
     * tried only when it says gssencmode. */
    const char *uri;
    int64_t connect_timeout_ms;
    int64_t statement_timeout_ms;
    const char *application_name; /* NULL = "haul" */
    const char *session_sql;      /* run once on each connection that is made; NULL = nothing */
};

/* The rows of a process's field table for a struct pgsql_conf embedded in `holder` as `member`. */
#define PGSQL_CONF_FIELDS(holder, member)                                                          \
    {.name = "hub_url",                                                                            \
     .type = FIELD_STRING,                                                                         \
     .flags = FIELD_REQUIRED | FIELD_SECRET,                                                       \
     .offset = offsetof(holder, member.uri),                                                       \
     .doc = "The hub's PostgreSQL: postgresql://user:password@host:5432/database?sslmode=..."},    \
        {.name = "hub_connect_timeout_ms",                                                         \
         .type = FIELD_INT,                                                                        \
         .offset = offsetof(holder, member.connect_timeout_ms),                                    \
         .min = 1,                                                                                 \
         .max = 60000,                                                                             \
         .unit = "ms",                                                                             \
         .default_text = "5000",                                                                   \
         .doc = "Longest wait for a connection to the hub."},                                      \
    {                                                                                              \
        .name = "hub_statement_timeout_ms", .type = FIELD_INT,                                     \
        .offset = offsetof(holder, member.statement_timeout_ms), .min = 1, .max = 3600000,         \
        .unit = "ms", .default_text = "30000", .doc = "Longest run of one statement in the hub."   \
    }

/* Connects. RETRY "hub.unreachable"; PERMANENT "hub.auth", "hub.conf", "hub.refused". */
MUST_USE enum outcome pgsql_open(const struct pgsql_conf *conf, struct pgsql **ret_db,
                                 struct err *err);
void pgsql_close(struct pgsql *db); /* takes NULL */
static inline void pgsql_close_at(struct pgsql **db)
{
    pgsql_close(*db);
}
#define PGSQL_AUTO __attribute__((cleanup(pgsql_close_at)))

/* False once the connection is lost; the next call outside a transaction mends it. */
bool pgsql_is_connected(const struct pgsql *db);

/* ---- statements ---- */

/* Parameters $1, $2, ... as texts; NULL is SQL's NULL. */
struct pgsql_params {
    const char *const *texts;
    size_t count;
};
#define PGSQL_PARAMS(...)                                                                          \
    ((struct pgsql_params){(const char *const[]){__VA_ARGS__},                                     \
                           sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)})
#define PGSQL_NONE ((struct pgsql_params){NULL, 0})

/* An integer as a parameter's text, living to the end of the enclosing block. */
#define PGSQL_INT(value) pgsql_int_text((value), (char[24]){0})
const char *pgsql_int_text(int64_t value, char to[24]);
#define PGSQL_BOOL(value) ((value) ? "true" : "false")

/* One column of `count` structs as one parameter, the text of an array of SQL: the member at
 * `offset` of each, `stride` bytes apart. NULL without memory. */
enum pgsql_member { PGSQL_MEMBER_TEXT, PGSQL_MEMBER_INT, PGSQL_MEMBER_INT64, PGSQL_MEMBER_BOOL };
struct pgsql_column {
    enum pgsql_member type; /* const char * (NULL is SQL's), int, int64_t, bool */
    size_t offset;
};
struct pgsql_structs {
    const void *items;
    size_t stride, count;
};
const char *pgsql_array(struct pgsql_structs structs, struct pgsql_column column,
                        struct arena *arena);
/* A column of NULL, 0 or false alone: a statement that takes SQL's NULL for the same array
 * (unnest() beside others gives NULLs for it) has so much less to take apart. */
bool pgsql_is_all_zero(struct pgsql_structs structs, struct pgsql_column column);

struct pgsql_result;

/*
 * Runs one statement. Fails with the class of its SQLSTATE (pgsql_outcome), code "hub.statement",
 * "hub.unreachable", "hub.conflict" (serialization, deadlock, lock time-out), "hub.unique",
 * "hub.denied", and the SQLSTATE as native code; the message has the server's primary line only.
 * `ret_result` may be NULL: rows are dropped.
 */
MUST_USE enum outcome pgsql_query(struct pgsql *db, const char *sql, struct pgsql_params params,
                                  struct pgsql_result **ret_result, struct err *err);

/* Runs one statement and gives how many rows it changed (or returned). */
MUST_USE enum outcome pgsql_run(struct pgsql *db, const char *sql, struct pgsql_params params,
                                int64_t *ret_rows, struct err *err);

/* Several statements in one round trip; outside a transaction they are one: all or none. Rows
 * changed go to ret_rows[i] when it is not NULL. The message names the failed one from 0. */
struct pgsql_statement {
    const char *sql;
    struct pgsql_params params;
};
MUST_USE enum outcome pgsql_batch(struct pgsql *db, const struct pgsql_statement *statements,
                                  size_t count, int64_t *ret_rows, struct err *err);

/* Any text with any number of statements, without parameters: migrations. */
MUST_USE enum outcome pgsql_script(struct pgsql *db, const char *sql, struct err *err);

void pgsql_result_free(struct pgsql_result *result); /* takes NULL */
static inline void pgsql_result_free_at(struct pgsql_result **result)
{
    pgsql_result_free(*result);
}
#define PGSQL_RESULT_AUTO __attribute__((cleanup(pgsql_result_free_at)))

size_t pgsql_rows(const struct pgsql_result *result);
size_t pgsql_columns(const struct pgsql_result *result);
const char *pgsql_column_name(const struct pgsql_result *result, size_t column);
bool pgsql_is_null(const struct pgsql_result *result, size_t row, size_t column);
/* NULL for SQL's NULL. Lives as long as the result. */
const char *pgsql_text(const struct pgsql_result *result, size_t row, size_t column);
struct slice pgsql_slice(const struct pgsql_result *result, size_t row, size_t column);
/* The fallback for NULL and for what is no 64-bit integer. */
int64_t pgsql_i64(const struct pgsql_result *result, size_t row, size_t column, int64_t fallback);
bool pgsql_bool(const struct pgsql_result *result, size_t row, size_t column);

/* ---- transactions ---- */

/* PGSQL_TX_AUTO struct pgsql_tx tx = {0}; a transaction still open at the block's end is rolled
 * back. */
struct pgsql_tx {
    struct pgsql *db; /* NULL = none is open */
};
MUST_USE enum outcome pgsql_begin(struct pgsql *db, struct pgsql_tx *ret_tx, struct err *err);
/* RETRY "hub.commit_unknown" when the connection broke under the commit: it may have happened. */
MUST_USE enum outcome pgsql_commit(struct pgsql_tx *tx, struct err *err);
void pgsql_rollback(struct pgsql_tx *tx); /* takes one that is over */
#define PGSQL_TX_AUTO __attribute__((cleanup(pgsql_rollback)))

/* A session's advisory lock; waits at most `timeout_ms`: RETRY "hub.locked". */
MUST_USE enum outcome pgsql_lock(struct pgsql *db, int64_t key, int64_t timeout_ms,
                                 struct err *err);
void pgsql_unlock(struct pgsql *db, int64_t key);

/* ---- shared with connectors ---- */

/* The class of an SQLSTATE: RETRY for a passing state, else PERMANENT (also for NULL or ""). */
enum outcome pgsql_outcome(const char *sqlstate);

/* The SQLSTATE in the message of a failed connection that was made with verbose errors
 * (PQsetErrorVerbosity before the first poll); false when the server said none. */
bool pgsql_find_sqlstate(const char *message, char ret_sqlstate[6]);

#endif
