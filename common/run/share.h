/*
 * share: when a workspace has more than its share of what a worker buffers; what is beyond moves to
 * the bulk topic, so that others' jobs behind it in the partition are read.
 *
 * The rule. A job moves when both hold:
 *   - its workspace has more jobs waiting here than there is room left in the buffer
 *     (HAUL_BUFFERED_JOBS_MAX). So one workspace alone has half of it, n have an n+1-th each, and
 *     as much stays free;
 *   - what waits here, or unread in the worker's partitions, takes longer than
 *     HAUL_WORKSPACE_BACKLOG_MS at the pace of the last seconds (model/pace). So jobs that the
 *     worker gets through sooner than anybody would notice stay. What is unread counts only where
 *     a job keeps all threads for longer than it takes to move one.
 * Jobs that came by the bulk topic count for nothing in this. Jobs with an order key move once they
 * have their places in the ledger (place.c), behind all of their workspace that are here: those of
 * their subject that come later wait for them there. Those put back, and kinds without a ledger,
 * can have none and stay.
 *
 * Once it is so, its jobs without an order are passed on as the bytes that they are (poll_pass.c),
 * none of them decoded or put in the queue, until what waits here of it is half of what is free, or
 * is worked off soon. Those with one go by the dispatcher, for their places, undecoded too
 * (arrive.c).
 *
 * Is:      looked at for each job that comes; and ten times a second for the workspace that has
 *          most, whose newest jobs make room: a burst may come before the pace is known, or jobs
 *          take longer from then on.
 * Threads: the dispatcher's; share_is_over, share_is_any_over and share_glance: any.
 */
#ifndef HAUL_RUN_SHARE_H
#define HAUL_RUN_SHARE_H

#include "run/dispatch.h"

/* What the job threads have done since the last look; who is within its share again. */
void share_look(struct dispatcher *d);

/* It will be taken, as far as is known: what waits for its place doesn't fill the buffer. */
void share_expect(struct dispatcher *d, struct attempt *a);

/* True: the job has been taken to be moved, or to get its place first and to come again. */
bool share_takes(struct dispatcher *d, struct attempt *a);

/* Now and then: takes from the fair queue what is beyond a share there. */
void share_make_room(struct dispatcher *d);

/* What was taken goes to the settler, which sends it. */
void share_give(struct dispatcher *d);

/* True: more than its share waits of this workspace. A moment old at most. */
bool share_is_over(const struct runtime *rt, uint64_t tenant);
bool share_is_any_over(const struct runtime *rt);

/* The kind of a plain record that such a workspace sent; NULL: it goes the way of all jobs. */
const struct kind_entry *share_glance(const struct runtime *rt, const struct delivery *delivery,
                                      struct job_glance *ret_glance);

#endif
