/* err: the record, its cuts, the names of the classes, the macros. */
#include "base/err.h"

#include "base/str.h"
#include "check.h"

static void test_set(void)
{
    struct err err = {.row_fault = true, .retry_after_ms = 5, .hint = "old", .native = "42P01"};
    CHECK_INT(FAIL(&err, OUTCOME_PERMANENT, "target.table_missing", "no table %s", "t"),
              OUTCOME_PERMANENT);
    CHECK_INT(err.outcome, OUTCOME_PERMANENT);
    CHECK_TEXT(err.code, "target.table_missing");
    CHECK_TEXT(err.message, "no table t");
    CHECK_TEXT(err.hint, "");
    CHECK_TEXT(err.native, "");
    CHECK(!err.row_fault && err.retry_after_ms == 0 && err.line > 0);
    CHECK(strstr(err.file, "test_err.c") != NULL);
    CHECK_INT(err_hint(&err, "create %s", "it"), OUTCOME_PERMANENT);
    CHECK_TEXT(err.hint, "create it");
    CHECK_INT(err_native(&err, "42P01"), OUTCOME_PERMANENT);
    CHECK_TEXT(err.native, "42P01");
    CHECK_INT(err_native(&err, NULL), OUTCOME_PERMANENT);
    CHECK_TEXT(err.native, "");
    CHECK_INT(err_prefix(&err, "sync %d", 3), OUTCOME_PERMANENT);
    CHECK_TEXT(err.message, "sync 3: no table t");
    err_clear(&err);
    CHECK_INT(err.outcome, OUTCOME_OK);
    CHECK_TEXT(err.message, "");
}

static void test_null_record_keeps_the_class(void)
{
    CHECK_INT(FAIL(NULL, OUTCOME_THROTTLED, "x", "y"), OUTCOME_THROTTLED);
    CHECK_INT(err_hint(NULL, "wait"), OUTCOME_THROTTLED);
    CHECK_INT(err_native(NULL, "429"), OUTCOME_THROTTLED);
    CHECK_INT(err_prefix(NULL, "p"), OUTCOME_THROTTLED);
    err_clear(NULL);
}

/* A text that does not fit is cut between code points. */
static void test_long_texts(void)
{
    struct err err;
    char text[2000];
    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xC3\xA9", 3);
    (void)FAIL(&err, OUTCOME_BUG, "a.code.that.is.longer.than.any.code.should.ever.be.here", "x%s",
               text);
    CHECK_INT(strlen(err.message), sizeof err.message - 1);
    CHECK(utf8_is_valid(err.message, strlen(err.message)));
    CHECK_INT(strlen(err.code), sizeof err.code - 1);
    (void)err_hint(&err, "%s", text);
    CHECK_INT(strlen(err.hint), sizeof err.hint - 2);
    CHECK(utf8_is_valid(err.hint, strlen(err.hint)));
    (void)err_prefix(&err, "before");
    CHECK(strncmp(err.message, "before: x", 9) == 0);
    CHECK(utf8_is_valid(err.message, strlen(err.message)));
}

static void test_own_text_as_argument(void)
{
    struct err err;
    (void)FAIL(&err, OUTCOME_RETRY, "a", "inner");
    (void)FAIL(&err, OUTCOME_PERMANENT, err.code, "outer of %s", err.message);
    CHECK_TEXT(err.message, "outer of inner");
    CHECK_TEXT(err.code, "a");
    (void)err_hint(&err, "one");
    (void)err_hint(&err, "%s, two", err.hint);
    CHECK_TEXT(err.hint, "one, two");
}

static void test_names(void)
{
    for (unsigned i = 0; i < OUTCOME_COUNT; i++) {
        enum outcome parsed = OUTCOME_BUG;
        CHECK(outcome_parse(outcome_name((enum outcome)i), &parsed));
        CHECK_INT(parsed, i);
    }
    enum outcome untouched = OUTCOME_RETRY;
    CHECK(!outcome_parse("Retry", &untouched) && !outcome_parse("", &untouched));
    CHECK(!outcome_parse(NULL, &untouched));
    CHECK_INT(untouched, OUTCOME_RETRY);
    CHECK_TEXT(outcome_name((enum outcome)99), "unknown");
    CHECK_TEXT(outcome_name(OUTCOME_RETRY), "retry");
}

static enum outcome try_both(enum outcome first, const void *pointer, struct err *err)
{
    TRY(first);
    TRY_ALLOC(pointer, err);
    return OUTCOME_OK;
}

static void test_macros(void)
{
    struct err err = {0};
    CHECK_INT(try_both(OUTCOME_CANCELLED, "", &err), OUTCOME_CANCELLED);
    CHECK_INT(try_both(OUTCOME_OK, "", &err), OUTCOME_OK);
    CHECK_INT(try_both(OUTCOME_OK, NULL, &err), OUTCOME_RETRY);
    CHECK_TEXT(err.code, "no_memory");
}

static CU_TestInfo tests[] = {
    {"set", test_set},
    {"a NULL record keeps the class", test_null_record_keeps_the_class},
    {"long texts", test_long_texts},
    {"its own text as argument", test_own_text_as_argument},
    {"names", test_names},
    {"macros", test_macros},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("base/err", tests)
