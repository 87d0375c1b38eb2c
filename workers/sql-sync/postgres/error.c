/* error: what a failure of the server or of the connection means, from one table by SQLSTATE. */
#include "pg_private.h"

#include <stdio.h>

/*
 * The longest matching prefix wins. `text` replaces the server's message where that may quote row
 * data; NULL lets the server's own message through: identifiers and syntax only.
 */
struct state_row {
    const char *prefix;
    enum outcome outcome;
    const char *read_code, *write_code;
    const char *text, *hint;
};

static const struct state_row states[] = {
    {"08", OUTCOME_RETRY, "read.lost", "write.lost", NULL, NULL},
    {"0A000", OUTCOME_PERMANENT, "stream.query", "target.columns", NULL, NULL},
    {"21000", OUTCOME_PERMANENT, "stream.query", "target.key_not_unique",
     "two rows of one batch have the same key",
     "choose key columns that are unique in the source, or full_refresh or append without a key"},
    {"22", OUTCOME_PERMANENT, "stream.query", "target.columns", "a value cannot be converted",
     NULL},
    {"23", OUTCOME_PERMANENT, "stream.query", "target.constraint",
     "a constraint of the table is violated", NULL},
    {"25006", OUTCOME_PERMANENT, "stream.query", "target.forbidden", NULL,
     "a source is only read; a target must not be a standby"},
    {"25P02", OUTCOME_RETRY, "read.lost", "write.lost", NULL, NULL},
    {"28", OUTCOME_PERMANENT, "connect.auth", "connect.auth", NULL,
     "check user, password and the server's pg_hba.conf"},
    {"2BP01", OUTCOME_PERMANENT, "stream.query", "target.dependents", NULL, NULL},
    {"3D000", OUTCOME_PERMANENT, "connect.database", "connect.database", NULL,
     "check the connection's database"},
    {"3F000", OUTCOME_PERMANENT, "stream.missing", "target.missing", NULL,
     "create the schema, or name another one"},
    {"40", OUTCOME_RETRY, "read.conflict", "write.conflict", NULL, NULL},
    {"42", OUTCOME_PERMANENT, "stream.query", "target.columns", NULL, NULL},
    {"42501", OUTCOME_PERMANENT, "stream.forbidden", "target.forbidden", NULL,
     "grant the connection's user the right that is missing"},
    {"42601", OUTCOME_PERMANENT, "stream.query", "target.columns", NULL, "check the sync's query"},
    {"42P01", OUTCOME_PERMANENT, "stream.missing", "target.missing", NULL,
     "check schema and name; names are case-sensitive"},
    {"42P07", OUTCOME_PERMANENT, "stream.query", "target.exists", NULL, NULL},
    {"53", OUTCOME_RETRY, "read.resources", "write.resources", NULL, NULL},
    {"53100", OUTCOME_PERMANENT, "read.resources", "target.full", "the server's disk is full",
     "free or add disk space on the server, then replay the job"},
    {"53300", OUTCOME_RETRY, "connect.refused", "connect.refused", NULL,
     "the server has no free connection: raise max_connections or use fewer jobs at once"},
    {"55P03", OUTCOME_RETRY, "read.locked", "write.locked", NULL,
     "another session holds a lock on the table; lock_timeout_ms says how long to wait"},
    {"57", OUTCOME_RETRY, "read.lost", "write.lost", NULL, NULL},
    {"57014", OUTCOME_RETRY, "statement.timeout", "statement.timeout", NULL,
     "raise the connection's statement_timeout_ms, or look for locks on the server"},
    {"58", OUTCOME_RETRY, "read.resources", "write.resources", NULL, NULL},
    {"72", OUTCOME_RETRY, "read.lost", "write.lost", NULL, NULL},
    {"P0", OUTCOME_PERMANENT, "stream.query", "target.trigger",
     "the database's own code (a trigger or function) raised an error",
     "the server's log has its text"},
    {"XX", OUTCOME_RETRY, "read.lost", "write.lost", NULL, NULL},
};

/* What a refused row is told, instead of a message that would show its values. */
static const struct {
    const char *state, *text;
} row_texts[] = {
    {"22001", "text is longer than the column"},
    {"22003", "a number is out of the column's range, or has more digits behind the point"},
    {"22007", "text is no valid date or time"},
    {"22008", "a date or time is out of range"},
    {"22021", "text holds a character that the database cannot store"},
    {"22P02", "text is not valid for the column's type"},
    {"22P03", "a value is not valid for the column's type"},
    {"22P05", "text holds a character that the database cannot store"},
    {"23502", "NULL in a column that refuses it"},
    {"23503", "there is no row that the foreign key refers to"},
    {"23505", "another row has the same unique key"},
    {"23514", "a check constraint refuses the row"},
    {"23P01", "an exclusion constraint refuses the row"},
};

static const struct state_row unknown_state = {
    "", OUTCOME_PERMANENT, "stream.query", "target.columns", NULL, NULL};

static const struct state_row *find_state(const char *state)
{
    const struct state_row *best = &unknown_state;
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        size_t len = strlen(states[i].prefix);
        if (strncmp(state, states[i].prefix, len) == 0 && len >= strlen(best->prefix))
            best = &states[i];
    }
    return best;
}

static const char *row_text(const char *state)
{
    for (size_t i = 0; i < sizeof row_texts / sizeof *row_texts; i++) {
        if (strcmp(row_texts[i].state, state) == 0)
            return row_texts[i].text;
    }
    return state[1] == '3' ? "a constraint refuses the row" : "a value is refused";
}

/* libpq's texts end in a line feed and may have more lines: the first one is the message. */
static void first_line(char *to, size_t size, const char *text)
{
    text_copy(to, size, text);
    to[strcspn(to, "\r\n")] = '\0';
}

/* "COPY orders, line 7, column total": the only place where a COPY names the column. */
static void column_of_context(const char *context, char *to, size_t size)
{
    static const char mark[] = ", column ";
    const char *at = context == NULL ? NULL : strstr(context, mark);
    if (at == NULL || strncmp(context, "COPY ", 5) != 0)
        return;
    first_line(to, size, at + sizeof mark - 1);
}

static void set_column(const PGresult *result, struct err *err)
{
    const char *column = PQresultErrorField(result, PG_DIAG_COLUMN_NAME);
    if (err == NULL)
        return;
    if (column != NULL)
        text_copy(err->column, sizeof err->column, column);
    else
        column_of_context(PQresultErrorField(result, PG_DIAG_CONTEXT), err->column,
                          sizeof err->column);
}

static enum outcome set_row_fault(const struct session *session, const PGresult *result,
                                  const char *state, struct err *err)
{
    const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    if (constraint != NULL)
        (void)FAIL(err, OUTCOME_PERMANENT, "row.refused", "%s: %s (constraint \"%s\")",
                   session->subject, row_text(state), constraint);
    else
        (void)FAIL(err, OUTCOME_PERMANENT, "row.refused", "%s: %s", session->subject,
                   row_text(state));
    if (err != NULL)
        err->row_fault = true;
    set_column(result, err);
    return err_native(err, state);
}

static bool was_stopped(struct session *session)
{
    bool asked = session->cancelled != NULL && *session->cancelled;
    return atomic_exchange(&session->interrupted, false) || asked;
}

static enum outcome set_state(struct session *session, const PGresult *result, const char *state,
                              struct err *err)
{
    const struct state_row *row = find_state(state);
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    char message[320];
    first_line(message, sizeof message,
               row->text != NULL ? row->text
               : primary == NULL ? "no message"
                                 : primary);
    const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    (void)FAIL(err, row->outcome, session->side == SIDE_READ ? row->read_code : row->write_code,
               "%s: %s%s%s%s", session->subject, message,
               constraint == NULL ? "" : " (constraint \"", constraint == NULL ? "" : constraint,
               constraint == NULL ? "" : "\")");
    if (row->hint != NULL)
        (void)err_hint(err, "%s", row->hint);
    return err_native(err, state);
}

static enum outcome set_lost(struct session *session, struct err *err)
{
    char message[320];
    first_line(message, sizeof message, PQerrorMessage(session->conn));
    return FAIL(err, OUTCOME_RETRY, session->side == SIDE_READ ? "read.lost" : "write.lost",
                "%s: %s", session->subject,
                message[0] == '\0' ? "the connection is lost" : message);
}

enum outcome pgc_error_set(struct session *session, const PGresult *result, struct err *err)
{
    const char *state = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if ((state == NULL || strcmp(state, "57014") == 0) && was_stopped(session)) {
        (void)FAIL(err, OUTCOME_CANCELLED, "cancelled", "%s: stopped as asked", session->subject);
        return err_native(err, state);
    }
    if (state == NULL)
        return set_lost(session, err);
    if (session->row_data && (strncmp(state, "22", 2) == 0 || strncmp(state, "23", 2) == 0))
        return set_row_fault(session, result, state, err);
    return set_state(session, result, state, err);
}

enum outcome pgc_error_row_fault(struct session *session, const char *sqlstate, const char *column,
                                 struct err *err)
{
    (void)FAIL(err, OUTCOME_PERMANENT, "row.refused", "%s: %s", session->subject,
               row_text(sqlstate));
    if (err != NULL) {
        err->row_fault = true;
        text_copy(err->column, sizeof err->column, column);
    }
    return err_native(err, sqlstate);
}

/* ---- connecting: libpq gives no SQLSTATE there but in its verbose text, "FATAL:  28P01: ..." ----
 */

static bool is_state(const char *text)
{
    for (int i = 0; i < 5; i++) {
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'A' && text[i] <= 'Z')))
            return false;
    }
    return text[5] == ':' && text[6] == ' ';
}

/* Finds the last state in the text (several addresses may have been tried) and what follows it. */
static bool state_of_text(const char *text, char state[6], const char **ret_rest)
{
    bool found = false;
    for (const char *at = strstr(text, ":  "); at != NULL; at = strstr(at + 1, ":  ")) {
        if (!is_state(at + 3))
            continue;
        memcpy(state, at + 3, 5);
        state[5] = '\0';
        *ret_rest = at + 10;
        found = true;
    }
    return found;
}

static bool is_tls_text(const char *text)
{
    static const char *const marks[] = {"certificate", "does not support SSL",
                                        "private key", "host name in",
                                        "SSL error",   "root.crt"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (strstr(text, marks[i]) != NULL)
            return true;
    }
    return false;
}

enum outcome pgc_error_set_connect(PGconn *conn, struct err *err)
{
    const char *text = PQerrorMessage(conn), *rest = text;
    char state[6], message[320];
    const char *host = PQhost(conn), *port = PQport(conn);
    if (state_of_text(text, state, &rest)) {
        const struct state_row *row = find_state(state);
        first_line(message, sizeof message, rest);
        (void)FAIL(err, row->outcome,
                   row->outcome == OUTCOME_RETRY ? "connect.refused" : row->read_code,
                   "connect to postgres at %s:%s: %s", host, port, message);
        if (row->hint != NULL)
            (void)err_hint(err, "%s", row->hint);
        return err_native(err, state);
    }
    first_line(message, sizeof message, text);
    if (is_tls_text(text)) {
        (void)FAIL(err, OUTCOME_PERMANENT, "connect.tls", "connect to postgres at %s:%s: %s", host,
                   port, message);
        return err_hint(err, "check sslmode, sslrootcert, sslcert and sslkey of the connection");
    }
    if (strstr(text, "no password supplied") != NULL) {
        (void)FAIL(err, OUTCOME_PERMANENT, "connect.auth", "connect to postgres at %s:%s: %s", host,
                   port, message);
        return err_hint(err, "the server wants a password: set the connection's password");
    }
    (void)FAIL(err, OUTCOME_RETRY, "connect.refused", "connect to postgres at %s:%s: %s", host,
               port, message[0] == '\0' ? "no answer" : message);
    return err_hint(err, "check host and port, and that the server runs and can be reached");
}
