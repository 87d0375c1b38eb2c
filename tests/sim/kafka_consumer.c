/* kafka_consumer: io/kafka.h's consumer on the model broker. */
#include "broker.h"

#include <stdio.h>
#include <stdlib.h>

static struct service *const broker = &broker_service;

const char *const kafka_security_names[] = {"plaintext", NULL};
const char *const kafka_sasl_names[] = {"plain", NULL};

enum outcome kafka_conf_check(const struct kafka_conf *conf, struct err *err)
{
    (void)conf;
    (void)err;
    return OUTCOME_OK;
}

/* ---- messages: the memory of whoever took them ---- */

struct message {
    struct kafka_consumer *consumer;
    const struct record *record;
    char bytes[];
};

void kafka_message_done(struct kafka_message *message)
{
    struct message *native = message->native;
    if (native != NULL)
        native->consumer->messages--;
    heap_give(native);
    *message = (struct kafka_message){0};
}

bool kafka_message_header(const struct kafka_message *message, size_t i,
                          struct kafka_header *ret_header)
{
    const struct message *native = message->native;
    const struct record *record = native == NULL ? NULL : native->record;
    if (record == NULL || i >= record->header_count)
        return false;
    *ret_header = record->headers[i];
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

static struct kafka_message give(struct kafka_consumer *consumer, const struct place *place)
{
    const struct record *record = place->topic->logs[place->partition].records[place->position];
    struct message *native = heap_take(sizeof *native + record->key.len + record->value.len);
    native->consumer = consumer;
    native->record = record;
    if (record->key.data != NULL)
        memcpy(native->bytes, record->key.data, record->key.len);
    if (record->value.data != NULL)
        memcpy(native->bytes + record->key.len, record->value.data, record->value.len);
    consumer->messages++;
    trace("read", "%s/%d @%lld %s", place->topic->name, place->partition,
          (long long)place->position, record->job == NULL ? "" : record->job->id);
    return (struct kafka_message){
        .topic = place->topic->name,
        .partition = place->partition,
        .offset = place->position,
        .timestamp_ms = record->wall_ms,
        .key = {record->key.data == NULL ? NULL : native->bytes, record->key.len},
        .value = {record->value.data == NULL ? NULL : native->bytes + record->key.len,
                  record->value.len},
        .native = native,
    };
}

/* ---- open, close ---- */

enum outcome kafka_consumer_open(const struct kafka_conf *conf,
                                 const struct kafka_consumer_options *options,
                                 struct kafka_consumer **ret_consumer, struct err *err)
{
    (void)conf;
    (void)err;
    struct kafka_consumer *consumer = calloc(1, sizeof *consumer);
    if (consumer == NULL)
        abort();
    consumer->events = options->events;
    consumer->process = process_now();
    consumer->session_us = options->session_timeout_ms * MS;
    *ret_consumer = consumer;
    return OUTCOME_OK;
}

/* Of a reader without a group. */
enum outcome kafka_consumer_assign(struct kafka_consumer *consumer,
                                   const struct kafka_partition *partitions, size_t count,
                                   struct err *err)
{
    (void)err;
    fiber_point();
    for (size_t i = 0; i < count; i++)
        consumer->places[i] = (struct place){.topic = topic_find(partitions[i].topic),
                                             .partition = partitions[i].partition,
                                             .position = partitions[i].offset};
    consumer->place_count = count;
    consumer->turn = 0;
    return OUTCOME_OK;
}

enum outcome kafka_consumer_subscribe(struct kafka_consumer *consumer, const char *const *names,
                                      size_t count, struct err *err)
{
    (void)err;
    for (size_t i = 0; i < count; i++)
        (void)topic_find(names[i]);
    group_join(consumer);
    return OUTCOME_OK;
}

/* ---- rebalances, as io/kafka_consumer.c serves them ---- */

static size_t list_places(const struct place *places, size_t count, struct kafka_partition *list)
{
    for (size_t i = 0; i < count; i++)
        list[i] = (struct kafka_partition){.topic = places[i].topic->name,
                                           .partition = places[i].partition,
                                           .offset = KAFKA_OFFSET_NONE};
    return count;
}

static void await_commit(struct kafka_consumer *consumer);

static void fill_commits(const struct place *places, struct kafka_partition *list, size_t count)
{
    struct err err = {0};
    bool is_asked = service_reach(broker, &err) == OUTCOME_OK;
    for (size_t i = 0; i < count; i++) {
        const struct log *log = &places[i].topic->logs[places[i].partition];
        list[i].offset = is_asked ? log->committed : KAFKA_OFFSET_COMMITTED;
        list[i].metadata = is_asked ? log->metadata : NULL;
    }
}

static void serve_assign(struct kafka_consumer *consumer)
{
    struct kafka_partition list[ASSIGNED_MAX];
    consumer->assign_due = false;
    consumer->is_assigned = true;
    size_t count = list_places(consumer->next_places, consumer->next_count, list);
    memcpy(consumer->places, consumer->next_places, count * sizeof *consumer->places);
    consumer->place_count = count;
    await_commit(consumer);
    fill_commits(consumer->places, list, count);
    trace("assigned", "%zu partitions, generation %d", count, consumer->generation);
    consumer->events.assigned(consumer->events.ctx, list, count);
    for (size_t i = 0; i < count; i++) {
        struct place *place = &consumer->places[i];
        const struct log *log = &place->topic->logs[place->partition];
        int64_t offset = list[i].offset == KAFKA_OFFSET_COMMITTED ? log->committed : list[i].offset;
        place->position = offset < 0 ? 0 : offset;
    }
}

static void take_away(struct kafka_consumer *consumer, bool lost)
{
    struct kafka_partition list[ASSIGNED_MAX];
    size_t count = list_places(consumer->places, consumer->place_count, list);
    trace(lost ? "lost" : "revoked", "%zu partitions", count);
    consumer->is_in_lost = lost;
    if (lost)
        consumer->events.lost(consumer->events.ctx, list, count);
    else
        consumer->events.revoked(consumer->events.ctx, list, count);
    consumer->place_count = 0;
    consumer->is_assigned = consumer->is_in_lost = false;
}

/* True: something was served. */
static bool serve_rebalance(struct kafka_consumer *consumer)
{
    if (consumer->lost_due) {
        consumer->lost_due = false;
        if (consumer->is_assigned)
            take_away(consumer, true);
        group_join(consumer);
        return true;
    }
    if (consumer->revoke_due) {
        consumer->revoke_due = false;
        if (!consumer->is_assigned)
            return false;
        take_away(consumer, false);
        group_rejoin(consumer);
        return true;
    }
    if (!consumer->assign_due)
        return false;
    serve_assign(consumer);
    return true;
}

void kafka_consumer_close(struct kafka_consumer *consumer)
{
    if (consumer == NULL)
        return;
    if (consumer->is_assigned)
        take_away(consumer, !group_has(consumer));
    if (consumer->messages > 0)
        violation(NULL, "messages out", "%d messages are not done when their consumer is closed",
                  consumer->messages);
    group_leave(consumer);
}

/* ---- reading ---- */

static bool is_away(const struct kafka_consumer *consumer)
{
    return service_is_away(broker, consumer->process);
}

static struct place *next_place(struct kafka_consumer *consumer)
{
    for (size_t n = 0; n < consumer->place_count && !is_away(consumer); n++) {
        struct place *place = &consumer->places[(consumer->turn + n) % consumer->place_count];
        const struct log *log = &place->topic->logs[place->partition];
        while (place->position < log->count && log->records[place->position] == NULL)
            place->position++;
        if (place->is_paused || place->position >= log->count ||
            log->records[place->position]->visible_us > world_us)
            continue;
        consumer->turn += n + (dice(3) == 0);
        return place;
    }
    return NULL;
}

enum outcome kafka_consumer_poll(struct kafka_consumer *consumer, int64_t timeout_ms,
                                 struct kafka_message *ret_message, struct err *err)
{
    int64_t until_us = world_us + timeout_ms * MS;
    *ret_message = (struct kafka_message){0};
    fiber_point();
    for (;;) {
        if (serve_rebalance(consumer))
            return OUTCOME_OK;
        if (is_away(consumer) && consumer->news_due) {
            consumer->news_due = false;
            return FAIL(err, OUTCOME_RETRY, "kafka.unreachable", "all brokers are down");
        }
        consumer->news_due = !is_away(consumer);
        struct place *place = next_place(consumer);
        if (place != NULL) {
            *ret_message = give(consumer, place);
            place->position++;
            return OUTCOME_OK;
        }
        if (world_us >= until_us)
            return OUTCOME_OK;
        (void)fiber_wait(consumer, until_us);
    }
}

static enum outcome set_paused(struct kafka_consumer *consumer,
                               const struct kafka_partition *partitions, size_t count, bool pause)
{
    fiber_point();
    for (size_t i = 0; i < count; i++) {
        for (size_t n = 0; n < consumer->place_count; n++) {
            struct place *place = &consumer->places[n];
            if (place->partition == partitions[i].partition &&
                strcmp(place->topic->name, partitions[i].topic) == 0)
                place->is_paused = pause;
        }
    }
    return OUTCOME_OK;
}

enum outcome kafka_consumer_pause(struct kafka_consumer *consumer,
                                  const struct kafka_partition *partitions, size_t count,
                                  struct err *err)
{
    (void)err;
    return set_paused(consumer, partitions, count, true);
}

enum outcome kafka_consumer_resume(struct kafka_consumer *consumer,
                                   const struct kafka_partition *partitions, size_t count,
                                   struct err *err)
{
    (void)err;
    return set_paused(consumer, partitions, count, false);
}

int64_t kafka_consumer_end_seen(const struct kafka_consumer *consumer, const char *topic,
                                int32_t partition)
{
    for (size_t n = 0; n < consumer->place_count; n++) {
        const struct place *place = &consumer->places[n];
        if (place->partition == partition && strcmp(place->topic->name, topic) == 0)
            return place->topic->logs[partition].count;
    }
    return -1;
}

enum outcome kafka_consumer_end(struct kafka_consumer *consumer, struct kafka_partition *partition,
                                int64_t timeout_ms, struct err *err)
{
    (void)timeout_ms;
    TRY(service_reach(broker, err));
    for (size_t n = 0; n < consumer->place_count; n++) {
        const struct place *place = &consumer->places[n];
        if (place->partition == partition->partition &&
            strcmp(place->topic->name, partition->topic) == 0)
            partition->offset = place->topic->logs[place->partition].count;
    }
    return OUTCOME_OK;
}

enum outcome kafka_consumer_seek(struct kafka_consumer *consumer,
                                 const struct kafka_partition *partition, int64_t timeout_ms,
                                 struct err *err)
{
    (void)timeout_ms;
    fiber_point();
    for (size_t n = 0; n < consumer->place_count; n++) {
        struct place *place = &consumer->places[n];
        if (place->partition != partition->partition ||
            strcmp(place->topic->name, partition->topic) != 0)
            continue;
        trace("seek", "%s/%d @%lld", place->topic->name, place->partition,
              (long long)partition->offset);
        place->position = partition->offset;
        return OUTCOME_OK;
    }
    return FAIL(err, OUTCOME_PERMANENT, "kafka.seek", "not assigned");
}

bool kafka_consumer_is_lost(const struct kafka_consumer *consumer)
{
    return !group_has(consumer);
}

/* ---- commits: the broker asks who it is, not whether the partitions are its own ---- */

#define COMMIT_MAX 64

struct commit {
    struct kafka_partition list[COMMIT_MAX];
    size_t count;
    int generation;
    uint64_t number;
    bool has_come, is_answered;
    enum outcome outcome;
    struct err err;
};

static uint64_t commits_sent;

static struct commit *commit_new(const struct kafka_consumer *consumer,
                                 const struct kafka_partition *partitions, size_t count)
{
    struct commit *commit = calloc(1, sizeof *commit);
    if (commit == NULL || count > COMMIT_MAX)
        abort();
    commit->count = count;
    commit->generation = consumer->generation;
    commit->number = ++commits_sent;
    for (size_t i = 0; i < count; i++) {
        commit->list[i] = partitions[i];
        commit->list[i].topic = topic_find(partitions[i].topic)->name;
        commit->list[i].metadata =
            partitions[i].metadata == NULL ? NULL : strdup(partitions[i].metadata);
    }
    return commit;
}

static void commit_free(struct commit *commit)
{
    for (size_t i = 0; commit != NULL && i < commit->count; i++)
        free((void *)(uintptr_t)commit->list[i].metadata);
    free(commit);
}

static bool is_of_now(const struct kafka_consumer *consumer, const struct commit *commit)
{
    return group_has(consumer) && commit->generation == group_generation();
}

/* It comes to the broker after all, unless the group has gone on meanwhile. */
static void land_late(struct kafka_consumer *consumer)
{
    struct commit *late = consumer->late;
    consumer->late = NULL;
    if (late != NULL && is_of_now(consumer, late))
        broker_commit(consumer, late->list, late->count);
    commit_free(late);
}

static void on_late(void *arg, uint64_t number)
{
    struct kafka_consumer *consumer = arg;
    if (consumer->late != NULL && consumer->late->number == number)
        land_late(consumer);
}

static void make_late(struct kafka_consumer *consumer, struct commit *commit)
{
    consumer->late = commit;
    plan_at(world_us + dice_span(MS, 10 * SECOND), on_late, consumer, commit->number);
}

/* The broker does not want it, or not all of it, or not now. */
static enum outcome refuse_commit(struct kafka_consumer *consumer, const struct commit *commit,
                                  struct err *err)
{
    trace_of(consumer->process, "commit", "REFUSED");
    switch (dice(4)) {
    case 0:
        return FAIL(err, OUTCOME_RETRY, "kafka.unreachable", "the coordinator is loading");
    case 1:
        return FAIL(err, OUTCOME_PERMANENT, "kafka.denied", "not to be written now");
    case 2:
        broker_commit(consumer, commit->list, (size_t)dice(commit->count));
        return FAIL(err, OUTCOME_RETRY, "kafka.unreachable", "some partitions are refused");
    default: /* another one that is the same: this one is answered */
        make_late(consumer, commit_new(consumer, commit->list, commit->count));
        consumer->late->generation = commit->generation;
        return FAIL(err, OUTCOME_RETRY, "kafka.unreachable", "no answer in time");
    }
}

static enum outcome judge_commit(struct kafka_consumer *consumer, const struct commit *commit,
                                 struct err *err)
{
    if (is_away(consumer))
        return FAIL(err, OUTCOME_RETRY, broker->code, "the broker is gone");
    land_late(consumer); /* one connection keeps the order */
    if (!is_of_now(consumer, commit)) {
        trace_of(consumer->process, "commit", "refused: the group has gone on");
        return FAIL(err, OUTCOME_CANCELLED, "kafka.fenced", "the group has gone on");
    }
    for (size_t i = 0; i < commit->count; i++) {
        size_t max = scenario.takes_no_metadata ? 0 : 4096;
        if (commit->list[i].metadata != NULL && strlen(commit->list[i].metadata) > max)
            return FAIL(err, OUTCOME_PERMANENT, "kafka.commit", "too much metadata");
    }
    if (chance(scenario.commit_refused))
        return refuse_commit(consumer, commit, err);
    broker_commit(consumer, commit->list, commit->count);
    if (!scenario.calm && chance(scenario.lost_reply))
        return FAIL(err, OUTCOME_RETRY, broker->code, "done, but the answer is lost");
    return OUTCOME_OK;
}

static void on_answer(void *arg, uint64_t number)
{
    struct kafka_consumer *consumer = arg;
    if (consumer->sent == NULL || consumer->sent->number != number)
        return;
    consumer->sent->is_answered = true;
    fiber_wake_all(&consumer->sent);
}

static void on_commit(void *arg, uint64_t number)
{
    struct kafka_consumer *consumer = arg;
    struct commit *commit = consumer->sent;
    if (commit == NULL || commit->number != number)
        return;
    commit->has_come = true;
    commit->outcome = judge_commit(consumer, commit, &commit->err);
    int64_t max_us = commit->outcome == OUTCOME_OK ? 20 * MS : 5 * SECOND;
    plan_at(world_us + dice_span(100, max_us), on_answer, consumer, number);
}

enum outcome kafka_consumer_commit_send(struct kafka_consumer *consumer,
                                        const struct kafka_partition *partitions, size_t count,
                                        struct err *err)
{
    (void)err;
    if (consumer->is_in_lost)
        violation(NULL, "commit of what is lost", "%s commits in the callback of the loss",
                  consumer->process->name);
    mishap_here();
    if (consumer->sent != NULL && !consumer->sent->has_come) {
        land_late(consumer); /* nobody waits for it any more, but it is on its way */
        make_late(consumer, consumer->sent);
        consumer->sent = NULL;
    }
    commit_free(consumer->sent);
    consumer->sent = commit_new(consumer, partitions, count);
    plan_at(world_us + latency_us(), on_commit, consumer, consumer->sent->number);
    mishap_here();
    return OUTCOME_OK;
}

bool kafka_consumer_commit_take(struct kafka_consumer *consumer, int64_t timeout_ms,
                                enum outcome *ret_outcome, struct err *err)
{
    int64_t until_us = world_us + timeout_ms * MS;
    if (timeout_ms > 0)
        mishap_here();
    while (consumer->sent != NULL && !consumer->sent->is_answered && world_us < until_us)
        (void)fiber_wait(&consumer->sent, until_us);
    struct commit *commit = consumer->sent;
    if (commit == NULL || !commit->is_answered)
        return false;
    consumer->sent = NULL;
    *ret_outcome = commit->outcome;
    *err = commit->err;
    commit_free(commit);
    return true;
}

/* Of an assignment that is over. */
static void await_commit(struct kafka_consumer *consumer)
{
    int64_t until_us = world_us + 5 * SECOND;
    while (consumer->sent != NULL && !consumer->sent->is_answered && world_us < until_us)
        (void)fiber_wait(&consumer->sent, until_us);
    if (consumer->sent == NULL)
        return;
    if (consumer->sent->has_come)
        commit_free(consumer->sent);
    else
        make_late(consumer, consumer->sent);
    consumer->sent = NULL;
}
