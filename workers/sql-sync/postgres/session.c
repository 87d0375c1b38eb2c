/*
 * session: opens a connection with settings that make every answer the same everywhere.
 *
 * PEM texts are handed to libpq, which reads files only, as anonymous files in memory: no key
 * touches a disk.
 */
#define _GNU_SOURCE /* memfd_create */
#include "pg_private.h"

#include "base/clock.h"
#include "base/num.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION_MIN 120000
#define CONNECT_STEP_MS 100

static void ignore_notice(void *ctx, const PGresult *result)
{
    (void)ctx;
    (void)result;
}

void pgc_session_does(struct session *session, enum side side, const char *verb,
                      const struct stream_ref *stream)
{
    session->side = side;
    session->row_data = false;
    if (stream == NULL || stream->name == NULL)
        (void)snprintf(session->subject, sizeof session->subject, "%s", verb);
    else if (stream->query != NULL)
        (void)snprintf(session->subject, sizeof session->subject, "%s query \"%s\"", verb,
                       stream->name);
    else
        (void)snprintf(session->subject, sizeof session->subject, "%s \"%s\".\"%s\"", verb,
                       pgc_stream_schema(session, stream), stream->name);
}

/* ---- PEM ---- */

#define PEM_COUNT 3

struct pem_files {
    int fds[PEM_COUNT];
    char paths[PEM_COUNT][32];
    const char *values[PEM_COUNT]; /* what libpq is given; NULL = nothing */
};

static void pem_files_close(struct pem_files *files)
{
    for (int i = 0; i < PEM_COUNT; i++) {
        if (files->fds[i] >= 0)
            (void)close(files->fds[i]);
    }
}

static bool write_all(int fd, const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t written = write(fd, text, left);
        if (written <= 0)
            return false;
        text += written;
        left -= (size_t)written;
    }
    return true;
}

static enum outcome pem_file_open(struct pem_files *files, int number, const char *value,
                                  struct err *err)
{
    if (value == NULL || strncmp(value, "-----BEGIN", 10) != 0) {
        files->values[number] = value;
        return OUTCOME_OK;
    }
    int fd = files->fds[number] = memfd_create("haul-pem", MFD_CLOEXEC);
    if (fd < 0 || fchmod(fd, S_IRUSR | S_IWUSR) != 0 || !write_all(fd, value))
        return FAIL(err, OUTCOME_RETRY, "no_memory", "connect to postgres: no file in memory");
    (void)snprintf(files->paths[number], sizeof files->paths[number], "/proc/self/fd/%d", fd);
    files->values[number] = files->paths[number];
    return OUTCOME_OK;
}

static enum outcome pem_files_open(struct pem_files *files, const struct pgc_config *config,
                                   struct err *err)
{
    const char *const values[PEM_COUNT] = {config->sslrootcert, config->sslcert, config->sslkey};
    *files = (struct pem_files){.fds = {-1, -1, -1}};
    for (int i = 0; i < PEM_COUNT; i++)
        TRY(pem_file_open(files, i, values[i], err));
    return OUTCOME_OK;
}

/* ---- connecting ---- */

static enum outcome start(const struct pgc_config *config, const struct pem_files *pem,
                          const char *application_name, PGconn **ret_conn, struct err *err)
{
    char port[20 + 1] = "";
    port[num_format_i64(config->port, port)] = '\0';
    const char *const options[][2] = {
        {"host", config->host},
        {"port", port},
        {"dbname", config->database},
        {"user", config->user},
        {"password", config->password == NULL ? "" : config->password},
        {"passfile", "/dev/null"},
        {"sslmode", pgc_sslmodes[config->sslmode]},
        {"sslrootcert", pem->values[0]},
        {"sslcert", pem->values[1]},
        {"sslkey", pem->values[2]},
        {"gssencmode", "disable"},
        {"application_name", application_name},
        {"client_encoding", "UTF8"},
        {"keepalives_idle", "30"},
        {"keepalives_interval", "10"},
        {"keepalives_count", "3"},
        {"tcp_user_timeout", "60000"},
    };
    enum { COUNT = sizeof options / sizeof *options };
    const char *names[COUNT + 1], *values[COUNT + 1];
    size_t used = 0;
    for (size_t i = 0; i < COUNT; i++) {
        if (options[i][1] == NULL)
            continue;
        names[used] = options[i][0];
        values[used++] = options[i][1];
    }
    names[used] = values[used] = NULL;
    PGconn *conn = PQconnectStartParams(names, values, 0);
    TRY_ALLOC(conn, err);
    (void)PQsetErrorVerbosity(conn, PQERRORS_VERBOSE); /* shows the SQLSTATE */
    (void)PQsetNoticeReceiver(conn, ignore_notice, NULL);
    *ret_conn = conn;
    return OUTCOME_OK;
}

static enum outcome connect_wait(PGconn *conn, PostgresPollingStatusType state,
                                 const struct session_request *request, int64_t deadline_us,
                                 struct err *err)
{
    for (;;) {
        struct pollfd fd = {.fd = PQsocket(conn),
                            .events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT};
        if (request->cancelled != NULL && *request->cancelled)
            return FAIL(err, OUTCOME_CANCELLED, "cancelled",
                        "connect to postgres: stopped as asked");
        if (clock_monotonic_us() > deadline_us) {
            (void)FAIL(err, OUTCOME_RETRY, "connect.refused",
                       "connect to postgres at %s:%s: no answer in time", PQhost(conn),
                       PQport(conn));
            return err_hint(err, "check host, port and firewalls; connect_timeout_ms says how long "
                                 "to wait");
        }
        if (poll(&fd, 1, CONNECT_STEP_MS) != 0)
            return OUTCOME_OK;
    }
}

static enum outcome connect_finish(PGconn *conn, const struct session_request *request,
                                   int64_t timeout_ms, struct err *err)
{
    int64_t deadline_us = clock_monotonic_us() + timeout_ms * US_PER_MS;
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    while (PQstatus(conn) != CONNECTION_BAD) {
        TRY(connect_wait(conn, state, request, deadline_us, err));
        state = PQconnectPoll(conn);
        if (state == PGRES_POLLING_OK)
            return OUTCOME_OK;
        if (state == PGRES_POLLING_FAILED)
            break;
    }
    return pgc_error_set_connect(conn, err);
}

/* ---- settings ---- */

static enum outcome check_server(struct session *session, struct err *err)
{
    int version = PQserverVersion(session->conn);
    if (version < VERSION_MIN) {
        (void)FAIL(err, OUTCOME_PERMANENT, "connect.version",
                   "the server is PostgreSQL %d, older than 12", version / 10000);
        return err_hint(err, "use PostgreSQL 12 or newer");
    }
    const char *encoding = PQparameterStatus(session->conn, "server_encoding");
    session->check_utf8 = encoding == NULL || strcmp(encoding, "SQL_ASCII") == 0;
    return OUTCOME_OK;
}

static enum outcome set_up(struct session *session, const struct pgc_config *config,
                           struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    str_add_text(&sql, "SET timezone = 'UTC'; SET datestyle = 'ISO, YMD';"
                       "SET intervalstyle = 'iso_8601'; SET extra_float_digits = 1;"
                       "SET bytea_output = 'hex'; SET xmloption = 'content';"
                       "SET standard_conforming_strings = on; SET jit = off;"
                       "SET client_min_messages = 'error';"
                       "SET default_transaction_isolation = 'read committed';"
                       "SET default_transaction_deferrable = off;"
                       "SET idle_in_transaction_session_timeout = 0;");
    str_addf(&sql, "SET default_transaction_read_only = %s;", session->read_only ? "on" : "off");
    /* A batch meets its target row by row: by the index, however small the target still is. */
    if (!session->read_only)
        str_add_text(&sql, "SET random_page_cost = 1.1;");
    str_addf(&sql, "SET statement_timeout = %lld; SET lock_timeout = %lld",
             (long long)config->statement_timeout_ms, (long long)config->lock_timeout_ms);
    return pgc_query_do_str(session, &sql, err);
}

static enum outcome open_into(struct session *session, const struct session_request *request,
                              struct err *err)
{
    const struct pgc_config *config = request->config;
    struct pem_files pem;
    char name[64];
    /* The mark tells our own reading transactions from those that may still write (horizon). */
    (void)snprintf(name, sizeof name, "%.48s%s", request->application_name,
                   request->read_only ? PGC_READER_MARK : "");
    enum outcome outcome = pem_files_open(&pem, config, err);
    if (outcome == OUTCOME_OK)
        outcome = start(config, &pem, name, &session->conn, err);
    if (outcome == OUTCOME_OK)
        outcome = connect_finish(session->conn, request, config->connect_timeout_ms, err);
    pem_files_close(&pem);
    if (outcome != OUTCOME_OK)
        return outcome;
    session->cancel = PQgetCancel(session->conn);
    session->schema = strdup(config->schema);
    TRY_ALLOC(session->schema, err);
    TRY_ALLOC(session->cancel, err);
    (void)PQsetErrorVerbosity(session->conn, PQERRORS_DEFAULT);
    if (PQsetnonblocking(session->conn, 1) != 0)
        return pgc_error_set(session, NULL, err);
    TRY(check_server(session, err));
    return set_up(session, config, err);
}

enum outcome pgc_session_open(const struct session_request *request, struct session **ret_session,
                              struct err *err)
{
    struct session *session = calloc(1, sizeof *session);
    TRY_ALLOC(session, err);
    session->cancelled = request->cancelled;
    session->read_only = request->read_only;
    atomic_init(&session->interrupted, false);
    pgc_session_does(session, request->read_only ? SIDE_READ : SIDE_WRITE, "connect", NULL);
    enum outcome outcome = open_into(session, request, err);
    if (outcome != OUTCOME_OK) {
        pgc_session_close(session);
        return outcome;
    }
    *ret_session = session;
    return OUTCOME_OK;
}

void pgc_session_close(struct session *session)
{
    if (session == NULL)
        return;
    PQfreeCancel(session->cancel);
    PQfinish(session->conn); /* the server rolls back */
    free(session->schema);
    free(session);
}

enum outcome pgc_session_check(struct session *session, struct arena *arena,
                               struct check_report *ret_report, struct err *err)
{
    RESULT_AUTO PGresult *result = NULL;
    pgc_session_does(session, session->read_only ? SIDE_READ : SIDE_WRITE, "check", NULL);
    int64_t before_us = clock_wall_us();
    TRY(pgc_query_run(session,
                      "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,"
                      " current_setting('server_version')",
                      &result, err));
    int64_t ours_us = before_us + (clock_wall_us() - before_us) / 2;
    const char *version = PQgetvalue(result, 0, 1);
    const char *tls = PQsslInUse(session->conn) ? PQsslAttribute(session->conn, "protocol") : NULL;
    struct check_report report = {
        .server_version =
            arena_printf(arena, "PostgreSQL %.*s", (int)strcspn(version, " "), version),
        .tls = arena_strdup(arena, tls),
        .clock_skew_us = pgc_result_i64(result, 0, 0) - ours_us,
    };
    TRY_ALLOC(report.server_version, err);
    *ret_report = report;
    return OUTCOME_OK;
}
