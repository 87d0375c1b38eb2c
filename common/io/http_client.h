/*
 * http_client: one HTTP request at a time, with every limit set.
 *
 * Is:      GET, POST and their kin with headers, time-outs, a bound on the answer's size, checked
 *          certificates, and a guard that refuses to connect to addresses that are not public.
 * Is not:  a policy: it repeats nothing. The answer's status is the caller's to judge.
 * Owns:    its connections. Answers live in the caller's arena.
 * Threads: a client belongs to one thread at a time.
 *
 * The guard looks at the address that is connected to, after the name was resolved, for redirects
 * too, so that no name and no redirect leads into the private network. Proxies from the
 * environment are not used, because behind one the address can't be seen.
 */
#ifndef HAUL_IO_HTTP_CLIENT_H
#define HAUL_IO_HTTP_CLIENT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct sockaddr;
struct http_client;

struct http_client_options {
    bool allow_private;  /* private, loopback, link-local and other special addresses are let in */
    const char *ca_file; /* PEM bundle; NULL = the system's */
    const char *user_agent; /* NULL = "haul" */
};

struct http_call {
    const char *method;         /* NULL = GET */
    const char *url;            /* http or https */
    const char *const *headers; /* "Name: value" */
    size_t header_count;
    struct slice body;          /* sent when body.data is not NULL */
    int64_t connect_timeout_ms; /* 0 = 10 s */
    int64_t timeout_ms;         /* of the whole exchange; 0 = 60 s */
    size_t answer_max_bytes;    /* 0 = 16 MiB */
    int redirects_max;          /* 0 = none is followed */
};

struct http_header {
    const char *name, *value;
};

struct http_answer {
    int status;
    struct slice body;
    const struct http_header *headers; /* of the last answer, after redirects */
    size_t header_count;
};

MUST_USE enum outcome http_client_open(const struct http_client_options *options,
                                       struct http_client **ret_client, struct err *err);
void http_client_close(struct http_client *client); /* takes NULL */

/* OK for any answer, whatever its status. RETRY "http.connect", "http.timeout", "http.broken";
 * PERMANENT "http.forbidden_address", "http.tls", "http.url", "http.too_large",
 * "http.redirects". The URL's query and user part never enter a message. */
MUST_USE enum outcome http_client_call(struct http_client *client, const struct http_call *call,
                                       struct arena *arena, struct http_answer *ret_answer,
                                       struct err *err);

/* The value of a header, any case; NULL when there is none. */
const char *http_answer_header(const struct http_answer *answer, const char *name);

/* True for an address on the public Internet (IPv4 or IPv6; mapped forms are looked through). */
bool http_address_is_public(const struct sockaddr *address);

#endif
