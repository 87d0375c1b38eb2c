/*
 * prove: what stands in a loaded stage is counted, and chunks of it are read back and hashed,
 * before it takes the target's place. A stage that does not agree is never swapped in.
 */
#include "sync/internal.h"

#include "base/clock.h"
#include "io/hash.h"

struct chunk_sum {
    int64_t rows;
    struct hash128 hash;
};

static enum outcome add_rows(void *ctx, const struct batch *batch, const struct hash128 *keys,
                             const struct hash128 *rows, struct err *err)
{
    struct chunk_sum *sum = ctx;
    (void)keys;
    (void)err;
    sum->rows += (int64_t)batch->row_count;
    for (size_t i = 0; i < batch->row_count; i++)
        sum->hash = hash128_add(sum->hash, rows[i]);
    return OUTCOME_OK;
}

static enum outcome mismatch(size_t chunk, const struct receipt_chunk *expected,
                             const struct chunk_sum *found, struct err *err)
{
    if (expected->rows_written != found->rows)
        FAIL(err, OUTCOME_PERMANENT, "verify.mismatch",
             "chunk %zu: %lld rows were written, %lld stand in the target", chunk,
             (long long)expected->rows_written, (long long)found->rows);
    else
        FAIL(err, OUTCOME_PERMANENT, "verify.mismatch",
             "chunk %zu: %lld rows stand in the target, but their values differ from what was "
             "written",
             chunk, (long long)found->rows);
    return err_hint(err, "a trigger, rule or narrower column type in the target changes values; "
                         "the target was left as it was");
}

static enum outcome prove_chunk(struct sync *sync, const struct scan *base, size_t number,
                                struct err *err)
{
    struct receipt_chunk *chunk = &sync->state.chunks[number];
    struct chunk_sum sum = {0};
    struct read_filter filters[2];
    struct scan scan = *base;
    const char *column =
        sync->plan.key_count > 0 ? sync->plan.columns[sync->plan.key[0]].name : NULL;
    scan.filters = filters;
    scan.filter_count = 0;
    if (chunk->from != NULL)
        filters[scan.filter_count++] = (struct read_filter){column, READ_GE, chunk->from, false};
    if (chunk->to != NULL)
        filters[scan.filter_count++] =
            (struct read_filter){column, READ_LT, chunk->to, chunk->from == NULL};
    TRY(scan_run(&scan, add_rows, &sum, err));
    if (sum.rows != chunk->rows_written || !hash128_eq(sum.hash, chunk->source_hash))
        return mismatch(number, chunk, &sum, err);
    chunk->target_hash = sum.hash;
    chunk->target_rows = sum.rows;
    chunk->verified = true;
    struct receipt *receipt = sync->receipt;
    receipt->rows_verified += sum.rows;
    receipt->chunks_verified++;
    receipt->target_hash = hash128_add(receipt->target_hash, sum.hash);
    receipt->verified_source_hash = hash128_add(receipt->verified_source_hash, chunk->source_hash);
    return OUTCOME_OK;
}

/* A seeded draw, so that each run looks at other chunks and anyone can repeat it. */
static uint64_t draw(const struct sync *sync, size_t chunk)
{
    uint64_t seed[2] = {sync->seed, chunk};
    return hash128_bytes(seed, sizeof seed).lo;
}

static void choose_chunks(const struct sync *sync, int64_t rows_total, bool *chosen)
{
    size_t least = 0;
    for (size_t i = 0; i < sync->state.chunk_count; i++) {
        bool whole = sync->spec->verify == SYNC_VERIFY_FULL || rows_total <= VERIFY_WHOLE_ROWS;
        chosen[i] = whole || draw(sync, i) % VERIFY_ONE_IN == 0;
        if (draw(sync, i) < draw(sync, least))
            least = i;
    }
    chosen[least] = true;
}

static enum outcome prove_count(struct sync *sync, const struct stream_ref *stage, int64_t written,
                                struct err *err)
{
    struct read_request request = {.stream = *stage};
    int64_t rows;
    TRY(sync_target(sync)->count(sync->target, &request, &rows, err));
    sync->receipt->target_rows = rows;
    if (rows == written)
        return OUTCOME_OK;
    return FAIL(err, OUTCOME_PERMANENT, "verify.mismatch",
                "%lld rows were written, the target counts %lld", (long long)written,
                (long long)rows);
}

static enum outcome prove_chunks(struct sync *sync, const struct stream_ref *stage,
                                 int64_t rows_total, struct err *err)
{
    struct table_spec table;
    struct mapping mapping;
    bool *chosen = ARENA_ARRAY(sync->arena, bool, sync->state.chunk_count + 1);
    TRY_ALLOC(chosen, err);
    TRY(sync_target(sync)->describe(sync->target, stage, sync->arena, &table, err));
    TRY(plan_read_back(sync, &table, &mapping, err));
    struct scan scan = {.sync = sync,
                        .connector = sync_target(sync),
                        .session = sync->target,
                        .stream = *stage,
                        .mapping = &mapping};
    choose_chunks(sync, rows_total, chosen);
    for (size_t i = 0; i < sync->state.chunk_count; i++) {
        if (!chosen[i])
            continue;
        TRY(prove_chunk(sync, &scan, i, err));
        sync_progress(sync, "verify", "target");
    }
    return OUTCOME_OK;
}

enum outcome prove_stage(struct sync *sync, const struct stream_ref *stage, struct err *err)
{
    int64_t from_us = clock_monotonic_us(), written = 0;
    for (size_t i = 0; i < sync->state.chunk_count; i++)
        written += sync->state.chunks[i].rows_written;
    enum outcome outcome = prove_count(sync, stage, written, err);
    if (outcome == OUTCOME_OK && sync->spec->verify != SYNC_VERIFY_COUNT && written > 0)
        outcome = prove_chunks(sync, stage, written, err);
    sync->receipt->stages.verify_us += clock_monotonic_us() - from_us;
    return outcome;
}
