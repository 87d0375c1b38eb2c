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
#define SEEDS 60

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

/* ---- a load that is handed out ---- */

#define PARTS_KEPT 32
#define STARTS 6 /* of each worker */
#define ENDS_MAX 10

/* What stands on the topic: parts of this plan and of older ones, none of them taken off. */
struct topic {
    pthread_mutex_t lock;
    struct arena arena;
    struct sync_part parts[PARTS_KEPT];
    size_t count;
};

struct fleet {
    struct world world;
    struct topic topic;
    _Atomic int64_t fence;
    _Atomic bool has_one, has_failed;
};

struct member {
    pthread_t thread;
    struct fleet *fleet;
    uint64_t dice;
};

static enum outcome hand_out(void *ctx, const char *plan, const struct sync_part *parts,
                             size_t count, int64_t rows_total, struct err *err)
{
    struct topic *topic = &((struct fleet *)ctx)->topic;
    (void)plan;
    (void)rows_total;
    (void)err;
    pthread_mutex_lock(&topic->lock);
    for (size_t i = 0; i < count; i++)
        topic->parts[topic->count++ % PARTS_KEPT] =
            (struct sync_part){parts[i].number, arena_strdup(&topic->arena, parts[i].state)};
    pthread_mutex_unlock(&topic->lock);
    return OUTCOME_OK;
}

static struct sync_part any_part(struct topic *topic, uint64_t dice)
{
    struct sync_part part = {0, NULL};
    pthread_mutex_lock(&topic->lock);
    size_t count = topic->count < PARTS_KEPT ? topic->count : PARTS_KEPT;
    if (count > 0)
        part = topic->parts[dice % count];
    pthread_mutex_unlock(&topic->lock);
    return part;
}

static struct sync_env fleet_env(struct fleet *fleet)
{
    return (struct sync_env){.source = {&memory_connector, &fleet->world.source_config},
                             .target = {&memory_connector, &fleet->world.target_config},
                             .fence = ++fleet->fence,
                             .ctx = fleet,
                             .hand_out = hand_out};
}

static enum outcome run_parent(struct fleet *fleet, struct err *err)
{
    struct sync_env env = fleet_env(fleet);
    struct receipt receipt;
    struct arena arena ARENA_AUTO;
    arena_init(&arena, 64u << 20);
    enum outcome outcome = sync_run(&env, &fleet->world.spec, &arena, &receipt, err);
    if (outcome == OUTCOME_OK)
        fleet->has_one = true;
    if (outcome == OUTCOME_PERMANENT) {
        fleet->has_failed = true;
        printf("# parent: %s: %s\n", err->code, err->message);
    }
    return outcome;
}

static enum outcome run_part(struct fleet *fleet, const struct sync_part *part, struct err *err)
{
    struct sync_env env = fleet_env(fleet);
    struct receipt receipt;
    struct arena arena ARENA_AUTO;
    arena_init(&arena, 64u << 20);
    return sync_run_part(&env, &fleet->world.spec, part->state, &arena, &receipt, err);
}

static void *be_member(void *arg)
{
    struct member *member = arg;
    for (int i = 0; i < STARTS; i++) {
        struct err err = {0};
        member->dice = member->dice * UINT64_C(6364136223846793005) + 1442695040888963407;
        struct sync_part part = any_part(&member->fleet->topic, member->dice >> 40);
        if (part.state == NULL || (member->dice >> 60) % 3 == 0)
            (void)(run_parent(member->fleet, &err) == OUTCOME_OK);
        else
            (void)(run_part(member->fleet, &part, &err) == OUTCOME_OK);
    }
    return NULL;
}

/* Nothing disturbs it any more: parts that are told are done, then the parent. */
static bool can_end(struct fleet *fleet)
{
    struct err err = {0};
    enum outcome outcome = OUTCOME_THROTTLED;
    for (int i = 0; i < ENDS_MAX && outcome == OUTCOME_THROTTLED; i++) {
        size_t from = fleet->topic.count;
        outcome = run_parent(fleet, &err);
        for (size_t part = from; part < fleet->topic.count; part++)
            CHECK_OK(run_part(fleet, &fleet->topic.parts[part % PARTS_KEPT], &err), &err);
    }
    return CHECK_OK(outcome, &err);
}

static bool race_parts(uint64_t seed)
{
    struct fleet fleet = {.topic = {.lock = PTHREAD_MUTEX_INITIALIZER}};
    struct member members[WORKERS];
    arena_init(&fleet.topic.arena, 16u << 20);
    world_init(&fleet.world, SYNC_FULL_REFRESH, 1 + (int64_t)(seed % 2));
    fleet.world.spec.fan_out_rows = 100;
    memory_disturb(seed, 100);
    for (int i = 0; i < WORKERS; i++) {
        members[i] = (struct member){.fleet = &fleet, .dice = seed * WORKERS + (uint64_t)i};
        CHECK(pthread_create(&members[i].thread, NULL, be_member, &members[i]) == 0);
    }
    for (int i = 0; i < WORKERS; i++)
        pthread_join(members[i].thread, NULL);
    memory_disturb(0, 0);
    const struct memory_table *target = memory_find(fleet.world.target, "t");
    bool ok = CHECK(!fleet.has_one || has_each_once(target));
    ok &= can_end(&fleet) && CHECK(has_each_once(memory_find(fleet.world.target, "t")));
    ok &= CHECK(!fleet.has_failed);
    if (!ok)
        printf("# parts, seed %llu\n", (unsigned long long)seed);
    arena_done(&fleet.topic.arena);
    world_done(&fleet.world);
    return ok;
}

static void parts(void)
{
    bool ok = true;
    for (uint64_t seed = 1; ok && seed <= SEEDS; seed++)
        ok = race_parts(seed);
}

static CU_TestInfo tests[] = {
    {"full_refresh", load}, {"upsert", upsert},
    {"append", append},     {"a load that is handed out", parts},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("sync/races", tests)
