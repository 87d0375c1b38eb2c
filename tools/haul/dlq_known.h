/*
 * dlq_known: what the hub knows of the jobs of dead letters, and what that makes of a replay.
 *
 * Threads: one.
 */
#ifndef HAUL_TOOL_DLQ_KNOWN_H
#define HAUL_TOOL_DLQ_KNOWN_H

#include "io/pgsql.h"
#include "run/dead_letter.h"

struct dlq_known {
    const char *state; /* of the ledger; NULL: it does not know the job */
    int64_t redrive_count;
};

/* One question for all: ret_known[i] is that of letters[i]; texts live in `arena`. */
MUST_USE enum outcome dlq_known_ask(struct pgsql *db, const struct dead_letter *letters,
                                    size_t count, struct arena *arena, struct dlq_known *ret_known,
                                    struct err *err);

/* What a replay does with a letter. */
enum fate {
    FATE_SENT,       /* is put back */
    FATE_LEFT,       /* was not asked for: looked at again the next time */
    FATE_AGAIN,      /* was put back before, or its job has ended otherwise: passed over */
    FATE_QUARANTINE, /* was put back too often: set aside */
    FATE_NO_JOB,     /* cannot be put back: passed over */
    FATE_LATE,       /* its deadline has passed, it would be given up at once: passed over */
};
#define FATE_COUNT (FATE_LATE + 1)

/* Of a letter that was asked for. */
enum fate dlq_fate(const struct dead_letter *letter, const struct dlq_known *known,
                   int64_t redrive_max);

#endif
