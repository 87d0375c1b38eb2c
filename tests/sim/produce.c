/* produce: the jobs of a seed, and their records; see world.h. */
#include "base/clock.h"

#include "broker.h"

#include <stdio.h>

#define CROWD_WORKSPACES 40
#define CROWD_FROM_US (5 * SECOND) /* all workers are there */

const char *const topics_of_jobs[] = {"haul.jobs." WORKER_NAME,
                                      "haul.jobs." WORKER_NAME ".interactive",
                                      "haul.jobs." WORKER_NAME ".bulk"};
static const char *const kind_names[] = {"free", "ordered", "idempotent", "", "parent"};

static void make_job(struct job *job, int number)
{
    *job = (struct job){.number = number,
                        .kind = (enum job_kind_number)(chance(scenario.ordered) ? KIND_ORDERED
                                                       : chance(850000)         ? KIND_FREE
                                                       : chance(800000)         ? KIND_IDEMPOTENT
                                                                                : KIND_JUNK),
                        .how = chance(850000) ? HOW_ANY : (enum job_how)dice_between(1, 4),
                        .work_us = chance(200000) ? 0 : dice_between(0, scenario.work_max_us)};
    if (scenario.is_outside_alone && number <= 4 && chance(700000))
        job->how = HOW_KILL; /* of those that a breaker holds */
    if (job->how == HOW_KILL && (number > 4 || job->kind == KIND_IDEMPOTENT))
        job->how = HOW_OK; /* an idempotent one would kill for ever */
    if (job->kind == KIND_FREE && chance(100000))
        job->dedupe_key = (int)dice_between(1, DEDUPE_KEYS);
    if (job->kind == KIND_FREE && chance(100000))
        job->planned_us = dice_span(10 * MS, 4 * SECOND);
    if (job->kind == KIND_FREE && job->dedupe_key == 0 && chance(scenario.parents))
        job->kind = KIND_PARENT;
    /* That of a parent is looked at in each of its records. */
    unsigned often = job->kind == KIND_PARENT ? 2 : 1;
    if (job->planned_us == 0 && job->kind != KIND_JUNK && chance(often * scenario.has_deadline))
        job->deadline_us = dice_span(50 * MS, 10 * SECOND);
    if (job->kind == KIND_ORDERED)
        job->order_key = (int)dice_between(1, scenario.key_count);
    bool has_row = job->kind == KIND_FREE || job->kind == KIND_ORDERED;
    if (has_row && chance(scenario.needy))
        job->needs = (int)dice_between(1, OUTSIDE_COUNT);
    if (job->needs != 0 && job->how == HOW_RETRY)
        job->how = HOW_ANY; /* it would hold the breaker open for ever */
    job->is_rated = has_row && chance(scenario.rated);
    job->workspace = job->order_key > 0 ? 0 : number % 3;
    (void)snprintf(job->id, sizeof job->id, "%c%d", job->kind == KIND_JUNK ? 'x' : 'j', number);
}

/* In a flood one job in eight is of a workspace that has no other; in one of bulk jobs all are
 * such. Else some of the interactive class are among many of the default one, which are of many
 * workspaces. */
static void make_crowded(struct job *job, int number)
{
    bool is_flood = scenario.crowd != CROWD_MANY;
    bool is_lone = is_flood ? chance(125000) : chance(60000);
    bool is_interactive = is_flood ? is_lone && chance(500000) : is_lone;
    int others = is_flood ? 1 : CROWD_WORKSPACES;
    *job = (struct job){.number = number,
                        .kind = KIND_FREE,
                        .how = HOW_OK,
                        .work_us = scenario.work_max_us,
                        .workspace = is_lone ? others + number : number % others,
                        .topic = topics_of_jobs[is_interactive]};
    if (scenario.crowd == CROWD_BULK_FLOOD)
        job->topic = topics_of_jobs[2];
    (void)snprintf(job->id, sizeof job->id, "j%d", number);
}

static void produce(void *arg, uint64_t token)
{
    struct job *job = arg;
    char text[512], subject[64] = "", more[160] = "", key[JOB_ID_SIZE], time[CLOCK_TEXT_SIZE];
    (void)token;
    (void)snprintf(key, sizeof key, "%s", job->id);
    if (job->order_key > 0) {
        (void)snprintf(key, sizeof key, "k%d", job->order_key);
        /* One in four can't be known at a glance. */
        (void)snprintf(subject, sizeof subject, "\"subject\":\"%s%d\",",
                       job->number % 4 == 3 ? "\\u006b" : "k", job->order_key);
    }
    if (job->dedupe_key > 0)
        (void)snprintf(more, sizeof more, ",\"dedupe_key\":\"d%d\",\"dedupe_window_s\":%d",
                       job->dedupe_key, (int)dice_between(1, 20));
    if (job->planned_us > 0) {
        job->planned_us += EPOCH_US + world_us;
        size_t len = strlen(more);
        (void)snprintf(more + len, sizeof more - len, ",\"not_before\":\"%s\"",
                       clock_format(job->planned_us, time));
    }
    if (job->deadline_us > 0) {
        job->deadline_us += EPOCH_US + world_us;
        size_t len = strlen(more);
        (void)snprintf(more + len, sizeof more - len, ",\"deadline\":\"%s\"",
                       clock_format(job->deadline_us, time));
    }
    (void)snprintf(text, sizeof text,
                   "{\"specversion\":\"1.0\",\"id\":\"%s\",\"type\":\"haul.job.%s.v1\","
                   "\"source\":\"/t\",%s\"data\":{\"workspace_id\":\"w%d\",\"work_us\":%lld,"
                   "\"needs\":%d%s}}",
                   job->id, job->kind == KIND_JUNK ? "" : kind_names[job->kind], subject,
                   job->workspace, (long long)job->work_us, job->needs, more);
    if (job->kind == KIND_JUNK)
        (void)snprintf(text, sizeof text, "junk %s\"", job->id);
    if (job->topic == NULL && job->order_key > 0)
        job->topic = topics_of_jobs[scenario.seed % 3 == 0 ? 2 : 0]; /* all of a key by one */
    else if (job->topic == NULL)
        job->topic = topics_of_jobs[dice(5) % 3];
    struct kafka_record record = {
        .topic = job->topic, .key = slice_of(key), .value = slice_of(text)};
    job->is_produced = true;
    job->produced_us = world_us;
    (void)broker_append(&record);
}

static void plan_jobs(void)
{
    int64_t at_us = 0, span_us = 2 * scenario.produce_us / job_count;
    for (int i = 0; i < job_count; i++) {
        make_job(&jobs[i], i + 1);
        at_us += dice_span(10, span_us);
        plan_at(at_us, produce, &jobs[i], 0);
    }
}

/* At once; those that may not wait come while the others do. */
static void plan_crowd(void)
{
    int64_t all_us = job_count * scenario.work_max_us / scenario.job_threads;
    for (int i = 0; i < job_count; i++) {
        make_crowded(&jobs[i], i + 1);
        int64_t more_us = fairness_is_urgent(&jobs[i]) ? (int64_t)dice((uint64_t)all_us / 2)
                                                       : (int64_t)dice(SECOND / 2);
        plan_at(CROWD_FROM_US + more_us, produce, &jobs[i], 0);
    }
}

void produce_jobs(void)
{
    job_count = scenario.job_count;
    if (scenario.crowd == CROWD_NONE)
        plan_jobs();
    else
        plan_crowd();
}
