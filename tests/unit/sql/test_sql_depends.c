/* sql_depends: which of its two connections a failure is the fault of. */
#include "check.h"
#include "sql_sync.h"
#include "sync/sync_spec.h"

static void blames_the_side_that_failed(void)
{
    static const struct {
        const char *code, *message;
        int dependency;
    } cases[] = {
        {"connect.refused", "source: connect to postgres at h:1: refused", 0},
        {"connect.refused", "target: connect to postgres at h:1: refused", 1},
        {"connect.refused", "connect to postgres at h:1: refused", -1},
        {"read.lost", "the connection was lost", 0},
        {"write.lost", "the connection was lost", 1},
        {"deadlock", "source and target", -1},
        {"hub.unreachable", "connect to the hub", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        (void)FAIL(&err, OUTCOME_RETRY, cases[i].code, "%s", cases[i].message);
        CHECK_INT(sql_sync_blame(&err), cases[i].dependency);
    }
}

static void depends_on_both_connections(void)
{
    struct sync_spec spec = {0};
    struct job_dependency list[DEPENDENCIES_MAX] = {{0}};
    spec.source.connection_id = "shop";
    spec.target.connection_id = "warehouse";
    CHECK_INT(sql_sync_dependencies(&spec, list), 2);
    CHECK_TEXT(list[0].id, "shop");
    CHECK_TEXT(list[1].id, "warehouse");
    CHECK(!list[0].is_everyones && !list[1].is_everyones);
}

static CU_TestInfo tests[] = {
    {"blames the side that failed", blames_the_side_that_failed},
    {"depends on both connections", depends_on_both_connections},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("sql-sync/depends", tests)
