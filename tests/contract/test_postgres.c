/*
 * What only PostgreSQL has: its types, views and foreign keys around a target, partitions, domains,
 * the horizon of running transactions, lost connections, TLS. Statements of its own go through
 * io/pgsql.
 */
#include "contract.h"

#include "io/pgsql.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- tools ---- */

static struct pgsql *open_native(const char *variable)
{
    struct pgsql_conf conf = {.uri = getenv(variable),
                              .connect_timeout_ms = 10000,
                              .statement_timeout_ms = 60000,
                              .application_name = "a test"};
    struct pgsql *db = NULL;
    struct err err;
    CHECK_OK(pgsql_open(&conf, &db, &err), &err);
    return db;
}

struct fixture {
    struct pgsql *db;
    struct session *source, *target;
    struct stream_ref table;
};

static struct stream_ref in_schema(const char *name)
{
    return (struct stream_ref){"contract_pg", name, NULL};
}

/* A schema of the tests' own, empty, with what the script makes in it. */
static bool set_up(struct fixture *fixture, const char *script)
{
    struct err err;
    *fixture = (struct fixture){.db = open_native("POSTGRES_URL"),
                                .source = contract_open(true),
                                .target = contract_open(false),
                                .table = in_schema("t")};
    return fixture->db != NULL && fixture->source != NULL && fixture->target != NULL &&
           CHECK_OK(pgsql_script(fixture->db,
                                 "SET client_min_messages = error;"
                                 "DROP SCHEMA IF EXISTS contract_pg CASCADE;"
                                 "CREATE SCHEMA contract_pg; SET search_path = contract_pg",
                                 &err),
                    &err) &&
           CHECK_OK(pgsql_script(fixture->db, script, &err), &err);
}

static void tear_down(struct fixture *fixture)
{
    struct err err;
    subject->close(fixture->source);
    subject->close(fixture->target);
    if (fixture->db != NULL)
        CHECK_OK(pgsql_script(fixture->db, "DROP SCHEMA IF EXISTS contract_pg CASCADE", &err),
                 &err);
    pgsql_close(fixture->db);
}

static void run(struct fixture *fixture, const char *script)
{
    struct err err;
    CHECK_OK(pgsql_script(fixture->db, script, &err), &err);
}

/* The first column of the first row. */
static const char *ask(struct fixture *fixture, const char *sql)
{
    PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
    struct err err;
    if (!CHECK_OK(pgsql_query(fixture->db, sql, PGSQL_NONE, &result, &err), &err) ||
        !CHECK(pgsql_rows(result) > 0))
        return NULL;
    return arena_strdup(&case_arena, pgsql_text(result, 0, 0));
}

static bool describe(struct fixture *fixture, struct stream_ref stream, struct table_spec *table)
{
    struct err err;
    return CHECK_OK(subject->describe(fixture->source, &stream, &case_arena, table, &err), &err);
}

static const char *read_all(struct fixture *fixture, struct stream_ref stream)
{
    struct table_spec table;
    if (!describe(fixture, stream, &table))
        return NULL;
    struct columns columns = {table.column_count, table.columns};
    return contract_read_table(fixture->source, &stream, &columns);
}

/* ---- types ---- */

static const struct {
    const char *native, *value, *spec, *text;
    bool lossless;
} native_types[] = {
    {"smallint", "-5", "int64(16)", "-5", true},
    {"oid", "4294967295", "int64(64)", "4294967295", true},
    {"real", "'0.1'", "float64(32)", "0.10000000149011612", true},
    {"double precision", "'-Infinity'", "float64(64)", "-Infinity", true},
    {"numeric(10,3)", "1.500", "decimal(10,3)", "1.5", true},
    {"numeric", "'NaN'", "decimal", "NaN", false},
    {"numeric", "123456789012345678901234567890.000000000000000000001", "decimal",
     "123456789012345678901234567890.000000000000000000001", false},
    {"money", "'12.34'", "decimal", "12.34", false},
    {"char(5)", "'ab'", "text(5)", "ab", false},
    {"varchar(5)", "'ab '", "text(5)", "ab ", true},
    {"\"char\"", "'x'", "text", "x", false},
    {"name", "'n'", "text", "n", true},
    {"bytea", "'\\x00ff'", "bytes", "\\x00ff", true},
    {"date", "'infinity'", "date", "infinity", true},
    {"date", "'0044-03-15 BC'", "date", "-0043-03-15", true},
    {"time(3)", "'24:00:00'", "time(3)", "24:00:00", true},
    {"timetz", "'12:00:00+02'", "text", "12:00:00+02", true},
    {"timestamp(3)", "'2026-11-21 07:18:26.1239'", "timestamp(3)", "2026-11-21 07:18:26.124", true},
    {"timestamptz", "'2026-11-21 07:18:26.123456+02'", "timestamptz(6)",
     "2026-11-21 05:18:26.123456+00", true},
    {"timestamptz", "'-infinity'", "timestamptz(6)", "-infinity", true},
    {"interval", "'1 year 2 months 3 days 4:05:06.7'", "text", "P1Y2M3DT4H5M6.7S", true},
    {"json", "'{\"a\":  1}'", "json", "{\"a\":  1}", true},
    {"jsonb", "'{\"b\": 1, \"a\":2}'", "json(binary)", "{\"a\": 2, \"b\": 1}", true},
    {"uuid", "'00112233-4455-6677-8899-AABBCCDDEEFF'", "uuid",
     "00112233-4455-6677-8899-aabbccddeeff", true},
    {"integer[]", "'{{1,2},{3,NULL}}'", "json", "[[1,2],[3,null]]", false},
    {"text[]", "'{\"a b\",\"q\\\"\"}'", "json", "[\"a b\",\"q\\\"\"]", false},
    {"colour", "'red'", "text", "red", false},
    {"colour[]", "'{red}'", "json", "[\"red\"]", false},
    {"positive", "7", "int64(32)", "7", true},
    {"email", "'a@b'", "text(40)", "a@b", true},
    {"inet", "'10.0.0.1/8'", "text", "10.0.0.1/8", false},
    {"bit(3)", "B'101'", "text", "101", false},
    {"int4range", "'[1,5)'", "text", "[1,5)", false},
    {"point", "'(1,2)'", "text", "(1,2)", false},
    {"pair", "ROW(1,'x')", "text", "(1,x)", false},
    {"boolean", "true", "bool", "true", true},
};

#define TYPE_COUNT (sizeof native_types / sizeof *native_types)

static const char *types_script(void)
{
    STR_AUTO struct str sql = str_with_max(1 << 16);
    str_add_text(&sql, "CREATE TYPE colour AS ENUM ('red', 'blue');"
                       "CREATE DOMAIN positive AS integer CHECK (VALUE > 0);"
                       "CREATE DOMAIN email AS varchar(40); CREATE TYPE pair AS (a int, b text);"
                       "CREATE TABLE t (id int NOT NULL");
    for (size_t i = 0; i < TYPE_COUNT; i++)
        str_addf(&sql, ", c%zu %s", i, native_types[i].native);
    str_add_text(&sql, "); INSERT INTO t VALUES (1");
    for (size_t i = 0; i < TYPE_COUNT; i++)
        str_addf(&sql, ", %s", native_types[i].value);
    str_add_text(&sql, "), (2");
    for (size_t i = 0; i < TYPE_COUNT; i++)
        str_add_text(&sql, ", NULL");
    str_add_text(&sql, ")");
    return arena_strdup(&case_arena, str_text(&sql));
}

static void check_types(struct fixture *fixture, const struct table_spec *table)
{
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        const struct column_spec *column = &table->columns[i + 1];
        STR_AUTO struct str spec = str_with_max(256);
        value_spec_format(&column->spec, &spec);
        bool ok = CHECK_TEXT(str_text(&spec), native_types[i].spec);
        ok &= CHECK((column->loss == NULL) == native_types[i].lossless);
        struct read_request request = {
            .stream = fixture->table,
            .columns = column,
            .column_count = 1,
            .filters = &(struct read_filter){column->name, READ_NOT_NULL, NULL, false},
            .filter_count = 1};
        ok &= CHECK_TEXT(contract_read(fixture->source, &request),
                         arena_printf(&case_arena, "%s\n", native_types[i].text));
        if (!ok)
            printf("# %s %s\n", native_types[i].native, native_types[i].value);
    }
}

static void test_native_types(void)
{
    struct fixture fixture;
    struct table_spec table;
    if (set_up(&fixture, types_script()) && describe(&fixture, fixture.table, &table) &&
        CHECK_INT(table.column_count, TYPE_COUNT + 1)) {
        check_types(&fixture, &table);
        /* all of them written back into a table of the same types, by their own values */
        run(&fixture, "CREATE TABLE back (LIKE t)");
        struct columns columns = {table.column_count, table.columns};
        struct contract_write write = {.table = in_schema("back"),
                                       .columns = &columns,
                                       .how = WRITE_INSERT,
                                       .rows = read_all(&fixture, fixture.table)};
        struct write_counts counts;
        if (contract_write(fixture.target, &write, &counts)) {
            CHECK_INT(counts.inserted, 2);
            CHECK_TEXT(read_all(&fixture, in_schema("back")), write.rows);
        }
    }
    tear_down(&fixture);
}

static void test_numeric_as_the_server_shows_it(void)
{
    struct fixture fixture;
    struct stream_ref query = {
        NULL, "numbers",
        "SELECT i, x, trim_scale(x)::text AS text FROM (SELECT i, (CASE WHEN i % 2 = 0 THEN -1 "
        "ELSE 1"
        " END) * (floor(random() * 10 ^ (i % 30))::numeric * (10::numeric ^ (i % 17))"
        " + round((random() * 1000000)::numeric, i % 12) / 10::numeric ^ (i % 20)) AS x"
        " FROM generate_series(1, 5000) i) n ORDER BY i"};
    if (set_up(&fixture, "SELECT 1")) {
        const char *at = read_all(&fixture, query);
        size_t rows = 0;
        for (; at != NULL && *at != '\0'; rows++) {
            const char *number = strchr(at, '|') + 1, *text = strchr(number, '|') + 1;
            size_t len = (size_t)(text - number - 1);
            if (!CHECK(strncmp(number, text, len) == 0 && text[len] == '\n')) {
                printf("# %.*s\n", (int)strcspn(at, "\n"), at);
                break;
            }
            at = text + len + 1;
        }
        CHECK_INT(rows, 5000);
    }
    tear_down(&fixture);
}

/* Types that the target has already, other than haul would make them. */
static void test_written_through_casts(void)
{
    struct fixture fixture;
    if (set_up(&fixture, "CREATE TYPE colour AS ENUM ('red', 'blue');"
                         "CREATE TABLE t (id bigint PRIMARY KEY, a colour, b int[], c interval,"
                         " d inet, e int, f numeric(10,2), g jsonb)")) {
        struct columns columns = contract_columns(
            "id int64(64) not null, a text, b json, c text, d text, e decimal, f int64, g text");
        struct contract_write write = {.table = fixture.table,
                                       .columns = &columns,
                                       .how = WRITE_MERGE,
                                       .key_count = 1,
                                       .rows = "1|red|[1,2]|P1D|10.0.0.1|5|7|{\"a\": 1}\n"
                                               "2|NULL|NULL|NULL|NULL|NULL|NULL|NULL\n"};
        struct write_counts counts;
        CHECK(contract_write(fixture.target, &write, &counts));
        CHECK_INT(counts.inserted, 2);
        CHECK(contract_write(fixture.target, &write, &counts));
        CHECK_INT(counts.unchanged, 2);
        CHECK_TEXT(ask(&fixture, "SELECT t::text FROM contract_pg.t WHERE id = 1"),
                   "(1,red,\"{1,2}\",\"1 day\",10.0.0.1,5,7.00,\"{\"\"a\"\": 1}\")");
        CHECK_TEXT(ask(&fixture, "SELECT num_nulls(a, b, c, d, e, f, g)::text FROM contract_pg.t"
                                 " WHERE id = 2"),
                   "7");
    }
    tear_down(&fixture);
}

/* Values that = takes for equal and that are not. */
static void test_merge_sees_every_difference(void)
{
    struct fixture fixture;
    if (set_up(&fixture, "CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2',"
                         " deterministic = false);"
                         "CREATE TABLE t (id bigint PRIMARY KEY, a text COLLATE nocase,"
                         " b double precision, c json, d interval, e timestamp)")) {
        struct columns columns = contract_columns(
            "id int64(64) not null, a text, b float64, c json, d text, e timestamp");
        struct contract_write write = {.table = fixture.table,
                                       .columns = &columns,
                                       .how = WRITE_MERGE,
                                       .key_count = 1,
                                       .rows =
                                           "1|a|0|NULL|NULL|NULL\n2|b|NULL|[1]|NULL|NULL\n"
                                           "3|c|NaN|NULL|P30D|NULL\n4|d|1|NULL|NULL|infinity\n"};
        struct write_counts counts;
        CHECK(contract_write(fixture.target, &write, &counts));
        CHECK(contract_write(fixture.target, &write, &counts));
        CHECK_INT(counts.unchanged, 4);
        write.rows = "1|A|0|NULL|NULL|NULL\n2|b|NULL|[2]|NULL|NULL\n3|c|NaN|NULL|P1M|NULL\n"
                     "4|d|1|NULL|NULL|-infinity\n";
        CHECK(contract_write(fixture.target, &write, &counts));
        CHECK_INT(counts.updated, 4);
        write.rows = "1|A|-0|NULL|NULL|NULL\n";
        CHECK(contract_write(fixture.target, &write, &counts));
        CHECK_INT(counts.updated, 1);
        CHECK_TEXT(ask(&fixture, "SELECT b::text FROM contract_pg.t WHERE id = 1"), "-0");
    }
    tear_down(&fixture);
}

static void merge_into(struct fixture *fixture, const char *what)
{
    struct columns columns = contract_columns("id int64(64) not null, region int64, name text");
    struct contract_write write = {.table = fixture->table,
                                   .columns = &columns,
                                   .how = WRITE_MERGE,
                                   .key_count = 2,
                                   .rows = "1|1|a\n2|2|b\n"};
    struct write_counts counts;
    printf("# into %s\n", what);
    CHECK(contract_write(fixture->target, &write, &counts));
    CHECK_INT(counts.inserted, 2);
    write.rows = "1|1|a\n2|2|B\n3|1|c\n";
    CHECK(contract_write(fixture->target, &write, &counts));
    CHECK_INT(counts.inserted, 1);
    CHECK_INT(counts.updated, 1);
    CHECK_INT(counts.unchanged, 1);
    CHECK_TEXT(ask(fixture, "SELECT string_agg(id || name, ',' ORDER BY id) FROM contract_pg.t"),
               "1a,2B,3c");
}

static void test_merge_without_index_and_partitioned(void)
{
    struct fixture fixture;
    if (set_up(&fixture, "CREATE TABLE t (id bigint, region int, name text)"))
        merge_into(&fixture, "a table without an index");
    tear_down(&fixture);
    if (set_up(&fixture,
               "CREATE TABLE t (id bigint, region int, name text, PRIMARY KEY (id, region))"
               " PARTITION BY LIST (region);"
               "CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1);"
               "CREATE TABLE t2 PARTITION OF t FOR VALUES IN (2)"))
        merge_into(&fixture, "a partitioned table");
    tear_down(&fixture);
}

/* ---- describing ---- */

static void test_keys_and_generated_columns(void)
{
    struct fixture fixture;
    struct table_spec table;
    if (set_up(&fixture,
               "CREATE TABLE t (a int, \"B \"\"x\" int NOT NULL, c int NOT NULL,"
               " d int GENERATED ALWAYS AS (c * 2) STORED);"
               "COMMENT ON TABLE t IS 'it''s'; COMMENT ON COLUMN t.c IS 'sea';"
               "CREATE UNIQUE INDEX u1 ON t (a); CREATE UNIQUE INDEX u2 ON t (c, \"B \"\"x\");"
               "CREATE UNIQUE INDEX u3 ON t (c) WHERE c > 0; CREATE UNIQUE INDEX u4 ON t (abs(c));"
               "INSERT INTO t VALUES (1, 2, 3);"
               "CREATE VIEW v AS SELECT * FROM t; CREATE MATERIALIZED VIEW m AS SELECT * FROM t") &&
        describe(&fixture, fixture.table, &table)) {
        CHECK_TEXT(table.comment, "it's");
        CHECK_TEXT(table.columns[2].comment, "sea");
        CHECK_TEXT(table.columns[1].name, "B \"x");
        CHECK(table.columns[3].generated && !table.columns[2].generated);
        CHECK_INT(table.key_count, 2); /* u1 may hold NULL, u3 is partial, u4 an expression */
        CHECK_INT(table.key[0], 2);
        CHECK_INT(table.key[1], 1);
        CHECK_TEXT(read_all(&fixture, in_schema("v")), "1|2|3|6\n");
        CHECK_TEXT(read_all(&fixture, in_schema("m")), "1|2|3|6\n");
        CHECK(describe(&fixture, in_schema("v"), &table));
        CHECK_INT(table.kind, TABLE_VIEW);
    }
    tear_down(&fixture);
}

static void test_discover(void)
{
    struct fixture fixture;
    struct stream_list list;
    struct err err;
    if (set_up(&fixture, "CREATE TABLE a_1 (id int); CREATE TABLE ab1 (id int);"
                         "CREATE TABLE p (id int) PARTITION BY HASH (id);"
                         "CREATE TABLE p1 PARTITION OF p FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
                         "CREATE TABLE _haul_stage_x (id int); CREATE VIEW v AS SELECT 1 AS x") &&
        CHECK_OK(subject->discover(fixture.source, "contract_pg.*", &case_arena, &list, &err),
                 &err)) {
        CHECK_INT(list.count, 4);
        CHECK_TEXT(list.items[0].name, "a_1");
        CHECK_TEXT(list.items[2].name, "p");
        CHECK_INT(list.items[2].kind, TABLE_PARTITIONED);
        CHECK_INT(list.items[3].kind, TABLE_VIEW);
        CHECK_OK(subject->discover(fixture.source, "a_?", &case_arena, &list, &err), &err);
        CHECK_INT(list.count, 1); /* _ is no wildcard */
    }
    tear_down(&fixture);
}

static void test_queries_cannot_break_out(void)
{
    struct fixture fixture;
    static const char *const queries[] = {
        "SELECT 1) AS x; DROP TABLE contract_pg.t; SELECT * FROM (SELECT 1",
        "SELECT 1; DROP TABLE contract_pg.t",
        "DELETE FROM contract_pg.t RETURNING id",
        "WITH gone AS (DELETE FROM contract_pg.t RETURNING id) SELECT * FROM gone",
        "SELECT 1 AS a, 2 AS a",
    };
    if (set_up(&fixture, "CREATE TABLE t (id int); INSERT INTO t VALUES (1)")) {
        for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
            struct stream_ref query = {NULL, "q", queries[i]};
            struct table_spec table;
            struct err err;
            CHECK_OUTCOME(subject->describe(fixture.source, &query, &case_arena, &table, &err),
                          OUTCOME_PERMANENT, &err);
            if (!CHECK_TEXT(err.code, "stream.query"))
                printf("# %s: %s\n", queries[i], err.message);
        }
        struct stream_ref comment = {NULL, "q", "SELECT id FROM contract_pg.t -- all ;"};
        CHECK_TEXT(read_all(&fixture, comment), "1\n");
    }
    tear_down(&fixture);
}

/* ---- swap ---- */

static bool replace(struct fixture *fixture, const struct columns *columns, const char *rows)
{
    static const size_t key[] = {0};
    struct stream_ref stage = in_schema(HAUL_STAGE_PREFIX "t");
    struct create_request create = {.table = stage,
                                    .columns = columns->specs,
                                    .column_count = columns->count,
                                    .like = &fixture->table};
    struct finish_request finish = {.stage = stage,
                                    .like = &fixture->table,
                                    .columns = columns->specs,
                                    .column_count = columns->count,
                                    .key = key,
                                    .key_count = 1};
    struct contract_write write = {
        .table = stage, .columns = columns, .how = WRITE_INSERT, .rows = rows};
    struct swap_request swap = {.stage = stage, .target = fixture->table, .state = "{}"};
    struct err err;
    return CHECK_OK(subject->table_create(fixture->target, &create, &err), &err) &&
           contract_write(fixture->target, &write, NULL) &&
           CHECK_OK(subject->table_finish(fixture->target, &finish, &err), &err) &&
           CHECK_OK(subject->table_finish(fixture->target, &finish, &err), &err) &&
           contract_take(fixture->target, &swap.checkpoint) &&
           CHECK_OK(subject->table_swap(fixture->target, &swap, &err), &err);
}

static const char replaced_table[] =
    "CREATE TABLE t (id bigint CONSTRAINT the_key PRIMARY KEY, name varchar(20) NOT NULL"
    " DEFAULT 'none', price numeric(10,2) CHECK (price >= 0), kept int DEFAULT 7);"
    "CREATE INDEX by_name ON t (lower(name)) WHERE price > 1; CREATE UNIQUE INDEX by_price"
    " ON t (price DESC) INCLUDE (name); COMMENT ON COLUMN t.price IS 'net';"
    "ALTER TABLE t SET (fillfactor = 90); GRANT SELECT ON t TO PUBLIC;"
    "GRANT UPDATE (name) ON t TO PUBLIC; COMMENT ON TABLE t IS 'mine';"
    "INSERT INTO t VALUES (1, 'old', 1, 1), (2, 'old', 2, 2);";

/* Everything about the table that a swap must keep. */
static const char ask_shape[] =
    "SELECT concat_ws(E'\\n', (SELECT string_agg(indexdef, E'\\n' ORDER BY indexname) FROM "
    "pg_indexes"
    " WHERE schemaname = 'contract_pg' AND tablename = 't'), (SELECT string_agg(conname || ' ' ||"
    " pg_get_constraintdef(oid), E'\\n' ORDER BY conname) FROM pg_constraint WHERE conrelid = "
    "c.oid),"
    " (SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod) || attnotnull || "
    "coalesce("
    " pg_get_expr(adbin, adrelid), '') || coalesce(col_description(attrelid, attnum), '') ||"
    " coalesce(attacl::text, ''), E'\\n' ORDER BY attnum) FROM pg_attribute LEFT JOIN pg_attrdef"
    " ON adrelid = attrelid AND adnum = attnum WHERE attrelid = c.oid AND attnum > 0),"
    " c.relacl::text, c.reloptions::text, obj_description(c.oid)) FROM pg_class c"
    " WHERE c.oid = 'contract_pg.t'::regclass";

static const char ask_rows[] = "SELECT string_agg(concat_ws('/', id, name, price, kept), ','"
                               " ORDER BY id) FROM contract_pg.t";

static void check_replaced(struct fixture *fixture, bool same_table)
{
    struct columns columns =
        contract_columns("id int64(64) not null, name text(20) not null, price decimal(10,2)");
    const char *shape = ask(fixture, ask_shape);
    const char *number = ask(fixture, "SELECT 'contract_pg.t'::regclass::oid::text");
    if (!replace(fixture, &columns, "2|new|5\n3|new|6.5\n"))
        return;
    CHECK_TEXT(ask(fixture, ask_shape), shape);
    CHECK_TEXT(ask(fixture, ask_rows), "2/new/5.00/7,3/new/6.50/7");
    const char *after = ask(fixture, "SELECT 'contract_pg.t'::regclass::oid::text");
    CHECK((strcmp(number, after) == 0) == same_table);
    CHECK_TEXT(ask(fixture,
                   "SELECT count(*)::text FROM pg_class WHERE relname LIKE '\\_haul\\_%' AND"
                   " relnamespace = 'contract_pg'::regnamespace"),
               "0");
}

static const struct {
    const char *what, *script;
    bool same_table;
} surroundings[] = {
    {"nothing else", "", false},
    {"a view", "CREATE VIEW v AS SELECT name FROM t", true},
    {"a view on a view, and a materialized one",
     "CREATE VIEW v AS SELECT name FROM t; CREATE MATERIALIZED VIEW m AS SELECT * FROM v", true},
    {"a foreign key",
     "CREATE TABLE other (t_id bigint REFERENCES t ON DELETE SET NULL);"
     " INSERT INTO other VALUES (1), (2)",
     true},
    {"a foreign key of its own",
     "CREATE TABLE names (name varchar PRIMARY KEY); INSERT INTO names VALUES ('old'), ('new');"
     " ALTER TABLE t ADD CONSTRAINT to_names FOREIGN KEY (name) REFERENCES names",
     false},
    {"a trigger",
     "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
     " CREATE TRIGGER tr BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
     true},
    {"a policy", "CREATE POLICY p ON t USING (true)", true},
    {"a sequence", "CREATE SEQUENCE s OWNED BY t.kept", true},
};

static void test_swap_keeps_what_stood_there(void)
{
    for (size_t i = 0; i < sizeof surroundings / sizeof *surroundings; i++) {
        struct fixture fixture;
        printf("# with %s\n", surroundings[i].what);
        if (set_up(&fixture,
                   arena_printf(&case_arena, "%s%s", replaced_table, surroundings[i].script))) {
            check_replaced(&fixture, surroundings[i].same_table);
            if (strcmp(surroundings[i].what, "a foreign key") == 0)
                CHECK_TEXT(ask(&fixture,
                               "SELECT string_agg(coalesce(t_id::text, 'null'), ',' ORDER BY"
                               " t_id) FROM contract_pg.other"),
                           "2,null");
        }
        tear_down(&fixture);
    }
}

static void test_swap_adds_and_widens_below_a_view(void)
{
    struct fixture fixture;
    if (set_up(&fixture, "CREATE TABLE t (id bigint PRIMARY KEY, name varchar(3) NOT NULL);"
                         "CREATE VIEW v AS SELECT id FROM t; INSERT INTO t VALUES (1, 'a')")) {
        struct columns columns =
            contract_columns("id int64(64) not null, name text, more int64(32)");
        struct stream_ref stage = in_schema(HAUL_STAGE_PREFIX "t");
        struct create_request create = {.table = stage,
                                        .columns = columns.specs,
                                        .column_count = columns.count,
                                        .like = &fixture.table};
        struct schema_change changes[] = {{SCHEMA_WIDEN_COLUMN, columns.specs[1]},
                                          {SCHEMA_DROP_NOT_NULL, columns.specs[1]},
                                          {SCHEMA_ADD_COLUMN, columns.specs[2]}};
        struct contract_write write = {.table = stage,
                                       .columns = &columns,
                                       .how = WRITE_INSERT,
                                       .rows = "1|longer|5\n2|NULL|NULL\n"};
        struct swap_request swap = {.stage = stage, .target = fixture.table, .state = "{}"};
        struct err err;
        CHECK_OK(subject->table_create(fixture.target, &create, &err), &err);
        CHECK_OK(subject->table_change(fixture.target, &stage, changes, 3, &err), &err);
        CHECK(contract_write(fixture.target, &write, NULL));
        CHECK(contract_take(fixture.target, &swap.checkpoint));
        CHECK_OK(subject->table_swap(fixture.target, &swap, &err), &err);
        CHECK_TEXT(ask(&fixture, "SELECT string_agg(t::text, ' ' ORDER BY id) FROM contract_pg.t"),
                   "(1,longer,5) (2,,)");
        CHECK_TEXT(ask(&fixture, "SELECT count(*)::text FROM contract_pg.v"), "2");
    }
    tear_down(&fixture);
}

/* ---- the horizon ---- */

static bool ask_high(struct fixture *fixture, const char *column, struct cursor_high *high)
{
    struct table_spec table;
    struct err err;
    if (!describe(fixture, fixture->table, &table))
        return false;
    const struct column_spec *spec = &table.columns[table_spec_find(&table, column)];
    return CHECK_OK(
        subject->cursor_high(fixture->source, &fixture->table, spec, &case_arena, high, &err),
        &err);
}

static void test_horizon(void)
{
    struct fixture fixture;
    struct cursor_high high;
    struct err err;
    if (set_up(&fixture, "CREATE TABLE t (id int PRIMARY KEY, at timestamptz, naive timestamp, day"
                         " date); INSERT INTO t VALUES (1, now(), now(), now())")) {
        /* A transaction that began before the snapshot and commits behind it. */
        run(&fixture, "BEGIN; INSERT INTO contract_pg.t VALUES (2, now(), now(), now())");
        const char *start = ask(&fixture, "SELECT to_char(now() AT TIME ZONE 'UTC',"
                                          " 'YYYY-MM-DD HH24:MI:SS.US')");
        CHECK_OK(subject->snapshot_begin(fixture.source, NULL, &err), &err);
        run(&fixture, "COMMIT");
        if (ask_high(&fixture, "at", &high)) {
            CHECK(high.horizon_reason == NULL);
            CHECK(high.horizon != NULL && strncmp(high.horizon, start, 19) <= 0);
        }
        if (ask_high(&fixture, "naive", &high))
            CHECK(high.horizon != NULL && strncmp(high.horizon, start, 19) <= 0);
        if (ask_high(&fixture, "day", &high))
            CHECK(high.horizon != NULL && strlen(high.horizon) == 10);
        if (ask_high(&fixture, "id", &high)) {
            CHECK(high.horizon == NULL && high.horizon_reason != NULL);
            CHECK_TEXT(high.max, "1");
        }
    }
    tear_down(&fixture);
}

static void test_horizon_that_is_hidden(void)
{
    struct fixture fixture;
    struct cursor_high high;
    struct pgsql *admin = NULL;
    struct pgsql_conf conf = {.connect_timeout_ms = 10000, .statement_timeout_ms = 10000};
    struct err err;
    if (set_up(&fixture, "CREATE TABLE t (id int PRIMARY KEY, at timestamptz)")) {
        conf.uri =
            arena_printf(&case_arena, "postgresql://%s:%s@%s:%s/%s", getenv("POSTGRES_ADMIN_USER"),
                         getenv("POSTGRES_ADMIN_PASSWORD"), getenv("POSTGRES_HOST"),
                         getenv("POSTGRES_PORT"), getenv("POSTGRES_DATABASE"));
        CHECK_OK(pgsql_open(&conf, &admin, &err), &err);
        if (ask_high(&fixture, "at", &high)) {
            CHECK(high.horizon == NULL);
            CHECK(high.horizon_reason != NULL &&
                  strstr(high.horizon_reason, "pg_read_all_stats") != NULL);
        }
        pgsql_close(admin);
    }
    tear_down(&fixture);
}

/* ---- failures ---- */

static void terminate_sessions(struct fixture *fixture)
{
    run(fixture,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE"
        " 'haul contract%' AND pid <> pg_backend_pid()");
}

static void test_lost_connections(void)
{
    struct fixture fixture;
    if (set_up(&fixture, "CREATE TABLE t (id bigint PRIMARY KEY)")) {
        struct columns columns = contract_columns("id int64(64) not null");
        struct contract_write write = {
            .table = fixture.table, .columns = &columns, .how = WRITE_INSERT};
        struct write_request request = contract_write_request(&write);
        struct batch *batch = contract_batch(&columns, "1\n");
        struct write_counts counts = {0};
        struct writer *writer = NULL;
        struct table_spec table;
        struct err err;
        CHECK(contract_take(fixture.target, &request.checkpoint));
        CHECK_OK(subject->write_begin(fixture.target, &request, &writer, &err), &err);
        CHECK_OK(subject->write_batch(writer, batch, 0, 1, &counts, &err), &err);
        terminate_sessions(&fixture);
        CHECK_OUTCOME(subject->write_commit(writer, "{}", &err), OUTCOME_RETRY, &err);
        CHECK_TEXT(err.code, "write.lost");
        CHECK(!err.row_fault);
        subject->write_end(writer);
        batch_free(batch);
        CHECK_OUTCOME(subject->describe(fixture.source, &fixture.table, &case_arena, &table, &err),
                      OUTCOME_RETRY, &err);
        CHECK_TEXT(err.code, "read.lost");
        CHECK_TEXT(ask(&fixture, "SELECT count(*)::text FROM contract_pg.t"), "0");
    }
    tear_down(&fixture);
}

/* A read that fails half-way takes neither the session nor its snapshot with it. */
static void test_read_that_fails_in_the_middle(void)
{
    struct fixture fixture;
    struct err err;
    if (set_up(&fixture, "CREATE TABLE t (id bigint); INSERT INTO t VALUES (1)") &&
        CHECK_OK(subject->snapshot_begin(fixture.source, NULL, &err), &err)) {
        struct columns columns = contract_columns("x int64");
        struct read_request request = {
            .stream = {NULL, "q", "SELECT 10 / (5000 - i) AS x FROM generate_series(1, 9000) i"},
            .columns = columns.specs,
            .column_count = 1};
        struct batch *batch = batch_new(columns.specs, 1, 64, 1 << 20);
        struct reader *reader = NULL;
        enum outcome outcome = subject->read_begin(fixture.source, &request, &reader, &err);
        bool end = false;
        while (outcome == OUTCOME_OK && !end) {
            batch_clear(batch);
            outcome = subject->read_next(reader, batch, &end, &err);
        }
        CHECK_OUTCOME(outcome, OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, "stream.query");
        CHECK_TEXT(err.native, "22012");
        subject->read_end(reader);
        batch_free(batch);
        run(&fixture, "INSERT INTO contract_pg.t VALUES (2)");
        CHECK_TEXT(read_all(&fixture, fixture.table), "1\n");
    }
    tear_down(&fixture);
}

/* What the server says when its disk is full, through a trigger: the state is what counts. */
static void test_states_of_failures(void)
{
    static const struct {
        const char *state, *code;
        enum outcome outcome;
        bool row_fault;
    } states[] = {
        {"53100", "target.full", OUTCOME_PERMANENT, false},
        {"40P01", "write.conflict", OUTCOME_RETRY, false},
        {"57P01", "write.lost", OUTCOME_RETRY, false},
        {"P0001", "target.trigger", OUTCOME_PERMANENT, false},
        {"22012", "row.refused", OUTCOME_PERMANENT, true},
        {"23514", "row.refused", OUTCOME_PERMANENT, true},
        {"42501", "target.forbidden", OUTCOME_PERMANENT, false},
    };
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        struct fixture fixture;
        const char *script = arena_printf(
            &case_arena,
            "CREATE TABLE t (id bigint); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN RAISE EXCEPTION 'SECRETVALUE' USING ERRCODE = '%s'; END$$;"
            " CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
            states[i].state);
        if (set_up(&fixture, script)) {
            struct columns columns = contract_columns("id int64(64) not null");
            struct contract_write write = {
                .table = fixture.table, .columns = &columns, .how = WRITE_INSERT};
            struct write_request request = contract_write_request(&write);
            struct batch *batch = contract_batch(&columns, "1\n");
            struct write_counts counts = {0};
            struct writer *writer = NULL;
            struct err err;
            CHECK(contract_take(fixture.target, &request.checkpoint));
            CHECK_OK(subject->write_begin(fixture.target, &request, &writer, &err), &err);
            CHECK_OUTCOME(subject->write_batch(writer, batch, 0, 1, &counts, &err),
                          states[i].outcome, &err);
            CHECK_TEXT(err.code, states[i].code);
            CHECK_TEXT(err.native, states[i].state);
            CHECK_INT(err.row_fault, states[i].row_fault);
            bool own_words = strchr("2P", states[i].state[0]) != NULL || states[i].state[1] == '3';
            CHECK(!own_words || strstr(err.message, "SECRETVALUE") == NULL);
            subject->write_end(writer);
            batch_free(batch);
        }
        tear_down(&fixture);
    }
}

static void test_forbidden_table(void)
{
    struct fixture fixture;
    struct table_spec table;
    struct err err;
    struct stream_ref secret = {"pg_catalog", "pg_authid", NULL};
    if (set_up(&fixture, "SELECT 1")) {
        CHECK_OUTCOME(subject->describe(fixture.source, &secret, &case_arena, &table, &err),
                      OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, "stream.forbidden");
    }
    tear_down(&fixture);
}

static void test_lock_that_is_held(void)
{
    struct fixture fixture;
    struct err err;
    char *config = arena_memdup(&case_arena, subject_config, subject->config->struct_size);
    int64_t timeout_ms = 200;
    memcpy(config + fields_find(subject->config, "lock_timeout_ms")->offset, &timeout_ms,
           sizeof timeout_ms);
    struct session_request request = {.config = config, .application_name = "haul contract"};
    struct session *session = NULL;
    if (set_up(&fixture, "CREATE TABLE t (id bigint)") &&
        CHECK_OK(subject->open(&request, &session, &err), &err)) {
        struct columns columns = contract_columns("more int64");
        struct schema_change change = {SCHEMA_ADD_COLUMN, columns.specs[0]};
        run(&fixture, "BEGIN; LOCK TABLE contract_pg.t");
        CHECK_OUTCOME(subject->table_change(session, &fixture.table, &change, 1, &err),
                      OUTCOME_RETRY, &err);
        CHECK_TEXT(err.code, "write.locked");
        run(&fixture, "ROLLBACK");
        CHECK_OK(subject->table_change(session, &fixture.table, &change, 1, &err), &err);
    }
    subject->close(session);
    tear_down(&fixture);
}

/* ---- TLS ---- */

static const char *text_of_file(const char *path)
{
    char text[16384];
    FILE *file = path == NULL ? NULL : fopen(path, "r");
    size_t len = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);
    if (file != NULL)
        (void)fclose(file);
    return arena_strndup(&case_arena, text, len);
}

static const void *tls_config(int sslmode, const char *rootcert)
{
    char *config = arena_memdup(&case_arena, subject_config, subject->config->struct_size);
    const char *user = getenv("POSTGRES_TLS_USER");
    memcpy(config + fields_find(subject->config, "user")->offset, &user, sizeof user);
    memcpy(config + fields_find(subject->config, "sslmode")->offset, &sslmode, sizeof sslmode);
    memcpy(config + fields_find(subject->config, "sslrootcert")->offset, &rootcert,
           sizeof rootcert);
    return config;
}

static void test_tls(void)
{
    enum { DISABLE, REQUIRE = 2, VERIFY_FULL = 4 };
    const char *path = getenv("TLS_CA"), *pem = text_of_file(path);
    const struct {
        int sslmode;
        const char *rootcert;
        enum outcome outcome;
        const char *code;
    } ways[] = {
        {REQUIRE, NULL, OUTCOME_OK, ""},
        {VERIFY_FULL, path, OUTCOME_OK, ""},
        {VERIFY_FULL, pem, OUTCOME_OK, ""},
        {VERIFY_FULL, "/nonexistent.pem", OUTCOME_PERMANENT, "connect.tls"},
        {VERIFY_FULL, "/etc/ssl/certs/ca-certificates.crt", OUTCOME_PERMANENT, "connect.tls"},
        {DISABLE, NULL, OUTCOME_PERMANENT, "connect.auth"},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct session_request request = {.config = tls_config(ways[i].sslmode, ways[i].rootcert),
                                          .application_name = "haul contract"};
        struct session *session = NULL;
        struct check_report report;
        struct err err = {0};
        CHECK_OUTCOME(subject->open(&request, &session, &err), ways[i].outcome, &err);
        if (!CHECK_TEXT(err.code, ways[i].code))
            printf("# way %zu: %s\n", i, err.message);
        if (session != NULL && CHECK_OK(subject->check(session, &case_arena, &report, &err), &err))
            CHECK(report.tls != NULL && strncmp(report.tls, "TLSv1", 5) == 0);
        subject->close(session);
    }
}

static const struct contract_case cases[] = {
    {"every native type, there and back", test_native_types, 0},
    {"numeric as the server shows it", test_numeric_as_the_server_shows_it, 0},
    {"columns of other types are written through casts", test_written_through_casts, 0},
    {"a merge sees every difference", test_merge_sees_every_difference, 0},
    {"merges without an index, and into partitions", test_merge_without_index_and_partitioned, 0},
    {"keys, generated columns, comments, views", test_keys_and_generated_columns, 0},
    {"discover", test_discover, 0},
    {"queries cannot break out", test_queries_cannot_break_out, 0},
    {"a swap keeps what stood there", test_swap_keeps_what_stood_there, 0},
    {"a swap adds and widens below a view", test_swap_adds_and_widens_below_a_view, 0},
    {"the horizon", test_horizon, 0},
    {"a horizon that is hidden", test_horizon_that_is_hidden, 0},
    {"lost connections", test_lost_connections, 0},
    {"a read that fails in the middle", test_read_that_fails_in_the_middle, 0},
    {"states of failures", test_states_of_failures, 0},
    {"a table that may not be read", test_forbidden_table, 0},
    {"a lock that is held", test_lock_that_is_held, 0},
    {"TLS", test_tls, 0},
};

int main(int argc, char **argv)
{
    const char *only = getenv("HAUL_CONTRACT_CONNECTOR");
    if (only != NULL && strcmp(only, "postgres") != 0) {
        printf("1..0 # SKIP HAUL_CONTRACT_CONNECTOR is %s\n", only);
        return EXIT_SUCCESS;
    }
    (void)setenv("HAUL_CONTRACT_CONNECTOR", "postgres", 1);
    return contract_main("postgres", cases, sizeof cases / sizeof *cases, argc, argv);
}
