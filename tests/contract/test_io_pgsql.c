/* io/pgsql against a real PostgreSQL: POSTGRES_URL names it. */
#include "base/clock.h"
#include "check.h"
#include "io/pgsql.h"

#include <stdio.h>
#include <stdlib.h>

static struct pgsql *db, *other;
static struct err err;

static bool open_one(struct pgsql **ret_db, int64_t statement_timeout_ms)
{
    struct pgsql_conf conf = {.uri = getenv("POSTGRES_URL"),
                              .connect_timeout_ms = 5000,
                              .statement_timeout_ms = statement_timeout_ms,
                              .application_name = "haul-test"};
    return CHECK(conf.uri != NULL) && CHECK_OK(pgsql_open(&conf, ret_db, &err), &err);
}

static bool setup(void)
{
    err_clear(&err);
    return open_one(&db, 10000) && open_one(&other, 10000) &&
           CHECK_OK(pgsql_script(db,
                                 "DROP TABLE IF EXISTS haul_io; CREATE TABLE haul_io (id bigint "
                                 "PRIMARY KEY, t text); INSERT INTO haul_io VALUES (1, 'one')",
                                 &err),
                    &err);
}

static void teardown(void)
{
    CHECK_OK(pgsql_script(other, "DROP TABLE IF EXISTS haul_io", &err), &err);
    pgsql_close(db);
    pgsql_close(other);
    db = other = NULL;
}

static int64_t number(struct pgsql *from, const char *sql)
{
    PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
    if (!CHECK_OK(pgsql_query(from, sql, PGSQL_NONE, &result, &err), &err))
        return -1;
    return pgsql_rows(result) == 0 ? -2 : pgsql_i64(result, 0, 0, -3);
}

/* Ends the connection of `db` from the other one. */
static void kill_connection(void)
{
    char pid[24];
    pgsql_int_text(number(db, "SELECT pg_backend_pid()"), pid);
    CHECK_OK(pgsql_query(other, "SELECT pg_terminate_backend($1::int, 5000)", PGSQL_PARAMS(pid),
                         NULL, &err),
             &err);
}

static void test_reads_results(void)
{
    if (!setup())
        return;
    for (int round = 0; round < 4; round++) { /* plain, then prepared */
        PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
        const char *sql = "SELECT $1::bigint AS n, $2::text AS t, $3::bool, NULL, 'x' ORDER BY 1";
        CHECK_OK(pgsql_query(db, sql, PGSQL_PARAMS(PGSQL_INT(INT64_MIN), "a'b\\", PGSQL_BOOL(true)),
                             &result, &err),
                 &err);
        CHECK_INT(pgsql_rows(result), 1);
        CHECK_INT(pgsql_columns(result), 5);
        CHECK_TEXT(pgsql_column_name(result, 1), "t");
        CHECK_INT(pgsql_i64(result, 0, 0, 0), INT64_MIN);
        CHECK_TEXT(pgsql_text(result, 0, 1), "a'b\\");
        CHECK(pgsql_bool(result, 0, 2));
        CHECK(pgsql_is_null(result, 0, 3));
        CHECK(pgsql_text(result, 0, 3) == NULL);
        CHECK(pgsql_slice(result, 0, 3).data == NULL);
        CHECK_INT(pgsql_i64(result, 0, 3, -7), -7);
        CHECK_INT(pgsql_i64(result, 0, 4, -7), -7);
    }
    int64_t rows = -1;
    CHECK_OK(pgsql_run(db, "INSERT INTO haul_io VALUES ($1, NULL), ($2, 'b')",
                       PGSQL_PARAMS("2", "3"), &rows, &err),
             &err);
    CHECK_INT(rows, 2);
    CHECK_OK(pgsql_run(db, "UPDATE haul_io SET t = 'x' WHERE id = 99", PGSQL_NONE, &rows, &err),
             &err);
    CHECK_INT(rows, 0);
    teardown();
}

static void test_failures_have_classes(void)
{
    static const struct {
        const char *sql, *code, *native;
        enum outcome want;
    } cases[] = {
        {"SELEC 1", "hub.statement", "42601", OUTCOME_PERMANENT},
        {"SELECT * FROM haul_no_such", "hub.statement", "42P01", OUTCOME_PERMANENT},
        {"INSERT INTO haul_io VALUES (1, 's3cret')", "hub.unique", "23505", OUTCOME_PERMANENT},
        {"SELECT 's3cret'::bigint", "hub.value", "22P02", OUTCOME_PERMANENT},
        {"DO $$BEGIN RAISE SQLSTATE '40001'; END$$", "hub.conflict", "40001", OUTCOME_RETRY},
        {"DO $$BEGIN RAISE SQLSTATE '55P03'; END$$", "hub.conflict", "55P03", OUTCOME_RETRY},
        {"DO $$BEGIN RAISE SQLSTATE '53100'; END$$", "hub.resources", "53100", OUTCOME_RETRY},
        {"DO $$BEGIN RAISE SQLSTATE '42501'; END$$", "hub.denied", "42501", OUTCOME_PERMANENT},
    };
    if (!setup())
        return;
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) { /* each plain and prepared */
        const size_t c = i / 2;
        PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
        CHECK_OUTCOME(pgsql_query(db, cases[c].sql, PGSQL_NONE, &result, &err), cases[c].want,
                      &err);
        CHECK_TEXT(err.code, cases[c].code);
        CHECK_TEXT(err.native, cases[c].native);
        CHECK(strstr(err.message, "s3cret") == NULL);
        CHECK(result == NULL);
    }
    CHECK_INT(number(db, "SELECT 5"), 5); /* none of them cost the connection */
    teardown();
}

static void test_statements_time_out(void)
{
    struct pgsql *hasty = NULL;
    if (!open_one(&hasty, 200))
        return;
    CHECK_OUTCOME(pgsql_query(hasty, "SELECT pg_sleep(10)", PGSQL_NONE, NULL, &err), OUTCOME_RETRY,
                  &err);
    CHECK_TEXT(err.code, "hub.timeout");
    CHECK_INT(number(hasty, "SELECT 1"), 1);
    pgsql_close(hasty);
}

static void test_transactions(void)
{
    if (!setup())
        return;
    {
        PGSQL_TX_AUTO struct pgsql_tx tx = {0};
        CHECK_OK(pgsql_begin(db, &tx, &err), &err);
        CHECK_OK(pgsql_query(db, "DELETE FROM haul_io", PGSQL_NONE, NULL, &err), &err);
        struct pgsql_tx inner = {0};
        CHECK_OUTCOME(pgsql_begin(db, &inner, &err), OUTCOME_BUG, &err);
    } /* left without a commit */
    CHECK_INT(number(other, "SELECT count(*) FROM haul_io"), 1);
    for (int i = 0; i < 3; i++) { /* the third BEGIN and COMMIT are prepared */
        PGSQL_TX_AUTO struct pgsql_tx tx = {0};
        CHECK_OK(pgsql_begin(db, &tx, &err), &err);
        CHECK_OK(pgsql_query(db, "INSERT INTO haul_io VALUES ($1, 'n')",
                             PGSQL_PARAMS(PGSQL_INT(10 + i)), NULL, &err),
                 &err);
        CHECK_OK(pgsql_commit(&tx, &err), &err);
    }
    CHECK_INT(number(other, "SELECT count(*) FROM haul_io"), 4);
    PGSQL_TX_AUTO struct pgsql_tx tx = {0};
    CHECK_OK(pgsql_begin(db, &tx, &err), &err);
    CHECK_OUTCOME(pgsql_query(db, "SELECT 1/0", PGSQL_NONE, NULL, &err), OUTCOME_PERMANENT, &err);
    CHECK_OUTCOME(pgsql_commit(&tx, &err), OUTCOME_BUG, &err); /* never a silent rollback */
    CHECK_INT(number(db, "SELECT 2"), 2);
    teardown();
}

static void test_lost_connections(void)
{
    if (!setup())
        return;
    kill_connection();
    CHECK_OUTCOME(pgsql_query(db, "SELECT 1", PGSQL_NONE, NULL, &err), OUTCOME_RETRY, &err);
    CHECK_TEXT(err.code, "hub.unreachable");
    CHECK(!pgsql_is_connected(db));
    CHECK_INT(number(db, "SELECT 3"), 3); /* made anew */

    PGSQL_TX_AUTO struct pgsql_tx tx = {0};
    CHECK_OK(pgsql_begin(db, &tx, &err), &err);
    kill_connection();
    const char *insert = "INSERT INTO haul_io VALUES (50, 'must not stand alone')";
    CHECK_OUTCOME(pgsql_query(db, insert, PGSQL_NONE, NULL, &err), OUTCOME_RETRY, &err);
    CHECK_OUTCOME(pgsql_query(db, insert, PGSQL_NONE, NULL, &err), OUTCOME_RETRY, &err);
    CHECK_OUTCOME(pgsql_commit(&tx, &err), OUTCOME_RETRY, &err);
    CHECK_TEXT(err.code, "hub.unreachable");
    CHECK_INT(number(db, "SELECT count(*) FROM haul_io WHERE id = 50"), 0);

    CHECK_OK(pgsql_begin(db, &tx, &err), &err);
    kill_connection();
    CHECK_OUTCOME(pgsql_commit(&tx, &err), OUTCOME_RETRY, &err);
    CHECK_TEXT(err.code, "hub.commit_unknown");
    teardown();
}

static void test_batches(void)
{
    if (!setup())
        return;
    const char *insert = "INSERT INTO haul_io VALUES ($1, $2)";
    for (int round = 0; round < 3; round++) {
        int64_t rows[3] = {-1, -1, -1};
        struct pgsql_statement batch[] = {
            {insert, PGSQL_PARAMS("100", "a")},
            {insert, PGSQL_PARAMS("101", NULL)},
            {"DELETE FROM haul_io WHERE id >= 100", PGSQL_NONE},
        };
        CHECK_OK(pgsql_batch(db, batch, 3, rows, &err), &err);
        CHECK_INT(rows[0], 1);
        CHECK_INT(rows[2], 2);
        struct pgsql_statement broken[] = {
            {insert, PGSQL_PARAMS("200", "a")},
            {insert, PGSQL_PARAMS("1", "twice")},
            {insert, PGSQL_PARAMS("201", "b")},
        };
        CHECK_OUTCOME(pgsql_batch(db, broken, 3, NULL, &err), OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, "hub.unique");
        CHECK(strncmp(err.message, "statement 1 of a batch: ", 24) == 0);
        CHECK_INT(number(db, "SELECT count(*) FROM haul_io"), 1); /* all or none */
    }
    CHECK_OK(pgsql_batch(db, NULL, 0, NULL, &err), &err);

    enum { MANY = 5000 };
    static char texts[MANY][24];
    static const char *params[MANY][2];
    static struct pgsql_statement many[MANY];
    for (int i = 0; i < MANY; i++) {
        params[i][0] = pgsql_int_text(1000 + i, texts[i]);
        params[i][1] = "some text to fill the buffers of both sides";
        many[i] = (struct pgsql_statement){"INSERT INTO haul_io VALUES ($1, $2) RETURNING t",
                                           {params[i], 2}};
    }
    CHECK_OK(pgsql_batch(db, many, MANY, NULL, &err), &err);
    CHECK_INT(number(db, "SELECT count(*) FROM haul_io"), MANY + 1);

    PGSQL_TX_AUTO struct pgsql_tx tx = {0};
    CHECK_OK(pgsql_begin(db, &tx, &err), &err);
    kill_connection();
    CHECK_OUTCOME(pgsql_batch(db, many, 10, NULL, &err), OUTCOME_RETRY, &err);
    CHECK_TEXT(err.code, "hub.unreachable");
    pgsql_rollback(&tx);
    CHECK_INT(number(db, "SELECT 1"), 1);
    teardown();
}

static void test_changed_tables_replan(void)
{
    if (!setup())
        return;
    for (int i = 0; i < 3; i++)
        CHECK_OK(pgsql_query(db, "SELECT * FROM haul_io", PGSQL_NONE, NULL, &err), &err);
    CHECK_OK(pgsql_script(other, "ALTER TABLE haul_io ADD COLUMN more int", &err), &err);
    PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
    CHECK_OK(pgsql_query(db, "SELECT * FROM haul_io", PGSQL_NONE, &result, &err), &err);
    CHECK_INT(pgsql_columns(result), 3);
    teardown();
}

static void test_scripts(void)
{
    if (!setup())
        return;
    CHECK_OK(pgsql_script(db, "", &err), &err);
    CHECK_OK(pgsql_script(db, "SELECT 1; SELECT 2; -- done\n", &err), &err);
    CHECK_OUTCOME(pgsql_script(db, "DELETE FROM haul_io; SELECT 1; SELEC", &err), OUTCOME_PERMANENT,
                  &err);
    CHECK_OUTCOME(pgsql_script(db, "DELETE FROM haul_io; SELECT 1/0; SELECT 1", &err),
                  OUTCOME_PERMANENT, &err);
    CHECK(strncmp(err.message, "statement 2: ", 13) == 0);
    CHECK_INT(number(db, "SELECT count(*) FROM haul_io"), 1);
    teardown();
}

static void test_advisory_locks(void)
{
    if (!setup())
        return;
    CHECK_OK(pgsql_lock(db, 4711, 1000, &err), &err);
    CHECK_OUTCOME(pgsql_lock(other, 4711, 150, &err), OUTCOME_RETRY, &err);
    CHECK_TEXT(err.code, "hub.locked");
    pgsql_unlock(db, 4711);
    CHECK_OK(pgsql_lock(other, 4711, 1000, &err), &err);
    pgsql_unlock(other, 4711);
    teardown();
}

static void test_refused_connections(void)
{
    char url[512];
    const struct {
        const char *user, *password, *database, *code;
    } cases[] = {
        {getenv("POSTGRES_USER"), "wr0ng", getenv("POSTGRES_DATABASE"), "hub.auth"},
        {"haul_nobody", "x", getenv("POSTGRES_DATABASE"), "hub.auth"},
        {getenv("POSTGRES_USER"), getenv("POSTGRES_PASSWORD"), "haul_no_such", "hub.refused"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pgsql *none = NULL;
        snprintf(url, sizeof url, "postgresql://%s:%s@127.0.0.1:%s/%s", cases[i].user,
                 cases[i].password, getenv("POSTGRES_PORT"), cases[i].database);
        struct pgsql_conf conf = {
            .uri = url, .connect_timeout_ms = 5000, .statement_timeout_ms = 5000};
        CHECK_OUTCOME(pgsql_open(&conf, &none, &err), OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, cases[i].code);
        CHECK(strstr(err.message, "wr0ng") == NULL);
        CHECK(none == NULL);
    }
}

static CU_TestInfo tests[] = {
    {"reads results", test_reads_results},
    {"failures have classes", test_failures_have_classes},
    {"statements time out", test_statements_time_out},
    {"transactions", test_transactions},
    {"lost connections", test_lost_connections},
    {"batches", test_batches},
    {"changed tables replan", test_changed_tables_replan},
    {"scripts", test_scripts},
    {"advisory locks", test_advisory_locks},
    {"refused connections", test_refused_connections},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("io/pgsql with a server", tests)
