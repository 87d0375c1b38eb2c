/* drift: what fits, what is widened, and what is made of it under each policy. */
#include "check.h"
#include "model/drift.h"

#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct value_limits native = {.uuid_native = true, .bool_native = true};
static const struct value_limits plain = {.decimal_precision = 65, .decimal_scale = 30};

static struct value_spec spec_of(const char *text)
{
    struct value_spec spec = {0};
    if (!CHECK(value_spec_parse(text, &spec)))
        printf("# %s\n", text);
    return spec;
}

static void fits_and_widens(void)
{
    static const struct {
        const char *from, *to;
        bool fits;
        const char *wider; /* NULL = none */
    } cases[] = {
        {"bool", "bool", true, "bool"},
        {"int64(16)", "int64(32)", true, "int64(32)"},
        {"int64(32)", "int64(16)", false, "int64(32)"},
        {"int64", "int64(32)", false, "int64"},
        {"int64(64)", "int64", true, "int64"},
        {"int64(32)", "decimal(10,0)", true, "decimal(10,0)"},
        {"int64(32)", "decimal(10,2)", false, "decimal(12,2)"},
        {"int64", "decimal(19,0)", true, "decimal(19,0)"},
        {"int64", "decimal(18,0)", false, "decimal(19,0)"},
        {"int64", "decimal", true, "decimal"},
        {"decimal(10,2)", "int64", false, "decimal(21,2)"},
        {"int64(32)", "float64", true, "float64"},
        {"int64(16)", "float64(32)", true, "float64(32)"},
        {"int64(32)", "float64(32)", false, "float64(64)"},
        {"int64", "float64", false, NULL},
        {"float64(32)", "float64", true, "float64"},
        {"float64", "float64(32)", false, "float64"},
        {"float64", "decimal", false, NULL},
        {"decimal(10,2)", "decimal(12,2)", true, "decimal(12,2)"},
        {"decimal(10,2)", "decimal(10,4)", false, "decimal(12,4)"},
        {"decimal(10,4)", "decimal(12,2)", false, "decimal(14,4)"},
        {"decimal(10,2)", "decimal", true, "decimal"},
        {"decimal", "decimal(10,2)", false, "decimal"},
        {"decimal(1000,0)", "decimal(10,9)", false, "decimal"},
        {"text(10)", "text(20)", true, "text(20)"},
        {"text(20)", "text(10)", false, "text(20)"},
        {"text", "text(10)", false, "text"},
        {"text(10)", "text", true, "text"},
        {"bytes(4)", "bytes(3)", false, "bytes(4)"},
        {"timestamp(3)", "timestamp(6)", true, "timestamp(6)"},
        {"timestamp(6)", "timestamp(3)", false, "timestamp(6)"},
        {"timestamp", "timestamp(3)", false, "timestamp"},
        {"timestamp", "timestamp(6)", true, "timestamp(6)"},
        {"timestamp(6)", "timestamp", true, "timestamp"},
        {"timestamp", "timestamptz", false, NULL},
        {"date", "timestamp", false, NULL},
        {"json", "json(binary)", true, "json(binary)"},
        {"json(binary)", "json", true, "json"},
        {"int64", "text", false, NULL},
        {"uuid", "text(36)", false, NULL},
        {"bool", "int64(8)", false, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct value_spec from = spec_of(cases[i].from), to = spec_of(cases[i].to), wider;
        struct str STR_AUTO out = str_with_max(100);
        bool same = CHECK_INT(drift_fits(&from, &to), cases[i].fits);
        bool widened = drift_widen(&from, &to, &wider);
        if (widened) {
            value_spec_format(&wider, &out);
            CHECK(drift_fits(&from, &wider) && drift_fits(&to, &wider));
        }
        if (!CHECK_TEXT(widened ? str_text(&out) : NULL, cases[i].wider) || !same)
            printf("# %s -> %s\n", cases[i].from, cases[i].to);
    }
}

/* "name spec[!]" with ! for not null. */
static struct column_spec column_of(const char *text, struct arena *arena)
{
    const char *blank = strchr(text, ' ');
    size_t len = strlen(text);
    bool not_null = text[len - 1] == '!';
    char *spec = arena_strndup(arena, blank + 1, len - (size_t)(blank - text) - 1 - not_null);
    return (struct column_spec){.name = arena_strndup(arena, text, (size_t)(blank - text)),
                                .spec = spec_of(spec),
                                .nullable = !not_null};
}

struct drift_case {
    const char *what;
    const char *wanted[3], *target[3];
    enum drift_policy policy;
    bool native;
    const char *want; /* kinds and lines, or the error's code */
};

static const char *run_case(const struct drift_case *c, struct arena *arena, struct err *err)
{
    static const char *const kinds[] = {"add", "widen", "nulls"};
    struct column_spec wanted[3], target[3];
    size_t wanted_count = 0, target_count = 0;
    static const size_t key[] = {0};
    struct drift_report report = {0};
    for (; wanted_count < 3 && c->wanted[wanted_count] != NULL; wanted_count++)
        wanted[wanted_count] = column_of(c->wanted[wanted_count], arena);
    for (; target_count < 3 && c->target[target_count] != NULL; target_count++)
        target[target_count] = column_of(c->target[target_count], arena);
    struct table_spec table = {.name = "shop",
                               .column_count = target_count,
                               .columns = target,
                               .key_count = 1,
                               .key = key};
    if (drift_compare(wanted, wanted_count, &table, c->native ? &native : &plain, c->policy, arena,
                      &report, err) != OUTCOME_OK)
        return err->code;
    struct str STR_AUTO text = str_with_max(1000);
    for (size_t i = 0; i < report.change_count; i++) {
        str_addf(&text, "%s %s:", kinds[report.changes[i].kind], report.changes[i].column.name);
        value_spec_format(&report.changes[i].column.spec, &text);
        str_add_text(&text, report.changes[i].column.nullable ? " " : "! ");
    }
    for (size_t i = 0; i < wanted_count; i++)
        if (report.omitted[i])
            str_addf(&text, "omit %s ", wanted[i].name);
    str_addf(&text, "%zu", report.line_count);
    return arena_strdup(arena, str_text(&text));
}

static void compares_under_policies(void)
{
    static const struct drift_case cases[] = {
        {"same", {"id int64!", "n text"}, {"id int64!", "n text"}, DRIFT_FAIL, true, "0"},
        {"added",
         {"id int64!", "n text(9)!"},
         {"id int64!"},
         DRIFT_EVOLVE,
         true,
         "add n:text(9) 1"},
        {"added, frozen", {"id int64!", "n text"}, {"id int64!"}, DRIFT_FREEZE, true, "omit n 1"},
        {"added, fail", {"id int64!", "n text"}, {"id int64!"}, DRIFT_FAIL, true, "drift.changed"},
        {"widened", {"id int64!"}, {"id int64(32)!"}, DRIFT_EVOLVE, true, "widen id:int64! 1"},
        {"widened, frozen", {"id int64!"}, {"id int64(32)!"}, DRIFT_FREEZE, true, "drift.changed"},
        {"widened, fail", {"id int64!"}, {"id int64(32)!"}, DRIFT_FAIL, true, "drift.changed"},
        {"narrower is fine", {"id int64(8)!"}, {"id int64!"}, DRIFT_FAIL, true, "0"},
        {"incompatible", {"id text!"}, {"id int64!"}, DRIFT_EVOLVE, true, "drift.incompatible"},
        {"incompatible, frozen", {"id text!"}, {"id int64!"}, DRIFT_FREEZE, true, "drift.changed"},
        {"nulls",
         {"id int64!", "n text"},
         {"id int64!", "n text!"},
         DRIFT_EVOLVE,
         true,
         "nulls n:text 1"},
        {"nulls, frozen",
         {"id int64!", "n text"},
         {"id int64!", "n text!"},
         DRIFT_FREEZE,
         true,
         "1"},
        {"nulls, fail",
         {"id int64!", "n text"},
         {"id int64!", "n text!"},
         DRIFT_FAIL,
         true,
         "drift.changed"},
        {"nulls in the key", {"id int64"}, {"id int64!"}, DRIFT_FAIL, true, "0"},
        {"wider and nulls",
         {"id int64!", "n text(9)"},
         {"id int64!", "n text(5)!"},
         DRIFT_EVOLVE,
         true,
         "widen n:text(9)! nulls n:text(9) 2"},
        {"not written",
         {"id int64!"},
         {"id int64!", "n text", "_haul_x date!"},
         DRIFT_FAIL,
         true,
         "0"},
        {"not written, not null", {"id int64!"}, {"id int64!", "n text!"}, DRIFT_FAIL, true, "1"},
        {"bool as int", {"b bool"}, {"b int64(8)"}, DRIFT_FAIL, false, "0"},
        {"bool where it is native",
         {"b bool"},
         {"b int64(8)"},
         DRIFT_EVOLVE,
         true,
         "drift.incompatible"},
        {"uuid as text", {"u uuid"}, {"u text(36)"}, DRIFT_FAIL, false, "0"},
        {"uuid as short text",
         {"u uuid"},
         {"u text(20)"},
         DRIFT_EVOLVE,
         false,
         "widen u:text(36) 1"},
        {"decimal beyond the system",
         {"d decimal(65,30)"},
         {"d decimal(65,0)"},
         DRIFT_EVOLVE,
         false,
         "drift.incompatible"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena ARENA_AUTO arena;
        struct err err = {0};
        arena_init(&arena, 1 << 20);
        if (!CHECK_TEXT(run_case(&cases[i], &arena, &err), cases[i].want))
            printf("# %s: %s\n", cases[i].what, err.message);
    }
}

static void errors_list_all_differences(void)
{
    static const struct drift_case c = {.wanted = {"a text", "b text(9)", "c date"},
                                        .target = {"a int64", "b text(5)"},
                                        .policy = DRIFT_FAIL,
                                        .native = true};
    struct arena ARENA_AUTO arena;
    struct err err = {0};
    arena_init(&arena, 1 << 20);
    CHECK_TEXT(run_case(&c, &arena, &err), "drift.changed");
    CHECK_TEXT(err.message,
               "the target table \"shop\" differs in 3 ways: column \"a\" is int64 in the target, "
               "and text cannot be brought together with it; column \"b\" is text(5) in the "
               "target, and text(9) does not fit into it; column \"c\" date is missing in the "
               "target");
    CHECK_INT(err.outcome, OUTCOME_PERMANENT);
    CHECK(err.hint[0] != '\0');
}

static void generated_columns_are_left_to_the_caller(void)
{
    struct arena ARENA_AUTO arena;
    struct err err = {0};
    struct drift_report report = {0};
    struct column_spec wanted = {.name = "g", .spec.type = VALUE_TEXT};
    struct column_spec existing = {.name = "g", .spec.type = VALUE_INT64, .generated = true};
    struct table_spec table = {.name = "t", .column_count = 1, .columns = &existing};
    arena_init(&arena, 1 << 20);
    CHECK_OK(drift_compare(&wanted, 1, &table, &native, DRIFT_FAIL, &arena, &report, &err), &err);
    CHECK_INT(report.line_count, 1);
    CHECK_INT(report.change_count, 0);
}

static void memory_may_fail(void)
{
    static const struct drift_case c = {.wanted = {"a int64", "b text"},
                                        .target = {"a int64(8)", "z date!"},
                                        .policy = DRIFT_EVOLVE,
                                        .native = true};
    enum outcome last = OUTCOME_RETRY;
    for (uint64_t n = 1; last != OUTCOME_OK && n < 40; n++) {
        struct arena ARENA_AUTO arena, ARENA_AUTO inputs;
        struct err err = {0};
        struct drift_report report = {.line_count = 99};
        arena_init(&arena, 1 << 20);
        arena_init(&inputs, 1 << 20);
        struct column_spec wanted[2] = {column_of(c.wanted[0], &inputs),
                                        column_of(c.wanted[1], &inputs)};
        struct column_spec target[2] = {column_of(c.target[0], &inputs),
                                        column_of(c.target[1], &inputs)};
        struct table_spec table = {.name = "t", .column_count = 2, .columns = target};
        arena_fail_at(n);
        last = drift_compare(wanted, 2, &table, &native, c.policy, &arena, &report, &err);
        arena_fail_at(0);
        CHECK_INT(report.line_count, last == OUTCOME_OK ? 3 : 99);
        CHECK(last == OUTCOME_OK ? n > 5 : last == OUTCOME_RETRY);
    }
    CHECK_INT(last, OUTCOME_OK);
}

static CU_TestInfo tests[] = {
    {"fits and widens", fits_and_widens},
    {"compares under policies", compares_under_policies},
    {"errors list all differences", errors_list_all_differences},
    {"generated columns are left to the caller", generated_columns_are_left_to_the_caller},
    {"memory may fail", memory_may_fail},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("model/drift", tests)
