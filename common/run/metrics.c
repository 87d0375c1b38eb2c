/* metrics: see metrics.h. Names follow Prometheus' conventions. */
#include "run/metrics.h"

#include "base/clock.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const service_names[SERVICE_COUNT] = {
    [SERVICE_HUB] = "hub", [SERVICE_REDIS] = "redis", [SERVICE_KAFKA] = "kafka"};

static const double bucket_ends_s[METRICS_BUCKETS - 1] = {0.005, 0.05, 0.25, 1,   5,
                                                          30,    120,  600,  3600};

const char *service_name(enum service service)
{
    return service_names[service];
}

enum outcome metrics_init(struct metrics *metrics, const char *const *kind_names, size_t kind_count,
                          struct err *err)
{
    memset(metrics, 0, sizeof *metrics);
    metrics->kinds = calloc(kind_count + 1, sizeof *metrics->kinds);
    TRY_ALLOC(metrics->kinds, err);
    metrics->kind_count = kind_count + 1;
    for (size_t i = 0; i < kind_count; i++)
        metrics->kinds[i].name = kind_names[i];
    metrics->kinds[kind_count].name = "unknown";
    metric_set(&metrics->wall_start_us, clock_wall_us());
    return OUTCOME_OK;
}

void metrics_done(struct metrics *metrics)
{
    free(metrics->kinds);
    metrics->kinds = NULL;
}

void metrics_job_ended(struct metrics *metrics, size_t kind, enum event_state state,
                       int64_t duration_us)
{
    struct kind_metrics *it = &metrics->kinds[kind];
    size_t bucket = 0;
    while (bucket < METRICS_BUCKETS - 1 &&
           (double)duration_us > bucket_ends_s[bucket] * (double)US_PER_S)
        bucket++;
    metric_add(&it->ended[state], 1);
    metric_add(&it->duration_count[bucket], 1);
    metric_add(&it->duration_sum_us, duration_us);
}

static void family(struct str *out, const char *name, const char *type, const char *help)
{
    str_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_ended(const struct metrics *metrics, struct str *out)
{
    family(out, "haul_job_attempts_total", "counter", "Attempts that ended, by how.");
    for (size_t i = 0; i < metrics->kind_count; i++) {
        for (int state = EVENT_RETRYING; state < EVENT_STATE_COUNT; state++)
            str_addf(out, "haul_job_attempts_total{kind=\"%s\",outcome=\"%s\"} %lld\n",
                     metrics->kinds[i].name, event_state_name((enum event_state)state),
                     (long long)metric_get(&metrics->kinds[i].ended[state]));
    }
}

static void print_durations(const struct metrics *metrics, struct str *out)
{
    static const char name[] = "haul_job_duration_seconds";
    family(out, name, "histogram", "How long attempts ran.");
    for (size_t i = 0; i < metrics->kind_count; i++) {
        const struct kind_metrics *kind = &metrics->kinds[i];
        long long count = 0;
        for (size_t b = 0; b < METRICS_BUCKETS; b++) {
            count += metric_get(&kind->duration_count[b]);
            str_addf(out, "%s_bucket{kind=\"%s\",le=\"", name, kind->name);
            if (b < METRICS_BUCKETS - 1)
                str_addf(out, "%g", bucket_ends_s[b]);
            else
                str_add_text(out, "+Inf");
            str_addf(out, "\"} %lld\n", count);
        }
        str_addf(out, "%s_sum{kind=\"%s\"} %.6f\n%s_count{kind=\"%s\"} %lld\n", name, kind->name,
                 (double)metric_get(&kind->duration_sum_us) / (double)US_PER_S, name, kind->name,
                 count);
    }
}

static void print_lists(const struct metrics *metrics, struct str *out)
{
    family(out, "haul_dead_letters_total", "counter", "Jobs given up, by class of the error.");
    for (int i = 1; i < OUTCOME_COUNT; i++)
        str_addf(out, "haul_dead_letters_total{class=\"%s\"} %lld\n", outcome_name((enum outcome)i),
                 (long long)metric_get(&metrics->dead_letters[i]));
    family(out, "haul_retries_total", "counter", "Jobs sent to wait, by delay.");
    for (size_t i = 0; i < RETRY_TIER_COUNT; i++)
        str_addf(out, "haul_retries_total{tier=\"%s\"} %lld\n", retry_tiers[i].name,
                 (long long)metric_get(&metrics->retries[i]));
    family(out, "haul_retry_waiting", "gauge",
           "Jobs that wait for their next attempt, by delay; of this worker's partitions.");
    for (size_t i = 0; i < RETRY_TIER_COUNT; i++)
        str_addf(out, "haul_retry_waiting{tier=\"%s\"} %lld\n", retry_tiers[i].name,
                 (long long)metric_get(&metrics->retry_waiting[i]));
    family(out, "haul_jobs_waiting", "gauge",
           "Jobs in Kafka that are not done, by class; of this worker's partitions.");
    for (size_t i = 0; i < JOB_PRIORITY_COUNT; i++)
        str_addf(out, "haul_jobs_waiting{class=\"%s\"} %lld\n", job_priority_names[i],
                 (long long)metric_get(&metrics->jobs_waiting[i]));
    family(out, "haul_threads_waiting", "gauge", "Threads that wait for a service.");
    for (int i = 0; i < SERVICE_COUNT; i++)
        str_addf(out, "haul_threads_waiting{service=\"%s\"} %lld\n", service_names[i],
                 (long long)metric_get(&metrics->waiting_on[i]));
}

static void print_breakers(const struct breakers_counts *breakers, struct str *out)
{
    family(out, "haul_breakers", "gauge", "Circuit breakers of dependencies seen here, by state.");
    for (int i = 0; i < BREAKER_STATE_COUNT; i++)
        str_addf(out, "haul_breakers{state=\"%s\"} %lld\n",
                 breaker_state_name((enum breaker_state)i), (long long)breakers->by_state[i]);
    family(out, "haul_breaker_held_total", "counter", "Jobs that an open breaker had wait.");
    str_addf(out, "haul_breaker_held_total %lld\n", (long long)breakers->denied);
    family(out, "haul_breakers_local", "gauge",
           "1 while Redis can't be asked and each worker decides by itself.");
    str_addf(out, "haul_breakers_local %d\n", breakers->is_local ? 1 : 0);
}

struct plain {
    const char *name, *type, *help;
    int64_t value;
};

static void print_plain(const struct plain *rows, size_t count, struct str *out)
{
    for (size_t i = 0; i < count; i++) {
        family(out, rows[i].name, rows[i].type, rows[i].help);
        str_addf(out, "%s %lld\n", rows[i].name, (long long)rows[i].value);
    }
}

static int64_t resident_bytes(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*s %ld", &pages) != 1)
        pages = 0;
    (void)fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static int64_t open_files(void)
{
    int64_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return 0;
    while (readdir(folder) != NULL)
        count++;
    (void)closedir(folder);
    return count - 3; /* ".", ".." and the folder itself */
}

static void print_seconds(struct str *out, const char *name, const char *help, int64_t us)
{
    family(out, name, "gauge", help);
    str_addf(out, "%s %.6f\n", name, (double)us / (double)US_PER_S);
}

static int64_t age_us(const metric *since_us, int64_t now_us)
{
    int64_t since = metric_get(since_us);
    return since == 0 ? 0 : now_us - since;
}

void metrics_print(const struct metrics *m, const struct metrics_outside *outside, struct str *out)
{
    const struct plain rows[] = {
        {"haul_jobs_running", "gauge", "Jobs that run now.", metric_get(&m->running)},
        {"haul_jobs_buffered", "gauge", "Jobs taken and not ended.", metric_get(&m->buffered)},
        {"haul_jobs_held", "gauge", "Jobs read and not due yet.", metric_get(&m->held)},
        {"haul_jobs_unsettled", "gauge", "Records read whose outcome is not in Kafka yet.",
         metric_get(&m->unsettled)},
        {"haul_records_read_total", "counter", "Records read from job topics.",
         metric_get(&m->records_read)},
        {"haul_redelivered_total", "counter", "Jobs delivered that had ended already.",
         metric_get(&m->redelivered)},
        {"haul_handed_back_total", "counter", "Starts that ended without an attempt counted.",
         metric_get(&m->handed_back)},
        {"haul_fenced_total", "counter", "Outcomes refused by the ledger.", metric_get(&m->fenced)},
        {"haul_leases_busy_total", "counter", "Deliveries of a job that ran elsewhere.",
         metric_get(&m->leases_busy)},
        {"haul_jobs_behind_total", "counter", "Claims of a job whose turn it was not.",
         metric_get(&m->behind)},
        {"haul_jobs_in_line", "gauge", "Of the buffered, those whose turn is to come soon.",
         metric_get(&m->in_line)},
        {"haul_jobs_demoted_total", "counter",
         "Jobs of a workspace that had more than its share, moved to the bulk topic.",
         metric_get(&m->demoted)},
        {"haul_records_left", "gauge",
         "Records read past, as their workspace has more than its share: to be read again.",
         metric_get(&m->left)},
        {"haul_leases_lost_total", "counter", "Leases lost while their job ran.",
         outside->leases_lost},
        {"haul_partitions_assigned", "gauge", "Partitions of this worker.",
         metric_get(&m->partitions)},
        {"haul_partitions_paused", "gauge", "Of them, not read now.", metric_get(&m->paused)},
        {"haul_rebalances_total", "counter", "Assignments got.", metric_get(&m->rebalances)},
        {"haul_commits_total", "counter", "Commits that were taken.", metric_get(&m->commits)},
        {"haul_commit_failures_total", "counter", "Commits that failed.",
         metric_get(&m->commit_failures)},
        {"haul_offsets_uncommitted", "gauge",
         "Offsets read beyond the committed ones, those that are complete too.",
         metric_get(&m->offsets_uncommitted)},
        {"haul_offsets_incomplete", "gauge", "Of them, records that are not complete.",
         metric_get(&m->offsets_incomplete)},
        {"haul_offsets_complete_beyond", "gauge",
         "Of them, complete beyond one that is not: they stand in the commits' metadata.",
         metric_get(&m->offsets_beyond)},
        {"haul_records_known_total", "counter",
         "Records left out, because the commit said that they were complete.",
         metric_get(&m->records_known)},
        {"haul_heads_stopped_total", "counter",
         "Jobs stopped because they alone held back their partition.",
         metric_get(&m->heads_stopped)},
        {"haul_delivery_failures_total", "counter", "Records that Kafka did not take.",
         outside->delivery_failures},
        {"haul_sends_pending", "gauge", "Records sent without a report.", outside->sends_pending},
        {"process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes()},
        {"process_open_fds", "gauge", "Open files.", open_files()},
        {"process_start_time_seconds", "gauge", "Start, seconds since the epoch.",
         metric_get(&m->wall_start_us) / US_PER_S},
    };
    int64_t now_us = clock_monotonic_us();
    family(out, "haul_build_info", "gauge", "What this is.");
    str_addf(out, "haul_build_info{worker=\"%s\",version=\"%s\"} 1\n", m->worker, m->version);
    print_ended(m, out);
    print_durations(m, out);
    print_lists(m, out);
    if (outside->breakers != NULL)
        print_breakers(outside->breakers, out);
    print_plain(rows, sizeof rows / sizeof rows[0], out);
    print_seconds(out, "haul_poll_age_seconds", "Since the poll loop last went round.",
                  age_us(&m->polled_us, now_us));
    print_seconds(out, "haul_oldest_job_age_seconds",
                  "Since the oldest job under way, or left, was read; of those left, at most.",
                  age_us(&m->oldest_read_us, now_us));
}
