/* kafka_mock: see kafka_mock.h. */
#include "io/kafka_mock.h"
#include "io/kafka_private.h"

#include <librdkafka/rdkafka_mock.h>
#include <stdlib.h>

struct kafka_mock {
    rd_kafka_t *handle; /* the library hangs a cluster on a handle of any kind */
    rd_kafka_mock_cluster_t *cluster;
};

static enum outcome open_cluster(struct kafka_mock *mock, int brokers, struct err *err)
{
    rd_kafka_conf_t *settings = rd_kafka_conf_new();
    TRY_ALLOC(settings, err);
    rd_kafka_conf_set_log_cb(settings, kafka_drop_log);
    TRY(kafka_handle_new(RD_KAFKA_PRODUCER, settings, &mock->handle, err));
    mock->cluster = rd_kafka_mock_cluster_new(mock->handle, brokers);
    if (mock->cluster != NULL)
        return OUTCOME_OK;
    rd_kafka_destroy(mock->handle);
    return FAIL(err, OUTCOME_PERMANENT, "kafka.mock", "no mock cluster of %d brokers", brokers);
}

enum outcome kafka_mock_open(int brokers, struct kafka_mock **ret_mock, struct err *err)
{
    struct kafka_mock *mock = calloc(1, sizeof *mock);
    TRY_ALLOC(mock, err);
    enum outcome outcome = open_cluster(mock, brokers, err);
    if (outcome != OUTCOME_OK) {
        free(mock);
        return outcome;
    }
    *ret_mock = mock;
    return OUTCOME_OK;
}

void kafka_mock_close(struct kafka_mock *mock)
{
    if (mock == NULL)
        return;
    rd_kafka_mock_cluster_destroy(mock->cluster);
    rd_kafka_destroy(mock->handle);
    free(mock);
}

const char *kafka_mock_brokers(const struct kafka_mock *mock)
{
    return rd_kafka_mock_cluster_bootstraps(mock->cluster);
}

enum outcome kafka_mock_create_topic(struct kafka_mock *mock, const char *topic, int partitions,
                                     struct err *err)
{
    rd_kafka_resp_err_t code = rd_kafka_mock_topic_create(mock->cluster, topic, partitions, 1);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return OUTCOME_OK;
    return FAIL(err, OUTCOME_PERMANENT, "kafka.topic", "topic %s: %s", topic,
                rd_kafka_err2str(code));
}

void kafka_mock_fail_requests(struct kafka_mock *mock, int16_t api_key, int16_t error_code,
                              size_t count)
{
    rd_kafka_resp_err_t code = (rd_kafka_resp_err_t)error_code;
    for (size_t i = 0; i < count; i++)
        rd_kafka_mock_push_request_errors_array(mock->cluster, api_key, 1, &code);
}

void kafka_mock_set_broker(struct kafka_mock *mock, int broker, bool up)
{
    if (up)
        rd_kafka_mock_broker_set_up(mock->cluster, broker);
    else
        rd_kafka_mock_broker_set_down(mock->cluster, broker);
}

void kafka_mock_set_delay(struct kafka_mock *mock, int broker, int delay_ms)
{
    rd_kafka_mock_broker_set_rtt(mock->cluster, broker, delay_ms);
}
