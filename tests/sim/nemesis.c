/* nemesis: who sends the jobs, does the harm, and starts again what ended; see world.h. */
#include "base/clock.h"
#include "run/cancel.h"

#include "broker.h"

#include <stdio.h>
#include <stdlib.h>

#define RESTART_MAX_US (5 * SECOND)

/* ---- jobs ---- */

static const char *const topics_of_jobs[] = {"haul.jobs." WORKER_NAME,
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
    (void)snprintf(job->id, sizeof job->id, "%c%d", job->kind == KIND_JUNK ? 'x' : 'j', number);
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
                   job->order_key > 0 ? 0 : job->number % 3, (long long)job->work_us, job->needs,
                   more);
    if (job->kind == KIND_JUNK)
        (void)snprintf(text, sizeof text, "junk %s\"", job->id);
    struct kafka_record record = {.topic = job->order_key > 0 ? topics_of_jobs[0]
                                                              : topics_of_jobs[dice(5) % 3],
                                  .key = slice_of(key),
                                  .value = slice_of(text)};
    job->is_produced = true;
    (void)broker_append(&record);
}

void produce_jobs(void)
{
    job_count = scenario.job_count;
    int64_t at_us = 0;
    for (int i = 0; i < job_count; i++) {
        make_job(&jobs[i], i + 1);
        at_us += dice_span(10, 2 * scenario.produce_us / job_count);
        plan_at(at_us, produce, &jobs[i], 0);
    }
}

static bool is_over; /* all are asked to end */

/* ---- an operator, as `haul dlq replay` does it ---- */

struct letter {
    struct job *job;
    struct kafka_record record;
    struct kafka_header *headers;
    char count[12];
    int life;
};

static void put_back(void *arg, uint64_t token)
{
    struct letter *letter = arg;
    struct job *job = letter->job;
    (void)token;
    bool is_dead = job->row.state == ROW_ENDED && job->row.end == EVENT_DEAD_LETTERED;
    if (is_over || !is_dead || job->row.redrive_count > letter->life)
        return;
    job->put_back = letter->life + 1;
    trace("operator", "puts %s back", job->id);
    (void)broker_append(&letter->record);
    if (chance(scenario.record_twice))
        (void)broker_append(&letter->record);
}

void nemesis_sees_letter(const struct record *from, int life)
{
    enum job_kind_number kind = from->job->kind;
    bool may = (kind == KIND_FREE || kind == KIND_ORDERED || kind == KIND_PARENT) &&
               from->job->how != HOW_KILL && life + 2 < LIVES_MAX;
    if (!may || scenario.calm || !chance(scenario.put_back))
        return;
    struct letter *letter = calloc(1, sizeof *letter);
    struct kafka_header *headers = calloc(from->header_count + 1, sizeof *headers);
    size_t count = 0;
    if (letter == NULL || headers == NULL)
        abort();
    *letter = (struct letter){.job = from->job, .headers = headers, .life = life};
    for (size_t i = 0; i < from->header_count; i++) {
        const char *name = from->headers[i].name;
        if (strcmp(name, HEADER_REDRIVES) != 0 && strcmp(name, HEADER_ATTEMPT) != 0 &&
            strcmp(name, HEADER_NOT_BEFORE) != 0)
            headers[count++] = from->headers[i];
    }
    (void)snprintf(letter->count, sizeof letter->count, "%d", life + 1);
    headers[count++] = (struct kafka_header){HEADER_REDRIVES, slice_of(letter->count)};
    letter->record = (struct kafka_record){.topic = topics_of_jobs[0],
                                           .partition = -1,
                                           .key = from->key,
                                           .value = from->value,
                                           .headers = headers,
                                           .header_count = count};
    plan_at(world_us + dice_span(MS, 5 * SECOND), put_back, letter, 0);
}

/* ---- harm ---- */

static struct process *someone(void)
{
    return process_at((int)dice((uint64_t)scenario.process_count));
}

static void do_kill(void)
{
    struct process *process = someone();
    if (process != NULL && process_count < PROCESSES_MAX / 2)
        process_kill(process);
}

static void do_term(void)
{
    struct process *process = someone();
    if (process != NULL && process_count < PROCESSES_MAX / 2)
        process_ask_stop(process);
}

static void do_stop(void)
{
    stop_for_a_while(someone());
}

/* Its wall clock jumps; what it was before does not matter. */
static void do_clock(void)
{
    struct process *process = someone();
    if (process == NULL)
        return;
    process->wall_offset_us = dice_between(-3600, 3600) * SECOND;
    trace_of(process, "clock", "is off by %lld s now",
             (long long)(process->wall_offset_us / SECOND));
}

static void do_broker(void)
{
    service_down(&broker_service, dice_span(50 * MS, 8 * SECOND));
}

static void do_redis(void)
{
    service_down(&redis_service, dice_span(50 * MS, 8 * SECOND));
}

static void *cancel(void *arg)
{
    struct job *job = arg;
    struct arena arena;
    struct err err = {0};
    enum ledger_cancel_verdict verdict;
    struct cancel_services services = {.redis = (void *)job, /* any: it is never looked at */
                                       .topic_prefix = "haul."};
    struct ledger_cancel request = {.job_id = job->id, .actor = "nemesis"};
    arena_init(&arena, 1 << 20);
    /* Whoever asks goes on asking until there is an answer. */
    while (cancel_job(&services, &request, &arena, &verdict, &err) != OUTCOME_OK)
        fiber_sleep(dice_span(100 * MS, 2 * SECOND));
    arena_done(&arena);
    return NULL;
}

static void do_cancel(void)
{
    struct job *job = &jobs[dice((uint64_t)job_count)];
    if (job->is_produced && job->kind != KIND_JUNK && job->kind != KIND_IDEMPOTENT)
        (void)fiber_start(NULL, "cancel", cancel, job);
}

static const struct harm {
    void (*act)(void);
    size_t every; /* offset of its rate in the scenario */
} harms[] = {
    {do_kill, offsetof(struct scenario, kill_s)},
    {do_term, offsetof(struct scenario, term_s)},
    {do_stop, offsetof(struct scenario, stop_s)},
    {do_broker, offsetof(struct scenario, broker_s)},
    {do_redis, offsetof(struct scenario, redis_s)},
    {redis_flush, offsetof(struct scenario, flush_s)},
    {hub_crash, offsetof(struct scenario, hub_s)},
    {do_cancel, offsetof(struct scenario, cancel_s)},
    {do_clock, offsetof(struct scenario, clock_s)},
    {group_disturb, offsetof(struct scenario, member_s)},
    {outside_disturb, offsetof(struct scenario, outside_s)},
};

static void on_harm(void *arg, uint64_t token);

static void plan_harm(const struct harm *harm)
{
    double every_s = *(const double *)(const void *)((const char *)&scenario + harm->every);
    if (every_s > 0)
        plan_at(world_us + dice_between(MS, (int64_t)(2 * every_s * (double)SECOND)), on_harm,
                (void *)(uintptr_t)harm, 0);
}

static void on_harm(void *arg, uint64_t token)
{
    const struct harm *harm = arg;
    (void)token;
    if (scenario.calm)
        return;
    harm->act();
    plan_harm(harm);
}

/* ---- calm ---- */

static void on_calm(void *arg, uint64_t token)
{
    (void)arg;
    (void)token;
    trace("world", "the faults are over");
    scenario.calm = true;
    fiber_set_rates(scenario.switch_every, 0);
    for (int i = 0; i < process_count; i++)
        process_continue(&processes[i]);
}

/* ---- starting, and starting again ---- */

static void on_start(void *arg, uint64_t place)
{
    (void)arg;
    if (process_at((int)place) == NULL && !is_over) {
        struct process *process = process_start((int)place, worker_process);
        if (scenario.clock_s > 0 && chance(500000))
            process->wall_offset_us = dice_between(-3600, 3600) * SECOND;
    }
}

static void on_process(struct process *process)
{
    if (!process->is_alive)
        plan_at(world_us + dice_span(10 * MS, RESTART_MAX_US), on_start, NULL,
                (uint64_t)process->place);
}

void nemesis_retire(void)
{
    is_over = true;
    for (int i = 0; i < process_count; i++)
        process_ask_stop(&processes[i]);
}

void nemesis_start(void)
{
    process_watch(on_process);
    for (int i = 0; i < scenario.process_count; i++)
        plan_at(dice_span(1, SECOND), on_start, NULL, (uint64_t)i);
    for (size_t i = 0; i < FIELDS_COUNT(harms); i++)
        plan_harm(&harms[i]);
    plan_at(scenario.faults_us, on_calm, NULL, 0);
}
