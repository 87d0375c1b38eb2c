#include "model/offset_map.h"

#include "check.h"

#define WINDOW 64

static void test_commit_follows_the_lowest(void)
{
    uint64_t bits[OFFSET_MAP_WORDS(WINDOW)];
    struct offset_map map;
    offset_map_init(&map, bits, WINDOW);
    for (int64_t offset = 100; offset < 105; offset++)
        CHECK_INT(offset_map_take(&map, offset), OFFSET_TAKEN);
    static const struct {
        int64_t done, committed;
    } steps[] = {{102, 100}, {101, 100}, {100, 103}, {104, 103}, {103, 105}};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        CHECK(offset_map_complete(&map, steps[i].done));
        CHECK_INT(map.committed, steps[i].committed);
        CHECK(!offset_map_complete(&map, steps[i].done));
    }
    CHECK_INT(map.incomplete, 0);
}

/* The first record after a restore is not skipped: nothing is committed beyond it. */
static void test_first_record_counts(void)
{
    uint64_t bits[OFFSET_MAP_WORDS(WINDOW)];
    struct offset_map map;
    offset_map_init(&map, bits, WINDOW);
    offset_map_reset(&map, 7);
    CHECK_INT(map.committed, 7);
    CHECK_INT(offset_map_take(&map, 7), OFFSET_TAKEN);
    CHECK_INT(map.committed, 7);
    CHECK(offset_map_complete(&map, 7));
    CHECK_INT(map.committed, 8);
    CHECK_INT(offset_map_take(&map, 7), OFFSET_KNOWN);
}

static void test_gaps_are_complete(void)
{
    uint64_t bits[OFFSET_MAP_WORDS(WINDOW)];
    struct offset_map map;
    offset_map_init(&map, bits, WINDOW);
    offset_map_reset(&map, 0);
    CHECK_INT(offset_map_take(&map, 5000), OFFSET_TAKEN);
    CHECK_INT(map.committed, 5000);
    CHECK_INT(offset_map_take(&map, 5010), OFFSET_TAKEN);
    CHECK(!offset_map_is_incomplete(&map, 5005));
    CHECK(!offset_map_complete(&map, 5005));
    CHECK(offset_map_complete(&map, 5000));
    CHECK_INT(map.committed, 5010);
    CHECK(offset_map_complete(&map, 5010));
    CHECK_INT(map.committed, 5011);
}

static void test_window_is_bounded(void)
{
    uint64_t bits[OFFSET_MAP_WORDS(WINDOW)];
    struct offset_map map;
    offset_map_init(&map, bits, WINDOW);
    for (int64_t offset = 0; offset < WINDOW; offset++)
        CHECK_INT(offset_map_take(&map, offset), OFFSET_TAKEN);
    CHECK_INT(offset_map_take(&map, WINDOW), OFFSET_FULL);
    for (int64_t offset = 1; offset < WINDOW; offset++)
        CHECK(offset_map_complete(&map, offset));
    CHECK_INT(offset_map_take(&map, WINDOW), OFFSET_FULL);
    CHECK_INT(offset_map_span(&map), WINDOW);
    CHECK(offset_map_complete(&map, 0));
    CHECK_INT(map.committed, WINDOW);
    CHECK_INT(offset_map_take(&map, WINDOW), OFFSET_TAKEN);
}

/* The log was cut below what was committed (or made anew): its records are no known ones. */
static void test_reset_below_the_committed_offset(void)
{
    uint64_t bits[OFFSET_MAP_WORDS(WINDOW)];
    struct offset_map map;
    offset_map_init(&map, bits, WINDOW);
    offset_map_reset(&map, 1000);
    CHECK_INT(offset_map_take(&map, 500), OFFSET_TAKEN);
    CHECK_INT(map.committed, 500);
    CHECK_INT(offset_map_take(&map, 501), OFFSET_TAKEN);
    CHECK(offset_map_complete(&map, 500));
    offset_map_set_floor(&map, 501);
    CHECK_INT(offset_map_take(&map, 501), OFFSET_KNOWN);
    CHECK_INT(offset_map_take(&map, 3), OFFSET_TAKEN);
    CHECK_INT(map.committed, 3);
    CHECK(!offset_map_complete(&map, 501));
}

/* Retention took what lies below: reading goes on above the committed offset. */
static void test_reset_above_the_committed_offset(void)
{
    uint64_t bits[OFFSET_MAP_WORDS(WINDOW)];
    struct offset_map map;
    offset_map_init(&map, bits, WINDOW);
    offset_map_reset(&map, 10);
    CHECK_INT(offset_map_take(&map, 10000), OFFSET_TAKEN);
    CHECK_INT(map.committed, 10000);
    CHECK_INT(offset_map_span(&map), 1);
}

static void test_window_grows_and_shrinks(void)
{
    uint64_t small[OFFSET_MAP_WORDS(64)], large[OFFSET_MAP_WORDS(256)], *had;
    struct offset_map map;
    offset_map_init_growing(&map, small, 64, 256);
    offset_map_reset(&map, 100); /* the first and the last word share one of the ring */
    for (int64_t offset = 100; offset < 164; offset++)
        CHECK_INT(offset_map_take(&map, offset), OFFSET_TAKEN);
    for (int64_t offset = 101; offset < 160; offset += 2)
        CHECK(offset_map_complete(&map, offset));
    CHECK_INT(offset_map_take(&map, 164), OFFSET_FULL);
    CHECK_INT(offset_map_larger(&map, 164), 128);
    CHECK_INT(offset_map_larger(&map, 100 + 255), 256);
    CHECK_INT(offset_map_larger(&map, 100 + 256), 0);
    memset(large, 0xff, sizeof large);
    had = offset_map_move(&map, large, 256);
    CHECK(had == small);
    CHECK_INT(map.incomplete, 34);
    for (int64_t offset = 90; offset < 420; offset++) {
        bool is_open = offset >= 100 && offset < 164 && (offset >= 160 || offset % 2 == 0);
        CHECK_INT(offset_map_is_incomplete(&map, offset), is_open);
    }
    CHECK_INT(offset_map_take(&map, 355), OFFSET_TAKEN);
    CHECK_INT(offset_map_take(&map, 356), OFFSET_FULL);
    for (int64_t offset = 100; offset < 356; offset++)
        (void)offset_map_complete(&map, offset);
    CHECK_INT(offset_map_take(&map, 356), OFFSET_TAKEN);
    CHECK_INT(offset_map_take(&map, 359), OFFSET_TAKEN);
    CHECK(offset_map_move(&map, small, 64) == large);
    CHECK_INT(map.committed, 356);
    CHECK(offset_map_complete(&map, 356));
    CHECK_INT(map.committed, 359);
}

static void test_stuck_head(void)
{
    uint64_t bits[OFFSET_MAP_WORDS(1024)];
    struct offset_map map;
    offset_map_init(&map, bits, 1024);
    for (int64_t offset = 0; offset < 900; offset++)
        CHECK_INT(offset_map_take(&map, offset), OFFSET_TAKEN);
    for (int64_t offset = 1; offset < 900; offset++)
        CHECK(offset_map_complete(&map, offset));
    CHECK(!offset_map_is_stuck(&map)); /* all but one are done, but there is room */
    for (int64_t offset = 900; offset < 940; offset++)
        CHECK_INT(offset_map_take(&map, offset), OFFSET_TAKEN);
    CHECK(!offset_map_is_stuck(&map)); /* full, but others are under way as well */
    for (int64_t offset = 900; offset < 940; offset++)
        CHECK(offset_map_complete(&map, offset));
    CHECK(offset_map_is_stuck(&map));
    CHECK_INT(map.committed, 0);
    CHECK_INT(offset_map_beyond(&map), 939);
    CHECK(offset_map_complete(&map, 0));
    CHECK(!offset_map_is_stuck(&map));
}

static void test_what_is_left(void)
{
    uint64_t small[OFFSET_MAP_WORDS(64)], large[OFFSET_MAP_WORDS(256)];
    struct offset_map map;
    offset_map_init_growing(&map, small, 64, 256);
    offset_map_reset(&map, 100);
    for (int64_t offset = 100; offset < 160; offset++)
        CHECK_INT(offset_map_take(&map, offset), OFFSET_TAKEN);
    offset_map_leave(&map, 150);
    offset_map_leave(&map, 110);
    offset_map_leave(&map, 110);
    offset_map_leave(&map, 130);
    offset_map_leave(&map, 99);
    offset_map_leave(&map, 160);
    CHECK_INT(map.left, 3);
    CHECK_INT(map.lowest_left, 110);
    CHECK_INT(map.incomplete, 60);
    CHECK(offset_map_is_left(&map, 130) && !offset_map_is_left(&map, 131));
    (void)offset_map_move(&map, large, 256);
    CHECK(offset_map_is_left(&map, 130) && !offset_map_is_left(&map, 66));
    CHECK(offset_map_return(&map, 110) && !offset_map_return(&map, 110));
    CHECK_INT(map.lowest_left, 130);
    CHECK(offset_map_is_incomplete(&map, 110));
    offset_map_skip_left(&map, 150); /* 130 is not in the log any more */
    CHECK(!offset_map_is_incomplete(&map, 130) && offset_map_is_incomplete(&map, 129));
    CHECK_INT(map.lowest_left, 150);
    CHECK_INT(map.left, 1);
    CHECK(offset_map_complete(&map, 150));
    CHECK_INT(map.left, 0);
    offset_map_leave(&map, 151);
    offset_map_reset(&map, 0); /* another log */
    CHECK_INT(map.left, 0);
    CHECK_INT(offset_map_take(&map, 0), OFFSET_TAKEN);
    CHECK(!offset_map_is_left(&map, 0) && !offset_map_return(&map, 0));
}

/* Against a plain array: random takes with gaps, completions in any order; some are left. */
static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

enum { TAKEN_MAX = 3000, SPACE = 20000 };
struct model {
    bool incomplete[SPACE], left[SPACE];
    int64_t lowest, next;
};

/* True: the map says the same. */
static bool leave_or_return(struct model *model, struct offset_map *map, int64_t offset)
{
    bool was_left = model->left[offset];
    model->left[offset] = !was_left && model->incomplete[offset];
    if (was_left)
        return offset_map_return(map, offset);
    offset_map_leave(map, offset);
    return offset_map_is_left(map, offset) == model->left[offset];
}

static bool agrees_on_lowest_left(const struct model *model, const struct offset_map *map)
{
    int64_t lowest = map->committed;
    while (lowest < map->next && !model->left[lowest])
        lowest++;
    return map->left == 0 ? lowest == map->next : lowest == map->lowest_left;
}

static int64_t model_committed(struct model *model)
{
    while (model->lowest < model->next && !model->incomplete[model->lowest])
        model->lowest++;
    return model->lowest;
}

static void run_seed(uint64_t seed)
{
    static struct model model;
    uint64_t bits[OFFSET_MAP_WORDS(256)], random = seed;
    struct offset_map map;
    memset(&model, 0, sizeof model);
    offset_map_init(&map, bits, 256);
    offset_map_reset(&map, 0);
    int64_t committed_before = 0;
    for (int step = 0; step < TAKEN_MAX; step++) {
        int64_t offset = map.next + (next_random(&random) % 8 == 0 ? 5 : 0);
        bool is_take = next_random(&random) % 2 == 0 && offset < SPACE;
        if (is_take && offset_map_take(&map, offset) == OFFSET_TAKEN) {
            model.incomplete[offset] = true;
            model.next = offset + 1;
        } else if (map.next > map.committed) {
            offset =
                map.committed + (int64_t)(next_random(&random) % (uint64_t)offset_map_span(&map));
            if (next_random(&random) % 4 == 0)
                CHECK(leave_or_return(&model, &map, offset));
            else if (offset_map_complete(&map, offset) != model.incomplete[offset])
                CHECK_INT(seed, -1);
            else
                model.incomplete[offset] = model.left[offset] = false;
        }
        CHECK(agrees_on_lowest_left(&model, &map));
        if (model_committed(&model) != map.committed || map.committed < committed_before) {
            CHECK_INT(map.committed, model_committed(&model));
            return;
        }
        committed_before = map.committed;
    }
}

static void test_agrees_with_a_plain_array(void)
{
    for (uint64_t seed = 1; seed <= 300; seed++)
        run_seed(seed);
}

static CU_TestInfo tests[] = {
    {"commit follows the lowest", test_commit_follows_the_lowest},
    {"first record counts", test_first_record_counts},
    {"gaps are complete", test_gaps_are_complete},
    {"window is bounded", test_window_is_bounded},
    {"reset below the committed offset", test_reset_below_the_committed_offset},
    {"reset above the committed offset", test_reset_above_the_committed_offset},
    {"window grows and shrinks", test_window_grows_and_shrinks},
    {"stuck head", test_stuck_head},
    {"what is left", test_what_is_left},
    {"agrees with a plain array", test_agrees_with_a_plain_array},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("model/offset_map", tests)
