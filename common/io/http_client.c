/* http_client: see http_client.h. */
#include "io/http_client.h"

#include "base/num.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#define HEADERS_MAX 100
#define HEADERS_MAX_BYTES 65536

struct http_client {
    CURL *handle;
    bool allow_private;
    char *ca_file, *user_agent;
    bool refused; /* the guard closed a door during this call */
};

/* What the callbacks of one call fill. */
struct exchange {
    struct str body, headers; /* headers: "name\0value\0" each */
    size_t header_count;
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static CURLcode library_state;

static void start_library(void)
{
    library_state = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* ---- callbacks ---- */

/* The address is the resolved one, of this connection: no name and no redirect goes around it. */
static curl_socket_t on_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_client *client = ctx;
    if (purpose == CURLSOCKTYPE_IPCXN && !client->allow_private &&
        !http_address_is_public(&address->addr)) {
        client->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct exchange *exchange = ctx;
    str_add(&exchange->body, bytes, size * count);
    return exchange->body.failed ? 0 : size * count;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *ctx)
{
    struct exchange *exchange = ctx;
    size_t len = size * count;
    if (len >= 5 &&
        memcmp(bytes, "HTTP/", 5) == 0) { /* the next answer: what came so far is void */
        str_clear(&exchange->headers);
        exchange->header_count = 0;
        str_clear(&exchange->body);
        return len;
    }
    const char *colon = memchr(bytes, ':', len);
    if (colon == NULL || exchange->header_count == HEADERS_MAX)
        return len;
    const char *value = colon + 1, *end = bytes + len;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
        end--;
    str_add(&exchange->headers, bytes, (size_t)(colon - bytes));
    str_add_char(&exchange->headers, '\0');
    str_add(&exchange->headers, value, (size_t)(end - value));
    str_add_char(&exchange->headers, '\0');
    exchange->header_count++;
    return exchange->headers.failed ? 0 : len;
}

/* ---- open and close ---- */

enum outcome http_client_open(const struct http_client_options *options,
                              struct http_client **ret_client, struct err *err)
{
    pthread_once(&library_once, start_library);
    if (library_state != CURLE_OK)
        return FAIL(err, OUTCOME_PERMANENT, "http.library", "libcurl does not start: %s",
                    curl_easy_strerror(library_state));
    struct http_client *client = calloc(1, sizeof *client);
    TRY_ALLOC(client, err);
    client->allow_private = options->allow_private;
    client->handle = curl_easy_init();
    client->user_agent = strdup(options->user_agent == NULL ? "haul" : options->user_agent);
    client->ca_file = options->ca_file == NULL ? NULL : strdup(options->ca_file);
    if (client->handle == NULL || client->user_agent == NULL ||
        (options->ca_file != NULL && client->ca_file == NULL)) {
        http_client_close(client);
        return FAIL_NO_MEMORY(err);
    }
    *ret_client = client;
    return OUTCOME_OK;
}

void http_client_close(struct http_client *client)
{
    if (client == NULL)
        return;
    curl_easy_cleanup(client->handle);
    free(client->ca_file);
    free(client->user_agent);
    free(client);
}

/* ---- the call ---- */

/* Scheme and host are fit for a message; path, query and user may hold secrets. */
static enum outcome check_url(const char *url, struct arena *arena, const char **ret_host,
                              struct err *err)
{
    char *scheme = NULL, *host = NULL, *user = NULL;
    CURLU *parts = curl_url();
    TRY_ALLOC(parts, err);
    bool is_read = curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
                   curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                   curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK;
    bool has_user = curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK;
    enum outcome outcome = OUTCOME_OK;
    if (!is_read || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        outcome = FAIL(err, OUTCOME_PERMANENT, "http.url", "not an http or https URL");
    else if (has_user)
        outcome = FAIL(err, OUTCOME_PERMANENT, "http.url", "a URL of %s with a user in it", host);
    else
        *ret_host = arena_strdup(arena, host);
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_url_cleanup(parts);
    if (outcome == OUTCOME_OK && *ret_host == NULL)
        return FAIL_NO_MEMORY(err);
    return outcome;
}

static void set_method(CURL *handle, const struct http_call *call)
{
    const char *method = call->method == NULL ? "GET" : call->method;
    bool is_post = strcmp(method, "POST") == 0;
    if (call->body.data != NULL || is_post) {
        curl_easy_setopt(handle, CURLOPT_POST, 1L);
        curl_easy_setopt(handle, CURLOPT_POSTFIELDS,
                         call->body.data == NULL ? "" : call->body.data);
        curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
    }
    if (strcmp(method, "HEAD") == 0)
        curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
    else if (!is_post && (strcmp(method, "GET") != 0 || call->body.data != NULL))
        curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, method);
}

static void set_options(struct http_client *client, const struct http_call *call,
                        struct exchange *exchange, struct curl_slist *headers)
{
    CURL *handle = client->handle;
    int64_t connect_ms = call->connect_timeout_ms != 0 ? call->connect_timeout_ms : 10000;
    int64_t timeout_ms = call->timeout_ms != 0 ? call->timeout_ms : 60000;
    curl_easy_reset(handle); /* keeps the connections */
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_PROXY, "");
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    curl_easy_setopt(handle, CURLOPT_OPENSOCKETDATA, client);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, exchange);
    curl_easy_setopt(handle, CURLOPT_URL, call->url);
    curl_easy_setopt(handle, CURLOPT_USERAGENT, client->user_agent);
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, call->redirects_max > 0 ? 1L : 0L);
    curl_easy_setopt(handle, CURLOPT_MAXREDIRS, (long)call->redirects_max);
    if (client->ca_file != NULL)
        curl_easy_setopt(handle, CURLOPT_CAINFO, client->ca_file);
    set_method(handle, call);
}

static const struct verdict {
    CURLcode native;
    enum outcome outcome;
    const char *code;
} verdicts[] = {
    {CURLE_COULDNT_RESOLVE_HOST, OUTCOME_RETRY, "http.connect"},
    {CURLE_COULDNT_CONNECT, OUTCOME_RETRY, "http.connect"},
    {CURLE_SSL_CONNECT_ERROR, OUTCOME_RETRY, "http.connect"},
    {CURLE_OPERATION_TIMEDOUT, OUTCOME_RETRY, "http.timeout"},
    {CURLE_PEER_FAILED_VERIFICATION, OUTCOME_PERMANENT, "http.tls"},
    {CURLE_SSL_CACERT_BADFILE, OUTCOME_PERMANENT, "http.tls"},
    {CURLE_TOO_MANY_REDIRECTS, OUTCOME_PERMANENT, "http.redirects"},
    {CURLE_URL_MALFORMAT, OUTCOME_PERMANENT, "http.url"},
    {CURLE_UNSUPPORTED_PROTOCOL, OUTCOME_PERMANENT, "http.url"},
};

static enum outcome fail_call(const struct http_client *client, const struct exchange *exchange,
                              CURLcode code, const char *host, struct err *err)
{
    if (client->refused) {
        FAIL(err, OUTCOME_PERMANENT, "http.forbidden_address",
             "%s, or where it leads to, has an address that is not public", host);
        return err_hint(err, "allow private addresses in the configuration if this is meant");
    }
    if (exchange->body.failed || exchange->headers.failed)
        return FAIL(err, OUTCOME_PERMANENT, "http.too_large",
                    "the answer of %s is larger than %zu bytes", host, exchange->body.max);
    struct verdict verdict = {code, OUTCOME_RETRY, "http.broken"};
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++)
        if (verdicts[i].native == code)
            verdict = verdicts[i];
    char native[24];
    snprintf(native, sizeof native, "CURLE_%d", (int)code);
    FAIL(err, verdict.outcome, verdict.code, "%s: %s", host, curl_easy_strerror(code));
    return err_native(err, native);
}

/* ---- the answer ---- */

static enum outcome copy_headers(const struct exchange *exchange, struct arena *arena,
                                 struct http_answer *answer, struct err *err)
{
    struct http_header *headers =
        ARENA_ARRAY(arena, struct http_header, exchange->header_count + 1);
    const char *at = arena_strndup(arena, str_text(&exchange->headers), exchange->headers.len);
    TRY_ALLOC(headers, err);
    TRY_ALLOC(at, err);
    for (size_t i = 0; i < exchange->header_count; i++) {
        headers[i].name = at;
        headers[i].value = at + strlen(at) + 1;
        at = headers[i].value + strlen(headers[i].value) + 1;
    }
    answer->headers = headers;
    answer->header_count = exchange->header_count;
    return OUTCOME_OK;
}

static enum outcome copy_answer(struct http_client *client, const struct exchange *exchange,
                                struct arena *arena, struct http_answer *ret_answer,
                                struct err *err)
{
    long status = 0;
    struct http_answer answer = {0};
    curl_easy_getinfo(client->handle, CURLINFO_RESPONSE_CODE, &status);
    answer.status = (int)status;
    answer.body.data = arena_strndup(arena, str_text(&exchange->body), exchange->body.len);
    answer.body.len = exchange->body.len;
    TRY_ALLOC(answer.body.data, err);
    TRY(copy_headers(exchange, arena, &answer, err));
    *ret_answer = answer;
    return OUTCOME_OK;
}

static enum outcome make_headers(const struct http_call *call, struct curl_slist **ret_headers,
                                 struct err *err)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:"); /* no pause before a body */
    for (size_t i = 0; headers != NULL && i < call->header_count; i++) {
        if (strpbrk(call->headers[i], "\r\n") != NULL) {
            curl_slist_free_all(headers);
            return FAIL(err, OUTCOME_PERMANENT, "http.header", "a header has a line end in it");
        }
        struct curl_slist *longer = curl_slist_append(headers, call->headers[i]);
        if (longer == NULL)
            curl_slist_free_all(headers);
        headers = longer;
    }
    TRY_ALLOC(headers, err);
    *ret_headers = headers;
    return OUTCOME_OK;
}

enum outcome http_client_call(struct http_client *client, const struct http_call *call,
                              struct arena *arena, struct http_answer *ret_answer, struct err *err)
{
    const char *host = NULL;
    struct curl_slist *headers = NULL;
    size_t body_max = call->answer_max_bytes != 0 ? call->answer_max_bytes : STR_MAX_DEFAULT;
    TRY(check_url(call->url, arena, &host, err));
    TRY(make_headers(call, &headers, err));
    struct exchange exchange = {str_with_max(body_max), str_with_max(HEADERS_MAX_BYTES), 0};
    client->refused = false;
    set_options(client, call, &exchange, headers);
    CURLcode code = curl_easy_perform(client->handle);
    enum outcome outcome = code == CURLE_OK ? copy_answer(client, &exchange, arena, ret_answer, err)
                                            : fail_call(client, &exchange, code, host, err);
    curl_easy_reset(client->handle); /* it must not point to what is freed now */
    curl_slist_free_all(headers);
    str_done(&exchange.body);
    str_done(&exchange.headers);
    return outcome;
}

const char *http_answer_header(const struct http_answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->header_count; i++)
        if (strcasecmp(answer->headers[i].name, name) == 0)
            return answer->headers[i].value;
    return NULL;
}
