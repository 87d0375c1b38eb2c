/*
 * hub_run: the runs of syncs and their receipts.
 *
 * Is:      one row a run: one attempt of one job at its sync, from begin to its outcome, and the
 *          receipt of it, which is never changed.
 * Is not:  the ledger (run/), which decides the one terminal state of a job.
 * Owns:    nothing. Threads: as its hub.
 */
#ifndef HAUL_SYNC_HUB_RUN_H
#define HAUL_SYNC_HUB_RUN_H

#include "base/arena.h"
#include "sync/hub_sync.h"

struct run_begin {
    struct sync_ref sync;
    const char *job_id;
    int64_t attempt; /* from 1 */
    int64_t fence;
    const char *mode;   /* "upsert" */
    const char *worker; /* host and process, for people */
};

#define RUN_ID_SIZE 32
/* Opens a run and gives its id (a ULID). */
MUST_USE enum outcome hub_run_begin(const struct hub *hub, const struct run_begin *begin,
                                    char ret_run_id[RUN_ID_SIZE], struct err *err);

struct run_end {
    enum outcome outcome;
    const struct err *failure; /* NULL when OK */
    const char *receipt;       /* JSON; NULL = there is none (the run came to nothing) */
    int64_t rows_read, rows_written, rows_rejected, rows_deleted, bytes_read;
};

/* Closes the run and stores its receipt, in one transaction; a second call changes nothing. */
MUST_USE enum outcome hub_run_finish(const struct hub *hub, const char *run_id,
                                     const struct run_end *end, struct err *err);

struct run_row {
    const char *run_id, *workspace_id, *sync_id, *job_id, *mode, *worker;
    int64_t attempt, fence;
    const char *started_at, *finished_at; /* RFC 3339; finished_at NULL = running or killed */
    const char *outcome;                  /* outcome_name; NULL = not finished */
    const char *error_code, *error_message, *error_hint; /* NULL = none */
    int64_t rows_read, rows_written, rows_rejected, rows_deleted, bytes_read;
    const char *receipt; /* JSON; NULL = none */
};
struct run_rows {
    const struct run_row *items; /* newest first */
    size_t count;
};

struct run_filter {
    const char *workspace_id, *sync_id, *job_id; /* NULL = any */
    int64_t limit;                               /* 0 = 50 */
    bool with_receipt;
};
MUST_USE enum outcome hub_run_list(const struct hub *hub, const struct run_filter *filter,
                                   struct arena *arena, struct run_rows *ret_rows, struct err *err);

#endif
