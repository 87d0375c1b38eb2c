/*
 * replay_report: what became of the dead letters that a replay looked at, by class, code and kind.
 *
 * Owns:    nothing: names live in the arena.
 * Threads: one.
 */
#ifndef HAUL_TOOL_REPLAY_REPORT_H
#define HAUL_TOOL_REPLAY_REPORT_H

#include "out.h"
#include "run/dead_letter.h"

/* What becomes of a letter. */
enum fate { FATE_SENT, FATE_LEFT, FATE_AGAIN, FATE_TOO_OFTEN, FATE_NO_JOB };
#define FATE_COUNT (FATE_NO_JOB + 1)

/* A bar of the histogram. */
struct replay_group {
    const char *class, *code, *kind;
    int64_t counts[FATE_COUNT];
};

#define REPLAY_GROUPS_MAX 512
struct replay_report {
    struct arena *arena;
    bool dry_run;
    int64_t counts[FATE_COUNT];
    struct replay_group groups[REPLAY_GROUPS_MAX]; /* beyond it only counts are kept */
    size_t group_count;
};

void replay_report_count(struct replay_report *report, const struct dead_letter *letter,
                         enum fate fate);
/* As one JSON value. */
void replay_report_write(const struct replay_report *report, struct jwrite *w);
MUST_USE enum outcome replay_report_print(const struct replay_report *report, struct out *out,
                                          struct err *err);

#endif
