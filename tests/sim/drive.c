/*
 * sim: runs worker processes of the real runtime against models of Kafka, Redis and the hub, under
 * a seeded scheduler with a virtual clock, and checks that what must hold does.
 *
 *   sim [--seeds N] [--from N] [--jobs N]   N seeds; the first that fails is shown, and its end
 *           [--failures N] [--short]        N of those that fail, each by its line alone
 *   sim --seed N [--trace]                  one, alone; all that happens
 */
#include "broker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define QUIET_STEP_US (200 * MS)
#define QUIET_MAX_US (600 * SECOND)
#define END_MAX_US (60 * SECOND)
#define REAL_MAX_S 60
#define CHILDREN_MAX 64

/* ---- one seed ---- */

static void on_look(void *arg, uint64_t token)
{
    (void)arg;
    (void)token;
    if (check_is_quiet())
        world_stop();
    else
        plan_at(world_us + QUIET_STEP_US, on_look, NULL, 0);
}

static bool is_all_over(void)
{
    for (int i = 0; i < process_count; i++) {
        if (processes[i].is_alive)
            return false;
    }
    return true;
}

static void on_look_for_end(void *arg, uint64_t token)
{
    (void)arg;
    (void)token;
    if (is_all_over())
        world_stop();
    else
        plan_at(world_us + QUIET_STEP_US, on_look_for_end, NULL, 0);
}

static int run_seed(uint64_t seed)
{
    scenario_make(seed);
    group_watch_processes();
    process_watch(kinds_process_ended);
    nemesis_start();
    produce_jobs();
    scenario_trace();
    plan_at(0, on_look, NULL, 0);
    int64_t until_us = scenario.faults_us + scenario.produce_us + QUIET_MAX_US;
    (void)world_run(until_us);
    if (world_us >= until_us) {
        check_print_open();
        violation(NULL, "hang", "not all is done %.0f s after the last fault",
                  (double)QUIET_MAX_US / 1e6);
    }
    nemesis_retire();
    plan_at(world_us, on_look_for_end, NULL, 0);
    (void)world_run(world_us + END_MAX_US);
    check_end();
    if (trace_is_on)
        (void)printf("seed %llu: good; %.1f s, %llu switches, %d processes\n",
                     (unsigned long long)seed, (double)world_us / 1e6,
                     (unsigned long long)world_switches(), process_count);
    return 0;
}

/* ---- many ---- */

static pid_t start_seed(uint64_t seed, bool is_traced)
{
    (void)fflush(stdout);
    pid_t child = fork();
    if (child != 0)
        return child;
    (void)alarm(REAL_MAX_S);
    trace_is_on = is_traced;
    int status = run_seed(seed);
    (void)fflush(stdout);
    _exit(status);
}

struct child {
    pid_t pid;
    uint64_t seed;
};

static void tell_end(uint64_t seed, int status)
{
    if (WIFSIGNALED(status))
        (void)printf("seed %llu: ended by signal %d%s\n", (unsigned long long)seed,
                     WTERMSIG(status), WTERMSIG(status) == SIGALRM ? " (it takes too long)" : "");
    else if (WEXITSTATUS(status) > 1)
        (void)printf("seed %llu: ended with %d\n", (unsigned long long)seed, WEXITSTATUS(status));
}

/* The same seed once more, for what came before it failed. */
static void show_end_of(uint64_t seed)
{
    trace_keep();
    (void)waitpid(start_seed(seed, true), NULL, 0);
    (void)printf("its end (sim --seed %llu --trace has all of it):\n", (unsigned long long)seed);
    trace_print_kept();
}

struct options {
    uint64_t from, count;
    int jobs, failures_max;
    bool is_one, is_traced, is_short;
};

static struct child *await_one(struct child *children, int count, int *ret_status)
{
    pid_t pid = wait(ret_status);
    for (int i = 0; i < count; i++)
        if (children[i].pid == pid)
            return &children[i];
    return NULL;
}

static int run_many(const struct options *options)
{
    struct child children[CHILDREN_MAX] = {{0}};
    uint64_t next = options->from, end = options->from + options->count, done = 0;
    int running = 0, failures = 0;
    uint64_t failed = 0;
    struct timespec began, ended;
    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    while (running > 0 || (next < end && failures < options->failures_max)) {
        for (int i = 0; i < options->jobs && next < end && failures < options->failures_max; i++) {
            if (children[i].pid == 0) {
                children[i] = (struct child){start_seed(next, false), next};
                next++;
                running++;
            }
        }
        int status = 0;
        struct child *child = await_one(children, options->jobs, &status);
        if (child == NULL)
            continue;
        child->pid = 0;
        running--;
        done++;
        if (status != 0) {
            failures++;
            failed = child->seed;
            tell_end(failed, status);
        }
    }
    if (failures > 0 && !options->is_short)
        show_end_of(failed);
    (void)clock_gettime(CLOCK_MONOTONIC, &ended);
    (void)printf("%llu seeds, %d failed, %.1f s\n", (unsigned long long)done, failures,
                 (double)(ended.tv_sec - began.tv_sec) +
                     (double)(ended.tv_nsec - began.tv_nsec) / 1e9);
    return failures > 0;
}

static int run_one(const struct options *options)
{
    int status = 0;
    pid_t pid = start_seed(options->from, options->is_traced);
    (void)waitpid(pid, &status, 0);
    if (status == 0)
        return 0;
    tell_end(options->from, status);
    if (!options->is_traced)
        show_end_of(options->from);
    return 1;
}

int main(int argc, char **argv)
{
    struct options options = {.from = 1, .count = 1000, .jobs = 2, .failures_max = 1};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "0";
        if (strcmp(argv[i], "--trace") == 0) {
            options.is_traced = true;
            continue;
        }
        if (strcmp(argv[i], "--short") == 0) {
            options.is_short = true;
            continue;
        }
        uint64_t number = strtoull(value, NULL, 10);
        if (strcmp(argv[i], "--seed") == 0) {
            options.from = number;
            options.is_one = true;
        } else if (strcmp(argv[i], "--seeds") == 0) {
            options.count = number;
        } else if (strcmp(argv[i], "--from") == 0) {
            options.from = number;
        } else if (strcmp(argv[i], "--jobs") == 0 && number >= 1 && number <= CHILDREN_MAX) {
            options.jobs = (int)number;
        } else if (strcmp(argv[i], "--failures") == 0) {
            options.failures_max = (int)number;
        } else {
            (void)fprintf(stderr, "sim: what is %s?\n", argv[i]);
            return 2;
        }
        i++;
    }
    return options.is_one ? run_one(&options) : run_many(&options);
}
