/*
 * share_private: what the files of share have between them. share.c judges who has more than its
 * share, share_move.c takes what moves, share_table.c tells all threads and keeps count of what is
 * left.
 */
#ifndef HAUL_RUN_SHARE_PRIVATE_H
#define HAUL_RUN_SHARE_PRIVATE_H

#include "run/share.h"

#define SHARE_LEAST_PART 16 /* this part of the buffer is everybody's, however full it is */

/* Whose jobs: those of a workspace that came by the bulk topic have a share of their own. */
struct share_who {
    uint64_t tenant;
    bool is_bulk;
};

/* What is left of the buffer, or of the half that is for bulk jobs. */
int64_t share_room(const struct dispatcher *d, bool is_bulk);
bool share_takes_long(const struct dispatcher *d, struct share_who who, int64_t backlog);
/* More waits here than may stay. */
bool share_is_beyond(const struct dispatcher *d, struct share_who who);
/* False: the table is full. Then its jobs are looked at one by one, and ordered ones stay. */
bool share_note_over(struct dispatcher *d, struct share_who who);

/* Who has that place of rt->over; 0 = nobody. By any thread. */
uint64_t share_workspace(const struct runtime *rt, size_t slot);

#endif
