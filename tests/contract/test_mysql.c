/*
 * What the mysql connector promises beyond the common contract: the server's own types, its silent
 * conversions, and the swap that no transaction can hold. MARIADB_HOST and so on name the server.
 */
#include "contract.h"
#include "mysql/mysql_private.h"

#include "base/clock.h"
#include "base/num.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static MYSQL *admin;
static struct err err;

static struct mys_config config(void)
{
    int64_t port = 0;
    const char *text = getenv("MARIADB_PORT");
    (void)num_parse_i64(text, strlen(text), &port);
    return (struct mys_config){.host = getenv("MARIADB_HOST"),
                               .port = port,
                               .user = getenv("MARIADB_USER"),
                               .password = getenv("MARIADB_PASSWORD"),
                               .database = getenv("MARIADB_DATABASE"),
                               .tls = MYS_TLS_DISABLED,
                               .connect_timeout_ms = 5000};
}

static struct session *open_with(struct mys_config *with, bool read_only,
                                 const volatile bool *cancelled)
{
    struct session_request request = {.config = with,
                                      .application_name = "haul contract",
                                      .read_only = read_only,
                                      .cancelled = cancelled};
    struct session *session = NULL;
    CHECK_OK(connector_mysql.open(&request, &session, &err), &err);
    return session;
}

static struct session *open_one(bool read_only)
{
    struct mys_config with = config();
    return open_with(&with, read_only, NULL);
}

/* Statements beside the connector, parted by ";;". */
static void sql(const char *statements)
{
    while (*statements != '\0') {
        const char *end = strstr(statements, ";;");
        size_t len = end == NULL ? strlen(statements) : (size_t)(end - statements);
        if (!CHECK(mysql_real_query(admin, statements, len) == 0))
            printf("# %s: %.*s\n", mysql_error(admin), (int)len, statements);
        MYSQL_RES *result = mysql_store_result(admin);
        if (result != NULL)
            mysql_free_result(result);
        statements = end == NULL ? "" : end + 2;
    }
}

/* Rows of a query: cells parted by |, rows by a comma. */
static const char *ask(const char *query)
{
    STR_AUTO struct str out = str_with_max(1 << 20);
    if (!CHECK(mysql_query(admin, query) == 0)) {
        printf("# %s: %s\n", mysql_error(admin), query);
        return "";
    }
    MYSQL_RES *result = mysql_store_result(admin);
    for (MYSQL_ROW row = mysql_fetch_row(result); row != NULL; row = mysql_fetch_row(result)) {
        str_add_text(&out, out.len == 0 ? "" : ",");
        for (unsigned i = 0; i < mysql_num_fields(result); i++) {
            str_add_text(&out, i == 0 ? "" : "|");
            str_add_text(&out, row[i] == NULL ? "NULL" : row[i]);
        }
    }
    mysql_free_result(result);
    return arena_strdup(&case_arena, str_text(&out));
}

static void connect_admin(void)
{
    struct mys_config with = config();
    arena_init(&case_arena, (size_t)64 << 20);
    admin = mysql_init(NULL);
    (void)mysql_options(admin, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    CHECK(mysql_real_connect(admin, with.host, getenv("MARIADB_ADMIN_USER"),
                             getenv("MARIADB_ADMIN_PASSWORD"), with.database, (unsigned)with.port,
                             NULL, 0) != NULL);
    sql("SET sql_mode = '', time_zone = '+00:00', foreign_key_checks = 0");
    const char *tables = ask("SELECT GROUP_CONCAT('`', TABLE_NAME, '`') FROM "
                             "information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND "
                             "(TABLE_NAME LIKE 'mt%' OR TABLE_NAME LIKE '\\_haul%')");
    if (strcmp(tables, "NULL") != 0)
        sql(arena_printf(&case_arena, "DROP TABLE %s", tables));
    sql("SET foreign_key_checks = 1");
}

static void disconnect_admin(void)
{
    mysql_close(admin);
    arena_done(&case_arena);
}

static bool describe(struct session *session, const struct stream_ref *stream,
                     struct table_spec *ret_table)
{
    return CHECK_OK(connector_mysql.describe(session, stream, &case_arena, ret_table, &err), &err);
}

/* The whole stream as text, by its own description. */
static const char *read_all(struct session *session, const struct stream_ref *stream)
{
    struct table_spec table;
    if (!describe(session, stream, &table))
        return NULL;
    struct read_request request = {
        .stream = *stream, .columns = table.columns, .column_count = table.column_count};
    return contract_read(session, &request);
}

/* ---- reading ---- */

static const char nasty[] =
    "CREATE TABLE mt (id int PRIMARY KEY, f float, d double, fm float(7,2), ub bigint unsigned, "
    "big decimal(65,30), b1 bit(1), b9 bit(9), t1 tinyint(1), y year, dt datetime(6), "
    "ts timestamp(6) NULL, d0 date, ti time(6), j json, bl blob, l1 varchar(10) CHARACTER SET "
    "latin1, e enum('b','a'), s set('x','y'), z int(6) zerofill, g geometry, "
    "gc int AS (id + 1) VIRTUAL);;"
    "INSERT INTO mt (id,f,d,fm,ub,big,b1,b9,t1,y,dt,ts,d0,ti,j,bl,l1,e,s,z,g) VALUES (1, 0.1, "
    "1.7976931348623157e308, 1234.56, 18446744073709551615, "
    "-99999999999999999999999999999999999.999999999999999999999999999999, 1, 257, 2, 2155, "
    "'1000-01-01 00:00:00.000001', '2038-01-19 03:14:07.999999', '9999-12-31', "
    "'-838:59:59.999999', '{\"b\":1, \"a\":[]}', X'00FF27', '\xc3\xa9', 'a', 'y,x', 42, "
    "POINT(1, 2)), (2, 3.4e38, -0.1, 0, 0, 0, 0, 0, 0, 0, '0000-00-00', 0, '2020-00-10', "
    "'838:59:59', NULL, '', '', '', '', 0, NULL)";

static void test_reads_every_type(void)
{
    struct stream_ref stream = {NULL, "mt", NULL};
    sql(nasty);
    struct session *session = open_one(true);
    CHECK_TEXT(read_all(session, &stream),
               "1|0.10000000149011612|1.7976931348623157e+308|1234.56005859375|"
               "18446744073709551615|"
               "-99999999999999999999999999999999999.999999999999999999999999999999|"
               "true|\\x0101|2|2155|1000-01-01 00:00:00.000001|2038-01-19 03:14:07.999999+00|"
               "9999-12-31|-838:59:59.999999|{\"b\":1, \"a\":[]}|\\x00ff27|\xc3\xa9|a|x,y|42|"
               "POINT(1 2)|2\n"
               "2|3.3999999521443642e+38|-0.1|0|0|0|false|\\x0000|0|0|NULL|NULL|NULL|838:59:59|"
               "NULL|\\x||||0|NULL|3\n"
               "fault 0 in column 10\nfault 0 in column 11\nfault 0 in column 12\n");
    connector_mysql.close(session);
}

static void test_queries_know_their_types(void)
{
    static const struct {
        const char *name, *spec;
    } want[] = {
        {"id", "int64(32)"},     {"f", "float64(32)"},
        {"ub", "decimal(20,0)"}, {"big", "decimal(65,30)"},
        {"b1", "bool"},          {"b9", "bytes(2)"},
        {"dt", "timestamp(6)"},  {"ts", "timestamptz(6)"},
        {"d0", "date"},          {"ti", "time(6)"},
        {"j", "json"},           {"bl", "bytes(65535)"},
        {"l1", "text(10)"},      {"e", "text(1)"},
        {"s", "text(3)"},        {"g", "text"},
        {"label", "text(13)"},   {"n", "int64(64)"},
    };
    struct stream_ref stream = {NULL, "q",
                                "SELECT id, f, ub, big, b1, b9, dt, ts, d0, ti, j, bl, l1, e, s, "
                                "g, CONCAT(l1, ' %;') AS label, COUNT(*) OVER () AS n FROM mt "
                                "WHERE id = 1 -- the end ;"};
    struct table_spec table;
    sql(nasty);
    struct session *session = open_one(true);
    if (describe(session, &stream, &table) &&
        CHECK_INT(table.column_count, sizeof want / sizeof want[0])) {
        for (size_t i = 0; i < table.column_count; i++) {
            STR_AUTO struct str spec = str_with_max(64);
            value_spec_format(&table.columns[i].spec, &spec);
            CHECK_TEXT(table.columns[i].name, want[i].name);
            CHECK_TEXT(str_text(&spec), want[i].spec);
        }
    }
    connector_mysql.close(session);
}

static void test_a_column_that_changed_is_told(void)
{
    struct stream_ref stream = {NULL, "mt", NULL};
    struct table_spec table;
    struct reader *reader = NULL;
    sql("CREATE TABLE mt (id int PRIMARY KEY, a int)");
    struct session *session = open_one(true);
    if (describe(session, &stream, &table)) {
        struct read_request request = {
            .stream = stream, .columns = table.columns, .column_count = table.column_count};
        sql("ALTER TABLE mt MODIFY a varchar(9)");
        CHECK_OUTCOME(connector_mysql.read_begin(session, &request, &reader, &err),
                      OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, "stream.changed");
        sql("ALTER TABLE mt DROP COLUMN a");
        CHECK_OUTCOME(connector_mysql.read_begin(session, &request, &reader, &err),
                      OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, "stream.columns");
    }
    connector_mysql.close(session);
}

static void test_names_differ_by_case(void)
{
    struct stream_ref lower = {NULL, "mtname", NULL}, upper = {NULL, "mtName", NULL};
    struct table_spec table;
    if (strcmp(ask("SELECT @@lower_case_table_names"), "0") != 0)
        return;
    sql("CREATE TABLE mtname (id int PRIMARY KEY, j longtext);;"
        "CREATE TABLE mtName (a varchar(3), b int, `C ``x` int, j json, UNIQUE (b, a));;"
        "INSERT INTO mtname VALUES (1, 'x');;INSERT INTO mtName VALUES ('u', 2, 3, '{}')");
    struct session *session = open_one(true);
    if (describe(session, &lower, &table)) {
        CHECK_INT(table.column_count, 2);
        CHECK_INT(table.key_count, 1);
        CHECK_INT(table.columns[1].spec.type, VALUE_TEXT);
    }
    CHECK_TEXT(read_all(session, &upper), "u|2|3|{}\n");
    if (describe(session, &upper, &table)) {
        CHECK_INT(table.key_count, 0); /* its columns may be NULL */
        CHECK_INT(table.columns[3].spec.type, VALUE_JSON);
    }
    sql("ALTER TABLE mtName MODIFY a varchar(3) NOT NULL, MODIFY b int NOT NULL");
    if (describe(session, &upper, &table) && CHECK_INT(table.key_count, 2)) {
        CHECK_INT(table.key[0], 1);
        CHECK_INT(table.key[1], 0);
    }
    connector_mysql.close(session);
}

static void test_filters_and_order_of_enums(void)
{
    struct stream_ref stream = {NULL, "mt", NULL};
    const char *order[] = {"e"};
    struct table_spec table;
    sql("CREATE TABLE mt (id int PRIMARY KEY, e enum('c','b','a'), f float, u bigint unsigned, "
        "dt datetime(6));;INSERT INTO mt VALUES (1, 'c', 0.1, 18446744073709551615, "
        "'2026-01-01 00:00:00.5'), (2, 'a', 0.2, 1, '2026-01-01'), (3, 'b', NULL, NULL, NULL), "
        "(4, NULL, NULL, NULL, NULL)");
    struct read_filter filters[][1] = {
        {{"e", READ_GE, "b", true}},
        {{"f", READ_EQ, "0.10000000149011612", false}},
        {{"u", READ_GT, "18446744073709551614", false}},
        {{"dt", READ_LT, "2026-01-01 00:00:00.5", false}},
        {{"f", READ_IS_NULL, NULL, false}},
    };
    static const char *const want[] = {"4|3|1|", "1|", "1|", "2|", "4|2|3|1|"};
    struct session *session = open_one(true);
    for (size_t i = 0; describe(session, &stream, &table) && i < 4; i++) {
        struct read_request request = {.stream = stream,
                                       .columns = table.columns,
                                       .column_count = table.column_count,
                                       .filters = filters[i],
                                       .filter_count = 1,
                                       .order_by = order,
                                       .order_count = 1};
        STR_AUTO struct str ids = str_with_max(64);
        const char *rows = contract_read(session, &request);
        for (const char *at = rows; at != NULL && *at != '\0'; at = strchr(at, '\n') + 1)
            str_addf(&ids, "%c|", *at);
        CHECK_TEXT(str_text(&ids), want[i]);
    }
    connector_mysql.close(session);
}

static void fill_big(void)
{
    sql("CREATE TABLE mt (id int PRIMARY KEY, v varchar(200));;"
        "INSERT INTO mt SELECT seq, REPEAT('v', 200) FROM seq_1_to_200000");
}

static bool read_some(struct session *session, struct reader **ret_reader, struct batch **ret_batch)
{
    struct stream_ref stream = {NULL, "mt", NULL};
    static struct table_spec table;
    bool end;
    if (!describe(session, &stream, &table))
        return false;
    struct read_request request = {
        .stream = stream, .columns = table.columns, .column_count = table.column_count};
    *ret_batch = batch_new(table.columns, table.column_count, 64, 1 << 20);
    return CHECK_OK(connector_mysql.read_begin(session, &request, ret_reader, &err), &err) &&
           CHECK_OK(connector_mysql.read_next(*ret_reader, *ret_batch, &end, &err), &err);
}

static void test_a_read_ends_in_the_middle(void)
{
    struct stream_ref stream = {NULL, "mt", NULL};
    struct read_request all = {.stream = stream};
    struct reader *reader = NULL;
    struct batch *batch = NULL;
    int64_t rows = 0;
    fill_big();
    struct session *session = open_one(true);
    CHECK_OK(connector_mysql.snapshot_begin(session, NULL, &err), &err);
    for (int round = 0; round < 3; round++) {
        bool ok = read_some(session, &reader, &batch);
        batch_free(batch);
        if (!ok)
            break;
        sql("INSERT INTO mt SELECT MAX(id) + 1, 'late' FROM mt");
        connector_mysql.read_end(reader);
        CHECK_OK(connector_mysql.count(session, &all, &rows, &err), &err);
        CHECK_INT(rows, 200000); /* the same snapshot still */
    }
    connector_mysql.snapshot_end(session);
    CHECK_OK(connector_mysql.count(session, &all, &rows, &err), &err);
    CHECK_INT(rows, 200003);
    connector_mysql.close(session);
}

static void *interrupt_later(void *session)
{
    clock_sleep_us(300000);
    connector_mysql.interrupt(session);
    return NULL;
}

static void test_interrupt_stops_a_statement(void)
{
    volatile bool cancelled = false;
    struct stream_ref slow = {NULL, "slow", "SELECT SLEEP(20) AS s"};
    struct read_request request = {.stream = slow};
    struct mys_config with = config();
    int64_t rows;
    struct session *session = open_with(&with, true, &cancelled);
    for (int round = 0; round < 2; round++) {
        pthread_t thread;
        int64_t from_us = clock_monotonic_us();
        CHECK(pthread_create(&thread, NULL, interrupt_later, session) == 0);
        enum outcome outcome = connector_mysql.count(session, &request, &rows, &err);
        /* SLEEP alone gives 1 when it is killed; MySQL and MariaDB differ in that. */
        CHECK(outcome == OUTCOME_RETRY || outcome == OUTCOME_OK);
        (void)pthread_join(thread, NULL);
        CHECK(clock_monotonic_us() - from_us < 10000000);
    }
    cancelled = true;
    CHECK_OUTCOME(connector_mysql.count(session, &request, &rows, &err), OUTCOME_CANCELLED, &err);
    CHECK_TEXT(err.code, "cancelled");
    connector_mysql.close(session);
}

static void *cancel_later(void *flag)
{
    clock_sleep_us(300000);
    *(volatile bool *)flag = true;
    return NULL;
}

/* A killed statement ends at the server's next look, not at once. */
static bool is_idle_soon(unsigned long thread_id)
{
    const char *query =
        arena_printf(&case_arena,
                     "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = %lu AND "
                     "COMMAND = 'Query'",
                     thread_id);
    for (int i = 0; i < 100; i++) {
        if (strcmp(ask(query), "0") == 0)
            return true;
        clock_sleep_us(100000);
    }
    return false;
}

static void test_cancel_stops_a_statement(void)
{
    volatile bool cancelled = false;
    struct stream_ref slow = {NULL, "slow",
                              "SELECT SUM(a.seq * b.seq) AS never_seen FROM seq_1_to_100000 a, "
                              "seq_1_to_100000 b"};
    struct read_request request = {.stream = slow};
    struct mys_config with = config();
    pthread_t thread;
    int64_t rows, from_us = clock_monotonic_us();
    struct session *session = open_with(&with, true, &cancelled);
    union {
        volatile bool *flag;
        void *argument;
    } shared = {&cancelled};
    CHECK(pthread_create(&thread, NULL, cancel_later, shared.argument) == 0);
    CHECK_OUTCOME(connector_mysql.count(session, &request, &rows, &err), OUTCOME_CANCELLED, &err);
    CHECK_TEXT(err.code, "cancelled");
    CHECK(clock_monotonic_us() - from_us < 10000000);
    (void)pthread_join(thread, NULL);
    CHECK(is_idle_soon(session->thread_id));
    connector_mysql.close(session);
}

static void test_a_killed_connection_is_an_outage(void)
{
    struct stream_ref stream = {NULL, "mt", NULL};
    struct read_request all = {.stream = stream};
    struct reader *reader = NULL;
    struct batch *batch = NULL;
    enum outcome outcome = OUTCOME_OK;
    int64_t rows;
    fill_big();
    struct session *session = open_one(true);
    if (read_some(session, &reader, &batch)) {
        bool end = false;
        sql(arena_printf(&case_arena, "KILL %lu", session->thread_id));
        while (outcome == OUTCOME_OK && !end) {
            batch_clear(batch);
            outcome = connector_mysql.read_next(reader, batch, &end, &err);
        }
        CHECK_INT(outcome, OUTCOME_RETRY);
        CHECK(!err.row_fault);
        CHECK_TEXT(err.code, "read.lost");
        connector_mysql.read_end(reader);
        CHECK_OUTCOME(connector_mysql.count(session, &all, &rows, &err), OUTCOME_RETRY, &err);
    }
    batch_free(batch);
    connector_mysql.close(session);
}

static void test_statement_timeout(void)
{
    struct stream_ref slow = {NULL, "slow",
                              "SELECT SUM(a.seq * b.seq) AS n FROM seq_1_to_100000 a, "
                              "seq_1_to_100000 b"};
    struct read_request request = {.stream = slow};
    struct mys_config with = config();
    int64_t rows;
    with.statement_timeout_ms = 200;
    struct session *session = open_with(&with, true, NULL);
    if (CHECK_OUTCOME(connector_mysql.count(session, &request, &rows, &err), OUTCOME_RETRY, &err))
        CHECK_TEXT(err.code, "statement.timeout");
    connector_mysql.close(session);
}

static void test_horizon_stands_at_the_oldest_transaction(void)
{
    struct stream_ref stream = {NULL, "mt", NULL};
    struct table_spec table;
    struct cursor_high high = {0};
    struct mys_config with = config();
    with.user = getenv("MARIADB_ADMIN_USER");
    with.password = getenv("MARIADB_ADMIN_PASSWORD");
    sql("CREATE TABLE mt (id int PRIMARY KEY, ts timestamp(6) NULL, dt datetime);;"
        "BEGIN;;INSERT INTO mt VALUES (1, NOW(6), NOW())");
    int64_t began_us = clock_wall_us();
    clock_sleep_us(2500000);
    struct session *session = open_with(&with, true, NULL);
    if (describe(session, &stream, &table)) {
        int64_t horizon_us = 0;
        CHECK_OK(connector_mysql.snapshot_begin(session, NULL, &err), &err);
        sql("COMMIT"); /* too late: it was asked before the snapshot */
        CHECK_OK(connector_mysql.cursor_high(session, &stream, &table.columns[1], &case_arena,
                                             &high, &err),
                 &err);
        CHECK(high.max == NULL);
        if (CHECK(high.horizon != NULL))
            CHECK(timestamptz_parse(high.horizon, strlen(high.horizon), &horizon_us));
        CHECK(horizon_us <= began_us && horizon_us > began_us - 4000000);
        CHECK_OK(connector_mysql.cursor_high(session, &stream, &table.columns[2], &case_arena,
                                             &high, &err),
                 &err);
        CHECK(high.horizon == NULL && high.horizon_reason != NULL);
    }
    connector_mysql.close(session);
    struct session *plain = open_one(true); /* an account without PROCESS */
    CHECK_OK(
        connector_mysql.cursor_high(plain, &stream, &table.columns[1], &case_arena, &high, &err),
        &err);
    CHECK(high.horizon == NULL && strstr(high.horizon_reason, "PROCESS") != NULL);
    connector_mysql.close(plain);
}

/* ---- connecting ---- */

static void test_tls(void)
{
    struct mys_config with = config();
    struct session *session = NULL;
    struct check_report report;
    struct session_request request = {
        .config = &with, .application_name = "haul", .read_only = true};
    if (getenv("TLS_CA") == NULL) {
        printf("# no TLS_CA: the servers were started without --tls\n");
        return;
    }
    with.user = getenv("MARIADB_TLS_USER");
    CHECK_OUTCOME(connector_mysql.open(&request, &session, &err), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "connect.auth");
    for (int tls = MYS_TLS_PREFERRED; tls <= MYS_TLS_VERIFY_IDENTITY; tls++) {
        with.tls = tls;
        with.tls_ca = tls >= MYS_TLS_VERIFY_CA ? getenv("TLS_CA") : NULL;
        if (CHECK_OK(connector_mysql.open(&request, &session, &err), &err) &&
            CHECK_OK(connector_mysql.check(session, &case_arena, &report, &err), &err))
            CHECK(report.tls != NULL && strncmp(report.tls, "TLS", 3) == 0);
        connector_mysql.close(session);
        session = NULL;
    }
    with.tls_ca = NULL;
    CHECK_OUTCOME(connector_mysql.open(&request, &session, &err), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "connect.tls");
    with.tls = MYS_TLS_VERIFY_CA;
    CHECK_OUTCOME(connector_mysql.open(&request, &session, &err), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "connect.tls");
}

static void test_what_keeps_one_out(void)
{
    struct session *session = NULL;
    struct mys_config with = config();
    struct session_request request = {.config = &with, .read_only = true};
    with.password = "wrong";
    CHECK_OUTCOME(connector_mysql.open(&request, &session, &err), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "connect.auth");
    CHECK(err.hint[0] != '\0' && strstr(err.message, "wrong") == NULL);
    with = config();
    with.database = "app_no_such";
    CHECK_OUTCOME(connector_mysql.open(&request, &session, &err), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "connect.database");
    with = config();
    with.port = 1;
    CHECK_OUTCOME(connector_mysql.open(&request, &session, &err), OUTCOME_RETRY, &err);
    CHECK_TEXT(err.code, "connect.refused");
    CHECK(session == NULL);
}

static void test_a_source_only_reads(void)
{
    sql("CREATE TABLE mt (id int PRIMARY KEY)");
    struct session *session = open_one(true);
    CHECK_OUTCOME(mys_run(session, MYS_TARGET, "INSERT INTO mt VALUES (1)", &err),
                  OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "target.forbidden");
    connector_mysql.close(session);
}

/* ---- writing ---- */

struct writing {
    struct session *session;
    struct columns columns;
    struct write_request request;
    struct writer *writer;
    struct write_counts counts;
};

static const size_t first_column[] = {0};

/* Into table mt, with the first column as key unless rows are inserted only. */
static bool begin_writing(struct writing *writing, const char *columns, enum write_how how)
{
    static int64_t fence;
    const char *state;
    subject = &connector_mysql;
    *writing = (struct writing){.session = open_one(false), .columns = contract_columns(columns)};
    writing->request = (struct write_request){.table = {NULL, "mt", NULL},
                                              .columns = writing->columns.specs,
                                              .column_count = writing->columns.count,
                                              .key = first_column,
                                              .key_count = how == WRITE_INSERT ? 0 : 1,
                                              .how = how,
                                              .now_us = 1700000000000000,
                                              .checkpoint = {NULL, "mt", ++fence}};
    return writing->session != NULL &&
           CHECK_OK(connector_mysql.checkpoint_take(writing->session, &writing->request.checkpoint,
                                                    &case_arena, &state, &err),
                    &err) &&
           CHECK_OK(connector_mysql.write_begin(writing->session, &writing->request,
                                                &writing->writer, &err),
                    &err);
}

static enum outcome write_some(struct writing *writing, const char *rows)
{
    struct batch *batch = contract_batch(&writing->columns, rows);
    enum outcome outcome = connector_mysql.write_batch(writing->writer, batch, 0, batch->row_count,
                                                       &writing->counts, &err);
    batch_free(batch);
    return outcome;
}

static void end_writing(struct writing *writing)
{
    if (writing->writer != NULL)
        CHECK_OK(connector_mysql.write_commit(writing->writer, "{}", &err), &err);
    connector_mysql.write_end(writing->writer);
    connector_mysql.close(writing->session);
}

static void test_rows_that_are_refused(void)
{
    static const struct {
        const char *row, *column, *native;
    } refused[] = {
        {"1|300|a|1|2026-01-01 00:00:00|NULL|0.5|x|NULL|1|{}", "ti", "1264"},
        {"1|1|abcd|1|2026-01-01 00:00:00|NULL|0.5|x|NULL|1|{}", "v", "1406"},
        {"1|1|ab  |1|2026-01-01 00:00:00|NULL|0.5|x|NULL|1|{}", "v", "1265"},
        {"1|1|a|1.239|2026-01-01 00:00:00|NULL|0.5|x|NULL|1|{}", "d", "1265"},
        {"1|1|a|99999|2026-01-01 00:00:00|NULL|0.5|x|NULL|1|{}", "d", "1264"},
        {"1|1|a|1|2026-01-01 00:00:00.5|NULL|0.5|x|NULL|1|{}", "dt", ""},
        {"1|1|a|1|2026-01-01 00:00:00|2039-01-01 00:00:00+00|0.5|x|NULL|1|{}", "ts", ""},
        {"1|1|a|1|2026-01-01 00:00:00|NULL|0.1|x|NULL|1|{}", "f", ""},
        {"1|1|a|1|2026-01-01 00:00:00|NULL|0.5|x |NULL|1|{}", "c", ""},
        {"1|1|a|1|2026-01-01 00:00:00|NULL|0.5|x|b|1|{}", "e", "1265"},
        {"1|1|a|1|2026-01-01 00:00:00|NULL|0.5|x|NULL|NULL|{}", "nn", "1048"},
        {"1|1|zz|1|2026-01-01 00:00:00|NULL|0.5|x|NULL|1|{}", "", "4025"},
        {"7|1|a|1|2026-01-01 00:00:00|NULL|0.5|x|NULL|1|{}", "", "1062"},
    };
    struct writing w;
    sql("CREATE TABLE mt (id int PRIMARY KEY AUTO_INCREMENT, ti tinyint, v varchar(3), d "
        "decimal(5,2), dt datetime, ts timestamp(6) NULL, f float, c char(3), e enum('a'), nn "
        "timestamp NOT NULL, j json, CONSTRAINT no_zz CHECK (v <> 'zz'));;INSERT INTO mt (id) "
        "VALUES (7);;ALTER TABLE mt MODIFY nn int "
        "NOT NULL DEFAULT 5");
    if (begin_writing(&w,
                      "id int64(32), ti int64(32), v text, d decimal(12,3), dt timestamp(6), "
                      "ts timestamptz(6), f float64(64), c text, e text, nn int64(32), j json",
                      WRITE_INSERT)) {
        CHECK_OK(write_some(&w, "0|1|a|1|2026-01-01 00:00:00|NULL|0.5|x|a|1|[]\n"), &err);
        for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
            const char *rows =
                arena_printf(&case_arena, "%zu0|1|a|1|2026-01-01 00:00:00|NULL|0.5|x|a|1|[]\n%s\n",
                             i + 2, refused[i].row);
            if (!CHECK_OUTCOME(write_some(&w, rows), OUTCOME_PERMANENT, &err) ||
                !CHECK(err.row_fault) || !CHECK_TEXT(err.column, refused[i].column) ||
                !CHECK_TEXT(err.native, refused[i].native))
                printf("# row %zu: %s\n", i, err.message);
            CHECK_TEXT(err.code, "row.refused");
        }
        CHECK_OK(write_some(&w, "9|1|a|1|2026-01-01 00:00:00|NULL|0.5|x|a|1|[]\n"), &err);
        CHECK_INT(w.counts.inserted, 2);
    }
    end_writing(&w);
    CHECK_TEXT(ask("SELECT id FROM mt ORDER BY id"), "0,7,9"); /* 0 is 0, not the next number */
}

static void test_merge_by_the_key_alone(void)
{
    struct writing w;
    sql("CREATE TABLE mt (id int PRIMARY KEY, mail varchar(20) COLLATE utf8mb4_general_ci, "
        "mine int DEFAULT 5, UNIQUE (mail));;"
        "INSERT INTO mt VALUES (1, 'a@x', 1), (2, 'b@x', 2), (3, 'c@x', 3)");
    if (begin_writing(&w, "id int64(32) not null, mail text(20)", WRITE_MERGE)) {
        CHECK_OK(write_some(&w, "1|A@x\n2|b@x\n4|d@x\n"), &err); /* only its case has changed */
        CHECK_INT(w.counts.updated, 1);
        CHECK_INT(w.counts.unchanged, 1);
        CHECK_INT(w.counts.inserted, 1);
        CHECK_OUTCOME(write_some(&w, "5|C@X\n"), OUTCOME_PERMANENT, &err);
        CHECK(err.row_fault && strstr(err.message, "mail") != NULL);
        CHECK_OUTCOME(write_some(&w, "6|e@x\n6|f@x\n"), OUTCOME_PERMANENT, &err);
        CHECK(!err.row_fault);
        CHECK_TEXT(err.code, "target.key_not_unique");
    }
    connector_mysql.write_end(w.writer);
    connector_mysql.close(w.session);
    CHECK_TEXT(ask("SELECT * FROM mt ORDER BY id"), "1|a@x|1,2|b@x|2,3|c@x|3"); /* undone */
    if (begin_writing(&w, "id int64(32) not null, mail text(20)", WRITE_MERGE)) {
        struct reader *reader = NULL;
        CHECK_OK(write_some(&w, "1|A@x\n4|NULL\n"), &err);
        if (CHECK_OK(connector_mysql.read_back(w.writer, &reader, &err), &err))
            CHECK_TEXT(contract_rows(reader, &w.columns), "1|A@x\n4|NULL\n");
        connector_mysql.read_end(reader);
    }
    end_writing(&w);
    CHECK_TEXT(ask("SELECT * FROM mt ORDER BY id"), "1|A@x|1,2|b@x|2,3|c@x|3,4|NULL|5");
}

static void test_a_row_longer_than_a_packet(void)
{
    struct writing w;
    sql("CREATE TABLE mt (id int PRIMARY KEY, t longtext)");
    if (begin_writing(&w, "id int64(32) not null, t text", WRITE_INSERT)) {
        size_t packet = w.session->packet_max;
        struct batch *batch = batch_new(w.columns.specs, 2, 64, SIZE_MAX);
        size_t lens[] = {10, packet / 2, packet - 100, packet + 1, 10};
        for (size_t i = 0; i < 5; i++) {
            column_add_i64(&batch->columns[0], (int64_t)i);
            char *text = column_reserve(batch, &batch->columns[1], lens[i]);
            memset(text, 'x', lens[i]);
            column_end_bytes(&batch->columns[1], lens[i]);
            CHECK(batch_end_row(batch));
        }
        CHECK_OUTCOME(connector_mysql.write_batch(w.writer, batch, 0, 5, &w.counts, &err),
                      OUTCOME_PERMANENT, &err);
        CHECK(err.row_fault);
        CHECK_TEXT(err.native, "1153");
        CHECK_OK(connector_mysql.write_batch(w.writer, batch, 0, 3, &w.counts, &err), &err);
        CHECK_OK(connector_mysql.write_batch(w.writer, batch, 4, 1, &w.counts, &err), &err);
        CHECK_INT(w.counts.inserted, 4);
        batch_free(batch);
    }
    end_writing(&w);
    CHECK_TEXT(ask("SELECT GROUP_CONCAT(id ORDER BY id) FROM mt"), "0,1,2,4");
}

static void test_targets_that_are_refused(void)
{
    static const struct {
        const char *make, *columns, *code;
    } cases[] = {
        {"CREATE TABLE mt (id int PRIMARY KEY) ENGINE = MyISAM", "id int64(32)", "target.engine"},
        {"CREATE TABLE mt (id int PRIMARY KEY, g int AS (id + 1))", "id int64(32), g int64(32)",
         "target.columns"},
        {"CREATE TABLE mt (id int PRIMARY KEY, g point)", "id int64(32), g text", "target.columns"},
        {"CREATE TABLE mt (id int PRIMARY KEY)", "id int64(32), x text", "target.columns"},
        {"CREATE TABLE mt (id int PRIMARY KEY, x date)", "id int64(32), x int64(32)",
         "target.columns"},
        {"DO 0", "id int64(32)", "target.missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct session *session = open_one(false);
        struct columns columns = contract_columns(cases[i].columns);
        struct write_request request = {.table = {NULL, "mt", NULL},
                                        .columns = columns.specs,
                                        .column_count = columns.count,
                                        .how = WRITE_INSERT};
        struct writer *writer = NULL;
        sql(cases[i].make);
        CHECK_OUTCOME(connector_mysql.write_begin(session, &request, &writer, &err),
                      OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, cases[i].code);
        CHECK(writer == NULL);
        sql("DROP TABLE IF EXISTS mt");
        connector_mysql.close(session);
    }
}

static void test_a_commit_that_fails_leaves_nothing(void)
{
    struct writing w, next;
    sql("CREATE TABLE mt (id int PRIMARY KEY, v varchar(9))");
    if (!begin_writing(&w, "id int64(32) not null, v text(9)", WRITE_MERGE))
        return;
    CHECK_OK(mys_run(w.session, MYS_TARGET, "SET innodb_lock_wait_timeout = 1", &err), &err);
    CHECK_OK(write_some(&w, "1|a\n"), &err);
    sql("BEGIN;;SELECT * FROM _haul_checkpoint FOR UPDATE");
    CHECK_OUTCOME(connector_mysql.write_commit(w.writer, "{}", &err), OUTCOME_RETRY, &err);
    CHECK_TEXT(err.code, "write.locked");
    sql("COMMIT");
    connector_mysql.write_end(w.writer);
    CHECK_OK(connector_mysql.write_begin(w.session, &w.request, &w.writer, &err), &err);
    CHECK_OK(write_some(&w, "2|b\n"), &err);
    sql("UPDATE _haul_checkpoint SET fence = fence + 1");
    CHECK_OUTCOME(connector_mysql.write_commit(w.writer, "{}", &err), OUTCOME_CANCELLED, &err);
    CHECK_TEXT(err.code, "fenced");
    sql("UPDATE _haul_checkpoint SET fence = fence - 1");
    CHECK_OK(write_some(&w, "3|c\n"), &err);
    if (begin_writing(&next, "id int64(32) not null, v text(9)", WRITE_MERGE)) /* ends the other */
        CHECK_OK(write_some(&next, "3|d\n"), &err);
    CHECK_OUTCOME(connector_mysql.write_commit(w.writer, "{}", &err), OUTCOME_RETRY, &err);
    connector_mysql.write_end(w.writer);
    connector_mysql.close(w.session);
    end_writing(&next);
    CHECK_TEXT(ask("SELECT id FROM mt"), "3");
}

/* ---- the swap ---- */

struct swapping {
    struct session *session;
    struct checkpoint_ref checkpoint;
    struct swap_request request;
    struct columns columns;
};

static bool take(struct swapping *s, const char **ret_state)
{
    static int64_t fence = 1000;
    s->checkpoint = (struct checkpoint_ref){NULL, "mt-swap", ++fence};
    return CHECK_OK(
        connector_mysql.checkpoint_take(s->session, &s->checkpoint, &case_arena, ret_state, &err),
        &err);
}

static bool begin_swapping(struct swapping *s)
{
    const char *state;
    *s = (struct swapping){.session = open_one(false),
                           .columns = contract_columns("id int64(32) not null, v text(9)")};
    if (s->session == NULL || !take(s, &state))
        return false;
    s->request = (struct swap_request){.stage = {NULL, HAUL_STAGE_PREFIX "mt", NULL},
                                       .target = {NULL, "mt", NULL},
                                       .checkpoint = s->checkpoint,
                                       .state = "{\"after\":\"it's\"}"};
    return true;
}

static const char stage_and_target[] =
    "CREATE TABLE mt (id int PRIMARY KEY, v varchar(9));;INSERT INTO mt VALUES (1, 'old');;"
    "CREATE TABLE _haul_stage_mt LIKE mt;;INSERT INTO _haul_stage_mt VALUES (1, 'new')";
static const char note[] =
    "UPDATE _haul_checkpoint SET state = 'before', swap_state = 'after', swap_stage = "
    "'_haul_stage_mt', swap_target = 'mt', swap_schema = DATABASE() WHERE sync_id = 'mt-swap'";

/* A worker that died at any point of its swap is repaired by the next one. */
static void test_a_broken_swap_is_repaired(void)
{
    static const struct {
        const char *done, *state, *rows;
        bool has_stage;
    } deaths[] = {
        {"DO 0", "before", "old", true},
        {"RENAME TABLE mt TO _haul_stage_old_%s, _haul_stage_mt TO mt", "after", "new", false},
        {"RENAME TABLE mt TO _haul_stage_old_%s", "after", "new", false},
        {"RENAME TABLE mt TO _haul_stage_old_%s, _haul_stage_mt TO mt;;"
         "UPDATE _haul_checkpoint SET state = 'after', swap_state = NULL, swap_stage = NULL, "
         "swap_target = NULL WHERE sync_id = 'mt-swap'",
         "after", "new", false},
    };
    struct swapping s;
    if (!begin_swapping(&s))
        return;
    for (size_t i = 0; i < sizeof deaths / sizeof deaths[0]; i++) {
        const char *state = NULL;
        uint64_t hash = UINT64_C(14695981039346656037);
        for (const char *at = "mt"; *at != '\0'; at++)
            hash = (hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
        const char *old = arena_printf(&case_arena, "%016llx", (unsigned long long)hash);
        sql(stage_and_target);
        sql(note);
        const char *place = strstr(deaths[i].done, "%s");
        sql(place == NULL ? deaths[i].done
                          : arena_printf(&case_arena, "%.*s%s%s", (int)(place - deaths[i].done),
                                         deaths[i].done, old, place + 2));
        if (take(&s, &state))
            CHECK_TEXT(state, deaths[i].state);
        CHECK_TEXT(ask("SELECT v FROM mt"), deaths[i].rows);
        CHECK_TEXT(ask("SELECT state, swap_stage FROM _haul_checkpoint WHERE sync_id = 'mt-swap'"),
                   arena_printf(&case_arena, "%s|NULL", deaths[i].state));
        if (take(&s, &state))
            CHECK_TEXT(state, deaths[i].state);
        CHECK_TEXT(ask("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = "
                       "DATABASE() AND TABLE_NAME = '_haul_stage_mt'"),
                   deaths[i].has_stage ? "1" : "0");
        sql(arena_printf(&case_arena, "DROP TABLE IF EXISTS mt, _haul_stage_mt, _haul_stage_old_%s",
                         old));
    }
    connector_mysql.close(s.session);
}

/* While one swaps nobody takes the sync over, and the other way round. */
static void test_a_swap_and_a_take_exclude_each_other(void)
{
    struct swapping s;
    if (!begin_swapping(&s))
        return;
    sql(stage_and_target);
    CHECK_OK(mys_checkpoint_lock(s.session, &s.checkpoint, &err), &err);
    CHECK_TEXT(ask(arena_printf(&case_arena,
                                "SELECT IS_USED_LOCK(CONCAT('haul.', SHA1(CONCAT(DATABASE(), '.', "
                                "'mt-swap')))) = %lu",
                                s.session->thread_id)),
               "1");
    mys_checkpoint_unlock(s.session, &s.checkpoint);
    CHECK_OK(connector_mysql.table_swap(s.session, &s.request, &err), &err);
    CHECK_TEXT(ask("SELECT v FROM mt"), "new");
    CHECK_TEXT(ask("SELECT state FROM _haul_checkpoint WHERE sync_id = 'mt-swap'"),
               "{\"after\":\"it's\"}");
    CHECK_TEXT(ask("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() "
                   "AND TABLE_NAME LIKE '\\_haul\\_stage%'"),
               "0");
    connector_mysql.close(s.session);
}

static void test_swaps_that_would_break_something(void)
{
    static const char *const makers[] = {
        "CREATE TRIGGER mtr BEFORE INSERT ON mt FOR EACH ROW SET NEW.v = 'x'",
        "CREATE TABLE mtchild (id int PRIMARY KEY, mt int, FOREIGN KEY (mt) REFERENCES mt (id))",
    };
    struct swapping s;
    if (!begin_swapping(&s))
        return;
    for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++) {
        sql(stage_and_target);
        sql(makers[i]);
        CHECK_OUTCOME(connector_mysql.table_swap(s.session, &s.request, &err), OUTCOME_PERMANENT,
                      &err);
        CHECK_TEXT(err.code, "target.dependents");
        CHECK_TEXT(ask("SELECT v FROM mt"), "old");
        sql("DROP TABLE IF EXISTS mtchild;;DROP TABLE mt, _haul_stage_mt");
    }
    connector_mysql.close(s.session);
}

static void test_a_replaced_table_keeps_its_definition(void)
{
    static const char ask_definition[] =
        "SELECT COLUMN_NAME, COLUMN_TYPE, COLUMN_DEFAULT, IS_NULLABLE, COLLATION_NAME, "
        "COLUMN_COMMENT, EXTRA FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND "
        "TABLE_NAME = 'mt' ORDER BY ORDINAL_POSITION";
    static const char ask_indexes[] =
        "SELECT INDEX_NAME, NON_UNIQUE, COLUMN_NAME, SUB_PART, INDEX_TYPE FROM "
        "information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'mt' "
        "ORDER BY 1, SEQ_IN_INDEX";
    struct swapping s;
    const char *rows = "1|new\n2|NULL\n";
    sql("CREATE TABLE mtparent (id int PRIMARY KEY);;INSERT INTO mtparent VALUES (1);;"
        "CREATE TABLE mt (id int PRIMARY KEY AUTO_INCREMENT COMMENT ' AUTO_INCREMENT', v "
        "varchar(9) "
        "CHARACTER SET latin1 DEFAULT 'it''s', mt int DEFAULT 1 COMMENT 'ref', up int AS (mt * 2) "
        "VIRTUAL, j json, UNIQUE KEY uv (v), KEY up (up), KEY part (v(3)), FULLTEXT KEY ft (v), "
        "CONSTRAINT cc CHECK (mt < 100), CONSTRAINT fkp FOREIGN KEY (mt) REFERENCES mtparent (id)) "
        "AUTO_INCREMENT = 500 COMMENT = 'the AUTO_INCREMENT=7 table'");
    const char *definition = ask(ask_definition), *indexes = ask(ask_indexes);
    if (!begin_swapping(&s))
        return;
    struct create_request create = {.table = s.request.stage,
                                    .columns = s.columns.specs,
                                    .column_count = s.columns.count,
                                    .like = &s.request.target};
    struct finish_request finish = {.stage = s.request.stage,
                                    .like = &s.request.target,
                                    .columns = s.columns.specs,
                                    .column_count = s.columns.count,
                                    .key = first_column,
                                    .key_count = 1};
    struct contract_write write = {
        .table = s.request.stage, .columns = &s.columns, .how = WRITE_INSERT, .rows = rows};
    subject = &connector_mysql;
    if (CHECK_OK(connector_mysql.table_create(s.session, &create, &err), &err) &&
        contract_write(s.session, &write, NULL) &&
        CHECK_OK(connector_mysql.table_finish(s.session, &finish, &err), &err) &&
        CHECK_OK(connector_mysql.table_finish(s.session, &finish, &err), &err) && /* resumed */
        CHECK_OK(connector_mysql.table_swap(s.session, &s.request, &err), &err)) {
        CHECK_TEXT(ask(ask_definition), definition);
        CHECK_TEXT(ask(ask_indexes), indexes);
        CHECK_TEXT(ask("SELECT id, v, mt, up FROM mt ORDER BY id"), "1|new|1|2,2|NULL|1|2");
        CHECK(mysql_query(admin, "INSERT INTO mt (mt) VALUES (2)") != 0);   /* the foreign key */
        CHECK(mysql_query(admin, "INSERT INTO mt (mt) VALUES (100)") != 0); /* the check */
        CHECK(mysql_query(admin, "INSERT INTO mt (j) VALUES ('x')") != 0);  /* the json */
        sql("INSERT INTO mt (v) VALUES ('auto')");
        CHECK(strtol(ask("SELECT MAX(id) FROM mt"), NULL, 10) >= 500);
        CHECK(strstr(ask("SHOW CREATE TABLE mt"), "the AUTO_INCREMENT=7 table") != NULL);
    }
    connector_mysql.close(s.session);
}

static void test_keys_of_text_are_exact(void)
{
    struct swapping s;
    const char *rows = "a|1\nA|2\na |3\n\xc3\xa4|4\n";
    if (!begin_swapping(&s))
        return;
    struct columns columns = contract_columns("k text not null, v int64(32)");
    struct create_request create = {
        .table = s.request.stage, .columns = columns.specs, .column_count = columns.count};
    struct finish_request finish = {.stage = s.request.stage,
                                    .columns = columns.specs,
                                    .column_count = columns.count,
                                    .key = first_column,
                                    .key_count = 1};
    struct contract_write write = {
        .table = s.request.stage, .columns = &columns, .how = WRITE_INSERT, .rows = rows};
    subject = &connector_mysql;
    if (CHECK_OK(connector_mysql.table_create(s.session, &create, &err), &err) &&
        contract_write(s.session, &write, NULL) &&
        CHECK_OK(connector_mysql.table_finish(s.session, &finish, &err), &err))
        CHECK_TEXT(ask("SELECT COUNT(*), COUNT(DISTINCT k) FROM _haul_stage_mt"), "4|4");
    connector_mysql.close(s.session);
}

#define CASE(test)                                                                                 \
    static void run_##test(void)                                                                   \
    {                                                                                              \
        subject = &connector_mysql;                                                                \
        if (!CHECK(getenv("MARIADB_PORT") != NULL))                                                \
            return;                                                                                \
        connect_admin();                                                                           \
        test();                                                                                    \
        disconnect_admin();                                                                        \
    }

CASE(test_reads_every_type)
CASE(test_queries_know_their_types)
CASE(test_a_column_that_changed_is_told)
CASE(test_names_differ_by_case)
CASE(test_filters_and_order_of_enums)
CASE(test_a_read_ends_in_the_middle)
CASE(test_interrupt_stops_a_statement)
CASE(test_cancel_stops_a_statement)
CASE(test_a_killed_connection_is_an_outage)
CASE(test_statement_timeout)
CASE(test_horizon_stands_at_the_oldest_transaction)
CASE(test_tls)
CASE(test_what_keeps_one_out)
CASE(test_a_source_only_reads)
CASE(test_rows_that_are_refused)
CASE(test_merge_by_the_key_alone)
CASE(test_a_row_longer_than_a_packet)
CASE(test_a_commit_that_fails_leaves_nothing)
CASE(test_targets_that_are_refused)
CASE(test_a_broken_swap_is_repaired)
CASE(test_a_swap_and_a_take_exclude_each_other)
CASE(test_swaps_that_would_break_something)
CASE(test_a_replaced_table_keeps_its_definition)
CASE(test_keys_of_text_are_exact)

static CU_TestInfo tests[] = {
    {"reads every type", run_test_reads_every_type},
    {"queries know their types", run_test_queries_know_their_types},
    {"a column that changed is told", run_test_a_column_that_changed_is_told},
    {"names differ by case", run_test_names_differ_by_case},
    {"filters, and the order of enums", run_test_filters_and_order_of_enums},
    {"a read ends in the middle", run_test_a_read_ends_in_the_middle},
    {"interrupt stops a statement", run_test_interrupt_stops_a_statement},
    {"cancel stops a statement", run_test_cancel_stops_a_statement},
    {"a killed connection is an outage", run_test_a_killed_connection_is_an_outage},
    {"statement timeout", run_test_statement_timeout},
    {"the horizon stands at the oldest transaction",
     run_test_horizon_stands_at_the_oldest_transaction},
    {"TLS", run_test_tls},
    {"what keeps one out", run_test_what_keeps_one_out},
    {"a source only reads", run_test_a_source_only_reads},
    {"rows that are refused", run_test_rows_that_are_refused},
    {"merge by the key alone", run_test_merge_by_the_key_alone},
    {"a row longer than a packet", run_test_a_row_longer_than_a_packet},
    {"a commit that fails leaves nothing", run_test_a_commit_that_fails_leaves_nothing},
    {"targets that are refused", run_test_targets_that_are_refused},
    {"a broken swap is repaired", run_test_a_broken_swap_is_repaired},
    {"a swap and a take exclude each other", run_test_a_swap_and_a_take_exclude_each_other},
    {"swaps that would break something", run_test_swaps_that_would_break_something},
    {"a replaced table keeps its definition", run_test_a_replaced_table_keeps_its_definition},
    {"keys of text are exact", run_test_keys_of_text_are_exact},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("contract/mysql", tests)
