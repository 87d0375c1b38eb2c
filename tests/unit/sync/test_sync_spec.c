/* sync_spec: good payloads become structs; bad ones are told by path and with what to do. */
#include "check.h"
#include "io/json.h"
#include "sync/sync_spec.h"

#define SIDES                                                                                      \
    "\"sync_id\":\"s\",\"source\":{\"connection_id\":\"a\",\"table\":\"t\"},"                      \
    "\"target\":{\"connection_id\":\"b\",\"table\":\"t\"}"

static enum outcome decode(const char *text, struct arena *arena, struct sync_spec *spec,
                           struct err *err)
{
    const struct jval *object;
    TRY(jread_object(slice_of(text), arena, &object, err));
    TRY(fields_decode(&sync_spec_table, object, arena, spec, err));
    return sync_spec_check(spec, err);
}

static void test_defaults(void)
{
    struct arena arena ARENA_AUTO;
    struct sync_spec spec;
    struct err err = {0};
    arena_init(&arena, 1u << 20);
    if (!CHECK_OK(decode("{" SIDES "}", &arena, &spec, &err), &err))
        return;
    CHECK_INT(spec.mode, SYNC_FULL_REFRESH);
    CHECK_INT(spec.verify, SYNC_VERIFY_SAMPLE);
    CHECK_INT(spec.drift, SYNC_DRIFT_EVOLVE);
    CHECK_INT(spec.max_bad_rows, 0);
    CHECK_INT(spec.max_delete_percent, 10);
    CHECK_INT(spec.chunk_rows, 65536);
    CHECK_INT(spec.parallel, 1);
    CHECK_TEXT(spec.source.table, "t");
    CHECK(!spec.values.present);
}

static void test_refused(void)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"{}", "sync_id"},
        {"{" SIDES ",\"mode\":\"upsrt\"}", "upsert"},
        {"{" SIDES ",\"mode\":\"append\"}", "cursor"},
        {"{" SIDES ",\"cursor\":\"id\"}", "full_refresh"},
        {"{" SIDES ",\"columns\":[{}]}", "columns[0]"},
        {"{" SIDES ",\"columns\":[{\"from\":\"a\",\"constant\":\"b\"}]}", "columns[0]"},
        {"{" SIDES ",\"columns\":[{\"constant\":\"b\",\"to\":\"x\"}]}", "cast"},
        {"{" SIDES ",\"columns\":[{\"from\":\"a\",\"to\":\"_haul_x\"}]}", "_haul_"},
        {"{" SIDES ",\"chunk_rows\":1}", "chunk_rows"},
        {"{\"sync_id\":\"s\",\"source\":{\"connection_id\":\"a\",\"tabel\":\"t\"}}", "source"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena arena ARENA_AUTO;
        struct sync_spec spec;
        struct err err = {0};
        arena_init(&arena, 1u << 20);
        if (!CHECK_OUTCOME(decode(cases[i].text, &arena, &spec, &err), OUTCOME_PERMANENT, &err))
            continue;
        bool told =
            strstr(err.message, cases[i].says) != NULL || strstr(err.hint, cases[i].says) != NULL;
        if (!CHECK(told))
            CHECK_TEXT(err.message, cases[i].says);
    }
}

static CU_TestInfo tests[] = {
    {"defaults", test_defaults},
    {"refused with a reason", test_refused},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("sync/sync_spec", tests)
