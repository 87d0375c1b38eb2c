/*
 * The way of a full load: a stage is made, rows go in, the key is built, the stage takes the
 * target's place with the checkpoint; and each of these when it must fail.
 */
#include "contract.h"

static const char every_type[] =
    "id int64(64) not null, a_bool bool, a_int8 int64(8), a_int16 int64(16), a_int32 int64(32), "
    "a_int64 int64(64), a_float float64(64), a_single float64(32), a_decimal decimal(20,4), "
    "a_text text, a_short text(20), a_bytes bytes, a_date date, a_time time(6), "
    "a_stamp timestamp(6), a_zoned timestamptz(6), a_json json, a_uuid uuid";

static const char every_row[] =
    "1|true|-128|-32768|-2147483648|-9223372036854775808|-1.5|0.5|-1234567890123456.7891|"
    "text \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80 \"'\\|short|\\x00ff10|2026-11-21|23:59:59.999999|"
    "2026-11-21 07:18:26.123456|2026-11-21 07:18:26.123456+00|{\"a\":[1,2.5,null]}|"
    "00112233-4455-6677-8899-aabbccddeeff\n"
    "2|false|127|32767|2147483647|9223372036854775807|1e+300|-0.25|0.0001||NULL|\\x|1970-01-01|"
    "00:00:00|1970-01-01 00:00:00|1999-12-31 23:59:59.5+00|\"\"|"
    "ffffffff-ffff-ffff-ffff-ffffffffffff\n"
    "3|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL\n";

static void test_every_type_comes_back(void)
{
    struct session *session = contract_open(false);
    struct stream_ref table = contract_table("types");
    struct columns columns = contract_columns(every_type);
    struct write_counts counts = {0};
    struct contract_write write = {
        .table = table, .columns = &columns, .how = WRITE_INSERT, .rows = every_row};
    if (session != NULL && contract_create(session, table, &columns, 1) &&
        contract_write(session, &write, &counts)) {
        CHECK_INT(counts.inserted, 3);
        CHECK_TEXT(contract_read_table(session, &table, &columns), every_row);
    }
    subject->close(session);
}

/* ---- finish and swap ---- */

struct load {
    struct session *session;
    struct stream_ref stage, target;
    struct columns columns;
    struct checkpoint_ref checkpoint;
};

static const size_t first_key[] = {0};

static bool begin_load(struct load *load)
{
    load->session = contract_open(false);
    load->stage = contract_table("load");
    load->target = contract_target("orders");
    load->columns = contract_columns("id int64(64) not null, \"Mixed Case\" text not null, "
                                     "total decimal(12,2)");
    return load->session != NULL;
}

static bool load_stage(struct load *load, const struct stream_ref *like, const char *rows)
{
    struct create_request create = {.table = load->stage,
                                    .columns = load->columns.specs,
                                    .column_count = load->columns.count,
                                    .comment = "orders 'of' the shop",
                                    .like = like};
    struct contract_write write = {
        .table = load->stage, .columns = &load->columns, .how = WRITE_INSERT, .rows = rows};
    struct err err;
    return CHECK_OK(subject->stage_drop(load->session, &load->stage, &err), &err) &&
           CHECK_OK(subject->table_create(load->session, &create, &err), &err) &&
           contract_write(load->session, &write, NULL) &&
           contract_take(load->session, &load->checkpoint);
}

static enum outcome finish(struct load *load, const struct stream_ref *like, struct err *err)
{
    struct finish_request request = {.stage = load->stage,
                                     .like = like,
                                     .columns = load->columns.specs,
                                     .column_count = load->columns.count,
                                     .key = first_key,
                                     .key_count = 1,
                                     .comment = "orders 'of' the shop"};
    return subject->table_finish(load->session, &request, err);
}

static enum outcome swap(struct load *load, struct err *err)
{
    struct swap_request request = {.stage = load->stage,
                                   .target = load->target,
                                   .checkpoint = load->checkpoint,
                                   .state = "{\"swapped\":true}"};
    return subject->table_swap(load->session, &request, err);
}

static bool load_whole(struct load *load, const struct stream_ref *like, const char *rows)
{
    struct err err;
    return load_stage(load, like, rows) && CHECK_OK(finish(load, like, &err), &err) &&
           CHECK_OK(swap(load, &err), &err);
}

static void check_target(struct load *load, const char *rows)
{
    struct table_spec table;
    struct err err;
    CHECK_TEXT(contract_read_table(load->session, &load->target, &load->columns), rows);
    if (!CHECK_OK(subject->describe(load->session, &load->target, &case_arena, &table, &err), &err))
        return;
    CHECK_INT(table.key_count, 1);
    CHECK_TEXT(table.comment, "orders 'of' the shop");
    CHECK_INT(table_spec_find(&table, "Mixed Case"), 1);
    CHECK(!table.columns[1].nullable);
    CHECK(table.columns[2].nullable);
    CHECK_INT(table.columns[2].spec.precision, 12);
    CHECK_INT(table.columns[2].spec.scale, 2);
}

static void test_swap_makes_and_replaces(void)
{
    struct load load;
    struct err err;
    const char *state = NULL;
    if (begin_load(&load) && load_whole(&load, NULL, "1|a|1.5\n2|b|NULL\n")) {
        check_target(&load, "1|a|1.5\n2|b|NULL\n");
        CHECK_OK(
            subject->checkpoint_take(load.session, &load.checkpoint, &case_arena, &state, &err),
            &err);
        CHECK_TEXT(state, "{\"swapped\":true}");
        if (load_whole(&load, &load.target, "3|c|-0.01\n"))
            check_target(&load, "3|c|-0.01\n");
    }
    subject->close(load.session);
}

/* A worker died between the two: the next one finishes again. */
static void test_finish_twice(void)
{
    struct load load;
    struct err err;
    if (begin_load(&load)) {
        for (int round = 0; round < 2; round++) {
            const struct stream_ref *like = round == 0 ? NULL : &load.target;
            if (load_stage(&load, like, "1|a|1\n")) {
                CHECK_OK(finish(&load, like, &err), &err);
                CHECK_OK(finish(&load, like, &err), &err);
                CHECK_OK(swap(&load, &err), &err);
                check_target(&load, "1|a|1\n");
            }
        }
    }
    subject->close(load.session);
}

static void test_swap_is_fenced(void)
{
    struct load load;
    struct checkpoint_ref newer;
    struct err err;
    if (begin_load(&load) && load_whole(&load, NULL, "1|a|1\n") &&
        load_stage(&load, &load.target, "2|b|2\n") && contract_take(load.session, &newer)) {
        CHECK_OK(finish(&load, &load.target, &err), &err);
        CHECK_OUTCOME(swap(&load, &err), OUTCOME_CANCELLED, &err);
        CHECK_TEXT(err.code, "fenced");
        check_target(&load, "1|a|1\n");
    }
    subject->close(load.session);
}

static void test_key_that_is_not_unique(void)
{
    struct load load;
    struct err err;
    if (begin_load(&load) && load_stage(&load, NULL, "1|a|1\n1|b|2\n")) {
        CHECK_OUTCOME(finish(&load, NULL, &err), OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, "target.key_not_unique");
        CHECK(err.hint[0] != '\0');
        CHECK(!err.row_fault);
        CHECK_TEXT(contract_read_table(load.session, &load.stage, &load.columns) == NULL ? ""
                                                                                         : "ok",
                   "ok"); /* the session goes on */
    }
    subject->close(load.session);
}

static void test_drop_spares_tables(void)
{
    struct session *session = contract_open(false);
    struct stream_ref absent = {NULL, HAUL_STAGE_PREFIX "absent", NULL};
    struct stream_ref table = {NULL, "orders", NULL};
    struct err err;
    if (session != NULL) {
        CHECK_OK(subject->stage_drop(session, &absent, &err), &err);
        CHECK_OUTCOME(subject->stage_drop(session, &table, &err), OUTCOME_BUG, &err);
    }
    subject->close(session);
}

/* ---- changes ---- */

static void test_columns_are_added_and_widened(void)
{
    struct session *session = contract_open(false);
    struct stream_ref table = contract_table("change");
    struct columns before = contract_columns("id int64(32) not null, name text(5) not null");
    struct columns after = contract_columns("id int64(64) not null, name text, note decimal(30,6)");
    struct schema_change changes[] = {{SCHEMA_WIDEN_COLUMN, after.specs[0]},
                                      {SCHEMA_WIDEN_COLUMN, after.specs[1]},
                                      {SCHEMA_DROP_NOT_NULL, after.specs[1]},
                                      {SCHEMA_ADD_COLUMN, after.specs[2]}};
    struct contract_write first = {
        .table = table, .columns = &before, .how = WRITE_INSERT, .rows = "1|abc\n"};
    struct contract_write second = {.table = table,
                                    .columns = &after,
                                    .how = WRITE_INSERT,
                                    .rows =
                                        "9000000000|longer than five|1.5\n9000000001|NULL|NULL\n"};
    struct err err;
    if (session != NULL && contract_create(session, table, &before, 0) &&
        contract_write(session, &first, NULL) &&
        CHECK_OK(subject->table_change(session, &table, changes, 4, &err), &err) &&
        contract_write(session, &second, NULL))
        CHECK_TEXT(contract_read_table(session, &table, &after),
                   "1|abc|NULL\n9000000000|longer than five|1.5\n9000000001|NULL|NULL\n");
    subject->close(session);
}

#define SWAPS (CONNECTOR_TARGET | CONNECTOR_SWAP)

static const struct contract_case cases[] = {
    {"every type of haul comes back as it was", test_every_type_comes_back, CONNECTOR_TARGET},
    {"a stage becomes the target, then replaces it", test_swap_makes_and_replaces, SWAPS},
    {"a stage may be finished twice", test_finish_twice, SWAPS},
    {"a swap behind a newer fence changes nothing", test_swap_is_fenced, SWAPS},
    {"a key that is not unique is told so", test_key_that_is_not_unique, SWAPS},
    {"only stages are dropped", test_drop_spares_tables, CONNECTOR_TARGET},
    {"columns are added and widened", test_columns_are_added_and_widened,
     CONNECTOR_TARGET | CONNECTOR_SCHEMA_CHANGE},
};

CONTRACT_MAIN("loading", cases)
