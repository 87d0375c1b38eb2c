/*
 * topics: the names of all topics, in one place.
 *
 * Is:      prefix + role + worker -> name, and what `haul topics create` makes of each.
 * Owns:    nothing; names are written to the caller's bytes.
 *
 *     <prefix>jobs.<worker>                 the work
 *     <prefix>jobs.<worker>.interactive     work that goes before it
 *     <prefix>jobs.<worker>.bulk            work that goes behind it
 *     <prefix>jobs.<worker>.retry.<tier>    work that waits, a topic a delay (model/retry.h)
 *     <prefix>jobs.<worker>.dlq             work that was given up
 *     <prefix>jobs.<worker>.quarantine      work that was put back and given up too often
 *     <prefix>events                        what is told about jobs, of all workers
 */
#ifndef HAUL_RUN_TOPICS_H
#define HAUL_RUN_TOPICS_H

#include "io/kafka_admin.h"
#include "model/job.h"
#include "model/retry.h"

#define TOPIC_PREFIX_DEFAULT "haul."
#define TOPIC_NAME_SIZE 250 /* Kafka's own limit is 249 characters */

enum topic_role {
    TOPIC_JOBS,
    TOPIC_INTERACTIVE,
    TOPIC_BULK,
    TOPIC_RETRY,
    TOPIC_DLQ,
    TOPIC_QUARANTINE,
    TOPIC_EVENTS,
};

struct topic_name {
    char text[TOPIC_NAME_SIZE];
};

/* `tier` counts with TOPIC_RETRY alone, `worker` not with TOPIC_EVENTS. */
struct topic_name topic_name_of(enum topic_role role, const char *prefix, const char *worker,
                                size_t tier);

/* The class of priority that a topic of jobs stands for: TOPIC_INTERACTIVE, TOPIC_BULK; TOPIC_JOBS
 * for any other name, and for NULL. */
enum topic_role topic_class_of(const char *name, const char *prefix, const char *worker);
/* The same, as the enum job_priority of the jobs that come by it and don't say their own. */
int topic_priority_of(const char *name, const char *prefix, const char *worker);

struct topic {
    enum topic_role role;
    size_t tier;
    struct topic_name name;
    const char *doc;
    struct kafka_topic_spec spec; /* spec.name is not set: point it to name.text */
};

/* A worker's topics: jobs of each priority, each retry tier, dlq, quarantine, events. */
#define TOPICS_COUNT (6 + RETRY_TIER_COUNT)
/* Writes TOPICS_COUNT topics; `partitions` of the jobs topic (0 = 12), `replication` 0 = the
 * broker's default. */
void topics_of_worker(const char *prefix, const char *worker, int32_t partitions,
                      int32_t replication, struct topic ret_topics[TOPICS_COUNT]);

#endif
