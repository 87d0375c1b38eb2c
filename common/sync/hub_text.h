/*
 * hub_text: what the hub_*.c files share: results' texts into an arena, times, nearest names.
 *
 * Is not: for others than hub_*.c.
 */
#ifndef HAUL_SYNC_HUB_TEXT_H
#define HAUL_SYNC_HUB_TEXT_H

#include "base/arena.h"
#include "io/pgsql.h"
#include "io/seal.h"

/* SQL of a timestamptz as RFC 3339 text in UTC. */
#define HUB_TIME(column)                                                                           \
    " to_char((" column ") AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

struct hub_texts {
    const struct pgsql_result *result;
    size_t row;
    struct arena *arena;
    bool failed; /* memory; sticky */
};

/* A copy of the column's text; NULL for SQL's NULL, and without memory (failed). */
const char *hub_text(struct hub_texts *texts, size_t column);

/* Ends an error about a name that is missing with a hint: "did you mean ..." when one in the first
 * column is near, the known ones when they are few, else `otherwise`. Returns the class. */
enum outcome hub_hint_nearest(const struct pgsql_result *names, const char *wanted,
                              const char *otherwise, struct err *err);

/* PERMANENT "hub.keyring" when the hub handle has none. */
struct hub;
MUST_USE enum outcome hub_need_keyring(const struct hub *hub, const char *what, struct err *err);

/* Where a quarantined row is sealed to: its run, chunk and number. */
struct quarantine_place {
    char owner[64], field[64];
    struct seal_place place;
};
void hub_quarantine_place(const char *workspace_id, const char *run_id, int64_t chunk,
                          int64_t row_number, struct quarantine_place *ret_place);

#endif
