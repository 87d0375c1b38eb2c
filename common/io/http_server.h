/*
 * http_server: a small HTTP server for health and metrics.
 *
 * Is:      a table of paths, each with a handler that fills a response; GET and HEAD only.
 * Is not:  for the public: no TLS, no request bodies, at most 64 connections.
 * Owns:    the listening socket and one thread, which calls the handlers one at a time.
 * Threads: open and close from one thread; what handlers read must be safe against their thread.
 */
#ifndef HAUL_IO_HTTP_SERVER_H
#define HAUL_IO_HTTP_SERVER_H

#include "base/err.h"
#include "base/str.h"

struct http_server;

struct http_response {
    int status;               /* 200 when the handler sets none */
    const char *content_type; /* static text; "text/plain; charset=utf-8" when it sets none */
    struct str body;          /* the server frees it */
};

typedef void http_handler(void *ctx, struct http_response *response);

struct http_route {
    const char *path; /* "/metrics", matched exactly */
    http_handler *handle;
    void *ctx;
};

struct http_server_options {
    const char *bind_address;        /* numeric IPv4 or IPv6, e.g. "127.0.0.1", "::" */
    uint16_t port;                   /* 0 = any free one */
    const struct http_route *routes; /* must outlive the server */
    size_t route_count;
};

/* Listens and serves. PERMANENT "http.address" (no numeric address), "http.bind" (errno's name as
 * native code, e.g. port in use). */
MUST_USE enum outcome http_server_open(const struct http_server_options *options,
                                       struct http_server **ret_server, struct err *err);
uint16_t http_server_port(const struct http_server *server); /* the one that it listens on */
void http_server_close(struct http_server *server);          /* waits for its thread; takes NULL */

#endif
