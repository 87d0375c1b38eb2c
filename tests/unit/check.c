/* check: see check.h. CUnit keeps the registry and the counts; the output is TAP of our own. */
#include "check.h"

#include <CUnit/TestRun.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned tests_done;

static bool verdict(bool ok, const char *expression, const char *file, int line)
{
    CU_assertImplementation(ok, (unsigned)line, expression, file, "", CU_FALSE);
    return ok;
}

bool check_true(bool value, const char *expression, const char *file, int line)
{
    if (!value)
        printf("# %s:%d: not true: %s\n", file, line, expression);
    return verdict(value, expression, file, line);
}

bool check_int(int64_t got, int64_t want, const char *expression, const char *file, int line)
{
    if (got != want)
        printf("# %s:%d: %s is %lld, not %lld\n", file, line, expression, (long long)got,
               (long long)want);
    return verdict(got == want, expression, file, line);
}

bool check_text(const char *got, const char *want, const char *expression, const char *file,
                int line)
{
    bool ok = got == want || (got != NULL && want != NULL && strcmp(got, want) == 0);
    if (!ok)
        printf("# %s:%d: %s is\n#   \"%s\", not\n#   \"%s\"\n", file, line, expression,
               got == NULL ? "(NULL)" : got, want == NULL ? "(NULL)" : want);
    return verdict(ok, expression, file, line);
}

static void print_hex(const char *label, const uint8_t *bytes, size_t len)
{
    printf("#   %s %zu:", label, len);
    for (size_t i = 0; i < len && i < 64; i++)
        printf(" %02x", bytes[i]);
    printf("\n");
}

bool check_bytes(const void *got, size_t got_len, const void *want, size_t want_len,
                 const char *file, int line)
{
    bool ok = got_len == want_len && (got_len == 0 || memcmp(got, want, got_len) == 0);
    if (!ok) {
        printf("# %s:%d: bytes differ\n", file, line);
        print_hex("got ", got, got_len);
        print_hex("want", want, want_len);
    }
    return verdict(ok, "bytes", file, line);
}

bool check_outcome(enum outcome got, enum outcome want, const struct err *err,
                   const char *expression, const char *file, int line)
{
    if (got != want)
        printf("# %s:%d: %s gave %s (%s: %s), not %s\n", file, line, expression, outcome_name(got),
               err == NULL ? "" : err->code, err == NULL ? "" : err->message, outcome_name(want));
    return verdict(got == want, expression, file, line);
}

static void test_complete(const CU_pTest test, const CU_pSuite suite,
                          const CU_pFailureRecord failure)
{
    (void)suite;
    printf("%sok %u - %s\n", failure == NULL ? "" : "not ", ++tests_done, test->pName);
    fflush(stdout);
}

int check_main(const char *suite, CU_TestInfo *tests, int argc, char **argv)
{
    CU_SuiteInfo suites[] = {{suite, NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS)
        return EXIT_FAILURE;
    printf("# %s\n", suite);
    CU_set_test_complete_handler(test_complete);
    if (argc > 1) /* one test by name: for debugging */
        CU_run_test(CU_get_suite(suite), CU_get_test(CU_get_suite(suite), argv[1]));
    else
        CU_run_all_tests();
    printf("1..%u\n", tests_done);
    unsigned failed = CU_get_number_of_tests_failed() + CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed == 0 && tests_done > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
