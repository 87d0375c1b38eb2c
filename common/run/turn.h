/*
 * turn: jobs whose turn in their order comes soon wait in the worker, so that each begins as soon
 * as the one before it has ended here, and soon after it has ended elsewhere.
 *
 * The ledger says of a job that it is behind others. As long as there is room, and for some
 * seconds, it waits here: the first of a subject asks again, and is called when one before it ends;
 * those behind it ask for nothing. Those behind one that waits for a later attempt, and the last of
 * a subject when there is no room, go by a retry topic, with their places in a header: who comes
 * again by it, and is behind the head of its subject as the ledger told it last, takes its place
 * here without a question. So many that come in any order leave in theirs, and the fewer a
 * subject's turn costs the hub the longer its line may be.
 *
 * They hold no lease, and of the fair queue neither their key nor a share; they are in the buffer,
 * and fill a part of it at most.
 *
 * Threads: the dispatcher's.
 */
#ifndef HAUL_RUN_TURN_H
#define HAUL_RUN_TURN_H

#include "run/dispatch.h"

void turn_init(struct dispatcher *d);

/* It was said to be behind, and is in flight: from now on it waits, here or elsewhere. Its lease is
 * to be given up. */
void turn_await(struct dispatcher *d, struct attempt *a);

/* True: one that comes is known to be behind, and waits, here or elsewhere. */
bool turn_takes(struct dispatcher *d, struct attempt *a);

/* One is over: if it may have ended, the next of its subject goes to the fair queue. */
void turn_next(struct dispatcher *d, const struct attempt *over);

/* Those that are due go there too. */
void turn_look(struct dispatcher *d);

#endif
