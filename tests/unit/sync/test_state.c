/* state: what is written is what is read; what others wrote is refused; memory may fail anywhere.
 */
#include "check.h"
#include "sync/state.h"

#define ARENA_CAP (8u << 20)

static void fill(struct sync_state *state, struct receipt_chunk chunks[2], struct hash128 ties[2])
{
    chunks[0] = (struct receipt_chunk){.to = "100",
                                       .rows_read = 99,
                                       .rows_written = 98,
                                       .rows_rejected = 1,
                                       .source_hash = {7, 9},
                                       .done = true};
    chunks[1] = (struct receipt_chunk){.from = "100"};
    ties[0] = (struct hash128){1, 2};
    ties[1] = (struct hash128){UINT64_MAX, UINT64_MAX};
    *state = (struct sync_state){.definition = "d",
                                 .shape = "s",
                                 .loading = true,
                                 .stage = "_haul_stage_1",
                                 .cursor = "41",
                                 .cursor_next = "42",
                                 .tie_count = 2,
                                 .ties = ties,
                                 .started_us = 5,
                                 .snapshots = 3,
                                 .chunk_count = 2,
                                 .chunks = chunks,
                                 .plans = 4,
                                 .plan = "d.4",
                                 .part_chunks = 2,
                                 .first_chunk = 6};
}

static void test_round_trip(void)
{
    struct arena arena ARENA_AUTO;
    struct str text __attribute__((cleanup(str_done))) = str_with_max(STR_MAX_DEFAULT);
    struct receipt_chunk chunks[2];
    struct hash128 ties[2];
    struct sync_state state, read;
    struct err err = {0};
    arena_init(&arena, ARENA_CAP);
    fill(&state, chunks, ties);
    sync_state_write(&state, &text);
    if (!CHECK_OK(sync_state_parse(str_text(&text), &arena, &read, &err), &err))
        return;
    CHECK_TEXT(read.definition, "d");
    CHECK_TEXT(read.stage, "_haul_stage_1");
    CHECK_TEXT(read.cursor, "41");
    CHECK_TEXT(read.cursor_next, "42");
    CHECK(read.loading);
    CHECK_INT(read.snapshots, 3);
    CHECK_INT(read.chunk_count, 2);
    CHECK(read.chunks[0].from == NULL);
    CHECK_TEXT(read.chunks[0].to, "100");
    CHECK_INT(read.chunks[0].rows_rejected, 1);
    CHECK(hash128_eq(read.chunks[0].source_hash, chunks[0].source_hash));
    CHECK(read.chunks[0].done && !read.chunks[1].done);
    CHECK_TEXT(read.chunks[1].from, "100");
    CHECK_INT(read.plans, 4);
    CHECK_TEXT(read.plan, "d.4");
    CHECK_INT(read.part_chunks, 2);
    CHECK_INT(read.first_chunk, 6);
    CHECK_INT(read.tie_count, 2);
    CHECK(hash128_eq(read.ties[1], ties[1]));
}

static void test_refused(void)
{
    static const char *const texts[] = {
        "",
        "[]",
        "{\"loading\": true}",
        "{\"chunks\": [{\"done\": true, \"hash\": \"xyz\"}]}",
        "{\"chunks\": [{\"done\": true}]}",
        "{\"plan\": \"p\", \"part_chunks\": 1, \"chunks\": [{}]}",
        "{\"plan\": \"p\", \"loading\": true, \"stage\": \"s\", \"chunks\": [{}]}",
        "{\"plan\": \"p\", \"loading\": true, \"stage\": \"s\", \"part_chunks\": 1}",
        "{\"plan\":\"p\",\"loading\":true,\"stage\":\"s\",\"part_chunks\":-1,\"chunks\":[{}]}",
        "{\"ties\": [1]}",
        "{\"ties\": [\"00\"]}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct arena arena ARENA_AUTO;
        struct sync_state state = {.cursor = "untouched"};
        struct err err = {0};
        arena_init(&arena, ARENA_CAP);
        CHECK_OUTCOME(sync_state_parse(texts[i], &arena, &state, &err), OUTCOME_PERMANENT, &err);
        CHECK_TEXT(state.cursor, "untouched");
    }
}

static void test_no_memory(void)
{
    struct str text __attribute__((cleanup(str_done))) = str_with_max(STR_MAX_DEFAULT);
    struct receipt_chunk chunks[2];
    struct hash128 ties[2];
    struct sync_state state, read;
    fill(&state, chunks, ties);
    sync_state_write(&state, &text);
    for (uint64_t n = 1; n < 10000; n++) {
        struct arena arena ARENA_AUTO;
        struct err err = {0};
        arena_init(&arena, ARENA_CAP);
        arena_fail_at(n);
        enum outcome outcome = sync_state_parse(str_text(&text), &arena, &read, &err);
        bool failed = arena.overflowed;
        arena_fail_at(0);
        if (!failed) {
            CHECK_OK(outcome, &err);
            CHECK(n > 3);
            return;
        }
        CHECK(outcome != OUTCOME_OK);
    }
    CHECK(false);
}

static CU_TestInfo tests[] = {
    {"what is written is read back", test_round_trip},
    {"others' checkpoints are refused", test_refused},
    {"memory fails at every allocation", test_no_memory},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("sync/state", tests)
