/* worker: start, run, stop; see worker.h. */
#include "run/worker.h"

#include "base/clock.h"
#include "base/conf.h"
#include "base/log.h"
#include "run/dispatch.h"
#include "run/gate.h"
#include "run/health.h"
#include "run/heap.h"
#include "run/job_thread.h"
#include "run/poll.h"
#include "run/settler.h"
#include "run/signals.h"

#include "model/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONF_BYTES ((size_t)4 << 20)
#define BREAKERS_REFRESH_MS 500

extern char **environ;

/* ---- command line ---- */

static bool has_flag(int argc, char **argv, const char *flag)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], flag) == 0)
            return true;
    }
    return false;
}

static void print_help(const struct worker *worker, const struct field_table *table)
{
    struct str out STR_AUTO = str_with_max(STR_MAX_DEFAULT);
    str_addf(&out,
             "%s %s: %s\n\nUsage: %s [--NAME VALUE]... | --help | --version | --check-config\n\n",
             worker->name, worker->version, worker->doc, worker->name);
    conf_print_help(table, &out);
    str_add_text(&out, "\nJobs:\n");
    for (size_t i = 0; i < worker->kind_count; i++)
        str_addf(&out, "  haul.job.%s.v1  %s\n", worker->kinds[i].name, worker->kinds[i].doc);
    str_addf(
        &out,
        "\nExit status: %d stopped in good order, %d bad configuration, %d a broken invariant,\n"
        "%d stopped with jobs under way (they will be delivered again).\n",
        WORKER_EXIT_OK, WORKER_EXIT_CONFIG, WORKER_EXIT_BUG, WORKER_EXIT_UNDONE);
    (void)fputs(str_text(&out), stdout);
}

static int refuse(const struct err *err)
{
    (void)fprintf(stderr, "%s (%s)\n", err->message, err->code);
    if (err->hint[0] != '\0')
        (void)fprintf(stderr, "hint: %s\n", err->hint);
    return WORKER_EXIT_CONFIG;
}

struct configuration {
    struct arena arena;
    struct field_join table;
    char *values;
    struct run_conf *run;
};

static enum outcome configure(const struct worker *worker, int argc, char **argv,
                              struct configuration *c, struct err *err)
{
    c->values = arena_alloc(&c->arena, c->table.table.struct_size);
    TRY_ALLOC(c->values, err);
    /* --check-config stands beside the table's own options. */
    char **rest = ARENA_ARRAY(&c->arena, char *, (size_t)argc + 1);
    TRY_ALLOC(rest, err);
    int count = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--check-config") != 0)
            rest[count++] = argv[i];
    }
    struct conf_source source = {.argc = count, .argv = rest, .environ = environ};
    TRY(conf_load(&c->table.table, &source, &c->arena, c->values, err));
    c->run = (struct run_conf *)(void *)c->values;
    c->run->hub.application_name = arena_printf(&c->arena, "haul %s", worker->name);
    return run_conf_check(c->run, err);
}

/* ---- the process ---- */

static enum outcome prepare_kinds(struct runtime *rt, struct arena *arena, struct err *err)
{
    size_t count = rt->worker->kind_count;
    const char **names = ARENA_ARRAY(arena, const char *, count);
    rt->kinds = ARENA_ARRAY(arena, struct kind_entry, count);
    TRY_ALLOC(names, err);
    TRY_ALLOC(rt->kinds, err);
    for (size_t i = 0; i < count; i++) {
        rt->kinds[i].kind = &rt->worker->kinds[i];
        names[i] = rt->worker->kinds[i].name;
        TRY(job_data_table(rt->worker->kinds[i].payload, arena, &rt->kinds[i].table, err));
    }
    rt->metrics.worker = rt->worker->name;
    TRY(metrics_init(&rt->metrics, names, count, err));
    rt->metrics.version = rt->worker->version;
    return OUTCOME_OK;
}

static void name_topics(struct runtime *rt)
{
    const char *prefix = rt->conf->topic_prefix, *worker = rt->worker->name;
    rt->jobs_topic = topic_name_of(TOPIC_JOBS, prefix, worker, 0);
    rt->interactive_topic = topic_name_of(TOPIC_INTERACTIVE, prefix, worker, 0);
    rt->bulk_topic = topic_name_of(TOPIC_BULK, prefix, worker, 0);
    rt->dlq_topic = topic_name_of(TOPIC_DLQ, prefix, worker, 0);
    rt->events_topic = topic_name_of(TOPIC_EVENTS, prefix, worker, 0);
    for (size_t i = 0; i < RETRY_TIER_COUNT; i++)
        rt->retry_topics[i] = topic_name_of(TOPIC_RETRY, prefix, worker, i);
}

static void name_owner(struct runtime *rt)
{
    char host[64] = "";
    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(rt->owner, sizeof rt->owner, "%s:%ld.%llx", host, (long)getpid(),
                   (unsigned long long)random_below(UINT64_C(1) << 32));
}

/* What needs neither broker nor hub; a failure here is one of configuration. */
static enum outcome open_process(struct runtime *rt, struct arena *arena, struct err *err)
{
    if (rt->conf->keyring_file != NULL)
        TRY(keyring_open_file(rt->conf->keyring_file, &rt->keyring, err));
    rt->process.keyring = rt->keyring;
    rt->process.job_threads = rt->conf->job_threads;
    int64_t workspace_jobs = rt->conf->workspace_jobs_max;
    rt->workspace_jobs_max = workspace_jobs < 0 ? rt->worker->workspace_jobs_max : workspace_jobs;
    name_topics(rt);
    name_owner(rt);
    TRY(prepare_kinds(rt, arena, err));
    if (rt->worker->init != NULL)
        TRY(rt->worker->init(&rt->process, &rt->app, err));
    return OUTCOME_OK;
}

static void close_process(struct runtime *rt)
{
    if (rt->worker->done != NULL)
        rt->worker->done(rt->app);
    metrics_done(&rt->metrics);
    keyring_close(rt->keyring);
}

struct threads {
    struct dispatcher dispatcher;
    struct settler settler;
    struct job_thread *jobs; /* conf->job_threads */
};

static enum outcome start_threads(struct runtime *rt, struct threads *threads, struct err *err)
{
    for (size_t i = 0; i < (size_t)rt->conf->job_threads; i++)
        TRY(job_thread_start(&threads->jobs[i], rt, i, err));
    TRY(settler_start(&threads->settler, rt, err));
    return dispatch_start(&threads->dispatcher, rt, err);
}

static void join_threads(struct runtime *rt, struct threads *threads)
{
    for (size_t i = 0; i < (size_t)rt->conf->job_threads; i++)
        job_thread_join(&threads->jobs[i]);
    settler_join(&threads->settler);
    dispatch_join(&threads->dispatcher);
}

static void init_queues(struct runtime *rt)
{
    queue_init(&rt->inbox);
    queue_init(&rt->runnable);
    queue_init(&rt->settling);
    queue_init(&rt->done);
    queue_init(&rt->spare);
}

static void done_queues(struct runtime *rt)
{
    attempts_forget_spare(rt);
    queue_done(&rt->spare);
    queue_done(&rt->inbox);
    queue_done(&rt->runnable);
    queue_done(&rt->settling);
    queue_done(&rt->done);
}

static int run_loop(struct runtime *rt, struct poller *poller, struct threads *threads)
{
    LOG_AT(LOG_INFO, "worker.started", LOG_TEXT("version", rt->worker->version),
           LOG_TEXT("topic", rt->jobs_topic.text), LOG_INT("job_threads", rt->conf->job_threads));
    bool is_clean = poller_run(poller);
    if (!is_clean) {
        LOG_AT(LOG_ERROR, "worker.stopped_undone",
               LOG_INT("running", metric_get(&rt->metrics.running)));
        _exit(WORKER_EXIT_UNDONE); /* threads still use all there is */
    }
    join_threads(rt, threads);
    return atomic_load(&rt->has_bug) ? WORKER_EXIT_BUG
           : poller->is_fatal        ? WORKER_EXIT_UNDONE
                                     : WORKER_EXIT_OK;
}

/* For a worker whose kinds depend on something. */
static enum outcome open_breakers(struct runtime *rt, struct err *err)
{
    const struct run_conf *conf = rt->conf;
    int failed = (int)conf->breaker_failure_percent;
    struct breakers_options options = {.redis = &conf->redis,
                                       .hub = &conf->hub,
                                       .prefix = conf->topic_prefix,
                                       .conf = breaker_conf_default,
                                       .refresh_ms = BREAKERS_REFRESH_MS};
    options.conf.minimum_calls = (int)conf->breaker_minimum_calls;
    options.conf.failure_percent = failed == 0 ? BREAKER_PERCENT_NEVER : failed;
    options.conf.open_us = conf->breaker_open_ms * US_PER_MS;
    options.conf.open_max_us = 10 * options.conf.open_us;
    if (!gate_is_needed(rt->worker))
        return OUTCOME_OK;
    return breakers_open(&options, &rt->breakers, err);
}

/* Each step's undoing stands behind the next one; threads that were started end the process. */
static int start_and_run(struct runtime *rt, struct arena *arena, struct err *err)
{
    int status = WORKER_EXIT_CONFIG;
    struct health health = {0};
    struct poller poller = {0};
    struct threads threads = {
        .jobs = ARENA_ARRAY(arena, struct job_thread, (size_t)rt->conf->job_threads)};
    struct keeper_options keeper = {.prefix = rt->conf->topic_prefix,
                                    .redis = &rt->conf->redis,
                                    .hub = &rt->conf->hub,
                                    .lease_ttl_ms = rt->conf->lease_ttl_ms,
                                    .outbox = &rt->outbox,
                                    .events_topic = rt->events_topic.text,
                                    .clock = &rt->clock};
    init_queues(rt);
    fleet_clock_init(&rt->clock);
    /* The consumer first: the group takes longest to join. */
    if (threads.jobs == NULL || poller_open(&poller, rt, err) != OUTCOME_OK)
        return refuse(err);
    if (outbox_open(&rt->outbox, &rt->conf->kafka, rt->conf->compress, &rt->done, err) !=
        OUTCOME_OK)
        return refuse(err);
    if (open_breakers(rt, err) != OUTCOME_OK ||
        keeper_open(&rt->keeper, &keeper, err) != OUTCOME_OK ||
        start_threads(rt, &threads, err) != OUTCOME_OK ||
        health_open(&health, rt, err) != OUTCOME_OK)
        _exit(refuse(err));
    status = run_loop(rt, &poller, &threads);
    health_close(&health); /* it asks the others */
    outbox_close(&rt->outbox, poller_answer_wait_us(&poller) / US_PER_MS);
    poller_close(&poller);
    keeper_close(&rt->keeper); /* the poller's last revocation asks it to stop jobs */
    breakers_close(rt->breakers);
    done_queues(rt);
    LOG_AT(LOG_INFO, "worker.stopped", LOG_INT("status", status));
    return status;
}

static int run_worker(const struct worker *worker, struct configuration *c, struct err *err)
{
    struct runtime rt = {.worker = worker, .conf = c->run};
    rt.process.config = worker->config == NULL ? NULL : c->values + c->table.second_offset;
    log_init(worker->name, (enum log_level)c->run->log_level);
    signals_install();
    heap_init();
    int status = WORKER_EXIT_CONFIG;
    if (open_process(&rt, &c->arena, err) == OUTCOME_OK)
        status = start_and_run(&rt, &c->arena, err);
    else
        (void)refuse(err);
    close_process(&rt);
    return status;
}

int worker_main(int argc, char **argv, const struct worker *worker)
{
    struct err err = {0};
    struct configuration c = {0};
    int status = WORKER_EXIT_OK;
    arena_init(&c.arena, CONF_BYTES);
    if (field_join_build(&run_conf_table, worker->config, &c.arena, &c.table, &err) != OUTCOME_OK)
        status = refuse(&err);
    else if (has_flag(argc, argv, "--help"))
        print_help(worker, &c.table.table);
    else if (has_flag(argc, argv, "--version"))
        (void)printf("%s %s\n", worker->name, worker->version);
    else if (configure(worker, argc, argv, &c, &err) != OUTCOME_OK)
        status = refuse(&err);
    else if (has_flag(argc, argv, "--check-config"))
        (void)puts("the configuration is good");
    else
        status = run_worker(worker, &c, &err);
    arena_done(&c.arena);
    return status;
}
