/*
 * breaker: the circuit breaker of one dependency.
 *
 * Is:      closed, open, half-open or forced open; a window of the last calls; the permit of the
 *          one probe.
 * Is not:  a clock, a store, or shared: run/breakers has the same machine as a Redis script, and
 *          this one for when Redis is gone.
 * Owns:    nothing; it is a value.
 * Threads: one at a time.
 * Source:  resilience4j's terms: a count window, minimum calls, failure rate, slow-call rate.
 *
 * closed:      calls run and are counted. When of at least `minimum_calls` in the window
 *              `failure_percent` failed, or `slow_percent` were slow: open.
 * open:        nothing runs until `until_us`; longer each time it opens again soon after.
 * half-open:   one probe at a time. `probes_needed` good ones close it, a bad one opens it. A probe
 *              that says nothing (ignored, cancelled) gives its permit back; one that is never
 *              heard of again loses it after its lease.
 * forced open: nothing runs until an operator closes it.
 * Each change of state begins a new epoch; what was let through in an older one is not counted.
 */
#ifndef HAUL_MODEL_BREAKER_H
#define HAUL_MODEL_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_WINDOW_MAX 100
#define BREAKER_PERCENT_NEVER 101

struct breaker_conf {
    int window; /* calls, 1 .. BREAKER_WINDOW_MAX */
    int minimum_calls;
    int failure_percent, slow_percent; /* at least this opens; above 100: never */
    int probes_needed;
    int64_t open_us, open_max_us; /* the first time; at most, doubled each time it reopens */
    int64_t probe_lease_us;
};
/* 100 calls, 10 at least, 50 % failed, all slow, 1 probe, 60 s up to 10 min, a lease of 30 s. */
extern const struct breaker_conf breaker_conf_default;

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN, BREAKER_FORCED_OPEN };
#define BREAKER_STATE_COUNT (BREAKER_FORCED_OPEN + 1)
/* "closed", "open", "half_open", "forced_open". */
const char *breaker_state_name(enum breaker_state state);
/* False and untouched: no state has that name. */
bool breaker_state_parse(const char *name, enum breaker_state *ret_state);

enum breaker_call { BREAKER_OK, BREAKER_SLOW, BREAKER_FAILED, BREAKER_IGNORED };

struct breaker {
    enum breaker_state state;
    int64_t epoch;
    int64_t until_us;       /* when open; of the last opening else */
    int64_t closed_us;      /* when it closed last */
    int reopened;           /* in a row */
    int64_t permit;         /* of the last probe; they count up */
    int64_t probe_until_us; /* its lease; 0 = no probe is under way */
    int probes_good;
    uint8_t calls[BREAKER_WINDOW_MAX]; /* enum breaker_call, a ring */
    int call_count, call_next;
};

/* Closed, with an empty window. */
void breaker_init(struct breaker *breaker);

enum breaker_answer {
    BREAKER_ALLOWED,
    BREAKER_PROBE, /* with the permit of a probe only: breaker_probe */
    BREAKER_DENIED,
};
/* What a call at `now_us` may do; denied: `ret_until_us` is when to ask again (INT64_MAX: when an
 * operator says so). Changes nothing. */
enum breaker_answer breaker_check(const struct breaker *breaker, int64_t now_us,
                                  int64_t *ret_until_us);

/* Takes the permit of the probe: its number; 0 when there is none to be had now. */
int64_t breaker_probe(const struct breaker_conf *conf, struct breaker *breaker, int64_t now_us);
/* Its holder is alive; false: the permit is another's by now, or nobody's. */
bool breaker_renew(const struct breaker_conf *conf, struct breaker *breaker, int64_t permit,
                   int64_t now_us);

struct breaker_report {
    int64_t epoch;  /* the breaker's when the call was let through */
    int64_t permit; /* 0 = it was no probe */
    enum breaker_call call;
    int64_t now_us;
};
/* A call has ended; true: the state has changed. */
bool breaker_report(const struct breaker_conf *conf, struct breaker *breaker,
                    const struct breaker_report *report);

/* An operator's doing. Closing empties the window. */
void breaker_force_open(struct breaker *breaker);
void breaker_close(struct breaker *breaker, int64_t now_us);

#endif
