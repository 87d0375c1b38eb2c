/*
 * session: a connection to a server, set up so that values come and go as they are.
 *
 * Every session: utf8mb4, time zone UTC, autocommit. A source's sql_mode is empty, so that zero
 * dates can be read and compared; a target's is strict in all that would convert a value, and 0 in
 * an AUTO_INCREMENT column stays 0. A server that waits for us (a slow target on the other side of
 * the pipe) must not give up, so its net and idle time-outs are raised; a peer that is gone is
 * found by TCP keepalive instead.
 */
#include "mysql/mysql_private.h"

#include "base/clock.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CONFIG_MAX ((size_t)64 << 10)
#define STATEMENT_SLACK 4096 /* bytes of a packet that are not the statement */

static const char *const set_always[] = {
    "SET NAMES utf8mb4",
    "SET SESSION autocommit = 1, time_zone = '+00:00', wait_timeout = 86400, "
    "net_read_timeout = 3600, net_write_timeout = 3600",
    NULL,
};
static const char *const set_source[] = {
    "SET SESSION sql_mode = ''",
    "SET SESSION TRANSACTION READ ONLY",
    NULL,
};
static const char *const set_target[] = {
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,"
    "ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'",
    "SET SESSION sql_notes = 1, lock_wait_timeout = 60, foreign_key_checks = 1, unique_checks = 1",
    NULL,
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static bool library_ready;

static void start_library(void)
{
    library_ready = mysql_server_init(0, NULL, NULL) == 0;
}

static bool copy_config(struct session *session, const struct session_request *request)
{
    const struct mys_config *from = request->config;
    struct mys_config *to = &session->config;
    const char **texts[] = {&to->host,   &to->database, &to->user,   &to->password,
                            &to->tls_ca, &to->tls_cert, &to->tls_key};
    *to = *from;
    session->application_name = arena_strdup(&session->arena, request->application_name);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = arena_strdup(&session->arena, *texts[i]);
    return !session->arena.overflowed;
}

static void set_tls(MYSQL *link, const struct mys_config *config)
{
    my_bool on = 1;
    if (config->tls == MYS_TLS_DISABLED)
        return;
    /* An unchecked session must not fail for a CA that it wasn't asked to check. */
    const char *ca = config->tls >= MYS_TLS_VERIFY_CA ? config->tls_ca : NULL;
    (void)mysql_ssl_set(link, config->tls_key, config->tls_cert, ca, NULL, NULL);
    if (config->tls >= MYS_TLS_REQUIRED)
        (void)mysql_options(link, MYSQL_OPT_SSL_ENFORCE, &on);
    if (config->tls == MYS_TLS_VERIFY_IDENTITY)
        (void)mysql_options(link, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &on);
}

/* Login methods that hand over the password itself are for servers that were verified. */
static const char hashing_logins[] =
    "mysql_native_password,client_ed25519,caching_sha2_password,sha256_password,parsec,"
    "auth_gssapi_client";

static void set_options(MYSQL *link, const struct session *session)
{
    unsigned off = 0;
    unsigned seconds = (unsigned)((session->config.connect_timeout_ms + 999) / 1000);
    my_bool no = 0;
    (void)mysql_options(link, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    (void)mysql_options(link, MYSQL_OPT_RECONNECT, &no);
    /* A server may else ask for any file of this machine. */
    (void)mysql_options(link, MYSQL_OPT_LOCAL_INFILE, &off);
    (void)mysql_options(link, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (session->application_name != NULL)
        (void)mysql_options4(link, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name",
                             session->application_name);
    if (session->config.tls < MYS_TLS_VERIFY_CA)
        (void)mysql_options(link, MARIADB_OPT_RESTRICTED_AUTH, hashing_logins);
    set_tls(link, &session->config);
}

/* The library takes "TLS is required" for a wish where the server does not offer it. */
static bool has_wanted_tls(MYSQL *link, const struct session *session)
{
    return session->config.tls < MYS_TLS_REQUIRED || mysql_get_ssl_cipher(link) != NULL;
}

static void watch_socket(MYSQL *link)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},          {IPPROTO_TCP, TCP_KEEPIDLE, 30},
        {IPPROTO_TCP, TCP_KEEPINTVL, 10},       {IPPROTO_TCP, TCP_KEEPCNT, 6},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, 90000}, {IPPROTO_TCP, TCP_NODELAY, 1},
    };
    int socket = (int)mysql_get_socket(link);
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        (void)setsockopt(socket, options[i].level, options[i].name, &options[i].value,
                         sizeof options[i].value);
}

static bool connect_link(MYSQL *link, const struct session *session)
{
    const struct mys_config *config = &session->config;
    bool is_path = config->host[0] == '/';
    unsigned protocol = is_path ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
    (void)mysql_options(link, MYSQL_OPT_PROTOCOL, &protocol);
    return mysql_real_connect(link, is_path ? NULL : config->host, config->user, config->password,
                              config->database, is_path ? 0 : (unsigned)config->port,
                              is_path ? config->host : NULL, 0) != NULL;
}

static enum outcome run_all(struct session *session, const char *const *statements, struct err *err)
{
    for (; *statements != NULL; statements++)
        TRY(mys_run(session, MYS_CONNECT, *statements, err));
    return OUTCOME_OK;
}

static enum outcome set_statement_timeout(struct session *session, struct err *err)
{
    char sql[96];
    int64_t ms = session->config.statement_timeout_ms;
    if (ms <= 0)
        return OUTCOME_OK;
    if (session->is_mariadb)
        (void)snprintf(sql, sizeof sql, "SET SESSION max_statement_time = %lld.%03lld",
                       (long long)(ms / 1000), (long long)(ms % 1000));
    else
        (void)snprintf(sql, sizeof sql, "SET SESSION max_execution_time = %lld", (long long)ms);
    return mys_run(session, MYS_CONNECT, sql, err);
}

/* Gap locks would only make writers of neighbouring chunks wait for each other. A server that logs
 * statements refuses the lower level, and keeps its own. */
static enum outcome read_settings(struct session *session, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    str_add_text(&sql, "SELECT @@max_allowed_packet, @@log_bin, @@binlog_format");
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    TRY(mys_select(session, MYS_CONNECT, &sql, &result, err));
    MYSQL_ROW row = mysql_fetch_row(result);
    if (row == NULL || row[0] == NULL)
        return FAIL_BUG(err, "mysql: no settings");
    long long packet = strtoll(row[0], NULL, 10);
    session->packet_max = packet < 65536 ? 65536 : (size_t)packet;
    session->packet_max -= STATEMENT_SLACK;
    bool logs_statements = row[1] != NULL && row[2] != NULL && strcmp(row[1], "1") == 0 &&
                           strcmp(row[2], "STATEMENT") == 0;
    if (session->read_only || logs_statements)
        return OUTCOME_OK;
    return mys_run(session, MYS_CONNECT, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
                   err);
}

static enum outcome check_version(struct session *session, struct err *err)
{
    session->is_mariadb = mariadb_connection(&session->link) != 0;
    session->version = mysql_get_server_version(&session->link);
    unsigned long least = session->is_mariadb ? 100300 : 50700;
    if (session->version >= least)
        return OUTCOME_OK;
    (void)FAIL(err, OUTCOME_PERMANENT, "connect.version", "mysql: server version %s is too old",
               mysql_get_server_info(&session->link));
    return err_hint(err, "MySQL 5.7 or MariaDB 10.3 is the least");
}

static enum outcome set_up(struct session *session, struct err *err)
{
    watch_socket(&session->link);
    session->thread_id = mysql_thread_id(&session->link);
    TRY(check_version(session, err));
    TRY(run_all(session, set_always, err));
    TRY(run_all(session, session->read_only ? set_source : set_target, err));
    TRY(set_statement_timeout(session, err));
    return read_settings(session, err);
}

static enum outcome check_config(const struct mys_config *config, struct err *err)
{
    if (config->tls != MYS_TLS_VERIFY_CA || config->tls_ca != NULL)
        return OUTCOME_OK;
    (void)FAIL(err, OUTCOME_PERMANENT, "connect.tls", "mysql: tls verify_ca without tls_ca");
    return err_hint(err, "name the file with the CA's certificate in tls_ca");
}

static enum outcome connect_session(struct session *session, struct err *err)
{
    TRY(check_config(&session->config, err));
    if (mysql_init(&session->link) == NULL)
        return FAIL_NO_MEMORY(err);
    session->is_open = true;
    set_options(&session->link, session);
    (void)mysql_optionsv(&session->link, MARIADB_OPT_IO_WAIT, mys_wait_io);
    if (!connect_link(&session->link, session)) {
        (void)mys_last_error(session, MYS_CONNECT, err);
        return err_prefix(err, "connect to %s port %d", session->config.host,
                          (int)session->config.port);
    }
    if (!has_wanted_tls(&session->link, session))
        return FAIL(err, OUTCOME_PERMANENT, "connect.tls",
                    "mysql: the server offers no TLS, which the connection requires");
    return set_up(session, err);
}

enum outcome mys_open(const struct session_request *request, struct session **ret_session,
                      struct err *err)
{
    (void)pthread_once(&library_once, start_library);
    struct session *session = library_ready ? calloc(1, sizeof *session) : NULL;
    TRY_ALLOC(session, err);
    arena_init(&session->arena, CONFIG_MAX);
    session->cancelled = request->cancelled;
    session->read_only = request->read_only;
    session->horizon_us = INT64_MIN;
    enum outcome outcome =
        copy_config(session, request) ? connect_session(session, err) : FAIL_NO_MEMORY(err);
    if (outcome != OUTCOME_OK) {
        mys_close(session);
        return outcome;
    }
    *ret_session = session;
    return OUTCOME_OK;
}

static void wipe(const char *secret)
{
    if (secret != NULL) {
        union {
            const char *secret;
            char *writable;
        } own = {secret}; /* our own copy */
        explicit_bzero(own.writable, strlen(secret));
    }
}

void mys_close(struct session *session)
{
    if (session == NULL)
        return;
    if (session->is_open)
        mysql_close(&session->link);
    wipe(session->config.password);
    arena_done(&session->arena);
    free(session);
}

bool mys_kill_query(struct session *session)
{
    MYSQL link;
    char sql[64];
    if (mysql_init(&link) == NULL)
        return false;
    set_options(&link, session);
    (void)snprintf(sql, sizeof sql, "KILL QUERY %lu", session->thread_id);
    bool ok = connect_link(&link, session) && has_wanted_tls(&link, session) &&
              mysql_query(&link, sql) == 0;
    mysql_close(&link);
    return ok;
}

void mys_interrupt(struct session *session)
{
    if (session == NULL || !session->is_open)
        return;
    /* Nobody answers: then nobody will miss the connection. */
    if (!mys_kill_query(session))
        (void)shutdown((int)mysql_get_socket(&session->link), SHUT_RDWR);
}

/* "10.11.19-MariaDB-0+deb12u1" -> "MariaDB 10.11.19" */
static const char *version_text(struct session *session, struct arena *arena)
{
    unsigned long version = session->version;
    return arena_printf(arena, "%s %lu.%lu.%lu", session->is_mariadb ? "MariaDB" : "MySQL",
                        version / 10000, version / 100 % 100, version % 100);
}

enum outcome mys_check(struct session *session, struct arena *arena,
                       struct check_report *ret_report, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    struct check_report report = {0};
    MYS_RES_AUTO MYSQL_RES *clock = NULL, *tls = NULL;
    str_add_text(&sql, "SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)");
    int64_t before_us = clock_wall_us();
    TRY(mys_select(session, MYS_CONNECT, &sql, &clock, err));
    int64_t after_us = clock_wall_us();
    MYSQL_ROW row = mysql_fetch_row(clock);
    if (row != NULL && row[0] != NULL)
        report.clock_skew_us = strtoll(row[0], NULL, 10) - (before_us + (after_us - before_us) / 2);
    str_clear(&sql);
    str_add_text(&sql, "SHOW SESSION STATUS LIKE 'Ssl_version'");
    TRY(mys_select(session, MYS_CONNECT, &sql, &tls, err));
    row = mysql_fetch_row(tls);
    if (row != NULL && row[1] != NULL && row[1][0] != '\0')
        TRY_ALLOC(report.tls = arena_strdup(arena, row[1]), err);
    TRY_ALLOC(report.server_version = version_text(session, arena), err);
    *ret_report = report;
    return OUTCOME_OK;
}
