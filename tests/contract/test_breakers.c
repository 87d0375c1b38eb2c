/* run/breaker_store and run/breakers against a real Redis: REDIS_URL names it. */
#include "base/clock.h"
#include "check.h"
#include "run/breakers.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct rconn *conn;
static struct arena arena;
static struct err err;
static char prefix[64];
static uint64_t seed;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static bool setup(void)
{
    static int number;
    struct rconn_conf conf = {getenv("REDIS_URL"), 2000, 2000, NULL};
    signal(SIGPIPE, SIG_IGN);
    arena_init(&arena, 64 << 20);
    snprintf(prefix, sizeof prefix, "t%d_%d.", (int)getpid(), ++number);
    return CHECK(conf.url != NULL) && CHECK_OK(rconn_open(&conf, &conn, &err), &err);
}

static void teardown(void)
{
    rconn_close(conn);
    conn = NULL;
    arena_done(&arena);
}

static struct breaker_view apply(const struct breaker_conf *conf, struct breaker_request request)
{
    struct breaker_view view = {0};
    CHECK_OK(breaker_store_apply(conn, prefix, conf, &request, 1, &arena, &view, &err), &err);
    return view;
}

/* ---- the script is the machine ---- */

static void same_step(const struct breaker_conf *conf, struct breaker *model,
                      const char *dependency)
{
    static const char letters[] = "osfi";
    struct breaker_request request = {.dependency = dependency, .epoch = model->epoch};
    int64_t now_us = clock_wall_us(), permit = 0;
    unsigned dice = (unsigned)(next_random() % 100);
    if (dice < 70) {
        enum breaker_call call = (enum breaker_call)(next_random() % 4);
        char calls[2] = {letters[call], '\0'};
        struct breaker_report report = {.epoch = model->epoch, .call = call, .now_us = now_us};
        if (next_random() % 2 == 0)
            report.permit = model->permit - (int64_t)(next_random() % 2);
        if (next_random() % 8 == 0)
            report.epoch--;
        request.permit = report.permit = report.permit < 0 ? 0 : report.permit;
        request.epoch = report.epoch = report.epoch < 0 ? 0 : report.epoch;
        request.calls = arena_strdup(&arena, calls);
        breaker_report(conf, model, &report);
    } else if (dice < 95) {
        request.op = BREAKER_OP_PROBE;
        permit = breaker_probe(conf, model, now_us);
    } else if (dice < 97) {
        request.op = BREAKER_OP_RENEW;
        request.permit = model->permit;
        permit = breaker_renew(conf, model, model->permit, now_us) ? model->permit : 0;
    } else {
        request.op = dice == 97 ? BREAKER_OP_FORCE_OPEN : BREAKER_OP_CLOSE;
        if (dice == 97)
            breaker_force_open(model);
        else
            breaker_close(model, now_us);
    }
    struct breaker_view view = apply(conf, request);
    if (!CHECK_TEXT(breaker_state_name(view.state), breaker_state_name(model->state)) ||
        !CHECK_INT(view.epoch, model->epoch) || !CHECK_INT(view.permit, permit))
        printf("# op %d of %s\n", request.op, dependency);
}

/* Times are at once or never, so that two clocks are of no matter. */
static void the_script_is_the_machine(void)
{
    static const int64_t times[] = {1, INT64_C(1000000000)};
    if (!setup())
        return;
    seed = 20261121;
    for (int round = 0; round < 16; round++) {
        struct breaker_conf conf = breaker_conf_default;
        struct breaker model;
        char dependency[16];
        snprintf(dependency, sizeof dependency, "d%d", round);
        conf.window = 1 + (int)(next_random() % 12);
        conf.minimum_calls = 1 + (int)(next_random() % (uint64_t)conf.window);
        conf.slow_percent = 60;
        conf.probes_needed = 1 + round % 2;
        conf.open_us = conf.open_max_us = round < 14 ? times[0] : times[1];
        conf.probe_lease_us = times[round / 2 % 2];
        breaker_init(&model);
        for (int step = 0; step < 250; step++)
            same_step(&conf, &model, dependency);
        arena_done(&arena);
        arena_init(&arena, 64 << 20);
    }
    teardown();
}

static void times_and_lists(void)
{
    if (!setup())
        return;
    struct breaker_conf conf = breaker_conf_default;
    struct breaker_view view = {0};
    for (int i = 0; i < 3; i++) {
        view = apply(&conf, (struct breaker_request){.dependency = "a", .calls = "ffffff"});
        CHECK_INT(view.state, i == 0 ? BREAKER_CLOSED : BREAKER_OPEN);
    }
    CHECK(view.wait_us > conf.open_us - 5 * US_PER_S && view.wait_us <= conf.open_us);
    apply(&conf, (struct breaker_request){
                     .op = BREAKER_OP_FORCE_OPEN, .dependency = "b", .reason = "it is moved"});
    apply(&conf, (struct breaker_request){.dependency = "c", .calls = "ooo"});
    struct breaker_rows rows = {0};
    CHECK_OK(breaker_store_list(conn, prefix, &arena, &rows, &err), &err);
    CHECK_INT(rows.count, 2);
    for (size_t i = 0; i < rows.count; i++) {
        const struct breaker_row *row = &rows.items[i];
        bool is_a = strcmp(row->dependency, "a") == 0;
        CHECK_INT(row->view.state, is_a ? BREAKER_OPEN : BREAKER_FORCED_OPEN);
        CHECK_TEXT(row->reason, is_a ? "" : "it is moved");
        CHECK(row->changed_ago_us >= 0 && row->changed_ago_us < 10 * US_PER_S);
    }
    apply(&conf, (struct breaker_request){.op = BREAKER_OP_CLOSE, .dependency = "a"});
    apply(&conf, (struct breaker_request){.op = BREAKER_OP_CLOSE, .dependency = "b"});
    CHECK_OK(breaker_store_list(conn, prefix, &arena, &rows, &err), &err);
    CHECK_INT(rows.count, 0);
    /* what was let through before the epoch is not counted; after a loss of all, it is */
    view = apply(&conf, (struct breaker_request){.dependency = "a", .epoch = 1, .calls = "f"});
    CHECK_INT(view.epoch, 2);
    const struct rreply *reply = NULL;
    const char *key = arena_printf(&arena, "%sbreaker:a", prefix);
    CHECK_OK(rconn_call(conn, &arena, RWORDS("DEL", key), &reply, &err), &err);
    CHECK_OK(rconn_call(conn, &arena, RWORDS("SCRIPT", "FLUSH"), &reply, &err), &err);
    view = apply(&conf,
                 (struct breaker_request){.dependency = "a", .epoch = 2, .calls = "ffffffffff"});
    CHECK_INT(view.state, BREAKER_OPEN);
    teardown();
}

static struct breaker_view give(enum breaker_op op, int64_t order)
{
    return apply(&breaker_conf_default,
                 (struct breaker_request){.op = op, .dependency = "a", .order = order});
}

/* Whatever comes late changes nothing; numbers are as great as the hub's. */
static void the_later_order_stands(void)
{
    const int64_t now = INT64_C(1795262400123456);
    if (!setup())
        return;
    struct breaker_view view = give(BREAKER_OP_FORCE_OPEN, now);
    CHECK_INT(view.state, BREAKER_FORCED_OPEN);
    CHECK_INT(view.order, now);
    CHECK_INT(give(BREAKER_OP_FORCE_OPEN, now).epoch, view.epoch);
    CHECK_INT(give(BREAKER_OP_CLOSE, now - 1).state, BREAKER_FORCED_OPEN);
    CHECK_INT(give(BREAKER_OP_LIFT, now).state, BREAKER_FORCED_OPEN);
    CHECK_INT(give(BREAKER_OP_LIFT, now + 1).state, BREAKER_CLOSED);
    view = give(BREAKER_OP_FORCE_OPEN, now + 1);
    CHECK_INT(view.state, BREAKER_CLOSED);
    CHECK_INT(view.order, now + 1);
    CHECK_INT(give(BREAKER_OP_FORCE_OPEN, now + 2).state, BREAKER_FORCED_OPEN);
    CHECK_INT(give(BREAKER_OP_CLOSE, now + 3).state, BREAKER_CLOSED);
    /* one that tripped is closed by an operator alone */
    view = apply(&breaker_conf_default, (struct breaker_request){.dependency = "a",
                                                                 .epoch = BREAKER_EPOCH_UNKNOWN,
                                                                 .calls = "ffffffffff"});
    CHECK_INT(view.state, BREAKER_OPEN);
    view = give(BREAKER_OP_LIFT, now + 4);
    CHECK_INT(view.state, BREAKER_OPEN);
    CHECK_INT(view.order, now + 4);
    CHECK_INT(give(BREAKER_OP_CLOSE, now + 5).state, BREAKER_CLOSED);
    teardown();
}

/* ---- two processes ---- */

static struct breakers *open_breakers(const char *url, struct breaker_conf conf)
{
    struct rconn_conf redis = {url, 500, 500, NULL};
    struct pgsql_conf nowhere = {.uri = "postgresql://127.0.0.1:1/none"};
    struct breakers_options options = {
        .redis = &redis, .hub = &nowhere, .prefix = prefix, .conf = conf, .refresh_ms = 50};
    struct breakers *b = NULL;
    CHECK_OK(breakers_open(&options, &b, &err), &err);
    return b;
}

static struct breaker_gate gate_of(const char *first, const char *second)
{
    struct breaker_gate gate = {0};
    breaker_gate_add(&gate, first);
    if (second != NULL)
        breaker_gate_add(&gate, second);
    return gate;
}

static bool admit(struct breakers *b, struct breaker_gate *gate)
{
    struct breaker_gate *gates[] = {gate};
    breakers_admit(b, conn, &arena, gates, 1);
    return !gate->is_open;
}

static void run_calls(struct breakers *b, const char *dependency, enum breaker_call call, int count)
{
    for (int i = 0; i < count; i++) {
        struct breaker_gate gate = gate_of(dependency, NULL);
        if (CHECK(admit(b, &gate)))
            breakers_end(b, &gate, call);
    }
}

static void settle_down(void)
{
    clock_sleep_us(250 * US_PER_MS);
}

static const struct breaker_conf quick = {.window = 100,
                                          .minimum_calls = 10,
                                          .failure_percent = 50,
                                          .slow_percent = 100,
                                          .probes_needed = 1,
                                          .open_us = 600000,
                                          .open_max_us = 600000,
                                          .probe_lease_us = 400000};

static void two_processes_share_a_breaker(void)
{
    if (!setup())
        return;
    struct breakers *a = open_breakers(getenv("REDIS_URL"), quick);
    struct breakers *b = open_breakers(getenv("REDIS_URL"), quick);
    run_calls(a, "shop", BREAKER_FAILED, 5);
    run_calls(b, "shop", BREAKER_FAILED, 5); /* neither has seen ten */
    settle_down();
    struct breaker_gate gate = gate_of("shop", NULL), other = gate_of("mill", NULL);
    CHECK(!admit(a, &gate));
    CHECK(gate.wait_us > 0 && gate.wait_us <= quick.open_us);
    CHECK(!admit(b, &gate));
    CHECK(admit(b, &other));
    breakers_end(b, &other, BREAKER_OK);
    clock_sleep_us(quick.open_us);
    /* one probe; its lease is renewed; an ignored one gives its place to the next */
    struct breaker_gate probe = gate_of("shop", "mill"), second = gate_of("mill", "shop");
    CHECK(admit(a, &probe));
    CHECK(probe.passes[0].permit != 0 && probe.passes[1].permit == 0);
    CHECK(!admit(b, &second) && second.denied_by == 1);
    CHECK(!admit(a, &gate));
    clock_sleep_us(2 * quick.probe_lease_us);
    CHECK(!admit(b, &second));
    breakers_end(a, &probe, BREAKER_IGNORED);
    settle_down();
    CHECK(admit(b, &second) && second.passes[1].permit != 0);
    CHECK(!admit(a, &gate));
    breakers_report_up(b, &second, 1); /* closes it, its own call goes on */
    settle_down();
    CHECK(admit(a, &gate) && gate.passes[0].permit == 0);
    run_calls(a, "shop", BREAKER_FAILED, 9);
    breakers_report(b, &second, 1, BREAKER_FAILED);
    breakers_report(b, &second, 1, BREAKER_OK); /* the first one counts */
    breakers_end(b, &second, BREAKER_OK);
    settle_down();
    CHECK(!admit(a, &gate));
    struct breakers_counts counts;
    breakers_count(a, &counts);
    CHECK(!counts.is_local && counts.by_state[BREAKER_CLOSED] == 1 && counts.denied >= 3);
    breakers_close(a);
    breakers_close(b);
    teardown();
}

static void a_batch_asks_for_one_probe(void)
{
    enum { GATES = 50 };
    if (!setup())
        return;
    struct breakers *b = open_breakers(getenv("REDIS_URL"), quick);
    run_calls(b, "shop", BREAKER_FAILED, 10);
    clock_sleep_us(quick.open_us + 300 * US_PER_MS);
    static struct breaker_gate gates[GATES];
    struct breaker_gate *pointers[GATES];
    int let_through = 0;
    for (int i = 0; i < GATES; i++) {
        gates[i] = gate_of("shop", NULL);
        pointers[i] = &gates[i];
    }
    breakers_admit(b, conn, &arena, pointers, GATES);
    for (int i = 0; i < GATES; i++)
        let_through += !gates[i].is_open;
    CHECK_INT(let_through, 1);
    /* forced by an operator: denied at once after the next look, until it is closed */
    apply(&quick, (struct breaker_request){.op = BREAKER_OP_FORCE_OPEN, .dependency = "mill"});
    settle_down();
    struct breaker_gate mill = gate_of("mill", NULL);
    CHECK(!admit(b, &mill));
    apply(&quick, (struct breaker_request){.op = BREAKER_OP_CLOSE, .dependency = "mill"});
    settle_down();
    CHECK(admit(b, &mill));
    breakers_close(b);
    teardown();
}

static void without_redis_it_decides_itself(void)
{
    if (!setup())
        return;
    rconn_close(conn);
    struct rconn_conf nowhere = {"redis://127.0.0.1:1", 100, 100, NULL};
    CHECK_OK(rconn_open(&nowhere, &conn, &err), &err);
    struct breakers *b = open_breakers(nowhere.url, quick);
    run_calls(b, "shop", BREAKER_FAILED, 10);
    struct breaker_gate gate = gate_of("shop", NULL), probe = gate;
    CHECK(!admit(b, &gate));
    struct breakers_counts counts;
    breakers_count(b, &counts);
    CHECK(counts.is_local && counts.by_state[BREAKER_OPEN] == 1);
    clock_sleep_us(quick.open_us);
    CHECK(admit(b, &probe) && probe.passes[0].permit != 0);
    CHECK(!admit(b, &gate));
    breakers_end(b, &probe, BREAKER_OK);
    CHECK(admit(b, &gate));
    breakers_close(b);
    teardown();
}

static void gates_have_bounds(void)
{
    char longest[BREAKER_NAME_MAX + 2];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    struct breaker_gate gate = gate_of(longest, "");
    CHECK_INT(gate.count, 0);
    longest[BREAKER_NAME_MAX] = '\0';
    breaker_gate_add(&gate, longest);
    breaker_gate_add(&gate, longest);
    CHECK_INT(gate.count, 1);
    for (char name[] = "a"; name[0] < 'j'; name[0]++)
        breaker_gate_add(&gate, name);
    CHECK_INT(gate.count, DEPENDENCIES_MAX);
}

static CU_TestInfo tests[] = {
    {"the script is the machine", the_script_is_the_machine},
    {"times and lists", times_and_lists},
    {"the later order stands", the_later_order_stands},
    {"two processes share a breaker", two_processes_share_a_breaker},
    {"a batch asks for one probe", a_batch_asks_for_one_probe},
    {"without Redis it decides itself", without_redis_it_decides_itself},
    {"gates have bounds", gates_have_bounds},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("contract/breakers", tests)
