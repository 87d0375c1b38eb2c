/* run_conf: see run_conf.h. The table is what --help prints. */
#include "run/run_conf.h"

#include "base/log.h"
#include "run/topics.h"

static const char *const level_names[] = {"debug", "info", "warn", "error", NULL};

#define INT_FIELD(field_name, low, high, field_unit, default_value, text)                          \
    {                                                                                              \
        .name = #field_name, .type = FIELD_INT, .offset = offsetof(struct run_conf, field_name),   \
        .min = (low), .max = (high), .unit = (field_unit), .default_text = (default_value),        \
        .doc = (text)                                                                              \
    }

static const struct field fields[] = {
    KAFKA_CONF_FIELDS(struct run_conf, kafka),
    RCONN_CONF_FIELDS(struct run_conf, redis),
    PGSQL_CONF_FIELDS(struct run_conf, hub),
    {.name = "keyring_file",
     .type = FIELD_STRING,
     .offset = offsetof(struct run_conf, keyring_file),
     .doc = "Keys that open the sealed secrets of connections, a line `id:base64` each."},
    {.name = "topic_prefix",
     .type = FIELD_STRING,
     .max = 100,
     .offset = offsetof(struct run_conf, topic_prefix),
     .default_text = TOPIC_PREFIX_DEFAULT,
     .doc = "What the names of all topics, and the group, begin with."},
    {.name = "group",
     .type = FIELD_STRING,
     .max = 200,
     .offset = offsetof(struct run_conf, group),
     .doc = "Consumer group; the name of the jobs topic when not set."},
    {.name = "http_address",
     .type = FIELD_STRING,
     .offset = offsetof(struct run_conf, http_address),
     .default_text = "127.0.0.1",
     .doc = "Address of /metrics, /healthz and /readyz; :: for all."},
    INT_FIELD(http_port, 0, 65535, NULL, "9464",
              "Port of /metrics and health; 0 for any free one."),
    INT_FIELD(job_threads, 1, 256, NULL, "2", "Jobs that run at a time."),
    INT_FIELD(buffered_jobs_max, 1, 100000, NULL, "1024",
              "Jobs taken from Kafka and not done; beyond it partitions are paused."),
    INT_FIELD(workspace_jobs_max, -1, 100000, NULL, "-1",
              "Jobs of one workspace that run at a time in all workers of this kind; 0 for any "
              "number, -1 as the worker has it."),
    INT_FIELD(
        workspace_backlog_ms, 0, 86400000, "ms", "500",
        "Work that may wait for a worker before a workspace that has more of its buffer than "
        "is left for others has the rest of its jobs read later, or moved to the bulk topic."),
    INT_FIELD(job_memory_bytes, 65536, INT64_C(1) << 32, "bytes", "67108864",
              "The most that a job's own arena may hold."),
    INT_FIELD(lease_ttl_ms, 1000, 600000, "ms", "30000",
              "How long a job's lease outlives its worker; renewed every third of it."),
    INT_FIELD(max_starts, 1, 100, NULL, "3",
              "Starts of a job that end with its process before it is given up as poison."),
    INT_FIELD(drain_timeout_ms, 0, 3600000, "ms", "25000",
              "How long SIGTERM waits for running jobs before they are handed back."),
    INT_FIELD(revoke_drain_ms, 0, 60000, "ms", "2000",
              "How long a rebalance waits for running jobs."),
    INT_FIELD(
        head_of_line_ms, 0, 86400000, "ms", "600000",
        "How long one job may hold back its partition, when the thousands behind it are done, "
        "before it is stopped and given up."),
    INT_FIELD(commit_interval_ms, 10, 60000, "ms", "500",
              "How often offsets are committed; sooner when nothing is under way."),
    INT_FIELD(session_timeout_ms, 1000, 300000, "ms", "10000",
              "How long the group waits for a worker that is silent."),
    INT_FIELD(retry_scale_percent, 1, 100, "%", "100",
              "Shortens the delays of all retry topics, for tests."),
    INT_FIELD(breaker_open_ms, 100, 600000, "ms", "60000",
              "How long an open circuit breaker lets nothing through before it is probed; twice as "
              "long each time it opens again, up to ten times."),
    INT_FIELD(breaker_minimum_calls, 1, 100, NULL, "10",
              "Calls of a dependency (of the last 100) below which its breaker stays closed."),
    INT_FIELD(breaker_failure_percent, 0, 100, "%", "50",
              "Of them, how many failed for the breaker to open; 0 = never."),
    {.name = "compress",
     .type = FIELD_BOOL,
     .offset = offsetof(struct run_conf, compress),
     .default_text = "false",
     .doc =
         "Compresses events, and jobs that wait (gzip): less room in the broker, more work here."},
    {.name = "log_level",
     .type = FIELD_ENUM,
     .offset = offsetof(struct run_conf, log_level),
     .default_text = "info",
     .choices = level_names,
     .doc = "Lines below this level are not logged."},
};
const struct field_table run_conf_table = {"worker", "What every worker process is told.", fields,
                                           FIELDS_COUNT(fields), sizeof(struct run_conf)};

/* Kafka's own alphabet for topics, which a prefix must not leave. */
static bool is_topic_text(const char *text)
{
    static const char alphabet[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return text[strspn(text, alphabet)] == '\0';
}

enum outcome run_conf_check(const struct run_conf *conf, struct err *err)
{
    if (!is_topic_text(conf->topic_prefix))
        return FAIL(
            err, OUTCOME_PERMANENT, "conf.prefix",
            "HAUL_TOPIC_PREFIX: only letters, digits, '.', '_' and '-' make a topic's name");
    return kafka_conf_check(&conf->kafka, err);
}
