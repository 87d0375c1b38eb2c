/*
 * events: puts events on the events topic.
 */
#ifndef HAUL_RUN_EVENTS_H
#define HAUL_RUN_EVENTS_H

#include "model/event.h"
#include "run/outbox.h"

/* Tells it if there is room; never waits, never fails: for what is of passing interest. */
void events_tell(struct outbox *outbox, const char *topic, const struct event *event);

/* Tells it as soon as there is room, which it waits for a tenth of a second at most. */
void events_tell_soon(struct outbox *outbox, const char *topic, const struct event *event);

/* Tells it for sure: the delivery waits for its report. A result that is too long for a record is
 * left out ("receipt":{"left_out":true}): the ledger has it. Fails as outbox_send. */
MUST_USE enum outcome events_tell_surely(struct outbox *outbox, const char *topic,
                                         const struct event *event, struct delivery *delivery,
                                         struct err *err);

/* The same, but as the delivery's sequel: behind all else that it sends. Fails for want of memory
 * alone. */
MUST_USE enum outcome events_tell_behind(const char *topic, const struct event *event,
                                         struct delivery *delivery, struct err *err);

#endif
