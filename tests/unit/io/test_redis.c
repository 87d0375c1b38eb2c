/* io/redis without a server: URLs, and a port that nobody listens on. */
#include "base/clock.h"
#include "check.h"
#include "io/redis.h"
#include "io/redis_url.h"

static void test_reads_urls(void)
{
    static const struct {
        const char *text;
        struct rconn_url want;
    } cases[] = {
        {"redis://h", {false, "h", NULL, NULL, 6379, 0}},
        {"redis://h/", {false, "h", NULL, NULL, 6379, 0}},
        {"redis://h:1/15", {false, "h", NULL, NULL, 1, 15}},
        {"redis://:pw@h", {false, "h", NULL, "pw", 6379, 0}},
        {"redis://u:p%40%3a%2F@h:2", {false, "h", "u", "p@:/", 2, 0}},
        {"redis://u:a@b@h", {false, "h", "u", "a@b", 6379, 0}},
        {"rediss://[::1]:7/3", {true, "::1", NULL, NULL, 7, 3}},
        {"rediss://[fe80::1]", {true, "fe80::1", NULL, NULL, 6379, 0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        struct rconn_url got = {0};
        ARENA_AUTO struct arena arena;
        arena_init(&arena, 4096);
        if (!CHECK_OK(rconn_url_parse(cases[i].text, &arena, &got, &err), &err))
            continue;
        CHECK_INT(got.has_tls, cases[i].want.has_tls);
        CHECK_TEXT(got.host, cases[i].want.host);
        CHECK_TEXT(got.user, cases[i].want.user);
        CHECK_TEXT(got.password, cases[i].want.password);
        CHECK_INT(got.port, cases[i].want.port);
        CHECK_INT(got.database, cases[i].want.database);
    }
}

static void test_refuses_urls(void)
{
    static const char *const cases[] = {
        NULL,
        "",
        "http://h",
        "redis://",
        "redis://:6379",
        "redis://h:x",
        "redis://h:65536",
        "redis://h/x",
        "redis://h/-1",
        "redis://s3cret@h",
        "redis://u:s3cret%4@h",
        "redis://u:s3cret%00@h",
        "redis://[::1",
        "redis://[::1]x",
        "redis://h?s3cret=1",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        struct rconn_url url = {.port = -5};
        ARENA_AUTO struct arena arena;
        arena_init(&arena, 4096);
        CHECK_OUTCOME(rconn_url_parse(cases[i], &arena, &url, &err), OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, "redis.url");
        CHECK(strstr(err.message, "s3cret") == NULL);
        CHECK_INT(url.port, -5);
    }
}

static void test_nobody_listens(void)
{
    struct err err = {0};
    struct rconn *conn = NULL;
    struct rconn_conf conf = {"redis://127.0.0.1:1", 500, 500, NULL};
    CHECK_OK(rconn_open(&conf, &conn, &err), &err); /* does not connect */
    CHECK_OUTCOME(rconn_ping(conn, &err), OUTCOME_RETRY, &err);
    CHECK_TEXT(err.code, "redis.unreachable");
    CHECK(strstr(err.message, "connect to redis at 127.0.0.1:1") != NULL);
    CHECK_OUTCOME(rconn_ping(conn, &err), OUTCOME_RETRY, &err);
    CHECK(strstr(err.message, "not tried again") != NULL);
    clock_sleep_us(80 * US_PER_MS);
    CHECK_OUTCOME(rconn_ping(conn, &err), OUTCOME_RETRY, &err);
    CHECK(strstr(err.message, "connect to") != NULL);
    rconn_close(conn);
}

static void test_tls_needs_a_newer_library(void)
{
    struct err err = {0};
    struct rconn *conn = NULL;
    struct rconn_conf conf = {"rediss://h", 500, 500, NULL};
#ifdef HAUL_HAVE_HIREDIS_SSL
    CHECK_OK(rconn_open(&conf, &conn, &err), &err);
#else
    CHECK_OUTCOME(rconn_open(&conf, &conn, &err), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "redis.tls_missing");
#endif
    rconn_close(conn);
}

static void test_reply_accessors(void)
{
    struct rreply number = {.type = RREPLY_INT, .integer = 5};
    struct rreply text = {.type = RREPLY_TEXT, .text = {"7", 1}};
    struct rreply word = {.type = RREPLY_TEXT, .text = {"x", 1}};
    CHECK_INT(rreply_int(&number, -1), 5);
    CHECK_INT(rreply_int(&text, -1), 7);
    CHECK_INT(rreply_int(&word, -1), -1);
    CHECK_INT(rreply_int(NULL, -1), -1);
    CHECK_TEXT(rreply_text(&number, "none"), "none");
    CHECK_TEXT(rreply_text(NULL, "none"), "none");
    CHECK(rreply_item(&text, 0) == NULL);
}

static CU_TestInfo tests[] = {
    {"reads URLs", test_reads_urls},
    {"refuses URLs", test_refuses_urls},
    {"nobody listens", test_nobody_listens},
    {"TLS needs a newer library", test_tls_needs_a_newer_library},
    {"reply accessors", test_reply_accessors},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("io/redis", tests)
