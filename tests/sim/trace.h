/*
 * trace: what happens in the world, a line a thing; and what must not happen.
 */
#ifndef HAUL_SIM_TRACE_H
#define HAUL_SIM_TRACE_H

#include <stdbool.h>

struct process;
struct job;

extern bool trace_is_on;

#define TRACE_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))
/* Of the running fiber, of a process, of the world. */
void trace_write(const struct process *process, const char *what, const char *fmt, ...)
    TRACE_LIKE(3, 4);
/* From now on the lines are kept, by whatever process forks off; the last of them that concern the
 * job that failed, or all jobs, are printed, and nothing is kept any more. */
void trace_keep(void);
void trace_print_kept(void);
#define trace(what, ...) (trace_is_on ? trace_write(process_now(), (what), __VA_ARGS__) : (void)0)
#define trace_of(process, what, ...)                                                               \
    (trace_is_on ? trace_write((process), (what), __VA_ARGS__) : (void)0)

/* The seed has failed: says why and ends it. `job` may be NULL. */
_Noreturn void violation(const struct job *job, const char *rule, const char *fmt, ...)
    TRACE_LIKE(3, 4);

#endif
