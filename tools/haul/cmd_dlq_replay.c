/*
 * cmd_dlq_replay: puts dead letters back on the jobs topic that they came by first.
 *
 * A crash, or two replays, put no job back twice with effect: the record that goes back has a
 * redrive count one higher, and the ledger opens a job again once for each count. Letters that the
 * ledger says were put back already are passed over. The group's commit moves only over letters
 * that need nothing any more, after their delivery reports, so that a later replay begins there.
 */
#include "base/clock.h"
#include "commands.h"
#include "redrive.h"
#include "replay_report.h"
#include "run/topics.h"

#define LOCK_KEY INT64_C(0x6861756c02) /* "haul", 2 */
#define LOCK_TIMEOUT_MS 1000
#define POLL_MS 200
#define BATCH_MAX 256
#define BATCH_BYTES ((size_t)8 << 20)
#define BATCH_ARENA_BYTES ((size_t)256 << 20)

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
     .doc = "Says what would be put back, by class, code, kind and workspace; sends nothing."},
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
     .doc = "A job that was put back so many times already goes to the quarantine."},
    {.name = "from_start",
     .type = FIELD_BOOL,
     .default_text = "false",
     .offset = offsetof(struct replay_options, from_start),
     .doc = "Looks at all letters, also at those before the first that earlier replays left: they "
            "were put back or set aside, or are no jobs."},
};
static const struct field_table replay_table = {
    "dlq replay", NULL, replay_fields, FIELDS_COUNT(replay_fields), sizeof(struct replay_options)};

struct replay {
    struct cli *cli;
    const struct replay_options *options;
    const struct hub *hub;
    struct dlq_scan scan;
    struct redrive redrive;
    struct topic_name jobs_topics[TOPIC_BULK + 1], quarantine_topic; /* jobs: by their class */
    struct replay_report report;
    struct out_progress progress;
    int64_t looked_at;
};

/* Letters that are judged together: one question to the ledger. */
struct batch {
    struct arena arena;
    struct kafka_message messages[BATCH_MAX];
    struct dead_letter letters[BATCH_MAX];
    struct dlq_known known[BATCH_MAX];
    size_t count;
};

/* ---- one letter ---- */

static enum outcome send_back(struct replay *replay, const struct kafka_message *message,
                              const struct dead_letter *letter, struct arena *arena,
                              struct err *err)
{
    struct kafka_record record = {0};
    const struct dlq_scan *scan = &replay->scan;
    enum topic_role class =
        topic_class_of(letter->trail.first_topic, replay->cli->settings.topic_prefix, scan->worker);
    TRY(dead_letter_redrive(message, replay->jobs_topics[class].text,
                            (int)replay->options->redrive_max, arena, &record, err));
    return redrive_send(&replay->redrive, message, &record, err);
}

static enum outcome set_aside(struct replay *replay, const struct kafka_message *message,
                              struct arena *arena, struct err *err)
{
    struct kafka_record record = {0};
    if (replay->options->filter.quarantined) /* it is there already */
        return redrive_pass(&replay->redrive, message, true, err);
    TRY(dead_letter_set_aside(message, replay->quarantine_topic.text, arena, &record, err));
    return redrive_send(&replay->redrive, message, &record, err);
}

static enum outcome act(struct replay *replay, struct batch *batch, size_t i, struct err *err)
{
    const struct replay_options *options = replay->options;
    const struct kafka_message *message = &batch->messages[i];
    const struct dead_letter *letter = &batch->letters[i];
    enum fate fate = dlq_filter_holds(replay->cli, &options->filter, letter)
                         ? dlq_fate(letter, &batch->known[i], options->redrive_max)
                         : FATE_LEFT;
    replay->looked_at++;
    if (fate == FATE_SENT && !options->dry_run)
        TRY(send_back(replay, message, letter, &batch->arena, err));
    else if (fate == FATE_QUARANTINE && !options->dry_run)
        TRY(set_aside(replay, message, &batch->arena, err));
    else
        TRY(redrive_pass(&replay->redrive, message, fate == FATE_LEFT, err));
    replay_report_count(&replay->report, letter, fate);
    out_progress_set(&replay->progress, replay->looked_at, replay->report.counts[FATE_SENT]);
    return OUTCOME_OK;
}

/* ---- batches ---- */

static void empty(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        kafka_message_done(&batch->messages[i]);
    batch->count = 0;
    arena_done(&batch->arena);
    arena_init(&batch->arena, BATCH_ARENA_BYTES);
}

/* What is there now, at least one letter unless nothing came. */
static enum outcome fill(struct replay *replay, struct batch *batch, struct err *err)
{
    size_t bytes = 0;
    while (batch->count < BATCH_MAX && bytes < BATCH_BYTES) {
        struct kafka_message *message = &batch->messages[batch->count];
        TRY(dlq_scan_next(&replay->scan, batch->count == 0 ? POLL_MS : 0, message, err));
        if (message->native == NULL)
            return OUTCOME_OK;
        bytes += message->value.len;
        batch->count++; /* now it is freed with the batch */
        TRY(dead_letter_read(message, &batch->arena, &batch->letters[batch->count - 1], err));
    }
    return OUTCOME_OK;
}

static bool is_enough(const struct replay *replay)
{
    int64_t limit = replay->options->limit;
    return limit > 0 && replay->report.counts[FATE_SENT] >= limit;
}

static enum outcome run_batch(struct replay *replay, struct batch *batch, struct err *err)
{
    TRY(fill(replay, batch, err));
    if (batch->count > 0)
        TRY(dlq_known_ask(replay->hub->db, batch->letters, batch->count, &batch->arena,
                          batch->known, err));
    for (size_t i = 0; i < batch->count && !is_enough(replay); i++)
        TRY(act(replay, batch, i, err));
    return redrive_settle(&replay->redrive, 0, err);
}

/* Who names a job wants that one back: nothing done is no success. */
static enum outcome check_named(const struct replay *replay, struct err *err)
{
    const char *job = replay->options->filter.job;
    int64_t found = replay->looked_at - replay->report.counts[FATE_LEFT];
    if (job == NULL || found > 0)
        return OUTCOME_OK;
    (void)FAIL(err, OUTCOME_PERMANENT, "dlq.missing", "no dead letter of job %.64s in %s%s", job,
               replay->scan.topic, replay->options->from_start ? "" : " that earlier replays left");
    return err_hint(err,
                    "haul show %.64s says what became of it; there are also --from-start, "
                    "--quarantined and --worker",
                    job);
}

static enum outcome run_batches(struct replay *replay, struct err *err)
{
    struct batch *batch = ARENA_NEW(&replay->cli->arena, struct batch);
    TRY_ALLOC(batch, err);
    arena_init(&batch->arena, BATCH_ARENA_BYTES);
    enum outcome outcome = OUTCOME_OK;
    while (outcome == OUTCOME_OK && replay->scan.left > 0 && !is_enough(replay)) {
        outcome = run_batch(replay, batch, err);
        empty(batch);
    }
    arena_done(&batch->arena);
    /* What is on its way is still waited for and committed, whatever broke the rest off. */
    struct err late = {0};
    if (redrive_drain(&replay->redrive, &late) != OUTCOME_OK && outcome == OUTCOME_OK) {
        *err = late;
        outcome = late.outcome;
    }
    return outcome == OUTCOME_OK ? check_named(replay, err) : outcome;
}

/* ---- the whole ---- */

static void write_time(struct jwrite *w, const char *name, int64_t us)
{
    char text[CLOCK_TEXT_SIZE];
    jwrite_member_text(w, name, us == 0 ? NULL : clock_format(us, text));
}

/* Who and when are the audit log's own columns. `failure` NULL: none yet. */
static enum outcome audit(struct replay *replay, const char *action, const struct err *failure,
                          struct err *err)
{
    const struct replay_options *options = replay->options;
    const struct dlq_filter *filter = &options->filter;
    STR_AUTO struct str detail = str_with_max(STR_MAX_DEFAULT);
    struct jwrite w = jwrite_to(&detail);
    if (options->dry_run)
        return OUTCOME_OK;
    jwrite_open_object(&w);
    jwrite_member_text(&w, "worker", filter->worker);
    jwrite_member_bool(&w, "quarantined", filter->quarantined);
    jwrite_member_text(&w, "class", filter->class);
    jwrite_member_text(&w, "code", filter->code);
    jwrite_member_text(&w, "kind", filter->kind);
    jwrite_member_text(&w, "job", filter->job);
    write_time(&w, "since", filter->since_us);
    write_time(&w, "until", filter->until_us);
    jwrite_member_int(&w, "limit", options->limit);
    jwrite_member_int(&w, "rate", options->rate);
    jwrite_member_int(&w, "redrive_max", options->redrive_max);
    jwrite_member_text(&w, "failed_with", failure == NULL ? NULL : failure->code);
    jwrite_key(&w, "report");
    replay_report_write(&replay->report, &w);
    jwrite_close_object(&w);
    return hub_audit_add(replay->hub,
                         &(struct hub_audit){action, replay->cli->settings.workspace,
                                             replay->scan.topic, str_text(&detail)},
                         err);
}

static enum outcome run_audited(struct replay *replay, struct err *err)
{
    TRY(audit(replay, "dlq.replay", NULL, err));
    replay->progress =
        out_progress_begin(&replay->cli->out, "looked at", "put back", replay->scan.total);
    enum outcome outcome = run_batches(replay, err);
    out_progress_end(&replay->progress);
    struct err late = {0};
    if (audit(replay, "dlq.replay.end", outcome == OUTCOME_OK ? NULL : err, &late) != OUTCOME_OK &&
        outcome == OUTCOME_OK) {
        *err = late;
        return late.outcome;
    }
    return outcome;
}

/* A worker may do without the topics of a class. */
static void name_topics(struct replay *replay)
{
    const struct dlq_scan *scan = &replay->scan;
    const char *prefix = replay->cli->settings.topic_prefix;
    replay->quarantine_topic = topic_name_of(TOPIC_QUARANTINE, prefix, scan->worker, 0);
    for (enum topic_role role = TOPIC_JOBS; role <= TOPIC_BULK; role++) {
        struct topic_name name = topic_name_of(role, prefix, scan->worker, 0);
        bool is_there = kafka_cluster_find(&scan->cluster, name.text) != NULL;
        replay->jobs_topics[role] =
            is_there || role == TOPIC_JOBS ? name : replay->jobs_topics[TOPIC_JOBS];
    }
}

static enum outcome run_locked(struct replay *replay, struct err *err)
{
    const struct replay_options *options = replay->options;
    TRY(dlq_scan_open(&replay->scan, err));
    name_topics(replay);
    replay->report.before = replay->scan.before;
    enum outcome outcome =
        redrive_open(&replay->redrive, &replay->scan, options->rate, options->dry_run, err);
    if (outcome == OUTCOME_OK)
        outcome = run_audited(replay, err);
    redrive_close(&replay->redrive);
    dlq_scan_close(&replay->scan);
    TRY(outcome);
    return replay_report_print(&replay->report, &replay->cli->out, err);
}

static enum outcome run_replay(struct cli *cli, struct err *err)
{
    struct replay *replay = ARENA_NEW(&cli->arena, struct replay);
    TRY_ALLOC(replay, err);
    replay->cli = cli;
    replay->options = cli->options;
    replay->report =
        (struct replay_report){.arena = &cli->arena, .dry_run = replay->options->dry_run};
    const struct dlq_filter *filter = &replay->options->filter;
    const char *prefix = cli->settings.topic_prefix;
    TRY(cli_hub(cli, &replay->hub, err));
    const char *group = arena_printf(&cli->arena, "%sredrive.%s%s", prefix, filter->worker,
                                     filter->quarantined ? ".quarantine" : "");
    TRY_ALLOC(group, err);
    replay->scan = (struct dlq_scan){.cli = cli,
                                     .worker = filter->worker,
                                     .quarantined = filter->quarantined,
                                     .group = group,
                                     .from_start = replay->options->from_start};
    if (pgsql_lock(replay->hub->db, LOCK_KEY, LOCK_TIMEOUT_MS, err) != OUTCOME_OK)
        return err_hint(err, "another replay may be running: one at a time");
    enum outcome outcome = run_locked(replay, err);
    pgsql_unlock(replay->hub->db, LOCK_KEY);
    return outcome;
}

static const struct example replay_examples[] = {
    {"haul dlq replay --code 'connect.*' --dry-run", "What would be put back?"},
    {"haul dlq replay -w acme --code 'connect.*' --rate 5", "Put it back, five a second"},
    {"haul dlq replay --quarantined --job J --redrive-max 4", "Once more, out of the quarantine"},
    {NULL, NULL},
};

const struct command command_dlq_replay = {
    .name = "dlq replay",
    .args = "",
    .needs = NEEDS_HUB | NEEDS_KAFKA,
    .summary = "put dead letters back on their jobs topic",
    .doc = "Jobs keep their ids and bytes, and go back to the topic that they came by first, that "
           "of interactive or bulk jobs too; attempts begin at 1, the redrive count grows. It "
           "looks at what was there when it began, from the first letter that an earlier replay "
           "left: a letter that was not asked for is looked at again by every later one. A job "
           "that was put back already, by the hub's count, is passed over, so a replay that broke "
           "off is simply begun again. A job that was put back "
           "--redrive-max times and was given up each time is moved to the worker's quarantine: "
           "only a greater --redrive-max with --quarantined brings it back. With --job, exit "
           "status 3 when no letter of that job was found. The audit log keeps each replay: who, "
           "when, what was asked for, what became of it.",
    .options = &replay_table,
    .examples = replay_examples,
    .run = run_replay,
};
