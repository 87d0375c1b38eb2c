/* verify: see verify.h. Range by range where the key can be split, so that a difference has a
 * place. */
#include "sync/verify.h"

#include "model/split.h"
#include "sync/internal.h"

struct verify {
    struct sync *sync;
    struct verify_report *report;
    struct mapping target_rows;
    struct session *reading; /* a second session of the target: the first one mends */
    struct mend mend;
    bool repair;
    size_t chunk;
};

static bool extra_counts(const struct sync *sync)
{
    return sync->spec->mode != SYNC_UPSERT && sync->spec->mode != SYNC_APPEND;
}

static void keep_keys(struct verify *verify, const struct batch *batch, const size_t *rows,
                      size_t count, enum verify_kind kind)
{
    struct verify_report *report = verify->report;
    const struct sync_plan *plan = &verify->sync->plan;
    for (size_t i = 0; i < count && report->key_count < VERIFY_KEYS_MAX; i++) {
        struct str json __attribute__((cleanup(str_done))) = str_with_max(STR_MAX_DEFAULT);
        struct str text __attribute__((cleanup(str_done))) = str_with_max(STR_MAX_DEFAULT);
        struct jwrite w = jwrite_to(&json);
        jwrite_open_object(&w);
        for (size_t k = 0; k < plan->key_count; k++) {
            str_clear(&text);
            (void)column_format(&batch->columns[plan->key[k]], rows[i], &text);
            jwrite_member_text(&w, plan->columns[plan->key[k]].name, str_text(&text));
        }
        jwrite_close_object(&w);
        const char *copy = arena_strdup(verify->sync->arena, str_text(&json));
        if (copy != NULL)
            report->keys[report->key_count++] = (struct verify_key){kind, verify->chunk, copy};
    }
}

static enum outcome take_extra(void *ctx, const struct batch *batch, const size_t *rows,
                               size_t count, struct err *err)
{
    struct verify *verify = ctx;
    if (!extra_counts(verify->sync))
        return OUTCOME_OK;
    (void)err;
    keep_keys(verify, batch, rows, count, VERIFY_EXTRA);
    return OUTCOME_OK;
}

static enum outcome take_other(void *ctx, const struct batch *batch, const size_t *rows,
                               size_t count, struct err *err)
{
    struct verify *verify = ctx;
    keep_keys(verify, batch, rows, count, VERIFY_DIFFERENT);
    return verify->repair ? mend_add(&verify->mend, batch, rows, count, err) : OUTCOME_OK;
}

/* ---- one range ---- */

struct sides {
    struct compare compare;
    struct read_filter source_filters[2], target_filters[3];
};

static void add_range(struct scan *scan, struct read_filter *filters, const char *column,
                      const struct split_range *range)
{
    scan->filters = filters;
    if (range->from != NULL)
        filters[scan->filter_count++] = (struct read_filter){column, READ_GE, range->from, false};
    if (range->to != NULL)
        filters[scan->filter_count++] =
            (struct read_filter){column, READ_LT, range->to, range->from == NULL};
}

static void set_sides(struct verify *verify, const struct split_range *range, struct sides *sides)
{
    struct sync *sync = verify->sync;
    const struct sync_plan *plan = &sync->plan;
    struct scan source = {.sync = sync,
                          .connector = sync_source(sync),
                          .session = sync->source,
                          .stream = plan->source_ref,
                          .mapping = &plan->mapping,
                          .key = plan->key,
                          .key_count = verify->report->keyed ? plan->key_count : 0,
                          .gate = true};
    struct scan target = source;
    target.connector = sync_target(sync);
    target.session = verify->reading;
    target.stream = plan->target_ref;
    target.mapping = &verify->target_rows;
    target.gate = false;
    target.filters = sides->target_filters;
    if (target_live_filter(sync, &sides->target_filters[0]))
        target.filter_count = 1;
    if (plan->split_input >= 0) {
        add_range(&source, sides->source_filters, plan->mapping.inputs[plan->split_input].name,
                  range);
        add_range(&target, sides->target_filters, plan->columns[plan->key[0]].name, range);
    }
    sides->compare = (struct compare){.left = source,
                                      .right = target,
                                      .left_rows = source,
                                      .ctx = verify,
                                      .right_only = take_extra,
                                      .left_other = take_other};
}

static enum outcome compare_range(struct verify *verify, const struct split_range *range,
                                  struct verify_chunk *chunk, struct err *err)
{
    struct compare_counts counts;
    struct sides sides = {0};
    struct verify_report *report = verify->report;
    set_sides(verify, range, &sides);
    TRY(compare_run(&sides.compare, &counts, err));
    *chunk = (struct verify_chunk){.from = range->from,
                                   .to = range->to,
                                   .source_rows = counts.left_rows,
                                   .target_rows = counts.right_rows,
                                   .missing = counts.left_only,
                                   .different = counts.different,
                                   .extra = extra_counts(verify->sync) ? counts.right_only : 0,
                                   .source_hash = counts.left_hash,
                                   .target_hash = counts.right_hash};
    bool differs = report->keyed ? chunk->missing + chunk->different + chunk->extra > 0
                                 : !hash128_eq(counts.left_hash, counts.right_hash);
    report->chunks_differing += differs;
    report->source_rows += chunk->source_rows;
    report->target_rows += chunk->target_rows;
    report->missing += chunk->missing;
    report->different += chunk->different;
    report->extra += chunk->extra;
    report->duplicates += counts.duplicates;
    report->source_hash = hash128_add(report->source_hash, counts.left_hash);
    report->target_hash = hash128_add(report->target_hash, counts.right_hash);
    return OUTCOME_OK;
}

/* ---- all of them ---- */

static enum outcome ranges_of(struct verify *verify, struct split_list *ret_list, struct err *err)
{
    static const struct split_range whole = {NULL, NULL};
    struct sync *sync = verify->sync;
    const struct sync_plan *plan = &sync->plan;
    struct key_stats stats;
    *ret_list = (struct split_list){1, &whole};
    if (plan->split_input < 0 || sync_source(sync)->key_stats == NULL)
        return OUTCOME_OK;
    const struct column_spec *column = &plan->mapping.inputs[plan->split_input];
    TRY(sync_source(sync)->key_stats(sync->source, &plan->source_ref, column, sync->arena, &stats,
                                     err));
    return split_ranges(&column->spec, stats.min, stats.max, stats.rows_estimate,
                        sync->spec->chunk_rows, sync->arena, ret_list, err);
}

static enum outcome compare_ranges(struct verify *verify, struct err *err)
{
    struct split_list list;
    TRY(ranges_of(verify, &list, err));
    struct verify_chunk *chunks = ARENA_ARRAY(verify->sync->arena, struct verify_chunk, list.count);
    TRY_ALLOC(chunks, err);
    for (size_t i = 0; i < list.count; i++) {
        verify->chunk = i;
        TRY(compare_range(verify, &list.ranges[i], &chunks[i], err));
        sync_progress(verify->sync, "verify", NULL);
    }
    verify->report->chunks = chunks;
    verify->report->chunk_count = list.count;
    verify->report->agrees = verify->report->chunks_differing == 0;
    return OUTCOME_OK;
}

static enum outcome begin_repair(struct verify *verify, struct err *err)
{
    struct sync *sync = verify->sync;
    const struct sync_plan *plan = &sync->plan;
    if (!verify->report->keyed) {
        FAIL(err, OUTCOME_PERMANENT, "verify.no_key",
             "without a key the rows that differ cannot be named, so they cannot be mended");
        return err_hint(err, "run the sync again in mode full_refresh");
    }
    struct mend_request merge = {plan->columns, plan->column_count, plan->key,
                                 sync->spec->mode == SYNC_SNAPSHOT_HISTORY ? WRITE_HISTORY
                                                                           : WRITE_MERGE};
    TRY(sync_take_checkpoint(sync, err));
    return mend_begin(&verify->mend, sync, &merge, err);
}

static enum outcome prepare(struct verify *verify, struct err *err)
{
    struct sync *sync = verify->sync;
    TRY(sync_spec_check(sync->spec, err));
    TRY(sync_open_both(sync, err));
    TRY(plan_make(sync, err));
    if (!sync->plan.target_exists) {
        FAIL(err, OUTCOME_PERMANENT, "verify.no_target", "target \"%s\" does not exist",
             sync->plan.target_ref.name);
        return err_hint(err, "run the sync first");
    }
    if (sync->plan.drift.change_count > 0) {
        FAIL(err, OUTCOME_PERMANENT, "verify.columns", "the source's columns have changed: %s",
             sync->plan.drift.line_count > 0 ? sync->plan.drift.lines[0] : "");
        return err_hint(err, "run the sync first: it brings the target's columns up to date");
    }
    verify->report->keyed = sync->plan.key_count > 0 && sync->spec->mode != SYNC_APPEND;
    TRY(sync_open_target(sync, &verify->reading, err));
    return plan_read_back(sync, &sync->plan.target, &verify->target_rows, err);
}

static enum outcome finish_repair(struct verify *verify, struct err *err)
{
    struct verify_report *report = verify->report;
    TRY(mend_commit(&verify->mend, err));
    mend_end(&verify->mend);
    report->rows_merged = verify->mend.counts.inserted + verify->mend.counts.updated;
    if (report->extra == 0)
        return OUTCOME_OK;
    TRY(vanish_run(verify->sync, err)); /* within the sync's own bound on deletes */
    report->rows_deleted = verify->sync->receipt->rows_deleted;
    return OUTCOME_OK;
}

static enum outcome run(struct verify *verify, struct err *err)
{
    TRY(prepare(verify, err));
    if (verify->repair)
        TRY(begin_repair(verify, err));
    TRY(compare_ranges(verify, err));
    return verify->repair ? finish_repair(verify, err) : OUTCOME_OK;
}

enum outcome sync_verify(const struct sync_env *env, const struct sync_spec *spec, bool repair,
                         struct arena *arena, struct verify_report *ret_report, struct err *err)
{
    struct sync sync;
    struct receipt receipt;
    *ret_report = (struct verify_report){0};
    sync_init(&sync, env, spec, arena, &receipt);
    struct verify verify = {.sync = &sync, .report = ret_report, .repair = repair};
    enum outcome outcome = run(&verify, err);
    mend_end(&verify.mend);
    sync_target(&sync)->close(verify.reading);
    sync_done(&sync);
    return outcome;
}
