/* log: what one call writes to descriptor 2. */
#include "base/log.h"

#include "base/clock.h"
#include "base/str.h"
#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static char captured[70000];

/* The calls' output instead of the terminal's; one read(2), as a pipe gives it. */
static const char *capture(void (*call)(void))
{
    int ends[2], saved = dup(STDERR_FILENO);
    captured[0] = '\0';
    if (!CHECK(saved >= 0 && pipe(ends) == 0))
        return captured;
    CHECK(dup2(ends[1], STDERR_FILENO) >= 0);
    call();
    CHECK(dup2(saved, STDERR_FILENO) >= 0);
    (void)close(saved);
    (void)close(ends[1]);
    ssize_t len = read(ends[0], captured, sizeof captured - 1);
    (void)close(ends[0]);
    captured[len < 0 ? 0 : len] = '\0';
    return captured;
}

/* The line behind its time, which is checked here. */
static const char *after_time(const char *line)
{
    int64_t us = 0;
    char time[CLOCK_TEXT_SIZE];
    if (!CHECK(strncmp(line, "{\"time\":\"", 9) == 0) || !CHECK(strlen(line) > 38))
        return line;
    text_copy(time, 28, line + 9);
    CHECK(clock_parse(time, &us) && us > clock_wall_us() - 60 * US_PER_S);
    return line + 9 + 27 + 2;
}

static void write_plain(void)
{
    LOG_AT(LOG_INFO, "worker.started", LOG_TEXT("topic", "a\"b"), LOG_INT("threads", -4),
           LOG_TEXT("empty", ""), LOG_TEXT("none", NULL));
}

static void write_bare(void)
{
    log_write(LOG_ERROR, "bare", NULL, 0);
}

static void write_debug(void)
{
    log_write(LOG_DEBUG, "quiet", NULL, 0);
}

static void test_line(void)
{
    log_init("sql-sync", LOG_INFO);
    CHECK_TEXT(after_time(capture(write_plain)),
               "\"level\":\"info\",\"component\":\"sql-sync\",\"event\":\"worker.started\","
               "\"topic\":\"a\\\"b\",\"threads\":-4}\n");
    CHECK_TEXT(after_time(capture(write_bare)),
               "\"level\":\"error\",\"component\":\"sql-sync\",\"event\":\"bare\"}\n");
}

static void test_levels(void)
{
    log_init("x", LOG_INFO);
    CHECK_TEXT(capture(write_debug), "");
    log_init("x", LOG_DEBUG);
    CHECK(strstr(capture(write_debug), "\"level\":\"debug\"") != NULL);
    enum log_level level = LOG_ERROR;
    CHECK(log_level_parse("warn", &level) && level == LOG_WARN);
    CHECK(!log_level_parse("loud", &level) && level == LOG_WARN);
}

static void *write_in_thread(void *unused)
{
    (void)unused;
    write_bare();
    return NULL;
}

static void write_from_other_thread(void)
{
    pthread_t thread;
    if (CHECK(pthread_create(&thread, NULL, write_in_thread, NULL) == 0))
        (void)pthread_join(thread, NULL);
}

static void test_job(void)
{
    log_init("x", LOG_INFO);
    log_set_job("job-1", "4bf92f3577b34da6a3ce929d0e0e4736");
    CHECK_TEXT(after_time(capture(write_bare)),
               "\"level\":\"error\",\"component\":\"x\",\"event\":\"bare\",\"job_id\":\"job-1\","
               "\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\"}\n");
    CHECK(strstr(capture(write_from_other_thread), "job_id") == NULL);
    log_set_job("", "");
    CHECK(strstr(capture(write_bare), "job_id") == NULL);
    log_set_job(NULL, NULL);
    CHECK(strstr(capture(write_bare), "trace_id") == NULL);
}

static void write_error(void)
{
    struct err err;
    (void)FAIL(&err, OUTCOME_RETRY, "net.reset", "connection to db was reset");
    (void)err_native(&err, "08006");
    LOG_AT(LOG_WARN, "job.failed", LOG_ERR_FIELDS(&err));
}

static void test_error_fields(void)
{
    const char *line = capture(write_error);
    CHECK(strstr(line, "\"error_class\":\"retry\",\"error_code\":\"net.reset\","
                       "\"error_native\":\"08006\","
                       "\"error_message\":\"connection to db was reset\",\"error_file\":") != NULL);
}

static void write_long(void)
{
    static char text[40000];
    memset(text, 'x', sizeof text - 1);
    LOG_AT(LOG_INFO, "long", LOG_TEXT("text", text));
    errno = ENOENT;
    LOG_AT(LOG_INFO, "after", LOG_INT("n", 1));
    CHECK_INT(errno, ENOENT);
}

static void test_long_line_is_cut(void)
{
    log_init("x", LOG_INFO);
    const char *text = capture(write_long);
    CHECK(strstr(text, "\"event\":\"long\",\"cut\":true}\n{\"time\"") != NULL);
}

static CU_TestInfo tests[] = {
    {"line", test_line},
    {"levels", test_levels},
    {"job", test_job},
    {"error fields", test_error_fields},
    {"a long line is cut", test_long_line_is_cut},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("base/log", tests)
