/* broker: logs and commits; see broker.h. */
#include "broker.h"

#include "model/offset_map_encode.h"

#include <stdio.h>
#include <stdlib.h>

struct topic topics[TOPICS_MAX];
int topic_count;

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

struct topic *topic_find(const char *name)
{
    for (int i = 0; i < topic_count; i++) {
        if (strcmp(topics[i].name, name) == 0)
            return &topics[i];
    }
    if (topic_count == TOPICS_MAX)
        abort();
    struct topic *topic = &topics[topic_count++];
    text_copy(topic->name, sizeof topic->name, name);
    bool is_jobs = starts_with(name, "haul.jobs.") && strstr(name, ".retry.") == NULL;
    topic->partitions = is_jobs ? scenario.partitions : scenario.side_partitions;
    topic->is_read = starts_with(name, "haul.jobs.") && strstr(name, ".dlq") == NULL &&
                     strstr(name, ".quarantine") == NULL;
    for (int p = 0; p < PARTITIONS_MAX; p++)
        topic->logs[p].committed = KAFKA_OFFSET_NONE;
    return topic;
}

/* ---- records ---- */

static struct slice copy_of(struct slice bytes)
{
    if (bytes.data == NULL)
        return (struct slice){0};
    char *copy = malloc(bytes.len + 1);
    if (copy == NULL)
        abort();
    memcpy(copy, bytes.data, bytes.len);
    copy[bytes.len] = '\0';
    return (struct slice){copy, bytes.len};
}

/* As run/fan_out_record says it. */
static bool is_net(const struct kafka_header *header)
{
    return strcmp(header->name, HEADER_ERROR_CODE) == 0 && slice_is(header->value, "job.children");
}

static struct record *copy_record(const struct kafka_record *from)
{
    struct record *record = calloc(1, sizeof *record);
    struct kafka_header *headers = calloc(from->header_count + 1, sizeof *headers);
    if (record == NULL || headers == NULL)
        abort();
    for (size_t i = 0; i < from->header_count; i++) {
        headers[i] = (struct kafka_header){copy_of(slice_of(from->headers[i].name)).data,
                                           copy_of(from->headers[i].value)};
        record->is_net = record->is_net || is_net(&headers[i]);
    }
    record->key = copy_of(from->key);
    record->value = copy_of(from->value);
    record->headers = headers;
    record->header_count = from->header_count;
    record->job = job_of_value(record->value);
    return record;
}

static int partition_of(const struct topic *topic, const struct kafka_record *record)
{
    uint32_t hash = 5381;
    if (record->key.data == NULL)
        return (int)dice((uint64_t)topic->partitions);
    for (size_t i = 0; i < record->key.len; i++)
        hash = hash * 33 + (unsigned char)record->key.data[i];
    return (int)(hash % (unsigned)topic->partitions);
}

static int number_behind(struct slice text, const char *mark)
{
    const char *at = memmem(text.data, text.len, mark, strlen(mark));
    int number = 0;
    if (at == NULL)
        return 0;
    for (at += strlen(mark); at < text.data + text.len && *at >= '0' && *at <= '9'; at++)
        number = number * 10 + (*at - '0');
    return number < LIVES_MAX ? number : LIVES_MAX - 1;
}

static int redrives_of(const struct record *record)
{
    for (size_t i = 0; i < record->header_count; i++) {
        if (strcmp(record->headers[i].name, HEADER_REDRIVES) == 0)
            return number_behind(record->headers[i].value, "");
    }
    return 0;
}

/* What is told about a job that has ended must be what the ledger says, once and for all. */
static void note_event(const struct record *record)
{
    struct job *job = record->job;
    char mark[64];
    for (enum event_state state = EVENT_ACCEPTED; job != NULL && state < EVENT_STATE_COUNT;
         state++) {
        (void)snprintf(mark, sizeof mark, "haul.event.%s.v1", event_state_name(state));
        if (memmem(record->value.data, record->value.len, mark, strlen(mark)) == NULL)
            continue;
        job->told[state]++;
        trace("told", "%s %s", job->id, event_state_name(state));
        if (state == EVENT_RETRYING && job->told[state] > job->releases &&
            scenario.record_twice == 0 && job->kind != KIND_IDEMPOTENT)
            violation(job, "told what is not so",
                      "%s is told to be retried %d times, the ledger "
                      "knows of %d",
                      job->id, job->told[state], job->releases);
        if (!event_state_is_terminal(state))
            return;
        int life = number_behind(record->value, "\"redrive_count\":");
        bool is_past = state == EVENT_DEAD_LETTERED && life < job->row.redrive_count;
        if (job->kind != KIND_IDEMPOTENT && !is_past &&
            (job->row.state != ROW_ENDED || job->row.end != state))
            violation(job, "told what is not so", "%s is told as %s, the ledger knows it as %s",
                      job->id, event_state_name(state),
                      job->row.state == ROW_ENDED ? event_state_name(job->row.end) : "not ended");
        job->told_dead[life] += state == EVENT_DEAD_LETTERED;
        if (state == EVENT_DEAD_LETTERED && job->letters[life] == 0)
            violation(job, "told before its letter",
                      "%s is told as given up, but no dead letter "
                      "is there",
                      job->id);
    }
}

static void note_dead_letter(const struct record *record)
{
    struct job *job = record->job;
    if (job == NULL)
        return;
    int life = redrives_of(record);
    job->dead_letters++;
    job->letters[life]++;
    trace("dead letter", "%s, put back %d times", job->id, life);
    nemesis_sees_letter(record, life);
    bool is_dead = (job->row.state == ROW_ENDED && job->row.end == EVENT_DEAD_LETTERED) ||
                   life < job->row.redrive_count;
    if (job->kind != KIND_JUNK && job->kind != KIND_IDEMPOTENT && !is_dead)
        violation(job, "a dead letter of the living", "%s is put on the dead-letter topic",
                  job->id);
}

static void on_visible(void *arg, uint64_t token)
{
    (void)arg;
    (void)token;
    group_wake();
}

static void add_entry(struct log *log, struct record *record)
{
    if (log->count == log->room) {
        log->room = log->room == 0 ? 64 : log->room * 2;
        log->records = realloc(log->records, (size_t)log->room * sizeof(struct record *));
        if (log->records == NULL)
            abort();
    }
    log->records[log->count++] = record;
}

int64_t broker_append(const struct kafka_record *from)
{
    struct topic *topic = topic_find(from->topic);
    int partition = partition_of(topic, from);
    struct log *log = &topic->logs[partition];
    struct record *record = copy_record(from);
    record->visible_us = world_us + dice_span(100, 5 * MS);
    add_entry(log, record);
    int64_t offset = log->count - 1;
    log->end = log->count;
    while (chance(scenario.gaps))
        add_entry(log, NULL);
    if (topic->is_read && record->job != NULL) {
        record->job->open_records++;
        record->job->open_nets += record->is_net;
        record->job->is_produced = true; /* a child is, once it is told */
        trace("record", "%s -> %s/%d @%lld", record->job->id, topic->name, partition,
              (long long)offset);
    }
    if (strstr(topic->name, ".dlq") != NULL)
        note_dead_letter(record);
    else if (strcmp(topic->name, "haul.events") == 0)
        note_event(record);
    if (topic->is_read)
        plan_at(record->visible_us, on_visible, NULL, 0);
    return offset;
}

/* ---- commits ---- */

static void complete(struct record *record, const struct kafka_partition *at, int64_t offset,
                     const struct kafka_consumer *consumer)
{
    if (record == NULL || record->is_complete)
        return;
    struct job *job = record->job;
    record->is_complete = true;
    if (job == NULL)
        return;
    job->open_records--;
    job->open_nets -= record->is_net;
    if (job->open_records == 0 && !job_is_settled(job))
        violation(job, "passed over",
                  "%s commits past %s/%d @%lld, the last record of %s, "
                  "which is neither told as ended nor waits in a topic",
                  consumer->process->name, at->topic, at->partition, (long long)offset, job->id);
}

/* What the commit's map says is complete, is left out by whoever reads the partition next. */
static void complete_beyond(const struct kafka_consumer *consumer, const struct kafka_partition *at,
                            const struct log *log)
{
    static uint64_t bits[OFFSET_MAP_WORDS(OFFSET_WINDOW_MAX)];
    struct offset_map map;
    offset_map_init(&map, bits, OFFSET_WINDOW_MAX);
    if (!offset_map_restore(&map, at->offset, slice_of(at->metadata)))
        return;
    int64_t top = offset_map_top(&map);
    if (top > log->count)
        violation(NULL, "commit of nothing", "the map of %s/%d @%lld goes up to %lld", at->topic,
                  at->partition, (long long)at->offset, (long long)top);
    for (int64_t i = at->offset; i < top; i++) {
        if (offset_map_take(&map, i) == OFFSET_KNOWN)
            complete(log->records[i], at, i, consumer);
    }
}

static void commit_one(const struct kafka_consumer *consumer, const struct kafka_partition *at)
{
    struct log *log = &topic_find(at->topic)->logs[at->partition];
    trace_of(consumer->process, "commit", "%s/%d @%lld", at->topic, at->partition,
             (long long)at->offset);
    if (at->offset < log->committed)
        violation(NULL, "commit goes back", "%s commits %s/%d @%lld, where @%lld was committed",
                  consumer->process->name, at->topic, at->partition, (long long)at->offset,
                  (long long)log->committed);
    if (at->offset > log->count)
        violation(NULL, "commit of nothing", "%s commits %s/%d @%lld, which has %lld records",
                  consumer->process->name, at->topic, at->partition, (long long)at->offset,
                  (long long)log->count);
    for (int64_t i = log->committed < 0 ? 0 : log->committed; i < at->offset; i++)
        complete(log->records[i], at, i, consumer);
    complete_beyond(consumer, at, log);
    log->committed = at->offset;
    free(log->metadata);
    log->metadata = at->metadata == NULL ? NULL : strdup(at->metadata);
}

void broker_commit(const struct kafka_consumer *consumer, const struct kafka_partition *list,
                   size_t count)
{
    for (size_t i = 0; i < count; i++)
        commit_one(consumer, &list[i]);
}
