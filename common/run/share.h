/*
 * share: when a workspace has more than its share of what a worker buffers; what is beyond is read
 * later or moves to the bulk topic, so that others' jobs behind it in the partition are read.
 * Jobs that came by the bulk topic have shares of their own, of their half of the buffer.
 *
 * The rule. A job does not stay when both hold:
 *   - its workspace has more jobs waiting here than there is room left in the buffer
 *     (HAUL_BUFFERED_JOBS_MAX). So one workspace alone has half of it, n have an n+1-th each, and
 *     as much stays free;
 *   - what waits here, or unread in the worker's partitions, takes longer than
 *     HAUL_WORKSPACE_BACKLOG_MS at the pace of the last seconds (model/pace). So jobs that the
 *     worker gets through sooner than anybody would notice stay. What is unread counts only where
 *     a job keeps all threads for longer than it takes to move one. Or other workers have all the
 *     leases that the workspace's cap allows: then nobody knows how long.
 * Jobs that came by the bulk topic count for nothing in this; for them see below. What is in the
 * buffer by then moves.
 * Jobs with an order key do once they have their places in the ledger (place.c), behind all of
 * their workspace that are here: those of their subject that come later wait for them there. Those
 * put back, and kinds without a ledger, can have none and stay.
 *
 * Once it is so, none of its jobs is decoded or put in the queue, until what waits here of it is
 * half of what is free, or is worked off soon, and none of it is left:
 *   - they are left: read past, their offsets incomplete, and read again when there is room for
 *     them (poll_left.c);
 *   - those without an order are passed on to the bulk topic as the bytes that they are
 *     (poll_pass.c), for all workers to do, when there is nothing else to read;
 *   - of those with an order, what is left of a workspace in a partition is taken in its order, and
 *     all that comes there of it later is left too. Neither the hub nor the bulk topic has anything
 *     to do with most of them.
 * Where a partition can be read no further, what is left there moves at once. That with an order
 * goes by the dispatcher, for its places, undecoded too (arrive.c).
 *
 * Bulk jobs. They fill half of the buffer (share_bulk_max), and the same holds within that, each
 * workspace's bulk jobs taken for themselves: more of them wait here than there is room left of the
 * half, and it takes long to do what waits of all classes, as bulk jobs run behind the others. But
 * they have nowhere to move to:
 *   - what is here stays, and who fills the half before anybody knows how long that takes has it
 *     until its jobs are done. So the room for n workspaces is at least an n+1-th of the half, and
 *     while one has too much, others have a quarter of the half besides (share_bulk_limit);
 *   - records of who has too much are read past even where the half is full;
 *   - what is left comes back for credit alone, and where no more can be read of a partition it
 *     waits for that too. What is in the way of another's that has credit comes back beyond its
 *     own, one at a time (poll_back.c). Who has nothing here has credit for one, so it ends.
 *
 * Is:      looked at for each job that comes; and ten times a second for the workspace that has
 *          most, whose newest jobs make room: a burst may come before the pace is known, or jobs
 *          take longer from then on. share.c judges, share_move.c moves, share_table.c tells.
 * Threads: the dispatcher's, but for the calls below that say otherwise.
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

/* ---- by any thread: a moment old at most ---- */

/* So many jobs of the bulk topic are buffered, which workspaces share; while one has more than its
 * share, as many as the limit says: a quarter more, for others. */
int64_t share_bulk_max(const struct runtime *rt);
int64_t share_bulk_limit(const struct runtime *rt);
/* The number that a workspace has in rt->over: its own; for what came of it by the bulk topic,
 * another one (of which the first is made in the same way). */
uint64_t share_number(uint64_t tenant, bool is_bulk);
/* True: more than its share waits of this workspace. */
bool share_is_over(const struct runtime *rt, uint64_t number);
bool share_is_any_over(const struct runtime *rt);
bool share_is_any_bulk_over(const struct runtime *rt);
/* Its place in rt->over; RUNTIME_OVER_MAX: it has none. */
size_t share_slot_of(const struct runtime *rt, uint64_t number);

/* ---- what was left: by the poll thread ---- */

/* More of its records are left, or fewer. */
void share_note_left(struct runtime *rt, uint64_t number, int more);
/* There is room for one of them. */
bool share_may_return(const struct runtime *rt, uint64_t number);
/* The same, and it is taken. */
bool share_take_credit(struct runtime *rt, struct delivery *delivery, uint64_t number);
/* It comes back though there is no credit for it. */
void share_take_beyond(struct runtime *rt, struct delivery *delivery, uint64_t number);
/* A delivery's `over_slot` as it was: the dispatcher has it now, or it is gone. By any thread. */
void share_returned(struct runtime *rt, int slot);

/* The dispatcher's. True: one that was left stays without a place, as nothing of its workspace
 * waits for one. What moves next of that workspace comes behind it. */
bool share_takes_back(struct dispatcher *d, const struct attempt *a);

#endif
