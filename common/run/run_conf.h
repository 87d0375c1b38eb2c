/*
 * run_conf: the configuration that every worker process has, as one field table.
 */
#ifndef HAUL_RUN_RUN_CONF_H
#define HAUL_RUN_RUN_CONF_H

#include "io/kafka.h"
#include "io/pgsql.h"
#include "io/redis.h"

struct run_conf {
    struct kafka_conf kafka;
    struct rconn_conf redis;
    struct pgsql_conf hub;
    const char *topic_prefix, *group;
    const char *keyring_file;
    const char *http_address;
    int64_t http_port;
    int64_t job_threads, buffered_jobs_max, workspace_jobs_max, job_memory_bytes;
    int64_t workspace_backlog_ms;
    int64_t lease_ttl_ms, max_starts;
    int64_t drain_timeout_ms, revoke_drain_ms;
    int64_t head_of_line_ms, commit_interval_ms, session_timeout_ms;
    int64_t retry_scale_percent;
    int64_t breaker_open_ms, breaker_minimum_calls, breaker_failure_percent;
    bool compress;
    int log_level;
};
extern const struct field_table run_conf_table;

/* Rules between the fields. PERMANENT "conf.prefix" and what kafka_conf_check gives. */
MUST_USE enum outcome run_conf_check(const struct run_conf *conf, struct err *err);

#endif
