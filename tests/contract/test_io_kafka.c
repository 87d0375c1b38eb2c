/* io/kafka against a real broker: what the mock cluster does not have. KAFKA_BROKERS names it. */
#include "base/clock.h"
#include "check.h"
#include "io/kafka.h"
#include "io/kafka_admin.h"

#include <stdio.h>
#include <stdlib.h>

#define WAIT_MS 20000

static struct kafka_conf plain;
static struct kafka_admin *admin;
static struct arena arena;
static struct err err;
static char topic[64];

static bool setup(void)
{
    static int number;
    plain = (struct kafka_conf){.brokers = getenv("KAFKA_BROKERS"), .client_id = "test"};
    snprintf(topic, sizeof topic, "haul-io-%lld-%d", (long long)clock_wall_us(), number++);
    arena_init(&arena, 4 << 20);
    err_clear(&err);
    return CHECK_OK(kafka_admin_open(&plain, &admin, &err), &err);
}

static void teardown(void)
{
    const char *names[] = {topic};
    CHECK_OK(kafka_admin_delete_topics(admin, names, 1, WAIT_MS, &err), &err);
    CHECK_OK(kafka_admin_delete_topics(admin, names, 1, WAIT_MS, &err), &err); /* not there: fine */
    kafka_admin_close(admin);
    arena_done(&arena);
}

static bool make_topic(int32_t partitions)
{
    struct kafka_setting settings[] = {{"retention.ms", "3600000"}};
    struct kafka_topic_spec spec = {topic, partitions, 1, settings, 1};
    return CHECK_OK(kafka_admin_create_topics(admin, &spec, 1, WAIT_MS, &err), &err) &&
           CHECK_OK(kafka_admin_create_topics(admin, &spec, 1, WAIT_MS, &err), &err);
}

static bool send_one(const struct kafka_conf *conf, const char *text)
{
    struct kafka_producer *producer = NULL;
    struct kafka_producer_options options = {.compress = true};
    struct kafka_record record = {.topic = topic, .value = slice_of(text)};
    bool ok = CHECK_OK(kafka_producer_open(conf, &options, &producer, &err), &err) &&
              CHECK_OK(kafka_producer_send_wait(producer, &record, WAIT_MS, &err), &err);
    kafka_producer_close(producer, 1000);
    return ok;
}

static bool poll_one(struct kafka_consumer *consumer, struct kafka_message *ret_message)
{
    int64_t until_us = clock_monotonic_us() + WAIT_MS * US_PER_MS;
    while (clock_monotonic_us() < until_us) {
        struct kafka_message message = {0};
        if (kafka_consumer_poll(consumer, 100, &message, &err) != OUTCOME_OK ||
            message.native == NULL)
            continue;
        *ret_message = message;
        return true;
    }
    return false;
}

static void test_topics(void)
{
    struct kafka_cluster cluster = {0};
    if (!setup() || !make_topic(3))
        return;
    CHECK_OK(kafka_admin_describe(admin, &arena, WAIT_MS, &cluster, &err), &err);
    const struct kafka_topic *found = kafka_cluster_find(&cluster, topic);
    if (CHECK(found != NULL)) {
        CHECK_INT(found->partitions, 3);
        CHECK_INT(found->leaderless, 0);
    }
    struct kafka_setting bad[] = {{"retention.ms", "soon"}};
    struct kafka_topic_spec specs[] = {{"haul-io-bad", 1, 1, bad, 1},
                                       {"bad name!", 1, 1, NULL, 0},
                                       {"haul-io-bad", 1, 99, NULL, 0}};
    for (size_t i = 0; i < 3; i++) {
        CHECK_OUTCOME(kafka_admin_create_topics(admin, &specs[i], 1, WAIT_MS, &err),
                      OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, "kafka.topic");
        CHECK(strstr(err.message, specs[i].name) != NULL);
    }
    teardown();
}

static void test_lag_and_times(void)
{
    if (!setup() || !make_topic(1) || !send_one(&plain, "a"))
        return;
    int64_t between_ms = clock_wall_us() / US_PER_MS + 1;
    clock_sleep_us(5 * US_PER_MS);
    send_one(&plain, "b");
    struct kafka_partition at = {topic, 0, 0, NULL};
    CHECK_OK(kafka_admin_offsets_at(admin, between_ms, &at, 1, WAIT_MS, &err), &err);
    CHECK_INT(at.offset, 1);
    CHECK_OK(kafka_admin_offsets_at(admin, between_ms + 3600000, &at, 1, WAIT_MS, &err), &err);
    CHECK_INT(at.offset, KAFKA_OFFSET_END);

    struct kafka_consumer_options options = {.group = topic};
    struct kafka_consumer *consumer = NULL;
    struct kafka_message message;
    const char *topics[] = {topic};
    CHECK_OK(kafka_consumer_open(&plain, &options, &consumer, &err), &err);
    CHECK_OK(kafka_consumer_subscribe(consumer, topics, 1, &err), &err);
    if (CHECK(poll_one(consumer, &message)))
        kafka_message_done(&message);
    static char long_metadata[4200];
    memset(long_metadata, 'm', sizeof long_metadata - 1);
    struct kafka_partition commit = {topic, 0, 1, long_metadata};
    CHECK_OUTCOME(kafka_consumer_commit(consumer, &commit, 1, WAIT_MS, &err), OUTCOME_PERMANENT,
                  &err);
    CHECK_TEXT(err.code, "kafka.commit");
    long_metadata[4096] = '\0'; /* as much as Kafka takes by default */
    CHECK_OK(kafka_consumer_commit(consumer, &commit, 1, WAIT_MS, &err), &err);
    kafka_consumer_close(consumer);
    struct kafka_group_topic of = {topic, topic};
    struct kafka_lag_list lags = {0};
    CHECK_OK(kafka_admin_lag(admin, &arena, &of, WAIT_MS, &lags, &err), &err);
    if (CHECK_INT(lags.count, 1)) {
        CHECK_INT(lags.items[0].lag, 1);
        CHECK_INT(strlen(lags.items[0].metadata), 4096);
    }
    teardown();
}

static void test_secure_listeners(void)
{
    if (!setup() || !make_topic(1))
        return;
    struct kafka_conf sasl = {.brokers = getenv("KAFKA_SASL_BROKERS"),
                              .security = KAFKA_SASL_SSL,
                              .user = getenv("KAFKA_SASL_USER"),
                              .password = getenv("KAFKA_SASL_PASSWORD"),
                              .ca_file = getenv("TLS_CA")};
    struct kafka_conf mtls = {.brokers = getenv("KAFKA_MTLS_BROKERS"),
                              .security = KAFKA_SSL,
                              .ca_file = getenv("TLS_CA"),
                              .cert_file = getenv("TLS_CLIENT"),
                              .key_file = getenv("TLS_CLIENT_KEY")};
    if (!CHECK(sasl.brokers != NULL && mtls.brokers != NULL))
        return; /* the servers were started without --tls */
    send_one(&sasl, "over SASL_SSL");
    send_one(&mtls, "over mutual TLS");
    struct kafka_conf wrong = sasl, unknown_ca = sasl;
    wrong.password = "s3cret";
    unknown_ca.ca_file = NULL;
    const struct {
        const struct kafka_conf *conf;
        const char *code;
    } cases[] = {{&wrong, "kafka.auth"}, {&unknown_ca, "kafka.auth"}};
    for (size_t i = 0; i < 2; i++) {
        struct kafka_admin *refused = NULL;
        struct kafka_cluster cluster = {0};
        CHECK_OK(kafka_admin_open(cases[i].conf, &refused, &err), &err);
        CHECK_OUTCOME(kafka_admin_describe(refused, &arena, 3000, &cluster, &err),
                      OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, cases[i].code);
        CHECK(strstr(err.message, "s3cret") == NULL);
        printf("# %s\n", err.message);
        kafka_admin_close(refused);
    }
    teardown();
}

static CU_TestInfo tests[] = {
    {"topics", test_topics},
    {"lag and times", test_lag_and_times},
    {"secure listeners", test_secure_listeners},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("io/kafka with a broker", tests)
