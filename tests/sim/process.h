/*
 * process: a simulated worker process: its fibers, its heap, its clock, its life and death.
 *
 * Is:      what the operating system is to a process: start, SIGKILL, SIGSTOP, SIGCONT, SIGTERM.
 *          Whoever keeps something for a process asks to be told of its end.
 * Owns:    the memory that the process's code took: it is gone with the process. A process that
 *          ends in good order must have freed all of it.
 */
#ifndef HAUL_SIM_PROCESS_H
#define HAUL_SIM_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EPOCH_US INT64_C(1800000000000000) /* what a right clock shows at world_us = 0 */
#define PROCESSES_MAX 256

#define SERVICES_MAX 3 /* what a process may be cut off from */

struct heap_block;

struct process {
    int number; /* of all that ever lived, from 1 */
    int place;  /* it takes the place of the one that ended there */
    char name[16];
    bool is_alive, is_stopped, is_stop_asked;
    bool is_clean;    /* it ended by itself */
    bool may_abandon; /* it was told, or had a reason, to stop: what it runs may be left undone */
    int status;
    int64_t began_us, stopped_us, ended_us;
    uint64_t stops;     /* how often it was stopped */
    int records_queued; /* in its producers, not at the broker yet */
    int64_t wall_offset_us;
    int64_t cut_until_us[SERVICES_MAX]; /* from a service, which others reach */
    int64_t cuts;
    bool has_heard_time;
    bool knows_time; /* it asked the hub, and had a quick answer */
    struct heap_block *blocks;
    size_t block_count;
    int (*main)(struct process *);
};

extern struct process processes[PROCESSES_MAX];
extern int process_count;

struct process *process_start(int place, int (*main)(struct process *));
void process_kill(struct process *process); /* of the running fiber: does not return */
_Noreturn void process_exit(int status);    /* _exit of the running fiber's process */
void process_stop(struct process *process);
void process_continue(struct process *process);
void process_ask_stop(struct process *process); /* SIGTERM */
struct process *process_now(void);              /* NULL: the world */
/* The living one of that place; NULL = none. */
struct process *process_at(int place);
/* Told when any process ended, was stopped or goes on. */
void process_watch(void (*told)(struct process *process));

/* ---- the heap ---- */
void *heap_take(size_t size);
void *heap_take_zeroed(size_t count, size_t size);
void *heap_retake(void *bytes, size_t size);
void heap_give(void *bytes);

#endif
