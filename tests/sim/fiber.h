/*
 * fiber: threads of the simulated processes as fibers, a virtual clock, and dice.
 *
 * Is:      one ready fiber runs at a time; the seed's dice choose which, at each point that might
 * be a switch. When none is ready the clock jumps to the next thing that is planned. Is not:
 * parallel: what lies between two points is atomic. Owns:    all fibers and their stacks, up to the
 * end of the (operating system's) process: a seed is a process.
 */
#ifndef HAUL_SIM_FIBER_H
#define HAUL_SIM_FIBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MS INT64_C(1000)
#define SECOND INT64_C(1000000)
#define NEVER INT64_MAX

/* ---- dice ---- */

void dice_seed(uint64_t seed);
uint64_t dice_u64(void);
uint64_t dice(uint64_t below);                   /* 0 for 0 */
bool chance(unsigned per_million);               /* true so often */
int64_t dice_between(int64_t low, int64_t high); /* both included */
int64_t dice_span(int64_t low, int64_t high);    /* the same, by its logarithm: mostly small */

/* ---- fibers ---- */

struct process;

enum fiber_state { FIBER_FREE, FIBER_READY, FIBER_WAITING, FIBER_OVER };
struct fiber {
    int number;
    enum fiber_state state;
    struct process *process;
    const char *name;
    void *(*entry)(void *);
    void *arg;
    const void *waits_for;
    bool timed_out, is_listed; /* in the list of those that may run */
    uint64_t waits;            /* how often it waited: tells a timer of an earlier wait apart */
    char job_id[64];           /* for the trace */
    /* the switch's */
    void *stack_pointer;
    unsigned char *stack;
    void *shadow;
};

extern struct fiber *fiber_now; /* NULL: the world itself, which never waits */
extern int64_t world_us;        /* the true time, from 0 */

struct fiber *fiber_start(struct process *process, const char *name, void *(*entry)(void *),
                          void *arg);
/* A place where another thread might run: seldom a switch, hardly ever a long pause. */
void fiber_point(void);
/* False: the time was up. */
bool fiber_wait(const void *what, int64_t until_us);
void fiber_sleep(int64_t us);
void fiber_wake_one(const void *what); /* any of those that wait for it */
void fiber_wake_all(const void *what);
/* Never scheduled again. A fiber that ends itself must leave by fiber_leave. */
void fiber_end(struct fiber *fiber);
_Noreturn void fiber_leave(void);
/* A stopped process: its fibers rest, whatever they wait for. */
void fibers_rest(const struct process *process);
void fibers_resume(const struct process *process);
void fibers_end(const struct process *process); /* not the one that runs */

/* How often a point is a switch (one in so many), and a long pause (per million). */
void fiber_set_rates(unsigned switch_every, unsigned pause_ppm);

/* ---- what is planned ---- */

typedef void plan_fire(void *arg, uint64_t token);
void plan_at(int64_t at_us, plan_fire *fire, void *arg, uint64_t token);

/* Runs until the time, or until asked to stop. False: nothing was left to run or to wait for. */
bool world_run(int64_t until_us);
void world_stop(void);
uint64_t world_switches(void);

/* ---- the switch; fiber_switch.c ---- */

void fiber_prepare(struct fiber *fiber, void (*begin)(void));
void fiber_switch_to(struct fiber *fiber);   /* from the world */
void fiber_switch_back(struct fiber *fiber); /* to the world */
void fiber_began(struct fiber *fiber);       /* the first thing that a fiber does */

#endif
