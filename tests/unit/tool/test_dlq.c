/* tools/haul: what becomes of a dead letter, the histogram of a replay, the shape of a payload. */
#include "check.h"
#include "io/json.h"
#include "payload_shape.h"
#include "replay_report.h"

static void test_fates(void)
{
    static const struct {
        bool is_job;
        int redrives; /* the letter's */
        const char *state;
        int64_t ledger_redrives;
        enum fate want;
    } cases[] = {
        {true, 0, "dead_lettered", 0, FATE_SENT},
        {true, 2, "dead_lettered", 2, FATE_SENT},
        {true, 0, NULL, 0, FATE_SENT},                  /* pruned, or its worker has no ledger */
        {true, 0, "dead_lettered", 1, FATE_AGAIN},      /* it lived once more and died */
        {true, 3, "dead_lettered", 3, FATE_QUARANTINE}, /* three times are enough */
        {true, 7, NULL, 0, FATE_QUARANTINE},
        {true, 3, "dead_lettered", 4, FATE_AGAIN},
        {true, 0, "running", 0, FATE_AGAIN},
        {true, 0, "waiting", 1, FATE_AGAIN},
        {true, 3, "succeeded", 3, FATE_AGAIN},
        {true, 0, "cancelled", 0, FATE_AGAIN},
        {false, 0, NULL, 0, FATE_NO_JOB},
        {false, 9, "dead_lettered", 0, FATE_NO_JOB},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct dead_letter letter = {
            .is_job = cases[i].is_job, .job_id = "j", .trail.redrive_count = cases[i].redrives};
        const struct dlq_known known = {cases[i].state, cases[i].ledger_redrives};
        if (!CHECK_INT(dlq_fate(&letter, &known, 3), cases[i].want))
            CHECK_INT(i, -1);
    }
    const struct dead_letter late = {.is_job = true, .job_id = "j", .deadline_us = 1};
    const struct dlq_known known = {"dead_lettered", 0}, lives = {"running", 0};
    CHECK_INT(dlq_fate(&late, &known, 3), FATE_LATE);
    CHECK_INT(dlq_fate(&late, &lives, 3), FATE_AGAIN);
}

static struct dead_letter letter_of(const char *code, const char *workspace, int64_t time_us)
{
    return (struct dead_letter){.is_job = true,
                                .job_id = "j",
                                .kind = "k",
                                .workspace_id = workspace,
                                .time_us = time_us,
                                .trail = {.error_class = "retry", .error_code = code}};
}

static void test_histogram(void)
{
    static struct replay_report report;
    ARENA_AUTO struct arena arena;
    STR_AUTO struct str json = str_with_max(1u << 20);
    arena_init(&arena, 1u << 20);
    report = (struct replay_report){.arena = &arena, .dry_run = true};
    static const struct {
        const char *code, *workspace;
        int64_t time_us;
        enum fate fate;
    } letters[] = {
        {"a", "w1", 5000000, FATE_SENT}, {"b", "w1", 1000000, FATE_SENT},
        {"b", "w2", 1000000, FATE_SENT}, {"b", "w1", 3000000, FATE_QUARANTINE},
        {"b", "w1", 2000000, FATE_SENT}, {"b", NULL, 0, FATE_NO_JOB},
        {"c", "w3", 1000000, FATE_LEFT},
    };
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
        struct dead_letter letter =
            letter_of(letters[i].code, letters[i].workspace, letters[i].time_us);
        replay_report_count(&report, &letter, letters[i].fate);
    }
    CHECK_INT(report.group_count, 4); /* what was not asked for has no bar */
    struct jwrite w = jwrite_to(&json);
    replay_report_write(&report, &w);
    CHECK_TEXT(report.groups[0].code, "b");
    CHECK_TEXT(report.groups[0].workspace_id, "w1");
    CHECK_INT(report.groups[0].counts[FATE_SENT], 2);
    CHECK_INT(report.groups[0].counts[FATE_QUARANTINE], 1);
    CHECK_INT(report.groups[0].oldest_us, 1000000);
    CHECK_INT(report.groups[0].newest_us, 3000000);
    const struct jval *read = NULL;
    struct err err = {0};
    CHECK_OK(jread_object(str_slice(&json), &arena, &read, &err), &err);
    CHECK_INT(jval_int(read, "replayed", -1), 4);
    CHECK_INT(jval_int(read, "filtered", -1), 1);
    CHECK_INT(jval_int(read, "quarantined", -1), 1);
    CHECK_INT(jval_int(read, "not_a_job", -1), 1);
}

static void test_more_groups_than_there_is_room_for(void)
{
    static struct replay_report report;
    ARENA_AUTO struct arena arena;
    char workspace[24];
    arena_init(&arena, 1u << 22);
    report = (struct replay_report){.arena = &arena};
    for (int i = 0; i < REPLAY_GROUPS_MAX + 5; i++) {
        struct dead_letter letter = letter_of("a", sheet_i64(i, workspace), 0);
        replay_report_count(&report, &letter, FATE_SENT);
    }
    CHECK_INT(report.group_count, REPLAY_GROUPS_MAX);
    CHECK_INT(report.not_grouped, 5);
    CHECK_INT(report.counts[FATE_SENT], REPLAY_GROUPS_MAX + 5);
}

static void shape_of(const char *json, struct arena *arena, struct shape *ret_shape)
{
    const struct jval *value = NULL;
    struct err err = {0};
    if (CHECK_OK(jread(slice_of(json), arena, &value, &err), &err))
        payload_shape(value, arena, ret_shape);
}

static void test_shape_shows_no_data(void)
{
    static struct shape shape;
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 1u << 20);
    shape_of(
        "{\"id\":\"j1\",\"data\":{\"sync_id\":\"s\",\"where\":\"ssn = 1\",\"n\":42,\"ok\":true,"
        "\"none\":null,\"list\":[{\"table\":\"t\",\"value\":\"x\"},{\"value\":\"y\"}],"
        "\"empty\":[]}}",
        &arena, &shape);
    static const struct shape_line want[] = {
        {"id", "string of 2 bytes", "j1"},
        {"data", "object of 7", NULL},
        {"data.sync_id", "string of 1 bytes", "s"},
        {"data.where", "string of 7 bytes", NULL},
        {"data.n", "integer", NULL},
        {"data.ok", "boolean", NULL},
        {"data.none", "null", NULL},
        {"data.list", "list of 2", NULL},
        {"data.list[0]", "object of 2", NULL},
        {"data.list[0].table", "string of 1 bytes", "t"},
        {"data.list[0].value", "string of 1 bytes", NULL},
        {"data.empty", "list of 0", NULL},
    };
    CHECK(!shape.is_cut);
    if (!CHECK_INT(shape.count, sizeof want / sizeof *want))
        return;
    for (size_t i = 0; i < shape.count; i++) {
        CHECK_TEXT(shape.lines[i].path, want[i].path);
        CHECK_TEXT(shape.lines[i].type, want[i].type);
        CHECK((shape.lines[i].text == NULL) == (want[i].text == NULL));
        if (want[i].text != NULL)
            CHECK_TEXT(shape.lines[i].text, want[i].text);
    }
}

static void test_shape_is_bounded(void)
{
    static struct shape shape;
    ARENA_AUTO struct arena arena;
    STR_AUTO struct str json = str_with_max(1u << 20);
    arena_init(&arena, 1u << 22);
    shape_of("[[[[[[[[[[[[1]]]]]]]]]]]]", &arena, &shape);
    CHECK(shape.is_cut);
    shape_of("7", &arena, &shape);
    CHECK_INT(shape.count, 0);
    for (int i = 0; i < SHAPE_LINES_MAX + 10; i++)
        str_addf(&json, "%s\"k%d\":1", i == 0 ? "{" : ",", i);
    str_add_char(&json, '}');
    shape_of(str_text(&json), &arena, &shape);
    CHECK(shape.is_cut);
    CHECK_INT(shape.count, SHAPE_LINES_MAX);
}

static void test_shape_without_memory(void)
{
    static struct shape shape;
    for (uint64_t n = 1; n < 30; n++) {
        ARENA_AUTO struct arena arena;
        const struct jval *value = NULL;
        struct err err = {0};
        arena_init(&arena, 1u << 20);
        CHECK_OK(jread(slice_of("{\"a\":{\"b\":[{\"c_id\":\"d\"}]}}"), &arena, &value, &err), &err);
        arena_fail_at(n);
        payload_shape(value, &arena, &shape);
        arena_fail_at(0);
        CHECK(shape.count <= 4);
    }
}

static CU_TestInfo tests[] = {
    {"fates", test_fates},
    {"histogram", test_histogram},
    {"more groups than there is room for", test_more_groups_than_there_is_room_for},
    {"a shape shows no data", test_shape_shows_no_data},
    {"a shape is bounded", test_shape_is_bounded},
    {"a shape without memory", test_shape_without_memory},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("tool/dlq", tests)
