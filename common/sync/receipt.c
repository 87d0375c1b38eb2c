/* receipt: see receipt.h. docs/receipt.md explains each member to an outsider. */
#include "sync/receipt.h"

#include "base/clock.h"
#include "base/jval.h"

#include <stdarg.h>
#include <stdio.h>

void receipt_init(struct receipt *receipt, struct arena *arena)
{
    *receipt = (struct receipt){.arena = arena, .target_rows = -1};
}

void receipt_note(struct receipt *receipt, const char *fmt, ...)
{
    if (receipt->note_count >= RECEIPT_NOTES_MAX)
        return;
    if (receipt->note_count == RECEIPT_NOTES_MAX - 1) {
        receipt->notes[receipt->note_count++] = "more notes were left out";
        return;
    }
    char text[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    const char *copy = arena_strdup(receipt->arena, text);
    if (copy != NULL)
        receipt->notes[receipt->note_count++] = copy;
}

static void write_hash(struct jwrite *w, const char *name, struct hash128 hash)
{
    char text[HASH128_TEXT_SIZE];
    jwrite_member_text(w, name, hash128_format(hash, text));
}

static void write_time(struct jwrite *w, const char *name, int64_t wall_us)
{
    char text[CLOCK_TEXT_SIZE];
    jwrite_member_text(w, name, wall_us == 0 ? NULL : clock_format(wall_us, text));
}

static void write_counts(const struct receipt *r, struct jwrite *w)
{
    const struct {
        const char *name;
        int64_t value;
    } counts[] = {
        {"rows_read", r->rows_read},           {"rows_written", r->rows_written},
        {"rows_inserted", r->rows_inserted},   {"rows_updated", r->rows_updated},
        {"rows_unchanged", r->rows_unchanged}, {"rows_deleted", r->rows_deleted},
        {"rows_rejected", r->rows_rejected},   {"bytes_read", r->bytes_read},
        {"bytes_written", r->bytes_written},
    };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        jwrite_member_int(w, counts[i].name, counts[i].value);
    jwrite_key(w, "target_rows");
    if (r->target_rows < 0)
        jwrite_null(w);
    else
        jwrite_int(w, r->target_rows);
}

static void write_verification(const struct receipt *r, struct jwrite *w)
{
    jwrite_key(w, "verification");
    jwrite_open_object(w);
    jwrite_member_text(w, "level", r->verify_asked);
    jwrite_member_int(w, "rows", r->rows_verified);
    jwrite_member_int(w, "chunks", r->chunks_verified);
    write_hash(w, "source_hash", r->verified_source_hash);
    write_hash(w, "target_hash", r->target_hash);
    jwrite_close_object(w);
}

static const char *const value_names[VALUE_FAULT_COUNT] = {
    [FAULT_ZERO_DATE] = "zero_date",
    [FAULT_INFINITY] = "infinity",
    [FAULT_NAN] = "nan",
    [FAULT_NUL_BYTE] = "nul_byte",
    [FAULT_INVALID_UTF8] = "invalid_utf8",
    [FAULT_TIME_RANGE] = "time_range",
    [FAULT_OUT_OF_RANGE] = "out_of_range",
    [FAULT_INVALID_CAST] = "invalid_cast",
};

static void write_values(const struct receipt *r, struct jwrite *w)
{
    jwrite_key(w, "values");
    jwrite_open_object(w);
    for (size_t i = 0; i < VALUE_FAULT_COUNT; i++) {
        if (r->converted[i] + r->nulled[i] + r->faulted[i] == 0)
            continue;
        jwrite_key(w, value_names[i]);
        jwrite_open_object(w);
        jwrite_member_int(w, "converted", r->converted[i]);
        jwrite_member_int(w, "nulled", r->nulled[i]);
        jwrite_member_int(w, "quarantined", r->faulted[i]);
        jwrite_close_object(w);
    }
    jwrite_close_object(w);
}

static void write_stages(const struct receipt *r, struct jwrite *w)
{
    jwrite_key(w, "stages_ms");
    jwrite_open_object(w);
    jwrite_member_int(w, "read", r->stages.read_us / US_PER_MS);
    jwrite_member_int(w, "transform", r->stages.transform_us / US_PER_MS);
    jwrite_member_int(w, "write", r->stages.write_us / US_PER_MS);
    jwrite_member_int(w, "finish", r->stages.finish_us / US_PER_MS);
    jwrite_member_int(w, "verify", r->stages.verify_us / US_PER_MS);
    jwrite_close_object(w);
}

static void write_chunk(const struct receipt_chunk *chunk, struct jwrite *w)
{
    jwrite_open_object(w);
    jwrite_member_text(w, "from", chunk->from);
    jwrite_member_text(w, "to", chunk->to);
    jwrite_member_int(w, "rows_read", chunk->rows_read);
    jwrite_member_int(w, "rows_written", chunk->rows_written);
    jwrite_member_int(w, "rows_rejected", chunk->rows_rejected);
    write_hash(w, "source_hash", chunk->source_hash);
    if (chunk->verified) {
        jwrite_member_int(w, "target_rows", chunk->target_rows);
        write_hash(w, "target_hash", chunk->target_hash);
    }
    jwrite_member_bool(w, "verified", chunk->verified);
    jwrite_close_object(w);
}

void receipt_write(const struct receipt *r, bool with_chunks, struct jwrite *w)
{
    jwrite_open_object(w);
    jwrite_member_text(w, "mode", r->mode);
    jwrite_member_text(w, "path", r->path);
    write_counts(r, w);
    write_hash(w, "source_hash", r->source_hash);
    write_verification(r, w);
    write_values(r, w);
    jwrite_member_text(w, "checkpoint_before", r->checkpoint_before);
    jwrite_member_text(w, "checkpoint_after", r->checkpoint_after);
    jwrite_member_text(w, "source", r->source_version);
    jwrite_member_text(w, "target", r->target_version);
    jwrite_member_int(w, "fence", r->fence);
    jwrite_member_int(w, "snapshots", r->snapshots);
    jwrite_member_int(w, "resumed_chunks", r->resumed_chunks);
    jwrite_member_int(w, "chunk_jobs", r->chunk_jobs);
    write_time(w, "started_at", r->started_us);
    write_time(w, "finished_at", r->finished_us);
    jwrite_member_int(w, "duration_ms", (r->finished_us - r->started_us) / US_PER_MS);
    write_stages(r, w);
    jwrite_key(w, "notes");
    jwrite_open_array(w);
    for (size_t i = 0; i < r->note_count; i++)
        jwrite_text(w, r->notes[i]);
    jwrite_close_array(w);
    jwrite_member_int(w, "chunk_count", (int64_t)r->chunk_count);
    if (with_chunks) {
        jwrite_key(w, "chunks");
        jwrite_open_array(w);
        for (size_t i = 0; i < r->chunk_count; i++)
            write_chunk(&r->chunks[i], w);
        jwrite_close_array(w);
    }
    jwrite_close_object(w);
}

void receipt_add_part(struct receipt *receipt, const struct jval *part)
{
    const struct jval *stages = jval_get(part, "stages_ms"), *values = jval_get(part, "values");
    receipt->bytes_read += jval_int(part, "bytes_read", 0);
    receipt->bytes_written += jval_int(part, "bytes_written", 0);
    receipt->stages.read_us += jval_int(stages, "read", 0) * US_PER_MS;
    receipt->stages.transform_us += jval_int(stages, "transform", 0) * US_PER_MS;
    receipt->stages.write_us += jval_int(stages, "write", 0) * US_PER_MS;
    for (size_t i = 0; i < VALUE_FAULT_COUNT; i++) {
        const struct jval *value = jval_get(values, value_names[i]);
        receipt->converted[i] += jval_int(value, "converted", 0);
        receipt->nulled[i] += jval_int(value, "nulled", 0);
        receipt->faulted[i] += jval_int(value, "quarantined", 0);
    }
}
