/*
 * share: when a workspace has more than its share of what a worker buffers; what is beyond moves to
 * the bulk topic, so that others' jobs behind it in the partition are read.
 *
 * The rule. A job moves when both hold:
 *   - its workspace has more jobs waiting here than there is room left in the buffer
 *     (HAUL_BUFFERED_JOBS_MAX). So one workspace alone has half of it, n have an n+1-th each, and
 *     as much stays free;
 *   - what waits here takes longer than HAUL_WORKSPACE_BACKLOG_MS at the pace of the last seconds
 *     (model/pace). So jobs that the worker gets through sooner than anybody would notice stay,
 *     however many they are.
 * Jobs that came by the bulk topic count for nothing in this. Jobs with an order key stay where
 * they are: by another topic they could overtake each other.
 *
 * Is:      looked at for each job that comes; and ten times a second for the workspace that has
 *          most, whose newest jobs make room: a burst may come before the pace is known, or jobs
 *          take longer from then on.
 * Threads: the dispatcher's.
 */
#ifndef HAUL_RUN_SHARE_H
#define HAUL_RUN_SHARE_H

#include "run/dispatch.h"

/* What the job threads have done since the last look. */
void share_look(struct dispatcher *d);

/* True: the job has been taken to be moved. */
bool share_takes(struct dispatcher *d, struct attempt *a);

/* Now and then: takes from the fair queue what is beyond a share there. */
void share_make_room(struct dispatcher *d);

/* What was taken goes to the settler, which sends it. */
void share_give(struct dispatcher *d);

#endif
