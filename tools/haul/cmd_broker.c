/* cmd_broker: a broker in this process, for development. */
#include "commands.h"
#include "io/kafka_mock.h"
#include "kinds.h"
#include "run/topics.h"

#include <signal.h>
#include <unistd.h>

struct broker_options {
    int64_t brokers, partitions;
};
static const struct field broker_fields[] = {
    {.name = "brokers",
     .type = FIELD_INT,
     .min = 1,
     .max = 5,
     .default_text = "1",
     .offset = offsetof(struct broker_options, brokers),
     .doc = "How many brokers the cluster has."},
    {.name = "partitions",
     .type = FIELD_INT,
     .min = 1,
     .max = 64,
     .default_text = "4",
     .offset = offsetof(struct broker_options, partitions),
     .doc = "Of each jobs topic and of events."},
};
static const struct field_table broker_table = {
    "broker", NULL, broker_fields, FIELDS_COUNT(broker_fields), sizeof(struct broker_options)};

static const char limits[] =
    "for development only: it keeps 5 MiB or 100,000 batches a partition and then drops the oldest "
    "silently, keeps nothing when it ends, has no TLS and lets everyone in";

static enum outcome create_topics(struct cli *cli, struct kafka_mock *mock, struct err *err)
{
    const struct broker_options *options = cli->options;
    const char *workers[WORKERS_MAX];
    kind_workers(workers);
    for (size_t i = 0; workers[i] != NULL; i++) {
        struct topic topics[TOPICS_COUNT];
        topics_of_worker(cli->settings.topic_prefix, workers[i], (int32_t)options->partitions, 1,
                         topics);
        for (size_t k = 0; k < TOPICS_COUNT; k++) {
            bool is_again = i > 0 && topics[k].role == TOPIC_EVENTS;
            if (!is_again)
                TRY(kafka_mock_create_topic(mock, topics[k].name.text, topics[k].spec.partitions,
                                            err));
        }
    }
    return OUTCOME_OK;
}

/* The address goes to standard output, so that a script can read it; the limits beside it. */
static void print_address(struct cli *cli, const struct kafka_mock *mock)
{
    if (cli->out.json) {
        struct jwrite w = out_json(&cli->out);
        jwrite_open_object(&w);
        jwrite_member_text(&w, "brokers", kafka_mock_brokers(mock));
        jwrite_member_int(&w, "pid", getpid());
        jwrite_member_text(&w, "limits", limits);
        jwrite_close_object(&w);
        out_json_end(&cli->out);
    }
    out_addf(&cli->out, "HAUL_KAFKA_BROKERS=%s\n", kafka_mock_brokers(mock));
    out_flush(&cli->out);
    if (!cli->out.json)
        out_note(&cli->out, "%s; Ctrl-C ends it", limits);
}

static void wait_for_signal(const sigset_t *signals)
{
    int number = 0;
    while (sigwait(signals, &number) != 0) {
    }
}

static enum outcome run_broker(struct cli *cli, struct err *err)
{
    sigset_t signals;
    struct kafka_mock *mock = NULL;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGHUP);
    /* Blocked before the cluster's threads start, so that none of them takes it. */
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    TRY(kafka_mock_open((int)CLI_OPTIONS(struct broker_options, cli)->brokers, &mock, err));
    enum outcome outcome = create_topics(cli, mock, err);
    if (outcome == OUTCOME_OK) {
        print_address(cli, mock);
        wait_for_signal(&signals);
    }
    kafka_mock_close(mock);
    return outcome;
}

static const struct example broker_examples[] = {
    {"haul broker", "Prints HAUL_KAFKA_BROKERS=..., and serves until Ctrl-C"},
    {NULL, NULL},
};

const struct command command_broker = {
    .name = "broker",
    .args = "",
    .summary = "a Kafka broker in this process, for development only",
    .doc = "librdkafka's mock cluster, on free ports of the loopback interface, with the topics "
           "that haul needs. It keeps at most 5 MiB or 100,000 batches a partition and drops the "
           "oldest silently; it keeps nothing when it ends; it has no transactions, TLS, "
           "passwords or admin interface; it returns at most one batch a partition a fetch. For "
           "anything that must not be lost, and for every claim about speed, use Kafka.",
    .options = &broker_table,
    .examples = broker_examples,
    .run = run_broker,
};
