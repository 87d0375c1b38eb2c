/* loop: Redis and PostgreSQL. See loop.h. */
#include "loop.h"

#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDS_SIZE (LOOP_BATCH * 140)

struct loop_hub {
    redisContext *redis;
    PGconn *postgres;
};

static void expect_reply(struct loop_hub *hub, const char *what)
{
    redisReply *reply = NULL;
    if (redisGetReply(hub->redis, (void **)&reply) != REDIS_OK)
        loop_die(what, hub->redis->errstr);
    if (reply->type == REDIS_REPLY_ERROR)
        loop_die(what, reply->str);
    freeReplyObject(reply);
}

static void expect(PGconn *postgres, PGresult *result)
{
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        loop_die("PostgreSQL", PQerrorMessage(postgres));
    PQclear(result);
}

struct loop_hub *loop_hub_open(const char *redis_socket, const char *redis_user,
                               const char *redis_password, const char *postgres_url)
{
    struct loop_hub *hub = calloc(1, sizeof *hub);
    if (hub == NULL)
        loop_die("memory", "none");
    hub->redis = redisConnectUnix(redis_socket);
    if (hub->redis == NULL || hub->redis->err != 0)
        loop_die("Redis", redis_socket);
    redisAppendCommand(hub->redis, "AUTH %s %s", redis_user, redis_password);
    expect_reply(hub, "AUTH");
    hub->postgres = PQconnectdb(postgres_url);
    if (PQstatus(hub->postgres) != CONNECTION_OK)
        loop_die("PostgreSQL", PQerrorMessage(hub->postgres));
    expect(hub->postgres, PQprepare(hub->postgres, "row",
                                    "INSERT INTO loop_ledger (job_id, state) SELECT id, 'succeeded'"
                                    " FROM unnest($1::text[]) id ON CONFLICT (job_id) DO NOTHING",
                                    1, NULL));
    return hub;
}

static void take_leases(struct loop_hub *hub, const char *const *job_ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        redisAppendCommand(hub->redis, "SET lease:%s %s NX PX 30000", job_ids[i], "loop");
    for (size_t i = 0; i < count; i++)
        expect_reply(hub, "SET");
}

static void write_rows(struct loop_hub *hub, const char *const *job_ids, size_t count)
{
    char ids[IDS_SIZE];
    size_t len = 0;
    for (size_t i = 0; i < count && len < sizeof ids; i++) {
        int added =
            snprintf(ids + len, sizeof ids - len, "%c\"%s\"", i == 0 ? '{' : ',', job_ids[i]);
        len += (size_t)added;
    }
    if (len + 2 > sizeof ids)
        loop_die("job ids", "too long");
    memcpy(ids + len, "}", 2);
    const char *values[] = {ids};
    expect(hub->postgres, PQexecPrepared(hub->postgres, "row", 1, values, NULL, NULL, 0));
}

void loop_hub_take(struct loop_hub *hub, const char *const *job_ids, size_t count)
{
    take_leases(hub, job_ids, count);
    write_rows(hub, job_ids, count);
}

void loop_hub_close(struct loop_hub *hub)
{
    redisFree(hub->redis);
    PQfinish(hub->postgres);
    free(hub);
}
