/*
 * kafka_mock: librdkafka's mock cluster, a broker in this process.
 *
 * Is:      for `haul broker` and tests: real TCP on loopback, groups, commits with metadata, errors
 * on demand. Other processes can use it. Is not:  a broker: it keeps 5 MiB or 100,000 batches a
 * partition and drops the oldest silently, nothing survives it, it chooses its ports, and it has no
 * admin API, TLS or SASL. Owns:    its listeners and threads. Threads: one at a time.
 */
#ifndef HAUL_IO_KAFKA_MOCK_H
#define HAUL_IO_KAFKA_MOCK_H

#include "base/err.h"

#include <stddef.h>

struct kafka_mock;

/* A cluster of that many brokers; unknown topics are created when asked for, with 4 partitions. */
MUST_USE enum outcome kafka_mock_open(int brokers, struct kafka_mock **ret_mock, struct err *err);
void kafka_mock_close(struct kafka_mock *mock); /* takes NULL */

/* "127.0.0.1:40123,...", for kafka_conf.brokers. Lives as long as the mock. */
const char *kafka_mock_brokers(const struct kafka_mock *mock);

MUST_USE enum outcome kafka_mock_create_topic(struct kafka_mock *mock, const char *topic,
                                              int partitions, struct err *err);

/* The next `count` requests of that Kafka API key (0 Produce, 1 Fetch, 8 OffsetCommit, ...) are
 * answered with that Kafka error code. */
void kafka_mock_fail_requests(struct kafka_mock *mock, int16_t api_key, int16_t error_code,
                              size_t count);

/* Takes a broker (from 1) off the network, or puts it back. */
void kafka_mock_set_broker(struct kafka_mock *mock, int broker, bool up);

/* Answers of the broker take that long from now on. */
void kafka_mock_set_delay(struct kafka_mock *mock, int broker, int delay_ms);

#endif
