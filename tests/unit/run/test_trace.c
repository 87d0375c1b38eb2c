/* trace: of the job's id, in W3C's form. */
#include "run/trace.h"

#include "check.h"

static void each_job_has_its_own(void)
{
    struct arena arena ARENA_AUTO;
    arena_init(&arena, 4096);
    const char *a = trace_of_job("a", &arena), *b = trace_of_job("b", &arena);
    CHECK_TEXT(a, trace_of_job("a", &arena));
    CHECK(strncmp(a, b, 35) != 0);
    CHECK_INT(strlen(a), 55);
    CHECK_INT(strspn(a, "0123456789abcdef-"), 55);
    CHECK(a[2] == '-' && a[35] == '-' && strcmp(a + 52, "-01") == 0);
}

static void what_has_no_name_has_one_too(void)
{
    struct arena arena ARENA_AUTO;
    arena_init(&arena, 4096);
    CHECK(strcmp(trace_of_job(NULL, &arena), trace_of_job(NULL, &arena)) != 0);
}

static CU_TestInfo tests[] = {
    {"each job has its own", each_job_has_its_own},
    {"what has no name has one too", what_has_no_name_has_one_too},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("run/trace", tests)
