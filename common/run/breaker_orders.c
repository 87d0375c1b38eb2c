/* breaker_orders: see breaker_orders.h, and schemas/hub/0007_breakers.sql. */
#include "run/breaker_orders.h"

#include "run/ledger_row.h"

static enum outcome read_order(const struct pgsql_result *result, size_t row, struct arena *arena,
                               struct breaker_order *ret_order, struct err *err)
{
    struct breaker_order order = {.dependency = arena_strdup(arena, pgsql_text(result, row, 0)),
                                  .version = pgsql_i64(result, row, 1, 0),
                                  .is_open = pgsql_bool(result, row, 2),
                                  .actor = arena_strdup(arena, pgsql_text(result, row, 3)),
                                  .reason = arena_strdup(arena, pgsql_text(result, row, 4)),
                                  .at_us = pgsql_i64(result, row, 5, 0)};
    TRY_ALLOC(order.dependency, err);
    TRY_ALLOC(order.actor, err);
    TRY_ALLOC(order.reason, err);
    *ret_order = order;
    return OUTCOME_OK;
}

enum outcome breaker_orders_read(struct pgsql *db, struct arena *arena,
                                 struct breaker_orders *ret_orders, struct err *err)
{
    PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
    TRY(pgsql_query(db,
                    "SELECT o.dependency, o.version, o.is_open, o.actor, o.reason, " LEDGER_TIME(
                        "o", "at") " FROM haul.breaker_orders o ORDER BY o.dependency",
                    PGSQL_NONE, &result, err));
    size_t count = pgsql_rows(result);
    struct breaker_order *items = ARENA_ARRAY(arena, struct breaker_order, count + 1);
    TRY_ALLOC(items, err);
    for (size_t i = 0; i < count; i++)
        TRY(read_order(result, i, arena, &items[i], err));
    *ret_orders = (struct breaker_orders){items, count};
    return OUTCOME_OK;
}

enum outcome breaker_orders_give(struct pgsql *db, const struct breaker_order *order,
                                 int64_t *ret_version, struct err *err)
{
    PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
    TRY(pgsql_query(
        db, "SELECT haul.breaker_order($1, $2::boolean, $3, $4)",
        PGSQL_PARAMS(order->dependency, PGSQL_BOOL(order->is_open), order->actor, order->reason),
        &result, err));
    *ret_version = pgsql_i64(result, 0, 0, 0);
    return OUTCOME_OK;
}
