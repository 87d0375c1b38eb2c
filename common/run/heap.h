/*
 * heap: how much memory that nobody uses the process keeps.
 *
 * Is:      settings of the C library's allocator, and the look that gives back what a burst left.
 * Is not:  an allocator.
 * Threads: heap_init before there are others; heap_give_back by any.
 *
 * The source of what the calls do: mallopt(3), malloc_trim(3).
 */
#ifndef HAUL_RUN_HEAP_H
#define HAUL_RUN_HEAP_H

void heap_init(void);

/* Pages without a block in use go back to the system. The others' allocations wait for it: 0.1 ms
 * in a process at rest, some ms after a burst. */
void heap_give_back(void);

#endif
