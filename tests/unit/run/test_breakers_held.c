/* breakers_held: what an operator ordered, on models of Redis and of the hub that forget, are away,
 * or are changed while the worker looks. */
#include "base/clock.h"
#include "check.h"
#include "run/breaker_orders.h"
#include "run/breakers_private.h"

#include <stdlib.h>

#define DEPENDENCY "shop:w/1"
#define NEVER_MS 1000000000 /* the thread looks when it is told to, by refresh() */

/* ---- the models: one dependency ---- */

static struct {
    struct breaker breaker;
    int64_t order;
    bool is_away;
    int forced; /* times that it was opened by force */
} redis;

static struct {
    int64_t version;
    bool is_open, is_away;
    int looks;
    void (*after_look)(void); /* an operator who is there just then */
} hub;

static int64_t last_version;

static void order_in_hub(bool is_open)
{
    hub.version = ++last_version;
    hub.is_open = is_open;
}

static void order_in_redis(enum breaker_op op, int64_t version)
{
    if (version <= redis.order)
        return;
    redis.order = version;
    if (op == BREAKER_OP_FORCE_OPEN) {
        breaker_force_open(&redis.breaker);
        redis.forced++;
    } else if (op == BREAKER_OP_CLOSE || redis.breaker.state == BREAKER_FORCED_OPEN) {
        breaker_close(&redis.breaker, 0);
    }
}

static void operator_opens(void)
{
    order_in_hub(true);
    order_in_redis(BREAKER_OP_FORCE_OPEN, last_version);
}

static void operator_closes(void)
{
    order_in_hub(false);
    order_in_redis(BREAKER_OP_CLOSE, last_version);
}

static void lose_redis(void)
{
    breaker_init(&redis.breaker);
    redis.order = 0;
}

enum outcome rconn_open(const struct rconn_conf *conf, struct rconn **ret_conn, struct err *err)
{
    (void)conf, (void)err;
    *ret_conn = (struct rconn *)(void *)&redis;
    return OUTCOME_OK;
}

void rconn_close(struct rconn *conn)
{
    (void)conn;
}

enum outcome breaker_store_apply(struct rconn *conn, const char *prefix,
                                 const struct breaker_conf *conf,
                                 const struct breaker_request *requests, size_t count,
                                 struct arena *arena, struct breaker_view *ret_views,
                                 struct err *err)
{
    (void)conn, (void)prefix, (void)conf, (void)arena;
    if (redis.is_away)
        return FAIL(err, OUTCOME_RETRY, "redis.unreachable", "it is away");
    for (size_t i = 0; i < count; i++) {
        ret_views[i] = (struct breaker_view){.before = redis.breaker.state};
        if (requests[i].order > 0)
            order_in_redis(requests[i].op, requests[i].order);
        ret_views[i].state = redis.breaker.state;
        ret_views[i].epoch = redis.breaker.epoch;
        ret_views[i].order = redis.order;
    }
    return OUTCOME_OK;
}

enum outcome breaker_store_list(struct rconn *conn, const char *prefix, struct arena *arena,
                                struct breaker_rows *ret_rows, struct err *err)
{
    static struct breaker_row row = {.dependency = DEPENDENCY, .reason = ""};
    (void)conn, (void)prefix, (void)arena;
    if (redis.is_away)
        return FAIL(err, OUTCOME_RETRY, "redis.unreachable", "it is away");
    row.view.state = redis.breaker.state;
    *ret_rows = (struct breaker_rows){&row, redis.breaker.state != BREAKER_CLOSED};
    return OUTCOME_OK;
}

enum outcome pgsql_open(const struct pgsql_conf *conf, struct pgsql **ret_db, struct err *err)
{
    (void)conf;
    if (hub.is_away)
        return FAIL(err, OUTCOME_RETRY, "hub.unreachable", "it is away");
    *ret_db = (struct pgsql *)(void *)&hub;
    return OUTCOME_OK;
}

void pgsql_close(struct pgsql *db)
{
    (void)db;
}

enum outcome breaker_orders_read(struct pgsql *db, struct arena *arena,
                                 struct breaker_orders *ret_orders, struct err *err)
{
    static struct breaker_order order = {.dependency = DEPENDENCY, .actor = "", .reason = ""};
    (void)db, (void)arena;
    if (hub.is_away)
        return FAIL(err, OUTCOME_RETRY, "hub.unreachable", "it is away");
    hub.looks++;
    order.version = hub.version;
    order.is_open = hub.is_open;
    *ret_orders = (struct breaker_orders){&order, hub.version != 0};
    if (hub.after_look != NULL)
        hub.after_look();
    hub.after_look = NULL;
    return OUTCOME_OK;
}

/* ---- a worker ---- */

static struct breakers *start(void)
{
    static const struct rconn_conf redis_conf;
    static const struct pgsql_conf hub_conf;
    const struct breakers_options options = {.redis = &redis_conf,
                                             .hub = &hub_conf,
                                             .prefix = "",
                                             .conf = breaker_conf_default,
                                             .refresh_ms = NEVER_MS};
    struct breakers *b = NULL;
    struct err err = {0};
    CHECK_OK(breakers_open(&options, &b, &err), &err);
    return b;
}

static struct breakers *start_afresh(void)
{
    memset(&redis, 0, sizeof redis);
    memset(&hub, 0, sizeof hub);
    breaker_init(&redis.breaker);
    return start();
}

static void refresh(struct breakers *b, bool looks_at_hub)
{
    if (looks_at_hub)
        b->hub_due_us = 0;
    breakers_refresh(b);
}

static bool lets_through(struct breakers *b)
{
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 1 << 20);
    struct breaker_gate gate = {0}, *gates[] = {&gate};
    breaker_gate_add(&gate, DEPENDENCY);
    breakers_admit(b, NULL, &arena, gates, 1);
    if (!gate.is_open)
        breakers_end(b, &gate, BREAKER_IGNORED);
    return !gate.is_open;
}

/* ---- the cases ---- */

static void test_redis_loses_all(void)
{
    struct breakers *b = start_afresh();
    operator_opens();
    refresh(b, false);
    CHECK(!lets_through(b));
    for (int i = 0; i < 3; i++) {
        int looks = hub.looks;
        lose_redis();
        CHECK(!lets_through(b));
        refresh(b, false);
        CHECK(!lets_through(b));
        CHECK_INT(hub.looks, looks + 1);
        CHECK_INT(redis.breaker.state, BREAKER_FORCED_OPEN);
        CHECK_INT(redis.order, last_version);
        refresh(b, false);
        CHECK_INT(hub.looks, looks + 1); /* only when something differs, or now and then */
    }
    CHECK_INT(redis.forced, 4);
    breakers_close(b);
}

static void test_redis_loses_all_and_the_hub_is_away(void)
{
    struct breakers *b = start_afresh();
    operator_opens();
    refresh(b, false);
    hub.is_away = true;
    lose_redis();
    refresh(b, false);
    CHECK(!lets_through(b));
    CHECK_INT(redis.breaker.state, BREAKER_FORCED_OPEN);
    redis.is_away = true;
    refresh(b, false);
    CHECK(!lets_through(b));
    breakers_close(b);
}

/* The command died behind its first write. */
static void test_ordered_in_the_hub_alone(void)
{
    struct breakers *b = start_afresh();
    order_in_hub(true);
    refresh(b, true);
    CHECK(!lets_through(b));
    CHECK_INT(redis.breaker.state, BREAKER_FORCED_OPEN);
    order_in_hub(false);
    refresh(b, true);
    CHECK(lets_through(b));
    CHECK_INT(redis.breaker.state, BREAKER_CLOSED);
    breakers_close(b);
}

static void test_closed_since_it_was_known(void)
{
    for (int hub_goes = 0; hub_goes < 2; hub_goes++) {
        struct breakers *b = start_afresh();
        operator_opens();
        refresh(b, true);
        operator_closes();
        hub.is_away = hub_goes;
        refresh(b, false);
        CHECK(lets_through(b));
        CHECK_INT(redis.breaker.state, BREAKER_CLOSED);
        CHECK_INT(redis.forced, 1);
        lose_redis(); /* the worker has learned from it that the order is over */
        refresh(b, false);
        CHECK(lets_through(b));
        CHECK_INT(redis.forced, 1);
        breakers_close(b);
    }
}

static void test_closed_while_it_is_restored(void)
{
    struct breakers *b = start_afresh();
    operator_opens();
    refresh(b, true);
    lose_redis();
    hub.after_look = operator_closes;
    refresh(b, false);
    CHECK(hub.after_look == NULL && lets_through(b));
    CHECK_INT(redis.breaker.state, BREAKER_CLOSED);
    breakers_close(b);
}

/* The other way round: the worker tells that it is over, the next operator has opened it again. */
static void test_opened_while_it_is_lifted(void)
{
    struct breakers *b = start_afresh();
    operator_opens();
    refresh(b, true);
    order_in_hub(false);
    hub.after_look = operator_opens;
    refresh(b, true);
    CHECK(hub.after_look == NULL && !lets_through(b));
    CHECK_INT(redis.breaker.state, BREAKER_FORCED_OPEN);
    breakers_close(b);
}

/* A replica that was behind took over: it has the order that was ended, or the one before it. */
static void test_a_replica_that_was_behind(void)
{
    struct breakers *b = start_afresh();
    operator_opens();
    int64_t first = last_version;
    operator_closes();
    refresh(b, true);
    breaker_force_open(&redis.breaker);
    redis.order = first;
    refresh(b, false);
    CHECK(lets_through(b));
    CHECK_INT(redis.breaker.state, BREAKER_CLOSED);
    operator_opens();
    refresh(b, true);
    breaker_close(&redis.breaker, 0);
    redis.order = first;
    refresh(b, false);
    CHECK(!lets_through(b));
    CHECK_INT(redis.breaker.state, BREAKER_FORCED_OPEN);
    breakers_close(b);
}

static void test_what_opened_by_itself_is_left(void)
{
    struct breakers *b = start_afresh();
    operator_opens();
    operator_closes();
    lose_redis();
    redis.breaker.state = BREAKER_OPEN;
    refresh(b, true);
    refresh(b, false);
    CHECK_INT(redis.breaker.state, BREAKER_OPEN);
    breakers_close(b);
}

static void test_without_redis_the_hub_is_followed(void)
{
    struct breakers *b = start_afresh();
    redis.is_away = true;
    refresh(b, true);
    CHECK(lets_through(b));
    order_in_hub(true);
    refresh(b, true);
    CHECK(!lets_through(b));
    order_in_hub(false);
    refresh(b, true);
    CHECK(lets_through(b));
    order_in_hub(true);
    refresh(b, true);
    redis.is_away = false;
    refresh(b, false);
    CHECK(!lets_through(b));
    CHECK_INT(redis.breaker.state, BREAKER_FORCED_OPEN);
    breakers_close(b);
}

static void test_a_worker_that_starts_finds_it(void)
{
    breakers_close(start_afresh());
    operator_opens();
    for (int i = 0; i < 2; i++) {
        redis.is_away = i == 1;
        lose_redis();
        struct breakers *b = start();
        CHECK(!lets_through(b));
        breakers_close(b);
    }
}

static CU_TestInfo tests[] = {
    {"Redis loses all", test_redis_loses_all},
    {"Redis loses all, the hub is away", test_redis_loses_all_and_the_hub_is_away},
    {"ordered in the hub alone", test_ordered_in_the_hub_alone},
    {"closed since it was known", test_closed_since_it_was_known},
    {"closed while it is restored", test_closed_while_it_is_restored},
    {"opened while it is lifted", test_opened_while_it_is_lifted},
    {"a replica that was behind", test_a_replica_that_was_behind},
    {"what opened by itself is left", test_what_opened_by_itself_is_left},
    {"without Redis the hub is followed", test_without_redis_the_hub_is_followed},
    {"a worker that starts finds it", test_a_worker_that_starts_finds_it},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("run/breakers_held", tests)
