/*
 * races: several workers run one sync at a time, each with a fence of its own, their calls late and
 * failing by a seed's dice: what a worker that slept through its lease looks like to the next one.
 * Whoever says that it succeeded has all rows in the target, each once; whoever comes last can
 * always finish.
 */
#include "check.h"
#include "memory_connector.h"
#include "sync/sync.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define ROWS 300
#define WORKERS 3
#define SEEDS 150

struct world {
    struct memory_store *source, *target;
    struct memory_config source_config, target_config;
    struct sync_spec spec;
};

struct worker {
    pthread_t thread;
    struct world *world;
    int64_t fence, late_us;
    enum outcome outcome;
    struct err err;
};

static void world_init(struct world *world, int mode, int64_t lanes)
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
                                     .parallel = lanes,
                                     .chunk_rows = 40,
                                     .cursor = mode == SYNC_FULL_REFRESH ? NULL : "version",
                                     .max_delete_percent = 10};
    struct memory_table *table = memory_make(world->source, "t");
    for (int64_t id = 1; id <= ROWS; id++) {
        struct memory_row *row = &table->rows[table->row_count++];
        row->id = id;
        row->version = id / 10;
        text_copy(row->text, sizeof row->text, "row");
    }
}

static void world_done(struct world *world)
{
    free(world->source);
    free(world->target);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct world *world = worker->world;
    struct arena arena ARENA_AUTO;
    arena_init(&arena, 64u << 20);
    struct receipt receipt;
    struct sync_env env = {.source = {&memory_connector, &world->source_config},
                           .target = {&memory_connector, &world->target_config},
                           .fence = worker->fence};
    clock_sleep_us(worker->late_us);
    worker->outcome = sync_run(&env, &world->spec, &arena, &receipt, &worker->err);
    return NULL;
}

static bool has_each_once(const struct memory_table *table)
{
    bool seen[ROWS + 1] = {false};
    if (table == NULL || table->row_count != ROWS)
        return false;
    for (size_t i = 0; i < ROWS; i++) {
        int64_t id = table->rows[i].id;
        if (id < 1 || id > ROWS || seen[id])
            return false;
        seen[id] = true;
    }
    return true;
}

/* A later run may come at any moment; it is a worker's fence that tells, not when it began. */
static bool run_all(struct world *world, struct worker *workers, uint64_t seed)
{
    bool has_one = false;
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){
            .world = world, .fence = i + 1, .late_us = (int64_t)(seed >> (8 * i)) % 7 * 300};
        CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        has_one |= workers[i].outcome == OUTCOME_OK;
    }
    return has_one;
}

static bool race(int mode, uint64_t seed)
{
    struct world world;
    struct worker workers[WORKERS], last = {.world = &world, .fence = WORKERS + 1};
    world_init(&world, mode, 1 + (int64_t)(seed % 4));
    memory_disturb(seed, 60);
    bool has_one = run_all(&world, workers, seed * UINT64_C(0x9e3779b97f4a7c15));
    memory_disturb(0, 0);
    bool ok = CHECK(!has_one || has_each_once(memory_find(world.target, "t")));
    for (int i = 0; i < WORKERS; i++)
        ok &= CHECK(workers[i].outcome != OUTCOME_PERMANENT);
    (void)work(&last);
    ok &= CHECK_OK(last.outcome, &last.err);
    ok &= CHECK(has_each_once(memory_find(world.target, "t")));
    for (int i = 0; !ok && i < WORKERS; i++)
        printf("# mode %d, seed %llu, fence %d: %s %s\n", mode, (unsigned long long)seed, i + 1,
               workers[i].err.code, workers[i].err.message);
    world_done(&world);
    return ok;
}

static void races(int mode)
{
    bool ok = true;
    for (uint64_t seed = 1; ok && seed <= SEEDS; seed++)
        ok = race(mode, seed);
}

static void load(void)
{
    races(SYNC_FULL_REFRESH);
}

static void upsert(void)
{
    races(SYNC_UPSERT);
}

static void append(void)
{
    races(SYNC_APPEND);
}

static CU_TestInfo tests[] = {
    {"full_refresh", load},
    {"upsert", upsert},
    {"append", append},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("sync/races", tests)
