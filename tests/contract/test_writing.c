/*
 * Writing into a table that stands: adding, merging by key, history, deletes; rows that the target
 * refuses; the fence.
 */
#include "contract.h"

#include <stdio.h>

static const char shape[] = "id int64(64) not null, name text(10) not null, price decimal(12,2), "
                            "ratio float64(64), doc json, at timestamptz(6)";

#define DAY_US INT64_C(86400000000)
#define NOW_US (INT64_C(20000) * DAY_US) /* 2024-10-04 */

struct fixture {
    struct session *session;
    struct stream_ref table;
    struct columns columns;
    struct write_counts counts;
};

static bool set_up(struct fixture *fixture, const char *more_columns, size_t key_count)
{
    fixture->session = contract_open(false);
    fixture->table = contract_table("write");
    struct columns all = contract_columns(arena_printf(&case_arena, "%s%s", shape, more_columns));
    fixture->columns = contract_columns(shape);
    return fixture->session != NULL &&
           contract_create(fixture->session, fixture->table, &all, key_count);
}

static void tear_down(struct fixture *fixture)
{
    subject->close(fixture->session);
}

static bool put(struct fixture *fixture, enum write_how how, const char *rows)
{
    struct contract_write write = {.table = fixture->table,
                                   .columns = &fixture->columns,
                                   .how = how,
                                   .key_count = how == WRITE_INSERT ? 0 : 1,
                                   .now_us = NOW_US,
                                   .rows = rows};
    return contract_write(fixture->session, &write, &fixture->counts);
}

static void check_counts(const struct write_counts *counts, int64_t inserted, int64_t updated,
                         int64_t unchanged, int64_t deleted)
{
    CHECK_INT(counts->inserted, inserted);
    CHECK_INT(counts->updated, updated);
    CHECK_INT(counts->unchanged, unchanged);
    CHECK_INT(counts->deleted, deleted);
}

static void check_rows(struct fixture *fixture, const char *rows)
{
    CHECK_TEXT(contract_read_table(fixture->session, &fixture->table, &fixture->columns), rows);
}

/* ---- merge ---- */

static void merge_cases(struct fixture *fixture)
{
    if (!put(fixture, WRITE_MERGE,
             "1|a|1|0.5|{\"x\":1}|2026-01-01 00:00:00+00\n2|b|NULL|NULL|NULL|NULL\n"
             "3|c|3|-0.5|[]|NULL\n"))
        return;
    check_counts(&fixture->counts, 3, 0, 0, 0);
    /* the same, another value of each type, NULL to a value, a new row */
    CHECK(put(fixture, WRITE_MERGE,
              "1|a|1|0.5|{\"x\":1}|2026-01-01 00:00:00+00\n2|b|0.01|NULL|NULL|NULL\n"
              "3|c|3|-0.5|[1]|NULL\n4|d|4|4|null|NULL\n"));
    check_counts(&fixture->counts, 1, 2, 1, 0);
    CHECK(put(fixture, WRITE_MERGE,
              "1|A|1|0.5|{\"x\":1}|2026-01-01 00:00:00+00\n"
              "4|d|4|-4|null|2026-01-01 00:00:00.000001+00\n"));
    check_counts(&fixture->counts, 0, 2, 0, 0);
    check_rows(fixture, "1|A|1|0.5|{\"x\":1}|2026-01-01 00:00:00+00\n2|b|0.01|NULL|NULL|NULL\n"
                        "3|c|3|-0.5|[1]|NULL\n4|d|4|-4|null|2026-01-01 00:00:00.000001+00\n");
}

static void test_merge(void)
{
    struct fixture fixture;
    if (set_up(&fixture, "", 1))
        merge_cases(&fixture);
    tear_down(&fixture);
}

static void test_merge_of_doubles_is_refused(void)
{
    struct fixture fixture;
    if (set_up(&fixture, "", 1)) {
        struct contract_write write = {.table = fixture.table,
                                       .columns = &fixture.columns,
                                       .how = WRITE_MERGE,
                                       .key_count = 1};
        struct write_request request = contract_write_request(&write);
        struct batch *batch = contract_batch(
            &fixture.columns, "1|a|1|1|NULL|NULL\n2|b|1|1|NULL|NULL\n1|c|2|2|NULL|NULL\n");
        struct writer *writer = NULL;
        struct err err;
        CHECK(contract_take(fixture.session, &request.checkpoint));
        if (CHECK_OK(subject->write_begin(fixture.session, &request, &writer, &err), &err)) {
            CHECK_OUTCOME(subject->write_batch(writer, batch, 0, 3, &fixture.counts, &err),
                          OUTCOME_PERMANENT, &err);
            CHECK_TEXT(err.code, "target.key_not_unique");
            CHECK(!err.row_fault);
            subject->write_end(writer);
        }
        batch_free(batch);
        check_rows(&fixture, "");
    }
    tear_down(&fixture);
}

static void test_soft_deletes(void)
{
    struct fixture fixture;
    if (set_up(&fixture, ", " HAUL_COLUMN_DELETED_AT " timestamptz(6)", 1)) {
        struct columns key = contract_columns("id int64(64) not null");
        struct columns seen = contract_columns(
            "id int64(64) not null, name text(10), " HAUL_COLUMN_DELETED_AT " timestamptz(6)");
        struct contract_write all = {.table = fixture.table,
                                     .columns = &fixture.columns,
                                     .how = WRITE_MERGE,
                                     .key_count = 1,
                                     .soft_delete = true,
                                     .now_us = NOW_US,
                                     .rows = "1|a|1|1|NULL|NULL\n2|b|1|1|NULL|NULL\n"};
        struct contract_write gone = {.table = fixture.table,
                                      .columns = &key,
                                      .how = WRITE_DELETE,
                                      .key_count = 1,
                                      .soft_delete = true,
                                      .now_us = NOW_US,
                                      .rows = "2\n3\n"};
        CHECK(contract_write(fixture.session, &all, NULL));
        CHECK(contract_write(fixture.session, &gone, &fixture.counts));
        check_counts(&fixture.counts, 0, 0, 0, 1);
        CHECK_TEXT(contract_read_table(fixture.session, &fixture.table, &seen),
                   "1|a|NULL\n2|b|2024-10-04 00:00:00+00\n");
        CHECK(contract_write(fixture.session, &gone, &fixture.counts));
        check_counts(&fixture.counts, 0, 0, 0, 0); /* marked already */
        CHECK(contract_write(fixture.session, &all, &fixture.counts));
        check_counts(&fixture.counts, 0, 1, 1, 0); /* back again */
        CHECK_TEXT(contract_read_table(fixture.session, &fixture.table, &seen),
                   "1|a|NULL\n2|b|NULL\n");
    }
    tear_down(&fixture);
}

static void test_hard_deletes(void)
{
    struct fixture fixture;
    if (set_up(&fixture, "", 1)) {
        struct columns key = contract_columns("id int64(64) not null");
        struct contract_write gone = {.table = fixture.table,
                                      .columns = &key,
                                      .how = WRITE_DELETE,
                                      .key_count = 1,
                                      .now_us = NOW_US,
                                      .rows = "2\n3\n"};
        CHECK(put(&fixture, WRITE_INSERT, "1|a|1|1|NULL|NULL\n2|b|1|1|NULL|NULL\n"));
        CHECK(contract_write(fixture.session, &gone, &fixture.counts));
        check_counts(&fixture.counts, 0, 0, 0, 1);
        check_rows(&fixture, "1|a|1|1|NULL|NULL\n");
    }
    tear_down(&fixture);
}

/* ---- history ---- */

static const char history_columns[] =
    "id int64(64) not null, " HAUL_COLUMN_VALID_FROM
    " timestamptz(6) not null, name text(10), " HAUL_COLUMN_VALID_TO
    " timestamptz(6), " HAUL_COLUMN_IS_CURRENT " bool not null";

static void write_history(struct fixture *fixture, int64_t day, enum write_how how,
                          const char *rows)
{
    struct columns columns = contract_columns(
        how == WRITE_DELETE ? "id int64(64) not null" : "id int64(64) not null, name text(10)");
    struct contract_write write = {.table = fixture->table,
                                   .columns = &columns,
                                   .how = how,
                                   .key_count = 1,
                                   .history = true,
                                   .now_us = NOW_US + day * DAY_US,
                                   .rows = rows};
    CHECK(contract_write(fixture->session, &write, &fixture->counts));
}

static void test_history(void)
{
    struct fixture fixture;
    fixture.session = contract_open(false);
    fixture.table = contract_table("history");
    fixture.columns = contract_columns(history_columns);
    if (fixture.session != NULL &&
        contract_create(fixture.session, fixture.table, &fixture.columns, 2)) {
        write_history(&fixture, 0, WRITE_HISTORY, "1|a\n2|b\n");
        check_counts(&fixture.counts, 2, 0, 0, 0);
        write_history(&fixture, 1, WRITE_HISTORY, "1|A\n2|b\n3|c\n");
        check_counts(&fixture.counts, 1, 1, 1, 0);
        write_history(&fixture, 2, WRITE_DELETE, "2\n");
        check_counts(&fixture.counts, 0, 0, 0, 1);
        write_history(&fixture, 3, WRITE_HISTORY, "2|b\n");
        check_counts(&fixture.counts, 1, 0, 0, 0);
        struct read_request request = {.stream = fixture.table,
                                       .columns = fixture.columns.specs,
                                       .column_count = fixture.columns.count,
                                       .order_by =
                                           (const char *const[]){"id", HAUL_COLUMN_VALID_FROM},
                                       .order_count = 2};
        CHECK_TEXT(contract_read(fixture.session, &request),
                   "1|2024-10-04 00:00:00+00|a|2024-10-05 00:00:00+00|false\n"
                   "1|2024-10-05 00:00:00+00|A|NULL|true\n"
                   "2|2024-10-04 00:00:00+00|b|2024-10-06 00:00:00+00|false\n"
                   "2|2024-10-07 00:00:00+00|b|NULL|true\n"
                   "3|2024-10-05 00:00:00+00|c|NULL|true\n");
    }
    tear_down(&fixture);
}

/* ---- refused rows, transactions ---- */

struct open_writer {
    struct writer *writer;
    struct batch *batch;
    struct write_request request;
};

static bool open_writer(struct fixture *fixture, enum write_how how, const char *rows,
                        struct open_writer *open)
{
    struct contract_write write = {.table = fixture->table,
                                   .columns = &fixture->columns,
                                   .how = how,
                                   .key_count = how == WRITE_INSERT ? 0 : 1,
                                   .now_us = NOW_US};
    struct err err;
    *open = (struct open_writer){.request = contract_write_request(&write),
                                 .batch = contract_batch(&fixture->columns, rows)};
    fixture->counts = (struct write_counts){0};
    return contract_take(fixture->session, &open->request.checkpoint) &&
           CHECK_OK(subject->write_begin(fixture->session, &open->request, &open->writer, &err),
                    &err);
}

static void close_writer(struct open_writer *open)
{
    subject->write_end(open->writer);
    batch_free(open->batch);
}

struct refused_case {
    const char *row, *column;
};

static const struct refused_case refused[] = {
    {"2|longer than ten|1|1|NULL|NULL\n", "name"},
    {"2|NULL|1|1|NULL|NULL\n", "name"},
    {"2|b|12345678901.00|1|NULL|NULL\n", "price"},
    {"2|b|0.001|1|NULL|NULL\n", "price"},
};

static void check_refused(struct fixture *fixture, enum write_how how)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct open_writer open;
        struct err err = {0};
        const char *rows =
            arena_printf(&case_arena, "1|a|1|1|NULL|NULL\n%s3|c|1|1|NULL|NULL\n", refused[i].row);
        if (open_writer(fixture, how, rows, &open)) {
            CHECK_OUTCOME(
                subject->write_batch(open.writer, open.batch, 0, 3, &fixture->counts, &err),
                OUTCOME_PERMANENT, &err);
            CHECK(err.row_fault);
            CHECK_TEXT(err.code, "row.refused");
            if (!CHECK_TEXT(err.column, refused[i].column))
                printf("# refused case %zu: %s\n", i, err.message);
            CHECK(err.native[0] != '\0');
            CHECK(strstr(err.message, "longer than ten") == NULL);
            check_counts(&fixture->counts, 0, 0, 0, 0);
            /* narrowed down, as the pipeline does; the transaction goes on */
            CHECK_OK(subject->write_batch(open.writer, open.batch, 0, 1, &fixture->counts, &err),
                     &err);
            CHECK_OUTCOME(
                subject->write_batch(open.writer, open.batch, 1, 1, &fixture->counts, &err),
                OUTCOME_PERMANENT, &err);
            CHECK_OK(subject->write_batch(open.writer, open.batch, 2, 1, &fixture->counts, &err),
                     &err);
            CHECK_OK(subject->write_commit(open.writer, "{}", &err), &err);
        }
        close_writer(&open);
        check_rows(fixture, "1|a|1|1|NULL|NULL\n3|c|1|1|NULL|NULL\n");
        struct columns key = contract_columns("id int64(64) not null");
        struct contract_write gone = {.table = fixture->table,
                                      .columns = &key,
                                      .how = WRITE_DELETE,
                                      .key_count = 1,
                                      .rows = "1\n3\n"};
        CHECK(contract_write(fixture->session, &gone, NULL));
    }
}

static void test_refused_rows(void)
{
    struct fixture fixture;
    if (set_up(&fixture, "", 1))
        check_refused(&fixture, WRITE_INSERT);
    tear_down(&fixture);
}

static void test_refused_rows_of_a_merge(void)
{
    struct fixture fixture;
    if (set_up(&fixture, "", 1))
        check_refused(&fixture, WRITE_MERGE);
    tear_down(&fixture);
}

static void test_rows_that_stand_already(void)
{
    struct fixture fixture;
    if (set_up(&fixture, "", 1) && put(&fixture, WRITE_INSERT, "1|a|1|1|NULL|NULL\n")) {
        struct open_writer open;
        struct err err = {0};
        if (open_writer(&fixture, WRITE_INSERT, "1|again|1|1|NULL|NULL\n", &open)) {
            CHECK_OUTCOME(
                subject->write_batch(open.writer, open.batch, 0, 1, &fixture.counts, &err),
                OUTCOME_PERMANENT, &err);
            CHECK(err.row_fault);
        }
        close_writer(&open);
        check_rows(&fixture, "1|a|1|1|NULL|NULL\n");
    }
    tear_down(&fixture);
}

static void test_nothing_without_a_commit(void)
{
    struct fixture fixture;
    if (set_up(&fixture, "", 1)) {
        struct open_writer open;
        struct err err;
        if (open_writer(&fixture, WRITE_INSERT, "1|a|1|1|NULL|NULL\n", &open))
            CHECK_OK(subject->write_batch(open.writer, open.batch, 0, 1, &fixture.counts, &err),
                     &err);
        close_writer(&open);
        check_rows(&fixture, "");
    }
    tear_down(&fixture);
}

static void test_commit_behind_a_newer_fence(void)
{
    struct fixture fixture;
    if (set_up(&fixture, "", 1)) {
        struct session *other = contract_open(false);
        struct checkpoint_ref newer;
        struct open_writer open;
        const char *state = NULL;
        struct err err;
        if (open_writer(&fixture, WRITE_INSERT, "1|a|1|1|NULL|NULL\n", &open) && other != NULL) {
            CHECK_OK(subject->write_batch(open.writer, open.batch, 0, 1, &fixture.counts, &err),
                     &err);
            CHECK(contract_take(other, &newer));
            /* Its session may have been ended, so that its locks keep nobody waiting. */
            enum outcome outcome = subject->write_commit(open.writer, "{\"n\":2}", &err);
            CHECK(outcome == OUTCOME_RETRY ||
                  (outcome == OUTCOME_CANCELLED && strcmp(err.code, "fenced") == 0));
            close_writer(&open);
            subject->close(fixture.session);
            fixture.session = contract_open(false);
            CHECK_OUTCOME(subject->checkpoint_take(fixture.session, &open.request.checkpoint,
                                                   &case_arena, &state, &err),
                          OUTCOME_CANCELLED, &err);
            CHECK_TEXT(err.code, "fenced");
        }
        subject->close(other);
        check_rows(&fixture, "");
    }
    tear_down(&fixture);
}

static void test_state_is_kept(void)
{
    struct fixture fixture;
    if (set_up(&fixture, "", 1)) {
        struct checkpoint_ref checkpoint = {NULL, contract_target("sync").name, 7};
        struct write_request request;
        struct contract_write write = {
            .table = fixture.table, .columns = &fixture.columns, .how = WRITE_INSERT};
        const char *state = "not asked", *strange = "{\"text\":\"it's \\\\ \\\"x\\\" \xc3\xa4\"}";
        struct writer *writer = NULL;
        struct err err;
        CHECK_OK(subject->checkpoint_take(fixture.session, &checkpoint, &case_arena, &state, &err),
                 &err);
        CHECK(state == NULL);
        request = contract_write_request(&write);
        request.checkpoint = checkpoint;
        if (CHECK_OK(subject->write_begin(fixture.session, &request, &writer, &err), &err))
            CHECK_OK(subject->write_commit(writer, strange, &err), &err); /* without a row */
        subject->write_end(writer);
        checkpoint.fence = 8;
        CHECK_OK(subject->checkpoint_take(fixture.session, &checkpoint, &case_arena, &state, &err),
                 &err);
        CHECK_TEXT(state, strange);
    }
    tear_down(&fixture);
}

/* Whether the checkpoint can be had for a fence that is smaller than the one it was taken for. */
static bool was_dropped(struct fixture *fixture, const char *sync_id, struct err *err)
{
    const char *state;
    struct checkpoint_ref older = {NULL, sync_id, 6};
    return subject->checkpoint_take(fixture->session, &older, &case_arena, &state, err) ==
           OUTCOME_OK;
}

static void test_checkpoints_are_dropped_by_their_beginning(void)
{
    static const char *const ids[] = {"part:a_%.1.0", "part:a_%.1.10", "part:a_%.2.0",
                                      "part:ab%.1.0", "PART:A_%.1.0"};
    struct fixture fixture;
    if (set_up(&fixture, "", 1)) {
        const char *state;
        struct checkpoint_ref begun = {NULL, "part:a_%.1.", 0};
        struct err err;
        for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
            struct checkpoint_ref checkpoint = {NULL, ids[i], 7};
            CHECK_OK(
                subject->checkpoint_take(fixture.session, &checkpoint, &case_arena, &state, &err),
                &err);
        }
        CHECK_OK(subject->checkpoint_drop(fixture.session, &begun, &err), &err);
        for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
            CHECK_INT(was_dropped(&fixture, ids[i], &err), i < 2);
    }
    tear_down(&fixture);
}

static void test_read_back(void)
{
    struct fixture fixture;
    if (set_up(&fixture, "", 1) &&
        put(&fixture, WRITE_INSERT, "1|a|1|1|NULL|NULL\n2|b|2|2|NULL|NULL\n")) {
        struct open_writer open;
        struct reader *reader = NULL;
        struct err err;
        const char *row = "2|B|2.5|-2|{\"k\":1}|2026-01-01 00:00:00+00\n";
        if (open_writer(&fixture, WRITE_MERGE, row, &open)) {
            CHECK_OK(subject->write_batch(open.writer, open.batch, 0, 1, &fixture.counts, &err),
                     &err);
            if (CHECK_OK(subject->read_back(open.writer, &reader, &err), &err)) {
                CHECK_TEXT(contract_rows(reader, &fixture.columns), row);
                subject->read_end(reader);
            }
            CHECK_OK(subject->write_commit(open.writer, "{}", &err), &err);
        }
        close_writer(&open);
        check_rows(&fixture, "1|a|1|1|NULL|NULL\n2|B|2.5|-2|{\"k\":1}|2026-01-01 00:00:00+00\n");
    }
    tear_down(&fixture);
}

static void test_many_batches_in_one_commit(void)
{
    struct fixture fixture;
    if (set_up(&fixture, "", 1)) {
        STR_AUTO struct str rows = str_with_max(1 << 22);
        struct open_writer open;
        struct err err;
        for (int i = 0; i < 10000; i++)
            str_addf(&rows, "%d|name%d|%d.25|%d|{\"i\":%d}|2026-01-01 00:00:00+00\n", i, i, i, i,
                     i);
        if (open_writer(&fixture, WRITE_MERGE, str_text(&rows), &open)) {
            for (size_t first = 0; first < 10000; first += 2500)
                CHECK_OK(subject->write_batch(open.writer, open.batch, first, 2500, &fixture.counts,
                                              &err),
                         &err);
            CHECK_OK(subject->write_commit(open.writer, "{}", &err), &err);
        }
        close_writer(&open);
        check_counts(&fixture.counts, 10000, 0, 0, 0);
        check_rows(&fixture, str_text(&rows));
    }
    tear_down(&fixture);
}

static void test_target_that_is_missing(void)
{
    struct fixture fixture;
    if (set_up(&fixture, "", 1)) {
        struct contract_write write = {
            .table = {NULL, "nowhere", NULL}, .columns = &fixture.columns, .how = WRITE_INSERT};
        struct write_request request = contract_write_request(&write);
        struct columns other = contract_columns("id int64(64), absent text");
        struct writer *writer = NULL;
        struct err err;
        CHECK_OUTCOME(subject->write_begin(fixture.session, &request, &writer, &err),
                      OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, "target.missing");
        write.table = fixture.table;
        write.columns = &other;
        request = contract_write_request(&write);
        CHECK_OUTCOME(subject->write_begin(fixture.session, &request, &writer, &err),
                      OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, "target.columns");
        CHECK(strstr(err.message, "absent") != NULL);
    }
    tear_down(&fixture);
}

/* It came into being since the caller looked: no fault of the data. */
static void test_table_that_exists(void)
{
    struct fixture fixture;
    if (set_up(&fixture, "", 1)) {
        struct create_request create = {.table = fixture.table,
                                        .columns = fixture.columns.specs,
                                        .column_count = fixture.columns.count};
        struct err err;
        CHECK_OUTCOME(subject->table_create(fixture.session, &create, &err), OUTCOME_RETRY, &err);
        CHECK_TEXT(err.code, "target.exists");
        check_rows(&fixture, "");
    }
    tear_down(&fixture);
}

#define TARGET CONNECTOR_TARGET
#define UPSERT (CONNECTOR_TARGET | CONNECTOR_UPSERT)

static const struct contract_case cases[] = {
    {"merge by key", test_merge, UPSERT},
    {"a batch with one key twice", test_merge_of_doubles_is_refused, UPSERT},
    {"soft deletes", test_soft_deletes, UPSERT | CONNECTOR_DELETE},
    {"hard deletes", test_hard_deletes, TARGET | CONNECTOR_DELETE},
    {"history", test_history, UPSERT | CONNECTOR_DELETE},
    {"refused rows are told and undone", test_refused_rows, TARGET | CONNECTOR_DELETE},
    {"refused rows of a merge", test_refused_rows_of_a_merge, UPSERT | CONNECTOR_DELETE},
    {"a row whose key stands already", test_rows_that_stand_already, TARGET},
    {"nothing stands without a commit", test_nothing_without_a_commit,
     TARGET | CONNECTOR_TRANSACTIONAL},
    {"a commit behind a newer fence", test_commit_behind_a_newer_fence,
     TARGET | CONNECTOR_TRANSACTIONAL},
    {"the checkpoint's state is kept", test_state_is_kept, TARGET | CONNECTOR_TRANSACTIONAL},
    {"checkpoints are dropped by their beginning", test_checkpoints_are_dropped_by_their_beginning,
     TARGET | CONNECTOR_TRANSACTIONAL},
    {"what was written is read back", test_read_back, UPSERT | CONNECTOR_READ_BACK},
    {"many batches in one commit", test_many_batches_in_one_commit, UPSERT},
    {"a target that is missing, or has other columns", test_target_that_is_missing, TARGET},
    {"a table that exists is not created", test_table_that_exists, TARGET},
};

CONTRACT_MAIN("writing", cases)
