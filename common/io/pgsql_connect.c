/* pgsql: connecting and waiting. See pgsql.h. */
#include "io/pgsql_private.h"

#include "base/clock.h"
#include "base/num.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

/* The server ends a statement at its time-out; that it does not answer is known this much later. */
#define ANSWER_GRACE_MS 5000

static void drop_notice(void *ctx, const char *message)
{
    (void)ctx, (void)message; /* libpq prints them by default */
}

void pgsql_forget_prepared(struct pgsql *db)
{
    for (size_t i = 0; i < db->prepared_count; i++)
        free(db->prepared[i].sql);
    db->prepared_count = 0;
}

void pgsql_disconnect(struct pgsql *db)
{
    PQfinish(db->native);
    db->native = NULL;
    pgsql_forget_prepared(db);
    if (db->in_transaction)
        db->transaction_lost = true;
}

/* The first line of libpq's message without its end; it names host and user, never the password. */
static int line_length(const char *message)
{
    return (int)num_min_i64((int64_t)strcspn(message, "\n"), 300);
}

enum outcome pgsql_fail_lost(struct pgsql *db, const char *what, struct err *err)
{
    const char *message = PQerrorMessage(db->native);
    FAIL(err, OUTCOME_RETRY, "hub.unreachable", "%s: %.*s", what, line_length(message), message);
    pgsql_disconnect(db);
    return OUTCOME_RETRY;
}

/* ---- connecting ---- */

/* What libpq says without an SQLSTATE, and will say again. */
static const struct {
    const char *part, *code, *hint;
} lasting[] = {
    {"certificate verify failed", "hub.tls", "check sslrootcert and the server's certificate"},
    {"does not match host name", "hub.tls", "the certificate is for another host name"},
    {"does not support SSL", "hub.tls",
     "the server has no TLS: set it up, or choose another sslmode"},
    {"root certificate file", "hub.tls", "check sslrootcert"},
    {"invalid integer value", "hub.conf", "check the parameters of hub_url"},
    {"invalid port number", "hub.conf", "check the port of hub_url"},
    {"invalid sslmode value", "hub.conf", "check sslmode in hub_url"},
    {"no password supplied", "hub.auth", "give a password in hub_url"},
};

static enum outcome fail_connect(struct pgsql *db, struct err *err)
{
    const char *message = PQerrorMessage(db->native);
    int len = line_length(message);
    char sqlstate[6] = "";
    if (pgsql_find_sqlstate(message, sqlstate)) {
        enum outcome outcome = pgsql_outcome(sqlstate);
        const char *code = strncmp(sqlstate, "28", 2) == 0 ? "hub.auth"
                           : outcome == OUTCOME_RETRY      ? "hub.unreachable"
                                                           : "hub.refused";
        FAIL(err, outcome, code, "connect to the hub: %.*s", len, message);
        if (strcmp(code, "hub.auth") == 0)
            (void)err_hint(err, "check user and password in hub_url, and the server's pg_hba.conf");
        return err_native(err, sqlstate);
    }
    for (size_t i = 0; i < sizeof lasting / sizeof *lasting; i++)
        if (strstr(message, lasting[i].part) != NULL) {
            FAIL(err, OUTCOME_PERMANENT, lasting[i].code, "connect to the hub: %.*s", len, message);
            return err_hint(err, "%s", lasting[i].hint);
        }
    (void)FAIL(err, OUTCOME_RETRY, "hub.unreachable", "connect to the hub: %.*s", len, message);
    return err_hint(err, "check host and port in hub_url, and that the server runs");
}

static enum outcome start_connecting(struct pgsql *db, struct err *err)
{
    /* Before the URI, which may say otherwise: to look for Kerberos costs half a megabyte. */
    const char *const names[] = {"gssencmode",       "dbname",           "application_name",
                                 "client_encoding",  "keepalives_idle",  "keepalives_interval",
                                 "keepalives_count", "tcp_user_timeout", NULL};
    const char *const values[] = {"disable", db->uri, db->application_name, "UTF8", "10", "5", "3",
                                  "30000",   NULL};
    db->native = PQconnectStartParams(names, values, 1);
    TRY_ALLOC(db->native, err);
    PQsetNoticeProcessor(db->native, drop_notice, NULL);
    PQsetErrorVerbosity(db->native, PQERRORS_VERBOSE); /* puts the SQLSTATE into the message */
    return PQstatus(db->native) == CONNECTION_BAD ? fail_connect(db, err) : OUTCOME_OK;
}

/* Waits for the socket; false at the deadline. */
static bool wait_socket(const struct pgsql *db, short events, int64_t until_us)
{
    for (;;) {
        int64_t left_us = until_us - clock_monotonic_us();
        if (left_us <= 0)
            return false;
        struct pollfd fd = {.fd = PQsocket(db->native), .events = events};
        int ready = poll(&fd, 1, (int)num_min_i64(left_us / US_PER_MS + 1, 60000));
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return true; /* libpq will find out */
    }
}

static enum outcome finish_connecting(struct pgsql *db, struct err *err)
{
    int64_t until_us = clock_monotonic_us() + db->connect_timeout_ms * US_PER_MS;
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    while (status != PGRES_POLLING_OK) {
        if (status == PGRES_POLLING_FAILED)
            return fail_connect(db, err);
        if (!wait_socket(db, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, until_us))
            return FAIL(err, OUTCOME_RETRY, "hub.unreachable",
                        "connect to the hub: no connection within %lld ms",
                        (long long)db->connect_timeout_ms);
        status = PQconnectPoll(db->native);
    }
    return OUTCOME_OK;
}

static enum outcome run_first(struct pgsql *db, const char *sql, struct err *err)
{
    PGresult *result = PQexec(db->native, sql);
    ExecStatusType status = PQresultStatus(result);
    enum outcome outcome = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK
                               ? OUTCOME_OK
                               : pgsql_fail_result(result, "set up the hub's session", err);
    PQclear(result);
    return outcome;
}

static enum outcome set_session(struct pgsql *db, struct err *err)
{
    char sql[160];
    snprintf(
        sql, sizeof sql,
        "SET statement_timeout = %lld; SET timezone = 'UTC'; SET client_min_messages = warning",
        (long long)db->statement_timeout_ms);
    enum outcome outcome = run_first(db, sql, err);
    if (outcome == OUTCOME_OK && db->session_sql != NULL)
        outcome = run_first(db, db->session_sql, err);
    if (outcome == OUTCOME_OK && PQsetnonblocking(db->native, 1) != 0)
        outcome = FAIL_NO_MEMORY(err);
    return outcome;
}

enum outcome pgsql_connect(struct pgsql *db, struct err *err)
{
    enum outcome outcome = start_connecting(db, err);
    if (outcome == OUTCOME_OK)
        outcome = finish_connecting(db, err);
    if (outcome == OUTCOME_OK)
        outcome = set_session(db, err);
    if (outcome != OUTCOME_OK)
        pgsql_disconnect(db);
    return outcome;
}

static enum outcome check_uri(const char *uri, struct err *err)
{
    PQconninfoOption *options = uri == NULL ? NULL : PQconninfoParse(uri, NULL);
    PQconninfoFree(options);
    if (options != NULL)
        return OUTCOME_OK;
    /* libpq's message would quote the URI, password and all. */
    FAIL(err, OUTCOME_PERMANENT, "hub.conf", "the hub's URL is none that libpq can read");
    return err_hint(err,
                    "postgresql://user:password@host:5432/database, special characters as %%XX");
}

enum outcome pgsql_open(const struct pgsql_conf *conf, struct pgsql **ret_db, struct err *err)
{
    TRY(check_uri(conf->uri, err));
    struct pgsql *db = calloc(1, sizeof *db);
    TRY_ALLOC(db, err);
    arena_init(&db->arena, 1 << 16);
    db->uri = arena_strdup(&db->arena, conf->uri);
    const char *name = conf->application_name == NULL ? "haul" : conf->application_name;
    db->application_name = arena_strdup(&db->arena, name);
    db->session_sql = arena_strdup(&db->arena, conf->session_sql);
    db->connect_timeout_ms = num_max_i64(conf->connect_timeout_ms, 1);
    db->statement_timeout_ms = num_max_i64(conf->statement_timeout_ms, 1);
    bool is_whole = db->application_name != NULL && db->uri != NULL &&
                    (db->session_sql != NULL || conf->session_sql == NULL);
    enum outcome outcome = is_whole ? pgsql_connect(db, err) : FAIL_NO_MEMORY(err);
    if (outcome != OUTCOME_OK) {
        pgsql_close(db);
        return outcome;
    }
    *ret_db = db;
    return OUTCOME_OK;
}

void pgsql_close(struct pgsql *db)
{
    if (db == NULL)
        return;
    pgsql_disconnect(db);
    arena_done(&db->arena);
    free(db);
}

bool pgsql_is_connected(const struct pgsql *db)
{
    return db->native != NULL && PQstatus(db->native) == CONNECTION_OK;
}

enum outcome pgsql_ready(struct pgsql *db, struct err *err)
{
    if (db->transaction_lost)
        return FAIL(err, OUTCOME_RETRY, "hub.unreachable",
                    "the transaction was lost with its connection");
    if (pgsql_is_connected(db))
        return OUTCOME_OK;
    pgsql_disconnect(db);
    if (db->in_transaction)
        return FAIL(err, OUTCOME_RETRY, "hub.unreachable",
                    "the transaction was lost with its connection");
    return pgsql_connect(db, err);
}

/* ---- waiting ---- */

enum outcome pgsql_await(struct pgsql *db, struct err *err)
{
    int64_t wait_ms = db->statement_timeout_ms + ANSWER_GRACE_MS;
    int64_t until_us = clock_monotonic_us() + wait_ms * US_PER_MS;
    for (;;) {
        int unsent = PQflush(db->native);
        if (unsent < 0)
            return pgsql_fail_lost(db, "send to the hub", err);
        if (unsent == 0 && PQisBusy(db->native) == 0)
            return OUTCOME_OK;
        if (!wait_socket(db, (short)(POLLIN | (unsent > 0 ? POLLOUT : 0)), until_us)) {
            pgsql_disconnect(db);
            return FAIL(err, OUTCOME_RETRY, "hub.unreachable",
                        "no answer of the hub within %lld ms", (long long)wait_ms);
        }
        if (PQconsumeInput(db->native) == 0)
            return pgsql_fail_lost(db, "read from the hub", err);
    }
}
