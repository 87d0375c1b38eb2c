/*
 * kafka_admin_private: what kafka_admin.c and kafka_lag.c share; included by these files alone.
 */
#ifndef HAUL_IO_KAFKA_ADMIN_PRIVATE_H
#define HAUL_IO_KAFKA_ADMIN_PRIVATE_H

#include "io/kafka_admin.h"
#include "io/kafka_private.h"

struct kafka_admin {
    struct kafka_news news; /* first: it is the handle's opaque */
    rd_kafka_t *handle;
};

/* Fills the record; a call that waited in vain may have the reason among the news. */
enum outcome kafka_admin_fail(struct kafka_admin *admin, rd_kafka_resp_err_t code, const char *what,
                              struct err *err);

/* One request of the admin API and its answer. */
struct kafka_request {
    rd_kafka_AdminOptions_t *options;
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *answer;
};

void kafka_request_done(struct kafka_request *request);
#define KAFKA_REQUEST_AUTO __attribute__((cleanup(kafka_request_done)))

MUST_USE enum outcome kafka_request_init(struct kafka_admin *admin, rd_kafka_admin_op_t op,
                                         int64_t timeout_ms, struct kafka_request *request,
                                         struct err *err);
/* Waits for the answer; `what` says whose it is. */
MUST_USE enum outcome kafka_request_await(struct kafka_admin *admin, struct kafka_request *request,
                                          int64_t timeout_ms, const char *what, struct err *err);

#endif
