/*
 * loop: the least that any worker over Kafka does, in one thread: poll, parse, tell, commit.
 *
 * It is what Haul is measured against, no part of it: no retry, no dead letter, no order, no lease
 * that is renewed, nothing that survives a fault.
 */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include <stddef.h>

#define LOOP_BATCH 100

struct loop_hub;

struct loop_hub *loop_hub_open(const char *redis_socket, const char *redis_user,
                               const char *redis_password, const char *postgres_url);
/* One lease a job in a pipelined call to Redis, and one row a job in PostgreSQL, durable. */
void loop_hub_take(struct loop_hub *hub, const char *const *job_ids, size_t count);
void loop_hub_close(struct loop_hub *hub);

void loop_die(const char *what, const char *why) __attribute__((noreturn));

#endif
