/* watch: see watch.h. */
#include "watch.h"

#include "base/clock.h"
#include "io/json.h"
#include "model/event.h"
#include "run/ledger.h"
#include "run/topics.h"
#include "watch_view.h"

#define POLL_MS 200
#define LEDGER_EVERY_US (5 * US_PER_S)
#define EVENT_ARENA_BYTES ((size_t)64 << 20)

struct watch {
    struct cli *cli;
    struct watch_request request;
    const struct hub *hub; /* NULL: no hub is configured, the events alone tell */
    struct kafka_consumer *consumer;
    struct watch_view view;
    int redrives;      /* terminal events of fewer redrives are of an earlier life of the job */
    int64_t ledger_us; /* when to ask the ledger again, monotonic */
    bool has_seen;     /* an event of the job */
    bool is_over;
};

int64_t ulid_time_us(const char *text)
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    int64_t ms = 0;
    if (strlen(text) != ULID_TEXT_SIZE - 1)
        return 0;
    for (size_t i = 0; i < ULID_TEXT_SIZE - 1; i++) {
        const char *digit = text[i] == '\0' ? NULL : strchr(digits, text[i]);
        if (digit == NULL || (i == 0 && *digit > '7'))
            return 0;
        if (i < 10)
            ms = ms * 32 + (digit - digits);
    }
    return ms * US_PER_MS;
}

static int exit_of(const char *state)
{
    if (strcmp(state, "succeeded") == 0)
        return EXIT_DONE;
    return strcmp(state, "cancelled") == 0 ? EXIT_CANCELLED : EXIT_FAILED;
}

/* ---- the ledger: what was told before we came, or was lost ---- */

static void write_ledger_event(const struct ledger_row *row, struct str *out)
{
    const struct err *error = row->error.code[0] == '\0' ? NULL : &row->error;
    struct event event = {
        .job_id = row->job_id,
        .workspace_id = row->workspace_id,
        .kind = row->kind,
        .worker = row->worker,
        .attempt = row->attempt,
        .redrive_count = row->redrive_count,
        .sequence = row->sequence,
        .time_us = row->finished_us,
        .error = error,
        .result = slice_of(row->result),
    };
    if (event_state_parse(row->state, &event.state))
        event_write(&event, out);
}

static enum outcome show_event(struct watch *watch, struct slice json, struct err *err);

/* Ends the watch when the ledger has the job's end; a hub that is away is not waited for. */
static enum outcome look_into_ledger(struct watch *watch, struct err *err)
{
    struct ledger_row row = {0};
    ARENA_AUTO struct arena arena;
    arena_init(&arena, EVENT_ARENA_BYTES);
    watch->ledger_us = clock_monotonic_us() + LEDGER_EVERY_US;
    if (watch->hub == NULL ||
        ledger_get(watch->hub->db, watch->request.job_id, &arena, &row, NULL) != OUTCOME_OK)
        return OUTCOME_OK;
    watch->redrives = row.redrive_count > watch->redrives ? row.redrive_count : watch->redrives;
    if (row.finished_us == 0)
        return OUTCOME_OK;
    STR_AUTO struct str event = str_with_max(EVENT_ARENA_BYTES);
    write_ledger_event(&row, &event);
    return event.len == 0 ? OUTCOME_OK : show_event(watch, str_slice(&event), err);
}

/* ---- events ---- */

static enum outcome show_event(struct watch *watch, struct slice json, struct err *err)
{
    ARENA_AUTO struct arena arena;
    arena_init(&arena, EVENT_ARENA_BYTES);
    const struct jval *event = NULL;
    enum event_state state;
    if (jread_object(json, &arena, &event, NULL) != OUTCOME_OK)
        return OUTCOME_OK; /* not ours: anyone may write to a topic */
    const struct jval *data = jval_get(event, "data");
    const char *name = jval_text(data, "state", "");
    if (strcmp(jval_text(data, "job_id", ""), watch->request.job_id) != 0 ||
        !event_state_parse(name, &state))
        return OUTCOME_OK;
    watch->has_seen = true;
    if (event_state_is_terminal(state)) {
        if (jval_int(data, "redrive_count", 0) < watch->redrives)
            return OUTCOME_OK;
        watch->is_over = true;
        watch->cli->exit_status = exit_of(name);
    }
    if (!watch->cli->out.json) {
        watch_view_event(&watch->view, name, data);
        return OUTCOME_OK;
    }
    struct jwrite w = out_json(&watch->cli->out);
    jwrite_jval(&w, event);
    out_json_end(&watch->cli->out);
    out_flush(&watch->cli->out);
    return watch->cli->out.text.failed ? FAIL_NO_MEMORY(err) : OUTCOME_OK;
}

/* The end is pinned to where it is now: what is told from here on is not skipped. */
static enum outcome pin_end(struct kafka_admin *admin, struct kafka_partition *partition,
                            int64_t timeout_ms, struct err *err)
{
    struct kafka_watermarks marks = {0};
    if (partition->offset != KAFKA_OFFSET_END)
        return OUTCOME_OK;
    TRY(kafka_admin_watermarks(admin, partition->topic, partition->partition, timeout_ms, &marks,
                               err));
    partition->offset = marks.high;
    return OUTCOME_OK;
}

static enum outcome assign_events(struct watch *watch, const char *topic, struct err *err)
{
    struct cli *cli = watch->cli;
    struct kafka_admin *admin = NULL;
    struct kafka_cluster cluster = {0};
    int64_t timeout_ms = cli->settings.timeout_ms;
    TRY(cli_admin(cli, &admin, err));
    TRY(kafka_admin_describe(admin, &cli->arena, timeout_ms, &cluster, err));
    const struct kafka_topic *found = kafka_cluster_find(&cluster, topic);
    if (found == NULL) {
        (void)FAIL(err, OUTCOME_PERMANENT, "topic.missing", "there is no topic %s", topic);
        return err_hint(err, "run: haul topics create");
    }
    size_t count = (size_t)found->partitions;
    struct kafka_partition *partitions = ARENA_ARRAY(&cli->arena, struct kafka_partition, count);
    TRY_ALLOC(partitions, err);
    for (size_t i = 0; i < count; i++)
        partitions[i] = (struct kafka_partition){.topic = topic, .partition = (int32_t)i};
    int64_t since_ms = watch->request.since_us / US_PER_MS;
    TRY(kafka_admin_offsets_at(admin, since_ms, partitions, count, timeout_ms, err));
    for (size_t i = 0; i < count; i++)
        TRY(pin_end(admin, &partitions[i], timeout_ms, err));
    return kafka_consumer_assign(watch->consumer, partitions, count, err);
}

static enum outcome poll_once(struct watch *watch, struct err *err)
{
    struct kafka_message message = {0};
    enum outcome outcome = kafka_consumer_poll(watch->consumer, POLL_MS, &message, err);
    if (outcome == OUTCOME_RETRY)
        return OUTCOME_OK; /* the consumer reconnects by itself; the time-out bounds it */
    TRY(outcome);
    if (message.native == NULL)
        return OUTCOME_OK;
    outcome = show_event(watch, message.value, err);
    kafka_message_done(&message);
    return outcome;
}

static enum outcome open_parts(struct watch *watch, struct err *err)
{
    struct cli *cli = watch->cli;
    const char *topic = arena_strdup(
        &cli->arena, topic_name_of(TOPIC_EVENTS, cli->settings.topic_prefix, "", 0).text);
    TRY_ALLOC(topic, err);
    if (cli->settings.hub.uri != NULL)
        TRY(cli_hub(cli, &watch->hub, err));
    const struct kafka_consumer_options options = {.queue_kbytes = 1024};
    TRY(kafka_consumer_open(&cli->settings.kafka, &options, &watch->consumer, err));
    return assign_events(watch, topic, err);
}

enum outcome watch_open(struct cli *cli, const struct watch_request *request,
                        struct watch **ret_watch, struct err *err)
{
    struct watch *watch = ARENA_NEW(&cli->arena, struct watch);
    TRY_ALLOC(watch, err);
    *watch = (struct watch){.cli = cli, .request = *request};
    watch->view = (struct watch_view){.out = &cli->out, .is_live = cli->out.is_terminal};
    enum outcome outcome = open_parts(watch, err);
    if (outcome != OUTCOME_OK) {
        watch_close(watch);
        return outcome;
    }
    *ret_watch = watch;
    return OUTCOME_OK;
}

void watch_close(struct watch *watch)
{
    if (watch == NULL)
        return;
    watch_view_end(&watch->view);
    kafka_consumer_close(watch->consumer);
    watch->consumer = NULL;
}

static enum outcome fail_late(const struct watch *watch, struct err *err)
{
    if (!watch->has_seen) {
        (void)FAIL(err, OUTCOME_RETRY, "watch.timeout", "nothing was told about job %s in time",
                   watch->request.job_id);
        return err_hint(err, "is the id right, and does a worker run? haul doctor shows how many "
                             "jobs wait");
    }
    (void)FAIL(err, OUTCOME_RETRY, "watch.timeout", "job %s has not ended in time",
               watch->request.job_id);
    return err_hint(err, "it goes on all the same; see: haul show %s", watch->request.job_id);
}

enum outcome watch_follow(struct watch *watch, struct err *err)
{
    int64_t end_us = watch->request.timeout_ms == 0
                         ? INT64_MAX
                         : clock_monotonic_us() + watch->request.timeout_ms * US_PER_MS;
    TRY(look_into_ledger(watch, err));
    while (!watch->is_over && !watch->cli->out.broken) {
        int64_t now_us = clock_monotonic_us();
        if (now_us > end_us)
            return fail_late(watch, err);
        TRY(poll_once(watch, err));
        if (!watch->is_over && now_us > watch->ledger_us)
            TRY(look_into_ledger(watch, err));
    }
    return OUTCOME_OK;
}
