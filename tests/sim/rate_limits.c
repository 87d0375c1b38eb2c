/* rate_limits: run/rate_limits.h on the one limit of outside.h. */
#include "run/rate_limits.h"

#include "outside.h"

enum outcome rate_limits_take(struct rconn *conn, const char *prefix,
                              const struct rate_request *requests, size_t count,
                              struct arena *arena, int64_t *ret_wait_us, struct err *err)
{
    (void)conn;
    (void)prefix;
    (void)arena;
    for (size_t i = 0; i < count; i++)
        TRY(outside_rate_take(&requests[i].key.limit, requests[i].cost, &ret_wait_us[i], err));
    return OUTCOME_OK;
}

/* No answer says anything of the limit. */
enum outcome rate_limits_tell(struct rconn *conn, const char *prefix, const struct rate_key *key,
                              const struct rate_told *told, struct arena *arena, struct err *err)
{
    (void)conn;
    (void)prefix;
    (void)key;
    (void)told;
    (void)arena;
    (void)err;
    return OUTCOME_OK;
}
