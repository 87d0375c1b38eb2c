/* pgsql: SQLSTATEs and what they mean. See pgsql.h. */
#include "io/pgsql_private.h"

#include <ctype.h>
#include <string.h>

/* The longest prefix decides. Source: PostgreSQL's appendix "Error Codes". */
static const struct verdict {
    const char *prefix;
    enum outcome outcome;
    const char *code;
} verdicts[] = {
    {"08", OUTCOME_RETRY, "hub.unreachable"},      /* connection exceptions */
    {"08P01", OUTCOME_PERMANENT, "hub.statement"}, /* protocol violation */
    {"22", OUTCOME_PERMANENT, "hub.value"},
    {"23505", OUTCOME_PERMANENT, "hub.unique"},
    {"25006", OUTCOME_RETRY, "hub.read_only"}, /* a standby: it becomes or finds its primary */
    {"28", OUTCOME_PERMANENT, "hub.auth"},
    {"40001", OUTCOME_RETRY, "hub.conflict"}, /* serialization failure */
    {"40P01", OUTCOME_RETRY, "hub.conflict"}, /* deadlock */
    {"42501", OUTCOME_PERMANENT, "hub.denied"},
    {"53", OUTCOME_RETRY, "hub.resources"},      /* disk, memory, connections */
    {"55P03", OUTCOME_RETRY, "hub.conflict"},    /* lock not available */
    {"57014", OUTCOME_RETRY, "hub.timeout"},     /* cancelled: the statement time-out */
    {"57P", OUTCOME_RETRY, "hub.unreachable"},   /* shutdown, crash, starting up */
    {"57P04", OUTCOME_PERMANENT, "hub.refused"}, /* database dropped */
};

static struct verdict find_verdict(const char *sqlstate)
{
    struct verdict found = {"", OUTCOME_PERMANENT, "hub.statement"};
    for (size_t i = 0; sqlstate != NULL && i < sizeof verdicts / sizeof *verdicts; i++) {
        size_t len = strlen(verdicts[i].prefix);
        if (len > strlen(found.prefix) && strncmp(sqlstate, verdicts[i].prefix, len) == 0)
            found = verdicts[i];
    }
    return found;
}

enum outcome pgsql_outcome(const char *sqlstate)
{
    return find_verdict(sqlstate).outcome;
}

static bool is_state(const char *text)
{
    for (int i = 0; i < 5; i++)
        if (!isdigit((unsigned char)text[i]) && !(text[i] >= 'A' && text[i] <= 'Z'))
            return false;
    return text[5] == ':';
}

bool pgsql_find_sqlstate(const char *message, char ret_sqlstate[6])
{
    /* "...: FATAL:  28P01: password authentication failed"; the word may be translated. */
    for (const char *at = strstr(message, ":  "); at != NULL; at = strstr(at + 1, ":  "))
        if (strlen(at + 3) > 5 && is_state(at + 3)) {
            memcpy(ret_sqlstate, at + 3, 5);
            ret_sqlstate[5] = '\0';
            return true;
        }
    return false;
}

/* libpq's own failure: no server said anything of the statement. */
static enum outcome fail_own(const PGresult *result, const char *what, struct err *err)
{
    const char *message = PQresultErrorMessage(result);
    return FAIL(err, OUTCOME_RETRY, "hub.unreachable", "%s: %.*s", what,
                (int)strcspn(message, "\r\n"), message);
}

enum outcome pgsql_fail_result(const PGresult *result, const char *what, struct err *err)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    if (sqlstate == NULL)
        return fail_own(result, what, err);
    struct verdict verdict = find_verdict(sqlstate);
    /* The messages of class 22 quote the value: not for messages of ours. */
    if (strncmp(sqlstate, "22", 2) == 0)
        primary = "a value does not fit its type";
    FAIL(err, verdict.outcome, verdict.code, "%s: %s%s%s", what,
         primary == NULL ? "no message" : primary, constraint == NULL ? "" : ", constraint ",
         constraint == NULL ? "" : constraint);
    return err_native(err, sqlstate);
}
