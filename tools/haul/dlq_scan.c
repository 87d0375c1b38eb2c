/* dlq_scan: see dlq_scan.h. */
#include "dlq_scan.h"

#include "base/clock.h"
#include "base/num.h"
#include "run/topics.h"

#define POLL_MS 200
#define LETTER_ARENA_BYTES ((size_t)32 << 20)

static bool equals(const char *wanted, const char *value)
{
    return wanted == NULL || (value != NULL && strcmp(wanted, value) == 0);
}

static bool code_matches(const char *wanted, const char *code)
{
    size_t len = wanted == NULL ? 0 : strlen(wanted);
    if (len > 0 && wanted[len - 1] == '*')
        return code != NULL && strncmp(wanted, code, len - 1) == 0;
    return equals(wanted, code);
}

bool dlq_filter_holds(const struct cli *cli, const struct dlq_filter *filter,
                      const struct dead_letter *letter)
{
    return equals(filter->class, letter->trail.error_class) &&
           code_matches(filter->code, letter->trail.error_code) &&
           equals(filter->kind, letter->kind) && equals(filter->job, letter->job_id) &&
           equals(cli->settings.workspace, letter->workspace_id) &&
           (filter->since_us == 0 || letter->time_us >= filter->since_us) &&
           (filter->until_us == 0 || letter->time_us < filter->until_us);
}

/* ---- open ---- */

static enum outcome find_topic(struct dlq_scan *scan, struct kafka_admin *admin, struct err *err)
{
    struct cli *cli = scan->cli;
    enum topic_role role = scan->quarantined ? TOPIC_QUARANTINE : TOPIC_DLQ;
    struct topic_name name = topic_name_of(role, cli->settings.topic_prefix, scan->worker, 0);
    scan->topic = arena_strdup(&cli->arena, name.text);
    TRY_ALLOC(scan->topic, err);
    TRY(kafka_admin_describe(admin, &cli->arena, cli->settings.timeout_ms, &scan->cluster, err));
    const struct kafka_topic *topic = kafka_cluster_find(&scan->cluster, scan->topic);
    if (topic == NULL) {
        (void)FAIL(err, OUTCOME_PERMANENT, "topic.missing", "there is no topic %s", scan->topic);
        return err_hint(err, "run: haul topics create %s", scan->worker);
    }
    scan->count = (size_t)topic->partitions;
    scan->starts = ARENA_ARRAY(&cli->arena, struct kafka_partition, scan->count);
    scan->ends = ARENA_ARRAY(&cli->arena, int64_t, scan->count);
    TRY_ALLOC(scan->starts, err);
    TRY_ALLOC(scan->ends, err);
    return OUTCOME_OK;
}

/* Where reading begins: the group's commit, but not before the first record there is; a commit
 * beyond the last one is of a topic that was made anew since. */
static enum outcome place_partitions(struct dlq_scan *scan, struct kafka_admin *admin,
                                     struct err *err)
{
    struct cli *cli = scan->cli;
    int64_t timeout_ms = cli->settings.timeout_ms;
    for (size_t i = 0; i < scan->count; i++)
        scan->starts[i] = (struct kafka_partition){
            .topic = scan->topic, .partition = (int32_t)i, .offset = KAFKA_OFFSET_NONE};
    if (scan->group != NULL && !scan->from_start)
        TRY(kafka_consumer_committed(scan->consumer, &cli->arena, scan->starts, scan->count,
                                     timeout_ms, err));
    for (size_t i = 0; i < scan->count; i++) {
        struct kafka_watermarks marks = {0};
        TRY(kafka_admin_watermarks(admin, scan->topic, (int32_t)i, timeout_ms, &marks, err));
        scan->starts[i].metadata = NULL;
        if (scan->starts[i].offset < marks.low || scan->starts[i].offset > marks.high)
            scan->starts[i].offset = marks.low;
        scan->ends[i] = marks.high;
        scan->before += scan->starts[i].offset - marks.low;
        scan->left += scan->starts[i].offset < marks.high;
        scan->total += num_max_i64(0, marks.high - scan->starts[i].offset);
    }
    return OUTCOME_OK;
}

static enum outcome open_parts(struct dlq_scan *scan, struct err *err)
{
    struct kafka_admin *admin = NULL;
    const struct kafka_consumer_options options = {.group = scan->group, .queue_kbytes = 1024};
    TRY(cli_admin(scan->cli, &admin, err));
    TRY(find_topic(scan, admin, err));
    TRY(kafka_consumer_open(&scan->cli->settings.kafka, &options, &scan->consumer, err));
    TRY(place_partitions(scan, admin, err));
    return kafka_consumer_assign(scan->consumer, scan->starts, scan->count, err);
}

enum outcome dlq_scan_open(struct dlq_scan *scan, struct err *err)
{
    enum outcome outcome = open_parts(scan, err);
    if (outcome != OUTCOME_OK)
        dlq_scan_close(scan);
    return outcome;
}

void dlq_scan_close(struct dlq_scan *scan)
{
    kafka_consumer_close(scan->consumer);
    scan->consumer = NULL;
}

/* ---- run ---- */

static void await_more(struct dlq_scan *scan)
{
    scan->late_us = clock_monotonic_us() + scan->cli->settings.timeout_ms * US_PER_MS;
}

enum outcome dlq_scan_next(struct dlq_scan *scan, int64_t timeout_ms,
                           struct kafka_message *ret_message, struct err *err)
{
    struct kafka_message message = {0};
    *ret_message = message;
    if (scan->left == 0)
        return OUTCOME_OK;
    if (scan->late_us == 0)
        await_more(scan);
    enum outcome outcome = kafka_consumer_poll(scan->consumer, timeout_ms, &message, err);
    if (outcome != OUTCOME_OK && outcome != OUTCOME_RETRY)
        return outcome;
    if (message.native == NULL && clock_monotonic_us() > scan->late_us)
        return FAIL(err, OUTCOME_RETRY, "kafka.timeout", "nothing came from %s within %lld ms",
                    scan->topic, (long long)scan->cli->settings.timeout_ms);
    if (message.native == NULL)
        return OUTCOME_OK;
    await_more(scan);
    size_t partition = (size_t)message.partition;
    if (partition >= scan->count || message.offset >= scan->ends[partition]) {
        kafka_message_done(&message); /* came after the start */
        return OUTCOME_OK;
    }
    scan->left -= message.offset + 1 == scan->ends[partition];
    *ret_message = message;
    return OUTCOME_OK;
}

static enum outcome visit_message(const struct kafka_message *message, dlq_visit *visit, void *ctx,
                                  bool *stop, struct err *err)
{
    ARENA_AUTO struct arena arena;
    arena_init(&arena, LETTER_ARENA_BYTES);
    struct dead_letter letter = {0};
    TRY(dead_letter_read(message, &arena, &letter, err));
    return visit(ctx, message, &letter, stop, err);
}

enum outcome dlq_scan_run(struct dlq_scan *scan, dlq_visit *visit, void *ctx, struct err *err)
{
    bool stop = false;
    while (scan->left > 0 && !stop) {
        struct kafka_message message = {0};
        TRY(dlq_scan_next(scan, POLL_MS, &message, err));
        if (message.native == NULL)
            continue;
        enum outcome outcome = visit_message(&message, visit, ctx, &stop, err);
        kafka_message_done(&message);
        TRY(outcome);
    }
    return OUTCOME_OK;
}
