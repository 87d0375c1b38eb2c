/*
 * health: /metrics, /healthz, /readyz.
 */
#ifndef HAUL_RUN_HEALTH_H
#define HAUL_RUN_HEALTH_H

#include "io/http_server.h"
#include "run/runtime.h"

#define HEALTH_ROUTES 3
#define HEALTH_POLL_AGE_MAX_US INT64_C(30000000)

struct health {
    struct http_route routes[HEALTH_ROUTES];
    struct http_server *server;
};

/* Fails as http_server_open. `rt` must outlive it. */
MUST_USE enum outcome health_open(struct health *health, struct runtime *rt, struct err *err);
void health_close(struct health *health);

#endif
