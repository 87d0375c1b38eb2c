/* heap: see heap.h. */
#include "run/heap.h"

#include <malloc.h>

#define MMAP_BYTES (256 << 10)
#define TRIM_BYTES (2 << 20)
#define ARENAS 2

/*
 * The heap learns from a large block that was freed to keep such blocks, for the thread that freed
 * it: a job's batches would stay with every thread that ever had some. Told a threshold, it gives
 * them back, and memory is what the running jobs need. A little is kept: to give back and to take
 * again what each handful of small jobs needs costs more than the jobs. What one thread allocates
 * another frees here: with a heap for each thread all of them would grow.
 */
void heap_init(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
    (void)mallopt(M_ARENA_MAX, ARENAS);
}

/* By itself the heap gives back what is free at its end only: one block of a long job there, and
 * all that a burst took below it would stay for ever. */
void heap_give_back(void)
{
    (void)malloc_trim(0);
}
