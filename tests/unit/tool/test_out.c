/* tools/haul: tables and numbers for people, and the same as JSON. */
#include "base/clock.h"
#include "check.h"
#include "out.h"
#include "watch.h"

static void test_counts(void)
{
    static const struct {
        int64_t count;
        const char *want;
    } cases[] = {
        {0, "0"},
        {7, "7"},
        {999, "999"},
        {1000, "1,000"},
        {-1, "-1"},
        {-123456, "-123,456"},
        {1234567, "1,234,567"},
        {INT64_MAX, "9,223,372,036,854,775,807"},
        {INT64_MIN, "-9,223,372,036,854,775,808"},
    };
    char text[HUMAN_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_TEXT(human_count(cases[i].count, text), cases[i].want);
}

static void test_bytes(void)
{
    static const struct {
        int64_t bytes;
        const char *want;
    } cases[] = {
        {0, "0 B"},         {999, "999 B"},   {1000, "1 kB"},        {1234, "1.23 kB"},
        {999499, "999 kB"}, {999500, "1 MB"}, {104857600, "105 MB"}, {INT64_MAX, "9.22 EB"},
    };
    char text[HUMAN_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_TEXT(human_bytes(cases[i].bytes, text), cases[i].want);
}

static void test_durations(void)
{
    static const struct {
        int64_t us;
        const char *want;
    } cases[] = {
        {0, "0 ms"},
        {999999, "999 ms"},
        {1500000, "1.5 s"},
        {INT64_C(61) * 1000000, "1 min 1 s"},
        {INT64_C(3660) * 1000000, "1 h 1 min"},
        {INT64_C(90000) * 1000000, "1 d 1 h"},
    };
    char text[HUMAN_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_TEXT(human_duration(cases[i].us, text), cases[i].want);
}

static const struct sheet_column columns[] = {
    {"name", "NAME", SHEET_TEXT}, {"count", "N", SHEET_INT},    {"on", "ON", SHEET_BOOL},
    {"at", "AT", SHEET_TIME},     {"extra", "", SHEET_MORE},    {"size", "", SHEET_MORE_INT},
    {"data", "", SHEET_JSON},     {"note", "NOTE", SHEET_TEXT},
};

static struct sheet make_sheet(struct arena *arena)
{
    struct sheet sheet = sheet_new(columns, sizeof columns / sizeof *columns, "nothing", arena);
    SHEET_ROW(&sheet, "grün", "7", "true", "2026-11-21T07:18:26.5Z", "x", "12", "{\"a\":1}", "ok");
    SHEET_ROW(&sheet, NULL, "1234", "false", NULL, NULL, NULL, NULL, "two\nlines");
    return sheet;
}

static void test_sheet_for_people(void)
{
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 1u << 20);
    struct out out = {.text = str_with_max(1u << 20)}; /* no terminal: any width */
    struct sheet sheet = make_sheet(&arena);
    sheet_add_text(&sheet, &out);
    CHECK_TEXT(str_text(&out.text), "NAME     N  ON   AT                   NOTE\n"
                                    "grün     7  yes  2026-11-21 07:18:26  ok\n"
                                    "-     1234       -                    two lines\n");
    out_done(&out);
}

static void test_sheet_as_json(void)
{
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 1u << 20);
    STR_AUTO struct str out = str_with_max(1u << 20);
    struct sheet sheet = make_sheet(&arena);
    struct jwrite w = jwrite_to(&out);
    sheet_write(&sheet, &w);
    CHECK_TEXT(str_text(&out),
               "[{\"name\":\"grün\",\"count\":7,\"on\":true,\"at\":\"2026-11-21T07:18:26.5Z\","
               "\"extra\":\"x\",\"size\":12,\"data\":{\"a\":1},\"note\":\"ok\"},"
               "{\"name\":null,\"count\":1234,\"on\":false,\"at\":null,\"extra\":null,"
               "\"size\":null,\"data\":null,\"note\":\"two\\nlines\"}]");
}

static void test_long_cells_are_cut(void)
{
    static const struct sheet_column two[] = {{"a", "A", SHEET_TEXT}, {"b", "B", SHEET_TEXT}};
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 1u << 20);
    struct out out = {.text = str_with_max(1u << 20)};
    char text[101] = "";
    memset(text, 'x', 100);
    struct sheet sheet = sheet_new(two, 2, "nothing", &arena);
    SHEET_ROW(&sheet, text, text);
    sheet_add_text(&sheet, &out);
    const char *cut = strstr(str_text(&out.text), "x\xe2\x80\xa6  x");
    CHECK(cut != NULL);
    CHECK(strstr(str_text(&out.text), text) != NULL); /* the last column is whole */
    out_done(&out);
}

static void test_rows_survive_growing(void)
{
    static const struct sheet_column one[] = {{"n", "N", SHEET_INT}};
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 1u << 20);
    struct sheet sheet = sheet_new(one, 1, "nothing", &arena);
    for (int64_t i = 0; i < 1000; i++)
        SHEET_ROW(&sheet, SHEET_I64(i));
    CHECK_INT(sheet.row_count, 1000);
    CHECK_TEXT(sheet.cells[0], "0");
    CHECK_TEXT(sheet.cells[999], "999");
    CHECK(!sheet.failed);
}

static void test_without_memory_it_fails(void)
{
    for (uint64_t n = 1; n < 8; n++) {
        ARENA_AUTO struct arena arena;
        arena_init(&arena, 1u << 20);
        struct sheet sheet = sheet_new(columns, 8, "nothing", &arena);
        arena_fail_at(n);
        SHEET_ROW(&sheet, "a", "1", "true", "b", "c", "2", "3", "d");
        arena_fail_at(0);
        CHECK(sheet.failed);
    }
}

static void test_time_of_a_ulid(void)
{
    static const struct {
        const char *text;
        int64_t want_us;
    } cases[] = {
        {"00000000000000000000000000", 0},
        {"00000000010000000000000000", 1000},
        {"01ARYZ6S41TSV4RRFFQ69G5FAV", INT64_C(1469918176385) * 1000},
        {"7ZZZZZZZZZZZZZZZZZZZZZZZZZ", INT64_C(281474976710655) * 1000},
        {"8ZZZZZZZZZZZZZZZZZZZZZZZZZ", 0},
        {"01ARYZ6S41TSV4RRFFQ69G5FA", 0},
        {"01ARYZ6S41TSV4RRFFQ69G5FAU", 0},
        {"mine-1", 0},
        {"", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_INT(ulid_time_us(cases[i].text), cases[i].want_us);
}

static CU_TestInfo tests[] = {
    {"counts", test_counts},
    {"bytes", test_bytes},
    {"durations", test_durations},
    {"a table for people", test_sheet_for_people},
    {"a table as JSON", test_sheet_as_json},
    {"long cells are cut", test_long_cells_are_cut},
    {"rows survive growing", test_rows_survive_growing},
    {"without memory it fails", test_without_memory_it_fails},
    {"the time of a ULID", test_time_of_a_ulid},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("tool/out", tests)
