/*
 * vanish: rows that are gone from the source are found by comparing keys, and marked, closed or
 * deleted in the target; rows that the target lacks although the source has them (a late commit
 * behind the cursor, a row that came back) are merged in.
 *
 * Never from a failed or partial read: all deletes are one transaction, committed when both sides
 * were read to their end and no more rows would go than the sync allows.
 */
#include "sync/internal.h"

#include "io/hash.h"

#include <string.h>

struct vanish {
    struct sync *sync;
    struct mapping source_keys, target_keys; /* the key columns alone */
    struct mapping target_rows;
    struct column_spec *key_columns;
    size_t *key;
    struct session *reading; /* a second session of the target: the first one writes */
    struct writer *writer;
    struct batch *rows;
    int64_t limit, deleted, merged;
    struct write_counts counts;
    struct hash128 merged_hash;
    enum write_how how;
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

static enum outcome flush(struct vanish *vanish, const struct column_spec *columns, size_t count,
                          enum write_how how, struct err *err)
{
    const struct connector *target = sync_target(vanish->sync);
    struct sync *sync = vanish->sync;
    if (vanish->rows->row_count == 0)
        return OUTCOME_OK;
    struct write_request request = {.table = sync->plan.target_ref,
                                    .columns = columns,
                                    .column_count = count,
                                    .key = how == WRITE_DELETE ? vanish->key : sync->plan.key,
                                    .key_count = sync->plan.key_count,
                                    .how = how,
                                    .soft_delete = sync_is_soft(sync),
                                    .history = sync->spec->mode == SYNC_SNAPSHOT_HISTORY,
                                    .now_us = sync->now_us,
                                    .checkpoint = sync->checkpoint};
    if (vanish->writer == NULL)
        TRY(target->write_begin(sync->target, &request, &vanish->writer, err));
    enum outcome outcome = target->write_batch(vanish->writer, vanish->rows, 0,
                                               vanish->rows->row_count, &vanish->counts, err);
    batch_clear(vanish->rows);
    return outcome;
}

static enum outcome take_right_only(void *ctx, const struct batch *batch, const size_t *rows,
                                    size_t count, struct err *err)
{
    struct vanish *vanish = ctx;
    vanish->deleted += (int64_t)count;
    if (vanish->deleted > vanish->limit)
        return too_many(vanish, err);
    for (size_t i = 0; i < count; i++) {
        batch_add_row_from(vanish->rows, batch, rows[i]);
        if (batch_is_full(vanish->rows))
            TRY(flush(vanish, vanish->key_columns, vanish->sync->plan.key_count, WRITE_DELETE,
                      err));
    }
    return vanish->rows->failed ? FAIL_NO_MEMORY(err) : OUTCOME_OK;
}

static enum outcome take_left_other(void *ctx, const struct batch *batch, const size_t *rows,
                                    size_t count, struct err *err)
{
    struct vanish *vanish = ctx;
    const struct sync_plan *plan = &vanish->sync->plan;
    vanish->merged += (int64_t)count;
    for (size_t i = 0; i < count; i++) {
        batch_add_row_from(vanish->rows, batch, rows[i]);
        if (batch_is_full(vanish->rows))
            TRY(flush(vanish, plan->columns, plan->column_count, vanish->how, err));
    }
    return vanish->rows->failed ? FAIL_NO_MEMORY(err) : OUTCOME_OK;
}

/* ---- the two passes: what is missing here, what is gone there ---- */

static enum outcome commit(struct vanish *vanish, struct err *err)
{
    struct str state __attribute__((cleanup(str_done))) = str_with_max(STR_MAX_DEFAULT);
    if (vanish->writer == NULL)
        return OUTCOME_OK;
    sync_state_write(&vanish->sync->state, &state);
    enum outcome outcome =
        state.failed
            ? FAIL_NO_MEMORY(err)
            : sync_target(vanish->sync)->write_commit(vanish->writer, str_text(&state), err);
    sync_target(vanish->sync)->write_end(vanish->writer);
    vanish->writer = NULL;
    return outcome;
}

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
    if (sync_is_soft(sync))
        *live = (struct read_filter){HAUL_COLUMN_DELETED_AT, READ_IS_NULL, NULL, false};
    else if (sync->spec->mode == SYNC_SNAPSHOT_HISTORY)
        *live = (struct read_filter){HAUL_COLUMN_IS_CURRENT, READ_IS_TRUE, NULL, false};
    if (live->column != NULL) {
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

static enum outcome find_missing(struct vanish *vanish, struct compare *compare,
                                 struct compare_counts *counts, struct err *err)
{
    const struct sync_plan *plan = &vanish->sync->plan;
    vanish->rows = batch_new(plan->columns, plan->column_count, FLOW_BATCH_ROWS, FLOW_BATCH_BYTES);
    TRY_ALLOC(vanish->rows, err);
    compare->left_other = take_left_other;
    TRY(compare_run(compare, counts, err));
    TRY(flush(vanish, plan->columns, plan->column_count, vanish->how, err));
    batch_free(vanish->rows);
    vanish->rows = NULL;
    return commit(vanish, err);
}

static enum outcome delete_gone(struct vanish *vanish, struct compare *compare, struct err *err)
{
    struct compare_counts counts;
    vanish->rows = batch_new(vanish->key_columns, vanish->sync->plan.key_count, FLOW_BATCH_ROWS,
                             FLOW_BATCH_BYTES);
    TRY_ALLOC(vanish->rows, err);
    compare->left_other = NULL;
    compare->right_only = take_right_only;
    TRY(compare_run(compare, &counts, err));
    TRY(flush(vanish, vanish->key_columns, vanish->sync->plan.key_count, WRITE_DELETE, err));
    return commit(vanish, err);
}

static enum outcome compare_and_act(struct vanish *vanish, struct err *err)
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
    TRY(find_missing(vanish, &compare, &counts, err));
    if (counts.right_only > vanish->limit)
        return too_many(vanish, err);
    if (counts.right_only > 0)
        TRY(delete_gone(vanish, &compare, err));
    struct receipt *receipt = sync->receipt;
    receipt->rows_deleted += vanish->deleted;
    receipt->rows_inserted += vanish->counts.inserted;
    receipt->rows_updated += vanish->counts.updated;
    receipt->target_rows = counts.right_rows + vanish->counts.inserted - vanish->deleted;
    if (vanish->merged > 0)
        receipt_note(receipt,
                     "%lld rows that the cursor had passed over, or that came back, were "
                     "found by comparing keys and merged",
                     (long long)vanish->merged);
    return OUTCOME_OK;
}

enum outcome vanish_run(struct sync *sync, struct err *err)
{
    struct vanish vanish = {.sync = sync,
                            .how = sync->spec->mode == SYNC_SNAPSHOT_HISTORY ? WRITE_HISTORY
                                                                             : WRITE_MERGE};
    sync_progress(sync, "delete", NULL);
    enum outcome outcome = compare_and_act(&vanish, err);
    sync_target(sync)->write_end(vanish.writer);
    sync_target(sync)->close(vanish.reading);
    batch_free(vanish.rows);
    return outcome;
}
