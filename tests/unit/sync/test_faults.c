/*
 * faults: a sync whose n-th call to its systems fails, for every n, before and after the call's
 * effect; then another worker with a greater fence finishes. Whatever n: nothing half-applied is
 * ever visible, nothing is lost, nothing is doubled, and the receipt of the second agrees.
 */
#include "check.h"
#include "memory_connector.h"
#include "sync/sync.h"

#include <stdio.h>
#include <stdlib.h>

#define ROWS 400
#define CALLS_MAX 2000

struct world {
    struct memory_store *source, *target;
    struct memory_config source_config, target_config;
    struct sync_spec spec;
    int64_t fence, bad_rows;
};

static enum outcome count_bad(void *ctx, const struct bad_row *rows, size_t count, struct err *err)
{
    struct world *world = ctx;
    (void)rows;
    (void)err;
    world->bad_rows += (int64_t)count;
    return OUTCOME_OK;
}

static void put(struct memory_table *table, int64_t id, int64_t version, const char *text)
{
    struct memory_row *row = &table->rows[table->row_count++];
    row->id = id;
    row->version = version;
    text_copy(row->text, sizeof row->text, text);
}

static void world_init(struct world *world, int mode)
{
    *world = (struct world){.source = calloc(1, sizeof *world->source),
                            .target = calloc(1, sizeof *world->target)};
    world->source_config.store = world->source;
    world->target_config.store = world->target;
    world->spec = (struct sync_spec){.sync_id = "s",
                                     .source = {.connection_id = "a", .table = "t"},
                                     .target = {.connection_id = "b", .table = "t"},
                                     .mode = mode,
                                     .verify = SYNC_VERIFY_FULL,
                                     .parallel = 1,
                                     .chunk_rows = 100,
                                     .max_delete_percent = 10};
    if (mode != SYNC_FULL_REFRESH)
        world->spec.cursor = "version";
    struct memory_table *table = memory_make(world->source, "t");
    for (int64_t id = 1; id <= ROWS; id++)
        put(table, id, id / 10, "first");
}

static void world_done(struct world *world)
{
    free(world->source);
    free(world->target);
}

static enum outcome run(struct world *world, struct receipt *receipt, struct arena *arena,
                        struct err *err)
{
    struct sync_env env = {.source = {&memory_connector, &world->source_config},
                           .target = {&memory_connector, &world->target_config},
                           .fence = ++world->fence,
                           .ctx = world,
                           .quarantine = count_bad};
    *err = (struct err){0};
    return sync_run(&env, &world->spec, arena, receipt, err);
}

static const struct memory_row *find_row(const struct memory_table *table, int64_t id)
{
    for (size_t i = 0; i < table->row_count; i++)
        if (table->rows[i].id == id)
            return &table->rows[i];
    return NULL;
}

static bool is_copy(const struct memory_table *source, const struct memory_table *target)
{
    if (target == NULL || source->row_count != target->row_count)
        return false;
    for (size_t i = 0; i < source->row_count; i++) {
        const struct memory_row *row = find_row(target, source->rows[i].id);
        if (row == NULL || row->version != source->rows[i].version ||
            strcmp(row->text, source->rows[i].text) != 0)
            return false;
    }
    return true;
}

/* The source as it will be when the interesting run begins. */
static void change_source(struct world *world)
{
    struct memory_table *table = memory_find(world->source, "t");
    for (size_t i = 0; i < 30; i++) {
        table->rows[i * 7].version = 1000;
        text_copy(table->rows[i * 7].text, sizeof table->rows[i * 7].text, "second");
    }
    for (int64_t id = ROWS + 1; id <= ROWS + 20; id++)
        put(table, id, 1000, "new");
}

/* One fault at the n-th call. False when the run ended before that call came. */
static bool fault_at(int mode, bool has_before, unsigned n, bool after)
{
    struct world world;
    struct receipt receipt;
    struct err err = {0};
    struct arena first ARENA_AUTO, second ARENA_AUTO, third ARENA_AUTO;
    arena_init(&first, 64u << 20);
    arena_init(&second, 64u << 20);
    arena_init(&third, 64u << 20);
    world_init(&world, mode);
    struct memory_table *old = NULL, *source = memory_find(world.source, "t");
    if (has_before) {
        memory_fail_at(0, false);
        CHECK_OK(run(&world, &receipt, &first, &err), &err);
        old = malloc(sizeof *old);
        *old = *memory_find(world.target, "t");
        change_source(&world);
    }
    memory_fail_at(n, after);
    enum outcome outcome = run(&world, &receipt, &second, &err);
    bool came = memory_has_failed();
    memory_fail_at(0, false);
    const struct memory_table *seen = memory_find(world.target, "t");
    if (came)
        CHECK(outcome == OUTCOME_RETRY);
    else
        CHECK_OK(outcome, &err);
    if (mode == SYNC_FULL_REFRESH) /* the old table, or the new one: nothing between */
        CHECK(is_copy(source, seen) || (old == NULL ? seen == NULL : is_copy(old, seen)));
    if (!CHECK_OK(run(&world, &receipt, &third, &err), &err) ||
        !CHECK(is_copy(source, memory_find(world.target, "t"))))
        printf("# mode %d, call %u, %s its effect\n", mode, n, after ? "after" : "before");
    CHECK(hash128_eq(receipt.target_hash, receipt.verified_source_hash));
    free(old);
    world_done(&world);
    return came;
}

static void fault_everywhere(int mode, bool has_before)
{
    for (int after = 0; after < 2; after++) {
        unsigned n = 1;
        while (n < CALLS_MAX && fault_at(mode, has_before, n, after == 1))
            n++;
        CHECK(n > 12 && n < CALLS_MAX);
    }
}

static void test_first_load(void)
{
    fault_everywhere(SYNC_FULL_REFRESH, false);
}

static void test_replacing_load(void)
{
    fault_everywhere(SYNC_FULL_REFRESH, true);
}

static void test_upsert_load(void)
{
    fault_everywhere(SYNC_UPSERT, false);
}

static void test_upsert_merge(void)
{
    fault_everywhere(SYNC_UPSERT, true);
}

static void test_append(void)
{
    struct world world;
    for (int after = 0; after < 2; after++) {
        for (unsigned n = 1, came = 1; came && n < CALLS_MAX; n++) {
            struct receipt receipt;
            struct err err = {0};
            struct arena first ARENA_AUTO, second ARENA_AUTO;
            arena_init(&first, 64u << 20);
            arena_init(&second, 64u << 20);
            world_init(&world, SYNC_APPEND);
            memory_fail_at(n, after == 1);
            (void)(run(&world, &receipt, &first, &err) == OUTCOME_OK);
            came = memory_has_failed();
            memory_fail_at(0, false);
            for (int64_t id = ROWS + 1; id <= ROWS + 5; id++) /* late, at the greatest value */
                put(memory_find(world.source, "t"), id, ROWS / 10, "late");
            CHECK_OK(run(&world, &receipt, &second, &err), &err);
            CHECK(is_copy(memory_find(world.source, "t"), memory_find(world.target, "t")));
            world_done(&world);
        }
    }
}

/* A lane whose call fails late finds the others at their own durable points: none of them may make
 * durable what the lane has settled and not committed. */
static void fault_in_lanes(unsigned n, bool after)
{
    struct world world;
    struct receipt receipt;
    struct err err = {0};
    struct arena first ARENA_AUTO, second ARENA_AUTO;
    arena_init(&first, 64u << 20);
    arena_init(&second, 64u << 20);
    world_init(&world, SYNC_FULL_REFRESH);
    world.spec.parallel = 3;
    world.spec.chunk_rows = 40; /* each parcel is a chunk */
    memory_fail_at(n, after);
    memory_fail_late(1000);
    enum outcome outcome = run(&world, &receipt, &first, &err);
    if (memory_has_failed() && CHECK_OUTCOME(outcome, OUTCOME_RETRY, &err))
        CHECK_TEXT(err.code, "injected");
    else if (!memory_has_failed())
        CHECK_OK(outcome, &err);
    memory_fail_at(0, false);
    if (!CHECK_OK(run(&world, &receipt, &second, &err), &err) ||
        !CHECK(is_copy(memory_find(world.source, "t"), memory_find(world.target, "t"))))
        printf("# call %u, %s its effect\n", n, after ? "after" : "before");
    world_done(&world);
}

static void test_lanes(void)
{
    for (unsigned n = 1; n < 120; n++) {
        fault_in_lanes(n, false);
        fault_in_lanes(n, true);
    }
}

/* A read hangs; another lane comes to a row that fails: the run ends, with that error. */
static void test_stalled_lane(void)
{
    for (unsigned n = 1; n < 7; n++) { /* of 10: never the chunk that fails */
        struct world world;
        struct receipt receipt;
        struct err err = {0};
        struct arena arena ARENA_AUTO;
        arena_init(&arena, 64u << 20);
        world_init(&world, SYNC_FULL_REFRESH);
        world.spec.parallel = 3;
        world.spec.chunk_rows = 40;
        text_copy(memory_find(world.source, "t")->rows[ROWS - 1].text, 4, "bad");
        memory_refuse("bad");
        memory_stall_at(n);
        CHECK_OUTCOME(run(&world, &receipt, &arena, &err), OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, "rows.rejected");
        memory_refuse(NULL);
        memory_stall_at(0);
        world_done(&world);
    }
}

static void test_bad_rows(void)
{
    struct world world;
    struct receipt receipt;
    struct err err = {0};
    struct arena arena ARENA_AUTO;
    arena_init(&arena, 64u << 20);
    world_init(&world, SYNC_FULL_REFRESH);
    struct memory_table *source = memory_find(world.source, "t");
    text_copy(source->rows[3].text, sizeof source->rows[3].text, "bad");
    text_copy(source->rows[ROWS - 1].text, sizeof source->rows[0].text, "bad");
    memory_refuse("bad");
    world.spec.max_bad_rows = 1;
    CHECK_OUTCOME(run(&world, &receipt, &arena, &err), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "rows.rejected");
    CHECK(memory_find(world.target, "t") == NULL);
    world.spec.max_bad_rows = 2;
    world.bad_rows = 0;
    CHECK_OK(run(&world, &receipt, &arena, &err), &err);
    CHECK_INT(receipt.rows_rejected, 2);
    CHECK_INT(receipt.rows_written, ROWS - 2);
    CHECK_INT(receipt.rows_verified, ROWS - 2);
    CHECK_INT(memory_find(world.target, "t")->row_count, ROWS - 2);
    memory_refuse(NULL);
    world_done(&world);
}

static CU_TestInfo tests[] = {
    {"a first load, a fault at every call", test_first_load},
    {"a load over an older table", test_replacing_load},
    {"upsert's first load", test_upsert_load},
    {"upsert's merge", test_upsert_merge},
    {"append", test_append},
    {"several lanes", test_lanes},
    {"a lane that hangs ends with the others", test_stalled_lane},
    {"bad rows to the limit and beyond", test_bad_rows},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("sync/faults", tests)
