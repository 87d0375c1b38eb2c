/* nemesis: who does the harm, puts dead letters back, and starts again what ended; see world.h. */
#include "run/cancel.h"

#include "broker.h"

#include <stdio.h>
#include <stdlib.h>

#define RESTART_MAX_US (5 * SECOND)

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
    letter->record = (struct kafka_record){.topic = "haul.jobs." WORKER_NAME,
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

/* One worker reaches it no more, the others do. */
static void do_cut(void)
{
    const struct service *const services[] = {&hub_service, &redis_service, &broker_service};
    const struct service *service = services[dice(3)];
    struct process *process = someone();
    if (process == NULL)
        return;
    service_cut(service, process, dice_span(50 * MS, 8 * SECOND));
    group_sees_silence(process);
}

static void do_forget(void)
{
    if (chance(500000))
        redis_flush();
    else
        redis_fail_over();
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
    {do_forget, offsetof(struct scenario, flush_s)},
    {hub_crash, offsetof(struct scenario, hub_s)},
    {do_cancel, offsetof(struct scenario, cancel_s)},
    {do_clock, offsetof(struct scenario, clock_s)},
    {group_disturb, offsetof(struct scenario, member_s)},
    {outside_disturb, offsetof(struct scenario, outside_s)},
    {do_cut, offsetof(struct scenario, cut_s)},
    {group_forget, offsetof(struct scenario, forget_s)},
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
    for (int i = 0; i < process_count; i++) {
        memset(processes[i].cut_until_us, 0, sizeof processes[i].cut_until_us);
        process_continue(&processes[i]);
    }
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
