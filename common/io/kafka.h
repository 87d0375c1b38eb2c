/*
 * kafka: the bus: configuration, consumer and producer. (kafka_admin.h: topics, lag; kafka_mock.h.)
 *
 * Is:      the only way to Kafka. No type of the client library is seen here, so that a test can
 *          link an in-memory bus in its place.
 * Is not:  a policy: what to commit, when to pause and what a record means is run/'s.
 * Owns:    a consumer, a producer: their connections. A message: its bytes, until
 * kafka_message_done. Threads: a consumer is polled, committed and paused by one thread, which also
 * runs its callbacks; messages may be read and done by any thread. kafka_producer_send by any
 * thread; kafka_producer_poll, _flush and _send_wait by one thread at a time, on which the delivery
 *          callback runs.
 *
 * Groups use the eager assignors (range, roundrobin): cooperative assignment with manual commits
 * loses assignments in librdkafka before 2.10. Nothing is committed but explicit lists, because
 * stored offsets lose their metadata before 2.2.
 */
#ifndef HAUL_IO_KAFKA_H
#define HAUL_IO_KAFKA_H

#include "base/err.h"
#include "base/fields.h"
#include "base/str.h"

/* ---- configuration ---- */

enum kafka_security { KAFKA_PLAINTEXT, KAFKA_SSL, KAFKA_SASL_PLAINTEXT, KAFKA_SASL_SSL };
enum kafka_sasl { KAFKA_SASL_PLAIN, KAFKA_SCRAM_SHA_256, KAFKA_SCRAM_SHA_512 };
extern const char *const kafka_security_names[]; /* as users write them; NULL at the end */
extern const char *const kafka_sasl_names[];

struct kafka_conf {
    const char *brokers;
    int security;  /* enum kafka_security */
    int mechanism; /* enum kafka_sasl */
    const char *user, *password;
    const char *ca_file, *cert_file, *key_file, *key_password;
    const char *client_id;
};

/* The rows of a process's field table for a struct kafka_conf embedded in `holder` as `member`. */
#define KAFKA_CONF_FIELDS(holder, member)                                                          \
    {.name = "kafka_brokers",                                                                      \
     .type = FIELD_STRING,                                                                         \
     .flags = FIELD_REQUIRED,                                                                      \
     .offset = offsetof(holder, member.brokers),                                                   \
     .doc = "Kafka brokers to start from, host:port, separated by commas."},                       \
        {.name = "kafka_security",                                                                 \
         .type = FIELD_ENUM,                                                                       \
         .offset = offsetof(holder, member.security),                                              \
         .default_text = "plaintext",                                                              \
         .choices = kafka_security_names,                                                          \
         .doc = "How connections to Kafka are protected."},                                        \
        {.name = "kafka_sasl_mechanism",                                                           \
         .type = FIELD_ENUM,                                                                       \
         .offset = offsetof(holder, member.mechanism),                                             \
         .default_text = "plain",                                                                  \
         .choices = kafka_sasl_names,                                                              \
         .doc = "SASL mechanism; the SCRAM ones need librdkafka 2.6.1 or newer."},                 \
        {.name = "kafka_user",                                                                     \
         .type = FIELD_STRING,                                                                     \
         .offset = offsetof(holder, member.user),                                                  \
         .doc = "SASL user name."},                                                                \
        {.name = "kafka_password",                                                                 \
         .type = FIELD_STRING,                                                                     \
         .flags = FIELD_SECRET,                                                                    \
         .offset = offsetof(holder, member.password),                                              \
         .doc = "SASL password."},                                                                 \
        {.name = "kafka_ca_file",                                                                  \
         .type = FIELD_STRING,                                                                     \
         .offset = offsetof(holder, member.ca_file),                                               \
         .doc = "PEM file of the authorities that may sign the brokers' certificates."},           \
        {.name = "kafka_cert_file",                                                                \
         .type = FIELD_STRING,                                                                     \
         .offset = offsetof(holder, member.cert_file),                                             \
         .doc = "PEM file of the client's certificate, for mutual TLS."},                          \
        {.name = "kafka_key_file",                                                                 \
         .type = FIELD_STRING,                                                                     \
         .offset = offsetof(holder, member.key_file),                                              \
         .doc = "PEM file of the client's private key, for mutual TLS."},                          \
        {.name = "kafka_key_password",                                                             \
         .type = FIELD_STRING,                                                                     \
         .flags = FIELD_SECRET,                                                                    \
         .offset = offsetof(holder, member.key_password),                                          \
         .doc = "Password of the private key."},                                                   \
    {                                                                                              \
        .name = "kafka_client_id", .type = FIELD_STRING,                                           \
        .offset = offsetof(holder, member.client_id), .default_text = "haul",                      \
        .doc = "Name of this client in the brokers' logs and quotas."                              \
    }

/* Rules between the fields: PERMANENT "kafka.conf" (a user without password, a certificate
 * without key, SCRAM with a library that can't). Every open checks it too. */
MUST_USE enum outcome kafka_conf_check(const struct kafka_conf *conf, struct err *err);

/* ---- partitions ---- */

#define KAFKA_OFFSET_BEGINNING INT64_C(-2)
#define KAFKA_OFFSET_END INT64_C(-1)
#define KAFKA_OFFSET_COMMITTED INT64_C(-1000) /* where the group's commit stands */
#define KAFKA_OFFSET_NONE INT64_C(-1001)      /* never committed, unknown */

struct kafka_partition {
    const char *topic;
    int32_t partition;
    int64_t offset;       /* of the next record to be read, or a KAFKA_OFFSET_ */
    const char *metadata; /* of the commit; NULL = none; at most 4096 characters, no NUL */
};

/* ---- messages ---- */

struct kafka_header {
    const char *name;
    struct slice value; /* data NULL: the header is there without a value */
};

struct kafka_message {
    const char *topic;
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms; /* -1 = none */
    struct slice key;     /* data NULL: no key */
    struct slice value;   /* data NULL: no value (tombstone) */
    void *native;         /* of the implementation; NULL = no message */
};

/* What a record may have to be sent: its key, value and headers, with their framing. A topic takes
 * it whose max.message.bytes is KAFKA_TOPIC_BYTES. */
#define KAFKA_TOPIC_BYTES 1114112
#define KAFKA_RECORD_BYTES_MAX (KAFKA_TOPIC_BYTES - 512)

/* Frees what the message points to; any thread; takes one that is done or zeroed. All messages
 * must be done before their consumer is closed. */
void kafka_message_done(struct kafka_message *message);

/* The i-th header; false behind the last one. Lives as long as the message. */
bool kafka_message_header(const struct kafka_message *message, size_t i,
                          struct kafka_header *ret_header);

/* The value of the last header of that name; false when there is none. */
bool kafka_message_find_header(const struct kafka_message *message, const char *name,
                               struct slice *ret_value);

/* ---- consumer ---- */

struct kafka_consumer;

/* Called on the polling thread, from kafka_consumer_poll and kafka_consumer_close. Lists live for
 * the call. What is committed within `revoked` still counts; in `lost` nothing may be. */
struct kafka_consumer_events {
    void *ctx;
    /* New partitions, not yet read from. `offset` and `metadata` are the group's commit
     * (KAFKA_OFFSET_NONE: never committed; KAFKA_OFFSET_COMMITTED with no metadata: the commit
     * could not be asked for in time, reading begins there all the same). The callback may change
     * `offset`: it is where reading begins. */
    void (*assigned)(void *ctx, struct kafka_partition *partitions, size_t count);
    /* About to be taken away in good order: drain and commit here. */
    void (*revoked)(void *ctx, const struct kafka_partition *partitions, size_t count);
    /* Gone already, others may own them: cancel, commit nothing. */
    void (*lost)(void *ctx, const struct kafka_partition *partitions, size_t count);
};

struct kafka_consumer_options {
    const char *group;       /* NULL: a reader without a group, for kafka_consumer_assign */
    const char *instance_id; /* static membership; NULL = none */
    struct kafka_consumer_events events;
    bool from_end;           /* where a never committed partition begins; false = its beginning */
    bool auto_create_topics; /* subscribing creates topics, where the broker allows it */
    int64_t session_timeout_ms; /* 0 = 10 s */
    int64_t max_poll_ms;        /* longest pause between polls; 0 = 300 s */
    int64_t queue_kbytes;       /* prefetch in memory, all partitions; 0 = 4096 */
    int64_t fetch_max_bytes;    /* a partition a request; 0 = 1 MiB */
};

/* PERMANENT "kafka.conf". Does not wait for a broker. */
MUST_USE enum outcome kafka_consumer_open(const struct kafka_conf *conf,
                                          const struct kafka_consumer_options *options,
                                          struct kafka_consumer **ret_consumer, struct err *err);

/* Leaves the group in good order: revoked runs (drain, commit), then LeaveGroup, then all is
 * freed. With a broker that is away it gives up after 5 s and leaves the rest to the end of the
 * process. Messages must be done before; takes NULL. */
void kafka_consumer_close(struct kafka_consumer *consumer);

/* Replaces the subscription. A topic that begins with ^ is a regular expression. */
MUST_USE enum outcome kafka_consumer_subscribe(struct kafka_consumer *consumer,
                                               const char *const *topics, size_t count,
                                               struct err *err);
MUST_USE enum outcome kafka_consumer_unsubscribe(struct kafka_consumer *consumer, struct err *err);

/* Reads just these partitions from their offsets, without a group's assignment. */
MUST_USE enum outcome kafka_consumer_assign(struct kafka_consumer *consumer,
                                            const struct kafka_partition *partitions, size_t count,
                                            struct err *err);

/*
 * Waits at most `timeout_ms` for one message. When none came, ret_message->native is NULL.
 * Failures are news of the connection, each given once; polling goes on unless the class says
 * otherwise: RETRY "kafka.unreachable" (librdkafka reconnects by itself), "kafka.topic_missing",
 * "kafka.max_poll" (poll on to rejoin); PERMANENT "kafka.auth", "kafka.denied" (goes on trying);
 * PERMANENT "kafka.fatal": this consumer is dead, close it and open another.
 */
MUST_USE enum outcome kafka_consumer_poll(struct kafka_consumer *consumer, int64_t timeout_ms,
                                          struct kafka_message *ret_message, struct err *err);

/* Partitions that are already so, or are not assigned, are no error. Pausing drops what was
 * prefetched; a pause survives unassign + assign: resume in `revoked`. */
MUST_USE enum outcome kafka_consumer_pause(struct kafka_consumer *consumer,
                                           const struct kafka_partition *partitions, size_t count,
                                           struct err *err);
MUST_USE enum outcome kafka_consumer_resume(struct kafka_consumer *consumer,
                                            const struct kafka_partition *partitions, size_t count,
                                            struct err *err);

/* The next message of that partition will be partition->offset. */
MUST_USE enum outcome kafka_consumer_seek(struct kafka_consumer *consumer,
                                          const struct kafka_partition *partition,
                                          int64_t timeout_ms, struct err *err);

/*
 * Commits exactly this list and waits for the answer. RETRY "kafka.unreachable" or
 * "kafka.rebalancing" (may or may not be committed); CANCELLED "kafka.fenced" when the group has
 * gone on without this member; PERMANENT "kafka.commit" (e.g. metadata too long), "kafka.denied".
 * The caller's epoch is the only gate: a broker takes commits of partitions that were handed on.
 */
MUST_USE enum outcome kafka_consumer_commit(struct kafka_consumer *consumer,
                                            const struct kafka_partition *partitions, size_t count,
                                            int64_t timeout_ms, struct err *err);

/* The same in two steps. Sends the list and does not wait. The answer to one that was sent before
 * is forgotten; a new assignment forgets it too, once it is there. Fails as `_commit` does where
 * nothing was sent. */
MUST_USE enum outcome kafka_consumer_commit_send(struct kafka_consumer *consumer,
                                                 const struct kafka_partition *partitions,
                                                 size_t count, struct err *err);
/* The answer to what was sent: false when there is none within `timeout_ms`, or nothing was sent;
 * else what it says (as `_commit`) is in `ret_outcome`. How long it may take is the library's
 * affair: it repeats requests that time out (60 s). */
bool kafka_consumer_commit_take(struct kafka_consumer *consumer, int64_t timeout_ms,
                                enum outcome *ret_outcome, struct err *err);

/* Sets offset and metadata of each item from the group's commits; the metadata lives in `arena`. */
MUST_USE enum outcome kafka_consumer_committed(struct kafka_consumer *consumer, struct arena *arena,
                                               struct kafka_partition *partitions, size_t count,
                                               int64_t timeout_ms, struct err *err);

/* Where a partition ended when something was last fetched of it, without a call to the broker; -1 =
 * nothing was. */
int64_t kafka_consumer_end_seen(const struct kafka_consumer *consumer, const char *topic,
                                int32_t partition);

/* Asks where the partition ends: its offset becomes that of the next record to be written. RETRY
 * "kafka.unreachable" within `timeout_ms`. */
MUST_USE enum outcome kafka_consumer_end(struct kafka_consumer *consumer,
                                         struct kafka_partition *partition, int64_t timeout_ms,
                                         struct err *err);

/* True when the assignment was lost; meaningful within a callback. */
bool kafka_consumer_is_lost(const struct kafka_consumer *consumer);

/* ---- producer ---- */

struct kafka_producer;

/* The fate of a record, exactly once for each that was taken. RETRY: not delivered as far as is
 * known, or delivered without the answer being seen. `offset` is -1 unless OK. */
typedef void kafka_delivered(void *ctx, void *opaque, int64_t offset, enum outcome outcome,
                             const struct err *err);

struct kafka_producer_options {
    kafka_delivered *delivered; /* NULL = nobody asks */
    void *ctx;
    int64_t linger_ms;           /* waits for company; 0 = sends at once */
    int64_t queue_messages;      /* 0 = 20000 */
    int64_t queue_kbytes;        /* 0 = 16384 */
    int64_t delivery_timeout_ms; /* from send to the report; 0 = 30 s */
    bool compress;               /* gzip: the one codec that every client has built in */
};

/* For `partition`: by the key's hash (murmur2, as Java's clients), at random without a key; or
 * whichever, the same one for many records: they go in few requests. */
#define KAFKA_PARTITION_BY_KEY (-1)
#define KAFKA_PARTITION_ANY (-2)

struct kafka_record {
    const char *topic;
    int32_t partition;
    struct slice key;     /* data NULL: none */
    struct slice value;   /* data NULL: a tombstone */
    int64_t timestamp_ms; /* 0 = now */
    const struct kafka_header *headers;
    size_t header_count;
    void *opaque; /* handed to `delivered` */
};

/* PERMANENT "kafka.conf". Does not wait for a broker. The producer is idempotent (acks=all, order
 * kept, no doubles within this instance). */
MUST_USE enum outcome kafka_producer_open(const struct kafka_conf *conf,
                                          const struct kafka_producer_options *options,
                                          struct kafka_producer **ret_producer, struct err *err);

/* Flushes for at most `flush_ms`; what is left then is reported as RETRY "kafka.purged", then all
 * is freed. The delivery callback runs in here. Takes NULL. */
void kafka_producer_close(struct kafka_producer *producer, int64_t flush_ms);

/* Copies the record into the queue. RETRY "kafka.queue_full": poll, then again. PERMANENT
 * "kafka.too_large", "kafka.record" (e.g. no such partition), "kafka.fatal" (new instance). */
MUST_USE enum outcome kafka_producer_send(struct kafka_producer *producer,
                                          const struct kafka_record *record, struct err *err);

/* Runs the callback for reports that are in, waiting at most `timeout_ms` for the first; gives how
 * many events it handled. */
int kafka_producer_poll(struct kafka_producer *producer, int64_t timeout_ms);

/* Waits until every record has its report. RETRY "kafka.flush" says how many have none yet. */
MUST_USE enum outcome kafka_producer_flush(struct kafka_producer *producer, int64_t timeout_ms,
                                           struct err *err);

/* Sends one record and waits for its own report; `delivered` is not told of it (but of others
 * meanwhile). Fails as the report says, RETRY "kafka.timeout" when there was none in time. */
MUST_USE enum outcome kafka_producer_send_wait(struct kafka_producer *producer,
                                               const struct kafka_record *record,
                                               int64_t timeout_ms, struct err *err);

/* OK while the producer lives; PERMANENT "kafka.fatal" once it needs a new instance. */
MUST_USE enum outcome kafka_producer_check(struct kafka_producer *producer, struct err *err);

/* Records sent without a report yet. */
size_t kafka_producer_pending(const struct kafka_producer *producer);

/* "2.0.2", of the library at run time. */
const char *kafka_library_version(void);

#endif
