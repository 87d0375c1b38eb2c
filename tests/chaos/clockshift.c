/*
 * clockshift: a library to preload: CLOCK_REALTIME of the process is off by what stands, as a
 * 64-bit number of microseconds, in the file that CHAOS_CLOCK names. Writing to the file makes it
 * jump.
 *
 * Is not: for the monotonic clock, nor for what the kernel waits by.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift;

__attribute__((constructor)) static void open_shift(void)
{
    const char *path = getenv("CHAOS_CLOCK");
    int file = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *page = mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, file, 0);
    shift = page != MAP_FAILED ? page : NULL;
    close(file);
}

static void add_shift(struct timespec *at)
{
    int64_t us = shift != NULL ? *shift : 0;
    int64_t ns = at->tv_nsec + us % 1000000 * 1000;
    at->tv_sec += us / 1000000 + (ns >= 1000000000) - (ns < 0);
    at->tv_nsec = ns + (ns < 0) * 1000000000 - (ns >= 1000000000) * 1000000000;
}

int clock_gettime(clockid_t clock, struct timespec *ret_at)
{
    int status = (int)syscall(SYS_clock_gettime, clock, ret_at);
    if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        add_shift(ret_at);
    return status;
}

int gettimeofday(struct timeval *restrict ret_at, void *restrict zone)
{
    (void)zone;
    struct timespec at;
    int status = clock_gettime(CLOCK_REALTIME, &at);
    *ret_at = (struct timeval){at.tv_sec, at.tv_nsec / 1000};
    return status;
}

time_t time(time_t *ret_at)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_REALTIME, &at);
    if (ret_at != NULL)
        *ret_at = at.tv_sec;
    return at.tv_sec;
}
