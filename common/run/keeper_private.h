/*
 * keeper_private: for keeper.c (leases, deadlines, progress) and keeper_hub.c (cancels by the hub).
 */
#ifndef HAUL_RUN_KEEPER_PRIVATE_H
#define HAUL_RUN_KEEPER_PRIVATE_H

#include "run/keeper.h"
#include "run/queue.h"

/* With the lock held. The first reason counts. */
void keeper_stop_slot(struct keeper_slot *slot, enum stop_reason reason);

MUST_USE enum outcome keeper_hub_start(struct keeper *keeper, struct err *err);
void keeper_hub_stop(struct keeper *keeper);
/* Soon, and without waiting for it. */
void keeper_ask_hub(struct keeper *keeper);

#endif
