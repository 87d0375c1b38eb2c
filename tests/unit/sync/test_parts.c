/*
 * parts: a load that is handed out, its parts done by others, and a fault at every call that the
 * planner, a part or the finisher makes to its systems, before and after the call's effect.
 * Whatever fails: the target is the old table or the new one, each row stands in it once, nothing
 * is left over, and the one receipt adds up.
 */
#include "check.h"
#include "memory_connector.h"
#include "sync/state.h"
#include "sync/sync.h"

#include <stdio.h>
#include <stdlib.h>

#define ROWS 400
#define PARTS_MAX 8
#define STARTS_MAX 12
#define CALLS_MAX 2000

struct world {
    struct memory_store *source, *target;
    struct memory_config source_config, target_config;
    struct sync_spec spec;
    int64_t fence;
    /* what was handed out last */
    char plan[64];
    struct arena parts_arena;
    struct sync_part parts[PARTS_MAX];
    size_t part_count, handed_out;
    int64_t bad_rows, last_bad_chunk;
};

static enum outcome take_parts(void *ctx, const char *plan, const struct sync_part *parts,
                               size_t count, int64_t rows_total, struct err *err)
{
    struct world *world = ctx;
    (void)err;
    CHECK_INT(rows_total, ROWS);
    text_copy(world->plan, sizeof world->plan, plan);
    for (size_t i = 0; i < count; i++)
        world->parts[i] =
            (struct sync_part){parts[i].number, arena_strdup(&world->parts_arena, parts[i].state)};
    world->part_count = count;
    world->handed_out += count;
    return OUTCOME_OK;
}

static enum outcome keep_bad(void *ctx, const struct bad_row *rows, size_t count, struct err *err)
{
    struct world *world = ctx;
    (void)err;
    world->bad_rows += (int64_t)count;
    world->last_bad_chunk = rows[count - 1].chunk;
    return OUTCOME_OK;
}

static void world_init(struct world *world)
{
    *world = (struct world){.source = calloc(1, sizeof *world->source),
                            .target = calloc(1, sizeof *world->target)};
    arena_init(&world->parts_arena, 16u << 20);
    world->source_config.store = world->source;
    world->target_config.store = world->target;
    world->spec = (struct sync_spec){.sync_id = "s",
                                     .source = {.connection_id = "a", .table = "t"},
                                     .target = {.connection_id = "b", .table = "t"},
                                     .mode = SYNC_FULL_REFRESH,
                                     .verify = SYNC_VERIFY_FULL,
                                     .parallel = 1,
                                     .chunk_rows = 50,
                                     .fan_out_rows = 150, /* 8 chunks: parts of 3, 3 and 2 */
                                     .max_delete_percent = 10};
    struct memory_table *table = memory_make(world->source, "t");
    for (int64_t id = 1; id <= ROWS; id++) {
        struct memory_row *row = &table->rows[table->row_count++];
        row->id = row->version = id;
        text_copy(row->text, sizeof row->text, "row");
    }
}

static void world_done(struct world *world)
{
    memory_fail_at(0, false);
    memory_refuse(NULL);
    arena_done(&world->parts_arena);
    free(world->source);
    free(world->target);
}

static struct sync_env env_of(struct world *world)
{
    return (struct sync_env){.source = {&memory_connector, &world->source_config},
                             .target = {&memory_connector, &world->target_config},
                             .fence = ++world->fence,
                             .ctx = world,
                             .quarantine = keep_bad,
                             .hand_out = take_parts};
}

static enum outcome run(struct world *world, struct receipt *receipt, struct arena *arena,
                        struct err *err)
{
    struct sync_env env = env_of(world);
    *err = (struct err){0};
    return sync_run(&env, &world->spec, arena, receipt, err);
}

static enum outcome run_part(struct world *world, size_t i, struct err *err)
{
    struct sync_env env = env_of(world);
    struct receipt receipt;
    struct arena arena ARENA_AUTO;
    arena_init(&arena, 16u << 20);
    *err = (struct err){0};
    return sync_run_part(&env, &world->spec, world->parts[i].state, &arena, &receipt, err);
}

/* What the fleet does until the sync is through; a start that fails is started again. */
static enum outcome run_all(struct world *world, struct receipt *receipt, struct arena *arena,
                            struct err *err)
{
    enum outcome outcome = OUTCOME_RETRY;
    for (int starts = 0; starts < STARTS_MAX; starts++) {
        world->part_count = 0;
        outcome = run(world, receipt, arena, err);
        if (outcome != OUTCOME_THROTTLED && outcome != OUTCOME_RETRY)
            return outcome;
        for (size_t i = world->part_count; i-- > 0;) { /* no order is promised */
            enum outcome part = OUTCOME_RETRY;
            for (int tries = 0; tries < 2 && part == OUTCOME_RETRY; tries++)
                part = run_part(world, i, err);
            if (!CHECK_OK(part, err))
                return part;
        }
    }
    return outcome;
}

/* Each row of the source once, and nothing of haul's but the sync's own checkpoint. */
static bool is_whole(const struct world *world)
{
    const struct memory_table *target = memory_find(world->target, "t");
    bool seen[ROWS + 1] = {false};
    if (target == NULL || target->row_count != ROWS)
        return false;
    for (size_t i = 0; i < ROWS; i++)
        seen[target->rows[i].id] = true;
    for (size_t id = 1; id <= ROWS; id++)
        if (!seen[id])
            return false;
    size_t tables = 0, checkpoints = 0;
    for (size_t i = 0; i < MEMORY_TABLES; i++)
        tables += world->target->tables[i].name[0] != '\0';
    for (size_t i = 0; i < MEMORY_CHECKPOINTS; i++)
        checkpoints += world->target->checkpoints[i].sync_id[0] != '\0';
    return tables == 1 && checkpoints == 1;
}

static struct sync_state state_of(struct world *world, struct arena *arena)
{
    struct sync_state state = {0};
    struct err err;
    CHECK_OK(sync_state_parse(world->target->checkpoints[0].state, arena, &state, &err), &err);
    return state;
}

/* ---- tests ---- */

static void test_whole(void)
{
    struct world world;
    struct receipt receipt;
    struct err err;
    struct arena arena ARENA_AUTO;
    arena_init(&arena, 64u << 20);
    world_init(&world);
    CHECK_OUTCOME(run(&world, &receipt, &arena, &err), OUTCOME_THROTTLED, &err);
    CHECK_TEXT(err.code, SYNC_HANDED_OUT);
    CHECK_INT(world.part_count, 3);
    CHECK(memory_find(world.target, "t") == NULL);
    for (size_t i = 0; i < 3; i++)
        CHECK_OK(run_part(&world, i, &err), &err);
    CHECK_OK(run(&world, &receipt, &arena, &err), &err);
    CHECK_INT(world.handed_out, 3);
    CHECK(is_whole(&world));
    CHECK_INT(receipt.rows_read, ROWS);
    CHECK_INT(receipt.rows_written, ROWS);
    CHECK_INT(receipt.rows_verified, ROWS);
    CHECK_INT(receipt.chunk_jobs, 3);
    CHECK_INT(receipt.snapshots, 3);
    CHECK_INT(receipt.chunk_count, 8);
    CHECK(hash128_eq(receipt.source_hash, receipt.target_hash));
    CHECK_INT(state_of(&world, &arena).plans, 1);

    struct receipt alone;
    world.spec.fan_out_rows = 0;
    CHECK_OK(run(&world, &alone, &arena, &err), &err);
    CHECK(hash128_eq(receipt.source_hash, alone.source_hash));
    CHECK_INT(alone.chunk_count, receipt.chunk_count);
    CHECK_INT(alone.chunk_jobs, 0);
    CHECK_INT(state_of(&world, &arena).plans, 1);
    world_done(&world);
}

static void test_small_tables_stay_whole(void)
{
    static const int64_t rows[] = {0, ROWS, ROWS + 1};
    for (size_t i = 0; i < 3; i++) {
        struct world world;
        struct receipt receipt;
        struct err err;
        struct arena arena ARENA_AUTO;
        arena_init(&arena, 64u << 20);
        world_init(&world);
        world.spec.fan_out_rows = rows[i];
        CHECK_OK(run(&world, &receipt, &arena, &err), &err);
        CHECK_INT(world.handed_out, 0);
        CHECK(is_whole(&world));
        world_done(&world);
    }
}

static void test_a_part_twice(void)
{
    struct world world;
    struct receipt receipt;
    struct err err;
    struct arena arena ARENA_AUTO;
    arena_init(&arena, 64u << 20);
    world_init(&world);
    CHECK_OUTCOME(run(&world, &receipt, &arena, &err), OUTCOME_THROTTLED, &err);
    for (size_t i = 0; i < 3; i++) {
        CHECK_OK(run_part(&world, i, &err), &err);
        CHECK_OK(run_part(&world, i, &err), &err);
    }
    CHECK_OK(run(&world, &receipt, &arena, &err), &err);
    CHECK(is_whole(&world));
    /* late: the plan is over, its stage is gone */
    CHECK(run_part(&world, 1, &err) != OUTCOME_OK);
    CHECK_INT(memory_find(world.target, "t")->row_count, ROWS);
    world_done(&world);
}

/* Another definition: nobody goes on with the plan, and who still works for it changes nothing. */
static void test_an_older_plan(void)
{
    struct world world;
    struct receipt receipt;
    struct err err;
    struct arena arena ARENA_AUTO;
    arena_init(&arena, 64u << 20);
    world_init(&world);
    CHECK_OUTCOME(run(&world, &receipt, &arena, &err), OUTCOME_THROTTLED, &err);
    CHECK_OK(run_part(&world, 0, &err), &err);
    struct sync_part old = world.parts[1];
    world.spec.mode = SYNC_UPSERT; /* another definition */
    world.spec.cursor = "version";
    CHECK_OUTCOME(run(&world, &receipt, &arena, &err), OUTCOME_THROTTLED, &err);
    CHECK_INT(world.part_count, 3);
    struct sync_part fresh = world.parts[1];
    world.parts[1] = old;
    CHECK_OUTCOME(run_part(&world, 1, &err), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "sync.part_stale");
    world.parts[1] = fresh;
    CHECK_OK(run_all(&world, &receipt, &arena, &err), &err);
    CHECK_INT(receipt.rows_written, ROWS);
    CHECK_INT(memory_find(world.target, "t")->row_count, ROWS);
    CHECK_INT(state_of(&world, &arena).plans, 2);
    world_done(&world);
}

/* Not asked for any more in the middle: one job loads it all. */
static void test_turned_off_in_the_middle(void)
{
    struct world world;
    struct receipt receipt;
    struct err err;
    struct arena arena ARENA_AUTO;
    arena_init(&arena, 64u << 20);
    world_init(&world);
    CHECK_OUTCOME(run(&world, &receipt, &arena, &err), OUTCOME_THROTTLED, &err);
    CHECK_OK(run_part(&world, 2, &err), &err);
    world.spec.fan_out_rows = 0;
    CHECK_OK(run(&world, &receipt, &arena, &err), &err);
    CHECK_INT(receipt.rows_written, ROWS);
    CHECK_INT(receipt.resumed_chunks, 0);
    CHECK(is_whole(&world));
    CHECK(run_part(&world, 0, &err) != OUTCOME_OK);
    CHECK_INT(memory_find(world.target, "t")->row_count, ROWS);
    world_done(&world);
}

static void test_bad_rows_of_all_parts_together(void)
{
    struct world world;
    struct receipt receipt;
    struct err err;
    struct arena arena ARENA_AUTO;
    arena_init(&arena, 64u << 20);
    world_init(&world);
    struct memory_table *source = memory_find(world.source, "t");
    text_copy(source->rows[3].text, sizeof source->rows[3].text, "bad");
    text_copy(source->rows[ROWS - 1].text, sizeof source->rows[0].text, "bad");
    memory_refuse("bad");
    world.spec.max_bad_rows = 1;
    CHECK_OUTCOME(run_all(&world, &receipt, &arena, &err), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "rows.rejected");
    CHECK(memory_find(world.target, "t") == NULL);
    CHECK_INT(world.bad_rows, 2);
    world.spec.max_bad_rows = 2;
    CHECK_OK(run_all(&world, &receipt, &arena, &err), &err);
    CHECK_INT(receipt.rows_rejected, 2);
    CHECK_INT(receipt.rows_written, ROWS - 2);
    CHECK_INT(world.handed_out, 3);
    world_done(&world);
}

static void test_bad_rows_have_the_load_s_chunk(void)
{
    struct world world;
    struct receipt receipt;
    struct err err;
    struct arena arena ARENA_AUTO;
    arena_init(&arena, 64u << 20);
    world_init(&world);
    struct memory_table *source = memory_find(world.source, "t");
    text_copy(source->rows[ROWS - 1].text, sizeof source->rows[0].text, "bad");
    memory_refuse("bad");
    world.spec.max_bad_rows = 1;
    CHECK_OK(run_all(&world, &receipt, &arena, &err), &err);
    CHECK_INT(world.last_bad_chunk, 7);
    world_done(&world);
}

/* One fault at the n-th call of all that is called from the plan to the swap. */
static bool fault_at(unsigned n, bool after)
{
    struct world world;
    struct receipt receipt;
    struct err err = {0};
    struct arena arena ARENA_AUTO;
    arena_init(&arena, 256u << 20);
    world_init(&world);
    memory_fail_at(n, after);
    if (!CHECK_OK(run_all(&world, &receipt, &arena, &err), &err) || !CHECK(is_whole(&world)))
        printf("# call %u, %s its effect\n", n, after ? "after" : "before");
    bool came = memory_has_failed();
    CHECK(hash128_eq(receipt.target_hash, receipt.source_hash));
    CHECK_INT(receipt.rows_verified, ROWS);
    world_done(&world);
    return came;
}

static void test_a_fault_at_every_call(void)
{
    for (int after = 0; after < 2; after++) {
        unsigned n = 1;
        while (n < CALLS_MAX && fault_at(n, after == 1))
            n++;
        CHECK(n > 60 && n < CALLS_MAX);
    }
}

static CU_TestInfo tests[] = {
    {"three parts are the same as one load", test_whole},
    {"a table that is not bigger is not handed out", test_small_tables_stay_whole},
    {"a part done twice is written once", test_a_part_twice},
    {"who works for an older plan changes nothing", test_an_older_plan},
    {"turned off in the middle", test_turned_off_in_the_middle},
    {"bad rows of all parts together", test_bad_rows_of_all_parts_together},
    {"bad rows have the load's chunk", test_bad_rows_have_the_load_s_chunk},
    {"a fault at every call", test_a_fault_at_every_call},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("sync/parts", tests)
