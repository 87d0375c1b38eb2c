/*
 * compare: two sides row by row in bounded memory, whatever their size.
 *
 * Pass 1 sums both sides by bucket of the key's hash. Only for buckets that differ, pass 2 puts the
 * left side's keys into a map and looks the right side's up; pass 3 reads the left side once more
 * for the rows that the right side lacks. Equal sides cost one pass each.
 */
#include "sync/internal.h"

#include "model/keyset.h"

#include <stdlib.h>
#include <string.h>

#define MAP_CAPACITY 262144 /* rows of differing buckets in memory at a time: 10 MiB */

struct comparing {
    const struct compare *compare;
    struct compare_counts *counts;
    struct keyset_side *left, *right;
    struct keyset_map *map;
    bool selected[KEYSET_BUCKETS];
    size_t numbers[FLOW_BATCH_ROWS + 64];
};

static enum outcome sum_side(void *ctx, const struct batch *batch, const struct hash128 *keys,
                             const struct hash128 *rows, struct err *err)
{
    (void)err;
    for (size_t i = 0; i < batch->row_count; i++)
        keyset_side_add(ctx, keys[i], rows[i]);
    return OUTCOME_OK;
}

static enum outcome map_left(void *ctx, const struct batch *batch, const struct hash128 *keys,
                             const struct hash128 *rows, struct err *err)
{
    struct comparing *c = ctx;
    for (size_t i = 0; i < batch->row_count; i++) {
        bool duplicate = false;
        if (!c->selected[keyset_bucket(keys[i])])
            continue;
        if (!keyset_map_add(c->map, keys[i], rows[i], &duplicate))
            return FAIL(err, OUTCOME_RETRY, "compare.moved",
                        "the left side grew while it was compared");
        c->counts->duplicates += duplicate;
    }
    return OUTCOME_OK;
}

static enum outcome check_right(void *ctx, const struct batch *batch, const struct hash128 *keys,
                                const struct hash128 *rows, struct err *err)
{
    struct comparing *c = ctx;
    size_t count = 0;
    for (size_t i = 0; i < batch->row_count; i++) {
        if (c->selected[keyset_bucket(keys[i])] &&
            keyset_map_check(c->map, keys[i], rows[i]) == KEYSET_RIGHT_ONLY)
            c->numbers[count++] = i;
    }
    c->counts->right_only += (int64_t)count;
    if (count == 0 || c->compare->right_only == NULL)
        return OUTCOME_OK;
    return c->compare->right_only(c->compare->ctx, batch, c->numbers, count, err);
}

static enum outcome pick_left(void *ctx, const struct batch *batch, const struct hash128 *keys,
                              const struct hash128 *rows, struct err *err)
{
    struct comparing *c = ctx;
    size_t count = 0;
    (void)rows;
    for (size_t i = 0; i < batch->row_count; i++)
        if (c->selected[keyset_bucket(keys[i])] &&
            (keyset_map_is_left_only(c->map, keys[i]) || keyset_map_is_different(c->map, keys[i])))
            c->numbers[count++] = i;
    if (count == 0)
        return OUTCOME_OK;
    return c->compare->left_other(c->compare->ctx, batch, c->numbers, count, err);
}

static enum outcome compare_selected(struct comparing *c, struct err *err)
{
    keyset_map_clear(c->map);
    TRY(scan_run(&c->compare->left, map_left, c, err));
    TRY(scan_run(&c->compare->right, check_right, c, err));
    int64_t left_only = keyset_map_left_only_count(c->map);
    int64_t different = keyset_map_different_count(c->map);
    c->counts->left_only += left_only;
    c->counts->different += different;
    if (left_only + different == 0 || c->compare->left_other == NULL)
        return OUTCOME_OK;
    return scan_run(&c->compare->left_rows, pick_left, c, err);
}

static void sum_up(struct comparing *c)
{
    struct compare_counts *counts = c->counts;
    for (size_t i = 0; i < KEYSET_BUCKETS; i++) {
        counts->left_rows += c->left->counts[i];
        counts->right_rows += c->right->counts[i];
        counts->left_hash = hash128_add(counts->left_hash, c->left->sums[i]);
        counts->right_hash = hash128_add(counts->right_hash, c->right->sums[i]);
    }
}

static int64_t map_capacity(const struct comparing *c)
{
    int64_t capacity = MAP_CAPACITY;
    for (size_t i = 0; i < KEYSET_BUCKETS; i++)
        if (c->left->counts[i] > capacity)
            capacity = c->left->counts[i];
    return capacity;
}

static enum outcome compare_all(struct comparing *c, struct err *err)
{
    TRY_ALLOC(c->left, err);
    TRY_ALLOC(c->right, err);
    TRY(scan_run(&c->compare->left, sum_side, c->left, err));
    TRY(scan_run(&c->compare->right, sum_side, c->right, err));
    sum_up(c);
    if (c->compare->left.key_count == 0)
        return OUTCOME_OK; /* rows without a key cannot be named */
    int64_t capacity = map_capacity(c);
    unsigned from = 0;
    while (from < KEYSET_BUCKETS) {
        from = keyset_select(c->left, c->right, from, capacity, c->selected);
        if (memchr(c->selected, true, sizeof c->selected) == NULL)
            break;
        if (c->map == NULL)
            c->map = keyset_map_new(capacity);
        TRY_ALLOC(c->map, err);
        TRY(compare_selected(c, err));
    }
    return OUTCOME_OK;
}

enum outcome compare_run(const struct compare *compare, struct compare_counts *ret_counts,
                         struct err *err)
{
    struct comparing *c = calloc(1, sizeof *c);
    TRY_ALLOC(c, err);
    *ret_counts = (struct compare_counts){0};
    c->compare = compare;
    c->counts = ret_counts;
    c->left = calloc(1, sizeof *c->left);
    c->right = calloc(1, sizeof *c->right);
    enum outcome outcome = compare_all(c, err);
    keyset_map_free(c->map);
    free(c->left);
    free(c->right);
    free(c);
    return outcome;
}
