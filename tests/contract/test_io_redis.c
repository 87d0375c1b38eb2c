/* io/redis against a real Redis: REDIS_URL and REDIS_ADMIN_ name it. */
#include "base/clock.h"
#include "check.h"
#include "io/redis.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static struct rconn *conn, *other;
static struct arena arena;
static struct err err;

static bool open_as(const char *url, struct rconn **ret_conn)
{
    struct rconn_conf conf = {url, 2000, 300, NULL};
    return CHECK(url != NULL) && CHECK_OK(rconn_open(&conf, ret_conn, &err), &err);
}

/* The server's URL with another login. */
static const char *url_as(const char *login)
{
    return arena_printf(&arena, "redis://%s@%s:%s", login, getenv("REDIS_HOST"),
                        getenv("REDIS_PORT"));
}

static bool setup(void)
{
    signal(SIGPIPE, SIG_IGN);
    arena_init(&arena, 1 << 20);
    err_clear(&err);
    const char *admin =
        arena_printf(&arena, "%s:%s", getenv("REDIS_ADMIN_USER"), getenv("REDIS_ADMIN_PASSWORD"));
    return open_as(getenv("REDIS_URL"), &conn) && open_as(url_as(admin), &other);
}

static void teardown(void)
{
    rconn_close(conn);
    rconn_close(other);
    conn = other = NULL;
    arena_done(&arena);
}

static const struct rreply *call(struct rwords words)
{
    const struct rreply *reply = NULL;
    return CHECK_OK(rconn_call(conn, &arena, words, &reply, &err), &err) ? reply : NULL;
}

static void test_replies_of_each_type(void)
{
    if (!setup())
        return;
    CHECK_OK(rconn_ping(conn, &err), &err);
    CHECK_TEXT(rreply_text(call(RWORDS("SET", "haul:t:a", "12")), NULL), "OK");
    CHECK_TEXT(rreply_text(call(RWORDS("GET", "haul:t:a")), NULL), "12");
    CHECK_INT(rreply_int(call(RWORDS("GET", "haul:t:a")), -1), 12);
    CHECK_INT(rreply_int(call(RWORDS("INCR", "haul:t:a")), -1), 13);
    CHECK_INT(call(RWORDS("GET", "haul:t:none"))->type, RREPLY_NIL);
    const struct rreply *list = call(RWORDS("MGET", "haul:t:a", "haul:t:none"));
    CHECK_INT(list->count, 2);
    CHECK_TEXT(rreply_text(rreply_item(list, 0), NULL), "13");
    CHECK_INT(rreply_item(list, 1)->type, RREPLY_NIL);
    CHECK(rreply_item(list, 2) == NULL);
    struct slice words[] = {slice_of("SET"), slice_of("haul:t:b"), {"x\0y", 3}};
    const struct rreply *reply = NULL;
    CHECK_OK(rconn_command(conn, &arena, words, 3, &reply, &err), &err);
    reply = call(RWORDS("GET", "haul:t:b"));
    CHECK_BYTES(reply->text.data, reply->text.len, "x\0y", 3);
    teardown();
}

static void test_error_replies_have_classes(void)
{
    if (!setup())
        return;
    const struct rreply *reply = NULL;
    call(RWORDS("SET", "haul:t:a", "text"));
    CHECK_OUTCOME(rconn_call(conn, &arena, RWORDS("LPUSH", "haul:t:a", "1"), &reply, &err),
                  OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "redis.refused");
    CHECK_TEXT(err.native, "WRONGTYPE");
    CHECK_OUTCOME(rconn_call(conn, &arena, RWORDS("NOSUCH", "s3cret"), &reply, &err),
                  OUTCOME_PERMANENT, &err);
    CHECK(strstr(err.message, "s3cret") == NULL);
    CHECK_OUTCOME(rconn_call(conn, &arena, RWORDS("EVALSHA", "abc", "0"), &reply, &err),
                  OUTCOME_RETRY, &err);
    CHECK_TEXT(err.code, "redis.busy");
    CHECK(reply == NULL);
    CHECK_OK(rconn_ping(conn, &err), &err); /* the connection lives on */
    teardown();
}

static void test_pipeline_in_order(void)
{
    if (!setup())
        return;
    const struct rreply *reply = NULL;
    call(RWORDS("SET", "haul:t:n", "0"));
    for (int i = 0; i < 1000; i++)
        CHECK_OK(rconn_append_call(
                     conn, i == 500 ? RWORDS("LPUSH", "haul:t:n", "1") : RWORDS("INCR", "haul:t:n"),
                     &err),
                 &err);
    CHECK_INT(rconn_pending(conn), 1000);
    CHECK_OUTCOME(rconn_ping(conn, &err), OUTCOME_BUG, &err);
    for (int i = 0; i < 1000; i++) {
        enum outcome outcome = rconn_read(conn, &arena, &reply, &err);
        if (i == 500)
            CHECK_INT(outcome, OUTCOME_PERMANENT);
        else
            CHECK_INT(rreply_int(reply, -1), i < 500 ? i + 1 : i);
    }
    CHECK_INT(rconn_pending(conn), 0);
    CHECK_OUTCOME(rconn_read(conn, &arena, &reply, &err), OUTCOME_BUG, &err);
    teardown();
}

static const char script_source[] = "return {KEYS[1], ARGV[1], redis.call('INCR', KEYS[1])}";

static void test_scripts_survive_a_flush(void)
{
    if (!setup())
        return;
    call(RWORDS("SCRIPT", "FLUSH"));
    struct rscript_call script = {script_source, RWORDS("haul:t:s"), RWORDS("arg")};
    const struct rreply *reply = NULL;
    call(RWORDS("DEL", "haul:t:s"));
    CHECK_OK(rconn_script(conn, &arena, &script, &reply, &err), &err);
    CHECK_TEXT(rreply_text(rreply_item(reply, 1), NULL), "arg");
    CHECK_INT(rreply_int(rreply_item(reply, 2), -1), 1);
    call(RWORDS("SCRIPT", "FLUSH"));
    CHECK_OK(rconn_script(conn, &arena, &script, &reply, &err), &err);
    CHECK_INT(rreply_int(rreply_item(reply, 2), -1), 2);
    /* in a pipeline the hash is not known to Redis any more: told, then loaded again */
    call(RWORDS("SCRIPT", "FLUSH"));
    CHECK_OK(rconn_append_script(conn, &script, &err), &err);
    CHECK_OUTCOME(rconn_read(conn, &arena, &reply, &err), OUTCOME_RETRY, &err);
    CHECK_TEXT(err.native, "NOSCRIPT");
    CHECK_OK(rconn_append_script(conn, &script, &err), &err);
    CHECK_OK(rconn_read(conn, &arena, &reply, &err), &err);
    CHECK_OK(rconn_script(conn, &arena, &script, &reply, &err), &err);
    /* a script that was never loaded, behind another command */
    static const char second[] = "return 7";
    struct rscript_call fresh = {second, RWORDS_NONE, RWORDS_NONE};
    CHECK_OK(rconn_append_call(conn, RWORDS("PING"), &err), &err);
    CHECK_OK(rconn_append_script(conn, &fresh, &err), &err);
    CHECK_OK(rconn_read(conn, &arena, &reply, &err), &err);
    CHECK_OK(rconn_read(conn, &arena, &reply, &err), &err);
    CHECK_INT(rreply_int(reply, -1), 7);
    teardown();
}

static void test_mends_a_killed_connection(void)
{
    if (!setup())
        return;
    const struct rreply *reply = NULL;
    char id[24];
    snprintf(id, sizeof id, "%lld", (long long)rreply_int(call(RWORDS("CLIENT", "ID")), -1));
    CHECK_OK(rconn_call(other, &arena, RWORDS("CLIENT", "KILL", "ID", id), &reply, &err), &err);
    CHECK_INT(rreply_int(reply, 0), 1);
    CHECK_OUTCOME(rconn_ping(conn, &err), OUTCOME_RETRY, &err);
    CHECK_TEXT(err.code, "redis.unreachable");
    CHECK_OUTCOME(rconn_ping(conn, &err), OUTCOME_RETRY, &err); /* within the backoff: at once */
    clock_sleep_us(100 * US_PER_MS);
    CHECK_OK(rconn_ping(conn, &err), &err);
    teardown();
}

static void test_commands_time_out(void)
{
    if (!setup())
        return;
    const struct rreply *reply = NULL;
    int64_t begin_us = clock_monotonic_us();
    CHECK_OUTCOME(rconn_call(conn, &arena, RWORDS("BLPOP", "haul:t:empty", "5"), &reply, &err),
                  OUTCOME_RETRY, &err);
    CHECK_TEXT(err.code, "redis.unreachable");
    CHECK(strstr(err.message, "timed out") != NULL);
    CHECK(clock_monotonic_us() - begin_us < 2 * US_PER_S);
    teardown();
}

static void test_wrong_password(void)
{
    if (!setup())
        return;
    const struct rreply *reply = NULL;
    CHECK_OK(rconn_call(
                 other, &arena,
                 RWORDS("ACL", "SETUSER", "haul-t", "on", ">right", "~haul:*", "+ping", "+select"),
                 &reply, &err),
             &err);
    static const struct {
        const char *login;
        enum outcome want;
    } cases[] = {{"haul-t:right", OUTCOME_OK},
                 {"haul-t:wr%6fng", OUTCOME_PERMANENT},
                 {"nobody:right", OUTCOME_PERMANENT}};
    for (size_t i = 0; i < 3; i++) {
        struct rconn *login = NULL;
        CHECK(open_as(url_as(cases[i].login), &login));
        CHECK_OUTCOME(rconn_ping(login, &err), cases[i].want, &err);
        if (cases[i].want != OUTCOME_OK) {
            CHECK_TEXT(err.code, "redis.auth");
            CHECK(strstr(err.message, "wrong") == NULL);
        } else {
            CHECK_OUTCOME(rconn_call(login, &arena, RWORDS("GET", "x"), &reply, &err),
                          OUTCOME_PERMANENT, &err);
            CHECK_TEXT(err.code, "redis.denied");
        }
        rconn_close(login);
    }
    CHECK_OK(rconn_call(other, &arena, RWORDS("ACL", "DELUSER", "haul-t"), &reply, &err), &err);
    teardown();
}

static CU_TestInfo tests[] = {
    {"replies of each type", test_replies_of_each_type},
    {"error replies have classes", test_error_replies_have_classes},
    {"a pipeline in order", test_pipeline_in_order},
    {"scripts survive a flush", test_scripts_survive_a_flush},
    {"mends a killed connection", test_mends_a_killed_connection},
    {"commands time out", test_commands_time_out},
    {"wrong password", test_wrong_password},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("io/redis with a server", tests)
