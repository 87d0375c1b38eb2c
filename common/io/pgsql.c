/* pgsql: statements, batches and transactions. See pgsql.h. */
#include "io/pgsql_private.h"

#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>

static bool is_ok(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

static void clear_result(PGresult **result)
{
    PQclear(*result);
}
#define NATIVE_RESULT_AUTO __attribute__((cleanup(clear_result)))

/* ---- prepared statements ---- */

#define NAME_SIZE 24

static char *name_of(size_t i, char to[NAME_SIZE])
{
    snprintf(to, NAME_SIZE, "haul_%zu", i);
    return to;
}

/* The text's place; PGSQL_PREPARED_MAX when it is new and all places are taken. */
static size_t find_place(const struct pgsql *db, const char *sql)
{
    for (size_t i = 0; i < db->prepared_count; i++)
        if (strcmp(db->prepared[i].sql, sql) == 0)
            return i;
    return db->prepared_count;
}

/* The end of the answer: after it the connection takes the next statement. */
static enum outcome drain(struct pgsql *db, struct err *err)
{
    for (;;) {
        TRY(pgsql_await(db, err));
        PGresult *result = PQgetResult(db->native);
        if (result == NULL)
            return OUTCOME_OK;
        PQclear(result);
    }
}

/* Waits for the one result of what was sent; a failed one ends in the record. */
static enum outcome take_result(struct pgsql *db, const char *what, PGresult **ret_result,
                                struct err *err)
{
    TRY(pgsql_await(db, err));
    PGresult *result = PQgetResult(db->native);
    if (result == NULL)
        return pgsql_fail_lost(db, what, err);
    if (is_ok(result)) {
        enum outcome outcome = drain(db, err);
        if (outcome == OUTCOME_OK)
            *ret_result = result;
        else
            PQclear(result);
        return outcome;
    }
    enum outcome outcome = pgsql_fail_result(result, what, err);
    PQclear(result);
    if (PQstatus(db->native) == CONNECTION_BAD) {
        pgsql_disconnect(db);
        return outcome;
    }
    if (drain(db, NULL) != OUTCOME_OK)
        pgsql_disconnect(db);
    return outcome;
}

/* Prepares the text at its second run, so that texts of one use take no room on the server. */
static enum outcome prepare(struct pgsql *db, const char *sql, size_t params, size_t *ret_place,
                            struct err *err)
{
    size_t place = find_place(db, sql);
    *ret_place = place;
    if (place == PGSQL_PREPARED_MAX)
        return OUTCOME_OK;
    if (place == db->prepared_count) {
        char *copy = strdup(sql);
        TRY_ALLOC(copy, err);
        db->prepared[db->prepared_count++] = (struct pgsql_prepared){copy, false};
        return OUTCOME_OK;
    }
    if (db->prepared[place].is_prepared)
        return OUTCOME_OK;
    char name[NAME_SIZE];
    NATIVE_RESULT_AUTO PGresult *result = NULL;
    if (PQsendPrepare(db->native, name_of(place, name), sql, (int)params, NULL) == 0)
        return pgsql_fail_lost(db, "prepare", err);
    TRY(take_result(db, "prepare", &result, err));
    db->prepared[place].is_prepared = true;
    return OUTCOME_OK;
}

static bool send_statement(struct pgsql *db, const char *sql, struct pgsql_params params,
                           size_t place)
{
    char name[NAME_SIZE];
    int count = (int)params.count;
    if (place < PGSQL_PREPARED_MAX && db->prepared[place].is_prepared)
        return PQsendQueryPrepared(db->native, name_of(place, name), count, params.texts, NULL,
                                   NULL, 0) != 0;
    return PQsendQueryParams(db->native, sql, count, NULL, params.texts, NULL, NULL, 0) != 0;
}

/* ---- one statement ---- */

static enum outcome run_once(struct pgsql *db, const char *sql, struct pgsql_params params,
                             PGresult **ret_result, struct err *err)
{
    size_t place = PGSQL_PREPARED_MAX;
    TRY(pgsql_ready(db, err));
    TRY(prepare(db, sql, params.count, &place, err));
    if (!send_statement(db, sql, params, place))
        return pgsql_fail_lost(db, "send a statement to the hub", err);
    return take_result(db, "the hub refused a statement", ret_result, err);
}

/* True when the failure may be of the preparation alone: the table was changed since. */
static bool is_stale_plan(const struct err *err)
{
    return strcmp(err->native, "0A000") == 0 || strcmp(err->native, "26000") == 0;
}

static enum outcome run(struct pgsql *db, const char *sql, struct pgsql_params params,
                        PGresult **ret_result, struct err *err)
{
    struct err why = {0};
    enum outcome outcome = run_once(db, sql, params, ret_result, &why);
    if (outcome == OUTCOME_OK)
        return OUTCOME_OK;
    if (err != NULL)
        *err = why;
    size_t place = find_place(db, sql);
    bool was_prepared = place < db->prepared_count && db->prepared[place].is_prepared;
    if (!was_prepared || !is_stale_plan(&why))
        return outcome;
    pgsql_disconnect(db); /* with it all that was prepared */
    if (!db->in_transaction)
        return run_once(db, sql, params, ret_result, err);
    return FAIL(err, OUTCOME_RETRY, "hub.conflict", "a table of the hub has changed meanwhile");
}

enum outcome pgsql_query(struct pgsql *db, const char *sql, struct pgsql_params params,
                         struct pgsql_result **ret_result, struct err *err)
{
    PGresult *result = NULL;
    TRY(run(db, sql, params, &result, err));
    if (ret_result == NULL)
        PQclear(result);
    else
        *ret_result = (struct pgsql_result *)result;
    return OUTCOME_OK;
}

/* "INSERT 0 5", "UPDATE 3", "SELECT 2"; 0 for statements without a count. */
static int64_t count_of(PGresult *result)
{
    const char *text = PQcmdTuples(result);
    int64_t rows = 0;
    return num_parse_i64(text, strlen(text), &rows) ? rows : 0;
}

enum outcome pgsql_run(struct pgsql *db, const char *sql, struct pgsql_params params,
                       int64_t *ret_rows, struct err *err)
{
    NATIVE_RESULT_AUTO PGresult *result = NULL;
    TRY(run(db, sql, params, &result, err));
    if (ret_rows != NULL)
        *ret_rows = count_of(result);
    return OUTCOME_OK;
}

enum outcome pgsql_script(struct pgsql *db, const char *sql, struct err *err)
{
    TRY(pgsql_ready(db, err));
    if (PQsendQuery(db->native, sql) == 0)
        return pgsql_fail_lost(db, "send a script to the hub", err);
    enum outcome outcome = OUTCOME_OK;
    for (size_t i = 0;; i++) {
        TRY(pgsql_await(db, err));
        NATIVE_RESULT_AUTO PGresult *result = PQgetResult(db->native);
        if (result == NULL)
            break;
        if (outcome == OUTCOME_OK && !is_ok(result) &&
            PQresultStatus(result) != PGRES_EMPTY_QUERY) {
            outcome = pgsql_fail_result(result, "the hub refused a script", err);
            err_prefix(err, "statement %zu", i + 1);
        }
    }
    if (PQstatus(db->native) == CONNECTION_BAD)
        pgsql_disconnect(db);
    return outcome;
}

/* ---- batches ---- */

static enum outcome send_batch(struct pgsql *db, const struct pgsql_statement *statements,
                               size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        const char *sql = statements[i].sql;
        size_t place = find_place(db, sql);
        if (place == db->prepared_count)
            place = PGSQL_PREPARED_MAX;
        if (!send_statement(db, sql, statements[i].params, place))
            return pgsql_fail_lost(db, "send a batch to the hub", err);
    }
    if (PQpipelineSync(db->native) == 0)
        return pgsql_fail_lost(db, "send a batch to the hub", err);
    return OUTCOME_OK;
}

/* The results of one statement up to the NULL that ends them. */
static enum outcome take_of_batch(struct pgsql *db, size_t i, int64_t *rows, bool *failed,
                                  struct err *err)
{
    enum outcome outcome = OUTCOME_OK;
    for (;;) {
        TRY(pgsql_await(db, err));
        NATIVE_RESULT_AUTO PGresult *result = PQgetResult(db->native);
        if (result == NULL)
            return outcome;
        if (is_ok(result)) {
            *rows = count_of(result);
        } else if (!*failed) { /* those behind it are told to be aborted */
            *failed = true;
            outcome = pgsql_fail_result(result, "the hub refused a statement", err);
            err_prefix(err, "statement %zu of a batch", i);
        }
    }
}

/* After the results: the sync mark, then the end of the pipeline. */
static enum outcome end_batch(struct pgsql *db, struct err *err)
{
    TRY(pgsql_await(db, err));
    NATIVE_RESULT_AUTO PGresult *mark = PQgetResult(db->native);
    if (PQresultStatus(mark) != PGRES_PIPELINE_SYNC || PQexitPipelineMode(db->native) == 0)
        return pgsql_fail_lost(db, "end a batch", err);
    return OUTCOME_OK;
}

static enum outcome take_batch(struct pgsql *db, size_t count, int64_t *ret_rows, struct err *err)
{
    bool failed = false;
    enum outcome outcome = OUTCOME_OK;
    struct err ignored = {0};
    for (size_t i = 0; i < count; i++) {
        int64_t rows = 0;
        enum outcome one = take_of_batch(db, i, &rows, &failed, failed ? &ignored : err);
        if (outcome == OUTCOME_OK)
            outcome = one;
        if (db->native == NULL)
            return outcome;
        if (ret_rows != NULL && one == OUTCOME_OK)
            ret_rows[i] = rows;
    }
    enum outcome end = end_batch(db, outcome == OUTCOME_OK ? err : &ignored);
    return outcome == OUTCOME_OK ? end : outcome;
}

enum outcome pgsql_batch(struct pgsql *db, const struct pgsql_statement *statements, size_t count,
                         int64_t *ret_rows, struct err *err)
{
    TRY(pgsql_ready(db, err));
    size_t place = 0;
    for (size_t i = 0; i < count; i++)
        TRY(prepare(db, statements[i].sql, statements[i].params.count, &place, err));
    if (PQenterPipelineMode(db->native) == 0)
        return pgsql_fail_lost(db, "begin a batch", err);
    TRY(send_batch(db, statements, count, err));
    return take_batch(db, count, ret_rows, err);
}
