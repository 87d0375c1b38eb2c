/* scenario: drawn from the seed; see world.h. */
#include "world.h"

struct scenario scenario;

static unsigned some(unsigned high)
{
    return chance(400000) ? 0 : (unsigned)dice_span(high / 100 + 1, high);
}

static double every(double low_s, double high_s)
{
    return chance(500000)
               ? 0
               : (double)dice_span((int64_t)(low_s * SECOND), (int64_t)(high_s * SECOND)) / SECOND;
}

/* Many parents, whose records are in the hands of who was thrown out without knowing it. */
static void make_families(void)
{
    struct scenario *s = &scenario;
    s->parents = 700000;
    s->ordered = 50000;
    s->process_count = 3;
    s->stop_s = (double)dice_span(300 * MS, 2 * SECOND) / SECOND;
    s->session_ms = dice_span(1000, 2000);
    s->lease_ttl_ms = dice_span(1000, 3000);
    s->has_deadline = some(400000);
}

/* Long jobs beyond their deadlines, and nothing else that would explain that they work on. */
static void make_deadlines(void)
{
    struct scenario *s = &scenario;
    s->has_deadline = 500000;
    s->work_max_us = 8 * SECOND;
    s->call_slow = s->call_stops = s->pause_ppm = 0;
    s->redis_s = s->hub_s = s->stop_s = s->cut_s = 0;
}

/* Breakers trip, and nothing but what is outside fails: what they let through is counted. */
static void make_outages(void)
{
    struct scenario *s = &scenario;
    s->is_outside_alone = true;
    s->needy = 700000;
    s->rated = 300000;
    s->outside_s = (double)dice_span(SECOND, 6 * SECOND) / SECOND;
    s->breaker_open_ms = dice_span(4000, 8000);
    s->job_count = (int)dice_span(40, 120);
    s->produce_us = dice_span(10 * SECOND, 20 * SECOND);
    s->faults_us = dice_span(15 * SECOND, 30 * SECOND);
    s->work_max_us = dice_span(10 * MS, 200 * MS);
    s->buffered_max = (int)dice_between(2, 6);
    s->parents = s->has_deadline = 0;
    s->call_slow = s->call_stops = s->pause_ppm = s->alloc_fails = s->lost_reply = 0;
    s->redis_s = s->flush_s = s->hub_s = s->stop_s = s->cut_s = 0;
}

/* Of few keys more than fits, while the hub comes and goes. */
static void make_floods(void)
{
    struct scenario *s = &scenario;
    s->ordered = 800000;
    s->key_count = (int)dice_between(2, 4);
    s->parents = s->has_deadline = s->alloc_fails = 0;
    s->buffered_max = (int)dice_between(4, 12);
    s->partitions = (int)dice_between(1, 2);
    s->job_count = (int)dice_span(50, 120);
    s->produce_us = dice_span(SECOND, 6 * SECOND);
    s->work_max_us = dice_span(200 * MS, 3 * SECOND);
    s->hub_s = (double)dice_span(500 * MS, 4 * SECOND) / SECOND;
}

/* Some send more than is done soon, and nothing fails that would explain that others wait. */
static void make_crowds(void)
{
    struct scenario *s = &scenario;
    const struct scenario drawn = *s;
    enum crowd crowd = (enum crowd)dice_between(CROWD_FLOOD, CROWD_MANY);
    *s = (struct scenario){
        .seed = drawn.seed,
        .crowd = crowd,
        .process_count = drawn.process_count,
        .job_threads = drawn.job_threads,
        .partitions = drawn.partitions,
        .side_partitions = drawn.side_partitions,
        .job_count = (int)dice_between(120, 250),
        .buffered_max = crowd == CROWD_MANY ? 512 /* where the queue is */
                                            : (int)dice_between(16, 64),
        .workspace_max = drawn.workspace_max,
        .max_starts = drawn.max_starts,
        .retry_scale_percent = drawn.retry_scale_percent,
        .lease_ttl_ms = drawn.lease_ttl_ms,
        .session_ms = drawn.session_ms,
        .commit_ms = drawn.commit_ms,
        .produce_us = 3 * SECOND,
        .faults_us = 5 * SECOND,
        .work_max_us = dice_span(50 * MS, 400 * MS),
        .switch_every = drawn.switch_every,
        .gaps = drawn.gaps,
        .key_count = 1,
        .breaker_minimum = drawn.breaker_minimum,
        .breaker_open_ms = drawn.breaker_open_ms,
        .rate = drawn.rate,
        .rate_burst = drawn.rate_burst,
    };
}

void scenario_make(uint64_t seed)
{
    struct scenario *s = &scenario;
    dice_seed(seed);
    *s = (struct scenario){
        .seed = seed,
        .process_count = chance(150000) ? 1 : (int)dice_between(2, 3),
        .job_threads = (int)dice_between(1, 3),
        .partitions = (int)dice_between(1, 4),
        .side_partitions = (int)dice_between(1, 2),
        .job_count = (int)dice_span(6, 60),
        .workspace_max = chance(500000) ? 0 : (int)dice_between(1, 4),
        .buffered_max = (int)dice_span(2, 30),
        .max_starts = (int)dice_between(2, 4),
        .retry_scale_percent = (int)dice_span(1, 4),
        .lease_ttl_ms = dice_span(1000, 6000),
        .session_ms = dice_span(1000, 8000),
        .revoke_drain_ms = dice_between(0, 1) * dice_span(10, 2000),
        .drain_ms = dice_between(0, 1) * dice_span(10, 8000),
        .commit_ms = dice_span(10, 1000),
        .produce_us = dice_span(SECOND, 15 * SECOND),
        .faults_us = dice_span(5 * SECOND, 30 * SECOND),
        .work_max_us = dice_span(50 * MS, 8 * SECOND),
        .alloc_fails = chance(600000) ? 0 : some(3000),
        .call_stops = some(4000),
        .call_kills = some(1500),
        .switch_every = (unsigned)dice_span(1, 100),
        .pause_ppm = some(2000),
        .lost_reply = some(30000),
        .call_slow = some(50000),
        .report_bad = some(60000),
        .report_late = some(100000),
        .record_twice = some(20000),
        .producer_dies = some(3000),
        .run_retry = some(400000),
        .run_throttled = some(100000),
        .run_permanent = some(200000),
        .run_outage = some(100000),
        .run_fenced = some(50000),
        .run_dies = some(50000),
        .run_bug = some(10000),
        .kill_s = every(1, 20),
        .term_s = every(2, 20),
        .stop_s = every(0.5, 10),
        .broker_s = every(4, 30),
        .redis_s = every(3, 30),
        .flush_s = every(0.5, 20),
        .hub_s = every(3, 30),
        .cancel_s = every(0.3, 6),
        .clock_s = chance(500000) ? 0 : every(1, 10),
        .member_s = every(0.3, 10),
        .ordered = chance(300000) ? 900000 : 250000,
        .parents = 80000,
        .key_count = (int)dice_between(1, 4),
        .commit_refused = some(400000),
        .takes_no_metadata = chance(80000),
        .has_deadline = some(400000),
        .put_back = some(800000),
        .needy = chance(600000) ? 0 : some(500000),
        .rated = chance(600000) ? 0 : some(500000),
        .outside_s = every(2, 15),
        .breaker_minimum = (int)dice_between(2, 4),
        .breaker_open_ms = dice_span(500, 8000),
        .rate = (int)dice_span(1, 30),
        .rate_burst = (int)dice_between(1, 5),
        .cut_s = every(1, 20),
        .forget_s = every(2, 30),
        .gaps = some(500000),
    };
    uint64_t drawn = dice(1000000);
    if (drawn < 200000)
        make_families();
    else if (drawn < 250000)
        make_deadlines();
    else if (drawn < 350000)
        make_outages();
    else if (drawn < 450000)
        make_floods();
    else if (drawn < 500000)
        make_crowds();
    fiber_set_rates(s->switch_every, s->pause_ppm);
}

void scenario_trace(void)
{
    const struct scenario *s = &scenario;
    trace_of(NULL, "world",
             "seed %llu: %d processes of %d job threads, %d partitions, %d jobs; lease %.1f s, "
             "session %.1f s, commits every %.2f s; jobs come for %.1f s, faults for %.1f s",
             (unsigned long long)s->seed, s->process_count, s->job_threads, s->partitions,
             s->job_count, (double)s->lease_ttl_ms / 1e3, (double)s->session_ms / 1e3,
             (double)s->commit_ms / 1e3, (double)s->produce_us / 1e6, (double)s->faults_us / 1e6);
}
