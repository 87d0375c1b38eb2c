/*
 * vanish: rows that are gone from the source are found by comparing keys, and marked, closed or
 * deleted in the target; rows that the target lacks although the source has them (a late commit
 * behind the cursor, a row that came back) are merged in.
 *
 * Never from a failed or partial read: all deletes are one transaction, committed when both sides
 * were read to their end and no more rows would go than the sync allows.
 */
#include "sync/internal.h"

struct vanish {
    struct sync *sync;
    struct mapping source_keys, target_keys; /* the key columns alone */
    struct column_spec *key_columns;
    size_t *key;
    struct session *reading; /* a second session of the target: the first one writes */
    struct mend mend;
    int64_t limit;
};

static enum outcome too_many(const struct vanish *vanish, struct err *err)
{
    FAIL(err, OUTCOME_PERMANENT, "mirror.too_many_deletes",
         "more than %lld %% of the target's rows are gone from the source (more than %lld rows): "
         "refused",
         (long long)vanish->sync->spec->max_delete_percent, (long long)vanish->limit);
    return err_hint(err, "check the source; if it is right, raise max_delete_percent for this run");
}

/* ---- plans of keys ---- */

static enum outcome compile_keys(struct vanish *vanish, struct err *err)
{
    struct sync *sync = vanish->sync;
    const struct sync_plan *plan = &sync->plan;
    size_t count = plan->key_count;
    struct mapping_item *from = ARENA_ARRAY(sync->arena, struct mapping_item, count);
    struct mapping_item *to = ARENA_ARRAY(sync->arena, struct mapping_item, count);
    vanish->key_columns = ARENA_ARRAY(sync->arena, struct column_spec, count);
    vanish->key = ARENA_ARRAY(sync->arena, size_t, count);
    TRY_ALLOC(from, err);
    TRY_ALLOC(to, err);
    TRY_ALLOC(vanish->key_columns, err);
    TRY_ALLOC(vanish->key, err);
    for (size_t i = 0; i < count; i++) {
        const struct column_spec *column = &plan->columns[plan->key[i]];
        struct str cast __attribute__((cleanup(str_done))) = str_with_max(128);
        value_spec_format(&column->spec, &cast);
        int input = plan->mapping.output_inputs[plan->key[i]];
        if (input < 0)
            return FAIL(err, OUTCOME_PERMANENT, "sync.key",
                        "key column \"%s\" is a constant: it cannot tell rows apart", column->name);
        const char *cast_text = arena_strdup(sync->arena, str_text(&cast));
        TRY_ALLOC(cast_text, err);
        from[i] = (struct mapping_item){
            .from = plan->mapping.inputs[input].name, .to = column->name, .cast = cast_text};
        to[i] = (struct mapping_item){.from = column->name, .cast = cast_text};
        vanish->key_columns[i] = *column;
        vanish->key[i] = i;
    }
    struct table_spec target;
    TRY(sync_target(sync)->describe(sync->target, &plan->target_ref, sync->arena, &target, err));
    TRY(mapping_compile(&plan->source, from, count, sync->arena, &vanish->source_keys, err));
    return mapping_compile(&target, to, count, sync->arena, &vanish->target_keys, err);
}

/* ---- what is found ---- */

static enum outcome take_gone(void *ctx, const struct batch *batch, const size_t *rows,
                              size_t count, struct err *err)
{
    struct vanish *vanish = ctx;
    TRY(mend_add(&vanish->mend, batch, rows, count, err));
    return vanish->mend.row_count > vanish->limit ? too_many(vanish, err) : OUTCOME_OK;
}

static enum outcome take_missing(void *ctx, const struct batch *batch, const size_t *rows,
                                 size_t count, struct err *err)
{
    struct vanish *vanish = ctx;
    return mend_add(&vanish->mend, batch, rows, count, err);
}

/* ---- the two passes: what is missing here, what is gone there ---- */

static struct compare make_compare(struct vanish *vanish, struct read_filter *live)
{
    struct sync *sync = vanish->sync;
    const struct sync_plan *plan = &sync->plan;
    struct scan source = {.sync = sync,
                          .connector = sync_source(sync),
                          .session = sync->source,
                          .stream = plan->source_ref,
                          .mapping = &vanish->source_keys,
                          .key = vanish->key,
                          .key_count = plan->key_count,
                          .keys_only = true};
    struct scan target = source, rows = source;
    target.connector = sync_target(sync);
    target.session = vanish->reading;
    target.stream = plan->target_ref;
    target.mapping = &vanish->target_keys;
    if (target_live_filter(sync, live)) {
        target.filters = live;
        target.filter_count = 1;
    }
    rows.mapping = &plan->mapping;
    rows.key = plan->key;
    rows.keys_only = false;
    rows.gate = true;
    return (struct compare){.left = source, .right = target, .left_rows = rows, .ctx = vanish};
}

static enum outcome count_live(struct vanish *vanish, const struct read_filter *live,
                               int64_t *ret_rows, struct err *err)
{
    struct read_request request = {.stream = vanish->sync->plan.target_ref,
                                   .filters = live,
                                   .filter_count = live->column != NULL};
    return sync_target(vanish->sync)->count(vanish->reading, &request, ret_rows, err);
}

/* Both sides are compared; rows go through `mend`, which ends committed or undone. */
static enum outcome compare_and_mend(struct vanish *vanish, const struct compare *compare,
                                     const struct mend_request *request,
                                     struct compare_counts *counts, struct err *err)
{
    TRY(mend_begin(&vanish->mend, vanish->sync, request, err));
    TRY(compare_run(compare, counts, err));
    TRY(mend_commit(&vanish->mend, err));
    struct receipt *receipt = vanish->sync->receipt;
    receipt->rows_inserted += vanish->mend.counts.inserted;
    receipt->rows_updated += vanish->mend.counts.updated;
    receipt->rows_deleted += vanish->mend.counts.deleted;
    mend_end(&vanish->mend);
    return OUTCOME_OK;
}

static enum outcome merge_missing(struct vanish *vanish, struct compare compare,
                                  struct compare_counts *counts, struct err *err)
{
    struct sync *sync = vanish->sync;
    struct mend_request request = {.columns = sync->plan.columns,
                                   .column_count = sync->plan.column_count,
                                   .key = sync->plan.key,
                                   .how = sync->spec->mode == SYNC_SNAPSHOT_HISTORY ? WRITE_HISTORY
                                                                                    : WRITE_MERGE};
    int64_t before = sync->receipt->rows_inserted + sync->receipt->rows_updated;
    compare.left_other = take_missing;
    TRY(compare_and_mend(vanish, &compare, &request, counts, err));
    int64_t merged = sync->receipt->rows_inserted + sync->receipt->rows_updated - before;
    if (merged > 0)
        receipt_note(sync->receipt,
                     "%lld rows that the cursor had passed over, or that came back, "
                     "were found by comparing keys and merged",
                     (long long)merged);
    sync->receipt->target_rows = counts->right_rows + merged;
    return OUTCOME_OK;
}

static enum outcome delete_gone(struct vanish *vanish, struct compare compare, struct err *err)
{
    struct sync *sync = vanish->sync;
    struct compare_counts counts;
    struct mend_request request = {.columns = vanish->key_columns,
                                   .column_count = sync->plan.key_count,
                                   .key = vanish->key,
                                   .how = WRITE_DELETE};
    compare.right_only = take_gone;
    TRY(compare_and_mend(vanish, &compare, &request, &counts, err));
    sync->receipt->target_rows -= sync->receipt->rows_deleted;
    return OUTCOME_OK;
}

static enum outcome find_and_act(struct vanish *vanish, struct err *err)
{
    struct sync *sync = vanish->sync;
    struct read_filter live = {0};
    struct compare_counts counts;
    int64_t rows;
    TRY(compile_keys(vanish, err));
    TRY(sync_open_target(sync, &vanish->reading, err));
    struct compare compare = make_compare(vanish, &live);
    TRY(count_live(vanish, &live, &rows, err));
    vanish->limit = rows * sync->spec->max_delete_percent / 100;
    TRY(merge_missing(vanish, compare, &counts, err));
    if (counts.right_only > vanish->limit)
        return too_many(vanish, err);
    return counts.right_only > 0 ? delete_gone(vanish, compare, err) : OUTCOME_OK;
}

enum outcome vanish_run(struct sync *sync, struct err *err)
{
    struct vanish vanish = {.sync = sync};
    sync_progress(sync, "delete", NULL);
    enum outcome outcome = find_and_act(&vanish, err);
    mend_end(&vanish.mend);
    sync_target(sync)->close(vanish.reading);
    return outcome;
}
