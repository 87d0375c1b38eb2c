/* kafka: see kafka.h. Here: settings, the table of errors, lists and messages. */
#include "io/kafka_private.h"

#include "base/num.h"

#include <stdlib.h>

/* SCRAM before this version sends a nonce that Kafka 4 refuses. */
#define SCRAM_VERSION_MIN 0x020601ff

const char *const kafka_security_names[] = {"plaintext", "ssl", "sasl_plaintext", "sasl_ssl", NULL};
const char *const kafka_sasl_names[] = {"plain", "scram-sha-256", "scram-sha-512", NULL};
static const char *const mechanism_values[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"};

const char *kafka_library_version(void)
{
    return rd_kafka_version_str();
}

/* ---- settings ---- */

static bool has_sasl(const struct kafka_conf *conf)
{
    return conf->security == KAFKA_SASL_PLAINTEXT || conf->security == KAFKA_SASL_SSL;
}

static bool has_tls(const struct kafka_conf *conf)
{
    return conf->security == KAFKA_SSL || conf->security == KAFKA_SASL_SSL;
}

static bool is_empty(const char *text)
{
    return text == NULL || text[0] == '\0';
}

static enum outcome check_sasl(const struct kafka_conf *conf, struct err *err)
{
    if (is_empty(conf->user) || is_empty(conf->password)) {
        FAIL(err, OUTCOME_PERMANENT, "kafka.conf", "kafka security %s needs a user and a password",
             kafka_security_names[conf->security]);
        return err_hint(err, "set kafka_user and kafka_password, or kafka_security=ssl");
    }
    if (conf->mechanism != KAFKA_SASL_PLAIN && rd_kafka_version() < SCRAM_VERSION_MIN) {
        FAIL(err, OUTCOME_PERMANENT, "kafka.conf", "librdkafka %s cannot log in with %s",
             kafka_library_version(), kafka_sasl_names[conf->mechanism]);
        return err_hint(err, "Kafka 4 refuses SCRAM from librdkafka before 2.6.1: use "
                             "kafka_sasl_mechanism=plain over sasl_ssl, or client certificates");
    }
    return OUTCOME_OK;
}

enum outcome kafka_conf_check(const struct kafka_conf *conf, struct err *err)
{
    if (is_empty(conf->brokers))
        return FAIL(err, OUTCOME_PERMANENT, "kafka.conf", "no kafka brokers are given");
    if (has_sasl(conf))
        TRY(check_sasl(conf, err));
    else if (!is_empty(conf->user) || !is_empty(conf->password)) {
        FAIL(err, OUTCOME_PERMANENT, "kafka.conf",
             "a kafka user or password is given, but kafka security %s does not log in",
             kafka_security_names[conf->security]);
        return err_hint(err, "set kafka_security=sasl_ssl");
    }
    bool names_tls_file =
        !is_empty(conf->ca_file) || !is_empty(conf->cert_file) || !is_empty(conf->key_file);
    if (names_tls_file && !has_tls(conf)) {
        FAIL(err, OUTCOME_PERMANENT, "kafka.conf",
             "certificate files are given, but kafka security %s has no TLS",
             kafka_security_names[conf->security]);
        return err_hint(err, "set kafka_security=ssl or sasl_ssl");
    }
    if (is_empty(conf->cert_file) != is_empty(conf->key_file))
        return FAIL(err, OUTCOME_PERMANENT, "kafka.conf",
                    "kafka_cert_file and kafka_key_file go together");
    return OUTCOME_OK;
}

enum outcome kafka_settings_text(rd_kafka_conf_t *settings, const char *name, const char *value,
                                 struct err *err)
{
    if (is_empty(value))
        return OUTCOME_OK;
    char why[256];
    if (rd_kafka_conf_set(settings, name, value, why, sizeof why) == RD_KAFKA_CONF_OK)
        return OUTCOME_OK;
    /* The library's text would quote the value, which may be a secret. */
    return FAIL(err, OUTCOME_PERMANENT, "kafka.conf", "librdkafka %s refuses the value of %s",
                kafka_library_version(), name);
}

enum outcome kafka_settings_int(rd_kafka_conf_t *settings, const char *name, int64_t value,
                                struct err *err)
{
    char text[24];
    text[num_format_i64(value, text)] = '\0';
    return kafka_settings_text(settings, name, text, err);
}

void kafka_drop_log(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
    (void)handle, (void)level, (void)facility, (void)text; /* errors come through keep_news */
}

/* The first news of a round stay: what follows is mostly its echo, a login that failed excepted. */
static void keep_news(rd_kafka_t *handle, int code, const char *reason, void *opaque)
{
    struct kafka_news *news = opaque;
    struct err err = {0};
    char fatal[256];
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        rd_kafka_fatal_error(handle, fatal, sizeof fatal);
        reason = fatal;
    }
    kafka_fail(&err, (rd_kafka_resp_err_t)code, reason);
    if (!news->is_set || err.outcome != OUTCOME_RETRY)
        *news = (struct kafka_news){true, err};
}

static enum outcome fill_settings(rd_kafka_conf_t *settings, const struct kafka_conf *conf,
                                  struct err *err)
{
    const struct {
        const char *name, *value;
    } rows[] = {
        {"bootstrap.servers", conf->brokers},
        {"client.id", conf->client_id},
        {"security.protocol", kafka_security_names[conf->security]},
        {"sasl.mechanisms", has_sasl(conf) ? mechanism_values[conf->mechanism] : NULL},
        {"sasl.username", conf->user},
        {"sasl.password", conf->password},
        {"ssl.ca.location", conf->ca_file},
        {"ssl.certificate.location", conf->cert_file},
        {"ssl.key.location", conf->key_file},
        {"ssl.key.password", conf->key_password},
        {"socket.nagle.disable", "true"}, /* requests are small and waited for */
        {"socket.keepalive.enable", "true"},
        {"socket.connection.setup.timeout.ms", "10000"},
        {"reconnect.backoff.ms", "50"},
        {"reconnect.backoff.max.ms", "500"}, /* 10 s by default: long silence after an outage */
        {"topic.metadata.refresh.interval.ms", "30000"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        TRY(kafka_settings_text(settings, rows[i].name, rows[i].value, err));
    return OUTCOME_OK;
}

enum outcome kafka_settings_new(const struct kafka_conf *conf, struct kafka_news *news,
                                rd_kafka_conf_t **ret_settings, struct err *err)
{
    TRY(kafka_conf_check(conf, err));
    rd_kafka_conf_t *settings = rd_kafka_conf_new();
    TRY_ALLOC(settings, err);
    enum outcome outcome = fill_settings(settings, conf, err);
    if (outcome != OUTCOME_OK) {
        rd_kafka_conf_destroy(settings);
        return outcome;
    }
    rd_kafka_conf_set_opaque(settings, news);
    rd_kafka_conf_set_error_cb(settings, keep_news);
    rd_kafka_conf_set_log_cb(settings, kafka_drop_log);
    *ret_settings = settings;
    return OUTCOME_OK;
}

enum outcome kafka_handle_new(rd_kafka_type_t type, rd_kafka_conf_t *settings,
                              rd_kafka_t **ret_handle, struct err *err)
{
    char why[256] = "";
    rd_kafka_t *handle = rd_kafka_new(type, settings, why, sizeof why);
    if (handle == NULL) {
        rd_kafka_conf_destroy(settings);
        return FAIL(err, OUTCOME_PERMANENT, "kafka.conf", "librdkafka refuses the settings: %s",
                    why);
    }
    *ret_handle = handle;
    return OUTCOME_OK;
}

/* ---- errors ---- */

static const struct verdict {
    rd_kafka_resp_err_t native;
    enum outcome outcome;
    const char *code;
} verdicts[] = {
    {RD_KAFKA_RESP_ERR__TRANSPORT, OUTCOME_RETRY, "kafka.unreachable"},
    {RD_KAFKA_RESP_ERR__RESOLVE, OUTCOME_RETRY, "kafka.unreachable"},
    {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, OUTCOME_RETRY, "kafka.unreachable"},
    {RD_KAFKA_RESP_ERR__TIMED_OUT, OUTCOME_RETRY, "kafka.unreachable"},
    {RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE, OUTCOME_RETRY, "kafka.unreachable"},
    {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, OUTCOME_RETRY, "kafka.unreachable"},
    {RD_KAFKA_RESP_ERR__WAIT_COORD, OUTCOME_RETRY, "kafka.unreachable"},
    {RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, OUTCOME_RETRY, "kafka.unreachable"},
    {RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, OUTCOME_RETRY, "kafka.unreachable"},
    {RD_KAFKA_RESP_ERR_NOT_COORDINATOR, OUTCOME_RETRY, "kafka.unreachable"},
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, OUTCOME_PERMANENT, "kafka.auth"},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, OUTCOME_PERMANENT, "kafka.auth"},
    {RD_KAFKA_RESP_ERR__SSL, OUTCOME_PERMANENT, "kafka.auth"},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, OUTCOME_PERMANENT, "kafka.denied"},
    {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, OUTCOME_PERMANENT, "kafka.denied"},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, OUTCOME_PERMANENT, "kafka.denied"},
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, OUTCOME_RETRY, "kafka.topic_missing"},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, OUTCOME_RETRY, "kafka.topic_missing"},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, OUTCOME_PERMANENT, "kafka.record"},
    {RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, OUTCOME_RETRY, "kafka.rebalancing"},
    {RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, OUTCOME_CANCELLED, "kafka.fenced"},
    {RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, OUTCOME_CANCELLED, "kafka.fenced"},
    {RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, OUTCOME_CANCELLED, "kafka.fenced"},
    {RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST, OUTCOME_CANCELLED, "kafka.fenced"},
    {RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED, OUTCOME_RETRY, "kafka.max_poll"},
    {RD_KAFKA_RESP_ERR__FATAL, OUTCOME_PERMANENT, "kafka.fatal"},
    {RD_KAFKA_RESP_ERR__FENCED, OUTCOME_PERMANENT, "kafka.fatal"},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, OUTCOME_PERMANENT, "kafka.too_large"},
    {RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE, OUTCOME_PERMANENT, "kafka.commit"},
    {RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE, OUTCOME_PERMANENT, "kafka.commit"},
    {RD_KAFKA_RESP_ERR__QUEUE_FULL, OUTCOME_RETRY, "kafka.queue_full"},
    {RD_KAFKA_RESP_ERR__PURGE_QUEUE, OUTCOME_RETRY, "kafka.purged"},
    {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, OUTCOME_RETRY, "kafka.purged"},
    {RD_KAFKA_RESP_ERR__INVALID_ARG, OUTCOME_PERMANENT, "kafka.record"},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, OUTCOME_PERMANENT, "kafka.topic"},
    {RD_KAFKA_RESP_ERR_INVALID_PARTITIONS, OUTCOME_PERMANENT, "kafka.topic"},
    {RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR, OUTCOME_PERMANENT, "kafka.topic"},
    {RD_KAFKA_RESP_ERR_INVALID_CONFIG, OUTCOME_PERMANENT, "kafka.topic"},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, OUTCOME_PERMANENT, "kafka.topic"},
};

enum outcome kafka_fail(struct err *err, rd_kafka_resp_err_t code, const char *what)
{
    /* What the table does not know passes, as most of Kafka's errors do; attempts are bounded. */
    struct verdict verdict = {code, OUTCOME_RETRY, "kafka.failed"};
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++)
        if (verdicts[i].native == code)
            verdict = verdicts[i];
    FAIL(err, verdict.outcome, verdict.code, "%s: %s", what, rd_kafka_err2str(code));
    return err_native(err, rd_kafka_err2name(code));
}

enum outcome kafka_fail_with_news(struct err *err, rd_kafka_resp_err_t code, const char *what,
                                  struct kafka_news *news)
{
    enum outcome outcome = kafka_fail(err, code, what);
    if (outcome != OUTCOME_RETRY || !news->is_set)
        return outcome;
    if (news->err.outcome != OUTCOME_RETRY && err != NULL) {
        *err = news->err;
        news->is_set = false;
        return err_prefix(err, "%s", what);
    }
    return err_hint(err, "last news of the connection: %s", news->err.message);
}

enum outcome kafka_fail_error(struct err *err, rd_kafka_error_t *error, const char *what)
{
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    bool is_fatal = rd_kafka_error_is_fatal(error) != 0;
    rd_kafka_error_destroy(error);
    return kafka_fail(err, is_fatal ? RD_KAFKA_RESP_ERR__FATAL : code, what);
}

/* ---- lists ---- */

rd_kafka_topic_partition_list_t *kafka_list_new(const struct kafka_partition *partitions,
                                                size_t count)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const struct kafka_partition *from = &partitions[i];
        rd_kafka_topic_partition_t *to =
            rd_kafka_topic_partition_list_add(list, from->topic, from->partition);
        to->offset = from->offset;
        if (from->metadata == NULL)
            continue;
        to->metadata = strdup(from->metadata); /* the list frees it */
        to->metadata_size = strlen(from->metadata);
        if (to->metadata == NULL) {
            rd_kafka_topic_partition_list_destroy(list);
            return NULL;
        }
    }
    return list;
}

struct kafka_partition *kafka_list_copy(const rd_kafka_topic_partition_list_t *list,
                                        struct arena *arena)
{
    struct kafka_partition *copy =
        ARENA_ARRAY(arena, struct kafka_partition, (size_t)list->cnt + 1);
    for (int i = 0; copy != NULL && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *from = &list->elems[i];
        copy[i] = (struct kafka_partition){arena_strdup(arena, from->topic), from->partition,
                                           from->offset, NULL};
        if (from->metadata != NULL && from->metadata_size > 0)
            copy[i].metadata = arena_strndup(arena, from->metadata, from->metadata_size);
    }
    return copy == NULL || arena->overflowed ? NULL : copy;
}

/* ---- messages ---- */

void kafka_message_done(struct kafka_message *message)
{
    if (message->native != NULL)
        rd_kafka_message_destroy(message->native);
    *message = (struct kafka_message){0};
}

static rd_kafka_headers_t *headers_of(const struct kafka_message *message)
{
    rd_kafka_headers_t *headers = NULL;
    if (message->native == NULL ||
        rd_kafka_message_headers(message->native, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return NULL;
    return headers;
}

bool kafka_message_header(const struct kafka_message *message, size_t i,
                          struct kafka_header *ret_header)
{
    const rd_kafka_headers_t *headers = headers_of(message);
    struct kafka_header header = {0};
    const void *value = NULL;
    if (headers == NULL || rd_kafka_header_get_all(headers, i, &header.name, &value,
                                                   &header.value.len) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    header.value.data = value;
    *ret_header = header;
    return true;
}

bool kafka_message_find_header(const struct kafka_message *message, const char *name,
                               struct slice *ret_value)
{
    const rd_kafka_headers_t *headers = headers_of(message);
    const void *value = NULL;
    size_t len = 0;
    if (headers == NULL ||
        rd_kafka_header_get_last(headers, name, &value, &len) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    *ret_value = (struct slice){value, len};
    return true;
}

rd_kafka_resp_err_t kafka_list_error(const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; list != NULL && i < list->cnt; i++)
        if (list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR)
            return list->elems[i].err;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}
