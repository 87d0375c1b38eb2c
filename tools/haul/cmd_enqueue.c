/* cmd_enqueue: a job onto its topic; and watch, which follows one. */
#include "base/clock.h"
#include "commands.h"
#include "draft.h"
#include "files.h"
#include "io/json.h"
#include "run/topics.h"
#include "watch.h"

#define JOB_MAX_BYTES ((size_t)1 << 20) /* of the jobs topics */
#define LOOK_BACK_US (60 * US_PER_S)    /* clocks of others may be behind ours */

struct enqueue_options {
    const char *file, *id, *subject, *source, *traceparent;
    bool dry_run, watch;
    int64_t watch_timeout_ms;
};
static const struct field enqueue_fields[] = {
    {.name = "file",
     .type = FIELD_STRING,
     .offset = offsetof(struct enqueue_options, file),
     .doc = "JSON file (-: standard input) with the job's data, or with the whole CloudEvent; "
            "FIELD=VALUE words change it. Short: -f."},
    {.name = "id",
     .type = FIELD_STRING,
     .min = 1,
     .max = JOB_ID_MAX,
     .offset = offsetof(struct enqueue_options, id),
     .doc = "The job's id, by which a job sent twice is done once; a new ULID when absent."},
    {.name = "subject",
     .type = FIELD_STRING,
     .min = 1,
     .max = 512,
     .offset = offsetof(struct enqueue_options, subject),
     .doc = "Order key: jobs of one subject run one after the other; of sql_sync workspace/sync "
            "when absent."},
    {.name = "source",
     .type = FIELD_STRING,
     .min = 1,
     .max = 1024,
     .offset = offsetof(struct enqueue_options, source),
     .default_text = "/haul/cli",
     .doc = "Who asks, as the event's source says."},
    {.name = "traceparent",
     .type = FIELD_STRING,
     .max = 256,
     .offset = offsetof(struct enqueue_options, traceparent),
     .doc = "W3C trace context that the job's logs carry."},
    {.name = "dry_run",
     .type = FIELD_BOOL,
     .offset = offsetof(struct enqueue_options, dry_run),
     .default_text = "false",
     .doc = "Prints the event and sends nothing."},
    {.name = "watch",
     .type = FIELD_BOOL,
     .offset = offsetof(struct enqueue_options, watch),
     .default_text = "false",
     .doc = "Follows the job to its end; the exit status says how it ended."},
    {.name = "watch_timeout_ms",
     .type = FIELD_INT,
     .min = 0,
     .max = INT64_C(604800000),
     .unit = "ms",
     .default_text = "0",
     .offset = offsetof(struct enqueue_options, watch_timeout_ms),
     .doc = "With --watch: how long to wait; 0 = for ever."},
};
static const struct field_table enqueue_table = {
    "enqueue", NULL, enqueue_fields, FIELDS_COUNT(enqueue_fields), sizeof(struct enqueue_options)};

/* What is to be sent. */
struct parcel {
    struct draft draft;
    const char *id, *subject;
    struct str json;
};

/* ---- the event ---- */

static const char *event_text(const struct parcel *parcel, const char *option, const char *name,
                              const char *fallback)
{
    if (option != NULL)
        return option;
    return parcel->draft.event == NULL ? fallback : jval_text(parcel->draft.event, name, fallback);
}

static void write_event(struct cli *cli, struct parcel *parcel)
{
    const struct enqueue_options *options = cli->options;
    char time[CLOCK_TEXT_SIZE];
    struct jwrite w = jwrite_to(&parcel->json);
    STR_AUTO struct str type = str_with_max(128);
    str_addf(&type, "%s%s%s", JOB_TYPE_PREFIX, parcel->draft.kind->name, JOB_TYPE_SUFFIX);
    jwrite_open_object(&w);
    jwrite_member_text(&w, "specversion", "1.0");
    jwrite_member_text(&w, "id", parcel->id);
    jwrite_member_text(&w, "type", str_text(&type));
    jwrite_member_text(&w, "source", event_text(parcel, NULL, "source", options->source));
    jwrite_member_text(&w, "subject", parcel->subject);
    jwrite_member_text(&w, "time",
                       event_text(parcel, NULL, "time", clock_format(clock_wall_us(), time)));
    jwrite_member_text(&w, "datacontenttype", "application/json");
    const char *trace = event_text(parcel, options->traceparent, "traceparent", NULL);
    if (trace != NULL)
        jwrite_member_text(&w, "traceparent", trace);
    jwrite_key(&w, "data");
    jwrite_jval(&w, parcel->draft.data);
    jwrite_close_object(&w);
}

/* Reads what was written as a worker will. */
static enum outcome check_event(struct cli *cli, const struct parcel *parcel, struct err *err)
{
    const struct jval *event = NULL;
    struct job job = {0};
    struct job_data data = {0};
    if (parcel->json.failed || parcel->json.len > JOB_MAX_BYTES)
        return USAGE(err, "the job is larger than %zu bytes", JOB_MAX_BYTES);
    TRY(jread_object(str_slice(&parcel->json), &cli->arena, &event, err));
    TRY(job_decode(event, &cli->arena, &job, err));
    return draft_decode(parcel->draft.kind, &job, &cli->arena, &data, err);
}

static enum outcome name_subject(struct cli *cli, struct parcel *parcel, struct err *err)
{
    const struct enqueue_options *options = cli->options;
    const struct draft *draft = &parcel->draft;
    parcel->subject = event_text(parcel, options->subject, "subject", NULL);
    if (parcel->subject != NULL || draft->kind->subject == NULL)
        return OUTCOME_OK;
    parcel->subject = draft->kind->subject(draft->decoded.common->workspace_id,
                                           draft->decoded.payload, &cli->arena);
    TRY_ALLOC(parcel->subject, err);
    return OUTCOME_OK;
}

/* A broker never says that a topic is missing: the send only takes too long. */
static enum outcome explain_unsent(struct cli *cli, const char *topic, struct err *err)
{
    struct kafka_admin *admin = NULL;
    struct kafka_cluster cluster = {0};
    enum outcome outcome = err->outcome;
    if (outcome != OUTCOME_RETRY || cli_admin(cli, &admin, NULL) != OUTCOME_OK ||
        kafka_admin_describe(admin, &cli->arena, cli->settings.timeout_ms, &cluster, NULL) !=
            OUTCOME_OK ||
        kafka_cluster_find(&cluster, topic) != NULL)
        return outcome;
    (void)FAIL(err, OUTCOME_PERMANENT, "topic.missing", "there is no topic %s", topic);
    return err_hint(err, "run: haul topics create; or is HAUL_TOPIC_PREFIX not the workers'?");
}

static enum outcome send_event(struct cli *cli, const struct parcel *parcel, const char *topic,
                               struct err *err)
{
    struct kafka_producer *producer = NULL;
    const struct kafka_producer_options options = {.delivery_timeout_ms = cli->settings.timeout_ms};
    TRY(kafka_producer_open(&cli->settings.kafka, &options, &producer, err));
    const struct kafka_record record = {
        .topic = topic,
        .partition = -1,
        .key = slice_of(parcel->subject),
        .value = str_slice(&parcel->json),
    };
    enum outcome outcome =
        kafka_producer_send_wait(producer, &record, cli->settings.timeout_ms, err);
    kafka_producer_close(producer, 0);
    return outcome == OUTCOME_OK ? outcome : explain_unsent(cli, topic, err);
}

static void print_sent(struct cli *cli, const struct parcel *parcel, const char *topic)
{
    if (!cli->out.json) {
        out_addf(&cli->out, "%s\n", parcel->id);
        return;
    }
    struct jwrite w = out_json(&cli->out);
    jwrite_open_object(&w);
    jwrite_member_text(&w, "job_id", parcel->id);
    jwrite_member_text(&w, "kind", parcel->draft.kind->name);
    jwrite_member_text(&w, "subject", parcel->subject);
    jwrite_member_text(&w, "topic", topic);
    jwrite_close_object(&w);
    out_json_end(&cli->out);
}

static enum outcome send_watched(struct cli *cli, const struct parcel *parcel, const char *topic,
                                 struct err *err)
{
    const struct enqueue_options *options = cli->options;
    const struct watch_request request = {parcel->id, clock_wall_us() - LOOK_BACK_US,
                                          options->watch_timeout_ms};
    struct watch *watch = NULL;
    TRY(watch_open(cli, &request, &watch, err));
    enum outcome outcome = send_event(cli, parcel, topic, err);
    if (outcome == OUTCOME_OK) {
        print_sent(cli, parcel, topic);
        out_flush(&cli->out);
        outcome = watch_follow(watch, err);
    }
    watch_close(watch);
    return outcome;
}

static enum outcome send_parcel(struct cli *cli, const struct parcel *parcel, struct err *err)
{
    const struct enqueue_options *options = cli->options;
    static const enum topic_role roles[] = {
        [JOB_INTERACTIVE] = TOPIC_INTERACTIVE, [JOB_DEFAULT] = TOPIC_JOBS, [JOB_BULK] = TOPIC_BULK};
    struct topic_name topic =
        topic_name_of(roles[parcel->draft.decoded.common->priority], cli->settings.topic_prefix,
                      parcel->draft.kind->worker, 0);
    if (options->watch)
        return send_watched(cli, parcel, topic.text, err);
    TRY(send_event(cli, parcel, topic.text, err));
    print_sent(cli, parcel, topic.text);
    return OUTCOME_OK;
}

static enum outcome run_parcel(struct cli *cli, struct parcel *parcel, struct err *err)
{
    const struct enqueue_options *options = cli->options;
    char ulid[ULID_TEXT_SIZE];
    TRY(draft_build(cli, options->file, &parcel->draft, err));
    parcel->id = event_text(parcel, options->id, "id", NULL);
    if (parcel->id == NULL)
        parcel->id = ulid_format(clock_wall_us() / US_PER_MS, ulid);
    TRY(name_subject(cli, parcel, err));
    write_event(cli, parcel);
    TRY(check_event(cli, parcel, err));
    if (!options->dry_run)
        return send_parcel(cli, parcel, err);
    str_add_slice(&cli->out.text, str_slice(&parcel->json));
    str_add_char(&cli->out.text, '\n');
    return OUTCOME_OK;
}

static enum outcome run_enqueue(struct cli *cli, struct err *err)
{
    const struct enqueue_options *options = cli->options;
    struct parcel parcel = {.json = str_with_max(FILE_MAX_BYTES)};
    if (!options->dry_run && cli->settings.kafka.brokers == NULL) {
        (void)USAGE(err, "haul enqueue needs --kafka-brokers");
        return err_hint(err, "set HAUL_KAFKA_BROKERS, or use --dry-run");
    }
    enum outcome outcome = run_parcel(cli, &parcel, err);
    str_done(&parcel.json);
    return outcome;
}

/* ---- watch ---- */

struct watch_options {
    int64_t for_ms;
};
static const struct field watch_fields[] = {
    {.name = "for_ms",
     .type = FIELD_INT,
     .min = 0,
     .max = INT64_C(604800000),
     .unit = "ms",
     .default_text = "0",
     .offset = offsetof(struct watch_options, for_ms),
     .doc = "How long to wait for the end; 0 = for ever."},
};
static const struct field_table watch_table = {
    "watch", NULL, watch_fields, FIELDS_COUNT(watch_fields), sizeof(struct watch_options)};

static enum outcome run_watch(struct cli *cli, struct err *err)
{
    int64_t asked_us = ulid_time_us(cli->args[0]);
    const struct watch_request request = {
        .job_id = cli->args[0],
        .since_us = asked_us > LOOK_BACK_US ? asked_us - LOOK_BACK_US : 0,
        .timeout_ms = CLI_OPTIONS(struct watch_options, cli)->for_ms,
    };
    struct watch *watch = NULL;
    TRY(watch_open(cli, &request, &watch, err));
    enum outcome outcome = watch_follow(watch, err);
    watch_close(watch);
    return outcome;
}

static const struct example enqueue_examples[] = {
    {"haul enqueue sql_sync -w acme sync_id=orders source.connection_id=shop source.table=orders "
     "target.connection_id=dwh target.table=orders --watch",
     "Copy a table, and see how it goes"},
    {"haul enqueue sql_sync -w acme -f orders.json mode=upsert cursor=updated_at",
     "From a file, with two fields changed"},
    {"haul enqueue sql_sync -w acme -f orders.json --dry-run", "What would be sent?"},
    {NULL, NULL},
};
static const struct example watch_examples[] = {
    {"haul watch 01JD7M8QK4T6W3X9ZB2C5F7H1N", "A bar on a terminal; exit status by the outcome"},
    {"haul watch 01JD7M8QK4T6W3X9ZB2C5F7H1N --json | jq .data.state", "The events themselves"},
    {NULL, NULL},
};

const struct command command_enqueue = {
    .name = "enqueue",
    .args = "KIND [FIELD=VALUE...]",
    .args_min = 1,
    .args_max = -1,
    .summary = "put a job on its topic",
    .doc = "Builds the CloudEvent, checks it as its worker will, sends it to the kind's jobs topic "
           "and prints the job's id once a broker has it. Nested fields are written with dots: "
           "source.table=orders. haul schema KIND prints all fields.",
    .options = &enqueue_table,
    .examples = enqueue_examples,
    .run = run_enqueue,
};
const struct command command_watch = {
    .name = "watch",
    .args = "JOB",
    .args_min = 1,
    .args_max = 1,
    .needs = NEEDS_KAFKA,
    .summary = "follow a job to its end",
    .doc = "Reads the events topic from the job's own time on (its id, when that is a ULID, else "
           "from the start). With a hub it asks the ledger too, so that a job which ended long ago "
           "is answered at once. Exit status 0 when it succeeded, 1 when it was given up, 6 when "
           "it was cancelled, 5 when it did not end in time.",
    .options = &watch_table,
    .examples = watch_examples,
    .run = run_watch,
};
