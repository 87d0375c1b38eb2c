/*
 * ledger: the hub's record of every job: one row a job, one terminal state, fences, cancels.
 *
 * Is:      the statements that workers and the command line use. Each is one round trip and atomic;
 *          what workers do often comes in batches.
 * Is not:  a policy; nor a lease: who may claim is decided by run/lease_store before.
 * Owns:    nothing. Texts that are returned live in the caller's arena.
 * Threads: as its pgsql.
 *
 * All fail as pgsql_query does. A worker takes every failure for an outage: it waits.
 */
#ifndef HAUL_RUN_LEDGER_H
#define HAUL_RUN_LEDGER_H

#include "base/arena.h"
#include "io/pgsql.h"
#include "model/event.h"

/* What a delivery says of itself when it claims its job. */
struct ledger_claim {
    const char *job_id, *workspace_id, *kind, *subject;
    int attempt, redrive_count;
    int64_t not_before_us; /* the delivery's own; tells an old delivery from the awaited one */
    const char *first_topic;
    int first_partition;
    int64_t first_offset;
    bool is_ordered;        /* behind every unfinished earlier job of its subject */
    const char *dedupe_key; /* NULL = none */
    int64_t dedupe_window_us;
    bool is_alone; /* it may be claimed as a suspect: no other one runs in this process */
};

enum ledger_verdict {
    LEDGER_RUN,       /* ours: run it */
    LEDGER_DONE,      /* terminal already: tell it again */
    LEDGER_WAIT,      /* a later attempt is planned: not before due_us */
    LEDGER_CANCELLED, /* asked for, or a duplicate: the job was ended by this claim */
    LEDGER_POISON,    /* started max_starts times without an outcome; it is claimed all the same */
    LEDGER_BEHIND,    /* an earlier job of its subject is not finished; due_us: the first's */
    LEDGER_SUSPECT,   /* the start would be its last one: not claimed unless is_alone */
};

struct ledger_claimed {
    enum ledger_verdict verdict;
    int64_t fence;
    int attempt;      /* the ledger's own, if it is ahead of the delivery's */
    int starts;       /* without an outcome, this one counted */
    int64_t sequence; /* number of the first event of this start */
    int64_t due_us;   /* with LEDGER_WAIT, LEDGER_BEHIND */
    /* With LEDGER_BEHIND: its place, and that of the first of its subject; lower is earlier. */
    int64_t place, head_place;
    enum event_state state; /* with LEDGER_DONE */
    int redrive_count;
    int64_t wait_fence;      /* of a parent that waits: the start that put it to wait; 0 = none */
    const struct err *error; /* with LEDGER_DONE, LEDGER_CANCELLED; NULL = none */
    const char *result;      /* JSON; NULL = none */
};

struct ledger_claims {
    const struct ledger_claim *items;
    size_t count;
    const char *worker, *owner; /* program; process */
    int max_starts;             /* starts without an outcome before a job counts as poison */
    int64_t now_us;
};
#define LEDGER_CLAIMS_MAX 1024 /* in one statement: the step of haul.fence */

/* One statement. Needs each job's lease: a row that says "running" is taken for a dead worker's.
 * `ret_claimed` has an item a claim. Not waited for on the hub's disk (claims of ordered kinds, and
 * those that end their job, are): `db` must have been opened with LEDGER_SESSION_SQL, so that no
 * fence is given twice. */
#define LEDGER_SESSION_SQL "SELECT haul.fence_skip()"
MUST_USE enum outcome ledger_claim_many(struct pgsql *db, const struct ledger_claims *claims,
                                        struct arena *arena, struct ledger_claimed *ret_claimed,
                                        struct err *err);

/* One statement. Jobs of ordered kinds that nobody has claimed yet get their places, in this order:
 * from now on later ones of their subjects are behind them. Of a job that is known nothing changes.
 * It has reached the hub's disk. Uses no more of a claim than what says which job it is. */
MUST_USE enum outcome ledger_place_many(struct pgsql *db, const struct ledger_claims *jobs,
                                        struct arena *arena, struct err *err);

/* How a start ended. Compare-and-set on the fence. */
struct ledger_settlement {
    const char *job_id;
    int64_t fence;
    bool is_end;
    /* An end: */
    enum event_state state; /* a terminal one */
    int64_t sequence;       /* of the terminal event */
    const char *result;     /* JSON object; NULL = none */
    /* Else it waits: */
    int next_attempt;
    int64_t due_us;     /* 0 = at once: handed back */
    int64_t wait_fence; /* as ledger_claimed's will be from now on */
    bool is_unbegun; /* nothing of it ran: only its own start is taken back, those before count */
    /* Either: NULL = none, handed back without a failure. */
    const struct err *error;
};

enum ledger_answer {
    LEDGER_OURS,
    LEDGER_FENCED,         /* another start owns the job, nothing was changed */
    LEDGER_ENDED_CANCELLED /* a cancel was asked for; the job was ended by this call */
};
struct ledger_settled {
    enum ledger_answer answer;
    struct ledger_claimed after; /* the row, with LEDGER_ENDED_CANCELLED */
};
/* One statement; `ret_settled` has an item a settlement. The same again gives the same answers. */
MUST_USE enum outcome ledger_settle_many(struct pgsql *db, const struct ledger_settlement *list,
                                         size_t count, struct arena *arena,
                                         struct ledger_settled *ret_settled, struct err *err);

/* The hub's clock: microseconds since the epoch. */
MUST_USE enum outcome ledger_now(struct pgsql *db, int64_t *ret_now_us, struct err *err);

/* Which of the jobs (ids separated by commas) are asked to be cancelled: ids, same form. */
MUST_USE enum outcome ledger_cancels(struct pgsql *db, const char *job_ids, struct arena *arena,
                                     const char **ret_job_ids, struct err *err);

/* ---- for the command line ---- */

enum ledger_cancel_verdict {
    LEDGER_CANCEL_ENDED,   /* it was waiting: it is cancelled now; tell the terminal event */
    LEDGER_CANCEL_ASKED,   /* it runs, or was never seen: its worker will end it */
    LEDGER_CANCEL_TOO_LATE /* terminal already */
};
struct ledger_cancel {
    const char *job_id;
    const char *reason; /* NULL = none */
    const char *actor;
};
/* `ret_row` (may be NULL) is the row as it stands after it; job_id NULL when it was never seen. */
struct ledger_row;
MUST_USE enum outcome ledger_cancel(struct pgsql *db, const struct ledger_cancel *cancel,
                                    struct arena *arena, enum ledger_cancel_verdict *ret_verdict,
                                    struct ledger_row *ret_row, struct err *err);

struct ledger_row {
    const char *job_id, *workspace_id, *kind, *subject, *worker;
    const char *state; /* running, waiting, or a terminal event_state's name */
    int attempt, starts, redrive_count;
    int64_t fence, sequence;
    int64_t created_us, started_us, updated_us, finished_us, due_us; /* 0 = not yet, none */
    bool cancel_asked;
    const char *owner;
    struct err error;   /* error.code "" = none */
    const char *result; /* JSON; NULL = none */
    const char *first_topic;
    int64_t first_partition, first_offset;
};

/* PERMANENT "ledger.missing" when no job of that id was ever taken. */
MUST_USE enum outcome ledger_get(struct pgsql *db, const char *job_id, struct arena *arena,
                                 struct ledger_row *ret_row, struct err *err);

struct ledger_filter {
    const char *workspace_id, *kind, *state, *worker; /* NULL = any */
    int64_t since_us;                                 /* created at or after; 0 = any */
    int64_t limit;                                    /* 0 = 100 */
};
struct ledger_rows {
    const struct ledger_row *items; /* the newest first; without results */
    size_t count;
};
MUST_USE enum outcome ledger_list(struct pgsql *db, const struct ledger_filter *filter,
                                  struct arena *arena, struct ledger_rows *ret_rows,
                                  struct err *err);

#endif
