/*
 * kafka_admin: topics and groups as an operator sees them.
 *
 * Is:      create, describe and delete topics, watermarks, a group's commits and lag.
 * Is not:  a consumer: it joins no group and commits nothing.
 * Owns:    its connection. Lists live in the caller's arena.
 * Threads: one at a time.
 *
 * All calls wait at most `timeout_ms` and fail with RETRY "kafka.unreachable" or "kafka.timeout",
 * PERMANENT "kafka.auth", "kafka.denied" or what they name.
 */
#ifndef HAUL_IO_KAFKA_ADMIN_H
#define HAUL_IO_KAFKA_ADMIN_H

#include "io/kafka.h"

struct kafka_admin;

MUST_USE enum outcome kafka_admin_open(const struct kafka_conf *conf,
                                       struct kafka_admin **ret_admin, struct err *err);
void kafka_admin_close(struct kafka_admin *admin); /* takes NULL */
static inline void kafka_admin_close_at(struct kafka_admin **admin)
{
    kafka_admin_close(*admin);
}
#define KAFKA_ADMIN_AUTO __attribute__((cleanup(kafka_admin_close_at)))

struct kafka_setting {
    const char *name, *value; /* "retention.ms", "604800000" */
};

struct kafka_topic_spec {
    const char *name;
    int32_t partitions;  /* 0 = the broker's default */
    int32_t replication; /* 0 = the broker's default */
    const struct kafka_setting *settings;
    size_t setting_count;
};

/* Creates what is not there yet; a topic that exists is left as it is. PERMANENT "kafka.topic"
 * with the topic's name. A broker without the admin API (the mock) creates them by asking for
 * their metadata, with its own partition count. */
MUST_USE enum outcome kafka_admin_create_topics(struct kafka_admin *admin,
                                                const struct kafka_topic_spec *specs, size_t count,
                                                int64_t timeout_ms, struct err *err);

/* A topic that is not there is no error. */
MUST_USE enum outcome kafka_admin_delete_topics(struct kafka_admin *admin, const char *const *names,
                                                size_t count, int64_t timeout_ms, struct err *err);

struct kafka_topic {
    const char *name;
    int32_t partitions;
    int32_t leaderless; /* partitions that have no leader now */
};

struct kafka_cluster {
    int32_t brokers;
    const struct kafka_topic *topics; /* sorted by name, internal ones too */
    size_t topic_count;
};

/* All that the brokers tell: also the check that they can be reached and let us in. */
MUST_USE enum outcome kafka_admin_describe(struct kafka_admin *admin, struct arena *arena,
                                           int64_t timeout_ms, struct kafka_cluster *ret_cluster,
                                           struct err *err);

/* The topic of that name in it; NULL when there is none. */
const struct kafka_topic *kafka_cluster_find(const struct kafka_cluster *cluster, const char *name);

struct kafka_watermarks {
    int64_t low, high; /* first record's offset; one behind the last one's */
};
MUST_USE enum outcome kafka_admin_watermarks(struct kafka_admin *admin, const char *topic,
                                             int32_t partition, int64_t timeout_ms,
                                             struct kafka_watermarks *ret_marks, struct err *err);

/* The first offset whose record is at `wall_ms` or later, a partition; KAFKA_OFFSET_END when none
 * is. Sets the offset of each item. */
MUST_USE enum outcome kafka_admin_offsets_at(struct kafka_admin *admin, int64_t wall_ms,
                                             struct kafka_partition *partitions, size_t count,
                                             int64_t timeout_ms, struct err *err);

struct kafka_group_topic {
    const char *group, *topic;
};

struct kafka_lag {
    int32_t partition;
    int64_t committed;    /* KAFKA_OFFSET_NONE = never */
    const char *metadata; /* NULL = none */
    struct kafka_watermarks marks;
    int64_t lag; /* high - committed, high - low when never committed */
};

struct kafka_lag_list {
    const struct kafka_lag *items; /* by partition */
    size_t count;
};

/* The group's lag on each partition of a topic; PERMANENT "kafka.topic_missing". */
MUST_USE enum outcome kafka_admin_lag(struct kafka_admin *admin, struct arena *arena,
                                      const struct kafka_group_topic *of, int64_t timeout_ms,
                                      struct kafka_lag_list *ret_lags, struct err *err);

#endif
