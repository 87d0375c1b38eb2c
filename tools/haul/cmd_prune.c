/*
 * cmd_prune: deletes from the hub what has ended long ago.
 *
 * Small batches, each a transaction of its own: nothing waits for it, and one that is broken off
 * has done a part. What it may delete is decided by the hub's functions (schemas/hub).
 */
#include "base/clock.h"
#include "base/num.h"
#include "commands.h"
#include "run/topics.h"

#define MS_PER_DAY INT64_C(86400000)
#define DAYS_MAX 36500
/* The retention that `haul topics create` gives to the topics that can bring a job back. */
#define WORKER_ANY "any"

struct prune_options {
    int64_t jobs_days, runs_days, audit_days, batch;
    bool dry_run, force;
};
static const struct field prune_fields[] = {
    {.name = "jobs_days",
     .type = FIELD_INT,
     .min = 0,
     .max = DAYS_MAX,
     .default_text = "0",
     .unit = "days",
     .offset = offsetof(struct prune_options, jobs_days),
     .doc = "Deletes jobs that ended before so many days, with their cancels and dedupe keys; 0 = "
            "none."},
    {.name = "runs_days",
     .type = FIELD_INT,
     .min = 0,
     .max = DAYS_MAX,
     .default_text = "0",
     .unit = "days",
     .offset = offsetof(struct prune_options, runs_days),
     .doc = "Deletes runs of before so many days, with receipts and quarantined rows, but the last "
            "run of each sync; 0 = none."},
    {.name = "audit_days",
     .type = FIELD_INT,
     .min = 0,
     .max = DAYS_MAX,
     .default_text = "0",
     .unit = "days",
     .offset = offsetof(struct prune_options, audit_days),
     .doc = "Deletes the audit log's lines of before so many days; needs the hub's owner, as haul "
            "migrate does; 0 = none."},
    {.name = "batch",
     .type = FIELD_INT,
     .min = 1,
     .max = 100000,
     .default_text = "1000",
     .unit = "rows",
     .offset = offsetof(struct prune_options, batch),
     .doc = "Rows that one transaction deletes."},
    {.name = "dry_run",
     .type = FIELD_BOOL,
     .default_text = "false",
     .offset = offsetof(struct prune_options, dry_run),
     .doc = "Counts only."},
    {.name = "force",
     .type = FIELD_BOOL,
     .default_text = "false",
     .offset = offsetof(struct prune_options, force),
     .doc = "Deletes jobs that Kafka may still deliver again; they are then done again."},
};
static const struct field_table prune_table = {
    "prune", NULL, prune_fields, FIELDS_COUNT(prune_fields), sizeof(struct prune_options)};

/* What is pruned: $1 = before; the function takes $2 = how many at most. */
static const struct part {
    const char *name, *doc;
    size_t days_offset;
    const char *count_sql, *delete_sql;
} parts[] = {
    {"jobs", "jobs that ended", offsetof(struct prune_options, jobs_days),
     "SELECT count(*) FROM haul.ledger l WHERE l.created_at < $1::timestamptz"
     " AND haul.is_job_old(l, $1::timestamptz)",
     "SELECT haul.prune_jobs($1::timestamptz, $2::integer)"},
    {"cancels", "cancels of jobs that never came", offsetof(struct prune_options, jobs_days),
     "SELECT count(*) FROM haul.cancels c WHERE c.asked_at < $1::timestamptz"
     " AND NOT EXISTS (SELECT FROM haul.ledger l WHERE l.job_id = c.job_id)",
     "SELECT haul.prune_cancels($1::timestamptz, $2::integer)"},
    {"dedupes", "dedupe keys", offsetof(struct prune_options, jobs_days),
     "SELECT count(*) FROM haul.dedupes"
     " WHERE until_us < extract(epoch FROM $1::timestamptz) * 1000000",
     "SELECT haul.prune_dedupes($1::timestamptz, $2::integer)"},
    {"runs", "runs, with receipts and quarantined rows", offsetof(struct prune_options, runs_days),
     "SELECT count(*) FROM haul.runs r WHERE r.started_at < $1::timestamptz"
     " AND haul.is_run_old(r, $1::timestamptz)",
     "SELECT haul.prune_runs($1::timestamptz, $2::integer)"},
    {"audit", "lines of the audit log", offsetof(struct prune_options, audit_days),
     "SELECT count(*) FROM haul.audit_log WHERE at < $1::timestamptz",
     "SELECT haul.prune_audit($1::timestamptz, $2::integer)"},
};
#define PARTS_COUNT FIELDS_COUNT(parts)

struct prune {
    struct cli *cli;
    const struct prune_options *options;
    const struct hub *hub;
    char before[PARTS_COUNT][CLOCK_TEXT_SIZE];
    int64_t counts[PARTS_COUNT];
};

static int64_t days_of(const struct prune *prune, size_t part)
{
    return *(const int64_t *)((const char *)prune->options + parts[part].days_offset);
}

/* ---- is it safe? ---- */

static int64_t longest_retention_ms(void)
{
    struct topic topics[TOPICS_COUNT];
    int64_t longest = 0;
    topics_of_worker("", WORKER_ANY, 0, 0, topics);
    for (size_t i = 0; i < TOPICS_COUNT; i++) {
        const struct kafka_topic_spec *spec = &topics[i].spec;
        for (size_t k = 0; topics[i].role != TOPIC_EVENTS && k < spec->setting_count; k++) {
            const char *value = spec->settings[k].value;
            int64_t ms = 0;
            if (strcmp(spec->settings[k].name, "retention.ms") == 0 &&
                num_parse_i64(value, strlen(value), &ms))
                longest = num_max_i64(longest, ms);
        }
    }
    return longest;
}

static enum outcome check(const struct prune_options *options, struct err *err)
{
    int64_t kept_days = longest_retention_ms() / MS_PER_DAY;
    if (options->jobs_days == 0 && options->runs_days == 0 && options->audit_days == 0) {
        (void)USAGE(err, "nothing to prune was named");
        return err_hint(err, "haul prune --jobs-days 90 --runs-days 365 --dry-run");
    }
    if (options->jobs_days == 0 || options->jobs_days > kept_days || options->force)
        return OUTCOME_OK;
    (void)USAGE(err,
                "Kafka keeps jobs and dead letters for up to %lld days; a job that is "
                "delivered again after its row is gone is done again",
                (long long)kept_days);
    return err_hint(err, "--jobs-days %lld or more; --force when your topics are kept for less",
                    (long long)kept_days + 1);
}

/* ---- doing it ---- */

static enum outcome count_part(struct prune *prune, size_t part, struct err *err)
{
    PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
    TRY(pgsql_query(prune->hub->db, parts[part].count_sql, PGSQL_PARAMS(prune->before[part]),
                    &result, err));
    prune->counts[part] = pgsql_i64(result, 0, 0, 0);
    return OUTCOME_OK;
}

static enum outcome delete_part(struct prune *prune, size_t part, struct err *err)
{
    int64_t gone = 0;
    do {
        PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
        TRY(pgsql_query(prune->hub->db, parts[part].delete_sql,
                        PGSQL_PARAMS(prune->before[part], PGSQL_INT(prune->options->batch)),
                        &result, err));
        gone = pgsql_i64(result, 0, 0, 0);
        prune->counts[part] += gone;
    } while (gone > 0);
    return OUTCOME_OK;
}

static void write_counts(const struct prune *prune, struct jwrite *w)
{
    jwrite_open_object(w);
    jwrite_member_bool(w, "dry_run", prune->options->dry_run);
    for (size_t i = 0; i < PARTS_COUNT; i++) {
        if (days_of(prune, i) == 0)
            continue;
        jwrite_key(w, parts[i].name);
        jwrite_open_object(w);
        jwrite_member_text(w, "before", prune->before[i]);
        jwrite_member_int(w, "count", prune->counts[i]);
        jwrite_close_object(w);
    }
    jwrite_close_object(w);
}

static enum outcome audit(const struct prune *prune, struct err *err)
{
    STR_AUTO struct str detail = str_with_max(STR_MAX_DEFAULT);
    struct jwrite w = jwrite_to(&detail);
    write_counts(prune, &w);
    return hub_audit_add(prune->hub, &(struct hub_audit){"prune", NULL, NULL, str_text(&detail)},
                         err);
}

static enum outcome prune_parts(struct prune *prune, struct err *err)
{
    for (size_t i = 0; i < PARTS_COUNT; i++) {
        if (days_of(prune, i) == 0)
            continue;
        (void)clock_format(clock_wall_us() - days_of(prune, i) * MS_PER_DAY * US_PER_MS,
                           prune->before[i]);
        TRY(prune->options->dry_run ? count_part(prune, i, err) : delete_part(prune, i, err));
    }
    return OUTCOME_OK;
}

static void print(struct prune *prune)
{
    struct out *out = &prune->cli->out;
    char count[HUMAN_SIZE];
    if (out->json) {
        struct jwrite w = out_json(out);
        write_counts(prune, &w);
        out_json_end(out);
        return;
    }
    for (size_t i = 0; i < PARTS_COUNT; i++) {
        if (days_of(prune, i) > 0)
            out_addf(out, "%12s  %s before %.19s%s\n", human_count(prune->counts[i], count),
                     parts[i].doc, prune->before[i],
                     prune->options->dry_run ? " would be deleted" : " deleted");
    }
}

static enum outcome run(struct cli *cli, struct err *err)
{
    struct prune prune = {.cli = cli, .options = cli->options};
    TRY(check(prune.options, err));
    TRY(cli_hub(cli, &prune.hub, err));
    enum outcome outcome = prune_parts(&prune, err);
    struct err late = {0};
    /* Also of a prune that broke off: a part of it is done. */
    if (!prune.options->dry_run && audit(&prune, &late) != OUTCOME_OK && outcome == OUTCOME_OK) {
        *err = late;
        outcome = late.outcome;
    }
    TRY(outcome);
    print(&prune);
    return OUTCOME_OK;
}

static const struct example examples[] = {
    {"haul prune --jobs-days 90 --runs-days 365 --dry-run", "How much would go?"},
    {"haul prune --jobs-days 90 --runs-days 365", "Once a day, from cron"},
    {"HAUL_HUB_URL=postgresql://admin@db/haul haul prune --audit-days 730", "As the hub's owner"},
    {NULL, NULL},
};

const struct command command_prune = {
    .name = "prune",
    .args = "",
    .needs = NEEDS_HUB,
    .summary = "delete ended jobs, runs and receipts of long ago from the hub",
    .doc =
        "Jobs that are not ended, and the last run of each sync, always stay. A job's row is what "
        "makes a second delivery harmless: it must outlive every record of the job, so jobs are "
        "kept for longer than Kafka keeps dead letters. Batches are transactions of their own; a "
        "prune that is broken off is simply begun again. The audit log keeps each.",
    .options = &prune_table,
    .examples = examples,
    .run = run,
};
