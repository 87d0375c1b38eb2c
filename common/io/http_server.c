/* http_server: see http_server.h. */
#define _GNU_SOURCE /* strerrorname_np */
#include "io/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define IDLE_TIMEOUT_S 10u

struct http_server {
    struct MHD_Daemon *daemon;
    const struct http_route *routes;
    size_t route_count;
    uint16_t port;
};

/* ---- answering ---- */

static void answer_text(struct http_response *response, int status, const char *text)
{
    response->status = status;
    str_add_text(&response->body, text);
}

static void answer(const struct http_server *server, const char *method, const char *path,
                   struct http_response *response)
{
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        answer_text(response, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        return;
    }
    for (size_t i = 0; i < server->route_count; i++)
        if (strcmp(server->routes[i].path, path) == 0) {
            server->routes[i].handle(server->routes[i].ctx, response);
            return;
        }
    answer_text(response, MHD_HTTP_NOT_FOUND, "no such page\n");
}

static enum MHD_Result send_response(struct MHD_Connection *connection,
                                     struct http_response *response)
{
    bool failed = response->body.failed;
    struct MHD_Response *native =
        MHD_create_response_from_buffer(failed ? 0 : response->body.len,
                                        failed ? NULL : response->body.data, MHD_RESPMEM_MUST_COPY);
    if (native == NULL)
        return MHD_NO;
    int status = failed ? MHD_HTTP_INTERNAL_SERVER_ERROR : response->status;
    MHD_add_response_header(native, MHD_HTTP_HEADER_CONTENT_TYPE, response->content_type);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(native, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)status, native);
    MHD_destroy_response(native);
    return result;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **state)
{
    static const char begun;
    (void)version, (void)upload;
    if (*state == NULL) { /* the headers are in: whatever the body is, it is read and dropped */
        union {
            const char *in;
            void *out;
        } mark = {&begun};
        *state = mark.out;
        return MHD_YES;
    }
    if (*upload_len > 0) {
        *upload_len = 0;
        return MHD_YES;
    }
    struct http_response response = {200, "text/plain; charset=utf-8",
                                     str_with_max(STR_MAX_DEFAULT)};
    answer(ctx, method, path, &response);
    enum MHD_Result result = send_response(connection, &response);
    str_done(&response.body);
    return result;
}

/* ---- listening ---- */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static enum outcome parse_address(const char *text, uint16_t port, union address *ret_address,
                                  socklen_t *ret_len, struct err *err)
{
    union address address = {0};
    if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1) {
        address.v4.sin_family = AF_INET;
        address.v4.sin_port = htons(port);
        *ret_len = sizeof address.v4;
    } else if (inet_pton(AF_INET6, text, &address.v6.sin6_addr) == 1) {
        address.v6.sin6_family = AF_INET6;
        address.v6.sin6_port = htons(port);
        *ret_len = sizeof address.v6;
    } else {
        FAIL(err, OUTCOME_PERMANENT, "http.address", "\"%s\" is no numeric address", text);
        return err_hint(err, "0.0.0.0 for all of IPv4, :: for all, 127.0.0.1 for this machine");
    }
    *ret_address = address;
    return OUTCOME_OK;
}

static enum outcome fail_listen(const struct http_server_options *options, int fd, struct err *err)
{
    int why = errno;
    if (fd >= 0)
        close(fd);
    FAIL(err, OUTCOME_PERMANENT, "http.bind", "cannot listen on %s port %u: %s",
         options->bind_address, options->port, strerror(why));
    return err_native(err, strerrorname_np(why));
}

/* A socket of our own rather than the library's, which does not tell why it could not listen. */
static enum outcome open_socket(const struct http_server_options *options, int *ret_fd,
                                uint16_t *ret_port, struct err *err)
{
    union address address;
    socklen_t len = 0;
    int on = 1;
    TRY(parse_address(options->bind_address, options->port, &address, &len, err));
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, &address.any, len) != 0 || listen(fd, CONNECTIONS_MAX) != 0 ||
        getsockname(fd, &address.any, &len) != 0)
        return fail_listen(options, fd, err);
    *ret_port =
        ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
    *ret_fd = fd;
    return OUTCOME_OK;
}

enum outcome http_server_open(const struct http_server_options *options,
                              struct http_server **ret_server, struct err *err)
{
    int fd = -1;
    uint16_t port = 0;
    TRY(open_socket(options, &fd, &port, err));
    struct http_server *server = calloc(1, sizeof *server);
    if (server != NULL) {
        *server = (struct http_server){NULL, options->routes, options->route_count, port};
        server->daemon = MHD_start_daemon(
            MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC, 0, NULL, NULL, on_request,
            server, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
            MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_S, MHD_OPTION_END);
    }
    if (server == NULL || server->daemon == NULL) {
        close(fd);
        free(server);
        return FAIL(err, OUTCOME_RETRY, "http.thread", "cannot start the HTTP server's thread");
    }
    *ret_server = server;
    return OUTCOME_OK;
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->port;
}

void http_server_close(struct http_server *server)
{
    if (server == NULL)
        return;
    MHD_stop_daemon(server->daemon); /* closes the socket too */
    free(server);
}
