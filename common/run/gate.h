/*
 * gate: lets an attempt run, or has it wait, by the breakers of what it depends on.
 *
 * Is:      between the claim and the job threads; and behind the run, the report of how each
 *          dependency did.
 * Is not:  a breaker (run/breakers), nor does it park anything: what may not run waits in a retry
 *          topic, no attempt counted, told as `retrying` with the code "breaker.open". A job that
 *          has its place in an order keeps it.
 * Threads: gate_admit is the dispatcher's; the rest is by whoever holds the attempt.
 */
#ifndef HAUL_RUN_GATE_H
#define HAUL_RUN_GATE_H

#include "run/dispatch.h"

/* True: a kind of this worker depends on something. */
bool gate_is_needed(const struct worker *worker);

/* Moves those of `runnable` that may not run now to `held`, their plans made. */
void gate_admit(struct dispatcher *d, struct attempts *runnable, struct attempts *held);

/* Since then others may have found a dependency down: their failures are not to be repeated. Not
 * OK: it may not begin now. */
void gate_ask_again(struct attempt *a);

/* The run goes on, but that dependency is known to be up. */
void gate_report_up(struct attempt *a, size_t dependency);
/* The run is over: how its dependencies did follows from its outcome. */
void gate_run_ended(struct attempt *a);
/* It did not come to a run, or is over: permits that it still has are given back. */
void gate_leave(struct attempt *a);

#endif
