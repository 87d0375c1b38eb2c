/* io/pgsql without a server: SQLSTATEs, URLs, a port that nobody listens on. */
#include "base/clock.h"
#include "check.h"
#include "io/pgsql.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_outcomes_of_states(void)
{
    static const struct {
        const char *sqlstate;
        enum outcome want;
    } cases[] = {
        {NULL, OUTCOME_PERMANENT},    {"", OUTCOME_PERMANENT},      {"08006", OUTCOME_RETRY},
        {"08P01", OUTCOME_PERMANENT}, {"57P01", OUTCOME_RETRY},     {"57P03", OUTCOME_RETRY},
        {"57P04", OUTCOME_PERMANENT}, {"57014", OUTCOME_RETRY},     {"53300", OUTCOME_RETRY},
        {"53100", OUTCOME_RETRY},     {"40001", OUTCOME_RETRY},     {"40P01", OUTCOME_RETRY},
        {"40002", OUTCOME_PERMANENT}, {"55P03", OUTCOME_RETRY},     {"55000", OUTCOME_PERMANENT},
        {"23505", OUTCOME_PERMANENT}, {"42P01", OUTCOME_PERMANENT}, {"25006", OUTCOME_RETRY},
        {"XX000", OUTCOME_PERMANENT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (!CHECK_INT(pgsql_outcome(cases[i].sqlstate), cases[i].want))
            CHECK_TEXT(cases[i].sqlstate, "the case that failed");
}

static void test_finds_states_in_messages(void)
{
    static const struct {
        const char *message, *want;
    } cases[] = {
        {"connection to server at \"h\", port 1 failed: FATAL:  28P01: password ...", "28P01"},
        {"FATAL:  3D000: database \"x\" does not exist", "3D000"},
        {"FEHLER:  08006: x", "08006"},
        {"a:  b: FATAL:  57P03: starting up", "57P03"},
        {"connection to server failed: Connection refused", NULL},
        {"FATAL:  password authentication failed", NULL},
        {"FATAL:  28P01", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char state[6] = "none";
        CHECK_INT(pgsql_find_sqlstate(cases[i].message, state), cases[i].want != NULL);
        CHECK_TEXT(state, cases[i].want == NULL ? "none" : cases[i].want);
    }
}

static void test_refuses_urls(void)
{
    static const char *const cases[] = {NULL, "postgresql://u:s3cret@h:port:x/",
                                        "postgresql://h/?nosuch=s3cret", "s3cret"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        struct pgsql *db = NULL;
        struct pgsql_conf conf = {
            .uri = cases[i], .connect_timeout_ms = 500, .statement_timeout_ms = 500};
        CHECK_OUTCOME(pgsql_open(&conf, &db, &err), OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, "hub.conf");
        CHECK(strstr(err.message, "s3cret") == NULL);
        CHECK(db == NULL);
    }
}

static void test_nobody_listens(void)
{
    struct err err = {0};
    struct pgsql *db = NULL;
    struct pgsql_conf conf = {.uri = "postgresql://u:p@127.0.0.1:1/d",
                              .connect_timeout_ms = 500,
                              .statement_timeout_ms = 500};
    int64_t begin_us = clock_monotonic_us();
    CHECK_OUTCOME(pgsql_open(&conf, &db, &err), OUTCOME_RETRY, &err);
    CHECK_TEXT(err.code, "hub.unreachable");
    CHECK(clock_monotonic_us() - begin_us < 2 * US_PER_S);
}

/* A server that lets one client in, and is gone at its first statement. */
struct leaver {
    int fd;
    pthread_t thread;
    char uri[80];
};

static void *leave(void *arg)
{
    static const char welcome[] = {'R', 0, 0, 0, 8, 0, 0, 0, 0, 'Z', 0, 0, 0, 5, 'I'};
    const struct leaver *leaver = arg;
    char bytes[1024];
    int fd = accept(leaver->fd, NULL, NULL);
    CHECK(read(fd, bytes, sizeof bytes) > 0);
    CHECK_INT(write(fd, welcome, sizeof welcome), sizeof welcome);
    CHECK(read(fd, bytes, sizeof bytes) > 0);
    close(fd);
    return NULL;
}

static void leaver_start(struct leaver *leaver)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    leaver->fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_INT(bind(leaver->fd, (struct sockaddr *)&at, len), 0);
    CHECK_INT(listen(leaver->fd, 1), 0);
    CHECK_INT(getsockname(leaver->fd, (struct sockaddr *)&at, &len), 0);
    snprintf(leaver->uri, sizeof leaver->uri, "postgresql://u:p@127.0.0.1:%d/d?sslmode=disable",
             ntohs(at.sin_port));
    CHECK_INT(pthread_create(&leaver->thread, NULL, leave, leaver), 0);
}

/* libpq's own failures have no SQLSTATE: they are of the connection, not of the statement. */
static void test_left_in_the_first_statement(void)
{
    struct err err = {0};
    struct pgsql *db = NULL;
    struct leaver leaver;
    leaver_start(&leaver);
    struct pgsql_conf conf = {
        .uri = leaver.uri, .connect_timeout_ms = 5000, .statement_timeout_ms = 5000};
    CHECK_OUTCOME(pgsql_open(&conf, &db, &err), OUTCOME_RETRY, &err);
    CHECK_TEXT(err.code, "hub.unreachable");
    CHECK(strstr(err.message, "closed the connection") != NULL);
    pthread_join(leaver.thread, NULL);
    close(leaver.fd);
}

static void test_parameters(void)
{
    struct pgsql_params params = PGSQL_PARAMS(PGSQL_INT(INT64_MIN), NULL, PGSQL_BOOL(false));
    CHECK_INT(params.count, 3);
    CHECK_TEXT(params.texts[0], "-9223372036854775808");
    CHECK(params.texts[1] == NULL);
    CHECK_TEXT(params.texts[2], "false");
}

struct row {
    const char *text;
    int number;
    int64_t big;
    bool flag;
};

static void test_arrays(void)
{
    static const struct row rows[] = {{"plain", 1, INT64_MAX, true},
                                      {"a \"b\" \\ {c,d}", -2, 0, false},
                                      {NULL, 0, -1, true},
                                      {"NULL", 0, 0, false},
                                      {"caf\xe9 \xc3\xa9", 0, 0, false}};
    static const struct {
        struct pgsql_column column;
        const char *array;
    } cases[] = {
        {{PGSQL_MEMBER_TEXT, offsetof(struct row, text)},
         "{\"plain\",\"a \\\"b\\\" \\\\ {c,d}\",NULL,\"NULL\",\"caf? ??\"}"},
        {{PGSQL_MEMBER_INT, offsetof(struct row, number)}, "{1,-2,0,0,0}"},
        {{PGSQL_MEMBER_INT64, offsetof(struct row, big)}, "{9223372036854775807,0,-1,0,0}"},
        {{PGSQL_MEMBER_BOOL, offsetof(struct row, flag)}, "{t,f,t,f,f}"},
    };
    struct arena arena ARENA_AUTO;
    arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pgsql_structs structs = {rows, sizeof *rows, 5};
        CHECK_TEXT(pgsql_array(structs, cases[i].column, &arena), cases[i].array);
        CHECK(!pgsql_is_all_zero(structs, cases[i].column));
        const struct pgsql_structs no_text = {rows + 2, sizeof *rows, 1};
        const struct pgsql_structs text_alone = {rows + 3, sizeof *rows, 2};
        bool is_text = cases[i].column.type == PGSQL_MEMBER_TEXT;
        CHECK(pgsql_is_all_zero(text_alone, cases[i].column) == !is_text);
        CHECK(pgsql_is_all_zero(no_text, cases[i].column) ==
              (is_text || cases[i].column.type == PGSQL_MEMBER_INT));
        structs.count = 0;
        CHECK_TEXT(pgsql_array(structs, cases[i].column, &arena), "{}");
    }
}

static CU_TestInfo tests[] = {
    {"outcomes of states", test_outcomes_of_states},
    {"finds states in messages", test_finds_states_in_messages},
    {"refuses URLs", test_refuses_urls},
    {"nobody listens", test_nobody_listens},
    {"left in the first statement", test_left_in_the_first_statement},
    {"parameters", test_parameters},
    {"arrays", test_arrays},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("io/pgsql", tests)
