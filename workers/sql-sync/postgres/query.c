/*
 * query: sends statements and waits for what comes back, always able to stop.
 *
 * libpq's own waits know no cancellation, so the socket is waited for here in steps: at each step
 * the caller's flag is looked at, and a server that does not let go in time is given up.
 */
#include "pg_private.h"

#include "base/clock.h"
#include "base/num.h"

#include <errno.h>
#include <poll.h>

#define STEP_MS 200
#define STOP_GRACE_US (5 * US_PER_S)

static void send_cancel(struct session *session)
{
    char text[256];
    (void)PQcancel(session->cancel, text, sizeof text);
}

void pgc_session_interrupt(struct session *session)
{
    if (session == NULL)
        return;
    atomic_store(&session->interrupted, true);
    send_cancel(session);
}

/* Asks the server once to stop; false when it has been asked and does not. */
static bool stop_in_time(struct session *session)
{
    int64_t now_us = clock_monotonic_us();
    if (session->stop_deadline_us == 0) {
        session->stop_deadline_us = now_us + STOP_GRACE_US;
        send_cancel(session);
    }
    return now_us < session->stop_deadline_us;
}

static bool is_stopping(const struct session *session)
{
    return session->stop_deadline_us != 0 || (session->cancelled != NULL && *session->cancelled);
}

static enum outcome give_up(struct session *session, struct err *err)
{
    session->broken = true;
    return FAIL(err, OUTCOME_CANCELLED, "cancelled", "%s: given up, the server does not answer",
                session->subject);
}

static enum outcome wait_for(struct session *session, short events, struct err *err)
{
    for (;;) {
        struct pollfd fd = {.fd = PQsocket(session->conn), .events = events};
        if (fd.fd < 0)
            return pgc_error_set(session, NULL, err);
        int ready = poll(&fd, 1, STEP_MS);
        if (ready > 0)
            return OUTCOME_OK;
        if (ready < 0 && errno != EINTR)
            return pgc_error_set(session, NULL, err);
        if (is_stopping(session) && !stop_in_time(session))
            return give_up(session, err);
    }
}

static enum outcome consume(struct session *session, struct err *err)
{
    if (PQconsumeInput(session->conn) == 1)
        return OUTCOME_OK;
    session->broken = true;
    return pgc_error_set(session, NULL, err);
}

/* Sends what libpq has buffered; reads meanwhile, so that neither side waits for the other. */
static enum outcome flush(struct session *session, struct err *err)
{
    int left;
    while ((left = PQflush(session->conn)) == 1) {
        TRY(wait_for(session, POLLIN | POLLOUT, err));
        TRY(consume(session, err));
    }
    if (left == 0)
        return OUTCOME_OK;
    session->broken = true;
    return pgc_error_set(session, NULL, err);
}

/* The next result; NULL when the statement is over. */
static enum outcome next_result(struct session *session, PGresult **ret_result, struct err *err)
{
    TRY(flush(session, err));
    while (PQisBusy(session->conn) == 1) {
        TRY(wait_for(session, POLLIN, err));
        TRY(consume(session, err));
    }
    *ret_result = PQgetResult(session->conn);
    return OUTCOME_OK;
}

static bool is_open_copy(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COPY_OUT || status == PGRES_COPY_IN;
}

static bool is_failure(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE;
}

/* Takes results up to the end, or up to a COPY that stands open; keeps the failure, else the last.
 */
static enum outcome collect(struct session *session, PGresult **ret_result, struct err *err)
{
    PGresult *kept = NULL, *next = NULL;
    enum outcome outcome;
    while ((outcome = next_result(session, &next, err)) == OUTCOME_OK && next != NULL) {
        if (kept != NULL && is_failure(kept)) {
            PQclear(next);
            continue;
        }
        PQclear(kept);
        kept = next;
        if (is_open_copy(kept))
            break;
    }
    if (outcome == OUTCOME_OK && kept == NULL)
        outcome = pgc_error_set(session, NULL, err);
    else if (outcome == OUTCOME_OK && is_failure(kept))
        outcome = pgc_error_set(session, kept, err);
    if (PQstatus(session->conn) == CONNECTION_BAD)
        session->broken = true;
    if (outcome != OUTCOME_OK) {
        PQclear(kept);
        return outcome;
    }
    *ret_result = kept;
    return OUTCOME_OK;
}

static enum outcome may_send(struct session *session, struct err *err)
{
    if (session->broken || PQstatus(session->conn) == CONNECTION_BAD)
        return pgc_error_set(session, NULL, err);
    if (session->cancelled != NULL && *session->cancelled)
        return FAIL(err, OUTCOME_CANCELLED, "cancelled", "%s: stopped as asked", session->subject);
    session->stop_deadline_us = 0;
    atomic_store(&session->interrupted, false); /* meant for what ran before */
    return OUTCOME_OK;
}

enum outcome pgc_query_run(struct session *session, const char *sql, PGresult **ret_result,
                           struct err *err)
{
    TRY(may_send(session, err));
    if (PQsendQuery(session->conn, sql) != 1)
        return pgc_error_set(session, NULL, err);
    return collect(session, ret_result, err);
}

enum outcome pgc_query_do(struct session *session, const char *sql, struct err *err)
{
    RESULT_AUTO PGresult *result = NULL;
    return pgc_query_run(session, sql, &result, err);
}

enum outcome pgc_query_run_str(struct session *session, const struct str *sql,
                               PGresult **ret_result, struct err *err)
{
    if (sql->failed)
        return FAIL_NO_MEMORY(err);
    return pgc_query_run(session, str_text(sql), ret_result, err);
}

enum outcome pgc_query_do_str(struct session *session, const struct str *sql, struct err *err)
{
    RESULT_AUTO PGresult *result = NULL;
    return pgc_query_run_str(session, sql, &result, err);
}

enum outcome pgc_query_one(struct session *session, const struct str *sql, PGresult **ret_result,
                           struct err *err)
{
    TRY(may_send(session, err));
    if (sql->failed)
        return FAIL_NO_MEMORY(err);
    if (PQsendQueryParams(session->conn, str_text(sql), 0, NULL, NULL, NULL, NULL, 0) != 1)
        return pgc_error_set(session, NULL, err);
    return collect(session, ret_result, err);
}

enum outcome pgc_query_columns(struct session *session, const struct str *sql,
                               PGresult **ret_result, struct err *err)
{
    RESULT_AUTO PGresult *prepared = NULL;
    TRY(may_send(session, err));
    if (sql->failed)
        return FAIL_NO_MEMORY(err);
    if (PQsendPrepare(session->conn, "", str_text(sql), 0, NULL) != 1)
        return pgc_error_set(session, NULL, err);
    TRY(collect(session, &prepared, err));
    if (PQsendDescribePrepared(session->conn, "") != 1)
        return pgc_error_set(session, NULL, err);
    return collect(session, ret_result, err);
}

bool pgc_query_quiet(struct session *session, const char *sql)
{
    const volatile bool *cancelled = session->cancelled;
    session->cancelled = NULL; /* a rollback is wanted all the more then */
    enum outcome outcome = pgc_query_do(session, sql, NULL);
    session->cancelled = cancelled;
    return outcome == OUTCOME_OK;
}

/* ---- COPY ---- */

enum outcome pgc_query_copy_get(struct session *session, char **ret_bytes, size_t *ret_len,
                                struct err *err)
{
    for (;;) {
        char *bytes = NULL;
        int len = PQgetCopyData(session->conn, &bytes, 1);
        if (len > 0) {
            *ret_bytes = bytes;
            *ret_len = (size_t)len;
            return OUTCOME_OK;
        }
        if (len == -2) {
            session->broken = true;
            return pgc_error_set(session, NULL, err);
        }
        if (len == -1) {
            RESULT_AUTO PGresult *result = NULL;
            TRY(collect(session, &result, err));
            *ret_bytes = NULL;
            *ret_len = 0;
            return OUTCOME_OK;
        }
        TRY(wait_for(session, POLLIN, err));
        TRY(consume(session, err));
    }
}

/* libpq copies into its own buffer: small pieces keep that buffer small. */
#define PIECE_BYTES ((size_t)256 << 10)

enum outcome pgc_query_copy_put(struct session *session, const char *bytes, size_t len,
                                struct err *err)
{
    while (len > 0) {
        size_t piece = len < PIECE_BYTES ? len : PIECE_BYTES;
        int put = PQputCopyData(session->conn, bytes, (int)piece);
        if (put < 0)
            return pgc_error_set(session, NULL, err);
        TRY(flush(session, err));
        if (put == 1) {
            bytes += piece;
            len -= piece;
        }
    }
    return OUTCOME_OK;
}

enum outcome pgc_query_copy_end(struct session *session, int64_t *ret_rows, struct err *err)
{
    RESULT_AUTO PGresult *result = NULL;
    int put;
    while ((put = PQputCopyEnd(session->conn, NULL)) == 0)
        TRY(flush(session, err));
    if (put < 0)
        return pgc_error_set(session, NULL, err);
    TRY(collect(session, &result, err));
    const char *rows = PQcmdTuples(result);
    if (!num_parse_i64(rows, strlen(rows), ret_rows))
        return FAIL_BUG(err, "a COPY told no number of rows");
    return OUTCOME_OK;
}

static void discard_results(struct session *session)
{
    PGresult *result = NULL;
    while (next_result(session, &result, NULL) == OUTCOME_OK && result != NULL) {
        bool open = is_open_copy(result);
        PQclear(result);
        if (open)
            break;
    }
}

void pgc_query_copy_abort(struct session *session)
{
    if (session->broken || PQputCopyEnd(session->conn, "given up") < 0)
        return;
    discard_results(session);
}

void pgc_query_stop(struct session *session)
{
    if (session->broken || PQtransactionStatus(session->conn) != PQTRANS_ACTIVE)
        return; /* nothing runs: a cancel would hit the next statement */
    (void)stop_in_time(session);
    char *bytes = NULL;
    size_t len = 0;
    while (!session->broken && pgc_query_copy_get(session, &bytes, &len, NULL) == OUTCOME_OK &&
           bytes != NULL)
        PQfreemem(bytes);
    if (!session->broken)
        discard_results(session);
    session->stop_deadline_us = 0;
    atomic_store(&session->interrupted, false);
}

/* ---- results ---- */

const char *pgc_result_text(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

int64_t pgc_result_i64(const PGresult *result, int row, int column)
{
    int64_t value = 0;
    const char *text = PQgetvalue(result, row, column);
    return num_parse_i64(text, strlen(text), &value) ? value : 0;
}

bool pgc_result_bool(const PGresult *result, int row, int column)
{
    return PQgetvalue(result, row, column)[0] == 't';
}
