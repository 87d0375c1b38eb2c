/*
 * pgsql_private: what the pgsql_*.c files share; included by these files alone.
 */
#ifndef HAUL_IO_PGSQL_PRIVATE_H
#define HAUL_IO_PGSQL_PRIVATE_H

#include "base/arena.h"
#include "io/pgsql.h"

#include <libpq-fe.h>

#define PGSQL_PREPARED_MAX 128

/* A text that was run before; from its second run on it is prepared. */
struct pgsql_prepared {
    char *sql;
    bool is_prepared;
};

struct pgsql {
    PGconn *native; /* NULL = lost, or not made yet */
    struct arena arena;
    const char *uri, *application_name, *session_sql;
    int64_t connect_timeout_ms, statement_timeout_ms;
    bool in_transaction;   /* of pgsql_begin, even after its connection was lost */
    bool transaction_lost; /* that connection is gone: nothing may run until it is over */
    struct pgsql_prepared prepared[PGSQL_PREPARED_MAX];
    size_t prepared_count;
};

/* Makes the connection. Errors as pgsql_open. */
MUST_USE enum outcome pgsql_connect(struct pgsql *db, struct err *err);
void pgsql_disconnect(struct pgsql *db);
void pgsql_forget_prepared(struct pgsql *db);

/* Connected, or connected anew where that is allowed. */
MUST_USE enum outcome pgsql_ready(struct pgsql *db, struct err *err);

/* Sends what is queued and waits until a result can be taken without waiting. RETRY
 * "hub.unreachable" when the connection breaks or the answer is overdue; it is dropped then. */
MUST_USE enum outcome pgsql_await(struct pgsql *db, struct err *err);

/* The command's tag: "COMMIT", "INSERT 0 1". */
const char *pgsql_command(struct pgsql_result *result);

/* Fills the record from a failed result. */
enum outcome pgsql_fail_result(const PGresult *result, const char *what, struct err *err);
/* Fills the record from the connection's message, and drops the connection. */
enum outcome pgsql_fail_lost(struct pgsql *db, const char *what, struct err *err);

#endif
