/*
 * kafka_headers: a message's headers as the model floor reads and writes them.
 */
#ifndef HAUL_RUN_KAFKA_HEADERS_H
#define HAUL_RUN_KAFKA_HEADERS_H

#include "io/kafka.h"
#include "model/job.h"

/* The headers of a message; values point into it. */
MUST_USE enum outcome kafka_headers_of(const struct kafka_message *message, struct arena *arena,
                                       struct job_headers *ret_headers, struct err *err);

/* What the headers of a record say; where it stands, when it is the first of its job. */
MUST_USE enum outcome kafka_headers_trail(const struct kafka_message *message, struct arena *arena,
                                          struct job_trail *ret_trail, struct err *err);

/* The record that carries a message's key and bytes on to `topic`, with the trail's headers. The
 * headers live in the arena, the rest points into the message. */
MUST_USE enum outcome kafka_headers_forward(const struct kafka_message *message,
                                            const struct job_trail *trail, const char *topic,
                                            struct arena *arena, struct kafka_record *ret_record,
                                            struct err *err);

#endif
