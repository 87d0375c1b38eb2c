/*
 * clock: the time, and its RFC 3339 text. The only place that asks the operating system.
 */
#ifndef HAUL_BASE_CLOCK_H
#define HAUL_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define US_PER_S INT64_C(1000000)
#define US_PER_MS INT64_C(1000)

int64_t clock_wall_us(void);      /* microseconds since the epoch, UTC */
int64_t clock_monotonic_us(void); /* never steps back; origin unspecified */
void clock_sleep_us(int64_t us);

#define CLOCK_TEXT_SIZE 32
/* "2026-11-21T07:18:26.123456Z" into at least CLOCK_TEXT_SIZE bytes; returns `to`. */
char *clock_format(int64_t wall_us, char to[CLOCK_TEXT_SIZE]);
/* RFC 3339 with Z or an offset, seconds' fraction optional; false when it is none. */
bool clock_parse(const char *text, int64_t *ret_wall_us);

#endif
