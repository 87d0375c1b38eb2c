/* pgsql: transactions and locks. See pgsql.h. */
#include "io/pgsql_private.h"

#include "base/clock.h"

#include <string.h>

enum outcome pgsql_begin(struct pgsql *db, struct pgsql_tx *ret_tx, struct err *err)
{
    if (db->in_transaction)
        return FAIL_BUG(err, "a transaction within a transaction");
    TRY(pgsql_query(db, "BEGIN", PGSQL_NONE, NULL, err));
    db->in_transaction = true;
    ret_tx->db = db;
    return OUTCOME_OK;
}

static void end_transaction(struct pgsql_tx *tx)
{
    tx->db->in_transaction = false;
    tx->db->transaction_lost = false;
    tx->db = NULL;
}

enum outcome pgsql_commit(struct pgsql_tx *tx, struct err *err)
{
    struct pgsql *db = tx->db;
    if (db == NULL)
        return FAIL_BUG(err, "commit without a transaction");
    bool was_lost = db->transaction_lost || !pgsql_is_connected(db);
    PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
    enum outcome outcome = pgsql_query(db, "COMMIT", PGSQL_NONE, &result, err);
    bool is_lost = !pgsql_is_connected(db);
    end_transaction(tx);
    if (outcome != OUTCOME_OK && is_lost && !was_lost && err != NULL)
        text_copy(err->code, sizeof err->code, "hub.commit_unknown");
    TRY(outcome);
    /* A transaction with a failed statement answers COMMIT with a rollback, as a success. */
    if (strcmp(pgsql_command(result), "COMMIT") != 0)
        return FAIL_BUG(err, "the transaction was rolled back: a statement of it had failed");
    return OUTCOME_OK;
}

void pgsql_rollback(struct pgsql_tx *tx)
{
    struct pgsql *db = tx->db;
    if (db == NULL)
        return;
    bool is_gone = db->transaction_lost || !pgsql_is_connected(db);
    if (!is_gone && pgsql_query(db, "ROLLBACK", PGSQL_NONE, NULL, NULL) != OUTCOME_OK)
        pgsql_disconnect(db); /* the server rolls back what has no connection */
    end_transaction(tx);
}

enum outcome pgsql_lock(struct pgsql *db, int64_t key, int64_t timeout_ms, struct err *err)
{
    int64_t until_us = clock_monotonic_us() + timeout_ms * US_PER_MS;
    for (;;) {
        PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
        TRY(pgsql_query(db, "SELECT pg_try_advisory_lock($1::bigint)", PGSQL_PARAMS(PGSQL_INT(key)),
                        &result, err));
        if (pgsql_bool(result, 0, 0))
            return OUTCOME_OK;
        if (clock_monotonic_us() >= until_us)
            return FAIL(err, OUTCOME_RETRY, "hub.locked",
                        "someone else holds the hub's lock %lld for more than %lld ms",
                        (long long)key, (long long)timeout_ms);
        clock_sleep_us(50 * US_PER_MS);
    }
}

void pgsql_unlock(struct pgsql *db, int64_t key)
{
    enum outcome outcome = pgsql_query(db, "SELECT pg_advisory_unlock($1::bigint)",
                                       PGSQL_PARAMS(PGSQL_INT(key)), NULL, NULL);
    if (outcome != OUTCOME_OK)
        pgsql_disconnect(db); /* the lock ends with its session */
}
