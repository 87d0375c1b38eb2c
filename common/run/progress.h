/*
 * progress: when a running job's progress is told, and its rate and ETA.
 *
 * Is:      the keeper's arithmetic on a slot; called with the keeper's lock held.
 */
#ifndef HAUL_RUN_PROGRESS_H
#define HAUL_RUN_PROGRESS_H

#include "run/keeper.h"

#define PROGRESS_INTERVAL_US INT64_C(500000)

/* Keeps the newest; `now_us` is monotonic. */
void progress_note(struct keeper_slot *slot, const struct event_progress *progress, int64_t now_us);

/* The event to send now, if there is news and it is time; uses up one sequence number. */
bool progress_take(struct keeper_slot *slot, int64_t now_us, int64_t wall_us,
                   struct event *ret_event);

#endif
