#include "run/topics.h"

#include "check.h"

static void test_names(void)
{
    struct topic topics[TOPICS_COUNT];
    static const char *const names[TOPICS_COUNT] = {
        "haul.jobs.sql-sync",
        "haul.jobs.sql-sync.interactive",
        "haul.jobs.sql-sync.bulk",
        "haul.jobs.sql-sync.retry.5s",
        "haul.jobs.sql-sync.retry.30s",
        "haul.jobs.sql-sync.retry.2m",
        "haul.jobs.sql-sync.retry.10m",
        "haul.jobs.sql-sync.retry.1h",
        "haul.jobs.sql-sync.dlq",
        "haul.jobs.sql-sync.quarantine",
        "haul.events",
    };
    topics_of_worker(TOPIC_PREFIX_DEFAULT, "sql-sync", 24, 3, topics);
    for (size_t i = 0; i < TOPICS_COUNT; i++) {
        CHECK_TEXT(topics[i].name.text, names[i]);
        CHECK_INT(topics[i].spec.replication, 3);
        CHECK(topics[i].spec.setting_count > 0 && topics[i].doc != NULL);
    }
    CHECK_INT(topics[0].spec.partitions, 24);
    CHECK_INT(topics[2].spec.partitions, 24);
    CHECK_INT(topics[3].spec.partitions, 3);
    CHECK_INT(topics[TOPICS_COUNT - 1].spec.partitions, 24);
}

static void test_few_partitions(void)
{
    struct topic topics[TOPICS_COUNT];
    topics_of_worker("", "w", 1, 0, topics);
    CHECK_TEXT(topics[0].name.text, "jobs.w");
    for (size_t i = 0; i < TOPICS_COUNT; i++)
        CHECK_INT(topics[i].spec.partitions, 1);
    topics_of_worker("", "w", 0, 0, topics);
    CHECK_INT(topics[0].spec.partitions, 12);
}

static void test_long_names_are_cut(void)
{
    char prefix[400];
    memset(prefix, 'p', sizeof prefix - 1);
    prefix[sizeof prefix - 1] = '\0';
    struct topic_name name = topic_name_of(TOPIC_JOBS, prefix, "w", 0);
    CHECK_INT(strlen(name.text), TOPIC_NAME_SIZE - 1);
}

static void test_classes(void)
{
    static const struct {
        const char *name;
        enum topic_role want;
        enum job_priority priority;
    } cases[] = {
        {"haul.jobs.sql-sync", TOPIC_JOBS, JOB_DEFAULT},
        {"haul.jobs.sql-sync.interactive", TOPIC_INTERACTIVE, JOB_INTERACTIVE},
        {"haul.jobs.sql-sync.bulk", TOPIC_BULK, JOB_BULK},
        {"haul.jobs.sql-sync.retry.5s", TOPIC_JOBS, JOB_DEFAULT},
        {"haul.jobs.mail.bulk", TOPIC_JOBS, JOB_DEFAULT},
        {"other.jobs.sql-sync.bulk", TOPIC_JOBS, JOB_DEFAULT},
        {"", TOPIC_JOBS, JOB_DEFAULT},
        {NULL, TOPIC_JOBS, JOB_DEFAULT},
    };
    const char *prefix = TOPIC_PREFIX_DEFAULT, *worker = "sql-sync";
    for (size_t i = 0; i < FIELDS_COUNT(cases); i++) {
        CHECK_INT(topic_class_of(cases[i].name, prefix, worker), cases[i].want);
        CHECK_INT(topic_priority_of(cases[i].name, prefix, worker), cases[i].priority);
    }
}

static CU_TestInfo tests[] = {
    {"names", test_names},
    {"classes", test_classes},
    {"few partitions", test_few_partitions},
    {"long names are cut", test_long_names_are_cut},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("run/topics", tests)
