/* Sessions: what is told when a connection cannot be had, stopping what runs, and who goes on. */
#include "contract.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

/* The configuration with one text or number changed. */
static const void *config_with(const char *name, const char *text, int64_t number)
{
    char *config = arena_memdup(&case_arena, subject_config, subject->config->struct_size);
    const struct field *field = fields_find(subject->config, name);
    if (!CHECK(field != NULL))
        return config;
    if (field->type == FIELD_STRING)
        memcpy(config + field->offset, &text, sizeof text);
    else
        memcpy(config + field->offset, &number, sizeof number);
    return config;
}

static enum outcome open_with(const void *config, struct err *err)
{
    struct session_request request = {
        .config = config, .application_name = "haul contract", .read_only = true};
    struct session *session = NULL;
    enum outcome outcome = subject->open(&request, &session, err);
    subject->close(session);
    return outcome;
}

static void test_check(void)
{
    struct session *session = contract_open(true);
    struct check_report report;
    struct err err;
    if (session != NULL && CHECK_OK(subject->check(session, &case_arena, &report, &err), &err)) {
        CHECK(strpbrk(report.server_version, "0123456789") != NULL);
        CHECK(report.clock_skew_us > -US_PER_S && report.clock_skew_us < US_PER_S);
    }
    subject->close(session);
    subject->close(NULL);
}

static void test_refused_connections(void)
{
    static const struct {
        const char *field, *text;
        int64_t number;
        enum outcome outcome;
        const char *code;
    } refused[] = {
        {"password", "wrong SECRETVALUE", 0, OUTCOME_PERMANENT, "connect.auth"},
        {"user", "nobody", 0, OUTCOME_PERMANENT, "connect.auth"},
        {"port", NULL, 1, OUTCOME_RETRY, "connect.refused"},
        {"host", "no-such-host.invalid", 0, OUTCOME_RETRY, "connect.refused"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct err err = {0};
        CHECK_OUTCOME(
            open_with(config_with(refused[i].field, refused[i].text, refused[i].number), &err),
            refused[i].outcome, &err);
        if (!CHECK_TEXT(err.code, refused[i].code))
            printf("# %s\n", err.message);
        CHECK(err.hint[0] != '\0');
        CHECK(strstr(err.message, "SECRETVALUE") == NULL);
    }
}

static void test_missing_database(void)
{
    struct err err = {0};
    CHECK_OUTCOME(open_with(config_with("database", "no_such_database", 0), &err),
                  OUTCOME_PERMANENT, &err);
    /* A server may hide what is missing behind the right to it. */
    CHECK(strcmp(err.code, "connect.database") == 0 || strcmp(err.code, "connect.auth") == 0);
}

/* ---- stopping ---- */

static const struct {
    const char *connector, *query;
} slow_queries[] = {
    {"postgres", "SELECT 1 AS one FROM pg_sleep(30)"},
    {"mysql", "SELECT SLEEP(30) AS one"},
};

struct stopper {
    pthread_t thread;
    struct session *session;
    volatile bool cancelled;
};

static void *stop_soon(void *ctx)
{
    struct stopper *stopper = ctx;
    clock_sleep_us(300 * US_PER_MS);
    stopper->cancelled = true;
    subject->interrupt(stopper->session);
    return NULL;
}

static enum outcome read_slowly(struct session *session, struct err *err)
{
    struct columns columns = contract_columns("one int64(32)");
    struct read_request request = {
        .stream = {NULL, "slow", NULL}, .columns = columns.specs, .column_count = 1};
    for (size_t i = 0; i < sizeof slow_queries / sizeof *slow_queries; i++) {
        if (strcmp(slow_queries[i].connector, subject->name) == 0)
            request.stream.query = slow_queries[i].query;
    }
    struct reader *reader = NULL;
    bool end = false;
    TRY(subject->read_begin(session, &request, &reader, err));
    struct batch *batch = batch_new(columns.specs, 1, 64, 1 << 20);
    enum outcome outcome = OUTCOME_OK;
    while (outcome == OUTCOME_OK && !end)
        outcome = subject->read_next(reader, batch, &end, err);
    subject->read_end(reader);
    batch_free(batch);
    return outcome;
}

/* As a worker does it: the flag is set, then the session interrupted. */
static void test_stop(void)
{
    struct stopper stopper = {.cancelled = false};
    struct session_request request = {.config = subject_config,
                                      .application_name = "haul contract",
                                      .read_only = true,
                                      .cancelled = &stopper.cancelled};
    struct err err = {0};
    if (!CHECK_OK(subject->open(&request, &stopper.session, &err), &err))
        return;
    int64_t from_us = clock_monotonic_us();
    CHECK_INT(pthread_create(&stopper.thread, NULL, stop_soon, &stopper), 0);
    CHECK_OUTCOME(read_slowly(stopper.session, &err), OUTCOME_CANCELLED, &err);
    CHECK(clock_monotonic_us() - from_us < 10 * US_PER_S);
    (void)pthread_join(stopper.thread, NULL);
    subject->close(stopper.session);
}

static void test_statement_timeout(void)
{
    struct session_request request = {.config = config_with("statement_timeout_ms", NULL, 300),
                                      .application_name = "haul contract",
                                      .read_only = true};
    struct session *session = NULL;
    struct err err = {0};
    if (CHECK_OK(subject->open(&request, &session, &err), &err)) {
        CHECK_OUTCOME(read_slowly(session, &err), OUTCOME_RETRY, &err);
        CHECK_TEXT(err.code, "statement.timeout");
    }
    subject->close(session);
}

#define QUERY (CONNECTOR_SOURCE | CONNECTOR_QUERY)

/* ---- two takes at once ---- */

struct taker {
    struct session *session;
    struct checkpoint_ref checkpoint;
    struct arena arena;
    enum outcome outcome;
    struct err err;
};

static void *take(void *arg)
{
    struct taker *taker = arg;
    const char *state;
    taker->outcome = subject->checkpoint_take(taker->session, &taker->checkpoint, &taker->arena,
                                              &state, &taker->err);
    return NULL;
}

/* The server may need a moment. */
static bool is_over(struct session *session)
{
    int64_t until_us = clock_monotonic_us() + 5 * US_PER_S;
    struct check_report report;
    struct err err;
    while (subject->check(session, &case_arena, &report, &err) == OUTCOME_OK) {
        if (clock_monotonic_us() > until_us)
            return false;
        clock_sleep_us(US_PER_MS);
    }
    return true;
}

static void take_at_once(int round)
{
    struct taker takers[2] = {0};
    pthread_t threads[2];
    const char *id = arena_printf(&case_arena, "at-once-%d", (int)getpid());
    for (int i = 0; i < 2; i++) {
        takers[i].session = contract_open(false);
        takers[i].checkpoint = (struct checkpoint_ref){NULL, id, 2 * round + i + 1};
        arena_init(&takers[i].arena, 1u << 20);
    }
    if (takers[0].session != NULL && takers[1].session != NULL) {
        for (int i = 0; i < 2; i++)
            CHECK(pthread_create(&threads[i], NULL, take, &takers[(i + round) % 2]) == 0);
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
        if (takers[1].outcome !=
            OUTCOME_RETRY) /* ended by the other, whose fence was not stale yet */
            CHECK_OK(takers[1].outcome, &takers[1].err);
        if (takers[1].outcome == OUTCOME_OK && takers[0].outcome == OUTCOME_OK)
            CHECK(is_over(takers[0].session));
    }
    for (int i = 0; i < 2; i++) {
        subject->close(takers[i].session);
        arena_done(&takers[i].arena);
    }
}

/* Who has taken it with the smaller fence can do nothing any more, in no transaction either. */
static void test_two_takes_at_once(void)
{
    for (int round = 0; round < 30; round++)
        take_at_once(round);
}

static const struct contract_case cases[] = {
    {"check", test_check, CONNECTOR_SOURCE},
    {"connections that are refused", test_refused_connections, CONNECTOR_SOURCE},
    {"a database that is missing", test_missing_database, CONNECTOR_SOURCE},
    {"a read is stopped", test_stop, QUERY},
    {"a statement that takes too long", test_statement_timeout, QUERY},
    {"of two takes at once one ends the other", test_two_takes_at_once,
     CONNECTOR_TARGET | CONNECTOR_TRANSACTIONAL},
};

CONTRACT_MAIN("sessions", cases)
