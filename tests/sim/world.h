/*
 * world: what one seed is: its scenario, its jobs, and what the fakes know of each.
 *
 * Is:      the state that all fakes share, so that the checker can judge any of it against the
 * rest. Owns:    all of it, up to the end of the seed.
 */
#ifndef HAUL_SIM_WORLD_H
#define HAUL_SIM_WORLD_H

#include "base/err.h"
#include "base/str.h"
#include "model/event.h"

#include "fiber.h"
#include "outside.h"
#include "process.h"
#include "trace.h"

#define WORKER_NAME "sim"
#define JOBS_MAX 1024
#define FAMILY_MAX 4
#define JOB_ID_SIZE 16
#define PLACES_MAX 4
#define LIVES_MAX 4               /* of a job: the first, and one each time it is put back */
#define CLOCK_ERROR_US (500 * MS) /* of a process that is in time */
#define DEDUPE_KEYS 4

/* ---- the scenario ---- */

struct scenario {
    uint64_t seed;
    int process_count, job_threads, partitions, side_partitions, job_count;
    int workspace_max, buffered_max, max_starts, retry_scale_percent;
    int64_t lease_ttl_ms, session_ms, revoke_drain_ms, drain_ms, commit_ms;
    int64_t produce_us, faults_us; /* jobs come, and faults happen, until then */
    int64_t work_max_us;
    unsigned switch_every, pause_ppm;
    /* Per million: of calls, of records, of runs. */
    unsigned lost_reply, call_slow, report_bad, report_late, record_twice, producer_dies;
    unsigned commit_refused; /* also when the faults are over: it is tried again */
    bool takes_no_metadata;  /* the broker, with a commit */
    unsigned gaps;           /* in the offsets: records that have a marker behind them */
    unsigned alloc_fails;
    unsigned ordered, has_deadline, parents; /* of jobs; of those that are free */
    unsigned put_back;                       /* of dead letters */
    int key_count;
    unsigned needy, rated; /* of jobs: who need what is outside, who keep to its rate limit */
    int breaker_minimum, rate, rate_burst;
    int64_t breaker_open_ms;
    bool is_outside_alone; /* nothing else fails that would explain what a breaker lets through */
    enum crowd {
        CROWD_NONE,
        CROWD_FLOOD,
        CROWD_BULK_FLOOD,
        CROWD_MANY
    } crowd;                         /* not none: nothing fails at all */
    unsigned call_stops, call_kills; /* the process that makes the call */
    unsigned run_retry, run_throttled, run_permanent, run_outage, run_fenced, run_dies, run_bug;
    /* How often each fault comes, in seconds between two; 0 = never. */
    double kill_s, term_s, stop_s, broker_s, redis_s, flush_s, hub_s, cancel_s, clock_s, member_s,
        outside_s, cut_s, forget_s;
    bool calm; /* the faults are over */
};
extern struct scenario scenario;

void scenario_make(uint64_t seed);
void scenario_trace(void);

/* ---- jobs ---- */

enum job_how { HOW_ANY, HOW_OK, HOW_KILL, HOW_PERMANENT, HOW_RETRY };
enum job_kind_number {
    KIND_FREE,
    KIND_ORDERED,
    KIND_IDEMPOTENT,
    KIND_JUNK,
    KIND_PARENT,
    KIND_CHILD
};

enum row_state { ROW_NONE, ROW_WAITING, ROW_RUNNING, ROW_ENDED };
/* The job's row in the model hub. */
struct row {
    enum row_state state;
    enum event_state end;
    int attempt, starts, redrive_count;
    int64_t fence, sequence, due_us, wait_fence;
    enum outcome error;
    char error_code[48];
    int64_t place;
    const struct process *owner;
    struct process *claimer; /* that knows of it, and the lease it had then */
    char token[64];
};

struct job {
    int number;
    char id[JOB_ID_SIZE];
    enum job_kind_number kind;
    enum job_how how;
    int64_t work_us, deadline_us; /* a right clock's */
    int max_attempts;
    int order_key, dedupe_key; /* 0 = none */
    int needs;                 /* which of those outside; 0 = none */
    bool is_rated;
    bool is_produced;
    int workspace;
    const char *topic; /* it came by */
    int64_t produced_us;
    /* the hub */
    struct row row;
    bool cancel_asked;
    int applied; /* its effect: more than 1 is once too often */
    int64_t effect_fence;
    /* Redis */
    char lease[64], cap[80]; /* its token, and what it counts against */
    int64_t lease_until_us, cap_until_us;
    bool lease_is_whole; /* since it was taken where there was room */
    bool cancel_flag;
    struct belief { /* who took a lease and did not give it up, a place each */
        struct process *process;
        int held;
        char token[64];   /* the last one that was taken */
        int64_t since_us; /* taken or renewed */
        uint64_t stops;
    } beliefs[PLACES_MAX];
    /* what happened */
    int runs, counted_failures, deaths, last_killed; /* the last one's process */
    int forgotten_starts;                            /* by the hub, since it has `deaths` */
    int running;                                     /* runs at this moment */
    int64_t planned_us;                              /* a right clock's: no run before */
    int open_records; /* on the topics that workers read, not complete */
    int open_nets;    /* of them: a parent's, that tell of no end but a cancel */
    int told[EVENT_STATE_COUNT];
    int dead_letters, releases;
    /* By redrive count: what is there of each life. */
    int letters[LIVES_MAX], told_dead[LIVES_MAX];
    int put_back; /* the greatest count that an operator has put it back with */
};
extern struct job jobs[JOBS_MAX];
extern int job_count;

struct job *job_find(const char *id); /* NULL = none */
/* A new job, of kind KIND_CHILD. */
struct job *job_make_child(void);
/* The job that a record or an event speaks of. */
struct job *job_of_value(struct slice value);
bool job_is_settled(const struct job *job); /* for good: ended, and told */

/* ---- services ---- */

struct service {
    const char *name, *code; /* of the failure */
    int number;              /* below SERVICES_MAX */
    bool is_down;
    int64_t downs;
};
extern struct service hub_service, redis_service, broker_service;

/* A call's way there and back; either may fail. What was done in between is done. */
MUST_USE enum outcome service_reach(struct service *service, struct err *err);
MUST_USE enum outcome service_return(struct service *service, struct err *err);
int64_t latency_us(void);
void service_down(struct service *service, int64_t for_us);
/* The same for one process; NULL is never cut off. */
void service_cut(const struct service *service, struct process *process, int64_t for_us);
bool service_is_away(const struct service *service, const struct process *process);
/* The process at work had a quick answer of the hub's clock, and nothing has held it up since. */
bool is_in_time(void);
/* SIGSTOP for a while, or SIGKILL, in the midst of what the process does; seldom. */
void mishap_here(void);
void stop_for_a_while(struct process *process);

/* ---- the hub, as a run of a kind and the nemesis use it ---- */

enum effect { EFFECT_DONE, EFFECT_FENCED, EFFECT_UNREACHABLE };
enum effect hub_apply(struct job *job, int64_t fence);
void hub_crash(void);
/* For tests/sim/family.c: one call of the hub, and that all until now is on its disk. */
struct pgsql;
MUST_USE enum outcome hub_begin_call(struct pgsql *db, struct err *err);
MUST_USE enum outcome hub_end_call(struct err *err);
void hub_write_down(void);
void hub_end_family(const struct job *parent);
void family_check_life(const struct job *parent);
void family_check_join(const struct job *parent);
void redis_flush(void);
void redis_fail_over(void); /* forgets some of it */
bool redis_has_whole_lease(const struct job *job);

/* ---- what one workspace may have ---- */

bool fairness_is_urgent(const struct job *job); /* it may not wait for long, in a crowd */
void fairness_judge_run(const struct job *job); /* that begins, and is counted in `running` */

/* ---- actors ---- */

void nemesis_start(void);
void nemesis_retire(void); /* asks all to end */
void kinds_process_ended(struct process *process);
/* Of those at work that need the same: how many began since. */
int kinds_runs_since(int needs, int64_t since_us);
int worker_process(struct process *process); /* main of a worker */
void produce_jobs(void);                     /* plans all of them */
extern const char *const topics_of_jobs[];   /* by class: the default, interactive, bulk */

/* ---- the checker ---- */

void check_end(void); /* all is over */
bool check_is_quiet(void);
void check_print_open(void);

#endif
