/* keyset: comparing two sets in bounded memory. */
#include "check.h"
#include "model/keyset.h"

#include <stdlib.h>

static uint64_t seed = 7;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static struct hash128 random_hash(void)
{
    return (struct hash128){next_random(), next_random()};
}

static void map_tells_what_differs(void)
{
    struct keyset_map *map = keyset_map_new(3);
    struct hash128 a = {1, 1}, b = {2, 1}, c = {1, 2}, d = {3, 3}, row = {9, 9}, other = {9, 8};
    bool duplicate = true;
    CHECK(keyset_map_add(map, a, row, &duplicate) && !duplicate);
    CHECK(keyset_map_add(map, b, row, &duplicate) && !duplicate);
    CHECK(keyset_map_add(map, c, row, &duplicate) && !duplicate);
    CHECK(!keyset_map_add(map, d, row, &duplicate) && !duplicate);
    CHECK(keyset_map_add(map, a, other, &duplicate) && duplicate); /* the first row stays */
    CHECK_INT(keyset_map_left_only_count(map), 3);
    CHECK_INT(keyset_map_check(map, a, row), KEYSET_SAME);
    CHECK_INT(keyset_map_check(map, b, other), KEYSET_DIFFERENT);
    CHECK_INT(keyset_map_check(map, d, row), KEYSET_RIGHT_ONLY);
    CHECK_INT(keyset_map_left_only_count(map), 1);
    CHECK_INT(keyset_map_different_count(map), 1);
    CHECK(keyset_map_is_left_only(map, c) && !keyset_map_is_left_only(map, a));
    CHECK(keyset_map_is_different(map, b) && !keyset_map_is_different(map, c));
    CHECK(!keyset_map_is_left_only(map, d) && !keyset_map_is_different(map, d));
    /* A key twice on the right: different once is different. */
    CHECK_INT(keyset_map_check(map, b, row), KEYSET_SAME);
    CHECK_INT(keyset_map_check(map, b, other), KEYSET_DIFFERENT);
    CHECK_INT(keyset_map_check(map, a, other), KEYSET_DIFFERENT);
    CHECK_INT(keyset_map_different_count(map), 2);
    keyset_map_clear(map);
    CHECK_INT(keyset_map_left_only_count(map) + keyset_map_different_count(map), 0);
    CHECK_INT(keyset_map_check(map, a, row), KEYSET_RIGHT_ONLY);
    CHECK(keyset_map_add(map, d, row, &duplicate) && !duplicate);
    keyset_map_free(map);
    keyset_map_free(NULL);
}

static void capacities(void)
{
    bool duplicate;
    struct keyset_map *none = keyset_map_new(0);
    CHECK(!keyset_map_add(none, (struct hash128){1, 1}, (struct hash128){1, 1}, &duplicate));
    CHECK_INT(keyset_map_check(none, (struct hash128){1, 1}, (struct hash128){1, 1}),
              KEYSET_RIGHT_ONLY);
    keyset_map_free(none);
    CHECK(keyset_map_new(-1) == NULL);
    CHECK(keyset_map_new(INT64_MAX) == NULL);
}

static void selects_by_capacity(void)
{
    struct keyset_side *left = calloc(1, sizeof *left), *right = calloc(1, sizeof *right);
    bool selected[KEYSET_BUCKETS];
    CHECK_INT(keyset_select(left, right, 0, 10, selected), KEYSET_BUCKETS);
    CHECK(memchr(selected, true, sizeof selected) == NULL);
    left->counts[3] = 6;
    left->counts[5] = 4;
    left->counts[9] = right->counts[9] = 1;
    left->sums[9].lo = 1; /* same number, other rows */
    left->counts[11] = right->counts[11] = 5;
    left->sums[11].hi = right->sums[11].hi = 5; /* the same: never selected */
    right->counts[4095] = 2;                    /* costs the map nothing */
    CHECK_INT(keyset_select(left, right, 0, 10, selected), 9);
    CHECK(selected[3] && selected[5] && !selected[9] && !selected[4095]);
    CHECK_INT(keyset_select(left, right, 9, 10, selected), KEYSET_BUCKETS);
    CHECK(!selected[3] && selected[9] && !selected[11] && selected[4095]);
    /* One bucket beyond the capacity is taken alone. */
    CHECK_INT(keyset_select(left, right, 0, 2, selected), 5);
    CHECK(selected[3] && !selected[5]);
    CHECK_INT(keyset_select(left, right, 0, INT64_MAX, selected), KEYSET_BUCKETS);
    free(left);
    free(right);
}

#define ROWS 20000

/* The whole procedure on seeded sets: what it finds is what was made. */
static void finds_all_differences(void)
{
    static struct hash128 keys[ROWS], rows[ROWS];
    static uint8_t kinds[ROWS]; /* 0 same, 1 left only, 2 right only, 3 different */
    static bool selected[KEYSET_BUCKETS];
    struct keyset_side *left = calloc(1, sizeof *left), *right = calloc(1, sizeof *right);
    struct keyset_map *map = keyset_map_new(100);
    struct hash128 flip = {1, 0};
    int64_t want[4] = {0}, got[4] = {0};
    for (size_t i = 0; i < ROWS; i++) {
        keys[i] = random_hash();
        rows[i] = random_hash();
        kinds[i] = next_random() % 50 == 0 ? (uint8_t)(next_random() % 3 + 1) : 0;
        want[kinds[i]]++;
        if (kinds[i] != 2)
            keyset_side_add(left, keys[i], rows[i]);
        if (kinds[i] != 1)
            keyset_side_add(right, keys[i], kinds[i] == 3 ? hash128_add(rows[i], flip) : rows[i]);
    }
    unsigned passes = 0, wrong = 0;
    for (unsigned from = 0; from < KEYSET_BUCKETS; passes++) {
        from = keyset_select(left, right, from, 100, selected);
        keyset_map_clear(map);
        for (size_t i = 0; i < ROWS; i++) {
            bool duplicate;
            if (kinds[i] != 2 && selected[keyset_bucket(keys[i])])
                wrong += !keyset_map_add(map, keys[i], rows[i], &duplicate) || duplicate;
        }
        for (size_t i = 0; i < ROWS; i++) {
            if (kinds[i] == 1 || !selected[keyset_bucket(keys[i])])
                continue;
            struct hash128 row = kinds[i] == 3 ? hash128_add(rows[i], flip) : rows[i];
            got[2] += keyset_map_check(map, keys[i], row) == KEYSET_RIGHT_ONLY;
        }
        got[1] += keyset_map_left_only_count(map);
        got[3] += keyset_map_different_count(map);
        for (size_t i = 0; i < ROWS; i++) {
            if (kinds[i] == 2 || !selected[keyset_bucket(keys[i])])
                continue;
            wrong += keyset_map_is_left_only(map, keys[i]) != (kinds[i] == 1);
            wrong += keyset_map_is_different(map, keys[i]) != (kinds[i] == 3);
        }
    }
    CHECK_INT(wrong, 0);
    CHECK(passes > 1);
    for (int kind = 1; kind < 4; kind++)
        CHECK_INT(got[kind], want[kind]);
    keyset_map_free(map);
    free(left);
    free(right);
}

static CU_TestInfo tests[] = {
    {"map tells what differs", map_tells_what_differs},
    {"capacities", capacities},
    {"selects by capacity", selects_by_capacity},
    {"finds all differences", finds_all_differences},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("model/keyset", tests)
