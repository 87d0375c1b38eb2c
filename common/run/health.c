/* health: see health.h. */
#include "run/health.h"

#include "base/clock.h"
#include "base/log.h"

/* A dead broker or hub makes no worker unhealthy: to restart it would not help. */
static void serve_health(void *ctx, struct http_response *response)
{
    const struct runtime *rt = ctx;
    int64_t age_us = clock_monotonic_us() - metric_get(&rt->metrics.polled_us);
    bool is_alive = age_us <= HEALTH_POLL_AGE_MAX_US;
    response->status = is_alive ? 200 : 503;
    str_addf(&response->body, "%s: the poll loop went round %.1f s ago\n",
             is_alive ? "ok" : "stuck", (double)age_us / (double)US_PER_S);
}

static void serve_ready(void *ctx, struct http_response *response)
{
    struct runtime *rt = ctx;
    bool is_draining = atomic_load(&rt->stopping), is_assigned = atomic_load(&rt->is_assigned);
    bool is_ready = is_assigned && !is_draining;
    response->status = is_ready ? 200 : 503;
    str_add_text(&response->body, is_ready      ? "ready\n"
                                  : is_draining ? "draining\n"
                                                : "no partitions assigned yet\n");
}

static void serve_metrics(void *ctx, struct http_response *response)
{
    struct runtime *rt = ctx;
    struct breakers_counts breakers;
    struct metrics_outside outside = {
        .leases_lost = atomic_load(&rt->keeper.leases_lost),
        .delivery_failures = atomic_load(&rt->outbox.failures),
        .sends_pending = (int64_t)outbox_pending(&rt->outbox),
    };
    if (rt->breakers != NULL) {
        breakers_count(rt->breakers, &breakers);
        outside.breakers = &breakers;
    }
    response->content_type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_print(&rt->metrics, &outside, &response->body);
}

enum outcome health_open(struct health *health, struct runtime *rt, struct err *err)
{
    *health = (struct health){.routes = {{"/metrics", serve_metrics, rt},
                                         {"/healthz", serve_health, rt},
                                         {"/readyz", serve_ready, rt}}};
    struct http_server_options options = {.bind_address = rt->conf->http_address,
                                          .port = (uint16_t)rt->conf->http_port,
                                          .routes = health->routes,
                                          .route_count = HEALTH_ROUTES};
    TRY(http_server_open(&options, &health->server, err));
    LOG_AT(LOG_INFO, "http.listening", LOG_TEXT("address", rt->conf->http_address),
           LOG_INT("port", http_server_port(health->server)));
    return OUTCOME_OK;
}

void health_close(struct health *health)
{
    http_server_close(health->server);
    health->server = NULL;
}
