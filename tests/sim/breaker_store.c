/* breaker_store: run/breaker_store.h on the machine of model/breaker, on the world's own clock; and
 * run/breaker_orders.h, of which no operator gives any. */
#include "run/breaker_store.h"
#include "run/breaker_orders.h"

#include "world.h"

#define BREAKERS_MAX 64

static struct known {
    char dependency[201];
    struct breaker breaker;
    int64_t order, since_us, not_closed_us;
} breakers[BREAKERS_MAX];
static int breaker_count;

static struct known *find(const char *dependency)
{
    for (int i = 0; i < breaker_count; i++)
        if (strcmp(breakers[i].dependency, dependency) == 0)
            return &breakers[i];
    if (breaker_count == BREAKERS_MAX)
        violation(NULL, "too many breakers", "one for %s", dependency);
    int place = breaker_count++;
    text_copy(breakers[place].dependency, sizeof breakers[place].dependency, dependency);
    breaker_init(&breakers[place].breaker);
    return &breakers[place];
}

struct breaker_seen breaker_seen(const char *dependency)
{
    const struct known *known = find(dependency);
    return (struct breaker_seen){known->breaker.state, known->since_us, known->not_closed_us};
}

static void note_change(struct known *known, enum breaker_state before)
{
    if (known->breaker.state == before)
        return;
    known->since_us = world_us;
    if (before == BREAKER_CLOSED)
        known->not_closed_us = world_us;
}

static void report(const struct breaker_conf *conf, struct breaker *breaker,
                   const struct breaker_request *request)
{
    static const char letters[] = "osfi";
    for (const char *at = request->calls; *at != '\0'; at++) {
        struct breaker_report one = {.epoch = request->epoch,
                                     .permit = request->permit,
                                     .call = (enum breaker_call)(strchr(letters, *at) - letters),
                                     .now_us = world_us};
        if (request->epoch == BREAKER_EPOCH_UNKNOWN)
            one.epoch = breaker->epoch;
        if (breaker_report(conf, breaker, &one))
            return;
    }
}

/* What an operator ordered, unless a later order was here. */
static void follow(struct known *known, const struct breaker_request *request)
{
    struct breaker *breaker = &known->breaker;
    if (request->order > 0 && request->order <= known->order)
        return;
    if (request->op == BREAKER_OP_FORCE_OPEN)
        breaker_force_open(breaker);
    else if (request->op == BREAKER_OP_CLOSE || breaker->state == BREAKER_FORCED_OPEN)
        breaker_close(breaker, world_us);
    if (request->order > 0)
        known->order = request->order;
}

static struct breaker_view apply(const struct breaker_conf *conf,
                                 const struct breaker_request *request)
{
    struct known *known = find(request->dependency);
    struct breaker *breaker = &known->breaker;
    struct breaker_view view = {.before = breaker->state};
    int64_t until_us = world_us;
    if (request->op == BREAKER_OP_REPORT)
        report(conf, breaker, request);
    else if (request->op == BREAKER_OP_PROBE)
        view.permit = breaker_probe(conf, breaker, world_us);
    else if (request->op == BREAKER_OP_RENEW)
        view.permit = breaker_renew(conf, breaker, request->permit, world_us) ? request->permit : 0;
    else
        follow(known, request);
    note_change(known, view.before);
    view.state = breaker->state;
    view.order = known->order;
    view.epoch = breaker->epoch;
    if (breaker->state != BREAKER_FORCED_OPEN)
        (void)breaker_check(breaker, world_us, &until_us);
    view.wait_us = until_us > world_us ? until_us - world_us : 0;
    trace("breaker", "%s %s, was %s", request->dependency, breaker_state_name(view.state),
          breaker_state_name(view.before));
    return view;
}

enum outcome breaker_store_apply(struct rconn *conn, const char *prefix,
                                 const struct breaker_conf *conf,
                                 const struct breaker_request *requests, size_t count,
                                 struct arena *arena, struct breaker_view *ret_views,
                                 struct err *err)
{
    (void)conn;
    (void)prefix;
    (void)arena;
    TRY(service_reach(&redis_service, err));
    for (size_t i = 0; i < count; i++)
        ret_views[i] = apply(conf, &requests[i]);
    return service_return(&redis_service, err);
}

enum outcome breaker_store_list(struct rconn *conn, const char *prefix, struct arena *arena,
                                struct breaker_rows *ret_rows, struct err *err)
{
    (void)conn;
    (void)prefix;
    struct breaker_row *rows = ARENA_ARRAY(arena, struct breaker_row, BREAKERS_MAX);
    size_t count = 0;
    TRY_ALLOC(rows, err);
    TRY(service_reach(&redis_service, err));
    for (int i = 0; i < breaker_count; i++) {
        const struct breaker *breaker = &breakers[i].breaker;
        int64_t until_us = world_us;
        if (breaker->state == BREAKER_CLOSED)
            continue;
        if (breaker->state != BREAKER_FORCED_OPEN)
            (void)breaker_check(breaker, world_us, &until_us);
        rows[count++] =
            (struct breaker_row){.dependency = breakers[i].dependency,
                                 .view = {.state = breaker->state,
                                          .before = breaker->state,
                                          .epoch = breaker->epoch,
                                          .wait_us = until_us > world_us ? until_us - world_us : 0},
                                 .reason = ""};
    }
    *ret_rows = (struct breaker_rows){rows, count};
    return service_return(&redis_service, err);
}

enum outcome breaker_orders_read(struct pgsql *db, struct arena *arena,
                                 struct breaker_orders *ret_orders, struct err *err)
{
    (void)arena;
    TRY(hub_begin_call(db, err));
    *ret_orders = (struct breaker_orders){NULL, 0};
    return hub_end_call(err);
}
