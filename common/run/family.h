/*
 * family: the hub's record of a parent and the children that its work was handed to.
 *
 * Is:      the statements of run/fan_out, each one round trip and atomic (schemas/hub/0004).
 * Is not:  a policy (model/fan_in), nor the ledger: parent and children have their rows there too.
 * Owns:    nothing. Texts that are returned live in the caller's arena.
 * Threads: as its pgsql. All fail as pgsql_query does.
 */
#ifndef HAUL_RUN_FAMILY_H
#define HAUL_RUN_FAMILY_H

#include "base/arena.h"
#include "io/pgsql.h"
#include "model/fan_in.h"

struct family_look {
    struct fan_in counts;
    int64_t failed_number; /* of a child that has failed */
    struct err failure;    /* its error */
};
MUST_USE enum outcome family_look(struct pgsql *db, const char *parent_id, struct arena *arena,
                                  struct family_look *ret_look, struct err *err);

/* A Kafka record as texts. */
struct family_record {
    const char *key; /* hexadecimal; NULL = none */
    const char *value;
    const char *headers; /* JSON: [[name, hexadecimal or null], ...] */
};

struct family_child {
    const char *id; /* of its job; with family_spawn's answer */
    int64_t number;
    const char *payload; /* JSON object */
};
struct family_children {
    const struct family_child *items;
    size_t count;
};

struct family_spawn {
    const char *parent_id;
    int64_t fence; /* of the parent's start */
    const char *plan;
    int64_t rows_total; /* below 0 = not known */
    struct family_record record;
    struct family_children children;
};
/* Gives the children to be told; none when another start owns the parent or it is cancelled. */
MUST_USE enum outcome family_spawn(struct pgsql *db, const struct family_spawn *spawn,
                                   struct arena *arena, struct family_children *ret_children,
                                   struct err *err);
/* They are told. */
MUST_USE enum outcome family_told(struct pgsql *db, const char *parent_id, const char *plan,
                                  struct err *err);
/* The parent needs them no more: those without an end are cancelled. */
MUST_USE enum outcome family_close(struct pgsql *db, const char *parent_id, int64_t fence,
                                   struct err *err);

struct family_result {
    int64_t number;
    const char *result; /* JSON; NULL = none */
    const char *owner;  /* who did it: host, process */
};
struct family_results {
    const struct family_result *items;
    size_t count;
};
MUST_USE enum outcome family_results(struct pgsql *db, const char *parent_id, struct arena *arena,
                                     struct family_results *ret_results, struct err *err);

/* ---- a child's side ---- */

enum family_verdict {
    FAMILY_RUN,
    FAMILY_DONE,  /* an earlier start has ended it: `result` */
    FAMILY_STALE, /* nobody waits for it: its cancel has been asked for */
};
struct family_task {
    enum family_verdict verdict;
    int64_t number;
    const char *payload, *parent_id, *parent_value, *result; /* NULL = none */
};
MUST_USE enum outcome family_begin(struct pgsql *db, const char *child_id, struct arena *arena,
                                   struct family_task *ret_task, struct err *err);

struct family_end {
    const char *child_id;
    int64_t rows_done;
    const char *result;        /* JSON; NULL = none */
    const struct err *failure; /* NULL: it has its result */
};
struct family_parent {
    const char *id; /* NULL: nobody waits */
    struct fan_in counts;
    struct family_record record;
};
MUST_USE enum outcome family_end(struct pgsql *db, const struct family_end *end,
                                 struct arena *arena, struct family_parent *ret_parent,
                                 struct err *err);

/* The parent's progress, when it is to be told now. */
struct family_progress {
    const char *parent_id; /* NULL: not now */
    const char *workspace_id, *kind;
    int64_t rows_done, rows_total; /* total -1 = not known */
    int64_t sequence;
    int attempt, redrive_count;
};
MUST_USE enum outcome family_progress(struct pgsql *db, const char *child_id, int64_t rows_done,
                                      struct arena *arena, struct family_progress *ret_progress,
                                      struct err *err);

#endif
