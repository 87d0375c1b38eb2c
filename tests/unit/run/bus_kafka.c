/* bus_kafka: io/kafka.h in memory; see bus.h. */
#include "bus.h"
#include "model/offset_map_encode.h"

#include "base/clock.h"
#include "io/kafka.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define TOPICS_MAX 16
#define PARTITIONS 3
#define RECORDS_MAX 4096
#define HEADERS_MAX 16
#define PENDING_MAX 8192

struct bus_header {
    char *name, *value;
    size_t len;
};
struct record {
    char *key, *value;
    size_t value_len;
    struct bus_header headers[HEADERS_MAX];
    size_t header_count;
};
struct log {
    struct record *records[RECORDS_MAX];
    int64_t first, count, position, committed;
    bool is_paused, is_subscribed;
    char metadata[OFFSET_MAP_TEXT_SIZE];
    bool may_pass[RECORDS_MAX]; /* found right once: its job may be started again since */
};
struct bus_topic {
    char name[256];
    struct log logs[PARTITIONS];
};
struct pending {
    void *opaque;
    bool is_bad;
};

struct kafka_consumer {
    struct kafka_consumer_events events;
    bool is_reader; /* of what it is told, not of its group: */
    char topic[256];
    int32_t partition;
    int64_t position; /* KAFKA_OFFSET_NONE: it reads nothing */
};
struct kafka_producer {
    struct kafka_producer_options options;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct bus_topic topics[TOPICS_MAX];
static size_t topic_count, round_robin;
static struct pending pending[PENDING_MAX];
static size_t pending_count;
static int fail_reports, refuse_sends, bad_commits;
static struct kafka_header next_header;
static bool hold_reports, is_assigned, rebalance_asked, rebalance_lost, refuse_metadata;

static struct bus_topic *topic_of(const char *name)
{
    for (size_t i = 0; i < topic_count; i++) {
        if (strcmp(topics[i].name, name) == 0)
            return &topics[i];
    }
    if (topic_count == TOPICS_MAX)
        abort();
    struct bus_topic *topic = &topics[topic_count++];
    memset(topic, 0, sizeof *topic);
    text_copy(topic->name, sizeof topic->name, name);
    for (size_t p = 0; p < PARTITIONS; p++)
        topic->logs[p].committed = KAFKA_OFFSET_NONE;
    return topic;
}

static void free_record(struct record *record)
{
    for (size_t i = 0; i < record->header_count; i++) {
        free(record->headers[i].name);
        free(record->headers[i].value);
    }
    free(record->key);
    free(record->value);
    free(record);
}

void bus_reset(void)
{
    pthread_mutex_lock(&lock);
    for (size_t t = 0; t < topic_count; t++) {
        for (size_t p = 0; p < PARTITIONS; p++) {
            for (int64_t i = 0; i < topics[t].logs[p].count; i++)
                free_record(topics[t].logs[p].records[i]);
        }
    }
    topic_count = pending_count = 0;
    fail_reports = refuse_sends = bad_commits = 0;
    next_header = (struct kafka_header){0};
    hold_reports = is_assigned = rebalance_asked = refuse_metadata = false;
    pthread_mutex_unlock(&lock);
}

static char *copy_bytes(struct slice bytes)
{
    char *copy = malloc(bytes.len + 1);
    if (copy == NULL)
        abort();
    if (bytes.len > 0)
        memcpy(copy, bytes.data, bytes.len);
    copy[bytes.len] = '\0';
    return copy;
}

/* The lock is held. */
static void append(const struct kafka_record *from, int partition)
{
    struct log *log = &topic_of(from->topic)->logs[partition];
    struct record *record = calloc(1, sizeof *record);
    if (record == NULL || log->count == RECORDS_MAX)
        abort();
    record->key = from->key.data == NULL ? NULL : copy_bytes(from->key);
    record->value = copy_bytes(from->value);
    record->value_len = from->value.len;
    for (size_t i = 0; i < from->header_count && i < HEADERS_MAX; i++) {
        record->headers[i] =
            (struct bus_header){copy_bytes(slice_of(from->headers[i].name)),
                                copy_bytes(from->headers[i].value), from->headers[i].value.len};
        record->header_count++;
    }
    log->records[log->count++] = record;
}

void bus_set_header(const char *name, const char *value)
{
    pthread_mutex_lock(&lock);
    next_header = (struct kafka_header){name, slice_of(value)};
    pthread_mutex_unlock(&lock);
}

void bus_produce(const char *topic, int partition, const char *key, const char *value)
{
    struct kafka_record record = {.topic = topic, .key = slice_of(key), .value = slice_of(value)};
    pthread_mutex_lock(&lock);
    record.headers = &next_header;
    record.header_count = next_header.name == NULL ? 0 : 1;
    append(&record, partition);
    next_header = (struct kafka_header){0};
    pthread_mutex_unlock(&lock);
}

void bus_rebalance(bool lost)
{
    pthread_mutex_lock(&lock);
    rebalance_asked = true;
    rebalance_lost = lost;
    pthread_mutex_unlock(&lock);
}

void bus_fail_reports(int count)
{
    pthread_mutex_lock(&lock);
    fail_reports = count;
    pthread_mutex_unlock(&lock);
}

void bus_refuse_sends(int count)
{
    pthread_mutex_lock(&lock);
    refuse_sends = count;
    pthread_mutex_unlock(&lock);
}

void bus_hold_reports(bool hold)
{
    pthread_mutex_lock(&lock);
    hold_reports = hold;
    pthread_mutex_unlock(&lock);
}

size_t bus_records(const char *topic)
{
    size_t count = 0;
    pthread_mutex_lock(&lock);
    for (size_t p = 0; p < PARTITIONS; p++)
        count += (size_t)topic_of(topic)->logs[p].count;
    pthread_mutex_unlock(&lock);
    return count;
}

void bus_value(const char *topic, size_t i, struct str *to)
{
    str_clear(to);
    pthread_mutex_lock(&lock);
    for (size_t p = 0; p < PARTITIONS; p++) {
        const struct log *log = &topic_of(topic)->logs[p];
        if (i < (size_t)log->count) {
            str_add(to, log->records[i]->value, log->records[i]->value_len);
            break;
        }
        i -= (size_t)log->count;
    }
    pthread_mutex_unlock(&lock);
}

int64_t bus_lag(const char *topic_start)
{
    int64_t lag = 0;
    pthread_mutex_lock(&lock);
    for (size_t t = 0; t < topic_count; t++) {
        for (size_t p = 0; p < PARTITIONS; p++) {
            const struct log *log = &topics[t].logs[p];
            if (log->is_subscribed &&
                strncmp(topics[t].name, topic_start, strlen(topic_start)) == 0)
                lag += log->count - (log->committed < 0 ? 0 : log->committed);
        }
    }
    pthread_mutex_unlock(&lock);
    return lag;
}

int64_t bus_committed(const char *topic, int partition)
{
    pthread_mutex_lock(&lock);
    int64_t committed = topic_of(topic)->logs[partition].committed;
    pthread_mutex_unlock(&lock);
    return committed;
}

void bus_drop_below(const char *topic, int partition, int64_t offset)
{
    pthread_mutex_lock(&lock);
    topic_of(topic)->logs[partition].first = offset;
    pthread_mutex_unlock(&lock);
}

int bus_bad_commits(void)
{
    pthread_mutex_lock(&lock);
    int count = bad_commits;
    pthread_mutex_unlock(&lock);
    return count;
}

/* ---- io/kafka.h: configuration, messages ---- */

const char *const kafka_security_names[] = {"plaintext", NULL};
const char *const kafka_sasl_names[] = {"plain", NULL};

enum outcome kafka_conf_check(const struct kafka_conf *conf, struct err *err)
{
    (void)conf;
    (void)err;
    return OUTCOME_OK;
}

void kafka_message_done(struct kafka_message *message)
{
    *message = (struct kafka_message){0}; /* the bus keeps its records */
}

bool kafka_message_header(const struct kafka_message *message, size_t i,
                          struct kafka_header *ret_header)
{
    const struct record *record = message->native;
    if (record == NULL || i >= record->header_count)
        return false;
    *ret_header = (struct kafka_header){record->headers[i].name,
                                        {record->headers[i].value, record->headers[i].len}};
    return true;
}

bool kafka_message_find_header(const struct kafka_message *message, const char *name,
                               struct slice *ret_value)
{
    struct kafka_header header;
    bool found = false;
    for (size_t i = 0; kafka_message_header(message, i, &header); i++) {
        if (strcmp(header.name, name) == 0) {
            *ret_value = header.value;
            found = true;
        }
    }
    return found;
}

/* ---- consumer ---- */

enum outcome kafka_consumer_open(const struct kafka_conf *conf,
                                 const struct kafka_consumer_options *options,
                                 struct kafka_consumer **ret_consumer, struct err *err)
{
    (void)conf;
    struct kafka_consumer *consumer = calloc(1, sizeof *consumer);
    TRY_ALLOC(consumer, err);
    consumer->events = options->events;
    consumer->position = KAFKA_OFFSET_NONE;
    *ret_consumer = consumer;
    return OUTCOME_OK;
}

enum outcome kafka_consumer_subscribe(struct kafka_consumer *consumer, const char *const *names,
                                      size_t count, struct err *err)
{
    (void)consumer;
    (void)err;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < count; i++) {
        for (size_t p = 0; p < PARTITIONS; p++)
            topic_of(names[i])->logs[p].is_subscribed = true;
    }
    pthread_mutex_unlock(&lock);
    return OUTCOME_OK;
}

/* In another order each time, as an assignor may have it. */
static size_t list_partitions(struct kafka_partition *list)
{
    static size_t first;
    size_t count = 0;
    pthread_mutex_lock(&lock);
    first++;
    for (size_t t = 0; t < topic_count; t++) {
        for (size_t n = 0; n < PARTITIONS; n++) {
            size_t p = (first + n) % PARTITIONS;
            if (topics[t].logs[p].is_subscribed)
                list[count++] = (struct kafka_partition){.topic = topics[t].name,
                                                         .partition = (int32_t)p,
                                                         .offset = topics[t].logs[p].committed,
                                                         .metadata = topics[t].logs[p].metadata};
        }
    }
    pthread_mutex_unlock(&lock);
    return count;
}

/* Callbacks run without the lock: they commit. */
static void take_away(struct kafka_consumer *consumer, bool lost)
{
    struct kafka_partition list[TOPICS_MAX * PARTITIONS];
    size_t count = list_partitions(list);
    if (lost) {
        pthread_mutex_lock(&lock);
        is_assigned = false;
        pthread_mutex_unlock(&lock);
        consumer->events.lost(consumer->events.ctx, list, count);
    } else {
        consumer->events.revoked(consumer->events.ctx, list, count);
        pthread_mutex_lock(&lock);
        is_assigned = false;
        pthread_mutex_unlock(&lock);
    }
}

static void assign(struct kafka_consumer *consumer)
{
    struct kafka_partition list[TOPICS_MAX * PARTITIONS];
    size_t count = list_partitions(list);
    pthread_mutex_lock(&lock);
    is_assigned = true;
    for (size_t i = 0; i < count; i++) {
        struct log *log = &topic_of(list[i].topic)->logs[list[i].partition];
        log->position = log->committed < 0 ? 0 : log->committed;
        log->is_paused = false;
    }
    pthread_mutex_unlock(&lock);
    consumer->events.assigned(consumer->events.ctx, list, count);
}

/* The lock is held. */
static void give(const struct bus_topic *topic, size_t partition, int64_t offset,
                 struct kafka_message *ret_message)
{
    struct record *record = topic->logs[partition].records[offset];
    *ret_message = (struct kafka_message){
        .topic = topic->name,
        .partition = (int32_t)partition,
        .offset = offset,
        .timestamp_ms = -1,
        .key = slice_of(record->key),
        .value = {record->value, record->value_len},
        .native = record,
    };
}

/* A reader: one partition at a time. */
enum outcome kafka_consumer_assign(struct kafka_consumer *consumer,
                                   const struct kafka_partition *partitions, size_t count,
                                   struct err *err)
{
    (void)err;
    consumer->is_reader = true;
    consumer->position = count == 0 ? KAFKA_OFFSET_NONE : partitions->offset;
    if (count == 0)
        return OUTCOME_OK;
    text_copy(consumer->topic, sizeof consumer->topic, partitions->topic);
    consumer->partition = partitions->partition;
    return OUTCOME_OK;
}

static enum outcome read_on(struct kafka_consumer *consumer, struct kafka_message *ret_message)
{
    pthread_mutex_lock(&lock);
    const struct bus_topic *topic = topic_of(consumer->topic);
    *ret_message = (struct kafka_message){0};
    const struct log *log = &topic->logs[consumer->partition];
    if (consumer->position >= 0 && consumer->position < log->first)
        consumer->position = log->first;
    if (consumer->position >= 0 && consumer->position < log->count)
        give(topic, (size_t)consumer->partition, consumer->position++, ret_message);
    pthread_mutex_unlock(&lock);
    return OUTCOME_OK;
}

/* The lock is held. Partitions take turns. */
static bool next_record(struct kafka_message *ret_message)
{
    for (size_t n = 0; n < topic_count * PARTITIONS; n++) {
        size_t at = (round_robin + n) % (topic_count * PARTITIONS);
        struct bus_topic *topic = &topics[at / PARTITIONS];
        struct log *log = &topic->logs[at % PARTITIONS];
        if (!log->is_subscribed || log->is_paused || log->position >= log->count)
            continue;
        give(topic, at % PARTITIONS, log->position++, ret_message);
        round_robin = at + 1;
        return true;
    }
    return false;
}

enum outcome kafka_consumer_poll(struct kafka_consumer *consumer, int64_t timeout_ms,
                                 struct kafka_message *ret_message, struct err *err)
{
    (void)err;
    struct kafka_message message = {0};
    if (consumer->is_reader)
        return read_on(consumer, ret_message);
    pthread_mutex_lock(&lock);
    bool takes = is_assigned && rebalance_asked, gives = !is_assigned, lost = rebalance_lost;
    rebalance_asked = takes ? false : rebalance_asked;
    if (is_assigned && !takes)
        (void)next_record(&message);
    pthread_mutex_unlock(&lock);
    if (takes)
        take_away(consumer, lost);
    if (gives || takes)
        assign(consumer);
    if (message.native == NULL && timeout_ms > 0)
        clock_sleep_us(US_PER_MS);
    *ret_message = message;
    return OUTCOME_OK;
}

void kafka_consumer_close(struct kafka_consumer *consumer)
{
    if (consumer == NULL)
        return;
    pthread_mutex_lock(&lock);
    bool takes = is_assigned && !consumer->is_reader;
    pthread_mutex_unlock(&lock);
    if (takes)
        take_away(consumer, false);
    free(consumer);
}

static enum outcome set_paused(const struct kafka_partition *partitions, size_t count, bool pause)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < count; i++)
        topic_of(partitions[i].topic)->logs[partitions[i].partition].is_paused = pause;
    pthread_mutex_unlock(&lock);
    return OUTCOME_OK;
}

enum outcome kafka_consumer_pause(struct kafka_consumer *consumer,
                                  const struct kafka_partition *partitions, size_t count,
                                  struct err *err)
{
    (void)consumer;
    (void)err;
    return set_paused(partitions, count, true);
}

enum outcome kafka_consumer_resume(struct kafka_consumer *consumer,
                                   const struct kafka_partition *partitions, size_t count,
                                   struct err *err)
{
    (void)consumer;
    (void)err;
    return set_paused(partitions, count, false);
}

/* A record of that value in another topic: the job goes on from there. */
static bool is_elsewhere(const struct log *log, const struct record *record)
{
    for (size_t i = 0; i < topic_count * PARTITIONS; i++) {
        const struct log *other = &topics[i / PARTITIONS].logs[i % PARTITIONS];
        bool is_own =
            log >= topics[i / PARTITIONS].logs && log < topics[i / PARTITIONS].logs + PARTITIONS;
        for (int64_t k = 0; k < other->count && !is_own; k++) {
            if (other->records[k]->value_len == record->value_len &&
                memcmp(other->records[k]->value, record->value, record->value_len) == 0)
                return true;
        }
    }
    return false;
}

enum outcome kafka_consumer_seek(struct kafka_consumer *consumer,
                                 const struct kafka_partition *partition, int64_t timeout_ms,
                                 struct err *err)
{
    (void)consumer;
    (void)timeout_ms;
    (void)err;
    pthread_mutex_lock(&lock);
    topic_of(partition->topic)->logs[partition->partition].position = partition->offset;
    pthread_mutex_unlock(&lock);
    return OUTCOME_OK;
}

/* True when the record's job is settled, or goes on in another topic, or when it is no job. */
static bool may_pass(struct log *log, int64_t offset)
{
    static const char mark[] = "\"id\":\"";
    const struct record *record = log->records[offset];
    const char *id = strstr(record->value, mark);
    char text[64] = "";
    if (id == NULL || log->may_pass[offset])
        return true;
    id += sizeof mark - 1;
    size_t len = strcspn(id, "\"");
    if (len < sizeof text)
        memcpy(text, id, len);
    log->may_pass[offset] = bus_is_settled(text) || is_elsewhere(log, record);
    return log->may_pass[offset];
}

/* Visits what a commit's metadata calls complete; the lock is held. */
static int64_t count_beyond(struct log *log, int64_t offset, const char *metadata, int *ret_bad)
{
    static uint64_t bits[OFFSET_MAP_WORDS(OFFSET_WINDOW_MAX)];
    struct offset_map map;
    int64_t count = 0;
    offset_map_init(&map, bits, OFFSET_WINDOW_MAX);
    if (offset < 0 || !offset_map_restore(&map, offset, slice_of(metadata)))
        return 0;
    int64_t top = offset_map_top(&map);
    for (int64_t at = offset; at < top; at++) {
        if (offset_map_take(&map, at) != OFFSET_KNOWN)
            continue;
        count++;
        *ret_bad += at >= log->count || !may_pass(log, at);
    }
    return count;
}

/* The lock is held. */
static int judge_commit(struct log *log, const struct kafka_partition *commit)
{
    int bad = !is_assigned || commit->offset < log->committed || commit->offset > log->count;
    for (int64_t i = log->committed < 0 ? 0 : log->committed; i < commit->offset && bad == 0; i++)
        bad += !may_pass(log, i);
    (void)count_beyond(log, commit->offset, commit->metadata, &bad);
    return bad;
}

int64_t bus_complete_beyond(const char *topic, int partition)
{
    int bad = 0;
    pthread_mutex_lock(&lock);
    struct log *log = &topic_of(topic)->logs[partition];
    int64_t count = count_beyond(log, log->committed, log->metadata, &bad);
    pthread_mutex_unlock(&lock);
    return count;
}

void bus_refuse_metadata(bool refuse)
{
    pthread_mutex_lock(&lock);
    refuse_metadata = refuse;
    pthread_mutex_unlock(&lock);
}

/* Of the one worker there is. */
static bool is_commit_sent, is_commit_refused, has_commit_text;
static atomic_bool holds_answers;

void bus_hold_answers(bool hold)
{
    atomic_store(&holds_answers, hold);
}

enum outcome kafka_consumer_commit_send(struct kafka_consumer *consumer,
                                        const struct kafka_partition *partitions, size_t count,
                                        struct err *err)
{
    (void)consumer;
    (void)err;
    bool has_text = false;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < count; i++)
        has_text |= partitions[i].metadata != NULL;
    bool is_refused = refuse_metadata && has_text;
    for (size_t i = 0; i < count && !is_refused; i++) {
        struct log *log = &topic_of(partitions[i].topic)->logs[partitions[i].partition];
        bad_commits += judge_commit(log, &partitions[i]);
        log->committed = partitions[i].offset;
        text_copy(log->metadata, sizeof log->metadata,
                  partitions[i].metadata == NULL ? "" : partitions[i].metadata);
    }
    is_commit_sent = true;
    has_commit_text = has_text;
    is_commit_refused = is_refused;
    pthread_mutex_unlock(&lock);
    return OUTCOME_OK;
}

bool kafka_consumer_commit_take(struct kafka_consumer *consumer, int64_t timeout_ms,
                                enum outcome *ret_outcome, struct err *err)
{
    (void)consumer;
    bool is_held = atomic_load(&holds_answers) && has_commit_text;
    clock_sleep_us(is_held ? timeout_ms : 0);
    if (!is_commit_sent || is_held)
        return false;
    is_commit_sent = false;
    *ret_outcome = is_commit_refused
                       ? FAIL(err, OUTCOME_PERMANENT, "kafka.commit", "too much metadata")
                       : OUTCOME_OK;
    return true;
}

int64_t kafka_consumer_end_seen(const struct kafka_consumer *consumer, const char *topic,
                                int32_t partition)
{
    (void)consumer;
    pthread_mutex_lock(&lock);
    int64_t end = topic_of(topic)->logs[partition].count;
    pthread_mutex_unlock(&lock);
    return end;
}

enum outcome kafka_consumer_end(struct kafka_consumer *consumer, struct kafka_partition *partition,
                                int64_t timeout_ms, struct err *err)
{
    (void)consumer;
    (void)timeout_ms;
    (void)err;
    pthread_mutex_lock(&lock);
    partition->offset = topic_of(partition->topic)->logs[partition->partition].count;
    pthread_mutex_unlock(&lock);
    return OUTCOME_OK;
}

/* ---- producer ---- */

enum outcome kafka_producer_open(const struct kafka_conf *conf,
                                 const struct kafka_producer_options *options,
                                 struct kafka_producer **ret_producer, struct err *err)
{
    (void)conf;
    struct kafka_producer *producer = calloc(1, sizeof *producer);
    TRY_ALLOC(producer, err);
    producer->options = *options;
    *ret_producer = producer;
    return OUTCOME_OK;
}

enum outcome kafka_producer_send(struct kafka_producer *producer, const struct kafka_record *record,
                                 struct err *err)
{
    (void)producer;
    pthread_mutex_lock(&lock);
    if (pending_count == PENDING_MAX || refuse_sends > 0) {
        refuse_sends -= refuse_sends > 0 ? 1 : 0;
        pthread_mutex_unlock(&lock);
        return FAIL(err, OUTCOME_RETRY, "kafka.queue_full", "full");
    }
    bool is_bad = fail_reports > 0;
    fail_reports -= is_bad ? 1 : 0;
    uint32_t hash = 5381;
    for (size_t i = 0; i < record->key.len; i++)
        hash = hash * 33 + (unsigned char)record->key.data[i];
    if (!is_bad)
        append(record, (int)(hash % PARTITIONS));
    pending[pending_count++] = (struct pending){record->opaque, is_bad};
    pthread_mutex_unlock(&lock);
    return OUTCOME_OK;
}

static int report(struct kafka_producer *producer, bool even_held)
{
    static struct pending taken[PENDING_MAX]; /* one thread polls */
    pthread_mutex_lock(&lock);
    size_t count = hold_reports && !even_held ? 0 : pending_count;
    memcpy(taken, pending, count * sizeof *taken);
    pending_count -= count;
    pthread_mutex_unlock(&lock);
    for (size_t i = 0; i < count; i++) {
        struct err err = {0};
        enum outcome outcome = OUTCOME_OK;
        if (taken[i].is_bad)
            outcome = FAIL(&err, OUTCOME_RETRY, "kafka.unreachable", "asked to fail");
        producer->options.delivered(producer->options.ctx, taken[i].opaque,
                                    taken[i].is_bad ? -1 : 0, outcome, &err);
    }
    return (int)count;
}

int kafka_producer_poll(struct kafka_producer *producer, int64_t timeout_ms)
{
    int count = report(producer, false);
    if (count == 0 && timeout_ms > 0)
        clock_sleep_us(US_PER_MS / 2);
    return count;
}

void kafka_producer_close(struct kafka_producer *producer, int64_t flush_ms)
{
    (void)flush_ms;
    (void)report(producer, true);
    free(producer);
}

enum outcome kafka_producer_check(struct kafka_producer *producer, struct err *err)
{
    (void)producer;
    (void)err;
    return OUTCOME_OK;
}

size_t kafka_producer_pending(const struct kafka_producer *producer)
{
    (void)producer;
    pthread_mutex_lock(&lock);
    size_t count = pending_count;
    pthread_mutex_unlock(&lock);
    return count;
}
