#include "run/heap.h"

#include "check.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCKS 20000
#define BLOCK_BYTES 1024
#define ALL_KIB ((long)BLOCKS * BLOCK_BYTES / 1024)

static long resident_kib(void)
{
    char line[256];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    }
    if (file != NULL)
        (void)fclose(file);
    return kib;
}

/* A block that is still used stands behind them: the heap can't be made shorter. */
static void test_what_is_free_is_given_back(void)
{
    static char *blocks[BLOCKS];
    heap_init();
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BLOCK_BYTES);
        CHECK(blocks[i] != NULL);
        memset(blocks[i], 'x', BLOCK_BYTES);
    }
    for (int i = 0; i + 1 < BLOCKS; i++)
        free(blocks[i]);
    long kept_kib = resident_kib();
    bool is_ours = mallinfo2().fordblks > ALL_KIB * 512; /* and no sanitizer's */
    heap_give_back();
    if (is_ours)
        CHECK(kept_kib - resident_kib() > ALL_KIB * 9 / 10);
    CHECK_INT(blocks[BLOCKS - 1][BLOCK_BYTES - 1], 'x');
    free(blocks[BLOCKS - 1]);
}

static CU_TestInfo tests[] = {
    {"what is free is given back", test_what_is_free_is_given_back},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("run/heap", tests)
