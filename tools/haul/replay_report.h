/*
 * replay_report: what became of the dead letters that a replay looked at: a histogram by class,
 * code, kind and workspace.
 *
 * Owns:    nothing: names live in the arena.
 * Threads: one.
 */
#ifndef HAUL_TOOL_REPLAY_REPORT_H
#define HAUL_TOOL_REPLAY_REPORT_H

#include "dlq_known.h"
#include "out.h"

/* A bar of the histogram. */
struct replay_group {
    const char *class, *code, *kind, *workspace_id;
    int64_t counts[FATE_COUNT];
    int64_t oldest_us, newest_us; /* given up; 0 = unknown */
};

#define REPLAY_GROUPS_MAX 1024
struct replay_report {
    struct arena *arena;
    bool dry_run;
    int64_t counts[FATE_COUNT];
    struct replay_group groups[REPLAY_GROUPS_MAX];
    size_t group_count;
    int64_t not_grouped; /* letters of groups beyond the last one */
    int64_t before;      /* letters that were not looked at: earlier replays settled them */
};

void replay_report_count(struct replay_report *report, const struct dead_letter *letter,
                         enum fate fate);
/* As one JSON value; the largest groups first. */
void replay_report_write(struct replay_report *report, struct jwrite *w);
MUST_USE enum outcome replay_report_print(struct replay_report *report, struct out *out,
                                          struct err *err);

#endif
