/*
 * poll: the loop of the process's main thread, which alone owns the consumer.
 *
 * Is:      reading, holding back what is not due, back-pressure, completion of offsets, commits,
 *          rebalances, the drain. poll.c is the loop; poll_in.c what comes in; poll_out.c what
 *          comes back; poll_pass.c what goes on unread; poll_left.c what is read past, poll_back.c
 *          that again; poll_commit.c the commits; poll_rebalance.c the group's callbacks;
 *          poll_depth.c the gauges.
 * Owns:    every delivery while it is in no queue and with no job thread.
 * Threads: one.
 *
 * An assignment is an epoch. A completion of an older epoch changes nothing: its record is
 * delivered again, to whoever reads that partition now, and the ledger tells what became of it.
 */
#ifndef HAUL_RUN_POLL_H
#define HAUL_RUN_POLL_H

#include "run/dispatch.h"
#include "run/look.h"
#include "run/partitions.h"

#define POLLER_BURST_MAX 256 /* records between two looks at the rest */
#define POLLER_COMMIT_MAX 64
#define POLLER_ANSWER_WAIT_US (5 * US_PER_S)

/* The one that is on its way: what comes to be complete meanwhile waits for its answer. */
struct poller_commit {
    struct kafka_partition list[POLLER_COMMIT_MAX]; /* its texts are the table's */
    size_t count;                                   /* 0 = none is */
    bool is_refused;                                /* the last one was */
};

/* What was read past, and is read again by a reader of its own: one partition at a time, each from
 * the lowest of its offsets that are left. */
struct poller_left {
    size_t count;                  /* in all partitions */
    struct kafka_consumer *reader; /* NULL until it is needed */
    size_t partition;              /* that it reads */
    size_t taken;                  /* from it, in this turn */
    bool is_reading;
    bool is_sure;        /* it is a new one: what it does not give is not there */
    int64_t again_at_us; /* after a failure */
    int64_t rest_due_us; /* with nothing to read */
};

struct poller {
    struct runtime *rt;
    struct kafka_consumer *consumer;
    struct partitions table;
    struct attempts given;    /* on their way to the dispatcher, a burst together */
    struct delivery *delayed; /* to be given out again at their time */
    size_t delayed_count;
    size_t live;                      /* deliveries that are not freed */
    size_t passing, passing_bytes;    /* of them: those that go on as they are */
    size_t passed;                    /* since somebody has more than a share */
    struct arena pass_arena;          /* for the headers of one */
    struct delivery *oldest, *newest; /* of those that live */
    struct poller_left left;
    bool is_idle;      /* the last look found no record */
    bool is_full;      /* all partitions are paused */
    bool is_bulk_full; /* those of the bulk topic are held */
    int64_t full_since_us;
    int64_t commit_due_us, work_due_us;
    struct poller_commit commit;
    size_t ask_next; /* whose end is asked for next, modulo the count */
    int64_t ask_due_us;
    int64_t answers_until_us; /* at the end; 0 = it is not there yet */
    bool is_fatal;            /* the consumer is dead */
};

/* Opens the consumer and subscribes; does not wait for a broker. */
MUST_USE enum outcome poller_open(struct poller *poller, struct runtime *rt, struct err *err);

/* Its consumer group. */
const char *poller_group(const struct runtime *rt);

/* Until a stop is asked for; then drains. True: every job ended or was handed back. */
bool poller_run(struct poller *poller);

/* How long an answer of the broker is waited for. At the end reports, the commit and the flush
 * share one such wait, or a broker that is away would cost each of them; what comes late has a
 * little. */
int64_t poller_answer_wait_us(const struct poller *poller);

/* Everything is settled: commits and leaves the group. The outbox is closed before. */
void poller_close(struct poller *poller);

/* ---- between its files ---- */

void poller_assigned(void *ctx, struct kafka_partition *partitions, size_t count);
void poller_revoked(void *ctx, const struct kafka_partition *partitions, size_t count);
void poller_lost(void *ctx, const struct kafka_partition *partitions, size_t count);

/* A delivery begins and ends its life here. */
void poller_link(struct poller *poller, struct delivery *delivery);
void poller_free(struct poller *poller, struct delivery *delivery);

/* Given out again at its time. */
void poller_delay(struct poller *poller, struct delivery *delivery);

/* A record comes. */
void poller_take(struct poller *poller, struct kafka_message *message);
/* Its delivery, which takes the message over; NULL without memory. */
struct delivery *poller_deliver(struct poller *poller, const struct partition *partition,
                                struct kafka_message *message);
/* To the dispatcher, with the others of this burst. */
void poller_give_out(struct poller *poller, struct delivery *delivery);
/* Those that are due by now, and have room. */
void poller_try_held(struct poller *poller);
void poller_try_delayed(struct poller *poller);
/* As much may be read as is buffered. */
bool poller_has_room(const struct poller *poller);

/* Whose it is, and of what class. False: nobody's that this worker knows. */
bool poller_look(const struct poller *poller, const struct delivery *delivery,
                 struct look *ret_look);
/* True: poller_leave would leave it. */
bool poller_may_leave(const struct poller *poller, struct partition *partition,
                      const struct look *look);
/* True: it is read later; the delivery is gone. */
bool poller_leave(struct poller *poller, struct partition *partition, struct delivery *delivery,
                  const struct look *look);
/* One of them comes back: whose it is. */
void poller_note_back(struct poller *poller, struct partition *partition, const struct look *look);
/* With none left it is of nobody: where not all came back, as they had gone. */
void poller_check_left(struct partition *partition);
/* No record that is left was read before; 0 = none is. To be asked often. */
int64_t poller_left_since_us(struct partition *partition, int64_t now_us);
/* What was left, as far as there is room for it. True: something came. */
bool poller_read_left(struct poller *poller);
/* The partitions are not ours any more; the table is still there. */
void poller_forget_left(struct poller *poller);

/* True: it is on its way to the bulk topic, and comes back when its report is in. */
bool poller_pass_on(struct poller *poller, struct delivery *delivery, const struct look *look);
/* There is nothing else to do, and few are on their way. */
bool poller_may_pass_aside(const struct poller *poller);
/* No more of them for now. */
bool poller_has_enough_passing(const struct poller *poller);
/* Its report is in. */
void poller_passed(struct poller *poller, struct delivery *delivery);

/* Takes what came back: completes offsets; waits at most `timeout_us` for the first. */
void poller_take_done(struct poller *poller, int64_t timeout_us);
/* Takes the answer to the last commit if it is there; at the time for the next, sends that. */
void poller_commit(struct poller *poller);
/* Before the partitions are given up: commits all that is news, and waits for the answers. */
void poller_commit_last(struct poller *poller);
/* Asks Kafka for the end of the next partition in turn. */
void poller_ask_end(struct poller *poller);
/* Sets the gauges. */
void poller_publish(struct poller *poller);
/* Head-of-line blocking: a job that alone holds back a full window for too long is stopped. */
void poller_check_heads(struct poller *poller);
/* Frees what is delayed or held. */
void poller_drop_waiting(struct poller *poller);
void poller_pause(struct poller *poller, struct partition *partition, bool pause);
void poller_pause_all(struct poller *poller, bool pause);
/* Those that nothing holds back: a resume that failed. */
void poller_resume_idle(struct poller *poller);

#endif
