#include "model/offset_map_encode.h"

#include "check.h"

static uint64_t first_bits[OFFSET_MAP_WORDS(OFFSET_WINDOW_MAX)];
static uint64_t second_bits[OFFSET_MAP_WORDS(OFFSET_WINDOW_MAX)];
static char text[OFFSET_MAP_TEXT_SIZE];

/* Offsets [from, from + count) are taken. */
static void begin(struct offset_map *map, int64_t from, int64_t count)
{
    offset_map_init(map, first_bits, OFFSET_WINDOW_MAX);
    offset_map_reset(map, from);
    for (int64_t i = 0; i < count; i++)
        CHECK_INT(offset_map_take(map, from + i), OFFSET_TAKEN);
}

/* Writes the map and reads it into another, as after a crash. */
static bool through_text(const struct offset_map *map, struct offset_map *ret_map)
{
    size_t len = offset_map_encode(map, text);
    CHECK_INT(len, strlen(text));
    CHECK_INT(len, offset_map_encoded_len(map));
    offset_map_init(ret_map, second_bits, OFFSET_WINDOW_MAX);
    return offset_map_restore(ret_map, map->committed, (struct slice){text, len});
}

static void test_complete_before_is_known_after(void)
{
    struct offset_map map, again;
    begin(&map, 100, 10);
    static const int64_t done[] = {102, 103, 106};
    for (size_t i = 0; i < 3; i++)
        CHECK(offset_map_complete(&map, done[i]));
    CHECK(through_text(&map, &again));
    CHECK_INT(again.committed, 100);
    CHECK_INT(offset_map_beyond(&again), 3);
    for (int64_t offset = 100; offset < 112; offset++) {
        bool is_done = offset == 102 || offset == 103 || offset == 106;
        CHECK_INT(offset_map_take(&again, offset), is_done ? OFFSET_KNOWN : OFFSET_TAKEN);
    }
    CHECK_INT(again.incomplete, 9);
    CHECK_INT(again.waiting, 0);
    CHECK(offset_map_complete(&again, 100));
    CHECK(offset_map_complete(&again, 101));
    CHECK_INT(again.committed, 104);
}

/* What was restored as complete may be committed before it is read: that is no cut log. */
static void test_committed_before_it_is_read(void)
{
    struct offset_map map, again;
    begin(&map, 100, 5);
    CHECK(offset_map_complete(&map, 101));
    CHECK(through_text(&map, &again));
    CHECK_INT(offset_map_take(&again, 100), OFFSET_TAKEN);
    CHECK(offset_map_complete(&again, 100));
    CHECK_INT(again.committed, 102);
    offset_map_set_floor(&again, 102);
    CHECK_INT(offset_map_take(&again, 101), OFFSET_KNOWN);
    CHECK_INT(again.committed, 102);
    CHECK_INT(offset_map_take(&again, 102), OFFSET_TAKEN);
    CHECK_INT(offset_map_take(&again, 100), OFFSET_TAKEN); /* now it is one */
    CHECK_INT(again.committed, 100);
}

static void test_nothing_beyond_is_no_text(void)
{
    struct offset_map map, again;
    begin(&map, 5, 3);
    CHECK(!through_text(&map, &again));
    CHECK_TEXT(text, "");
    CHECK(offset_map_complete(&map, 5));
    CHECK(!through_text(&map, &again));
    CHECK_INT(again.committed, 6);
    CHECK_INT(offset_map_take(&again, 6), OFFSET_TAKEN);
}

/* parallel-consumer #62: the record at the committed offset itself. */
static void test_first_record_is_not_skipped(void)
{
    struct offset_map map, again;
    begin(&map, 0, 2);
    CHECK(offset_map_complete(&map, 1));
    CHECK(through_text(&map, &again));
    CHECK_INT(offset_map_take(&again, 0), OFFSET_TAKEN);
    CHECK_INT(again.committed, 0);
    CHECK_INT(offset_map_take(&again, 1), OFFSET_KNOWN);
    CHECK(offset_map_complete(&again, 0));
    CHECK_INT(again.committed, 2);
    CHECK_INT(again.next, 2);
}

/* #329: what was incomplete is no longer in the log: it must not hold the commit for ever. */
static void test_compacted_topic(void)
{
    struct offset_map map, again;
    begin(&map, 10, 10);
    for (int64_t offset = 12; offset < 18; offset += 2)
        CHECK(offset_map_complete(&map, offset)); /* 12, 14, 16 */
    CHECK(through_text(&map, &again));
    CHECK_INT(offset_map_take(&again, 13), OFFSET_TAKEN); /* 10 and 11 are gone */
    CHECK_INT(again.committed, 13);
    CHECK_INT(offset_map_take(&again, 16), OFFSET_KNOWN); /* so are 14 and 15 */
    CHECK_INT(again.waiting, 0);
    CHECK(offset_map_complete(&again, 13));
    CHECK_INT(again.committed, 17);
    /* The head is gone and what follows was complete. */
    CHECK(through_text(&map, &again));
    CHECK_INT(offset_map_take(&again, 12), OFFSET_KNOWN);
    CHECK_INT(again.committed, 13);
    CHECK_INT(again.next, 13);
    /* All of it is gone. */
    CHECK(through_text(&map, &again));
    CHECK_INT(offset_map_take(&again, 5000), OFFSET_TAKEN);
    CHECK_INT(again.committed, 5000);
    CHECK_INT(again.waiting, 0);
    CHECK_INT(again.incomplete, 1);
}

/* #409: the group's offset is out of range and reading begins elsewhere. */
static void test_offset_reset_below_and_above(void)
{
    struct offset_map map, again;
    begin(&map, 1000, 10);
    CHECK(offset_map_complete(&map, 1005));
    CHECK(through_text(&map, &again));
    CHECK_INT(offset_map_take(&again, 0), OFFSET_TAKEN);
    CHECK_INT(again.committed, 0);
    for (int64_t offset = 1; offset < 1010; offset++)
        CHECK_INT(offset_map_take(&again, offset), OFFSET_TAKEN); /* 1005 is another record now */
    CHECK(through_text(&map, &again));
    CHECK_INT(offset_map_take(&again, 1007), OFFSET_TAKEN);
    CHECK_INT(again.committed, 1007);
    CHECK_INT(offset_map_take(&again, 1006), OFFSET_KNOWN); /* between: read before */
}

/* The log ends below what was committed; reading begins at its end. */
static void test_committed_beyond_log_end(void)
{
    struct offset_map map, again;
    begin(&map, 1000, 10);
    CHECK(offset_map_complete(&map, 1005));
    CHECK(through_text(&map, &again));
    CHECK_INT(offset_map_take(&again, 700), OFFSET_TAKEN);
    CHECK(offset_map_complete(&again, 700));
    CHECK_INT(again.committed, 701);
    CHECK_INT(offset_map_span(&again), 0);
}

/* The text belongs to one offset: an operator's reset that leaves it there restores nothing. */
static void test_text_of_another_offset_is_no_map(void)
{
    struct offset_map map, again;
    begin(&map, 1000, 10);
    CHECK(offset_map_complete(&map, 1005));
    CHECK(through_text(&map, &again));
    struct slice metadata = slice_of(text);
    CHECK_INT(offset_map_text_window(1000, metadata), 64);
    CHECK_INT(offset_map_text_window(999, metadata), 0);
    CHECK(!offset_map_restore(&again, 999, metadata));
    CHECK_INT(again.committed, 999);
    CHECK_INT(offset_map_take(&again, 1005), OFFSET_TAKEN);
    CHECK_INT(offset_map_text_window(-1001, metadata), 0);
    CHECK_INT(offset_map_text_window(INT64_MAX, metadata), 0);
}

static void test_foreign_texts_are_no_maps(void)
{
    static const char *const foreign[] = {
        "",     "x",          "host-1",   "bAAMAA==", "{\"owner\":\"connect-1\"}",
        "====", "sQEBAQ==",   "oQAAAAE=", "s===",     "sQ==",
        "sQA=", "AQEBAQEBAQ", "\xff\xfe", "oQ=A",     "ls7EAA==",
    };
    struct offset_map map;
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        offset_map_init(&map, first_bits, 64);
        CHECK_INT(offset_map_text_window(7, slice_of(foreign[i])), 0);
        CHECK(!offset_map_restore(&map, 7, slice_of(foreign[i])));
        CHECK_INT(offset_map_take(&map, 7), OFFSET_TAKEN);
    }
    CHECK(!offset_map_restore(&map, 7, (struct slice){NULL, 0}));
}

/* Any character lost or changed: no map, or (1 in 65,536) a map, never a crash. */
static void test_damaged_texts_are_no_maps(void)
{
    struct offset_map map, again;
    begin(&map, 77, 400);
    for (int64_t offset = 80; offset < 400; offset += 3)
        CHECK(offset_map_complete(&map, offset));
    CHECK(through_text(&map, &again));
    char damaged[OFFSET_MAP_TEXT_SIZE];
    size_t len = strlen(text), accepted = 0;
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && offset_map_restore(&again, 77, (struct slice){text, i}))
            accepted++;
        memcpy(damaged, text, len + 1);
        damaged[i] = damaged[i] == 'A' ? 'B' : 'A';
        if (damaged[i] != text[i] && damaged[len - 1] == text[len - 1])
            accepted += offset_map_restore(&again, 77, (struct slice){damaged, len});
    }
    CHECK_INT(accepted, 0);
}

static void test_smallest_form_is_taken(void)
{
    struct offset_map map;
    begin(&map, 0, 20000);
    for (int64_t offset = 1; offset < 20000; offset++)
        CHECK(offset_map_complete(&map, offset));
    CHECK_INT(offset_map_encode(&map, text), 12); /* 3 bytes, no run, one run in 3 bytes */
    begin(&map, 0, 20000);
    for (int64_t offset = 1; offset < 20000; offset += 2)
        CHECK(offset_map_complete(&map, offset));
    CHECK_INT(offset_map_encode(&map, text), (3 + 2500 + 2) / 3 * 4);
}

static void test_over_the_limit_there_is_no_text(void)
{
    struct offset_map map, again;
    begin(&map, 0, 24554);
    for (int64_t offset = 2; offset < 24553; offset += 2)
        CHECK(offset_map_complete(&map, offset));
    CHECK(through_text(&map, &again));
    CHECK_INT(strlen(text), OFFSET_MAP_TEXT_MAX);
    CHECK_INT(offset_map_beyond(&again), 12276);
    CHECK(offset_map_complete(&map, 24553));
    CHECK_INT(offset_map_encode(&map, text), OFFSET_MAP_TOO_LARGE);
    CHECK_INT(offset_map_encoded_len(&map), OFFSET_MAP_TOO_LARGE);
    CHECK_TEXT(text, "");
    CHECK(offset_map_complete(&map, 0)); /* lowest is 1 now, one bit less */
    CHECK_INT(offset_map_encode(&map, text), OFFSET_MAP_TEXT_MAX);
}

static void test_pressure(void)
{
    struct offset_map map;
    begin(&map, 0, 18000);
    for (int64_t offset = 2; offset < 18000; offset += 2)
        CHECK(offset_map_complete(&map, offset));
    CHECK(!offset_map_is_pressed(&map));
    int64_t next = map.next;
    while (!offset_map_is_pressed(&map) && next < OFFSET_WINDOW_MAX) {
        CHECK_INT(offset_map_take(&map, next), OFFSET_TAKEN);
        if (next % 2 == 0)
            CHECK(offset_map_complete(&map, next));
        next++;
    }
    size_t len = offset_map_encoded_len(&map);
    CHECK(len >= OFFSET_MAP_TEXT_MAX / 4 * 3 && len < OFFSET_MAP_TEXT_MAX / 5 * 4);
    for (int64_t offset = 0; offset < 3000; offset += offset == 0 ? 1 : 2)
        CHECK(offset_map_complete(&map, offset));
    CHECK(!offset_map_is_pressed(&map));
    /* One stuck head: the text stays small, the window fills. */
    begin(&map, 0, 29000);
    for (int64_t offset = 1; offset < 29000; offset++)
        CHECK(offset_map_complete(&map, offset));
    CHECK(!offset_map_is_pressed(&map));
    for (int64_t offset = 29000; !offset_map_is_pressed(&map); offset++)
        CHECK_INT(offset_map_take(&map, offset), OFFSET_TAKEN);
    CHECK_INT(map.next, OFFSET_WINDOW_MAX * 9 / 10 + 1);
}

static void test_window_too_small_restores_nothing(void)
{
    struct offset_map map, again;
    begin(&map, 0, 200);
    CHECK(offset_map_complete(&map, 199));
    size_t len = offset_map_encode(&map, text);
    CHECK_INT(offset_map_text_window(0, (struct slice){text, len}), 256);
    offset_map_init(&again, second_bits, 128);
    CHECK(!offset_map_restore(&again, 0, (struct slice){text, len}));
    CHECK_INT(offset_map_take(&again, 0), OFFSET_TAKEN);
    offset_map_init(&again, second_bits, 256);
    CHECK(offset_map_restore(&again, 0, (struct slice){text, len}));
}

/* ---- against a plain array, with crashes, gaps and growing windows ---- */

enum { SPACE = 60000, STEPS = 4000 };

static struct {
    bool exists[SPACE], done[SPACE], taken[SPACE];
} model;

static uint64_t random_state;
static uint64_t random_below(uint64_t bound)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (random_state >> 33) % bound;
}

struct run {
    struct offset_map map;
    int64_t position; /* of the reader */
    int bank;         /* which bits it has */
};

static void take_one(struct run *run)
{
    int64_t offset = run->position;
    while (offset < SPACE - 1 && !model.exists[offset])
        offset++;
    enum offset_taken taken = offset_map_take(&run->map, offset);
    if (taken == OFFSET_FULL) {
        size_t window = offset_map_larger(&run->map, offset);
        if (window == 0)
            return;
        run->bank = !run->bank;
        (void)offset_map_move(&run->map, run->bank ? second_bits : first_bits, window);
        taken = offset_map_take(&run->map, offset);
    }
    if ((taken == OFFSET_KNOWN) != model.done[offset])
        CHECK_INT(offset, -1);
    model.taken[offset] = taken == OFFSET_TAKEN;
    run->position = offset + 1;
}

static void complete_one(struct run *run, bool mostly_behind)
{
    int64_t span = run->map.next - run->map.committed;
    if (span <= 0)
        return;
    int64_t offset = run->map.committed + (int64_t)random_below((uint64_t)span);
    if (mostly_behind && offset < run->map.committed + 3 && random_below(20) != 0)
        return;
    if (offset_map_complete(&run->map, offset) != (model.taken[offset] && !model.done[offset]))
        CHECK_INT(offset, -2);
    model.done[offset] |= model.taken[offset];
}

/* What was written at the last commit is what the next reader begins with. */
static void crash(struct run *run)
{
    int64_t committed = run->map.committed;
    size_t len = offset_map_encode(&run->map, text);
    if (len == OFFSET_MAP_TOO_LARGE)
        return;
    struct slice metadata = {text, len};
    size_t window = offset_map_text_window(committed, metadata);
    CHECK((window != 0) == (len != 0));
    run->bank = 0;
    offset_map_init_growing(&run->map, first_bits, window == 0 ? 64 : window, OFFSET_WINDOW_MAX);
    CHECK_INT(offset_map_restore(&run->map, committed, metadata), len != 0);
    run->position = committed;
    memset(model.taken, 0, sizeof model.taken);
}

/* Nothing undone lies below the committed offset; what is under way is counted right. */
static bool agrees(const struct run *run)
{
    const struct offset_map *map = &run->map;
    int64_t open = 0, lost = 0;
    for (int64_t at = 0; at < map->next; at++) {
        open += model.taken[at] && !model.done[at];
        lost += at < map->committed && model.exists[at] && !model.done[at];
    }
    bool is_head_open = map->incomplete == 0 || offset_map_is_incomplete(map, map->committed);
    return CHECK_INT(open, map->incomplete) && CHECK_INT(lost, 0) && CHECK(is_head_open) &&
           CHECK(offset_map_span(map) <= map->window) && CHECK(map->committed <= map->next);
}

static void run_seed(uint64_t seed)
{
    struct run run = {0};
    memset(&model, 0, sizeof model);
    random_state = seed * 7919;
    uint64_t gap_in = seed % 3 == 0 ? 3 : 40, crash_in = seed % 5 == 0 ? 50 : 700;
    for (int64_t i = 0; i < SPACE; i++)
        model.exists[i] = i == SPACE - 1 || random_below(gap_in) != 0;
    offset_map_init_growing(&run.map, first_bits, 64, OFFSET_WINDOW_MAX);
    offset_map_reset(&run.map, 0);
    int64_t committed_before = 0;
    for (int step = 0; step < STEPS && run.position < SPACE - 1; step++) {
        for (uint64_t takes = random_below(seed % 4 == 0 ? 12 : 3); takes > 0; takes--)
            take_one(&run);
        complete_one(&run, seed % 2 == 0);
        if (random_below(crash_in) == 0)
            crash(&run);
        if (random_below(10) == 0)
            offset_map_set_floor(&run.map, run.map.committed);
        if (run.map.committed < committed_before || (step % 64 == 0 && !agrees(&run))) {
            CHECK_INT(seed, -3);
            return;
        }
        committed_before = run.map.committed;
    }
}

static void test_agrees_with_a_plain_array(void)
{
    for (uint64_t seed = 1; seed <= 60; seed++)
        run_seed(seed);
}

static CU_TestInfo tests[] = {
    {"complete before is known after", test_complete_before_is_known_after},
    {"nothing beyond is no text", test_nothing_beyond_is_no_text},
    {"committed before it is read", test_committed_before_it_is_read},
    {"first record is not skipped", test_first_record_is_not_skipped},
    {"compacted topic", test_compacted_topic},
    {"offset reset below and above", test_offset_reset_below_and_above},
    {"committed beyond log end", test_committed_beyond_log_end},
    {"text of another offset is no map", test_text_of_another_offset_is_no_map},
    {"foreign texts are no maps", test_foreign_texts_are_no_maps},
    {"damaged texts are no maps", test_damaged_texts_are_no_maps},
    {"smallest form is taken", test_smallest_form_is_taken},
    {"over the limit there is no text", test_over_the_limit_there_is_no_text},
    {"pressure", test_pressure},
    {"window too small restores nothing", test_window_too_small_restores_nothing},
    {"agrees with a plain array", test_agrees_with_a_plain_array},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("model/offset_map_encode", tests)
