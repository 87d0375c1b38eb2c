/* run/lease_store against a real Redis: REDIS_URL names it. */
#include "base/clock.h"
#include "check.h"
#include "run/lease_store.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct rconn *conn;
static struct arena arena;
static struct err err;
static char prefix[64];

static bool setup(void)
{
    static int number;
    struct rconn_conf conf = {getenv("REDIS_URL"), 2000, 2000, NULL};
    signal(SIGPIPE, SIG_IGN);
    arena_init(&arena, 16 << 20);
    snprintf(prefix, sizeof prefix, "t%d_%d.", (int)getpid(), ++number);
    return CHECK(conf.url != NULL) && CHECK_OK(rconn_open(&conf, &conn, &err), &err);
}

static void teardown(void)
{
    rconn_close(conn);
    conn = NULL;
    arena_done(&arena);
}

static struct lease lease_of(const char *job, const char *token, const char *cap)
{
    struct lease lease = {.job_id = job, .cap = cap, .cap_max = 2};
    text_copy(lease.token, sizeof lease.token, token);
    return lease;
}

static bool take(struct lease lease, int64_t ttl_ms)
{
    bool taken = false;
    CHECK_OK(lease_store_acquire_many(conn, prefix, (struct leases){&lease, 1}, ttl_ms, &arena,
                                      &taken, &err),
             &err);
    return taken;
}

static enum lease_state renew(struct lease lease, int64_t ttl_ms)
{
    enum lease_state state = LEASE_LOST;
    CHECK_OK(
        lease_store_renew(conn, prefix, (struct leases){&lease, 1}, ttl_ms, &arena, &state, &err),
        &err);
    return state;
}

static void release(struct lease lease)
{
    bool clear = false;
    CHECK_OK(
        lease_store_release_many(conn, prefix, (struct leases){&lease, 1}, &clear, &arena, &err),
        &err);
}

static void a_lease_is_one_holders(void)
{
    for (int with_cap = 0; with_cap < 2 && setup(); with_cap++) {
        const char *cap = with_cap == 1 ? "w:a" : NULL;
        struct lease mine = lease_of("j", "x.1", cap), theirs = lease_of("j", "y.1", cap);
        CHECK(take(mine, 300));
        CHECK(take(mine, 300)); /* its answer may have been lost */
        CHECK(!take(theirs, 300));
        CHECK_INT(renew(mine, 300), LEASE_KEPT);
        CHECK_INT(renew(theirs, 300), LEASE_LOST);
        release(theirs);
        CHECK(!take(theirs, 300));
        CHECK_OK(lease_store_flag_cancel(conn, prefix, "j", &arena, &err), &err);
        CHECK_INT(renew(mine, 300), LEASE_CANCELLED);
        clock_sleep_us(400 * US_PER_MS);
        CHECK(take(theirs, 300));
        CHECK_INT(renew(mine, 300), LEASE_LOST);
        release(theirs);
        CHECK_INT(renew(mine, 300), LEASE_CANCELLED); /* forgotten, and nobody else took it */
        teardown();
    }
}

static void a_cap_holds_over_the_fleet(void)
{
    if (!setup())
        return;
    struct lease a = lease_of("a", "x.1", "w:acme"), b = lease_of("b", "y.1", "w:acme");
    struct lease c = lease_of("c", "x.2", "w:acme"), other = lease_of("d", "x.3", "w:beta");
    struct lease uncapped = lease_of("e", "x.4", NULL);
    CHECK(take(a, 400) && take(b, 400));
    CHECK(take(a, 400)); /* counted once */
    CHECK(!take(c, 400));
    CHECK(take(other, 400) && take(uncapped, 400));
    release(b);
    CHECK(take(c, 400));
    CHECK(!take(b, 400));
    /* what is not renewed makes room; what is, does not */
    clock_sleep_us(250 * US_PER_MS);
    CHECK_INT(renew(a, 400), LEASE_KEPT);
    clock_sleep_us(250 * US_PER_MS);
    CHECK(take(b, 400));
    CHECK(!take(c, 400));
    /* forgotten, it is counted again by the renewals */
    const struct rreply *reply = NULL;
    const char *key = arena_printf(&arena, "%scap:w:acme", prefix);
    CHECK_OK(rconn_call(conn, &arena, RWORDS("DEL", key), &reply, &err), &err);
    CHECK_INT(renew(a, 400), LEASE_KEPT);
    CHECK_INT(renew(b, 400), LEASE_KEPT);
    CHECK(!take(c, 400));
    teardown();
}

static void many_in_one_round_trip(void)
{
    enum { COUNT = 20 };
    if (!setup())
        return;
    struct lease leases[COUNT];
    bool taken[COUNT] = {false}, clear[COUNT] = {false};
    for (int i = 0; i < COUNT; i++)
        leases[i] = lease_of(arena_printf(&arena, "j%d", i), arena_printf(&arena, "x.%d", i),
                             i % 2 == 0 ? "w:acme" : NULL);
    struct leases all = {leases, COUNT};
    int capped = 0, free_ones = 0;
    CHECK_OK(lease_store_acquire_many(conn, prefix, all, 5000, &arena, taken, &err), &err);
    for (int i = 0; i < COUNT; i++) {
        capped += i % 2 == 0 && taken[i];
        free_ones += i % 2 == 1 && taken[i];
    }
    CHECK_INT(capped, 2);
    CHECK_INT(free_ones, COUNT / 2);
    CHECK_OK(lease_store_release_many(conn, prefix, all, clear, &arena, &err), &err);
    CHECK(take(leases[18], 5000));
    teardown();
}

/* More than one call of a script holds: others' stay, and a cancel goes only where it is to. */
static void very_many_with_others_between(void)
{
    enum { COUNT = 100 };
    if (!setup())
        return;
    struct lease leases[COUNT];
    bool taken[COUNT] = {false}, clear[COUNT];
    enum lease_state states[COUNT];
    for (int i = 0; i < COUNT; i++) {
        leases[i] = lease_of(arena_printf(&arena, "j%d", i), "x.1", NULL);
        clear[i] = i % 2 == 0;
        CHECK(i % 3 != 0 || take(lease_of(leases[i].job_id, "y.1", NULL), 5000));
        CHECK_OK(lease_store_flag_cancel(conn, prefix, leases[i].job_id, &arena, &err), &err);
    }
    struct leases all = {leases, COUNT};
    CHECK_OK(lease_store_acquire_many(conn, prefix, all, 5000, &arena, taken, &err), &err);
    CHECK_OK(lease_store_renew(conn, prefix, all, 5000, &arena, states, &err), &err);
    CHECK_OK(lease_store_release_many(conn, prefix, all, clear, &arena, &err), &err);
    for (int i = 0; i < COUNT; i++) {
        struct lease next = lease_of(leases[i].job_id, "z.1", NULL);
        bool is_ours = i % 3 != 0, is_flagged = !clear[i];
        CHECK(taken[i] == is_ours);
        CHECK_INT(states[i], is_ours ? LEASE_CANCELLED : LEASE_LOST);
        CHECK(take(next, 5000) == is_ours);
        CHECK(!is_ours || renew(next, 5000) == (is_flagged ? LEASE_CANCELLED : LEASE_KEPT));
    }
    teardown();
}

/* What is no lease is taken for an outage; what was sent beside it is read, and lost nothing. */
static void a_key_of_another_type(void)
{
    if (!setup())
        return;
    struct lease leases[] = {lease_of("a", "x.1", NULL), lease_of("b", "x.2", NULL),
                             lease_of("c", "x.3", NULL)};
    bool taken[3] = {false}, clear[3] = {false};
    const struct rreply *reply = NULL;
    const char *key = arena_printf(&arena, "%slease:b", prefix);
    CHECK_OK(rconn_call(conn, &arena, RWORDS("RPUSH", key, "1"), &reply, &err), &err);
    struct leases all = {leases, 3};
    CHECK(lease_store_acquire_many(conn, prefix, all, 5000, &arena, taken, &err) != OUTCOME_OK);
    CHECK_INT(rconn_pending(conn), 0);
    CHECK_OK(lease_store_release_many(conn, prefix, all, clear, &arena, &err), &err);
    CHECK(take(lease_of("a", "y.1", NULL), 5000) && take(lease_of("c", "y.1", NULL), 5000));
    teardown();
}

static CU_TestInfo tests[] = {
    {"a lease is one holder's", a_lease_is_one_holders},
    {"a cap holds over the fleet", a_cap_holds_over_the_fleet},
    {"many in one round trip", many_in_one_round_trip},
    {"very many with others between", very_many_with_others_between},
    {"a key of another type", a_key_of_another_type},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("contract/leases", tests)
