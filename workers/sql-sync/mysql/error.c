/*
 * error: from a server's error number to class, code and hint, by one table.
 *
 * Messages of refused rows are ours: the server's quote the value. All others are the server's.
 */
#include "mysql/mysql_private.h"

#include <stdio.h>
#include <string.h>

#define COLUMN_MAX 64

struct known {
    unsigned number;
    enum outcome outcome;
    const char *connect, *source, *target; /* codes; NULL = the side's default */
    const char *hint;
};

#define LOST NULL, "read.lost", "write.lost"
#define FORBIDDEN "connect.database", "stream.forbidden", "target.forbidden"
#define MISSING "connect.database", "stream.missing", "target.missing"
#define FULL NULL, "read.resources", "target.full"
#define RESOURCES NULL, "read.resources", "write.resources"
#define CONFLICT NULL, "read.conflict", "write.conflict"
#define LOCKED NULL, "read.locked", "write.locked"
#define TIMEOUT NULL, "statement.timeout", "statement.timeout"
#define AUTH "connect.auth", "connect.auth", "connect.auth"
#define REFUSED "connect.refused", "read.lost", "write.lost"

static const char hint_full[] = "free or add disk space on the server, then replay the job";
static const char hint_grant[] = "grant the connection's user what the statement needs; "
                                 "what it may not see is refused whether it exists or not";
static const char hint_auth[] = "check user and password, and that the account may log in from "
                                "this host";
static const char hint_read_only[] = "this server takes no writes: connect to the primary";
static const char hint_timeout[] = "raise the connection's statement_timeout_ms, or read less";

static const struct known known_errors[] = {
    /* the network, and a server that goes or comes */
    {2002, OUTCOME_RETRY, REFUSED, "is the server running, and are host and port right?"},
    {2003, OUTCOME_RETRY, REFUSED, "is the server running, and are host and port right?"},
    {2005, OUTCOME_RETRY, REFUSED, "the host's name is not known: check it"},
    {2006, OUTCOME_RETRY, "connect.refused", "read.lost", "write.lost", NULL},
    {2012, OUTCOME_RETRY, REFUSED, NULL},
    {2013, OUTCOME_RETRY, REFUSED, NULL},
    {2014, OUTCOME_BUG, NULL, NULL, NULL, NULL},
    {2026, OUTCOME_PERMANENT, "connect.tls", "read.lost", "write.lost",
     "check tls, tls_ca, tls_cert and tls_key against the server's certificate"},
    {2055, OUTCOME_RETRY, LOST, NULL},
    {1040, OUTCOME_RETRY, "connect.refused", NULL, NULL, "the server has no connection left"},
    {1203, OUTCOME_RETRY, "connect.refused", NULL, NULL, "the account has no connection left"},
    {1226, OUTCOME_RETRY, "connect.refused", NULL, NULL, "the account's hourly limit is reached"},
    {1053, OUTCOME_RETRY, REFUSED, "the server is shutting down"},
    {1077, OUTCOME_RETRY, REFUSED, NULL},
    {1079, OUTCOME_RETRY, REFUSED, NULL},
    {1152, OUTCOME_RETRY, LOST, NULL},
    {1158, OUTCOME_RETRY, LOST, NULL},
    {1159, OUTCOME_RETRY, LOST, NULL},
    {1160, OUTCOME_RETRY, LOST, NULL},
    {1161, OUTCOME_RETRY, LOST, NULL},
    {1184, OUTCOME_RETRY, LOST, NULL},
    {1317, OUTCOME_RETRY, LOST, "someone stopped the statement (KILL QUERY)"},
    {1927, OUTCOME_RETRY, LOST, "someone ended the connection (KILL)"},
    {3169, OUTCOME_RETRY, LOST, "someone ended the connection (KILL)"},
    {4031, OUTCOME_RETRY, LOST, "the server ended an idle connection"},
    /* concurrency */
    {1205, OUTCOME_RETRY, LOCKED, "another transaction holds a lock"},
    {1213, OUTCOME_RETRY, CONFLICT, NULL},
    {1206, OUTCOME_RETRY, RESOURCES, NULL},
    {1412, OUTCOME_RETRY, CONFLICT, "the table was altered during the snapshot"},
    {1637, OUTCOME_RETRY, RESOURCES, NULL},
    {1020, OUTCOME_RETRY, CONFLICT, NULL},
    {1180, OUTCOME_RETRY, CONFLICT, NULL},
    {1969, OUTCOME_RETRY, TIMEOUT, hint_timeout},
    {3024, OUTCOME_RETRY, TIMEOUT, hint_timeout},
    {1290, OUTCOME_RETRY, NULL, NULL, "target.forbidden", hint_read_only},
    {1836, OUTCOME_RETRY, NULL, NULL, "target.forbidden", hint_read_only},
    {1792, OUTCOME_PERMANENT, NULL, "stream.forbidden", "target.forbidden",
     "the session may only read"},
    /* room */
    {1021, OUTCOME_PERMANENT, FULL, hint_full},
    {1114, OUTCOME_PERMANENT, FULL, hint_full},
    {1041, OUTCOME_RETRY, RESOURCES, "the server is out of memory"},
    {1037, OUTCOME_RETRY, RESOURCES, "the server is out of memory"},
    {1038, OUTCOME_RETRY, RESOURCES, "the server is out of sort memory"},
    /* who may do what */
    {1045, OUTCOME_PERMANENT, AUTH, hint_auth},
    {1698, OUTCOME_PERMANENT, AUTH, hint_auth},
    {1251, OUTCOME_PERMANENT, AUTH, "the account's login method is not supported"},
    {1275, OUTCOME_PERMANENT, AUTH, "the account's login method is not supported"},
    {1524, OUTCOME_PERMANENT, AUTH, "the server has no plugin for the account's login method"},
    {2059, OUTCOME_PERMANENT, AUTH, "the client has no plugin for the account's login method"},
    {2061, OUTCOME_PERMANENT, AUTH, "the login method needs TLS: set tls to required"},
    {3159, OUTCOME_PERMANENT, "connect.tls", "connect.tls", "connect.tls",
     "the server takes TLS connections only: set tls to required"},
    {1820, OUTCOME_PERMANENT, AUTH, "the account's password has expired"},
    {1862, OUTCOME_PERMANENT, AUTH, "the account's password has expired"},
    {3118, OUTCOME_PERMANENT, AUTH, "the account is locked"},
    {4151, OUTCOME_PERMANENT, AUTH, "the account is locked"},
    {1130, OUTCOME_PERMANENT, AUTH, "the server does not let this host in"},
    {1129, OUTCOME_PERMANENT, AUTH, "too many failed logins from this host: FLUSH HOSTS"},
    {1049, OUTCOME_PERMANENT, MISSING, "check the database's name"},
    {1044, OUTCOME_PERMANENT, FORBIDDEN, hint_grant},
    {1142, OUTCOME_PERMANENT, FORBIDDEN, hint_grant},
    {1143, OUTCOME_PERMANENT, FORBIDDEN, hint_grant},
    {1227, OUTCOME_PERMANENT, FORBIDDEN, hint_grant},
    {1370, OUTCOME_PERMANENT, FORBIDDEN, hint_grant},
    {1356, OUTCOME_PERMANENT, NULL, "stream.forbidden", NULL,
     "the view is broken, or its definer may no longer read its tables"},
    /* what there is */
    {1146, OUTCOME_PERMANENT, MISSING, "check schema and name; names may be case-sensitive"},
    {1051, OUTCOME_PERMANENT, MISSING, NULL},
    {1050, OUTCOME_PERMANENT, NULL, NULL, "target.exists", NULL},
    {1054, OUTCOME_PERMANENT, NULL, "stream.columns", "target.columns",
     "the table's columns have changed: discover it again"},
    {1136, OUTCOME_PERMANENT, NULL, NULL, "target.columns", NULL},
    {1364, OUTCOME_PERMANENT, NULL, NULL, "target.columns",
     "the target has a column that must have a value, has no default, and isn't written"},
    {1906, OUTCOME_PERMANENT, NULL, NULL, "target.columns", "generated columns can't be written"},
    {3105, OUTCOME_PERMANENT, NULL, NULL, "target.columns", "generated columns can't be written"},
    {1118, OUTCOME_PERMANENT, NULL, NULL, "target.columns",
     "the row is too wide for the storage engine: use fewer columns or text types"},
    {3750, OUTCOME_PERMANENT, NULL, NULL, "target.forbidden",
     "sql_require_primary_key refuses a stage, which gets its key behind the load: switch it off "
     "for this account"},
    {1665, OUTCOME_PERMANENT, NULL, NULL, NULL, "set the server's binlog_format to ROW or MIXED"},
    {1060, OUTCOME_PERMANENT, NULL, "stream.query", "target.columns",
     "two columns have one name: give them aliases"},
    {1064, OUTCOME_PERMANENT, NULL, "stream.query", NULL, "check the sync's query"},
};

/* What a row's data may be refused for, in our words. The list is all there is: an error that isn't
 * in it never blames a row. */
static const struct refusal {
    unsigned number;
    const char *what;
} refusals[] = {
    {1048, "NULL in a column that must have a value"},
    {1062, "the value stands in a unique index already"},
    {1586, "the value stands in a unique index already"},
    {1761, "a referring row would stand in a unique index twice"},
    {1762, "a referring row would stand in a unique index twice"},
    {1169, "the value stands in a unique index already"},
    {1264, "the number is out of the column's range"},
    {1265, "the value does not fit the column's type"},
    {1292, "the value is no valid one of the column's type"},
    {1300, "the text has bytes that its character set has not"},
    {1365, "a division by zero"},
    {1366, "the value is no valid one of the column's type"},
    {1367, "the number can't be read"},
    {1406, "the value is longer than the column"},
    {1411, "the value can't be read by a function"},
    {1416, "the value is no geometry"},
    {1425, "more digits than the column can have"},
    {1441, "the date is out of range"},
    {1452, "no row that its foreign key points to"},
    {1451, "rows of another table point to it"},
    {1216, "no row that its foreign key points to"},
    {1217, "rows of another table point to it"},
    {1526, "no partition takes the row"},
    {1591, "no partition takes the row"},
    {1748, "the row does not match the partition"},
    {1644, "a trigger refuses the row"},
    {1690, "a generated value is out of range"},
    {3140, "the value is no valid JSON"},
    {3141, "the value is no valid JSON"},
    {3157, "the JSON is nested too deeply"},
    {3150, "the JSON is too big"},
    {3819, "a check constraint refuses the row"},
    {4025, "a check constraint refuses the row"},
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct known *find_known(unsigned number)
{
    for (size_t i = 0; i < COUNT_OF(known_errors); i++) {
        if (known_errors[i].number == number)
            return &known_errors[i];
    }
    return NULL;
}

static const struct refusal *find_refusal(unsigned number)
{
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        if (refusals[i].number == number)
            return &refusals[i];
    }
    return NULL;
}

bool mys_error_is_row_fault(unsigned number)
{
    return find_refusal(number) != NULL;
}

static const char *last_of(const char *text, const char *what)
{
    const char *found = NULL;
    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what))
        found = at;
    return found;
}

/* The name between the quote marks behind the last `what`; `db`.`table`.`column` gives the last. */
static bool take_name(const char *text, const char *what, char to[COLUMN_MAX])
{
    const char *at = last_of(text, what);
    if (at == NULL)
        return false;
    at += strlen(what);
    char quote = *at;
    if (quote != '\'' && quote != '`')
        return false;
    const char *begin = at + 1, *end = strchr(begin, quote);
    while (end != NULL && quote == '`' && end[1] == '.' && end[2] == '`') {
        begin = end + 3;
        end = strchr(begin, quote);
    }
    if (end == NULL)
        return false;
    (void)snprintf(to, COLUMN_MAX, "%.*s", (int)(end - begin), begin);
    return true;
}

static enum outcome refuse_row(const struct refusal *refusal, const char *text, struct err *err)
{
    char name[COLUMN_MAX] = "";
    if (take_name(text, "for column ", name) || take_name(text, "Column ", name)) {
        (void)FAIL(err, OUTCOME_PERMANENT, "row.refused", "column %s: %s", name, refusal->what);
        if (err != NULL)
            text_copy(err->column, sizeof err->column, name);
    } else if (take_name(text, "for key ", name)) {
        (void)FAIL(err, OUTCOME_PERMANENT, "row.refused", "index %s: %s", name, refusal->what);
    } else if (take_name(text, "CONSTRAINT ", name) || take_name(text, "constraint ", name)) {
        (void)FAIL(err, OUTCOME_PERMANENT, "row.refused", "constraint %s: %s", name, refusal->what);
    } else {
        (void)FAIL(err, OUTCOME_PERMANENT, "row.refused", "%s", refusal->what);
    }
    if (err != NULL)
        err->row_fault = true;
    return OUTCOME_PERMANENT;
}

/* 1030 and 3 ("Got error 28 from storage engine") carry the operating system's number in the text.
 */
static bool is_disk_full(unsigned number, const char *text)
{
    return (number == 1030 || number == 3 || number == 1026 || number == 1296) &&
           (strstr(text, "error 28") != NULL || strstr(text, "Errcode: 28") != NULL ||
            strstr(text, "No space left") != NULL);
}

/* Behind the handshake TLS fails with the network or the server only; a handshake that was broken
 * off is no wrong configuration either. */
static bool is_network_in_tls(enum mys_side side, unsigned number, const char *text)
{
    static const char *const marks[] = {"reset by peer", "Broken pipe", "timed out",
                                        "unexpected eof"};
    if (number != 2026 || side != MYS_CONNECT)
        return number == 2026;
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        if (strstr(text, marks[i]) != NULL)
            return true;
    }
    return false;
}

static const char *default_code(enum mys_side side)
{
    static const char *const codes[] = {[MYS_CONNECT] = "connect.refused",
                                        [MYS_SOURCE] = "stream.query",
                                        [MYS_TARGET] = "target.statement",
                                        [MYS_ROWS] = "target.statement"};
    return codes[side];
}

static const char *code_of(const struct known *known, enum mys_side side)
{
    const char *code = NULL;
    if (known != NULL)
        code = side == MYS_CONNECT  ? known->connect
               : side == MYS_SOURCE ? known->source
                                    : known->target;
    return code == NULL ? default_code(side) : code;
}

/* What no table knows: the client's own errors pass, the server's stay. */
static enum outcome default_outcome(unsigned number)
{
    return number >= 2000 && number < 3000 ? OUTCOME_RETRY : OUTCOME_PERMANENT;
}

enum outcome mys_error(enum mys_side side, unsigned number, const char *text, struct err *err)
{
    const struct refusal *refusal = find_refusal(number);
    char native[16];
    (void)snprintf(native, sizeof native, "%u", number);
    if (refusal != NULL && side == MYS_ROWS) {
        (void)refuse_row(refusal, text, err);
        return err_native(err, native);
    }
    const struct known *known = find_known(number);
    enum outcome outcome = known == NULL ? default_outcome(number) : known->outcome;
    const char *code = code_of(known, side), *hint = known == NULL ? NULL : known->hint;
    if (is_disk_full(number, text)) {
        outcome = OUTCOME_PERMANENT;
        code = side == MYS_SOURCE ? "read.resources" : "target.full";
        hint = hint_full;
    } else if (is_network_in_tls(side, number, text)) {
        outcome = OUTCOME_RETRY;
        code = side == MYS_CONNECT ? "connect.refused" : code;
        hint = NULL;
    }
    /* A refusal quotes the value: only our words may pass. */
    (void)FAIL(err, outcome, code, "mysql: %s", refusal == NULL ? text : refusal->what);
    if (hint != NULL)
        (void)err_hint(err, "%s", hint);
    return err_native(err, native);
}
