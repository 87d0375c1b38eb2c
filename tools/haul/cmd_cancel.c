/* cmd_cancel: ends a job, whether it waits or runs. */
#include "commands.h"
#include "run/cancel.h"

struct cancel_options {
    const char *reason;
};
static const struct field cancel_fields[] = {
    {.name = "reason",
     .type = FIELD_STRING,
     .max = 200,
     .offset = offsetof(struct cancel_options, reason),
     .doc = "Why, for those who see it in the job's end."},
};
static const struct field_table cancel_table = {
    "cancel", NULL, cancel_fields, FIELDS_COUNT(cancel_fields), sizeof(struct cancel_options)};

static void print_verdict(struct cli *cli, enum ledger_cancel_verdict verdict)
{
    static const struct {
        const char *name, *text;
    } verdicts[] = {
        [LEDGER_CANCEL_ENDED] = {"cancelled", "cancelled"},
        [LEDGER_CANCEL_ASKED] = {"asked", "asked: its worker ends it soon, or refuses it when it "
                                          "comes"},
        [LEDGER_CANCEL_TOO_LATE] = {"too_late", "too late: it has ended already"},
    };
    out_addf(&cli->out, "%s: %s\n", cli->args[0], verdicts[verdict].text);
    if (!cli->out.json)
        return;
    struct jwrite w = out_json(&cli->out);
    jwrite_open_object(&w);
    jwrite_member_text(&w, "job_id", cli->args[0]);
    jwrite_member_text(&w, "verdict", verdicts[verdict].name);
    jwrite_close_object(&w);
    out_json_end(&cli->out);
}

static enum outcome cancel_with(struct cli *cli, const struct cancel_services *services,
                                struct err *err)
{
    enum ledger_cancel_verdict verdict = LEDGER_CANCEL_ASKED;
    const struct ledger_cancel cancel = {
        .job_id = cli->args[0],
        .reason = CLI_OPTIONS(struct cancel_options, cli)->reason,
        .actor = cli->actor,
    };
    TRY(cancel_job(services, &cancel, &cli->arena, &verdict, err));
    TRY(hub_audit_add(&cli->hub, &(struct hub_audit){"job.cancel", NULL, cli->args[0], NULL}, err));
    cli->exit_status = verdict == LEDGER_CANCEL_TOO_LATE ? EXIT_FAILED : EXIT_DONE;
    print_verdict(cli, verdict);
    return OUTCOME_OK;
}

static enum outcome run_cancel(struct cli *cli, struct err *err)
{
    const struct hub *hub = NULL;
    struct kafka_producer *producer = NULL;
    struct rconn *redis = NULL;
    TRY(cli_hub(cli, &hub, err));
    if (cli->settings.redis.url != NULL)
        TRY(rconn_open(&cli->settings.redis, &redis, err));
    const struct kafka_producer_options options = {.delivery_timeout_ms = cli->settings.timeout_ms};
    enum outcome outcome = kafka_producer_open(&cli->settings.kafka, &options, &producer, err);
    if (outcome == OUTCOME_OK) {
        const struct cancel_services services = {
            .db = hub->db,
            .redis = redis,
            .producer = producer,
            .topic_prefix = cli->settings.topic_prefix,
        };
        outcome = cancel_with(cli, &services, err);
        kafka_producer_close(producer, cli->settings.timeout_ms);
    }
    rconn_close(redis);
    return outcome;
}

static const struct example cancel_examples[] = {
    {"haul cancel 01JD7M8QK4T6W3X9ZB2C5F7H1N --reason 'wrong table'", "End it, whatever it does"},
    {NULL, NULL},
};

const struct command command_cancel = {
    .name = "cancel",
    .args = "JOB",
    .args_min = 1,
    .args_max = 1,
    .needs = NEEDS_HUB | NEEDS_KAFKA,
    .summary = "end a job, whether it waits or runs",
    .doc = "The ledger decides: a job that waits is ended at once, one that runs is ended by its "
           "worker (at once when HAUL_REDIS_URL is set, else when it next asks the hub), one that "
           "no worker has seen yet is refused when it comes. Exit status 1 when it was too late.",
    .options = &cancel_table,
    .examples = cancel_examples,
    .run = run_cancel,
};
