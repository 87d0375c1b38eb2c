/* Reading: columns, filters, order, limits, the bounds of cursors and keys, snapshots. */
#include "contract.h"

#include <stdio.h>

static const char shape[] =
    "id int64(64) not null, name text(20), at timestamp(6), price decimal(12,2)";
static const char rows[] = "1|a|2026-01-01 00:00:00|1.5\n"
                           "2|NULL|2026-01-01 00:00:00|NULL\n"
                           "3|c|2026-01-02 10:00:00.5|-2\n"
                           "4|b|NULL|100\n";

struct fixture {
    struct session *session; /* a target's */
    struct stream_ref table;
    struct columns columns;
};

static bool set_up_rows(struct fixture *fixture, const char *some_rows)
{
    fixture->session = contract_open(false);
    fixture->table = contract_table("read");
    fixture->columns = contract_columns(shape);
    struct contract_write write = {.table = fixture->table,
                                   .columns = &fixture->columns,
                                   .how = WRITE_INSERT,
                                   .rows = some_rows};
    return fixture->session != NULL &&
           contract_create(fixture->session, fixture->table, &fixture->columns, 1) &&
           contract_write(fixture->session, &write, NULL);
}

static bool set_up(struct fixture *fixture)
{
    return set_up_rows(fixture, rows);
}

static void tear_down(struct fixture *fixture)
{
    subject->close(fixture->session);
}

/* The ids that a request with these filters gives. */
struct filter_case {
    struct read_filter filters[2];
    size_t count;
    const char *ids;
};

static const struct filter_case filter_cases[] = {
    {{{0}}, 0, "1\n2\n3\n4\n"},
    {{{"id", READ_EQ, "3", false}}, 1, "3\n"},
    {{{"id", READ_GE, "3", false}}, 1, "3\n4\n"},
    {{{"id", READ_GT, "3", false}}, 1, "4\n"},
    {{{"id", READ_GE, "2", false}, {"id", READ_LT, "4", false}}, 2, "2\n3\n"},
    {{{"id", READ_LE, "1", false}}, 1, "1\n"},
    {{{"name", READ_IS_NULL, NULL, false}}, 1, "2\n"},
    {{{"name", READ_NOT_NULL, NULL, false}}, 1, "1\n3\n4\n"},
    {{{"name", READ_EQ, "c", false}}, 1, "3\n"},
    {{{"name", READ_EQ, "it's \"\\", false}}, 1, ""},
    {{{"name", READ_EQ, "c", true}}, 1, "2\n3\n"},
    {{{"at", READ_GE, "2026-01-02 10:00:00.5", false}}, 1, "3\n"},
    {{{"at", READ_GT, "2026-01-02 10:00:00.5", true}}, 1, "4\n"},
    {{{"price", READ_LT, "1.50", false}}, 1, "3\n"},
    {{{"price", READ_LE, "1.50", true}}, 1, "1\n2\n3\n"},
};

/* The first cell of each row. */
static const char *first_cells(const char *text)
{
    STR_AUTO struct str cells = str_with_max(1 << 20);
    while (text != NULL && *text != '\0') {
        str_add(&cells, text, strcspn(text, "|"));
        str_add_char(&cells, '\n');
        text += strcspn(text, "\n") + 1;
    }
    return arena_strdup(&case_arena, str_text(&cells));
}

static void test_filters(void)
{
    struct fixture fixture;
    if (set_up(&fixture)) {
        for (size_t i = 0; i < sizeof filter_cases / sizeof *filter_cases; i++) {
            const struct filter_case *c = &filter_cases[i];
            struct read_request request = {.stream = fixture.table,
                                           .columns = fixture.columns.specs,
                                           .column_count = fixture.columns.count,
                                           .filters = c->filters,
                                           .filter_count = c->count,
                                           .order_by = &fixture.columns.specs[0].name,
                                           .order_count = 1};
            if (!CHECK_TEXT(first_cells(contract_read(fixture.session, &request)), c->ids))
                printf("# filter %zu\n", i);
            int64_t count = -1;
            struct err err;
            CHECK_OK(subject->count(fixture.session, &request, &count, &err), &err);
            CHECK_INT(count, strlen(c->ids) / 2);
        }
    }
    tear_down(&fixture);
}

static void test_order_and_limit(void)
{
    static const char *const by_name[] = {"name", "id"};
    struct fixture fixture;
    if (set_up(&fixture)) {
        struct read_request request = {.stream = fixture.table,
                                       .columns = fixture.columns.specs,
                                       .column_count = 2,
                                       .order_by = by_name,
                                       .order_count = 2};
        CHECK_TEXT(contract_read(fixture.session, &request), "2|NULL\n1|a\n4|b\n3|c\n");
        request.limit = 2;
        CHECK_TEXT(contract_read(fixture.session, &request), "2|NULL\n1|a\n");
    }
    tear_down(&fixture);
}

static void test_read_ends_in_the_middle(void)
{
    struct fixture fixture;
    STR_AUTO struct str many = str_with_max(1 << 20);
    for (int i = 1; i <= 5000; i++)
        str_addf(&many, "%d|name|2026-01-01 00:00:00|1\n", i);
    if (set_up_rows(&fixture, str_text(&many))) {
        struct read_request request = {.stream = fixture.table,
                                       .columns = fixture.columns.specs,
                                       .column_count = fixture.columns.count};
        for (int round = 0; round < 3; round++) {
            struct batch *batch =
                batch_new(fixture.columns.specs, fixture.columns.count, 64, 1 << 20);
            struct reader *reader = NULL;
            struct err err;
            bool end = true;
            if (CHECK_OK(subject->read_begin(fixture.session, &request, &reader, &err), &err)) {
                CHECK_OK(subject->read_next(reader, batch, &end, &err), &err);
                CHECK(!end);
                CHECK_INT(batch->row_count, 64);
                subject->read_end(reader);
            }
            batch_free(batch);
        }
        int64_t count = 0;
        struct err err;
        CHECK_OK(subject->count(fixture.session, &request, &count, &err), &err);
        CHECK_INT(count, 5000);
    }
    tear_down(&fixture);
}

static void test_missing_stream(void)
{
    struct fixture fixture;
    if (set_up(&fixture)) {
        struct stream_ref missing = {NULL, "no such table", NULL};
        struct table_spec table;
        struct reader *reader = NULL;
        struct err err;
        struct read_request request = {
            .stream = missing, .columns = fixture.columns.specs, .column_count = 1};
        CHECK_OUTCOME(subject->describe(fixture.session, &missing, &case_arena, &table, &err),
                      OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, "stream.missing");
        CHECK(err.hint[0] != '\0');
        CHECK_OUTCOME(subject->read_begin(fixture.session, &request, &reader, &err),
                      OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, "stream.missing");
        CHECK(strstr(err.message, "no such table") != NULL);
    }
    tear_down(&fixture);
}

static void test_describe_and_discover(void)
{
    struct fixture fixture;
    if (set_up(&fixture)) {
        struct table_spec table;
        struct stream_list list;
        struct err err;
        if (CHECK_OK(subject->describe(fixture.session, &fixture.table, &case_arena, &table, &err),
                     &err)) {
            CHECK_INT(table.column_count, 4);
            CHECK_INT(table.key_count, 1);
            CHECK_INT(table.key[0], 0);
            CHECK_INT(table.kind, TABLE_BASE);
            CHECK_INT(table.columns[0].spec.type, VALUE_INT64);
            CHECK(!table.columns[0].nullable);
            CHECK_INT(table.columns[1].spec.type, VALUE_TEXT);
            CHECK_INT(table.columns[1].spec.length, 20);
            CHECK(table.columns[1].nullable);
            CHECK_INT(table.columns[3].spec.precision, 12);
            CHECK(table.columns[3].native != NULL);
        }
        CHECK_OK(subject->discover(fixture.session, "no-such-*", &case_arena, &list, &err), &err);
        CHECK_INT(list.count, 0);
    }
    tear_down(&fixture);
}

static void test_queries(void)
{
    struct fixture fixture;
    if (set_up(&fixture)) {
        struct table_spec table;
        struct err err;
        struct stream_ref query = {
            NULL, "q",
            arena_printf(&case_arena, "SELECT id, price AS amount FROM %s WHERE id > 1;\n",
                         fixture.table.name)};
        if (CHECK_OK(subject->describe(fixture.session, &query, &case_arena, &table, &err), &err)) {
            CHECK_INT(table.kind, TABLE_QUERY);
            CHECK_INT(table.column_count, 2);
            CHECK_INT(table.key_count, 0);
            CHECK_INT(table_spec_find(&table, "amount"), 1);
            struct read_filter below = {"amount", READ_LT, "50", true};
            struct read_request request = {.stream = query,
                                           .columns = table.columns,
                                           .column_count = 2,
                                           .filters = &below,
                                           .filter_count = 1,
                                           .order_by = &table.columns[0].name,
                                           .order_count = 1};
            CHECK_TEXT(contract_read(fixture.session, &request), "2|NULL\n3|-2\n");
        }
        query.query = "SELECT FROM WHERE";
        CHECK_OUTCOME(subject->describe(fixture.session, &query, &case_arena, &table, &err),
                      OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, "stream.query");
    }
    tear_down(&fixture);
}

static void test_bounds(void)
{
    struct fixture fixture, empty;
    if (set_up(&fixture)) {
        struct key_stats stats;
        struct cursor_high high;
        struct err err;
        const struct column_spec *specs = fixture.columns.specs;
        if (CHECK_OK(subject->key_stats(fixture.session, &fixture.table, &specs[0], &case_arena,
                                        &stats, &err),
                     &err)) {
            CHECK_TEXT(stats.min, "1");
            CHECK_TEXT(stats.max, "4");
        }
        if (CHECK_OK(subject->cursor_high(fixture.session, &fixture.table, &specs[2], &case_arena,
                                          &high, &err),
                     &err)) {
            CHECK_TEXT(high.max, "2026-01-02 10:00:00.5");
            CHECK((high.horizon == NULL) == (high.horizon_reason != NULL));
        }
        if (CHECK_OK(subject->cursor_high(fixture.session, &fixture.table, &specs[0], &case_arena,
                                          &high, &err),
                     &err)) {
            CHECK_TEXT(high.max, "4");
            CHECK(high.horizon == NULL); /* a number is no time */
        }
    }
    tear_down(&fixture);
    if (set_up_rows(&empty, "")) {
        struct key_stats stats = {"", "", 0};
        struct err err;
        CHECK_OK(subject->key_stats(empty.session, &empty.table, &empty.columns.specs[0],
                                    &case_arena, &stats, &err),
                 &err);
        CHECK(stats.min == NULL && stats.max == NULL);
    }
    tear_down(&empty);
}

static bool add_row(struct fixture *fixture, const char *row)
{
    struct contract_write write = {
        .table = fixture->table, .columns = &fixture->columns, .how = WRITE_INSERT, .rows = row};
    return contract_write(fixture->session, &write, NULL);
}

static int64_t count_rows(struct session *session, const struct stream_ref *table)
{
    struct read_request request = {.stream = *table};
    int64_t count = -1;
    struct err err;
    CHECK_OK(subject->count(session, &request, &count, &err), &err);
    return count;
}

static void test_snapshot_stands_still(void)
{
    struct fixture fixture;
    struct session *source = contract_open(true);
    struct err err;
    if (source != NULL && set_up(&fixture) &&
        CHECK_OK(subject->snapshot_begin(source, NULL, &err), &err)) {
        CHECK_INT(count_rows(source, &fixture.table), 4);
        CHECK(add_row(&fixture, "5|e|NULL|NULL\n"));
        CHECK_INT(count_rows(source, &fixture.table), 4);
        CHECK_INT(count_rows(fixture.session, &fixture.table), 5);
        subject->snapshot_end(source);
        CHECK_INT(count_rows(source, &fixture.table), 5);
    }
    subject->close(source);
    tear_down(&fixture);
}

static void test_snapshot_survives_a_broken_read(void)
{
    struct fixture fixture;
    struct session *source = contract_open(true);
    struct err err;
    if (source != NULL && set_up(&fixture) &&
        CHECK_OK(subject->snapshot_begin(source, NULL, &err), &err)) {
        struct read_request request = {
            .stream = fixture.table, .columns = fixture.columns.specs, .column_count = 1};
        struct reader *reader = NULL;
        CHECK(add_row(&fixture, "5|e|NULL|NULL\n"));
        CHECK_OK(subject->read_begin(source, &request, &reader, &err), &err);
        subject->read_end(reader); /* nothing was read */
        CHECK_INT(count_rows(source, &fixture.table), 4);
    }
    subject->close(source);
    tear_down(&fixture);
}

static void test_snapshot_is_shared(void)
{
    struct fixture fixture;
    struct session *first = contract_open(true), *second = contract_open(true);
    const char *name = NULL;
    struct err err;
    if (first != NULL && second != NULL && set_up(&fixture) &&
        CHECK_OK(subject->snapshot_begin(first, NULL, &err), &err) &&
        CHECK_OK(subject->snapshot_export(first, &case_arena, &name, &err), &err)) {
        CHECK(add_row(&fixture, "5|e|NULL|NULL\n"));
        CHECK_OK(subject->snapshot_begin(second, name, &err), &err);
        CHECK_INT(count_rows(second, &fixture.table), 4);
        subject->snapshot_end(second);
        subject->snapshot_end(first);
        CHECK_OUTCOME(subject->snapshot_begin(second, name, &err), OUTCOME_RETRY, &err);
        CHECK_INT(count_rows(second, &fixture.table), 5);
    }
    subject->close(first);
    subject->close(second);
    tear_down(&fixture);
}

static void test_source_writes_nothing(void)
{
    struct fixture fixture;
    struct session *source = contract_open(true);
    if (source != NULL && set_up(&fixture)) {
        struct create_request request = {.table = contract_table("forbidden"),
                                         .columns = fixture.columns.specs,
                                         .column_count = 1};
        struct err err;
        CHECK_OUTCOME(subject->table_create(source, &request, &err), OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, "target.forbidden");
    }
    subject->close(source);
    tear_down(&fixture);
}

#define BOTH (CONNECTOR_SOURCE | CONNECTOR_TARGET)

static const struct contract_case cases[] = {
    {"filters", test_filters, BOTH},
    {"order and limit", test_order_and_limit, BOTH},
    {"a read may end in the middle", test_read_ends_in_the_middle, BOTH},
    {"a stream that is missing", test_missing_stream, BOTH},
    {"columns and key of a table", test_describe_and_discover, BOTH},
    {"a query is a stream", test_queries, BOTH | CONNECTOR_QUERY},
    {"bounds of keys and cursors", test_bounds, BOTH | CONNECTOR_CURSOR},
    {"a snapshot stands still", test_snapshot_stands_still, BOTH | CONNECTOR_SNAPSHOT},
    {"a snapshot outlives a read that was given up", test_snapshot_survives_a_broken_read,
     BOTH | CONNECTOR_SNAPSHOT},
    {"a snapshot is shared", test_snapshot_is_shared, BOTH | CONNECTOR_SNAPSHOT_SHARE},
    {"a source's session writes nothing", test_source_writes_nothing, BOTH},
};

CONTRACT_MAIN("reading", cases)
