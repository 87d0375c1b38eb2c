/* process: see process.h. */
#include "process.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fiber.h"
#include "trace.h"

struct process processes[PROCESSES_MAX];
int process_count;
static void (*watchers[8])(struct process *);
static int watcher_count;

struct process *process_now(void)
{
    return fiber_now == NULL ? NULL : fiber_now->process;
}

void process_watch(void (*told)(struct process *process))
{
    watchers[watcher_count++] = told;
}

static void tell(struct process *process)
{
    for (int i = 0; i < watcher_count; i++)
        watchers[i](process);
}

struct process *process_at(int place)
{
    for (int i = 0; i < process_count; i++) {
        if (processes[i].place == place && processes[i].is_alive)
            return &processes[i];
    }
    return NULL;
}

/* ---- the heap ---- */

struct heap_block {
    struct heap_block *older, *newer;
    struct process *process;
    size_t size;
    alignas(max_align_t) unsigned char bytes[];
};

void *heap_take(size_t size)
{
    struct process *process = process_now();
    struct heap_block *block = malloc(sizeof *block + size);
    if (block == NULL)
        abort();
    *block = (struct heap_block){.process = process, .size = size};
    if (process == NULL)
        return block->bytes;
    block->older = process->blocks;
    if (process->blocks != NULL)
        process->blocks->newer = block;
    process->blocks = block;
    process->block_count++;
    return block->bytes;
}

static struct heap_block *block_of(void *bytes)
{
    return (struct heap_block *)(void *)((unsigned char *)bytes -
                                         offsetof(struct heap_block, bytes));
}

void heap_give(void *bytes)
{
    if (bytes == NULL)
        return;
    struct heap_block *block = block_of(bytes);
    struct process *process = block->process;
    if (block->newer != NULL)
        block->newer->older = block->older;
    else if (process != NULL)
        process->blocks = block->older;
    if (block->older != NULL)
        block->older->newer = block->newer;
    if (process != NULL)
        process->block_count--;
    free(block);
}

void *heap_take_zeroed(size_t count, size_t size)
{
    void *bytes = heap_take(count * size);
    memset(bytes, 0, count * size);
    return bytes;
}

void *heap_retake(void *bytes, size_t size)
{
    void *fresh = heap_take(size);
    if (bytes != NULL) {
        size_t old = block_of(bytes)->size;
        memcpy(fresh, bytes, old < size ? old : size);
        heap_give(bytes);
    }
    return fresh;
}

static void drop_heap(struct process *process)
{
    while (process->blocks != NULL) {
        struct heap_block *block = process->blocks;
        process->blocks = block->older;
        free(block);
    }
    process->block_count = 0;
}

/* ---- life ---- */

static void end(struct process *process)
{
    process->is_alive = false;
    process->ended_us = world_us;
    fibers_end(process);
    tell(process);
    drop_heap(process);
}

static void *run_main(void *arg)
{
    struct process *process = arg;
    process->status = process->main(process);
    process->is_clean = true;
    trace("process", "ends, status %d", process->status);
    if (process->block_count > 0)
        violation(NULL, "leak", "%zu blocks of memory are left at the end of %s",
                  process->block_count, process->name);
    end(process);
    return NULL;
}

struct process *process_start(int place, int (*main)(struct process *))
{
    if (process_count == PROCESSES_MAX)
        abort();
    struct process *process = &processes[process_count];
    *process = (struct process){.number = ++process_count,
                                .place = place,
                                .is_alive = true,
                                .began_us = world_us,
                                .main = main};
    (void)snprintf(process->name, sizeof process->name, "p%d", process->number);
    trace_of(process, "process", "starts");
    (void)fiber_start(process, "main", run_main, process);
    return process;
}

void process_kill(struct process *process)
{
    if (!process->is_alive)
        return;
    trace_of(process, "process", "KILLED");
    process->status = -9;
    end(process);
    if (fiber_now != NULL && fiber_now->process == process)
        fiber_leave();
}

_Noreturn void process_exit(int status)
{
    struct process *process = process_now();
    trace("process", "exits, status %d", status);
    process->status = status;
    process->is_clean = true;
    end(process);
    fiber_leave();
}

void process_stop(struct process *process)
{
    if (!process->is_alive || process->is_stopped)
        return;
    trace_of(process, "process", "STOPPED");
    process->is_stopped = true;
    process->stopped_us = world_us;
    process->stops++;
    fibers_rest(process);
    tell(process);
}

void process_continue(struct process *process)
{
    if (!process->is_alive || !process->is_stopped)
        return;
    trace_of(process, "process", "goes on after %.3f s",
             (double)(world_us - process->stopped_us) / (double)SECOND);
    process->is_stopped = false;
    fibers_resume(process);
    tell(process);
}

void process_ask_stop(struct process *process)
{
    if (!process->is_alive)
        return;
    trace_of(process, "process", "SIGTERM");
    process->is_stop_asked = process->may_abandon = true;
}
