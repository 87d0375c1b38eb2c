/* jobs: what the world knows of each job, and how its services are reached; see world.h. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

struct job jobs[JOBS_MAX];
int job_count;

struct job *job_find(const char *id)
{
    if (id == NULL || (id[0] != 'j' && id[0] != 'x'))
        return NULL;
    long number = strtol(id + 1, NULL, 10);
    return number >= 1 && number <= job_count ? &jobs[number - 1] : NULL;
}

struct job *job_make_child(void)
{
    if (job_count == JOBS_MAX)
        violation(NULL, "too many jobs", "%d", JOBS_MAX);
    struct job *job = &jobs[job_count++];
    *job = (struct job){.number = job_count,
                        .kind = KIND_CHILD,
                        .how = chance(900000) ? HOW_ANY : HOW_OK,
                        .work_us = dice_between(0, scenario.work_max_us)};
    (void)snprintf(job->id, sizeof job->id, "j%d", job->number);
    return job;
}

static struct job *find_after(struct slice value, const char *mark)
{
    const char *at = memmem(value.data, value.len, mark, strlen(mark));
    char id[JOB_ID_SIZE] = "";
    if (at == NULL)
        return NULL;
    at += strlen(mark);
    for (size_t i = 0;
         i + 1 < sizeof id && at + i < value.data + value.len && at[i] != '"' && at[i] != ':'; i++)
        id[i] = at[i];
    return job_find(id);
}

struct job *job_of_value(struct slice value)
{
    struct job *job = find_after(value, "\"id\":\"");
    return job != NULL ? job : find_after(value, "junk ");
}

bool job_is_settled(const struct job *job)
{
    if (job->kind == KIND_JUNK)
        return job->dead_letters > 0;
    if (job->kind == KIND_IDEMPOTENT)
        return job->told[EVENT_SUCCEEDED] > 0 ||
               (job->told[EVENT_DEAD_LETTERED] > 0 && job->dead_letters > 0) ||
               job->told[EVENT_CANCELLED] > 0;
    if (job->row.state != ROW_ENDED)
        return false;
    int life = job->row.redrive_count;
    if (job->row.end == EVENT_DEAD_LETTERED)
        return job->told_dead[life] > 0 && job->letters[life] > 0;
    return job->told[job->row.end] > 0;
}

/* ---- services ---- */

struct service hub_service = {.name = "hub", .number = 0, .code = "hub.unreachable"};
struct service redis_service = {.name = "redis", .number = 1, .code = "redis.unreachable"};
struct service broker_service = {.name = "broker", .number = 2, .code = "kafka.unreachable"};

int64_t latency_us(void)
{
    return chance(scenario.calm ? 0 : scenario.call_slow) ? dice_span(10 * MS, 3 * SECOND)
                                                          : dice_span(100, 3 * MS);
}

/* Its clock is set by a quick answer: none that was long on its way because it stood still. */
bool is_in_time(void)
{
    const struct process *process = process_now();
    return process->knows_time && process->stops == 0 && scenario.pause_ppm == 0;
}

static void on_continue(void *arg, uint64_t stops)
{
    struct process *process = arg;
    if (process->stops == stops)
        process_continue(process);
}

void stop_for_a_while(struct process *process)
{
    if (process == NULL || process->is_stopped || !process->is_alive)
        return;
    process_stop(process);
    plan_at(world_us + dice_span(200 * MS, 15 * SECOND), on_continue, process, process->stops);
}

void mishap_here(void)
{
    struct process *process = process_now();
    if (process == NULL || scenario.calm)
        return;
    if (chance(scenario.call_stops)) {
        stop_for_a_while(process);
        fiber_sleep(1);
    }
    if (chance(scenario.call_kills) && process_count < PROCESSES_MAX / 2)
        process_kill(process);
}

static enum outcome fail(const struct service *service, const char *how, struct err *err)
{
    trace(service->name, "%s", how);
    return FAIL(err, OUTCOME_RETRY, service->code, "the %s is gone", service->name);
}

bool service_is_away(const struct service *service, const struct process *process)
{
    return service->is_down ||
           (process != NULL && world_us < process->cut_until_us[service->number]);
}

void service_cut(const struct service *service, struct process *process, int64_t for_us)
{
    process->cuts++;
    process->cut_until_us[service->number] = world_us + for_us;
    trace_of(process, "process", "CUT OFF from the %s for %.3f s", service->name,
             (double)for_us / (double)SECOND);
}

static int64_t breaks_of(const struct service *service)
{
    return service->downs + (process_now() == NULL ? 0 : process_now()->cuts);
}

enum outcome service_reach(struct service *service, struct err *err)
{
    mishap_here();
    fiber_sleep(latency_us());
    if (!service_is_away(service, process_now()))
        return OUTCOME_OK;
    fiber_sleep(dice_span(MS, 2 * SECOND));
    return fail(service, "not reached", err);
}

enum outcome service_return(struct service *service, struct err *err)
{
    int64_t breaks = breaks_of(service);
    fiber_sleep(latency_us());
    mishap_here();
    if (breaks_of(service) != breaks || (!scenario.calm && chance(scenario.lost_reply)))
        return fail(service, "done, but the answer is lost", err);
    return OUTCOME_OK;
}

static void on_up(void *arg, uint64_t downs)
{
    struct service *service = arg;
    if ((int64_t)downs != service->downs)
        return;
    service->is_down = false;
    trace(service->name, "UP");
    fiber_wake_all(service);
}

void service_down(struct service *service, int64_t for_us)
{
    service->is_down = true;
    service->downs++;
    trace(service->name, "DOWN for %.3f s", (double)for_us / (double)SECOND);
    plan_at(world_us + for_us, on_up, service, (uint64_t)service->downs);
}
