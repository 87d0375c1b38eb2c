/*
 * cmd_dlq_replay: puts dead letters back on their jobs topic.
 *
 * A crash, or two replays, put no job back twice with effect: the record that goes back has a
 * redrive count one higher, and the ledger opens a job again once for each count. Letters that the
 * ledger says were put back already are passed over. The group's commit moves only over letters
 * that need nothing any more, after their delivery reports, so that a later replay begins there.
 */
#include "base/clock.h"
#include "commands.h"
#include "dlq_scan.h"
#include "replay_report.h"
#include "run/ledger.h"
#include "run/topics.h"

#define LOCK_KEY INT64_C(0x6861756c02) /* "haul", 2 */
#define LOCK_TIMEOUT_MS 1000
#define LEDGER_ARENA_BYTES ((size_t)32 << 20)

struct replay_options {
    struct dlq_filter filter;
    bool dry_run, from_start;
    int64_t limit, rate, redrive_max;
};
static const struct field replay_fields[] = {
    DLQ_FILTER_FIELDS(struct replay_options, filter),
    {.name = "dry_run",
     .type = FIELD_BOOL,
     .default_text = "false",
     .offset = offsetof(struct replay_options, dry_run),
     .doc = "Says what would be put back, by class, code and kind; sends nothing."},
    {.name = "limit",
     .type = FIELD_INT,
     .min = 0,
     .max = INT64_MAX,
     .default_text = "0",
     .offset = offsetof(struct replay_options, limit),
     .doc = "At most so many; 0 = all. Short: -n."},
    {.name = "rate",
     .type = FIELD_INT,
     .min = 0,
     .max = 100000,
     .default_text = "10",
     .unit = "per second",
     .offset = offsetof(struct replay_options, rate),
     .doc = "Jobs put back per second; 0 = as fast as it goes."},
    {.name = "redrive_max",
     .type = FIELD_INT,
     .min = 1,
     .max = 1000,
     .default_text = "3",
     .offset = offsetof(struct replay_options, redrive_max),
     .doc = "A job that was put back so many times already stays where it is."},
    {.name = "from_start",
     .type = FIELD_BOOL,
     .default_text = "false",
     .offset = offsetof(struct replay_options, from_start),
     .doc = "Looks at all letters, not only at those behind the last replay's."},
};
static const struct field_table replay_table = {
    "dlq replay", NULL, replay_fields, FIELDS_COUNT(replay_fields), sizeof(struct replay_options)};

struct replay {
    struct cli *cli;
    const struct replay_options *options;
    const struct hub *hub;
    struct kafka_producer *producer; /* NULL in a dry run */
    struct dlq_scan scan;
    struct topic_name jobs_topic;
    bool *is_held; /* by partition: a letter was left, the commit stays before it */
    struct replay_report report;
    int64_t next_us; /* when the rate allows the next one, monotonic */
};

/* ---- one letter ---- */

static enum outcome decide(struct replay *replay, const struct dead_letter *letter,
                           enum fate *ret_fate, struct err *err)
{
    struct ledger_row row = {0};
    ARENA_AUTO struct arena arena;
    arena_init(&arena, LEDGER_ARENA_BYTES);
    if (!dlq_filter_holds(replay->cli, &replay->options->filter, letter)) {
        *ret_fate = FATE_LEFT;
        return OUTCOME_OK;
    }
    if (!letter->is_job || letter->job_id == NULL) {
        *ret_fate = FATE_NO_JOB;
        return OUTCOME_OK;
    }
    struct err missing = {0};
    enum outcome outcome = ledger_get(replay->hub->db, letter->job_id, &arena, &row, &missing);
    if (outcome != OUTCOME_OK && strcmp(missing.code, "ledger.missing") != 0) {
        *err = missing;
        return outcome;
    }
    bool is_known = outcome == OUTCOME_OK;
    if (is_known && (row.redrive_count > letter->trail.redrive_count ||
                     strcmp(row.state, event_state_name(EVENT_DEAD_LETTERED)) != 0))
        *ret_fate = FATE_AGAIN;
    else if (letter->trail.redrive_count >= replay->options->redrive_max)
        *ret_fate = FATE_TOO_OFTEN;
    else
        *ret_fate = FATE_SENT;
    return OUTCOME_OK;
}

static void keep_rate(struct replay *replay)
{
    int64_t now_us = clock_monotonic_us();
    if (replay->options->rate == 0)
        return;
    if (now_us < replay->next_us)
        clock_sleep_us(replay->next_us - now_us);
    now_us = clock_monotonic_us();
    replay->next_us = now_us + US_PER_S / replay->options->rate;
}

static enum outcome send_letter(struct replay *replay, const struct kafka_message *message,
                                struct err *err)
{
    struct kafka_record record = {0};
    ARENA_AUTO struct arena arena;
    arena_init(&arena, LEDGER_ARENA_BYTES);
    TRY(dead_letter_redrive(message, replay->jobs_topic.text, (int)replay->options->redrive_max,
                            &arena, &record, err));
    keep_rate(replay);
    return kafka_producer_send_wait(replay->producer, &record, replay->cli->settings.timeout_ms,
                                    err);
}

/* After the delivery report. A letter that was left holds its partition's commit back. */
static enum outcome commit_letter(struct replay *replay, const struct kafka_message *message,
                                  enum fate fate, struct err *err)
{
    bool *is_held = &replay->is_held[message->partition];
    *is_held = *is_held || fate == FATE_LEFT;
    if (*is_held || replay->options->dry_run)
        return OUTCOME_OK;
    const struct kafka_partition done = {.topic = replay->scan.topic,
                                         .partition = message->partition,
                                         .offset = message->offset + 1};
    return kafka_consumer_commit(replay->scan.consumer, &done, 1, replay->cli->settings.timeout_ms,
                                 err);
}

static enum outcome visit(void *ctx, const struct kafka_message *message,
                          const struct dead_letter *letter, bool *stop, struct err *err)
{
    struct replay *replay = ctx;
    enum fate fate = FATE_LEFT;
    TRY(decide(replay, letter, &fate, err));
    if (fate == FATE_SENT && !replay->options->dry_run)
        TRY(send_letter(replay, message, err));
    replay_report_count(&replay->report, letter, fate);
    TRY(commit_letter(replay, message, fate, err));
    *stop =
        replay->options->limit > 0 && replay->report.counts[FATE_SENT] >= replay->options->limit;
    return OUTCOME_OK;
}

/* ---- the whole ---- */

static enum outcome audit(const struct replay *replay, const char *action, struct err *err)
{
    const struct dlq_filter *filter = &replay->options->filter;
    STR_AUTO struct str detail = str_with_max(STR_MAX_DEFAULT);
    struct jwrite w = jwrite_to(&detail);
    if (replay->options->dry_run)
        return OUTCOME_OK;
    jwrite_open_object(&w);
    jwrite_member_text(&w, "worker", filter->worker);
    jwrite_member_text(&w, "class", filter->class);
    jwrite_member_text(&w, "code", filter->code);
    jwrite_member_text(&w, "kind", filter->kind);
    jwrite_member_text(&w, "job", filter->job);
    jwrite_key(&w, "report");
    replay_report_write(&replay->report, &w);
    jwrite_close_object(&w);
    return hub_audit_add(replay->hub,
                         &(struct hub_audit){action, replay->cli->settings.workspace,
                                             replay->scan.topic, str_text(&detail)},
                         err);
}

static enum outcome scan_letters(struct replay *replay, struct err *err)
{
    replay->is_held = ARENA_ARRAY(&replay->cli->arena, bool, replay->scan.count);
    TRY_ALLOC(replay->is_held, err);
    TRY(audit(replay, "dlq.replay", err));
    enum outcome outcome = dlq_scan_run(&replay->scan, visit, replay, err);
    struct err late = {0};
    if (audit(replay, "dlq.replay.end", &late) != OUTCOME_OK && outcome == OUTCOME_OK) {
        *err = late;
        return late.outcome;
    }
    return outcome;
}

static enum outcome run_locked(struct replay *replay, struct err *err)
{
    struct cli *cli = replay->cli;
    const struct kafka_producer_options options = {.delivery_timeout_ms = cli->settings.timeout_ms};
    if (!replay->options->dry_run)
        TRY(kafka_producer_open(&cli->settings.kafka, &options, &replay->producer, err));
    enum outcome outcome = dlq_scan_open(&replay->scan, err);
    if (outcome == OUTCOME_OK) {
        outcome = scan_letters(replay, err);
        dlq_scan_close(&replay->scan);
    }
    kafka_producer_close(replay->producer, 0);
    TRY(outcome);
    return replay_report_print(&replay->report, &cli->out, err);
}

static enum outcome run_replay(struct cli *cli, struct err *err)
{
    struct replay *replay = ARENA_NEW(&cli->arena, struct replay);
    TRY_ALLOC(replay, err);
    replay->cli = cli;
    replay->options = cli->options;
    replay->report =
        (struct replay_report){.arena = &cli->arena, .dry_run = replay->options->dry_run};
    const char *worker = replay->options->filter.worker;
    TRY(cli_hub(cli, &replay->hub, err));
    replay->jobs_topic = topic_name_of(TOPIC_JOBS, cli->settings.topic_prefix, worker, 0);
    const char *group =
        arena_printf(&cli->arena, "%sredrive.%s", cli->settings.topic_prefix, worker);
    TRY_ALLOC(group, err);
    replay->scan = (struct dlq_scan){
        .cli = cli, .worker = worker, .group = group, .from_start = replay->options->from_start};
    if (pgsql_lock(replay->hub->db, LOCK_KEY, LOCK_TIMEOUT_MS, err) != OUTCOME_OK)
        return err_hint(err, "another replay may be running: one at a time");
    enum outcome outcome = run_locked(replay, err);
    pgsql_unlock(replay->hub->db, LOCK_KEY);
    return outcome;
}

static const struct example replay_examples[] = {
    {"haul dlq replay --code 'connect.*' --dry-run", "What would be put back?"},
    {"haul dlq replay -w acme --code 'connect.*' --rate 5", "Put it back, five a second"},
    {NULL, NULL},
};

const struct command command_dlq_replay = {
    .name = "dlq replay",
    .args = "",
    .needs = NEEDS_HUB | NEEDS_KAFKA,
    .summary = "put dead letters back on their jobs topic",
    .doc = "Jobs keep their ids and bytes; attempts begin at 1, the redrive count grows. It looks "
           "at what was there when it began, from where the last replay ended; letters that are "
           "not asked for are looked at again the next time. A job that was put back already is "
           "passed over, so a replay that broke off is simply begun again. The audit log keeps "
           "each.",
    .options = &replay_table,
    .examples = replay_examples,
    .run = run_replay,
};
