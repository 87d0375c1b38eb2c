/* cmd_topics: makes the topics of the workers. */
#include "base/clock.h"
#include "commands.h"
#include "kinds.h"
#include "run/topics.h"

#define NEW_MAX ((size_t)WORKERS_MAX * TOPICS_COUNT)
#define SEEN_EVERY_US (100 * US_PER_MS)

struct topics_options {
    int64_t partitions, replication;
    bool dry_run;
};
static const struct field topics_fields[] = {
    {.name = "partitions",
     .type = FIELD_INT,
     .min = 0,
     .max = 10000,
     .default_text = "0",
     .offset = offsetof(struct topics_options, partitions),
     .doc = "Of each jobs topic and of events: the most workers that share one; 0 = 12."},
    {.name = "replication",
     .type = FIELD_INT,
     .min = 0,
     .max = 100,
     .default_text = "0",
     .offset = offsetof(struct topics_options, replication),
     .doc = "Copies of each record; 0 = the broker's default. Use 3 where there are 3 brokers."},
    {.name = "dry_run",
     .type = FIELD_BOOL,
     .default_text = "false",
     .offset = offsetof(struct topics_options, dry_run),
     .doc = "Says what would be made."},
};
static const struct field_table topics_table = {"topics create", NULL, topics_fields,
                                                FIELDS_COUNT(topics_fields),
                                                sizeof(struct topics_options)};

struct plan {
    struct cli *cli;
    struct kafka_admin *admin;
    struct kafka_cluster cluster;
    struct sheet sheet;
    struct topic_name new_names[NEW_MAX];
    size_t new_count;
};

static enum outcome plan_worker(struct plan *plan, const char *worker, struct err *err)
{
    const struct topics_options *options = plan->cli->options;
    struct topic topics[TOPICS_COUNT];
    topics_of_worker(plan->cli->settings.topic_prefix, worker, (int32_t)options->partitions,
                     (int32_t)options->replication, topics);
    for (size_t i = 0; i < TOPICS_COUNT; i++) {
        struct topic *topic = &topics[i];
        topic->spec.name = topic->name.text;
        const struct kafka_topic *there = kafka_cluster_find(&plan->cluster, topic->name.text);
        if (there == NULL && !options->dry_run) {
            TRY(kafka_admin_create_topics(plan->admin, &topic->spec, 1,
                                          plan->cli->settings.timeout_ms, err));
            if (plan->new_count < NEW_MAX)
                plan->new_names[plan->new_count++] = topic->name;
        }
        SHEET_ROW(&plan->sheet, topic->name.text, there == NULL ? "true" : "false",
                  SHEET_I64(there == NULL ? topic->spec.partitions : there->partitions),
                  topic->doc);
    }
    return OUTCOME_OK;
}

static enum outcome plan_workers(struct plan *plan, struct err *err)
{
    const char *all[WORKERS_MAX];
    kind_workers(all);
    for (size_t i = 0; i < plan->cli->arg_count; i++) {
        bool is_known = false;
        for (size_t k = 0; all[k] != NULL; k++)
            is_known = is_known || strcmp(all[k], plan->cli->args[i]) == 0;
        if (!is_known) {
            (void)USAGE(err, "no worker is named \"%s\"", plan->cli->args[i]);
            return err_hint(err, "haul schema lists the kinds of jobs and their workers");
        }
        TRY(plan_worker(plan, plan->cli->args[i], err));
    }
    for (size_t i = 0; plan->cli->arg_count == 0 && all[i] != NULL; i++)
        TRY(plan_worker(plan, all[i], err));
    return OUTCOME_OK;
}

/* A broker answers before it knows a new topic everywhere: who comes next must find them. */
static enum outcome wait_for_topics(struct plan *plan, struct err *err)
{
    int64_t timeout_ms = plan->cli->settings.timeout_ms;
    int64_t end_us = clock_monotonic_us() + timeout_ms * US_PER_MS;
    for (size_t seen = 0; seen < plan->new_count;) {
        struct arena_mark mark = arena_snapshot(&plan->cli->arena);
        struct kafka_cluster cluster = {0};
        TRY(kafka_admin_describe(plan->admin, &plan->cli->arena, timeout_ms, &cluster, err));
        while (seen < plan->new_count && kafka_cluster_find(&cluster, plan->new_names[seen].text))
            seen++;
        if (seen < plan->new_count && clock_monotonic_us() > end_us)
            return FAIL(err, OUTCOME_RETRY, "topics.slow",
                        "topic %s was created, and is not to be seen yet",
                        plan->new_names[seen].text);
        arena_reset(&plan->cli->arena, mark);
        if (seen < plan->new_count)
            clock_sleep_us(SEEN_EVERY_US);
    }
    return OUTCOME_OK;
}

static enum outcome run_create(struct cli *cli, struct err *err)
{
    static const struct sheet_column columns[] = {
        {"topic", "TOPIC", SHEET_TEXT},
        {"created", "NEW", SHEET_BOOL},
        {"partitions", "PARTITIONS", SHEET_INT},
        {"doc", "WHAT", SHEET_TEXT},
    };
    struct plan plan = {.cli = cli};
    TRY(cli_admin(cli, &plan.admin, err));
    TRY(kafka_admin_describe(plan.admin, &cli->arena, cli->settings.timeout_ms, &plan.cluster,
                             err));
    plan.sheet = sheet_new(columns, FIELDS_COUNT(columns), "no topics", &cli->arena);
    TRY(plan_workers(&plan, err));
    TRY(wait_for_topics(&plan, err));
    if (plan.sheet.failed)
        return FAIL_NO_MEMORY(err);
    sheet_print(&plan.sheet, &cli->out);
    return OUTCOME_OK;
}

static const struct example create_examples[] = {
    {"haul topics create --partitions 12 --replication 3", "Those of all workers"},
    {"haul topics create sql-sync --dry-run", "What is missing for one?"},
    {NULL, NULL},
};

const struct command command_topics_create = {
    .name = "topics create",
    .args = "[WORKER...]",
    .args_max = -1,
    .needs = NEEDS_KAFKA,
    .summary = "make the topics that are missing",
    .doc = "For each worker its jobs, one topic for each delay of a retry, its dead letters; and "
           "the events of all. Topics that are there are left as they are.",
    .options = &topics_table,
    .examples = create_examples,
    .run = run_create,
};
