/* cmd_breakers: the circuit breakers of what jobs depend on. What an operator orders stands in the
 * hub first: from there workers restore it, should this program or Redis go before it is there. */
#include "commands.h"

#include "base/clock.h"
#include "run/breaker_orders.h"
#include "run/breaker_store.h"

struct reason_options {
    const char *reason;
};
static const struct field reason_fields[] = {
    {.name = "reason",
     .type = FIELD_STRING,
     .max = 200,
     .offset = offsetof(struct reason_options, reason),
     .flags = FIELD_REQUIRED,
     .doc = "Why; it stands in `haul breakers list` and in the hub's audit log."},
};
static const struct field_table open_table = {"breakers open", NULL, reason_fields,
                                              FIELDS_COUNT(reason_fields),
                                              sizeof(struct reason_options)};
static const struct field_table close_table = {"breakers close", NULL, reason_fields,
                                               FIELDS_COUNT(reason_fields),
                                               sizeof(struct reason_options)};

/* ---- list ---- */

struct listing {
    struct breaker_rows rows;     /* Redis's */
    struct breaker_orders orders; /* the hub's */
    bool has_rows, has_orders;
};

static const struct breaker_order *find_order(const struct listing *listing, const char *dependency)
{
    for (size_t i = 0; i < listing->orders.count; i++)
        if (listing->orders.items[i].is_open &&
            strcmp(listing->orders.items[i].dependency, dependency) == 0)
            return &listing->orders.items[i];
    return NULL;
}

static bool has_row(const struct listing *listing, const char *dependency)
{
    for (size_t i = 0; i < listing->rows.count; i++)
        if (strcmp(listing->rows.items[i].dependency, dependency) == 0)
            return true;
    return false;
}

static void add_row(struct sheet *sheet, const struct breaker_row *row, int64_t now_us)
{
    char wait[HUMAN_SIZE] = "", age[HUMAN_SIZE];
    if (row->view.wait_us > 0)
        human_duration(row->view.wait_us, wait);
    SHEET_ROW(sheet, row->dependency, breaker_state_name(row->view.state),
              human_duration(row->changed_ago_us, age), wait, NULL, row->reason,
              SHEET_US(now_us - row->changed_ago_us), SHEET_I64(row->view.wait_us / US_PER_MS),
              SHEET_I64(row->view.epoch));
}

/* Held open, also when Redis does not know it (yet, or any more). */
static void add_order(struct sheet *sheet, const struct breaker_order *order, int64_t now_us)
{
    char age[HUMAN_SIZE];
    SHEET_ROW(sheet, order->dependency, breaker_state_name(BREAKER_FORCED_OPEN),
              human_duration(now_us - order->at_us, age), "", order->actor, order->reason,
              SHEET_US(order->at_us), SHEET_I64(0), NULL);
}

static void add_all(struct sheet *sheet, const struct listing *listing)
{
    int64_t now_us = clock_wall_us();
    for (size_t i = 0; i < listing->rows.count; i++) {
        const struct breaker_row *row = &listing->rows.items[i];
        const struct breaker_order *order = find_order(listing, row->dependency);
        if (order != NULL)
            add_order(sheet, order, now_us);
        else
            add_row(sheet, row, now_us);
    }
    for (size_t i = 0; i < listing->orders.count; i++) {
        const struct breaker_order *order = &listing->orders.items[i];
        if (order->is_open && !has_row(listing, order->dependency))
            add_order(sheet, order, now_us);
    }
}

static enum outcome read_rows(struct cli *cli, struct listing *listing, struct err *err)
{
    struct rconn *redis = NULL;
    TRY(rconn_open(&cli->settings.redis, &redis, err));
    enum outcome outcome =
        breaker_store_list(redis, cli->settings.topic_prefix, &cli->arena, &listing->rows, err);
    rconn_close(redis);
    return outcome;
}

static enum outcome read_orders(struct cli *cli, struct listing *listing, struct err *err)
{
    const struct hub *hub = NULL;
    TRY(cli_hub(cli, &hub, err));
    return breaker_orders_read(hub->db, &cli->arena, &listing->orders, err);
}

/* One of the two is enough to say something. */
static enum outcome look(struct cli *cli, struct listing *listing, struct err *err)
{
    struct err redis_err = {0}, hub_err = {0};
    listing->has_rows = read_rows(cli, listing, &redis_err) == OUTCOME_OK;
    listing->has_orders = read_orders(cli, listing, &hub_err) == OUTCOME_OK;
    if (!listing->has_rows && !listing->has_orders) {
        *err = redis_err;
        return redis_err.outcome;
    }
    if (!listing->has_rows)
        out_note(&cli->out, "only what operators hold open, from the hub: %s", redis_err.message);
    if (!listing->has_orders)
        out_note(&cli->out, "without who ordered it, from Redis: %s", hub_err.message);
    return OUTCOME_OK;
}

static enum outcome run_list(struct cli *cli, struct err *err)
{
    static const struct sheet_column columns[] = {
        {"dependency", "DEPENDENCY", SHEET_TEXT},
        {"state", "STATE", SHEET_TEXT},
        {"age", "FOR", SHEET_TEXT},
        {"wait", "NEXT PROBE IN", SHEET_TEXT},
        {"by", "BY", SHEET_TEXT},
        {"reason", "REASON", SHEET_TEXT},
        {"since", "", SHEET_MORE},
        {"wait_ms", "", SHEET_MORE_INT},
        {"epoch", "", SHEET_MORE_INT},
    };
    struct listing listing = {.has_rows = false};
    TRY(look(cli, &listing, err));
    struct sheet sheet = sheet_new(columns, FIELDS_COUNT(columns), "all closed", &cli->arena);
    add_all(&sheet, &listing);
    if (sheet.failed)
        return FAIL_NO_MEMORY(err);
    sheet_print(&sheet, &cli->out);
    return OUTCOME_OK;
}

/* ---- open, close ---- */

static void print_changed(struct cli *cli, const struct breaker_view *view, int64_t order)
{
    out_addf(&cli->out, "%s: %s, was %s\n", cli->args[0], breaker_state_name(view->state),
             breaker_state_name(view->before));
    if (view->order > order)
        out_addf(&cli->out, "an order that was given after this one stands: haul breakers list\n");
    if (!cli->out.json)
        return;
    struct jwrite w = out_json(&cli->out);
    jwrite_open_object(&w);
    jwrite_member_text(&w, "dependency", cli->args[0]);
    jwrite_member_text(&w, "state", breaker_state_name(view->state));
    jwrite_member_text(&w, "before", breaker_state_name(view->before));
    jwrite_close_object(&w);
    out_json_end(&cli->out);
}

static enum outcome tell_redis(struct cli *cli, const struct breaker_request *request,
                               struct breaker_view *ret_view, struct err *err)
{
    struct rconn *redis = NULL;
    TRY(rconn_open(&cli->settings.redis, &redis, err));
    enum outcome outcome =
        breaker_store_apply(redis, cli->settings.topic_prefix, &breaker_conf_default, request, 1,
                            &cli->arena, ret_view, err);
    rconn_close(redis);
    return outcome;
}

static enum outcome change(struct cli *cli, enum breaker_op op, struct err *err)
{
    const char *dependency = cli->args[0],
               *reason = CLI_OPTIONS(struct reason_options, cli)->reason;
    const struct hub *hub = NULL;
    struct breaker_view view;
    if (strchr(dependency, ':') == NULL || strchr(dependency, ' ') != NULL ||
        strlen(dependency) > BREAKER_NAME_MAX)
        return USAGE(err, "\"%.*s\" is no dependency: it looks like connection:WORKSPACE/ID",
                     BREAKER_NAME_MAX, dependency);
    TRY(cli_hub(cli, &hub, err));
    struct breaker_order order = {.dependency = dependency,
                                  .is_open = op == BREAKER_OP_FORCE_OPEN,
                                  .actor = hub->actor,
                                  .reason = reason};
    TRY(breaker_orders_give(hub->db, &order, &order.version, err));
    struct breaker_request request = {.op = op,
                                      .dependency = dependency,
                                      .epoch = BREAKER_EPOCH_UNKNOWN,
                                      .reason = reason,
                                      .order = order.version};
    if (tell_redis(cli, &request, &view, err) != OUTCOME_OK)
        return err_hint(err, "the order stands in the hub, where workers see it within seconds; "
                             "the same again tells Redis too, and closes what opened by itself");
    print_changed(cli, &view, order.version);
    return OUTCOME_OK;
}

static enum outcome run_open(struct cli *cli, struct err *err)
{
    return change(cli, BREAKER_OP_FORCE_OPEN, err);
}

static enum outcome run_close(struct cli *cli, struct err *err)
{
    return change(cli, BREAKER_OP_CLOSE, err);
}

/* ---- the table's rows ---- */

static const struct example list_examples[] = {
    {"haul breakers list", "What is open, for how long, and when it is probed"},
    {NULL, NULL},
};
static const struct example open_examples[] = {
    {"haul breakers open connection:acme/shop --reason 'migration tonight'",
     "Hold what needs this connection"},
    {NULL, NULL},
};
static const struct example close_examples[] = {
    {"haul breakers close connection:acme/shop --reason 'migration done'", "Let it go on"},
    {NULL, NULL},
};

const struct command command_breakers_list = {
    .name = "breakers list",
    .args = "",
    .args_max = 0,
    .needs = NEEDS_HUB | NEEDS_REDIS,
    .summary = "list the circuit breakers that are not closed",
    .doc = "A dependency is what jobs need: of a sync its two connections, as "
           "connection:WORKSPACE/ID. When half of at least ten calls failed its breaker opens, in "
           "all workers: what needs it waits in the retry topics, no attempt counted. Later one "
           "job at a time probes it, until one succeeds. One that an operator opened says by whom.",
    .examples = list_examples,
    .run = run_list,
};

const struct command command_breakers_open = {
    .name = "breakers open",
    .args = "DEPENDENCY",
    .args_min = 1,
    .args_max = 1,
    .needs = NEEDS_HUB | NEEDS_REDIS,
    .summary = "hold all jobs that need something, until it is closed",
    .doc = "Jobs that run go on. It stays open until `haul breakers close`: the hub keeps it, so "
           "workers also hold what needs it when Redis loses its data or is away.",
    .options = &open_table,
    .examples = open_examples,
    .run = run_open,
};

const struct command command_breakers_close = {
    .name = "breakers close",
    .args = "DEPENDENCY",
    .args_min = 1,
    .args_max = 1,
    .needs = NEEDS_HUB | NEEDS_REDIS,
    .summary = "close a circuit breaker, whatever opened it",
    .doc = "Jobs that wait for it come back when they are due: within a minute, or as their retry "
           "topic says.",
    .options = &close_table,
    .examples = close_examples,
    .run = run_close,
};
