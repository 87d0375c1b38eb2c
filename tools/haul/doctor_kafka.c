/* doctor_kafka: Kafka and Redis: reachable, the layout of topics, what waits, clocks. */
#include "base/clock.h"
#include "doctor.h"
#include "kinds.h"
#include "run/lease_store.h"
#include "run/topics.h"

/* ---- Kafka ---- */

struct layout {
    struct doctor *doctor;
    struct kafka_admin *admin;
    struct kafka_cluster cluster;
};

/* The group of a worker goes by the name of its jobs topic. */
static void check_lag(struct layout *layout, const char *topic)
{
    struct cli *cli = layout->doctor->cli;
    struct kafka_lag_list lags = {0};
    struct err err = {0};
    const struct kafka_group_topic of = {topic, topic};
    if (kafka_admin_lag(layout->admin, &cli->arena, &of, cli->settings.timeout_ms, &lags, &err) !=
        OUTCOME_OK) {
        doctor_add_err(layout->doctor, topic, &err);
        return;
    }
    int64_t waiting = 0, committed = 0;
    for (size_t i = 0; i < lags.count; i++) {
        waiting += lags.items[i].lag;
        committed += lags.items[i].committed != KAFKA_OFFSET_NONE;
    }
    char text[HUMAN_SIZE];
    bool never = committed == 0 && waiting > 0;
    doctor_addf(layout->doctor, never ? CHECK_WARN : CHECK_OK, topic,
                "start a worker, if none runs: nobody has finished a job from here yet",
                "%zu partitions, %s jobs "
                "wait or run",
                lags.count, human_count(waiting, text));
}

static void check_letters(struct layout *layout, const struct kafka_topic *topic)
{
    int64_t letters = 0;
    struct err err = {0};
    for (int32_t i = 0; i < topic->partitions; i++) {
        struct kafka_watermarks marks = {0};
        if (kafka_admin_watermarks(layout->admin, topic->name, i,
                                   layout->doctor->cli->settings.timeout_ms, &marks,
                                   &err) != OUTCOME_OK) {
            doctor_add_err(layout->doctor, topic->name, &err);
            return;
        }
        letters += marks.high - marks.low;
    }
    char text[HUMAN_SIZE];
    doctor_addf(layout->doctor, letters > 0 ? CHECK_WARN : CHECK_OK, topic->name,
                "haul dlq list shows why; haul dlq replay puts them back", "%s dead letters kept",
                human_count(letters, text));
}

static size_t check_topic(struct layout *layout, const struct topic *topic)
{
    const struct kafka_topic *there = kafka_cluster_find(&layout->cluster, topic->name.text);
    if (there == NULL) {
        doctor_add(layout->doctor, CHECK_FAIL, topic->name.text, "is not there",
                   "run: haul topics create");
        return 0;
    }
    if (there->leaderless > 0)
        doctor_addf(layout->doctor, CHECK_FAIL, topic->name.text,
                    "brokers are down: bring them back", "%d of %d partitions have no leader",
                    (int)there->leaderless, (int)there->partitions);
    else if (topic->role == TOPIC_JOBS)
        check_lag(layout, there->name);
    else if (topic->role == TOPIC_DLQ)
        check_letters(layout, there);
    return 1;
}

static void check_worker(struct layout *layout, const char *worker)
{
    struct topic topics[TOPICS_COUNT];
    size_t there = 0;
    topics_of_worker(layout->doctor->cli->settings.topic_prefix, worker, 0, 0, topics);
    for (size_t i = 0; i < TOPICS_COUNT; i++)
        there += check_topic(layout, &topics[i]);
    if (there == TOPICS_COUNT)
        doctor_addf(layout->doctor, CHECK_OK, worker, NULL, "all %d topics are there",
                    TOPICS_COUNT);
}

void doctor_check_kafka(struct doctor *doctor)
{
    struct cli *cli = doctor->cli;
    struct layout layout = {.doctor = doctor};
    struct err err = {0};
    if (cli->settings.kafka.brokers == NULL) {
        doctor_add(doctor, CHECK_FAIL, "kafka", "no brokers are configured",
                   "set HAUL_KAFKA_BROKERS");
        return;
    }
    if (cli_admin(cli, &layout.admin, &err) != OUTCOME_OK ||
        kafka_admin_describe(layout.admin, &cli->arena, cli->settings.timeout_ms, &layout.cluster,
                             &err) != OUTCOME_OK) {
        doctor_add_err(doctor, "kafka", &err);
        return;
    }
    doctor_addf(doctor, CHECK_OK, "kafka", NULL, "%d broker(s), %zu topics",
                (int)layout.cluster.brokers, layout.cluster.topic_count);
    const char *workers[WORKERS_MAX];
    kind_workers(workers);
    for (size_t i = 0; workers[i] != NULL; i++)
        check_worker(&layout, workers[i]);
}

/* ---- Redis ---- */

/* A lease of a job that there is not, taken and given back as a worker does it. */
static void check_leases(struct doctor *doctor, struct rconn *redis)
{
    struct cli *cli = doctor->cli;
    struct err err = {0};
    struct lease lease = {.job_id = "haul-doctor", .token = "haul-doctor"};
    struct leases leases = {&lease, 1};
    bool is_taken = false, clear_cancel = false;
    if (lease_store_acquire_many(redis, cli->settings.topic_prefix, leases, US_PER_S / US_PER_MS,
                                 &cli->arena, &is_taken, &err) != OUTCOME_OK ||
        lease_store_release_many(redis, cli->settings.topic_prefix, leases, &clear_cancel,
                                 &cli->arena, &err) != OUTCOME_OK)
        doctor_add(doctor, CHECK_FAIL, "redis leases", err.message,
                   "it must be Redis 7.0 or later, and this user may run SET, DEL and scripts");
    else
        doctor_add(doctor, CHECK_OK, "redis leases", "one was taken and given back", NULL);
}

static void check_redis(struct doctor *doctor, struct rconn *redis)
{
    struct cli *cli = doctor->cli;
    const struct rreply *reply = NULL;
    struct err err = {0};
    if (rconn_ping(redis, &err) != OUTCOME_OK) {
        doctor_add_err(doctor, "redis", &err);
        return;
    }
    doctor_add(doctor, CHECK_OK, "redis", "answers", NULL);
    check_leases(doctor, redis);
    int64_t asked_us = clock_wall_us();
    if (rconn_call(redis, &cli->arena, RWORDS("TIME"), &reply, NULL) != OUTCOME_OK) {
        doctor_add(doctor, CHECK_SKIP, "redis clock", "this user may not ask for TIME", NULL);
        return;
    }
    int64_t ours_us = asked_us + (clock_wall_us() - asked_us) / 2;
    int64_t theirs_us =
        rreply_int(rreply_item(reply, 0), 0) * US_PER_S + rreply_int(rreply_item(reply, 1), 0);
    doctor_add_skew(doctor, "redis clock", theirs_us - ours_us);
}

void doctor_check_redis(struct doctor *doctor)
{
    struct rconn *redis = NULL;
    struct err err = {0};
    if (doctor->cli->settings.redis.url == NULL) {
        doctor_add(doctor, CHECK_WARN, "redis", "no address is configured",
                   "set HAUL_REDIS_URL: workers need it for leases");
        return;
    }
    if (rconn_open(&doctor->cli->settings.redis, &redis, &err) != OUTCOME_OK) {
        doctor_add_err(doctor, "redis", &err);
        return;
    }
    check_redis(doctor, redis);
    rconn_close(redis);
}
