/* io/http_server and io/http_client against each other, and the client against canned answers. */
#include "base/clock.h"
#include "check.h"
#include "io/http_client.h"
#include "io/http_server.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static struct arena arena;
static struct http_client *client;
static struct err err;

static void hello(void *ctx, struct http_response *response)
{
    str_addf(&response->body, "hello %s\n", (const char *)ctx);
}

static void unready(void *ctx, struct http_response *response)
{
    (void)ctx;
    response->status = 503;
    response->content_type = "application/json";
    str_add_text(&response->body, "{}");
}

static void broken(void *ctx, struct http_response *response)
{
    (void)ctx;
    response->body.failed = true;
}

static char world[] = "world";
static const struct http_route routes[] = {
    {"/hello", hello, world}, {"/readyz", unready, NULL}, {"/broken", broken, NULL}};
static const struct http_server_options server_options = {"127.0.0.1", 0, routes, 3};

static bool open_client(bool allow_private)
{
    struct http_client_options options = {.allow_private = allow_private};
    arena_init(&arena, 1 << 20);
    err_clear(&err);
    return CHECK_OK(http_client_open(&options, &client, &err), &err);
}

static void close_client(void)
{
    http_client_close(client);
    client = NULL;
    arena_done(&arena);
}

static const char *url_of(int port, const char *path)
{
    return arena_printf(&arena, "http://127.0.0.1:%d%s", port, path);
}

/* ---- the server ---- */

static void test_serves_its_routes(void)
{
    static const struct {
        const char *method, *path, *body, *type;
        int status;
    } cases[] = {
        {"GET", "/hello", "hello world\n", "text/plain; charset=utf-8", 200},
        {"HEAD", "/hello", "", "text/plain; charset=utf-8", 200},
        {"GET", "/hello?x=1", "hello world\n", "text/plain; charset=utf-8", 200},
        {"GET", "/readyz", "{}", "application/json", 503},
        {"GET", "/broken", "", "text/plain; charset=utf-8", 500},
        {"GET", "/hello/", "no such page\n", "text/plain; charset=utf-8", 404},
        {"POST", "/hello", "only GET and HEAD\n", "text/plain; charset=utf-8", 405},
        {"DELETE", "/hello", "only GET and HEAD\n", "text/plain; charset=utf-8", 405},
    };
    struct http_server *server = NULL;
    if (!open_client(true) || !CHECK_OK(http_server_open(&server_options, &server, &err), &err))
        return;
    CHECK(http_server_port(server) > 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_answer answer = {0};
        struct http_call call = {.method = cases[i].method,
                                 .url = url_of(http_server_port(server), cases[i].path)};
        CHECK_OK(http_client_call(client, &call, &arena, &answer, &err), &err);
        CHECK_INT(answer.status, cases[i].status);
        CHECK_TEXT(answer.body.data, cases[i].body);
        CHECK_TEXT(http_answer_header(&answer, "content-type"), cases[i].type);
    }
    http_server_close(server);
    close_client();
}

static void test_server_refuses_addresses(void)
{
    err_clear(&err);
    struct http_server *first = NULL, *second = NULL;
    struct http_server_options options = server_options;
    CHECK_OK(http_server_open(&options, &first, &err), &err);
    options.port = http_server_port(first);
    CHECK_OUTCOME(http_server_open(&options, &second, &err), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "http.bind");
    CHECK_TEXT(err.native, "EADDRINUSE");
    http_server_close(first);
    CHECK_OK(http_server_open(&options, &second, &err), &err); /* free again at once */
    http_server_close(second);
    options.bind_address = "localhost";
    CHECK_OUTCOME(http_server_open(&options, &second, &err), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "http.address");
    http_server_close(NULL);
}

/* ---- a server of canned answers, one a connection ---- */

struct canned {
    int fd, port;
    const char *const *answers;
    size_t count;
    char requests[4][2048];
    pthread_t thread;
};

static void *canned_run(void *ctx)
{
    struct canned *canned = ctx;
    for (size_t i = 0; i < canned->count; i++) {
        int fd = accept(canned->fd, NULL, NULL);
        ssize_t len = read(fd, canned->requests[i], sizeof canned->requests[i] - 1);
        const char *answer = canned->answers[i];
        if (answer == NULL)
            usleep(600000); /* says nothing */
        else if (len > 0 && write(fd, answer, strlen(answer)) < 0)
            len = 0;
        close(fd);
    }
    return NULL;
}

static void canned_start(struct canned *canned, const char *const *answers, size_t count)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    *canned = (struct canned){.answers = answers, .count = count};
    canned->fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_INT(bind(canned->fd, (struct sockaddr *)&address, len), 0);
    CHECK_INT(listen(canned->fd, 8), 0);
    CHECK_INT(getsockname(canned->fd, (struct sockaddr *)&address, &len), 0);
    canned->port = ntohs(address.sin_port);
    CHECK_INT(pthread_create(&canned->thread, NULL, canned_run, canned), 0);
}

static void canned_end(struct canned *canned)
{
    pthread_join(canned->thread, NULL);
    close(canned->fd);
}

static void test_posts_headers_and_body(void)
{
    static const char *const answers[] = {"HTTP/1.1 429 Slow\r\nRetry-After:  7 "
                                          "\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"};
    struct canned canned;
    struct http_answer answer = {0};
    const char *headers[] = {"Content-Type: application/json", "Authorization: Bearer s3cret"};
    if (!open_client(true))
        return;
    canned_start(&canned, answers, 1);
    struct http_call call = {.method = "POST",
                             .url = url_of(canned.port, "/a?b=c"),
                             .headers = headers,
                             .header_count = 2,
                             .body = slice_of("{\"a\":1}")};
    CHECK_OK(http_client_call(client, &call, &arena, &answer, &err), &err);
    canned_end(&canned);
    CHECK_INT(answer.status, 429);
    CHECK_TEXT(http_answer_header(&answer, "retry-after"), "7");
    CHECK(http_answer_header(&answer, "x-none") == NULL);
    CHECK_TEXT(answer.body.data, "no");
    CHECK(strncmp(canned.requests[0], "POST /a?b=c HTTP/1.1\r\n", 22) == 0);
    CHECK(strstr(canned.requests[0], "Authorization: Bearer s3cret\r\n") != NULL);
    CHECK(strstr(canned.requests[0], "User-Agent: haul\r\n") != NULL);
    CHECK(strstr(canned.requests[0], "\r\n\r\n{\"a\":1}") != NULL);
    close_client();
}

static void test_follows_redirects_up_to_a_bound(void)
{
    static const char there[] = "HTTP/1.1 302 x\r\nLocation: /next\r\nX-First: 1\r\n"
                                "Content-Length: 4\r\nConnection: close\r\n\r\nmove";
    static const char *const answers[] = {
        there, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nhere", there,
        there};
    struct canned canned;
    struct http_answer answer = {0};
    if (!open_client(true))
        return;
    canned_start(&canned, answers, 4);
    struct http_call call = {.url = url_of(canned.port, "/"), .redirects_max = 1};
    CHECK_OK(http_client_call(client, &call, &arena, &answer, &err), &err);
    CHECK_INT(answer.status, 200);
    CHECK_TEXT(answer.body.data, "here");
    CHECK(http_answer_header(&answer, "x-first") == NULL); /* of the last answer alone */
    CHECK_OUTCOME(http_client_call(client, &call, &arena, &answer, &err), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "http.redirects");
    canned_end(&canned);
    close_client();
}

static void test_limits(void)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\n0123456789", NULL,
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\n0123"};
    static const struct {
        enum outcome want;
        const char *code;
    } wants[] = {{OUTCOME_PERMANENT, "http.too_large"},
                 {OUTCOME_RETRY, "http.timeout"},
                 {OUTCOME_RETRY, "http.broken"}};
    struct canned canned;
    if (!open_client(true))
        return;
    canned_start(&canned, answers, 3);
    struct http_call call = {
        .url = url_of(canned.port, "/s3cret"), .answer_max_bytes = 9, .timeout_ms = 300};
    for (size_t i = 0; i < 3; i++) {
        struct http_answer answer = {0};
        CHECK_OUTCOME(http_client_call(client, &call, &arena, &answer, &err), wants[i].want, &err);
        CHECK_TEXT(err.code, wants[i].code);
        CHECK(strstr(err.message, "s3cret") == NULL);
        if (i == 1)
            clock_sleep_us(400 * US_PER_MS); /* until the silent connection is over */
    }
    canned_end(&canned);
    close_client();
}

static void test_guards_private_addresses(void)
{
    struct http_server *server = NULL;
    if (!open_client(false) || !CHECK_OK(http_server_open(&server_options, &server, &err), &err))
        return;
    static const char *const hosts[] = {"127.0.0.1", "localhost",       "[::ffff:127.0.0.1]",
                                        "0x7f.1",    "169.254.169.254", "0.0.0.0"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct http_answer answer = {0};
        struct http_call call = {
            .url = arena_printf(&arena, "http://%s:%d/hello", hosts[i], http_server_port(server)),
            .timeout_ms = 2000};
        CHECK_OUTCOME(http_client_call(client, &call, &arena, &answer, &err), OUTCOME_PERMANENT,
                      &err);
        CHECK_TEXT(err.code, "http.forbidden_address");
        CHECK_INT(answer.status, 0);
    }
    http_server_close(server);
    close_client();
}

static void test_refuses_urls(void)
{
    static const char *const urls[] = {"",         "file:///etc/passwd", "ftp://h/x",
                                       "nonsense", "http://u:s3cret@h/", "gopher://h"};
    if (!open_client(true))
        return;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct http_answer answer = {0};
        struct http_call call = {.url = urls[i]};
        CHECK_OUTCOME(http_client_call(client, &call, &arena, &answer, &err), OUTCOME_PERMANENT,
                      &err);
        CHECK_TEXT(err.code, "http.url");
        CHECK(strstr(err.message, "s3cret") == NULL);
    }
    const char *headers[] = {"X: 1\r\nY: 2"};
    struct http_answer answer = {0};
    struct http_call call = {.url = "http://127.0.0.1:1/", .headers = headers, .header_count = 1};
    CHECK_OUTCOME(http_client_call(client, &call, &arena, &answer, &err), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "http.header");
    call.header_count = 0;
    CHECK_OUTCOME(http_client_call(client, &call, &arena, &answer, &err), OUTCOME_RETRY, &err);
    CHECK_TEXT(err.code, "http.connect");
    close_client();
}

static void test_public_addresses(void)
{
    static const struct {
        const char *address;
        bool is_public;
    } cases[] = {
        {"8.8.8.8", true},
        {"1.1.1.1", true},
        {"11.0.0.0", true},
        {"172.15.255.255", true},
        {"172.32.0.0", true},
        {"100.63.255.255", true},
        {"100.128.0.0", true},
        {"192.167.0.1", true},
        {"223.255.255.255", true},
        {"0.0.0.0", false},
        {"10.1.2.3", false},
        {"100.64.0.1", false},
        {"100.127.255.255", false},
        {"127.0.0.1", false},
        {"169.254.169.254", false},
        {"172.16.0.1", false},
        {"172.31.255.255", false},
        {"192.168.1.1", false},
        {"192.0.0.1", false},
        {"198.19.0.1", false},
        {"203.0.113.5", false},
        {"224.0.0.1", false},
        {"255.255.255.255", false},
        {"240.0.0.1", false},
        {"2606:4700::1111", true},
        {"2a00:1450::1", true},
        {"::", false},
        {"::1", false},
        {"::8.8.8.8", false},
        {"::ffff:8.8.8.8", true},
        {"::ffff:10.0.0.1", false},
        {"64:ff9b::8.8.8.8", true},
        {"64:ff9b::7f00:1", false},
        {"64:ff9b:1::1", false},
        {"2002:808:808::1", true},
        {"2002:a00:1::1", false},
        {"2001:db8::1", false},
        {"2001::1", false},
        {"2001:200::1", true},
        {"3fff::1", false},
        {"fc00::1", false},
        {"fd12::1", false},
        {"fe80::1", false},
        {"fec0::1", false},
        {"ff02::1", false},
        {"100::1", false},
        {"4000::1", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        bool is_v4 = inet_pton(AF_INET, cases[i].address, &v4.sin_addr) == 1;
        if (!is_v4)
            CHECK_INT(inet_pton(AF_INET6, cases[i].address, &v6.sin6_addr), 1);
        const struct sockaddr *address =
            is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6;
        if (!CHECK_INT(http_address_is_public(address), cases[i].is_public))
            CHECK_TEXT(cases[i].address, "the case that failed");
    }
    struct sockaddr local = {.sa_family = AF_UNIX};
    CHECK(!http_address_is_public(&local));
}

static CU_TestInfo tests[] = {
    {"serves its routes", test_serves_its_routes},
    {"server refuses addresses", test_server_refuses_addresses},
    {"posts headers and body", test_posts_headers_and_body},
    {"follows redirects up to a bound", test_follows_redirects_up_to_a_bound},
    {"limits", test_limits},
    {"guards private addresses", test_guards_private_addresses},
    {"refuses URLs", test_refuses_urls},
    {"public addresses", test_public_addresses},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("io/http", tests)
