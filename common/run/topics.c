/* topics: see topics.h. */
#include "run/topics.h"

#include <stdio.h>

#define PARTITIONS_DEFAULT 12
#define PARTITIONS_SIDE 3 /* retry, dlq: far less goes there */

/* Retry and dead-letter records are the job's and the headers', so they may be longer than a job.
 */
#define TEXT_OF(number) #number
#define NUMBER_TEXT(macro) TEXT_OF(macro)
#define JOB_BYTES "1048576"
#define COPY_BYTES NUMBER_TEXT(KAFKA_TOPIC_BYTES)

static const struct kafka_setting jobs_settings[] = {{"retention.ms", "604800000"},
                                                     {"max.message.bytes", JOB_BYTES}};
static const struct kafka_setting copy_settings[] = {{"retention.ms", "604800000"},
                                                     {"max.message.bytes", COPY_BYTES}};
static const struct kafka_setting dlq_settings[] = {{"retention.ms", "2592000000"},
                                                    {"max.message.bytes", COPY_BYTES}};
static const struct kafka_setting events_settings[] = {{"retention.ms", "259200000"}};

static const struct role {
    const char *doc;
    const struct kafka_setting *settings;
    size_t setting_count;
} roles[] = {
    [TOPIC_JOBS] = {"jobs to do; kept 7 days", jobs_settings, FIELDS_COUNT(jobs_settings)},
    [TOPIC_INTERACTIVE] = {"jobs that go before the others; kept 7 days", copy_settings,
                           FIELDS_COUNT(copy_settings)},
    [TOPIC_BULK] = {"jobs that go behind the others; kept 7 days", copy_settings,
                    FIELDS_COUNT(copy_settings)},
    [TOPIC_RETRY] = {"jobs that wait for their next attempt; kept 7 days", copy_settings,
                     FIELDS_COUNT(copy_settings)},
    [TOPIC_DLQ] = {"jobs that were given up; kept 30 days", dlq_settings,
                   FIELDS_COUNT(dlq_settings)},
    [TOPIC_QUARANTINE] = {"jobs that were put back too often; kept 30 days more", dlq_settings,
                          FIELDS_COUNT(dlq_settings)},
    [TOPIC_EVENTS] = {"what is told about jobs; kept 3 days", events_settings,
                      FIELDS_COUNT(events_settings)},
};

struct topic_name topic_name_of(enum topic_role role, const char *prefix, const char *worker,
                                size_t tier)
{
    struct topic_name name = {{0}};
    size_t size = sizeof name.text;
    switch (role) {
    case TOPIC_JOBS:
        (void)snprintf(name.text, size, "%sjobs.%s", prefix, worker);
        break;
    case TOPIC_INTERACTIVE:
        (void)snprintf(name.text, size, "%sjobs.%s.interactive", prefix, worker);
        break;
    case TOPIC_BULK:
        (void)snprintf(name.text, size, "%sjobs.%s.bulk", prefix, worker);
        break;
    case TOPIC_RETRY:
        (void)snprintf(name.text, size, "%sjobs.%s.retry.%s", prefix, worker,
                       retry_tiers[tier].name);
        break;
    case TOPIC_DLQ:
        (void)snprintf(name.text, size, "%sjobs.%s.dlq", prefix, worker);
        break;
    case TOPIC_QUARANTINE:
        (void)snprintf(name.text, size, "%sjobs.%s.quarantine", prefix, worker);
        break;
    case TOPIC_EVENTS:
        (void)snprintf(name.text, size, "%sevents", prefix);
        break;
    }
    return name;
}

/* The roles in their order, one topic each, but as many of TOPIC_RETRY as there are tiers. */
static enum topic_role role_at(size_t i)
{
    if (i < TOPIC_RETRY)
        return (enum topic_role)i;
    return i < TOPIC_RETRY + RETRY_TIER_COUNT ? TOPIC_RETRY
                                              : (enum topic_role)(i - RETRY_TIER_COUNT + 1);
}

enum topic_role topic_class_of(const char *name, const char *prefix, const char *worker)
{
    static const enum topic_role others[] = {TOPIC_INTERACTIVE, TOPIC_BULK};
    for (size_t i = 0; name != NULL && i < FIELDS_COUNT(others); i++)
        if (strcmp(topic_name_of(others[i], prefix, worker, 0).text, name) == 0)
            return others[i];
    return TOPIC_JOBS;
}

int topic_priority_of(const char *name, const char *prefix, const char *worker)
{
    static const int priorities[] = {
        [TOPIC_JOBS] = JOB_DEFAULT, [TOPIC_INTERACTIVE] = JOB_INTERACTIVE, [TOPIC_BULK] = JOB_BULK};
    return priorities[topic_class_of(name, prefix, worker)];
}

void topics_of_worker(const char *prefix, const char *worker, int32_t partitions,
                      int32_t replication, struct topic ret_topics[TOPICS_COUNT])
{
    if (partitions == 0)
        partitions = PARTITIONS_DEFAULT;
    for (size_t i = 0; i < TOPICS_COUNT; i++) {
        enum topic_role role = role_at(i);
        size_t tier = role == TOPIC_RETRY ? i - TOPIC_RETRY : 0;
        bool is_side = role == TOPIC_RETRY || role == TOPIC_DLQ || role == TOPIC_QUARANTINE;
        ret_topics[i] = (struct topic){
            .role = role,
            .tier = tier,
            .name = topic_name_of(role, prefix, worker, tier),
            .doc = roles[role].doc,
            .spec = {.partitions =
                         is_side && partitions > PARTITIONS_SIDE ? PARTITIONS_SIDE : partitions,
                     .replication = replication,
                     .settings = roles[role].settings,
                     .setting_count = roles[role].setting_count},
        };
    }
}
