/*
 * hub_quarantine: rows that a target refused or a policy held back, with the reason.
 *
 * Is:      add (many at a time), list, export. The row itself is sealed with the vault's key: it
 *          belongs to the workspace, and a dump of the hub does not show it.
 * Is not:  a limit: the pipeline counts and stops.
 * Owns:    nothing. Threads: as its hub.
 *
 * Entries are never changed. An attempt that reads a chunk again adds its entries anew under its
 * own run; of each chunk of a job only those of the latest run that has any are listed.
 */
#ifndef HAUL_SYNC_HUB_QUARANTINE_H
#define HAUL_SYNC_HUB_QUARANTINE_H

#include "base/arena.h"
#include "sync/hub_sync.h"

struct quarantine_entry {
    int64_t chunk;       /* the same number in every attempt of a job */
    int64_t row_number;  /* within the chunk as it was read; unique there */
    const char *column;  /* NULL = the system named none */
    const char *code;    /* "row.refused", "value.zero_date" */
    const char *native;  /* SQLSTATE; NULL = none */
    const char *message; /* without row data */
    struct slice row;    /* the row as a JSON object, in plain: sealed by hub_quarantine_add */
};

/* Adds entries of one run, all or none; one that is there already is left. PERMANENT
 * "hub.keyring" without a keyring. */
MUST_USE enum outcome hub_quarantine_add(const struct hub *hub, const struct sync_ref *sync,
                                         const char *run_id, const struct quarantine_entry *entries,
                                         size_t count, struct err *err);

struct quarantine_row {
    const char *workspace_id, *sync_id, *job_id, *run_id;
    struct quarantine_entry entry; /* row.data NULL unless asked for */
    const char *created_at;        /* RFC 3339 */
};

/* Lives for the call; what it returns other than OK ends the list with it. */
typedef enum outcome quarantine_visit(void *ctx, const struct quarantine_row *row, struct err *err);

struct quarantine_filter {
    const char *workspace_id, *sync_id, *job_id, *code; /* NULL = any */
    int64_t limit;                                      /* 0 = no limit */
    bool with_row;                                      /* opens the rows: needs the keyring */
};

/* Visits the entries by sync, job, chunk and row number, a page of memory at a time. */
MUST_USE enum outcome hub_quarantine_list(const struct hub *hub,
                                          const struct quarantine_filter *filter,
                                          quarantine_visit *visit, void *ctx, struct err *err);

#endif
