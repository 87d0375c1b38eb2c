/* state: see state.h. */
#include "sync/state.h"

#include "io/json.h"

#include <string.h>

static bool parse_hash(const struct jval *object, const char *name, struct hash128 *ret_hash)
{
    const char *text = jval_text(object, name, NULL);
    return text != NULL && hash128_parse(text, ret_hash);
}

static bool parse_chunk(const struct jval *item, struct receipt_chunk *chunk)
{
    chunk->from = jval_text(item, "from", NULL);
    chunk->to = jval_text(item, "to", NULL);
    chunk->done = jval_bool(item, "done", false);
    if (!chunk->done)
        return true;
    chunk->rows_read = jval_int(item, "read", 0);
    chunk->rows_written = jval_int(item, "written", 0);
    chunk->rows_rejected = jval_int(item, "rejected", 0);
    return parse_hash(item, "hash", &chunk->source_hash);
}

static bool parse_chunks(const struct jval *list, struct arena *arena, struct sync_state *state)
{
    if (list == NULL || list->type != JVAL_ARRAY)
        return true;
    state->chunk_count = list->array.count;
    state->chunks = ARENA_ARRAY(arena, struct receipt_chunk, list->array.count + 1);
    if (state->chunks == NULL)
        return false;
    for (size_t i = 0; i < state->chunk_count; i++)
        if (!parse_chunk(&list->array.items[i], &state->chunks[i]))
            return false;
    return true;
}

static bool parse_ties(const struct jval *list, struct arena *arena, struct sync_state *state)
{
    if (list == NULL || list->type != JVAL_ARRAY)
        return true;
    struct hash128 *ties = ARENA_ARRAY(arena, struct hash128, list->array.count + 1);
    if (ties == NULL)
        return false;
    for (size_t i = 0; i < list->array.count; i++) {
        const struct jval *item = &list->array.items[i];
        if (item->type != JVAL_STRING || !hash128_parse(item->string.data, &ties[i]))
            return false;
    }
    state->ties = ties;
    state->tie_count = list->array.count;
    return true;
}

static bool is_whole(const struct sync_state *state)
{
    if (state->loading && state->stage == NULL)
        return false;
    return state->plan == NULL || (state->loading && state->part_chunks - 1 < SIZE_MAX / 2 &&
                                   state->first_chunk < SIZE_MAX / 2 && state->chunk_count > 0);
}

enum outcome sync_state_parse(const char *text, struct arena *arena, struct sync_state *ret_state,
                              struct err *err)
{
    struct sync_state state = {0};
    const struct jval *root;
    if (jread_object(slice_of(text), arena, &root, err) != OUTCOME_OK)
        return err_prefix(err, "checkpoint in the target");
    state.definition = jval_text(root, "definition", NULL);
    state.shape = jval_text(root, "shape", NULL);
    state.loading = jval_bool(root, "loading", false);
    state.stage = jval_text(root, "stage", NULL);
    state.cursor = jval_text(root, "cursor", NULL);
    state.cursor_next = jval_text(root, "cursor_next", NULL);
    state.started_us = jval_int(root, "started_us", 0);
    state.snapshots = jval_int(root, "snapshots", 0);
    state.plans = jval_int(root, "plans", 0);
    state.plan = jval_text(root, "plan", NULL);
    state.part_chunks = (size_t)jval_int(root, "part_chunks", 0);
    state.first_chunk = (size_t)jval_int(root, "first_chunk", 0);
    if (!parse_chunks(jval_get(root, "chunks"), arena, &state) ||
        !parse_ties(jval_get(root, "ties"), arena, &state) || !is_whole(&state)) {
        FAIL(err, OUTCOME_PERMANENT, "checkpoint.invalid",
             "the checkpoint in the target is not one that haul wrote");
        return err_hint(err, "delete its row from the checkpoint table: the sync then starts anew");
    }
    *ret_state = state;
    return OUTCOME_OK;
}

static void write_chunk(const struct receipt_chunk *chunk, struct jwrite *w)
{
    char text[HASH128_TEXT_SIZE];
    jwrite_open_object(w);
    if (chunk->from != NULL)
        jwrite_member_text(w, "from", chunk->from);
    if (chunk->to != NULL)
        jwrite_member_text(w, "to", chunk->to);
    if (chunk->done) {
        jwrite_member_bool(w, "done", true);
        jwrite_member_int(w, "read", chunk->rows_read);
        jwrite_member_int(w, "written", chunk->rows_written);
        if (chunk->rows_rejected > 0)
            jwrite_member_int(w, "rejected", chunk->rows_rejected);
        jwrite_member_text(w, "hash", hash128_format(chunk->source_hash, text));
    }
    jwrite_close_object(w);
}

void sync_state_write(const struct sync_state *state, struct str *out)
{
    struct jwrite writer = jwrite_to(out), *w = &writer;
    char text[HASH128_TEXT_SIZE];
    jwrite_open_object(w);
    jwrite_member_int(w, "version", 1);
    jwrite_member_text(w, "definition", state->definition);
    jwrite_member_text(w, "shape", state->shape);
    jwrite_member_text(w, "cursor", state->cursor);
    jwrite_member_int(w, "started_us", state->started_us);
    if (state->tie_count > 0) {
        jwrite_key(w, "ties");
        jwrite_open_array(w);
        for (size_t i = 0; i < state->tie_count; i++)
            jwrite_text(w, hash128_format(state->ties[i], text));
        jwrite_close_array(w);
    }
    if (state->plans > 0)
        jwrite_member_int(w, "plans", state->plans);
    if (state->loading) {
        jwrite_member_bool(w, "loading", true);
        if (state->plan != NULL) {
            jwrite_member_text(w, "plan", state->plan);
            jwrite_member_int(w, "part_chunks", (int64_t)state->part_chunks);
            jwrite_member_int(w, "first_chunk", (int64_t)state->first_chunk);
        }
        jwrite_member_text(w, "stage", state->stage);
        jwrite_member_text(w, "cursor_next", state->cursor_next);
        jwrite_member_int(w, "snapshots", state->snapshots);
        jwrite_key(w, "chunks");
        jwrite_open_array(w);
        for (size_t i = 0; i < state->chunk_count; i++)
            write_chunk(&state->chunks[i], w);
        jwrite_close_array(w);
    }
    jwrite_close_object(w);
}
