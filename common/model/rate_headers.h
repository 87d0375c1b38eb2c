/*
 * rate_headers: what a provider's answer says of its rate limit.
 *
 * Is:      Retry-After (seconds or an HTTP date), X-RateLimit-Remaining and -Reset, RateLimit-
 *          Remaining and -Reset, and RateLimit ("limit=100, remaining=7, reset=30"; also r= and
 * t=). Is not:  a limit: run/rate_limits acts on it. Owns:    nothing. Threads: any. Source:  RFC
 * 9110 10.2.3; draft-ietf-httpapi-ratelimit-headers; GitHub's and others' X- forms, whose reset is
 * either seconds from now or a time since the epoch: beyond 1e9 it is the latter, beyond 1e12 in
 * milliseconds.
 */
#ifndef HAUL_MODEL_RATE_HEADERS_H
#define HAUL_MODEL_RATE_HEADERS_H

#include <stdbool.h>
#include <stdint.h>

struct rate_told {
    int64_t remaining;      /* -1 = not told */
    int64_t reset_us;       /* from now on; -1 = not told */
    int64_t retry_after_us; /* -1 = not told */
};

void rate_told_init(struct rate_told *told);

/* Takes one header in, its name in any case; false: it is none of these, or makes no sense. */
bool rate_told_add(struct rate_told *told, const char *name, const char *value, int64_t now_us);

/* How long nothing may be asked: Retry-After, or the reset when nothing remains. 0 = go on. */
int64_t rate_told_block_us(const struct rate_told *told);

#endif
