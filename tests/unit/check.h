/*
 * check: checks that print both values, and a main that runs a CU_TestInfo table and prints TAP.
 *
 *     static CU_TestInfo tests[] = {{"empty text", test_empty}, CU_TEST_INFO_NULL};
 *     CHECK_MAIN("base/str", tests)
 *
 * Threads: check on the main thread only (CUnit's own rule).
 */
#ifndef HAUL_TESTS_CHECK_H
#define HAUL_TESTS_CHECK_H

#include "base/err.h"

#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

bool check_true(bool value, const char *expression, const char *file, int line);
bool check_int(int64_t got, int64_t want, const char *expression, const char *file, int line);
bool check_text(const char *got, const char *want, const char *expression, const char *file,
                int line);
bool check_bytes(const void *got, size_t got_len, const void *want, size_t want_len,
                 const char *file, int line);
bool check_outcome(enum outcome got, enum outcome want, const struct err *err,
                   const char *expression, const char *file, int line);
int check_main(const char *suite, CU_TestInfo *tests, int argc, char **argv);

/* Each gives whether it held, so that a test can stop early. */
#define CHECK(expression) check_true((expression), #expression, __FILE__, __LINE__)
#define CHECK_INT(got, want) check_int((int64_t)(got), (int64_t)(want), #got, __FILE__, __LINE__)
#define CHECK_TEXT(got, want) check_text((got), (want), #got, __FILE__, __LINE__)
#define CHECK_BYTES(got, got_len, want, want_len)                                                  \
    check_bytes((got), (got_len), (want), (want_len), __FILE__, __LINE__)
#define CHECK_OK(call, err) check_outcome((call), OUTCOME_OK, (err), #call, __FILE__, __LINE__)
#define CHECK_OUTCOME(call, want, err)                                                             \
    check_outcome((call), (want), (err), #call, __FILE__, __LINE__)

#define CHECK_MAIN(suite, tests)                                                                   \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return check_main((suite), (tests), argc, argv);                                           \
    }

#endif
