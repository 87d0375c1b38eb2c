/* io/kafka on the mock cluster: groups, commits with metadata, reports, faults. */
#include "base/clock.h"
#include "check.h"
#include "io/kafka.h"
#include "io/kafka_admin.h"
#include "io/kafka_mock.h"

#include <stdio.h>

#define WAIT_MS 15000
#define OFFSET_COMMIT 8
#define PRODUCE 0

static struct kafka_mock *mock;
static struct kafka_conf conf;

static bool setup(void)
{
    struct err err = {0};
    if (!CHECK_OK(kafka_mock_open(1, &mock, &err), &err))
        return false;
    conf = (struct kafka_conf){.brokers = kafka_mock_brokers(mock), .client_id = "test"};
    return true;
}

static void teardown(void)
{
    kafka_mock_close(mock);
    mock = NULL;
}

static bool make_topic(const char *topic, int partitions)
{
    struct err err = {0};
    return CHECK_OK(kafka_mock_create_topic(mock, topic, partitions, &err), &err);
}

static bool send_texts(const char *topic, size_t count)
{
    struct err err = {0};
    struct kafka_producer *producer = NULL;
    struct kafka_producer_options options = {0};
    if (!CHECK_OK(kafka_producer_open(&conf, &options, &producer, &err), &err))
        return false;
    bool ok = true;
    for (size_t i = 0; i < count; i++) {
        char text[32];
        snprintf(text, sizeof text, "m%zu", i);
        struct kafka_record record = {.topic = topic, .value = slice_of(text)};
        ok &= CHECK_OK(kafka_producer_send(producer, &record, &err), &err);
    }
    ok &= CHECK_OK(kafka_producer_flush(producer, WAIT_MS, &err), &err);
    kafka_producer_close(producer, 0);
    return ok;
}

/* ---- a consumer that remembers what its callbacks were told ---- */

struct seen {
    struct kafka_consumer *consumer;
    int assigned, revoked, lost;
    size_t partitions;
    int64_t first_offset;
    char metadata[64];
    int64_t begin_at;         /* >= 0: the callback changes the offset to it */
    int64_t commit_on_revoke; /* > 0: commits it there */
    enum outcome committed;
    int calls_on_revoke; /* that the library answers from a thread of its own */
};

static void on_assigned(void *ctx, struct kafka_partition *partitions, size_t count)
{
    struct seen *seen = ctx;
    seen->assigned++;
    seen->partitions = count;
    if (count == 0)
        return;
    seen->first_offset = partitions[0].offset;
    text_copy(seen->metadata, sizeof seen->metadata,
              partitions[0].metadata == NULL ? "(none)" : partitions[0].metadata);
    if (seen->begin_at >= 0)
        partitions[0].offset = seen->begin_at;
}

static void on_revoked(void *ctx, const struct kafka_partition *partitions, size_t count)
{
    struct seen *seen = ctx;
    seen->revoked++;
    for (int i = 0; i < seen->calls_on_revoke && count > 0; i++)
        CHECK_OK(kafka_consumer_pause(seen->consumer, partitions, count, NULL), NULL);
    if (seen->commit_on_revoke <= 0 || count == 0)
        return;
    struct kafka_partition commit = partitions[0];
    commit.offset = seen->commit_on_revoke;
    commit.metadata = "at revoke";
    seen->committed = kafka_consumer_commit(seen->consumer, &commit, 1, WAIT_MS, NULL);
}

static void on_lost(void *ctx, const struct kafka_partition *partitions, size_t count)
{
    (void)partitions, (void)count;
    ((struct seen *)ctx)->lost++;
}

static bool open_group(struct seen *seen, const char *group, const char *topic)
{
    struct err err = {0};
    struct kafka_consumer_options options = {.group = group,
                                             .session_timeout_ms = 4000,
                                             .events = {seen, on_assigned, on_revoked, on_lost}};
    const char *topics[] = {topic};
    return CHECK_OK(kafka_consumer_open(&conf, &options, &seen->consumer, &err), &err) &&
           CHECK_OK(kafka_consumer_subscribe(seen->consumer, topics, 1, &err), &err);
}

/* Polls until a message comes; false when none does in WAIT_MS. News are passed over. */
static bool next_message(struct kafka_consumer *consumer, int64_t wait_ms,
                         struct kafka_message *ret_message)
{
    int64_t until_us = clock_monotonic_us() + wait_ms * US_PER_MS;
    while (clock_monotonic_us() < until_us) {
        struct kafka_message message = {0};
        if (kafka_consumer_poll(consumer, 50, &message, NULL) != OUTCOME_OK ||
            message.native == NULL)
            continue;
        *ret_message = message;
        return true;
    }
    return false;
}

static bool next_is(struct kafka_consumer *consumer, const char *text)
{
    struct kafka_message message = {0};
    if (!CHECK(next_message(consumer, WAIT_MS, &message)))
        return false;
    bool ok = CHECK_BYTES(message.value.data, message.value.len, text, strlen(text));
    kafka_message_done(&message);
    return ok;
}

/* ---- tests ---- */

static void test_conf_check(void)
{
    static const struct {
        struct kafka_conf conf;
        enum outcome want;
    } cases[] = {
        {{.brokers = "a:1"}, OUTCOME_OK},
        {{.brokers = NULL}, OUTCOME_PERMANENT},
        {{.brokers = ""}, OUTCOME_PERMANENT},
        {{.brokers = "a:1", .user = "u"}, OUTCOME_PERMANENT},
        {{.brokers = "a:1", .ca_file = "ca.pem"}, OUTCOME_PERMANENT},
        {{.brokers = "a:1", .security = KAFKA_SSL, .ca_file = "ca.pem"}, OUTCOME_OK},
        {{.brokers = "a:1", .security = KAFKA_SSL, .cert_file = "c.pem"}, OUTCOME_PERMANENT},
        {{.brokers = "a:1", .security = KAFKA_SASL_SSL, .user = "u"}, OUTCOME_PERMANENT},
        {{.brokers = "a:1", .security = KAFKA_SASL_SSL, .user = "u", .password = "p"}, OUTCOME_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        CHECK_OUTCOME(kafka_conf_check(&cases[i].conf, &err), cases[i].want, &err);
        if (cases[i].want != OUTCOME_OK)
            CHECK_TEXT(err.code, "kafka.conf");
    }
}

static void test_refuses_scram_of_old_library(void)
{
    struct err err = {0};
    struct kafka_conf scram = {.brokers = "a:1",
                               .security = KAFKA_SASL_SSL,
                               .mechanism = KAFKA_SCRAM_SHA_256,
                               .user = "u",
                               .password = "p"};
    int major = 0, minor = 0, patch = 0;
    CHECK_INT(sscanf(kafka_library_version(), "%d.%d.%d", &major, &minor, &patch), 3);
    bool is_old = major * 10000 + minor * 100 + patch < 20601;
    CHECK_OUTCOME(kafka_conf_check(&scram, &err), is_old ? OUTCOME_PERMANENT : OUTCOME_OK, &err);
    if (is_old)
        CHECK(strstr(err.hint, "2.6.1") != NULL);
}

static void test_bad_file_is_refused_at_open(void)
{
    struct err err = {0};
    struct kafka_conf tls = {
        .brokers = "127.0.0.1:1", .security = KAFKA_SSL, .ca_file = "/nonexistent/ca.pem"};
    struct kafka_producer *producer = NULL;
    struct kafka_producer_options options = {0};
    CHECK_OUTCOME(kafka_producer_open(&tls, &options, &producer, &err), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "kafka.conf");
    CHECK(producer == NULL);
}

static void test_record_round_trip(void)
{
    struct err err = {0};
    if (!setup() || !make_topic("t", 1))
        return;
    struct kafka_producer *producer = NULL;
    struct kafka_producer_options options = {0};
    CHECK_OK(kafka_producer_open(&conf, &options, &producer, &err), &err);
    struct kafka_header headers[] = {{"a", slice_of("1")}, {"b", {NULL, 0}}, {"a", slice_of("2")}};
    struct kafka_record record = {.topic = "t",
                                  .partition = -1,
                                  .key = slice_of("k"),
                                  .value = {"v\0w", 3},
                                  .timestamp_ms = 1234567890123,
                                  .headers = headers,
                                  .header_count = 3};
    CHECK_OK(kafka_producer_send_wait(producer, &record, WAIT_MS, &err), &err);
    struct kafka_record tombstone = {.topic = "t", .key = slice_of("k")};
    CHECK_OK(kafka_producer_send_wait(producer, &tombstone, WAIT_MS, &err), &err);
    CHECK_INT(kafka_producer_pending(producer), 0);
    kafka_producer_close(producer, 0);

    struct kafka_consumer_options reader = {0};
    struct kafka_consumer *consumer = NULL;
    struct kafka_partition from = {"t", 0, KAFKA_OFFSET_BEGINNING, NULL};
    CHECK_OK(kafka_consumer_open(&conf, &reader, &consumer, &err), &err);
    CHECK_OK(kafka_consumer_assign(consumer, &from, 1, &err), &err);
    struct kafka_message message = {0};
    struct kafka_header header;
    struct slice value;
    if (CHECK(next_message(consumer, WAIT_MS, &message))) {
        CHECK_TEXT(message.topic, "t");
        CHECK_INT(message.offset, 0);
        CHECK_INT(message.timestamp_ms, 1234567890123);
        CHECK_BYTES(message.key.data, message.key.len, "k", 1);
        CHECK_BYTES(message.value.data, message.value.len, "v\0w", 3);
        CHECK(kafka_message_header(&message, 1, &header));
        CHECK_TEXT(header.name, "b");
        CHECK(header.value.data == NULL);
        CHECK(!kafka_message_header(&message, 3, &header));
        CHECK(kafka_message_find_header(&message, "a", &value));
        CHECK_BYTES(value.data, value.len, "2", 1);
        CHECK(!kafka_message_find_header(&message, "c", &value));
        kafka_message_done(&message);
    }
    if (CHECK(next_message(consumer, WAIT_MS, &message))) {
        CHECK(message.value.data == NULL);
        CHECK(!kafka_message_header(&message, 0, &header));
        kafka_message_done(&message);
        kafka_message_done(&message); /* done twice is fine */
    }
    kafka_consumer_close(consumer);
    teardown();
}

static void test_commits_metadata_and_resumes(void)
{
    struct err err = {0};
    if (!setup() || !make_topic("t", 1) || !send_texts("t", 5))
        return;
    struct seen first = {.begin_at = -1};
    open_group(&first, "g", "t");
    next_is(first.consumer, "m0");
    next_is(first.consumer, "m1");
    CHECK_INT(first.assigned, 1);
    CHECK_INT(first.first_offset, KAFKA_OFFSET_NONE);
    struct kafka_partition commit = {"t", 0, 2, "map=="};
    CHECK_OK(kafka_consumer_commit(first.consumer, &commit, 1, WAIT_MS, &err), &err);
    CHECK_OK(kafka_consumer_commit(first.consumer, NULL, 0, WAIT_MS, &err), &err);
    kafka_consumer_close(first.consumer);
    CHECK_INT(first.revoked, 1);
    CHECK_INT(first.lost, 0);

    struct seen second = {.begin_at = -1, .commit_on_revoke = 3, .committed = OUTCOME_BUG};
    open_group(&second, "g", "t");
    next_is(second.consumer, "m2");
    CHECK_INT(second.first_offset, 2);
    CHECK_TEXT(second.metadata, "map==");
    kafka_consumer_close(second.consumer); /* commits in the callback */
    CHECK_INT(second.committed, OUTCOME_OK);

    struct seen third = {.begin_at = 4};
    open_group(&third, "g", "t");
    next_is(third.consumer, "m4");
    CHECK_INT(third.first_offset, 3);
    CHECK_TEXT(third.metadata, "at revoke");
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 1 << 16);
    struct kafka_partition asked = {"t", 0, 0, NULL};
    CHECK_OK(kafka_consumer_committed(third.consumer, &arena, &asked, 1, WAIT_MS, &err), &err);
    CHECK_INT(asked.offset, 3);
    CHECK_TEXT(asked.metadata, "at revoke");
    kafka_consumer_close(third.consumer);
    teardown();
}

/* Polls both until each has one of two partitions. */
static bool share(struct seen *first, struct seen *second)
{
    /* a busy machine may need more than one rebalance until each has its own */
    for (int i = 0; i < 600 && (first->partitions != 1 || second->partitions != 1); i++) {
        (void)next_message(first->consumer, 20, &(struct kafka_message){0});
        (void)next_message(second->consumer, 20, &(struct kafka_message){0});
    }
    return CHECK_INT(first->partitions, 1) && CHECK_INT(second->partitions, 1);
}

static void test_rebalances_between_two(void)
{
    if (!setup() || !make_topic("t", 2))
        return;
    struct seen first = {.begin_at = -1}, second = {.begin_at = -1};
    struct kafka_message message;
    open_group(&first, "g", "t");
    for (int i = 0; i < 300 && first.assigned == 0; i++)
        CHECK(!next_message(first.consumer, 50, &message));
    CHECK_INT(first.partitions, 2);
    open_group(&second, "g", "t");
    share(&first, &second);
    CHECK(first.revoked >= 1);
    /* the last rebalance may be between its two halves */
    CHECK(first.assigned == first.revoked || first.assigned == first.revoked + 1);
    CHECK_INT(first.lost + second.lost, 0);
    kafka_consumer_close(first.consumer);
    kafka_consumer_close(second.consumer);
    teardown();
}

/* One that stops at the moment where another one's leaving has asked it to give back. */
static void test_closes_while_a_revocation_is_pending(void)
{
    if (!setup() || !make_topic("t", 2))
        return;
    struct seen first = {.begin_at = -1}, second = {.begin_at = -1, .calls_on_revoke = 2000};
    open_group(&first, "g", "t");
    open_group(&second, "g", "t");
    share(&first, &second);
    int revoked = second.revoked;
    kafka_consumer_close(first.consumer);
    clock_sleep_us(1500 * US_PER_MS); /* a heartbeat is each 800 ms */
    CHECK_INT(second.revoked, revoked);
    kafka_consumer_close(second.consumer);
    CHECK_INT(second.revoked, revoked + 1);
    teardown();
}

static void test_pauses_resumes_seeks(void)
{
    struct err err = {0};
    if (!setup() || !make_topic("t", 1) || !send_texts("t", 3))
        return;
    struct kafka_consumer_options reader = {0};
    struct kafka_consumer *consumer = NULL;
    struct kafka_partition part = {"t", 0, 0, NULL};
    struct kafka_partition other = {"elsewhere", 7, 0, NULL};
    struct kafka_message message;
    CHECK_OK(kafka_consumer_open(&conf, &reader, &consumer, &err), &err);
    CHECK_OK(kafka_consumer_assign(consumer, &part, 1, &err), &err);
    next_is(consumer, "m0");
    CHECK_OK(kafka_consumer_pause(consumer, &part, 1, &err), &err);
    CHECK_OK(kafka_consumer_pause(consumer, &other, 1, &err), &err);
    CHECK(!next_message(consumer, 700, &message));
    CHECK_OK(kafka_consumer_resume(consumer, &part, 1, &err), &err);
    next_is(consumer, "m1");
    CHECK_OK(kafka_consumer_seek(consumer, &part, WAIT_MS, &err), &err);
    next_is(consumer, "m0");
    next_is(consumer, "m1");
    next_is(consumer, "m2");
    kafka_consumer_close(consumer);
    teardown();
}

static void test_commit_faults_have_classes(void)
{
    static const struct {
        int16_t kafka_code;
        enum outcome want;
        const char *code;
    } cases[] = {
        {22, OUTCOME_CANCELLED, "kafka.fenced"},  /* ILLEGAL_GENERATION */
        {12, OUTCOME_PERMANENT, "kafka.commit"},  /* OFFSET_METADATA_TOO_LARGE */
        {30, OUTCOME_PERMANENT, "kafka.denied"},  /* GROUP_AUTHORIZATION_FAILED */
        {27, OUTCOME_RETRY, "kafka.rebalancing"}, /* REBALANCE_IN_PROGRESS */
    };
    if (!setup() || !make_topic("t", 1) || !send_texts("t", 1))
        return;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        struct seen seen = {.begin_at = 0};
        open_group(&seen, cases[i].code, "t"); /* a fenced member does not leave its group */
        next_is(seen.consumer, "m0");
        struct kafka_partition commit = {"t", 0, 1, NULL};
        kafka_mock_fail_requests(mock, OFFSET_COMMIT, cases[i].kafka_code, 1);
        CHECK_OUTCOME(kafka_consumer_commit(seen.consumer, &commit, 1, WAIT_MS, &err),
                      cases[i].want, &err);
        CHECK_TEXT(err.code, cases[i].code);
        kafka_consumer_close(seen.consumer);
    }
    teardown();
}

static void test_commit_times_out(void)
{
    struct err err = {0};
    if (!setup() || !make_topic("t", 1) || !send_texts("t", 1))
        return;
    struct seen seen = {.begin_at = -1};
    open_group(&seen, "g", "t");
    next_is(seen.consumer, "m0");
    kafka_mock_set_delay(mock, 1, 2000);
    struct kafka_partition commit = {"t", 0, 1, NULL};
    int64_t begin_us = clock_monotonic_us();
    CHECK_OUTCOME(kafka_consumer_commit(seen.consumer, &commit, 1, 200, &err), OUTCOME_RETRY, &err);
    CHECK_TEXT(err.code, "kafka.unreachable");
    CHECK(clock_monotonic_us() - begin_us < 1500 * US_PER_MS);
    kafka_mock_set_delay(mock, 1, 0);
    kafka_consumer_close(seen.consumer);
    teardown();
}

/* ---- producer ---- */

struct reports {
    int ok, failed;
    int64_t opaque_sum;
    struct err err;
};

static void on_delivered(void *ctx, void *opaque, int64_t offset, enum outcome outcome,
                         const struct err *err)
{
    struct reports *reports = ctx;
    if (outcome == OUTCOME_OK && offset >= 0)
        reports->ok++;
    else
        reports->failed++;
    reports->err = *err;
    reports->opaque_sum += *(int *)opaque;
}

static void test_reports_each_record(void)
{
    struct err err = {0};
    if (!setup() || !make_topic("t", 1))
        return;
    int numbers[100];
    struct reports reports = {0};
    struct kafka_producer *producer = NULL;
    struct kafka_producer_options options = {
        .delivered = on_delivered, .ctx = &reports, .linger_ms = 5, .compress = true};
    CHECK_OK(kafka_producer_open(&conf, &options, &producer, &err), &err);
    for (int i = 0; i < 100; i++) {
        numbers[i] = i;
        struct kafka_record record = {.topic = "t", .value = slice_of("x"), .opaque = &numbers[i]};
        CHECK_OK(kafka_producer_send(producer, &record, &err), &err);
    }
    CHECK_OK(kafka_producer_flush(producer, WAIT_MS, &err), &err);
    CHECK_INT(reports.ok, 100);
    CHECK_INT(reports.opaque_sum, 4950);
    CHECK_OK(kafka_producer_check(producer, &err), &err);
    kafka_producer_close(producer, 0);
    teardown();
}

static void test_queue_full_is_retry(void)
{
    struct err err = {0};
    if (!setup() || !make_topic("t", 1))
        return;
    int number = 1;
    struct reports reports = {0};
    struct kafka_producer *producer = NULL;
    struct kafka_producer_options options = {.delivered = on_delivered,
                                             .ctx = &reports,
                                             .queue_messages = 2,
                                             .linger_ms = 60000,
                                             .delivery_timeout_ms = 100000};
    CHECK_OK(kafka_producer_open(&conf, &options, &producer, &err), &err);
    struct kafka_record record = {.topic = "t", .value = slice_of("x"), .opaque = &number};
    CHECK_OK(kafka_producer_send(producer, &record, &err), &err);
    CHECK_OK(kafka_producer_send(producer, &record, &err), &err);
    CHECK_OUTCOME(kafka_producer_send(producer, &record, &err), OUTCOME_RETRY, &err);
    CHECK_TEXT(err.code, "kafka.queue_full");
    CHECK_INT(kafka_producer_pending(producer), 2);
    kafka_producer_close(producer, 0); /* what is left is reported, not forgotten */
    CHECK_INT(reports.failed + reports.ok, 2);
    teardown();
}

static void test_refuses_bad_records(void)
{
    struct err err = {0};
    if (!setup() || !make_topic("t", 1))
        return;
    struct kafka_producer *producer = NULL;
    struct kafka_producer_options options = {0};
    static char big[2 << 20];
    CHECK_OK(kafka_producer_open(&conf, &options, &producer, &err), &err);
    struct kafka_record too_big = {.topic = "t", .value = {big, sizeof big}};
    CHECK_OUTCOME(kafka_producer_send(producer, &too_big, &err), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "kafka.too_large");
    struct kafka_record good = {.topic = "t", .value = slice_of("x")};
    CHECK_OK(kafka_producer_send_wait(producer, &good, WAIT_MS, &err), &err);
    struct kafka_record nowhere = {.topic = "t", .partition = 9, .value = slice_of("x")};
    CHECK_OUTCOME(kafka_producer_send_wait(producer, &nowhere, WAIT_MS, &err), OUTCOME_PERMANENT,
                  &err);
    CHECK_TEXT(err.code, "kafka.record");
    kafka_producer_close(producer, 0);
    teardown();
}

/* More than the producer keeps handles of: the others go by their names. */
static void test_sends_to_many_topics(void)
{
    enum { TOPICS = 40, ROUNDS = 2 };
    struct err err = {0};
    struct kafka_producer *producer = NULL;
    struct kafka_producer_options options = {0};
    char name[16];
    if (!setup())
        return;
    for (int i = 0; i < TOPICS; i++) {
        snprintf(name, sizeof name, "many-%d", i);
        make_topic(name, 1);
    }
    CHECK_OK(kafka_producer_open(&conf, &options, &producer, &err), &err);
    for (int i = 0; i < TOPICS * ROUNDS; i++) {
        snprintf(name, sizeof name, "many-%d", i % TOPICS);
        struct kafka_record record = {.topic = name, .value = slice_of("x")};
        CHECK_OK(kafka_producer_send_wait(producer, &record, WAIT_MS, &err), &err);
    }
    kafka_producer_close(producer, WAIT_MS);
    teardown();
}

static void keep_greatest(void *ctx, void *opaque, int64_t offset, enum outcome outcome,
                          const struct err *err)
{
    int64_t *greatest = ctx;
    (void)opaque;
    (void)outcome;
    (void)err;
    *greatest = offset > *greatest ? offset : *greatest;
}

/* Of any partition many in a row are of one; those of a key always. */
static void test_chooses_partitions(void)
{
    enum { COUNT = 100 };
    static const int32_t ways[] = {KAFKA_PARTITION_ANY, KAFKA_PARTITION_BY_KEY};
    for (size_t i = 0; i < sizeof ways / sizeof *ways && setup(); i++) {
        struct err err = {0};
        int64_t greatest = -1;
        struct kafka_producer *producer = NULL;
        struct kafka_producer_options options = {.delivered = keep_greatest, .ctx = &greatest};
        struct kafka_record record = {.topic = "t", .key = slice_of("k"), .value = slice_of("x")};
        make_topic("t", 5);
        CHECK_OK(kafka_producer_open(&conf, &options, &producer, &err), &err);
        CHECK_OK(kafka_producer_send_wait(producer, &record, WAIT_MS, &err), &err);
        record.partition = ways[i];
        for (int n = 0; n < COUNT; n++) {
            char key[16];
            snprintf(key, sizeof key, "key-%d", ways[i] == KAFKA_PARTITION_ANY ? n : 7);
            record.key = slice_of(key);
            CHECK_OK(kafka_producer_send(producer, &record, &err), &err);
        }
        CHECK_OK(kafka_producer_flush(producer, WAIT_MS, &err), &err);
        CHECK(greatest >= COUNT - 1);
        kafka_producer_close(producer, WAIT_MS);
        teardown();
    }
}

static void test_survives_an_outage(void)
{
    struct err err = {0};
    if (!setup() || !make_topic("t", 1))
        return;
    struct kafka_producer *producer = NULL;
    struct kafka_producer_options options = {0};
    struct kafka_record record = {.topic = "t", .value = slice_of("x")};
    CHECK_OK(kafka_producer_open(&conf, &options, &producer, &err), &err);
    CHECK_OK(kafka_producer_send_wait(producer, &record, WAIT_MS, &err), &err);
    kafka_mock_set_broker(mock, 1, false);
    CHECK_OUTCOME(kafka_producer_send_wait(producer, &record, 500, &err), OUTCOME_RETRY, &err);
    CHECK_TEXT(err.code, "kafka.timeout");
    kafka_mock_set_broker(mock, 1, true);
    int64_t begin_us = clock_monotonic_us();
    CHECK_OK(kafka_producer_send_wait(producer, &record, WAIT_MS, &err), &err);
    CHECK(clock_monotonic_us() - begin_us < 5 * US_PER_S);
    kafka_producer_close(producer, WAIT_MS);
    teardown();
}

static void test_failed_report_is_told(void)
{
    struct err err = {0};
    if (!setup() || !make_topic("t", 1))
        return;
    struct kafka_producer *producer = NULL;
    struct kafka_producer_options options = {0};
    struct kafka_record record = {.topic = "t", .value = slice_of("x")};
    CHECK_OK(kafka_producer_open(&conf, &options, &producer, &err), &err);
    CHECK_OK(kafka_producer_send_wait(producer, &record, WAIT_MS, &err), &err);
    kafka_mock_fail_requests(mock, PRODUCE, 29, 1); /* TOPIC_AUTHORIZATION_FAILED */
    CHECK_OUTCOME(kafka_producer_send_wait(producer, &record, WAIT_MS, &err), OUTCOME_PERMANENT,
                  &err);
    CHECK(strcmp(err.code, "kafka.denied") == 0 || strcmp(err.code, "kafka.fatal") == 0);
    kafka_producer_close(producer, 0);
    teardown();
}

static void test_unreachable_broker_is_news(void)
{
    struct err err = {0};
    struct kafka_conf nobody = {.brokers = "127.0.0.1:1"};
    struct kafka_consumer_options options = {.group = "g"};
    struct kafka_consumer *consumer = NULL;
    struct kafka_message message;
    const char *topics[] = {"t"};
    CHECK_OK(kafka_consumer_open(&nobody, &options, &consumer, &err), &err);
    CHECK_OK(kafka_consumer_subscribe(consumer, topics, 1, &err), &err);
    enum outcome outcome = OUTCOME_OK;
    for (int i = 0; i < 100 && outcome == OUTCOME_OK; i++)
        outcome = kafka_consumer_poll(consumer, 50, &message, &err);
    CHECK_INT(outcome, OUTCOME_RETRY);
    CHECK_TEXT(err.code, "kafka.unreachable");
    kafka_consumer_close(consumer);
}

/* ---- admin ---- */

static void test_describes_and_measures_lag(void)
{
    struct err err = {0};
    if (!setup() || !make_topic("b", 2) || !make_topic("a", 1) || !send_texts("a", 4))
        return;
    KAFKA_ADMIN_AUTO struct kafka_admin *admin = NULL;
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 1 << 20);
    CHECK_OK(kafka_admin_open(&conf, &admin, &err), &err);
    struct kafka_cluster cluster = {0};
    CHECK_OK(kafka_admin_describe(admin, &arena, WAIT_MS, &cluster, &err), &err);
    CHECK_INT(cluster.brokers, 1);
    CHECK_INT(cluster.topic_count, 2);
    if (CHECK(kafka_cluster_find(&cluster, "b") != NULL))
        CHECK_INT(kafka_cluster_find(&cluster, "b")->partitions, 2);
    CHECK(kafka_cluster_find(&cluster, "c") == NULL);

    struct kafka_watermarks marks = {0};
    CHECK_OK(kafka_admin_watermarks(admin, "a", 0, WAIT_MS, &marks, &err), &err);
    CHECK_INT(marks.high, 4);
    struct kafka_group_topic of = {"g", "a"};
    struct kafka_lag_list lags = {0};
    CHECK_OK(kafka_admin_lag(admin, &arena, &of, WAIT_MS, &lags, &err), &err);
    if (CHECK_INT(lags.count, 1)) {
        CHECK_INT(lags.items[0].committed, KAFKA_OFFSET_NONE);
        CHECK_INT(lags.items[0].lag, 4);
    }
    struct seen seen = {.begin_at = -1, .commit_on_revoke = 3};
    open_group(&seen, "g", "a");
    next_is(seen.consumer, "m0");
    kafka_consumer_close(seen.consumer);
    CHECK_OK(kafka_admin_lag(admin, &arena, &of, WAIT_MS, &lags, &err), &err);
    if (CHECK_INT(lags.count, 1)) {
        CHECK_INT(lags.items[0].lag, 1);
        CHECK_TEXT(lags.items[0].metadata, "at revoke");
    }
    of.topic = "none";
    CHECK_OUTCOME(kafka_admin_lag(admin, &arena, &of, WAIT_MS, &lags, &err), OUTCOME_PERMANENT,
                  &err);
    kafka_admin_close(admin);
    admin = NULL;
    teardown();
}

static void test_creates_topics_on_the_mock(void)
{
    struct err err = {0};
    if (!setup())
        return;
    KAFKA_ADMIN_AUTO struct kafka_admin *admin = NULL;
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 1 << 20);
    struct kafka_setting settings[] = {{"retention.ms", "1000"}};
    struct kafka_topic_spec specs[] = {{.name = "n1", .partitions = 3}, {"n2", 1, 1, settings, 1}};
    CHECK_OK(kafka_admin_open(&conf, &admin, &err), &err);
    CHECK_OK(kafka_admin_create_topics(admin, specs, 2, WAIT_MS, &err), &err);
    CHECK_OK(kafka_admin_create_topics(admin, specs, 2, WAIT_MS, &err), &err); /* again */
    struct kafka_cluster cluster = {0};
    CHECK_OK(kafka_admin_describe(admin, &arena, WAIT_MS, &cluster, &err), &err);
    CHECK(kafka_cluster_find(&cluster, "n1") != NULL);
    CHECK(kafka_cluster_find(&cluster, "n2") != NULL);
    kafka_admin_close(admin);
    admin = NULL;
    teardown();
}

static void test_admin_of_nobody_times_out(void)
{
    struct err err = {0};
    struct kafka_conf nobody = {.brokers = "127.0.0.1:1"};
    KAFKA_ADMIN_AUTO struct kafka_admin *admin = NULL;
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 1 << 16);
    struct kafka_cluster cluster = {0};
    CHECK_OK(kafka_admin_open(&nobody, &admin, &err), &err);
    CHECK_OUTCOME(kafka_admin_describe(admin, &arena, 500, &cluster, &err), OUTCOME_RETRY, &err);
    CHECK_TEXT(err.code, "kafka.unreachable");
}

static CU_TestInfo tests[] = {
    {"conf check", test_conf_check},
    {"SCRAM needs librdkafka 2.6.1", test_refuses_scram_of_old_library},
    {"a bad CA file is refused at open", test_bad_file_is_refused_at_open},
    {"record round trip", test_record_round_trip},
    {"commits metadata and resumes there", test_commits_metadata_and_resumes},
    {"rebalances between two members", test_rebalances_between_two},
    {"closes while a revocation is pending", test_closes_while_a_revocation_is_pending},
    {"pauses, resumes, seeks", test_pauses_resumes_seeks},
    {"commit faults have classes", test_commit_faults_have_classes},
    {"a commit times out", test_commit_times_out},
    {"reports each record", test_reports_each_record},
    {"a full queue is retry", test_queue_full_is_retry},
    {"refuses bad records", test_refuses_bad_records},
    {"sends to many topics", test_sends_to_many_topics},
    {"chooses partitions", test_chooses_partitions},
    {"survives an outage", test_survives_an_outage},
    {"a failed report is told", test_failed_report_is_told},
    {"an unreachable broker is news", test_unreachable_broker_is_news},
    {"describes and measures lag", test_describes_and_measures_lag},
    {"creates topics on the mock", test_creates_topics_on_the_mock},
    {"admin of nobody times out", test_admin_of_nobody_times_out},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("io/kafka", tests)
