/* arena: growth, cap, marks, torture. */
#include "base/arena.h"

#include "check.h"

#include <stdalign.h>

static void test_alignment_and_zero(void)
{
    static const size_t sizes[] = {0, 1, 7, 16, 17, 4095, 4096, 4097, 70000, 300000, 3};
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 1u << 20);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned char *bytes = arena_alloc(&arena, sizes[i]);
        if (!CHECK(bytes != NULL))
            return;
        CHECK_INT((uintptr_t)bytes % alignof(max_align_t), 0);
        size_t nonzero = 0;
        for (size_t k = 0; k < sizes[i]; k++)
            nonzero += bytes[k] != 0;
        CHECK_INT(nonzero, 0);
        memset(bytes, 0xAA, sizes[i]);
    }
    CHECK(!arena.overflowed);
}

static void test_cap(void)
{
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 1024);
    CHECK(arena_alloc(&arena, 1000) != NULL);
    CHECK(arena_alloc(&arena, 17) == NULL);
    CHECK(arena.overflowed);
    CHECK(arena_alloc(&arena, 16) != NULL);
    CHECK_INT(arena.used_bytes, 1024);
    CHECK(arena_alloc(&arena, 0) == NULL);
    arena_done(&arena);
    CHECK_INT(arena.used_bytes, 0);
    CHECK(!arena.overflowed);
    CHECK(arena_alloc(&arena, 1024) != NULL);
}

static void test_overflowing_sizes(void)
{
    ARENA_AUTO struct arena arena;
    arena_init(&arena, SIZE_MAX);
    CHECK(arena_alloc(&arena, SIZE_MAX) == NULL);
    CHECK(arena_alloc(&arena, SIZE_MAX - 8) == NULL);
    CHECK(arena_array(&arena, SIZE_MAX / 2, 3) == NULL);
    CHECK(arena_strndup(&arena, "", SIZE_MAX) == NULL);
    CHECK(arena.overflowed);
}

static void test_copies(void)
{
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 4096);
    CHECK_TEXT(arena_strdup(&arena, "abc"), "abc");
    CHECK_TEXT(arena_strdup(&arena, NULL), NULL);
    CHECK_TEXT(arena_strndup(&arena, "abcdef", 3), "abc");
    CHECK_TEXT(arena_strndup(&arena, "", 0), "");
    CHECK(arena_strndup(&arena, NULL, 0) == NULL);
    CHECK(arena_memdup(&arena, NULL, 4) == NULL);
    CHECK_BYTES(arena_memdup(&arena, "\0a\0b", 4), 4, "\0a\0b", 4);
    CHECK_TEXT(arena_printf(&arena, "%s-%d", "x", 7), "x-7");
}

/* What was allocated before the mark stays as it was; memory after it comes back zeroed. */
static void test_snapshot_reset(void)
{
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 64u << 20);
    struct arena_mark empty = arena_snapshot(&arena);
    char *kept = arena_strdup(&arena, "kept");
    struct arena_mark mark = arena_snapshot(&arena);
    for (int round = 0; round < 3; round++) {
        for (size_t size = 1; size < 200000; size *= 3) {
            unsigned char *bytes = arena_alloc(&arena, size);
            CHECK(bytes != NULL && bytes[0] == 0 && bytes[size - 1] == 0);
            if (bytes != NULL)
                memset(bytes, 0xFF, size);
        }
        arena_reset(&arena, mark);
        CHECK_INT(arena.used_bytes, mark.used_bytes);
        CHECK_TEXT(kept, "kept");
    }
    arena_reset(&arena, empty);
    CHECK_INT(arena.used_bytes, 0);
    CHECK(arena.head == NULL);
}

static void test_fail_at(void)
{
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 4096);
    arena_fail_at(2);
    CHECK(arena_alloc(&arena, 8) != NULL);
    CHECK(arena_alloc(&arena, 8) == NULL);
    CHECK(arena.overflowed);
    CHECK(arena_alloc(&arena, 8) != NULL);
    arena_fail_at(1);
    arena_fail_at(0);
    CHECK(arena_alloc(&arena, 8) != NULL);
}

static void test_done_of_zeroed(void)
{
    struct arena arena = {0};
    arena_done(&arena);
    CHECK(arena_alloc(&arena, 1) == NULL);
    arena_done(&arena);
}

static bool is_zero(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* What was in it, small or large, does not show in what comes next. */
static void test_recycled(void)
{
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 65536);
    for (size_t size = 16; size <= 32768; size *= 4) {
        for (int i = 0; i < 2; i++) {
            unsigned char *bytes = arena_alloc(&arena, size);
            CHECK(bytes != NULL && is_zero(bytes, size));
            if (bytes != NULL)
                memset(bytes, 0xA5, size);
        }
        CHECK(arena_alloc(&arena, 65536) == NULL && arena.capped && arena.overflowed);
        arena_recycle(&arena);
        CHECK(arena.used_bytes == 0 && !arena.capped && !arena.overflowed);
    }
    unsigned char *whole = arena_alloc(&arena, 65536);
    CHECK(whole != NULL && is_zero(whole, 65536));
}

static CU_TestInfo tests[] = {
    {"alignment and zero", test_alignment_and_zero},
    {"cap", test_cap},
    {"overflowing sizes", test_overflowing_sizes},
    {"copies", test_copies},
    {"snapshot and reset", test_snapshot_reset},
    {"fail at", test_fail_at},
    {"done of a zeroed arena", test_done_of_zeroed},
    {"recycled", test_recycled},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("base/arena", tests)
