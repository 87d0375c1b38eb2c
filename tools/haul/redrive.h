/*
 * redrive: sends dead letters on, many at a time, and commits the reading group behind them.
 *
 * Is:      a window of letters in the order in which they were read. A letter is settled when it
 *          needs nothing, or when its record's delivery was reported; a partition's commit moves
 *          over settled letters alone, and stops for good at the first one that is left.
 * Is not:  a judge of what becomes of a letter (cmd_dlq_replay).
 * Owns:    its producer and its lists.
 * Threads: one.
 *
 * Killed anywhere, the next one begins at the commit: some letters are sent twice then, with the
 * same redrive count, and the ledger opens a job again once for each count.
 */
#ifndef HAUL_TOOL_REDRIVE_H
#define HAUL_TOOL_REDRIVE_H

#include "dlq_scan.h"

#define REDRIVE_WINDOW 1024

enum redrive_state { REDRIVE_SENT, REDRIVE_SETTLED, REDRIVE_LEFT };

struct redrive_slot {
    struct redrive *redrive;
    int32_t partition;
    int64_t offset;
    enum redrive_state state;
};

struct redrive {
    const struct dlq_scan *scan;     /* open; its consumer commits */
    struct kafka_producer *producer; /* NULL: a dry run, nothing is sent or committed */
    int64_t rate;                    /* records a second; 0 = as fast as it goes */
    int64_t next_us, commit_due_us;  /* monotonic */
    struct redrive_slot slots[REDRIVE_WINDOW];
    size_t first, count; /* of the ring */
    int64_t *commits;    /* by partition: what is to be committed; -1 = nothing new */
    bool *is_held;       /* by partition: a letter was left */
    struct err failure;  /* of the first record that was not delivered; outcome OK = none */
};

/* `scan` is open. With `is_dry` no producer is opened. */
MUST_USE enum outcome redrive_open(struct redrive *redrive, const struct dlq_scan *scan,
                                   int64_t rate, bool is_dry, struct err *err);
/* Takes one that is zeroed. What is not reported is not waited for: redrive_drain does that. */
void redrive_close(struct redrive *redrive);

/* A letter that needs nothing (keep false), or that a later replay has to look at (keep true). */
MUST_USE enum outcome redrive_pass(struct redrive *redrive, const struct kafka_message *letter,
                                   bool keep, struct err *err);
/* Sends the record that is made of a letter, when the rate allows it; copies all it needs. */
MUST_USE enum outcome redrive_send(struct redrive *redrive, const struct kafka_message *letter,
                                   const struct kafka_record *record, struct err *err);
/* Takes delivery reports, waiting at most `timeout_ms` for the first, and commits now and then.
 * Fails with the first failed delivery, after which nothing more should be sent. */
MUST_USE enum outcome redrive_settle(struct redrive *redrive, int64_t timeout_ms, struct err *err);
/* Waits for all reports and commits. */
MUST_USE enum outcome redrive_drain(struct redrive *redrive, struct err *err);

#endif
